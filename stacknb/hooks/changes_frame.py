"""Changes as a frame that shows itself well: grouped by hook, old and new side by side."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from stacknb.hooks import changes
from stacknb.hooks.changes import Change
from stacknb.hooks.readable import ReadableFrame
from stacknb.text.signs import clipped, shown

__all__ = ["ChangesFrame", "HistoryFrame", "load", "load_history"]

COLUMNS = ("phase", "hook", "kind", "name", "change", "old", "new")
_SIGNS = {"added": "+", "changed": "~", "removed": "-", "unknown": "?"}
_TEXT = "var(--jp-content-font-color1,#212121)"
_COLOURS = {  # of the theme, so that they can be read on its background
    "added": "var(--jp-success-color1,#1a7f37)",
    # Its orange is too light for text on white, and as it is on black.
    "changed": f"color-mix(in srgb,var(--jp-warn-color1,#d95f00) 70%,{_TEXT})",
    "removed": "var(--jp-error-color1,#cf222e)",
    "unknown": _TEXT,
}
_WIDE = 60
_MOST_ROWS = 200  # of one hook, on a screen


class ChangesFrame(ReadableFrame):
    """A frame of `COLUMNS`.

    Examples
    --------
    >>> result = stack.run(until="source")
    >>> stack.changes("source")["name"].tolist()
    ['SHOP_NAME', 'greet']
    """

    def text(self) -> str:
        """Return the changes for people.

        Examples
        --------
        >>> result = stack.run(until="source")
        >>> print(stack.changes("source").text())
        source · 10-shop.sh
          + SHOP_NAME       = corner
          + function greet  4 lines
        """
        groups, last = _groups(self)
        lines = []
        for title, rows, more in groups:
            width = max(len(_what(row)) for row in rows)
            told = (f"{_SIGNS[row.change]} {_what(row):<{width}}  {_values(row)}" for row in rows)
            lines += [title, *(f"  {line}".rstrip() for line in told)]
            lines += [f"    {more}"] if more else []
        return "\n".join([*lines, last] if last else lines)

    def _repr_html_(self) -> str:
        groups, last = _groups(self)
        out = ['<div style="font-family:var(--jp-code-font-family,monospace);font-size:13px">']
        for title, rows, more in groups:
            out.append(f"<div style='margin-top:.6em'><b>{escape(title)}</b></div><table>")
            for row in rows:
                cells = _cells((_SIGNS[row.change], _what(row), _values(row)))
                whole = escape(f"{row.old}\n→\n{row.new}"[:4000], quote=True)
                out.append(f'<tr style="color:{_COLOURS[row.change]}" title="{whole}">{cells}</tr>')
            out.append(f"</table><div>{more}</div>" if more else "</table>")
        if last:
            out.append(f"<div style='margin-top:.6em'>{escape(last)}</div>")
        return "".join([*out, "</div>"])


class HistoryFrame(ChangesFrame):
    """The values of variables through a run, a row wherever one changed.

    Examples
    --------
    >>> result = stack.run(until="source")
    >>> stack.history("SHOP_*")["new"].tolist()
    ['corner']
    """

    def text(self) -> str:
        """Return a table: where it changed, and to what.

        Examples
        --------
        >>> result = stack.run(until="source")
        >>> print(stack.history("SHOP_NAME").text())
        SHOP_NAME  source  10-shop.sh  corner
        """
        rows = [_where(row) for row in self.itertuples(index=False)]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
            for row in rows
        ]
        return "\n".join(lines or ["no such variable at any time of the run"])

    def _repr_html_(self) -> str:
        places = map(_where, self.itertuples(index=False))
        rows = "".join(f"<tr>{_cells(place)}" for place in places)
        head = _cells(_HEADINGS, "th")
        return f"<table><tr>{head}</tr>{rows}</table>" if rows else f"<p>{escape(self.text())}</p>"


_HEADINGS = ("name", "phase", "hook", "value from then on")


def load(run_dir: Path, wanted: str | None = None) -> ChangesFrame:
    """Return what the hooks of a run changed, as `Stack.changes` describes it.

    Parameters
    ----------
    run_dir : Path
        Of a run that goes on, or ended long ago.
    wanted : str, optional
        A hook or a phase.

    Raises
    ------
    BadInput
        If there is no such hook or phase in the run.
    """
    found, hooks = changes.of_run(run_dir, wanted)
    made = ChangesFrame(_rows(found), columns=list(COLUMNS), dtype=object)
    made.attrs["hooks"] = hooks  # those that changed nothing, too
    return made


def load_history(run_dir: Path, pattern: str = "*") -> HistoryFrame:
    """Return the values of variables through a run, ordered by name, then by time."""
    found = changes.variable_history(run_dir, pattern)
    ordered = sorted(found, key=lambda change: change.name)
    return HistoryFrame(_rows(ordered), columns=list(COLUMNS), dtype=object)


def _rows(found: list[Change]) -> list[tuple[str, ...]]:
    return [tuple(getattr(change, column) for column in COLUMNS) for change in found]


def _where(row: Any) -> tuple[str, str, str, str]:
    new = "(unset)" if row.change == "removed" else _short(row.new, 2 * _WIDE)
    return shown(row.name), row.phase or "before the first hook", shown(row.hook), new


def _groups(frame: ChangesFrame) -> tuple[list[tuple[str, list[Any], str]], str]:
    """Return what is told of a run.

    For each hook that changed something a title, rows, and how many more there are; and what is
    said below them all.
    """
    rows: dict[str, list[Any]] = {_title(*place): [] for place in frame.attrs.get("hooks", [])}
    row: Any
    for row in frame.itertuples(index=False):
        rows.setdefault(_title(row.phase, row.hook), []).append(row)
    groups, quiet = [], []
    for title, found in rows.items():
        left = len(found) - _MOST_ROWS
        more = f"… {left:,} more; the frame has them all" if left > 0 else ""
        if found:
            groups.append((title, found[:_MOST_ROWS], more))
        else:
            quiet.append(title)
    if quiet:
        return groups, f"nothing changed: {', '.join(quiet)}"
    return groups, "" if len(frame) else "no hook has run yet"


def _title(phase: str, hook: str) -> str:
    return shown(f"{phase} · {hook}" if phase else hook)


def _cells(cells: Iterable[str], kind: str = "td") -> str:
    return "".join(f'<{kind} style="text-align:left">{escape(cell)}</{kind}>' for cell in cells)


def _what(row: Any) -> str:
    return shown(row.name if row.kind == "variable" else f"{row.kind} {row.name}".rstrip())


def _values(row: Any) -> str:
    if row.kind == "function":
        counts = [len(text.splitlines()) for text in (row.old, row.new)]
        old, new = (f"{count} lines" if count else "" for count in counts)
    else:
        old, new = _short(row.old), _short(row.new)
    if row.change == "changed":
        return f"{old or '(empty)'} → {new or '(empty)'}"
    if row.change == "removed":
        return f"was {old}" if old else ""
    return new if row.kind != "variable" else f"= {new or '(empty)'}"


def _short(text: str, limit: int = _WIDE) -> str:
    return clipped(shown(text[: 2 * limit]), limit)
