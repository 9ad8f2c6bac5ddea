"""A log that is open in a panel: its end, then what comes; and a search in all of it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stacknb.exceptions import BadInput
from stacknb.rundir.follow import Follower
from stacknb.tasklog import footer_of
from stacknb.text.reading import opened
from stacknb.text.screen import Feed, clean_line, counted, size

__all__ = ["OpenLog", "OpenLogs", "log_of", "search"]

_FIRST = 32 << 10  # bytes shown when it is opened
_PIECE = 8 << 10  # bytes shown in one update: a log that floods must not flood the browser
_WIDTH = 500
_MATCHES = 200
_VIEWS = 4  # a page that is loaded anew does not say that it has shut its log
_PATIENCE_S = 3.0
_BLOCK = 1 << 20
_FOOTER = re.compile(rb"^#stacknb-end .*$", re.M)


class OpenLog:
    """The end of one log, and what comes.

    Parameters
    ----------
    key : str
        Its path within the run directory.
    path : Path
    """

    def __init__(self, key: str, path: Path) -> None:
        self.key = key
        self._path = path
        self._log = Follower(path)
        self._feed = Feed(_WIDTH)
        self._told: tuple[str, bool] | None = None
        self._ended = False
        self._skipped = self._log.skip(_FIRST)

    def news(self) -> dict[str, Any] | None:
        """Return what a panel is to be told, or None if there is nothing."""
        first = self._told is None
        if not self._ended and footer_of(self._path) is not None:
            self._ended = True
            self._log.finish()
        skipped = self._skipped + (0 if first else self._log.skip(2 * _FIRST))
        self._skipped = 0
        text = self._feed.take(self._log.read(_FIRST if first else _PIECE))
        if skipped:
            _, _, text = text.partition("\n")  # the first line is a part of one
        state = (self._feed.partial, self._ended)
        if not text and not skipped and state == self._told:
            return None
        self._told = state
        return {
            "kind": "log",
            "key": self.key,
            "path": str(self._path),
            "reset": first,
            "skipped": size(skipped) if skipped else "",
            "text": text,
            "partial": self._feed.partial[:_WIDTH],
            "ended": self._ended,
        }


class OpenLogs:
    """The log that is open in each view of a panel."""

    def __init__(self) -> None:
        self._logs: dict[str, OpenLog] = {}

    def __bool__(self) -> bool:
        return bool(self._logs)

    def open(self, view: str, log: OpenLog) -> None:
        """Let a view have this log, in place of the one it had; the newest few stay open."""
        others = [entry for entry in self._logs.items() if entry[0] != view]
        self._logs = dict([*others[1 - _VIEWS :], (view, log)])

    def shut(self, view: str) -> None:
        """Let a view have none."""
        self._logs = {other: log for other, log in self._logs.items() if other != view}

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield what the views are to be told."""
        for view, log in self._logs.items():
            if (news := log.news()) is not None:
                yield {**news, "view": view}


def log_of(run_dir: Path | None, key: str) -> Path:
    """Return the log that a page asks for, if it is one of the run.

    Raises
    ------
    BadInput
        If it is not.
    """
    if run_dir is None:
        raise BadInput("there is no run yet, so there is no log")
    path = Path(os.path.realpath(run_dir / key))
    if not path.is_relative_to(os.path.realpath(run_dir)) or path.suffix != ".log":
        raise BadInput(f"{key!r} is no log of this run")
    if not path.is_file():
        raise BadInput(f"log {key!r} is not there yet, or no longer")
    return path


def search(key: str, path: Path, text: str, patience_s: float = _PATIENCE_S) -> dict[str, Any]:
    """Search a whole log, whatever its size, as far as patience goes.

    Parameters
    ----------
    key : str
    path : Path
    text : str
        What is searched for; capitals of ASCII do not matter.
    patience_s : float
        Seconds.

    Returns
    -------
    dict
        ``lines``: pairs of line number and line, the first 200; ``words``: how many there are.
    """
    wanted = text.encode("utf-8", "replace").lower()  # as the log: of bytes it knows ASCII alone
    found: list[tuple[int, str]] = []
    count, number, read = 0, 0, 0
    deadline, rest, cut = time.monotonic() + patience_s, b"", ""
    with opened(path) as file:
        file.readline()  # the header
        while block := file.read(_BLOCK):
            read += len(block)
            whole, newline, rest = (rest + block).rpartition(b"\n")
            data = _FOOTER.sub(b"", whole + newline)
            number = _scan(data, wanted, number, found)
            count += data.lower().count(wanted) if wanted else 0
            if time.monotonic() > deadline:
                cut = f" in the first {size(read)}"
                break
    rest = _FOOTER.sub(b"", rest)
    _scan(rest, wanted, number, found)
    count += rest.lower().count(wanted) if wanted else 0
    # Of fewer lines all are shown, however often it stands in one.
    shown = f", the first {_MATCHES} lines shown" if count > len(found) == _MATCHES else ""
    words = f"found {counted(count, 'time')}{cut}{shown}" if count else f"not found{cut}"
    return {"kind": "found", "key": key, "text": text, "lines": found, "words": words}


def _scan(data: bytes, wanted: bytes, number: int, found: list[tuple[int, str]]) -> int:
    """Add the lines of `data` that hold `wanted`; return the number of the last line."""
    lowered, at, line = data.lower(), 0, number
    while wanted and len(found) < _MATCHES and (hit := lowered.find(wanted, at)) >= 0:
        begin = data.rfind(b"\n", 0, hit) + 1
        end = data.find(b"\n", hit)
        end = len(data) if end < 0 else end
        line += data.count(b"\n", at if at else 0, begin)
        raw = data[begin : min(end, begin + 64 * _WIDTH)].decode("utf-8", "replace")
        found.append((line + 1, clean_line(raw, _WIDTH)))
        at = end + 1
        line += 1
    return number + data.count(b"\n")
