"""The tasks of a run: their states, found with few looks at processes and logs."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from stacknb import lifecycle
from stacknb.board.logs import LogReader
from stacknb.board.states import TaskState, Waiting
from stacknb.rundir.ending import status_of, still_runs
from stacknb.rundir.follow import last_line
from stacknb.rundir.journal import Event
from stacknb.supervision import processes
from stacknb.tasklog import LogRecord
from stacknb.text.screen import clean_line

__all__ = ["TaskList"]

_LOOKS = 64  # processes looked at in one round: thousands of tasks must not slow the run
_WIDTH = 160


class TaskList:
    """The tasks of one run.

    They are kept in the order in which they are shown, so that no round has to sort thousands.
    """

    def __init__(self, logs: LogReader) -> None:
        self._logs = logs
        self._tasks: dict[str, TaskState] = {}
        self._tries: dict[str, float] = {}  # when phases were begun last
        self._waits: dict[str, tuple[float, str]] = {}
        self._early: dict[str, list[dict[str, Any]]] = {}  # waits for tasks that nobody told of
        self._live: dict[str, TaskState] = {}
        self._bad: dict[str, TaskState] = {}
        self._idle: dict[str, TaskState] = {}  # ended, and nobody has waited for it
        self._done: dict[str, TaskState] = {}
        self._past: dict[str, TaskState] = {}  # superseded
        self._counts: Counter[str] = Counter()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[TaskState]:
        return iter(self._tasks.values())

    # -- what is told of them --------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Take in that a task was started, or that somebody waits for it."""
        data = event.data
        key = _key(data.get("log", ""))
        if event.kind == "task":
            pid, phase, hook = data["pid"], data["phase"], data["hook"]
            self._add(TaskState(key, event.name, pid, phase, hook, event.time))
        elif event.kind == "wait-start" and key in self._tasks:
            self._waits[key] = (event.time, str(data.get("hook", "")))
        elif event.kind == "wait-end":
            self._waits.pop(key, None)

    def on_wait(self, wait: dict[str, Any]) -> None:
        """Take in a wait that has ended, as ``waits.jsonl`` has it."""
        key = _key(wait["log"])
        self._waits.pop(key, None)
        task = self._tasks.get(key)
        if task is None:
            self._early.setdefault(key, []).append(wait)
            return
        task.collected, task.code = True, wait["exit_code"]
        task.heeded = task.heeded or wait["hook"] != lifecycle.CLEAN_UP
        if task.code == 0 and (task.live or task.status == "ok"):
            task.exit_code = 0
            self._end(task, "ok")
        else:
            self._read_end(task)
            self._end(task, task.status)

    def take_logs(self) -> None:
        """Take in the logs of tasks that the journal does not tell of."""
        found = []
        for key in self._logs.names("async"):
            if key not in self._tasks and (record := self._logs.read(key)) is not None:
                header = record.header
                pid, begun = header.get("pid"), header.get("start", 0.0)
                task = TaskState(
                    key, str(header.get("name")), pid if isinstance(pid, int) else 0,
                    str(header.get("phase", "")), str(header.get("hook", "")),
                    header.get("queued", begun),
                )  # fmt: skip
                tried = self._tries.get(task.phase, 0.0)
                task.superseded = bool(task.hook) and task.started < tried
                found.append((task, record))
        for task, record in sorted(found, key=lambda item: item[0].started):
            self._add(task)
            self._take(task, record)

    def begin_try(self, phase: str, when: float) -> None:
        """Take in that a phase was begun, perhaps again: its hooks start their tasks again."""
        self._tries[phase] = when
        for task in self:
            if task.phase == phase and task.hook and task.started < when and not task.superseded:
                self._counts[task.counted_as] -= 1
                task.superseded = True
                self._counts[task.counted_as] += 1
                if not task.live:
                    self._end(task, task.status)

    def forget_waits(self) -> None:
        """Take in that the hook which waited has ended."""
        self._waits = {key: wait for key, wait in self._waits.items() if not wait[1]}

    # -- looking for oneself ---------------------------------------------------------------------

    def look(self, at_all: bool = False) -> None:
        """Look at some of the tasks that may run, at all of them in a few rounds; or at once."""
        live = list(self._live.values())
        begin = self._turn % len(live) if live else 0
        self._turn = begin + _LOOKS
        for task in (live[begin:] + live[:begin])[: None if at_all else _LOOKS]:
            self._set(task, "running" if self._logs.size(task.key) > 0 else "waiting")
            # A number that is known to be its own needs no look at the log.
            if task.ticks is None or processes.start_ticks(task.pid) != task.ticks:
                self._read_end(task)

    def read_logs(self) -> None:
        """Let the logs say how tasks have ended, of which nobody has looked at one yet."""
        for task in self:
            if not (task.is_read or task.live):
                self._read_end(task)

    def _read_end(self, task: TaskState) -> None:
        record = self._logs.read(task.key, 0)
        if record is not None and record.footer is None and not self._goes_on(task, record):
            record = self._logs.read(task.key)  # all of it, which may take its time
        self._take(task, record)

    def _take(self, task: TaskState, record: LogRecord | None) -> None:
        """Take in what its log says, None if it has not begun, and its process."""
        task.begun = record.header.get("start") if record is not None else None
        if self._goes_on(task, record):
            return
        status, task.exit_code = status_of(record.footer if record is not None else None, task.code)
        task.duration_s = record.duration_s if record is not None else None
        task.is_read = record is not None
        if status != task.status:
            self._end(task, status)

    def _goes_on(self, task: TaskState, record: LogRecord | None) -> bool:
        """Tell whether it has not ended, as far as can be seen from here."""
        if task.code is not None:
            return False
        header, footer = (record.header, record.footer) if record is not None else (None, None)
        return self._lives(task, header) or (footer is None and self._logs.lock.is_held_elsewhere())

    def _lives(self, task: TaskState, header: dict[str, Any] | None) -> bool:
        """Tell whether its process runs: another one may have been given the number since."""
        ticks = processes.start_ticks(task.pid)
        if ticks is None:
            return False
        if task.ticks is None:
            if header is None:  # it is held back
                header = {"host": socket.gethostname(), "start": task.started}
            task.ticks = ticks if still_runs({**header, "pid": task.pid}) else -1
        return task.ticks == ticks

    # -- what is said of them --------------------------------------------------------------------

    def ordered(self) -> Iterator[TaskState]:
        """Yield all, what matters first: waited for, gone wrong, running, ended; newest first."""
        waited = [self._tasks[key] for key in self._waits]
        groups: Iterable[Iterable[TaskState]] = (
            waited, _newest(self._bad), self._live.values(), _newest(self._idle),
            _newest(self._done), _newest(self._past),
        )  # fmt: skip
        for number, task in enumerate(chain.from_iterable(groups)):
            if number < len(waited) or task.key not in self._waits:
                yield task

    def shown(self, most: int) -> list[TaskState]:
        """Return the first of `ordered`, each with its last line and its time."""
        return [self._fresh(task) for task in list(islice(self.ordered(), most))]

    def running(self, most: int) -> tuple[list[TaskState], int]:
        """Return tasks that run, oldest first, and how many more there are."""
        live = list(islice(self._live.values(), most))
        return [self._fresh(task) for task in live], max(0, len(self._live) - most)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each status; those of an earlier try beside them."""
        return {status: count for status, count in self._counts.items() if count}

    def ill(self) -> list[TaskState]:
        """Return the tasks of hooks that have ended and not well; of each name the newest."""
        newest = {task.name: task for task in self}
        return [t for t in newest.values() if t.hook and not t.live and t.status != "ok"]

    def waiting(self) -> list[Waiting]:
        """Return the waits that block now."""
        return [
            Waiting(self._fresh(self._tasks[key]), since, hook)
            for key, (since, hook) in self._waits.items()
        ]

    # -- within ----------------------------------------------------------------------------------

    def _add(self, task: TaskState) -> None:
        if known := self._tasks.get(task.key):  # from its log, before it was told of
            known.started = task.started
            return
        self._tasks[task.key] = self._live[task.key] = task
        self._counts[task.counted_as] += 1
        for wait in self._early.pop(task.key, ()):
            self.on_wait(wait)

    def _end(self, task: TaskState, status: str) -> None:
        self._set(task, status)
        task.size = -1  # its time and its last line are read when it is shown
        for group in (self._live, self._bad, self._idle, self._done, self._past):
            group.pop(task.key, None)
        if task.live:
            self._live[task.key] = task
        elif task.superseded:
            self._past[task.key] = task
        elif status not in ("ok", "cancelled"):
            self._bad[task.key] = task
        else:
            (self._done if task.collected else self._idle)[task.key] = task

    def _set(self, task: TaskState, status: str) -> None:
        self._counts[task.counted_as] -= 1
        task.status = status
        self._counts[task.counted_as] += 1

    def _fresh(self, task: TaskState) -> TaskState:
        """Return the task with its last line, and its time if it has ended."""
        size = self._logs.size(task.key)
        if size == task.size:
            return task
        text = b""
        if task.live:
            self._set(task, "running" if size > 0 else "waiting")
            text = last_line(self._logs.path(task.key))
        elif (record := self._logs.read(task.key)) is not None:
            self._take(task, record)
            lines = [line for line in record.output(4096).split(b"\n") if line]
            text = lines[-1] if lines else b""
        task.size = size
        task.last = clean_line(text.decode("utf-8", "replace"), _WIDTH)
        return task


def _key(log: object) -> str:
    return f"async/{str(log).rpartition('/')[2]}"


def _newest(tasks: dict[str, TaskState]) -> Iterator[TaskState]:
    return reversed(tasks.values())
