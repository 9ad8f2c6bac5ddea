"""A run as an engineer asks it: frames, figures, answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stacknb.devstack_log.calls import Calls, read_calls
from stacknb.exceptions import BadInput
from stacknb.timing.advice import advice, advice_frame
from stacknb.timing.chrome_trace import trace_events
from stacknb.timing.critical import Segment, critical_path, path_frame
from stacknb.timing.files import json_document, write_csv, write_parquet
from stacknb.timing.impact import impact_frame
from stacknb.timing.junit import junit_report
from stacknb.timing.loading import read
from stacknb.timing.profile import By, folded, profile
from stacknb.timing.program import Program, program
from stacknb.timing.recorded import RecordedRun
from stacknb.timing.whatif import Prediction, what_if

if TYPE_CHECKING:
    import altair as alt

__all__ = ["Run", "load"]


def load(path: str | os.PathLike[str], *, run: str | None = None, now: float | None = None) -> Run:
    """Read a run directory, a bare folder of its logs, one log, or a log of stack.sh.

    Parameters
    ----------
    path : path-like
        A stack.sh log may be plain or gzipped, complete, cut or growing; a run may go on or have
        crashed.
    run : str, optional
        Which run to take from a folder that holds logs of several.
    now : float, optional
        Epoch seconds that count as the present: what still runs ends there.

    Returns
    -------
    Run
        ``run.problems`` counts what could not be understood or believed.

    Raises
    ------
    LogError
        If it is none of these.

    Examples
    --------
    >>> stacknb.timing.load(run_dir).tasks["name"].tolist()
    ['stock']
    """
    return Run(read(path, run=run, now=now))


class Run(RecordedRun):
    """One recorded run and the questions it answers: made by `load`.

    Examples
    --------
    >>> run.phases["phase"].tolist()[:2]
    ['override_defaults', 'source']
    >>> run.tasks[["name", "status"]].to_dict("records")
    [{'name': 'stock', 'status': 'ok'}]
    >>> bool(abs(run.critical_path()["duration_s"].sum() - run.elapsed_s) < 1e-6)
    True
    >>> run.what_if(faster={"stock": 2.0}).saved_s >= 0
    True
    >>> run.impact()["name"].tolist()
    ['stock']
    >>> [path.name for path in (run.to_html("run.html"), run.to_trace("run.json"))]
    ['run.html', 'run.json']
    >>> run.timeline().said().startswith("Timeline of ")
    True
    """

    def critical_path(self) -> pd.DataFrame:
        """Return the chain of segments that set the elapsed time: shorten one to shorten the run.

        ``kind name phase start end duration_s share log``, in order, without gaps, from `start` to
        `end`. ``kind`` is ``hook`` or ``cell`` (at work), ``main`` (stack.sh itself), ``task``,
        ``wait`` (one whose task does not explain it: it timed out, or its start is not known),
        ``queued`` (a task that had been asked for and had to wait its turn), ``idle`` (between
        hooks), ``unknown``.
        """
        return path_frame(self.records, self._critical)

    def impact(self) -> pd.DataFrame:
        """Return what each task did to the run, most harmful first.

        ``name phase status duration_s blocked_s hidden_s slack_s critical_s shrink_s log``:
        ``blocked_s`` is how long waits for it held up the main shell, ``critical_s`` its part of
        the critical path, ``shrink_s`` by how much the run would be shorter if it took no time and
        all else as long as recorded.
        """
        program = self._program if self._critical else Program(0, 0)
        return impact_frame(self.records, self._collections, self._critical, program)

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
        """
        return what_if(
            self.records,
            self._program,
            faster=faster,
            start_after=start_after,
            wait_after=wait_after,
            as_task=as_task,
            cores=cores,
        )

    def advice(self) -> pd.DataFrame:
        """Return what to change, the most useful first: ``kind name phase hook gain_s advice``.

        ``kind`` is ``never waited for`` (a task), ``never started`` (a name waited for), ``wait
        later`` (a wait that holds up the run), ``make it a task`` (a hook at work in the
        foreground) or ``contention``. ``gain_s`` is how much shorter the replayed run is with the
        change, 0 where the advice is not about speed. ``advice`` says it in words. Only the
        longest waits and hooks are tried, and nothing that gains less than 1 % is told.
        """
        if self.records.start is None:
            return advice_frame([])
        return advice_frame(
            advice(self.records, self._program, self._collections, self._contention)
        )

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
        """
        return profile(self._calls, by)

    def folded(self) -> str:
        """Return the profile as folded stacks, ``file:function;… ms``, for flame graphs.

        Raises
        ------
        BadInput
            If this is no stack.sh log.
        """
        return folded(self._calls)

    # Pictures are faces: they know this module, not it them. That a run can be asked for them is a
    # promise to its users, so they are imported when asked for and not before
    # (tests/test_imports.py allows these imports and no others).

    def timeline(self, **options: Any) -> alt.VConcatChart:
        """Return a chart of who ran when; options as of `stacknb.charts.timeline`."""
        from stacknb import charts

        return charts.timeline(self, **options)

    def phase_chart(self, **options: Any) -> alt.LayerChart:
        """Return a chart of each phase's time; options as of `stacknb.charts.phase_chart`."""
        from stacknb import charts

        return charts.phase_chart(self, **options)

    def slack_chart(self, **options: Any) -> alt.LayerChart:
        """Return a chart of each task's time; options as of `stacknb.charts.slack_chart`."""
        from stacknb import charts

        return charts.slack_chart(self, **options)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a report that needs no network, less than 1 MB, and return the path.

        It holds the charts, what to change, the figures, all tables (the longest rows of each,
        where there are many) and the ends of the logs, failed ones first.
        """
        from stacknb import report

        file = Path(path)
        file.write_text(report.page(self), encoding="utf-8")
        return file

    def to_trace(self, path: str | os.PathLike[str]) -> Path:
        """Write the run as Chrome trace JSON, which Perfetto opens, and return the path."""
        file = Path(path)
        file.write_text(json.dumps(trace_events(self.records)), encoding="utf-8")
        return file

    def to_junit(self, path: str | os.PathLike[str]) -> Path:
        """Write a JUnit report, a suite a phase and a case a hook and task; return the path."""
        file = Path(path)
        file.write_bytes(junit_report(self.records))
        return file

    def to_csv(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``tasks.csv hooks.csv phases.csv waits.csv`` and return the paths."""
        return write_csv(self.frames, folder)

    def to_parquet(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``tasks.parquet`` and so on (needs pyarrow) and return the paths."""
        return write_parquet(self.frames, folder)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write source, summary and all frames as one JSON object and return the path."""
        file = Path(path)
        document = json_document(self.frames, self.summary(), self.path)
        file.write_text(json.dumps(document, indent=1), encoding="utf-8")
        return file

    @cached_property
    def _calls(self) -> Calls:
        if self.records.kind != "stack.sh":
            raise BadInput(
                f"{self.path!r} has no times in its output: profile() needs a log of stack.sh"
            )
        return read_calls(self.path)

    @cached_property
    def _critical(self) -> list[Segment]:
        return critical_path(self.records)

    @cached_property
    def _program(self) -> Program:
        return program(self.records)
