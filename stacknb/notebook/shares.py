"""What a magic shows, fitted into what the notebook's share of its run has left."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from IPython.lib.pretty import pretty

from stacknb.dispatcher import Stack, at_hand
from stacknb.dispatcher.worker import Worker
from stacknb.exceptions import StacknbError
from stacknb.notebook.ledger import KERNEL
from stacknb.results import Result, TaskResult
from stacknb.run import cells
from stacknb.rundir.follow import excerpt
from stacknb.tasks import Task
from stacknb.text import budget, screen

__all__ = ["errors", "print_logs", "print_output", "printed", "run_at_hand", "value"]

_CELL_LINES = 200


def run_at_hand() -> Path | None:
    """Return the run of the stack at hand, if there is one."""
    stack = at_hand()
    return stack.run_dir if stack is not None else None


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Fit the text of an error that ends a magic."""
    try:
        yield
    except StacknbError as error:
        run = run_at_hand()
        error.room = KERNEL.room(run, 2 * budget.ERROR, 2 * budget.SHORT) // 2
        if error.room < budget.ERROR and str(error) != Exception.__str__(error):
            error.hint = budget.USED_UP
        KERNEL.put(run, budget.stored(str(error)) + budget.stored(error._render_traceback_()))
        raise


def printed(text: str, run: Path | None, least: int = budget.ASKED) -> str:
    """Return what is left of a text that a cell prints; it is empty if not even that fits."""
    room = KERNEL.room(run, budget.PRINTED, least)
    fitting = budget.fold(text, room) if room >= min(budget.SHORT, budget.stored(text)) else ""
    KERNEL.put(run, budget.stored(fitting))
    return fitting


def value(shown: Any, run: Path | None) -> Any:
    """Return what a cell shows as its result, which knows then what room it has."""
    if (most := getattr(type(shown), "room", None)) is not None:
        short = budget.SHORT if most == budget.RESULT else budget.ASKED
        least = getattr(shown, "least", short)
        vars(shown)["room"] = KERNEL.room(run, min(most, budget.PRINTED), least)
        html = getattr(shown, "_repr_html_", str)()
        text = pretty(shown)  # type: ignore[no-untyped-call] # IPython's
        KERNEL.put(run, budget.stored({"text/plain": text, "text/html": html}))
    elif isinstance(shown, Result | Stack | Task | Worker):
        KERNEL.put(run, budget.stored(repr(shown)))
    return shown


def print_output(result: Result, run: Path | None) -> None:
    """Print what a cell's bash has printed, the last lines of it where that is much."""
    both = bool(result.stdout and result.stderr)
    for text, stream, file in (
        (result.stdout, sys.stdout, result.log),
        (result.stderr, sys.stderr, cells.errors_of(result.log)),
    ):
        data = text.encode("utf-8", "replace")
        lines = screen.clean(data, 500)
        if len(lines) > _CELL_LINES:
            least = "at least " if len(data) >= cells.SHOWN else ""
            cut = screen.counted(len(lines) - _CELL_LINES, "line")
            more = f"… {least}{cut} before these, all in {file}"
            lines = [more, *lines[-_CELL_LINES:]]
        if lines:
            text = "".join(f"{line}\n" for line in lines)
            text = printed(text, run, budget.ASKED // (1 + both))
            stream.write(text.rstrip("\n") + "\n")


def print_logs(results: Sequence[TaskResult], lines: int) -> None:
    """Print the logs of some tasks, as many as fit: of those that did not end well first."""
    run = run_at_hand()
    room, shown = KERNEL.room(run, budget.PRINTED, budget.ASKED), {}
    share = max(budget.ASKED, room // max(1, len(results)))
    for result in sorted(results, key=lambda result: result.ok):
        text = budget.fold(_log_text(result, lines), share)
        room -= budget.stored(text)
        if room < 0:
            break
        shown[id(result)] = text
    KERNEL.put(run, sum(map(budget.stored, shown.values())))
    for result in results:
        if id(result) in shown:
            print(shown[id(result)])
    if left := [result.status for result in results if id(result) not in shown]:
        counts = ", ".join(f"{count} {status}" for status, count in Counter(left).items())
        print(f"… and {len(left)} more: {counts}; a result's .log is the path of its log")


def _log_text(result: TaskResult, lines: int) -> str:
    mark = screen.SYMBOLS.get(result.status, "·")
    heading = f"{mark} {result.name} {result.ending()} after {screen.seconds(result.duration_s)}"
    return "\n".join([heading, *(f"    {line}" for line in excerpt(result.log, lines))])
