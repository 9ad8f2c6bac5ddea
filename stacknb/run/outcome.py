"""The error that a hook or a cell which did not end well amounts to, with what can be done next."""

from __future__ import annotations

from pathlib import Path

from stacknb.exceptions import HookFailed, Interrupted, located
from stacknb.results import HookResult
from stacknb.run import failures
from stacknb.run.taskbook import TaskBook
from stacknb.rundir import room
from stacknb.text import screen

__all__ = ["GIVEN_UP", "error_of", "in_words"]

GIVEN_UP = (
    "called exit 0, which ends the whole run with status 0: no later hook runs (hardly ever meant; "
    "use return)"
)


def error_of(
    result: HookResult, kind: str, tasks: TaskBook, run_dir: Path
) -> HookFailed | Interrupted:
    """Return the error for a result that is not well.

    Parameters
    ----------
    result : HookResult
    kind : {'hook', 'cell'}
    tasks : TaskBook
        Some may run on; others, that were waited for, have to be started again.
    run_dir : Path
    """
    if result.status == "failed":
        assert result.failure is not None
        remedy = room.remedy(run_dir)
        mend = remedy if result.lack else "mend it"
        first = failures.to_run_first(result.failure.last_lines, tasks.ill, result.phase)
        phases = failures.to_run_again(first, result.phase)
        again = f"{mend} and run {phases} again" if kind == "hook" else ""
        if result.lack and kind != "hook":
            again = f"{remedy} and run the cell again"
        return HookFailed(result.failure, again)
    why = result.failure
    place = f" at {why.place}" if why else ""
    running = tuple(task.name for task in tasks.uncollected() if task.running)
    going_on = f"; tasks still running: {screen.listed(running)}" if running else ""
    command = located("", why.command, why.calls) if why else ""
    return Interrupted(
        f"{in_words(result.name, kind)!r} was interrupted{place} after "
        f"{screen.seconds(result.duration_s)}{going_on}{command}\n  log     {result.log}",
        why, running,
    )  # fmt: skip


def in_words(name: str, kind: str) -> str:
    """Return what the user calls a hook or a cell."""
    return name if kind == "hook" else f"cell {name}"
