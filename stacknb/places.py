"""Where things are: our own, those of a run directory, a path that outlives the working one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stacknb.exceptions import BadInput

__all__ = ["BASH", "FACTS", "HOME", "JOURNAL", "STATE", "WAITS", "absolute", "find", "latest"]

HOME = Path(__file__).parents[1]  # where the package is imported from
BASH = Path(__file__).parent / "bash"  # what bash sources of it
# Of a run directory; bash writes some of them, too.
FACTS = "run.json"  # what a run began with
JOURNAL = "journal.jsonl"  # its events
WAITS = "waits.jsonl"  # those that have ended
STATE = "state"  # the folder of what may hold passwords: snapshots, settings


def absolute(path: str | os.PathLike[str] = "") -> Path:
    """Return the absolute path; by default that of the working directory.

    Raises
    ------
    BadInput
        If that was deleted, so that nothing can be found from it.
    """
    try:
        return Path(os.path.abspath(path))
    except FileNotFoundError:
        raise BadInput(
            "the working directory is gone: somebody has deleted it; change to one that is there"
        ) from None


def latest() -> Path:
    """Return the directory of the run that was made last from here.

    Raises
    ------
    BadInput
        If there is none.
    """
    absolute()  # as in `find`
    with contextlib.suppress(BadInput):
        return find(".")
    raise BadInput("no run to resume in '.stacknb/runs': name the directory of one, or begin one")


def find(path: str | os.PathLike[str]) -> Path:
    """Return the run directory that `path` means: itself, or ``latest`` within it.

    Raises
    ------
    BadInput
        If there is no run.
    """
    absolute(path)  # what is wrong with the working directory comes first
    where = Path(path)
    for candidate in (where, where / "latest", where / ".stacknb" / "runs" / "latest"):
        if os.path.isfile(candidate / FACTS):  # a Path would raise, for a name too long
            return Path(os.path.realpath(candidate))
    lack = f"has no {FACTS}" if os.path.exists(where) else "does not exist"
    raise BadInput(f"{str(path)!r} is no run directory: it {lack}; see .stacknb/runs/")
