"""Progress on a terminal: what hooks print scrolls by, below it stands how far the run is."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.color import ColorSystem
from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stacknb.board import PhaseState, TaskState, Waiting, expected, late, left
from stacknb.dispatcher import Stack
from stacknb.progress.plain import Plain, writer
from stacknb.rundir.ending import BAD
from stacknb.rundir.journal import Event
from stacknb.text.screen import SYMBOLS, counted, seconds
from stacknb.text.signs import shown

__all__ = ["Terminal"]

_PAUSE_S = 0.1
_TASKS = 8
_STYLES = {
    "ok": "green",
    "running": "bold cyan",
    "to come": "dim",
    "waiting": "dim",
    "warning": "yellow",
    "heading": "bold",
}
_BAD = "bold red"


class Terminal:
    """A live display on a terminal.

    Parameters
    ----------
    stack : Stack
    stream : text stream
        The terminal.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self, stack: Stack, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = Console(
            file=stream, highlight=False, markup=False, emoji=False, _environ=_environment()
        )
        self._plain = Plain(
            lambda: stack.run_dir, lambda text: self._above.append(text), self._paint
        )
        self._board = self._plain.board
        self._above: list[str] = []
        self._clock = clock
        self._drawn = float("-inf")
        self._fallback = writer(stream)
        self._live: Live | None = Live(
            console=self._console, auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def on_event(self, event: Event) -> None:
        """Take an event in; drawn with the next picture."""
        self._plain.on_event(event)
        self._draw()

    def on_tick(self) -> None:
        """Draw a picture, if the last one is old enough."""
        self._plain.on_tick()
        self._draw()

    def close(self) -> None:
        """Take the live part away; what was printed stays."""
        self._plain.close()
        live, self._live = self._live, None
        if live is not None:
            try:
                live.stop()
            except OSError:  # the terminal is gone
                return
        self._fallback("".join(self._above))
        self._above.clear()

    def _draw(self) -> None:
        if self._live is None or self._clock() - self._drawn < _PAUSE_S:
            return
        self._drawn = self._clock()
        self._board.update()
        try:
            self._live.start()
            with _uninterrupted(), self._console:  # one write for both
                # One segment, however many lines: rich must not look at each.
                above = Segments([Segment("".join(self._above))])
                self._console.print(above, crop=False, end="")
                self._above.clear()
                # Narrower by the ^C that a terminal echoes at the end of the last line.
                width = max(1, self._console.width - 3)
                self._live.update(Constrain(Group(*self._picture(width)), width), refresh=True)
        except OSError:
            self._live = None

    def _picture(self, width: int) -> Iterator[Text | Table]:
        now, room = time.time(), max(1, self._console.height - 6)
        yield Text("─" * width, "dim")
        yield from self._steps(now, width)
        yield from self._outlook(now, width)
        hook = self._board.hook
        if hook is not None:
            text = Text(f"{SYMBOLS['running']} {shown(hook.name)}", "bold cyan")
            text.append(f"  {seconds(hook.spent(now) or 0.0)}  ", "not bold")
            yield _cut(text.append(self._plain.partial, "dim"))
        waits = self._board.waiting
        yield from (_cut(_waiting(wait, now)) for wait in waits[:_TASKS])
        if len(waits) > _TASKS:
            yield Text(f"  … and for {len(waits) - _TASKS} more", "yellow")
        names = {wait.task.key for wait in waits}
        tasks, more = self._board.tasks.running(min(_TASKS, room))
        if tasks := [task for task in tasks if task.key not in names]:
            yield _tasks(tasks, now)
        if more:
            yield Text(f"  + {counted(more, 'more task')}", "dim")
        counts = self._board.tasks.counts()
        if bad := ", ".join(f"{counts[status]} {status}" for status in BAD if status in counts):
            yield Text(f"{SYMBOLS['failed']} of the tasks {bad}", _BAD)

    def _steps(self, now: float, width: int) -> Iterator[Text]:
        line = Text()
        for phase in self._board.phases:
            step = _phase(phase, now)
            if line and len(line) + len(step) > width:
                yield line
                line = Text()
            line.append_text(step).append("  ")
        yield line

    def _outlook(self, now: float, width: int) -> Iterator[Text]:
        """Say how far it is and how long it may take, where an earlier run tells."""
        board = self._board
        total, rest = expected(board), left(board, now)
        if total is None or rest is None or board.earlier is None:
            return
        spent = sum(phase.spent(now) or 0.0 for phase in board.phases)
        part = spent / (spent + rest) if spent + rest else 1.0
        room = max(4, min(30, width - 60))
        done = round(part * room)
        text = Text("━" * done, "green").append("━" * (room - done), "dim")
        words = seconds(rest, whole=True)
        about = f"late; then about {words}" if late(board, now) else f"about {words} left"
        about += f", as in the run of {board.earlier.when}"
        yield _cut(text.append(f"  {100 * part:3.0f} %, {about}", "dim"))

    def _paint(self, status: str, text: str) -> str:
        if self._console.no_color or self._console.color_system is None:
            return text
        style = Style.parse(_STYLES.get(status, _BAD))
        return style.render(text, color_system=ColorSystem.STANDARD)


def _environment() -> dict[str, str]:
    """Return the environment without a size that no screen has: the terminal knows its own.

    Rich believes a width of 0 and prints nothing, and draws a line of whatever width is asked for.
    """
    sizes = {"COLUMNS", "LINES"}
    wrong = {
        name for name in sizes & os.environ.keys()
        if not re.fullmatch("0*[1-9][0-9]{0,3}", os.environ[name])
    }  # fmt: skip
    return {name: value for name, value in os.environ.items() if name not in wrong}


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    # Between what is written and what rich remembers of it: the last picture could not be erased.
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _phase(phase: PhaseState, now: float) -> Text:
    style = _STYLES.get(phase.status, _BAD)
    name = phase.label.removeprefix("stack ")
    text = Text(f"{SYMBOLS.get(phase.status, '·')} {name}", style)
    spent = phase.spent(now)
    if spent is not None:
        text.append(f" {seconds(spent)}", "dim")
    if phase.expected_s is not None and phase.status in ("running", "to come"):
        of = " of" if phase.status == "running" else ""
        text.append(f"{of} ~{seconds(phase.expected_s)}", "dim")
    return text


def _waiting(wait: Waiting, now: float) -> Text:
    text = Text(f"  … waiting for {shown(wait.task.name)}", "yellow")
    text.append(f"  {seconds(now - wait.since)}", "not bold")
    if wait.before_s is not None:
        text.append(f"  (took {seconds(wait.before_s)} last time)", "dim")
    return text.append(f"  {wait.task.last}", "dim")


def _tasks(tasks: list[TaskState], now: float) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for task in tasks:
        table.add_row(
            Text(
                f"  {SYMBOLS.get(task.status, '▶')} {shown(task.name)}",
                _STYLES.get(task.status, ""),
            ),
            Text(seconds(now - task.started)),
            Text(task.last, "dim"),
        )
    return table


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
