"""The summary of a run as HTML and as plain text: small, and it needs no script and no network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from stacknb.board import BAD, Board, HookState, PhaseState, TaskState, picture
from stacknb.screen import SYMBOLS, clean_line, excerpt, seconds

__all__ = ["Row", "bundle", "rows"]

_BUDGET = 800  # characters of output in one summary, as HTML
_WIDTH = 200
_LAST = 60  # characters of a task's last line
_TASKS = 5
_ROWS = 10
_NOTES = 4
_NAME = 60
_COLOURS = {
    "ok": "var(--jp-success-color1, #2e7d32)",
    "running": "var(--jp-brand-color1, #1976d2)",
    "to come": "var(--jp-content-font-color2, #616161)",
    "waiting": "var(--jp-content-font-color2, #616161)",
    "skipped": "var(--jp-content-font-color2, #616161)",
}
_BAD = "var(--jp-error-color1, #c62828)"
_DIM = "color:var(--jp-content-font-color2, #616161)"
_BOX = (
    "font-family:var(--jp-code-font-family, monospace);font-size:var(--jp-code-font-size, 13px);"
    "color:var(--jp-content-font-color1, #212121);line-height:1.4"
)
_PRE = (
    "margin:0 0 4px 1.5em;padding:2px 8px;overflow-x:auto;font-size:inherit;line-height:1.3;"
    "background:var(--jp-layout-color2, #f5f5f5);color:inherit"
)
# Where the live panel is shown, the summary behind it is not; and the other way round.
_STYLE = (
    "<style>.jp-OutputArea-child:has(.stacknb-panel:not(.stacknb-moved))"
    " + .jp-OutputArea-child:has(.stacknb-twin),"
    ".jp-OutputArea-child:not(:has(.stacknb-panel)):has(+ .jp-OutputArea-child .stacknb-twin)"
    "{display:none}</style>"
)


@dataclass(frozen=True)
class Row:
    """A line of the summary.

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


def bundle(board: Board, since: float = 0.0) -> dict[str, str]:
    """Return the summary by MIME type.

    Parameters
    ----------
    board : Board
    since : float
        Phases that ended before are not told in detail; epoch seconds.
    """
    found = rows(board, since)
    return {"text/plain": _plain(found, board.phases), "text/html": _html(found, board.phases)}


def rows(board: Board, since: float = 0.0) -> list[Row]:
    """Return the summary line by line."""
    if board.run_dir is None:
        return [Row(0, "no run yet")]
    found = [Row(0, f"{board.mode} of {board.top_dir}", more=_state(board))]
    begun = [phase for phase in board.phases if phase.begun and _is_new(phase, since)]
    allowed = _lines_allowed([hook for phase in begun for hook in phase.hooks])
    for phase in begun:
        found += _phase_rows(phase, board, allowed)
    found += _failure_rows(board)
    found += _task_rows(board)
    notes = board.notes[-_NOTES:]
    found += [Row(1, "note", more=line) for line in _within(notes, _BUDGET, first=True)]
    return [*found, Row(1, "logs", more=str(board.run_dir))]


def _is_new(phase: PhaseState, since: float) -> bool:
    return phase.status == "running" or phase.begun + (phase.duration_s or 0.0) >= since


def _state(board: Board) -> str:
    state, phase = board.state, board.phase
    if state in ("failed", "interrupted") and phase is not None:
        return f"{phase.status} in {phase.label}"
    if state == "complete":
        spent = sum(phase.duration_s or 0.0 for phase in board.phases)
        return f"complete after {seconds(spent)}"
    if state == "unfinished" and board.next_phase:
        return f"next is {board.next_phase}"
    return "ended early" if board.ended else "under way"


def _lines_allowed(hooks: list[HookState]) -> dict[Path, list[str]]:
    """Share the budget: the hook that runs or failed first, then the newest."""
    begun = [hook for hook in reversed(hooks) if hook.begun]
    begun.sort(key=lambda hook: hook.status == "ok")
    allowed: dict[Path, list[str]] = {}
    left = _BUDGET
    for hook in begun[:200]:
        if len(allowed) >= _ROWS or left <= 0:
            break
        if hook.status in BAD:
            continue  # its lines are in the explanation
        lines = _within(excerpt(hook.log, 5, _WIDTH - 60), left)
        if lines:
            left -= sum(len(escape(line)) for line in lines)
            allowed[hook.log] = lines
    return allowed


def _within(lines: list[str], budget: int, first: bool = False) -> list[str]:
    """Return the last lines (or the first) that fit; each is cut to a width."""
    kept = [clean_line(line, _WIDTH) for line in lines]
    while kept and sum(len(escape(line)) for line in kept) > budget:
        kept = kept[:-1] if first else kept[1:]
    return kept


def _phase_rows(phase: PhaseState, board: Board, allowed: dict[Path, list[str]]) -> Iterator[Row]:
    begun = [hook for hook in phase.hooks if hook.begun]
    expected = len(phase.hooks)
    count = f"{len(begun)} of {expected} hooks" if expected else "no hooks"
    if len(begun) >= expected > 0:
        count = f"{expected} hook{'s' * (expected != 1)}"
    told = [h for h in begun if h.log in allowed or (h.status != "ok" and h is not board.failed)]
    yield Row(1, phase.label, phase.status, _spent(phase.duration_s, phase.begun), count)
    for hook in told[-_ROWS:]:
        lines = [line.replace(f"{board.run_dir}/", "") for line in allowed.get(hook.log, [])]
        took = _spent(hook.duration_s, hook.begun)
        yield Row(2, hook.name[:_NAME], hook.status, took, lines=lines)


def _failure_rows(board: Board) -> Iterator[Row]:
    why = picture(board, 0)["failure"]
    if why is None:
        return
    facts = [("at", why["place"]), ("command", why["command"]), ("status", why["code"])]
    lines = _within([f"{key:<8}{value}" for key, value in facts if value], _BUDGET, first=True)
    last = _within([f"  | {line}" for line in why["lines"]], _BUDGET // 2)
    lines += ["last lines", *last] if last else []
    lines.append(f"log     {why['log']}")
    again = f"mend it and run {board.next_phase!r} again" if board.next_phase else ""
    lines += [f"next    {again}"] if again else []
    name = clean_line(str(why["hook"]), _NAME)
    reason = clean_line(why["reason"], _WIDTH).removeprefix(f"{why['status']} ")
    yield Row(1, name, why["status"], more=reason, lines=lines)


def _task_rows(board: Board) -> Iterator[Row]:
    tasks = board.tasks.shown(_TASKS)
    if not tasks:
        return
    counts = ", ".join(f"{count} {status}" for status, count in board.tasks.counts().items())
    yield Row(1, "tasks", more=counts)
    yield from (_task_row(task) for task in tasks)
    if len(board.tasks) > len(tasks):
        yield Row(2, f"and {len(board.tasks) - len(tasks)} more")


def _task_row(task: TaskState) -> Row:
    more = task.last[:_LAST]
    if not task.live:
        more = "" if task.collected else "not waited for yet"
        if task.status != "ok":
            more = f"{more}, {task.key}".removeprefix(", ")
    return Row(2, task.name[:_NAME], task.status, _spent(task.duration_s, task.started), more)


def _spent(duration_s: float | None, begun: float) -> str:
    if duration_s is not None:
        return seconds(duration_s)
    spent = time.time() - begun
    # Whole seconds, so that the summary changes no more often.
    return f"{int(spent)} s" if spent < 60 else seconds(spent)


def _plain(found: list[Row], steps: list[PhaseState]) -> str:
    text = []
    for row in found:
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


def _html(found: list[Row], steps: list[PhaseState]) -> str:
    parts = [f'{_STYLE}<div class="stacknb-twin" style="{_BOX}">']
    for row in found:
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
