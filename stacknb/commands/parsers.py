"""The parsers of the command line and of the magics' lines, made from the table of commands."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from stacknb.commands.arguments import CLI, Argument, Command, as_typed
from stacknb.exceptions import BadInput
from stacknb.text.names import nearest, unknown

__all__ = ["Parser", "argv_parsers", "line_parser", "read_argv"]

_MARK = "\0"  # no argument of a process has it
_PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?%")
_OTHERWISE = {"--format": "--json", "--json": "--format json"}  # which of them a command has


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, with what was probably meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.runs: list[str] = []  # places that take a run directory
        self.bare: dict[str, str] = {}  # options that may stand without a value, which is this

    def add(self, argument: Argument, face: str) -> None:
        """Take an argument at a face."""
        about = argument.help.replace("%", "%%")  # argparse formats it
        options: dict[str, Any] = {"help": about, "default": argument.default}
        by_place, is_words = argument.by_place, argument.kind == "words"
        names = [argument.dest] if by_place else filter(None, (argument.short, argument.flag))
        if argument.kind == "switch":
            self.add_argument(*names, action="store_true", help=about)
            return
        convert = _CONVERT.get(argument.kind, str)
        if argument.choices:
            convert = functools.partial(_choice, argument.choices)
        elif argument.kind in ("file", "folder", "run"):
            convert = _path if face == CLI else _path_at_home
        options |= {"metavar": argument.metavar, "type": convert}
        if by_place:
            options["type"] = lambda word: convert(_bare(word))
            free = argument.optional or (argument.at_hand and face != CLI)
            few = "?" if free else None
            nargs = argparse.REMAINDER if is_words else "*" if argument.many else few
        else:
            options |= {"required": argument.needed}
            options |= {"action": "append" if argument.many else "store"}
            nargs = "?" if argument.bare else None
        if argument.bare:
            self.bare[argument.flag] = argument.bare
        if by_place and argument.kind == "run":
            self.runs.append(argument.metavar)
        added = self.add_argument(*names, nargs=nargs, **options)
        if is_words:  # Python 3.11 asks for a word at least
            added.required = False

    def error(self, message: str) -> NoReturn:
        """Say in our words what argparse cannot read."""
        text = message.removeprefix("argument ")
        missing = text.removeprefix("the following arguments are required: ")
        if missing != text:
            names = missing.split(", ")
            text = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
            if {*names} & {*self.runs}:
                text += "; the newest run is .stacknb/runs/latest"
        elif choice := re.fullmatch(r"COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", text):
            known = re.findall(r"[a-z]+", choice[2])
            text = f"unknown command {choice[1]!r}{nearest(choice[1], known)}"
        self.refuse(text)

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse says nothing where that fails

    def refuse(self, text: str) -> NoReturn:
        """Raise BadInput that points to the help."""
        ask = f"{self.prog} --help" if self.add_help else f"{as_typed(self.prog.split()[0])}?"
        raise BadInput(f"{text}{' ' if text.endswith('?') else '; '}see {ask}")

    def read(self, words: Sequence[str], o: argparse.Namespace | None = None) -> argparse.Namespace:
        """Read all words, options among them; or refuse the first that is not understood."""
        # The words of a task's command are the rest of the line, whatever they look like.
        verbatim = any(action.nargs == argparse.REMAINDER for action in self._actions)
        parse = self.parse_known_args if verbatim else self.parse_known_intermixed_args
        found, extra = parse(
            list(words) if verbatim else self._joined(_guarded(words)), o or argparse.Namespace()
        )
        if extra:
            extra = [*map(_bare, extra)]
            asked = extra[0] in ("-h", "--help")
            # The dashes alone make any two flags alike by half.
            near = "" if asked else nearest(extra[0], self._option_string_actions, 0.65)
            meant = _OTHERWISE.get(extra[0].partition("=")[0], "")
            if meant.partition(" ")[0] in self._option_string_actions:
                near = f"; did you mean {meant!r}?"
            self.refuse(f"{extra[0]!r} is not understood{near}")
        return found

    def _joined(self, words: Sequence[str]) -> list[str]:
        """Put an option and its optional value into one word: argparse takes any word for that."""
        joined: list[str] = []
        for word in words:
            meant = _PERCENT.fullmatch(f"{word.rstrip('%')}%") and not os.path.exists(word)
            if joined and joined[-1] in self.bare and (meant or _PERCENT.fullmatch(word)):
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return [f"{word}={self.bare[word]}" if word in self.bare else word for word in joined]


def _guarded(words: Sequence[str]) -> list[str]:
    """Mark the words behind ``--``, none of which is an option; argparse takes them for some."""
    end = words.index("--") if "--" in words else len(words)
    return [*words[:end], *(f"{_MARK}{word}" for word in words[end + 1 :])]


def _bare(word: str) -> str:
    return word.removeprefix(_MARK)


def _choice(choices: Sequence[str], text: str) -> str:
    if text in choices:
        return text
    raise argparse.ArgumentTypeError(unknown("value", text, choices))


def _path(text: str) -> str:
    if not text:  # to Python the working directory
        raise argparse.ArgumentTypeError("'' names nothing; a variable may be empty")
    return text


def _path_at_home(text: str) -> str:
    return os.path.expanduser(_path(text))  # no shell has done it


def _number(text: str) -> int:
    if re.fullmatch(r"-[0-9]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is less than 0; give a whole number")
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")


def _percent(text: str) -> float:
    if _PERCENT.fullmatch(text):
        return float(text[:-1]) / 100
    raise argparse.ArgumentTypeError(f"{text!r} is no percentage, such as 10%")


_CONVERT: dict[str, Callable[[str], Any]] = {
    "number": _number, "percent": _percent, "seconds": _seconds,
}  # fmt: skip


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
    top, verbs = argv_parsers(commands, description, version, epilog)
    if argv and argv[0][:1] == "-" and argv[0] not in ("-h", "--help", "--version"):
        top.refuse(f"{argv[0]!r} is not understood here: the COMMAND comes first")
    for command, verb in verbs:
        if argv and argv[0] == command.name:  # options may stand anywhere behind it
            return verb.read(argv[1:], argparse.Namespace(command=command))
    return top.parse_args(argv)


def argv_parsers(
    commands: Iterable[Command], description: str = "", version: str = "", epilog: str = ""
) -> tuple[Parser, Iterator[tuple[Command, Parser]]]:
    """Return the parser of the command line, and those of its commands, made one by one."""
    top = Parser(prog=CLI, description=description, epilog=epilog, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"{CLI} {version}")
    places = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def verbs() -> Iterator[tuple[Command, Parser]]:
        for command in commands:
            about = command.help
            verb = places.add_parser(
                command.name, help=about, description=about, allow_abbrev=False
            )
            for argument in command.of(CLI):
                verb.add(argument, CLI)
            yield command, verb

    return top, verbs()


def line_parser(face: str, arguments: Iterable[Argument]) -> Parser:
    """Return the parser of a magic's line; arguments of the same flag are taken once."""
    line = Parser(prog=face, add_help=False, allow_abbrev=False)
    for argument in {argument.flag: argument for argument in arguments}.values():
        line.add(argument, face)
    return line
