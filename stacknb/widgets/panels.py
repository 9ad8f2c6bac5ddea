"""The panels of this kernel: one for each stack, and one for each run that is only watched."""

from __future__ import annotations

import os
import weakref

from stacknb import journal
from stacknb.dispatcher import Stack
from stacknb.widgets.panel import Panel

__all__ = ["close_all", "panel_of", "panel_of_run", "wake"]

_of_stacks: weakref.WeakKeyDictionary[Stack, Panel] = weakref.WeakKeyDictionary()
_of_runs: dict[str, Panel] = {}


def panel_of(stack: Stack) -> Panel:
    """Return the panel of a stack; it is made when it is first asked for."""
    panel = _of_stacks.get(stack)
    if panel is None or panel.closed:
        panel = _of_stacks[stack] = Panel(stack)
    return panel


def panel_of_run(path: str | os.PathLike[str]) -> Panel:
    """Return the panel of a run directory: that of its stack, if the run is of this kernel.

    Raises
    ------
    BadInput
        If there is no run.
    """
    where = journal.find(path)
    for stack in list(_of_stacks):
        if stack.run_dir == where:
            return panel_of(stack)
    panel = _of_runs.get(str(where))
    if panel is None or panel.closed:
        panel = _of_runs[str(where)] = Panel(where)
    return panel


def wake(stack: Stack) -> None:
    """Let the panel of a stack look at once, if there is one."""
    panel = _of_stacks.get(stack)
    if panel is not None:
        panel.wake()


def close_all() -> None:
    """Close every panel."""
    for panel in [*_of_stacks.values(), *_of_runs.values()]:
        panel.close()
    _of_stacks.clear()
    _of_runs.clear()
