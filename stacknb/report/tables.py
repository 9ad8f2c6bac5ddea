"""Frames as HTML tables: the columns that tell most, sortable, with a box to search in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from stacknb.timing.columns import COLUMNS, cell

__all__ = ["table"]

_LONG = {"command", "path", "waited_for", "example"}
_MOST = 200  # characters of a cell
_BAD = {"failed", "killed", "cancelled", "timeout", "lost"}


def table(name: str, frame: pd.DataFrame, most: int) -> str:
    """Return a frame as an HTML table with a heading.

    Parameters
    ----------
    name : str
        What it holds, as `answer` calls it; the heading.
    frame : DataFrame
    most : int
        How many rows are shown, at the most: the longest.
    """
    identifier = name.replace(" ", "-")
    columns = COLUMNS[identifier].split()
    shown, note = _longest(frame, most)
    if not len(frame):
        return f'<h2 id="{identifier}">{name.capitalize()}</h2><p class="dim">none</p>\n'
    heads = "".join(_head(column, frame[column]) for column in columns)
    rows = "".join(
        f"<tr>{''.join(map(_cell, columns, row))}</tr>\n"
        for row in shown[columns].itertuples(index=False, name=None)
    )
    search = (
        f'<input type="search" hidden data-of="t-{identifier}" '
        f'placeholder="search {name}" aria-label="search {name}">'
        if len(shown) > 12
        else ""
    )
    return (
        f'<h2 id="{identifier}">{name.capitalize()} <span class="dim">{note}</span></h2>\n'
        f'{search}<div class="table"><table id="t-{identifier}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _longest(frame: pd.DataFrame, most: int) -> tuple[pd.DataFrame, str]:
    if len(frame) <= most:
        return frame, f"{len(frame):,}" if len(frame) > 1 else ""
    lengths: Sequence[str] = [c for c in ("duration_s", "wait_s") if c in frame.columns]
    if not lengths:
        return frame[:most], f"the first {most:,} of {len(frame):,}"
    bad = frame["status"].isin(_BAD) if "status" in frame.columns else False
    rank = frame[lengths[0]].where(~pd.Series(bad, index=frame.index), float("inf"))
    kept = rank.sort_values(ascending=False, kind="stable").index[:most]
    what = "failed ones and the longest" if "status" in frame.columns else "the longest"
    return frame.loc[kept].sort_index(), f"{what}, {most:,} of {len(frame):,}"


def _head(column: str, values: pd.Series) -> str:
    kind = ' class="n"' if pd.api.types.is_numeric_dtype(values.dtype) else ""
    unit = column[:-2].replace("_", " ") + ", s" if column.endswith("_s") else column
    return f'<th scope="col"{kind}><button>{escape(unit.replace("_", " "))}</button></th>'


def _cell(column: str, value: Any) -> str:
    text = escape(cell(value, _MOST))
    if isinstance(value, int | float):
        return f'<td class="n">{text}</td>'
    if column in _LONG:
        return f'<td class="text">{text}</td>'
    return f'<td class="bad">{text}</td>' if text in _BAD else f"<td>{text}</td>"
