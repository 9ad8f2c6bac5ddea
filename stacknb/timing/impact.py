"""What each task did to the run."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from stacknb.timing.collection import Collection
from stacknb.timing.critical import Segment
from stacknb.timing.frames import attributes, frame
from stacknb.timing.program import Program
from stacknb.timing.records import Records
from stacknb.timing.replay import shrinks

__all__ = ["impact_frame"]


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
