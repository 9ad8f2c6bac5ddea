"""Writes records as a run directory: the inverse of reading one, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord

__all__ = ["write_run"]


def write_run(
    records: Records,
    folder: str | os.PathLike[str],
    *,
    run: str = "20260101T000000Z-stack-000000",
    outputs: Mapping[str, bytes] | None = None,
) -> Path:
    """Write hooks, tasks and waits as the logs of a run directory.

    Parameters
    ----------
    records : Records
        ``log``, ``path`` and the totals are not used; a task or hook without an end gets no footer.
    folder : path-like
        Made if need be.
    run : str
        Identifier of the run.
    outputs : mapping of str to bytes, optional
        What the tasks and hooks of these names printed.

    Returns
    -------
    Path
        The folder.
    """
    top = Path(folder)
    printed = outputs or {}
    (top / "async").mkdir(parents=True, exist_ok=True)
    files: dict[int, str] = {}
    taken: dict[str, int] = {}
    for index, task in enumerate(records.tasks):
        files[index] = _numbered(f"async/{task.name}", taken)
        header = _header(task, "task", shlex.split(task.command), run, index)
        header |= {"hook": task.hook}
        if task.queued is not None:
            header["queued"] = task.queued / 1e6
        if task.after:
            header["after"] = list(task.after)
        if task.foreground:
            header["foreground"] = True
        if task.by:
            header["by"] = task.by
        _write(top / files[index], header, task, records, printed.get(task.name, b""))
    for hook in records.hooks:
        kind = "cell" if hook.is_cell else "hook"
        part = "cells" if hook.is_cell else f"hooks/{hook.phase.replace(' ', '-')}"
        file = top / _numbered(f"{part}/{hook.name}", taken)
        file.parent.mkdir(parents=True, exist_ok=True)
        header = _header(hook, kind, [hook.path], run, 100_000)  # one shell
        header |= {"hook": hook.name}
        _write(file, header, hook, records, printed.get(hook.name, b""))
    if records.jobs is not None:
        (top / "run.json").write_text(json.dumps({"jobs": records.jobs}))
    rows = (json.dumps(_wait(wait, files, run)) for wait in records.all_waits)
    (top / "waits.jsonl").write_text("".join(row + "\n" for row in rows))
    return top


def _numbered(name: str, taken: dict[str, int]) -> str:
    taken[name] = count = taken.get(name, 0) + 1
    return f"{name}.log" if count == 1 else f"{name}.{count}.log"


def _header(
    record: TaskRecord | HookRecord, kind: str, command: list[str], run: str, pid: int
) -> dict[str, Any]:
    start = None if record.start is None else record.start / 1e6
    return {
        "kind": kind,
        "name": record.name,
        "command": command,
        "phase": record.phase,
        "start": start,
        "pid": 4_194_305 + pid,  # past the largest a kernel gives, so never alive
        "host": record.host,
        "run": run,
    }


def _write(
    file: Path,
    header: dict[str, Any],
    record: TaskRecord | HookRecord,
    records: Records,
    output: bytes,
) -> None:
    if records.cores is not None:
        header["cpus"] = records.cores
    begin = tasklog.BEGIN + json.dumps(header).encode() + b"\n"
    end = b""
    if record.end is not None:
        footer: dict[str, Any] = {"end": record.end / 1e6, "exit_code": record.exit_code or 0}
        if record.cpu is not None:
            footer |= {"user_s": record.cpu / 1e6, "sys_s": 0.0}
        if record.status in {"ok", "cancelled", "timeout", "killed"}:
            footer["status"] = record.status
        end = tasklog.end_line(header, **footer)
    file.write_bytes(begin + output + end)


def _wait(wait: WaitRecord, files: Mapping[int, str], run: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": wait.name, "wait_start": wait.start / 1e6}
    if wait.end is not None:
        row["wait_end"] = wait.end / 1e6
    row |= {"phase": wait.phase, "hook": wait.hook, "run": run}
    if wait.by:
        row["by"] = wait.by
    if wait.exit_code is not None:
        row["exit_code"] = wait.exit_code
    if wait.task is not None:
        row["log"] = files[wait.task]
    return row
