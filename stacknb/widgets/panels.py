"""The panels of this kernel: one for each stack, and one for each run that is only watched."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from stacknb import places
from stacknb.dispatcher import Stack
from stacknb.widgets.panel import Panel

__all__ = ["close_all", "known", "panel_of", "panel_of_run"]

_of_stacks: weakref.WeakKeyDictionary[Stack, Panel] = weakref.WeakKeyDictionary()
_made: weakref.WeakSet[Panel] = weakref.WeakSet()  # their widgets hold them until they are closed


def panel_of(stack: Stack) -> Panel:
    """Return the panel of a stack; it is made when it is first asked for."""
    panel = known(stack)
    if panel is None:
        panel = _of_stacks[stack] = Panel(stack)
        _made.add(panel)
    return panel


def panel_of_run(path: str | os.PathLike[str]) -> Panel:
    """Return the panel of a run directory: that of its stack, if the run is of this kernel.

    Raises
    ------
    BadInput
        If there is no run.
    """
    where = places.find(path)
    panel = _showing(where)
    if panel is None:
        panel = Panel(where)
        _made.add(panel)
    return panel


def close_all() -> None:
    """Close every panel."""
    for panel in list(_made):
        panel.close()
    _of_stacks.clear()


def known(stack: Stack) -> Panel | None:
    """Return the panel of a stack: also one that showed its run before the stack opened it."""
    panel = _of_stacks.get(stack)
    if panel is not None and not panel.closed:
        return panel
    panel = _showing(stack.run_dir) if stack.run_dir is not None else None
    if panel is not None:
        panel.adopt(stack)
        for other in [of for of, shown in _of_stacks.items() if shown is panel]:
            del _of_stacks[other]  # it is closed: two cannot be at work on one run
        _of_stacks[stack] = panel
    return panel


def _showing(run_dir: Path) -> Panel | None:
    wanted = os.path.realpath(run_dir)
    shown = ((panel, panel.run_dir) for panel in _made if not panel.closed)
    return next((panel for panel, of in shown if of and os.path.realpath(of) == wanted), None)
