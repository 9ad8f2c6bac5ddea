"""A cell's bash as a file of the run, and what came of it."""

from __future__ import annotations

from pathlib import Path

from stacknb import tasklog
from stacknb.results import HookResult, Result
from stacknb.rundir import room
from stacknb.shell.environment import check_text
from stacknb.text import reading

__all__ = ["SHOWN", "errors_of", "result_of", "write", "write_numbered"]

SHOWN = 1 << 20  # bytes of a cell's output that its result holds


def write(run_dir: Path, name: str, code: str) -> Path:
    """Write a cell's bash to ``RUN/cells/NAME.bash``."""
    check_text(code, "the cell")
    cell = run_dir / "cells" / f"{name}.bash"
    try:
        text = code if code.endswith("\n") else code + "\n"
        cell.write_text(text, "utf-8", "surrogateescape")
    except OSError as error:
        raise room.refusal(run_dir, error, "no cell can be run") from error
    return cell


def write_numbered(run_dir: Path, name: str, code: str) -> Path:
    """Write a cell's bash to ``RUN/cells/NAME.1.bash``, or with the next number that is free."""
    count = 1
    while (run_dir / "cells" / f"{name}.{count}.bash").exists():
        count += 1
    return write(run_dir, f"{name}.{count}", code)


def errors_of(log: Path) -> Path:
    """Return the file with the stderr of a cell, whose log has its stdout."""
    return log.with_suffix(".err")


def result_of(code: str, done: HookResult) -> Result:
    """Return what a cell printed, at most its last MiB of each stream, and its status."""
    assert done.log is not None
    stdout = tasklog.tail_bytes(done.log, SHOWN)
    stderr = reading.ending(errors_of(done.log), SHOWN)
    out, err = (data.decode("utf-8", "replace") for data in (stdout, stderr))
    return Result(code, done.exit_code, out, err, done.log)
