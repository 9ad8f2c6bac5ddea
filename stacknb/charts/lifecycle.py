"""The picture of a lifecycle: which hook runs in which phase, where tasks start and are waited for.

Before a run it is drawn from the plan and from what the hooks' texts say; after one, from its logs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stacknb.charts.importing import alt
from stacknb.charts.lifecycle_rows import Cell, Picture, Task, picture
from stacknb.charts.offline import LayerChart, Rows
from stacknb.charts.palette import config, ink, spoken, tooltip
from stacknb.plugins import Plugin
from stacknb.text.signs import clipped
from stacknb.text.signs import shown as fit

__all__ = ["lifecycle_chart"]

_STATES = {
    "has work here": "#66CCEE", "falls through": "#E3E3E3", "ok": "#7CC38A",
    "ok, nothing to do": "#D5EAD9", "failed": "#EE6677", "interrupted": "#CCBB44",
    "running": "#4477AA", "skipped": "#BBBBBB",
}  # fmt: skip
_TASK = "#AA3377"
_TOLD = {
    name: name
    for name in ("hook", "arguments", "path", "state", "took", "starts", "waits for", "warning")
}
_COLUMN, _ROW, _HIGHEST = 70, 44, 120  # px; nine columns fit beside a file browser
_OF_TASK = 30  # px of a row for each further task, so that the names do not touch
_HALO: dict[str, Any] = {
    "stroke": "white",
    "strokeWidth": 3,
    "strokeOpacity": 0.75,
    "strokeJoin": "round",
}
_LETTERS = 13  # of a task's name, in a column
_NAMES = 5  # in one cell, at the most
_HEAD = 1.9  # rows above the first hook, for the names of modes and phases


def lifecycle_chart(
    top_dir: Path,
    plugins: Sequence[Plugin] = (),
    *,
    cells: Path | None = None,
    run_dir: Path | None = None,
) -> LayerChart:
    """Draw the lifecycle of a tree.

    Parameters
    ----------
    top_dir : Path
    plugins : sequence of Plugin
    cells : Path, optional
        A folder of hooks that a notebook's cells hold.
    run_dir : Path, optional
        A run whose outcome colours its phases, and whose tasks are drawn as they were.

    Raises
    ------
    BadInput
        If there is no hook to draw.

    Examples
    --------
    >>> lifecycle_chart(stack.top_dir).to_svg().startswith("<svg")
    True
    """
    return _chart(top_dir, picture(top_dir, plugins, cells, run_dir))


def _chart(top_dir: Path, shown: Picture) -> LayerChart:
    columns, rows, cells = shown.columns, shown.rows, shown.cells
    left, right = -1.65, len(columns)
    across = alt.Scale(domain=[left, right], nice=False)
    high = min(_HIGHEST, max(_ROW, _OF_TASK * (shown.crowd - 1)))
    top = _HEAD * _ROW
    bottom = top + high * len(rows)
    down = alt.Scale(domain=[-_HEAD, 0, len(rows)], range=[0, top, bottom], nice=False)

    def at(x: str = "x", y: str = "y") -> dict[str, Any]:
        return {"x": alt.X(f"{x}:Q", scale=across, axis=None),
                "y": alt.Y(f"{y}:Q", scale=down, axis=None)}  # fmt: skip

    boxes = alt.Chart(Rows(map(_box, cells)))
    layers = [
        alt.Chart(Rows(_heads(columns))).mark_rule(color=ink("both")).encode(**at(), x2="x2:Q"),
        boxes.mark_rect(cornerRadius=3).encode(
            **at(), x2="x2:Q", y2="y2:Q", fill=_fill(cells), **_telling(_TOLD)
        ),
        *_arrows(shown.tasks, at()),
        boxes.mark_text(fontSize=9, color="#333333", baseline="middle", aria=False).encode(
            **at("middle", "centre"), text="label:N"
        ),
    ]
    for which in ("mode", "phase", "row"):
        words = _mark(alt.Chart(Rows(_words(columns, rows, which))), which)
        layers.append(words.encode(**at(), text="text:N"))
    subtitle = (
        "circle: a task starts, diamond: it is waited for; "
        "unstack and clean begin with override_defaults and source, too"
    )
    return LayerChart(
        layer=layers,
        width=_COLUMN * (right - left),
        height=bottom,
        title=alt.TitleParams(f"hooks of {fit(top_dir.name)}", subtitle=subtitle, fontSize=13),
        description=_in_words(shown),
        config=alt.Config(**config("both")),
    )


def _fill(cells: list[Cell]) -> alt.Fill:
    states = [state for state in _STATES if any(cell.state == state for cell in cells)]
    return alt.Fill(
        "state:N",
        legend=alt.Legend(orient="bottom", title=None),
        scale=alt.Scale(domain=states, range=[_STATES[state] for state in states]),
    )


def _box(cell: Cell) -> dict[str, Any]:
    arguments = " ".join(cell.hook.args) or "(none)"
    told = arguments == cell.hook.phase.label  # by the heads of the columns
    return {
        "x": cell.column + 0.04, "x2": cell.column + 0.96, "y": cell.row + 0.08,
        "y2": cell.row + 0.92, "middle": cell.column + 0.5, "centre": cell.row + 0.22,
        "hook": fit(cell.hook.name), "arguments": arguments,
        "path": fit(cell.hook.path), "state": cell.state, "took": cell.took,
        "starts": ", ".join(cell.said.starts), "waits for": ", ".join(cell.said.waits),
        "warning": fit(cell.hook.warning), "label": cell.took or ("" if told else arguments),
    }  # fmt: skip


def _telling(told: dict[str, str]) -> dict[str, Any]:
    return {"tooltip": tooltip(told), "description": spoken(told)}


def _arrows(tasks: list[Task], at: dict[str, Any]) -> list[alt.Chart]:
    lines = [task for task in tasks if "x2" in task]
    ends = [{**task, "x": task["x2"], "y": task["y2"]} for task in lines]
    telling = _telling({"task": "task", "told": "state"})
    made = []
    if lines:
        rules = alt.Chart(Rows(lines)).mark_rule(color=_TASK, strokeWidth=1.3, opacity=0.75)
        made.append(rules.encode(**at, x2="x2:Q", y2="y2:Q", **telling))
    if tasks:
        starts = alt.Chart(Rows(_named(tasks)))
        circles = starts.mark_point(shape="circle", filled=True, color=_TASK, size=45)
        made.append(circles.encode(**at, **telling))
        for halo in (_HALO, {}):  # they lie over cells, and over the page between them
            names = starts.mark_text(
                align="left", dx=6, dy=-4, fontSize=9, color=_TASK, aria=False, **halo
            )
            made.append(names.encode(**at, text="label:N"))
    if ends:
        waits = alt.Chart(Rows(ends)).mark_point(shape="diamond", filled=True, color=_TASK, size=45)
        made.append(waits.encode(**at, **telling))
    return made


def _named(tasks: list[Task]) -> Iterator[Task]:
    """Shorten names that would run into those of the next phase; the tooltip has them whole.

    Where names would lie one upon the other, the first tells how many tasks there are.
    """
    begun = Counter((int(task["x"]), int(task["y"])) for task in tasks)
    told: set[tuple[int, int]] = set()
    for task in tasks:
        column, row = cell = (int(task["x"]), int(task["y"]))
        name = task["task"]
        if begun[cell] > _NAMES:
            name = "" if cell in told else f"{begun[cell]} tasks"
        elif (column + 1, row) in begun:
            name = clipped(name, _LETTERS)
        told.add(cell)
        yield task | {"label": name}


def _heads(columns: list[str]) -> list[dict[str, float]]:
    first = columns.index("stack pre-install")
    last = max(place for place, label in enumerate(columns) if label.startswith("stack "))
    return [{"x": first + 0.04, "x2": last + 0.96, "y": -1.0}]


def _mark(words: alt.Chart, which: str) -> alt.Chart:
    marked: alt.Chart = words.mark_text(
        fontSize=11 if which == "mode" else 10,
        fontWeight="bold" if which == "mode" else "normal",
        align="right" if which == "row" else "center",
        color=ink("both"),
        limit=_COLUMN * 1.6,
        lineBreak="\n",
    )
    return marked


def _words(columns: list[str], rows: dict[str, int], which: str) -> list[dict[str, Any]]:
    if which == "row":
        return [{"x": -0.06, "y": place + 0.5, "text": fit(row)} for row, place in rows.items()]
    subs = [place for place, label in enumerate(columns) if " " in label]
    if which == "phase":
        return [{"x": p + 0.5, "y": -0.45, "text": columns[p].partition(" ")[2]} for p in subs]
    middle = (subs[0] + subs[-1] + 1) / 2
    broken = [label.replace("_", "_\n") for label in columns]
    modes = [(place + 0.5, label) for place, label in enumerate(broken) if " " not in label]
    return [{"x": x, "y": -1.4, "text": label} for x, label in [*modes, (middle, "stack")]]


def _in_words(shown: Picture) -> str:
    lines = []
    for place, label in enumerate(shown.columns):
        here = [cell for cell in shown.cells if cell.column == place]
        told = [f"{fit(c.hook.name)} ({c.state}{', ' + c.took if c.took else ''})" for c in here]
        lines.append(f"{label}: {', '.join(told) or 'no hooks'}")
    names = ", ".join(f"{task['task']} ({task['told']})" for task in shown.tasks)
    return "\n".join([*lines, f"tasks: {names or 'none'}"])
