"""The output of a log without its header and footer: in pieces while it grows, its last lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from stacknb import tasklog
from stacknb.exceptions import LogError
from stacknb.tasklog import END
from stacknb.text import screen
from stacknb.text.reading import opened

__all__ = ["MOST", "PIECE", "Follower", "excerpt", "last_line", "tail"]

PIECE = 1 << 20
MOST = 16 << 20  # what is shown of output that is left when its hook ends; of more than that …
LAST = 64 << 10  # … only so much
_HEADER_LIMIT = 4 << 20


class Follower:
    """Reads a log from where it left off.

    Parameters
    ----------
    path : Path
        The log; it need not exist yet.

    Attributes
    ----------
    held : bool
        What may be the footer has been seen.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held = False
        self._offset = 0
        self._bare = False  # emptied by its hook: without a header, until that is put back
        self._end: int | None = None
        self._last = b"\n"

    def glance(self) -> bytes:
        """Return what was printed since the last call, at most a MiB of it.

        Less where so much is waiting that most of it will be left out in the end: showing it must
        not slow down who prints it.
        """
        try:
            waiting = self.path.stat().st_size - self._offset
        except OSError:
            return b""
        return self.read(PIECE if waiting < MOST else LAST)

    def read(self, limit: int = PIECE) -> bytes:
        """Return what was printed since the last call, at most `limit` bytes.

        What may be the footer is held back until `finish` tells where the output ends.
        """
        try:
            with opened(self.path) as file:
                if self._end is None and file.seek(0, os.SEEK_END) < self._offset:
                    self._offset = 0
                if not self._offset:
                    file.seek(0)
                    header = file.readline(_HEADER_LIMIT)
                    if not header.endswith(b"\n"):
                        return b""
                    self._bare = not header.startswith(tasklog.BEGIN)
                    self._offset = 0 if self._bare else len(header)
                file.seek(self._offset)
                if self._end is not None:
                    data = file.read(min(limit, max(0, self._end - self._offset)))
                else:
                    data = file.read(limit)
                    data = data[: self._safe(data)]
        except OSError:
            return b""
        self._offset += len(data)
        self._last = data[-1:] or self._last
        return data

    def skip(self, keep: int = LAST) -> int:
        """Leave out all but the last `keep` bytes of what is waiting; return how many that are."""
        before = self._offset
        try:
            end = self.path.stat().st_size if self._end is None else self._end
        except OSError:
            return 0
        if end - before > keep:
            if not before:
                self.read(0)  # the header
                before = self._offset
            self._offset = max(before, end - keep)
        return self._offset - before

    def skip_lines(self, keep: int) -> None:
        """Leave out all but the last `keep` lines of what was printed so far."""
        try:
            record = tasklog.read(self.path)
            with opened(self.path) as file:
                self._offset = _last_lines(file, keep, record.output_start, record.output_end)
        except (OSError, LogError):  # it has not begun
            return

    def finish(self, most: int | None = None) -> int:
        """Say that the log is complete: from now on `read` goes up to the end of the output.

        If more than `most` bytes are left, all but the last 64 KiB are skipped; returns how many.
        """
        record = tasklog.record_of(self.path)
        if record is None:
            self._end = self._offset
            return 0
        if self._bare or self._offset > record.output_end + 1:  # the newline of the footer
            self._offset = record.output_start + (self._offset if self._bare else 0)
        self._offset = max(self._offset, record.output_start)
        self._end = record.output_end
        before = self._offset
        if most is not None and self._end - before > most:
            self._offset = self._end - LAST
            _, newline, rest = self.read(LAST).partition(b"\n")  # begin with a whole line
            self._offset = self._end - (len(rest) if newline else LAST)
        return self._offset - before

    def _safe(self, data: bytes) -> int:
        # The newline before a footer belongs to it. Behind a line that has not ended it may be
        # shown, since every line is shown with one, and what follows may be the rest of a footer.
        shown = self._last == b"\n" and data.startswith(END[1:2])
        text = b"\n" + data if shown else data
        at = text.find(END)
        self.held = at >= 0
        if self.held:
            return max(0, at - shown)
        for length in range(len(END) - 1, 1, -1):
            if text.endswith(END[:length]):
                return max(0, len(text) - length - shown)
        empty = data.endswith(b"\n") and (data[-2:-1] or self._last) == b"\n"
        return len(data) - empty


def _last_lines(file: BinaryIO, count: int, start: int, end: int) -> int:
    """Return where the last lines between two places of a file begin."""
    at = end - 1 if count else start  # what ends there begins no line
    while at > start:
        begin = max(start, at - PIECE)
        file.seek(begin)
        data = file.read(at - begin)
        found, at = data.count(b"\n"), begin
        if found < count:
            count -= found
            continue
        cut = len(data)
        for _ in range(count):
            cut = data.rfind(b"\n", 0, cut)
        return begin + cut + 1
    return start if count else end


def last_line(path: Path, limit: int = 4096) -> bytes:
    """Return the last line printed to a log that still grows; reads no more than `limit` bytes."""
    try:
        with opened(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            data = file.read()
    except OSError:
        return b""
    lines = data.rstrip(b"\n").split(b"\n")
    if size <= limit:
        lines = lines[1:]
    return next((line for line in reversed(lines) if line and not line.startswith(END[1:])), b"")


def tail(path: Path, lines: int = 20, limit: int = screen.LINE_LIMIT) -> list[str]:
    """Return the last lines of a log's output; reads at most 64 KiB of it."""
    return screen.end(tasklog.tail_bytes(path), lines, limit)


def excerpt(path: Path, lines: int = 20, limit: int = screen.LINE_LIMIT) -> list[str]:
    """Return the last lines of a log's output, as `tail`, after one that says where the rest is."""
    data = tasklog.tail_bytes(path)
    record = tasklog.record_of(path)
    total = record.output_end - record.output_start if record is not None else len(data)
    shown = screen.end(data, lines, limit)
    before = data.count(b"\n") + (data[-1:] not in b"\n") - len(shown)
    if len(data) < total:
        last = screen.counted(len(shown), "line")
        return [f"… the last {last}; all {screen.size(total)} in {path}", *shown]
    if before:
        return [f"… {screen.counted(before, 'line')} before these, all in {path}", *shown]
    return shown
