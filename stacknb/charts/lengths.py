"""Charts of lengths: what each phase was spent on, and what became of each task's time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import PurePath
from typing import Any

import pandas as pd

from stacknb.charts.importing import alt
from stacknb.charts.offline import LayerChart, Rows
from stacknb.charts.palette import (
    HOOK,
    KINDS,
    MAIN,
    STATUS,
    STRIPES,
    WIDTH,
    Theme,
    config,
    ink,
    tooltip,
)
from stacknb.charts.rows import records_of, told_apart
from stacknb.text.screen import counted, seconds
from stacknb.timing.recorded import RecordedRun

__all__ = ["phase_chart", "slack_chart"]

_BAR = 18  # px
_TICKS = 8
_MINUTES = 60  # from here on lengths are told in them
_STEPS = (15, 30, 60, 120, 300, 600, 1800, 3600)  # seconds between two ticks
_WAIT = "waiting"
Part = tuple[str, str, str]  # column, what it is called, colour

_OF_PHASE: tuple[Part, ...] = (
    ("work_s", "hooks at work", HOOK),
    ("wait_s", _WAIT, KINDS["wait"]),
    ("unaccounted_s", "unaccounted", "#DDCC77"),
    ("after_work_s", "main script, before the next phase", MAIN),
    ("after_wait_s", _WAIT, KINDS["wait"]),
)
_OF_TASK: tuple[Part, ...] = (
    ("hidden_s", "behind other work", STATUS["ok"]),
    ("blocked_s", _WAIT, KINDS["wait"]),
    ("slack_s", "over, not collected yet", "#66CCEE"),
)
_TOLD = {"name": "name", "part": "part", "lasts": "lasted", "whole": "in all",
         "tasks": "waited for"}  # fmt: skip


def phase_chart(run: RecordedRun, *, theme: Theme = "both") -> alt.LayerChart:
    """Draw what the time of each phase was spent on.

    Hooks at work, waits for tasks (striped) and what lies between hooks; behind them, where the run
    is of stack.sh, the main script's work and waits until the next phase begins.

    Parameters
    ----------
    run : Run
    theme : {"both", "light", "dark"}
        The page it is for; ``both`` is legible on white and on black.

    Examples
    --------
    >>> stacknb.charts.phase_chart(run).to_svg().startswith("<svg")
    True
    """
    phases = run.phases
    phases = phases.assign(after_work_s=phases["after_s"] - phases["after_wait_s"])
    total = phases[["duration_s", "after_s"]].sum().sum()
    said = f"Phases of {PurePath(run.path).name}: {len(phases)}, {seconds(float(total))} in all"
    return _bars(phases, phases["phase"], _OF_PHASE, theme, "Where the phases' time went", [], said)


def slack_chart(run: RecordedRun, *, most: int = 40, theme: Theme = "both") -> alt.LayerChart:
    """Draw what became of each task's time: hidden behind other work, waited for, uncollected.

    Long stripes are waits that held up the run; long light bars are results that lay there.

    Parameters
    ----------
    run : Run
    most : int
        How many tasks are shown, at the most: those that were waited for longest, or lay longest.
    theme : {"both", "light", "dark"}
        The page it is for; ``both`` is legible on white and on black.

    Examples
    --------
    >>> stacknb.charts.slack_chart(run).to_svg().startswith("<svg")
    True
    """
    tasks = run.tasks
    tasks = tasks.assign(blocked_s=tasks["duration_s"] - tasks["hidden_s"])
    known = tasks[tasks["hidden_s"].notna()]
    rank = known["blocked_s"] + known["slack_s"].fillna(0)
    shown = known.loc[rank.sort_values(ascending=False, kind="stable").index[:most]]
    names, _ = told_apart(tasks)
    some = "" if len(shown) == len(tasks) else f"{len(shown):,} of "
    subtitle = [f"{some}{counted(len(tasks), 'task')}, longest waits and longest slack first"]
    said = f"Tasks of {PurePath(run.path).name}: {subtitle[0]}"
    title = "What became of each task's time"
    return _bars(shown, names.loc[shown.index], _OF_TASK, theme, title, subtitle, said)


def _bars(
    frame: pd.DataFrame,
    names: pd.Series,
    parts: tuple[Part, ...],
    theme: Theme,
    title: str,
    subtitle: list[str],
    said: str,
) -> alt.LayerChart:
    rows = [
        row
        for name, said_of in zip(names, records_of(frame), strict=True)
        for row in _stacked(name, said_of, parts)
    ]
    axis = alt.Axis(ticks=False, domain=False, labelLimit=220)
    spans = alt.Chart().encode(
        alt.X("from:Q", **_ruler(rows)),
        alt.X2("to"),
        alt.Y("name:N", title=None, sort=None, axis=axis),
        tooltip=tooltip(_TOLD),
        description="text:N",
    )
    stripes = spans.transform_filter(f"datum.part == '{_WAIT}'").mark_rule(
        strokeWidth=_BAR * 0.75, **STRIPES
    )
    total = alt.Chart().mark_text(align="left", dx=4, color=ink(theme), aria=False)
    layers = [
        spans.mark_bar(size=_BAR * 0.75).encode(_colour(parts, rows)),
        stripes,
        total.transform_filter("datum.last").encode(
            alt.X("to:Q"), alt.Y("name:N", sort=None), alt.Text("whole:N")
        ),
    ]
    return LayerChart(
        layer=layers,
        data=Rows(rows),
        width=WIDTH - 60,
        height=alt.Step(_BAR),
        title=alt.TitleParams(title, subtitle=subtitle),
        description=said,
        config=alt.Config(**config(theme)),
    )


def _colour(parts: Iterable[Part], rows: list[Mapping[str, Any]]) -> alt.Color:
    """Return the colours of the parts that there are."""
    present = {part[1]: part[2] for part in parts if any(row["part"] == part[1] for row in rows)}
    # A legend of nothing has no size, and then neither has the picture.
    legend = alt.Legend(orient="top", title=None, symbolType="square", columns=0) if rows else None
    scale = alt.Scale(domain=[*present], range=[*present.values()])
    return alt.Color("part:N", scale=scale, legend=legend)


def _ruler(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the look of the axis: seconds, or minutes where the bars' lengths are told in them."""
    longest = max((row["to"] for row in rows), default=0.0)
    scale = alt.Scale(nice=False)
    if longest < _MINUTES:
        return {"title": "seconds", "scale": scale, "axis": alt.Axis(tickCount=_TICKS)}
    step = next((s for s in _STEPS if longest <= s * _TICKS), 60 * ceil(longest / 60 / _TICKS))
    clock = "floor(datum.value / 60) + ':' + format(datum.value % 60, '02d')"
    axis = alt.Axis(values=[*range(0, int(longest) + 1, step)], labelExpr=clock)
    return {"title": "minutes", "scale": scale, "axis": axis}


def _stacked(
    name: str, said: Mapping[str, Any], parts: Iterable[Part]
) -> Iterable[Mapping[str, Any]]:
    """Return the parts of one bar, one behind the other."""
    lengths = [(text, said[column]) for column, text, _ in parts if said[column] > 0]
    whole = seconds(sum(length for _, length in lengths))
    at, rows = 0.0, []
    for text, length in lengths or [("nothing", 0.0)]:
        row = {"name": name, "part": text, "from": round(at, 6), "to": round(at + length, 6)}
        row |= {"lasts": seconds(length), "whole": whole, "text": f"{name}, {text}, {whole}"}
        if text == _WAIT and said.get("waited_for"):
            row["tasks"] = said["waited_for"]
        rows.append(row)
        at += length
    rows[-1]["last"] = True
    return rows
