"""The questions that a recorded run answers about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import pandas as pd

from stacknb.devstack_log.calls import Calls, read_calls
from stacknb.exceptions import BadInput
from stacknb.timing.advice import advice, advice_frame
from stacknb.timing.critical import Segment, critical_path, path_frame
from stacknb.timing.impact import impact_frame
from stacknb.timing.profile import By, folded, profile
from stacknb.timing.program import Program, program
from stacknb.timing.recorded import RecordedRun
from stacknb.timing.whatif import Prediction, changed, predicted

__all__ = ["Questions"]


class Questions(RecordedRun):
    """A recorded run that says what held it up: all that pictures read. `Run` adds these."""

    def critical_path(self) -> pd.DataFrame:
        """Return the chain of segments that set the elapsed time: shorten one to shorten the run.

        ``kind name phase start end duration_s share log``, in order, without gaps, from `start` to
        `end`, but for those in which the run stood still. ``kind`` is ``hook`` or ``cell`` (at
        work), ``main`` (stack.sh itself), ``task``, ``wait`` (one whose task does not explain it:
        it timed out, or its start is not known), ``queued`` (a task that had been asked for and had
        to wait its turn), ``idle`` (between hooks), ``unknown``.

        Examples
        --------
        >>> path = run.critical_path()
        >>> bool(abs(path["duration_s"].sum() - run.elapsed_s) < 1e-6)
        True
        """
        return path_frame(self._watch, self._critical)

    def impact(self) -> pd.DataFrame:
        """Return what each task did to the run, most harmful first.

        ``name phase status duration_s blocked_s hidden_s slack_s critical_s shrink_s log``:
        ``blocked_s`` is how long waits for it held up the main shell, ``critical_s`` its part of
        the critical path, ``shrink_s`` by how much the run would be shorter if it took no time and
        all else as long as recorded.

        Examples
        --------
        >>> run.impact()["name"].tolist()
        ['stock']
        """
        program = self._program if self._critical else Program(0, 0)
        return impact_frame(self._timed, self._collections, self._critical, program)

    def what_if(
        self,
        *,
        faster: Mapping[str, float] | None = None,
        start_after: Mapping[str, str] | None = None,
        wait_after: Mapping[str, str] | None = None,
        as_task: Mapping[str, str | None] | Iterable[str] | None = None,
        cores: int | None = None,
    ) -> Prediction:
        """Predict the elapsed time of the run with changes, by replaying the recorded one.

        All else takes as long as recorded; without changes the prediction is the record.

        Parameters
        ----------
        faster : mapping of str to float
            Tasks or hooks and how many times faster they are (``"db #2"`` is the second task
            of the name ``db`` alone); ``math.inf`` for no time at all.
        start_after : mapping of str to str
            Tasks and the place after which each is started.
        wait_after : mapping of str to str
            Tasks and the place after which each is waited for. A place is a hook
            (``"50-api.sh"``, or ``"stack install/50-api.sh"`` where it ran in several phases), a
            phase, ``"start"`` or ``"end"``.
        as_task : mapping of str to str, or names
            Hooks to be run as background tasks, and the place after which each is collected; None:
            at the end of its phase.
        cores : int
            Number of cores. Tasks are slowed down where they want more together than there is, and
            sped up where they had too few; this part is a model, see `elapsed_with_cores`.

        Returns
        -------
        Prediction
            The elapsed time in seconds, a float that also has ``recorded_s`` and ``saved_s``.

        Raises
        ------
        BadInput
            If a name is unknown or ambiguous, or the logs lack what ``cores`` needs.

        Examples
        --------
        >>> run.what_if(faster={"stock": 2}) <= run.elapsed_s
        True
        """
        new = changed(
            self._timed, self._program, faster=faster, start_after=start_after,
            wait_after=wait_after, as_task=as_task,
        )  # fmt: skip
        return predicted(self._timed, self._program, new, cores)

    def advice(self) -> pd.DataFrame:
        """Return what to change, the most useful first: ``kind name phase hook gain_s advice``.

        ``kind`` is ``never waited for`` (a task), ``never started`` (a name waited for), ``wait
        later`` (a wait that holds up the run), ``make it a task`` (a hook at work in the
        foreground) or ``contention``. ``gain_s`` is how much shorter the replayed run is with the
        change, 0 where the advice is not about speed. ``advice`` says it in words. Only the
        longest waits and hooks are tried, and nothing that gains less than 1 % is told.

        Examples
        --------
        >>> run.advice().columns.tolist()
        ['kind', 'name', 'phase', 'hook', 'gain_s', 'advice']
        """
        if self.records.start is None:
            return advice_frame([])
        return advice_frame(advice(self._timed, self._program, self._collections, self._contention))

    def profile(self, by: By = "line") -> pd.DataFrame:
        """Return where the main shell's time went, from the xtrace of a stack.sh log.

        Parameters
        ----------
        by : {"line", "function", "file"}

        Returns
        -------
        DataFrame
            ``file function line count self_s cumulative_s`` (as far as `by` goes), longest self
            time first. ``self_s`` is the time of the commands of that line, until the next trace
            line; over all rows it adds up to the time from the first trace line to the last
            moment. ``cumulative_s`` includes the functions called from it. Waiting for a task
            counts for the line that waits. Lines of a trace that names no file are one row without
            a name.

        Raises
        ------
        BadInput
            If this is no stack.sh log: the output of hooks has no times.

        Examples
        --------
        >>> from stacknb.timing import synthetic
        >>> log = synthetic.write_devstack_log("stack.sh.log", lines=2000)
        >>> stacknb.timing.load("stack.sh.log").profile("file").columns.tolist()
        ['file', 'count', 'self_s', 'cumulative_s']
        """
        return profile(self._calls, by)

    def folded(self) -> str:
        """Return the profile as folded stacks, ``file:function;… ms``, for flame graphs.

        Raises
        ------
        BadInput
            If this is no stack.sh log.

        Examples
        --------
        >>> from stacknb.timing import synthetic
        >>> log = synthetic.write_devstack_log("stack.sh.log", lines=2000)
        >>> ";" in stacknb.timing.load("stack.sh.log").folded()
        True
        """
        return folded(self._calls)

    @cached_property
    def _calls(self) -> Calls:
        if self.records.kind != "stack.sh":
            raise BadInput(
                f"{self.path!r} has no times in its output: profile() needs a log of stack.sh"
            )
        return read_calls(self.path)

    @cached_property
    def _critical(self) -> list[Segment]:
        return critical_path(self._timed)

    @cached_property
    def _program(self) -> Program:
        return program(self._timed)
