"""What the commands for authors and readers of hooks do; the table of commands names them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from stacknb import places
from stacknb.commands.outputs import writing
from stacknb.dispatcher import Stack
from stacknb.exceptions import BadInput

if TYPE_CHECKING:  # pandas and altair take half a second each to import
    import altair as alt
    import pandas as pd

    from stacknb.hooks.cellhooks import CellHook, Exported
    from stacknb.hooks.checking import Report

__all__ = ["changes", "check", "export", "hook", "picture", "run_dir_of"]


def run_dir_of(stack: Stack | None, o: Namespace) -> str | Path:
    """Return the run directory that was named, or that of the stack at hand.

    Raises
    ------
    BadInput
        If there is neither.
    """
    where = o.run or (stack.run_dir if stack is not None else None)
    if where is None:
        raise BadInput("no run yet: begin one with %stack, or %stack resume after a restart")
    return where


def hook(stack: Stack, o: Namespace) -> CellHook:
    """Make a cell a hook of the stack."""
    return stack.add_hook(o.name, o.cell, plugin=o.plugin or "")


def export(stack: Stack, o: Namespace) -> Exported:
    """Write the stack's tree with the hooks from cells."""
    return stack.export(o.dir)


def changes(stack: Stack | None, o: Namespace) -> pd.DataFrame:
    """Return what the hooks of a run changed."""
    from stacknb.hooks import changes_frame

    _check_words(stack, o)
    run_dir = places.find(run_dir_of(stack, o))
    if o.vars:
        return changes_frame.load_history(run_dir, o.vars)
    return changes_frame.load(run_dir, o.hook_or_phase)


def _check_words(stack: Stack | None, o: Namespace) -> None:
    if o.run and not o.hook_or_phase and stack is not None and not _is_run(o.run):
        o.run, o.hook_or_phase = None, o.run  # one word alone is a hook of the run at hand
    if o.vars and o.hook_or_phase:
        raise BadInput(f"'--vars' goes through the whole run: leave out {o.hook_or_phase!r}")


def _is_run(word: str) -> bool:
    try:
        return bool(places.find(word))
    except BadInput:
        return False


def picture(stack: Stack, o: Namespace) -> alt.LayerChart:
    """Draw the lifecycle; write it as SVG where that is asked for."""
    chart = stack.picture()
    if o.svg and o.svg != "-":
        text = chart.to_svg()
        with writing(o.svg):
            Path(o.svg).write_text(text, "utf-8")
    return chart


def check(stack: Stack | None, o: Namespace) -> Report:
    """Look for mistakes in a plugin or a tree, or in all that the stack at hand would source."""
    from stacknb.hooks import checking

    if o.path is not None:
        return checking.check(o.path)
    if stack is None:
        raise BadInput("no stack yet: name a plugin's folder, or a tree of hooks")
    return stack.check()
