"""Progress in plain lines: one for each event, and between them what the hooks print."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from stacknb.board import Board
from stacknb.rundir.follow import MOST, Follower
from stacknb.rundir.journal import Event
from stacknb.text.screen import SYMBOLS, Feed, counted, seconds, size
from stacknb.text.signs import shown

__all__ = ["Plain", "silence", "writer"]


class Plain:
    """Lines for a pipe, a file or the upper part of a terminal.

    Parameters
    ----------
    where : callable
        Returns the run directory, or None while there is none.
    write : callable
        Takes text that ends with a newline.
    paint : callable, optional
        Takes a status and what is said of it, and returns it in colour.
    """

    def __init__(
        self,
        where: Callable[[], Path | None],
        write: Callable[[str], None],
        paint: Callable[[str, str], str] = lambda status, text: text,
    ) -> None:
        self.board = Board(where)
        self._write = write
        self._paint = paint
        self._log: Follower | None = None
        self._feed = Feed()
        self._heading = ""

    def on_event(self, event: Event) -> None:
        """Show an event, and before it what was printed until then."""
        name, data = shown(event.name), event.data
        if event.kind == "run-start":
            self._write(f"{name}: {shown(data['top_dir'])}, logs in {shown(data['run_dir'])}\n")
        elif event.kind == "phase-start":
            self.board.update()
            self._say(
                "heading", f"── {name} ({self.board.place(event.name)}, {_count(data['hooks'])})"
            )
        elif event.kind == "phase-hooks":
            self._say(
                "heading",
                f"── {name}: {_count(data['hooks'])} to come, with the plugins now enabled",
            )
        elif event.kind == "hook-start":
            self._log, self._feed = Follower(Path(data["log"])), Feed()
            self._heading = self._paint("running", f"{SYMBOLS['running']} {name}") + "\n"
        elif event.kind == "hook-end":
            self._drain()
            status, took = data["status"], seconds(data["duration_s"])
            word = "" if status == "ok" else f" {status}"
            self._say(status, f"{SYMBOLS.get(status, '·')} {name}{word} {took}")
        elif event.kind == "phase-end" and not data["ok"]:
            took = seconds(data["duration_s"])
            self._say("failed", f"{SYMBOLS['failed']} {name} ended early after {took}")
        elif event.kind == "run-end" and data["complete"]:
            status, but = ("ok", "") if data["ok"] else ("failed", ", but a task failed")
            self._say(status, f"{SYMBOLS[status]} {name} complete{but}")
        elif event.kind == "warning":
            self._say("warning", f"warning: {name}")

    def on_tick(self) -> None:
        """Show what the hook has printed since, as far as it is whole lines."""
        if self._log is not None and (data := self._log.glance()):
            self._show(self._feed.take(data))

    def close(self) -> None:
        """Show what is left, if the run was left in the middle of a hook."""
        if self._log is not None:
            self._drain()

    @property
    def partial(self) -> str:
        """The line that the hook has begun."""
        return self._feed.partial if self._log is not None else ""

    def _say(self, status: str, text: str) -> None:
        self._write(self._paint(status, text) + "\n")

    def _drain(self) -> None:
        log, self._log = self._log, None
        if log is None:
            return
        if left_out := log.finish(MOST):
            self._show(self._feed.end())
            self._show(f"… {size(left_out)} left out here; all is in {shown(log.path)}\n")
        while data := log.read():
            self._show(self._feed.take(data))
        self._show(self._feed.end())

    def _show(self, text: str) -> None:
        if text:  # a hook that prints nothing has one line, others begin with their name
            self._write(self._heading + text)
            self._heading = ""


def _count(hooks: list[str]) -> str:
    return counted(len(hooks), "hook") if hooks else "no hooks"


def writer(stream: TextIO) -> Callable[[str], None]:
    """Return a function that writes to `stream`, and to nowhere once its reader is gone."""

    def write(text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            silence(stream)

    return write


def silence(stream: TextIO) -> None:
    """Point a stream that cannot be written to nowhere, so that its last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
