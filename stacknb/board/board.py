"""The board of a run: takes in what is new of its events and logs, whenever it is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from stacknb import lifecycle
from stacknb.board.logs import LogReader
from stacknb.board.phases import PhaseList
from stacknb.board.states import HookState, PhaseState, TaskState, Waiting
from stacknb.board.tasks import TaskList
from stacknb.exceptions import BadInput
from stacknb.rundir import earlier
from stacknb.rundir.ending import BAD
from stacknb.rundir.journal import Event, RunDir

__all__ = ["Board"]

_LOOK_S = 0.25


class Board:
    """The state of a run.

    Parameters
    ----------
    where : callable
        Returns the run directory, or None while there is none; another one when a new run begins.
    clock : callable
        Epoch seconds.
    alone : bool
        This run only: not the unstack run of a clean run, nor what an earlier one took.

    Attributes
    ----------
    run_dir : Path or None
    mode, top_dir : str
    started : float
        Epoch seconds.
    tasks : TaskList
    earlier : Earlier or None
        What expected times are based on.
    """

    def __init__(
        self,
        where: Callable[[], Path | None],
        clock: Callable[[], float] = time.time,
        alone: bool = False,
    ) -> None:
        self._where = where
        self._alone = alone
        self._clock = clock
        self._folder: RunDir | None = None
        self._before: list[PhaseState] = []
        self._notes: list[str] = []
        self._looked = 0.0
        self.run_dir: Path | None = None
        self.mode = ""
        self.top_dir = ""
        self.started = 0.0
        self.earlier: earlier.Earlier | None = None
        self._begin(Path(), [])

    def _begin(self, run_dir: Path, phases: list[PhaseState]) -> None:
        self._logs = LogReader(run_dir)
        self.tasks = TaskList(self._logs)
        self._phases = PhaseList(phases, self._logs, self.tasks.begin_try)

    def update(self, thoroughly: bool = False) -> None:
        """Take in what is new; `thoroughly` looks at every task now, not at some in each round."""
        where = self._where()
        anew = where is not None and where != self.run_dir
        if anew and where is not None:
            self._open(where)
        if self._folder is None:
            return
        for event in self._folder.new_events():
            # A journal is a convenience: of one that is damaged the rest still counts.
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                self._take(event)
        for wait in self._folder.new_waits():
            self.tasks.on_wait(wait)
        if anew or thoroughly:
            self._phases.take_logs()
            self.tasks.take_logs()
        now, hook = self._clock(), self.hook
        if anew or thoroughly or not 0 <= now - self._looked < _LOOK_S:
            self._looked = now
            self.tasks.look(thoroughly)
            self._phases.doubt(now, anew)
        if hook is not None and hook is not self.hook:
            self.tasks.forget_waits()
        self._phases.settle(now)

    # -- what displays ask for -------------------------------------------------------------------

    @property
    def phases(self) -> list[PhaseState]:
        """Those of its mode; of a clean run, those of its unstack run come first."""
        return [*self._before, *self._phases]

    @property
    def hook(self) -> HookState | None:
        """What runs: a hook or a cell."""
        return self._phases.hook

    @property
    def complete(self) -> bool:
        """Whether every phase is done."""
        return self._phases.complete

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more: complete, or given up by ``exit 0``."""
        return self._phases.ended

    @property
    def notes(self) -> list[str]:
        """Warnings, and logs that cannot be read."""
        return [*self._notes, *self._logs.faults.values()]

    @property
    def phase(self) -> PhaseState | None:
        """The phase that runs, or one that was lost before it began, or the last that was begun."""
        begun = [phase for phase in self.phases if phase.begun]
        running = [phase for phase in begun if phase.status == "running"]
        lost = [phase for phase in self.phases if phase.status == "lost"]
        return next((found[-1] for found in (running, lost, begun) if found), None)

    @property
    def failed(self) -> HookState | None:
        """The hook that ended the run, unless its phase was begun again."""
        if (phase := self.phase) is None:
            return None
        # The clean-up comes behind the last phase, which is well without it.
        hooks = phase.hooks if phase.status in BAD else phase.hooks[-1:]
        return next((hook for hook in reversed(hooks) if hook.status in BAD), None)

    @property
    def live(self) -> bool:
        """Whether something may still change: a hook or a task runs."""
        return self.state == "running" or self.hook is not None or bool(self.tasks.running(0)[1])

    @property
    def state(self) -> str:
        """``running``, ``failed``, ``interrupted``, ``complete``, or ``unfinished``."""
        status = self.phase.status if self.phase is not None else ""
        if status == "running" or status == "interrupted":
            return status
        if status in BAD:
            return "failed"
        if self.complete:
            return "complete"
        if (hook := self.failed) is not None:
            return "interrupted" if hook.status == "interrupted" else "failed"
        at_work = self.hook is not None or self._phases.goes_on
        return "running" if at_work else "unfinished"

    @property
    def next_phase(self) -> str:
        """The phase that would run next; empty if there is none."""
        if self.ended or self.state == "running":
            return ""
        return next((p.label for p in self.phases if p.status not in ("ok", "skipped")), "")

    def place(self, label: str) -> str:
        """Say which phase of how many it is: ``4/7``."""
        labels = [phase.label for phase in lifecycle.phases_of(self.mode)]
        return f"{labels.index(label) + 1}/{len(labels)}"

    @property
    def waiting(self) -> list[Waiting]:
        """The waits that block now, with the time that their tasks took in an earlier run."""
        return [
            Waiting(wait.task, wait.since, wait.hook, self.before(wait.task))
            for wait in self.tasks.waiting()
        ]

    def before(self, task: TaskState) -> float | None:
        """Return how many seconds that task took in an earlier run."""
        return self.earlier.task_s(task.name) if self.earlier is not None else None

    # -- events ----------------------------------------------------------------------------------

    def _open(self, where: Path) -> None:
        """Begin with a run directory; a clean run goes below its unstack run."""
        try:
            # Not where that finds it, behind links: all paths are as those of who runs it.
            folder = RunDir(where, RunDir.open(where).run)
            facts = folder.facts()
            phases = lifecycle.phases_of(facts["mode"])
        except (OSError, BadInput):
            return
        self._before, self._notes, self.earlier = [], [], None
        if not self._alone:
            if before := facts.get("before"):
                first = Board(lambda: Path(before), alone=True)
                first.update()
                self._before, self._notes = first.phases, first.notes
            self.earlier = earlier.find(where, facts)
        self._folder, self.run_dir, self.mode = folder, where, facts["mode"]
        self.top_dir, self.started = facts["top_dir"], float(facts["start"])
        known = self.earlier.phases if self.earlier is not None else {}
        self._begin(where, [PhaseState(p.label, expected_s=known.get(p.label)) for p in phases])

    def _take(self, event: Event) -> None:
        if event.kind in ("task", "wait-start", "wait-end"):
            self.tasks.on_event(event)
        elif event.kind == "warning":
            if event.name not in self._notes:  # of an unstack run before, too
                self._notes.append(event.name)
        else:
            self._phases.on_event(event)
            if event.kind == "hook-end":
                self.tasks.forget_waits()
