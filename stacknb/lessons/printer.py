"""Prints the lines of a synthetic log: stamps, xtrace, and what tasks print meanwhile."""

from __future__ import annotations

import datetime
import heapq
import random
from typing import BinaryIO

from stacknb.lessons.story import FILLER, OUTPUT

__all__ = ["Printer"]

_LINES_A_STEP = 1.35


class Printer:
    """Prints to a log and lets time go by.

    Attributes
    ----------
    now : int
        ms since the epoch.
    every_ms : float
        A line is printed about that often.
    tick : int
        ms that a line takes at the most.
    """

    def __init__(self, out: BinaryIO, start: int, seed: int, colour: bool) -> None:
        self.out = out
        self.now = self.begin = start
        self.random = random.Random(seed)
        self.colour = colour
        self.every_ms = 1.0
        self.tick = 3
        self.background: list[tuple[int, int, str]] = []  # time, order, text: printed by tasks
        self.line = 400  # of stack.sh
        self._order = 0

    def pass_time(self, ms: int) -> None:
        """Let time go by; what tasks print meanwhile is printed at its time."""
        until = self.now + ms
        while self.background and self.background[0][0] <= until:
            time, _, text = heapq.heappop(self.background)
            self.now = max(self.now, time)
            self.put(text)
        self.now = until

    def put(self, text: str) -> None:
        """Print a line now."""
        time = datetime.datetime.fromtimestamp(self.now // 1000, datetime.UTC)
        stamp = f"{time:%Y-%m-%d %H:%M:%S}.{self.now % 1000:03d}"
        self.out.write(f"{stamp} | {text}\n".encode())

    def text(self, text: str) -> int:
        """Print a line of output; return its time in µs."""
        self.pass_time(self.random.randint(0, self.tick))
        self.put(text)
        return self.now * 1000

    def trace(self, depth: int, place: str, command: str) -> int:
        """Print an xtrace line; return its time in µs."""
        return self.text(self.traced(depth, place, command))

    def traced(self, depth: int, place: str, command: str) -> str:
        """Return an xtrace line."""
        if self.colour:
            return f"{'+' * depth}\x1b[3242m{place:<40} \x1b(B\x1b[m {command}"
        return f"{'+' * depth} {place:<40} :   {command}"

    def main(self, command: str) -> int:
        """Print the trace of a line of stack.sh itself; return its time in µs."""
        self.line += self.random.randint(1, 4)
        return self.trace(1, f"./stack.sh:main:{self.line}", command)

    def work(self, place: str, depth: int, ms: int) -> None:
        """Print what a function does that takes `ms`: trace, calls, output."""
        number, until = self.random.randint(10, 900), self.now + ms
        while self.now < until:
            number += 1
            kind = self.random.random()
            if kind < 0.25:
                self.text(self.random.choice(OUTPUT))
            elif kind < 0.5:
                function, command = self.random.choice(FILLER)
                self.trace(depth, f"{place}:{number}", f"{function.partition(':')[2]} {number}")
                self.trace(depth, f"{function}:{number % 90 + 7}", command)
            elif kind < 0.6:
                self.trace(depth + 1, f"{place}:{number}", "date +%s%3N")
                self.trace(depth, f"{place}:{number}", f"start_time={self.now}")
            else:
                self.trace(depth, f"{place}:{number}", self.random.choice(FILLER)[1])
            rest = _LINES_A_STEP * (self.every_ms - self.tick / 2)
            step = self.random.expovariate(1 / rest) if rest > 0 else 0
            self.pass_time(min(round(step), until - self.now) if until > self.now else 0)

    def later(self, time: int, text: str) -> None:
        """Have a task print a line at `time`."""
        self._order += 1
        heapq.heappush(self.background, (time, self._order, text))
