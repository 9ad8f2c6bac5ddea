"""Text made fit to be shown: bytes that are no UTF-8, escapes, line breaks become signs.

What is asked for as JSON keeps all but the bytes that are no UTF-8, which it cannot hold.
"""

from __future__ import annotations

__all__ = ["clipped", "printable", "shown", "shown_lines"]

# As `screen` shows them in output; a line break as in the values of variables.
_SIGNS = {chr(code): chr(0x2400 + code) for code in range(32)} | {"\n": "⏎", "\x7f": "␡"}


def printable(text: object) -> str:
    r"""Return `text` with bytes that are no UTF-8 as ``\xNN``, so that it can be shown anywhere."""
    try:
        data = str(text).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, which only JSON can hold
        data = str(text).encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")


def shown(text: object) -> str:
    r"""Return `text` as one line for people: what does not print is a sign, or ``\uNNNN``.

    Examples
    --------
    >>> shown("50-\x1b[31ma\nb.sh")
    '50-␛[31ma⏎b.sh'
    """
    line = printable(text)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else _SIGNS.get(c) or ascii(c)[1:-1] for c in line)


def clipped(text: str, most: int) -> str:
    """Return the beginning of a text, with a mark where it has more characters than `most`."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown_lines(text: str) -> str:
    """Return text of several lines, each as `shown` has it."""
    return text if text.isprintable() else "\n".join(map(shown, text.split("\n")))
