"""Records as pandas frames, with the same columns and dtypes for every kind of log.

Instants are ``datetime64[us, UTC]``, durations float seconds (by the watch of the run, which stands
still while that does), names and texts ``string``, exit codes ``Int64``. What a log does not tell
is NaT, NaN or NA.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from stacknb.text import screen
from stacknb.timing.collection import Collection
from stacknb.timing.contention import hook_cpu, task_cpu
from stacknb.timing.pauses import Stopwatch
from stacknb.timing.records import Records
from stacknb.timing.spans import Cover

__all__ = ["attributes", "frame", "hooks", "instants", "phases", "problems", "seconds", "tasks",
           "waits"]  # fmt: skip

_TEXT = pd.StringDtype("python")  # the same in pandas 2 and 3, whether or not pyarrow is there
_LISTED = 5


def frame(columns: Mapping[str, Iterable[Any]], **kinds: str) -> pd.DataFrame:
    """Make a frame with explicit dtypes.

    Parameters
    ----------
    columns : mapping of str to iterable
        Times and durations in µs or None.
    **kinds : str
        For each kind the names of its columns, separated by blanks: ``times``, ``seconds``
        (durations in µs), ``integers``, ``floats``. All others are text.
    """
    made: dict[str, Any] = {}
    kind_of = {name: kind for kind, names in kinds.items() for name in names.split()}
    for name, values in columns.items():
        match kind_of.get(name):
            case "times":
                made[name] = instants(values)
            case "seconds":
                made[name] = seconds(values)
            case "integers":
                made[name] = pd.array(list(values), dtype="Int64")
            case "floats":
                made[name] = np.array(list(values), dtype=np.float64)
            case _:
                made[name] = pd.array(list(values), dtype=_TEXT)
    return pd.DataFrame(made)


def attributes(things: Iterable[object], names: str) -> dict[str, list[Any]]:
    """Return columns of a frame: the attributes of these names, separated by blanks."""
    every = list(things)
    return {name: list(map(attrgetter(name), every)) for name in names.split()}


def instants(values: Iterable[int | None]) -> pd.DatetimeIndex:
    """Return µs since the epoch as UTC instants; None as NaT."""
    nat = np.iinfo(np.int64).min
    numbers = np.array([nat if v is None else v for v in values], dtype=np.int64)
    return pd.DatetimeIndex(numbers.view("datetime64[us]")).tz_localize("UTC")


def seconds(values: Iterable[int | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return durations in µs as float seconds; None as NaN."""
    return np.array([np.nan if v is None else v / 1e6 for v in values], dtype=np.float64)


def tasks(records: Records, watch: Stopwatch, collections: list[Collection]) -> pd.DataFrame:
    """Return one row a task, in the order of their starts; see `Run.tasks`."""
    every = records.tasks
    order = sorted(range(len(every)), key=lambda i: (every[i].start is None, every[i].start or 0))
    rows, times = [every[i] for i in order], [collections[i] for i in order]
    cpu = task_cpu(records)
    return frame(
        {
            **attributes(rows, "name command phase hook status exit_code start end"),
            "duration_s": (one.duration for one in times),
            "wait_start": (watch.start(one.wait_start) for one in times),
            "wait_end": (watch.end(one.wait_end) for one in times),
            "wait_s": (one.waited for one in times),
            "hidden_s": (one.hidden for one in times),
            "slack_s": (one.slack for one in times),
            "cpu_s": (cpu[i] for i in order),
            **attributes(rows, "host log"),
        },
        integers="exit_code",
        times="start end wait_start wait_end",
        seconds="duration_s wait_s hidden_s slack_s cpu_s",
    )


def hooks(
    records: Records, watch: Stopwatch, waiting: Cover, *, cells: bool = False
) -> pd.DataFrame:
    """Return one row a hook (or a cell); see `Run.hooks`."""
    rows = [hook for hook in records.hooks if hook.is_cell == cells]
    spans = [(hook.start, hook.end) for hook in watch.records.hooks if hook.is_cell == cells]
    durations = [None if a is None or b is None else b - a for a, b in spans]
    waited = [None if a is None or b is None else waiting.within(a, b) for a, b in spans]
    cpu = hook_cpu(records)
    stop = watch.records.end or 0
    length = {one.name: (one.end or stop) - one.start for one in watch.records.phases}
    return frame(
        {
            "phase": (hook.phase for hook in rows),
            "hook": (hook.name for hook in rows),
            **attributes(rows, "path status exit_code start end"),
            "duration_s": durations,
            "work_s": (
                None if d is None or w is None else d - w
                for d, w in zip(durations, waited, strict=True)
            ),
            "wait_s": waited,
            "share": (
                d / length[hook.phase] if d is not None and length.get(hook.phase) else np.nan
                for d, hook in zip(durations, rows, strict=True)
            ),
            "cpu_s": (
                own for own, hook in zip(cpu, records.hooks, strict=True) if hook.is_cell == cells
            ),
            **attributes(rows, "host log"),
        },
        integers="exit_code",
        times="start end",
        seconds="duration_s work_s wait_s cpu_s",
        floats="share",
    )


def waits(records: Records, watch: Stopwatch, blocked: list[int | None]) -> pd.DataFrame:
    """Return one row a wait, in the order they began; see `Run.waits`."""
    rows, timed = records.all_waits, watch.records.all_waits
    return frame(
        {
            **attributes(rows, "name phase hook"),
            "wait_start": (wait.start for wait in rows),
            "wait_end": (wait.end for wait in rows),
            "wait_s": (None if wait.end is None else wait.end - wait.start for wait in timed),
            "blocked_s": blocked,
            **attributes(rows, "exit_code by"),
        },
        integers="exit_code",
        times="wait_start wait_end",
        seconds="wait_s blocked_s",
    )


def phases(records: Records, watch: Stopwatch, waiting: Cover) -> pd.DataFrame:
    """Return one row a phase; see `Run.phases`."""
    rows, timed = records.phases, watch.records
    spans = [(phase.start, timed.until(phase)) for phase in timed.phases]
    working = Cover(filter(None, timed.hook_spans()))
    length = [end - start for start, end in spans]
    waited = [waiting.within(*span) for span in spans]
    worked = [
        working.within(*span) - sum(waiting.within(*part) for part in working.cut(*span))
        for span in spans
    ]
    main_end = (timed.end or 0) if timed.main_end is None else timed.main_end
    next_start = [start for start, _ in spans[1:]] + [main_end] * bool(spans)
    after = [(end, begin) for (_, end), begin in zip(spans, next_start, strict=True)]
    hooks = Counter(hook.phase for hook in records.hooks if not hook.is_cell)
    tasks = Counter(task.phase for task in records.tasks)
    return frame(
        {
            "phase": (phase.name for phase in rows),
            **attributes(rows, "start end"),
            "duration_s": length,
            "work_s": worked,
            "wait_s": waited,
            "unaccounted_s": (
                whole - work - wait
                for whole, work, wait in zip(length, worked, waited, strict=True)
            ),
            "waited_for": (_waited_for(timed, *span) for span in spans),
            "hooks": (hooks[phase.name] for phase in rows),
            "tasks": (tasks[phase.name] for phase in rows),
            "after_s": (max(0, begin - end) for end, begin in after),
            "after_wait_s": (waiting.within(*part) for part in after),
        },
        integers="hooks tasks",
        times="start end",
        seconds="duration_s work_s wait_s unaccounted_s after_s after_wait_s",
    )


def problems(records: Records) -> pd.DataFrame:
    """Return one row a kind of problem: what, how often, one example."""
    found = records.problems
    return frame(
        {
            "problem": found.counts,
            "count": found.counts.values(),
            "example": found.examples.values(),
        },
        integers="count",
    )


def _waited_for(records: Records, start: int, end: int) -> str:
    times: Counter[str] = Counter()
    for wait in records.waits:
        common = min(records.until(wait), end) - max(wait.start, start)
        if common > 0:
            times[wait.name] += common
    longest = [f"{name} {screen.seconds(time / 1e6)}" for name, time in times.most_common()]
    return screen.listed(longest, _LISTED)
