"""What came of a hook, task, cell, run; plain records that every face shows in its own way."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stacknb.exceptions import Failure, located
from stacknb.rundir import follow
from stacknb.rundir.ending import signal_name
from stacknb.snapshots.masking import Masker
from stacknb.text import budget, screen
from stacknb.text.signs import shown

__all__ = ["HookResult", "Result", "RunResult", "TaskResult", "TaskResults"]


@dataclass(frozen=True)
class Result:
    r"""A piece of bash that was evaluated in the stack's shell.

    Attributes
    ----------
    command : str
        The bash.
    exited : int
        Its exit status.
    stdout, stderr : str
        Its output as text (bytes that are no UTF-8 are replaced), the last MiB of each.
    log : Path
        The log with all of stdout.

    Examples
    --------
    >>> said = stack.evaluate("echo $((6 * 7)); false")
    >>> said.stdout, said.exited, said.ok
    ('42\n', 1, False)
    """

    command: str
    exited: int
    stdout: str
    stderr: str
    log: Path

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.exited == 0

    def __bool__(self) -> bool:
        return self.ok

    def tail(self, lines: int = 20) -> str:
        r"""Return the last lines of its output, fit for a screen.

        Examples
        --------
        >>> stack.evaluate("seq 100").tail(2)
        '99\n100'
        """
        text = (self.stdout + self.stderr).encode("utf-8", "replace")
        return "\n".join(screen.end(text, lines))

    def __repr__(self) -> str:
        log = budget.cut(str(self.log), budget.SHORT, end=True)
        return f"<bash exited with status {self.exited}, log {log}>"


@dataclass(frozen=True)
class HookResult:
    """A hook that was sourced.

    Attributes
    ----------
    phase, name : str
    status : str
        ``ok``, ``failed``, ``interrupted`` or ``skipped``.
    exit_code : int
    duration_s : float
        Seconds.
    log : Path or None
        None if it was skipped.
    failure : Failure or None
        Where and why, if it ended the run.
    lack : str
        What is wrong with the run directory, if something could not be written; mostly empty.

    Examples
    --------
    >>> first = stack.run(until="source").hooks[0]
    >>> first.name, first.phase, first.ok
    ('10-shop.sh', 'override_defaults', True)
    """

    phase: str
    name: str
    status: str
    exit_code: int
    duration_s: float
    log: Path | None
    failure: Failure | None = None
    lack: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0 (or was not sourced at all)."""
        return self.status in ("ok", "skipped")


@dataclass(frozen=True)
class TaskResult:
    """A task that has ended and was waited for.

    Attributes
    ----------
    name : str
    command : list of str
    status : str
        ``ok``, ``failed``, ``killed``, ``cancelled``, ``timeout`` or ``lost``.
    exit_code : int
        128 + N where signal N ended it.
    duration_s : float
        From start to end, seconds.
    wait_s : float
        How long the wait blocked, seconds.
    log : Path
    failed_at : tuple of str
        ``(file, line, command)`` of the failing command, where bash told.
    calls : tuple of str
        ``FILE:LINE`` of the calls that led there, the innermost first; the last started the task.

    Examples
    --------
    >>> done = stack.async_run("greeting", "echo", "hi").wait()
    >>> done.ok, done.status, done.exit_code
    (True, 'ok', 0)
    """

    name: str
    command: list[str]
    status: str
    exit_code: int
    duration_s: float
    wait_s: float
    log: Path
    failed_at: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == "ok"

    def __bool__(self) -> bool:
        return self.ok

    def tail(self, lines: int = 20) -> str:
        r"""Return the last lines of its output, fit for a screen.

        Examples
        --------
        >>> stack.async_run("count", "seq", "100").wait().tail(2)
        '99\n100'
        """
        return "\n".join(follow.tail(self.log, lines))

    def ending(self) -> str:
        """Say in words how it ended.

        Examples
        --------
        >>> stack.async_run("bad", "bash", "-c", "exit 3").wait().ending()
        'failed with status 3'
        """
        if self.status == "timeout":
            return "was ended at its timeout"
        if self.status == "cancelled":
            return "was cancelled"
        if self.status == "killed":
            return f"was killed by {signal_name(self.exit_code)}"
        if self.status == "lost":
            return "is lost: its process is gone and left no status"
        of = f" ({signal_name(self.exit_code)})" if 128 < self.exit_code < 193 else ""
        return "ended well" if self.ok else f"failed with status {self.exit_code}{of}"

    def explanation(self) -> str:
        """Say what went wrong, with the last lines and the log.

        Examples
        --------
        >>> print(stack.async_run("bad", "bash", "-c", "echo no disk; exit 3").wait().explanation())
        task 'bad' failed with status 3
          command bash -c 'echo no disk; exit 3'
          last lines
            | no disk
          log     ...
        """
        text, hide = f"task {self.name!r} {self.ending()}", Masker().text
        file, line, command = self.failed_at or ("", "", shlex.join(map(hide, self.command)))
        text += located(f"{file}:{line}" if file else "", hide(command), self.calls)
        if lines := follow.tail(self.log, 10, 300):
            text += "\n  last lines\n" + "\n".join(f"    | {line}" for line in lines)
        return f"{text}\n  log     {shown(self.log)}"

    def __repr__(self) -> str:
        return f"<task {self.name!r} {self.ending()} after {screen.seconds(self.duration_s)}>"


class TaskResults(list[TaskResult]):
    """What a wait returned, in the order of the names."""

    room = budget.RESULT

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        text = ",\n ".join(map(repr, self))
        printer.text(budget.fold(f"[{text}]", self.room))


@dataclass
class RunResult:
    """A run as far as it went.

    Attributes
    ----------
    mode : str
    run_dir : Path
    hooks : list of HookResult
        In the order they ran; of a clean run, those of its unstack run come first.
    phases : list of str
        Phases that are done.
    complete : bool
        Every phase of the mode is done.
    notes : list of str
        What a user should know: warnings, services that were ended.
    timing : str
        DevStack's component timing and async summary; empty until the run is complete.
    tasks : list of TaskResult
        Tasks that did not end well and that nobody had waited for by the end of the run.

    Examples
    --------
    >>> result = stack.run(until="source")
    >>> result.phases, result.complete, result.ok
    (['override_defaults', 'source'], False, True)
    >>> result.duration_s < 60
    True
    """

    mode: str
    run_dir: Path
    hooks: list[HookResult] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    complete: bool = False
    notes: list[str] = field(default_factory=list)
    timing: str = ""
    tasks: list[TaskResult] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no hook failed, but for those whose phase was run again, and none of `tasks`."""
        return not self._failed()

    def _failed(self) -> list[HookResult | TaskResult]:
        last = {(hook.phase, hook.name): hook for hook in self.hooks}
        bad = [hook for hook in last.values() if not hook.ok]
        left = [hook for hook in bad if hook.name != "localrc" or hook.phase not in self.phases]
        return [*left, *self.tasks]

    def __bool__(self) -> bool:
        return self.ok

    @property
    def duration_s(self) -> float:
        """Seconds spent in hooks."""
        return sum(hook.duration_s for hook in self.hooks)

    room = budget.RESULT  # no field: how many bytes of a notebook it may take now
    timed = True  # no field either: `timing` tells of a timer or of a task

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        told = self.timing and self.timed and self.room > budget.RESULT // 2
        text = f"{self!r}\n\n{self.timing}" if told else repr(self)
        printer.text(budget.fold(text, self.room))

    def __repr__(self) -> str:
        bad, took = len(self._failed()), screen.seconds(self.duration_s)
        done = f"{screen.counted(len(self.phases), 'phase')} done"
        hooks = f"{screen.counted(len(self.hooks), 'hook')} in {took}"
        state, failed = "complete" if self.complete else done, f", {bad} failed" if bad else ""
        return f"<{self.mode} run {state}: {hooks}{failed}, {self.run_dir}>"
