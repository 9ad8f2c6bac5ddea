"""Which columns a reader is shown of each frame, and a value as text for a reader."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stacknb.text.signs import clipped, shown

__all__ = ["COLUMNS", "cell", "fitting", "texts"]

COLUMNS = {  # of a table for a reader; CSV and JSON hold all
    "tasks": "name status phase hook start duration_s wait_s hidden_s slack_s cpu_s exit_code "
    "command",
    "hooks": "phase hook status start duration_s work_s wait_s cpu_s exit_code path",
    "cells": "phase hook status start duration_s work_s wait_s cpu_s exit_code path",
    "phases": "phase start duration_s work_s wait_s unaccounted_s after_s after_wait_s hooks tasks "
    "waited_for",
    "waits": "name phase hook by wait_start wait_s blocked_s exit_code",
    "critical-path": "kind name phase start duration_s share",
    "impact": "name phase status duration_s blocked_s hidden_s slack_s critical_s shrink_s",
    "advice": "gain_s advice",
    "compare": "kind phase name before_s after_s delta_s ratio noise_s verdict",
    "problems": "problem count example",
}


# What a narrow terminal goes without, in this order.
_LEAST = (
    "run",
    "path", "command", "by", "exit_code", "after_wait_s", "after_s", "cpu_s", "shrink_s",
    "unaccounted_s", "slack_s", "critical_s", "noise_s", "waited_for", "start", "wait_start",
    "hook", "before_s", "phase",
)  # fmt: skip


def fitting(widths: dict[str, int], width: int, gap: int = 2) -> list[str]:
    """Return the columns that a terminal has room for, without those that tell least.

    Parameters
    ----------
    widths : dict of str to int
        Of all columns, in characters.
    width : int
        Of the terminal.
    gap : int
        Between two columns.
    """
    kept = set(widths)

    def too_wide() -> bool:
        return sum(widths[name] + gap for name in kept) - gap > width

    dropped = []
    for name in _LEAST:
        if too_wide() and name in kept:
            kept.remove(name)
            dropped.append(name)
    for name in reversed(dropped):  # one that was wide may have made room for others
        kept.add(name)
        if too_wide():
            kept.remove(name)
    return [name for name in widths if name in kept]


def texts(frame: pd.DataFrame, what: str) -> dict[str, list[str]]:
    """Return the columns of an answer that a reader is shown, and their values as text.

    Parameters
    ----------
    frame : DataFrame
    what : str
        What was asked.
    """
    names = COLUMNS.get(what, "").split() or list(frame.columns)
    most = 1000 if "advice" in names else 60  # characters of a cell
    return {name: [shown(cell(value, most)) for value in frame[name]] for name in names}


def cell(value: Any, most: int = 60) -> str:
    """Return a value for a reader: seconds to the ms, times of day, nothing for unknown.

    Parameters
    ----------
    value : object
    most : int
        Longest text, in characters.
    """
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%H:%M:%S}.{value.microsecond // 1000:03}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    return clipped(str(value), most)
