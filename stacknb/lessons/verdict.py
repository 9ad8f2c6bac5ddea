"""Checks for the exercises of the notebooks: they look at the stack at hand and say what they saw.

``check("02.1")`` never raises for a wrong answer: its verdict says what is there and what to try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stacknb.exceptions import BadInput
from stacknb.lessons import checks
from stacknb.lessons.book import CHECKS, WHAT, NotYet, edited
from stacknb.text.names import unknown
from stacknb.text.screen import quoted

__all__ = ["Verdict", "check", "exercises"]

_BOOK = checks.__name__  # imported for the exercises it puts into the list


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    exercise : str
    passed : bool
    saw : str
        What there is.
    hint : str
        What to try next; empty if it passed.

    Examples
    --------
    >>> print(Verdict("02.1", False, "PORT is 80", "set it earlier"))
    ✗ exercise 02.1, not yet: PORT is 80
      hint: set it earlier
    """

    exercise: str
    passed: bool
    saw: str
    hint: str = ""

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        if self.passed:
            return f"✓ exercise {self.exercise}: {self.saw}"
        return f"✗ exercise {self.exercise}, not yet: {self.saw}\n  hint: {self.hint}"


def exercises() -> dict[str, str]:
    """Return the exercises by number, each with what it asks for in one line.

    Examples
    --------
    >>> exercises()["02.1"]
    'a hook of yours changes a default before 50-app.sh reads it'
    """
    return dict(WHAT)


def check(exercise: str, *answers: Any) -> Verdict:
    """Look whether an exercise is done.

    Parameters
    ----------
    exercise : str
        Its number: ``"02.1"``.
    *answers : Any
        What the exercise asks for, where it asks for an answer.

    Raises
    ------
    BadInput
        If there is no such exercise, or it asks for answers and gets none.

    Examples
    --------
    >>> check("06.2", "/no/such/folder").passed
    False
    """
    if exercise not in CHECKS:
        raise BadInput(unknown("exercise", str(exercise), CHECKS))
    try:
        return Verdict(exercise, True, CHECKS[exercise](*map(_alone, answers)))
    except NotYet as missing:
        saw, hint = missing.args
        if not answers and (newer := quoted(edited())):
            hint += f" (added or changed after this run: {newer}; %stack reset, %stack)"
        return Verdict(exercise, False, saw, hint)
    except BadInput as error:
        return Verdict(exercise, False, str(error), "run the cells above this one first")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        asked = WHAT[exercise]
        if "positional arguments but" in str(error):
            raise BadInput(
                f"exercise {exercise!r} takes fewer answers than the {len(answers)} given;"
                f" it asks for: {asked}"
            ) from None
        if "positional argument" in str(error):
            raise BadInput(f"exercise {exercise!r} asks for: {asked}; give that") from None
        if not answers:
            raise
        return Verdict(exercise, False, "the answer is of another kind", f"give {asked}")


def _alone(answer: Any) -> Any:
    """Return what a list or a column of one thing holds: a question to a frame ends in those."""
    many = isinstance(answer, list | tuple) or hasattr(answer, "tolist")
    return next(iter(answer)) if many and len(answer) == 1 else answer
