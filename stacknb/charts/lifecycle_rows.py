"""What the picture of a lifecycle shows: a cell for each hook and phase, an arrow for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacknb import lifecycle, status
from stacknb.exceptions import BadInput, LogError
from stacknb.hooks.outline import Outline, outline
from stacknb.lifecycle import Hook
from stacknb.plugins import FILES, Plugin
from stacknb.rundir.journal import RunDir
from stacknb.text.screen import seconds

__all__ = ["Cell", "Picture", "picture"]

_LINE = 0.69  # of a row: where a task leaves it, below the cell's text …
_APART, _ROOM = 0.28, 0.4  # … how far two of them are apart, and all of them together


@dataclass
class Cell:
    """A hook in a phase: its place, what its text says, what came of it."""

    column: int
    row: int
    hook: Hook
    said: Outline
    state: str
    took: str = ""


Task = dict[str, Any]
Place = Callable[[str, str], tuple[int, int] | None]  # of a hook in a phase


@dataclass
class Picture:
    """What is drawn.

    Attributes
    ----------
    columns : list of str
        Phases.
    rows : dict of str to int
        Scripts of extras.d, then plugins.
    cells : list of Cell
    tasks : list of dict
        From ``x``, ``y`` (where it starts) to ``x2``, ``y2`` (where it is waited for).
    """

    columns: list[str]
    rows: dict[str, int]
    cells: list[Cell]
    tasks: list[Task]

    @property
    def crowd(self) -> int:
        """How many tasks start in one cell, at the most."""
        starts = Counter((int(task["x"]), int(task["y"])) for task in self.tasks)
        return max(starts.values(), default=0)


def picture(
    top_dir: Path, plugins: Sequence[Plugin], cells: Path | None, run_dir: Path | None
) -> Picture:
    """Lay out the hooks of a tree, with the outcome of a run if one is given.

    Raises
    ------
    BadInput
        If there is no hook.
    """
    columns = [phase.label for phase in lifecycle.PHASES]
    hooks = [
        hook
        for mode in lifecycle.MODES
        for _, hook in lifecycle.plan(mode, top_dir, plugins, cells)
    ]
    if not hooks:
        raise BadInput(f"{str(top_dir)!r} has no hooks to draw")
    of_plugin = {f"{one.name}-{file}": f"plugin {one.name}" for one in plugins for file in FILES}
    found = dict.fromkeys(of_plugin.get(hook.name, hook.name) for hook in hooks)
    ordered = sorted(found, key=lambda row: row.startswith("plugin "))
    rows = {row: number for number, row in enumerate(ordered)}

    def place(phase: str, hook: str) -> tuple[int, int] | None:
        """Return column and row: one a script of extras.d, one a plugin."""
        row = of_plugin.get(hook, hook)
        return (columns.index(phase), rows[row]) if phase in columns and row in rows else None

    outcome = status.read(run_dir) if run_dir is not None else None
    drawn = _cells(hooks, place, outcome)
    tasks = _ran(run_dir, outcome, place) if outcome else _planned(drawn)
    return Picture(columns, rows, drawn, _spread(tasks))


def _cells(hooks: list[Hook], place_of: Place, outcome: status.RunStatus | None) -> list[Cell]:
    ended = {(p.name, h.name): h for p in outcome.phases for h in p.hooks} if outcome else {}
    cells: dict[tuple[int, int], Cell] = {}
    for hook in hooks:
        place = place_of(hook.phase.label, hook.name)
        if place is None or place in cells:  # the first two phases are those of each mode
            continue
        said = _said(hook)
        cell = Cell(*place, hook, said, "has work here" if said.lines else "falls through")
        if (log := ended.get((hook.phase.label, hook.name))) is not None:
            cell.state = (
                "ok, nothing to do" if log.status == "ok" and not said.lines else log.status
            )
            cell.took = seconds(log.duration_s) if log.duration_s is not None else ""
        elif hook.skipped or hook.fault:
            cell.state = "skipped"
        cells[place] = cell
    return list(cells.values())


def _said(hook: Hook) -> Outline:
    try:
        text = hook.path.read_text("utf-8", "replace") if hook.path.is_file() else ""
    except OSError:
        text = ""
    return outline(text, hook.phase)


def _planned(cells: list[Cell]) -> list[Task]:
    """Pair starts with waits, as far as the hooks' texts name them."""
    tasks: list[Task] = []
    open_: dict[str, Cell] = {}
    for cell in sorted(cells, key=lambda cell: (cell.column, cell.row)):
        here = dict.fromkeys(cell.said.starts, cell)
        for name in cell.said.waits:
            if start := open_.pop(name, None) or here.pop(name, None):
                tasks.append(_task(name, start, cell, "as the hooks' texts say"))
        open_ |= here
    return tasks + [_task(name, cell, None, "as the text says") for name, cell in open_.items()]


def _ran(run_dir: Path | None, outcome: status.RunStatus, place: Place) -> list[Task]:
    try:
        waits = {wait["name"]: wait for wait in RunDir.open(run_dir or "").new_waits()}
    except LogError:
        waits = {}
    tasks = []
    for task in outcome.tasks:
        start = None if task.superseded else place(task.phase, task.hook)
        wait = waits.get(task.name, {})
        end = place(wait.get("phase", ""), wait.get("hook", ""))
        if start is not None:
            took = f", {seconds(task.duration_s)}" if task.duration_s is not None else ""
            tasks.append(_arrow(task.name, start, end, f"{task.status}{took}"))
    return tasks


def _task(name: str, start: Cell, end: Cell | None, told: str) -> Task:
    finish = (end.column, end.row) if end is not None else None
    return _arrow(name, (start.column, start.row), finish, told)


def _arrow(name: str, start: tuple[int, int], end: tuple[int, int] | None, told: str) -> Task:
    within = end is not None and end[0] == start[0]  # from left to right there, too
    x = start[0] + (0.3 if within else 0.86)
    made: Task = {"task": name, "told": told, "x": x, "y": start[1] + _LINE}
    if end is not None:
        made |= {"x2": end[0] + (0.86 if within else 0.12), "y2": end[1] + _LINE}
    return made


def _spread(tasks: list[Task]) -> list[Task]:
    """Put ends that share a cell one below the other; a task that stays in one goes straight."""
    stay = [task for task in tasks if _cell(task, "x", "y") == _cell(task, "x2", "y2")]
    leave = [task for task in tasks if "x2" in task and task not in stay]
    for x, y, shown in (("x", "y", tasks), ("x2", "y2", leave)):
        found: dict[tuple[int, int], list[Task]] = {}
        for task in shown:
            found.setdefault(_cell(task, x, y), []).append(task)
        for group in found.values():
            between = min(_APART, _ROOM / max(1, len(group) - 1))
            for place, task in enumerate(group):
                task[y] += between * (place - (len(group) - 1) / 2)
    for task in stay:
        task["y2"] = task["y"]
    return tasks


def _cell(task: Task, x: str, y: str) -> tuple[int, int]:
    return int(task.get(x, -1)), int(task.get(y, -1))
