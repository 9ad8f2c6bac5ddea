"""What a word in bash's own quoting stands for, as `declare -p` writes it."""

from __future__ import annotations

import re
import sys

__all__ = ["unquote"]


def unquote(value: bytes) -> bytes:
    """Return what a quoted scalar of ``declare -p`` stands for."""
    if value.startswith(b"$'"):
        return _ansi_c(value[2:-1])
    if value.startswith(b'"'):
        return re.sub(rb'\\([\\"$`])', rb"\1", value[1:-1])
    return value


_ESCAPES = {
    bytes([letter]): bytes([code])
    for letter, code in zip(b"ntrabvfEe", b"\n\t\r\a\b\v\f\x1b\x1b", strict=True)
}


def _ansi_c(text: bytes) -> bytes:
    def replace(match: re.Match[bytes]) -> bytes:
        body = match[1]
        if body[:1] in b"01234567":
            return bytes([int(body, 8) & 255])
        if body[:1] in b"xuU":
            code = int(body[1:] or b"-1", 16)
            if not 0 <= code <= sys.maxunicode:
                return match[0]  # it stands for no character
            if body[:1] == b"x":
                return bytes([code])
            return chr(code).encode("utf-8", "surrogatepass")
        return _ESCAPES.get(body, body)

    return re.sub(
        rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|.)",
        replace,
        text,
        flags=re.S,
    )
