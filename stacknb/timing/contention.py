"""CPU seconds: how many were used, and how much longer tasks took because they shared the cores."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from stacknb.timing.records import Records
from stacknb.timing.spans import Cover

__all__ = ["Activity", "Contention", "activities", "contention", "hook_cpu", "task_cpu"]

_SATURATED = 0.9  # of the cores; averages over a task's life hide its peaks


@dataclass(slots=True)
class Activity:
    """Something that used CPU: the stretches it ran in, and µs of CPU over all of them.

    ``task`` and ``hook`` are indexes, -1 for none; ``lost`` is by how many µs it was stretched.
    """

    spans: list[tuple[int, int]]
    cpu: int
    task: int = -1
    hook: int = -1
    lost: int = 0

    @property
    def length(self) -> int:
        """Time it ran, in µs."""
        return sum(end - start for start, end in self.spans)

    @property
    def share(self) -> float:
        """Cores used on average."""
        return self.cpu / self.length if self.length else 0.0


@dataclass
class Contention:
    """What sharing the cores cost.

    Attributes
    ----------
    saturated : Cover
        When the demand, as the sum of average shares, was at least 0.9 of the cores.
    activities : list of Activity
        Each with what it ``lost``, at the most: while the cores were saturated, a single thread
        that used a share s of a core is taken to have waited for a core the rest, 1 - s.
    """

    saturated: Cover
    activities: list[Activity]

    @property
    def lost(self) -> int:
        """What all activities lost together."""
        return sum(one.lost for one in self.activities)


def contention(records: Records) -> Contention | None:
    """Return the contention of a run; None where the CPU times or the cores are not known."""
    known = activities(records)
    if not known or records.cores is None:
        return None
    steps = sorted(
        (time, change)
        for one in known
        for share in [one.share]
        for start, end in one.spans
        for time, change in ((start, share), (end, -share))
    )
    full: list[tuple[int, int]] = []
    demand, since = 0.0, 0
    for time, change in steps:
        if demand >= _SATURATED * records.cores:
            full.append((since, time))
        demand, since = demand + change, time
    saturated = Cover(full)
    for one in known:
        shared = sum(saturated.within(start, end) for start, end in one.spans)
        one.lost = round(shared * max(0.0, 1.0 - one.share))
    return Contention(saturated, known)


def activities(records: Records) -> list[Activity]:
    """Return every finished task and hook whose CPU time is known.

    A shell's own CPU time, of a hook or a task, is without that of the tasks it reaped meanwhile.
    """
    found = [
        Activity([(task.start, task.end)], cpu, task=index)
        for index, (task, cpu) in enumerate(zip(records.tasks, task_cpu(records), strict=True))
        if task.start is not None and task.end is not None and cpu is not None
    ]
    own = hook_cpu(records)
    waiting = Cover((wait.start, wait.end) for wait in records.waits if wait.end is not None)
    for index, hook in enumerate(records.hooks):
        cpu = own[index]
        if cpu is not None and hook.start is not None and hook.end is not None:
            spans = Cover([(hook.start, hook.end)]).without(waiting).spans
            if spans:
                found.append(Activity(spans, cpu, hook=index))
    return found


def task_cpu(records: Records) -> list[int | None]:
    """Return the CPU time each task used itself, without that of tasks it has started, in µs."""
    own = [task.cpu for task in records.tasks]
    for index, outer in records.started_by.items():
        task, whole, over = records.tasks[index], own[outer], records.tasks[outer].end
        if task.cpu is None or task.end is None or whole is None or over is None:
            continue
        if task.end <= over:
            own[outer] = max(0, whole - task.cpu)
    return own


def hook_cpu(records: Records) -> list[int | None]:
    """Return the CPU time each hook used itself, in µs.

    A shell's CPU time includes that of the children it has reaped, so that of the tasks that ended
    while the hook ran; that of tasks of these is in theirs.
    """
    ended = sorted(
        (task.end, task.cpu)
        for index, task in enumerate(records.tasks)
        if task.end is not None and task.cpu is not None and index not in records.started_by
    )
    ends = [end for end, _ in ended]
    sums = [0, *accumulate(cpu for _, cpu in ended)]

    def by(time: int) -> int:
        return sums[bisect_right(ends, time)]

    return [
        None
        if hook.cpu is None or hook.start is None or hook.end is None
        else max(0, hook.cpu - by(hook.end) + by(hook.start))
        for hook in records.hooks
    ]
