"""Turns the events of a stack.sh log into the records of a run."""

from __future__ import annotations

from pathlib import Path

from stacknb.devstack_log import Event, LogFile
from stacknb.exceptions import LogError
from stacknb.lifecycle import PHASES
from stacknb.timing.records import HookRecord, PhaseRecord, Records, TaskRecord, WaitRecord

__all__ = ["read_stack_log"]

_LIVE_S = 900  # a log without an end whose last line is younger may still grow
_ORDER = {phase.label: place for place, phase in enumerate(PHASES)}


def read_stack_log(path: Path, now: float) -> Records:
    """Read a log of stack.sh, plain or gzipped, complete, cut or growing.

    A task begins with its line ``running: …`` (DevStack prints it 0.2 to 0.5 s after the fork; a
    task that ends sooner begins with the trace of its own shell) and ends with ``finished
    successfully`` or ``FAILED``; a wait lasts from ``Waiting for completion`` to ``finished … with
    result``. A phase is the call of run_phase, a hook the sourcing of its script.

    Parameters
    ----------
    path : Path
    now : float
        Epoch seconds; a run whose log ends shortly before it without saying so is going on.

    Raises
    ------
    LogError
        If it is no such log, or holds two runs.
    """
    log = LogFile(path)
    events = log.read()
    return _Builder(log).records([*events, *log.left_over()], now)


class _Builder:
    def __init__(self, log: LogFile) -> None:
        self.log = log
        self.clock = log.clock()
        self.run = Records(str(log.path), "stack.sh")
        self.ended = False
        self._pids: list[str] = []  # of each task
        self._named: dict[str, list[int]] = {}
        self._inner: dict[str, list[int]] = {}  # command -> times
        self._shown: set[int] = set()  # tasks whose end stood in another task's output
        self._inline: set[str] = set()
        self._hook: HookRecord | None = None
        self._wait: WaitRecord | None = None

    def records(self, events: list[Event], now: float) -> Records:
        self._count_problems()
        for event in events:
            self._take(event, self.clock.time(event.line, event.stamp) * 1000)
        self._finish(now)
        return self.run

    def _count_problems(self) -> None:
        add, log, clock = self.run.problems.add, self.log, self.clock
        add("line with an impossible time", str(log.path), log.impossible)
        if 2 * log.unstamped > log.lines:  # what stack.sh shows on a terminal, without LOGFILE
            add("line without a time; it got that of the line before", "", log.unstamped)
        add("last line has no end (log cut, or growing)", str(log.path), int(log.cut))
        add("rest of the log cannot be read", log.broken, int(bool(log.broken)))
        add(
            "clock set back; what follows was moved forward by it",
            f"{clock.stepped_ms / 1000:.3f} s in all",
            clock.steps,
        )
        add("lines with times of another log; they got the time before them", "", clock.foreign)

    def _take(self, event: Event, time: int) -> None:
        match event.kind:
            case "phase":
                self._begin_phase(event, time)
            case "phase-end":
                self.run.phases[-1].end = time
            case "hook":
                self._hook = HookRecord(event.name, self._phase, event.text, "lost", None, time)
                self._hook.log = self.run.path
                self.run.hooks.append(self._hook)
            case "hook-end":
                hook, self._hook = self.run.hooks[-1], None
                hook.end, hook.status, hook.exit_code = time, "ok", 0
            case "task":
                self._start(event, time)
            case "inner":
                self._inner.setdefault(event.text, []).append(time)
            case "task-end":
                self._end(event, time)
            case "wait":
                self._begin_wait(event, time)
            case "collected":
                self._end_wait(event, time)
            case "not-started":
                if event.name not in self._named:
                    self.run.not_started.append(
                        WaitRecord(event.name, time, time, self._phase, self._hook_name)
                    )
            case "exit":
                self.ended, self.run.exit_code = True, event.code
                last = self.run.hooks[-1] if self.run.hooks else None
                if event.code and last and last.end == time:
                    last.status, last.exit_code = "failed", event.code
            case "completed":
                self.ended = True
            case doubt:
                self.run.problems.add(f"line that is {doubt}", event.text or event.name)

    @property
    def _phase(self) -> str:
        return self.run.phases[-1].name if self.run.phases else ""

    @property
    def _hook_name(self) -> str:
        return self._hook.name if self._hook else ""

    def _begin_phase(self, event: Event, time: int) -> None:
        if self.run.phases and _ORDER.get(event.name, 99) <= _ORDER.get(self._phase, -1):
            raise LogError(
                f"{str(self.log.path)!r} holds more than one run: {event.name!r} begins in line "
                f"{event.line + 1}, after {self._phase!r}; split the log before that"
            )
        if event.name not in _ORDER:
            self.run.problems.add("unknown phase", event.name)
        if event.code:
            self._inline.add(event.name)
        self.run.phases.append(PhaseRecord(event.name, time))

    def _start(self, event: Event, time: int) -> None:
        task = TaskRecord(event.name, event.text, self._phase, self._hook_name, start=time)
        task.foreground = bool(event.code)
        self._add(task, event.pid)

    def _add(self, task: TaskRecord, pid: str) -> int:
        task.log = self.run.path
        self._named.setdefault(task.name, []).append(len(self.run.tasks))
        self._pids.append(pid)
        self.run.tasks.append(task)
        return len(self.run.tasks) - 1

    def _find(self, name: str, pid: str) -> int | None:
        for index in reversed(self._named.get(name, [])):
            if self._pids[index] == pid or not (pid.isdigit() and self._pids[index].isdigit()):
                return index
        return None

    def _find_or_add(self, event: Event) -> int:
        index = self._find(event.name, event.pid)
        if index is None:
            self.run.problems.add("task whose start is not in the log", event.name)
            index = self._add(TaskRecord(event.name, event.text), event.pid)
        return index

    def _end(self, event: Event, time: int) -> None:
        is_shown = event.text == "shown"
        index = self._find_or_add(event._replace(text=""))
        task = self.run.tasks[index]
        if task.end is not None:
            self.run.problems.add("second end of a task (one printed by a task?)", event.name)
            if is_shown or index not in self._shown:
                return
        if is_shown:
            self._shown.add(index)
        task.end, task.exit_code = time, event.code
        task.status = "failed" if event.code else "ok"
        if task.start is not None and time < task.start:
            begun = [inner for inner in self._inner.get(task.command, []) if inner <= time]
            if not begun:
                self.run.problems.add("task that ended before its start was printed", task.name)
            task.start = begun[-1] if begun else time

    def _begin_wait(self, event: Event, time: int) -> None:
        index = self._find_or_add(event)
        self._wait = WaitRecord(event.name, time, None, self._phase, self._hook_name, task=index)
        self.run.waits.append(self._wait)

    def _end_wait(self, event: Event, time: int) -> None:
        wait = self._wait
        if wait is None and self.run.waits and self.run.waits[-1].name == event.name:
            self.run.problems.add("second end of a wait (one printed by a task?)", event.name)
            wait = self.run.waits[-1]
        if wait is None or wait.name != event.name:
            self.run.problems.add("end of a wait without its beginning", event.name)
            return
        self._wait = None
        wait.end, wait.exit_code = time, event.code
        task = self.run.tasks[wait.task if wait.task is not None else -1]
        if task.end is None:  # killed, or its own last line is missing: the wait has the status
            task.exit_code = event.code
            task.status = "killed" if event.code > 128 else "failed" if event.code else "ok"

    def _finish(self, now: float) -> None:
        run, tables = self.run, self.log.tables
        run.components, run.reported = dict(tables.components), dict(tables.figures)
        run.start = run.main_start = self.clock.time(0, self.log.first) * 1000
        run.end = run.main_end = self.clock.time(self.log.lines - 1, self.log.last) * 1000
        is_over = self.ended or bool(tables.components)
        run.finished = is_over and not run.exit_code
        run.going_on = not is_over and 0 <= now * 1000 - self.log.last < _LIVE_S * 1000
        if run.going_on:
            open_records: list[TaskRecord | HookRecord] = [*run.tasks, *run.hooks]
            for record in open_records:
                if record.status == "lost" and record.end is None:
                    record.status = "running"
        for phase in run.phases:
            ends = [hook.end for hook in run.hooks if hook.phase == phase.name]
            if phase.name in self._inline and ends:
                phase.end = ends[-1]
