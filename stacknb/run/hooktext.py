"""What the text of a hook tells of a place in it, where bash tells less than that."""

from __future__ import annotations

import re
from pathlib import Path

from stacknb.text import reading

__all__ = ["function_at", "last_command", "line_of", "only_line", "return_of"]

_FUNCTION = re.compile(r"(\S+) \(\) ")  # as bash writes its first line


def line_of(path: Path, line: int | None) -> str:
    """Return a line by its number; empty if there is none."""
    lines = _lines(path)
    return lines[line - 1].strip() if line and line <= len(lines) else ""


def function_at(path: Path, line: int | None) -> str:
    """Return the name of the function that a line is of, as bash writes functions."""
    for text in reversed(_lines(path)[:line] if line else []):
        if found := _FUNCTION.fullmatch(text):
            return found[1]
    return ""


def only_line(path: Path, command: str) -> int | None:
    """Return the number of the only line that holds the (first line of the) command."""
    lines = _lines(path)
    wanted = _bare(command.partition("\n")[0])
    found = [number for number, text in enumerate(lines, 1) if wanted and wanted in _bare(text)]
    return found[0] if len(found) == 1 else None


def return_of(path: Path, status: int) -> tuple[int, str] | None:
    """Return the only line with a `return` of that status, if there is one: bash tells no line."""
    lines = _lines(path)
    wanted = re.compile(rf"(?:.*[\s;&|])?(return {status})\b")
    found = [(number, text.strip()) for number, text in enumerate(lines, 1) if wanted.match(text)]
    return found[0] if len(found) == 1 else None


def last_command(path: Path) -> tuple[int | None, str]:
    """Return the last line that is no comment."""
    lines = _lines(path)
    for number in range(len(lines), 0, -1):
        text = lines[number - 1].strip()
        if text and not text.startswith("#"):
            return number, text
    return None, ""


def _bare(line: str) -> str:
    # bash has blanks of its own: `2> file` for 2>file.
    return "".join(line.split())


def _lines(path: Path) -> list[str]:
    # As bash counts them: a carriage return or a form feed begins no line.
    try:
        return reading.whole(path).decode("utf-8", "replace").split("\n")
    except OSError:
        return []
