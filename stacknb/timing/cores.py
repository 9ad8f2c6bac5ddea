"""A run on another number of cores: a simulation that shares the cores among what wants them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stacknb.exceptions import BadInput
from stacknb.timing.contention import Activity, contention
from stacknb.timing.program import MAIN, Op, Program
from stacknb.timing.records import Records

__all__ = ["elapsed_with_cores"]

_NEVER = math.inf


def elapsed_with_cores(records: Records, program: Program, cores: int) -> float:
    """Return the elapsed time with `cores` cores as a ratio to that with the recorded number.

    Each task and hook is taken to need, alone, its recorded time without what contention can have
    stretched it by (see `Contention`), and in it a steady share of the cores: its CPU time spread
    evenly. Where the shares add up to more than there are, each gets at most an equal part, and
    what gets less than it wants is slowed down in proportion. Both numbers of cores are simulated,
    so that the model's error mostly cancels.

    Raises
    ------
    BadInput
        If the logs do not tell the number of cores or the CPU times.
    """
    known = contention(records)
    if records.cores is None or known is None:
        missing = "the number of cores" if records.cores is None else "CPU times"
        raise BadInput(
            f"what_if(cores={cores}): the logs of {records.path!r} do not tell {missing}"
        )
    recorded = _Machine(known.activities, program, records.cores).run()
    return _Machine(known.activities, program, cores).run() / recorded if recorded else 1.0


@dataclass(slots=True)
class _Thread:
    number: int
    ops: Iterator[Op]
    left: float = 0.0  # µs of the current step, alone
    share: float = 0.0  # cores wanted meanwhile
    waits_for: int | None = None
    deadline: float = _NEVER
    shows: int = 0  # µs to show a log once the wait is over


@dataclass
class _Machine:
    activities: list[Activity]
    program: Program
    cores: int
    now: float = 0.0
    running: dict[int, _Thread] = field(default_factory=dict)
    waiting: dict[int, _Thread] = field(default_factory=dict)
    held: dict[int, set[int]] = field(default_factory=dict)  # task -> those it comes after
    ended: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.alone: dict[tuple[int, int], float] = {}  # by task and hook, as a step has them
        self.shares: dict[tuple[int, int], float] = {}
        for one in self.activities:
            key, length, alone = (one.task, one.hook), one.length, one.length - one.lost
            self.alone[key] = alone / length if length else 1.0
            self.shares[key] = one.cpu / alone if alone > 0 else 0.0

    def run(self) -> float:
        for index, job in self.program.jobs.items():
            if job.fixed is not None:
                length = max(0, job.fixed - self.program.start)
                self._begin(index, [Op("pause", length)])
        self._begin(MAIN, self.program.ops)
        while self.running or any(thread.deadline < _NEVER for thread in self.waiting.values()):
            self._pass_time()
        return self.now

    def _begin(self, number: int, ops: Iterable[Op]) -> None:
        self._go_on(_Thread(number, iter(ops)))

    def _spawn(self, index: int) -> None:
        job = self.program.jobs[index]
        pending = {other for other in job.after if other not in self.ended}
        if pending:
            self.held[index] = pending
            return
        self._begin(index, [Op("pause", max(0, job.lag)), *job.ops])

    def _go_on(self, thread: _Thread) -> None:
        """Let a thread take its next steps, up to one that takes time."""
        for op in thread.ops:
            if op.kind in {"work", "pause"} and op.length > 0:
                key = op.task, op.hook
                thread.share = self.shares.get(key, 0.0)
                thread.left = op.length * self.alone.get(key, 1.0)
                self.running[thread.number] = thread
                return
            if op.kind == "spawn":
                self._spawn(op.task)
            elif op.kind == "wait":
                if op.task in self.ended or op.task not in self.program.jobs:
                    thread.left, thread.share = float(op.length), 0.0
                    self.running[thread.number] = thread
                    return
                thread.waits_for, thread.shows = op.task, op.length
                thread.deadline = _NEVER if op.limit is None else self.now + op.limit
                self.waiting[thread.number] = thread
                return
        self._end(thread.number)

    def _end(self, number: int) -> None:
        self.ended.add(number)
        for thread in [t for t in self.waiting.values() if t.waits_for == number]:
            self._released(thread)
        for index in [i for i, pending in self.held.items() if number in pending]:
            self.held[index].discard(number)
            if not self.held[index]:
                del self.held[index]
                self._spawn(index)

    def _released(self, thread: _Thread) -> None:
        del self.waiting[thread.number]
        thread.waits_for, thread.deadline = None, _NEVER
        thread.left, thread.share = float(thread.shows), 0.0
        self.running[thread.number] = thread

    def _pass_time(self) -> None:
        level = _level([thread.share for thread in self.running.values()], self.cores)
        rates = {n: min(1.0, level / t.share) if t.share else 1.0 for n, t in self.running.items()}
        steps = [thread.left / rates[n] for n, thread in self.running.items()]
        steps += [thread.deadline - self.now for thread in self.waiting.values()]
        step = min(steps)
        self.now += step
        done = []
        for number, thread in self.running.items():
            thread.left -= step * rates[number]
            if thread.left <= 1e-6:
                done.append(thread)
        for thread in done:
            del self.running[thread.number]
        for thread in done:
            self._go_on(thread)
        for thread in [t for t in self.waiting.values() if t.deadline <= self.now]:
            self._released(thread)


def _level(shares: list[float], cores: int) -> float:
    """Return the most any one gets, so that together they get no more than there is."""
    left = float(cores)
    wanting = sorted(shares)
    for position, share in enumerate(wanting):
        equal = left / (len(wanting) - position)
        if share >= equal:
            return equal
        left -= share
    return math.inf
