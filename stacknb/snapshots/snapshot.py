"""The shell's state as a file: read its variables, make a file from it that bash can source.

The driver writes a snapshot as sections, each begun by a line ``#stacknb NAME``. A value may hold
any text, such a line too; so the section of the variables is read by bash's own quoting rules.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stacknb.snapshots.unquoting import legible, trap_commands, unquote
from stacknb.text import reading

__all__ = [
    "MASK",
    "Variable",
    "is_secret",
    "matching",
    "parse_variables",
    "read_variables",
    "restore_script",
    "sections",
]

MASK = "••••••"
_SECTIONS = ("shopt", "functions", "attributes", "aliases", "options", "flags", "umask", "cwd")
# "-" is what `local -` leaves in the frame of a function: the options to come back to.
_DECLARE = re.compile(rb"declare -([A-Za-z-]+) ([A-Za-z_][A-Za-z0-9_]*|-)(=|\n)")
_SECRET = re.compile(r"PASS(WORD|WD|PHRASE)?|TOKEN|SECRET|CREDENTIAL|_KEY$|_KEYS$|^KEY$", re.I)
# Set by bash itself in every shell; most of them readonly or without effect when assigned. Each by
# its name: a hook may have a COMP_HOST, a BASH_LOG and EPOCHS of its own.
_BASH_OWN = re.compile(
    rb"BASH|BASHOPTS|BASHPID|EUID|PPID|SHELLOPTS|UID|DIRSTACK|EPOCHREALTIME|EPOCHSECONDS|FUNCNAME"
    rb"|BASH_(ALIASES|ARG[CV]0?|CMDS|COMMAND|EXECUTION_STRING|LINENO|LOADABLES_PATH|MONOSECONDS"
    rb"|REMATCH|SOURCE|SUBSHELL|TRAPSIG|VERSINFO|VERSION)|GROUPS|HISTCMD|LINENO|PIPESTATUS"
    rb"|COMP_(CWORD|KEY|LINE|POINT|TYPE|WORDBREAKS|WORDS)|RANDOM|SRANDOM|_|-"
)
# A new bash sets these, and they would stay although a hook had unset them.
_UNSET = (
    b"unset -v HOSTNAME HOSTTYPE IFS MACHTYPE OLDPWD OPTERR OPTIND OSTYPE PATH PS4 PWD SHELL SHLVL"
    b" TERM\n"
)
# What stacknb itself has to remember beyond the life of one bash; the driver sets the rest anew.
_CLOCKS = ("_TIME_BEGIN", "_TIME_START", "_TIME_TOTAL")
_COPROC = re.compile(rb"^( +(?:[^'\"\n]* )?)coproc COPROC ", re.MULTILINE)
_KEPT = re.compile(
    rb"_stacknb_(tasks|order|counts|ended|codes|told|before|open|seq|background_us|waited_us|jobs|foreign"
    rb"|requires|services|python|home|debug|helpers|hidden|disabled|zero)"
)


@dataclass(frozen=True)
class Variable:
    """A shell variable as ``declare -p`` shows it.

    Attributes
    ----------
    name : str
    flags : str
        Letters of ``declare``: ``a`` array, ``A`` associative, ``i``, ``n``, ``r`` …; ``-`` none.
    value : bytes or None
        What stands behind ``=``, in bash's quoting; None if declared but not set.
    """

    name: str
    flags: str
    value: bytes | None

    @property
    def kind(self) -> str:
        """The type in words."""
        for letter, word in (
            ("A", "associative"),
            ("a", "array"),
            ("n", "nameref"),
            ("i", "integer"),
        ):
            if letter in self.flags:
                return word
        return "string"

    def text(self) -> str:
        """Return the value for people: unquoted, of an array as bash writes it."""
        if self.value is None:
            return ""
        if self.value.startswith(b"("):
            return legible(self.value)
        return unquote(self.value).decode("utf-8", "backslashreplace")


def is_secret(name: str) -> bool:
    """Tell whether a variable of that name is masked wherever it is shown."""
    return bool(_SECRET.search(name))


def parse_variables(text: bytes) -> list[Variable]:
    """Read the output of ``declare -p``, up to the first thing that is no declaration."""
    return [variable for variable, _ in _declarations(text)]


def read_variables(path: Path, pattern: str = "*") -> list[Variable]:
    """Read the variables of a snapshot, or of the output of ``declare -p``: those `matching`."""
    return matching(parse_variables(_parted(reading.whole(path))[0]), pattern)


def matching(variables: Iterable[Variable], pattern: str) -> list[Variable]:
    """Return those that a glob matches, without stacknb's own and bash's own.

    The clocks of ``time_start`` are no hook's own: ``*`` leaves them out, too.
    """
    return [
        variable
        for variable in variables
        if fnmatch.fnmatchcase(variable.name, pattern)
        and not variable.name.startswith("_stacknb_")
        and not (pattern == "*" and variable.name in _CLOCKS)
        and not _BASH_OWN.fullmatch(variable.name.encode())
    ]


def restore_script(snapshot: bytes, hidden: Iterable[str] = ()) -> bytes:
    """Return bash that brings a new shell to the state of `snapshot`.

    Parameters
    ----------
    snapshot : bytes
        What the driver wrote.
    hidden : iterable of str
        Locals of a frame that is gone, which bash could not take out of the snapshot.

    Notes
    -----
    Options such as errexit do not take effect at once: the driver turns them on for the next hook.
    """
    variables, rest = _parted(snapshot)
    skip = {name.encode() for name in hidden}
    parts = _split(rest)
    # The directory first, since cd sets OLDPWD and a hook may have a function of that name.
    directory = parts.get("cwd", b"").removesuffix(b"\n").decode("utf-8", "surrogateescape")
    out = [f"cd -- {shlex.quote(directory)}\n".encode("utf-8", "surrogateescape"), _UNSET]
    # extdebug is for later, too: a DEBUG trap could have everything skipped, the restore first.
    shopt = parts.get("shopt", b"").replace(b"shopt -s extdebug\n", b"")
    # shopt -u compat31 and its like set BASH_COMPAT, too.
    out += [parts.get("umask", b""), shopt, b"unset -v BASH_COMPAT\n"]
    for variable, text in _declarations(variables):
        name = variable.name.encode()
        ours = name.startswith(b"_stacknb_")
        if name == b"POSIXLY_CORRECT" and b"set -o posix\n" in rest:
            continue  # to set it turns posix mode on, which comes last and sets it
        if _KEPT.fullmatch(name) if ours else not (_BASH_OWN.fullmatch(name) or name in skip):
            out.append(_unchanged(variable, text))
    out.append(b"BASH_ARGV0=${_stacknb_zero-$0}\n")  # what $0 is; declare does not show it
    # bash reads a group whole before it runs it, so the aliases have no effect on what follows.
    # A function may have been read under extglob, and would be a syntax error without it. One may
    # be named like a builtin.
    aliases = (b"{\n", parts.get("aliases", b""), b"shopt -u expand_aliases\n}\n")
    # bash names a coprocess that has no name, and would take that for a command in what it reads.
    functions = _COPROC.sub(rb"\1coproc ", parts.get("functions", b""))
    out += [*aliases, b"shopt -s extglob\n", functions]
    out.append(_by_builtins(parts.get("attributes", b"")))
    if b"shopt -u extglob\n" in shopt:
        out.append(b"builtin shopt -u extglob\n")
    # The letters that the driver keeps in _stacknb_flags are off at the time of a snapshot.
    # Posix mode is for later: in it bash refuses functions of ours.
    options = _by_builtins(parts.get("options", b""))
    out += [b"{\n", options.replace(b"builtin set -o posix\n", b"_stacknb_posix=1\n")]
    out.append(b"builtin set +euxvfCET\n_stacknb_flags=" + parts.get("flags", b"").strip() + b"\n")
    # That of RETURN is for later: it would run at the end of the script.
    out += [
        b"_stacknb_return=(%s)\n" % text[:-1] if text.endswith(b" RETURN\n") else b"builtin " + text
        for text in trap_commands(parts.get("traps", b""))
        if b"_stacknb_" not in text
    ]
    if b"shopt -s expand_aliases\n" in shopt:
        out.append(b"builtin shopt -s expand_aliases\n")
    out.append(b"}\n")
    return b"".join(out)


def _unchanged(variable: Variable, text: bytes) -> bytes:
    # The value first: of a number or of capitals bash makes another than stood there before.
    if variable.value is None or not set("iluc").intersection(variable.flags):
        return text
    first = re.sub("[ilucr]", "", variable.flags) or "-"
    last = f"declare -{variable.flags} {variable.name}\n".encode()
    return f"declare -{first} ".encode() + text.split(b" ", 2)[2] + last


def _by_builtins(lines: bytes) -> bytes:
    return b"".join(b"builtin " + line for line in lines.splitlines(keepends=True))


def sections(snapshot: bytes) -> dict[str, bytes]:
    """Return the parts of a snapshot: ``variables``, ``functions``, ``traps`` and so on."""
    variables, rest = _parted(snapshot)
    return {"variables": variables, **_split(rest)}


def _declarations(text: bytes) -> Iterator[tuple[Variable, bytes]]:
    at = 0
    while match := _DECLARE.match(text, at):
        end = match.end()
        value = None
        if match[3] == b"=":
            end = _value_end(text, match.end())
            value = text[match.end() : end]
            end += 1
        flags = match[1].decode()
        yield Variable(match[2].decode(), flags, value), text[at:end]
        at = end


def _value_end(text: bytes, at: int) -> int:
    """Return where the value that starts at `at` ends: at the newline outside of all quotes."""
    depth = 0
    while at < len(text):
        byte = text[at : at + 1]
        if byte == b'"':
            at = _skip(text, at + 1, b'"')
        elif byte == b"$" and text[at + 1 : at + 2] == b"'":
            at = _skip(text, at + 2, b"'")
        elif byte == b"'":
            at = text.find(b"'", at + 1) + 1 or len(text)
        elif byte == b"\\":
            at += 2
        elif byte == b"\n" and depth == 0:
            return at
        else:
            depth += (byte == b"(") - (byte == b")")
            at += 1
    return len(text)


_STOPS = {quote: re.compile(rb"[\\" + quote + rb"]") for quote in (b'"', b"'")}


def _skip(text: bytes, at: int, quote: bytes) -> int:
    while match := _STOPS[quote].search(text, at):
        if match[0] == quote:
            return match.end()
        at = match.end() + 1
    return len(text)


def _parted(text: bytes) -> tuple[bytes, bytes]:
    """Part the variables from the rest."""
    head = b"#stacknb variables\n"
    if not text.startswith(head):
        return text, b""
    end = len(head)
    for _, declaration in _declarations(text[len(head) :]):
        end += len(declaration)
    return text[len(head) : end], text[end:]


def _split(text: bytes) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    names = [*_SECTIONS, "traps", "end"]
    start: int | None = None
    for i, name in enumerate(names):
        mark = b"#stacknb " + name.encode() + b"\n"
        # Functions and traps may hold such a line as text: what follows is sought from the end.
        at = text.find(mark) if i < 2 else text.rfind(mark)
        if at < 0:
            continue
        if start is not None:
            parts[names[i - 1]] = text[start:at]
        start = at + len(mark)
    return parts
