"""Tab completion on the command line: asked by the shell, through argcomplete."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Any

from stacknb import places
from stacknb.commands import candidates, commands
from stacknb.commands.arguments import CLI, Argument
from stacknb.commands.parsers import argv_parsers
from stacknb.exceptions import BadInput
from stacknb.rundir import loglist

__all__ = ["answer", "complete"]


def answer() -> None:
    """Tell the shell what may stand at its cursor, and end this process."""
    import argcomplete

    argcomplete.autocomplete(_parser(), always_complete_options=False)


def complete(argument: Argument, start: str, o: Namespace) -> list[str]:
    """Return what may stand for an argument.

    Parameters
    ----------
    argument : Argument
    start : str
        What is typed of it.
    o : Namespace
        The arguments before it.

    Returns
    -------
    list of str
        Only such that go on with `start`.
    """
    name, equals, path = start.partition("=") if argument.kind == "plugin" else ("", "", start)
    if argument.kind == "plugin" and not equals:
        return []  # its name, which nobody knows yet
    found = [*argument.choices] or candidates.values(argument.kind, path, lambda of: _names(of, o))
    return [text for value in found if (text := name + equals + value).startswith(start)]


def _parser() -> Any:
    top, verbs = argv_parsers(commands.of_face(CLI).values())
    for command, verb in verbs:
        known = {argument.dest: argument for argument in command.of(CLI)}
        for action in verb._actions:
            if action.dest in known:
                action.completer = _completer(known[action.dest])  # type: ignore[attr-defined] # argcomplete's
    return top


def _completer(argument: Argument) -> Callable[..., Iterable[str]]:
    def completer(prefix: str, parsed_args: Namespace, **_: Any) -> Iterable[str]:
        return complete(argument, prefix, parsed_args)

    return completer


def _names(kind: str, o: Namespace) -> list[str]:
    """Return the names of what is a hook, a task, a variable, or has a log, of the run named."""
    with contextlib.suppress(BadInput, OSError):
        run = places.find(getattr(o, "run", None) or ".")
        if kind == "variable":
            from stacknb.hooks import changes

            return changes.variable_names(run)
        return loglist.names(run, kind)
    return []
