"""The page: figures, advice, charts, tables, ends of logs; all of it inline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from stacknb.charts import phase_chart, slack_chart, timeline
from stacknb.charts.offline import Offline
from stacknb.charts.palette import ink
from stacknb.report.tables import table
from stacknb.report.tails import tails
from stacknb.text.screen import counted, seconds
from stacknb.text.signs import printable
from stacknb.timing.columns import cell
from stacknb.timing.recorded import RecordedRun

__all__ = ["page"]

_LIMIT = 1_000_000  # bytes of the file; below that …
_SIZES = (  # … tasks in the timeline, rows of a table, characters of logs, whatever fits first
    (400, 1000, 250_000), (250, 500, 150_000), (120, 200, 100_000), (60, 60, 30_000),
)  # fmt: skip
_FIGURES = {
    "elapsed_s": "from the first moment known to the last, without pauses",
    "paused_s": "the run stood still: it had stopped, and nobody had taken it up again",
    "work_s": "all work done, by the main script and by tasks",
    "main_work_s": "of it the main script, without waits",
    "task_work_s": "of it tasks",
    "busy_s": "when anything was at work",
    "waited_s": "the main script waited for tasks",
    "max_concurrency": "tasks at once, at the most",
    "mean_concurrency": "tasks at once on average, while any ran",
    "cpu_s": "CPU time used",
    "cpu_available_s": "CPU time there was: cores times elapsed",
    "contention_s": "at the most what tasks and hooks lost by sharing the cores",
    "real_speedup": "times faster than one after the other, contention taken off",
    "background_s": "DevStack's: durations of all collected tasks",
    "background_minus_waits_s": "DevStack's: time spent in the background minus waits",
    "serial_s": "DevStack's: time if we did everything serially",
    "speedup": "DevStack's: serial by elapsed",
}
_ROLES = re.compile(r' (?:role|aria-roledescription)="[^"]*"')


def page(run: RecordedRun) -> str:
    """Return a run as HTML: one page of less than 1 MB that needs no network.

    Where there is much of it, the timeline shows fewer tasks, each table its longest rows, and the
    ends of the logs those of what failed first; what is left out is counted.
    """
    text = ""
    for size in _SIZES:
        text = printable("".join(_parts(run, *size)))
        if len(text.encode()) < _LIMIT:
            break
    return text


def _parts(run: RecordedRun, lanes: int, rows: int, room: int) -> Iterator[str]:
    name = escape(Path(run.path).name)
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{name}: where the time went</title>\n<style>{_file('page.css')}</style></head>\n"
        f"<body><h1>{name}</h1>\n{_subtitle(run)}"
    )
    sections = ["advice", "figures", "charts", "critical-path", "tasks", "hooks", "phases"]
    sections += ["waits", "problems", "logs"]
    links = "".join(f'<a href="#{one}">{one.replace("-", " ")}</a>' for one in sections)
    yield f'<nav class="dim">{links}</nav>\n'
    yield _advice(run.advice())
    yield _figures(run.summary())
    yield '<h2 id="charts">Charts</h2>\n'
    yield from _charts(run, lanes)
    yield table("critical path", run.critical_path(), rows)
    for what in ("tasks", "hooks", "phases", "waits", "problems"):
        yield table(what, getattr(run, what), rows)
    log = run.path if run.records.kind == "stack.sh" else ""
    yield '<h2 id="logs">Ends of the logs</h2>\n'
    yield tails(run.tasks, run.hooks, room=room, stack_log=log)
    yield f'<div id="told"></div>\n<script>{_file("page.js")}</script></body></html>\n'


def _subtitle(run: RecordedRun) -> str:
    records = run.records
    if records.start is None:
        return "<p>Nothing in it has a time.</p>\n"
    state = "still going on" if run.going_on else "over"
    took = seconds(run.elapsed_s)
    took += f" without the {run.stood_still} it stood still" if run.stood_still else ""
    said = f"{run.start:%Y-%m-%d %H:%M:%S} UTC, {took}, {state}; "
    parts = {"phase": run.phases, "hook": run.hooks, "task": run.tasks}
    said += ", ".join(counted(len(frame), what) for what, frame in parts.items())
    bad = pd.concat([run.tasks["status"], run.hooks["status"]])
    counts = bad[~bad.isin(["ok", "running"])].value_counts()
    ends = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    warning = f'; <span class="bad">{escape(ends)}</span>' if ends else ""
    if records.bad_end:
        warning = f'; <span class="bad">{escape(records.bad_end)}</span>{warning}'
    doubts = int(run.problems["count"].sum())
    note = f'; <a href="#problems">{counted(doubts, "doubt")}</a>' if doubts else ""
    return f"<p>{escape(said)}{warning}{note}</p>\n<p class='dim'>{escape(run.path)}</p>\n"


def _advice(found: pd.DataFrame) -> str:
    items = "".join(
        f"<li>{escape(text)}</li>\n" for text in found["advice"].head(12)
    )  # the most useful come first
    more = f"<p class='dim'>and {len(found) - 12} more</p>" if len(found) > 12 else ""
    body = f"<ol>{items}</ol>{more}" if items else '<p class="dim">Nothing stands out.</p>'
    return f'<h2 id="advice">What to change</h2>\n{body}\n'


def _figures(summary: pd.Series) -> str:
    rows = "".join(
        f"<dt>{key}</dt><dd class='n'>{cell(float(summary[key])) or 'not known'}</dd>"
        f"<dd class='dim'>{text}</dd>\n"
        for key, text in _FIGURES.items()
    )
    return f'<h2 id="figures">Figures</h2>\n<dl>{rows}</dl>\n'


def _charts(run: RecordedRun, lanes: int) -> Iterator[str]:
    drawn: list[Any] = [timeline(run, most=lanes)]
    drawn += [phase_chart(run)] if len(run.phases) else []
    drawn += [slack_chart(run)] if run.tasks["hidden_s"].notna().any() else []
    for chart in drawn:
        yield f'<div class="wide">{_inline(chart)}</div>\n'


def _inline(chart: Offline) -> str:
    """Return a chart as part of the page: in the page's ink, which follows its theme."""
    svg = _ROLES.sub("", chart.to_svg()).replace(ink("both"), "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(chart.said())}" ', 1)


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")
