"""The run directory and its events.

The journal (``RUN/journal.jsonl``) is for live display; everything in it can be rebuilt from the
logs. Python and the shell both append to it, a line in one write each.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stacknb.exceptions import BadInput
from stacknb.places import FACTS, JOURNAL, STATE, WAITS, absolute, find
from stacknb.rundir import room, turnlog
from stacknb.rundir.linefile import LineFile
from stacknb.rundir.lock import Lock
from stacknb.rundir.shapes import check_readable, facts_of, fits_event, fits_wait
from stacknb.rundir.umask import heed_no_umask

__all__ = ["Event", "RunDir"]

_LINES = (JOURNAL, WAITS)
_FOLDERS = ("hooks", "async", "cells", "services", STATE)
_OF_BASH = ("async", "cells", "services")  # which makes files there, under the umask of a hook
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK  # it may be a pipe


@dataclass(frozen=True)
class Event:
    """Something that happened in a run.

    Attributes
    ----------
    kind : str
        ``run-start``, ``phase-start``, ``phase-hooks`` (others are left of it now),
        ``hook-start``, ``hook-end``, ``phase-end``, ``pause`` (what was to follow at once does
        not), ``run-end``, ``task`` (started), ``wait-start``, ``wait-end``, ``warning``.
    time : float
        Epoch seconds.
    name : str
        Of the run, phase, hook or task.
    data : dict
        What else there is to say; depends on `kind`.
    """

    kind: str
    time: float
    name: str
    data: dict[str, Any] = field(default_factory=dict)


class RunDir:
    """One run directory.

    Parameters
    ----------
    path : Path
        The directory.
    run : str
        Identifier of the run; stands in every log of it.

    Attributes
    ----------
    lock : Lock
        Keeps other processes from working on it; `close` lets go.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self.run = run
        self._journal = LineFile(path / JOURNAL)
        self._waits = LineFile(path / WAITS)
        self._lacking = False
        self._torn = False
        self.lock = Lock(path)
        self._out = -1

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | None,
        mode: str,
        facts: Mapping[str, Any],
        clock: Callable[[], float] = time.time,
    ) -> RunDir:
        """Make a new run directory, by default ``./.stacknb/runs/<UTC time>-<mode>``.

        Raises
        ------
        BadInput
            If it cannot be written, or holds another run.
        """
        start = clock()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start))
        run = f"{stamp}-{mode}-{os.urandom(3).hex()}"
        where = _wanted(path if path is not None else f".stacknb/runs/{stamp}-{mode}")
        new: RunDir | None = None
        try:
            if path is None:
                where = _numbered(where)
            elif (where / FACTS).exists():
                raise BadInput(
                    f"run directory {str(where)!r} holds a run already; choose another or resume it"
                )
            new = cls(where, run)
            new._furnish({"run": run, "mode": mode, "start": start, **facts})
        except OSError as error:
            if new is not None:
                with contextlib.suppress(OSError):
                    new.abandon()
            why = room.unwritable(f"run directory {str(where)!r}", error)
            raise BadInput(f"{why}; choose another with --run-dir") from error
        return new

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunDir:
        """Open an existing run directory.

        Raises
        ------
        BadInput
            If it holds no run, or its run.json is damaged.
        """
        where = find(path)
        for name in _LINES:
            check_readable(where / name)
        return cls(where, str(facts_of(where)["run"]))

    def point_latest(self) -> None:
        """Have ``latest`` beside it mean this run, now that its shell has begun."""
        link = self.path.parent / "latest"
        temporary = link.with_name(f".latest-{self.run}")
        try:
            temporary.symlink_to(self.path.name)
            temporary.replace(link)
        except OSError:  # a file system without links: the name is a convenience
            temporary.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Say that no run came of it, so that the directory can be used for another."""
        self.close()
        (self.path / FACTS).unlink(missing_ok=True)

    def facts(self) -> dict[str, Any]:
        """Return what ``run.json`` says, each of the type that it should have."""
        return facts_of(self.path)

    def past(self) -> tuple[dict[str, float | None], bool]:
        """Return the phases whose last try ended well, and whether the run came to its end so.

        The phases are in order, each with the seconds it took, as far as that is known.
        """
        tries: dict[str, dict[str, Any]] = {}
        is_complete = False
        for event in RunDir(self.path, self.run).new_events():
            if event.kind == "phase-end":
                tries[event.name] = event.data
            elif event.kind == "run-end":
                is_complete = bool(event.data.get("complete"))
        done = {label: end.get("duration_s") for label, end in tries.items() if end.get("ok")}
        return done, is_complete

    def new_log(
        self, kind: str, name: str, command: Sequence[str], phase: str, pid: Callable[[Path], int]
    ) -> Path:
        """Make the log of a hook or a cell, see `turnlog.make`."""
        return turnlog.make(self.path, self.run, kind, name, command, phase, pid)

    def write(self, event: Event) -> None:
        """Append an event; `lacked_room` tells whether it could not be written."""
        line = {"event": event.kind, "time": event.time, "name": event.name, **event.data}
        data = json.dumps(line).encode() + b"\n"
        if self._torn:  # the last line may have no end
            data = b"\n" + data
        try:
            if self._out < 0:
                self._out = os.open(self.path / JOURNAL, _APPEND, 0o644)
            whole = os.write(self._out, data) == len(data)
        except OSError:
            whole = False
        self._torn = not whole
        self._lacking = self._lacking or not whole

    def lacked_room(self) -> bool:
        """Whether an event could not be written since the last call."""
        lacking, self._lacking = self._lacking, False
        return lacking

    def lack(self) -> str:
        """Say why something could not be written; lines that were cut get an end."""
        self._torn = True
        with contextlib.suppress(OSError), (self.path / WAITS).open("ab+") as file:
            file.seek(-1, os.SEEK_END)  # an error, if the file is empty
            if file.read() != b"\n":
                file.write(b"\n")
        return room.lack(self.path)

    def close(self) -> None:
        """Let go of the run and its journal; a later event opens that again."""
        self.lock.release()
        if self._out >= 0:
            os.close(self._out)
            self._out = -1

    def __del__(self) -> None:  # of a stack that nobody has closed
        self.close()

    def new_events(self) -> list[Event]:
        """Return the events since the last call; what is none is passed over.

        The run, and the log of a hook or a cell, are where they lie now: it may be a copy, or have
        been moved.
        """
        events = []
        for record in self._journal.new():
            kind, when, name = (record.pop(key, None) for key in ("event", "time", "name"))
            if fits_event(kind, when, name, record):
                if kind in ("hook-start", "hook-end") and "log" in record:
                    record["log"] = str(self.path / turnlog.inner(record["log"]))
                elif kind == "run-start":
                    record["run_dir"] = str(self.path)
                events.append(Event(str(kind), float(when or 0), str(name), record))
        return events

    def new_waits(self) -> list[dict[str, Any]]:
        """Return the waits that ended since the last call, as ``waits.jsonl`` has them.

        What a line lacks that another program wrote is filled in: ``log`` from the name, and
        ``exit_code`` None, which leaves it to the log.
        """
        known = {"phase": "", "hook": "", "wait_start": 0.0, "wait_end": 0.0, "exit_code": None}
        filled = (
            {"log": f"async/{wait.get('name')}.log", **known, **wait} for wait in self._waits.new()
        )
        return [wait for wait in filled if fits_wait(wait)]

    def _furnish(self, facts: Mapping[str, Any]) -> None:
        """Make what a run needs in its directory, and hold it; ``run.json`` comes last."""
        for folder in _FOLDERS:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
            if folder in _OF_BASH:
                heed_no_umask(self.path / folder)
        (self.path / STATE).chmod(0o700)
        self.lock.take()
        # Here, not under the umask of a hook.
        os.close(os.open(self.path / WAITS, _APPEND, 0o644))
        document = json.dumps(facts, indent=1) + "\n"
        (self.path / FACTS).write_text(document, encoding="utf-8")


def _wanted(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):
        raise BadInput("run directory '' has no name; choose another with --run-dir")
    where = absolute(path)
    if "\n" in str(where):
        raise BadInput(f"run directory {str(where)!r} has a line break in its name; choose another")
    return where


def _numbered(base: Path) -> Path:
    """Make a folder of that name, or with a number behind it; others may do the same now."""
    base.parent.mkdir(parents=True, exist_ok=True)
    where, number = base, 1
    while True:
        try:
            where.mkdir()
        except FileExistsError:
            number += 1
            where = base.with_name(f"{base.name}.{number}")
        else:
            return where
