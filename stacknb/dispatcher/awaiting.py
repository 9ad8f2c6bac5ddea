"""The calls of a stack inside asynchronous code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from stacknb.dispatcher.session import Session
from stacknb.exceptions import Interrupted

__all__ = ["Async"]


class Async:
    """The calls of a `Stack` to be awaited: ``await stack.aio.run()``; they run in a thread.

    Where the await is cancelled, by a timeout or Ctrl-C, the hook or cell is interrupted; a wait
    ends, and its tasks run on.

    Examples
    --------
    >>> import asyncio
    >>> asyncio.run(stack.aio.run(until="source")).phases
    ['override_defaults', 'source']
    """

    def __init__(self, stack: Session) -> None:
        self._stack = stack

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stack, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            import asyncio  # a tenth of what `%load_ext` took; few ask for it

            from stacknb.supervision import coroutine

            threads: list[int] = []

            def work() -> Any:
                threads.append(threading.get_ident())
                try:
                    return method(*args, **kwargs)
                finally:  # in this order: a cancel that comes too late finds nobody
                    self._stack.unwanted.discard(threads.pop())

            try:
                return await coroutine.in_thread(work)
            except asyncio.CancelledError as cancelled:  # the thread knows nothing of it
                if self._stack.busy and self._stack.at_work_in in threads:
                    self._stack.interrupt()
                else:  # it waits for its turn, or for a task
                    self._stack.unwanted.update(threads)
                coroutine.tell(cancelled, str(Interrupted()))
                raise

        return call
