"""Time that never runs backwards, from stamps that may.

Two things put an earlier stamp after a later one. A clock that was set back stays back: what
follows is moved forward by the step, so that an interval across it is what the log proves at
least. A log printed into the log keeps its own old (or, from another machine, later) stamps, and
then the real ones go on: those lines get the time of the line before them. Both are counted.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["Clock", "Jumps"]

_JUMP = 1000  # ms; a gap that may be the way out of foreign stamps
_FOREIGN_AHEAD = 60_000  # ms


@dataclass
class Jumps:
    """Every place where the stamps go backwards, or forward by a second or more."""

    _found: list[npt.NDArray[np.int64]] = field(default_factory=list)
    _last: int = -1

    def add(self, first_line: int, times: npt.NDArray[np.int64]) -> None:
        """Take the times of a block's lines, in ms; -1 stands for none yet."""
        before = np.concatenate([[self._last], times[:-1]])
        step = times - before
        at = np.flatnonzero(((step < 0) | (step >= _JUMP)) & (before >= 0))
        if len(at):
            self._found.append(np.stack([at + first_line, before[at], times[at]], axis=1))
        self._last = int(times[-1])

    def clock(self) -> Clock:
        """Return the clock for the lines seen so far."""
        jumps = np.concatenate(self._found) if self._found else np.empty((0, 3), dtype=np.int64)
        clock = Clock()
        drops = np.flatnonzero(jumps[:, 2] < jumps[:, 1])
        done = -1
        for drop in drops:
            if drop <= done:
                continue
            line, before, after = (int(value) for value in jumps[drop])
            start = _ahead(jumps, int(drop), done)
            way_out = _behind(jumps, int(drop))
            if start is not None:
                clock.freeze(int(jumps[start][0]), line, int(jumps[start][1]))
                done = int(drop)
            elif way_out is not None:
                clock.freeze(line, int(jumps[way_out][0]), before)
                done = way_out
            else:
                clock.step(line, before - after)
                done = int(drop)
        return clock


@dataclass
class Clock:
    """Maps the stamp of a line to a time that never runs backwards.

    Attributes
    ----------
    steps, stepped_ms : int
        How often the clock was set back, and by how much in all.
    foreign : int
        How many stretches of lines have stamps of another log.
    """

    steps: int = 0
    stepped_ms: int = 0
    foreign: int = 0
    _lines: list[int] = field(default_factory=lambda: [0])
    _rules: list[tuple[int, int | None]] = field(default_factory=lambda: [(0, None)])

    def time(self, line: int, stamp: int) -> int:
        """Return the time of line number `line`, which has (or inherits) `stamp`; both in ms."""
        if len(self._lines) == 1:
            return stamp
        offset, frozen = self._rules[bisect_right(self._lines, line) - 1]
        return (stamp if frozen is None else frozen) + offset

    def times(self, first_line: int, stamps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the times of consecutive lines."""
        if len(self._lines) == 1:
            return stamps
        lines = np.arange(first_line, first_line + len(stamps))
        rule = np.searchsorted(np.array(self._lines), lines, side="right") - 1
        offset = np.array([offset for offset, _ in self._rules])[rule]
        frozen = np.array([-1 if frozen is None else frozen for _, frozen in self._rules])[rule]
        shifted: npt.NDArray[np.int64] = np.where(frozen < 0, stamps, frozen) + offset
        return shifted

    def step(self, line: int, ms: int) -> None:
        """From `line` on the clock is `ms` behind."""
        self.steps += 1
        self.stepped_ms += ms
        self._add(line, (self._rules[-1][0] + ms, None))

    def freeze(self, first: int, end: int, stamp: int) -> None:
        """Lines from `first` up to `end` bear stamps of another log; time stands at `stamp`."""
        self.foreign += 1
        offset = self._rules[-1][0]
        self._add(first, (offset, stamp))
        self._add(end, (offset, None))

    def _add(self, line: int, rule: tuple[int, int | None]) -> None:
        self._lines.append(line)
        self._rules.append(rule)


def _behind(jumps: npt.NDArray[np.int64], drop: int) -> int | None:
    """Return the jump that leads from older foreign stamps back to the real time, if there is one.

    A clock that was set back passes its old time line by line; foreign stamps end with one leap.
    """
    before, after = jumps[drop][1], jumps[drop][2]
    later = jumps[drop + 1 :]
    crossing = np.flatnonzero((later[:, 1] < before) & (later[:, 2] >= before))
    if not len(crossing):
        return None
    leap = later[crossing[0]]
    return drop + 1 + int(crossing[0]) if 2 * (leap[2] - leap[1]) >= before - after else None


def _ahead(jumps: npt.NDArray[np.int64], drop: int, done: int) -> int | None:
    """Return the jump with which later foreign stamps began that end at `drop`, if there is one."""
    back, after = jumps[drop][1] - jumps[drop][2], jumps[drop][2]
    if drop - 1 <= done:
        return None
    start = jumps[drop - 1]
    leap = start[2] - start[1]
    fits = leap >= _FOREIGN_AHEAD and 10 * back >= 9 * leap and after >= start[1]
    return drop - 1 if fits else None
