"""Which columns a reader is shown of each frame, and a value as text for a reader."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["COLUMNS", "cell"]

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
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"
