"""A run in the Trace Event Format, which Perfetto and chrome://tracing open."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from stacknb.timing.records import Records, TaskRecord
from stacknb.timing.spans import levels

__all__ = ["trace_events"]

_MAIN, _TASKS = 1, 2  # processes of the trace
_PHASES, _HOOKS, _WAITS = 1, 2, 3  # threads of the first


def trace_events(records: Records) -> dict[str, Any]:
    """Return the trace as a JSON object: complete events, one lane each, and a counter of tasks.

    Times are µs since the start of the run, which is in ``otherData``. What has no end lasts to the
    last moment known; what has no start is left out.
    """
    zero = records.start or 0
    events = _names(records)
    for phase in records.phases:
        events.append(_slice(_MAIN, _PHASES, phase.name, "phase", phase.start, phase.end, records))
    for hook, span in zip(records.hooks, records.hook_spans(), strict=True):
        if span is not None:
            one = _slice(_MAIN, _HOOKS, hook.name, "hook", *span, records)
            one["args"] = {"phase": hook.phase, "status": hook.status, "log": hook.log}
            events.append(one)
    for wait in records.waits:
        name = f"wait for {wait.name}"
        one = _slice(_MAIN, _WAITS, name, "wait", wait.start, wait.end, records)
        one["args"] = {"phase": wait.phase, "hook": wait.hook}
        events.append(one)
    shown = [(task, task.start) for task in records.tasks if task.start is not None]
    for (task, start), lane in zip(shown, _lanes(shown, records), strict=True):
        one = _slice(_TASKS, lane, task.name, "task", start, task.end, records)
        one["args"] = {
            "command": task.command,
            "phase": task.phase,
            "hook": task.hook,
            "status": task.status,
            "exit_code": task.exit_code,
            "log": task.log,
        }
        events.append(one)
    events += _counter((start, records.until(task)) for task, start in shown)
    for event in events:
        if "ts" in event:
            event["ts"] -= zero
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"source": records.path, "start_s": zero / 1e6},
    }


def _names(records: Records) -> list[dict[str, Any]]:
    main = "stack.sh" if records.kind == "stack.sh" else "main shell"
    named = [
        ("process_name", _MAIN, 0, main),
        ("process_name", _TASKS, 0, "tasks"),
        ("thread_name", _MAIN, _PHASES, "phases"),
        ("thread_name", _MAIN, _HOOKS, "hooks"),
        ("thread_name", _MAIN, _WAITS, "waits"),
    ]
    return [
        {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
        for what, pid, tid, name in named
    ]


def _slice(
    pid: int, tid: int, name: str, category: str, start: int, end: int | None, records: Records
) -> dict[str, Any]:
    stop = max(start, records.end or start) if end is None else end
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "ts": start,
        "dur": stop - start,
        "pid": pid,
        "tid": tid,
    }


def _lanes(tasks: list[tuple[TaskRecord, int]], records: Records) -> list[int]:
    """Return a lane for each task, so that no two in a lane overlap, and as few as possible."""
    order = sorted(range(len(tasks)), key=lambda i: tasks[i][1])
    lanes = [0] * len(tasks)
    busy: list[tuple[int, int]] = []  # end, lane
    free: list[int] = []
    for index in order:
        task, start = tasks[index]
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy) + 1
        lanes[index] = lane
        heapq.heappush(busy, (max(start, records.until(task)), lane))
    return lanes


def _counter(spans: Iterable[tuple[int, int]]) -> list[dict[str, Any]]:
    event = {"name": "tasks at once", "ph": "C", "pid": _TASKS, "tid": 0}
    known = levels((start, end, 1) for start, end in spans)
    return [{**event, "ts": time, "args": {"running": running}} for time, running in known]
