"""The log of one hook or one cell: where it lies, how it is begun."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stacknb import tasklog
from stacknb.rundir import room
from stacknb.text import reading

__all__ = ["has_begun", "header", "inner", "make"]


def make(
    run_dir: Path,
    run: str,
    kind: str,
    name: str,
    command: Sequence[str],
    phase: str,
    pid: Callable[[Path], int],
) -> Path:
    """Make a log and write its header.

    Parameters
    ----------
    kind : {'hook', 'cell'}
    pid : callable
        Takes the path; tells the process of the shell as soon as that is free. The file is made
        before, since some file systems take as long for it as a short hook takes.

    Raises
    ------
    StacknbError
        If it cannot be written; the disk may be full.
    """
    folder = f"hooks/{phase.replace(' ', '-')}" if kind == "hook" else "cells"
    path = tasklog.numbered(run_dir / folder / f"{name}.log")
    try:
        if not os.path.isdir(path.parent):
            path.parent.mkdir(parents=run_dir.is_dir(), exist_ok=True)
        with open(path, "xb"):
            pass
    except OSError as error:
        raise room.refusal(run_dir, error, _no_log(run_dir, path)) from error
    try:
        begin = header(run, kind, name, command, phase, pid(path), time.time())
        with open(path, "ab") as file:
            file.write(tasklog.begin_line(begin))
    except BaseException as error:
        with contextlib.suppress(OSError):
            path.unlink()  # without its header it would be no log
        if isinstance(error, OSError):
            raise room.refusal(run_dir, error, _no_log(run_dir, path)) from error
        raise
    return path


def inner(log: str) -> Path:
    """Return the path within its run directory of a log that `make` has made, wherever it was."""
    path = Path(log)
    return Path(*path.parts[-2 if path.parent.name == "cells" else -3 :])


def header(
    run: str, kind: str, name: str, command: Sequence[str], phase: str, pid: int, start: float
) -> dict[str, object]:
    """Return what the header of a log says."""
    return {
        "kind": kind, "name": name, "command": list(command), "phase": phase,
        "hook": name if kind == "hook" else "", "start": start, "pid": pid,
        "host": socket.gethostname(), "run": run,
    }  # fmt: skip


def has_begun(log: Path) -> bool:
    """Tell whether there is a log with a header."""
    try:
        with reading.opened(log) as file:
            return file.read(len(tasklog.BEGIN)) == tasklog.BEGIN
    except OSError:
        return False


def _no_log(run_dir: Path, path: Path) -> str:
    return f"no log {str(path.relative_to(run_dir))!r} can be begun"
