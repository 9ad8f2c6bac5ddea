"""What bash says about the syntax of a script, with the column that it does not say."""

from __future__ import annotations

import codecs
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Fault", "check", "unreadable"]

_SAID = re.compile(r"(?:[^\n]*?: )?line (\d+): (.+)")
_TOKEN = re.compile(r"syntax error near unexpected token `(.*)'")
_QUOTE = re.compile(r"unexpected EOF while looking for matching `(.*)'")
_MOST_TRIES = 20
_LIMIT_S = 20


@dataclass(frozen=True)
class Fault:
    """A place where bash cannot read a script.

    Attributes
    ----------
    line, column : int
        From 1; the column is 0 where it is not known.
    message : str
        One clause.
    text : str
        The line.
    fatal : bool
        False for a warning of bash.
    """

    line: int
    column: int
    message: str
    text: str
    fatal: bool = True

    @property
    def place(self) -> str:
        """``line 3, column 7``."""
        return f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"


def unreadable(text: bytes, path: Path) -> str:
    r"""Say what of a script bash cannot read, and how to mend it; empty if nothing.

    Parameters
    ----------
    text : bytes
        What of the file is for bash.
    path : Path
        The file, for the command that mends it.

    Examples
    --------
    >>> unreadable(b"echo\r\n", Path("a.sh")).partition(";")[0]
    'it has CRLF line ends, which bash cannot run'
    """
    if text.startswith(codecs.BOM_UTF8):
        mend = f"sed -i '1s/^\\xef\\xbb\\xbf//' {shlex.quote(str(path))}"
        return f"it begins with a byte order mark, which bash cannot read; take it away: {mend}"
    if b"\r\n" in text:
        return (
            "it has CRLF line ends, which bash cannot run; "
            f"convert it, for example with: sed -i 's/\\r$//' {shlex.quote(str(path))}"
        )
    return ""


def check(text: str, bash: str = "bash") -> list[Fault]:
    r"""Return what bash finds wrong with the syntax of a script, without running it.

    The first error is the last thing that bash says; warnings may stand before it. Patterns of
    ``extglob`` are understood, whether or not the script turns it on.

    Parameters
    ----------
    text : str
        The script.

    Examples
    --------
    >>> [fault] = check("echo one\nif true; fi\n")
    >>> fault.place, fault.message
    ('line 2, column 10', "syntax error near unexpected token 'fi'")
    """
    lines = text.split("\n")
    faults = []
    for line, message in _said(text, bash):
        shown = lines[line - 1] if line <= len(lines) else ""
        column = _column(lines, line, shown, message, bash)
        words = message.replace("`", "'")
        if message == "syntax error: unexpected end of file":
            words += ": something is not closed (if … fi, do … done, { … }, a here-document)"
        faults.append(Fault(line, column, words, shown, not message.startswith("warning: ")))
        if faults[-1].fatal:
            break
    return faults


def _said(text: str, bash: str) -> list[tuple[int, str]]:
    done = subprocess.run(
        [bash, "--norc", "--noprofile", "-O", "extglob", "-n", "/dev/stdin"],
        input=text.encode("utf-8", "surrogateescape"), capture_output=True, check=False,
        timeout=_LIMIT_S, env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
    )  # fmt: skip
    said = done.stderr.decode("utf-8", "backslashreplace").splitlines()
    found = [(int(m[1]), m[2]) for line in said if (m := _SAID.fullmatch(line))]
    return [(line, what) for line, what in found if not what.startswith("`")]


def _column(lines: list[str], line: int, shown: str, message: str, bash: str) -> int:
    if quote := _QUOTE.fullmatch(message):
        return shown.rfind(quote[1]) + 1
    if not (token := _TOKEN.fullmatch(message)):
        return 0
    places = [match.end() for match in re.finditer(re.escape(token[1]), shown)]
    before = "".join(f"{earlier}\n" for earlier in lines[: line - 1])
    for end in places[:_MOST_TRIES] if len(places) > 1 else ():
        # The first place at which a script that ends there has this error already.
        said = _said(f"{before}{shown[:end]}\n", bash)
        if any(what == message and at == line for at, what in said):
            return end - len(token[1]) + 1
    return places[0] - len(token[1]) + 1 if places else 0
