"""The ends of the logs, as much of them as a report has room for: failed ones first."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pandas as pd

from stacknb.rundir.follow import excerpt
from stacknb.text import screen
from stacknb.text.reading import opened

__all__ = ["tails"]

_OF_BAD, _OF_GOOD = 30, 8  # lines
_WIDTH = 300  # characters of a line
_END = 1 << 16  # bytes looked at of a log of stack.sh


def tails(tasks: pd.DataFrame, hooks: pd.DataFrame, *, room: int, stack_log: str = "") -> str:
    """Return the ends of the logs as HTML.

    Parameters
    ----------
    tasks, hooks : DataFrame
        Of a run.
    room : int
        Characters, at the most; what has no room is counted.
    stack_log : str
        Path of the log, if the run is one of stack.sh: all are in it, and its end is shown.
    """
    if stack_log:
        return f"<pre>{_escaped(_end_of(Path(stack_log)))}</pre>\n"
    parts, left, left_out = [], room, 0
    for heading, log, is_bad in _logs(tasks, hooks):
        lines = excerpt(Path(log), _OF_BAD if is_bad else _OF_GOOD, _WIDTH)
        body = _escaped(lines) or '<span class="dim">no output</span>'
        opened = " open" if is_bad else ""
        text = f"<details{opened}><summary>{heading}</summary><pre>{body}</pre></details>\n"
        if len(text) > left:
            left_out += 1
            continue
        left -= len(text)
        parts.append(text)
    if left_out:
        more = screen.counted(left_out, "more log")
        parts.append(f'<p class="dim">{more} left out: no room.</p>\n')
    return "".join(parts) or '<p class="dim">none</p>\n'


def _logs(tasks: pd.DataFrame, hooks: pd.DataFrame) -> Iterator[tuple[str, str, bool]]:
    named = [hooks.rename(columns={"hook": "name"}).assign(what="hook"), tasks.assign(what="task")]
    every = pd.concat([frame[["what", "name", "phase", "status", "log"]] for frame in named])
    every = every[every["log"] != ""]
    good = every["status"].isin(["ok", "running"])
    for rows, is_bad in ((every[~good], True), (every[good], False)):
        for what, name, phase, status, log in rows.itertuples(index=False, name=None):
            mark = f'<span class="bad">{status}</span>' if is_bad else status
            where = f", {escape(phase)}" if phase else ""
            yield f"{what} {escape(name)}: {mark}{where}", log, is_bad


def _end_of(log: Path) -> list[str]:
    data, trouble = b"", []
    try:
        with opened(log) as plain:
            file = gzip.GzipFile(fileobj=plain) if log.suffix == ".gz" else plain
            if log.suffix != ".gz":
                file.seek(max(0, log.stat().st_size - _END))
            while piece := file.read(_END):
                data = (data + piece)[-_END:]
    except (OSError, EOFError, zlib.error) as error:  # a damaged log has an end that can be read
        trouble = [f"{str(log)!r} cannot be read{' any further' if data else ''}: {error}"]
    return screen.clean(data, _WIDTH)[-60:] + trouble


def _escaped(lines: list[str]) -> str:
    return escape("\n".join(lines), quote=False)
