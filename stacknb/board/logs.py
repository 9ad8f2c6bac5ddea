"""The logs of a run directory: which there are, and what one says."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from stacknb import tasklog
from stacknb.exceptions import LogError
from stacknb.rundir.lock import Lock
from stacknb.tasklog import LogRecord

__all__ = ["LogReader"]


class LogReader:
    """Reads the logs of one run directory.

    They are named by their path within it: a `Path` for each of 100,000 takes longer than what is
    in them.

    Attributes
    ----------
    lock : Lock
        Tells whether a process works on the run, be it one that is not seen from here.
    faults : dict of str to str
        What is wrong with logs that cannot be read, by their names.
    """

    def __init__(self, run_dir: Path) -> None:
        self._root = str(run_dir)
        self.lock = Lock(run_dir)
        self.faults: dict[str, str] = {}

    def names(self, folder: str) -> list[str]:
        """Return the logs in a folder, sorted."""
        try:
            found = os.listdir(f"{self._root}/{folder}")
        except OSError:
            return []
        return [f"{folder}/{name}" for name in sorted(found) if name.endswith(".log")]

    def names_of_hooks(self) -> list[str]:
        """Return the logs of the hooks, sorted."""
        return sorted(glob.glob("hooks/*/*.log", root_dir=self._root))

    def path(self, name: str) -> Path:
        """Return where a log is."""
        return Path(self._root, name)

    def name(self, path: Path) -> str:
        """Return how a log is named."""
        return str(path.relative_to(self._root))

    def read(self, name: str, reach: int = tasklog.FAR) -> LogRecord | None:
        """Return what a log says, see `tasklog.read`; None if it has not begun or is none."""
        try:
            return tasklog.read(os.path.join(self._root, name), reach)
        except (LogError, FileNotFoundError):
            return None
        except OSError as error:
            self.faults[name] = f"log {name!r} cannot be read: {error.strerror or error}"
            return None

    def size(self, name: str) -> int:
        """Return how long a log is, -1 if there is none."""
        try:
            return os.stat(os.path.join(self._root, name)).st_size
        except OSError:
            return -1

    def changed(self, name: str) -> float:
        """Return when a log was last written to, epoch seconds; 0 if there is none."""
        try:
            return os.stat(os.path.join(self._root, name)).st_mtime
        except OSError:
            return 0.0
