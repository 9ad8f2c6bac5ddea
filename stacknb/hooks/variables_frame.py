"""The variables of a shell as a frame whose values a terminal shows, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from stacknb.hooks.readable import ReadableFrame
from stacknb.text.screen import counted
from stacknb.text.signs import clipped, shown

__all__ = ["VariablesFrame"]

_LEAST_CHARACTERS = 40  # of a value, however narrow the terminal is
_MOST_ROWS = 200


class VariablesFrame(ReadableFrame):
    """A row for each variable, see `Stack.variables`; pandas would hide most values behind "…".

    Examples
    --------
    >>> done = stack.run(until="source")
    >>> print(stack.variables("SHOP_*").text())
    SHOP_NAME = corner
    """

    def text(self) -> str:
        """Return the variables for people, a line each.

        Examples
        --------
        >>> done = stack.run(until="source")
        >>> done = stack.evaluate("declare -rx SHOP_NAME")
        >>> stack.variables("SHOP_*").text()
        'SHOP_NAME = corner  (exported, readonly)'
        """
        return "\n".join(_lines(self)) or "no variable"


def _lines(frame: VariablesFrame) -> Iterator[str]:
    some = frame.head(_MOST_ROWS)
    width = max(map(len, some["name"]), default=0)
    room = shutil.get_terminal_size().columns - width - len(" = ")
    for row in some.to_dict("records"):
        said = [row["type"]] if row["type"] != "string" else []
        said += [flag for flag in ("exported", "readonly", "local") if row[flag]]
        flags = f"  ({', '.join(said)})" if said else ""
        value = clipped(shown(row["value"]), max(room - len(flags), _LEAST_CHARACTERS))
        yield f"{row['name']:<{width}} = {value}{flags}"
    if more := len(frame) - len(some):
        yield f"… {counted(more, 'more variable')}; the frame has them all"
