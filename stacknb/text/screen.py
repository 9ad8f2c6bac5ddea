"""Output made fit for a screen; the log keeps every byte.

Carriage returns are played as a terminal would (the last text of a line stays), bytes that are no
UTF-8 and control characters are replaced, a very long line is cut and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from stacknb.text.signs import shown

__all__ = [
    "LINE_LIMIT",
    "SYMBOLS",
    "Feed",
    "clean",
    "clean_line",
    "counted",
    "end",
    "listed",
    "quoted",
    "seconds",
    "size",
]

LINE_LIMIT = 2000
SYMBOLS = {
    "ok": "✓", "failed": "✗", "killed": "✗", "timeout": "✗", "lost": "✗", "running": "▶",
    "waiting": "…", "to come": "·", "cancelled": "■", "interrupted": "■", "skipped": "–",
}  # fmt: skip
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {127: 0x2421}
_UNFIT = bytes(_CONTROL)
# Beyond ASCII too, and two at which a line ends for Python and in the file of a notebook.
_ALL_CONTROL = _CONTROL | dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029), 0xFFFD)
_KEPT = 64 << 10  # bytes remembered of a line that has not ended


def clean_line(line: str, limit: int = LINE_LIMIT, length: int = 0) -> str:
    """Return one line without colour codes, carriage returns and control characters.

    Parameters
    ----------
    line : str
    limit : int
        Longest line shown, in characters.
    length : int
        How long the line really is, where `line` is only its beginning.
    """
    line = line.rstrip("\r")
    if "\r" in line:
        line = line.rpartition("\r")[2]
    line = _ESCAPE.sub("", line).translate(_ALL_CONTROL)
    if length or len(line) > limit:
        what = size(length or len(line))
        line = f"{line[:limit]} … [{what} on this line; the log has all]"
    return line


def clean(data: bytes, limit: int = LINE_LIMIT) -> list[str]:
    """Return the lines of some output, each fit for a screen.

    Parameters
    ----------
    data : bytes
        Output of a hook or a task.
    limit : int
        Longest line shown, in characters.
    """
    return _cleaned(_lines(data), limit)


def end(data: bytes, lines: int, limit: int = LINE_LIMIT) -> list[str]:
    """Return the last lines of some output as `clean` does; none if `lines` is 0."""
    every = _lines(data)
    return _cleaned(every[max(0, len(every) - lines) :], limit)  # the others cost their time, too


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _cleaned(lines: list[bytes], limit: int) -> list[str]:
    return [clean_line(line.decode("utf-8", "replace"), limit) for line in lines]


class Feed:
    """Output that comes in pieces, made fit for a screen; remembers the line that has not ended.

    Text that is fit already is passed on whole, without a look at its lines.

    Parameters
    ----------
    limit : int
        Longest line shown, in characters.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._too_long = re.compile(rf"\n[^\n]{{{limit + 1},}}")
        self._line = b""
        self._length = 0

    def take(self, data: bytes) -> str:
        """Return the lines that have ended with `data`, each with its newline."""
        first, newline, rest = data.partition(b"\n")
        self._add(first)
        if not newline:
            return ""
        begun = self.end()
        whole, newline, last = rest.rpartition(b"\n")
        self._add(last)
        return (begun or "\n") + self._fit(whole + newline)

    def end(self) -> str:
        """Return the line that has not ended, with a newline; empty if there is none."""
        line = self.partial
        self._line, self._length = b"", 0
        return f"{line}\n" if line else ""

    @property
    def partial(self) -> str:
        """The line that has not ended, as far as it goes."""
        cut = self._length if self._length > len(self._line) else 0
        return clean_line(self._line.decode("utf-8", "replace"), self._limit, cut)

    def _add(self, data: bytes) -> None:
        line = self._line + data
        # What stands before the last carriage return is overwritten: a progress bar stays short.
        start = line.rstrip(b"\r").rfind(b"\r") + 1
        self._length = len(line) - start if start else self._length + len(data)
        self._line = line[start : start + _KEPT]

    def _fit(self, data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        if len(data.translate(None, _UNFIT)) < len(data):
            if "\r" in text:
                lines = text.replace("\r\n", "\n").split("\n")
                text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
            text = _ESCAPE.sub("", text).translate(_CONTROL)
        # Each newline is a place to begin, so that no line is looked at more than twice.
        return self._too_long.sub(self._cut, f"\n{text}")[1:]

    def _cut(self, match: re.Match[str]) -> str:
        return "\n" + clean_line(match[0][1:], self._limit)


def seconds(value: float, whole: bool = False) -> str:
    """Return a duration in few words: ``0.04 s``, ``12.3 s``, ``3 min 05 s``, ``2 h 00 min``.

    This is how every face words one. `whole` is for what goes on: a clock without fractions.
    """
    if value < 60:
        return f"{int(value)} s" if whole else f"{value:.{2 if value < 10 else 1}f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Return a number of bytes in words: ``512 B``, ``3.4 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def listed(words: Sequence[str], most: int = 8) -> str:
    """Return words with commas between; of many the first, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(map(shown, words[:most])) + more


def quoted(names: Iterable[object], most: int = 8) -> str:
    """Return names that somebody gave, as `listed`, each in quotes."""
    return listed([*map(repr, names)], most)


def counted(count: int, word: str) -> str:
    """Return how many there are of what a word names: ``1 hook``, ``1,200 hooks``."""
    return f"{count:,} {word}{'s' * (count != 1)}"
