"""The recorded run as a program: what the main shell did in order, and what each task hung on.

Replaying the program unchanged gives the record to the microsecond. Changed, it answers "what if".
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Literal

from stacknb.exceptions import BadInput
from stacknb.timing.records import Records, WaitRecord

__all__ = [
    "END",
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
    """One step of the main shell.

    ``work`` takes `length`; ``spawn`` starts task `task`; ``wait`` blocks until it has ended, then
    takes `length` to show its log; ``pause`` is a wait for a task whose end is not known: it takes
    `length` whatever happens; ``begin`` is where `hook` begins, ``mark`` the place `mark`.
    """

    kind: Literal["work", "spawn", "wait", "pause", "begin", "mark"]
    length: int = 0
    task: int = -1
    hook: int = -1
    limit: int | None = None  # the wait gave up after this, by its timeout
    mark: str = ""


@dataclass(slots=True, frozen=True)
class Job:
    """A task in the program.

    It starts `lag` after the latest of: its spawn (or `offset` after the start of the task
    `parent`, which was then being waited for), and the ends of the tasks `after`. A task whose
    start is not recorded has ``fixed`` as its end.
    """

    length: int
    lag: int = 0
    after: tuple[int, ...] = ()
    parent: int | None = None
    offset: int = 0
    fixed: int | None = None


@dataclass
class Program:
    """The main shell's steps and the tasks, from `start` to `end` (µs since the epoch).

    ``threads`` are stretches of steps taken out of the main shell, which a ``spawn`` of their
    (negative) number starts beside it.
    """

    start: int
    end: int
    ops: list[Op] = field(default_factory=list)
    jobs: dict[int, Job] = field(default_factory=dict)
    threads: dict[int, list[Op]] = field(default_factory=dict)

    def children(self) -> dict[int, list[int]]:
        """Return which tasks hang on the start of another one."""
        found: dict[int, list[int]] = {}
        for index, job in self.jobs.items():
            if job.parent is not None:
                found.setdefault(job.parent, []).append(index)
        return found


@dataclass(slots=True)
class SequentialWait:
    """A wait as one of a sequence: `released` is when its task had ended."""

    record: WaitRecord
    start: int
    end: int
    released: int


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
    ends = task_ends(records)
    waits = sequential_waits(records)
    points: list[_Point] = []
    for wait in waits:
        task = None if wait.record.task is None else records.tasks[wait.record.task]
        # What ran in the foreground is part of the main shell's work, and no job to wait for.
        is_job = task is not None and not task.foreground
        op = _wait_op(wait, ends) if is_job else Op("pause", wait.end - wait.start)
        points.append((wait.start, _WAIT, 0, op))
    _add_jobs(made, records, ends, waits, points)
    for index, span in enumerate(records.hook_spans()):
        if span:
            hook = records.hooks[index]
            name = place(hook.phase, hook.name)
            points.append((span[0], _MARK, 2 * index, Op("begin", hook=index)))
            points.append((span[1], _MARK, 2 * index + 1, Op("mark", hook=index, mark=name)))
    for phase in records.phases:
        if phase.end is not None:
            points.append((phase.end, _MARK, 2 * len(records.hooks), Op("mark", mark=phase.name)))
    points.sort(key=lambda point: point[:3])
    _lay_out(made, records, waits, points)
    return made


def place(phase: str, hook: str) -> str:
    """Return the name of the place right after a hook."""
    return f"{phase}/{hook}"


def sequential_waits(records: Records) -> list[SequentialWait]:
    """Return the waits one after the other: of two at once, the later ends' rest is what counts."""
    found: list[SequentialWait] = []
    at = records.start or 0
    for wait in records.waits:
        end = (records.end or wait.start) if wait.end is None else wait.end
        start, end = max(wait.start, at), max(end, at)
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


def _wait_op(wait: SequentialWait, ends: list[int | None]) -> Op:
    whole = wait.end - wait.start
    end = None if wait.record.task is None else ends[wait.record.task]
    if wait.record.task is None or end is None:
        return Op("pause", whole)
    if end > wait.end:
        return Op("wait", 0, wait.record.task, limit=whole)
    return Op("wait", wait.end - wait.released, wait.record.task)


def _add_jobs(
    made: Program,
    records: Records,
    ends: list[int | None],
    waits: list[SequentialWait],
    points: list[_Point],
) -> None:
    starts = [wait.start for wait in waits]
    latest: dict[str, int] = {}
    order = sorted(
        range(len(records.tasks)),
        key=lambda i: (records.tasks[i].start is None, records.tasks[i].start or 0),
    )
    for index in order:
        task = records.tasks[index]
        end = ends[index]
        if task.foreground or (task.start is None and end is None):
            continue
        if task.start is None:
            made.jobs[index] = Job(0, fixed=end)
            continue
        begun = task.start if task.queued is None else task.queued
        after = tuple(latest[name] for name in task.after if name in latest)
        ready = [e for i in after if (e := ends[i]) is not None and e <= task.start]
        length = 0 if end is None else max(0, end - task.start)
        job = Job(length, after=after if len(ready) == len(after) else ())
        inside = bisect_left(starts, begun) - 1
        wait = waits[inside] if inside >= 0 and begun < waits[inside].end else None
        parent = None if wait is None else wait.record.task
        origin = None if parent is None else records.tasks[parent].start
        if wait and begun < wait.released and parent in made.jobs and origin is not None:
            # The main shell was held up, so another task, most likely that one, started this.
            offset = begun - origin
            lag = task.start - max([begun, *ready])
            made.jobs[index] = replace(job, lag=lag, parent=parent, offset=offset)
        else:
            spawned = wait.start if wait else begun
            points.append((spawned, _SPAWN, index, Op("spawn", task=index)))
            made.jobs[index] = replace(job, lag=task.start - max([spawned, *ready]))
        latest[task.name] = index


def _lay_out(
    made: Program, records: Records, waits: list[SequentialWait], points: list[_Point]
) -> None:
    at, hook = made.start, -1
    made.ops.append(Op("mark", mark=START))
    coming = iter(waits)
    for time, _, _, op in points:
        if time > at:
            made.ops.append(Op("work", time - at, hook=hook))
            at = time
        made.ops.append(op)
        if op.kind in {"wait", "pause"}:
            at = next(coming).end
        elif op.kind == "begin":
            hook = op.hook
        elif op.kind == "mark" and op.hook == hook:
            hook = -1
    main_end = records.main_end
    if main_end is not None and main_end > at:
        made.ops.append(Op("work", main_end - at, hook=hook))
    made.ops.append(Op("mark", mark=END))
