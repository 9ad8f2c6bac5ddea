"""The timeline of a run: a lane for the main script and for each task, and the load below."""

from __future__ import annotations

import json
from math import ceil
from pathlib import PurePath
from typing import Any, Literal

from stacknb.charts.importing import alt
from stacknb.charts.load import Step, concurrency, cores_used
from stacknb.charts.offline import ConcatChart, Rows
from stacknb.charts.palette import (
    CRITICAL,
    KINDS,
    STRIPES,
    WIDTH,
    Theme,
    config,
    ink,
    tooltip,
)
from stacknb.charts.rows import MAIN_LANE, Timeline
from stacknb.text.screen import counted, seconds
from stacknb.timing.recorded import RecordedRun

__all__ = ["timeline"]

Ruler = Literal["none", "grid", "labelled", "titled"]

_LABEL = 11  # px that a lane's name needs
_LOWEST, _HIGHEST = 3, 20  # px of a lane
_ROOM = 900  # px for all lanes, where that leaves them high enough
_LETTER = 5.4  # px
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000  # from these on it is told in them
_LOAD, _STRIP, _MAIN = 60, 14, 15  # px
_IN_MAIN = f"datum.lane == {json.dumps(MAIN_LANE)}"
_LEGEND = (
    "bands: phases · striped: waiting · thin line: over, not collected yet · "
    "orange line: the critical path"
)
_TOLD = {
    "name": "name", "command": "command", "phase": "phase", "hook": "hook", "status": "status",
    "begins": "from", "ends": "to", "lasts": "lasted", "waits": "waited for it",
    "uncollected": "uncollected for", "cpu": "CPU",
}  # fmt: skip
_TOLD_OF_PHASE = {
    "phase": "phase", "begins": "from", "lasts": "lasted", "works": "hooks at work",
    "waits": "waiting",
}  # fmt: skip


def timeline(run: RecordedRun, *, most: int = 600, theme: Theme = "both") -> alt.VConcatChart:
    """Draw who ran when.

    The first lane is the main script with its hooks, then one a task, in the order of their starts.
    Phases are bands, waits are striped (in both lanes), a thin line is a finished task that lay
    uncollected, and the orange line that steps from lane to lane is the critical path. Below: tasks
    at once and, where the logs hold CPU times, cores used. Point at anything to be told about it;
    drag to move, shift and the wheel to zoom.

    Parameters
    ----------
    run : Run
    most : int
        How many tasks are shown, at the most; of more those on the critical path, those that did
        not end well and the longest.
    theme : {"both", "light", "dark"}
        The page it is for; ``both`` is legible on white and on black.

    Examples
    --------
    >>> stacknb.charts.timeline(run).to_svg().startswith("<svg")
    True
    """
    rows = Timeline(run, most)
    begun = (run.records.start or 0) // 1000
    parts = [_names(rows, theme, begun), _lanes(rows, theme, begun)]
    loads: list[tuple[list[Step], str, str, int | None]] = [
        (concurrency(run.records), "tasks at once", KINDS["task ok"], None)
    ]
    if used := cores_used(run.records):
        loads.append((used, "cores used", KINDS["hook"], run.records.cores))
    parts += [_load(rows, *load, is_last=load is loads[-1]) for load in loads]
    return ConcatChart(
        vconcat=parts,
        spacing=6,
        title=_title(rows),
        description=_in_words(rows),
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(x="shared")),
        config=alt.Config(**config(theme)),
    )


def _lanes(rows: Timeline, theme: Theme, begun: int) -> alt.LayerChart:
    height = max(_LOWEST, min(_HIGHEST, _ROOM // len(rows.lanes)))
    lanes, labels = _padded(rows, height)
    axis = alt.Axis(values=labels, ticks=False, domain=False, labelLimit=180, grid=False)
    y = alt.Y("lane:N", title=None, scale=alt.Scale(domain=lanes), axis=axis)
    spans: dict[str, Any] = {"x": _time(rows), "x2": alt.X2("to"), "y": y}
    marks, thick = rows.rows(), max(2.0, height * 0.72)
    bodies = _bodies({row["kind"] for row in marks}, thick, min(1, height / 6), theme)
    # What they have in common is written once: it is most of the chart.
    every = (
        alt.LayerChart(layer=bodies)
        .transform_calculate(begins=_moment("from", begun), ends=_moment("to", begun))
        .transform_calculate(
            text="datum.name + (datum.status ? ', ' + datum.status : '') + ', ' + datum.lasts"
        )
        .encode(**spans, tooltip=tooltip(_TOLD), description="text:N")
    )
    below = min(height / 2 - 0.5, thick / 2 + 1)
    path = _path(rows, spans, below, max(1.2, min(2.5, height / 7)))
    layers = [_bands(rows, theme, begun, "labelled"), every, *path]
    return alt.LayerChart(layer=layers, width=WIDTH, height=alt.Step(height), data=Rows(marks))


def _bodies(kinds: set[str], thick: float, edge: float, theme: Theme) -> list[alt.Chart]:
    """Return what lies in the lanes: thin lines, bars, and the stripes of waits."""
    present = [kind for kind in KINDS if kind in kinds]
    scale = alt.Scale(domain=present, range=[KINDS[kind] for kind in present])
    legend = alt.Legend(orient="top", title=None, symbolType="square")
    fill = alt.Fill("kind:N", scale=scale, legend=legend)
    stroke = alt.Stroke("kind:N", scale=scale, legend=legend)  # so that nothing is too short to see
    uncollected = alt.Chart().transform_filter("datum.kind == 'uncollected'")
    bodies = [uncollected.mark_rule(color=ink(theme))]
    for those, size in ((_IN_MAIN, max(thick, _MAIN)), (f"!({_IN_MAIN})", thick)):
        bars, waits = _bars(those, size, edge)
        bodies += [bars.encode(fill, stroke), waits]
    return bodies


def _path(rows: Timeline, spans: dict[str, Any], below: float, width: float) -> list[alt.Chart]:
    """Return the critical path, which can be zoomed: a line in each lane, and from lane to lane."""
    segments, steps = rows.path_rows()
    look: dict[str, Any] = {"color": CRITICAL, "strokeWidth": width, "aria": False}
    line = _chart(segments).mark_rule(yOffset=below, **look).encode(**spans)
    step = _chart(steps).mark_rule(yOffset=below, y2Offset=below, **look)
    return [
        line.add_params(_zoom()),
        step.encode(_time(rows, "at"), spans["y"], alt.Y2("other")),
    ]


def _bars(those: str, size: float, edge: float) -> tuple[alt.Chart, alt.Chart]:
    """Return the bars in some lanes, and the stripes of the waits over them."""
    these = alt.Chart().transform_filter(those)
    bar = f"datum.kind != 'uncollected' && (datum.kind != 'wait' || {_IN_MAIN})"
    waits = these.transform_filter("datum.kind == 'wait' && datum.to > datum.from")
    return (
        these.transform_filter(bar).mark_bar(size=size, strokeWidth=edge),
        waits.mark_rule(strokeWidth=size, **STRIPES),
    )


def _names(rows: Timeline, theme: Theme, begun: int) -> alt.LayerChart:
    # A strip of its own: what can be zoomed is clipped to its frame.
    names = [
        {"at": (row["from"] + row["to"]) / 2, "label": label}
        for row in rows.phase_rows()
        if (label := _fitting(row["phase"], (row["to"] - row["from"]) / (rows.whole_ms or 1)))
    ]
    text = _chart(names).mark_text(fontSize=10, color=ink(theme), aria=False)
    at = _time(rows, "at", "none")
    layers = [
        _bands(rows, theme, begun, "none"),
        text.encode(at, alt.Text("label:N"), y=alt.value(_STRIP / 2)),
    ]
    return alt.LayerChart(layer=layers, width=WIDTH, height=_STRIP)


def _bands(rows: Timeline, theme: Theme, begun: int, axis: Ruler) -> alt.Chart:
    made: alt.Chart = (
        _chart(rows.phase_rows())
        .mark_rect(color=ink(theme), aria=False)
        .transform_calculate(begins=_moment("from", begun), ends=_moment("to", begun))
        .encode(
            _time(rows, axis=axis),
            alt.X2("to"),
            alt.Opacity("shade:Q", scale=None, legend=None),
            tooltip=tooltip(_TOLD_OF_PHASE),
        )
    )
    return made


def _load(
    rows: Timeline, steps: list[Step], title: str, colour: str, limit: int | None, *, is_last: bool
) -> alt.LayerChart:
    top = max([limit or 0, *(step["level"] for step in steps)])
    # Vega-Lite drops `tickMinStep`, and nobody runs half a task.
    whole = {"values": [*range(0, ceil(top) + 1, ceil(top / 3))]} if top >= 1 else {"tickCount": 3}
    y = alt.Y("level:Q", title=title, axis=alt.Axis(format="~r", **whole))
    layers = [
        _chart(steps)
        .mark_rect(color=colour, opacity=0.8, aria=False)
        .encode(
            _time(rows, axis="titled" if is_last else "grid"),
            alt.X2("to"),
            y,
            alt.Y2(datum=0),
            tooltip=[alt.Tooltip("level:Q", title=title)],
        )
    ]
    if limit is not None:
        line = _chart([{"level": limit}]).mark_rule(color=colour, strokeDash=[4, 3], aria=False)
        layers.append(line.encode(y))
    return alt.LayerChart(layer=layers, width=WIDTH, height=_LOAD)


def _chart(rows: Any) -> alt.Chart:
    return alt.Chart(Rows(rows))


def _time(rows: Timeline, field: str = "from", axis: Ruler = "labelled") -> alt.X:
    """Return the place in time, in the unit that the length of the run is told in."""
    whole = rows.whole_ms
    is_short, is_long = whole < _MINUTE_MS, whole >= _HOUR_MS
    look: dict[str, Any] = {"title": None, "tickCount": 10}
    if axis == "grid":
        look |= {"labels": False, "ticks": False}
    elif axis == "titled":
        unit = "seconds" if is_short else "hours" if is_long else "minutes"
        look["title"] = f"{unit} since the start"
    if is_short:
        ruler = alt.Axis(labelExpr="datum.value / 1000", **look)
        scale = alt.Scale(nice=False)
    else:
        ruler = alt.Axis(format="%-H:%M:%S" if is_long else "%-M:%S", **look)
        scale = alt.Scale(type="utc")
    if axis == "none":  # one chart tells the extent; all others share it
        scale.domain = [0, whole or 1]
    kind = "Q" if is_short else "T"
    return alt.X(f"{field}:{kind}", scale=scale, axis=None if axis == "none" else ruler)


def _moment(field: str, begun: int) -> str:
    return f"utcFormat({begun} + datum['{field}'], '%Y-%m-%d %H:%M:%S.%L UTC')"


def _zoom() -> alt.Parameter:
    # The wheel alone is to scroll the page, not the chart.
    return alt.selection_interval(
        name="time", bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]"
    )


def _padded(rows: Timeline, height: int) -> tuple[list[str], list[str]]:
    """Return the lanes, with room around that of the main script, and those that are named.

    All are, if there is room; else those that matter.
    """
    room = [" " * (number + 1) for number in range(2 * (_MAIN // 2 // height))]
    lanes = [*room[::2], MAIN_LANE, *room[1::2], *rows.tasks["lane"]]
    apart = -(-_LABEL // height)
    if apart == 1:
        return lanes, rows.lanes
    tasks = rows.tasks
    held = tasks["critical"].astype(float) * 1e12 + (tasks["stop"] - tasks["begin"])
    first = len(room) // 2
    taken = {first}
    for at in (-held).argsort(kind="stable"):
        place = len(room) + 1 + int(at)
        if not taken.intersection(range(place - apart + 1, place + apart)):
            taken.add(place)
    return lanes, [lanes[place] for place in sorted(taken)]


def _fitting(phase: str, share: float) -> str:
    """Return a phase's name, or the end of it, if it has room in its band; else nothing."""
    room = share * WIDTH / _LETTER
    return next((text for text in (phase, phase.rpartition(" ")[2]) if len(text) <= room), "")


def _title(rows: Timeline) -> alt.TitleParams:
    run = rows.run
    begun = "" if run.records.start is None else f"from {run.start:%Y-%m-%d %H:%M:%S} UTC"
    subtitle = [_counts(rows), _LEGEND]
    return alt.TitleParams(f"{seconds(run.elapsed_s)}, {begun}", subtitle=subtitle)


def _counts(rows: Timeline) -> str:
    shown = len(rows.tasks)
    if shown == rows.count:
        return counted(shown, "task")
    return f"{shown:,} of {rows.count:,} tasks: the longest, failed ones, the critical path"


def _in_words(rows: Timeline) -> str:
    path = rows.path.groupby("name", sort=False)["duration_s"].sum().sort_values(ascending=False)
    first = zip(path.index[:3].astype(str), path[:3], strict=True)
    longest = ", ".join(f"{name or MAIN_LANE} {seconds(s)}" for name, s in first)
    name, took = PurePath(rows.run.path).name, seconds(rows.run.elapsed_s)
    return f"Timeline of {name}: {took}, {_counts(rows)}; longest on the critical path: {longest}"
