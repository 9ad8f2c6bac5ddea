"""Progress of a run, for whoever looks: a notebook, a terminal, or a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TextIO

from stacknb.dispatcher import Listener, Stack
from stacknb.rundir.journal import Event

__all__ = ["View", "asked", "asked_by_console", "in_notebook", "shown", "view_of"]

_BY_PYTHON = re.compile(r".+_\d+_\d+")  # jupyter_client: session, process, count


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


def in_notebook() -> bool:
    """Tell whether this is a kernel, whose displays can be updated."""
    return _kernel() is not None


def asked_by_console() -> bool:
    """Tell whether a console asks the kernel: it does not show what becomes of a display.

    Such are jupyter console and Qt console: clients in Python, with somebody at the keyboard. What
    executes notebooks has nobody there, and pages are no Python.
    """
    message = asked()
    named = _BY_PYTHON.fullmatch(str(message.get("header", {}).get("msg_id")))
    answers = message.get("content", {}).get("allow_stdin", False)
    return bool(named and answers and "cellId" not in message.get("metadata", {}))


def asked() -> dict[str, Any]:
    """Return the message that has the kernel execute the cell; empty where there is no kernel."""
    kernel = _kernel()
    return kernel.get_parent("shell") if hasattr(kernel, "get_parent") else {}


def _kernel() -> Any:
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None)
