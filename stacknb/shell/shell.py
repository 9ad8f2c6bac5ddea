"""One bash: give it a turn, interrupt it, snapshot it, restore it, close it.

What is said on the line is in ``bash/driver.bash``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from stacknb.exceptions import ShellDied, StacknbError
from stacknb.places import JOURNAL, STATE
from stacknb.shell import requests, turns
from stacknb.shell.dialogue import Dialogue, encoded
from stacknb.shell.environment import check_bash, check_processes, quote
from stacknb.shell.keeper import Keeper
from stacknb.shell.line import Line
from stacknb.shell.scratch import Scratch
from stacknb.shell.turns import Turn
from stacknb.snapshots import snapshot as snapshots
from stacknb.supervision import processes

__all__ = ["Shell"]


class Shell:
    """The persistent bash of one run.

    Parameters
    ----------
    run_dir : Path
        The run directory; exists.
    run : str
        Identifier of the run.
    env : mapping
        Environment of bash.
    setup : str
        Bash evaluated once in a new shell, before anything else.
    jobs : int, optional
        How many tasks may run at once.

    Attributes
    ----------
    recall : callable
        Returns bash that is evaluated after a restore: what happened since the snapshot.
    """

    def __init__(
        self,
        run_dir: Path,
        run: str,
        *,
        env: Mapping[str, str],
        setup: str = "",
        jobs: int | None = None,
    ) -> None:
        self.run_dir = run_dir
        self.recall: Callable[[], str] = str
        self._run = run
        self._env = dict(env)
        self._setup = (f"_stacknb_jobs={jobs}\n" if jobs else "") + setup
        # Found once: a shell that is restored starts with no PATH.
        self._bash = check_bash(self._env.get("PATH"))
        check_processes()
        self._state = run_dir / STATE
        self._state.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.RLock()
        self._scratch = Scratch(self._state)
        self._line = Line(self._scratch, jobs)
        self._lacking = ""
        self._prepared, self._is_handed_over = b"", False
        self._half = False  # restored: a Ctrl-C came in between
        self._dialogue = Dialogue(self._line, run_dir / JOURNAL)
        self._kept = Keeper(self._state, self._scratch, self._dialogue)
        try:
            self._start(self._env)
            self.evaluate(self._setup)
        except BaseException:
            self._line.close()
            raise

    @property
    def pid(self) -> int:
        """Process of the bash, which leads the process group of what runs in the foreground."""
        return self._line.pid

    # -- turns -------------------------------------------------------------------------------

    def revive(self) -> None:
        """Start a new bash if the last one has ended meanwhile."""
        with self._lock:
            if self._line.closed:
                why = "closed, or is that of the process which has forked this one"
                raise ShellDied(f"the shell of this run is {why}; begin a new run")
            if self._half or not self._line.alive or self._scratch.gone:
                self.restore()

    def prepare(self, code: str) -> None:
        """Say what the next turn is, see ``bash/driver.bash``; bash may still write a snapshot."""
        self._prepared, self._is_handed_over = encoded(code), False
        with contextlib.suppress(StacknbError):  # the scratch folder was removed: `revive` sees it
            self._hand_over()

    def turn(
        self,
        tick: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Turn:
        """Source what was prepared, its output going to its log; bash writes a snapshot after it.

        It returns while bash is still writing that; what needs it waits for it. `tick` and
        `meanwhile` are called as `Dialogue.ask` does.
        """
        with self._lock:
            self._kept.expect()
            self.revive()
            if not self._is_handed_over:  # the scratch folder is another
                self._hand_over()
            user, system = processes.cpu_ticks(self.pid)
            turn = self._dialogue.ask(f"\\_stacknb_turn {user} {system}", tick, meanwhile)
        if turn.outcome != "done":
            self._kept.keep_of(turn.outcome)
        if turn.outcome == "lost" and not turn.how and self._scratch.lacks("turn"):
            return replace(turn, how="untold")
        return turn

    def settle(self) -> None:
        """Wait for the snapshot of the last turn, and put it on disk."""
        with self._lock:
            self._kept.take()
            self._kept.store()

    def call(self, *words: str) -> tuple[int, str]:
        """Run one of the driver's own functions between turns; return its status and output."""
        command = " ".join(map(quote, words))
        turn = self._between(
            f'\\{command} >|"$_stacknb_control/call" 2>&1; _stacknb_status=$?',  # be it an alias
            "_stacknb_reply done \"$_stacknb_status\" '' ''",  # quoted: IFS may hold digits
        )
        return turn.status, self._scratch.read("call").decode("utf-8", "replace")

    def evaluate(self, code: str) -> Turn:
        """Evaluate bash between turns, with no output and no snapshot.

        Raises Interrupted if the user stopped it, which leaves the last snapshot to go on from, and
        ShellDied if it ended the shell by itself.
        """
        return self._between(code, requests.REPLY)

    def mark(self, pid: int, why: str) -> None:
        """Leave word why a task is about to be ended: ``cancelled``."""
        self._scratch.write(f"why.{pid}", f"{why}\n".encode())

    def lacked_room(self) -> bool:
        """Whether bash could not write something of the run since the last call."""
        try:
            (self._line.control / "lack").unlink()
        except OSError:
            return False
        return True

    def lacked_scratch(self) -> str:
        """Say what was wrong with the scratch folder since the last call; mostly empty."""
        lacking, self._lacking = self._lacking, ""
        return self._kept.lack() or lacking

    def save(self) -> bytes:
        """Take a snapshot of the shell as it stands, and keep it as the newest."""
        self.evaluate(requests.SAVING)
        self._kept.keep()
        self.settle()
        return self._kept.newest

    def variables(self, pattern: str = "*") -> list[snapshots.Variable]:
        """Return the variables of the shell as it stands."""
        target = self._scratch.path / "variables"
        self.evaluate(f"\\builtin declare -p >|{quote(str(target))}")
        try:
            return snapshots.read_variables(target, pattern)
        finally:
            target.unlink()

    @property
    def snapshot(self) -> bytes:
        """The newest snapshot; empty if there is none."""
        with self._lock:
            self._kept.take()
        return self._kept.newest

    @property
    def snapshot_time(self) -> float:
        """When the newest snapshot was taken, epoch seconds; 0 if there is none."""
        self.settle()
        return self._kept.time

    @property
    def lost_locals(self) -> list[snapshots.Variable]:
        """Local variables of the frames that the last failure left."""
        return self._kept.lost_locals

    # -- interrupt, restore, close -----------------------------------------------------------

    def interrupt(self) -> None:
        """End what runs in the foreground, from any thread; within a second."""
        self._dialogue.interrupt()

    def restore(self, *, anew: bool = False) -> None:
        """Start a new bash from the newest snapshot, or from none.

        The old one is ended if it still runs. Its tasks run on.
        """
        with self._lock:
            self._kept.take()
            self._dialogue.end()
            self._half = True
            if self._scratch.gone:
                folder = str(self._scratch.path)
                self._lacking = f"scratch folder {folder!r} of the session was removed meanwhile"
                self._line.make_again()
                self._is_handed_over = False
            self._kept.catch_up()
            if self._kept.newest and not anew:
                script = self._kept.script()
                self._start(requests.nameless(self._env))
                self._have(requests.restoring(script))
            else:
                self._start(self._env)
                self._have(self._setup)
            if news := self.recall():
                self._have(news)
            self._half = False

    def close(self, farewell_s: float = 5.0) -> None:
        """End the shell and everything it started but services; EXIT traps of hooks run first."""
        if self._line.closed:  # its lock, too, may be that of another process
            return
        with self._lock:
            try:
                if self._line.alive:
                    farewell = requests.farewell(self.run_dir / "exit.txt")
                    self._line.send(encoded(farewell), [])
                    self._line.await_end(farewell_s)
            except (ShellDied, KeyboardInterrupt):
                pass  # ended below in any case
            finally:
                self._line.close()

    # -- within --------------------------------------------------------------------------------

    def _start(self, env: Mapping[str, str]) -> None:
        words = requests.driver(self._line.control, self.run_dir, self._run)
        self._line.start([self._bash, *words], env)

    def _hand_over(self) -> None:
        # bash reads a FIFO byte by byte, so what is long is handed over in a file.
        self._scratch.write("turn", self._prepared)
        self._is_handed_over = True

    def _between(self, code: str, reply: str) -> Turn:
        with self._lock:
            self._kept.take()
            self.revive()
            return self._have(code, reply)

    def _have(self, code: str, reply: str = requests.REPLY) -> Turn:
        turn = self._dialogue.ask(f"{code}\n{reply}")
        return turns.finished(turn, bool(self._kept.newest))
