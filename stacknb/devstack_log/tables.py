"""The two tables stack.sh prints at its end: component timing and async summary."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stacknb.devstack_log.lines import decoded

__all__ = ["HEADING", "Tables"]

HEADING = b"DevStack Component Timing"
_LONGEST = 400  # lines from the heading to the end of the second table, with room to spare
_ROW = re.compile(r"(\S.*?)\s+(-?\d+)$")
_FIGURES = {
    "Time spent in the background minus waits": "background_minus_waits_s",
    "Elapsed time": "elapsed_s",
    "Time if we did everything serially": "serial_s",
    "Speedup": "speedup",
}
_FIGURE = re.compile(r"([A-Z][^:]*):\s+(-?[\d.]+)(?: sec)?$")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| ?")


@dataclass
class Tables:
    """What stack.sh itself reported.

    Attributes
    ----------
    components : dict of str to int
        Seconds per component; ``Total runtime`` and ``Unaccounted time`` under these names.
    figures : dict of str to float
        ``background_minus_waits_s elapsed_s serial_s speedup``, as far as printed.
    """

    components: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    _left: int = 0

    @property
    def wants_lines(self) -> bool:
        """Whether the lines that follow may belong to a table."""
        return self._left > 0

    def begin(self) -> None:
        """Start anew: the heading has been seen. The last tables of a log count."""
        self.components.clear()
        self.figures.clear()
        self._left = _LONGEST

    def feed(self, line: bytes) -> None:
        """Take one line after the heading, with or without a stamp."""
        self._left -= 1
        text = _STAMP.sub("", decoded(line)).strip()
        if match := _FIGURE.match(text):
            if match[1] in _FIGURES:
                self.figures[_FIGURES[match[1]]] = float(match[2])
                self._left = 0 if match[1] == "Speedup" else self._left
        elif match := _ROW.match(text):
            self.components[match[1]] = int(match[2])
        elif text.startswith(("This is your host", "Post-stack")):
            self._left = 0
