"""What the checks of the lessons have in common: the list of exercises, and what they look at."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stacknb import dispatcher, status, tasklog
from stacknb.dispatcher import Stack
from stacknb.hooks import changes
from stacknb.hooks.changes import Change
from stacknb.hooks.outline import outline
from stacknb.lifecycle import CLEAN_UP, PHASES, Phase
from stacknb.rundir.journal import RunDir
from stacknb.snapshots import history
from stacknb.snapshots.history import Moment
from stacknb.snapshots.space import Space
from stacknb.text.screen import quoted

__all__ = [
    "CHECKS",
    "WHAT",
    "NotYet",
    "begun",
    "does_in",
    "edited",
    "ended_by",
    "exercise",
    "history_of",
    "log_of",
    "moment_of",
    "need",
    "run_dir",
    "sets_in",
    "stack",
    "task_of",
    "value_of",
    "wait_of",
]

_BEFORE_A_NAME = (
    r"^|[;&|(){]|\b(?:then|else|do)\b|\b(?:export|readonly|declare|typeset)\b(?:[ \t]+-\w+)*"
)


class NotYet(Exception):
    """What is missing, and what to try."""


CHECKS: dict[str, Callable[..., str]] = {}
WHAT: dict[str, str] = {}


def exercise(number: str, what: str) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Put the check below into the list of exercises."""

    def keep(function: Callable[..., str]) -> Callable[..., str]:
        CHECKS[number], WHAT[number] = function, what
        return function

    return keep


def stack() -> Stack:
    """Return the stack at hand."""
    return dispatcher.current()


def run_dir() -> Path:
    """Return the directory of its run."""
    where = stack().run_dir
    if where is None:
        raise NotYet("nothing has run yet", "run the phases with %stack")
    return where


def history_of(name: str) -> list[Change]:
    """Return how hooks and cells set a variable, in order."""
    found = [c for c in changes.variable_history(run_dir(), name) if c.hook]
    if not found and (ended := ended_by()):
        raise NotYet(f"no hook had set {name} when {ended}", "mend that hook, then run %stack")
    if not found:
        raise NotYet(
            f"no hook has set {name} in this run",
            "a hook sets it plainly, or with declare -g; then %stack reset and %stack",
        )
    return found


def moment_of(change: Change) -> Moment:
    """Return the call of a hook, or the cell, that a change is of: the latest of that name."""
    return [
        moment for moment in history.read(run_dir())
        if (moment.phase, moment.name) == (change.phase, change.hook.removeprefix("cell "))
    ][-1]  # fmt: skip


def ended_by() -> str:
    """Say which hook ended the run early, if one did and its phase was not run again."""
    result = stack().result
    if result is None:
        return ""
    bad = [hook for hook in result.hooks if not hook.ok and hook.phase not in result.phases]
    return f"{bad[0].name} failed in {bad[0].phase!r}" if bad else ""


def does_in(hook: str, phase: Phase) -> bool:
    """Tell whether a hook may have work in a phase, as far as its text tells."""
    return bool(outline(_text_of(hook), phase).lines)


def sets_in(hook: str, name: str) -> list[str]:
    """Return the phases in which a hook may set a variable, as far as its text tells."""
    # An outline tells of tasks; what is only printed is no assignment.
    assigned = re.compile(rf"({_BEFORE_A_NAME})([ \t]*){name}=", re.M)
    text = assigned.sub(rf"\1\2async_run {name} ", _text_of(hook))
    return [phase.label for phase in PHASES if name in outline(text, phase).starts]


def _text_of(hook: str) -> str:
    plan = stack().plan()
    paths = plan.loc[plan["hook"] == hook, "path"]
    return Path(paths.iloc[0]).read_text() if len(paths) else ""


def value_of(name: str) -> str:
    """Return what a variable is set to."""
    history_of(name)  # which says so if it never was
    snapshots = [m.snapshot for m in history.read(run_dir()) if m.snapshot is not None]
    variable = Space(snapshots[-1]).variables.get(name)
    return variable.text() if variable else ""


def edited() -> list[str]:
    """Return the hooks that have changed since they ran, or since the run began without them."""
    if (where := stack().run_dir) is None:
        return []
    ran = {moment.name: moment.start for moment in history.read(where) if moment.kind == "hook"}
    begun = min(ran.values(), default=math.inf)
    plan = stack().plan().drop_duplicates("hook")
    return [
        name for name, path in zip(plan["hook"], plan["path"], strict=True)
        if os.path.exists(path) and os.path.getmtime(path) > ran.get(name, begun)
    ]  # fmt: skip


def task_of(name: str) -> status.LogStatus:
    """Return a task of the run, the latest of that name."""
    run = status.read(run_dir())
    for task in reversed(run.tasks):
        if task.name == name:
            return task
    known = quoted(task.name for task in run.tasks) or "none"
    raise NotYet(
        f"the tasks of this run are: {known}",
        f"a hook starts it with async_run {name} COMMAND, a cell with %%async_task {name}",
    )


def wait_of(name: str) -> dict[str, Any]:
    """Return the wait for a task, the latest of that name."""
    start = begun(task_of(name))
    found = [
        wait for wait in RunDir.open(run_dir()).new_waits()
        if wait["name"] == name and wait["wait_end"] >= start  # not that of an earlier one
        and wait["hook"] != CLEAN_UP  # which collects what nobody waits for
    ]  # fmt: skip
    if found:
        return found[-1]
    raise NotYet(
        f"{name!r} was started and nobody waited for it",
        f"a hook waits for it with async_wait {name}, a cell with %wait {name}",
    )


def begun(task: status.LogStatus) -> float:
    """Return when a task was asked for, the latest of that name, epoch seconds."""
    return stack().tasks[task.name].started  # which no log tells until the task has begun


def log_of(task: status.LogStatus) -> str:
    """Return what a task has said, the end of it where that is much."""
    return tasklog.tail_bytes(run_dir() / task.log).decode("utf-8", "replace").strip()


def need(holds: object, saw: str, hint: str) -> None:
    """Say what was seen, and a hint, unless it holds."""
    if not holds:
        raise NotYet(saw, hint)
