"""One stack.sh log: its events, its clock, its tables; may be read again while it grows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from stacknb.devstack_log.blocks import Block, Source, Stamps
from stacknb.devstack_log.clock import Clock, Jumps
from stacknb.devstack_log.events import Event, Recogniser
from stacknb.devstack_log.lines import trace
from stacknb.devstack_log.tables import HEADING, Tables
from stacknb.exceptions import LogError

__all__ = ["LogFile"]

_OPENINGS = (b"[", b"Not wait", b"stack.sh", HEADING)
_ANYWHERE = (b"inc/async:", b"run_phase", b"exit_trap:")
_IN_PHASE = (b"stack.sh:main:", b"run_plugins:", b"plugin_settings:", b"override_defaults:")
_BARE = (b"extras.d/", b"/devstack/plugin.sh", b"/devstack/settings", b"/devstack/override-")
_CONSOLE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \| ")
_SIGNS = (b"stack.sh", b"run_phase", b"Async ", b"devstack")


class LogFile:
    """A log of stack.sh, plain or gzipped, complete, cut or growing.

    Attributes
    ----------
    path : Path
    first : int
        Stamp of the first stamped line, ms since the epoch; -1 without any.
    impossible : int
        Lines whose stamp is no date.
    unstamped : int
        Lines without a stamp of their own.
    tables : Tables
        What stack.sh reported at its end.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.first = -1
        self.impossible = self.unstamped = 0
        self.tables = Tables()
        self._source = Source(path)
        self._stamps = Stamps()
        self._jumps = Jumps()
        self._recogniser = Recogniser()
        self._bare: bool | None = None
        self._known = self._console = False
        self._checked = 0

    @property
    def last(self) -> int:
        """Stamp of the last stamped line, ms since the epoch; -1 without any."""
        return self._stamps.time

    @property
    def lines(self) -> int:
        """Lines read so far."""
        return self._stamps.line

    @property
    def cut(self) -> bool:
        """Whether the last line has no end."""
        return self._source.cut

    @property
    def broken(self) -> str:
        """Why the rest of a gzipped log cannot be read; empty if it can."""
        return self._source.broken

    def clock(self) -> Clock:
        """Return what maps stamps to time, for the lines read so far."""
        return self._jumps.clock()

    def read(self) -> list[Event]:
        """Return the events of all lines written since the last call.

        Raises
        ------
        LogError
            If the file is none of stack.sh's.
        """
        events: list[Event] = []
        for block in self.blocks():
            events += self._events_of(block)
        return events

    def left_over(self) -> list[Event]:
        """Return the events that only the end of the log allows to judge."""
        return self._recogniser.left_over()

    def blocks(self) -> Iterator[Block]:
        """Yield the lines written since the last call, in blocks.

        Raises
        ------
        LogError
            If the file is none of stack.sh's.
        """
        for piece in self._source.pieces():
            block = self._stamps.block(piece)
            if self.first < 0 and block.stamped.any():
                self.first = int(block.times[block.stamped.argmax()])
            self.impossible += block.impossible
            self.unstamped += len(block.stamped) - int(block.stamped.sum())
            self._jumps.add(block.first_line, block.times)
            self._console = self._console or bool(_CONSOLE.match(piece))
            self._known = self._known or any(sign in piece for sign in _SIGNS)
            self._checked += len(piece)
            if self._checked >= 32 << 20:
                self._check()
            yield block
        self._check()

    def _check(self) -> None:
        why = ""
        if not self.lines:
            why = f"cannot be read: {self.broken}" if self.broken else "is empty"
            why = "has no complete line yet" if self.cut and not self.broken else why
        elif self.first < 0 and self._console:
            why = (
                "is the console of a Zuul job: give the log of stack.sh itself, which lies beside "
                "it as NODE/logs/devstacklog.txt.gz"
            )
        elif self.first < 0:
            why = (
                "is no log of stack.sh that can be timed: no line begins with a time such as "
                "'2026-01-31 12:00:00.000 | ' (set LOGFILE when you run stack.sh)"
            )
        elif not self._known:
            why = "is a log of another tool: nothing in it comes from stack.sh"
        if why:
            raise LogError(f"{str(self.path)!r} {why}")

    def _events_of(self, block: Block) -> list[Event]:
        if self._bare is None:
            self._bare = _is_bare(block)
        found = block.lines_with(self._needles(block), _OPENINGS)
        events: list[Event] = []
        index = 0
        if self.tables.wants_lines:
            self._read_tables(block, 0)
        ends = self._hook_ends(block, -1)
        while index < len(found) or ends is not None:
            at = found[index] if index < len(found) else len(block.times)
            if ends is not None and ends < at:
                at, ends = ends, None
            else:
                index += 1
            text = block.text(at)
            if HEADING in text and not text.startswith(b"+"):
                self.tables.begin()
                self._read_tables(block, at + 1)
            had = self._recogniser.hook
            events += self._recogniser.feed(text, block.first_line + at, int(block.times[at]))
            if self._bare and self._recogniser.hook is not had:
                ends = self._hook_ends(block, at)
        return events

    def _needles(self, block: Block) -> tuple[bytes, ...]:
        if self._bare:
            return _ANYWHERE + _BARE
        # What ends a hook or a phase matters only where one is open: each needle costs a pass.
        in_phase = self._recogniser.phase or b"run_phase" in block.data
        inline = not self._recogniser.phase and b"extras.d/" in block.data
        return _ANYWHERE + (_IN_PHASE if in_phase else ()) + (_BARE if inline else ())

    def _hook_ends(self, block: Block, after: int) -> int | None:
        # Without FILE:FUNC:LINE only the depth tells that a hook is over.
        if not self._bare or self._recogniser.hook is None:
            return None
        at = block.data.find(b" | + ", int(block.starts[after + 1]))
        return None if at < 0 else int(block.starts.searchsorted(at, side="right")) - 1

    def _read_tables(self, block: Block, start: int) -> None:
        for index in range(start, len(block.times)):
            if not self.tables.wants_lines:
                break
            self.tables.feed(block.line(index))


def _is_bare(block: Block) -> bool | None:
    """Return whether the xtrace lacks FILE:FUNC:LINE; None if there is none to tell by."""
    said = [trace(block.text(i)) for i in range(min(len(block.times), 2000))]
    traced = [line for line in said if line]
    return sum(not line.file for line in traced) * 2 > len(traced) if traced else None
