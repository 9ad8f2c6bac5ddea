"""Tells what happens in a run of stack.sh while its log grows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from stacknb.devstack_log import Event, LogFile
from stacknb.exceptions import LogError, StacknbError
from stacknb.places import absolute
from stacknb.text.reading import opened
from stacknb.text.screen import counted, seconds

__all__ = ["follow"]

_POLL_S = 0.5
_SILENT_S = 60.0  # after which somebody will ask why this does not end


def follow(
    path: str | os.PathLike[str], *, pause: Callable[[float], object] = time.sleep
) -> Iterator[str]:
    """Yield a line for each phase, hook, task and wait of a log, until stack.sh has ended.

    What is in the log already comes first. A log that only begins is waited for, too. Of one that
    nobody writes to, a line says so: it may have been cut, or stack.sh hangs.

    Parameters
    ----------
    path : path-like
        A log of stack.sh, plain or gzipped.
    pause : callable
        Is called with seconds while nothing new is there.

    Raises
    ------
    LogError
        If it cannot be read, or is none of stack.sh's.
    StacknbError
        At the end, if stack.sh failed.
    """
    try:
        log = LogFile(path)
        story, silent = _Story(), False
        while True:
            try:
                events = log.read()
            except LogError:
                if log.lines or log.broken or not _may_become_text(log.path):
                    raise
                events = []  # its first line is being written
            for event in events:
                yield from story.lines(event)
            if story.ended or log.tables.components:
                break
            if events:
                silent = False
                continue
            quiet_s = time.time() - os.stat(log.path).st_mtime
            if quiet_s > _SILENT_S and not silent:
                silent = True
                told = f"nothing was written for {seconds(quiet_s)}, and no end yet"
                yield f"{told}: Ctrl-C ends this"
            pause(_POLL_S)
    except FileNotFoundError:
        absolute(path)  # what is wrong with the working directory comes first
        said = "give the log of a stack.sh, or a run directory"
        raise LogError(f"{os.fspath(path)!r} does not exist; {said}") from None
    except OSError as error:
        raise LogError(f"{os.fspath(path)!r} cannot be read: {error.strerror or error}") from error
    yield story.end(log.last - log.first)
    if story.code:
        raise StacknbError(f"stack.sh ended with status {story.code}; its log is {str(log.path)!r}")


def _may_become_text(path: Path) -> bool:
    with opened(path) as file:
        start = file.read(64)
    return b"\0" not in start or start.startswith(b"\x1f\x8b")


class _Story:
    def __init__(self) -> None:
        self.ended = False
        self.code = 0
        self.begun: dict[str, int] = {}
        self.failed = self.tasks = 0

    def lines(self, event: Event) -> Iterator[str]:
        if text := self._text(event):
            yield f"{datetime.fromtimestamp(event.stamp / 1000, UTC):%H:%M:%S}  {text}"

    def end(self, took_ms: int) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"over after {seconds(took_ms / 1000)}: {counted(self.tasks, 'task')}{failed}"

    def _text(self, event: Event) -> str:
        name = event.name
        match event.kind:
            case "phase":
                return f"── {name}"
            case "hook":
                self.begun["hook " + name] = event.stamp
                return f"   ▶ {name}"
            case "hook-end":
                return f"   ✓ {name} after {self._since('hook ' + name, event)}"
            case "task":
                self.tasks += 1
                self.begun["task " + name] = event.stamp
                return f"   ▶ task {name}: {event.text}"
            case "task-end":
                self.failed += bool(event.code)
                ended = f"✗ task {name} failed with status {event.code}"
                mark = ended if event.code else f"✓ task {name}"
                return f"   {mark} after {self._since('task ' + name, event)}"
            case "wait":
                self.begun["wait " + name] = event.stamp
                return f"   … waiting for {name}"
            case "collected":
                mark, how = ("✗", f", status {event.code}") if event.code else ("✓", "")
                return f"   {mark} waited for {name} {self._since('wait ' + name, event)}{how}"
            case "not-started":
                return f"   ! wait for {name!r}, which was never started"
            case "exit":
                self.ended, self.code = True, event.code
                return f"stack.sh ended with status {event.code}"
            case "completed":
                self.ended = True
        return ""

    def _since(self, what: str, event: Event) -> str:
        # A short task has ended before DevStack says that it runs; and clocks are set back.
        begun = self.begun.pop(what, None)
        return "?" if begun is None else seconds(max(0, event.stamp - begun) / 1000)
