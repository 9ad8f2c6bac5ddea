"""A run that another process works on, as it is told in a terminal, from its directory alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from stacknb import lifecycle, status
from stacknb.exceptions import StacknbError
from stacknb.places import FACTS
from stacknb.progress.plain import Plain
from stacknb.rundir.journal import RunDir

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
        At the end, if something has gone wrong: see `RunStatus.wrong`.
    """
    lifecycle.check_recorded(folder.facts()["mode"], folder.path / FACTS)
    said: list[str] = []
    plain = Plain(lambda: folder.path, said.append)
    while True:
        is_held = folder.lock.is_held()  # before its events: those of its end must not be missed
        events = folder.new_events()
        for event in events:
            # Of a journal that is damaged the rest is told.
            with contextlib.suppress(KeyError, TypeError, ValueError):
                plain.on_event(event)
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
    run = status.read(folder.path)
    yield f"{run.mode} run {run.run}: {run.state}\n"
    if run.wrong:
        raise StacknbError(f"{run.wrong}; its logs are in {str(folder.path)!r}")
