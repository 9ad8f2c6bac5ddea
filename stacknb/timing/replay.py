"""Runs a program again on paper: how long it takes, and how much each task holds it up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stacknb.timing.program import MAIN, Op, Program

__all__ = ["Replay", "replay", "shrinks"]

_CELLS = 4_000_000  # numbers held at a time when many variants are replayed at once


@dataclass(slots=True)
class Replay:
    """When everything ended, in µs since the epoch."""

    start: int
    end: int
    begun: dict[int, int]
    ended: dict[int, int]

    @property
    def elapsed(self) -> int:
        """From start to end."""
        return self.end - self.start


def replay(program: Program) -> Replay:
    """Run a program: work takes as long as recorded, waits last until their task has ended."""
    begun: dict[int, int] = {}
    ended = {i: job.fixed for i, job in program.jobs.items() if job.fixed is not None}

    def begin(index: int, spawned: int) -> None:
        job = program.jobs[index]
        begun[index] = max([spawned, *(ended[i] for i in job.after if i in ended)]) + job.lag
        ended[index] = run(job.ops, begun[index])

    def run(ops: list[Op], at: int) -> int:
        for op in ops:
            if op.kind in {"work", "pause"}:
                at += op.length
            elif op.kind == "spawn":
                begin(op.task, at)
            elif op.kind == "wait":
                over = max(at, ended.get(op.task, at))
                at = (over if op.limit is None else min(over, at + op.limit)) + op.length
        return at

    main_end = run(program.ops, program.start)
    return Replay(program.start, max([main_end, *ended.values()]), begun, ended)


def shrinks(program: Program, candidates: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return by how many µs the run shrinks when each of `candidates`, alone, takes no time.

    All variants are replayed side by side, one column each.
    """
    found = np.zeros(len(candidates), dtype=np.int64)
    width = max(1, _CELLS // max(1, _most_pending(program)))
    for first in range(0, len(candidates), width):
        some = candidates[first : first + width]
        found[first : first + width] = _shrunk(program, some)
    return found


def _shrunk(program: Program, candidates: Sequence[int]) -> npt.NDArray[np.int64]:
    width = len(candidates)
    column = {task: i for i, task in enumerate(candidates)}
    last = np.full(width, program.start, dtype=np.int64)
    ended = {
        i: np.full(width, job.fixed, dtype=np.int64)
        for i, job in program.jobs.items()
        if job.fixed is not None
    }
    for final in ended.values():
        np.maximum(last, final, out=last)
    needed = _needed_later(program)

    def begin(index: int, spawned: npt.NDArray[np.int64]) -> None:
        job = program.jobs[index]
        for other in job.after:
            if other in ended:
                spawned = np.maximum(spawned, ended[other])
        end = run(job.ops, spawned + job.lag, index)
        np.maximum(last, end, out=last)
        if index in needed:
            ended[index] = end

    def run(ops: list[Op], at: npt.NDArray[np.int64], who: int) -> npt.NDArray[np.int64]:
        own = column.get(who)
        for number, op in enumerate(ops):
            if op.kind == "spawn":
                begin(op.task, at)
            elif op.kind == "wait" and op.task in ended:
                over = np.maximum(at, ended[op.task])
                at = over if op.limit is None else np.minimum(over, at + op.limit)
            for other in _asks_for(program, op):
                if needed[other] == number:  # a step of the main shell, the last that asks
                    ended.pop(other, None)
            at += op.length
            if own is not None and op.kind != "pause":
                at[own] -= op.length
        return at

    start = np.full(width, program.start, dtype=np.int64)
    np.maximum(last, run(program.ops, start, MAIN), out=last)
    shrunk: npt.NDArray[np.int64] = replay(program).end - last
    return shrunk


def _needed_later(program: Program) -> dict[int, float]:
    """Return for each task whose end matters the last step of the main shell that asks for it."""
    needed: dict[int, float] = {}
    for number, op in enumerate(program.ops):
        needed.update(dict.fromkeys(_asks_for(program, op), number))
    for job in program.jobs.values():
        for op in job.ops:
            needed.update(dict.fromkeys(_asks_for(program, op), math.inf))
    return needed


def _asks_for(program: Program, op: Op) -> tuple[int, ...]:
    """Return the tasks on whose end a step depends."""
    if op.kind == "wait":
        return (op.task,)
    return program.jobs[op.task].after if op.kind == "spawn" else ()


def _most_pending(program: Program) -> int:
    needed = _needed_later(program)
    pending = sum(needed.get(index) == math.inf for index in program.jobs)
    inner = {op.task for job in program.jobs.values() for op in job.ops if op.kind == "spawn"}
    pending += sum(needed.get(index, math.inf) < math.inf for index in inner)
    most = pending
    for number, op in enumerate(program.ops):
        if op.kind == "spawn":
            pending += needed.get(op.task, math.inf) < math.inf
            most = max(most, pending)
        pending -= sum(needed[other] == number for other in _asks_for(program, op))
    return most
