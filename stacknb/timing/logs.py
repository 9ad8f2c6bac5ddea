"""Finds the logs and the waits of one run in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.exceptions import LogError
from stacknb.text import reading
from stacknb.text.reading import as_seconds, json_object
from stacknb.text.signs import printable
from stacknb.timing.records import Problems

__all__ = [
    "JOURNAL",
    "KINDS",
    "WAITS",
    "as_cores",
    "facts_of_run",
    "micros",
    "names_not_started",
    "of_one_run",
    "wait_rows",
    "waits_without_row",
]

WAITS = "waits.jsonl"
JOURNAL = "journal.jsonl"
_NO_LONGER = {"run-start", "phase-start", "hook-start", "hook-end", "phase-end", "run-end"}
_NOT_STARTED_BEGIN = b"\nNot waiting for async task "  # the header's newline stands before it
_NOT_STARTED = re.compile(re.escape(_NOT_STARTED_BEGIN) + rb"(\S{1,255}) that we never started or")
_LONGEST_NAME = 512  # such a line fits
_MOST_CORES = 1_000_000
KINDS = ("task", "hook", "cell", "service")
_OF_STACK = re.compile(r"(devstacklog\.txt|stack\.sh\.log(\.[\d-]+)?)(\.gz)?")  # as CI jobs keep it


def of_one_run(folder: Path, run: str | None, problems: Problems) -> list[tasklog.LogRecord]:
    """Return the logs below `folder` that belong to one run.

    Parameters
    ----------
    folder : Path
    run : str or None
        Which run to take, if there are logs of several.
    problems : Problems
        Gets what is no log.

    Raises
    ------
    LogError
        If there is no log, or there are logs of several runs and `run` does not choose.
    """
    logs = _distinct(_logs_below(folder, problems), problems)
    if not logs:
        if not (of_stack := _logs_of_stack(folder)):
            packed = len([*folder.rglob("*.log.gz")])
            problems.add("log that is gzipped: unpack it first", "", packed)
        seen = "; ".join(f"{count} × {what}" for what, count in problems.counts.items())
        raise LogError(
            f"{str(folder)!r} holds no log of stacknb (files *.log that begin with "
            f"'#stacknb-begin'){f': {seen}' if seen else ''}; "
            f"give a run directory, one log, or a stack.sh log{of_stack}"
        )
    counts: dict[str, int] = {}
    for log in logs:
        name = str(log.header.get("run"))
        counts[name] = counts.get(name, 0) + 1
    listed = ", ".join(f"{name!r} ({count} logs)" for name, count in sorted(counts.items())[:8])
    if run is None and len(counts) > 1:
        raise LogError(
            f"{str(folder)!r} holds logs of {len(counts)} runs: {listed}; "
            "give the folder of one run, or choose one with run='…'"
        )
    if run is not None and run not in counts:
        raise LogError(f"{str(folder)!r} holds no log of run {run!r}; there are {listed}")
    return [log for log in logs if run is None or str(log.header.get("run")) == run]


def _logs_of_stack(folder: Path) -> str:
    found = sorted(str(path) for path in folder.rglob("*.*") if _OF_STACK.fullmatch(path.name))
    return f", such as {', '.join(map(repr, found[:3]))}" if found else ""


def wait_rows(files: Iterable[Path], runs: set[str], problems: Problems) -> list[dict[str, Any]]:
    """Return the rows of files of waits that belong to `runs`, by the time they began."""
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
    return sorted(rows, key=lambda row: float(row["wait_start"]))


def waits_without_row(
    folder: Path, rows: Iterable[Mapping[str, Any]], logs: Iterable[tasklog.LogRecord]
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
    turns = [log for log in logs if log.header["kind"] in ("hook", "cell")]
    if not any(log.footer is None or log.footer["exit_code"] for log in turns):
        return found
    begun, last = _begun_waits(folder)
    over = {(str(row.get("log")), micros(row["wait_start"])) for row in rows}
    ends = [(log.header.get("start", 0.0), (log.footer or {}).get("end")) for log in turns]
    ended = [
        (str(log.path.relative_to(folder)), log.footer["end"])
        for log in logs
        if log.header["kind"] == "task" and log.footer and micros(log.footer.get("end"))
    ]
    for event in begun:
        start = micros(event.get("time"))
        if start is None or not isinstance(event.get("name"), str):
            continue
        if (str(event.get("log")), start) in over:
            continue
        row = {**event, "wait_start": event["time"]}
        of_hook = [end for start, end in ends if end is not None and start <= event["time"] <= end]
        if of_hook:
            found.append({**row, "wait_end": min(of_hook)})
        elif event is last:
            found.append(row)
        elif later := [start for start, _ in ends if start > event["time"]]:
            over_at = [end for log, end in ended if log == event.get("log")]
            again = [wait["wait_start"] for wait in rows if wait.get("log") == event.get("log")]
            over_at += [at for at in again if at > event["time"]]
            found.append({**row, "wait_end": max(event["time"], min([*later, *over_at]))})
    return found


def _given_up(folder: Path) -> list[dict[str, Any]]:
    """Return the waits of a person that a timeout or a Ctrl-C ended."""
    try:
        journal = reading.whole(folder / JOURNAL)
    except OSError:
        return []
    if b'"given_up"' not in journal:
        return []
    events = [json_object(line) or {} for line in journal.splitlines() if b'"given_up"' in line]
    return [
        {**event, "wait_start": event["given_up"], "wait_end": event.get("time")}
        for event in events
        if micros(event.get("given_up")) is not None and isinstance(event.get("name"), str)
    ]


def _begun_waits(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the waits whose end the journal does not tell, and the one that may go on."""
    begun: list[dict[str, Any]] = []
    last: dict[str, Any] | None = None
    try:
        lines = reading.whole(folder / JOURNAL).splitlines()
    except OSError:
        return begun, last
    for line in lines:
        if b'"wait-' not in line and not last:
            continue
        event = json_object(line) or {}
        if event.get("event") == "wait-start":
            last = event
            begun.append(event)
        elif event.get("event") == "wait-end":
            begun = [wait for wait in begun if wait.get("log") != event.get("log")]
            last = None
        elif event.get("event") in _NO_LONGER:
            last = None
    return begun, last


def micros(seconds: object) -> int | None:
    """Return epoch seconds, or a duration in seconds, in µs; None for what is no such number."""
    known = as_seconds(seconds)
    return None if known is None else round(known * 1e6)


def facts_of_run(folder: Path) -> Mapping[str, Any]:
    """Return what the run directory tells of its run: mode, cores; nothing if it tells nothing."""
    try:
        return json_object(reading.whole(folder / "run.json")) or {}
    except OSError:
        return {}


def as_cores(value: object) -> int | None:
    """Return a number of cores; None for what is no such number."""
    return value if isinstance(value, int) and 0 < value < _MOST_CORES else None


def names_not_started(log: str) -> list[str]:
    """Return the names that a hook waited for though it says itself that none was started."""
    found: dict[str, None] = {}
    try:
        with reading.opened(log) as file:
            rest = b""
            while file.tell() < tasklog.FAR and (data := file.read(1 << 20)):
                data = rest + data
                at = data.find(_NOT_STARTED_BEGIN)
                while at >= 0:
                    if match := _NOT_STARTED.match(data, at):
                        name = match[1].decode("utf-8", "surrogateescape")
                        found[printable(name)] = None
                    at = data.find(_NOT_STARTED_BEGIN, at + 1)
                rest = data[-_LONGEST_NAME:]
    except OSError:
        return []
    return list(found)


def _logs_below(folder: Path, problems: Problems) -> Iterator[tasklog.LogRecord]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "state")
        for name in sorted(files):
            if not name.endswith(".log"):
                continue
            path = os.path.join(parent, name)
            try:
                log = tasklog.read(path)
            except LogError:
                if not _waits_for_its_hook(path, folder):
                    problems.add("file without a header", path)
            except OSError as error:
                problems.add("file that cannot be opened", str(error))
            else:
                if log.header.get("kind") in KINDS:
                    yield log
                else:
                    problems.add("log of an unknown kind", path)


def _waits_for_its_hook(path: str, folder: Path) -> bool:
    """Tell whether a log was made while its shell was not free yet; a killed session leaves it."""
    if os.path.relpath(path, folder).split(os.sep)[0] not in ("hooks", "cells"):
        return False
    try:
        return not os.path.getsize(path)
    except OSError:  # it is gone: its shell never was free
        return True


def _distinct(logs: Iterable[tasklog.LogRecord], problems: Problems) -> list[tasklog.LogRecord]:
    found: dict[tuple[str, ...], tasklog.LogRecord] = {}
    for log in logs:
        key = tuple(str(log.header.get(k)) for k in ("run", "kind", "name", "pid", "start"))
        if key in found:
            problems.add("second copy of a log", str(log.path))
            if found[key].footer is not None:
                continue
        found[key] = log
    return list(found.values())
