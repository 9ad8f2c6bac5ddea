"""One run: its directory and its shell; phase by phase, hook by hook."""

from __future__ import annotations

import time

from stacknb import lifecycle
from stacknb.exceptions import Interrupted
from stacknb.lifecycle import Hook, Phase
from stacknb.places import BASH
from stacknb.results import HookResult, Result, RunResult
from stacknb.run import cells, closing, failures, opening
from stacknb.run.audience import Audience
from stacknb.run.course import Course
from stacknb.run.order import Order
from stacknb.run.roster import Agenda, Roster
from stacknb.run.sourcing import Sourcing, since
from stacknb.run.taskbook import TaskBook
from stacknb.rundir.journal import Event, RunDir
from stacknb.shell import Shell
from stacknb.shell.turns import Turn

__all__ = ["Run"]

_STOPS = (Interrupted, KeyboardInterrupt)


class Run:
    """One execution of a lifecycle.

    Parameters
    ----------
    mode : str
    order : Order
    folder : RunDir
    audience : Audience
    resumed : bool
        Go on from the snapshot in `folder`, after the phases its journal says are done.
    """

    def __init__(
        self, mode: str, order: Order, folder: RunDir, audience: Audience, resumed: bool = False
    ) -> None:
        self.mode = mode
        self.folder = folder
        self.result = RunResult(mode, folder.path)
        self.course = Course(mode, self.result.phases, lifecycle.phases_of(mode) if resumed else ())
        self._order = order
        self._audience = audience
        self._agenda: Agenda | None = None
        self._cells, self._goes_on, self._stood_still = 0, False, resumed
        done, self.result.complete = folder.past() if resumed else ({}, False)
        self.course.over = self.result.complete
        self.roster = Roster(order, self.note)
        setup = opening.setup(mode, order)
        self.shell = Shell(folder.path, folder.run, env=order.env, jobs=order.jobs, setup=setup)
        self.tasks = TaskBook(folder, self.shell, self.note, resumed)
        self.shell.recall = self.tasks.memory
        self._sourcing = Sourcing(folder, self.shell, self.emit, self._tick)
        try:
            if resumed:
                self.result.phases += done
                self.course.failed = self.course.next  # it may have begun
                self.shell.restore()
                self.roster.hear(self.shell.evaluate(""))
            else:
                self.emit("run-start", mode, top_dir=str(order.top_dir), run_dir=str(folder.path))
        except BaseException:
            self.shell.close()
            raise

    # -- the lifecycle -------------------------------------------------------------------------

    def check_turn(self, phase: Phase) -> None:
        """Refuse a phase that is out of order, unless it has to start a task that failed again."""
        ill = self.tasks.ill() if phase.label in self.result.phases else []
        lifecycle.check_order(phase, self.mode, self.result.phases, {task.phase for task in ill})

    @property
    def next_hook(self) -> Hook | None:
        """The hook that comes next in the phase under way; None between phases."""
        return self._agenda.left[0] if self._agenda is not None else None

    def run_phase(
        self, phase: Phase, *, one_hook: bool = False, trace: bool = False, goes_on: bool = False
    ) -> list[HookResult]:
        """Source the hooks of one phase, or what `one_hook` has left; the last one ends the run.

        Parameters
        ----------
        phase : Phase
        one_hook : bool
            Stop after the next hook.
        trace : bool
            Keep each command as it ran.
        goes_on : bool
            The next phase follows at once.

        Raises
        ------
        HookFailed
            If a hook ended the shell. The session goes on from its snapshot.
        Interrupted
            If the user stopped it.
        """
        self._stood_still |= bool(self.result.hooks) and not self._goes_on
        agenda = self._agenda if self._agenda is not None else self._enter(phase)
        before = len(agenda.results)
        try:
            self._goes_on = True  # hooks follow; after `one_hook` `settle` says that none does
            while agenda.left and not self.course.given_up:
                self._audience.check()
                result = self._source(agenda.left[0], trace)
                agenda.left.pop(0)
                agenda.results.append(result)
                self.result.hooks.append(result)
                self._follow_plugins(agenda)
                if one_hook:
                    break
        except BaseException as error:
            self._leave(agenda, ok=False, stopped=isinstance(error, _STOPS))
            raise
        if self.course.given_up or not agenda.left:
            ok = not agenda.left and all(result.ok for result in agenda.results)
            is_last = phase == self.course.last
            self._leave(agenda, ok, more=(goes_on or is_last) and not self.course.over)
            self.course.end(phase)
            self.finish()
        return agenda.results[before:]

    def _enter(self, phase: Phase) -> Agenda:
        agenda = Agenda(phase, time.time())
        try:
            self.roster.hear(self._have("_stacknb_enter_phase", phase.label))
            agenda.left, agenda.of_plugins = self.roster.hooks(phase)
            if self.course.has_begun(phase):
                self.tasks.cancel_earlier(phase.label)
                self._have("_stacknb_untell", phase.label)
            self._agenda = agenda
            self.course.begin(phase)
            self.emit("phase-start", phase.label, hooks=[hook.name for hook in agenda.left])
            if not self.result.phases:
                settings = self._order.settings
                if said := settings.left_out(self._order.top_dir):
                    self.note(said)
                for script, given in settings.scripts(self.folder.path):
                    self._sourcing.origins[str(script)] = str(given)
                    self._turn(Hook(phase, "localrc", script, (), settings=True))
                if said := opening.drop_negated(self.shell):
                    self.note(said)
                self.roster.check_dest(self.shell.variables)
                self._follow_plugins(agenda)
        except BaseException as error:  # or the next try would go on behind the settings
            self._leave(agenda, ok=False, stopped=isinstance(error, _STOPS))
            raise
        return agenda

    def _follow_plugins(self, agenda: Agenda) -> None:
        if self.roster.follow(agenda):
            self.emit("phase-hooks", agenda.phase.label, hooks=[hook.name for hook in agenda.left])

    def _leave(self, agenda: Agenda, ok: bool, stopped: bool = False, more: bool = False) -> None:
        self._agenda, self._goes_on, well = None, False, False
        try:
            self.settle()  # whoever resumes after a phase needs what it has left
            well = ok
        except KeyboardInterrupt:
            stopped = stopped or ok
            raise
        finally:
            left_off = self.course.given_up and not ok
            how = "interrupted" if stopped else "left off" if left_off else ""
            took = since(agenda.begun)
            self._goes_on = more and not stopped
            on = {"goes_on": True} if self._goes_on else {}
            self.emit("phase-end", agenda.phase.label, ok=well, duration_s=took, how=how, **on)

    def finish(self) -> None:
        """End a run with no phase left: collect what nobody waited for; keep the tables of times.

        Does nothing once that is done; what an interrupt has broken off is done again.
        """
        if self.course.over or self.course.next is not None:
            return
        if left := self.tasks.uncollected():
            at = self.course.failed or lifecycle.find_phase(self.result.phases[-1], self.mode)
            self._turn(Hook(at, lifecycle.CLEAN_UP, BASH / "cleanup.bash", ()))
            self.tasks.all()  # what it has collected
            self.result.tasks += [t.result for t in left if t.result is not None and not t.result]
        if self.mode == "stack":
            self.result.timing = closing.tables(self.shell)
            if self._stood_still:
                self.result.timing += closing.time_stood_still(self.folder)
            self.result.timed = bool(self.tasks.all()) or "=\n-" not in self.result.timing
        for said in closing.see_to_services(self.mode, self._order.top_dir, self.folder.path):
            self.note(said)
        self.result.complete, self.course.over = not self.course.given_up, True
        bad = [result.name for result in self.result.tasks]
        self.emit("run-end", self.mode, ok=self.result.ok, complete=self.result.complete, tasks=bad)
        self._sourcing.check_room()

    def evaluate(self, code: str) -> Result:
        """Run bash as a cell: at top level of the shell, without errexit.

        Raises
        ------
        HookFailed, Interrupted
            If it ended the shell; the session goes on from its snapshot.
        """
        self._cells, self._goes_on = self._cells + 1, True
        name = str(self._cells)
        cell = cells.write(self.folder.path, name, code)
        mode, _, sub = self.result.phases[-1].partition(" ") if self.result.phases else ("", "", "")
        before = self.roster.plugins
        done = self._turn(Hook(Phase(mode, sub), name, cell, (), kind="cell"))
        if new := [plugin for plugin in self.roster.plugins if plugin not in before]:
            self._have("_stacknb_keep_plugins", *(plugin.name for plugin in new))
            self.shell.save()
        return cells.result_of(code, done)

    def stop(self) -> None:
        """Say that the user has stopped the run, if it was between two phases: none tells it."""
        if self._goes_on and (phase := self.course.next) is not None:
            self._goes_on = False
            self.emit("phase-end", phase.label, ok=False, duration_s=0.0, how="interrupted")

    def settle(self) -> None:
        """Finish what is put off while hooks follow one another; nothing follows at once now."""
        self._sourcing.settle()
        if self._goes_on and not self.course.over:
            self.emit("pause", self.mode)
        self._goes_on = False

    def close(self) -> None:
        """End the shell with everything it started."""
        self.shell.close()
        self.tasks.close()
        self.folder.close()

    # -- events and notes --------------------------------------------------------------------------

    def emit(self, kind: str, name: str, **data: object) -> None:
        """Write an event to the journal and tell it."""
        event = Event(kind, time.time(), name, data)
        self.folder.write(event)
        self._audience.tell(event)

    def note(self, text: str) -> None:
        """Keep something the user should know, once."""
        if text not in self.result.notes:
            self.result.notes.append(text)
            self.emit("warning", text)

    # -- within ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._audience.stopping:  # it came just before the hook
            self.shell.interrupt()
        self._audience.tick()

    def _have(self, function: str, *words: str) -> Turn:
        return self.shell.evaluate(opening.between(function, *words))

    def _source(self, hook: Hook, trace: bool = False) -> HookResult:
        if hook.warning:
            self.note(f"{hook.name}: {hook.warning}")
        if hook.skipped:
            return HookResult(hook.phase.label, hook.name, "skipped", 0, 0.0, None)
        return self._turn(hook, trace)

    def _turn(self, hook: Hook, trace: bool = False) -> HookResult:
        result, turn = self._sourcing.source(hook, trace)
        self.roster.hear(turn)
        if result.ok and turn.outcome != "done":
            self.course.given_up = True
            self.note(f"{hook.name} {failures.GIVEN_UP}")
        if not result.ok:
            if hook.kind == "hook":
                self.result.hooks.append(result)
            raise failures.error_of(result, hook, self.tasks, self.folder.path)
        return result
