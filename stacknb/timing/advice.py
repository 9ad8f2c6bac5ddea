"""What to change, ranked by what it would gain; every gain is a replay of the recorded run."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pandas as pd

from stacknb import tasklog
from stacknb.lifecycle import CLEAN_UP
from stacknb.rundir.ending import ENDED
from stacknb.text import reading
from stacknb.text.names import like
from stacknb.text.screen import seconds
from stacknb.text.signs import printable
from stacknb.timing.collection import Collection
from stacknb.timing.contention import Contention
from stacknb.timing.frames import attributes, frame
from stacknb.timing.program import END, Program
from stacknb.timing.records import Records, WaitRecord
from stacknb.timing.replay import replay
from stacknb.timing.whatif import changed

__all__ = ["Advice", "advice", "advice_frame"]

_Kind = Literal["wait_after", "as_task"]
_TRIED = 6  # the longest waits and hooks; what else there is gains less
_NEARLY = 0.9  # of the most that a change could gain
_WORTH, _LEAST = 0.01, 100_000  # of the elapsed time; µs, below which nobody would change a hook
_NOT_STARTED_BEGIN = b"\nNot waiting for async task "  # the header's newline stands before it
_NOT_STARTED = re.compile(re.escape(_NOT_STARTED_BEGIN) + rb"(\S{1,255}) that we never started or")
_LONGEST_NAME = 512  # such a line fits


@dataclass(slots=True)
class Advice:
    """One piece of advice; ``gain`` in µs is what the run would be shorter by."""

    kind: str
    name: str
    phase: str
    hook: str
    gain: int
    text: str
    urgent: bool = False


def advice(
    records: Records, program: Program, times: list[Collection], known: Contention | None
) -> list[Advice]:
    """Return the advice, the most useful first; see `Run.advice`."""
    found = [
        *_never_waited_for(records, times),
        *_never_started(records),
        *_blocking_waits(records, program, times),
        *_foreground_hooks(records, program),
        *_contention(records, known),
    ]
    return sorted(found, key=lambda one: (not one.urgent, -one.gain))


def advice_frame(found: list[Advice]) -> pd.DataFrame:
    """Return the advice as a frame."""
    return frame(
        {
            **attributes(found, "kind name phase hook"),
            "gain_s": (one.gain for one in found),
            "advice": (one.text for one in found),
        },
        seconds="gain_s",
    )


def _never_waited_for(records: Records, times: list[Collection]) -> Iterator[Advice]:
    if not records.waits_known or not records.finished:
        return
    cleaned_up = {w.task for w in records.waits if w.hook == CLEAN_UP}
    for index, (task, time) in enumerate(zip(records.tasks, times, strict=True)):
        if task.foreground or (time.wait_start is not None and index not in cleaned_up):
            continue
        is_bad = task.status in ENDED
        code = f" (status {task.exit_code})" if task.exit_code else ""
        ended = f"it {ENDED[task.status]}{code} and" if is_bad else "if it fails,"
        text = (
            f"No hook waits for task {task.name!r}: {ended} the run goes on. "
            "Wait for it where its result is needed."
        )
        yield Advice("never waited for", task.name, task.phase, task.hook, 0, text, is_bad)


def _never_started(records: Records) -> Iterator[Advice]:
    names = {task.name for task in records.tasks}
    waits = list(records.not_started)
    for hook in records.hooks if records.kind == "run" else []:
        for name in _names_not_started(hook.log):
            if name not in names:
                waits.append(WaitRecord(name, hook.start or 0, None, hook.phase, hook.name))
    for wait in waits:
        near = like(wait.name, sorted(names))
        hint = f"; did it mean {near!r}?" if near else ""
        place = _where(wait.phase, wait.hook)
        text = f"{place} waits for {wait.name!r}, which was never started{hint}"
        yield Advice("never started", wait.name, wait.phase, wait.hook, 0, text, bool(near))


def _names_not_started(log: str) -> list[str]:
    """Return the names that a hook waited for though it says itself that none was started."""
    found: dict[str, None] = {}
    try:
        with reading.opened(log) as file:
            rest = b""
            while file.tell() < tasklog.FAR and (data := file.read(1 << 20)):
                data = rest + data
                at = data.find(_NOT_STARTED_BEGIN)
                while at >= 0:
                    if match := _NOT_STARTED.match(data, at):
                        name = match[1].decode("utf-8", "surrogateescape")
                        found[printable(name)] = None
                    at = data.find(_NOT_STARTED_BEGIN, at + 1)
                rest = data[-_LONGEST_NAME:]
    except OSError:
        return []
    return list(found)


def _blocking_waits(
    records: Records, program: Program, times: list[Collection]
) -> Iterator[Advice]:
    worth = _worth(replay(program).elapsed)
    waited_for = sorted({op.task for op in program.ops if op.kind == "wait" and op.task >= 0})
    held_up = [(times[i].blocked or 0, i) for i in waited_for]
    held_up = [(held, i) for held, i in held_up if held >= worth]
    for held, index in sorted(held_up, reverse=True)[:_TRIED]:
        task = records.tasks[index]
        wait = next(w for w in reversed(records.waits) if w.task == index)
        gain_of = _gain(records, program, "wait_after", records.task_names[index][1])
        if gain_of(END) < worth:
            continue
        place, gain = _soonest(records, gain_of, wait.end or wait.start)
        text = (
            f"{_where(wait.phase, wait.hook)} was held up {_seconds(held)} by the wait for "
            f"{task.name!r}. If its result is first needed later, wait for it later: at "
            f"{_end_of(place)} the run would be {_seconds(gain)} shorter."
        )
        yield Advice("wait later", task.name, wait.phase, wait.hook, gain, text)


def _foreground_hooks(records: Records, program: Program) -> Iterator[Advice]:
    worth = _worth(replay(program).elapsed)
    work: dict[int, int] = {}
    for op in program.ops:
        if op.kind == "work" and op.hook >= 0:
            work[op.hook] = work.get(op.hook, 0) + op.length
    marks = {op.hook: op.mark for op in program.ops if op.kind == "mark" and op.hook >= 0}
    long = sorted(((length, hook) for hook, length in work.items()), reverse=True)[:_TRIED]
    for length, hook in long:
        record = records.hooks[hook]
        mark = marks.get(hook)
        if length < worth or record.is_cell or not mark or record.end is None:
            continue
        if sum(other == mark for other in marks.values()) > 1:
            continue  # ran twice: after a failure, so its times tell little
        gain_of = _gain(records, program, "as_task", mark)
        place, gain = _soonest(records, gain_of, record.end)
        if gain < worth:
            continue
        text = (
            f"{_where(record.phase, record.name)} worked {_seconds(length)} in the foreground. "
            "What of it changes no variables that later hooks read can be a task (async_runfunc): "
            f"collected at {_end_of(place)}, the run would be up to {_seconds(gain)} shorter."
        )
        yield Advice("make it a task", record.name, record.phase, record.name, gain, text)


def _contention(records: Records, known: Contention | None) -> Iterator[Advice]:
    elapsed = records.elapsed
    if known is None or not elapsed or known.lost < 5 * _worth(elapsed):
        return
    cores = "The only core was" if records.cores == 1 else f"The {records.cores} cores were"
    text = (
        f"{cores} busy for {_seconds(known.saturated.length)} of "
        f"{_seconds(elapsed)}; sharing stretched tasks and hooks by up to "
        f"{_seconds(known.lost)} in all. More tasks at once will gain little there: start long "
        "ones earlier, or limit how many run at once (--jobs)."
    )
    yield Advice("contention", "", "", "", 0, text)


def _worth(elapsed: int) -> float:
    return max(_WORTH * elapsed, _LEAST)


def _gain(records: Records, program: Program, change: _Kind, name: str) -> Callable[[str], int]:
    """Return a function that tells of a place what a change to it would gain, in µs."""

    @cache
    def gain(place: str) -> int:
        later = {name: place}
        if change == "wait_after":
            new = changed(records, program, wait_after=later)
        else:
            new = changed(records, program, as_task=later)
        return program.end - program.start - replay(new).elapsed

    return gain


def _soonest(records: Records, gain: Callable[[str], int], after: int) -> tuple[str, int]:
    """Return the first phase whose end comes `after` and gains nearly the most, and its gain."""
    phases = [one.name for one in records.phases if one.end is not None and one.end >= after]
    enough = _NEARLY * gain(END)
    at = bisect_left(phases, True, key=lambda place: gain(place) >= enough)  # later gains no less
    place = [*phases, END][at]
    return place, gain(place)


def _where(phase: str, hook: str) -> str:
    if hook:
        return f"Hook {hook!r} in phase {phase!r}"
    return f"The main script (phase {phase!r} was its last)" if phase else "The main script"


def _end_of(place: str) -> str:
    return "the end of the run" if place == END else f"the end of phase {place!r}"


def _seconds(micros: int) -> str:
    return seconds(micros / 1e6)
