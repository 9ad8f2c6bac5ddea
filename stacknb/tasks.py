"""A task and its state, read from its process and its log."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from stacknb import tasklog
from stacknb.results import TaskResult
from stacknb.rundir.ending import status_of
from stacknb.supervision import processes
from stacknb.text.hooktext import led_by, original

__all__ = ["Task", "last_change", "result_of", "ticks_of_old", "wait_for_end"]

_POLL_S = 0.05
_TICK_S = 0.1
_TOLERANCE_S = 0.005  # between two clocks; a start is rounded down to hundredths of a second
_QUEUE_S = 1.0  # from the event of a task to its process


class Task:
    """A named background job, to be waited for.

    Attributes
    ----------
    name : str
    pid : int
        Its process, which leads a process group.
    log : Path
    phase, hook : str
        Where it was started; `hook` is empty if a person did.
    started : float
        When it was asked for, epoch seconds.
    result : TaskResult or None
        Set once it was waited for.

    Examples
    --------
    >>> stack.async_run("greeting", "echo", "hi").wait()
    <task 'greeting' ended well after ...>
    >>> stack.tasks["greeting"].running, stack.tasks["greeting"].state
    (False, 'ok')
    >>> stack.tasks["greeting"].command
    ['echo', 'hi']
    """

    def __init__(
        self, collect: Callable[[Task, float], TaskResult], name: str, pid: int, log: Path,
        phase: str, hook: str, started: float, ticks: int | None,
    ) -> None:  # fmt: skip
        # `collect` takes the result of a task that has ended, and when the wait for it began.
        # `ticks` is when the process began, see `processes.start_ticks`; None: it has ended.
        self._collect = collect
        self.name = name
        self.pid = pid
        self.log = log
        self.phase = phase
        self.hook = hook
        self.started = started
        self.result: TaskResult | None = None
        self._ticks = ticks

    @property
    def running(self) -> bool:
        """Whether it has not ended yet (it may still be held back)."""
        if self.result is not None or self._ticks is None:
            return False
        # Another process may have been given the number since.
        return processes.start_ticks(self.pid) == self._ticks

    @property
    def state(self) -> str:
        """``waiting`` (held back), ``running``, or how it ended."""
        if self.result is not None:
            return self.result.status
        if self.running:
            return "running" if _has_header(self.log) else "waiting"
        return status_of(tasklog.footer_of(self.log), None)[0]

    @property
    def command(self) -> list[str]:
        """The command with its arguments; empty while it is held back."""
        return [str(word) for word in tasklog.header_of(self.log).get("command", [])]

    def wait(self, timeout: float | None = None) -> TaskResult:
        """Wait for this task; as `Stack.async_wait`, but a failed task is a result, not an error.

        Raises
        ------
        TimeoutError
            If it has not ended after `timeout` seconds; it runs on.

        Examples
        --------
        >>> bool(stack.async_run("bad", "false").wait())
        False
        """
        if self.result is None:
            begun = time.time()
            if wait_for_end([self], timeout):
                raise TimeoutError(f"{self.name!r} did not end within {timeout} s; it runs on")
            self.result = self._collect(self, begun)
        return self.result

    def __await__(self) -> Generator[Any, None, TaskResult]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> TaskResult:
        begun = time.time()
        if self.result is None:
            from stacknb.supervision.coroutine import until_ended

            await until_ended(self.pid, lambda: self.running, self.name)
            if self.result is None:
                self.result = self._collect(self, begun)
        return self.result

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"task {self.name!r} cannot be copied or pickled: it belongs to a shell of this "
            "process; what its wait() returns can"
        )

    def __repr__(self) -> str:
        if self.result is not None:
            return repr(self.result)
        fresh = time.time() - self.started < _QUEUE_S  # it may be on its way, or be held back
        waiting = f"started with PID {self.pid}" if fresh else "not begun yet"
        state = {"running": f"running with PID {self.pid}", "waiting": waiting}
        words = state.get(self.state, f"{self.state}, not waited for yet")
        return f"<task {self.name!r} {words}, log {self.log}>"


def wait_for_end(
    tasks: Sequence[Task],
    timeout: float | None = None,
    tick: Callable[[], None] | None = None,
) -> list[Task]:
    """Block until every task has ended, or for `timeout` seconds; return those that have not.

    `tick` is called about ten times a second meanwhile. An interrupt raises KeyboardInterrupt at
    once; nothing happens to the tasks.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    left = [task for task in tasks if task.running]
    while left:
        patience = 3600.0
        if deadline is not None:
            patience = min(patience, deadline - time.monotonic())
            if patience <= 0:
                return left
        _poll(left[0].pid, patience if tick is None else min(patience, _TICK_S))
        left = [task for task in left if task.running]
        if tick is not None:
            tick()
    return left


def _poll(pid: int, patience_s: float) -> None:
    descriptor = processes.pidfd(pid)
    if descriptor is None:
        time.sleep(min(patience_s, _POLL_S))
        return
    try:
        poll = select.poll()  # not select, which takes no descriptor above 1023
        poll.register(descriptor, select.POLLIN)
        # Capped, because a process may end and leave a child in its place as leader of the group.
        poll.poll(min(patience_s, 60.0) * 1000)
    finally:
        os.close(descriptor)


def _has_header(log: Path) -> bool:
    try:
        return log.stat().st_size > 0
    except OSError:
        return False


def result_of(
    task: Task, wait_start: float, wait_end: float, exit_code: int | None = None
) -> TaskResult:
    """Return what came of a task that has ended; `exit_code` is None where its shell lost it."""
    record = tasklog.record_of(task.log)
    header, footer = (record.header, record.footer) if record is not None else ({}, None)
    status, _ = status_of(footer, exit_code)
    if footer is None or (exit_code is not None and footer["exit_code"] != exit_code):
        footer = {}  # it is none, or forged
    if exit_code is None:
        exit_code = footer.get("exit_code", 255)
    start = header.get("start", task.started)
    return TaskResult(
        name=task.name,
        command=_words(header.get("command")),
        status=status,
        exit_code=exit_code,
        duration_s=max(0.0, footer.get("end", wait_end) - start),
        wait_s=max(0.0, wait_end - wait_start),
        log=task.log,
        **_place(_words(footer.get("failed_at")), _words(footer.get("calls"))),
    )


def _words(said: object) -> list[str]:
    return list(map(str, said)) if isinstance(said, list) else []


def _place(said: Sequence[str], calls: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if len(said) != 3:
        return {}
    file, line, command = said
    led = tuple(led_by(calls, f"{file}:{line}"))
    _, file, own = original(file, int(line) if line.isdigit() else None, command)
    return {"failed_at": (file, str(own or line), command), "calls": led}


def last_change(log: Path) -> float:
    """Return when something was last written to a log: now, if it is not there."""
    try:
        # The clock of a file system may be a few milliseconds late.
        return max(log.stat().st_mtime, float(tasklog.header_of(log).get("start", 0.0)))
    except OSError:
        return time.time()


def ticks_of_old(pid: int, log: Path, asked: float) -> int | None:
    """Return when the process of a task began that an earlier session `asked` for then.

    As `processes.start_ticks`; None if it has ended, and another process has that number by now.
    """
    if tasklog.footer_of(log) is not None:
        return None  # whoever has its number, and whatever the clock says
    header = tasklog.header_of(log)
    began = processes.started_at(pid) or 0.0
    # It began before it wrote its header; one that was held back has none yet.
    latest = header["start"] + _TOLERANCE_S if "start" in header else asked + _QUEUE_S
    if began > latest or header.get("host", socket.gethostname()) != socket.gethostname():
        return None
    return processes.start_ticks(pid)
