"""The summary of a run as HTML and as plain text: small, and it needs no script and no network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from stacknb.board import Board, HookState, PhaseState, TaskState, picture
from stacknb.hooks.mending import to_run_again
from stacknb.progress.excerpts import WIDTH, Excerpts
from stacknb.text import budget
from stacknb.text.screen import SYMBOLS, clean_line, counted, seconds

__all__ = ["bundle", "moved"]

_SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.15, 0.1, 0.0)  # of all that may be shown: the first that fits
_LINES = 1_000  # bytes of hooks' lines, and of a failure's
_LAST = 60  # a task's last line
_NAME = 90
_PATH = 300
_TASKS = 6
_ROWS = 10
_NOTES = 4
_CLASSES = {"ok": "k", "running": "r", **dict.fromkeys(("to come", "waiting", "skipped"), "d")}
_BAD = "b"
# Where the panel is not shown, the words in its place are not either; see panel.css for the rest.
_STYLE = (
    ".jp-OutputArea-child:not(:has(.stacknb-panel))"
    ":has(+ .jp-OutputArea-child .stacknb-twin){display:none}"
    ".stacknb-twin{font:var(--jp-code-font-size,13px)/1.4 var(--jp-code-font-family,monospace);"
    "color:var(--jp-content-font-color1,#212121);overflow-wrap:anywhere}"
)
_INDENT = ' style="margin-left:1.5em"'  # what JupyterLab leaves of it in an untrusted notebook
_RULES = {  # by what they are for; colours are the theme's, where there is one
    "<pre": "div.stacknb-twin pre{margin-block:0 4px;padding:2px 8px;overflow-x:auto;"
    "font:inherit;line-height:1.3;background:var(--jp-layout-color2,#f5f5f5);color:inherit}",
    'class="d"': ".stacknb-twin .d{opacity:.7}",
    'class="k"': ".stacknb-twin .k{color:var(--jp-success-color1,#2e7d32)}",
    'class="r"': ".stacknb-twin .r{color:var(--jp-brand-color1,#1976d2)}",
    'class="b"': ".stacknb-twin .b{color:var(--jp-error-color1,#c62828)}",
}


@dataclass(frozen=True)
class _Row:
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


def bundle(board: Board, since: float = 0.0, most: int = budget.SUMMARY) -> dict[str, str]:
    """Return the summary by MIME type.

    Parameters
    ----------
    board : Board
    since : float
        Phases that ended before are not told in detail; epoch seconds.
    most : int
        Bytes that it may take in a notebook: from `budget.AGAIN` on it is a summary in any case,
        below that it may be one line, which takes `budget.LINE` at the most. Of a single phase that
        goes well it is no longer than `budget.STEP`, if it can be: more phases are to come.
    """
    excerpts = Excerpts(board.run_dir)
    is_step = len(_new(board, since)) == 1 and board.state not in ("failed", "interrupted")
    for share in _SHARES:
        found = _rows(board, since, share, excerpts)
        made = {"text/plain": _plain(found, board.phases), "text/html": _html(found, board.phases)}
        fair = budget.STEP if is_step and share else most
        if budget.stored(made) <= min(most, fair):
            return made
    return {"text/plain": _line(board)}


def moved(board: Board) -> dict[str, str]:
    """Return by MIME type what stays where a run was shown that is now shown elsewhere."""
    tree = budget.cut(board.top_dir, _PATH // 3, end=True, measure=budget.plain)
    more = "under way when its panel was shown again elsewhere"
    found = [_Row(0, f"{board.mode} of {tree}", more=more)]
    return {"text/plain": _plain(found, []).rstrip(), "text/html": _html(found, [])}


def _line(board: Board) -> str:
    tree, logs = (
        budget.cut(path, _PATH // 3, end=True, measure=budget.plain)
        for path in (board.top_dir, str(board.run_dir))
    )
    return f"{board.mode} of {tree}: {_state(board)}; logs in {logs}; {budget.USED_UP}"


def _rows(board: Board, since: float, share: float, excerpts: Excerpts) -> list[_Row]:
    """Return the summary line by line, shortened to a share of its full length."""
    if board.run_dir is None:
        return [_Row(0, "no run yet")]
    path = round(_PATH * max(share, 0.25))
    tree = budget.cut(board.top_dir, path, end=True)
    found = [_Row(0, f"{board.mode} of {tree}", more=_state(board))]
    new = _new(board, since)
    hooks = [hook for phase in new for hook in phase.hooks]
    allowed = excerpts.within(_LINES * share, _ROWS * share, hooks)
    if not share and len(new) > 1:
        found.append(_Row(1, f"{counted(len(new) - 1, 'phase')} before"))
    for phase in new if share else new[-1:]:
        found += _phase_rows(phase, board, allowed, share)
    found += _failure_rows(board, share)
    found += _task_rows(board, share)
    for note in _last(board.notes, _NOTES * share):
        found.append(_Row(1, "note", more=budget.cut(clean_line(note), WIDTH)))
    return [*found, _Row(1, "logs", more=budget.cut(str(board.run_dir), path, end=True))]


def _new(board: Board, since: float) -> list[PhaseState]:
    return [
        phase for phase in board.phases
        if phase.begun
        and (phase.status == "running" or phase.begun + (phase.duration_s or 0.0) >= since)
    ]  # fmt: skip


def _state(board: Board) -> str:
    state, phase = board.state, board.phase
    if state in ("failed", "interrupted") and phase is not None:
        return f"{state if phase.status == 'ok' else phase.status} in {phase.label}"
    if state == "complete":
        spent = sum(phase.duration_s or 0.0 for phase in board.phases)
        return f"complete after {seconds(spent)}"
    if state == "unfinished" and board.next_phase:
        return f"next is {board.next_phase}"
    # A notebook that was saved meanwhile and then closed says so for ever.
    return "ended early" if board.ended else time.strftime("under way on %d %b at %H:%M")


def _phase_rows(
    phase: PhaseState, board: Board, allowed: dict[Path, list[str]], share: float
) -> Iterator[_Row]:
    begun = [hook for hook in phase.hooks if hook.begun]
    expected = len(phase.hooks)
    count = f"{len(begun)} of {expected} hooks" if expected else "no hooks"
    if len(begun) >= expected > 0:
        count = counted(expected, "hook")
    told = [h for h in begun if h.log in allowed or (h.status != "ok" and h is not board.failed)]
    yield _Row(1, phase.label, phase.status, _took(phase), count)
    for hook in _last(told, _ROWS * share):
        lines = allowed.get(hook.log, [])
        yield _Row(2, _name(hook.name), hook.status, _took(hook), lines=lines)


def _failure_rows(board: Board, share: float) -> Iterator[_Row]:
    why = picture(board, 0)["failure"]
    if why is None:
        return
    room = round(_LINES * share)
    place = budget.cut(why["place"], max(100, room // 3), end=True)
    lines = [f"at      {place}"] if place else []
    if share:
        command = budget.cut(why["command"], room // 3)
        calls = [budget.cut(call, room // 10, end=True) for call in why["calls"]]
        facts = [("command", command), *zip(["from", *[""] * len(calls)], calls, strict=False)]
        lines += [f"{key:<8}{value}" for key, value in [*facts, ("status", why["code"])] if value]
        last = [f"  | {budget.cut(line, WIDTH)}" for line in why["lines"]]
        last = budget.within(last, room // 2)
        lines += ["last lines", *last] if last else []
    lines.append(f"log     {budget.cut(why['log'], 100, end=True)}")
    if board.next_phase:
        phases = to_run_again(why["first"], board.next_phase)
        mend = f"mend it{why['cell']} and " if board.state == "failed" else ""
        lines.append(f"next    {mend}run {phases} again")
    reason = why["reason"].removeprefix(f"{why['status']} ")
    reason = budget.cut(clean_line(reason), max(100, round(WIDTH * share)))
    yield _Row(1, _name(str(why["hook"])), why["status"], more=reason, lines=lines)


def _task_rows(board: Board, share: float) -> Iterator[_Row]:
    if not len(board.tasks):
        return
    tasks = board.tasks.shown(round(_TASKS * share))
    counts = ", ".join(f"{count} {status}" for status, count in board.tasks.counts().items())
    yield _Row(1, "tasks", more=counts)
    yield from (_task_row(task) for task in tasks)
    if len(board.tasks) > len(tasks) > 0:
        yield _Row(2, f"and {len(board.tasks) - len(tasks)} more")


def _task_row(task: TaskState) -> _Row:
    more = budget.cut(task.last, _LAST)
    if not task.live:
        more = "" if task.collected else "not waited for yet"
        if task.status != "ok":
            more = f"{more}, {budget.cut(task.key, _NAME, end=True)}".removeprefix(", ")
    return _Row(2, _name(task.name), task.status, _took(task), more)


def _last(found: list[Any], most: float) -> list[Any]:
    return found[-round(most) :] if round(most) else []


def _name(name: str) -> str:
    return budget.cut(clean_line(name), _NAME)


def _took(one: PhaseState | HookState | TaskState) -> str:
    if (spent := one.spent(time.time())) is None:
        return ""
    # Whole seconds while it runs, so that the summary changes no more often.
    return seconds(spent, whole=one.status == "running")


def _plain(found: list[_Row], steps: list[PhaseState]) -> str:
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


def _html(found: list[_Row], steps: list[PhaseState]) -> str:
    parts = []
    for row in found:
        mark = _coloured(row.status, SYMBOLS.get(row.status, "·")) + " " if row.status else ""
        name = escape(row.name) if row.level == 2 else f"<b>{escape(row.name)}</b>"
        words = [mark + name]
        if row.status not in ("", "ok"):
            words.append(_coloured(row.status, row.status))
        if row.time:
            words.append(escape(row.time))
        if row.more:
            words.append(f'<span class="d">{escape(row.more)}</span>')
        indent = _INDENT if row.level == 2 else ""
        parts.append(f"<div{indent}>{' '.join(words)}</div>")
        if row.lines:
            parts.append(f"<pre{_INDENT}>{escape(chr(10).join(row.lines))}</pre>")
        if row.level == 0:
            alike = groupby(steps, key=lambda phase: phase.status)
            marks = (_coloured(status, "  ".join(map(_step, group))) for status, group in alike)
            parts.append(f"<div>{'  '.join(marks)}</div>")
    body = "".join(parts)
    rules = "".join(rule for used, rule in _RULES.items() if used in body)
    return f'<style>{_STYLE}{rules}</style><div class="stacknb-twin">{body}</div>'


def _coloured(status: str, text: str) -> str:
    return f'<span class="{_CLASSES.get(status, _BAD)}">{escape(text)}</span>'
