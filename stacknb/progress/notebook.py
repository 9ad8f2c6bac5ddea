"""Progress in a notebook: one display, drawn anew as the run goes on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stacknb.dispatcher import Stack
from stacknb.follow import MOST, Follower
from stacknb.journal import Event
from stacknb.progress import page
from stacknb.progress.board import Board
from stacknb.screen import Feed

__all__ = ["Notebook", "Tail"]

_PAUSE_S = 0.1


class Tail:
    """The last lines that a hook printed.

    Attributes
    ----------
    lines : list of str
    count : int
        How many there were.
    left_out : int
        Bytes that were too many to be counted.
    """

    def __init__(self, path: Path, keep: int = 20, width: int = 300) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.left_out = 0
        self._log, self._feed, self._keep = Follower(path), Feed(width), keep

    def read(self) -> None:
        """Take in what was printed since."""
        self._take(self._feed.take(self._log.glance()))

    def finish(self) -> None:
        """Take in the rest, or the end of it."""
        self.left_out = self._log.finish(MOST)
        if self.left_out:
            self._feed.end()
        while data := self._log.read():
            self._take(self._feed.take(data))
        self._take(self._feed.end())

    def _take(self, text: str) -> None:
        if text:
            self.count += text.count("\n")
            self.lines = (self.lines + text[:-1].rsplit("\n", self._keep))[-self._keep :]


class Notebook:
    """A display in a notebook.

    Parameters
    ----------
    stack : Stack
    show : callable, optional
        Takes a bundle of MIME types, and whether it is the first; by default IPython's display.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        stack: Stack,
        show: Callable[[dict[str, str], bool], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = Board(stack)
        self._tails: dict[Path, Tail] = {}
        self._tail: Tail | None = None
        self._top_dir = stack.top_dir
        self._show = show or _displayer()
        self._clock = clock
        self._drawn = float("-inf")
        self._shown: dict[str, str] = {}

    def on_event(self, event: Event) -> None:
        """Take an event in."""
        self._board.on_event(event)
        if event.kind == "hook-start":
            path = Path(event.data["log"])
            self._tail = self._tails[path] = Tail(path)
        elif event.kind == "hook-end" and self._tail is not None:
            self._tail.finish()
            self._tail = None
        self._draw()

    def on_tick(self) -> None:
        """Take in what the hook has printed."""
        if self._tail is not None:
            self._tail.read()
        self._draw()

    def close(self) -> None:
        """Draw the last picture."""
        if self._tail is not None:
            self._tail.finish()
        self._draw(last=True)

    def _draw(self, last: bool = False) -> None:
        if not last and self._clock() - self._drawn < _PAUSE_S:
            return
        if not any(phase.begun for phase in self._board.phases):
            return
        self._drawn = self._clock()
        bundle = page.bundle(self._board, self._tails, self._top_dir)
        if bundle != self._shown:
            self._show(bundle, not self._shown)
            self._shown = bundle


def _displayer() -> Callable[[dict[str, str], bool], None]:
    from IPython.display import publish_display_data

    name = uuid.uuid4().hex

    def show(bundle: dict[str, str], first: bool) -> None:
        options: dict[str, Any] = {"transient": {"display_id": name}, "update": not first}
        publish_display_data(bundle, **options)  # type: ignore[no-untyped-call] # IPython's

    return show
