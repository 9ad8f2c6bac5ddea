"""What a click in a panel does; each says in one line what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stacknb.board import Board
from stacknb.dispatcher import Stack
from stacknb.exceptions import BadInput

__all__ = ["allowed", "do"]


def allowed(stack: Stack | None, board: Board) -> list[str]:
    """Return what can be done now.

    Parameters
    ----------
    stack : Stack or None
        None where the run is not of this kernel: it can be watched only.
    board : Board
    """
    if stack is None or stack.run_dir != board.run_dir:
        return []
    if stack.busy or (stack.worker is not None and stack.worker.running):
        return ["stop", "cancel"]
    if stack.result is not None and stack.result.complete:
        return ["cancel"]
    if stack.next_phase is None:  # given up by `exit 0`; or interrupted just before its end
        return ["cancel"] if board.ended else ["rest", "cancel"]
    if board.failed is not None:
        return ["retry", "cancel"]
    return ["step", "rest", "cancel"]


def do(stack: Stack | None, board: Board, content: dict[str, Any]) -> str:
    """Do what a click asks for; return what came of it.

    Raises
    ------
    StacknbError
        If it cannot be done.
    """
    action = str(content.get("do"))
    if stack is None:
        raise BadInput(f"{action!r} needs the kernel of the run; this is a view of its files")
    if action not in allowed(stack, board):
        raise BadInput(f"{action!r} cannot be done now: {_why(stack)}")
    return _ACTIONS[action](stack, content)


def _stop(stack: Stack, content: dict[str, Any]) -> str:
    stack.interrupt()
    return "stopping; tasks run on"


def _cancel(stack: Stack, content: dict[str, Any]) -> str:
    [result] = stack.cancel(str(content.get("name")))
    return f"task {result.name!r} {result.ending()}"


def _step(stack: Stack, content: dict[str, Any]) -> str:
    phase, mode = stack.next_phase, _mode(stack)
    stack.start(lambda: stack.step(mode), f"step {phase}")
    return f"running {phase!r}"


def _rest(stack: Stack, content: dict[str, Any]) -> str:
    mode = _mode(stack)
    if stack.next_phase is None:  # a step would not begin another run
        stack.start(lambda: stack.step(mode), mode)
        return "bringing the run to its end"
    stack.start(lambda: stack.run(mode), mode)
    return "running every phase that is left"


def _mode(stack: Stack) -> str:
    return stack.result.mode if stack.result is not None else "stack"


def _why(stack: Stack) -> str:
    return "a run goes on" if stack.busy else "no run goes on, or it has nothing left"


_ACTIONS: dict[str, Callable[[Stack, dict[str, Any]], str]] = {
    "stop": _stop,
    "cancel": _cancel,
    "retry": _step,
    "step": _step,
    "rest": _rest,
}
