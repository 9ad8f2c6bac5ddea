"""What a run can be asked, by the words of every face, and its answers as text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pandas as pd

from stacknb.exceptions import BadInput
from stacknb.text.names import unknown
from stacknb.text.screen import counted, seconds
from stacknb.text.signs import shown
from stacknb.timing.columns import fitting, texts
from stacknb.timing.profile import By
from stacknb.timing.run import Run

__all__ = ["Answer", "Form", "answer"]

_SHORT = 0.01  # of the elapsed time, below which a table of the critical path leaves out a part

Form = Literal["table", "csv", "json"]

_ASKED: Mapping[str, Callable[[Run], pd.DataFrame]] = {
    "tasks": lambda run: run.tasks,
    "hooks": lambda run: run.hooks,
    "cells": lambda run: run.cells,
    "phases": lambda run: run.phases,
    "waits": lambda run: run.waits,
    "summary": lambda run: run.summary().rename_axis("figure").rename("value").reset_index(),
    "critical-path": lambda run: run.critical_path(),
    "impact": lambda run: run.impact(),
    "advice": lambda run: run.advice(),
    "problems": lambda run: run.problems,
}
_NONE = {  # what a table without rows says, where its name says too little
    "tasks": "no tasks: nothing ran in the background; --what phases, hooks or (of a stack.sh log) "
    "profile tell of the time",
    "waits": "no waits: nothing was waited for",
    "critical-path": "no critical path: nothing in it has a time",
    "impact": "no impact: no task ran",
    "advice": "no advice: nothing stands out",
    "compare": "nothing to compare",
}


@dataclass(frozen=True)
class Answer:
    """An answer with all that a face needs to show it.

    Attributes
    ----------
    what : str
        The question.
    frame : DataFrame
        All of it.
    run : Run or None
        Of which run; None if of several.
    note : str
        A sentence to stand before it.
    fails : bool
        Whether who asked wants to be told by the exit status, and the answer is bad.
    """

    what: str
    frame: pd.DataFrame
    run: Run | None = None
    note: str = ""
    fails: bool = False

    def text(self, form: Form = "table", width: int | None = None) -> str:
        """Return it as text that ends with a newline.

        Parameters
        ----------
        form : {"table", "csv", "json"}
            ``table`` holds the columns that tell most; the others hold all, with instants as ISO
            8601 in UTC.
        width : int, optional
            Of the terminal: a table leaves out columns that do not fit, and names them below.

        Raises
        ------
        BadInput
            If there is no such form.
        """
        match form:
            case "csv":
                return str(self.frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ"))
            case "json":
                text = self.frame.to_json(
                    orient="records", date_format="iso", date_unit="us", indent=1
                )
                return f"{text}\n"
            case "table" if nothing := self.nothing():
                return f"{nothing}\n"
            case "table" if self.what == "critical-path":
                return _path(self.frame, width)
            case "table":
                return _table(self.frame, self.what, width)
            case _:
                raise BadInput(unknown("format", form, get_args(Form)))

    def nothing(self) -> str:
        """Say in words that nothing was found; empty if something was."""
        if not self.frame.empty:
            return ""
        if self.what == "waits" and self.run is not None and not self.run.records.waits_known:
            return "no waits: they are in waits.jsonl, which was not copied along"
        return _NONE.get(self.what, f"no {self.what}")

    def problems(self) -> Iterator[str]:
        """Yield in words what of the logs could not be understood, each as one line."""
        if self.run is not None and self.what != "problems":
            for problem, count, example in self.run.problems.itertuples(index=False, name=None):
                yield f"{count} × {problem}{f': {shown(example)}' if example else ''}"

    def chart(self) -> Any:
        """Return the chart that goes with it; None if it is of several runs."""
        if self.run is None:
            return None
        if self.what in {"waits", "impact"}:
            return self.run.slack_chart()
        return self.run.phase_chart() if self.what == "phases" else self.run.timeline()


def answer(run: Run, what: str = "tasks", by: By | None = None) -> Answer:
    """Ask a run.

    Parameters
    ----------
    run : Run
    what : str
        ``tasks``, ``hooks``, ``cells``, ``phases``, ``waits``, ``summary``, ``critical-path``,
        ``impact``, ``profile``, ``advice`` or ``problems``.
    by : {"line", "function", "file"}, optional
        What a row of the profile is; by default a line.

    Raises
    ------
    BadInput
        If there is no such question, or the run cannot answer it.
    """
    note = f"Not run to the end: {run.records.bad_end}." if run.records.bad_end else ""
    if run.stood_still:
        note = f"The run stood still for {run.stood_still}, which does not count."
    if what == "profile":
        return Answer(what, run.profile(by or "line"), run, note)
    if by is not None:
        raise BadInput(f"--by {by!r} is for --what profile, not for {what!r}")
    if what not in _ASKED:
        raise BadInput(unknown("question", what, [*_ASKED, "profile"]))
    return Answer(what, _ASKED[what](run), run, note)


def _path(frame: pd.DataFrame, width: int | None) -> str:
    """Return the table of a critical path without what is too short to matter, and how much it is.

    Between any two hooks there is a moment that nobody can do anything about.
    """
    short = frame["share"] < _SHORT
    if short.all() or not short.any():
        return _table(frame, "critical-path", width)
    count, took = counted(int(short.sum()), "segment"), seconds(frame["duration_s"][short].sum())
    note = f"({count} below {100 * _SHORT:.0f} % left out, {took} in all: --format csv)\n"
    return _table(frame[~short], "critical-path", width) + note


def _table(frame: pd.DataFrame, what: str, width: int | None) -> str:
    cells = texts(frame, what)
    widths = {name: max(map(len, [name, *column])) for name, column in cells.items()}
    kept = fitting(widths, width) if width else list(cells)
    aligned = [
        [
            text.rjust(widths[name])
            if pd.api.types.is_numeric_dtype(frame[name].dtype)
            else text.ljust(widths[name])
            for text in (name, *cells[name])
        ]
        for name in kept
    ]
    lines = ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]
    if what == "advice" and width:  # sentences, which a terminal would break anywhere
        indent = " " * (widths["gain_s"] + 2)
        lines = [textwrap.fill(line, width, subsequent_indent=indent) for line in lines]
    if left_out := [name for name in cells if name not in kept]:
        lines.append(f"(no room for {', '.join(left_out)}: a wider terminal, or --format csv)")
    return "".join(f"{line}\n" for line in lines)
