"""What this kernel has put into the notebook for each run, so that all its cells keep to one share.

A cell that is executed again replaces what it showed; a display that is updated in place counts
once. Whoever shows something asks for room, and enters what it then takes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stacknb.notebook.kernel import asked, in_notebook
from stacknb.text import budget

__all__ = ["KERNEL", "Entry", "Ledger"]

_PART = 3  # of what is left, that one thing may take: there is always something left …
_WHOLE = 2_000  # … but a few lines are shown whole as long as they fit


@dataclass(eq=False)
class Entry:
    """Something that a cell shows.

    Attributes
    ----------
    run : Path or None
    cell : str
    size : int
        Bytes of the notebook's file; whoever entered it may change it.
    """

    run: Path | None
    cell: str
    size: int


class Ledger:
    """The account of one notebook.

    Parameters
    ----------
    place : callable
        Returns which cell is executed, and a name for this execution; None outside notebooks,
        where nothing is kept and there is always room.
    """

    def __init__(self, place: Callable[[], tuple[str, str] | None]) -> None:
        self._place = place
        self._cell: str | None = None
        self._executions: dict[str, str] = {}
        self._entries: list[Entry] = []

    def room(self, run: Path | None, most: int, least: int = 0) -> int:
        """Return how many bytes something may take.

        Parameters
        ----------
        run : Path or None
            Whose output it is.
        most : int
        least : int
            However little is left.
        """
        if self._here() is None:
            return most
        used = sum(entry.size for entry in self._entries if _same(entry.run, run))
        left = budget.POOL - used
        return max(least, min(most, max(left // _PART, min(left, _WHOLE))))

    def put(self, run: Path | None, size: int) -> Entry:
        """Enter what the cell shows now."""
        cell = self._here()
        entry = Entry(run, cell or "", size + budget.OUTPUT)
        if cell is not None:
            self._entries.append(entry)
        return entry

    def _here(self) -> str | None:
        if threading.current_thread() is not threading.main_thread():
            return self._cell  # what is executed is known in the main thread alone
        place = self._place()
        if place is None:
            return None
        self._cell, execution = place
        if self._executions.get(self._cell) != execution:
            self._executions[self._cell] = execution
            self._entries = [entry for entry in self._entries if entry.cell != self._cell]
        return self._cell


def _same(one: Path | None, other: Path | None) -> bool:
    # A folder of runs may be a link to a larger disk, and a run be named either way.
    if one == other or one is None or other is None:
        return one == other
    return os.path.realpath(one) == os.path.realpath(other)


def _place() -> tuple[str, str] | None:
    if not in_notebook():
        return None
    message = asked()
    execution = str(message.get("header", {}).get("msg_id"))
    # Not every program that executes notebooks says which cell it is; none of them does it twice.
    return str(message.get("metadata", {}).get("cellId") or execution), execution


KERNEL = Ledger(_place)
