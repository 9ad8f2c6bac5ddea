"""Requests to one bash and what came of them, one at a time; interrupts in between.

That bash has died is heard from the supervisor, never read from an end-of-file: children it left
behind may hold its descriptors.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stacknb.exceptions import BadInput, ShellDied
from stacknb.shell import turns
from stacknb.shell.escalation import Escalation
from stacknb.shell.line import Line, unreadable
from stacknb.shell.turns import Turn
from stacknb.snapshots.vault import bytes_of, is_whole
from stacknb.supervision import processes

__all__ = ["Dialogue", "encoded"]

_TICK_S = 0.1
_END_S = 10.0
_BLOCKED_S = 10.0  # without using the processor
_NOTHING = b"_stacknb_reply nothing 0 '' ''\0"


class Dialogue:
    """What is asked of the bash on a line.

    Parameters
    ----------
    line : Line
        With a bash started.
    journal : Path
        Of the run; it names the tasks, which an interrupt leaves alone.

    Attributes
    ----------
    snapshot : Path
        Where bash is to write the next one.
    owed : bool
        bash has answered a turn, and nobody has taken the snapshot that it writes after that.
    """

    def __init__(self, line: Line, journal: Path) -> None:
        self._line = line
        self._journal = journal
        self.snapshot = line.control / "snapshot"
        self.owed = self._writing = False
        self._signalling = threading.RLock()  # no signal is sent after its turn has ended
        self._interrupted_at: float | None = None
        self._under_way = self._signalled = False

    def ask(
        self,
        code: str,
        tick: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Turn:
        """Have bash evaluate `code`, which ends with an answer.

        `tick` is called about ten times a second meanwhile, `meanwhile` once, as soon as bash is at
        it.
        """
        data, sent = encoded(code), list[int]()
        self._interrupted_at, self._signalled = None, False
        self._under_way = True
        try:
            try:
                turn = self._converse(data, sent, tick, meanwhile)
            finally:
                with self._signalling:
                    self._under_way = False
            if turn.outcome == "done" and self._interrupted:
                # The signal may have come too late for this turn, and be about to end the shell.
                self.settle()
                self._converse(_NOTHING, [])
                turn = replace(turn, interrupted=True)
            return turn
        except BaseException:
            if sent:  # nobody knows what it would answer next
                try:
                    with contextlib.suppress(ShellDied):
                        self.settle()
                finally:
                    self.end()
            raise

    def settle(self) -> None:
        """Return when bash has written the snapshot that it owes, or will never write it."""
        deadline = time.monotonic() + _BLOCKED_S
        used: tuple[int, int] | None = None
        awakened = False
        while self._writing:
            try:
                said = self._line.receive(_TICK_S)
            except ShellDied:
                self._writing = False
                raise
            if said is not None:  # a repeated answer, or:
                self._writing = said[0] != "written"
            elif self._line.status is not None or is_whole(bytes_of(self.snapshot)):
                self._writing = False
            elif time.monotonic() > deadline:
                # Of many variables it takes a minute; a command of a DEBUG trap may block it.
                before, used = used, processes.cpu_ticks(self._line.pid)
                if used == before:
                    (self.end if awakened else self._awaken)()
                    awakened = True
                deadline = time.monotonic() + _BLOCKED_S
        if awakened:  # it is about to end
            self.end()

    def interrupt(self) -> None:
        """End what runs in the foreground, from any thread; within a second."""
        with self._signalling:
            if not self._under_way or self._signalled:
                return
            self._interrupted_at = self._interrupted_at or time.monotonic()
            if self._line.status is None:
                self._awaken()
            self._signalled = True
        self._line.wake()

    def end(self) -> None:
        """End the bash, if it still runs, and return when it is gone."""
        if self._line.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._line.pid, signal.SIGKILL)
            self._await_end()

    def _awaken(self) -> None:
        """End the foreground command and the bash, which writes its snapshot before."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._line.pid, signal.SIGINT)
            os.kill(self._line.pid, signal.SIGCONT)  # it may have stopped itself

    @property
    def _interrupted(self) -> bool:
        return self._interrupted_at is not None

    def _converse(
        self,
        data: bytes,
        sent: list[int],
        tick: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Turn:
        """Send a request and return what came of it; `sent` gets how much of it each write took.

        Ctrl-C may be seen at any line, and bash may be at work long before the write returns that
        woke it. So sending and waiting stand under one `try`: what is begun is sent to its end.
        """
        escalation = Escalation(self._line.pid, self._line.control, self._journal)
        fields: list[str] | None = None
        while fields is None:
            try:
                while rest := data[sum(sent) :]:
                    self._line.send(rest, sent)
                if meanwhile is not None:
                    todo, meanwhile = meanwhile, None
                    todo()
                said = self._line.receive(_TICK_S)
                if said is not None:
                    if not _is_repeated(said[0], data):
                        if said[0] == "ran":
                            self.owed = self._writing = True
                        fields = said
                    continue
                if self._line.status is not None:
                    return self._lost(self._line.status)
                if self._interrupted_at is not None:
                    escalation.go_on(time.monotonic() - self._interrupted_at)
                if tick is not None:
                    tick()
            except KeyboardInterrupt:
                if not sent:  # bash knows of nothing yet
                    raise
                self._interrupt_in_spite_of_another()
        if fields[0] == "died":
            (self._line.control / "where").unlink(missing_ok=True)
            self._await_end()
        try:
            return turns.answered(fields, self._line.status, self._interrupted)
        except ValueError:
            raise unreadable(" ".join(fields).encode("utf-8", "replace")) from None

    def _interrupt_in_spite_of_another(self) -> None:
        while True:
            try:
                self.interrupt()
                return
            except KeyboardInterrupt:  # Ctrl-C twice
                continue

    def _lost(self, status: int) -> Turn:
        where, foreseen = self._left("where") or "", self._left("foreseen") or ""
        for why in ("skipped", "taken"):
            if self._left(why) is not None:
                where = why
        return turns.lost(status, where, foreseen, self._interrupted)

    def _left(self, name: str) -> str | None:
        path = self._line.control / name
        if not path.exists():
            return None
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        path.unlink()
        return text

    def _await_end(self) -> None:
        deadline = time.monotonic() + _END_S
        while self._line.status is None and (left := deadline - time.monotonic()) > 0:
            try:
                self._line.await_end(left)
            except KeyboardInterrupt:
                self._interrupted_at = self._interrupted_at or time.monotonic()


def _is_repeated(outcome: str, request: bytes) -> bool:
    """Tell whether that answers an earlier request; an interrupted bash says it again."""
    return outcome == "written" or (request == _NOTHING) != (outcome == "nothing")


def encoded(code: str) -> bytes:
    """Return a request as bytes, ended by NUL; bash can take no other, nor what is no UTF-8."""
    if "\0" in code:
        raise BadInput(f"{code.replace(chr(0), '?')!r} holds a NUL, which bash cannot take")
    try:
        return code.encode("utf-8", "surrogateescape") + b"\0"
    except UnicodeEncodeError as error:
        raise BadInput(f"{code!r} cannot be written as UTF-8: {error.reason}") from None
