"""The figures of a whole run: DevStack's four, and the honest ones beside them."""

from __future__ import annotations

import pandas as pd

from stacknb.timing.collection import Collection
from stacknb.timing.contention import Contention, activities
from stacknb.timing.records import Records
from stacknb.timing.spans import Cover, most_at_once

__all__ = ["summary", "task_spans"]

_OF_WAITS = ("background_s", "waited_s", "background_minus_waits_s", "serial_s", "speedup")


def summary(records: Records, times: list[Collection], contention: Contention | None) -> pd.Series:
    """Return the figures; see `Run.summary`."""
    elapsed = (records.end or 0) - (records.start or 0)
    collected = {
        index: time.duration
        for index, (task, time) in enumerate(zip(records.tasks, times, strict=True))
        if time.by_main
        and time.waited is not None
        and time.duration is not None
        and not task.foreground
    }
    background = sum(collected.values())
    # A person waits for several tasks at once: that time counts once.
    held = [(wait.start, records.until(wait), wait.task) for wait in records.waits]
    waited = Cover((start, end) for start, end, _ in held).length
    hidden = background - Cover((a, b) for a, b, task in held if task in collected).length
    serial = elapsed + hidden
    spans = task_spans(records)
    tasks = Cover(spans)
    main = _main_work(records)
    task_length = sum(end - begin for begin, end in spans)
    at_work = _working_tasks(records)
    task_work = sum(cover.length for cover in at_work)
    busy = Cover([*main.spans, *(span for cover in at_work for span in cover.spans)]).length
    used = activities(records)
    unknown = float("nan")
    figures = {
        "background_s": background / 1e6,
        "waited_s": waited / 1e6,
        "background_minus_waits_s": hidden / 1e6,
        "elapsed_s": elapsed / 1e6,
        "serial_s": serial / 1e6,
        "speedup": serial / elapsed if elapsed else unknown,
        "work_s": (main.length + task_work) / 1e6,
        "main_work_s": main.length / 1e6,
        "task_work_s": task_work / 1e6,
        "busy_s": busy / 1e6,
        "max_concurrency": float(most_at_once(spans)),
        "mean_concurrency": task_length / tasks.length if tasks.length else 0.0,
        "cpu_s": sum(one.cpu for one in used) / 1e6 if used else unknown,
        "cpu_available_s": (records.cores or unknown) * elapsed / 1e6,
        "contention_s": contention.lost / 1e6 if contention else unknown,
        "real_speedup": unknown,
    }
    if not records.waits_known and any(not task.foreground for task in records.tasks):
        figures |= dict.fromkeys(_OF_WAITS, unknown)
    if contention and elapsed:
        figures["real_speedup"] = (main.length + task_work - contention.lost) / elapsed
    return pd.Series(figures, dtype="float64", name="summary")


def _main_work(records: Records) -> Cover:
    """Return when the main shell worked: in stack.sh always but while it waited, else in hooks.

    The time of tasks run in the foreground (DEVSTACK_PARALLEL=False) is theirs.
    """
    if records.kind == "stack.sh":
        spans = [(records.start or 0, records.end or 0)]
    else:
        spans = [span for span in records.hook_spans() if span]
    taken = [(wait.start, records.until(wait)) for wait in records.waits]
    taken += [
        (task.start, task.end)
        for index, task in enumerate(records.tasks)
        if index not in records.started_by  # else its time is within that task's
        and task.foreground
        and task.start is not None
        and task.end is not None
    ]
    return Cover(spans).without(Cover(taken))


def _working_tasks(records: Records) -> list[Cover]:
    """Return when each task worked: always but while it was held up by another one."""
    held = records.held_within()
    return [
        Cover([span]).without(Cover(held.get(index, ()))) for index, span in _spans(records).items()
    ]


def task_spans(records: Records) -> list[tuple[int, int]]:
    """Return start and end of each task that has both; what still runs ends at the last moment."""
    return [*_spans(records).values()]


def _spans(records: Records) -> dict[int, tuple[int, int]]:
    return {
        index: (task.start, records.until(task))
        for index, task in enumerate(records.tasks)
        if task.start is not None and (task.end is not None or task.status == "running")
    }
