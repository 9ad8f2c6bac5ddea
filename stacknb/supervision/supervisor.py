"""The process between Python and bash: starts shells, holds tasks back, leaves nothing behind.

Run with the standard library alone, in a session of its own, once for each `Stack`.

* It starts each bash of the stack and tells when it has ended; nobody reads an end-of-file.
* It adopts what a shell leaves behind (``PR_SET_CHILD_SUBREAPER``) and keeps the exit status of
  task processes whose shell is gone in ``CONTROL/exit.PID``.
* It holds back tasks that wait for a free place (``--jobs``) or for other tasks (``--after``);
  and it ends tasks that take too long (``--timeout``).
* When its parent is gone, however that came, it ends every process of the session. Services are in
  sessions of their own and stay.

The parent talks to it over a socket, a JSON object a line; shells through the FIFO
``CONTROL/supervisor``, see `Gatekeeper.take`. macOS has no pidfd and no subreaper: there it polls.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from stacknb.supervision import processes
from stacknb.supervision.gatekeeper import Gatekeeper

_GRACE_S = 2.0
_POLL_S = 0.05
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class Supervisor:
    """The loop."""

    def __init__(self, link: socket.socket, control: str, jobs: int | None) -> None:
        self.link = link
        self.control = control
        self.parent = os.getppid()
        self.gates = Gatekeeper(control, jobs)
        self.shells: dict[int, subprocess.Popen[bytes]] = {}
        self.pidfds: dict[int, int] = {}
        self.poll = select.poll()
        self.fifo = self._open_fifo()
        self.rest = b""
        self.commands = b""
        self.is_left = False

    def run(self) -> None:
        """Serve until the parent says ``close`` or is gone."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for descriptor in (self.link.fileno(), self.fifo, wake_read):
            self.poll.register(descriptor, select.POLLIN)
        parent_fd = processes.pidfd(self.parent)
        if parent_fd is not None:
            self.poll.register(parent_fd, select.POLLIN)
        while os.getppid() == self.parent:
            all_watched = self._watch() and parent_fd is not None
            ready = {descriptor for descriptor, _ in self.poll.poll(self._patience_ms(all_watched))}
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 65536)
            if self.fifo in ready:
                self._read_fifo()
            self._reap()
            if self.link.fileno() in ready and not self._read_link():
                return
            self.gates.tick(time.monotonic())

    def end_session(self) -> None:
        """End every other process of this session; return when none is left."""
        session, me = os.getsid(0), os.getpid()
        # A shell whose parent is gone has nobody to answer, and waits for that in its EXIT trap,
        # which would say of the hook at work that it ended well: bash tells nothing of a signal.
        # Its tasks tell by /proc that it is gone: hence it is not left there.
        is_left = self.is_left or os.getppid() != self.parent
        for shell in self.shells.values() if is_left else ():
            shell.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                shell.wait(_GRACE_S)
        processes.end_all(
            lambda: [pid for pid in processes.members(session=session) if pid != me],
            _GRACE_S,
            self._reap,
        )

    def _patience_ms(self, all_watched: bool) -> float | None:
        wait = self.gates.next_deadline() - time.monotonic()
        if not all_watched:
            wait = min(wait, _POLL_S)
        return None if wait == float("inf") else max(0.0, wait * 1000 + 1)

    def _watch(self) -> bool:
        """Have the end of tasks wake the loop; False if it has to look by itself."""
        wanted = self.gates.watched()
        for pid in wanted - self.pidfds.keys():
            descriptor = processes.pidfd(pid)
            if descriptor is not None:
                self.pidfds[pid] = descriptor
                self.poll.register(descriptor, select.POLLIN)
        for pid in self.pidfds.keys() - wanted:
            descriptor = self.pidfds.pop(pid)
            self.poll.unregister(descriptor)
            os.close(descriptor)
        return self.pidfds.keys() >= wanted  # one may have ended before it could be watched

    def _read_fifo(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.fifo, 65536):
                *lines, self.rest = (self.rest + data).split(b"\n")
                for line in lines:
                    self.gates.take(os.fsdecode(line))

    def _read_link(self) -> bool:
        data = b""
        with contextlib.suppress(ConnectionResetError):  # it ended with something unread
            data = self.link.recv(65536)
        if not data:  # it did not take leave: it was killed, and may still be on its way out
            self.is_left = True
            return False
        *lines, self.commands = (self.commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if command["do"] == "close":
                return False
            if command["do"] == "reopen":  # somebody has removed the folder
                self._read_fifo()
                self.poll.unregister(self.fifo)
                os.close(self.fifo)
                self.fifo = self._open_fifo()
                self.poll.register(self.fifo, select.POLLIN)
                continue
            self._spawn(command)
        return True

    def _open_fifo(self) -> int:
        return os.open(f"{self.control}/supervisor", os.O_RDWR | os.O_NONBLOCK)

    def _spawn(self, command: dict[str, Any]) -> None:
        try:
            process = subprocess.Popen(
                [os.fsencode(word) for word in command["argv"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
                preexec_fn=_die_with_parent,
                env={os.fsencode(k): os.fsencode(v) for k, v in command["env"].items()},
                cwd=command["cwd"],
            )
        except OSError as error:
            self._tell({"event": "error", "message": str(error)})
            return
        self.shells[process.pid] = process
        self._tell({"event": "started", "pid": process.pid})
        from stacknb import tasklog  # noqa: F401  after the answer; later its file may be another

    def _reap(self) -> None:
        while ended := _ended():
            pid, code, is_task = ended
            shell = self.shells.pop(pid, None)
            if shell is None and is_task:
                told = f"{self.control}/exit.{pid}"
                # The folder may be full, or removed.
                with contextlib.suppress(OSError), open(told, "w", encoding="utf-8") as file:
                    file.write(f"{code}\n")
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            if shell is not None:
                shell.returncode = code
                self._tell({"event": "ended", "pid": pid, "status": code})

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.link.sendall(json.dumps(message).encode() + b"\n")


def _ended() -> tuple[int, int, bool] | None:
    """Return pid and status of a child that has ended, and whether it is a task.

    A task leads a process group; what else is left behind is nobody's to ask for.
    """
    try:
        if not hasattr(os, "waitid"):  # on macOS before Python 3.13, where no task is adopted
            pid, status = os.waitpid(-1, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status)
            return (pid, code if code >= 0 else 128 - code, False) if pid else None
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status
    return ended.si_pid, code, os.getpgid(ended.si_pid) == ended.si_pid


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_LIBC: ctypes.CDLL | None = None


def main(arguments: list[str]) -> int:
    """Serve one stack: ``supervisor.py SOCKET_FD CONTROL_DIR [JOBS]``."""
    global _LIBC
    descriptor, control, *jobs = arguments
    if sys.platform == "linux":
        _LIBC = ctypes.CDLL(None)
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        # A handler, not SIG_IGN: what is ignored stays ignored in bash, which then cannot trap it.
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    supervisor = Supervisor(
        socket.socket(fileno=int(descriptor)), control, int(jobs[0]) if jobs else None
    )
    try:
        supervisor.run()
    finally:
        supervisor.end_session()
        shutil.rmtree(control, ignore_errors=True)
    return 0
