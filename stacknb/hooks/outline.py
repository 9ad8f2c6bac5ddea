"""What a hook does in which phase, as far as its text tells: its branches over ``$1``, ``$2``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stacknb.hooks.check_rules import tasks_waited_for
from stacknb.lifecycle import Phase

__all__ = ["Outline", "outline"]

_ARGUMENT = r"\$\{?%s(?:[:-][^}]*)?\}?"
_ONE = _ARGUMENT % r"(?P<place>[12])"
_BOTH = f'"{_ARGUMENT % 1}(?P<between>[ ./:_-]){_ARGUMENT % 2}"'
_EQUAL = re.compile(
    rf"""(?<!\S)["']?{_ONE}["']?\s*==?\s*(?P<quote>["']?)(?P<word>[A-Za-z_-]+)(?P=quote)"""
    r"(?![^\s;&|)\]])"
)
_EQUAL_BOTH = re.compile(rf"""{_BOTH}\s*==?\s*["']?(?P<words>[^"'\];]+)""")
_CASE = re.compile(rf"""^case\s+(?:["']?{_ONE}["']?|{_BOTH})\s+in\b""")
_WORD = r"""(?:"[^"]*"|'[^']*'|\\.|[\w*./:-])+"""
_LABEL = re.compile(rf"^\(?((?:{_WORD}\s*\|\s*)*{_WORD})\)\s*(.*)")
_FUNCTION = re.compile(r"^(?:function\s+[\w:.-]+|[\w:.-]+\s*\(\s*\))")
_START = re.compile(
    r"""\basync_run(?:func)?\s+(?:--\w+\s+\S+\s+)*(["']?)([A-Za-z0-9._-]+)\1(?![^\s;&|)}])"""
)
_HEAD = re.compile(r"((?:if|elif)\b.*?;\s*then\b|else\b|fi\s*;)\s*(.*)")
_WHOLE_CASE = re.compile(r"(case\b.*?\sin)\s+(\S.*?)(?:;|\s)\s*esac\b\s*;?\s*(.*)")
_NEXT = re.compile(r"(.*?\S)\s*;\s*((?:fi|elif|else)\b.*)")
_TEST = re.compile(r"(\[\[.*?\]\]|\[ .*? \])\s*&&\s*([^|]*[^|{\s])$")
_NO_WORK = {"then", "do", "done", "{", "}", ";;", ":", "true"}


@dataclass
class Outline:
    """What a hook does in one phase.

    Attributes
    ----------
    lines : int
        How many lines of work.
    starts, waits : list of str
        Names of tasks, in order.
    """

    lines: int = 0
    starts: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)


@dataclass
class _Branch:
    """Words that ``$1`` and ``$2`` must be; no word at all means any."""

    kind: str
    first: set[str] = field(default_factory=set)
    second: set[str] = field(default_factory=set)
    place: str = ""  # of a `case`: which of the two it looks at, or what it puts between them

    def limit(self, words: Iterable[str]) -> None:
        """Admit only what a label names, or a comparison of both at once."""
        if self.place in ("1", "2"):
            named = _plain(words)
            self.first, self.second = (named, set()) if self.place == "1" else (set(), named)
            return
        pairs = [word.partition(self.place) for word in words]
        self.first = _plain(first for first, _, _ in pairs)
        self.second = _plain(second for _, _, second in pairs)

    def admits(self, phase: Phase) -> bool:
        return (not self.first or phase.mode in self.first) and (
            not self.second or phase.sub in self.second
        )


def outline(text: str, phase: Phase) -> Outline:
    r"""Return what a hook's text says it does in a phase.

    Only comparisons of ``$1`` and ``$2`` with plain words are understood; any other condition
    counts as one that may hold.

    Examples
    --------
    >>> text = 'if [[ "$2" == "install" ]]; then\n  async_run db sync\nfi\n'
    >>> outline(text, Phase("stack", "install")).starts
    ['db']
    >>> outline(text, Phase("stack", "extra")).lines
    0
    """
    found, depth = Outline(), 0
    branches: list[_Branch] = []
    for line in _parted(text):
        code = line
        if depth or _FUNCTION.match(code):  # defined here, called elsewhere
            if not depth and branches and all(branch.admits(phase) for branch in branches):
                found.lines += 1
            depth = max(0, depth + code.count("{") - code.count("}"))
            continue
        code = _enter(code, branches)
        if all(branch.admits(phase) for branch in branches):
            _note(_unless_refused(code, phase), found)
        if re.match(r"(fi|esac)\b", line) and branches:
            branches.pop()
    return found


def _parted(text: str) -> Iterator[str]:
    """Yield the lines of code; what ``if … fi``, ``case … esac`` in one line hold, line by line."""
    for line in text.replace("\\\n", " ").splitlines():
        code = line.strip()
        while code and not code.startswith("#"):
            if whole := _WHOLE_CASE.fullmatch(code):
                yield whole[1]
                yield from filter(None, map(str.strip, whole[2].split(";;")))
                yield "esac"
                code = whole[3]
                continue
            if head := _HEAD.fullmatch(code):
                yield head[1]
                code = head[2]
                if not _HEAD.fullmatch(code) and (following := _NEXT.fullmatch(code)):
                    yield following[1]
                    code = following[2]
                continue
            yield code
            break


def _unless_refused(code: str, phase: Phase) -> str:
    """Return what ``[[ $2 == install ]] && …`` does in a phase."""
    if (test := _TEST.match(code)) is None or _words(test[1]).admits(phase):
        return code
    return ""


def _enter(code: str, branches: list[_Branch]) -> str:
    """Follow the branches; return what is left of the line as work."""
    if re.match(r"if\b", code):
        branches.append(_words(code.partition(";")[0]))
        return ""
    if re.match(r"(elif|else)\b", code) and branches and branches[-1].kind == "if":
        branches[-1] = _words(code.partition(";")[0])
        return ""
    if case := _CASE.match(code):
        branches.append(_Branch("case", place=case["place"] or case["between"]))
        return ""
    if re.match(r"case\b", code):
        branches.append(_Branch("case"))
        return ""
    if branches and branches[-1].kind == "case" and (label := _LABEL.match(code)):
        if branches[-1].place:
            branches[-1].limit(map(_unquoted, label[1].split("|")))
        return label[2]
    return "" if re.match(r"(fi|esac)\b", code) else code


def _words(condition: str) -> _Branch:
    branch = _Branch("if")
    if both := [*_EQUAL_BOTH.finditer(condition)]:
        branch.place = both[0]["between"]
        branch.limit(_unquoted(match["words"]) for match in both)
        return branch
    if "&&" not in condition and not all(map(_EQUAL.search, condition.split("||"))):
        return branch  # something else may hold in their place
    for match in _EQUAL.finditer(condition):
        (branch.first if match["place"] == "1" else branch.second).add(match["word"])
    return branch


def _unquoted(word: str) -> str:
    return re.sub(r"""["'\\]""", "", word.strip())


def _plain(words: Iterable[str]) -> set[str]:
    """Return the words, or none at all, which is any, if one of them is a pattern, or empty."""
    found = {*words}
    return set() if any(not word or set(word) & set("*?[") for word in found) else found


def _note(code: str, found: Outline) -> None:
    if not code or code in _NO_WORK:
        return
    found.lines += 1
    found.starts += [name for _, name in _START.findall(code)]
    found.waits += [name for _, name in tasks_waited_for(code)]
