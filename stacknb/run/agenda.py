"""A phase under way: the hooks that are left of it, what came of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stacknb.exceptions import BadInput
from stacknb.lifecycle import Hook, Phase
from stacknb.results import HookResult

__all__ = ["Agenda", "refuse_faulty"]


@dataclass
class Agenda:
    """A phase under way.

    Attributes
    ----------
    phase : Phase
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
    left: list[Hook]
    of_plugins: list[Hook]
    results: list[HookResult] = field(default_factory=list)

    def follow(self, plugins: Sequence[Hook]) -> bool:
        """Take the hooks that plugins have by now; return whether something has changed.

        DevStack asks for its plugins after the scripts of ``extras.d``, so that one of these, or
        the settings of the user, may enable plugins for the same phase.
        """
        begin = len(self.left) - len(self.of_plugins)
        if begin < 0 or self.left[begin:] != self.of_plugins or self.of_plugins == plugins:
            return False
        refuse_faulty(plugins)
        self.left[begin:] = self.of_plugins = list(plugins)
        return True


def refuse_faulty(hooks: Sequence[Hook]) -> None:
    """Refuse hooks of which one cannot be run at all.

    Raises
    ------
    BadInput
        Says why.
    """
    for hook in hooks:
        if hook.fault:
            raise BadInput(f"hook {hook.name!r} ({str(hook.path)!r}): {hook.fault}")
