"""What a run directory says of itself: read from run.json, the journal and the logs.

The logs are what counts; the journal adds what they cannot say: which hook was interrupted, whether
the run came to its end. Needs neither bash nor pandas.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from glob import glob
from os.path import basename
from pathlib import Path
from typing import Any

from stacknb import lifecycle, tasklog
from stacknb.exceptions import LogError
from stacknb.journal import Event, RunDir
from stacknb.rundir.ending import BAD, state_of
from stacknb.supervision import services as records
from stacknb.text import budget
from stacknb.text.screen import SYMBOLS, counted, seconds
from stacknb.text.signs import shown

__all__ = ["LogStatus", "PhaseStatus", "RunStatus", "read"]


@dataclass(frozen=True)
class LogStatus:
    """A hook, a task or a service, as its log has it.

    Attributes
    ----------
    name, phase, hook : str
        `hook` is the one that started a task.
    status : str
        ``running``, ``ok``, ``failed``, ``killed``, ``cancelled``, ``timeout``, ``lost``; of a hook
        also ``interrupted``, of a task also ``waiting`` (held back).
    exit_code : int or None
    duration_s : float or None
        Seconds, so far if it runs.
    log : str
        Path within the run directory.
    """

    name: str
    phase: str
    hook: str
    status: str
    exit_code: int | None
    duration_s: float | None
    log: str


@dataclass(frozen=True)
class PhaseStatus:
    """A phase: ``ok``, ``failed``, ``interrupted``, ``unfinished``, ``running`` or ``to come``."""

    name: str
    status: str
    duration_s: float | None
    hooks: list[LogStatus] = field(default_factory=list)


@dataclass(frozen=True)
class RunStatus:
    """A run.

    Attributes
    ----------
    state : str
        ``complete``, ``running``, ``failed``, ``interrupted``, or ``unfinished``: begun, and
        nothing of it runs.
    start : float
        Epoch seconds.
    unheeded : list of str
        Tasks that did not end well, and nobody waited for them: nobody has dealt with that.
    """

    run: str
    mode: str
    state: str
    top_dir: str
    run_dir: str
    start: float
    phases: list[PhaseStatus]
    tasks: list[LogStatus]
    services: list[LogStatus]
    notes: list[str]
    unheeded: list[str]

    @property
    def ok(self) -> bool:
        """Whether no phase failed and no task is `unheeded`, as the exit status of the run says."""
        return not self.unheeded and not any(phase.status in BAD for phase in self.phases)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON; ``start`` in ISO 8601, UTC."""
        return {**asdict(self), "ok": self.ok, "start": _iso(self.start)}

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        return f"<{self.mode} run {self.run!r}: {self.state}, {self.run_dir}>"

    room = budget.ALONE  # no field: how many bytes of a notebook it may take now

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        text = str(self)
        if budget.stored(text) > self.room:
            text = "\n".join(_in_short(self))
        printer.text(budget.fold(text, self.room))


def read(path: str | os.PathLike[str]) -> RunStatus:
    """Read the state of a run.

    Parameters
    ----------
    path : path-like
        A run directory, or a folder with ``.stacknb/runs/latest``.

    Raises
    ------
    BadInput
        If there is no run, or its ``run.json`` cannot be read.
    """
    folder = RunDir.open(path)
    facts, where = folder.facts(), folder.path
    waits = folder.new_waits()
    codes = {basename(wait["log"]): wait["exit_code"] for wait in waits}
    heeded = {basename(wait["log"]) for wait in waits if wait["hook"] != lifecycle.CLEAN_UP}
    events = folder.new_events()
    interrupted = {
        event.data.get("log")
        for event in events
        if event.kind == "hook-end" and event.data.get("status") == "interrupted"
    }
    faults: list[str] = []
    hooks = [
        replace(hook, status="interrupted") if f"{where}/{hook.log}" in interrupted else hook
        for hook in _logs(where, "hooks/*/*.log", {}, faults)
    ]
    tasks = _logs(where, "async/*.log", codes, faults)
    services = _logs(where, "services/*.log", {}, faults)
    held = {basename(task.log) for task in tasks}
    tasks += [
        LogStatus(
            event.name, event.data["phase"], event.data["hook"], "waiting", None, None,
            event.data["log"],
        )
        for event in events
        if event.kind == "task" and basename(event.data["log"]) not in held
    ]  # fmt: skip
    phases = _phases(facts["mode"], hooks, events)
    return RunStatus(
        run=facts["run"],
        mode=facts["mode"],
        state=_state(phases, events),
        top_dir=facts["top_dir"],
        run_dir=str(where),
        start=facts["start"],
        phases=phases,
        tasks=tasks,
        services=_told(services, where, facts["top_dir"]),
        notes=[*(event.name for event in events if event.kind == "warning"), *faults],
        unheeded=[t.name for t in tasks if t.status in BAD and basename(t.log) not in heeded],
    )


def _told(services: list[LogStatus], run_dir: Path, top_dir: str) -> list[LogStatus]:
    """Tell services that were stopped from those that are gone though nobody has stopped them."""
    unstopped = {os.path.realpath(log) for log in records.logs(records.directory(top_dir)).values()}
    return [
        replace(service, status="ended")
        if service.status == "lost" and os.path.realpath(run_dir / service.log) not in unstopped
        else service
        for service in services
    ]


def _logs(
    run_dir: Path, pattern: str, codes: dict[str, int | None], faults: list[str]
) -> list[LogStatus]:
    found = []
    root = str(run_dir)
    # Names, not paths: of 100,000 logs a `Path` each takes longer than what is in them.
    for log_name in glob(pattern, root_dir=root, include_hidden=True):
        try:
            record = tasklog.read(f"{root}/{log_name}")
        except LogError:  # it has not begun
            continue
        except OSError as error:
            faults.append(f"log {log_name!r} cannot be read: {error.strerror or error}")
            continue
        header, footer = record.header, record.footer or {}
        start = header.get("start", 0.0)
        status, code = state_of(header, record.footer, codes.get(basename(log_name)))
        end = time.time() if status == "running" else footer.get("end")
        log = LogStatus(
            str(header.get("name")), str(header.get("phase", "")), str(header.get("hook", "")),
            status, code, None if end is None else round(max(0.0, end - start), 6),
            log_name,
        )  # fmt: skip
        found.append((start, log_name, log))
    return [log for *_, log in sorted(found, key=lambda item: item[:2])]


def _phases(mode: str, hooks: list[LogStatus], events: list[Event]) -> list[PhaseStatus]:
    ends = {event.name: event.data for event in events if event.kind == "phase-end"}
    phases = []
    for phase in lifecycle.phases_of(mode):
        own = [hook for hook in hooks if hook.phase == phase.label]
        # A phase that was run again has two logs of a hook; the last one counts.
        last = list({hook.name: hook for hook in own}.values())
        end = ends.get(phase.label)
        if any(hook.status == "running" for hook in last):
            status = "running"
        elif end is not None:
            how = end.get("how")  # one that a hook has left off by `exit 0` has not failed
            stopped = how == "interrupted" or any(h.status == "interrupted" for h in last)
            bad = "unfinished" if how == "left off" else "failed"
            status = "ok" if end.get("ok") else "interrupted" if stopped else bad
        else:
            bad = next((hook.status for hook in last if hook.status in BAD), "")
            status = bad or ("ok" if last else "to come")
        spent = [hook.duration_s for hook in own if hook.duration_s is not None]
        duration = sum(spent) if own else None
        duration = end.get("duration_s", duration) if end is not None else duration
        phases.append(PhaseStatus(phase.label, status, duration, last))
    return phases


def _state(phases: list[PhaseStatus], events: list[Event]) -> str:
    states = [phase.status for phase in phases if phase.status != "to come"]
    if "running" in states:
        return "running"
    if states and states[-1] in BAD:
        return "interrupted" if states[-1] == "interrupted" else "failed"
    ended = any(event.kind == "run-end" and event.data.get("complete") for event in events)
    return "complete" if ended else "unfinished"


def _lines(run: RunStatus) -> Iterable[str]:
    done = sum(phase.status == "ok" for phase in run.phases)
    yield f"{run.mode} run {shown(run.run)}: {run.state}, {done} of {len(run.phases)} phases"
    yield f"  tree   {shown(run.top_dir)}"
    yield f"  logs   {shown(run.run_dir)}"
    yield f"  begun  {_iso(run.start)}"
    yield "phases"
    for phase in run.phases:
        count = counted(len(phase.hooks), "hook") if phase.hooks else ""
        yield _row(phase.status, phase.name, phase.duration_s, count)
        for hook in phase.hooks:
            if hook.status != "ok":
                code = f"status {hook.exit_code}, " if hook.exit_code is not None else ""
                yield "  " + _row(hook.status, hook.name, hook.duration_s, f"{code}{hook.log}")
    for title, logs in (("tasks", run.tasks), ("services", run.services)):
        if logs:
            yield title
        for log in logs:
            yield _row(log.status, log.name, log.duration_s, log.log)
    if run.notes:
        yield "notes"
        yield from (f"  {shown(note)}" for note in run.notes)


def _in_short(run: RunStatus) -> Iterable[str]:
    """Yield what matters most where there is little room: how far it is, and what is not well."""
    yield next(iter(_lines(run)))
    marks = [(SYMBOLS.get(p.status, "·"), p.name.rpartition(" ")[2]) for p in run.phases]
    yield "  ".join(f"{mark} {name}" for mark, name in marks)
    hooks = [hook for phase in run.phases for hook in phase.hooks]
    for log in (*hooks, *run.tasks, *run.services):
        if log.status not in ("ok", "ended"):
            yield _row(log.status, log.name, log.duration_s, log.log)
    counts = Counter(task.status for task in run.tasks)
    if counts:
        yield f"tasks  ({', '.join(f'{count} {status}' for status, count in counts.items())})"
    yield "in short; print(_) tells all"


def _row(status: str, name: str, duration_s: float | None, more: str) -> str:
    took = seconds(duration_s) if duration_s is not None else ""
    line = f"  {SYMBOLS.get(status, '·')} {shown(name):<24} {status:<11} {took:>12}  {shown(more)}"
    return line.rstrip()


def _iso(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
