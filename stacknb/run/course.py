"""How far a run has come: which phases are done, which comes next, which has to be tried again."""

from __future__ import annotations

from collections.abc import Iterable

from stacknb.lifecycle import Phase, phases_of

__all__ = ["Course"]


class Course:
    """The way of one run through the phases of its mode.

    Parameters
    ----------
    mode : str
    done : list of str
        Labels of the phases that are done, in order; kept up to date.
    begun : iterable of Phase
        Those of which an earlier session may have left something: a try of them is another one.

    Attributes
    ----------
    failed : Phase or None
        The one that has begun and not come to its end.
    given_up : bool
        No later phase comes, though not every one is done.
    over : bool
        It has ended, and there is nothing left to do for it.
    """

    def __init__(self, mode: str, done: list[str], begun: Iterable[Phase] = ()) -> None:
        self._phases = phases_of(mode)
        self._done = done
        self._begun = set(begun)
        self.failed: Phase | None = None
        self.given_up = self.over = False

    @property
    def next(self) -> Phase | None:
        """The phase that comes next, or None at the end."""
        left = (phase for phase in self._phases if phase.label not in self._done)
        return None if self.given_up else next(left, None)

    @property
    def last(self) -> Phase:
        """The phase that ends the run."""
        return self._phases[-1]

    def has_begun(self, phase: Phase) -> bool:
        """Tell whether there was an earlier try of a phase."""
        return phase in self._begun

    def begin(self, phase: Phase) -> None:
        """Take note that a phase has begun; if it was done, it no longer is."""
        if phase.label in self._done:
            self._done.remove(phase.label)
        self.failed = phase
        self._begun.add(phase)

    def end(self, phase: Phase) -> None:
        """Take note that a phase has come to its end."""
        self.failed = None
        self._done.append(phase.label)
        self._done.sort(key=[phase.label for phase in self._phases].index)
