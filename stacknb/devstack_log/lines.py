"""What one line of a stack.sh log says: patterns for its text, without the stamp."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["ASYNC", "NOT_STARTED", "Trace", "async_message", "decoded", "trace"]

# The file in an xtrace line has no blank; with a blank after the plus signs a colon follows the
# place ("+ FILE:FUNC:LINE   :   CMD"), without one it does not ("+FILE:FUNC:LINE   CMD").
_SPACED = re.compile(rb"(\++) ([^\s:]+):([^\s:]*):(\d+) *:(?: +(.*))?$", re.S)
_PLAIN = re.compile(rb"(\++)([^\s:+][^\s:]*):([^\s:]*):(\d+)(?: +(.*))?$", re.S)
_BARE = re.compile(rb"(\++) (.*)$", re.S)
_COLOUR = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z]|\([A-Z0-9])")

ASYNC = re.compile(rb"\[(?:(\d+) )?Async (.+?):(\w*)\]: (.*)$", re.S)
NOT_STARTED = re.compile(rb"Not waiting for async task (\S.*?) that we never started")
_MESSAGES = (
    ("ok", re.compile(rb"finished successfully()()\s*$")),
    ("failed", re.compile(rb"FAILED with rc ()(\d+)\s*$")),
    ("running", re.compile(rb"running: ?(.*)()$", re.S)),
    ("synchronous", re.compile(rb"Running synchronously: ?(.*)()$", re.S)),
    ("signaling", re.compile(rb"Signaling child to exit()()\s*$")),
    ("signaled", re.compile(rb"Signaled()()\s*$")),
    ("collected", re.compile(rb"finished (.*) with result (\d+) in -?\d+ seconds", re.S)),
    (
        "waiting",
        re.compile(
            rb"Waiting for completion of (.*?)(?: running on PID (\w*))?"
            rb"(?: \(-?\d+ other jobs? running\))?\s*$",
            re.S,
        ),
    ),
)


class Trace(NamedTuple):
    """One xtrace line; file and function are empty in a log whose PS4 does not name them."""

    depth: int
    file: bytes
    function: bytes
    line: int
    command: bytes


def decoded(text: bytes) -> str:
    r"""Return `text` as a string that can be printed anywhere; stray bytes as ``\xNN``."""
    return text.decode("utf-8", "backslashreplace")


def trace(text: bytes) -> Trace | None:
    """Return what an xtrace line says; None for any other line.

    Parameters
    ----------
    text : bytes
        A line without its stamp; colour escapes are ignored.
    """
    if not text.startswith(b"+"):
        return None
    if b"\x1b" in text:
        text = _COLOUR.sub(b"", text)
    match = _SPACED.match(text) or _PLAIN.match(text)
    if match:
        plus, file, function, line, command = match.groups()
        return Trace(len(plus), file, function, int(line), command or b"")
    match = _BARE.match(text)
    return Trace(len(match[1]), b"", b"", 0, match[2]) if match else None


def async_message(text: bytes) -> tuple[str, bytes, bytes] | None:
    """Return kind, command, and number or PID of what an ``[… Async …]:`` line says.

    None when it is none of DevStack's messages.
    """
    for kind, pattern in _MESSAGES:
        if match := pattern.match(text):
            return kind, match[1] or b"", match[2] or b""
    return None
