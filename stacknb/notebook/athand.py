"""Which stack the magics work on: the one at hand, a new one, or one left beside it."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from stacknb import dispatcher
from stacknb.commands import commands, notebook_commands
from stacknb.commands.arguments import given
from stacknb.dispatcher import Stack, current
from stacknb.exceptions import BadInput
from stacknb.places import absolute
from stacknb.plugins import parse_plugins

__all__ = ["AtHand"]


class AtHand:
    """The stacks of one notebook: the one at hand, and those whose runs go on beside it."""

    def __init__(self) -> None:
        self._made: Stack | None = None
        self._settings: dict[str, Any] = {}
        self._beside: list[Stack] = []

    def opened(self, o: Namespace) -> Stack:
        """Return the stack at hand, or another one for another tree or other settings.

        Raises
        ------
        BadInput
            If an argument cannot be used; says what to do.
        """
        wanted = {a.dest: getattr(o, a.dest) for a in given(commands.SETTINGS, o)}
        back = wanted.pop("parallel", False)
        if "plugin" in wanted:
            wanted["plugin"] = parse_plugins(wanted["plugin"])
        at_hand = dispatcher.at_hand() if o.top_dir else current()
        if at_hand is not None:
            known = self._settings if at_hand is self._made else {"plugin": at_hand.plugins}
            other = [key for key, value in wanted.items() if known.get(key) != value]
            if back and not at_hand.parallel:
                other.append("parallel")
            if not o.top_dir and other:
                flag = f"--{other[0].replace('_', '-')}"
                tree = os.path.relpath(at_hand.top_dir)
                raise BadInput(
                    f"{flag!r} is a setting of a new stack: give it with TOP_DIR, here {tree!r}"
                )
            if not o.top_dir or (not other and _absolute(o.top_dir) == at_hand.top_dir):
                return at_hand
        of_tree = (s for s in self._beside if s.top_dir == _absolute(o.top_dir) and not s.closed)
        again = None if wanted or back else next(of_tree, None)
        stack = again or commands.open_tree(o)
        if again is None and at_hand is not None and stack.top_dir == at_hand.top_dir:
            stack.take_cells_of(at_hand)
        if at_hand is not None and not at_hand.busy:
            notebook_commands.make_way(at_hand)
        elif at_hand is not None:
            self._beside.append(at_hand)
        if again is not None:
            self._take(again)
        self._made, self._settings = stack, wanted
        return stack

    def turn_to_result(self) -> None:
        """Have the stack at hand whose run in the background is to be collected, if one is."""
        at_hand = current()
        waiting = (s for s in (at_hand, *self._beside) if s.worker and not s.worker.collected)
        if (found := next(waiting, at_hand)) is not at_hand:
            self._beside.append(at_hand)
            self._take(found)

    def _take(self, stack: Stack) -> None:
        self._beside.remove(stack)
        stack.take_over()


def _absolute(folder: str) -> Path:
    return absolute(os.path.expanduser(folder))
