"""Whether a run directory can still be written, in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from stacknb.exceptions import StacknbError
from stacknb.places import STATE

__all__ = ["FULL", "lack", "refusal", "remedy", "sentence"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROBE = bytes(1 << 16)


def sentence(run_dir: Path, error: OSError) -> str:
    """Say what is wrong with a run directory, from what came of writing to it."""
    if not run_dir.exists():
        return f"run directory {str(run_dir)!r} is gone: somebody has removed it"
    what = "is full" if error.errno in FULL else "cannot be written"
    return f"run directory {str(run_dir)!r} {what} ({error.strerror})"


def remedy(run_dir: Path) -> str:
    """Say what can be done about it."""
    if run_dir.exists():
        return "free some room"
    return "begin a new run (in a notebook: %stack reset), or put it back"


def refusal(run_dir: Path, error: OSError, what: str) -> StacknbError:
    """Return the error for what can therefore not be done: ``"no cell can be run"``."""
    return StacknbError(f"{sentence(run_dir, error)}: {what}; {remedy(run_dir)}")


def lack(run_dir: Path) -> str:
    """Say why something could not be written into a run directory; it is tried again for that."""
    probe = run_dir / STATE / f".room.{os.getpid()}"
    try:
        try:
            probe.write_bytes(_PROBE)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return sentence(run_dir, error)
    return f"run directory {str(run_dir)!r} could not be written for a time"
