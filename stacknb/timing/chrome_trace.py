"""A run in the Trace Event Format, which Perfetto and chrome://tracing open."""

from __future__ import annotations

import heapq
from typing import Any

from stacknb.timing.records import Records, TaskRecord
from stacknb.timing.spans import levels

__all__ = ["trace_events"]

Told = dict[str, Any]

_MAIN, _TASKS = 1, 2  # processes of the trace
_PHASES, _HOOKS, _WAITS = 1, 2, 3  # threads of the first


def trace_events(records: Records) -> dict[str, Any]:
    """Return the trace as a JSON object: complete events, one lane each, and a counter of tasks.

    Times are µs since the start of the run, which is in ``otherData``. What has no end lasts to the
    last moment known; what has no start is left out.
    """
    zero = records.start or 0
    events = _names(records)

    def add(lane: tuple[int, int], kind: str, name: str, start: int, stop: int, told: Told) -> None:
        lasts = {"ph": "X", "ts": start - zero, "dur": max(0, stop - start)}
        one = {"name": name, "cat": kind, **lasts, "pid": lane[0], "tid": lane[1]}
        events.append({**one, "args": told} if told else one)

    for phase in records.phases:
        add((_MAIN, _PHASES), "phase", phase.name, phase.start, records.until(phase), {})
    for hook, span in zip(records.hooks, records.hook_spans(), strict=True):
        if span is not None:
            add((_MAIN, _HOOKS), "hook", hook.name, *span, _told(hook, "phase status log"))
    for wait in records.waits:
        name, told = f"wait for {wait.name}", _told(wait, "phase hook")
        add((_MAIN, _WAITS), "wait", name, wait.start, records.until(wait), told)
    shown = [(task, task.start) for task in records.tasks if task.start is not None]
    for (task, start), number in zip(shown, _lanes(shown, records), strict=True):
        told = _told(task, "command phase hook status exit_code log")
        add((_TASKS, number), "task", task.name, start, records.until(task), told)
    ran = levels((start, records.until(task), 1) for task, start in shown)
    for time, running in ran:
        one = {"name": "tasks at once", "ph": "C", "ts": time - zero, "pid": _TASKS, "tid": 0}
        events.append({**one, "args": {"running": running}})
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


def _told(record: object, names: str) -> Told:
    return {name: getattr(record, name) for name in names.split()}


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
