"""The calls of a stack about what runs in the background: tasks, and work in a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from stacknb.dispatcher.session import Session
from stacknb.dispatcher.worker import Worker
from stacknb.exceptions import BadInput, Interrupted
from stacknb.results import TaskResult
from stacknb.shell.environment import check_text
from stacknb.tasks import Task

__all__ = ["Background"]


class Background(Session):
    """Start a task, wait, cancel; do work in a thread of its own."""

    @property
    def tasks(self) -> dict[str, Task]:
        """Every task of the run by its name, whoever started it; of one name the newest.

        Examples
        --------
        >>> task = stack.async_run("hello", "echo", "two words")
        >>> list(stack.tasks)
        ['hello']
        """
        return dict(self._run.tasks.all()) if self._run is not None else {}

    def async_run(
        self,
        name: str,
        *argv: str,
        after: str | Sequence[str] = (),
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Task:
        """Start a background task in the stack's shell, whose variable space it sees as of now.

        Parameters
        ----------
        name : str
            Letters, digits, ``.``, ``_`` and ``-``.
        *argv : str
            The command and its arguments, as given; a function of the shell or a program.
            Without any, the function of that name.
        after : str or sequence of str
            Tasks that have to end well before this one starts.
        timeout : float, optional
            Seconds from its start, after which its whole process group is ended; what ``after`` or
            a limit of jobs holds back has not started.
        cwd : path-like, optional
            Its working directory.

        Raises
        ------
        BadInput
            If the name cannot be one or is in use, or a task it comes after is unknown or failed.

        Examples
        --------
        >>> task = stack.async_run("hello", "echo", "two  words")
        >>> [result] = stack.async_wait("hello")
        >>> result.tail()
        'two  words'
        """
        words = [str(word) for word in argv] or [name]
        for word in words if cwd is None else [*words, os.fspath(cwd)]:
            check_text(word, f"argument of task {name!r}")
        run = self._begin(self._mode)
        needed = [after] if isinstance(after, str) else after
        return run.tasks.start(name, words, needed, timeout, cwd)

    def async_wait(self, *names: str, timeout: float | None = None) -> list[TaskResult]:
        """Wait for tasks, whoever started them; without a name for every uncollected one.

        Parameters
        ----------
        *names : str
        timeout : float, optional
            Seconds; the tasks run on after it.

        Returns
        -------
        list of TaskResult
            In the order of the names.

        Raises
        ------
        TaskFailed
            If any did not end well. All are waited for first; the error carries every result.
        BadInput
            If a task of that name was never started; names the nearest.
        WaitTimeout
            After `timeout`.
        Interrupted
            If the user stopped the wait; the tasks run on.

        Examples
        --------
        >>> task = stack.async_run("nap", "sleep", "0")
        >>> [result.status for result in stack.async_wait()]
        ['ok']
        """
        if self._run is None:
            if names:
                raise BadInput(f"no task {names[0]!r} was started: there is no run yet")
            return []
        book = self._run.tasks
        tasks = [book.find(name) for name in names] if names else book.uncollected()
        return book.wait(tasks, timeout, self._tick_if_wanted)

    def cancel(self, *names: str) -> list[TaskResult]:
        """End tasks with their whole process groups; returns when these are empty.

        Parameters
        ----------
        *names : str
            Of each name the newest is meant. Without names nothing is ended: give
            ``*stack.tasks`` for all.

        Raises
        ------
        BadInput
            If a task of that name was never started.

        Examples
        --------
        >>> task = stack.async_run("nap", "sleep", "1000")
        >>> [result.ok for result in stack.cancel("nap")]
        [False]
        """
        if self._run is None:
            raise BadInput("there is no run yet, so there is no task to cancel")
        book = self._run.tasks
        return [book.cancel(task) for task in [book.find(name) for name in names]]

    def _tick_if_wanted(self) -> None:
        if threading.get_ident() in self.unwanted:  # its await was cancelled
            raise Interrupted
        self._audience.tick()

    def start(self, work: Callable[[], Any], what: str = "stack") -> Worker:
        """Do `work` in a thread: ``stack.start(stack.run)``; it is collected with ``wait()``.

        Parameters
        ----------
        work : callable
            Takes nothing.
        what : str
            What it does, for messages.

        Raises
        ------
        BadInput
            If an earlier one goes on.

        Examples
        --------
        >>> worker = stack.start(stack.run)
        >>> worker.wait().complete
        True
        """
        self.check_free()
        self.worker = Worker(what, work, self.interrupt)
        return self.worker

    def check_free(self) -> None:
        """Refuse to begin anything while a worker goes on.

        Raises
        ------
        BadInput
            Says what goes on.

        Examples
        --------
        >>> stack.check_free()
        """
        if self.worker is not None and self.worker.running:
            what = self.worker.what
            raise BadInput(f"{what!r} goes on in the background; wait for it or stop it")
