"""Who shows a run hears of it through these calls."""

from __future__ import annotations

from typing import Protocol

from stacknb.journal import Event

__all__ = ["Listener"]


class Listener(Protocol):
    """Who shows a run: is told every event, and the time about ten times a second."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    def on_tick(self) -> None:
        """Take the time to look again."""
