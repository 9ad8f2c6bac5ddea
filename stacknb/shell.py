"""One bash: give it a turn, interrupt it, snapshot it, restore it, close it.

What is said on the line is in ``bash/driver.bash``. That bash has died is heard from the
supervisor, never read from an end-of-file: children it left behind may hold its descriptors.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacknb import processes
from stacknb import snapshot as snapshots
from stacknb.exceptions import BadInput, ShellDied
from stacknb.line import Line

__all__ = ["Shell", "Turn", "check_bash", "checked_environment", "quote"]

_BASH_FOLDER = Path(__file__).parent / "bash"
_TICK_S = 0.1
# After an interrupt: SIGTERM, then SIGKILL to what ignores it, then to bash; within a second.
_ESCALATION = (
    (0.35, signal.SIGTERM, False),
    (0.65, signal.SIGKILL, False),
    (0.85, signal.SIGKILL, True),
)


@dataclass(frozen=True)
class Turn:
    """What came of one piece of bash.

    Attributes
    ----------
    outcome : str
        ``done``: it ran to its end. ``died``: it ended bash, which left a snapshot.
        ``lost``: bash is gone without a word (killed, ``exec``, an EXIT trap of the hook's own).
    status : int
    plugins : dict of str to str
        Plugins enabled by then, name to folder.
    requires : tuple of str
        ``PLUGIN REQUIRED`` as noted by ``plugin_requires``.
    how : str
        ``errexit``, ``exit``, ``interrupt`` or ``other``; empty if it did not die.
    file, line, command : str
        Where, as far as bash knew.
    """

    outcome: str
    status: int
    plugins: dict[str, str]
    requires: tuple[str, ...] = ()
    how: str = ""
    file: str = ""
    line: str = ""
    command: str = ""


def check_bash(program: str = "bash") -> str:
    """Return the path of a bash that is new enough.

    Raises
    ------
    BadInput
        If there is none, or it is older than 5.0.
    """
    path = shutil.which(program)
    if path is None:
        raise BadInput(f"{program!r} was not found in PATH; install bash 5.0 or newer")
    version = subprocess.run(
        [path, "--norc", "--noprofile", "-c", 'echo "$BASH_VERSION"'],
        capture_output=True, text=True, check=False, env={},
    ).stdout.strip()  # fmt: skip
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < 5:
        raise BadInput(
            f"{path!r} is bash {version or 'of no version'!r}; install bash 5.0 or newer"
        )
    return path


def checked_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` if a process can have it.

    Raises
    ------
    BadInput
        Names the variable that no environment can hold.
    """
    for name, value in env.items():
        try:
            usable = name and "=" not in name and "\0" not in name + value
            (name + value).encode("utf-8", "surrogateescape")
        except (TypeError, UnicodeEncodeError):
            usable = False
        if not usable:
            raise BadInput(f"variable {name!r} of env cannot be in an environment: {value!r}")
    return dict(env)


def quote(text: str) -> str:
    """Quote one word for bash; bytes that are no UTF-8 come as surrogates and stay as they are."""
    return shlex.quote(text)


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
    bash : str
        The program.
    """

    def __init__(
        self,
        run_dir: Path,
        run: str,
        *,
        env: Mapping[str, str],
        setup: str = "",
        jobs: int | None = None,
        bash: str = "bash",
    ) -> None:
        self.run_dir = run_dir
        self.interrupted = False
        self._run = run
        self._env = dict(env)
        self._bash = bash
        self._state = run_dir / "state"
        self._state.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.RLock()
        self._interrupted_at: float | None = None
        self._under_way = False
        self._line = Line(jobs)
        self._start(self._env)
        self.evaluate((f"_stacknb_jobs={jobs}\n" if jobs else "") + setup)

    @property
    def pid(self) -> int:
        """Process of the bash, which leads the process group of what runs in the foreground."""
        return self._line.pid

    @property
    def busy(self) -> bool:
        """Whether it is at work for another thread."""
        if not self._lock.acquire(blocking=False):
            return True
        self._lock.release()
        return False

    # -- turns -------------------------------------------------------------------------------

    def turn(
        self,
        *,
        kind: str,
        name: str,
        phase: str,
        path: str,
        args: Sequence[str] = (),
        log: Path,
        err: Path | None = None,
        hands_off: bool = False,
        tick: Callable[[], None] | None = None,
    ) -> Turn:
        """Source `path` in the shell, its output going to `log`, and take a snapshot after it.

        Parameters
        ----------
        kind : {'hook', 'cell'}
            A hook is sourced inside a function, a cell at top level and without errexit.
        name, phase : str
            For the footer and for tasks started meanwhile.
        log, err : Path
            Where stdout and stderr go; without `err` both go to `log`. Exists, with its header.
        hands_off : bool
            Leave ERR traps and errtrace alone: the hook deals with them itself.
        tick : callable, optional
            Called about ten times a second while it runs.

        Returns
        -------
        Turn
        """
        self.interrupted = False
        new = self._state / "snapshot.new"
        for path_new in (new, Path(f"{new}.locals")):
            os.close(os.open(path_new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        plain = json.dumps(name)[1:-1]  # the shell writes it between the quotes of its JSON
        assignments = {
            "kind": kind, "name": plain, "phase": phase, "hook": plain if kind == "hook" else "",
            "path": path, "log": str(log), "err": str(err or ""), "state": str(new),
            "off": "1" if hands_off else "",
        }  # fmt: skip
        code = " ".join(f"_stacknb_{key}={quote(value)}" for key, value in assignments.items())
        words = " ".join(map(quote, args))
        turn = self._request(f"{code} _stacknb_args=({words})", tick)
        if turn.outcome != "lost" and new.exists():
            os.replace(new, self.snapshot)
        return turn

    def call(self, *words: str) -> tuple[int, str]:
        """Run one of the driver's own functions between turns; return its status and output."""
        output = self._line.control / "call"
        command = " ".join(map(quote, words))
        turn = self._request(
            f'{command} >|"$_stacknb_control/call" 2>&1; _stacknb_status=$?\n'
            "_stacknb_reply done $_stacknb_status '' ''"
        )
        return turn.status, output.read_text(encoding="utf-8", errors="replace")

    def evaluate(self, code: str) -> None:
        """Evaluate bash between turns, with no output and no snapshot."""
        self._request(f"{code}\n_stacknb_reply done 0 '' ''")

    def mark(self, pid: int, why: str) -> None:
        """Leave word why a task is about to be ended: ``cancelled``."""
        (self._line.control / f"why.{pid}").write_text(f"{why}\n", encoding="utf-8")

    def save(self) -> Path:
        """Take a snapshot of the shell as it stands, beside that of the last turn."""
        path = self._state / "snapshot.begin"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        self.evaluate(f'_stacknb_state={quote(str(path))}; eval "$_stacknb_save"')
        return path

    def variables(self, pattern: str = "*") -> list[snapshots.Variable]:
        """Return the variables of the shell as it stands."""
        target = self._line.control / "variables"
        self.evaluate(f"declare -p >|{quote(str(target))}")
        try:
            return snapshots.read_variables(target, pattern)
        finally:
            target.unlink()

    @property
    def snapshot(self) -> Path:
        """The newest snapshot; it need not exist."""
        return self._state / "snapshot.bash"

    @property
    def lost_locals(self) -> list[snapshots.Variable]:
        """Local variables of the frames that the last failure left."""
        path = self._state / "snapshot.new.locals"
        return snapshots.read_variables(path) if path.exists() else []

    # -- interrupt, restore, close -----------------------------------------------------------

    def interrupt(self) -> None:
        """End what runs in the foreground, from any thread; within a second."""
        if self._interrupted_at is None and self._under_way:
            self._interrupted_at, self.interrupted = time.monotonic(), True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGINT)
            self._line.wake()

    def restore(self, state: Path | None = None) -> None:
        """Start a new bash from a snapshot (the newest, if none is named).

        The old one is ended if it still runs. Its tasks run on.
        """
        with self._lock:
            self._end_bash()
            state = state or self.snapshot
            if not state.exists():
                self._start(self._env)
                return
            # Kept: functions restored from it report its lines when they fail.
            script = self._state / "restored.bash"
            hidden = self._state / "snapshot.new.hidden"
            names = (
                hidden.read_text().replace("#stacknb local ", "").split() if hidden.exists() else []
            )
            hidden.unlink(missing_ok=True)
            script.touch(mode=0o600)
            script.write_bytes(snapshots.restore_script(state.read_bytes(), names))
            # What is no name in bash cannot be in its snapshot; everything else is.
            self._start({k: v for k, v in self._env.items() if not k.isidentifier()})
            self.evaluate(f"source {quote(str(script))}; _stacknb_load")

    def close(self, farewell_s: float = 5.0) -> None:
        """End the shell and everything it started but services; EXIT traps of hooks run first."""
        with self._lock:
            if self._line.closed:
                return
            try:
                if self._line.alive:
                    out = quote(str(self.run_dir / "exit.log"))
                    self._line.send(
                        'trap -p EXIT >|"$_stacknb_control/scratch"\n'
                        'IFS= read -r -d "" _stacknb_text <"$_stacknb_control/scratch" || :\n'
                        f"[[ $_stacknb_text == *_stacknb_on_exit* ]] || exec >>{out} 2>&1\n"
                        "builtin exit 0"
                    )
                    self._line.await_end(farewell_s)
            except (ShellDied, KeyboardInterrupt):
                pass  # ended below in any case
            finally:
                self._line.close()

    # -- within --------------------------------------------------------------------------------

    def _start(self, env: Mapping[str, str]) -> None:
        argv = [self._bash, "--norc", "--noprofile", str(_BASH_FOLDER / "driver.bash")]
        argv += [str(self._line.control), str(self.run_dir), self._run]
        self._interrupted_at = None
        self._line.start(argv, env)

    def _request(self, code: str, tick: Callable[[], None] | None = None) -> Turn:
        with self._lock:
            if not self._line.alive:
                self.restore()
            if "\0" in code:
                raise BadInput(f"{code.replace(chr(0), '?')!r} holds a NUL, which bash cannot take")
            self._under_way = True
            try:
                self._line.send(code)
                return self._await_reply(tick)
            finally:
                self._under_way = False

    def _await_reply(self, tick: Callable[[], None] | None) -> Turn:
        stages = list(_ESCALATION)
        while True:
            try:
                fields = self._line.receive(_TICK_S)
                if fields is not None:
                    return self._turn_of(fields)
                if self._line.status is not None:
                    return self._turn_lost(self._line.status)
                if self._interrupted_at is not None:
                    self._escalate(stages, time.monotonic() - self._interrupted_at)
                if tick is not None:
                    tick()
            except KeyboardInterrupt:
                self.interrupt()

    def _escalate(self, stages: list[tuple[float, signal.Signals, bool]], waited_s: float) -> None:
        while stages and waited_s > stages[0][0]:
            _, number, bash_too = stages.pop(0)
            group = processes.members(group=self.pid)
            processes.send([pid for pid in group if bash_too or pid != self.pid], number)

    def _turn_of(self, fields: list[str]) -> Turn:
        self._interrupted_at = None
        outcome, status, plugins, requires, *where = fields
        if outcome == "died":
            (self._line.control / "where").unlink(missing_ok=True)
            self._line.await_end(10.0)
            # The EXIT trap of a shell that a signal ends does not see the signal in its status.
            if (self._line.status or 0) > 128:
                status = str(self._line.status)
        pairs = (line.partition("=") for line in plugins.splitlines())
        enabled = {name: folder for name, _, folder in pairs}
        needs = tuple(requires.split("\x1f")) if requires else ()
        return Turn(outcome, int(status), enabled, needs, *_four(where))

    def _turn_lost(self, status: int) -> Turn:
        self._interrupted_at = None
        path = self._line.control / "where"
        where = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
        path.unlink(missing_ok=True)
        return Turn("lost", status, {}, (), *_four(where.split("\0")))

    def _end_bash(self) -> None:
        if self._line.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._line.await_end(10.0)


def _four(where: list[str]) -> tuple[str, str, str, str]:
    how, file, line, command = (where + [""] * 4)[:4]
    return how, file, line, command
