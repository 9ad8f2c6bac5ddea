"""Finds the waits of a run: those that ended have a row, of others the journal tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stacknb.places import JOURNAL, WAITS
from stacknb.tasklog import LogRecord
from stacknb.text import reading
from stacknb.text.reading import json_object
from stacknb.text.signs import printable
from stacknb.timing.records import Problems, micros

__all__ = ["by_log", "journal_events", "wait_rows", "waits_without_row"]

_NO_LONGER = {"run-start", "phase-start", "hook-start", "hook-end", "phase-end", "run-end"}


def wait_rows(files: Iterable[Path], runs: set[str], problems: Problems) -> list[dict[str, Any]]:
    """Return the rows of files of waits that belong to `runs`."""
    rows = []
    for file in files:
        try:
            *whole, begun = reading.whole(file).split(b"\n")  # the last may be being written
        except OSError as error:
            problems.add("file that cannot be opened", printable(error))
            continue
        for line in [*whole, *([begun] if json_object(begun) else [])]:
            row = json_object(line)
            if row is None or not isinstance(row.get("name"), str):
                problems.add(f"malformed line in {WAITS}", printable(repr(line[:120])))
            elif micros(row.get("wait_start")) is None:
                problems.add(f"wait without a start time in {WAITS}", printable(row["name"]))
            elif row.get("run") is None or str(row["run"]) in runs:
                rows.append(row)
    return rows


def waits_without_row(
    folder: Path, rows: Iterable[Mapping[str, Any]], logs: Iterable[LogRecord]
) -> list[dict[str, Any]]:
    """Return the waits of the main shell that were begun and left no row; from the journal.

    A person's may have been given up. An interrupt ends one of a hook together with its hook. The
    last one may go on; an earlier one was over when its task ended, or when the run was taken up
    again after its shell was killed.

    Parameters
    ----------
    folder : Path
        The run directory.
    rows : iterable of dict
        The waits that are over.
    logs : iterable of LogRecord
    """
    rows, logs, found = list(rows), list(logs), _given_up(folder)
    scripts = [log for log in logs if log.header["kind"] in ("hook", "cell")]
    if not any(log.footer is None or log.footer["exit_code"] for log in scripts):
        return found
    turns = [(log.header.get("start", 0.0), (log.footer or {}).get("end")) for log in scripts]
    ends = {
        str(log.path.relative_to(folder)): log.footer["end"]
        for log in logs
        if log.header["kind"] == "task" and log.footer and micros(log.footer.get("end"))
    }
    over = {(str(row.get("log")), micros(row["wait_start"])) for row in rows}
    begun, last = _begun_waits(folder)
    for event in begun:
        start, log = event["time"], str(event.get("log"))
        if (log, micros(start)) in over:
            continue
        with_hook = [end for begin, end in turns if end is not None and begin <= start <= end]
        later = [begin for begin, _ in turns if begin > start]
        row = {**event, "wait_start": start}
        if with_hook:
            found.append({**row, "wait_end": min(with_hook)})
        elif event is last:
            found.append(row)
        elif later:
            again = [r["wait_start"] for r in rows if str(r.get("log")) == log]
            known = [at for at in again if at > start] + ([ends[log]] if log in ends else [])
            found.append({**row, "wait_end": max(start, min(later + known))})
    return found


def journal_events(folder: Path, words: Iterable[str]) -> list[dict[str, Any]]:
    """Return the events of a run directory's journal in whose lines one of the words stands."""
    try:
        lines = reading.whole(folder / JOURNAL).splitlines()
    except OSError:
        return []
    wanted = [word.encode() for word in words]  # most lines are of tasks, and are not looked into
    told = (json_object(line) or {} for line in lines if any(word in line for word in wanted))
    return [one for one in told if isinstance(one.get("event"), str)]


def _given_up(folder: Path) -> list[dict[str, Any]]:
    """Return the waits of a person that a timeout or a Ctrl-C ended."""
    return [
        {**event, "wait_start": event["given_up"], "wait_end": event.get("time")}
        for event in journal_events(folder, ['"given_up"'])
        if _is_sound(event, "given_up")
    ]


def _begun_waits(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the waits whose end the journal does not tell, and the one that may go on."""
    begun: dict[str, list[dict[str, Any]]] = {}  # by the log of the task
    last: dict[str, Any] | None = None
    for event in journal_events(folder, ['"wait-', *(f'"{kind}"' for kind in _NO_LONGER)]):
        log = str(event.get("log"))
        if event.get("event") == "wait-start":
            last = event
            begun.setdefault(log, []).append(event)
        elif event.get("event") == "wait-end":
            begun.pop(log, None)
            last = None
        elif event.get("event") in _NO_LONGER:
            last = None
    return [e for events in begun.values() for e in events if _is_sound(e, "time")], last


def _is_sound(event: Mapping[str, Any], since: str) -> bool:
    """Tell whether an event names a task and when the wait for it began."""
    return micros(event.get(since)) is not None and isinstance(event.get("name"), str)


def by_log(
    logs: list[LogRecord], rows: list[dict[str, Any]]
) -> tuple[dict[Path, list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return the rows of each log of a task, and those of which there is no log."""
    tasks = [log for log in logs if log.header["kind"] == "task"]
    by_file = {log.path.name: log.path for log in tasks}
    by_name: dict[str, list[LogRecord]] = {}
    for log in tasks:
        by_name.setdefault(str(log.header.get("name")), []).append(log)
    found: dict[Path, list[dict[str, Any]]] = {}
    unmatched = []
    for row in rows:
        path = by_file.get(Path(row["log"]).name) if isinstance(row.get("log"), str) else None
        if path is None and not row.get("log"):
            path = _latest(by_name.get(row["name"], []), float(row["wait_start"]))
        if path is None:
            unmatched.append(row)
        else:
            found.setdefault(path, []).append(row)
    return found, unmatched


def _latest(logs: list[LogRecord], time: float) -> Path | None:
    # A name may be used again once its task was collected; logs come in the order of their starts.
    begun = [log for log in logs if (micros(log.header.get("start")) or 0) <= time * 1e6]
    return (begun[-1] if begun else logs[0]).path if logs else None
