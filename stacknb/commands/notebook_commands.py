"""What the commands do that only a notebook has; the table of commands names them."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacknb import places
from stacknb.commands.author_commands import run_dir_of
from stacknb.dispatcher import Stack, current
from stacknb.exceptions import BadInput
from stacknb.results import TaskResults
from stacknb.text import screen

if TYPE_CHECKING:  # pandas takes half a second to import
    import pandas as pd

    from stacknb.tasks import Task

__all__ = ["async_task", "check_shell", "make_way", "panel", "reset", "resume", "variables", "wait",
           "what_is_next"]  # fmt: skip


def variables(stack: Stack, o: Namespace) -> pd.DataFrame:
    """Return the shell's variables, or their values through the run."""
    check_shell(stack)
    frame = (stack.history if o.history else stack.variables)(o.glob or "*")
    if o.glob and frame.empty:
        print(f"no variable is called {o.glob!r}; %stack vars shows all")
    return frame


def reset(stack: Stack, o: Namespace) -> Stack:
    """End the run under way."""
    stack.reset()
    return stack


def resume(stack: Stack | None, o: Namespace) -> Stack:
    """Open a run that ended early, in the place of the stack at hand."""
    where = places.find(o.run) if o.run else places.latest()
    if stack is None or stack.run_dir != where:  # or it is open already
        before, stack = stack, Stack.resume(where)
        if before is not None and not before.busy:
            make_way(before)
        _tell_notes(stack)
    print(what_is_next(stack))
    return stack


def _tell_notes(stack: Stack) -> None:
    for note in stack.result.notes if stack.result is not None else ():
        print(note, file=sys.stderr)


def async_task(stack: Stack | None, o: Namespace) -> Task:
    """Start a task."""
    stack = stack or current()
    check_shell(stack)
    after = [name for names in o.after or () for name in names.split(",")]
    return stack.async_run(o.name, *o.command, after=after, timeout=o.timeout)


def wait(stack: Stack | None, o: Namespace) -> Any:
    """Wait for tasks, or for the run that goes on in the background."""
    stack = stack or current()
    worker = stack.worker
    if o.name == ["stack"] and worker is not None and not worker.collected:
        return worker.wait(o.timeout)
    return TaskResults(stack.async_wait(*dict.fromkeys(o.name), timeout=o.timeout))


def panel(stack: Stack | None, o: Namespace) -> Stack | Path:
    """Return what is to be shown: the stack at hand, or a run that is named."""
    return places.find(run_dir_of(stack, o)) if o.run or stack is None else stack


def make_way(stack: Stack) -> None:
    """Close a stack, since another takes its place; say what ends with it, and how to go on."""
    running = [task.name for task in stack.tasks.values() if task.running]
    if stack.run_dir is not None and (running or stack.next_phase):
        tasks = f" and its tasks {screen.quoted(running)}" if running else ""
        where = shlex.quote(os.path.relpath(stack.run_dir))
        ended = f"closed the stack of {str(stack.top_dir)!r}{tasks}"
        print(f"{ended}; %stack resume {where} opens it again", file=sys.stderr)
    stack.close()


def what_is_next(stack: Stack) -> str:
    """Say in words what a step would run."""
    if stack.next_hook is not None:
        return f"next is {stack.next_hook.name!r} in {stack.next_phase!r}"
    if stack.next_phase is not None:
        return f"next is {stack.next_phase!r}"
    return "every phase is done; %stack begins a new run"


def check_shell(stack: Stack) -> None:
    """Refuse what would block until a run in the background gives the shell back.

    Raises
    ------
    BadInput
        Says how to get it back.
    """
    if stack.busy:
        raise BadInput(
            "a run goes on in the background and holds the shell: collect it with %wait stack, or "
            "stop it in its panel"
        )
