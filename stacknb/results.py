"""What came of a hook, a cell, a run; plain records that every face shows in its own way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stacknb import screen
from stacknb.exceptions import Failure

__all__ = ["HookResult", "Result", "RunResult"]


@dataclass(frozen=True)
class Result:
    """A piece of bash that was evaluated in the stack's shell.

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
        """Return the last lines of its output, fit for a screen."""
        text = (self.stdout + self.stderr).encode("utf-8", "replace")
        return "\n".join(screen.clean(text)[-lines:])

    def __repr__(self) -> str:
        return f"<bash exited with status {self.exited}, log {self.log}>"


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
    """

    phase: str
    name: str
    status: str
    exit_code: int
    duration_s: float
    log: Path | None
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0 (or was not sourced at all)."""
        return self.status in ("ok", "skipped")


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
    """

    mode: str
    run_dir: Path
    hooks: list[HookResult] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    complete: bool = False
    notes: list[str] = field(default_factory=list)
    timing: str = ""

    @property
    def ok(self) -> bool:
        """Whether no hook failed, but for those whose phase was run again to its end."""
        return not self._failed()

    def _failed(self) -> list[HookResult]:
        last = {(hook.phase, hook.name): hook for hook in self.hooks}
        return [
            hook
            for key, hook in last.items()
            if not hook.ok and not (hook.name == "localrc" and key[0] in self.phases)
        ]

    def __bool__(self) -> bool:
        return self.ok

    @property
    def duration_s(self) -> float:
        """Seconds spent in hooks."""
        return sum(hook.duration_s for hook in self.hooks)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"{self!r}\n\n{self.timing}" if self.timing else repr(self))

    def __repr__(self) -> str:
        bad = len(self._failed())
        state = "complete" if self.complete else f"{len(self.phases)} phases done"
        failed = f", {bad} failed" if bad else ""
        return (
            f"<{self.mode} run {state}: {len(self.hooks)} hooks in "
            f"{screen.seconds(self.duration_s)}{failed}, {self.run_dir}>"
        )
