"""How every file is read that somebody else may have put there, and what stands in it.

In the place of a log or of settings may lie a pipe that nobody writes to, a device without an end,
a file of terabytes, or JSON that is meant to break its reader. Here each is an `OSError` in words,
or no record; whoever reads has to know no more of it.
"""

from __future__ import annotations

import errno
import json
import os
import select
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

__all__ = [
    "as_seconds",
    "beginning",
    "ending",
    "json_object",
    "opened",
    "pieces",
    "piped",
    "whole",
]

_DECODER = json.JSONDecoder(strict=False)  # `json.loads` would make another one for each line
_NUMBER = (int, float)
_MOST = 256 << 20
_MOST_PIPED = 16 << 20
_PIECE = 1 << 16
_LATEST = 4.2e9  # seconds; beyond the year 2100 it is no time but a mistake
_NO_WRITER_S = 5.0  # somebody may be about to open the other end
_SILENT_S = 60.0  # what writes may have to ask a server first
_KINDS = {
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}

Pathlike = str | os.PathLike[str]


def opened(path: Pathlike) -> BinaryIO:
    """Open a regular file for reading; ``/dev/null`` counts as an empty one.

    Raises
    ------
    OSError
        If it cannot be opened, or is a pipe, a socket or a device, which might never end.
    """
    facts = os.stat(path)
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode))
    if kind and not os.path.samestat(facts, os.stat(os.devnull)):
        raise OSError(errno.EINVAL, f"{kind}, not a file", os.fspath(path))
    return open(path, "rb", opener=_at_once)


def whole(path: Pathlike, most: int = _MOST) -> bytes:
    """Return all of a regular file.

    Raises
    ------
    OSError
        As `opened`; or if it has more than `most` bytes.
    """
    return _bounded(beginning(path, most + 1), most, path)


def beginning(path: Pathlike, most: int) -> bytes:
    """Return the first bytes of a regular file, `most` of them if it has so many.

    Raises
    ------
    OSError
        As `opened`.
    """
    with opened(path) as file:
        # Not `most` at once: to ask for that much memory takes longer than to read a small file.
        size = min(os.fstat(file.fileno()).st_size + 1, most)
        data = file.read(size)
        if len(data) == size:  # it has grown meanwhile, or is one of /proc
            data += file.read(most - size)
    return data


def ending(path: Pathlike, most: int) -> bytes:
    """Return the last bytes of a regular file, at most `most`.

    Raises
    ------
    OSError
        As `opened`.
    """
    with opened(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most)


def piped(path: Pathlike) -> bytes:
    """Return all of a file, or all that somebody writes to a pipe: ``<(…)`` of a shell is one.

    Raises
    ------
    OSError
        As `whole`; or if nobody writes to the pipe for a while.
    """
    if not stat.S_ISFIFO(os.stat(path).st_mode):
        return whole(path, _MOST_PIPED)
    data = b""
    for piece in pieces(path):
        data = _bounded(data + piece, _MOST_PIPED, path)
    return data


def pieces(path: Pathlike) -> Iterator[bytes]:
    """Yield what somebody writes to a pipe, up to its end.

    Raises
    ------
    OSError
        If nobody writes to it for a while.
    """
    # A pipe without a name has lost its writer for good where it has none.
    named = os.path.exists(os.path.realpath(path))
    begun = False
    with open(path, "rb", buffering=0, opener=_at_once) as pipe:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while True:
            piece = pipe.read(_PIECE)
            if piece:
                begun = True
                yield piece
                continue
            is_over = piece is not None  # None: a writer is there, and has not written yet
            if is_over and (begun or not named):
                return
            patience = _NO_WRITER_S if is_over else _SILENT_S
            ready = poll.poll(patience * 1000)
            if not ready:
                why = f"it is a pipe, and nothing came from it within {patience:.0f} s; "
                why += "see that somebody writes to it, or give a file"
                raise OSError(errno.ETIMEDOUT, why, os.fspath(path))
            if is_over and not ready[0][1] & select.POLLIN:
                return  # its writer came and went


def json_object(text: bytes | str) -> dict[str, Any] | None:
    """Return the JSON object that `text` is, or None; bytes that are no UTF-8 are kept."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def as_seconds(value: object) -> float | None:
    """Return epoch seconds, or a duration in seconds; None for what is no such number."""
    if isinstance(value, bool) or not isinstance(value, _NUMBER):
        return None
    return value if 0 <= value < _LATEST else None


def _at_once(path: str, flags: int) -> int:
    # Should a pipe have come in the place of the file meanwhile, opening it must not block.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _bounded(data: bytes, most: int, path: Pathlike) -> bytes:
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 20} MiB", os.fspath(path))
    return data
