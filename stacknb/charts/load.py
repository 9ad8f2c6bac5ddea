"""How many tasks ran at once and how many cores were used, as steps over time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from stacknb.timing.contention import activities
from stacknb.timing.records import Records
from stacknb.timing.spans import levels
from stacknb.timing.summary import task_spans

__all__ = ["concurrency", "cores_used"]

_MOST = 600  # steps; more are hardly a pixel wide
Step = dict[str, float]


def concurrency(records: Records) -> list[Step]:
    """Return stretches with the number of tasks that ran at once; ``from`` and ``to`` in ms."""
    return _steps(records, ((start, end, 1.0) for start, end in task_spans(records).values()))


def cores_used(records: Records) -> list[Step]:
    """Return stretches with the cores used, each task's CPU time spread evenly over its life.

    Never more than there are: CPU time is counted in hundredths of a second, which is much for a
    task that lasted three milliseconds.
    """
    steps = _steps(
        records,
        (
            (start, end, one.share)
            for one in activities(records)
            for start, end in one.spans
            if start < end
        ),
    )
    most = records.cores or float("inf")
    return [step | {"level": min(step["level"], most)} for step in steps]


def _steps(records: Records, spans: Iterable[tuple[int, int, float]]) -> list[Step]:
    zero, stop = records.start or 0, records.end or 0
    known = levels([*spans, (zero, zero, 0.0), (stop, stop, 0.0)])
    found = [(at, to, level) for (at, level), (to, _) in pairwise(known)]
    return [
        {"from": (at - zero) / 1e3, "to": (to - zero) / 1e3, "level": round(max(0.0, level), 3)}
        for at, to, level in _thinned(found, stop - zero)
        if level > 1e-6
    ]


def _thinned(found: list[tuple[int, int, float]], whole: int) -> list[tuple[int, int, float]]:
    """Join neighbours that are narrower than a pixel; the highest of them is what shows."""
    if len(found) <= _MOST:
        return found
    joined: list[tuple[int, int, float]] = []
    for at, to, level in found:
        if joined and to - joined[-1][0] <= whole // _MOST:
            joined[-1] = (joined[-1][0], to, max(joined[-1][2], level))
        else:
            joined.append((at, to, level))
    return joined
