"""One hook or cell: its log, its turn in the shell, its snapshot, what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stacknb import tasklog
from stacknb.exceptions import (
    BadInput,
    Failure,
    HookFailed,
    Interrupted,
    StacknbError,
)
from stacknb.journal import RunDir
from stacknb.lifecycle import Hook
from stacknb.results import HookResult
from stacknb.run import failures, opening
from stacknb.run.taskbook import TaskBook
from stacknb.rundir import room, turnlog
from stacknb.shell import Shell
from stacknb.shell.turns import Turn
from stacknb.snapshots.history import History, listing
from stacknb.text import reading, screen

if TYPE_CHECKING:  # few runs are traced
    from stacknb.hooks.tracing import Tracer

__all__ = ["Sourcing"]

_EMPTIED = (
    "its log was emptied while it ran, as '> /dev/stderr' does, or removed: what it had printed "
    "before is lost; write '>&2' (or '>> /dev/stderr')"
)


class _Emit(Protocol):
    def __call__(self, kind: str, name: str, **data: object) -> None: ...


class Sourcing:
    """Gives the shell of a run one turn after the other.

    Parameters
    ----------
    folder : RunDir
    shell : Shell
    emit : callable
        Takes an event: its kind, its name, and more by keyword.
    tick : callable
        Is called about ten times a second meanwhile.

    Attributes
    ----------
    origins : dict of str to str
        Of copies that are sourced, the user's files: errors name these.
    """

    def __init__(self, folder: RunDir, shell: Shell, emit: _Emit, tick: Callable[[], None]) -> None:
        self._folder = folder
        self._shell = shell
        self._emit = emit
        self._tick = tick
        self._history = History(folder.path)
        self._last: tuple[str, str, Callable[[bytes], None]] | None = None
        self.origins: dict[str, str] = {}

    def source(self, hook: Hook, kind: str, trace: bool = False) -> tuple[HookResult, Turn]:
        """Source a hook; after a turn that ended the shell, start it again from its snapshot.

        Parameters
        ----------
        hook : Hook
        kind : {'hook', 'cell'}
        trace : bool
            Keep each command as it ran.

        Returns
        -------
        HookResult
            Failed or interrupted as well; nothing is raised for that. A hook that called ``exit 0``
            ended well, with its shell.
        Turn
        """
        label, command = hook.phase.label, [str(hook.path), *hook.args]
        if lack := self._lack():  # of tasks that have ended between two turns
            self._emit("warning", f"{lack}; some of the output of tasks may be lost")
        log = self._folder.new_log(kind, hook.name, command, label, self._free_shell)
        pid = self._shell.pid
        if not self._history.begun:
            self._history.keep(self._shell.save(), kind="begin")
        err = log.with_suffix(".err") if kind == "cell" else None
        begun = time.time()
        self._emit("hook-start", hook.name, phase=label, log=str(log), what=kind)
        tracer = self._traced(log) if trace else None
        turn = self._shell.turn(
            kind=kind, name=hook.name, phase=label, path=str(hook.path), args=hook.args, log=log,
            err=err, hands_off=hook.deals_with_err, tick=self._tick, meanwhile=self._store,
        )  # fmt: skip
        duration = time.time() - begun
        failure, what = None, _in_words(hook.name, kind)
        has_begun = _has_begun(log)
        if not has_begun and log.exists():
            # In DevStack stdout is a pipe, and this does no harm there.
            header = turnlog.header(self._folder.run, kind, hook.name, command, label, pid, begun)
            has_begun = tasklog.put_head(log, header)
            self._emit("warning", f"{what}: {_EMPTIED}")
        if turn.outcome != "done":
            failure = self._begin_again(turn, hook, what, log, err, begun)
        if tracer is not None:
            tracer.end()
        if trouble := self._trouble(what):
            failure = failure and replace(failure, reason=f"{failure.reason}: {trouble}")
        lack = self._lack()
        is_there = log.exists() if lack else has_begun
        gone = self._folder.path.exists() and not is_there
        if gone:
            self._emit("warning", f"{what}: its log was removed while it ran; what it held is lost")
        if lack:
            lost = "did not keep all that it wrote"
            lack = "its log was removed while it ran" if gone else lack
            failure = failure or Failure(what, turn.status or 1, lost, log=str(log))
            failure = replace(failure, reason=f"{failure.reason}: {lack}")
        moment = partial(
            self._history.keep, kind=kind, phase=label, name=hook.name, start=begun,
            end=begun + duration, files=listing(self._folder.path),
        )  # fmt: skip
        if turn.outcome == "done":  # bash is writing the snapshot
            self._last = what, repr(label) if kind == "hook" else "it", moment
        else:
            moment(self._shell.snapshot if turn.outcome != "lost" else None)
        gentle = not lack and turn.how == "exit" and turn.status == 0 and kind == "hook"
        status = "interrupted" if turn.interrupted else "failed" if failure and not gentle else "ok"
        code = turn.status or (1 if lack else 0)
        result = HookResult(
            label, hook.name, status, code, duration, log, failure, "" if gone else lack
        )
        why = {"failure": asdict(replace(failure, last_lines=()))} if failure else {}
        self._emit(
            "hook-end", hook.name, phase=label, status=status, duration_s=duration, log=str(log),
            **why,
        )  # fmt: skip
        return result, turn

    def _traced(self, log: Path) -> Tracer:
        from stacknb.hooks.tracing import Tracer, path_of

        tracer = Tracer(self._shell, path_of(self._folder.path, log))
        try:
            tracer.begin()
        except OSError as error:
            raise BadInput(
                f"{room.sentence(self._folder.path, error)}: nothing can be traced; "
                f"{room.remedy(self._folder.path)}"
            ) from error
        return tracer

    def _free_shell(self) -> int:
        self._catch_up()  # first: what has been revived does not tell that it was lost
        self._shell.revive()
        return self._shell.pid

    def _catch_up(self) -> None:
        """Wait for the snapshot of the last hook; the history is written with the next one.

        Raises
        ------
        StacknbError
            If bash has ended without it: nobody has the variables of that hook any more.
        """
        if self._last is not None:
            snapshot = self._shell.snapshot
            (what, again, moment), self._last = self._last, None
            moment(snapshot)
            if not self._trouble(what):
                return
            pid = self._shell.pid
            self._shell.revive()
            if self._shell.pid != pid:
                raise StacknbError(
                    "bash was killed, or its scratch folder removed, while it wrote the snapshot "
                    f"of {what}, so what that has set is lost; run {again} again"
                )

    def _store(self) -> None:
        self._shell.settle()
        self._history.settle()

    def _trouble(self, what: str) -> str:
        if trouble := self._shell.lacked_scratch():
            self._emit("warning", f"{trouble} ({what})")
        return trouble

    def _lack(self) -> str:
        """Say that something of the run could not be written since the last turn; mostly empty."""
        journal, shell = self._folder.lacked_room(), self._shell.lacked_room()
        return self._folder.lack() if journal or shell else ""

    def _begin_again(
        self, turn: Turn, hook: Hook, what: str, log: Path, err: Path | None, begun: float
    ) -> Failure:
        footer = tasklog.footer_of(log) if turn.outcome == "died" else None
        if footer is None or footer["exit_code"] != turn.status:
            # bash gave no answer and wrote no footer, or its EXIT trap did not see the signal.
            known = dict(footer or {})
            tasklog.reopen(log)
            if turn.status > 128 and turn.outcome != "foreseen":
                known["status"] = "killed"
            tasklog.close(log, **{**known, "exit_code": turn.status})
        self._shell.restore()
        self._shell.evaluate(opening.forgetting_timers(begun))
        failure = failures.explain(turn, what, hook.path, log, turn.interrupted, err)
        return replace(failure, file=self.origins.get(failure.file, failure.file))

    def error(self, result: HookResult, kind: str, tasks: TaskBook) -> HookFailed | Interrupted:
        """Return the error that a result which is not well amounts to."""
        if result.status == "failed":
            assert result.failure is not None
            remedy = room.remedy(self._folder.path)
            mend = remedy if result.lack else "mend it"
            first = failures.to_run_first(result.failure.last_lines, tasks.ill, result.phase)
            phases = failures.to_run_again(first, result.phase)
            again = f"{mend} and run {phases} again" if kind == "hook" else ""
            if result.lack and kind != "hook":
                again = f"{remedy} and run the cell again"
            return HookFailed(result.failure, again)
        place = f" at {result.failure.place}" if result.failure else ""
        running = tuple(task.name for task in tasks.uncollected() if task.running)
        going_on = f"; tasks running on: {screen.listed(running)}" if running else ""
        said = result.failure.command if result.failure else ""
        command = f"\n  command {said}" if said else ""
        return Interrupted(
            f"{_in_words(result.name, kind)!r} was interrupted{place} after "
            f"{screen.seconds(result.duration_s)}{going_on}{command}\n  log     {result.log}",
            result.failure, running,
        )  # fmt: skip

    def check_room(self) -> None:
        """Refuse to call a run whole whose journal is not.

        Raises
        ------
        StacknbError
            If something of the run could not be written since the last turn.
        """
        if lack := self._lack():
            raise StacknbError(f"every phase is done, but its journal is not whole: {lack}")

    def settle(self) -> None:
        """Finish what is put off while hooks follow one another."""
        self._catch_up()
        self._store()


def _has_begun(log: Path) -> bool:
    try:
        with reading.opened(log) as file:
            return file.read(len(tasklog.BEGIN)) == tasklog.BEGIN
    except OSError:
        return False


def _in_words(name: str, kind: str) -> str:
    return name if kind == "hook" else f"cell {name}"
