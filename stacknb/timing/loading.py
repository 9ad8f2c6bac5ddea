"""Opens whatever an engineer has of a run."""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from stacknb import tasklog
from stacknb.exceptions import BadInput, LogError
from stacknb.places import absolute
from stacknb.text import reading
from stacknb.timing.records import Records
from stacknb.timing.rundir import read_folder, read_log
from stacknb.timing.stackrun import read_stack_log

__all__ = ["read"]


def read(
    path: str | os.PathLike[str], *, run: str | None = None, now: float | None = None
) -> Records:
    """Read a run directory, a folder of logs, one log, or a log of stack.sh.

    Parameters
    ----------
    path : path-like
    run : str, optional
        Which run to take from a folder that holds logs of several.
    now : float, optional
        Epoch seconds that count as the present; the end of what still runs.

    Raises
    ------
    LogError
        If it is none of these, or cannot be read.
    """
    if not isinstance(path, str | os.PathLike):
        raise BadInput(f"{path!r} is no path: give a run directory, one log, or a stack.sh log")
    file = absolute(path)  # so that logs are found after a change of directory
    present = time.time() if now is None else now
    try:
        if file.is_dir():
            with _no_collection():
                # `latest` will be another run some day, and its name tells nothing.
                return read_folder(Path(os.path.realpath(file)), run, present)
        with reading.opened(file) as log:
            start = log.read(len(tasklog.BEGIN))
        if start == tasklog.BEGIN:
            return read_log(file, present)
        if start.startswith(b"\x1f\x8b") and _is_packed_log(file):
            raise LogError(
                f"{str(file)!r} is a log of stacknb, gzipped: unpack it first (gunzip); "
                "only those of stack.sh are read as they are"
            )
        if b"\0" in start and not start.startswith(b"\x1f\x8b"):
            raise LogError(f"{str(file)!r} is no text: give a stack.sh log or a log of stacknb")
        return read_stack_log(file, present)
    except FileNotFoundError:
        raise LogError(
            f"{os.fspath(path)!r} does not exist; a run's logs are in .stacknb/runs"
        ) from None
    except OSError as error:
        raise LogError(f"{str(file)!r} cannot be read: {error.strerror or error}") from error


def _is_packed_log(file: Path) -> bool:
    with reading.opened(file) as packed:
        try:
            return gzip.GzipFile(fileobj=packed).read(len(tasklog.BEGIN)) == tasklog.BEGIN
        except (OSError, EOFError, zlib.error):  # whoever reads it says what is wrong
            return False


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    # Nothing of what is read becomes garbage; looking through all of it again and again, as Python
    # does while objects are made, takes longer the more there are.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
