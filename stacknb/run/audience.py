"""Who is told what a run does, and whether the user wants it to stop."""

from __future__ import annotations

from typing import Protocol

from stacknb.exceptions import Interrupted
from stacknb.rundir.journal import Event

__all__ = ["Audience", "Listener"]


class Listener(Protocol):
    """Who shows a run: is told every event, and the time about ten times a second."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    def on_tick(self) -> None:
        """Take the time to look again."""


class Audience:
    """The listeners of a stack, whichever its run is.

    Attributes
    ----------
    listeners : list of Listener
    stopping : bool
        The user has stopped what the stack is at.
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.stopping = False

    def tell(self, event: Event) -> None:
        """Tell everyone an event."""
        for listener in self.listeners:
            listener.on_event(event)

    def tick(self) -> None:
        """Tell everyone the time."""
        for listener in self.listeners:
            listener.on_tick()

    def check(self) -> None:
        """Raise Interrupted if the user has stopped the run."""
        if self.stopping:
            raise Interrupted("stopped between two hooks; the session is usable")
