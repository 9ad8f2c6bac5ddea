"""Tab completion for the magics: words, phases, hooks, tasks, options, folders."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterable
from typing import Any

from stacknb import dispatcher, lifecycle
from stacknb.commands import candidates, commands
from stacknb.commands.arguments import STACK, Command
from stacknb.commands.candidates import phase_words
from stacknb.dispatcher import Stack
from stacknb.notebook.line_words import is_tree

__all__ = ["complete", "register", "split"]

_LINE = re.compile(
    rf"\s*(?:[\w.]+\s*=\s*)?(?P<face>%%?(?:{'|'.join(commands.MAGICS)}))\s(?P<rest>.*)"
)

# A word, in which quotes and backslashes keep blanks; the last may be unfinished.
_WORD = re.compile(r"""(?:\\(?:.|$)|'[^']*(?:'|$)|"(?:\\.|[^"\\])*(?:"|\\?$)|[^\s\\'"])+""")


def register(ipython: Any) -> None:
    """Let IPython ask for completions on the lines of our magics, and for no others there."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier="stacknb")  # type: ignore[untyped-decorator] # IPython's
    def matcher(context: Any) -> dict[str, Any]:
        face, words, start = split(context.text_until_cursor)
        found = complete(face, words, start) if face else []
        return {
            "completions": [  # JupyterLab says the type beside the word, or else "<unknown>"
                SimpleCompletion(text=text, type="option" if text.startswith("-") else "argument")
                for text in found
            ],
            "matched_fragment": start,
            "ordered": True,
            "suppress": True,
        }

    known = ipython.Completer.custom_matchers
    others = [m for m in known if getattr(m, "matcher_identifier", "") != "stacknb"]
    ipython.Completer.custom_matchers = [*others, matcher]


def split(text: str) -> tuple[str, list[str], str]:
    """Return the magic, its words before the cursor, and the beginning of the word there.

    The words are what they mean, the last is as it was typed. The magic is empty if the line is
    none of ours.
    """
    match = _LINE.fullmatch(text)
    if match is None:
        return "", [], ""
    found = list(_WORD.finditer(match["rest"]))
    start = found.pop()[0] if found and found[-1].end() == len(match["rest"]) else ""
    words = [_meaning(word[0])[0] for word in found]
    if start.startswith("--") and "=" in start:
        option, _, start = start.partition("=")
        words.append(option)
    if words and words[-1] == "--plugin":
        start = start.rpartition("=")[2]
    if words and words[-1] == "--after":
        start = start.rpartition(",")[2]
    return "%" + match["face"].lstrip("%"), words, start


def _meaning(word: str) -> tuple[str, str]:
    """Return what a word means that may be unfinished, and the quote that is open in it."""
    for more in ("", '"', "'", " "):  # a blank for a backslash at the end
        with contextlib.suppress(ValueError):
            return "".join(shlex.split(word + more)), more.strip()
    return word, ""


def _typed(text: str, quote: str) -> str:
    """Return a text as it is typed, within a quote that is open or without one."""
    if quote == "'":
        return "'" + text.replace("'", "'\"'\"'")
    special = r'(["\\])' if quote else r"""([\s"'\\])"""
    return quote + re.sub(special, r"\\\1", text)


def complete(face: str, words: list[str], start: str) -> list[str]:
    """Return what may stand at the cursor.

    Parameters
    ----------
    face : str
        ``%stack``, ``%wait`` …
    words : list of str
        Those before the one at the cursor, without the magic.
    start : str
        The beginning of the word at the cursor, as it was typed.

    Returns
    -------
    list of str
        Only such that go on with `start`, quoted as that is.
    """
    stack = dispatcher.at_hand()
    start, quote = _meaning(start)
    table = commands.of_face(face)
    entries = list(table.values())
    chosen = [word for word in words if not word.startswith("-")]
    if face == STACK:
        if chosen and is_tree(chosen[0]):
            chosen = chosen[1:]
        word = next((word for word in chosen if word in table), None)
        entries = [table[word]] if word else entries
    options = {a.flag: a for entry in entries for a in entry.of(face) if not a.by_place}

    def values(kind: str) -> list[str]:
        return candidates.values(kind, start, lambda of: _names(of, stack))

    if words and words[-1] in options and options[words[-1]].kind != "switch":
        option = options[words[-1]]
        found = [*option.choices] or values(option.kind)
    elif start.startswith("-"):
        found = [*options]
    elif face == STACK and not chosen:
        found = [*table, *phase_words()] + ([] if words else values("folder"))
    else:
        found = [value for kind in _places(entries, face) for value in values(kind)]
        # IPython fills what is left empty with names that mean nothing here.
        found = found if found or start else [*options]
    return [_typed(text, quote) for text in found if text.startswith(start)]


def _places(entries: Iterable[Command], face: str) -> list[str]:
    places = [a for entry in entries for a in entry.of(face) if a.by_place and a.kind != "phase"]
    if face == STACK:  # the tree has its place before the word; a run at hand is hardly ever named
        places = [a for a in places if a.flag != "TOP_DIR"]
        places = [a for a in places if not a.at_hand] or places
    return list(dict.fromkeys(a.kind for a in places))


def _names(kind: str, stack: Stack | None) -> list[str]:
    """Return the names of hooks, tasks, variables, or what has a log, of the stack at hand."""
    if stack is None:
        return []
    if kind == "task":
        return list(stack.tasks)
    if kind == "variable":
        from stacknb.hooks import changes

        return changes.variable_names(stack.run_dir) if stack.run_dir else []
    planned = lifecycle.plan("stack", stack.top_dir, stack.plugins, stack.cells)
    hooks = list({hook.name: None for _, hook in planned})
    return hooks if kind == "hook" else [*hooks, *stack.tasks]
