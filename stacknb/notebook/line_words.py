"""The words of a magic's line: which command they mean, and its arguments."""

from __future__ import annotations

import glob
import os
import shlex
from argparse import Namespace

from stacknb.commands import commands
from stacknb.commands.arguments import CLI, STACK, Argument, Command, given
from stacknb.commands.candidates import phase_words
from stacknb.commands.parsers import line_parser
from stacknb.exceptions import BadInput
from stacknb.text.names import nearest

__all__ = ["is_tree", "read", "read_stack", "without_semicolon"]


def read(name: str, line: str) -> tuple[Command, Namespace]:
    """Read the line of a magic that is one command.

    Raises
    ------
    BadInput
        If it cannot be understood.
    """
    command = commands.of_face(f"%{name}")[name]
    parser = line_parser(f"%{name}", command.of(f"%{name}"))
    return command, parser.read(_split(line))


def read_stack(line: str) -> tuple[Command, Namespace]:
    """Read the line of ``%stack``: a tree first if one is named, then a word, then its arguments.

    Raises
    ------
    BadInput
        If it cannot be understood; names the nearest word.
    """
    table = commands.of_face(STACK)
    options = [a for entry in table.values() for a in entry.of(STACK) if not a.by_place]
    places = Argument("WORDS", "", many=True)
    o = line_parser(STACK, [*options, places]).read(_split(line))
    words = o.words
    o.top_dir = words.pop(0) if words and is_tree(words[0]) else None
    if words and words[0] not in table:
        if words[0] in commands.MAGICS:
            raise BadInput(f"{words[0]!r} is no word of %stack but a magic of its own: %{words[0]}")
        if words[0] in commands.of_face(CLI):
            raise BadInput(
                f"{words[0]!r} is no word of %stack but of the command line: stacknb {words[0]}"
            )
        if not _is_phase(words[0]):
            known = [*table, *phase_words()]
            trees = [os.path.dirname(path) for path in glob.glob("*/extras.d")]
            hint = nearest(words[0], [*known, *trees]) or f"; there are {', '.join(known)}"
            hint = "; see %stack?" if words[0] == "help" else hint
            if any(option.flag == f"--{words[0]}" for option in options):
                hint = f"; did you mean '--{words[0]}'?"
            raise BadInput(f"{words[0]!r} is no word of %stack and no folder{hint}")
        words.insert(0, "stack")
    command = table[words.pop(0)] if words else table["stack"]
    if command.name == "step" and words and _is_phase(words[0]):
        raise BadInput(
            f"'step' runs the next phase and takes none; %stack {words[0]} runs that one"
        )
    own = [a for a in command.of(STACK) if a.by_place and a.flag != "TOP_DIR"]
    line_parser(f"%stack {command.name}", own).read(["--", *words], o)
    allowed = {argument.flag for argument in command.arguments}
    foreign = [a for a in given(options, o) if a.flag not in allowed]
    if foreign:
        raise BadInput(f"{foreign[0].flag!r} does not go with '%stack {command.name}'; see %stack?")
    return command, o


def without_semicolon(line: str) -> tuple[str, bool]:
    r"""Return the line without the ``;`` behind it that silences output, and whether it had one.

    Examples
    --------
    >>> without_semicolon("wait db;")
    ('wait db', True)
    >>> without_semicolon(r"async_task scan find . -exec ls {} \;")[1]
    False
    """
    rest = line.rstrip()
    if not rest.endswith(";"):
        return line, False
    try:
        shlex.split(rest[:-1])
    except ValueError:  # it is quoted
        return line, False
    return rest[:-1], True


def is_tree(word: str) -> bool:
    """Tell whether a word is a folder: by a ``/`` in it, or as it is one and means nothing else."""
    if "/" in word or word.startswith("~") or word in (".", ".."):
        return True
    return word not in commands.of_face(STACK) and not _is_phase(word) and os.path.isdir(word)


def _is_phase(word: str) -> bool:
    return word.removeprefix("stack-") in phase_words()


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadInput(f"{line.strip()!r}: {str(error).lower()}; quotes come in pairs") from None
