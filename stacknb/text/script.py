"""A script before it is sourced: whether bash can be given it at all, from its file alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacknb.text import syntax
from stacknb.text.reading import beginning

__all__ = ["Script", "documents", "look", "without_comment"]

# A hook that deals with ERR traps or errtrace is left alone with them, see driver.bash.
_ERR_WORDS = re.compile(rb"\bERR\b|\berrtrace\b|\bextdebug\b|\bset\s(?:[^\n;&|]*\s)?[-+][a-zA-Z]*E")
_DOCUMENT = re.compile(r"""(?<!<)<<(?!<)(-?)[ \t]*(?:'([^']+)'|"([^"]+)"|\\?([\w.-]+))""")


@dataclass(frozen=True)
class Script:
    """What the file of a script tells.

    Attributes
    ----------
    skipped : str
        Why it is not sourced; empty if it is.
    fault : str
        Why it cannot be run at all; empty if it can.
    deals_with_err : bool
        It mentions ERR traps or errtrace.
    """

    skipped: str = ""
    fault: str = ""
    deals_with_err: bool = False


def look(path: Path) -> Script:
    """Look at a script by itself."""
    if path.exists() and not path.is_file():  # a FIFO would block whoever opens it
        return Script("skipped: it is no file")
    try:
        text = beginning(path, 1 << 20)
    except OSError as error:
        return Script(f"skipped: it cannot be read ({error.strerror})")
    return Script(fault=_fault(text, path), deals_with_err=bool(_ERR_WORDS.search(text)))


def documents(lines: Sequence[str]) -> Iterator[range]:
    """Yield the places of the lines that each here-document of a script has, with its end.

    One that nothing ends is none: a shift, or words.
    """
    known = {line.lstrip("\t") for line in lines}
    at = 0
    while at < len(lines):
        begin = at + 1
        for dash, *quoted in _DOCUMENT.findall(without_comment(lines[at])):
            word = "".join(quoted)
            for end in range(begin, len(lines)) if word in known else ():
                if word == (lines[end].lstrip("\t") if dash else lines[end]):
                    yield range(begin, end + 1)
                    at, begin = end, end + 1
                    break
        at += 1


def without_comment(line: str) -> str:
    """Return a line of a script without its comment; empty if it is one."""
    return "" if line.lstrip().startswith("#") else re.sub(r"\s#\s.*$", "", line)


def _fault(text: bytes, path: Path) -> str:
    first = text.partition(b"\n")[0]
    if b"\0" in text[:4096]:
        return "it is no bash script: it holds NUL bytes; take it out, or write it anew as text"
    if first.startswith(b"#!") and not re.search(rb"\b(ba|da|z|k)?sh\b", first):
        begin = first.decode("utf-8", "replace")
        return f"it is no bash script: it begins with {begin!r}; have a hook call it"
    return syntax.unreadable(text, path)
