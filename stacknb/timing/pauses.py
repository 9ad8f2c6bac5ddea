"""When a run stood still: it had stopped, and nobody had taken it up again; and times without that.

In a pause nothing of the run is at work, neither a hook nor a task. So it can be cut out: what is
left is as if the run had been taken up at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from stacknb.tasklog import LogRecord
from stacknb.timing.records import Micros, Records, micros
from stacknb.timing.spans import Cover
from stacknb.timing.waits import journal_events

__all__ = ["Stopwatch", "find"]

_STOPS = ("pause", "phase-end")  # a phase that ends may have the next one follow at once


def find(records: Records, scripts: list[LogRecord]) -> list[tuple[Micros, Micros]]:
    """Return the stretches in which a run stood still, in order.

    Between two scripts it did where another shell has gone on, as after a failure or when the run
    was resumed, and where the journal says that nothing was to follow. Tasks may have run on, and a
    person may have waited for one.

    Parameters
    ----------
    records : Records
    scripts : list of LogRecord
        The logs of its hooks and cells, as ``records.hooks`` has them.
    """
    stops = _stops(Path(records.path))
    found = []
    for (log, hook), (other, following) in pairwise(zip(scripts, records.hooks, strict=True)):
        end = following.start
        begin = _last_said(log.path, hook.start, end) if hook.end is None else hook.end
        if begin is None or end is None:
            continue
        stopped = bisect_left(stops, begin) < bisect_right(stops, end)
        if stopped or _changed(log.header, other.header):
            found.append((begin, end))
    tasks = [(t.start, t.end) for t in records.tasks if t.start is not None and t.end is not None]
    waits = [(w.start, w.end) for w in records.all_waits if w.end is not None]
    return Cover(found).without(Cover([*tasks, *waits])).spans


class Stopwatch:
    """Stands still while a run does.

    Attributes
    ----------
    records : Records
        The same, by this watch: whoever works out how long something took asks these.
    paused : Cover
    """

    def __init__(self, records: Records) -> None:
        self.paused = Cover(records.pauses)
        self._begins: list[tuple[Micros, Micros]] = []  # by this watch, and how long it then stood
        for start, end in self.paused.spans:
            self._begins.append((self.read(start), end - start))
        self.records = _retimed(records, self.read) if self._begins else records

    def read(self, time: Micros) -> Micros:
        """Return what the watch shows at a moment."""
        return time - self.paused.within(0, time)

    def start(self, shown: Micros | None) -> Micros | None:
        """Return the moment at which something began that began at this one by the watch."""
        if shown is None:
            return None
        return shown + sum(length for begin, length in self._begins if begin <= shown)

    def end(self, shown: Micros | None) -> Micros | None:
        """Return the moment at which something ended that ended at this one by the watch."""
        if shown is None:
            return None
        return shown + sum(length for begin, length in self._begins if begin < shown)


def _retimed(records: Records, read: Callable[[Micros], Micros]) -> Records:
    def at(time: Any) -> Any:
        return None if time is None else read(time)

    def each(some: list[Any]) -> list[Any]:  # records of any kind
        return [replace(one, start=at(one.start), end=at(one.end)) for one in some]

    return replace(
        records,
        tasks=[replace(task, queued=at(task.queued)) for task in each(records.tasks)],
        hooks=each(records.hooks),
        waits=each(records.waits),
        inner_waits=each(records.inner_waits),
        not_started=each(records.not_started),
        phases=each(records.phases),
        start=at(records.start),
        end=at(records.end),
        main_start=at(records.main_start),
        main_end=at(records.main_end),
    )


def _changed(header: Mapping[str, object], other: Mapping[str, object]) -> bool:
    pids = header.get("pid"), other.get("pid")
    return all(isinstance(pid, int) for pid in pids) and pids[0] != pids[1]


def _last_said(log: Path, start: Micros | None, following: Micros | None) -> Micros | None:
    """Return when a script whose end nobody tells last printed something: it was killed."""
    try:
        said = round(log.stat().st_mtime * 1e6)
    except OSError:
        return None
    # A copy of a log may have the time at which it was copied.
    known = start is not None and following is not None and start <= said <= following
    return said if known else None


def _stops(run_dir: Path) -> list[Micros]:
    """Return when nothing was to follow at once, in order."""
    events = journal_events(run_dir, (f'"{kind}"' for kind in _STOPS))
    stops = [one for one in events if one.get("event") in _STOPS and not one.get("goes_on")]
    return sorted(time for one in stops if (time := micros(one.get("time"))) is not None)
