"""A run that another process works on, as it is told in a terminal, from its directory alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from stacknb import lifecycle
from stacknb.exceptions import StacknbError
from stacknb.journal import RunDir
from stacknb.places import FACTS
from stacknb.progress.plain import Plain
from stacknb.rundir.ending import ENDED
from stacknb.text.screen import quoted

__all__ = ["watch"]

_POLL_S = 0.3


def watch(folder: RunDir, *, pause: Callable[[float], object] = time.sleep) -> Iterator[str]:
    """Yield what a run tells, from its beginning, until it has ended or nobody works on it.

    A run that was killed is told to the end, too: which hook is lost.

    Parameters
    ----------
    folder : RunDir
    pause : callable
        Is called with seconds while nothing new is there.

    Raises
    ------
    BadInput
        If its ``run.json`` is damaged.
    StacknbError
        At the end, if a hook failed, or a task that nobody had waited for.
    """
    lifecycle.check_recorded(folder.facts()["mode"], folder.path / FACTS)
    said: list[str] = []
    plain = Plain(lambda: folder.path, said.append)
    tasks = ""
    while True:
        is_held = folder.lock.is_held()  # before its events: those of its end must not be missed
        events = folder.new_events()
        for event in events:
            # Of a journal that is damaged the rest is told.
            with contextlib.suppress(KeyError, TypeError, ValueError):
                plain.on_event(event)
                if event.kind == "run-end":
                    tasks = quoted(event.data.get("tasks", ()))
        plain.on_tick()
        yield from said
        said.clear()
        plain.board.update()
        # A hook whose process was killed looks running for a while, until its end is doubted.
        if plain.board.ended or not (events or is_held or plain.board.state == "running"):
            break
        if not events:
            pause(_POLL_S)
    plain.close()
    yield from said
    board, where = plain.board, f"its logs are in {str(folder.path)!r}"
    yield f"{board.mode} run {folder.run}: {board.state}\n"
    if board.failed is not None:
        raise StacknbError(f"{board.failed.name!r} {ENDED[board.failed.status]}; {where}")
    if board.state in ("failed", "interrupted") and board.phase is not None:  # outside of a hook
        raise StacknbError(f"phase {board.phase.label!r} {ENDED[board.phase.status]}; {where}")
    if tasks:
        raise StacknbError(f"nobody waited for {tasks}, which did not end well; {where}")
