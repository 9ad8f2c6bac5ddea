"""What bash's own quoting stands for, as `declare -p` and `trap -p` write it."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["legible", "trap_commands", "unquote"]


def unquote(value: bytes) -> bytes:
    """Return what a quoted scalar of ``declare -p`` stands for."""
    if value.startswith(b"$'"):
        return _ansi_c(value[2:-1])
    return re.sub(rb'\\([\\"$`])', rb"\1", value[1:-1])


def legible(value: bytes) -> str:
    r"""Return an array of ``declare -p`` as text, with letters for the octal that stands for them.

    In a locale without UTF-8 (C, or one that is not installed) bash writes ``ü`` as ``\303\274``.
    """

    def replace(match: re.Match[bytes]) -> bytes:
        try:
            text = _ansi_c(match[1] or b"").decode()
        except UnicodeDecodeError:
            return match[0]
        return text.encode() if text and text.isprintable() else match[0]

    raw = re.sub(rb"\\\\|((?:\\[23][0-7]{2})+)", replace, value)
    return raw.decode("utf-8", "backslashreplace")


# It writes every other byte that is no text in octal, in whatever locale.
_ESCAPES = {
    bytes([letter]): bytes([code])
    for letter, code in zip(b"ntrabvfE", b"\n\t\r\a\b\v\f\x1b", strict=True)
}


def _ansi_c(text: bytes) -> bytes:
    def replace(match: re.Match[bytes]) -> bytes:
        body = match[1]
        if body[:1] in b"01234567":
            return bytes([int(body, 8) & 255])
        return _ESCAPES.get(body, body)

    return re.sub(rb"\\([0-7]{1,3}|.)", replace, text, flags=re.S)


def trap_commands(text: bytes) -> Iterator[bytes]:
    """Yield the commands that ``trap -p`` printed, one for each trap."""
    at = 0
    while text.startswith(b"trap -- ", at):
        end = at + len(b"trap -- ")
        while True:
            match = re.compile(rb"['\\\n]").search(text, end)
            if match is None or match[0] == b"\n":
                end = match.end() if match else len(text)
                break
            if match[0] == b"'":
                end = text.find(b"'", match.end()) + 1 or len(text)
            else:
                end = match.end() + 1
        yield text[at:end]
        at = end
