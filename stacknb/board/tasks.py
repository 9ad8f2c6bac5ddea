"""The tasks on a board: their states, found with few looks at processes and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.board.states import TaskState, Waiting
from stacknb.exceptions import LogError
from stacknb.journal import Event
from stacknb.rundir.ending import state_of, still_runs
from stacknb.rundir.follow import last_line
from stacknb.supervision import processes
from stacknb.text.screen import clean_line

__all__ = ["TaskList"]

_LOOKS = 64  # processes looked at in one round: thousands of tasks must not slow the run
_WIDTH = 160


class TaskList:
    """The tasks of one run.

    They are kept in the order in which they are shown, so that no round has to sort thousands.

    Parameters
    ----------
    run_dir : Path
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._tasks: dict[str, TaskState] = {}
        self._waits: dict[str, tuple[float, str]] = {}
        self._live: dict[str, TaskState] = {}
        self._bad: dict[str, TaskState] = {}
        self._idle: dict[str, TaskState] = {}  # ended, and nobody has waited for it
        self._done: dict[str, TaskState] = {}
        self._counts: Counter[str] = Counter()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, key: str) -> TaskState:
        return self._tasks[key]

    def on_event(self, event: Event) -> None:
        """Take in that a task was started, or that somebody waits for it."""
        data = event.data
        key = str(data.get("log", ""))
        if event.kind == "task" and key not in self._tasks:
            task = TaskState(
                key, event.name, int(data.get("pid", 0)), str(data.get("phase", "")),
                str(data.get("hook", "")), event.time,
            )  # fmt: skip
            self._tasks[key] = self._live[key] = task
            self._counts[task.status] += 1
        elif event.kind == "wait-start" and key in self._tasks:
            self._waits[key] = (event.time, str(data.get("hook", "")))
        elif event.kind == "wait-end":
            self._waits.pop(key, None)

    def on_wait(self, wait: dict[str, Any]) -> None:
        """Take in a wait that has ended, as ``waits.jsonl`` has it."""
        key = str(wait.get("log", ""))
        self._waits.pop(key, None)
        task = self._tasks.get(key)
        if task is None:
            return
        task.collected, task.exit_code = True, wait.get("exit_code")
        if task.live and task.exit_code != 0:
            self._read_end(task)
        self._end(task, "ok" if task.live else task.status)

    def forget_waits(self) -> None:
        """Take in that the hook which waited has ended."""
        self._waits = {key: wait for key, wait in self._waits.items() if not wait[1]}

    def look(self, at_all: bool = False) -> None:
        """Look at some of the tasks that may run, at all of them in a few rounds; or at once."""
        live = list(self._live.values())
        begin = self._turn % len(live) if live else 0
        self._turn = begin + _LOOKS
        for task in (live[begin:] + live[:begin])[: None if at_all else _LOOKS]:
            self._set(task, "running" if self._size(task) > 0 else "waiting")
            if not processes.alive(task.pid):
                self._read_end(task)

    def ordered(self) -> Iterator[TaskState]:
        """Yield all, what matters first: waited for, gone wrong, running, ended; newest first."""
        waited = [self._tasks[key] for key in self._waits]
        groups: Iterable[Iterable[TaskState]] = (
            waited, _newest(self._bad), self._live.values(), _newest(self._idle),
            _newest(self._done),
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
        """Return how many there are of each status."""
        return {status: count for status, count in self._counts.items() if count}

    def ill(self) -> list[TaskState]:
        """Return the tasks of hooks that have ended and not well; of each name the newest."""
        newest = {task.name: task for task in self._tasks.values()}
        return [t for t in newest.values() if t.hook and not t.live and t.status != "ok"]

    def waiting(self) -> list[Waiting]:
        """Return the waits that block now."""
        return [
            Waiting(self._fresh(self._tasks[key]), since, hook)
            for key, (since, hook) in self._waits.items()
        ]

    # -- within ----------------------------------------------------------------------------------

    def _size(self, task: TaskState) -> int:
        try:
            return (self._run_dir / task.key).stat().st_size
        except OSError:
            return -1

    def _read_end(self, task: TaskState) -> None:
        """Take in how a task ended whose process is gone."""
        try:
            record = tasklog.read(self._run_dir / task.key)
        except (OSError, LogError):
            self._end(task, "lost")
            return
        if record.footer is not None or not still_runs(record.header):
            status, task.exit_code = state_of(record.header, record.footer, task.exit_code)
            self._end(task, status)

    def _end(self, task: TaskState, status: str) -> None:
        self._set(task, status)
        task.size = -1  # its time and its last line are read when it is shown
        for group in (self._live, self._bad, self._idle, self._done):
            group.pop(task.key, None)
        if status not in ("ok", "cancelled"):
            self._bad[task.key] = task
        else:
            (self._done if task.collected else self._idle)[task.key] = task

    def _set(self, task: TaskState, status: str) -> None:
        self._counts[task.status] -= 1
        self._counts[status] += 1
        task.status = status

    def _fresh(self, task: TaskState) -> TaskState:
        """Return the task with its last line, and its time if it has ended."""
        size = self._size(task)
        if size == task.size:
            return task
        task.size = size
        if task.live:
            self._set(task, "running" if size > 0 else "waiting")
            text = last_line(self._run_dir / task.key)
        else:
            text = self._read_times(task)
        task.last = clean_line(text.decode("utf-8", "replace"), _WIDTH)
        return task

    def _read_times(self, task: TaskState) -> bytes:
        try:
            record = tasklog.read(self._run_dir / task.key)
        except (OSError, LogError):
            return b""
        end = (record.footer or {}).get("end")
        start = record.header.get("start")
        if end is not None and start is not None:
            task.duration_s = max(0.0, end - start)
        lines = [line for line in record.output(4096).split(b"\n") if line]
        return lines[-1] if lines else b""


def _newest(tasks: dict[str, TaskState]) -> Iterator[TaskState]:
    return reversed(tasks.values())
