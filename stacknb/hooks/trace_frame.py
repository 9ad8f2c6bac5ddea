"""The commands of a traced hook as a frame that shows itself well."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from stacknb import tasklog
from stacknb.exceptions import BadInput
from stacknb.hooks import tracing
from stacknb.hooks.readable import ReadableFrame
from stacknb.hooks.tracing import Command
from stacknb.places import STATE
from stacknb.results import HookResult
from stacknb.snapshots import snapshot
from stacknb.snapshots.masking import Masker
from stacknb.snapshots.vault import Vault
from stacknb.text import budget, screen
from stacknb.text.signs import clipped, printable, shown

__all__ = ["TraceFrame", "load"]

COLUMNS = ("hook", "file", "line", "function", "command", "start", "took_s", "depth", "task")
_WIDE = 100
_NOTE = 200
_MOST_ROWS = 300
_SLOW_S = 0.05


class TraceFrame(ReadableFrame):
    """A frame of `COLUMNS`.

    Examples
    --------
    >>> result = stack.step(trace=True)
    >>> stack.trace()[["line", "command"]].values.tolist()[0]
    [1, '[[ override_defaults == source ]]']
    """

    room = budget.ALONE  # how many bytes of a notebook it may take now

    def text(self) -> str:
        """Return the commands for people: place, what it took, command.

        Examples
        --------
        >>> result = stack.step(trace=True)
        >>> print(stack.trace().text())
        override_defaults · 10-shop.sh
          10-shop.sh:1 ...  [[ override_defaults == source ]]...
        """
        return _text(self, _MOST_ROWS)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(budget.fold(self.text(), self.room // 2))

    def _repr_html_(self) -> str:
        return _html(self, min(_MOST_ROWS, len(self)), self.room - self.room // 2)


def load(run_dir: Path, hooks: Sequence[str | HookResult]) -> TraceFrame:
    """Return the commands of traced hooks of a run, as `Stack.trace` describes it.

    Parameters
    ----------
    run_dir : Path
    hooks : sequence of str or HookResult
        All that were traced, if it is empty.

    Raises
    ------
    BadInput
        If no such hook was traced.
    """
    wanted = {hook if isinstance(hook, str) else hook.log for hook in hooks}
    found: list[tuple[float, str, Path, float | None]] = []
    for log in sorted(run_dir.glob("hooks/*/*.log")):
        path = tracing.path_of(run_dir, log)
        if not path.exists():  # it may be that of a hook that was never reached, without a header
            continue
        record = tasklog.read(log)
        name, end = str(record.header.get("name")), (record.footer or {}).get("end")
        if not wanted or {name, log} & wanted:
            title = f"{record.header.get('phase', '')} · {name}"
            found.append((record.header.get("start", 0.0), title, path, end))
    if not found:
        names = [hook if isinstance(hook, str) else hook.name for hook in hooks]
        what = f"hook {names[0]!r} was not traced" if names else "no hook was traced"
        raise BadInput(f"{what}; %stack step --trace traces the next ones")
    state = Vault(run_dir / STATE).newest
    masker = Masker(snapshot.read_variables(state) if state is not None else [])
    rows = [
        (printable(hook), *_row(replace(command, command=masker.text(command.command))))
        for _, hook, path, until in sorted(found)
        for command in tracing.read(path, until)
    ]
    made = TraceFrame(rows, columns=list(COLUMNS))
    made["start"] = pd.to_datetime(made["start"], unit="s", utc=True)
    return made.astype({"line": "int64", "took_s": "float64", "depth": "int64"}).pipe(TraceFrame)


def _row(command: Command) -> tuple[object, ...]:
    values = (getattr(command, column) for column in COLUMNS[1:])
    return tuple(printable(value) if isinstance(value, str) else value for value in values)


def _shown(frame: TraceFrame, most: int) -> Iterator[tuple[str, str, str, float]]:
    own = frame[frame["task"] == ""]
    row: Any
    for row in own.head(most).itertuples(index=False):
        cut = clipped(shown(row.command), _WIDE)
        place = f"{shown(os.path.basename(row.file))}:{row.line}"
        yield shown(row.hook), place, "  " * row.depth + cut, row.took_s


def _notes(frame: TraceFrame, most: int) -> Iterator[str]:
    own = int((frame["task"] == "").sum())
    if own > most:
        how = "the frame has them all" if most >= _MOST_ROWS else "print(_.text()) shows them"
        yield f"… {screen.counted(own - most, 'more command')}; {how}"
    if tasks := sorted({*frame["task"].unique()} - {""}):
        more = len(frame) - own
        verb = "command of a task is" if more == 1 else "commands of tasks are"
        names = budget.cut(screen.quoted(tasks), _NOTE)
        yield f"{more:,} {verb} in the frame: {names}"
    if not len(frame):
        yield "no command ran"


def _text(frame: TraceFrame, most: int, html: bool = False) -> str:
    rows = list(_shown(frame, most))
    width = max((len(place) for _, place, _, _ in rows), default=0)
    write = escape if html else str
    lines = []
    for hook, some in groupby(rows, itemgetter(0)):
        lines.append(write(hook))
        for _, place, command, took in some:
            line = write(f"  {place:<{width}}  {_took(took):>8}  {command}")
            lines.append(f"<b>{line}</b>" if html and took >= _SLOW_S else line)
    return "\n".join([*lines, *map(write, _notes(frame, most))])


def _took(seconds: float) -> str:
    if seconds < 0.001:
        return f"{1e6 * seconds:.0f} µs"
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else screen.seconds(seconds)


def _html(frame: TraceFrame, rows: int, most: int) -> str:
    """Return the commands with no more than so many rows and bytes: notes, if nothing else fits."""
    while budget.stored(made := f"<pre>{_text(frame, rows, html=True)}</pre>") > most and rows:
        rows = rows * 3 // 4
    return made
