"""Which display shows a run, and that a run goes on without one that fails."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from stacknb.dispatcher import Listener, Stack
from stacknb.rundir.journal import Event

__all__ = ["View", "shown", "view_of"]


class View(Listener, Protocol):
    """A listener that has an end."""

    def close(self) -> None:
        """Show the end; nothing comes after it."""


@contextlib.contextmanager
def shown(stack: Stack, stream: TextIO | None = None) -> Iterator[View]:
    """Show what `stack` does meanwhile.

    Parameters
    ----------
    stack : Stack
    stream : text stream, optional
        Where to; by default stderr.
    """
    view = _Guarded(view_of(stack, stream))
    stack.listeners.append(view)
    try:
        yield view
    finally:
        stack.listeners.remove(view)
        view.close()


class _Guarded:
    # A run must not end because it cannot be shown.
    # It may be told in the thread that does the work, and closed in the one that waits for it.
    def __init__(self, view: View) -> None:
        self._view: View | None = view
        self._lock = threading.RLock()

    def on_event(self, event: Event) -> None:
        self._tell(lambda view: view.on_event(event))

    def on_tick(self) -> None:
        self._tell(lambda view: view.on_tick())

    def close(self) -> None:
        with self._lock:
            self._tell(lambda view: view.close())
            self._view = None

    def _tell(self, what: Callable[[View], None]) -> None:
        with self._lock:
            try:
                if self._view is not None:
                    what(self._view)
            except Exception as error:
                self._view = None
                said = f"progress is shown no longer: {error!r}"
                warnings.warn(said, RuntimeWarning, stacklevel=2)


def view_of(stack: Stack, stream: TextIO | None = None) -> View:
    """Return the display that fits: see `shown`."""
    stream = stream or sys.stderr
    if stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", ""):
        from stacknb.progress.terminal import Terminal

        return Terminal(stack, stream)
    from stacknb.progress.plain import Plain, writer

    return Plain(lambda: stack.run_dir, writer(stream))
