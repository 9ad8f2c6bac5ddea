"""The phases of a run and their hooks: what its journal tells of them, and its logs beside.

The logs are what counts. The journal adds what they cannot say: that a hook was interrupted, that a
phase has ended and how, that the run came to its end. What it does not tell, because lines of it
are damaged or it was not copied along, is taken from the logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stacknb import lifecycle
from stacknb.board import hooklogs
from stacknb.board.logs import LogReader
from stacknb.board.states import HookState, PhaseState
from stacknb.rundir.ending import BAD
from stacknb.rundir.journal import Event

__all__ = ["PhaseList"]

_DOUBT_S = 3.0  # after which a hook whose shell is gone is taken for lost
_PAUSED_S = 1.0  # after which a phase in which no hook runs is one that is gone through by hand


class PhaseList:
    """The phases of one run, in order.

    Parameters
    ----------
    phases : list of PhaseState
        To come.
    logs : LogReader
    again : callable
        Is told the label of a phase that is begun, and when: tasks of an earlier try are past.

    Attributes
    ----------
    hook : HookState or None
        What runs: a hook or a cell.
    complete, ended, goes_on : bool
        Every phase is done; nothing will come any more (complete, or given up by ``exit 0``); what
        follows the phase that has ended comes at once, or the first phase does.
    """

    def __init__(
        self,
        phases: list[PhaseState],
        logs: LogReader,
        again: Callable[[str, float], None],
    ) -> None:
        self._logs = logs
        self._phases = {phase.label: phase for phase in phases}
        self._again = again
        self._known: set[str] = set()  # logs that have been taken in, of earlier tries too
        self._heard = self._doubt = 0.0
        self._paused = False  # by who goes from hook to hook
        self._follows = False  # the next phase, at once, as the journal says
        self._is_cut = False  # but it will not: its process was killed
        self.hook: HookState | None = None
        self.complete = self.ended = self.goes_on = False

    def __iter__(self) -> Iterator[PhaseState]:
        return iter(self._phases.values())

    # -- events ----------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Take in what happened to a phase, a hook or the run; a phase must be one of its mode."""
        name, data = event.name, event.data
        is_cell = Path(str(data.get("log", ""))).parent.name == "cells"
        if not is_cell:
            self._heard, self._paused = max(self._heard, event.time), event.kind == "pause"
        self._is_cut = False
        if event.kind in ("run-start", "phase-end", "pause", "run-end"):
            self.goes_on = self._follows = bool(data.get("goes_on"))
        if event.kind == "phase-start":
            self._leave_hook()
            phase = self._phases[name]
            phase.told = 0.0
            self._begin(phase, event.time, [HookState(hook) for hook in data["hooks"]])
            phase.heard = True
            self.ended = False
        elif event.kind == "phase-hooks":
            phase = self._phases[name]
            phase.hooks = phase.begun_hooks() + [HookState(hook) for hook in data["hooks"]]
        elif event.kind == "hook-start":
            log = Path(data["log"])
            if self.hook is not None and self.hook.log != log:
                self._leave_hook()
            self.hook = HookState(name, log, event.time, "running")
            if not is_cell:
                self.hook = self._place(self._phases[data["phase"]], self.hook)
        elif event.kind == "hook-end":
            self._end_hook(event, is_cell)
        elif event.kind == "phase-end":
            self._end_phase(self._phases[name], event.time, data)
        elif event.kind == "run-end":
            self.complete, self.ended = bool(data["complete"]), True

    def _begin(self, phase: PhaseState, when: float, hooks: list[HookState]) -> None:
        """Begin a try of a phase; later ones, if tried before and not well, will come again."""
        labels = list(self._phases)
        for label in labels[labels.index(phase.label) + 1 :]:
            later = self._phases[label]
            bad = later.heard or any(hook.status in BAD for hook in later.hooks)
            if 0 < later.begun < when and (later.status != "ok" if later.told else bad):
                self._phases[label] = PhaseState(label, expected_s=later.expected_s)
        phase.begun, phase.hooks, phase.heard = when, hooks, False
        if phase.told < when:
            phase.told, phase.duration_s = 0.0, None
        self._again(phase.label, when)

    def _place(self, phase: PhaseState, hook: HookState, told: bool = True) -> HookState:
        """Put a hook that has begun where it belongs, and return it; or what is known of it.

        One of which the journal has `told` is the newest, even if the clock was set back.
        """
        begun = phase.begun_hooks()
        if (name := self._logs.name(hook.log)) in self._known:
            return next((other for other in begun if other.log == hook.log), hook)
        self._known.add(name)
        after = [] if told else [other for other in begun if other.begun > hook.begun]
        is_past = not told and phase.heard and hook.begun < phase.begun
        if is_past or any(other.name == hook.name for other in after):
            return hook  # of an earlier try
        if hook.name == lifecycle.CLEAN_UP:  # of no try: one that was interrupted comes again
            phase.hooks = [*(other for other in phase.hooks if other.name != hook.name), hook]
            return hook
        if not phase.begun:
            left = [other for other in phase.hooks if not other.begun or other in after]
            self._begin(phase, hook.begun, left)
            begun = after
        for number, other in enumerate(phase.hooks):
            if other.name == hook.name and not other.begun:
                phase.hooks[number] = hook
                return hook
        before = [other for other in begun if other not in after]
        if any(other.name == hook.name or other.status in BAD for other in before):
            # No hook of a try is sourced twice, none after one that failed: this is another try.
            self._begin(phase, hook.begun, [hook, *after])
        else:
            phase.hooks.insert(phase.hooks.index(before[-1]) + 1 if before else 0, hook)
        return hook

    def _end_hook(self, event: Event, is_cell: bool) -> None:
        data, log = event.data, Path(event.data["log"])
        hook = self.hook
        if hook is None or hook.log != log:
            begun = event.time - data.get("duration_s", 0.0)
            hook = HookState(event.name, log, begun, "running")
            if not is_cell:
                hook = self._place(self._phases[data["phase"]], hook)
        hook.status, hook.duration_s = data["status"], data.get("duration_s")
        hook.failure = data.get("failure", {})
        for phase in self:  # async_cleanup comes when its phase has ended
            if phase.duration_s is not None and any(known is hook for known in phase.hooks):
                phase.duration_s += data.get("duration_s", 0.0)
        if hook is self.hook:
            self.hook = None
        if not is_cell:
            hooklogs.take_end(self._logs, hook)

    def _end_phase(self, phase: PhaseState, when: float, data: dict[str, Any]) -> None:
        self._leave_hook()
        how = data.get("how")  # one that a hook has left off by `exit 0` has not failed
        stopped = how == "interrupted" or any(h.status == "interrupted" for h in phase.hooks)
        bad = "unfinished" if how == "left off" else "interrupted" if stopped else "failed"
        phase.status, phase.told = "ok" if data["ok"] else bad, when
        phase.duration_s = float(data["duration_s"])
        for hook in phase.hooks:
            if hook.status == "to come" and phase.status in ("ok", "unfinished"):
                hook.status = "skipped"

    # -- logs ------------------------------------------------------------------------------------

    def take_logs(self) -> None:
        """Take in the logs of hooks that the journal does not tell of."""
        found = []
        for name in self._logs.names_of_hooks():
            if name not in self._known and (begun := hooklogs.begun_hook(self._logs, name)):
                found.append(begun)
        for hook, label in sorted(found, key=lambda item: item[0].begun):
            phase = self._phases.get(label)
            is_new = phase is not None and self._place(phase, hook, False) is hook
            if is_new and hook.status == "running":
                self._leave_hook()
                self.hook = hook

    def _leave_hook(self) -> None:
        """Take in that nobody tells the end of the hook at work."""
        hook, self.hook = self.hook, None
        if hook is not None:
            hooklogs.leave(self._logs, hook)

    # -- what follows from it --------------------------------------------------------------------

    def doubt(self, now: float, at_once: bool) -> None:
        """Leave a hook whose shell has been gone for a while: nobody will tell its end.

        If it was not looked at before, it is left `at_once`: its log tells how long its shell is
        gone.
        """
        if self.hook is None or hooklogs.is_at_work(self._logs, self.hook):
            self._doubt = 0.0
            return
        last = self._logs.changed(self._logs.name(self.hook.log))
        self._doubt = self._doubt or (last if at_once else now)
        if now - self._doubt >= _DOUBT_S or not self._logs.lock.is_held():  # who may tell it yet
            self._leave_hook()

    def settle(self, now: float) -> None:
        """Say how phases stand of which the journal does not; `now` in epoch seconds."""
        is_new = not self._heard and not any(phase.begun for phase in self)  # its shell is to come
        # The lock tells, or silence: a copy has no lock, and whoever has resumed has let it go.
        silent = now - self._heard > _PAUSED_S
        if self._follows and not self.hook:  # one in doubt may yet tell
            self._is_cut |= self._logs.lock.is_left() or (silent and not self._logs.lock.is_held())
        self.goes_on = (self.goes_on or is_new) and self._logs.lock.is_held()
        for place, phase in enumerate(self):
            if phase.told:
                phase.begun = phase.begun or phase.told - (phase.duration_s or 0.0)
                continue
            later = list(self)[place + 1 :]
            over = any(other.begun > phase.begun for other in later)  # each needs those before it
            self._infer(phase, over, silent)
            if self._is_cut and phase.status in ("to come", "lost"):
                phase.status = "lost"
                break
        *_, last = self  # where the journal is not there
        if not (last.heard or self.ended) and last.status == "ok":
            self.complete = self.ended = not self._logs.lock.is_held()
        self.ended = self.ended or (
            self.complete and all(phase.status in ("ok", "skipped") for phase in self)
        )

    # -- within ----------------------------------------------------------------------------------

    def _infer(self, phase: PhaseState, over: bool, silent: bool) -> None:
        begun = phase.begun_hooks()
        bad = next((hook.status for hook in begun if hook.status in BAD), "")
        bad = "failed" if bad == "killed" else bad  # as the journal has it
        under_way = phase.heard and not over
        soon = under_way and bad != "lost" and not (silent or self._paused)
        at_work = bool(phase.begun) and any(hook is self.hook for hook in begun)
        # What comes of a phase that has just been at work will be told.
        if at_work or (soon and self._logs.lock.is_held()):
            phase.status, phase.duration_s = "running", None
            return
        if not phase.begun and not (over or self.complete):
            phase.status = "skipped" if self.ended else "to come"
            return
        is_lost = self._is_cut or self._logs.lock.is_left()
        phase.status = bad or ("ok" if not under_way else "lost" if is_lost else "unfinished")
        ends = [hook.begun + hook.duration_s for hook in begun if hook.duration_s is not None]
        ends += [self._heard] if under_way and not bad else []
        known = len(ends) >= len(begun) and ends and phase.begun
        phase.duration_s = max(0.0, max(ends) - phase.begun) if known else None
