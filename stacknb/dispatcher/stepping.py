"""The calls of a stack that give its shell to hooks, or to bash of the user's own."""

from __future__ import annotations

from stacknb import lifecycle
from stacknb.dispatcher.session import Session
from stacknb.exceptions import BadInput
from stacknb.places import absolute
from stacknb.results import HookResult, Result, RunResult
from stacknb.run.run import Run

__all__ = ["Stepping"]


class Stepping(Session):
    """Run a mode, one phase of it, one step; evaluate bash."""

    def run(self, mode: str = "stack", until: str | None = None) -> RunResult:
        """Run every phase of a mode in order; goes on where `step` or `until` stopped.

        Parameters
        ----------
        mode : {'stack', 'unstack', 'clean'}
            ``clean`` performs a run of ``unstack`` first.
        until : str, optional
            The last phase to run.

        Returns
        -------
        RunResult

        Raises
        ------
        HookFailed
            If a hook ended the run; it can be mended and its phase run again.
        Interrupted
            If the user stopped it.

        Examples
        --------
        >>> stack.run(until="source").phases
        ['override_defaults', 'source']
        """
        last = lifecycle.find_phase(until, mode) if until is not None else None
        with self._at_work():
            run = self._begin_run(mode, anew=True)
            if last is not None and last.label in run.result.phases:
                following = run.course.next.label if run.course.next else "none"
                raise BadInput(f"phase {last.label!r} is done already; next is {following!r}")
            try:
                while (phase := run.course.next) is not None:
                    run.run_phase(phase, goes_on=phase != last)
                    if phase == last:
                        break
            except KeyboardInterrupt:
                run.stop()
                raise
            run.finish()
            return run.result

    def run_phase(self, phase: str, mode: str = "stack") -> list[HookResult]:
        """Run one phase; the last one may be run again.

        Parameters
        ----------
        phase : str
            As `plan` has it, or without its mode: ``install``.
        mode : str
            Of the run that it is of: ``stack``, ``unstack`` or ``clean``.

        Raises
        ------
        BadInput
            If there is no such phase, or it is out of order: says what to run first.
        HookFailed, Interrupted
            As `run`.

        Examples
        --------
        >>> [hook.status for hook in stack.run_phase("override_defaults")]
        ['ok']
        """
        wanted = lifecycle.find_phase(phase, mode)
        with self._at_work():
            if self._run is not None and self._run.mode == mode:
                self._run.check_turn(wanted)
            else:
                lifecycle.check_order(wanted, mode, ())
            return self._begin_run(mode).run_phase(wanted)

    def step(
        self, mode: str = "stack", *, hook: bool = False, trace: bool = False
    ) -> list[HookResult]:
        """Run the next phase (or again the one that failed), or only its next hook.

        Parameters
        ----------
        mode : {'stack', 'unstack', 'clean'}
        hook : bool
            Stop after one hook.
        trace : bool
            Keep each command as it ran and what it took, see `trace`.

        Raises
        ------
        BadInput
            If every phase is done.
        HookFailed, Interrupted
            As `run`.

        Examples
        --------
        >>> [hook.name for hook in stack.step(hook=True)]
        ['10-shop.sh']
        """
        with self._at_work():
            if self._run is not None and self._run.mode == mode and self._run.result.complete:
                raise BadInput(f"every phase of {mode!r} is done; %stack reset begins anew")
            run = self._begin_run(mode)
            phase = run.course.next
            if phase is None and not run.course.over:
                run.finish()
                return []
            if phase is None:
                raise BadInput(f"the run of {mode!r} has ended; %stack reset begins anew")
            results = run.run_phase(phase, one_hook=hook, trace=trace)
            while hook and not results and (phase := run.course.next) is not None:
                results = run.run_phase(phase, one_hook=hook, trace=trace)
            return results

    def evaluate(self, code: str) -> Result:
        """Run bash in the stack's shell, at its top level and without errexit.

        Parameters
        ----------
        code : str
            One command, or many lines.

        Raises
        ------
        HookFailed
            If it ended the shell; the session goes on from the snapshot.
        Interrupted
            If the user stopped it.

        Examples
        --------
        >>> stack.evaluate("echo $((6 * 7))").tail()
        '42'
        """
        with self._at_work():
            return self._begin(self._mode).evaluate(code)

    def _begin_run(self, mode: str, anew: bool = False) -> Run:
        """Return the run under way or a new one; before one of clean goes one of unstack."""
        if mode != "clean" or self._under_way(mode, anew) is not None:
            return self._begin(mode, anew)
        before = self._unstack_first()
        run = self._begin(mode, anew, before=before.run_dir)
        run.result.hooks[:0] = before.hooks
        run.result.tasks[:0] = before.tasks
        return run

    def _unstack_first(self) -> RunResult:
        """Perform the run that goes before one of clean, whose directory stays free for that."""
        given = self._run_dir
        if given is not None:
            self._run_dir = f"{absolute(given)}-unstack"
        try:
            return self.run("unstack")
        finally:
            self._run_dir = given
