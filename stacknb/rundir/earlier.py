"""What an earlier run of the same tree took, so that a display can say what is to be expected."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.exceptions import BadInput
from stacknb.rundir.journal import RunDir
from stacknb.rundir.shapes import facts_of

__all__ = ["Earlier", "beside", "find"]

_MOST = 50  # run directories looked at


class Earlier:
    """An earlier run.

    Parameters
    ----------
    run_dir : Path
    start : float
        Epoch seconds.

    Attributes
    ----------
    phases : dict of str to float or None
        Seconds each phase took that ended well.
    """

    def __init__(self, run_dir: Path, start: float) -> None:
        self.run_dir = run_dir
        self.start = start
        self.phases, self.complete = RunDir(run_dir, "").past()
        self._tasks: dict[str, float | None] = {}

    @property
    def when(self) -> str:
        """Its beginning in local time: ``22 Nov 17:40``."""
        return time.strftime("%d %b %H:%M", time.localtime(self.start))

    def task_s(self, name: str) -> float | None:
        """Return how many seconds the task of that name took, if it ended well."""
        if name not in self._tasks:
            self._tasks[name] = _time_of(self.run_dir / "async" / f"{name}.log")
        return self._tasks[name]


def _time_of(log: Path) -> float | None:
    record = tasklog.record_of(log)
    if record is None or record.footer is None or record.footer["exit_code"] != 0:
        return None
    return record.duration_s


def find(run_dir: Path, facts: dict[str, Any]) -> Earlier | None:
    """Return the newest complete run beside `run_dir` of the same tree and mode, made before it."""
    for start, path, _ in beside(run_dir, facts["top_dir"], facts["mode"]):
        with contextlib.suppress(OSError):  # a journal that is no file
            if start < facts["start"] and (earlier := Earlier(path, start)).complete:
                return earlier
    return None


def beside(run_dir: Path, top_dir: str, mode: str) -> list[tuple[float, Path, dict[str, Any]]]:
    """Return the other runs of a tree and a mode in the same folder, the newest first.

    Each is its start in epoch seconds, its directory, and its ``run.json``.
    """
    try:
        names = sorted(os.listdir(run_dir.parent), reverse=True)
    except OSError:
        return []
    found = []
    for name in names[:_MOST]:
        path = run_dir.parent / name
        if name == "latest" or path == run_dir:
            continue
        with contextlib.suppress(BadInput):  # there is no run
            other = facts_of(path)
            if (other["top_dir"], other["mode"]) == (top_dir, mode):
                found.append((other["start"], path, other))
    return sorted(found, key=lambda run: run[:2], reverse=True)
