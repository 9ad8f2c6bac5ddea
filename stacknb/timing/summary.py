"""The figures of a whole run: DevStack's four, and the honest ones beside them."""

from __future__ import annotations

import pandas as pd

from stacknb.timing.collection import Collection
from stacknb.timing.contention import Contention, activities
from stacknb.timing.records import Records
from stacknb.timing.spans import Cover, levels

__all__ = ["summary", "task_spans"]

_UNKNOWN = float("nan")


def summary(records: Records, times: list[Collection], contention: Contention | None) -> pd.Series:
    """Return the figures of records by the watch of the run (`Stopwatch`); see `Run.summary`."""
    figures = _devstacks(records, times) | _honest(records, contention)
    return pd.Series(figures, dtype="float64", name="summary")


def _devstacks(records: Records, times: list[Collection]) -> dict[str, float]:
    """Return DevStack's figures, which take all time that is not waited for as won."""
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
    elapsed, serial = records.elapsed, records.elapsed + hidden
    figures = {
        "background_s": background / 1e6,
        "waited_s": waited / 1e6,
        "background_minus_waits_s": hidden / 1e6,
        "elapsed_s": elapsed / 1e6,
        "paused_s": Cover(records.pauses).length / 1e6,
        "serial_s": serial / 1e6,
        "speedup": serial / elapsed if elapsed else _UNKNOWN,
    }
    if not records.waits_known and any(not task.foreground for task in records.tasks):
        figures |= dict.fromkeys(figures.keys() - {"elapsed_s", "paused_s"}, _UNKNOWN)
    return figures


def _honest(records: Records, contention: Contention | None) -> dict[str, float]:
    """Return who worked how long and how much at once, and what sharing the cores cost."""
    spans = task_spans(records).values()
    tasks, at_once = Cover(spans), levels((start, end, 1) for start, end in spans)
    main = _main_work(records)
    at_work = _working_tasks(records)
    task_work = sum(cover.length for cover in at_work)
    busy = Cover([*main.spans, *(span for cover in at_work for span in cover.spans)]).length
    used, elapsed = activities(records), records.elapsed
    work, lost = main.length + task_work, contention.lost if contention else _UNKNOWN
    return {
        "work_s": work / 1e6,
        "main_work_s": main.length / 1e6,
        "task_work_s": task_work / 1e6,
        "busy_s": busy / 1e6,
        "max_concurrency": float(max((count for _, count in at_once), default=0)),
        "mean_concurrency": sum(b - a for a, b in spans) / tasks.length if tasks.length else 0.0,
        "cpu_s": sum(one.cpu for one in used) / 1e6 if used else _UNKNOWN,
        "cpu_available_s": (records.cores or _UNKNOWN) * elapsed / 1e6,
        "contention_s": lost / 1e6,
        "real_speedup": (work - lost) / elapsed if elapsed else _UNKNOWN,
    }


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
    spans = task_spans(records).items()
    return [Cover([span]).without(Cover(held.get(index, ()))) for index, span in spans]


def task_spans(records: Records) -> dict[int, tuple[int, int]]:
    """Return start and end of each task that has both; what still runs ends at the last moment."""
    return {
        index: (task.start, records.until(task))
        for index, task in enumerate(records.tasks)
        if task.start is not None and (task.end is not None or task.status == "running")
    }
