"""Did it get slower? Runs before against runs after, with a band for the noise between repeats."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Sequence

import pandas as pd

from stacknb.exceptions import BadInput
from stacknb.lifecycle import CLEAN_UP
from stacknb.text.screen import counted, listed, seconds
from stacknb.timing.frames import attributes, frame
from stacknb.timing.run import Run, load

__all__ = ["compare", "objections"]

Side = Run | str | os.PathLike[str] | Sequence[Run | str | os.PathLike[str]]
Key = tuple[str, str, str]  # kind, phase, name
Samples = dict[Key, list[float]]

_ASSUMED = 0.10  # of the longer time, where no run was repeated
_FLOOR_S = 0.1  # and not less than this
_RESOLUTION_S = 0.002  # the stamps of stack.sh count milliseconds
_STUDENT = (  # two-sided 95 % quantiles of Student's t for 1, 2, 3 … degrees of freedom
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def objections(found: pd.DataFrame, tolerated: float = 0.0) -> list[str]:
    """Say what speaks against a change, after `compare`: what is slower, or that nobody can tell.

    Slower can be a phase of a run whose total differs too little to tell.

    Parameters
    ----------
    found : DataFrame
    tolerated : float
        By which share of the time before it may be slower.
    """
    kinds = ["phase"] if found.attrs["incomparable"] else ["run", "phase"]
    much = found["delta_s"] > tolerated * found["before_s"]
    rows = found[found["kind"].isin(kinds) & (found["verdict"] == "slower") & much]
    slower = ", ".join(f"phase {name!r}" if name else "the run" for name in rows["phase"])
    by = f" by more than {100 * tolerated:.4g} %" if tolerated else ""
    reasons = {f"Slower{by}": slower, "No comparison": found.attrs["incomparable"]}
    return [f"{what}, so the status is 1: {why}." for what, why in reasons.items() if why]


def compare(before: Side, after: Side) -> pd.DataFrame:
    """Compare runs before a change with runs after it.

    Parameters
    ----------
    before, after : Run, path, or a list of these
        Several runs on a side are repeats: their spread is the noise.

    Returns
    -------
    DataFrame
        One row for the whole run, then one a phase, hook and task: ``kind phase name before_s
        after_s delta_s ratio noise_s verdict runs_before runs_after``. Times are means of
        durations. ``noise_s`` is the 95 % band of the difference (Student's t, pooled deviation);
        without any repeats it is assumed to be 10 % of the longer time, at least 0.1 s.
        ``verdict`` is slower or faster where the difference leaves the band, otherwise ``too
        little to tell``; ``only before`` and ``only after`` for what one side lacks. What leaves
        the band comes first, largest difference first. A name that occurs several times in a run
        is numbered. The conclusion in one sentence is ``frame.attrs["conclusion"]``; why the
        sides cannot be compared as a whole is ``frame.attrs["incomparable"]``, mostly empty.

    Raises
    ------
    BadInput
        If a side is empty, or a log cannot be read.

    Examples
    --------
    >>> stacknb.timing.compare(run, run)["delta_s"].unique().tolist()
    [0.0]
    """
    sides = [_runs(before, "before"), _runs(after, "after")]
    samples = [_samples(runs) for runs in sides]
    rows = [
        _Row(key, samples[0].get(key, []), samples[1].get(key, []))
        for key in dict.fromkeys([*samples[0], *samples[1]])
    ]
    rows.sort(key=lambda row: row.rank)
    made = frame(
        attributes(
            rows,
            "kind phase name before_s after_s delta_s ratio noise_s verdict runs_before runs_after",
        ),
        floats="before_s after_s delta_s ratio noise_s",
        integers="runs_before runs_after",
    )
    made.attrs["incomparable"] = _incomparable(rows, sides)
    made.attrs["conclusion"] = _conclusion(rows, sides, bool(made.attrs["incomparable"]))
    return made


class _Row:
    def __init__(self, key: Key, before: list[float], after: list[float]) -> None:
        self.kind, self.phase, self.name = key
        self.runs_before, self.runs_after = len(before), len(after)
        self.before_s = statistics.fmean(before) if before else math.nan
        self.after_s = statistics.fmean(after) if after else math.nan
        self.delta_s = self.after_s - self.before_s
        self.ratio = self.after_s / self.before_s if self.before_s else math.nan
        self.noise_s = _noise(before, after)
        if not before or not after:
            self.verdict = "only before" if before else "only after"
        elif abs(self.delta_s) <= self.noise_s:
            self.verdict = "too little to tell"
        else:
            self.verdict = "slower" if self.delta_s > 0 else "faster"

    @property
    def tells(self) -> bool:
        return self.verdict in {"slower", "faster"}

    @property
    def rank(self) -> tuple[bool, int, float]:
        level = 0 if self.tells else 1 if self.verdict.startswith("only") else 2
        known = [x for x in (self.delta_s, self.before_s, self.after_s) if not math.isnan(x)]
        return self.kind != "run", level, -abs(known[0]) if known else 0.0


def _noise(before: list[float], after: list[float]) -> float:
    if not before or not after:
        return math.nan
    freedom = len(before) + len(after) - 2
    if freedom == 0:
        return max(_ASSUMED * max(*before, *after), _FLOOR_S)
    squares = sum((x - statistics.fmean(side)) ** 2 for side in (before, after) for x in side)
    student = _STUDENT[freedom - 1] if freedom <= len(_STUDENT) else 1.96
    spread = math.sqrt(squares / freedom * (1 / len(before) + 1 / len(after)))
    return max(student * spread, _RESOLUTION_S)


def _samples(runs: Iterable[Run]) -> Samples:
    found: Samples = {}
    for run in runs:
        seen: dict[Key, int] = {}
        for kind, phase, name, duration in _durations(run):
            key = (kind, phase, name)
            seen[key] = count = seen.get(key, 0) + 1
            if count > 1:
                key = (kind, phase, f"{name} #{count}")
            if not math.isnan(duration):
                found.setdefault(key, []).append(duration)
    return found


def _durations(run: Run) -> Iterable[tuple[str, str, str, float]]:
    yield "run", "", "elapsed", math.nan if run.going_on else run.elapsed_s
    phases, hooks, tasks = run.phases, run.hooks, run.tasks
    for name, end, length in zip(phases["phase"], phases["end"], phases["duration_s"], strict=True):
        yield "phase", name, name, math.nan if pd.isna(end) else length
    for row in zip(hooks["phase"], hooks["hook"], hooks["duration_s"], strict=True):
        yield "hook", *row
    for row in zip(tasks["phase"], tasks["name"], tasks["duration_s"], strict=True):
        yield "task", *row


def _runs(side: Side, name: str) -> list[Run]:
    many = [side] if isinstance(side, Run | str | os.PathLike) else list(side)
    if not many:
        raise BadInput(f"compare({name}=[]): give at least one run, or its path")
    return [one if isinstance(one, Run) else load(one) for one in many]


def _conclusion(rows: list[_Row], sides: list[list[Run]], incomparable: bool) -> str:
    whole = rows[0]
    told = [row for row in rows[1:] if row.tells]
    counts = f"{counted(len(sides[0]), 'run')} before, {len(sides[1])} after"
    if whole.kind != "run":
        said = "No run on one of the sides is over"
    elif whole.tells and incomparable:  # one that was killed is not "faster"
        said = "The runs as a whole cannot be compared"
    elif whole.tells:
        percent = 100 * abs(whole.ratio - 1)
        share = f"{percent:{'.0f' if percent >= 1 else '.1g'}} %" if whole.before_s else "all"
        said = f"The run got {whole.verdict} by {seconds(abs(whole.delta_s))} ({share})"
    elif whole.verdict.startswith("only"):
        said = "One side has no run that is over"
    else:
        said = (
            f"The runs differ too little to tell: {seconds(abs(whole.delta_s))} "
            f"{'less' if whole.delta_s < 0 else 'more'}, within a noise of "
            f"{seconds(whole.noise_s)}"
        )
    parts = f"; {len(told)} parts differ by more than their noise" if told else ""
    parts = parts if len(told) != 1 else "; 1 part differs by more than its noise"
    assumed = len(sides[0]) + len(sides[1]) == 2
    hint = "; without repeats the noise is assumed to be 10 %" if assumed else ""
    stopped = [_named(run) for runs in sides for run in runs if _stopped(run)]
    note = f" Not run to the end: {listed(stopped, 3)}." if stopped else ""
    twice = [run.path for runs in sides for run in runs if _ran_again(run)]
    note += f" Both tries of a phase count: {listed(twice, 3)}." if twice else ""
    paused = [f"{r.path} {r.stood_still}" for runs in sides for r in runs if r.stood_still]
    note += f" Stood still, which does not count: {listed(paused, 3)}." if paused else ""
    return f"{said} ({counts}{hint}){parts}.{note}"


def _incomparable(rows: list[_Row], sides: list[list[Run]]) -> str:
    if rows[0].kind != "run" or rows[0].verdict.startswith("only"):
        return "one side has no run that is over"
    # Runs may be stopped on purpose, with --until: all behind the same phase, and well until then.
    runs = [run for side in sides for run in side]
    alike = len({tuple(run.phases["phase"]) for run in runs}) == 1
    early = [_named(run) for run in runs if _stopped(run) and not (alike and _is_well(run))]
    return f"not run to the end: {listed(early, 3)}" if early else ""


def _named(run: Run) -> str:
    return f"{run.path} ({run.records.bad_end})" if run.records.bad_end else run.path


def _is_well(run: Run) -> bool:
    last = {(hook.phase, hook.name): hook.status for hook in run.records.hooks if not hook.is_cell}
    return run.records.kind != "stack.sh" and {*last.values()} == {"ok"}


def _ran_again(run: Run) -> bool:
    hooks = [hook for hook in run.records.hooks if not hook.is_cell and hook.name != CLEAN_UP]
    return run.records.kind == "run" and len({(h.phase, h.name) for h in hooks}) < len(hooks)


def _stopped(run: Run) -> bool:
    # What it left out takes no time: without a hint it looks faster.
    of_tasks = run.records.tasks and not run.records.hooks  # logs of tasks alone, which tell not
    tells = run.records.kind == "stack.sh" or not of_tasks
    return tells and not run.going_on and not run.records.finished
