"""The logs of one name in a run directory, found by what a person calls it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.exceptions import BadInput
from stacknb.places import find
from stacknb.rundir.follow import excerpt
from stacknb.rundir.shapes import check_readable
from stacknb.text import budget
from stacknb.text.names import nearest
from stacknb.text.screen import counted, quoted
from stacknb.text.signs import shown

__all__ = ["Logs", "logs_of", "names"]


class Logs(list[Path]):
    """Logs of one name, in the order they were begun."""

    room = budget.ALONE
    least = budget.LOG
    lines = 100  # of each log, in a notebook

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        texts = [(path, excerpt(path, self.lines, 500)) for path in self]
        printed = [f"==> {shown(path)} <==\n" + "\n".join(lines) for path, lines in texts if lines]
        nothing = f"nothing printed in {quoted(map(str, self))}"
        printer.text(_newest(printed, self.room) if printed else budget.fold(nothing, self.room))


def _newest(logs: list[str], room: int) -> str:
    # Of a hook that was run again and again the last try is what is looked for.
    kept: list[str] = []
    for text in reversed(logs):
        if kept and budget.stored(text) > room:
            before = counted(len(logs) - len(kept), "log")
            return "\n".join([f"… {before} before these", *reversed(kept)])
        kept.append(budget.fold(text, room))
        room -= budget.stored(kept[-1])
    return "\n".join(reversed(kept))


def logs_of(path: str | os.PathLike[str], name: str, tail: int | None = None) -> Logs:
    """Return the logs of a hook, task, service or cell, in the order they were begun.

    Parameters
    ----------
    path : path-like
        A run directory, or a folder with ``.stacknb/runs/latest``.
    name : str
        ``db``, ``50-api.sh`` (one log for each phase), ``install/50-api.sh``, or a path as
        `stacknb.status` shows it: ``async/db.log``.
    tail : int, optional
        How many last lines of each a notebook shows.

    Raises
    ------
    BadInput
        If there is none, which names the nearest; or one cannot be read.
    """
    run_dir = find(path)
    found: dict[str, list[Path]] = {}
    for log, inner, plain in _inner(run_dir):
        parts = plain.split("/")
        others = {inner, Path(inner).name, plain.removeprefix("hooks/stack-")}
        for key in {"/".join(parts[i:]) for i in range(len(parts))} | others:
            found.setdefault(key, []).append(log)
    asked = name if name in found else name.removesuffix(".log")
    if asked not in found:
        for packed in run_dir.glob("*/**/*.log.gz"):  # as CI jobs leave them
            if f"/{packed}".removesuffix(".log.gz").endswith(f"/{asked.removesuffix('.log.gz')}"):
                raise BadInput(f"log {str(packed)!r} is gzipped: unpack it first (gunzip)")
        known = f"; there are {quoted(names(run_dir), 20)}" if found else ""
        hint = nearest(name, found) or known
        raise BadInput(f"no log {name!r} in {str(run_dir)!r}{hint}")
    for log in found[asked]:
        check_readable(log)
    logs = Logs(sorted(found[asked], key=lambda log: tasklog.header_of(log).get("start", 0.0)))
    logs.lines = logs.lines if tail is None else tail
    return logs


def names(run_dir: Path, kind: str = "log") -> list[str]:
    """Return what people call the logs of a run, in order; of hooks or tasks alone by its kind."""
    folder = {"hook": "hooks/", "task": "async/"}.get(kind, "")
    plain = (plain for _, _, plain in _inner(run_dir) if plain.startswith(folder))
    return sorted({path.rpartition("/")[2] for path in plain})


def _inner(run_dir: Path) -> Iterator[tuple[Path, str, str]]:
    """Return each log, its path in the run without suffix, and that of the first of its name."""
    for log in run_dir.glob("*/**/*.log"):
        inner = str(log.relative_to(run_dir)).removesuffix(".log")
        stem, _, count = inner.rpartition(".")
        again = count.isdigit() and (run_dir / f"{stem}.log").exists()
        yield log, inner, stem if again else inner
