"""A stack.sh log as blocks of whole lines, each line with its time.

Reading goes on where it stopped, so a log that still grows can be followed. A block is scanned with
``bytes.find`` and numpy, never line by line: a job's log has a million lines, of which a few
thousand matter.
"""

from __future__ import annotations

import datetime
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from stacknb.text.reading import opened

__all__ = ["Block", "Source", "Stamps"]

_BLOCK_SIZE = 4 << 20
_LONGEST_LINE = 16 << 20  # a longer one is cut, so that memory stays bounded
_STAMP_WIDTH = 26  # "YYYY-MM-DD HH:MM:SS.mmm | "
_SEPARATORS = (  # per 8-byte word: its separators and which bytes are digits
    (0x2D00002D00000000, 0xFF0000FF00000000),  # "YYYY-MM-"
    (0x00003A0000200000, 0x0000FF0000FF0000),  # "DD HH:MM"
    (0x200000002E00003A, 0xFF000000FF0000FF),  # ":SS.mmm "
)

Numbers = npt.NDArray[np.int64]


@dataclass(slots=True)
class Block:
    """Consecutive whole lines of a log.

    Attributes
    ----------
    data : bytes
        The lines, each with its newline.
    first_line : int
        Number of the first of them within the log, from 0.
    starts : array of int
        Offset of each line in `data`, and one more: the length of `data`.
    times : array of int
        Time of each line in ms since the epoch; a line without a stamp has that of the line before
        it, or if there is none that of the next one; -1 without any stamp so far.
    stamped : array of bool
        Whether the line has a stamp of its own.
    impossible : int
        Lines whose stamp is no date (``2026-13-45 …``); they count as lines without one.
    """

    data: bytes
    first_line: int
    starts: Numbers
    times: Numbers
    stamped: npt.NDArray[np.bool_]
    impossible: int

    def line(self, index: int) -> bytes:
        """Return line `index` of this block without its newline."""
        return self.data[self.starts[index] : self.starts[index + 1]].rstrip(b"\r\n")

    def text(self, index: int) -> bytes:
        """Return line `index` without its newline and without its stamp."""
        line = self.line(index)
        return line[_STAMP_WIDTH:] if self.stamped[index] else line

    def lines_with(self, needles: tuple[bytes, ...], openings: tuple[bytes, ...]) -> list[int]:
        """Return the lines that contain a needle or whose text begins with an opening, in order.

        Parameters
        ----------
        needles : tuple of bytes
            Looked for anywhere.
        openings : tuple of bytes
            Looked for at the start of a line's text; the first 8 bytes count.
        """
        found = [self._opening(opening[:8]) for opening in openings]
        offsets: list[int] = []
        find = self.data.find
        for needle in needles:
            at = find(needle)
            while at >= 0:
                offsets.append(at)
                at = find(needle, at + len(needle))
        positions = np.array(offsets, dtype=np.int64)
        found.append(np.searchsorted(self.starts, positions, side="right") - 1)
        lines: list[int] = np.unique(np.concatenate(found)).tolist()
        return lines

    def _opening(self, opening: bytes) -> Numbers:
        texts = self.starts[:-1] + np.where(self.stamped, _STAMP_WIDTH, 0)
        texts = np.minimum(texts, max(len(self.data) - 8, 0))
        words = _words(self.data)[texts] & np.uint64((1 << (8 * len(opening))) - 1)
        return np.flatnonzero(words == np.uint64(int.from_bytes(opening, "little")))


class Source:
    """The bytes of a log, plain or gzipped, in pieces that end with a line.

    Attributes
    ----------
    broken : str
        Why the rest of a gzipped log cannot be read; empty if it can.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.broken = ""
        self._rest = b""
        self._offset = 0
        with opened(self.path) as file:
            self._packed = file.read(2) == b"\x1f\x8b"
        self._inflater = zlib.decompressobj(wbits=31)

    @property
    def cut(self) -> bool:
        """Whether the last line read so far has no end: the log is cut there, or being written."""
        return bool(self._rest)

    def pieces(self) -> Iterator[bytes]:
        """Yield what has been written since the last call, whole lines only."""
        with opened(self.path) as file:
            file.seek(self._offset)
            for data in self._inflated(file) if self._packed else self._plain(file):
                end = data.rfind(b"\n") + 1
                if end:
                    piece, self._rest = self._rest + data[:end], data[end:]
                    yield piece
                else:
                    self._rest += data
                    if len(self._rest) > _LONGEST_LINE:
                        yield self._rest[:_STAMP_WIDTH] + b"\n"
                        self._rest = b"\n"
        if self._packed and self._offset and not self.broken and not self._inflater.eof:
            self.broken = "the gzip stream ends early"

    def _plain(self, file: BinaryIO) -> Iterator[bytes]:
        while data := file.read(_BLOCK_SIZE):
            self._offset += len(data)
            yield data

    def _inflated(self, file: BinaryIO) -> Iterator[bytes]:
        self.broken = ""
        while data := file.read(_BLOCK_SIZE // 8):
            self._offset += len(data)
            while data:
                if self._inflater.eof:  # members may follow one another
                    self._inflater = zlib.decompressobj(wbits=31)
                try:
                    yield self._inflater.decompress(data, _BLOCK_SIZE)
                    data = self._inflater.unconsumed_tail or self._inflater.unused_data
                except zlib.error as error:
                    self.broken = f"the gzip stream is damaged ({error})"
                    return


class Stamps:
    """Turns pieces into blocks; remembers the line number and the last time between them."""

    def __init__(self) -> None:
        self.line = 0
        self.time = -1
        self._days: dict[bytes, int | None] = {}

    def block(self, data: bytes) -> Block:
        """Return `data`, whole lines, as a block."""
        ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10) + 1
        starts = np.concatenate([np.zeros(1, dtype=np.int64), ends.astype(np.int64)])
        stamped, times, impossible = self._read(data, starts)
        count = len(ends)
        # The position of the nearest stamped line at or before each line.
        last = np.maximum.accumulate(np.where(stamped, np.arange(count), -1))
        if self.time < 0 and stamped.any():  # without LOGFILE only a few lines are stamped
            self.time = int(times[stamped.argmax()])
        times = np.where(last >= 0, times[last], self.time)
        block = Block(data, self.line, starts, times, stamped, impossible)
        self.line += count
        self.time = int(times[-1])
        return block

    def _read(self, data: bytes, starts: Numbers) -> tuple[npt.NDArray[np.bool_], Numbers, int]:
        first = starts[:-1]
        stamped = np.diff(starts) >= _STAMP_WIDTH
        times = np.full(len(first), -1, dtype=np.int64)
        if not stamped.any():
            return stamped, times, 0
        at = np.where(stamped, first, 0)
        words = _words(data)
        date, middle, seconds = words[at], words[at + 8], words[at + 16]
        for word, (separators, mask) in zip((date, middle, seconds), _SEPARATORS, strict=True):
            stamped &= _fits(word, separators, mask)
        stamped &= np.frombuffer(data, dtype=np.uint8)[at + 24] == ord("|")
        clock = (
            (_digit(middle, 3) * 10 + _digit(middle, 4)) * 3_600_000
            + (_digit(middle, 6) * 10 + _digit(middle, 7)) * 60_000
            + (_digit(seconds, 1) * 10 + _digit(seconds, 2)) * 1000
            + _digit(seconds, 4) * 100
            + _digit(seconds, 5) * 10
            + _digit(seconds, 6)
        )
        shaped = int(stamped.sum())
        stamped &= (_digit(middle, 3) * 10 + _digit(middle, 4)) < 24
        stamped &= (_digit(middle, 6) < 6) & (_digit(seconds, 1) < 6)
        day = (middle & np.uint64(0xFFFF)).astype(np.int64)
        index = np.flatnonzero(stamped)
        if len(index):
            # A log has few dates: only where one differs from the line before is it looked up.
            new = np.ones(len(index), dtype=bool)
            new[1:] = (date[index][1:] != date[index][:-1]) | (day[index][1:] != day[index][:-1])
            offsets = [self._day(data[int(at[i]) : int(at[i]) + 10]) for i in index[new]]
            days = np.array([-1 if d is None else d for d in offsets], dtype=np.int64)
            each = days[np.cumsum(new) - 1]
            stamped[index] = each >= 0
            times[index] = each * 86_400_000 + clock[index]
        return stamped, times, shaped - int(stamped.sum())

    def _day(self, text: bytes) -> int | None:
        if text not in self._days:
            try:
                day = datetime.date.fromisoformat(text.decode())
                self._days[text] = (day - datetime.date(1970, 1, 1)).days
            except ValueError:
                self._days[text] = None
        return self._days[text]


def _words(data: bytes) -> npt.NDArray[np.uint64]:
    """Return every offset of `data` as the start of a little-endian 8-byte word; copies nothing."""
    if len(data) < 8:
        data = data.ljust(8, b"\0")
    return np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))


def _fits(word: npt.NDArray[np.uint64], separators: int, mask: int) -> npt.NDArray[np.bool_]:
    digits = np.uint64(~mask & 0xFFFFFFFFFFFFFFFF)
    high = np.uint64(0xF0F0F0F0F0F0F0F0) & digits
    zeros = np.uint64(0x3030303030303030) & digits
    six = np.uint64(0x0606060606060606) & digits
    whole: npt.NDArray[np.bool_] = (
        ((word & np.uint64(mask)) == np.uint64(separators))
        & ((word & high) == zeros)
        # A byte in 0x3A..0x3F carries into the high half when 6 is added.
        & ((((word & digits) + six) & high) == zeros)
    )
    return whole


def _digit(word: npt.NDArray[np.uint64], byte: int) -> Numbers:
    return ((word >> np.uint64(8 * byte)) & np.uint64(15)).astype(np.int64)
