"""Commands and their arguments as data, and the help texts that are made from it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stacknb.commands import printing

__all__ = [
    "CLI",
    "STACK",
    "Argument",
    "Command",
    "as_typed",
    "given",
    "help_text",
]

CLI, STACK = "stacknb", "%stack"


@dataclass(frozen=True)
class Argument:
    """One argument.

    Attributes
    ----------
    flag : str
        ``--jobs``; or ``TOP_DIR``, given by its place.
    help : str
    kind : str
        What it holds; decides conversion, metavar and completion: ``number``, ``seconds``,
        ``switch``, ``percent``, ``phase``, ``mode``, ``folder``, ``file``, ``plugin``, ``run``,
        ``task``, ``hook``, ``script``, ``log``, ``choice``, ``glob``, ``words``, ``text``.
    many : bool
        An option that may be repeated, or a place that takes any number.
    optional : bool
        A place that may be left empty.
    at_hand : bool
        A place that may be left empty in a notebook, where it means the stack at hand.
    default : Any
        None tells "not given".
    faces : tuple of str
        Only there; everywhere if empty.
    choices : tuple of str
        The only words of a ``choice``.
    short : str
        Another flag, of one letter.
    needed : bool
        An option that must be given.
    bare : str
        What an option of ``percent`` means without a value.
    """

    flag: str
    help: str
    kind: str = "text"
    many: bool = False
    optional: bool = False
    at_hand: bool = False
    default: Any = None
    faces: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    short: str = ""
    needed: bool = False
    bare: str = ""

    @property
    def by_place(self) -> bool:
        """Whether it has no flag."""
        return not self.flag.startswith("-")

    @property
    def dest(self) -> str:
        """Its name in a namespace."""
        return self.flag.lstrip("-").replace("-", "_").lower()

    @property
    def metavar(self) -> str:
        """How its value is called in a help text."""
        if self.by_place:
            return self.flag
        words = {"number": "N", "folder": "DIR", "plugin": "NAME=DIR", "text": "NAME"}
        words["choice"] = self.dest.upper()
        return words.get(self.kind, self.kind.upper())

    def usage(self, face: str) -> str:
        """How it stands in a usage line."""
        if self.kind == "switch":
            return f"[{self.flag}]"
        text = self.flag if self.by_place else f"{self.flag} {self.metavar}"
        text += "…" if self.many and self.by_place else ""
        free = (
            (not self.by_place and not self.needed)
            or self.optional
            or (self.at_hand and face != CLI)
        )
        return f"[{text}]{'…' if self.many and not self.by_place else ''}" if free else text


@dataclass(frozen=True)
class Command:
    """Something that can be asked for.

    Attributes
    ----------
    name, help : str
    run : callable
        Is called with the stack, or None where none is at hand, and the arguments.
    arguments : tuple of Argument
    faces : tuple of str
        ``stacknb``, ``%stack`` (a word of it), or the magic that is named as the command.
    show : callable
        Prints on the command line what `run` returned; is called with that and the arguments. What
        came of a run is printed with how it ended, by `printing.run`.
    """

    name: str
    help: str
    run: Callable[[Any, argparse.Namespace], Any]
    arguments: tuple[Argument, ...] = ()
    faces: tuple[str, ...] = (CLI, STACK)
    show: Callable[[Any, argparse.Namespace], None] = printing.found

    @property
    def opens_tree(self) -> bool:
        """Whether it works on a tree of hooks, named or at hand."""
        return self._takes("TOP_DIR")

    @property
    def runs_hooks(self) -> bool:
        """Whether it takes a run on: its progress is shown, and it may go on in the background."""
        return self._takes("--bg")

    @property
    def resumes(self) -> bool:
        """Whether a run of it that ended early can be taken up again."""
        return self._takes("--resume")

    def _takes(self, flag: str) -> bool:
        return any(argument.flag == flag for argument in self.arguments)

    def of(self, face: str) -> list[Argument]:
        """Return its arguments at one face."""
        return [argument for argument in self.arguments if face in (argument.faces or (face,))]


def as_typed(face: str) -> str:
    """Return a face as it is typed."""
    return face.replace("%hook", "%%hook")  # which has no line magic


def given(arguments: Iterable[Argument], options: argparse.Namespace) -> list[Argument]:
    """Return those arguments that were given."""
    return [
        argument
        for argument in arguments
        if not _is_default(argument, getattr(options, argument.dest, None))
    ]


def _is_default(argument: Argument, value: Any) -> bool:
    return value is None or value is False or value == argument.default


def help_text(face: str, commands: Sequence[Command], summary: str) -> str:
    """Return what ``%stack?`` and the like show."""
    rows: list[tuple[str, str]] = []
    magic = as_typed(face)
    for command in commands:
        places = [argument for argument in command.of(face) if argument.by_place]
        if face == STACK:  # the tree stands before the word
            places = [place for place in places if place.flag != "TOP_DIR"]
        words = [magic] if command.name in (face[1:], "stack") else [magic, command.name]
        rows.append((" ".join(words + [place.usage(face) for place in places]), command.help))
        if face != STACK:
            rows += [(f"    {place.flag}", place.help) for place in places]
    options = {a.flag: a for entry in commands for a in entry.of(face) if not a.by_place}
    for option in options.values():
        value = "" if option.kind == "switch" else f" {option.metavar}"
        of = [entry.name for entry in commands if option in entry.of(face)]
        alone = f"{of[0]}: " if len(of) == 1 < len(commands) else ""
        rows.append((f"    {option.flag}{value}", f"{alone}{option.help}"))
    width = max(len(left) for left, _ in rows)
    return "\n".join([summary, "", *(f"{left:<{width}}  {right}" for left, right in rows)]) + "\n"
