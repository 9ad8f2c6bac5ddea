"""What an earlier run of the same tree took, so that a display can say what is to be expected."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.exceptions import BadInput, LogError
from stacknb.journal import RunDir
from stacknb.rundir.shapes import facts_of

__all__ = ["Earlier", "beside", "find"]

_MOST = 50  # run directories looked at


class Earlier:
    """An earlier run.

    Parameters
    ----------
    run_dir : Path
    start : float
        Epoch seconds.

    Attributes
    ----------
    phases : dict of str to float
        Seconds each phase took that ended well.
    """

    def __init__(self, run_dir: Path, start: float) -> None:
        self.run_dir = run_dir
        self.start = start
        self.phases: dict[str, float] = {}
        self.complete = False
        self._tasks: dict[str, float | None] = {}
        for event in RunDir(run_dir, "").new_events():
            if event.kind == "phase-end" and event.data.get("ok"):
                if (took := event.data.get("duration_s")) is not None:
                    self.phases[event.name] = float(took)
            elif event.kind == "run-end":
                self.complete = bool(event.data.get("complete"))

    @property
    def when(self) -> str:
        """Its beginning in local time: ``22 Nov 17:40``."""
        return time.strftime("%d %b %H:%M", time.localtime(self.start))

    def task_s(self, name: str) -> float | None:
        """Return how many seconds the task of that name took, if it ended well."""
        if name not in self._tasks:
            self._tasks[name] = self._read(self.run_dir / "async" / f"{name}.log")
        return self._tasks[name]

    def _read(self, path: Path) -> float | None:
        try:
            record = tasklog.read(path)
        except (OSError, LogError):
            return None
        footer = record.footer
        if footer is None or footer["exit_code"] != 0 or "end" not in footer:
            return None
        start = record.header.get("start")
        return None if start is None else max(0.0, footer["end"] - start)


def find(run_dir: Path, facts: dict[str, Any]) -> Earlier | None:
    """Return the newest complete run beside `run_dir` of the same tree and mode, made before it.

    Parameters
    ----------
    run_dir : Path
    facts : dict
        Its ``run.json``.
    """
    before = facts.get("start", 0.0)
    for start, path, _ in beside(run_dir, str(facts.get("top_dir")), str(facts.get("mode"))):
        with contextlib.suppress(OSError):  # a journal that is no file
            if start < before and (earlier := Earlier(path, start)).complete:
                return earlier
    return None


def beside(run_dir: Path, top_dir: str, mode: str) -> list[tuple[float, Path, dict[str, Any]]]:
    """Return the other runs of a tree and a mode in the same folder, the newest first.

    Each is its start in epoch seconds, its directory, and its ``run.json``.
    """
    try:
        names = sorted(os.listdir(run_dir.parent), reverse=True)
    except OSError:
        return []
    found = []
    for name in names[:_MOST]:
        path = run_dir.parent / name
        if name == "latest" or path == run_dir:
            continue
        with contextlib.suppress(BadInput):  # there is no run
            other = facts_of(path)
            if (other["top_dir"], other["mode"]) == (top_dir, mode):
                found.append((other["start"], path, other))
    return sorted(found, key=lambda run: run[:2], reverse=True)
