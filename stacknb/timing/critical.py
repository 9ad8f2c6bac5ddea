"""The critical path: what, one after the other, set the elapsed time; each task's part in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from stacknb.timing.collection import Collection, made_room
from stacknb.timing.frames import attributes, frame
from stacknb.timing.pauses import Stopwatch
from stacknb.timing.program import Program, SequentialWait, sequential_waits, task_ends
from stacknb.timing.records import HookRecord, Records, TaskRecord
from stacknb.timing.replay import shrinks

__all__ = ["Segment", "critical_path", "impact_frame", "path_frame"]


class Segment(NamedTuple):
    """A stretch of the critical path; ``task`` and ``hook`` are indexes, -1 for none."""

    kind: str
    start: int
    end: int
    task: int = -1
    hook: int = -1


def critical_path(records: Records) -> list[Segment]:
    """Return the segments in the order of time, without gap or overlap, from start to end.

    Walked back from the end: where the main shell was released from a wait by the end of a task,
    that task set the time, and so did the one whose end released it from a wait of its own; before
    the task's start it was who started it, the main shell or a task, or the task it had to come
    after. All that ran meanwhile had no influence.
    """
    return _Walk(records).segments()


def path_frame(watch: Stopwatch, segments: list[Segment]) -> pd.DataFrame:
    """Return the segments, which are by this watch, as a frame; see `Run.critical_path`."""
    records = watch.records
    starts = [phase.start for phase in records.phases]
    whole = records.elapsed

    def phase_at(time: int) -> str:
        index = bisect_right(starts, time) - 1
        return records.phases[index].name if index >= 0 else ""

    def who(part: Segment) -> TaskRecord | HookRecord:
        if part.task >= 0:
            task = records.tasks[part.task]  # while the main shell waits, it is where that is
            return replace(task, phase=phase_at(part.start)) if part.kind == "wait" else task
        return records.hooks[part.hook] if part.hook >= 0 else HookRecord("", phase_at(part.start))

    workers = list(map(who, segments))
    return frame(
        {
            **attributes(segments, "kind"),
            **attributes(workers, "name phase"),
            "start": (watch.start(part.start) for part in segments),
            "end": (watch.end(part.end) for part in segments),
            "duration_s": (part.end - part.start for part in segments),
            "share": ((part.end - part.start) / whole if whole else 0.0 for part in segments),
            **attributes(workers, "log"),
        },
        times="start end",
        seconds="duration_s",
        floats="share",
    )


class _Walk:
    def __init__(self, records: Records) -> None:
        self.records = records
        self.ends = task_ends(records)
        self.held = [w for w in sequential_waits(records) if w.released > w.start]
        self.released = [wait.released for wait in self.held]
        self.hooks = sorted(
            (*span, index) for index, span in enumerate(records.hook_spans()) if span
        )
        self.hook_starts = [start for start, _, _ in self.hooks]
        self.begin = records.start or 0
        self.made_room = made_room(records)
        self.within: dict[int, list[tuple[int, int]]] = {}  # by who waits: ends that released it
        for index, waits in records.waits_within().items():
            self.within[index] = sorted(
                (end, wait.task)
                for wait in waits
                if wait.task is not None
                and (begun := records.tasks[wait.task].start) is not None
                and (end := self.ends[wait.task]) is not None
                and max(wait.start, begun) < end
                and (wait.end is None or end <= wait.end)
            )
        self.found: list[Segment] = []

    def segments(self) -> list[Segment]:
        at = self.records.end or 0
        main_end = self.records.main_end
        if main_end is None or main_end < at:
            last = [
                index
                for index, end in enumerate(self.ends)
                if end == at and self.records.tasks[index].start is not None
            ]
            at = self._task(last[0], at) if last else at
        while at > self.begin:
            at = self._main(at)
        return self.found[::-1]

    def _add(self, kind: str, start: int, end: int, task: int = -1, hook: int = -1) -> int:
        if start < end:
            self.found.append(Segment(kind, start, end, task, hook))
        return start

    def _main(self, at: int) -> int:
        """Follow the main shell back from `at`, and what held it up before; return the time."""
        index = bisect_right(self.released, at) - 1
        following = self.held[index + 1] if index + 1 < len(self.held) else None
        if following and following.start < at:
            return self._held(following, at)  # something began while the main shell waited
        if index < 0:
            return self._work(self.begin, at)
        wait = self.held[index]
        return self._held(wait, self._work(wait.released, at))

    def _held(self, wait: SequentialWait, at: int) -> int:
        task = wait.record.task
        begun = None if task is None else self.records.tasks[task].start
        is_cause = wait.record.end is None or (
            task is not None and (self.ends[task] or 0) <= wait.end
        )
        if task is None or begun is None or begun >= at or not is_cause:
            return self._add("wait", wait.start, at, -1 if task is None else task)
        return self._task(task, at)

    def _task(self, index: int, at: int) -> int:
        """Follow a task back from `at` to what let it start, and on; return when main did that."""
        while True:
            task = self.records.tasks[index]
            held = self.within.get(index, [])
            if released := bisect_left(held, (at, -1)):  # it was released from a wait of its own
                ended, cause = held[released - 1]
                at, index = self._add("task", ended, at, index), cause
                continue
            at = self._add("task", task.start or 0, at, index)
            if task.queued is not None and task.queued < at:
                named = [one for name in task.after for one in self.records.named.get(name, [])]
                if (other := self.made_room.get(index)) is not None:
                    named.append((self.records.tasks[other].start or 0, other))
                before = [
                    (end, i)
                    for begun, i in named
                    if (end := self.ends[i]) is not None and task.queued < end <= at and begun < end
                ]
                end, first = max(before, default=(task.queued, None))
                at = self._add("queued", end, at, index)
                if first is not None:
                    index = first
                    continue
            outer = self.records.started_by.get(index)
            begun = None if outer is None else self.records.tasks[outer].start
            if outer is None or begun is None or begun >= at:
                return at
            index = outer

    def _work(self, start: int, at: int) -> int:
        """Add what the main shell did between two moments, hook by hook, backwards."""
        outside = "idle" if self.hooks else "unknown"
        if self.records.kind == "stack.sh":
            outside = "main"
        last = bisect_right(self.hook_starts, at - 1) - 1
        while last >= 0 and at > start:
            hook_start, hook_end, index = self.hooks[last]
            end = min(hook_end, at)
            if end <= start:
                break
            if end > hook_start:
                self._outside(outside, max(end, start), at)
                kind = "cell" if self.records.hooks[index].is_cell else "hook"
                at = self._add(kind, max(hook_start, start), end, hook=index)
            last -= 1
        self._outside(outside, start, at)
        return start

    def _outside(self, kind: str, start: int, at: int) -> None:
        # Cut where phases begin, so that each segment belongs to one.
        for phase in reversed(self.records.phases):
            if start < phase.start < at:
                at = self._add(kind, phase.start, at)
        self._add(kind, start, at)


def impact_frame(
    records: Records, times: list[Collection], critical: list[Segment], program: Program
) -> pd.DataFrame:
    """Return one row a task; see `Run.impact`."""
    on_path: Counter[int] = Counter()
    for part in critical:
        if part.task >= 0:
            on_path[part.task] += part.end - part.start if part.kind == "task" else 0
    # The path is what remains of the run when any other task takes no time: only those on it count.
    some = [index for index in on_path if index in program.jobs]
    shrunk = dict(zip(some, map(int, shrinks(program, some)), strict=True))
    order = sorted(
        range(len(records.tasks)), key=lambda i: (-shrunk.get(i, 0), -(times[i].blocked or 0), i)
    )
    tasks = [records.tasks[i] for i in order]
    return frame(
        {
            **attributes(tasks, "name phase status"),
            "duration_s": (times[i].duration for i in order),
            "blocked_s": (times[i].blocked for i in order),
            "hidden_s": (times[i].hidden for i in order),
            "slack_s": (times[i].slack for i in order),
            "critical_s": (on_path[i] for i in order),
            "shrink_s": (shrunk.get(i, 0) for i in order),
            **attributes(tasks, "log"),
        },
        seconds="duration_s blocked_s hidden_s slack_s critical_s shrink_s",
    )
