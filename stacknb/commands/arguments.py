"""Commands and their arguments as data; parsers and help texts are made from it when needed."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from stacknb.exceptions import BadInput
from stacknb.text.names import nearest

__all__ = ["CLI", "STACK", "Argument", "Command", "given", "help_text", "line_parser", "read_argv"]

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
        ``switch``, ``phase``, ``mode``, ``folder``, ``file``, ``plugin``, ``run``, ``task``,
        ``hook``, ``script``, ``log``, ``choice``, ``words``, ``text``.
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

    def add_to(self, parser: _Parser, face: str) -> None:
        """Teach it to a parser."""
        options: dict[str, Any] = {"help": self.help, "default": self.default}
        if self.kind == "switch":
            parser.add_argument(self.flag, action="store_true", help=self.help)
            return
        convert = self._choice if self.choices else _CONVERT.get(self.kind, str)
        if face != CLI and self.kind in ("file", "folder", "run"):
            convert = os.path.expanduser  # no shell has done it
        options |= {"metavar": self.metavar, "type": convert}
        if not self.by_place:
            options |= {"action": "append" if self.many else "store", "required": self.needed}
            parser.add_argument(*filter(None, (self.short, self.flag)), **options)
            return
        if self.kind == "words":
            options["nargs"] = argparse.REMAINDER
        elif self.many:
            options["nargs"] = "*"
        elif self.optional or (self.at_hand and face != CLI):
            options["nargs"] = "?"
        if self.kind == "run":
            parser.runs.append(self.metavar)
        place = parser.add_argument(self.dest, **options)
        if self.kind == "words":  # Python 3.11 asks for a word at least
            place.required = False

    def _choice(self, text: str) -> str:
        if text in self.choices:
            return text
        known = nearest(text, self.choices) or f"; there are {', '.join(self.choices)}"
        raise argparse.ArgumentTypeError(f"{text!r} is unknown{known}")


@dataclass(frozen=True)
class Command:
    """Something that can be asked for.

    Attributes
    ----------
    name, help : str
    run : callable
        Is called with the stack (None if the command needs none) and the arguments.
    arguments : tuple of Argument
    faces : tuple of str
        ``stacknb``, ``%stack`` (a word of it), or the magic that is named as the command.
    """

    name: str
    help: str
    run: Callable[[Any, argparse.Namespace], Any]
    arguments: tuple[Argument, ...] = ()
    faces: tuple[str, ...] = (CLI, STACK)

    @property
    def opens_tree(self) -> bool:
        """Whether it works on a tree of hooks, named or at hand."""
        return any(argument.flag == "TOP_DIR" for argument in self.arguments)

    def of(self, face: str) -> list[Argument]:
        """Return its arguments at one face."""
        return [argument for argument in self.arguments if face in (argument.faces or (face,))]


def _magic(face: str) -> str:
    return face.replace("%hook", "%%hook")  # which has no line magic


def _number(text: str) -> int:
    if re.fullmatch(r"-[0-9]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is less than 0; give a number from 1 on")
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")


_CONVERT: dict[str, Callable[[str], Any]] = {"number": _number, "seconds": _seconds}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.runs: list[str] = []  # places that take a run directory

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        missing = text.removeprefix("the following arguments are required: ")
        if missing != text:
            text = f"{missing} is missing"
            if {*missing.split(", ")} & {*self.runs}:
                text += ", .stacknb/runs/latest for one"
        elif choice := re.fullmatch(r"COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", text):
            known = re.findall(r"[a-z]+", choice[2])
            text = f"unknown command {choice[1]!r}{nearest(choice[1], known)}"
        self.refuse(text)

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse says nothing where that fails

    def refuse(self, text: str) -> NoReturn:
        """Raise BadInput that points to the help."""
        ask = f"{self.prog} --help" if self.add_help else f"{_magic(self.prog.split()[0])}?"
        raise BadInput(f"{text}; see {ask}")

    def read(self, words: Sequence[str], o: argparse.Namespace | None = None) -> argparse.Namespace:
        """Read all words, options among them; or refuse the first that is not understood."""
        # The words of a task's command are the rest of the line, whatever they look like.
        verbatim = any(action.nargs == argparse.REMAINDER for action in self._actions)
        parse = self.parse_known_args if verbatim else self.parse_known_intermixed_args
        found, extra = parse(list(words), o or argparse.Namespace())
        if extra:
            asked = extra[0] in ("-h", "--help")
            # The dashes alone make any two flags alike by half.
            near = "" if asked else nearest(extra[0], self._option_string_actions, 0.65)
            self.refuse(f"{extra[0]!r} is not understood{near}")
        return found


def read_argv(
    commands: Iterable[Command],
    argv: Sequence[str],
    description: str,
    version: str,
    epilog: str = "",
) -> argparse.Namespace:
    """Read the arguments of the command line; ``command`` is the one that was named.

    Raises
    ------
    BadInput
        If they cannot be understood.
    SystemExit
        After ``--help`` or ``--version``.
    """
    top = _Parser(prog=CLI, description=description, epilog=epilog, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"{CLI} {version}")
    verbs = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for command in commands:
        verb = verbs.add_parser(
            command.name, help=command.help, description=command.help, allow_abbrev=False
        )
        for argument in command.of(CLI):
            argument.add_to(verb, CLI)
        if argv and argv[0] == command.name:  # options may stand anywhere behind it
            return verb.read(argv[1:], argparse.Namespace(command=command))
    return top.parse_args(argv)


def line_parser(face: str, arguments: Iterable[Argument]) -> _Parser:
    """Return the parser of a magic's line; arguments of the same flag are taken once."""
    line = _Parser(prog=face, add_help=False, allow_abbrev=False)
    for argument in {argument.flag: argument for argument in arguments}.values():
        argument.add_to(line, face)
    return line


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
    magic = _magic(face)
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
