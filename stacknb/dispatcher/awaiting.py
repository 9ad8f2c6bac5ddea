"""The calls of a stack inside asynchronous code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Async"]


class Async:
    """The calls of a `Stack` to be awaited: ``await stack.aio.run()``; they run in a thread.

    Examples
    --------
    >>> import asyncio
    >>> asyncio.run(stack.aio.run(until="source")).phases
    ['override_defaults', 'source']
    """

    def __init__(self, stack: object) -> None:
        self._stack = stack

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stack, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            import asyncio  # a tenth of what `%load_ext` took; few ask for it

            return await asyncio.to_thread(method, *args, **kwargs)

        return call
