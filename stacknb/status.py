"""What a run directory says of itself, in words and as a document: a board that is read once.

Needs neither bash nor pandas.
"""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stacknb import lifecycle
from stacknb.board.board import Board
from stacknb.board.logs import LogReader
from stacknb.board.states import AGAIN, PhaseState, TaskState
from stacknb.places import FACTS
from stacknb.rundir.ending import BAD, ENDED, state_of
from stacknb.rundir.journal import RunDir
from stacknb.supervision import services as records
from stacknb.text import budget
from stacknb.text.screen import SYMBOLS, counted, quoted, seconds
from stacknb.text.signs import shown

__all__ = ["LogStatus", "PhaseStatus", "RunStatus", "read"]

_UNHEEDED = "nobody waited for it"
_UNSTOPPED = "gone, though nobody has stopped it"


@dataclass(frozen=True)
class LogStatus:
    """A hook, a task or a service, as its log has it.

    Attributes
    ----------
    name, phase, hook : str
        `hook` is the one that started a task.
    status : str
        ``running``, ``ok``, ``failed``, ``killed``, ``cancelled``, ``timeout``, ``lost``; of a hook
        also ``interrupted``, of a task also ``waiting`` (held back), of a service ``ended``.
    exit_code : int or None
    duration_s : float or None
        Seconds, so far if it runs.
    log : str
        Path within the run directory.
    superseded : bool
        Of a task: its phase was begun again, so that this try of it is past.
    """

    name: str
    phase: str
    hook: str
    status: str
    exit_code: int | None
    duration_s: float | None
    log: str
    superseded: bool = False


@dataclass(frozen=True)
class PhaseStatus:
    """A phase, as its last try has it.

    Attributes
    ----------
    status : str
        ``ok``, ``failed``, ``interrupted``, ``running``, ``to come``; ``unfinished``: left off, or
        left between two hooks; ``skipped``: it will not come; ``lost``: its shell is gone.
    duration_s : float or None
        Seconds, so far if it runs.
    hooks : list of LogStatus
        Those that have begun.
    """

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
    resume : str
        The command that goes on with it; empty if it is over, or a process is at work on it.
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
    resume: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing has gone `wrong`, as the exit status of the run says."""
        return not self.wrong

    @property
    def wrong(self) -> str:
        """What has gone wrong, in a few words: a phase has failed, or a task is `unheeded`."""
        for phase in (phase for phase in self.phases if phase.status in BAD):
            if hook := next((hook for hook in phase.hooks if hook.status in BAD), None):
                return f"{hook.name!r} {ENDED[hook.status]}"
            return f"phase {phase.name!r} {ENDED[phase.status]}, outside of its hooks"
        if self.unheeded:
            return f"nobody waited for {quoted(self.unheeded)}, which did not end well"
        stopped = self.state not in ("running", "complete")
        if stopped and all(phase.status == "ok" for phase in self.phases):
            return "the run has stopped behind its last phase, before its end"
        return ""

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
        If there is no run, or its ``run.json`` is damaged.
    """
    folder = RunDir.open(path)
    lifecycle.check_recorded(folder.facts()["mode"], folder.path / FACTS)
    board = Board(lambda: folder.path, alone=True)
    board.update(thoroughly=True)
    board.tasks.read_logs()
    now = time.time()
    tasks = [_task(task, now) for task in sorted(board.tasks, key=_begun)]
    unheeded = {t.key for t in board.tasks if t.status in BAD and not (t.heeded or t.superseded)}
    logs = LogReader(folder.path)
    services = list(_services(logs, folder.path, board.top_dir, now))
    return RunStatus(
        run=folder.run,
        mode=board.mode,
        state=board.state,
        top_dir=board.top_dir,
        run_dir=str(folder.path),
        start=board.started,
        phases=[_phase(phase, folder.path, now) for phase in board.phases],
        tasks=tasks,
        services=services,
        notes=[*board.notes, *logs.faults.values()],
        unheeded=[task.name for task in tasks if task.log in unheeded],
        resume=_resume(folder, board),
    )


def _resume(folder: RunDir, board: Board) -> str:
    if board.mode != "stack" or not board.next_phase or folder.lock.is_held():
        return ""
    words = ("stacknb", "stack", board.top_dir, "--resume", "--run-dir", str(folder.path))
    return shlex.join(words)


def _phase(phase: PhaseState, run_dir: Path, now: float) -> PhaseStatus:
    hooks = [
        LogStatus(
            hook.name, phase.label, hook.name, hook.status, hook.exit_code,
            _rounded(hook.spent(now)),
            os.path.relpath(hook.log, run_dir),
        )
        for hook in phase.begun_hooks()
    ]  # fmt: skip
    return PhaseStatus(phase.label, phase.status, _rounded(phase.spent(now)), hooks)


def _task(task: TaskState, now: float) -> LogStatus:
    return LogStatus(
        task.name, task.phase, task.hook, task.status, task.exit_code, _rounded(task.spent(now)),
        task.key, task.counted_as == AGAIN,
    )  # fmt: skip


def _begun(task: TaskState) -> tuple[bool, float, str]:
    return task.status == "waiting", task.begun or 0.0, task.key


def _services(logs: LogReader, run_dir: Path, top_dir: str, now: float) -> Iterator[LogStatus]:
    """Tell services that were stopped from those that are gone though nobody has stopped them."""
    unstopped = {os.path.realpath(log) for log in records.logs(records.directory(top_dir)).values()}
    read = [(record, name) for name in logs.names("services") if (record := logs.read(name))]
    for record, name in sorted(read, key=lambda item: item[0].header.get("start", 0.0)):
        header, took = record.header, record.duration_s
        status, code = state_of(header, record.footer, None)
        if status == "running":
            took = max(0.0, now - header.get("start", 0.0))
        if status == "lost" and os.path.realpath(run_dir / name) not in unstopped:
            status = "ended"
        yield LogStatus(
            str(header.get("name")), str(header.get("phase", "")), str(header.get("hook", "")),
            status, code, _rounded(took), name,
        )  # fmt: skip


def _rounded(took: float | None) -> float | None:
    return None if took is None else round(took, 6)


def _lines(run: RunStatus) -> Iterable[str]:
    done = sum(phase.status == "ok" for phase in run.phases)
    yield f"{run.mode} run {shown(run.run)}: {run.state}, {done} of {len(run.phases)} phases"
    yield f"  tree   {shown(run.top_dir)}"
    yield f"  logs   {shown(run.run_dir)}"
    yield f"  begun  {_iso(run.start)}"
    if run.resume:
        yield f"  resume {shown(run.resume)}"
    yield "phases"
    for phase in run.phases:
        count = counted(len(phase.hooks), "hook") if phase.hooks else ""
        yield _row(phase.status, phase.name, phase.duration_s, count)
        for hook in phase.hooks:
            if hook.status != "ok":
                yield "  " + _row(hook.status, hook.name, hook.duration_s, _where(hook))
    newest = {task.name: task for task in run.tasks}  # of each name: an earlier one is collected
    ill = {id(newest[name]): _UNHEEDED for name in run.unheeded}
    ill |= {id(service): _UNSTOPPED for service in run.services if service.status == "lost"}
    for title, logs in (("tasks", run.tasks), ("services", run.services)):
        if logs:
            yield title
        for log in logs:
            yield _row(log.status, log.name, log.duration_s, _where(log, ill.get(id(log), "")))
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
        if log.status not in ("ok", "ended") and not log.superseded:
            yield _row(log.status, log.name, log.duration_s, log.log)
    counts = Counter(AGAIN if task.superseded else task.status for task in run.tasks)
    if counts:
        yield f"tasks  ({', '.join(f'{count} {status}' for status, count in counts.items())})"
    yield "in short; print(_) tells all"


def _where(log: LogStatus, more: str = "") -> str:
    known = log.status != "ok" and log.exit_code is not None
    code = f"status {log.exit_code}" if known else ""
    return ", ".join(filter(None, (code, log.log, AGAIN if log.superseded else more)))


def _row(status: str, name: str, duration_s: float | None, more: str) -> str:
    took = seconds(duration_s) if duration_s is not None else ""
    line = f"  {SYMBOLS.get(status, '·')} {shown(name):<24} {status:<11} {took:>12}  {shown(more)}"
    return line.rstrip()


def _iso(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
