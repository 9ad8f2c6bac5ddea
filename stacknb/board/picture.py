"""A board as plain data for JSON, in sections; and what has changed between two of them.

Times are instants (epoch seconds) as far as possible: who shows them counts on by itself, so that
a second that passes is no change.
"""

from __future__ import annotations

from typing import Any

from stacknb.board.board import Board
from stacknb.board.states import HookState, PhaseState, TaskState
from stacknb.exceptions import few
from stacknb.hooks import mending
from stacknb.rundir.follow import last_line, tail
from stacknb.text import budget, screen

__all__ = ["brief", "changes", "expected", "late", "left", "picture"]

Picture = dict[str, Any]

_HOOKS = 40
_NOTES = 5
_BRIEFER = ((4, 80), (3, 60), (2, 50), (1, 40), (0, 30))  # entries of a list, bytes of a text
_ASKED = ("log", "order")
_WIDER = {"tree": 3, "dir": 3, "reason": 3, "place": 3, "command": 3, "path": 3}
_PHASES = 16
_TAIL = 8
_KEYED = ("rows",)  # sections of which single entries are sent


def picture(board: Board, most: int) -> Picture:
    """Return what a panel shows.

    Parameters
    ----------
    board : Board
    most : int
        How many tasks are named.

    Returns
    -------
    dict
        ``run phases hooks tail waiting waits order counts rows failure notes basis``.
    """
    tasks = board.tasks.shown(most)
    phase, waits = board.phase, board.waiting
    hooks = [
        _entry(hook, hook.name, hook.begun, number=number, log=_key_of(hook, board))
        for number, hook in enumerate(phase.hooks if phase is not None else [])
    ]
    return {
        "run": {
            "mode": board.mode,
            "tree": board.top_dir,
            "dir": str(board.run_dir or ""),
            "state": board.state,
            "where": phase.label if phase is not None else "",
            "next": board.next_phase,
            "hooks": len(hooks),
        },
        "basis": board.earlier.when if board.earlier is not None else "",
        "phases": [
            _entry(phase, phase.label, phase.begun, expected=_rounded(phase.expected_s))
            for phase in board.phases
        ],
        "hooks": _around(hooks, _HOOKS),
        "tail": _tail(board),
        "waiting": [
            {
                "name": wait.task.name,
                "since": wait.since,
                "hook": wait.hook,
                "last": wait.task.last,
                "before": _rounded(wait.before_s),
                "begun": wait.task.started,
                "log": wait.task.key,
            }
            for wait in waits[:_NOTES]
        ],
        "waits": len(waits),
        "order": [task.key for task in tasks],
        "counts": board.tasks.counts(),
        "rows": {task.key: _task(task, board) for task in tasks},
        "failure": _failure(board),
        "notes": [screen.clean_line(note, 300) for note in board.notes[-_NOTES:]],
    }


def brief(whole: Picture, most: int = budget.PICTURE) -> Picture:
    """Return a picture for a notebook, of no more than `most` bytes there; nothing can be done.

    The state of the run, its failure and what is waited for are kept longest.
    """
    for entries, width in _BRIEFER:
        kept = {key: whole[key][:entries] for key in ("order", "notes", "waiting")}
        kept["hooks"] = _around(whole["hooks"], entries)
        kept["rows"] = {key: whole["rows"][key] for key in kept["order"]}
        kept["phases"] = whole["phases"][-_PHASES:]  # there are more where a journal is damaged
        if (why := whole["failure"]) is not None:
            kept["failure"] = {**why, "lines": why["lines"][-2 * entries :] if entries else []}
        made: Picture = _narrow({**whole, **kept, "can": []}, width)
        if budget.stored(made) <= most:
            return made
    return {**made, "failure": None, "tail": None}


def _narrow(value: Any, width: int) -> Any:
    """Cut texts, but not the paths by which a log is asked for."""
    if isinstance(value, dict):
        wide = {key: width * _WIDER.get(key, 1) for key in value}
        return {k: v if k in _ASKED else _narrow(v, wide[k]) for k, v in value.items()}
    if isinstance(value, list):
        return [_narrow(entry, width) for entry in value]
    return budget.cut(value, width, end=value[:1] == "/") if isinstance(value, str) else value


def changes(old: Picture, new: Picture) -> Picture:
    """Return the sections of `new` that are not in `old`; of ``rows`` the entries alone.

    An entry that is gone is None.
    """
    found: Picture = {}
    for key, value in new.items():
        before = old.get(key)
        if value == before:
            continue
        if key in _KEYED and isinstance(before, dict):
            entries: dict[str, Any] = dict.fromkeys(before.keys() - value.keys())
            entries |= {k: v for k, v in value.items() if before.get(k) != v}
            found[key] = entries
        else:
            found[key] = value
    return found


def expected(board: Board) -> float | None:
    """Return how many seconds all phases took in an earlier run; None if one is not known."""
    known = [phase.expected_s for phase in board.phases]
    total = sum(value for value in known if value is not None)
    return total if known and None not in known else None


def left(board: Board, now: float) -> float | None:
    """Return how many seconds the rest may take, as far as an earlier run tells."""
    if expected(board) is None:
        return None
    total = 0.0
    for phase in board.phases:
        if phase.status == "to come":
            total += phase.expected_s or 0.0
        elif phase.status == "running":
            total += max(0.0, (phase.expected_s or 0.0) - (now - phase.begun))
    return total


def late(board: Board, now: float) -> bool:
    """Whether the phase at work takes longer than in an earlier run, by more than chance."""
    return any(
        phase.status == "running"
        and phase.expected_s is not None
        and now - phase.begun > 1.1 * phase.expected_s + 1
        for phase in board.phases
    )


def _entry(
    one: PhaseState | HookState | TaskState, name: str, begun: float, **more: Any
) -> dict[str, Any]:
    took = _rounded(one.duration_s)
    return {"name": name, "status": one.status, "begun": begun, "took": took, **more}


def _around(hooks: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the hooks around the one that runs, or ran last."""
    at = max((place for place, hook in enumerate(hooks) if hook["begun"]), default=0)
    begin = max(0, min(at - most // 2, len(hooks) - most))
    return hooks[begin : begin + most]


def _key_of(hook: HookState, board: Board) -> str:
    """Return a hook's log as a path within the run directory; empty before it has begun."""
    if board.run_dir is None or not hook.begun or not hook.log.is_relative_to(board.run_dir):
        return ""
    return str(hook.log.relative_to(board.run_dir))


def _tail(board: Board) -> dict[str, Any] | None:
    """Return the last line that the hook at work has printed."""
    hook = board.hook
    if hook is None:
        return None
    text = last_line(hook.log).decode("utf-8", "replace")
    return {"hook": hook.name, "last": screen.clean_line(text, 200)}


def _task(task: TaskState, board: Board) -> dict[str, Any]:
    before = _rounded(board.before(task)) if task.live else None
    more = {"phase": task.phase, "last": task.last, "collected": task.collected}
    return _entry(task, task.name, task.started, before=before, **more)


def _failure(board: Board) -> dict[str, Any] | None:
    hook = board.failed
    if hook is None:
        return None
    why = hook.failure
    line = why.get("line")
    place = f"{why.get('file', '')}:{line}" if line else str(why.get("file", ""))
    lines = tail(hook.log, _TAIL, 200)
    phase = board.phase.label if board.phase is not None else ""
    return {
        "hook": hook.name,
        "status": hook.status,
        "reason": screen.clean_line(
            str(why.get("reason") or _WORDS.get(hook.status, hook.status)), 300
        ),
        "place": screen.clean_line(place, 1000),
        "command": screen.clean_line(" ".join(str(why.get("command", "")).split()), 300),
        "calls": [screen.clean_line(call, 1000) for call in few(why.get("calls", []))],
        "code": why.get("status"),
        "lines": lines,
        "cell": mending.in_cell(str(why.get("file", "")), line),
        "first": mending.to_run_first(lines, board.tasks.ill, phase),
        "log": _key_of(hook, board),
        "path": str(hook.log),
    }


_WORDS = {
    "lost": "ended without a word: its shell is gone (the kernel or the machine was restarted?)",
    "interrupted": "was interrupted",
}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
