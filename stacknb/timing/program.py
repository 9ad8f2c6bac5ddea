"""The recorded run as a program: what the main shell did in order, and what each task hung on.

Replaying the program unchanged gives the record to the microsecond. Changed, it answers "what if".
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Literal

from stacknb.exceptions import BadInput
from stacknb.timing.collection import made_room
from stacknb.timing.records import Records, WaitRecord

__all__ = [
    "END",
    "MAIN",
    "START",
    "Job",
    "Op",
    "Program",
    "SequentialWait",
    "place",
    "program",
    "sequential_waits",
    "task_ends",
]

START, END = "start", "end"  # the places before and behind everything


@dataclass(slots=True, frozen=True)
class Op:
    """One step of the main shell or of a task.

    ``work`` takes `length`, of `hook` or, within a job, of `task`; ``spawn`` starts task `task`;
    ``wait`` blocks until that has ended, then takes `length` to show its log; ``pause`` is a wait
    for a task whose end is not known: it takes `length` whatever happens; ``begin`` is where `hook`
    begins, ``mark`` the place `mark`.
    """

    kind: Literal["work", "spawn", "wait", "pause", "begin", "mark"]
    length: int = 0
    task: int = -1
    hook: int = -1
    limit: int | None = None  # the wait gave up after this, by its timeout
    mark: str = ""


@dataclass(slots=True, frozen=True)
class Job:
    """A task in the program, or steps taken out of the main shell (these have negative numbers).

    Its steps begin `lag` after the latest of: its spawn, and the ends of the tasks `after`. Those
    of a task that neither started nor waited for others are its work alone. A task whose start is
    not recorded has ``fixed`` as its end.
    """

    ops: list[Op] = field(default_factory=list)
    lag: int = 0
    after: tuple[int, ...] = ()
    fixed: int | None = None


@dataclass
class Program:
    """The main shell's steps and the tasks, from `start` to `end` (µs since the epoch)."""

    start: int
    end: int
    ops: list[Op] = field(default_factory=list)
    jobs: dict[int, Job] = field(default_factory=dict)


@dataclass(slots=True)
class SequentialWait:
    """A wait as one of a sequence: `released` is when its task had ended."""

    record: WaitRecord
    start: int
    end: int
    released: int


MAIN = -1  # the number of the main shell, where those of tasks stand

_DEEPEST = 100  # of tasks that each start the next one; a replay calls itself for each
_Point = tuple[int, int, int, Op]  # time, rank, order within the rank, step
_SPAWN, _WAIT, _MARK = 0, 1, 2


def program(records: Records) -> Program:
    """Return the program of a run.

    Raises
    ------
    BadInput
        If no time at all is known.
    """
    if records.start is None or records.end is None:
        raise BadInput(f"nothing in {records.path!r} has a time: there is no run to change")
    made = Program(records.start, records.end)
    jobs = _Jobs(records)
    points = jobs.points[MAIN]
    for index, span in enumerate(records.hook_spans()):
        if span:
            hook = records.hooks[index]
            name = place(hook.phase, hook.name)
            points.append((span[0], _MARK, 2 * index, Op("begin", hook=index)))
            points.append((span[1], _MARK, 2 * index + 1, Op("mark", hook=index, mark=name)))
    for phase in records.phases:
        if phase.end is not None:
            points.append((phase.end, _MARK, 2 * len(records.hooks), Op("mark", mark=phase.name)))
    steps = jobs.steps(MAIN, made.start, records.main_end or 0)
    made.ops = [Op("mark", mark=START), *steps, Op("mark", mark=END)]
    made.jobs = jobs.all()
    return made


def place(phase: str, hook: str) -> str:
    """Return the name of the place right after a hook."""
    return f"{phase}/{hook}"


def sequential_waits(records: Records) -> list[SequentialWait]:
    """Return the waits one after the other: of two at once, the later ends' rest is what counts."""
    return _sequential(records, records.waits, records.start or 0, records.end)


def _sequential(
    records: Records, waits: list[WaitRecord], at: int, stop: int | None
) -> list[SequentialWait]:
    found: list[SequentialWait] = []
    for wait in waits:
        last = wait.start if stop is None else stop
        end = last if wait.end is None else wait.end
        start = max(min(wait.start, last), at)
        end = max(min(end, last), at)
        task = None if wait.task is None else records.tasks[wait.task]
        released = end if task is None or task.end is None else min(max(task.end, start), end)
        found.append(SequentialWait(wait, start, end, released))
        at = end
    return found


def task_ends(records: Records) -> list[int | None]:
    """Return when each task had ended at the latest; None if nothing tells."""
    ends = [
        records.end if task.end is None and task.status == "running" else task.end
        for task in records.tasks
    ]
    for wait in records.waits:
        task = None if wait.task is None else records.tasks[wait.task]
        if wait.task is None or task is None or task.end is not None:
            continue
        end = records.end if wait.end is None else wait.end
        if task.start is None or end is None or end >= task.start:  # else a clock was set back
            ends[wait.task] = end
    return ends


class _Jobs:
    """The tasks of a run: who started each, and what each did one after the other."""

    def __init__(self, records: Records) -> None:
        self.tasks = records.tasks
        self.ends = task_ends(records)
        self.waits = {MAIN: sequential_waits(records)}
        for index, waits in records.waits_within().items():
            start, end = self.tasks[index].start, self.ends[index]
            if self._is_job(index) and start is not None and end is not None:
                self.waits[index] = _sequential(records, waits, start, end)
        self.starts = {who: [w.start for w in waits] for who, waits in self.waits.items()}
        self.starter = {
            index: self._starter(index, records.started_by.get(index))
            for index, task in enumerate(self.tasks)
            if self._is_job(index) and task.start is not None
        }
        in_turn = sorted(self.starter, key=lambda index: self.tasks[index].start or 0)
        depth = {MAIN: 0}
        for index in in_turn:
            depth[index] = depth[self.starter[index]] + 1
            if depth[index] > _DEEPEST:
                self.starter[index], depth[index] = MAIN, 1
        self.made_room = made_room(records)
        self.points: dict[int, list[_Point]] = {MAIN: []}
        for who, some in self.waits.items():
            self.points[who] = [(wait.start, _WAIT, 0, self._wait(who, wait)) for wait in some]
        self.lags: dict[int, tuple[int, tuple[int, ...]]] = {}
        latest: dict[str, int] = {}
        for index in in_turn:
            self._add(index, latest)

    def all(self) -> dict[int, Job]:
        """Return the job of each task that has a time and ran beside the main shell."""
        found = {}
        for index, task in enumerate(self.tasks):
            end = self.ends[index]
            if task.start is not None and index in self.lags:
                found[index] = Job(self.steps(index, task.start, end or 0), *self.lags[index])
            elif end is not None and self._is_job(index):
                found[index] = Job(fixed=end)
        return found

    def steps(self, who: int, at: int, end: int) -> list[Op]:
        """Return what a task, or the main shell, did from the time `at` on."""
        ops, hook, task = [], -1, max(who, -1)
        coming = iter(self.waits.get(who, ()))
        for time, _, _, op in sorted(self.points.get(who, ()), key=lambda point: point[:3]):
            if time > at:
                ops.append(Op("work", time - at, task, hook))
                at = time
            ops.append(op)
            if op.kind in {"wait", "pause"}:
                at = next(coming).end
            elif op.kind == "begin":
                hook = op.hook
            elif op.kind == "mark" and op.hook == hook:
                hook = -1
        if end > at:
            ops.append(Op("work", end - at, task, hook))
        return ops

    def _is_job(self, index: int | None) -> bool:
        # What ran in the foreground is part of the work of who started it, and no job to wait for.
        return index is not None and not self.tasks[index].foreground

    def _begun(self, index: int) -> int:
        task = self.tasks[index]
        return (task.start or 0) if task.queued is None else task.queued

    def _starter(self, index: int, outer: int | None) -> int:
        if outer is None and (wait := self._held(MAIN, self._begun(index))):
            # The main shell was held up, so another task, most likely that one, started this.
            outer = wait.record.task if self._begun(index) < wait.released else None
        if outer is None or not self._is_job(outer):
            return MAIN
        start, end = self.tasks[outer].start, self.ends[outer]
        ran = start is not None and end is not None and start < self._begun(index) <= end
        return outer if ran else MAIN

    def _held(self, who: int, time: int) -> SequentialWait | None:
        position = bisect_left(self.starts.get(who, ()), time) - 1
        wait = self.waits[who][position] if position >= 0 else None
        return wait if wait and time < wait.end else None

    def _wait(self, who: int, wait: SequentialWait) -> Op:
        whole, task = wait.end - wait.start, wait.record.task
        end = None if task is None else self.ends[task]
        if task is None or end is None or not self._is_job(task):
            return Op("pause", whole)
        if self.tasks[task].start is not None and not self._was_started(task, who, wait.start):
            return Op("pause", whole)
        if end > wait.end:
            return Op("wait", 0, task, limit=whole)
        return Op("wait", wait.end - wait.released, task)

    def _was_started(self, task: int, who: int, time: int) -> bool:
        """Tell whether `who` had started a task, or one above had before it started `who`."""
        if who == MAIN:
            return True
        while self.starter[task] != who:
            if who == MAIN:
                return False
            time, who = self._begun(who) - 1, self.starter[who]
        return self._begun(task) <= time

    def _add(self, index: int, latest: dict[str, int]) -> None:
        task, starter, begun = self.tasks[index], self.starter[index], self._begun(index)
        start = task.start or 0
        after = tuple(latest[name] for name in task.after if name in latest)
        other = self.made_room.get(index, -1)
        if other in self.starter and self._was_started(other, starter, begun):
            after = (*after, other)
        ready = [e for i in after if (e := self.ends[i]) is not None and e <= start]
        wait = self._held(starter, begun)
        spawned = wait.start if wait else begun
        spawn = (spawned, _SPAWN, begun, Op("spawn", task=index))
        self.points.setdefault(starter, []).append(spawn)
        lag = start - max([spawned, *ready])
        self.lags[index] = lag, after if len(ready) == len(after) else ()
        latest[task.name] = index
