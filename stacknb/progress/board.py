"""What a run looks like at the moment; every display that is redrawn reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from stacknb import lifecycle
from stacknb.dispatcher import Stack
from stacknb.journal import Event
from stacknb.tasks import Task

__all__ = ["Board", "HookState", "PhaseState"]

_LOOKS = 64  # processes looked at for one picture: thousands of tasks must not slow the run


@dataclass
class HookState:
    """A hook: ``running``, ``ok``, ``failed``, ``interrupted``."""

    name: str
    log: Path
    begun: float
    status: str = "running"
    duration_s: float | None = None

    def spent(self, now: float) -> float:
        """Seconds it took, or has taken so far."""
        return now - self.begun if self.duration_s is None else self.duration_s


@dataclass
class PhaseState:
    """A phase: ``to come``, ``running``, ``ok``, ``failed``, ``interrupted``; or done before."""

    label: str
    status: str = "to come"
    begun: float = 0.0
    duration_s: float | None = None
    expected: int = 0
    hooks: list[HookState] = field(default_factory=list)

    def spent(self, now: float) -> float | None:
        """Seconds it took, or has taken so far; None if it has not begun, or ran earlier."""
        return now - self.begun if self.status == "running" else self.duration_s


class Board:
    """The state of a run, kept by its events.

    Parameters
    ----------
    stack : Stack
        Its run may be under way already.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ended: dict[int, str] = {}  # how they ended, by process; empty until it matters
        self.mode = ""
        self.run_dir: Path | None = stack.run_dir
        self.phases: list[PhaseState] = []
        self.notes: list[str] = []
        self.hook: HookState | None = None
        self.complete = False
        if stack.result is not None and not stack.result.complete:
            self._begin(stack.result.mode, stack.result.phases)

    def on_event(self, event: Event) -> None:
        """Take an event in."""
        name, data = event.name, event.data
        if event.kind == "run-start":
            if not any(phase.begun for phase in self.phases):
                self.phases = []  # a clean run goes below its unstack run; others stand alone
            self.run_dir = Path(data["run_dir"])
            self._begin(name, ())
        elif event.kind == "phase-start":
            phase = self.phase(name)
            phase.status, phase.begun, phase.duration_s = "running", event.time, None
            phase.expected, phase.hooks = len(data["hooks"]), []
        elif event.kind == "hook-start":
            self.hook = HookState(name, Path(data["log"]), event.time)
            self.phase(data["phase"]).hooks.append(self.hook)
        elif event.kind == "hook-end" and self.hook is not None:
            self.hook.status, self.hook.duration_s = data["status"], data["duration_s"]
            self.hook = None
        elif event.kind == "phase-end":
            phase = self.phase(name)
            last = phase.hooks[-1].status if phase.hooks else "failed"
            bad = last if last != "ok" else "failed"
            phase.status, phase.duration_s = "ok" if data["ok"] else bad, data["duration_s"]
        elif event.kind == "warning":
            self.notes.append(name)
        elif event.kind == "run-end":
            self.complete = data["complete"]

    def phase(self, label: str) -> PhaseState:
        """Return the newest phase of that label."""
        for phase in reversed(self.phases):
            if phase.label == label:
                return phase
        self.phases.append(PhaseState(label))
        return self.phases[-1]

    def place(self, label: str) -> str:
        """Say which phase of how many it is: ``4/7``."""
        labels = [phase.label for phase in lifecycle.phases_of(self.mode)]
        return f"{labels.index(label) + 1}/{len(labels)}"

    def running_tasks(self, most: int) -> tuple[list[Task], int]:
        """Return tasks that run, oldest first, and how many more there may be."""
        found: list[Task] = []
        more = looks = 0
        for task in self._stack.tasks.values():
            if task.result is not None or task.pid in self._ended:
                continue
            if looks == _LOOKS:
                more += 1
                continue
            looks += 1
            if not task.running:
                self._ended[task.pid] = ""
            elif len(found) < most:
                found.append(task)
            else:
                more += 1
        return found, more

    def ended_tasks(self, most: int) -> list[tuple[Task, str]]:
        """Return tasks that have ended and how, those that went wrong first; of many the newest."""
        states = []
        for task in self._stack.tasks.values():
            if task.result is not None:
                states.append((task, task.result.status))
            elif task.pid in self._ended:
                self._ended[task.pid] = self._ended[task.pid] or task.state
                states.append((task, self._ended[task.pid]))
        states.reverse()
        states.sort(key=lambda pair: pair[1] == "ok")
        return sorted(states[: max(0, most)], key=lambda pair: pair[0].started)

    def _begin(self, mode: str, done: list[str] | tuple[str, ...]) -> None:
        self.mode, self.complete = mode, False
        for phase in lifecycle.phases_of(mode):
            status = "ok" if phase.label in done else "to come"
            self.phases.append(PhaseState(phase.label, status))
