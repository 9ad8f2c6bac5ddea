"""What is known of a run, before any arithmetic: plain records, times in µs since the epoch (UTC).

Two readers make them (`rundir`, `stackrun`). All else in this package reads these, and of logs no
more than what a hook or a task has printed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from stacknb.text.reading import as_seconds

__all__ = ["HookRecord", "PhaseRecord", "Problems", "Records", "TaskRecord", "WaitRecord", "micros"]

Micros = int


def micros(seconds: object) -> Micros | None:
    """Return epoch seconds, or a duration in seconds, in µs; None for what is no such number."""
    known = as_seconds(seconds)
    return None if known is None else round(known * 1e6)


@dataclass(slots=True)
class TaskRecord:
    """One background task; None stands for what the log does not tell.

    ``by`` is the name of the task that started it; empty for the main shell.
    """

    name: str
    command: str = ""
    phase: str = ""
    hook: str = ""
    status: str = "lost"
    exit_code: int | None = None
    start: Micros | None = None
    end: Micros | None = None
    queued: Micros | None = None  # when async_run was called, if that was earlier than the start
    cpu: Micros | None = None
    host: str = ""
    log: str = ""
    after: tuple[str, ...] = ()
    foreground: bool = False  # DEVSTACK_PARALLEL=False
    by: str = ""


@dataclass(slots=True)
class HookRecord:
    """One script (or notebook cell) that ran in the main shell."""

    name: str
    phase: str = ""
    path: str = ""
    status: str = "lost"
    exit_code: int | None = None
    start: Micros | None = None
    end: Micros | None = None
    cpu: Micros | None = None
    host: str = ""
    log: str = ""
    is_cell: bool = False


@dataclass(slots=True)
class WaitRecord:
    """A task is collected; ``task`` is its index in `Records.tasks`.

    ``by`` is the name of the task that waits; empty for the main shell.
    """

    name: str
    start: Micros
    end: Micros | None
    phase: str = ""
    hook: str = ""
    exit_code: int | None = None
    task: int | None = None
    by: str = ""


@dataclass(slots=True)
class PhaseRecord:
    """A phase, from its first to its last moment in the main shell."""

    name: str
    start: Micros
    end: Micros | None = None


@dataclass
class Problems:
    """What could not be believed or understood, counted; the first of each kind is quoted."""

    examples: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, problem: str, example: str = "", count: int = 1) -> None:
        """Count a problem; nothing is added for a count of 0."""
        if count:
            self.examples.setdefault(problem, example)
            self.counts[problem] += count


@dataclass
class Records:
    """A run as its logs tell it.

    Attributes
    ----------
    path : str
        What was read.
    kind : str
        ``"run"`` (a run directory or logs of one) or ``"stack.sh"``.
    start, end : µs
        The first and the last moment known (now, while something runs here); None if there is none.
    going_on : bool
        Something still runs, so that every total is one so far.
    finished : bool
        The run came to its end without an error, as far as the logs tell: what was not waited for
        by then never was.
    exit_code : int or None
        Of stack.sh, where its log tells.
    waits : list of WaitRecord
        Those of the main shell, in the order they began.
    inner_waits : list of WaitRecord
        Those of tasks, which hold up nobody else.
    waits_known : bool
        False for logs without the file of waits: nobody can say what was not waited for.
    not_started : list of WaitRecord
        Waits for names that no task had.
    pauses : list of (µs, µs)
        When the run stood still.
    main_start, main_end : µs
        When the main shell's work began and ended; None in a folder of task logs.
    jobs : int or None
        How many tasks might run at once, where that was limited.
    reported : dict
        Figures printed by stack.sh itself.
    """

    path: str
    kind: str
    tasks: list[TaskRecord] = field(default_factory=list)
    hooks: list[HookRecord] = field(default_factory=list)
    waits: list[WaitRecord] = field(default_factory=list)
    inner_waits: list[WaitRecord] = field(default_factory=list)
    phases: list[PhaseRecord] = field(default_factory=list)
    not_started: list[WaitRecord] = field(default_factory=list)
    pauses: list[tuple[Micros, Micros]] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    start: Micros | None = None
    end: Micros | None = None
    main_start: Micros | None = None
    main_end: Micros | None = None
    going_on: bool = False
    finished: bool = False
    exit_code: int | None = None
    waits_known: bool = True
    cores: int | None = None
    jobs: int | None = None
    reported: dict[str, float] = field(default_factory=dict)
    components: dict[str, int] = field(default_factory=dict)

    @property
    def bad_end(self) -> str:
        """What a log of stack.sh tells of its end, if that was none as it should be."""
        if self.kind != "stack.sh" or self.finished or self.going_on:
            return ""
        if self.exit_code:
            return f"stack.sh ended with status {self.exit_code}"
        return "the log ends before stack.sh does"

    @property
    def elapsed(self) -> Micros:
        """From the first moment known to the last; 0 where there is none."""
        return (self.end or 0) - (self.start or 0)

    @cached_property
    def task_names(self) -> list[tuple[str, str]]:
        """The name of each task, and one that is its alone: ``NAME #1``, ``NAME #2`` …."""
        seen: dict[str, int] = {}
        names = []
        for task in self.tasks:
            seen[task.name] = seen.get(task.name, 0) + 1
            names.append((task.name, f"{task.name} #{seen[task.name]}"))
        return names

    def until(self, one: TaskRecord | WaitRecord | PhaseRecord) -> Micros:
        """Return when it ended; what has no end lasts to the last moment known."""
        return (self.end or 0) if one.end is None else one.end

    def hook_spans(self) -> list[tuple[Micros, Micros] | None]:
        """Return start and end of each hook; None without a start.

        One that has no end lasts until the next one starts, or until the last moment known.
        """
        starts = sorted(hook.start for hook in self.hooks if hook.start is not None)
        spans: list[tuple[Micros, Micros] | None] = []
        for hook in self.hooks:
            if hook.start is None:
                spans.append(None)
                continue
            end = hook.end
            if end is None:
                later = bisect_right(starts, hook.start)
                end = starts[later] if later < len(starts) else self.end
            spans.append((hook.start, hook.start if end is None else end))
        return spans

    def held_within(self) -> dict[int, list[tuple[Micros, Micros]]]:
        """Return for each task that waited for others when these still ran."""
        held: dict[int, list[tuple[Micros, Micros]]] = {}
        for by, waits in self.waits_within().items():
            for wait in waits:
                end = None if wait.task is None else self.tasks[wait.task].end
                if wait.end is not None and end is not None:
                    held.setdefault(by, []).append((wait.start, min(wait.end, end)))
        for index, outer in self.started_by.items():
            task = self.tasks[index]
            if task.foreground and task.start is not None and task.end is not None:
                held.setdefault(outer, []).append((task.start, task.end))
        return held

    def waits_within(self) -> dict[int, list[WaitRecord]]:
        """Return for each task that waited for others its waits, in the order they began."""
        found: dict[int, list[WaitRecord]] = {}
        for wait in self.inner_waits:
            if (by := self._running(wait.by, wait.start)) is not None:
                found.setdefault(by, []).append(wait)
        return found

    @cached_property
    def started_by(self) -> dict[int, int]:
        """For each task that another one started, that other one."""
        found = {}
        for index, task in enumerate(self.tasks):
            outer = self._running(task.by, task.start) if task.by else None
            if outer is not None and outer != index:
                found[index] = outer
        return found

    @cached_property
    def named(self) -> dict[str, list[tuple[Micros, int]]]:
        """For each name of a task when those of it began, and which they are."""
        found: dict[str, list[tuple[Micros, int]]] = {}
        for index, task in enumerate(self.tasks):
            if task.start is not None:
                found.setdefault(task.name, []).append((task.start, index))
        return found

    def _running(self, name: str, time: Micros | None) -> int | None:
        # Of several tasks of that name the one that had begun last.
        begun = [i for start, i in self.named.get(name, ()) if time is not None and start <= time]
        return begun[-1] if begun else None

    @property
    def all_waits(self) -> list[WaitRecord]:
        """The waits of the main shell and of tasks, in the order they began."""
        return sorted([*self.waits, *self.inner_waits], key=lambda wait: wait.start)

    def set_span(self, now: Micros | None = None) -> None:
        """Derive start and end from the records; `now` counts as the end of what still runs."""
        main = _times((hook.start, hook.end) for hook in self.hooks)
        main += _times((wait.start, wait.end) for wait in self.waits)
        every = main + _times((task.start, task.end) for task in self.tasks)
        every += _times((task.queued, None) for task in self.tasks)
        every += _times((wait.start, wait.end) for wait in self.inner_waits)
        if now is not None and every:
            every.append(now)
        if main:
            self.main_start = min(main)
            self.main_end = max(main)
            if now is not None and any(hook.status == "running" for hook in self.hooks):
                self.main_end = now
        if every:
            self.start, self.end = min(every), max(every)


def _times(pairs: Iterable[tuple[Micros | None, Micros | None]]) -> list[Micros]:
    return [time for pair in pairs for time in pair if time is not None]
