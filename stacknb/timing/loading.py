"""Opens whatever an engineer has of a run."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stacknb import tasklog
from stacknb.exceptions import BadInput, LogError
from stacknb.places import absolute
from stacknb.text import reading
from stacknb.timing.logs import unpacked
from stacknb.timing.records import Records
from stacknb.timing.rundir import read_folder, read_log
from stacknb.timing.stackrun import read_stack_log

__all__ = ["read"]

_ENOUGH = 512
_TEXT = 15  # behind which even a log may hold any byte
_ARCHIVES = (
    ("a tar archive", b"ustar", 257),
    ("a zip archive", b"PK\3\4", 0),
    ("compressed by xz", b"\xfd7zXZ\0", 0),
    ("compressed by zstd", b"\x28\xb5\x2f\xfd", 0),
    ("compressed by bzip2", b"1AY&SY", 4),
)


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
        start = reading.beginning(file, _ENOUGH)
        if start.startswith(tasklog.BEGIN):
            return read_log(file, present)
        packed = unpacked(file, _ENOUGH)
        if packed.startswith(tasklog.BEGIN):
            raise LogError(
                f"{str(file)!r} is a log of stacknb, gzipped: unpack it first (gunzip); "
                "only those of stack.sh are read as they are"
            )
        for what, begin, at in _ARCHIVES:
            if begin in (start[at : at + len(begin)], packed[at : at + len(begin)]):
                raise LogError(f"{str(file)!r} is {what}: unpack it first, and give what was in it")
        if b"\0" in start[:_TEXT] and not start.startswith(b"\x1f\x8b"):
            raise LogError(f"{str(file)!r} is no text: give a stack.sh log or a log of stacknb")
        return read_stack_log(file, present)
    except FileNotFoundError:
        raise LogError(
            f"{os.fspath(path)!r} does not exist; a run's logs are in .stacknb/runs"
        ) from None
    except OSError as error:
        raise LogError(f"{str(file)!r} cannot be read: {error.strerror or error}") from error


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
