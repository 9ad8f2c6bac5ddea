"""The one door: `Stack`, whose calls are written group by group, each in a module of its own."""

from __future__ import annotations

from stacknb.dispatcher.dispatcher import Listener, Stack, at_hand, current

__all__ = ["Listener", "Stack", "at_hand", "current"]
