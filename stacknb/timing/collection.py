"""When each task was waited for, and what that cost: the arithmetic between tasks and waits."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from stacknb.timing.records import Records, TaskRecord, WaitRecord
from stacknb.timing.spans import Cover

__all__ = ["Collection", "blocked", "collections", "made_room"]


@dataclass(slots=True)
class Collection:
    """The times of one task beside its start and end, in µs; None where they cannot be known.

    Attributes
    ----------
    duration
        From start to end.
    wait_start, wait_end
        Of the wait that collected it: the last one, where an earlier one timed out. Where the main
        shell never waited for it, another task may have: these times and `waited` are that one's.
    waited
        Length of all waits for it.
    blocked
        The part of the main shell's waits during which it still ran.
    hidden
        The part of its duration that none of these saw: duration minus blocked.
    by_main
        Whether the main shell waited for it.
    slack
        How long the finished task lay uncollected: from its end to `wait_start`; 0 if the wait came
        first.
    """

    duration: int | None = None
    wait_start: int | None = None
    wait_end: int | None = None
    waited: int | None = None
    blocked: int | None = None
    hidden: int | None = None
    slack: int | None = None
    by_main: bool = False


def collections(records: Records) -> list[Collection]:
    """Return the `Collection` of each task, in the order of ``records.tasks``."""
    main = _by_task(records, records.waits)
    inner = _by_task(records, records.inner_waits)
    return [
        _collection(task, waits, others, records.waits_known)
        for task, waits, others in zip(records.tasks, main, inner, strict=True)
    ]


def blocked(records: Records, wait: WaitRecord) -> int | None:
    """Return how long a wait held up who waited, without the time to show the log.

    A wait that goes on blocks until the last moment known. None where the end of a finished wait's
    task is not known and the wait's neither.
    """
    task = None if wait.task is None else records.tasks[wait.task]
    stop = wait.end
    if task is not None and task.end is not None:
        stop = task.end if stop is None else min(stop, task.end)
    if stop is None:
        stop = records.end
    return None if stop is None else max(0, stop - wait.start)


def made_room(records: Records) -> dict[int, int]:
    """Return for each task that had to wait for a place (``--jobs``) the one that left it one.

    That is the last to end before it began, if until then more had been asked for than places, and
    that one before it: whose turn comes first is who asked first.
    """
    asked = {
        index: task.start if task.queued is None else task.queued
        for index, task in enumerate(records.tasks)
        if task.start is not None and not task.foreground
    }
    times = sorted(asked.values())
    ends = sorted((records.until(records.tasks[index]), index) for index in asked)
    found = {}
    for index, task in enumerate(records.tasks):
        if records.jobs is None or task.queued is None or task.start is None:
            continue
        before = bisect_left(ends, (task.start, index))
        end, other = ends[before - 1] if before else (task.queued, -1)
        at_once = bisect_left(times, end) - bisect_left(ends, (end, -1))
        if end > task.queued >= asked[other] and at_once > records.jobs:
            found[index] = other
    return found


def _by_task(records: Records, waits: list[WaitRecord]) -> list[list[WaitRecord]]:
    waits_of: list[list[WaitRecord]] = [[] for _ in records.tasks]
    for wait in waits:
        if wait.task is not None:
            waits_of[wait.task].append(wait)
    return waits_of


def _collection(
    task: TaskRecord, main: list[WaitRecord], others: list[WaitRecord], waits_known: bool
) -> Collection:
    times = Collection(by_main=bool(main))
    waits = main or others
    if task.start is not None and task.end is not None:
        times.duration = task.end - task.start
    if task.foreground:
        times.hidden = 0 if times.duration is not None else None
    if not waits:
        if waits_known and not task.foreground:
            times.hidden = times.duration  # nothing was held up by it
        return times
    last = waits[-1]
    times.wait_start, times.wait_end = last.start, last.end
    if all(wait.end is not None for wait in waits):
        times.waited = sum((wait.end or 0) - wait.start for wait in waits)
    if task.end is None:
        times.blocked = times.waited if main else 0
        return times
    times.slack = max(0, last.start - task.end)
    stops = [task.end if wait.end is None else min(wait.end, task.end) for wait in main]
    times.blocked = sum(max(0, stop - wait.start) for wait, stop in zip(main, stops, strict=True))
    if task.start is not None and times.duration is not None and not task.foreground:
        seen = Cover(
            (max(wait.start, task.start), stop) for wait, stop in zip(main, stops, strict=True)
        )
        times.hidden = times.duration - seen.length
    return times
