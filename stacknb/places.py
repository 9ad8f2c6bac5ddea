"""Where things are: our own, those of a run directory; what a log can be called by."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stacknb.exceptions import BadInput

__all__ = [
    "BASH", "FACTS", "HOME", "JOURNAL", "STATE", "WAITS", "absolute", "check_name", "find",
    "is_name", "latest",
]  # fmt: skip

HOME = Path(__file__).parents[1]  # where the package is imported from
BASH = Path(__file__).parent / "bash"  # what bash sources of it
# Of a run directory; bash writes some of them, too.
FACTS = "run.json"  # what a run began with
JOURNAL = "journal.jsonl"  # its events
WAITS = "waits.jsonl"  # those that have ended
STATE = "state"  # the folder of what may hold passwords: snapshots, settings
_LONGEST = 200  # letters of a name: its log adds to it, and a file may have 255


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
    if os.path.isdir(where) and not os.access(where, os.X_OK):
        lack = "cannot be read by you"
    raise BadInput(f"{str(path)!r} is no run directory: it {lack}; see .stacknb/runs/")


def is_name(name: str) -> bool:
    """Tell whether a log can be called by it, but for its length."""
    good = name and name.isascii() and all(c.isalnum() or c in "._-" for c in name)
    return bool(good) and not name.startswith("-") and name not in (".", "..")


def check_name(name: str, what: str = "task") -> None:
    """Refuse what cannot name a task, a hook or a plugin, of which a log has its name.

    Parameters
    ----------
    name : str
    what : str
        Which of these it is to name.

    Raises
    ------
    BadInput
    """
    if not is_name(name):
        raise BadInput(
            f"{name!r} cannot name a {what}: use letters, digits, '.', '_' and '-' (no '-' in "
            "front; '.' and '..' are folders)"
        )
    if len(name) > _LONGEST:
        raise BadInput(
            f"{name[:20] + '…'!r} cannot name a {what}: it has {len(name)} characters; use at "
            f"most {_LONGEST}"
        )
