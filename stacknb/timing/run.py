"""A run as an engineer asks it: frames, figures, answers, pictures, files for other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacknb.devstack_log.calls import Calls, read_calls
from stacknb.exceptions import BadInput
from stacknb.timing.chrome_trace import trace_events
from stacknb.timing.files import json_document, write, write_csv, write_parquet
from stacknb.timing.junit import junit_report
from stacknb.timing.loading import read
from stacknb.timing.profile import By, folded, profile
from stacknb.timing.recorded import RecordedRun
from stacknb.timing.whatif import Prediction, changed, predicted

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

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
    >>> run.hooks["hook"].unique().tolist(), len(run.cells), run.waits["name"].tolist()
    (['10-shop.sh'], 0, ['stock'])
    >>> run.going_on, run.reported, len(run.problems), Path(run.path) == run_dir
    (False, {}, 0, True)
    >>> run.paused_s, run.stood_still
    (0.0, '')
    >>> bool((run.end - run.start).total_seconds() == round(run.elapsed_s, 6))
    True
    >>> sorted(run.frames)
    ['hooks', 'phases', 'tasks', 'waits']
    """

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

        All else takes as long as recorded; without changes the prediction is the record. What had
        to wait for a place (``--jobs``) still follows the task that left it one.

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
        >>> from stacknb.lessons import synthetic
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
        >>> from stacknb.lessons import synthetic
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

    # Pictures are faces: they know this module, not it them. That a run can be asked for them is a
    # promise to its users, so they are imported when asked for and not before
    # (tests/test_imports.py allows these imports and no others).

    def timeline(self, **options: Any) -> alt.VConcatChart:
        """Return a chart of who ran when; options as of `stacknb.charts.timeline`.

        Examples
        --------
        >>> run.timeline().said().startswith("Timeline of ")
        True
        """
        from stacknb import charts

        return charts.timeline(self, **options)

    def phase_chart(self, **options: Any) -> alt.LayerChart:
        """Return a chart of each phase's time; options as of `stacknb.charts.phase_chart`.

        Examples
        --------
        >>> run.phase_chart().save("phases.svg")
        """
        from stacknb import charts

        return charts.phase_chart(self, **options)

    def slack_chart(self, **options: Any) -> alt.LayerChart:
        """Return a chart of each task's time; options as of `stacknb.charts.slack_chart`.

        Examples
        --------
        >>> run.slack_chart().save("slack.svg")
        """
        from stacknb import charts

        return charts.slack_chart(self, **options)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a report that needs no network, less than 1 MB, and return the path.

        It holds the charts, what to change, the figures, all tables (the longest rows of each,
        where there are many) and the ends of the logs, failed ones first.

        Examples
        --------
        >>> run.to_html("report.html").name
        'report.html'
        """
        from stacknb import report

        return write(path, report.page(self))

    def to_trace(self, path: str | os.PathLike[str]) -> Path:
        """Write the run as Chrome trace JSON, which Perfetto opens, and return the path.

        Examples
        --------
        >>> run.to_trace("trace.json").name
        'trace.json'
        """
        return write(path, json.dumps(trace_events(self.records)))

    def to_junit(self, path: str | os.PathLike[str]) -> Path:
        """Write a JUnit report, a suite a phase and a case a hook and task; return the path.

        Examples
        --------
        >>> run.to_junit("junit.xml").name
        'junit.xml'
        """
        return write(path, junit_report(self.records))

    def to_csv(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``tasks.csv hooks.csv phases.csv waits.csv`` and return the paths.

        Examples
        --------
        >>> [path.name for path in run.to_csv("tables")]
        ['tasks.csv', 'hooks.csv', 'phases.csv', 'waits.csv']
        """
        return write_csv(self.frames, folder)

    def to_parquet(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``tasks.parquet`` and so on (needs pyarrow) and return the paths.

        Examples
        --------
        >>> [path.name for path in run.to_parquet("tables")][:2]
        ['tasks.parquet', 'hooks.parquet']
        """
        return write_parquet(self.frames, folder)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write source, summary and all frames as one JSON object and return the path.

        Examples
        --------
        >>> run.to_json("run.json").name
        'run.json'
        """
        document = json_document(self.frames, self.summary(), self.path)
        return write(path, json.dumps(document, indent=1))
