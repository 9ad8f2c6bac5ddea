"""The line to one bash: two FIFOs for requests and answers, a socket to its supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from stacknb.exceptions import ShellDied
from stacknb.places import HOME
from stacknb.shell.scratch import Scratch
from stacknb.supervision import processes

__all__ = ["Line", "unreadable"]

# Python takes longer to clear up behind itself than all that is to be ended.
_SUPERVISOR = (
    "import os, sys; sys.path.append(sys.argv.pop(1)); "
    "from stacknb.supervision.supervisor import main; os._exit(main(sys.argv[1:]))"
)
_GRACE_S = 2.0
_COUNT = re.compile(rb"[1-9]\d{0,3}")
_Result = TypeVar("_Result")


class Line:
    """Starts bash through a supervisor, sends it requests, hears its answers and its end.

    Parameters
    ----------
    scratch : Scratch
        Is removed by `close`.
    jobs : int, optional
        How many tasks may run at once.

    Attributes
    ----------
    control : Path
        The scratch folder, with the FIFOs; scratch files of the driver are there too.
    pid : int
        The bash; 0 before the first and after the last.
    status : int or None
        Exit status of the bash once it has ended.
    """

    def __init__(self, scratch: Scratch, jobs: int | None = None) -> None:
        self._scratch = scratch
        self.control = scratch.path
        self.pid = 0
        self.status: int | None = None
        self._process = os.getpid()
        self._unread: list[bytes] = []  # of bash
        self._heard: list[bytes] = []  # of the supervisor
        self._asked: list[None] = []  # it for a bash of which it has said nothing yet
        self._send_fd = self._receive_fd = -1
        self._wake: list[int] = []  # read, write
        self._wake += os.pipe()
        self._link, theirs = socket.socketpair()
        words = [str(HOME), str(theirs.fileno()), str(self.control)]
        words += [str(jobs)] if jobs else []
        try:
            # -I -S: it needs the standard library alone, and starts in a third of the time.
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SUPERVISOR, *words],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        finally:
            theirs.close()

    def start(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a bash; the FIFOs are made anew, so that nothing of an earlier one is in them.

        Raises
        ------
        ShellDied
            If it cannot be started.
        """
        self._close_fifos()
        # Open for both, so that neither side ever blocks in open or reads an end-of-file.
        self._send_fd = os.open(self._scratch.fifo("in"), os.O_RDWR | os.O_CLOEXEC)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
        self._receive_fd = os.open(self._scratch.fifo("out"), flags)
        self._heed()  # of the one before
        self.pid, self.status, self._unread = 0, None, []
        self._tell(
            {"do": "spawn", "argv": list(argv), "env": dict(env), "cwd": _cwd()}, self._asked
        )
        while not self.pid:
            self._hear()

    def make_again(self) -> None:
        """Make the scratch folder anew that somebody has removed."""
        self._scratch.make_again()
        self._tell({"do": "reopen"})

    @property
    def alive(self) -> bool:
        """Whether there is a bash and it has not ended."""
        self._heed()
        # One whose start a Ctrl-C cut short has to be heard of, or nobody would ever end it.
        while self._link.fileno() >= 0 and (self._asked or _ready(0, self._link.fileno())):
            self._hear()
        return self.pid != 0 and self.status is None

    def send(self, data: bytes, sent: list[int]) -> None:
        """Send what one write takes of a request ended by NUL; note how much in `sent`."""
        _note(sent, os.write, self._send_fd, data)

    def receive(self, patience_s: float) -> list[str] | None:
        """Return the next answer, or None after `patience_s`, when woken, when bash has ended."""
        if (answer := self._read_fields()) is not None:  # it came with the one before
            return answer
        link = self._link.fileno()
        ready = _ready(patience_s, self._receive_fd, link, self._wake[0])
        if self._wake[0] in ready:
            os.read(self._wake[0], 4096)
        if link in ready:
            self._hear()
        self._heed()
        with contextlib.suppress(BlockingIOError):
            while True:
                _note(self._unread, os.read, self._receive_fd, 65536)
        return self._read_fields()

    def wake(self) -> None:
        """Make `receive` return, from any thread."""
        with contextlib.suppress(OSError, IndexError):  # it may be closed meanwhile
            os.write(self._wake[1], b"!")

    def await_end(self, limit_s: float) -> None:
        """Return when bash has ended, or after `limit_s`."""
        deadline = time.monotonic() + limit_s
        self._heed()
        while self.status is None and (left := deadline - time.monotonic()) > 0:
            if _ready(left, self._link.fileno()):
                self._hear()

    def close(self) -> None:
        """End everything that the supervisor looks after; returns when it is gone."""
        if self.closed:
            return
        with contextlib.suppress(ShellDied):
            self._tell({"do": "close"})  # which tells this end from that of a killed process
        self._link.close()
        if self._supervisor.wait():  # it was killed: nobody has ended the tasks of its session
            session = self._supervisor.pid
            processes.end_all(lambda: processes.members(session=session), _GRACE_S)
        self._close_pipes()
        self._scratch.remove()
        self.pid = 0

    def __del__(self) -> None:  # of a stack that nobody has closed; the supervisor ends the rest
        self._close_pipes()

    @property
    def closed(self) -> bool:
        """Whether `close` was called, or the line is of a process that has forked this one."""
        return self._link.fileno() < 0 or self._process != os.getpid()

    def _read_fields(self) -> list[str] | None:
        count, _, rest = b"".join(self._unread).partition(b"\0")
        fields = rest.split(b"\0")
        if count and not _COUNT.fullmatch(count):
            raise unreadable(count)
        if not count or len(fields) <= int(count):
            return None
        answer = [field.decode("utf-8", "surrogateescape") for field in fields[: int(count)]]
        self._unread = [b"\0".join(fields[int(count) :])]
        return answer

    def _tell(self, message: dict[str, Any], told: list[None] | None = None) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            _note([] if told is None else told, self._link.sendall, data)
        except OSError as error:
            raise ShellDied(f"the supervisor of the shell is gone: {error}") from error

    def _hear(self) -> None:
        before = len(self._heard)
        with contextlib.suppress(ConnectionResetError):  # it ended with something unread
            _note(self._heard, self._link.recv, 65536)
        if not any(self._heard[before:]):
            self.status = 137 if self.status is None else self.status
            raise ShellDied(
                "the supervisor of the shell was killed; resume the run, or begin a new one "
                "(in a notebook: %stack resume, %stack reset)"
            )
        self._heed()

    def _heed(self) -> None:
        """Act on what the supervisor has said; if a Ctrl-C cuts that short, the next call does."""
        *lines, rest = b"".join(self._heard).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["event"] == "started":
                self.pid = message["pid"]
                self._asked.clear()
            elif message["event"] == "error":
                self._heard = [rest]
                self._asked.clear()
                raise ShellDied(f"bash could not be started: {message['message']}")
            elif message["pid"] == self.pid:
                self.status = message["status"]
        self._heard = [rest]

    def _close_pipes(self) -> None:
        self._close_fifos()
        while self._wake:
            os.close(self._wake.pop())

    def _close_fifos(self) -> None:
        for descriptor in (self._send_fd, self._receive_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._send_fd = self._receive_fd = -1


def unreadable(answer: bytes) -> ShellDied:
    """Return the error for an answer that the driver cannot have given."""
    shown = ascii(answer[:40].decode("utf-8", "replace"))
    return ShellDied(
        f"the shell gave an answer that cannot be read ({shown}), and was ended: a hook has "
        "written in its scratch folder; the session goes on from the last snapshot"
    )


def _note(into: list[_Result], call: Callable[..., _Result], *args: object) -> None:
    """Append what a call returns, all from within C: no Ctrl-C is seen between the two."""
    into.extend(map(call, *([arg] for arg in args)))


def _ready(patience_s: float, *descriptors: int) -> set[int]:
    """Return those that can be read, at the latest after `patience_s`."""
    poll = select.poll()  # not select, which takes no descriptor above 1023
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(patience_s * 1000)}


def _cwd() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted under us
        return "/"
