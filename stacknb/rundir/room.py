"""What cannot be written, in words; and whether a run directory still can."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from stacknb.exceptions import StacknbError
from stacknb.places import STATE

__all__ = ["FULL", "lack", "refusal", "remedy", "unwritable"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROBE = bytes(1 << 16)


def unwritable(what: str, error: OSError) -> str:
    """Say that something cannot be written, and why; every face says it so."""
    return f"{what} cannot be written ({error.strerror or error})"


def remedy(run_dir: Path) -> str:
    """Say what can be done about it."""
    if run_dir.is_dir():
        return "free some room or make it writable"
    return "begin a new run (in a notebook: %stack reset), or put it back"


def refusal(run_dir: Path, error: OSError, what: str) -> StacknbError:
    """Return the error for what can therefore not be done: ``"no cell can be run"``."""
    return StacknbError(f"{_sentence(run_dir, error)}: {what}; {remedy(run_dir)}")


def lack(run_dir: Path) -> str:
    """Say why something could not be written into a run directory; it is tried again for that."""
    probe = run_dir / STATE / f".room.{os.getpid()}"
    try:
        try:
            probe.write_bytes(_PROBE)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return _sentence(run_dir, error)
    return f"run directory {str(run_dir)!r} could not be written for a time"


def _sentence(run_dir: Path, error: OSError) -> str:
    if not run_dir.is_dir():
        return f"run directory {str(run_dir)!r} is gone: somebody has removed it"
    return unwritable(f"run directory {str(run_dir)!r}", error)
