"""The one door: `Stack`. Its calls stand in groups, a module each, on the `Session` they share."""

from __future__ import annotations

from stacknb.dispatcher.dispatcher import Stack, at_hand, current
from stacknb.run.audience import Listener

__all__ = ["Listener", "Stack", "at_hand", "current"]
