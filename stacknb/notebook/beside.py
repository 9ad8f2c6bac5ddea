"""Stacks whose runs go on in the background while another has taken their place at hand."""

from __future__ import annotations

from pathlib import Path

from stacknb.dispatcher import Stack

__all__ = ["Beside"]


class Beside:
    """The stacks of one notebook that are open, though they are not at hand."""

    def __init__(self) -> None:
        self._stacks: list[Stack] = []

    def put(self, stack: Stack) -> None:
        """Keep a stack that another takes the place of."""
        self._stacks.append(stack)

    def of_tree(self, top_dir: Path) -> Stack | None:
        """Return the stack of a tree, if one is open."""
        return next((s for s in self._stacks if s.top_dir == top_dir and not s.closed), None)

    def with_result(self, at_hand: Stack) -> Stack | None:
        """Return a stack whose run is to be collected, if the one at hand has none."""
        found = [s for s in (at_hand, *self._stacks) if s.worker and not s.worker.collected]
        return found[0] if found and found[0] is not at_hand else None

    def take(self, stack: Stack) -> None:
        """Make a stack the one at hand again."""
        self._stacks.remove(stack)
        stack.take_over()
