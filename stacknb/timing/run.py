"""A run as an engineer asks it: frames, figures, answers, pictures, files for other tools."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacknb.timing.chrome_trace import trace_events
from stacknb.timing.files import json_document, write_csv, write_parquet
from stacknb.timing.junit import junit_report
from stacknb.timing.loading import read
from stacknb.timing.questions import Questions

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


class Run(Questions):
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

        file = Path(path)
        file.write_text(report.page(self), encoding="utf-8")
        return file

    def to_trace(self, path: str | os.PathLike[str]) -> Path:
        """Write the run as Chrome trace JSON, which Perfetto opens, and return the path.

        Examples
        --------
        >>> run.to_trace("trace.json").name
        'trace.json'
        """
        file = Path(path)
        file.write_text(json.dumps(trace_events(self.records)), encoding="utf-8")
        return file

    def to_junit(self, path: str | os.PathLike[str]) -> Path:
        """Write a JUnit report, a suite a phase and a case a hook and task; return the path.

        Examples
        --------
        >>> run.to_junit("junit.xml").name
        'junit.xml'
        """
        file = Path(path)
        file.write_bytes(junit_report(self.records))
        return file

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
        file = Path(path)
        document = json_document(self.frames, self.summary(), self.path)
        file.write_text(json.dumps(document, indent=1), encoding="utf-8")
        return file
