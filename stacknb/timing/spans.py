"""Arithmetic on stretches of time, in whole µs, so that parts add up to the whole exactly."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import TypeVar

__all__ = ["Cover", "levels"]

Number = TypeVar("Number", int, float)
Span = tuple[int, int]


class Cover:
    """The union of some stretches of time.

    Parameters
    ----------
    spans : iterable of (start, end)
        In any order; they may overlap. Empty and backward ones count as nothing.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans: list[Span] = []
        for start, end in sorted(span for span in spans if span[0] < span[1]):
            if self.spans and start <= self.spans[-1][1]:
                self.spans[-1] = (self.spans[-1][0], max(end, self.spans[-1][1]))
            else:
                self.spans.append((start, end))
        self._starts = [start for start, _ in self.spans]
        self._ends = [end for _, end in self.spans]
        self._before = [0]  # length of all spans before each
        for start, end in self.spans:
            self._before.append(self._before[-1] + end - start)

    @property
    def length(self) -> int:
        """Total time covered."""
        return self._before[-1]

    def within(self, start: int, end: int) -> int:
        """Return how much of ``[start, end]`` is covered."""
        return self._up_to(end) - self._up_to(start) if start < end else 0

    def cut(self, start: int, end: int) -> list[Span]:
        """Return the covered stretches within ``[start, end]``."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        return [(max(start, a), min(end, b)) for a, b in self.spans[first:last]]

    def without(self, other: Cover) -> Cover:
        """Return what is covered here and not by `other`."""
        parts = []
        for start, end in self.spans:
            at = start
            for taken, free in other.cut(start, end):
                parts.append((at, taken))
                at = free
            parts.append((at, end))
        return Cover(parts)

    def _up_to(self, time: int) -> int:
        index = bisect_right(self._starts, time)
        if index == 0:
            return 0
        start, end = self.spans[index - 1]
        return self._before[index - 1] + min(time, end) - start


def levels(spans: Iterable[tuple[int, int, Number]]) -> list[tuple[int, Number]]:
    """Return how high stretches with a height stand one upon the other, from each moment on.

    Touching ones do not overlap.
    """
    changes: dict[int, Number] = {}
    for start, end, height in spans:
        changes[start] = changes.get(start, 0) + height
        changes[end] = changes.get(end, 0) - height
    times = sorted(changes)
    return list(zip(times, accumulate(map(changes.__getitem__, times)), strict=True))
