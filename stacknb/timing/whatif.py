"""What if: a program with changes, and the elapsed time it would have had."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from stacknb.exceptions import BadInput
from stacknb.text.names import nearest
from stacknb.text.screen import quoted, seconds
from stacknb.timing.cores import elapsed_with_cores
from stacknb.timing.program import END, MAIN, Job, Op, Program, place
from stacknb.timing.records import Records, TaskRecord
from stacknb.timing.replay import replay

__all__ = ["Prediction", "changed", "predicted"]


class Prediction(float):
    """The elapsed time of a changed run, in seconds.

    Attributes
    ----------
    recorded_s : float
        The recorded elapsed time.

    Examples
    --------
    >>> Prediction(7.5, 10.0)
    7.50 s instead of 10.0 s (2.50 s less)
    >>> Prediction(7.5, 10.0).elapsed_s, Prediction(7.5, 10.0).saved_s
    (7.5, 2.5)
    """

    recorded_s: float

    def __new__(cls, elapsed_s: float, recorded_s: float) -> Prediction:
        """Make a prediction of `elapsed_s` where `recorded_s` was recorded."""
        made = super().__new__(cls, elapsed_s)
        made.recorded_s = recorded_s
        return made

    @property
    def elapsed_s(self) -> float:
        """The predicted elapsed time."""
        return float(self)

    @property
    def saved_s(self) -> float:
        """Recorded minus predicted; negative if it would take longer."""
        return self.recorded_s - float(self)

    def __repr__(self) -> str:
        more = "less" if self.saved_s >= 0 else "more"
        return (
            f"{seconds(self.elapsed_s)} instead of {seconds(self.recorded_s)} "
            f"({seconds(abs(self.saved_s))} {more})"
        )


def predicted(records: Records, program: Program, new: Program, cores: int | None) -> Prediction:
    """Return what a run would have taken with a `changed` program, on so many cores."""
    recorded = program.end - program.start
    elapsed = replay(new).elapsed
    if cores is not None:
        if cores < 1:
            raise BadInput(f"what_if(cores={cores!r}): give a number of cores, 1 or more")
        elapsed = round(elapsed * elapsed_with_cores(records, new, cores))
    return Prediction(elapsed / 1e6, recorded / 1e6)


def changed(
    records: Records,
    program: Program,
    *,
    faster: Mapping[str, float] | None = None,
    start_after: Mapping[str, str] | None = None,
    wait_after: Mapping[str, str] | None = None,
    as_task: Mapping[str, str | None] | Iterable[str] | None = None,
) -> Program:
    """Return the program with the changes made; see `Run.what_if`.

    Raises
    ------
    BadInput
        If a name is unknown or ambiguous, or a task would be waited for before it starts.
    """
    made = _Change(records, program)
    for name, factor in (faster or {}).items():
        made.speed_up(name, factor)
    for name, where in (start_after or {}).items():
        made.move(name, where, "spawn")
    for name, where in (wait_after or {}).items():
        made.move(name, where, "wait")
    if not isinstance(as_task, Mapping):
        as_task = dict.fromkeys([as_task] if isinstance(as_task, str) else as_task or ())
    for name, collected in as_task.items():
        made.take_out(name, collected)
    return made.program


class _Change:
    def __init__(self, records: Records, program: Program) -> None:
        self.records = records
        self.program = replace(program, ops=list(program.ops), jobs=dict(program.jobs))

    def speed_up(self, name: str, factor: float) -> None:
        if not factor > 0:
            raise BadInput(f"{name!r} cannot become {factor!r} times faster: give a factor above 0")
        tasks = self._tasks(name)
        hooks = set() if tasks else set(self._hook_numbers(name))
        for index in tasks:
            # What it waits for is not its own; showing the log of that is.
            job = self.program.jobs[index]
            ops = [op if op.kind == "pause" else _sped(op, factor) for op in job.ops]
            self.program.jobs[index] = replace(job, ops=ops)
        self.program.ops = [
            _sped(op, factor) if op.kind == "work" and op.hook in hooks else op
            for op in self.program.ops
        ]

    def move(self, name: str, where: str, kind: str) -> None:
        tasks = self._tasks(name)
        if not tasks:
            raise self._unknown(name, "task", [task.name for task in self.records.tasks])
        if len(tasks) > 1:
            each = quoted((self.records.task_names[index][1] for index in tasks), 4)
            raise BadInput(f"{name!r} was started {len(tasks)} times: say which, as {each}")
        ops = self.program.ops
        old = [n for n, op in enumerate(ops) if op.kind == kind and op.task == tasks[0]]
        if not old:
            done = "was not waited for" if kind == "wait" else "was not started by the main shell"
            raise BadInput(f"{name!r} {done}: there is nothing to move")
        place = self._place(where)
        moved = [ops[n] for n in old[-1:]]
        kept: list[Op] = []
        for number, op in enumerate(ops):
            if number not in old:
                kept.append(op)
            if number == place:
                kept += moved
        other = "spawn" if kind == "wait" else "wait"
        at = {o.kind: n for n, o in enumerate(kept) if o.task == tasks[0]}
        if other in at and at["spawn"] > at["wait"]:
            problem = "is not started yet" if kind == "wait" else "has been waited for already"
            raise BadInput(f"{name!r} {problem} after {where!r}: name a later or earlier place")
        self.program.ops = kept

    def take_out(self, name: str, collected: str | None) -> None:
        numbers = self._hook_numbers(name)
        if len(numbers) > 1:
            marks = [op.mark for op in self.program.ops if op.kind == "mark" and op.hook in numbers]
            raise BadInput(f"{name!r} ran {len(numbers)} times: say which, as {marks[-1]!r}")
        hook = numbers[0]
        ops = self.program.ops
        first = next(n for n, op in enumerate(ops) if op.kind == "begin" and op.hook == hook)
        last = next(n for n, op in enumerate(ops) if op.kind == "mark" and op.hook == hook)
        thread = min([MAIN, *self.program.jobs]) - 1
        self.program.jobs[thread] = Job(ops[first + 1 : last])
        where = collected or self.records.hooks[hook].phase
        if collected is None and not any(op.kind == "mark" and op.mark == where for op in ops):
            where = END  # it was in no phase, or nobody knows when that ended
        place = self._place(where)
        if place < last:
            raise BadInput(f"{name!r} cannot be collected after {where!r}: it starts after that")
        self.program.ops = [
            *ops[: first + 1],
            Op("spawn", task=thread),
            *ops[last : place + 1],
            Op("wait", task=thread),
            *ops[place + 1 :],
        ]

    def _tasks(self, name: str) -> list[int]:
        """Return the tasks of that name, or the one called ``NAME #2`` for the second of a name."""
        names = self.records.task_names
        found = [index for index in self.program.jobs if index >= 0 and name in names[index]]
        fixed = [task for task in self._named(name) if not found]
        if fixed and fixed[0].foreground:
            within = place(fixed[0].phase, fixed[0].hook) if fixed[0].hook else "the main script"
            raise BadInput(
                f"{name!r} ran in the foreground, as part of {within!r}: change that one"
            )
        if fixed:
            raise BadInput(f"{name!r} has no times in the logs: there is nothing to change")
        return found

    def _named(self, name: str) -> list[TaskRecord]:
        each = zip(self.records.tasks, self.records.task_names, strict=True)
        return [task for task, names in each if name in names]

    def _hook_numbers(self, name: str) -> list[int]:
        found = [
            op.hook
            for op in self.program.ops
            if op.kind == "mark" and op.hook >= 0 and name in _spellings(op.mark)
        ]
        if not found and self._named(name):
            raise BadInput(f"{name!r} is a task already: as_task takes hooks")
        if not found:
            tasks = [task.name for task in self.records.tasks]
            marks = [op.mark for op in self.program.ops if op.kind == "mark" and op.hook >= 0]
            raise self._unknown(name, "task or hook", [*tasks, *marks])
        return found

    def _place(self, where: str) -> int:
        found = [
            n
            for n, op in enumerate(self.program.ops)
            if op.kind == "mark" and where in _spellings(op.mark)
        ]
        names = sorted({self.program.ops[n].mark for n in found})
        if not found:
            marks = [op.mark for op in self.program.ops if op.mark]
            raise self._unknown(where, "hook or phase", marks)
        if len(names) > 1:
            raise BadInput(f"{where!r} is ambiguous: say which, as {names[-1]!r}")
        return found[-1]

    def _unknown(self, name: str, kind: str, known: Iterable[str]) -> BadInput:
        spellings = dict.fromkeys(spelling for mark in known for spelling in _spellings(mark))
        return BadInput(f"no {kind} {name!r} in this run{nearest(name, spellings)}")


def _spellings(mark: str) -> set[str]:
    phase, slash, hook = mark.rpartition("/")
    if slash:
        return {hook, *(f"{name}/{hook}" for name in _spellings(phase))}
    return {mark, mark.replace(" ", "-"), mark.removeprefix("stack ")}


def _sped(op: Op, factor: float) -> Op:
    return replace(op, length=0 if math.isinf(factor) else round(op.length / factor))
