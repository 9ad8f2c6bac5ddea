"""Tasks that cannot simply run: held back (``--jobs``, ``--after``) or to be ended (``--timeout``).

Part of the supervisor. A task waits at a gate, a FIFO of its own, until it reads ``go`` from it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Sequence

from stacknb.supervision import processes

__all__ = ["Gatekeeper"]

_GRACE_S = 2.0
_ENDINGS = {
    "cancelled": "was cancelled",
    "timeout": "was ended at its timeout",
    "lost": "is lost: it left no status",
}


class _Task:
    """A task that a shell has handed over before its command starts."""

    # No dataclass: to import those takes a quarter of what the supervisor takes to start.
    def __init__(
        self,
        gate: str,
        pid: int,
        limit_s: float | None,
        log: str = "",
        after: Sequence[tuple[str, int, str]] = (),
    ) -> None:
        self.gate = gate
        self.pid = pid
        self.limit_s = limit_s
        self.log = log
        self.after = list(after)  # name, pid, log
        self.deadline = float("inf")
        # Its shells that wait for others, which may take its place; one twice if a trap waits too.
        self.resting: list[int] = []
        self.killed = False


class Gatekeeper:
    """Who may start, who runs, who has to end.

    Parameters
    ----------
    control : str
        The private folder of the stack.
    jobs : int or None
        How many tasks may run at once.
    """

    def __init__(self, control: str, jobs: int | None) -> None:
        self._control = control
        self._jobs = jobs
        self._waiting: list[_Task] = []
        self._running: dict[int, _Task] = {}
        self._returning: list[tuple[_Task, int, str]] = []  # with the shell, and its gate
        self._ending: list[_Task] = []
        self._open_gates: list[tuple[int, int, str]] = []  # who reads it, the descriptor, the file

    def take(self, message: str) -> None:
        """Take a line of a shell, its fields parted by 0x1f.

        ``task GATE PID LIMIT LOG [NAME PID LOG]…`` hands over a task. ``rest PID SHELL`` gives the
        place of a running one back while a shell of it waits for others, ``return GATE PID SHELL``
        asks for one again. ``said FILE`` names a file that holds what is too long for one write.
        """
        match message.split("\x1f"):
            case ["said", path]:
                # Somebody may have removed the folder.
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    self.take(os.fsdecode(file.read()))
            case ["task", gate, pid, limit, *after] if len(after) % 3 <= 1:
                log = after.pop(0) if len(after) % 3 else ""
                _make_gate(gate, int(pid))
                deps = [(name, int(number), path) for name, number, path in _threes(after)]
                limit_s = float(limit) if limit else None
                self._waiting.append(_Task(gate, int(pid), limit_s, log, deps))
            case ["rest", pid, shell] if int(pid) in self._running:
                self._running[int(pid)].resting.append(int(shell))
            case ["return", gate, pid, shell]:
                _make_gate(gate, int(pid))
                task = self._running.get(int(pid)) or _Task(gate, int(pid), None)
                self._returning.append((task, int(shell), gate))

    def tick(self, now: float) -> None:
        """Free the places of ended tasks, end late ones, let others go on or start."""
        self._close_gates()
        self._free_places()
        self._end_late(now)
        self._let_return()
        self._let_start(now)

    def next_deadline(self) -> float:
        """Return the clock time of the next timeout, infinite if there is none."""
        tasks = [*self._running.values(), *self._ending]
        return min((task.deadline for task in tasks), default=float("inf"))

    def watched(self) -> set[int]:
        """Return the pids whose end changes something."""
        pids = set(self._running)
        for task in self._waiting:
            pids.update(pid for _, pid, _ in task.after)
        return pids

    def _free_places(self) -> None:
        for task in [task for task in self._running.values() if not processes.alive(task.pid)]:
            del self._running[task.pid]
            if task.killed:  # what it started may not heed SIGTERM as it did
                self._ending.append(task)

    def _end_late(self, now: float) -> None:
        for task in list(self._ending):
            if not processes.members(group=task.pid):
                self._ending.remove(task)
            elif now > task.deadline:
                _signal_group(task.pid, signal.SIGKILL)
                task.deadline = now + _GRACE_S  # of another user, or in the kernel: it may stay
        for task in self._running.values():
            if now > task.deadline:
                self._end(task, now)

    def _let_return(self) -> None:
        for task in self._running.values():
            # One that was killed while it waited goes on no more: what it lent is in use again.
            task.resting = [shell for shell in task.resting if processes.alive(shell)]
        for entry in list(self._returning):
            task, shell, gate = entry
            lends = processes.alive(task.pid) and shell in task.resting
            # While another shell of it waits, its place is needed by what that one waits for.
            if not lends or len(task.resting) > 1 or self._has_place():
                self._returning.remove(entry)
                if lends:
                    task.resting.remove(shell)
                self._open(task, shell, gate, "go")
                self._running[task.pid] = task

    def _let_start(self, now: float) -> None:
        for task in list(self._waiting):
            if not processes.alive(task.pid):
                self._waiting.remove(task)
            elif (verdict := self._verdict(task)) is not None:
                self._waiting.remove(task)
                self._open(task, task.pid, task.gate, verdict)
                self._running[task.pid] = task
                if verdict == "go":
                    task.deadline = now + task.limit_s if task.limit_s else float("inf")

    def _verdict(self, task: _Task) -> str | None:
        for dependency in list(task.after):
            name, pid, log = dependency
            if processes.alive(pid):
                continue
            if trouble := self._trouble(pid, log):
                return f"{name!r}, which it was to start after, {trouble}"
            # Not to be watched any longer: what has ended would wake the loop for ever.
            task.after.remove(dependency)
        return "go" if not task.after and self._has_place() else None

    def _trouble(self, pid: int, log: str) -> str:
        """Say how a task has ended, if not well."""
        from stacknb import tasklog  # few stacks have a task that comes after another

        footer = tasklog.footer_of(log)
        if footer is not None and "status" not in footer:
            code = footer["exit_code"]
            return f"ended with status {code}" if code else ""
        status = footer["status"] if footer is not None else self._why(pid)
        return _ENDINGS.get(status, "was killed")

    def _why(self, pid: int) -> str:
        try:
            with open(f"{self._control}/why.{pid}", encoding="utf-8") as file:
                return file.read().strip()
        except OSError:  # nobody has said that he ends it
            return ""

    def _has_place(self) -> bool:
        taken = sum(not task.resting for task in self._running.values())
        return self._jobs is None or taken < self._jobs

    def _open(self, task: _Task, reader: int, gate: str, verdict: str) -> None:
        # Opened for both, so that it does not block.
        try:
            descriptor = os.open(gate, os.O_RDWR | os.O_NONBLOCK)
            self._open_gates.append((reader, descriptor, gate))
            os.write(descriptor, verdict.encode() + b"\n")
        except OSError:  # as in `_make_gate`
            _signal_group(task.pid, signal.SIGKILL)

    def _close_gates(self) -> None:
        # Not before one is read, because what is in a FIFO is lost when nobody has it open. A shell
        # may get the number, and so the gate, of an earlier one.
        for entry in list(self._open_gates):
            reader, descriptor, gate = entry
            if not processes.alive(reader) or not _has_something(descriptor):
                self._open_gates.remove(entry)
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    os.unlink(gate)

    def _end(self, task: _Task, now: float) -> None:
        if not task.killed:
            why = f"{self._control}/why.{task.pid}"
            # The folder may be full, or removed.
            with contextlib.suppress(OSError), open(why, "w", encoding="utf-8") as file:
                file.write("timeout\n")
            _signal_group(task.pid, signal.SIGTERM)
        else:
            from stacknb import tasklog  # as in `_trouble`

            # It heeds nothing but SIGKILL; written before its parent can see it dead.
            if tasklog.footer_of(task.log) is None:
                tasklog.close(task.log, exit_code=128 + signal.SIGKILL, status="timeout")
            _signal_group(task.pid, signal.SIGKILL)
        task.killed, task.deadline = True, now + _GRACE_S


def _make_gate(gate: str, pid: int) -> None:
    try:
        os.mkfifo(gate, 0o600)
    except OSError:  # somebody has removed the folder: the task would be held back for ever
        _signal_group(pid, signal.SIGKILL)


def _has_something(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _threes(words: list[str]) -> zip[tuple[str, str, str]]:
    return zip(words[::3], words[1::3], words[2::3], strict=True)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        os.killpg(pid, signal.SIGCONT)
