"""The files that a command is told to write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from stacknb.exceptions import BadInput
from stacknb.places import absolute
from stacknb.rundir.room import FULL, unwritable

__all__ = ["writing"]


@contextlib.contextmanager
def writing(file: str) -> Iterator[None]:
    """Refuse a file that cannot be written: it is an argument.

    Raises
    ------
    BadInput
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and Path(error.filename) != Path(file):
            raise  # of what is read meanwhile
        absolute(file)  # what is wrong with the working directory comes first
        why = unwritable(repr(file), error)
        own = os.path.isfile(file) and not os.path.islink(file)  # not what /dev/stdout stands for
        if error.filename is None and error.errno in FULL and own:  # half of it tells lies
            Path(file).unlink()
            why = f"{why}, so it is removed"
        raise BadInput(f"{why}; name another") from error
