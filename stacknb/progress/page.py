"""The picture of a run in a notebook: the same as HTML and as plain text, within a budget."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Protocol

from stacknb.follow import last_line
from stacknb.progress.board import Board, HookState, PhaseState
from stacknb.screen import SYMBOLS, clean_line, listed, seconds, size

__all__ = ["Row", "bundle", "rows"]

_BUDGET = 12_000  # characters of output in one picture, as HTML
_TASKS = 20
_ROWS = 30
_COLOURS = {
    "ok": "var(--jp-success-color1, #388e3c)",
    "running": "var(--jp-brand-color1, #1976d2)",
    "to come": "var(--jp-content-font-color2, #666)",
    "waiting": "var(--jp-content-font-color2, #666)",
}
_BAD = "var(--jp-error-color1, #d32f2f)"
_DIM = "color:var(--jp-content-font-color2, #666)"
_BOX = (
    "font-family:var(--jp-code-font-family, monospace);font-size:var(--jp-code-font-size, 13px);"
    "color:var(--jp-content-font-color1, #212121);line-height:1.4"
)
_PRE = (
    "margin:0 0 4px 1.5em;padding:2px 8px;overflow-x:auto;font-size:inherit;line-height:1.3;"
    "background:var(--jp-layout-color2, #f5f5f5);color:inherit"
)


class Output(Protocol):
    """The end of a hook's output; see `Tail`."""

    lines: list[str]
    count: int
    left_out: int


@dataclass(frozen=True)
class Row:
    """A line of the picture.

    Attributes
    ----------
    level : int
        0 a heading, 1 a phase, 2 a hook or a task.
    name, status : str
    time : str
    more : str
        What else there is to say; shown dimly.
    lines : list of str
        The end of its output.
    """

    level: int
    name: str
    status: str = ""
    time: str = ""
    more: str = ""
    lines: list[str] = field(default_factory=list)


def bundle(board: Board, outputs: Mapping[Path, Output], top_dir: Path) -> dict[str, str]:
    """Return the picture by MIME type."""
    picture = rows(board, outputs, top_dir)
    steps = board.phases
    return {"text/plain": _plain(picture, steps), "text/html": _html(picture, steps)}


def rows(board: Board, outputs: Mapping[Path, Output], top_dir: Path) -> list[Row]:
    """Return the picture line by line."""
    bad = next((phase for phase in board.phases if phase.status not in _COLOURS), None)
    state = "complete" if board.complete else "under way"
    if bad is not None:
        state = f"{bad.status} in {bad.label}"
    elif board.phases and board.phases[-1].status != "ok" and board.hook is None:
        following = next((p.label for p in board.phases if p.status == "to come"), "")
        state = f"next is {following}" if following else state
    found = [Row(0, f"{board.mode} of {top_dir}", more=state)]
    allowed = _lines_allowed(board, outputs)
    for phase in board.phases:
        if phase.begun:
            found += _phase_rows(phase, board, outputs, allowed)
    found += _task_rows(board)
    found += [Row(1, "note", more=clean_line(note, 300)) for note in board.notes[-10:]]
    return [*found, Row(1, "logs", more=str(board.run_dir))]


def _lines_allowed(board: Board, outputs: Mapping[Path, Output]) -> dict[Path, int]:
    """Share the budget: the hook that runs or failed first, then the newest."""
    hooks = [hook for phase in reversed(board.phases) for hook in reversed(phase.hooks)]
    hooks.sort(key=lambda hook: hook.status == "ok")
    allowed: dict[Path, int] = {}
    left = _BUDGET
    for hook in hooks:
        output = outputs.get(hook.log)
        if output is None or len(allowed) >= _ROWS:
            continue
        most = output.lines[-5 if hook.status == "ok" else -20 :]
        while (cost := sum(len(escape(line)) for line in most)) > left:
            most = most[1:]
        left -= cost
        allowed[hook.log] = len(most)
    return allowed


def _phase_rows(
    phase: PhaseState, board: Board, outputs: Mapping[Path, Output], allowed: Mapping[Path, int]
) -> Iterator[Row]:
    count = f"{len(phase.hooks)} of {phase.expected} hooks" if phase.expected else "no hooks"
    if len(phase.hooks) >= phase.expected > 0:
        count = f"{phase.expected} hook{'s' * (phase.expected != 1)}"
    rows, quiet = [], []
    for hook in phase.hooks:
        output = outputs.get(hook.log)
        if hook.status == "ok" and (output is None or not output.count or hook.log not in allowed):
            quiet.append(hook.name)
            continue
        rows.append(_hook_row(hook, output, allowed.get(hook.log, 0), board))
    if quiet:
        count += f"; nothing printed by {listed(quiet, 12)}"
    took = _spent(phase.duration_s, phase.begun, time.time())
    yield Row(1, phase.label, phase.status, took, count)
    yield from rows


def _hook_row(hook: HookState, output: Output | None, shown: int, board: Board) -> Row:
    lines = output.lines[-shown:] if output is not None and shown else []
    more = ""
    if output is not None and (output.left_out or output.count > len(lines)):
        count = output.count - len(lines)
        more = f"{count:,} line{'s' * (count != 1)} before these"
        if output.left_out:
            more = f"{size(output.left_out)} and more before these"
        more += f", all in {_within(board, hook.log)}"
    took = _spent(hook.duration_s, hook.begun, time.time())
    return Row(2, hook.name, hook.status, took, more, lines)


def _within(board: Board, log: Path) -> Path:
    """Shorten a path to what follows the run directory, which has a line of its own."""
    inside = board.run_dir is not None and log.is_relative_to(board.run_dir)
    return log.relative_to(board.run_dir) if inside and board.run_dir else log


def _task_rows(board: Board) -> Iterator[Row]:
    running, more = board.running_tasks(_TASKS)
    ended = board.ended_tasks(_TASKS - len(running))
    if not running and not ended:
        return
    yield Row(1, "tasks")
    for task, state in ended:
        collected = task.result is not None
        took = seconds(task.result.duration_s) if task.result is not None else ""
        where = "" if state == "ok" and collected else str(_within(board, task.log))
        waited = "" if collected else "not waited for yet, "
        yield Row(2, task.name, state, took, waited + where)
    for task in running:
        last = clean_line(last_line(task.log).decode("utf-8", "replace"), 120)
        yield Row(2, task.name, task.state, _spent(None, task.started, time.time()), last)
    if more:
        yield Row(2, f"+{more} more running")


def _spent(duration_s: float | None, begun: float, now: float) -> str:
    if duration_s is not None:
        return seconds(duration_s)
    # Whole seconds, so that the picture changes no more often.
    return f"{int(now - begun)} s" if now - begun < 60 else seconds(now - begun)


def _plain(picture: list[Row], steps: list[PhaseState]) -> str:
    text = []
    for row in picture:
        mark = f"{SYMBOLS.get(row.status, '·')} " if row.status else ""
        words = [f"{mark}{row.name}", row.status if row.status != "ok" else "", row.time]
        more = f"  ({row.more})" if row.more and row.level else f": {row.more}" if row.more else ""
        text.append("  " * max(0, row.level - 1) + " ".join(w for w in words if w) + more)
        text += [f"    | {line}" for line in row.lines]
        if row.level == 0:
            text.append("  ".join(_step(phase) for phase in steps))
    return "\n".join(text)


def _step(phase: PhaseState) -> str:
    return f"{SYMBOLS.get(phase.status, '·')} {phase.label.removeprefix('stack ')}"


def _html(picture: list[Row], steps: list[PhaseState]) -> str:
    parts = [f'<div class="stacknb" style="{_BOX}">']
    for row in picture:
        mark = _coloured(row.status, SYMBOLS.get(row.status, "·")) + " " if row.status else ""
        name = escape(row.name) if row.level == 2 else f"<b>{escape(row.name)}</b>"
        words = [mark + name]
        if row.status:
            words.append(_coloured(row.status, row.status))
        if row.time:
            words.append(escape(row.time))
        if row.more:
            words.append(f'<span style="{_DIM}">{escape(row.more)}</span>')
        indent = ' style="margin-left:1.5em"' if row.level == 2 else ""
        parts.append(f"<div{indent}>{' '.join(words)}</div>")
        if row.lines:
            parts.append(f'<pre style="{_PRE}">{escape(chr(10).join(row.lines))}</pre>')
        if row.level == 0:
            marks = (_coloured(phase.status, _step(phase)) for phase in steps)
            parts.append(f"<div>{' &nbsp; '.join(marks)}</div>")
    return "".join([*parts, "</div>"])


def _coloured(status: str, text: str) -> str:
    return f'<span style="color:{_COLOURS.get(status, _BAD)}">{escape(text)}</span>'
