"""Waiting in asynchronous code; a module of its own, as few need asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Generator
from typing import TypeVar

from stacknb.supervision import processes

__all__ = ["in_thread", "tell", "until_ended"]

T = TypeVar("T")
_TURN_S = 0.1  # a kernel's interrupt reaches a coroutine only when the loop turns


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread; where it has begun, a cancellation does not end it."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        while not done.done():
            await asyncio.wait([done], timeout=_TURN_S)
        return done.result()
    finally:
        done.cancel()


async def until_ended(pid: int, running: Callable[[], bool], name: str) -> None:
    """Return when the process of the task of that name has ended, as `running` tells, too."""
    with _reader(pid) as ended:
        while running() and not ended.is_set():
            try:
                await asyncio.wait_for(ended.wait(), _TURN_S)
            except TimeoutError:
                continue
            except asyncio.CancelledError as cancelled:
                tell(cancelled, f"stopped waiting for {name!r}; it runs on")
                raise


def tell(cancelled: asyncio.CancelledError, text: str) -> None:
    """Say it in one line, as nobody wants to see where in asyncio a cell was interrupted."""
    # Of a type of our own asyncio.timeout would not see that it is the cancellation it asked for.
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
