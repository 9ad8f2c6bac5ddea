"""Hooks, phases, tasks and waits as a board has them; plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["HookState", "PhaseState", "TaskState", "Waiting"]


@dataclass
class HookState:
    """A hook, or a cell.

    Attributes
    ----------
    status : str
        ``to come``, ``running``, ``ok``, ``failed``, ``interrupted``, ``skipped``, ``lost``.
    log : Path
        Empty before it has begun.
    begun, duration_s : float, float or None
        Epoch seconds; seconds.
    failure : dict
        The fields of a `Failure`; empty unless it ended the run.
    """

    name: str
    log: Path = Path()
    begun: float = 0.0
    status: str = "to come"
    duration_s: float | None = None
    failure: dict[str, Any] = field(default_factory=dict)

    def spent(self, now: float) -> float:
        """Seconds it took, or has taken so far."""
        return now - self.begun if self.duration_s is None else self.duration_s


@dataclass
class PhaseState:
    """A phase.

    Attributes
    ----------
    status : str
        As of a hook.
    begun, duration_s : float, float or None
        Of the last try; epoch seconds, seconds.
    expected_s : float or None
        What it took in an earlier run, seconds.
    hooks : list of HookState
        Those to come too, once the phase has begun.
    """

    label: str
    status: str = "to come"
    begun: float = 0.0
    duration_s: float | None = None
    expected_s: float | None = None
    hooks: list[HookState] = field(default_factory=list)

    def spent(self, now: float) -> float | None:
        """Seconds it took, or has taken so far; None if it has not begun."""
        return now - self.begun if self.status == "running" else self.duration_s

    def hook(self, name: str) -> HookState:
        """Return the first hook of that name that has not begun; a new one if there is none."""
        for hook in self.hooks:
            if hook.name == name and hook.status == "to come":
                return hook
        begun = sum(1 for hook in self.hooks if hook.begun)
        self.hooks.insert(begun, HookState(name))
        return self.hooks[begun]


@dataclass
class TaskState:
    """A task.

    Attributes
    ----------
    key : str
        Its log, as a path within the run directory; no other task has it.
    status : str
        ``waiting`` (held back), ``running``, ``ok``, ``failed``, ``killed``, ``cancelled``,
        ``timeout``, ``lost``.
    started : float
        When it was asked for, epoch seconds.
    duration_s : float or None
        Seconds; None while it runs, and where nobody has looked yet.
    last : str
        The last line it printed, fit for a screen.
    collected : bool
        Somebody has waited for it.
    """

    key: str
    name: str
    pid: int
    phase: str
    hook: str
    started: float
    status: str = "running"
    duration_s: float | None = None
    last: str = ""
    collected: bool = False
    exit_code: int | None = None
    size: int = -1  # of the log, when somebody last looked

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("running", "waiting")


@dataclass(frozen=True)
class Waiting:
    """A wait that blocks now.

    Attributes
    ----------
    since : float
        Epoch seconds.
    hook : str
        Who waits; empty if a person does.
    before_s : float or None
        How long the task took in an earlier run, seconds.
    """

    task: TaskState
    since: float
    hook: str
    before_s: float | None = None
