"""What is commonly wrong in the text of a hook that bash itself does not mind."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from stacknb import lifecycle
from stacknb.text.names import nearest
from stacknb.text.script import documents, without_comment

__all__ = [
    "TASKS_OF_DEVSTACK",
    "remarks",
    "sourced",
    "tasks_started",
    "tasks_waited_for",
    "without_sense",
]

Remark = tuple[int, str]  # line from 1, and what is to be said about it

_FIRST = sorted({phase.mode for phase in lifecycle.PHASES})
_SECOND = sorted({phase.sub for phase in lifecycle.PHASES} - {""})
_MODES = _FIRST, "mode", _SECOND, "it is a phase, so compare it with $2"
_SUB_PHASES = _SECOND, "phase of 'stack'", _FIRST, "it is a mode, so compare it with $1"
_FILE_OF = {"override_defaults": "override-defaults", "source": "settings"}  # of a plugin
# An argument alone: "$1 $2" is compared with two words, x$2 with one that is none; inst* is many.
# Quotes of a text processor are letters of the word.
_COMPARED = re.compile(
    r"""(?<![^\s(!])(?P<quote>["']?)\$(?:(?P<bare>[12])|\{(?P<place>[12])(?:[:-][^}]*)?\})(?P=quote)"""
    r"""\s*(?:==|=|!=)\s*["']?(?P<word>[A-Za-z_\u2018-\u201d-]+)(?![\w*?\[$-])"""
)
_NO_BLANK = re.compile(r"(?<![^\s;&|({])(?:if|elif|while|until)\s+(?:!\s+)?(\[\[?)(?=[\"'$\w-])")
_CASE = re.compile(r"(?<![^\s;&|({])(?:case\s+(?P<of>.+?)\s+in|esac)(?![^\s;&|)}])")
_OF_ARGUMENT = re.compile(r"""["']?\$\{?([12])(?:[:-][^}]*)?\}?["']?""")
_LABEL = re.compile(r"^\s*\(?((?:[\w-]+\s*\|\s*)*[\w-]+)\)")
_ARGUMENT = re.compile(r"\$\{?[1-9]")
_QUOTED = re.compile(r"'[^']*'")  # bash leaves alone what is in it
# Blanks of web pages and text processors; between quotes they are meant.
_STRANGE_BLANK = re.compile(r"""'[^']*'|"[^"]*"|(?P<blank>[\u00a0\u2000-\u200b\u202f\u3000])""")
_DECLARE = re.compile(r"^(?:declare|typeset)\s+(-\w+\s+)?(\w+)")
_EXIT = re.compile(r"^\s*exit(?:\s+0)?\s*(?:[;&|].*)?$")  # another status is meant to end the run
_LAST_TEST = re.compile(r"^\s*(\[\[.*\]\]|\[ .* \]|\(\(.*\)\)|test\s.*|is_\w+\s.*)\s*&&")
# What stack.sh of DevStack itself starts, so that hooks may wait for it.
TASKS_OF_DEVSTACK = {
    *(f"create_{service}_accounts" for service in ("cinder", "glance", "neutron", "nova", "swift")),
    *(f"init_{service}" for service in ("cinder", "glance", "neutron", "placement", "swift")),
    "configure_horizon", "configure_neutron_nova", "create_flavors", "install_tempest",
}  # fmt: skip
_FALSE_AT_THE_END = (
    "the last command of the hook: when the test is false the hook ends with status 1, which ends "
    "a run of 'stack'; use if … fi"
)
_NO_BLANK_OF_BASH = (
    "a blank as web pages have it (U+{:04X}) is a letter to bash, so this is another word than it "
    "seems; type an ordinary one in its place"
)
# What begins a branch, but for a label of `case`.
_HEAD = re.compile(r"(if|elif|else|case)\b(?!.*\b(?:fi|esac)\b)")
_WITHOUT_ERREXIT = re.compile(r"\b(?:unstack|clean)\b")
_FUNCTION = re.compile(r"^\s*(?:function\s+[\w:.-]+|[\w:.-]+\s*\(\s*\))")
# What tasks and helper functions call by its plain name. A function in the place of the first few
# breaks them even if it calls the builtin, which then works on that function alone.
_OF_ITS_FUNCTION = {"break", "continue", "local", "return", "set", "shift"}
_NEEDED = _OF_ITS_FUNCTION | {
    ":", "[", "builtin", "declare", "kill", "mapfile", "printf", "read", "trap", "unset", "wait",
}  # fmt: skip
_DEFINED = re.compile(
    r"(?:^|[;&|{]|\b(?:then|do|else)\b)[ \t]*(?:function[ \t]+(?P<named>[^\s(){};&|<>]+)"
    r"(?:[ \t]*\([ \t]*\)|(?=\s*(?:\{|$)))|(?P<name>[^\s(){};&|<>$'\"=]+)[ \t]*\([ \t]*\))",
    re.MULTILINE,
)
_BRACKET = re.compile(
    r"""\\.|'[^']*'|"(?:[^"\\]|\\.)*"|([{}()])"""
)  # quoted ones need not be pairs
_PATTERN = re.compile(r"""^\s*\(?(?:"[^"]*"|'[^']*'|[^()"'])*\)""")  # of a case
_WAITED = re.compile(r"""\basync_wait((?:[ \t]+(?:"[^"]*"|'[^']*'|[^\s;&|()<>#'"])+)+)""")
_NAME = re.compile(r"""(["']?)([A-Za-z0-9._-]+)\1""")  # one that is not made as it runs
_UNSET = r"\bunset\s+-f\s(?:[^;&|\n]*\s)?{}(?![^\s;&|)}}])"
_CALLED = r"\b(?:builtin|command)\s+{}(?![^\s;&|)}}])"
_SOURCES = re.compile(r"""(?<![^\s;&|({])(?:source|\.)[ \t]+["']?([^\s"';&|)<>]+)""")
_STARTED = re.compile(r"\basync_run(?:func)?\s+((?:--\w+\s+\S+\s+)*)([^\s;&|)]+)")


def remarks(text: str, kind: str) -> Iterator[Remark]:
    r"""Yield what should be looked at again.

    Parameters
    ----------
    text : str
        The script.
    kind : str
        ``extras``, ``lib``, or the plugin's file: ``override-defaults``, ``settings``,
        ``plugin.sh``.

    Examples
    --------
    >>> list(remarks('[[ $2 == "instal" ]] && echo yes\ntrue\n', "extras"))
    [(1, "'instal' is no phase of 'stack', so this never holds; did you mean 'install'?")]
    """
    lines = _code(text)
    cases, depth = [""], 0
    for number, code in enumerate(lines, 1):
        opened = bool(_FUNCTION.match(code))
        if depth == 0 and not opened:  # a function has arguments of its own
            said = (*_unknown_words(code, cases[-1], kind), *_at_top(code, kind))
            yield from ((number, what) for what in said)
        if strange := next(filter(None, (m["blank"] for m in _STRANGE_BLANK.finditer(code))), ""):
            yield number, _NO_BLANK_OF_BASH.format(ord(strange))
        for found in _CASE.finditer(code):
            if found["of"]:
                of = _OF_ARGUMENT.fullmatch(found["of"])
                cases.append(of[1] if of else "")
            elif len(cases) > 1:
                cases.pop()
        depth = max(0, depth + _opened(code, in_case=len(cases) > 1))
    yield from _in_place_of_builtins("\n".join(lines))
    yield from ((number, _FALSE_AT_THE_END) for number in _last_tests(lines))


def without_sense(text: str, kind: str) -> list[Remark]:
    """Return the remarks on tests that always or never hold, of which nothing is heard in a run."""
    return [(number, what) for number, what in remarks(text, kind) if ", so this " in what]


def tasks_started(text: str) -> set[str]:
    """Return the names of the tasks that a script starts, as far as they stand there."""
    return {name.strip("\"'") for _, name in _STARTED.findall(text.replace("\\\n", " "))}


def tasks_waited_for(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each ``async_wait``."""
    for number, code in enumerate(_code(text), 1):
        for names in _WAITED.findall(code):
            for word in names.split():
                if name := _NAME.fullmatch(word):
                    yield number, name[2]


def sourced(text: str) -> set[str]:
    """Return the ends of the paths that scripts source, behind what is only known as they run."""
    found = _SOURCES.findall("\n".join(_code(text)))
    known = {re.split(r"\$\{[^}]*\}|\$\w+|\.\.?/", path)[-1].lstrip("/") for path in found}
    return {re.sub(r"^.*(?=\blib/)", "", end) for end in known} - {""}


def _opened(code: str, *, in_case: bool) -> int:
    """Return how many groups, functions and subshells a line opens, less those it closes."""
    if in_case and not code.lstrip().startswith(")"):
        code = _PATTERN.sub("", code)
    marks = [found[1] for found in _BRACKET.finditer(code)]
    return sum(1 if mark in "{(" else -1 for mark in marks if mark)


def _unknown_words(code: str, case: str, kind: str) -> Iterator[str]:
    if close := _NO_BLANK.search(code):
        holds = f"so this {_how(close[0])} holds"
        yield f"without a blank behind {close[1]} it is no test but a command, {holds}"
    matches = _COMPARED.finditer(code)
    found = [(match["bare"] or match["place"], match["word"], _how(match[0])) for match in matches]
    if case and (label := _LABEL.match(code)):
        found += [(case, word.strip(), "never") for word in label[1].split("|")]
    for place, word, how in found:
        known, what, others, other = _MODES if place == "1" else _SUB_PHASES
        if place == "1" and kind == "plugin.sh" and word in _FILE_OF:
            if "||" in code:  # a script that is an extras.d hook, too
                continue
            yield (
                f"plugin.sh is never called with {word!r}, so this {how} holds; what is meant "
                f"for it belongs into {_FILE_OF[word]!r}"
            )
        elif word not in known:
            hint = nearest(word, known) or f"; there are {', '.join(known)}"
            hint = f"; {other}" if word in others else hint
            yield f"{word!r} is no {what}, so this {how} holds{hint}"


def _how(test: str) -> str:
    """Return how often a test holds that compares with what never is: negated, always."""
    return "always" if "!" in test else "never"


def _at_top(code: str, kind: str) -> Iterator[str]:
    if kind in ("override-defaults", "settings") and _ARGUMENT.search(_QUOTED.sub("", code)):
        yield f"a plugin's {kind} is sourced without arguments: $1 and $2 are empty here"
    if _EXIT.match(code):
        yield "exit ends the whole run, not only this hook; use return, or die LINENO MESSAGE"
    if (found := _DECLARE.match(code)) and not set("gfFp") & set(found[1] or ""):
        yield (
            f"{found[2]!r} vanishes when the hook ends, since hooks are sourced inside a function; "
            "use declare -g"
        )


def _in_place_of_builtins(code: str) -> Iterator[Remark]:
    # All is looked up in what one pass each has found: a text may define thousands.
    line_ends = _places("\n", code)
    openings, closings = _places(r"[{(]", code), _closings(code)
    unset = {name: _places(_UNSET.format(re.escape(name)), code) for name in _NEEDED}
    called = {name: _places(_CALLED.format(re.escape(name)), code) for name in _NEEDED}
    for found in _DEFINED.finditer(code):
        group = found.lastgroup or ""
        name, end = found[group], found.end()
        if name not in _NEEDED or _next(unset[name], end) is not None:
            continue
        mend = ""
        if name not in _OF_ITS_FUNCTION:
            call = _next(called[name], end)
            if call is not None and call < closings.get(_next(openings, end), len(code)):
                continue
            mend = f"have it call '{'command' if name == 'builtin' else 'builtin'} {name}', "
        what = (
            f"function {name!r} breaks tasks and helper functions, which need the builtin; "
            f"{mend}give it another name, or unset -f {name} after use"
        )
        yield bisect_left(line_ends, found.start(group)) + 1, what


def _places(pattern: str, code: str) -> list[int]:
    return [found.start() for found in re.finditer(pattern, code)]


def _next(places: list[int], start: int) -> int | None:
    at = bisect_left(places, start)
    return places[at] if at < len(places) else None


def _closings(code: str) -> dict[int | None, int]:
    """Return where each brace and each parenthesis that is closed is closed."""
    opened: dict[str, list[int]] = {"}": [], ")": []}
    closings: dict[int | None, int] = {}
    for found in re.finditer(r"[(){}]", code):
        if found[0] in "{(":
            opened["}" if found[0] == "{" else ")"].append(found.start())
        elif opened[found[0]]:
            closings[opened[found[0]].pop()] = found.start()
    return closings


def _code(text: str) -> list[str]:
    """Return the lines of a script; comments, and what here-documents hold, are blank."""
    given = text.splitlines()
    lines = [without_comment(line) for line in given]
    for part in documents(given):
        lines[part.start : part.stop] = [""] * len(part)
    return lines


def _last_tests(lines: list[str]) -> list[int]:
    """Return where a test may be the last command of a hook, at its end or in its last branches."""
    last: list[int] = []  # such tests, if the hook ended here
    found: list[int] = []  # those of the branches before this one
    exempt = False  # this branch is not under errexit
    outer = [(found, exempt)]  # what both were when each open block began
    for number, line in enumerate(lines, 1):
        code = line.strip().rstrip("; ")
        head, label = _HEAD.match(code), _PATTERN.match(code)
        word = head[1] if head else code
        if word in ("elif", "else", "fi", "esac"):
            found, last, exempt = found + last, [], outer[-1][1]
        if word in ("fi", "esac"):
            if len(outer) > 1:
                last, (found, exempt) = found, outer.pop()
        elif code:
            if word in ("if", "case"):
                outer.append((found, exempt))
                found = []
            if (head or label) and len(outer) > 1 and _WITHOUT_ERREXIT.search(code):
                exempt = True
            test = _LAST_TEST.match(code[label.end() :] if label else code)
            last = [number] if test and not exempt and "||" not in code else []
        if line.rstrip().endswith(";;"):
            found, last, exempt = found + last, [], outer[-1][1]
    return last
