"""A lifecycle that is run from a cell: in a thread, with its panel below the cell."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from stacknb.dispatcher import Stack
from stacknb.dispatcher.worker import Worker
from stacknb.rundir.journal import Event

__all__ = ["run_in_cell"]

_LOOK_S = 0.05


def run_in_cell(stack: Stack, what: str, work: Callable[[], Any], stay: bool = True) -> Any:
    """Do `work` in a thread and show its panel; what is refused at once shows nothing.

    Parameters
    ----------
    stack : Stack
    what : str
        What it does, for messages.
    work : callable
    stay : bool
        Wait for its end, and stop it when interrupted. Otherwise return at once.

    Returns
    -------
    object
        What `work` returned; the `Worker` unless `stay`.

    Raises
    ------
    StacknbError
        What ended the work.
    """
    stack.check_free()
    with _unharmed():
        from stacknb.widgets.panels import panel_of

        panel_of(stack).leave()
    begun = time.time()
    first = _First()
    stack.listeners.append(first)
    worker = stack.start(work, what)
    try:
        _await_begin(worker, first)
    finally:
        stack.listeners.remove(first)
    if not first.heard.is_set():
        return worker.finish()
    with _unharmed():
        panel_of(stack).show(since=begun)
    if not stay:
        return worker
    try:
        return worker.finish()
    finally:
        with _unharmed():
            panel_of(stack).settle()


class _First:
    """Hears that a phase begins."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def on_event(self, event: Event) -> None:
        if event.kind == "phase-start":
            self.heard.set()

    def on_tick(self) -> None:
        pass


def _await_begin(worker: Worker, first: _First) -> None:
    while worker.running:
        try:
            if first.heard.wait(_LOOK_S):
                return
        except KeyboardInterrupt:
            worker.stop()


@contextlib.contextmanager
def _unharmed() -> Iterator[None]:
    # A run must not end because it cannot be shown.
    try:
        yield
    except Exception as error:
        warnings.warn(f"the panel cannot be shown: {error!r}", RuntimeWarning, stacklevel=3)
