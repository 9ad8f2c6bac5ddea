"""Hooks, phases, tasks and waits as a board has them; plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["AGAIN", "HookState", "PhaseState", "TaskState", "Waiting"]

AGAIN = "of an earlier try"


@dataclass
class HookState:
    """A hook, or a cell.

    Attributes
    ----------
    status : str
        ``to come``, ``running``, ``ok``, ``failed``, ``killed``, ``interrupted``, ``skipped``,
        ``lost``.
    log : Path
        Empty before it has begun.
    begun, duration_s : float, float or None
        Epoch seconds; seconds.
    failure : dict
        The fields of a `Failure`; empty unless it ended the run.
    exit_code : int or None
        As its log has it.
    """

    name: str
    log: Path = Path()
    begun: float = 0.0
    status: str = "to come"
    duration_s: float | None = None
    failure: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None

    def spent(self, now: float) -> float | None:
        """Seconds it took, or has taken so far; None if it has not begun, or nobody knows."""
        return _spent(self, self.begun, now)


@dataclass
class PhaseState:
    """A phase, as its last try has it.

    Attributes
    ----------
    status : str
        As of a hook; or ``unfinished``: left off, or left between two hooks.
    begun, duration_s : float, float or None
        Epoch seconds, seconds.
    expected_s : float or None
        What it took in an earlier run, seconds.
    hooks : list of HookState
        Those to come too, once the phase has begun.
    heard : bool
        The journal tells of the begin of this try.
    told : float
        When it has ended, epoch seconds, as the journal tells; 0 if that tells nothing of it.
    """

    label: str
    status: str = "to come"
    begun: float = 0.0
    duration_s: float | None = None
    expected_s: float | None = None
    hooks: list[HookState] = field(default_factory=list)
    heard: bool = False
    told: float = 0.0

    def spent(self, now: float) -> float | None:
        """Seconds it took, or has taken so far; None if it has not begun, or nobody knows."""
        return _spent(self, self.begun, now)

    def begun_hooks(self) -> list[HookState]:
        """Return the hooks that have begun, in order."""
        return [hook for hook in self.hooks if hook.begun]


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
    collected, heeded : bool
        Somebody has waited for it; other than the clean-up at the end of a run.
    code, exit_code : int or None
        What its wait got from the kernel; how it ended, as far as anybody knows.
    begun : float or None
        When it began, as its log has it.
    superseded : bool
        The phase that started it was begun again, so that it is done again.
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
    heeded: bool = False
    code: int | None = None
    exit_code: int | None = None
    begun: float | None = None
    superseded: bool = False
    size: int = -1  # of the log, when somebody last looked
    ticks: int | None = None  # when its process began; -1 if that is another one
    is_read: bool = False  # its log has told how it ended

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("running", "waiting")

    def spent(self, now: float) -> float | None:
        """Seconds it took, or has taken so far; None if it has not begun, or nobody knows."""
        return _spent(self, self.begun or self.started, now)

    @property
    def counted_as(self) -> str:
        """Its status; but of one that has ended and is past, that it is of an earlier try."""
        return AGAIN if self.superseded and not self.live else self.status


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


def _spent(one: HookState | PhaseState | TaskState, begun: float, now: float) -> float | None:
    return max(0.0, now - begun) if one.status == "running" else one.duration_s
