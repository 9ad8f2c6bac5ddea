"""A snapshot taken apart: variables, functions, options, aliases, traps by their names."""

from __future__ import annotations

import re
from collections.abc import Callable

from stacknb.snapshots import snapshot
from stacknb.snapshots.unquoting import trap_commands

__all__ = ["Space", "in_words"]

# Told by `cwd`, or by every clock.
_DULL = {"PWD", "OLDPWD", "SECONDS", "MAPFILE", "REPLY"}
_FLAGS = {
    "e": "errexit", "u": "nounset", "f": "noglob", "x": "xtrace", "v": "verbose", "C": "noclobber",
    "E": "errtrace", "T": "functrace",
}  # fmt: skip
_FUNCTION = re.compile(rb"^(?=[^\s#{}()]+ \(\) *\n\{)", re.M)
_WORDS = {"x": "exported", "r": "readonly", "i": "integer", "a": "array", "A": "associative",
          "n": "nameref", "l": "lower case", "u": "upper case", "t": "trace"}  # fmt: skip


class Space:
    """A snapshot taken apart: what has a name and a value.

    Parameters
    ----------
    text : bytes
        As the driver wrote it.
    """

    def __init__(self, text: bytes) -> None:
        self.parts = snapshot.sections(text)
        found = snapshot.matching(snapshot.parse_variables(self.parts.get("variables", b"")), "*")
        self.variables = {v.name: v for v in found if v.name not in _DULL}

    def of(self, kind: str) -> dict[str, str]:
        """Return everything of one kind but variables, name to value."""
        parse, *names = _KINDS[kind]
        return parse(*(self.parts.get(name, b"") for name in names))

    def changed_parts(self, other: Space) -> list[str]:
        """Return the kinds whose text differs at all, which is quick to see."""
        return [
            kind for kind, (_, *names) in _KINDS.items()
            if any(self.parts.get(name) != other.parts.get(name) for name in names)
        ]  # fmt: skip


def _plain(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def in_words(flags: str) -> str:
    """Return what the flags of `declare` say, in brackets behind a value."""
    words = [word for letter, word in _WORDS.items() if letter in flags]
    return f" ({', '.join(words) or 'plain'})"


def _functions(text: bytes, attributes: bytes) -> dict[str, str]:
    # A here-document in a function may hold what looks like the head of one; hardly ever does.
    found = {}
    starts = [match.start() for match in _FUNCTION.finditer(text)]
    for start, end in zip(starts, [*starts, len(text)][1:], strict=True):
        name = _plain(text[start : text.index(b" ", start)])
        if not name.startswith("_stacknb_"):
            found[name] = _plain(text[start:end]).removesuffix("\n")
    for line in _plain(attributes).splitlines():
        _, flags, name = [*line.split(" ", 2), "", ""][:3]
        if name in found:
            found[name] += "\n#" + in_words(flags)
    return found


def _options(shopt: bytes, options: bytes, flags: bytes) -> dict[str, str]:
    found = {}
    for line in _plain(shopt + options).splitlines():
        command, way, name = [*line.split(" "), "", "", ""][:3]
        if command in ("shopt", "set") and name and name not in _FLAGS.values():
            found[name] = "on" if way in ("-s", "-o") else "off"
    letters = _plain(flags)
    return found | {name: "on" if key in letters else "off" for key, name in _FLAGS.items()}


def _aliases(text: bytes) -> dict[str, str]:
    lines = _plain(text).strip("\n").split("\nalias ")
    pairs = (line.removeprefix("alias ").partition("=") for line in lines if line)
    return {name: _unquoted(value) for name, _, value in pairs}


def _traps(text: bytes) -> dict[str, str]:
    commands = (_plain(one) for one in trap_commands(text) if b"_stacknb_" not in one)
    parts = (one.removeprefix("trap -- ").rstrip("\n").rpartition(" ") for one in commands)
    pairs = {signal: _unquoted(action) for action, _, signal in parts}
    return {signal: action for signal, action in pairs.items() if action != "-"}  # posix: no trap


def _alone(text: bytes) -> dict[str, str]:
    value = _plain(text).removesuffix("\n").removeprefix("umask ")
    return {"": value} if value else {}


def _unquoted(word: str) -> str:
    return word.removeprefix("'").removesuffix("'").replace("'\\''", "'")


# How each kind but variables is read, and from which sections of a snapshot.
_KINDS: dict[str, tuple[Callable[..., dict[str, str]], *tuple[str, ...]]] = {
    "function": (_functions, "functions", "attributes"),
    "option": (_options, "shopt", "options", "flags"),
    "alias": (_aliases, "aliases"),
    "trap": (_traps, "traps"),
    "cwd": (_alone, "cwd"),
    "umask": (_alone, "umask"),
}
