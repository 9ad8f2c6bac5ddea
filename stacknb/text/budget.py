"""What a run may add to the file of a notebook, and how a text is made to fit.

Less than 50 kB a run, whatever it prints and however many cells it goes through, measured as
nbformat writes them. The panel takes 20 kB of it, once: its code and the state it ended in. What
the cells of the run show (summaries, errors, results, traces, ``%wait``, ``%%stack``, logs) takes
`POOL` together, since each thing gets no more than a part of what is left (see
`stacknb.notebook.ledger`), and never more than its share below. Once so much is taken that a thing
would get less than its least, a cell shows short lines alone: what failed and where, the log, how
to see more. They come to 1 kB or two a cell; the rest of the 50 kB is for ten of those, and a
notebook with more of them grows by no more than that for each. A log that is asked for has 3 kB.

Tables and charts that are asked for by name (plan, vars, changes, timing) are not the run's output.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

__all__ = [
    "AGAIN",
    "ALONE",
    "ASKED",
    "CODE",
    "ERROR",
    "LINE",
    "LOG",
    "OUTPUT",
    "PICTURE",
    "POOL",
    "PRINTED",
    "RESULT",
    "SHORT",
    "STEP",
    "SUMMARY",
    "USED_UP",
    "VIEW",
    "cost",
    "cut",
    "fold",
    "plain",
    "stored",
    "within",
]

CODE = 16_000  # the panel without its picture …
PICTURE = 3_600  # … and the state that it ended in
POOL = 20_000  # all that the cells of a run show, but for what they show at least
SUMMARY = 6_000  # HTML and plain text together …
STEP = 2_600  # … of one phase alone, so that a run can be stepped through …
AGAIN = 3_500  # … and the shortest of them …
LINE = 700  # … and what stands for it where that does not fit
ERROR = 2_200  # is kept twice: as a message and as a traceback
RESULT = 2_400
PRINTED = 12_000  # what %wait, %%stack and a trace print
SHORT = 350  # of an error or a result, at least …
ASKED = 700  # … of what a cell was to print …
LOG = 3_000  # … and of a log that is asked for by name, as every hint says one should
ALONE = 60_000  # of what is shown by Python, or in a terminal, and no cell of a run
OUTPUT = 150  # around each of them
VIEW = 300  # of the panel, in one cell

USED_UP = "the notebook's share of this run is used up: %stack log NAME and %stack panel tell more"

_INDENT = 8  # of what is deepest: the panel's state
_BREAK = _INDENT + 5  # between two lines of a text: quotes, a comma, a newline of the file
_MARK = 3  # bytes of the mark where something is cut off
_LONG = 8  # the part of a text that one of its lines may take


def stored(value: Any) -> int:
    """How many bytes of the file of a notebook something takes: a text, or what JSON can hold."""
    if isinstance(value, dict):
        value = {key: _in_lines(entry) for key, entry in value.items()}
    text = json.dumps(_in_lines(value), ensure_ascii=False, indent=1)
    return len(text.encode("utf-8", "surrogatepass")) + _INDENT * text.count("\n")


def _in_lines(value: Any) -> Any:
    # Texts are written as lists of lines, as str.splitlines has them: newlines do not end all.
    return value.splitlines(keepends=True) if isinstance(value, str) else value


def cost(text: str) -> int:
    """How many bytes a text takes within a line of HTML, which is where it takes most."""
    return plain(escape(text))


def plain(text: str) -> int:
    """How many bytes a text takes within a line of a text."""
    lines = len(f"{text}.".splitlines()) - 1  # that begin within it
    written = json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return len(written) - 2 + lines * _BREAK


def cut(text: str, most: int, end: bool = False, measure: Callable[[str], int] = cost) -> str:
    """Return the beginning of a text that costs no more than `most` bytes.

    Or its `end`, which says more of a path.
    """
    if measure(text) <= most:
        return text
    lengths = range(1, min(len(text), max(0, most)) + 1)

    def taken(length: int) -> int:
        return measure(text[-length:] if end else text[:length])

    fits = bisect_right(lengths, most - _MARK, key=taken)
    return f"…{text[len(text) - fits :]}" if end else f"{text[:fits]}…"


def within(
    lines: Sequence[str], most: int, first: bool = False, measure: Callable[[str], int] = cost
) -> list[str]:
    """Return the last lines, or the first, that cost no more than `most` bytes together."""
    kept: list[str] = []
    for line in lines if first else reversed(lines):
        most -= measure(line)
        if most < 0:
            break
        kept.append(line)
    return kept if first else kept[::-1]


def fold(text: str, most: int) -> str:
    """Return a text of no more than `most` bytes: its beginning, its end, and what is left out.

    A line that is very long is cut in its middle.
    """
    if stored(text) <= most:
        return text
    lines = text.splitlines()
    if len(lines) == 1:
        return _without_middle(lines[0], most - 2 * _BREAK - 10)
    lines = [_without_middle(line, most // _LONG) for line in lines]
    half = most // 2 - 50  # and a line between
    begin = within(lines, half, first=True, measure=_as_line)
    end = within(lines[len(begin) :], half, measure=_as_line)
    left = len(lines) - len(begin) - len(end)
    return "\n".join([*begin, f"    … {left:,} lines are left out here", *end] if left else lines)


def _without_middle(line: str, most: int) -> str:
    if plain(line) <= most:
        return line
    half = most // 2
    end = cut(line, half, end=True, measure=plain).removeprefix("…")
    return cut(line, half, measure=plain) + end


def _as_line(line: str) -> int:
    return plain(line) + 2 + _BREAK
