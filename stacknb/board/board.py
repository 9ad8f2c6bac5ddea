"""The board of a run: takes in what is new of its events and logs, whenever it is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stacknb import lifecycle
from stacknb.board import earlier
from stacknb.board.states import HookState, PhaseState, TaskState, Waiting
from stacknb.board.tasks import TaskList
from stacknb.exceptions import BadInput
from stacknb.journal import Event, RunDir
from stacknb.rundir.ending import BAD, is_written

__all__ = ["Board"]

_DOUBT_S = 3.0  # after which a hook whose shell is gone is taken for lost
_LOOK_S = 0.25
_PAUSED_S = 1.0  # after which a phase in which no hook runs is one that is gone through by hand


class Board:
    """The state of a run.

    Parameters
    ----------
    where : callable
        Returns the run directory, or None while there is none; another one when a new run begins.
    clock : callable
        Epoch seconds.
    before : bool
        Show the unstack run of a clean run, too.

    Attributes
    ----------
    run_dir : Path or None
    mode, top_dir : str
    phases : list of PhaseState
        Of a clean run, those of its unstack run come first.
    hook : HookState or None
        What runs: a hook or a cell.
    complete : bool
        Every phase is done.
    ended : bool
        Nothing will come any more: complete, or given up by ``exit 0``.
    notes : list of str
    tasks : TaskList
    earlier : Earlier or None
        What expected times are based on.
    """

    def __init__(
        self,
        where: Callable[[], Path | None],
        clock: Callable[[], float] = time.time,
        before: bool = True,
    ) -> None:
        self._where = where
        self._before = before
        self._clock = clock
        self._folder: RunDir | None = None
        self._origin = ""
        self._doubt = 0.0
        self._looked = self._heard = 0.0
        self.run_dir: Path | None = None
        self.mode = ""
        self.top_dir = ""
        self.started = 0.0
        self.phases: list[PhaseState] = []
        self.notes: list[str] = []
        self.hook: HookState | None = None
        self.complete = self.ended = False
        self.earlier: earlier.Earlier | None = None
        self.tasks = TaskList(Path())

    def update(self, thoroughly: bool = False) -> None:
        """Take in what is new.

        Parameters
        ----------
        thoroughly : bool
            Look at every task now, and not at some in each of a few rounds.
        """
        where = self._where()
        anew = where is not None and where != self.run_dir
        if anew and where is not None:
            self._open(where)
        if self._folder is None:
            return
        for event in self._folder.new_events():
            # A journal is a convenience: of one that is damaged the rest still counts.
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                self._heard = max(self._heard, event.time)
                self._take(event)
        for wait in self._folder.new_waits():
            self.tasks.on_wait(wait)
        now = self._clock()
        if anew or thoroughly or not 0 <= now - self._looked < _LOOK_S:
            self._looked = now
            self.tasks.look(thoroughly)
            self._doubt_hook(now, anew)

    # -- what displays ask for -------------------------------------------------------------------

    @property
    def phase(self) -> PhaseState | None:
        """The phase that runs, or ran last."""
        begun = [phase for phase in self.phases if phase.begun]
        return begun[-1] if begun else None

    @property
    def failed(self) -> HookState | None:
        """The hook that ended the run, unless its phase was begun again."""
        phase = self.phase
        if phase is None or phase.status not in BAD:
            return None
        return next((hook for hook in reversed(phase.hooks) if hook.status in BAD), None)

    @property
    def live(self) -> bool:
        """Whether something may still change: a hook or a task runs."""
        return self.state == "running" or self.hook is not None or bool(self.tasks.running(0)[1])

    @property
    def paused(self) -> bool:
        """Whether the phase has been left between two hooks, which are run one by one."""
        phase = self.phase
        under_way = phase is not None and phase.status == "running" and self.hook is None
        return under_way and self._clock() - self._heard > _PAUSED_S

    @property
    def state(self) -> str:
        """``running``, ``failed``, ``interrupted``, ``complete``, or ``unfinished``."""
        phase = self.phase
        if phase is not None and phase.status == "running":
            return "unfinished" if self.paused else "running"
        if phase is not None and phase.status in BAD:
            return "interrupted" if phase.status == "interrupted" else "failed"
        if self.complete:
            return "complete"
        return "running" if self.hook is not None else "unfinished"

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
            folder = RunDir.open(where)
            facts = folder.facts()
            phases = lifecycle.phases_of(str(facts.get("mode")))
        except (OSError, BadInput, ValueError):
            return
        mode = str(facts["mode"])
        self.phases, self.notes = [], []
        if self._before and (before := facts.get("before")):
            first = Board(lambda: Path(before), before=False)
            first.update()
            self.phases, self.notes = first.phases, first.notes
        self._folder, self.run_dir, self.mode = folder, where, mode
        self.top_dir, self.started = facts["top_dir"], float(facts["start"])
        self.hook, self.complete, self.ended = None, False, False
        self.tasks = TaskList(where)
        self.earlier = earlier.find(where, facts)
        known = self.earlier.phases if self.earlier is not None else {}
        self.phases += [PhaseState(p.label, expected_s=known.get(p.label)) for p in phases]

    def _take(self, event: Event) -> None:
        name, data = event.name, event.data
        if event.kind == "run-start":
            self._origin = str(data.get("run_dir", ""))
        elif event.kind in ("task", "wait-start", "wait-end"):
            self.tasks.on_event(event)
        elif event.kind == "phase-start":
            phase = self._phase(name)
            phase.status, phase.begun, phase.duration_s = "running", event.time, None
            phase.hooks = [HookState(str(hook)) for hook in data["hooks"]]
            self.complete = self.ended = False
            for later in self.phases[self.phases.index(phase) + 1 :]:
                later.status, later.begun, later.duration_s, later.hooks = "to come", 0.0, None, []
        elif event.kind == "phase-hooks":
            begun = [hook for hook in self._phase(name).hooks if hook.begun]
            self._phase(name).hooks = begun + [HookState(str(hook)) for hook in data["hooks"]]
        elif event.kind == "hook-start":
            cell = data.get("what") == "cell" or not data.get("phase")
            self.hook = HookState(name) if cell else self._phase(data["phase"]).hook(name)
            self.hook.log, self.hook.begun = self._here(data["log"]), event.time
            self.hook.status = "running"
        elif event.kind == "hook-end":
            hook = self.hook or self._begun(self._here(data["log"]))
            hook.status, hook.duration_s = data["status"], data["duration_s"]
            hook.failure = data.get("failure", {})
            for phase in self.phases:  # async_cleanup comes when its phase has ended
                if phase.duration_s is not None and any(known is hook for known in phase.hooks):
                    phase.duration_s += data["duration_s"]
            self.hook = None
            self.tasks.forget_waits()
        elif event.kind == "phase-end":
            self._end_phase(self._phase(name), data)
        elif event.kind == "warning" and name not in self.notes:  # of an unstack run before, too
            self.notes.append(name)
        elif event.kind == "run-end":
            self.complete, self.ended = bool(data["complete"]), True
            left = [phase for phase in self.phases if phase.status == "to come"]
            for phase in left:
                phase.status = "skipped"

    def _phase(self, label: str) -> PhaseState:
        """Return the newest phase of that label."""
        for phase in reversed(self.phases):
            if phase.label == label:
                return phase
        self.phases.append(PhaseState(label))
        return self.phases[-1]

    def _here(self, log: str) -> Path:
        """Return where a log of the run is, which may be a copy from elsewhere."""
        assert self.run_dir is not None
        path = Path(log)
        if self._origin and path.is_relative_to(self._origin):
            return self.run_dir / path.relative_to(self._origin)
        return path

    def _begun(self, log: Path) -> HookState:
        found = (hook for phase in self.phases for hook in phase.hooks if hook.log == log)
        return next(found, HookState(log.stem))

    def _end_phase(self, phase: PhaseState, data: dict[str, Any]) -> None:
        begun = [hook for hook in phase.hooks if hook.begun]
        last = begun[-1].status if begun else ""
        phase.duration_s = float(data["duration_s"])
        # A phase that ended badly after hooks that all ended well was stopped between two.
        bad = last if last in BAD else "interrupted"
        bad = "unfinished" if data.get("how") == "left off" else bad
        phase.status = "ok" if data["ok"] else bad
        for hook in phase.hooks:
            if hook.status == "to come" and phase.status in ("ok", "unfinished"):
                hook.status = "skipped"

    def _doubt_hook(self, now: float, at_once: bool) -> None:
        """Take a hook for lost whose shell has been gone for a while: nobody will tell its end."""
        if self.hook is None or is_written(self.hook.log):
            self._doubt = 0.0
            return
        last = _changed(self.hook.log)
        self._doubt = self._doubt or (last if at_once else now)
        if now - self._doubt < _DOUBT_S:
            return
        lost: list[HookState | PhaseState] = [self.hook]
        lost += [phase for phase in self.phases if phase.status == "running"]
        for state in lost:
            state.status, state.duration_s = "lost", max(0.0, last - state.begun)
        self.hook = None
        self.tasks.forget_waits()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
