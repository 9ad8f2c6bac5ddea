"""The tasks of one run: who there is, taking a result, ending one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stacknb import tasklog
from stacknb.exceptions import (
    BadInput,
    Interrupted,
    StacknbError,
    TaskFailed,
    WaitTimeout,
)
from stacknb.places import check_name
from stacknb.results import TaskResult
from stacknb.run import opening
from stacknb.rundir import room
from stacknb.rundir.journal import Event, RunDir
from stacknb.shell import Shell
from stacknb.supervision import processes
from stacknb.tasks import Task, last_change, result_of, ticks_of_old, wait_for_end
from stacknb.text.names import nearest
from stacknb.text.screen import quoted

__all__ = ["TaskBook"]


class TaskBook:
    """The tasks of one run, whoever started them: a hook, or a person.

    Parameters
    ----------
    folder : RunDir
        Its journal tells of every task, its ``waits.jsonl`` of every wait.
    shell : Shell
        Starts the tasks and is their parent.
    note : callable
        Is told what the user should know.
    resumed : bool
        The journal is of an earlier session, whose tasks have ended by now or are orphans.
    """

    def __init__(
        self, folder: RunDir, shell: Shell, note: Callable[[str], None], resumed: bool = False
    ) -> None:
        self._folder = folder
        self._shell = shell
        self._warn = note
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._taken: dict[str, float] = {}  # when the result of a task was taken
        self._lacking = ""  # what is wrong with the run directory, until a wait has said it
        self._lost: dict[str, int] = {}  # statuses that no process tells any more
        if resumed:
            self._read(ticks_of_old)
            self._settle_old()

    def all(self) -> dict[str, Task]:
        """Return every task by its name; of several with one name the newest."""
        with self._lock:
            self._read(lambda pid, *_: processes.start_ticks(pid))
        return self._tasks

    def uncollected(self) -> list[Task]:
        """Return the tasks that nobody has waited for, in the order they were started."""
        return [task for task in self.all().values() if task.result is None]

    def ill(self) -> list[Task]:
        """Return the tasks of hooks that have ended and not well."""
        ended = (task for task in self.all().values() if task.hook and not task.running)
        return [task for task in ended if task.state != "ok"]

    def find(self, name: str) -> Task:
        """Return the newest task of that name; if there is none, the error names the nearest."""
        tasks = self.all()
        if name not in tasks:
            known = f"; the tasks of this run are {quoted(tasks)}" if tasks else ""
            hint = nearest(name, tasks) or known or "; async_run and %async_task start one"
            raise BadInput(f"no task {name!r} was started{hint}")
        return tasks[name]

    def start(
        self,
        name: str,
        argv: Sequence[str],
        after: Sequence[str] = (),
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Task:
        """Start a task in the shell, as `Stack.async_run` describes it."""
        check_name(name)
        options = [word for other in after for word in ("--after", other)]
        if timeout is not None:
            if not timeout > 0:
                raise BadInput(
                    f"timeout {timeout!r} of task {name!r} should be more than 0 seconds"
                )
            options += ["--timeout", f"{float(timeout):f}"]
        if cwd is not None:
            options += ["--cwd", os.fspath(cwd)]
        status, said = self._shell.call("async_run", *options, name, *argv)
        if lack := self._lack():
            raise StacknbError(
                f"task {name!r} was not started or left no trace: {lack}; {self._remedy()}"
            )
        # One that ran in the foreground and failed is there: a result, no bad input.
        if status and (said.startswith("async_run:") or name not in self.all()):
            raise BadInput(said.strip().removeprefix("async_run: "))
        return self.find(name)

    def wait(
        self, tasks: Sequence[Task], timeout: float | None, tick: Callable[[], None]
    ) -> list[TaskResult]:
        """Wait for tasks and take their results, as `Stack.async_wait` describes it."""
        begun, left = time.time(), list(tasks)
        try:
            self._note("wait-start", tasks)
            left = wait_for_end(tasks, timeout, tick)
        except KeyboardInterrupt:
            running = [task.name for task in tasks if task.running]
            raise Interrupted(f"stopped waiting for {quoted(running)}{_on(running)}") from None
        finally:
            self._note("wait-end", tasks, left, begun)
        ended = [task for task in tasks if task not in left]
        results = [task.result or self.collect(task, begun) for task in ended]
        if self._lacking:
            names = quoted(task.name for task in ended)
            lack, self._lacking = self._lacking, ""
            raise StacknbError(
                f"the wait for {names} could not be written down: {lack}; {self._remedy()}"
            )
        if left:
            said = f"{quoted(task.name for task in left)} did not end within {timeout} s"
            raise WaitTimeout(f"{said}{_on(left)}", results)
        if not all(results):
            raise TaskFailed(results)
        return results

    def _note(
        self, kind: str, tasks: Sequence[Task], left: Sequence[Task] = (), begun: float = 0.0
    ) -> None:
        # For whoever watches; what counts is in waits.jsonl, which has no line of a wait given up.
        for task in tasks:
            if task.result is None:
                log = str(task.log.relative_to(self._folder.path))
                data: dict[str, object] = {"log": log, "phase": "", "hook": ""}
                if task in left:
                    data["given_up"] = begun
                self._folder.write(Event(kind, time.time(), task.name, data))

    def collect(self, task: Task, wait_start: float) -> TaskResult:
        """Take the result of a task that has ended."""
        self._shell.call("_stacknb_collect_named", task.name, f"{wait_start:.6f}")
        if lack := self._lack():
            self._lacking = lack
            self._warn(f"{lack}: what tasks and waits leave behind is not whole")
        self.all()
        if task.result is None:  # its shell was lost before it could write the task down
            task.result = result_of(task, wait_start, time.time())
        return task.result

    def cancel(self, task: Task) -> TaskResult:
        """End a task's whole process group, see that it is empty, and take the result.

        Raises
        ------
        StacknbError
            If it belongs to another user (it was started through sudo).
        """
        begun = time.time()
        if not task.running:
            return self.collect(task, begun)
        self._shell.mark(task.pid, "cancelled")
        foreign = processes.end_group(task.pid)
        numbers = ", ".join(map(str, sorted(foreign)))
        if task.pid in foreign:
            raise StacknbError(
                f"task {task.name!r} belongs to another user and cannot be cancelled; "
                f"end it by hand: sudo kill {numbers}"
            )
        if foreign:
            self._warn(
                f"task {task.name!r} was cancelled, but what it started as another user runs on; "
                f"end it by hand: sudo kill {numbers}"
            )
        result = self.collect(task, begun)
        if result.status != "cancelled":  # it had to be killed, or wrote no footer of its own
            tasklog.close(task.log, exit_code=result.exit_code, status="cancelled")
            task.result = replace(result, status="cancelled")
        return self.collect(task, begun)

    def cancel_earlier(self, phase: str) -> None:
        """Cancel the tasks of an earlier try of a phase, whose hooks start them again."""
        for task in self.uncollected():
            own = task.phase == phase and task.hook
            if own and self.cancel(task).status == "cancelled":  # it may be over by itself
                self._warn(f"cancelled task {task.name!r} of the earlier try of {phase!r}")

    def close(self) -> None:
        """Take the results of what was ended together with the shell."""
        for task in self.uncollected():
            if not task.running:
                if tasklog.footer_of(task.log) is None:
                    tasklog.close(task.log, exit_code=128 + signal.SIGKILL, status="killed")
                now = time.time()
                task.result = result_of(task, now, now)

    def memory(self) -> str:
        """Return bash that tells a restored shell what has become of tasks since its snapshot."""
        since = self._shell.snapshot_time - 1.0
        changed = [
            task
            for task in self.all().values()
            if task.result is None or self._taken.get(task.name, 0.0) > since
        ]
        return opening.recalling(changed, self._lost, self._folder.path)

    def _remedy(self) -> str:
        return room.remedy(self._folder.path)

    def _lack(self) -> str:
        return self._folder.lack() if self._shell.lacked_room() else ""

    def _read(self, ticks_of: Callable[[int, Path, float], int | None]) -> None:
        for event in self._folder.new_events():
            if event.kind == "task":
                data, log = event.data, self._folder.path / event.data["log"]
                self._tasks[event.name] = Task(
                    self.collect, event.name, data["pid"], log, data["phase"], data["hook"],
                    event.time, ticks_of(data["pid"], log, event.time),
                )  # fmt: skip
        for wait in self._folder.new_waits():
            task = self._tasks.get(wait["name"])
            if task is not None and task.result is None and task.log.name == Path(wait["log"]).name:
                begun, ended = wait["wait_start"], wait["wait_end"]
                task.result = result_of(task, begun, ended, wait["exit_code"])
                self._taken[task.name] = ended

    def _settle_old(self) -> None:
        gone = []
        for task in self._tasks.values():
            if task.result is None and not task.running:
                footer = tasklog.footer_of(task.log)
                if footer is None:  # killed, or its machine was
                    gone.append(task.name)
                    tasklog.close(task.log, exit_code=127, status="lost", end=last_change(task.log))
                self._lost[task.name] = 127 if footer is None else footer["exit_code"]
        if gone:
            was, it = ("tasks {} were", "them") if len(gone) > 1 else ("task {} was", "it")
            self._warn(
                f"{was.format(quoted(gone))} lost when the earlier session ended: a wait fails "
                f"with status 127 until what starts {it} has run again"
            )


def _on(running: Sequence[object]) -> str:
    return "; it runs on" if len(running) == 1 else "; they run on"
