"""The format of one log: a header line, the output byte for byte, a footer line.

::

    #stacknb-begin {"kind": "task", "name": "db", "command": ["sync", "a b"], "start": 1.5, …}
    whatever was printed
    #stacknb-end {"end": 2.5, "exit_code": 0, "run": "…"}

The newline just before ``#stacknb-end `` belongs to the footer, so that output which does not end
with a newline is kept exactly. A footer counts only with the header's ``run`` (and ``name``, where
it has one); of several the last counts. What stands behind it was written by a child that outlived
its hook: it stays in the file and is no part of the output.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stacknb.exceptions import LogError
from stacknb.text.reading import as_seconds, json_object, opened

__all__ = [
    "BEGIN",
    "END",
    "FAR",
    "LogRecord",
    "begin_line",
    "close",
    "end_line",
    "footer_of",
    "header_of",
    "numbered",
    "put_head",
    "read",
    "read_header",
    "record_of",
    "reopen",
    "tail_bytes",
]

BEGIN = b"#stacknb-begin "
END = b"\n#stacknb-end "
_HEADER_LIMIT = 4 << 20  # a command line of the kernel's ARG_MAX fits
_FOOTER_LIMIT = 64 << 10
_TAIL = 8192
_PIECE = 4 << 20
_REACH = 1 << 20  # what a child prints after a footer is rarely more
FAR = 1 << 30  # bytes of a log that are looked through, however many it has
_TIMES = {"start", "queued", "end", "user_s", "sys_s"}
_CODES = range(-255, 256)


@dataclass(frozen=True)
class LogRecord:
    """One log as it stands on disk.

    Attributes
    ----------
    path : Path
    header : dict
        ``kind name command phase hook start pid host run`` and what newer writers add.
    footer : dict or None
        ``end exit_code user_s sys_s run``; None while it runs, or when it was killed.
    output_start, output_end : int
        Byte range of the output within the file.
    """

    path: Path
    header: dict[str, Any]
    footer: dict[str, Any] | None
    output_start: int
    output_end: int

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end; None if nobody can tell: it was killed, the clock set back."""
        start: float | None = self.header.get("start")
        end: float | None = (self.footer or {}).get("end")
        return None if start is None or end is None or end < start else end - start

    def output(self, limit: int | None = None) -> bytes:
        """Return the output, or its last `limit` bytes."""
        start = self.output_start
        if limit is not None:
            start = max(start, self.output_end - limit)
        with opened(self.path) as file:
            file.seek(start)
            return file.read(self.output_end - start)


def read(path: str | os.PathLike[str], reach: int = FAR) -> LogRecord:
    """Read header and footer of a log; the output is left on disk.

    A footer is looked for in the last `reach` bytes: all by default, up to 1 GiB, which takes its
    time where a large log has none yet. Raises LogError if the file has no header line, OSError if
    it cannot be opened.
    """
    path = path if isinstance(path, Path) else Path(path)
    with opened(path) as file:
        begin = file.read(_TAIL)
        if len(begin) < _TAIL:  # mostly that is all of it
            header, start = _header_of(begin[: begin.find(b"\n") + 1], path)
            footer, end = _footer_in(begin[start - 1 :], start - 1, header)
            end = len(begin) if end is None else end
            return LogRecord(path, header, footer, start, max(start, end))
        file.seek(0)
        header, start = _header_of(file.readline(_HEADER_LIMIT), path)
        size = file.seek(0, os.SEEK_END)
        offset = file.seek(max(start - 1, size - _TAIL))
        footer, end = _footer_in(file.read(size - offset), offset, header)
        if footer is None:
            footer, end = _search_back(file, max(start - 1, size - reach), size, header)
    return LogRecord(path, header, footer, start, max(start, size if end is None else end))


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the header alone; raises as `read`."""
    with opened(path) as file:
        return _header_of(file.readline(_HEADER_LIMIT), Path(path))[0]


def record_of(path: str | os.PathLike[str]) -> LogRecord | None:
    """Return what `read` does; None if there is no log."""
    try:
        return read(path)
    except (OSError, LogError):
        return None


def header_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header; empty if there is no log."""
    try:
        return read_header(path)
    except (OSError, LogError):
        return {}


def footer_of(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the footer that counts; None if there is none, or no log."""
    record = record_of(path)
    return record.footer if record is not None else None


def close(path: str | os.PathLike[str], **fields: Any) -> None:
    """Append a footer for what could not end its own log; a log without a header stays as it is.

    Of its fields ``end`` is now if not given.
    """
    try:
        header = read_header(path)
        with open(path, "ab") as file:
            file.write(end_line(header, **{"end": time.time(), **fields}))
    except (OSError, LogError):  # full disk, or never begun: the wait knows what is to know
        pass


def put_head(
    path: str | os.PathLike[str], header: Mapping[str, Any], *, instead: bool = False
) -> bool:
    """Put a header before a log that has lost it, and tell whether that could be done.

    Or `instead` of the one it has.
    """
    path = Path(path)
    anew = path.with_name(f"{path.name}.anew")
    try:
        with opened(path) as old, open(anew, "wb") as new:
            new.write(begin_line(header))
            if instead:
                old.readline()
            shutil.copyfileobj(old, new, _PIECE)
        anew.replace(path)
    except OSError:
        anew.unlink(missing_ok=True)
        return False
    return True


def reopen(path: str | os.PathLike[str]) -> None:
    """Take away the footer that a log ends with, for one that knows better."""
    try:
        end = read(path).output_end
        with open(path, "rb+") as file:
            file.seek(end)
            footer = file.read(_FOOTER_LIMIT)
            if footer and footer.find(b"\n", 1) == len(footer) - 1:
                file.truncate(end)
    except (OSError, LogError):  # as in `close`
        pass


def begin_line(header: Mapping[str, Any]) -> bytes:
    """Return the header line, newline included."""
    return BEGIN + json.dumps(header).encode() + b"\n"


def end_line(header: Mapping[str, Any], **fields: Any) -> bytes:
    """Return a footer for the log with `header`, newlines included.

    Written by whoever ends a task that could not end its own log.
    """
    seal = {key: header[key] for key in ("run", "name", "pid") if key in header}
    return END + json.dumps({**fields, **seal}).encode() + b"\n"


def numbered(path: Path) -> Path:
    """Return `path`, or ``NAME.2.log``, ``NAME.3.log`` … if it exists already."""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name.removesuffix('.log')}.{count}.log")
    return candidate


def tail_bytes(path: Path, limit: int = 65536) -> bytes:
    """Return up to the last `limit` bytes of the log's output; empty if there is no log."""
    try:
        return read(path, _REACH).output(limit)
    except (OSError, LogError):
        return b""


def _header_of(line: bytes, path: Path) -> tuple[dict[str, Any], int]:
    header = json_object(line[len(BEGIN) :]) if line.startswith(BEGIN) else None
    if header is None or not line.endswith(b"\n"):
        raise LogError(
            f"{str(path)!r} is no log of stacknb: it does not begin with '#stacknb-begin'"
        )
    return _sound(header), len(line)


def _sound(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is no time, so that whoever reads it need not doubt it."""
    wrong = {key for key in _TIMES & record.keys() if as_seconds(record[key]) is None}
    return {key: value for key, value in record.items() if key not in wrong} if wrong else record


def _footer_in(
    data: bytes, offset: int, header: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, int | None]:
    at = len(data)
    # Without its newline, behind which a child may have printed: see _stacknb_end_task.
    while (at := data.rfind(END[1:], 1, at)) >= 0:
        footer = _footer_at(data[at + len(END) - 1 : at + _FOOTER_LIMIT], header)
        if footer is not None:
            return footer, offset + at - data.endswith(b"\n", 0, at)
    return None, None


def _search_back(
    file: BinaryIO, lowest: int, end: int, header: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, int | None]:
    # Only where a child kept printing after the footer, or the log is unfinished and long.
    after = b""  # what follows the piece, for a footer that is begun in it
    while end > lowest:
        start = max(lowest, end - _PIECE)
        file.seek(start)
        data = file.read(end - start) + after
        footer, at = _footer_in(data, start, header)
        if footer is not None:
            return footer, at
        after, end = data[:_FOOTER_LIMIT], start
    return None, None


def _footer_at(text: bytes, header: Mapping[str, Any]) -> dict[str, Any] | None:
    line, newline, _ = text.partition(b"\n")
    footer = json_object(line) if newline else None
    if footer is None or type(code := footer.get("exit_code")) is not int or code not in _CODES:
        return None
    if footer.get("run") is None or footer["run"] != header.get("run"):
        return None
    # A task that prints another task's log prints a footer of the same run.
    for key in ("name", "pid"):
        if key in footer and footer[key] != header.get(key):
            return None
    return _sound(footer)
