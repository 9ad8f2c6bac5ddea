"""What to mend after a failure, and what to run again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from stacknb.hooks import cellhooks

__all__ = ["in_cell", "to_run_again", "to_run_first"]


def in_cell(file: str, line: int | None) -> str:
    """Say behind "mend it" where in a cell that is, and what else to do, if a cell is the script.

    Examples
    --------
    >>> in_cell("/home/me/.stacknb/cells/1/extras.d/50-api.sh", 3)
    ' (line 3 of the cell), run the cell'
    """
    if not cellhooks.is_cell(Path(file)):
        return ""
    return f" (line {line} of the cell), run the cell" if line else ", run the cell"


class _Started(Protocol):
    name: str
    phase: str


def to_run_first(
    lines: Sequence[str], ill: Callable[[], Iterable[_Started]], phase: str
) -> list[str]:
    """Return the earlier phases that start the tasks whose wait has failed.

    They are to be run again before the phase that waited, whose log ends with `lines`. Which tasks
    did not end well is asked only where these tell of one: of thousands they are found slowly.
    """
    said = " ".join(line for line in lines if "FAILED: " in line)
    tasks = ill() if said else ()
    found = (task.phase for task in tasks if f" {task.name} (" in said and task.phase != phase)
    return list(dict.fromkeys(found))


def to_run_again(first: Sequence[str], phase: str) -> str:
    """Say which phases are to be run again, those that `to_run_first` returned before `phase`."""
    return "".join(f"{other!r}, which starts the task, then " for other in first) + repr(phase)
