"""Reads a run directory, a bare folder of logs, or one log, from the logs alone."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from stacknb import lifecycle, tasklog
from stacknb.exceptions import LogError
from stacknb.places import FACTS, JOURNAL, WAITS
from stacknb.rundir.ending import state_of, status_of, still_runs
from stacknb.text import reading
from stacknb.text.reading import json_object
from stacknb.text.signs import printable
from stacknb.timing import pauses
from stacknb.timing.logs import KINDS, of_one_run
from stacknb.timing.records import (
    HookRecord,
    PhaseRecord,
    Problems,
    Records,
    TaskRecord,
    WaitRecord,
    micros,
)
from stacknb.timing.waits import by_log, wait_rows, waits_without_row

__all__ = ["read_folder", "read_log"]

_OF_A_RUN = (WAITS, FACTS, JOURNAL)
_MOST = 1_000_000


def read_folder(folder: Path, run: str | None, now: float) -> Records:
    """Read every log below `folder`.

    Parameters
    ----------
    folder : Path
        A run directory, or any folder with logs of one run.
    run : str or None
        Which run to take, if there are logs of several.
    now : float
        Epoch seconds; the end of what still runs.

    Raises
    ------
    LogError
        If there is no log, or there are logs of several runs and `run` does not choose.
    """
    problems = Problems()
    logs = of_one_run(folder, run, problems)
    rows = wait_rows(
        sorted(folder.rglob(WAITS)), {str(log.header.get("run")) for log in logs}, problems
    )
    rows += waits_without_row(folder, rows, logs)
    whole = bool(rows) or any((folder / name).exists() for name in _OF_A_RUN)
    return _records(
        Records(str(folder), "run", problems=problems, waits_known=whole), logs, rows, now
    )


def read_log(path: Path, now: float) -> Records:
    """Read one log; the file of waits of its run directory is used, if it is there.

    Raises
    ------
    LogError
        If it is no log of stacknb, or that of a service.
    """
    log = tasklog.read(path)
    kind = log.header.get("kind")
    if kind not in KINDS:
        raise LogError(f"{str(path)!r} is the log of a {kind!r}: give that of a task or a hook")
    problems = Problems()
    near = [folder / WAITS for folder in (path.absolute().parent, path.absolute().parent.parent)]
    found = [file for file in near if file.is_file()]
    rows = [
        row
        for row in wait_rows(found[:1], {str(log.header.get("run"))}, problems)
        if Path(str(row.get("log") or f"{row['name']}.log")).name == path.name
    ]
    records = Records(str(path), "run", problems=problems, waits_known=bool(found))
    return _records(records, [log], rows, now)


def _records(
    records: Records, logs: list[tasklog.LogRecord], rows: list[dict[str, Any]], now: float
) -> Records:
    cores: dict[str, int] = {}
    logs.sort(key=_in_time)
    rows_of, unmatched = by_log(logs, rows)
    for log in logs:
        said = log.header
        if (known := _number(said.get("cpus"))) is not None:
            cores[str(said.get("host"))] = known
        if said["kind"] == "task":
            mine = rows_of.get(log.path, [])
            codes = [code for row in mine if (code := _code(row)) is not None]
            index = len(records.tasks)
            records.tasks.append(_task(log, codes[-1] if codes else None, records.problems))
            for row in mine:
                records.waits.append(_wait(row, index, records.problems))
        elif said["kind"] != "service":
            records.hooks.append(_hook(log, records.problems))
    for row in unmatched:
        _add_unmatched(records, row)
    waits = sorted(records.waits, key=lambda wait: (wait.start, wait.end or wait.start))
    records.waits = [wait for wait in waits if not wait.by]
    records.inner_waits = [wait for wait in waits if wait.by]
    everything: list[TaskRecord | HookRecord] = [*records.tasks, *records.hooks]
    records.cores = next(iter(cores.values())) if len(cores) == 1 else None
    facts = _facts(Path(records.path))
    records.jobs = _number(facts.get("jobs"))
    if not cores and len({record.host for record in everything}) == 1:
        records.cores = _number(facts.get("cpus"))
    records.going_on = any(record.status == "running" for record in everything)
    records.finished = _came_to_its_end(records.hooks, facts.get("mode"))
    _count_overlaps(records)
    records.set_span(round(now * 1e6) if records.going_on else None)
    records.phases = _phases(records)
    scripts = [log for log in logs if log.header["kind"] not in ("task", "service")]
    records.pauses = pauses.find(records, scripts)
    return records


def _facts(folder: Path) -> Mapping[str, Any]:
    """Return what the run directory tells of its run: mode, cores; nothing if it tells nothing."""
    try:
        return json_object(reading.whole(folder / FACTS)) or {}
    except OSError:
        return {}


def _number(value: object) -> int | None:
    """Return a number of cores or jobs; None for what is no such number."""
    return value if isinstance(value, int) and 0 < value < _MOST else None


def _came_to_its_end(hooks: list[HookRecord], mode: object) -> bool:
    # A run that stopped earlier, or may go on, has hooks to come, which may wait for its tasks.
    last = lifecycle.phases_of(mode)[-1].label if mode in lifecycle.MODES else None
    at_last = {(hook.phase, hook.name): hook for hook in hooks}  # what failed may have run again
    ok = all(hook.status == "ok" or hook.is_cell for hook in at_last.values())
    return ok and any(last in (None, hook.phase) for hook in hooks)


def _count_overlaps(records: Records) -> None:
    # One shell runs one hook at a time.
    for one, following in pairwise(hook for hook in records.hooks if hook.start is not None):
        if one.end is not None and following.start is not None and following.start < one.end:
            name = following.name
            records.problems.add(
                "hook that begins before the last one ended (clock set back?)", name
            )


def _in_time(log: tasklog.LogRecord) -> tuple[int, float, str]:
    end = micros(log.footer.get("end")) if log.footer else None
    return micros(log.header.get("start")) or 0, math.inf if end is None else end, str(log.path)


def _wait(row: Mapping[str, Any], task: int | None, problems: Problems) -> WaitRecord:
    start, end = micros(row["wait_start"]) or 0, micros(row.get("wait_end"))
    name = printable(row["name"])
    if end is not None and end < start:
        problems.add("wait that ends before it begins (clock set back?)", name)
        end = start  # it is over, and this is what the row proves
    phase, hook = printable(row.get("phase") or ""), printable(row.get("hook") or "")
    return WaitRecord(
        name, start, end, phase, hook, _code(row), task, printable(row.get("by") or "")
    )


def _add_unmatched(records: Records, row: Mapping[str, Any]) -> None:
    wait = _wait(row, None, records.problems)
    code = wait.exit_code
    if code is None:
        records.not_started.append(wait)
        return
    # It was collected, so it was there: its log is gone, or was not copied along.
    records.problems.add("wait for a task whose log is missing", wait.name)
    wait.task = len(records.tasks)
    status, _ = status_of(None, code)
    records.tasks.append(TaskRecord(wait.name, status=status, exit_code=code))
    records.waits.append(wait)


def _task(log: tasklog.LogRecord, wait_code: int | None, problems: Problems) -> TaskRecord:
    said = log.header
    if log.footer is not None and wait_code is None and still_runs(said):
        problems.add("footer of a task that still runs (printed by the task?)", str(log.path))
        log = dataclasses.replace(log, footer=None)
    known, after = _of_log(log, wait_code, problems), said.get("after")
    queued, start = micros(said.get("queued")), known["start"]
    if queued is not None and start is not None and queued > start:
        problems.add("task queued after its start (clock set back?)", str(log.path))
        queued = None
    return TaskRecord(
        **known,
        command=_command(said.get("command")),
        hook=printable(said.get("hook") or ""),
        queued=queued,
        after=tuple(map(printable, after)) if isinstance(after, list) else (),
        foreground=said.get("foreground") is True,
        by=printable(said.get("by") or ""),
    )


def _hook(log: tasklog.LogRecord, problems: Problems) -> HookRecord:
    words = log.header.get("command")
    path = printable(words[0]) if isinstance(words, list) and words else ""
    is_cell = log.header["kind"] == "cell"
    return HookRecord(**_of_log(log, None, problems), path=path, is_cell=is_cell)


def _of_log(log: tasklog.LogRecord, wait_code: int | None, problems: Problems) -> dict[str, Any]:
    """Return what the log of a hook tells as well as that of a task."""
    said = log.header
    status, code = state_of(said, log.footer, wait_code)
    start, end = _span(log, problems)
    return {
        "name": printable(said.get("name")),
        "phase": printable(said.get("phase") or ""),
        "status": status,
        "exit_code": code,
        "start": start,
        "end": end,
        "cpu": _cpu(log.footer),
        "host": printable(said.get("host") or ""),
        "log": printable(log.path),
    }


def _span(log: tasklog.LogRecord, problems: Problems) -> tuple[int | None, int | None]:
    start = micros(log.header.get("start"))
    if start is None:
        problems.add("header without a start time", str(log.path))
    end = micros(log.footer.get("end")) if log.footer else None
    if log.footer and end is None:
        problems.add("footer without an end time", str(log.path))
    if start is not None and end is not None and end < start:
        problems.add("log that ends before it begins (clock set back?)", str(log.path))
        end = None
    return start, end


def _phases(records: Records) -> list[PhaseRecord]:
    phases: dict[str, PhaseRecord] = {}
    last = max((hook.start for hook in records.hooks if hook.start is not None), default=0)
    for hook, span in zip(records.hooks, records.hook_spans(), strict=True):
        if hook.is_cell or not hook.phase or span is None:
            continue
        phase = phases.setdefault(hook.phase, PhaseRecord(hook.phase, span[0], span[0]))
        # Unknown where the last of all hooks has no end; another one was over when the next began.
        known = hook.end is not None or span[0] < last
        phase.end = max(phase.end, span[1]) if known and phase.end is not None else None
    return list(phases.values())


def _cpu(footer: Mapping[str, Any] | None) -> int | None:
    parts = [micros(footer.get(key)) for key in ("user_s", "sys_s")] if footer else []
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == 2 else None


def _code(row: Mapping[str, Any]) -> int | None:
    code = row.get("exit_code")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _command(words: object) -> str:
    if isinstance(words, list):
        return printable(shlex.join(map(str, words)))
    return printable(words) if isinstance(words, str) else ""
