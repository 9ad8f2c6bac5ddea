"""What the text of a hook tells of a place in it, where bash tells less than that."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from stacknb.text import reading

__all__ = ["function_at", "last_command", "led_by", "line_of", "only_line", "original", "return_of"]

_FUNCTION = re.compile(r"(\S+) \(\) ")  # as bash writes its first line
_RESTORED = re.compile(r"restored\.\d+\.bash")  # from which a new shell has its functions


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


def original(copy: str, line: int | None, command: str = "") -> tuple[str, str, int | None]:
    """Return what a line of a restored state is in the user's own text: function, file, line.

    Parameters
    ----------
    copy : str
        What a new shell was restored from. Of any other file nothing changes, and no function is
        told.
    line : int or None
    command : str
        What is sought; by default what the line holds.

    Returns
    -------
    tuple
        The line is that where the function begins, if the command is not to be found in it.
    """
    path = Path(copy)
    name = function_at(path, line) if _RESTORED.fullmatch(path.name) else ""
    source, began = _origin(path.with_name("origins"), name) if name else ("", 0)
    lines = _lines(Path(source)) if source else []
    heads = [n for n, text in enumerate(lines, 1) if _begins(text, name)]
    if not heads:
        return name, copy, line
    head = min(heads, key=lambda n: abs(n - began))  # the file may have been edited since
    indent = lines[head - 1][: -len(lines[head - 1].lstrip()) or None]
    ends = (n for n in range(head + 1, len(lines) + 1) if lines[n - 1].rstrip() == f"{indent}}}")
    body = lines[head - 1 : next(ends, head)]
    wanted = _bare((command or line_of(path, line)).partition("\n")[0]).rstrip(";")
    found = [n for n, text in enumerate(body, head) if wanted and wanted in _bare(text)]
    return name, source, found[0] if len(found) == 1 else head


def led_by(calls: Iterable[str], place: str) -> list[str]:
    """Return the calls that led to a place, in the user's own files.

    Parameters
    ----------
    calls : iterable of str
        ``FILE:LINE``, the innermost first.
    place : str
        Likewise; of `exit`, `die` and the like it is a call itself, which is left out.
    """
    calls = list(calls)
    if place in calls:
        del calls[: calls.index(place) + 1]
    parts = (call.rpartition(":") for call in calls)
    places = (original(file, int(line) if line.isdigit() else None) for file, _, line in parts)
    return [f"{file}:{line}" for _, file, line in places]


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


def _origin(known: Path, name: str) -> tuple[str, int]:
    """Return file and line where a function was read that no restored state has brought."""
    for text in reversed(_lines(known)):
        function, _, place = text.partition(" ")
        line, _, file = place.partition(" ")
        is_sure = line.isdigit() and Path(file).is_absolute()  # of another, who knows from where
        if function == name and is_sure and not _RESTORED.fullmatch(Path(file).name):
            return file, int(line)
    return "", 0


def _begins(text: str, name: str) -> bool:
    words = text.replace("(", " ( ").split()
    return (words[:1] == ["function"] and words[1:2] == [name]) or words[:2] == [name, "("]


def _bare(line: str) -> str:
    # bash has blanks of its own: `2> file` for 2>file.
    return "".join(line.split())


def _lines(path: Path) -> list[str]:
    # As bash counts them: a carriage return or a form feed begins no line.
    try:
        return reading.whole(path).decode("utf-8", "replace").split("\n")
    except OSError:
        return []
