"""The hooks of a phase under way, as the plugins have it that are enabled by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stacknb import lifecycle, plugins
from stacknb.exceptions import BadInput
from stacknb.lifecycle import Hook, Phase
from stacknb.results import HookResult
from stacknb.run.order import Order
from stacknb.shell.turns import Turn
from stacknb.snapshots.snapshot import Variable

__all__ = ["Agenda", "Roster"]


@dataclass
class Agenda:
    """A phase under way.

    Attributes
    ----------
    begun : float
        Epoch seconds.
    left : list of Hook
        Those still to come.
    of_plugins : list of Hook
        The end of `left`, until the first of them has had its turn.
    results : list of HookResult
        Of the others.
    """

    phase: Phase
    begun: float
    left: list[Hook] = field(default_factory=list)
    of_plugins: list[Hook] = field(default_factory=list)
    results: list[HookResult] = field(default_factory=list)


class Roster:
    """Follows what the hooks of a run enable.

    Parameters
    ----------
    order : Order
    note : callable
        Is told what the user should know.

    Attributes
    ----------
    plugins : list of Plugin
        Those enabled by now, in order.
    """

    def __init__(self, order: Order, note: Callable[[str], None]) -> None:
        self.plugins = list(order.plugins)
        self._order = order
        self._note = note

    def hear(self, turn: Turn) -> None:
        """Take what a turn of the shell has left enabled."""
        if turn.outcome != "lost":
            self.plugins = plugins.enabled(self.plugins, turn.plugins)
            for sentence in plugins.remarks(self.plugins, turn.requires, self._order.top_dir):
                self._note(sentence)

    def check_dest(self, variables: Callable[[str], Sequence[Variable]]) -> None:
        """Note which plugins will not find their own files, now that the settings are known."""
        if own := [plugin for plugin in self.plugins if plugins.looks_in_dest(plugin)]:
            dest = "".join(variable.text() for variable in variables("DEST"))
            for sentence in plugins.not_in(dest, own):
                self._note(sentence)

    def hooks(self, phase: Phase) -> tuple[list[Hook], list[Hook]]:
        """Return the hooks that a phase begins with, and those of them that plugins have."""
        extras = lifecycle.hooks_of(phase, self._order.top_dir, (), self._order.cells)
        of_plugins = self._of_plugins(phase)
        _refuse_faulty(hooks := extras + of_plugins)
        return hooks, of_plugins

    def follow(self, agenda: Agenda) -> bool:
        """Bring a phase under way up to date; return whether its hooks have changed.

        DevStack asks for its plugins after the scripts of ``extras.d``, so that one of these, or
        the settings of the user, may enable plugins for the same phase.
        """
        known, now = agenda.of_plugins, self._of_plugins(agenda.phase)
        begin = len(agenda.left) - len(known)
        if begin < 0 or agenda.left[begin:] != known or known == now:
            return False
        _refuse_faulty(now)
        agenda.left[begin:] = agenda.of_plugins = now
        return True

    def _of_plugins(self, phase: Phase) -> list[Hook]:
        return lifecycle.of_plugins(phase, self.plugins, self._order.cells)


def _refuse_faulty(hooks: Sequence[Hook]) -> None:
    for hook in hooks:
        if hook.fault:
            raise BadInput(f"hook {hook.name!r} ({str(hook.path)!r}): {hook.fault}")
