"""Waiting for a process in asynchronous code; a module of its own, as few need asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Generator

from stacknb.supervision import processes

__all__ = ["until_ended"]


async def until_ended(pid: int, running: Callable[[], bool], name: str) -> None:
    """Return when the process of the task of that name has ended, as `running` tells, too."""
    with _reader(pid) as ended:
        while running() and not ended.is_set():
            # A kernel's interrupt reaches a coroutine only when the loop turns.
            try:
                await asyncio.wait_for(ended.wait(), 0.1)
            except TimeoutError:
                continue
            except asyncio.CancelledError as cancelled:
                _tell(cancelled, f"stopped waiting for {name!r}; it runs on")
                raise


def _tell(cancelled: asyncio.CancelledError, text: str) -> None:
    # In one line, as nobody wants to see where in asyncio a cell was interrupted. Of a type of our
    # own asyncio.timeout would not see that it is the cancellation it asked for.
    cancelled.args = (text,)
    vars(cancelled)["_render_traceback_"] = lambda: [f"CancelledError: {text}"]


@contextlib.contextmanager
def _reader(pid: int) -> Generator[asyncio.Event, None, None]:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = processes.pidfd(pid)
    if descriptor is not None:
        loop.add_reader(descriptor, ended.set)
    try:
        yield ended
    finally:
        if descriptor is not None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
