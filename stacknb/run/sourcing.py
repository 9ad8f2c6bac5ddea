"""One hook or cell: its log, its turn in the shell, its snapshot, what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stacknb import tasklog
from stacknb.exceptions import Failure, Interrupted, StacknbError
from stacknb.lifecycle import Hook
from stacknb.results import HookResult
from stacknb.run import failures, opening
from stacknb.rundir import room, turnlog
from stacknb.rundir.journal import RunDir
from stacknb.shell import Shell
from stacknb.shell.turns import Turn
from stacknb.snapshots.history import History, Moment, listing

if TYPE_CHECKING:  # few runs are traced
    from stacknb.hooks.tracing import Tracer

__all__ = ["Sourcing", "since"]

_EMPTIED = (
    "its log was emptied while it ran, as '> /dev/stderr' does, or removed: what it had printed "
    "before is lost; write '>&2' (or '>> /dev/stderr')"
)


@dataclass(frozen=True)
class _Sourced:
    hook: Hook
    log: Path
    pid: int
    begun: float

    @property
    def label(self) -> str:
        return self.hook.phase.label


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
        self._last: tuple[_Sourced, Moment] | None = None  # bash is writing its snapshot
        self.origins: dict[str, str] = {}

    def source(self, hook: Hook, trace: bool = False) -> tuple[HookResult, Turn]:
        """Source a hook; after a turn that ended the shell, start it again from its snapshot.

        Nothing is raised for one that failed or was interrupted. One that called ``exit 0`` ended
        well, with its shell.
        """
        it = self._begin(hook)
        try:
            result, turn = self._give_turn(it, trace)
            self._tell_end(it, result.status, result.duration_s, result.failure)
        except BaseException as error:  # before or after all that the hook could see
            stopped = isinstance(error, KeyboardInterrupt | Interrupted)
            if tasklog.footer_of(it.log) is None:
                tasklog.close(it.log, exit_code=130 if stopped else 1)
            self._tell_end(it, "interrupted" if stopped else "failed", since(it.begun))
            raise
        return result, turn

    def _give_turn(self, it: _Sourced, trace: bool) -> tuple[HookResult, Turn]:
        hook = it.hook
        self._emit("hook-start", hook.name, phase=it.label, log=str(it.log), what=hook.kind)
        tracer = self._traced(it.log) if trace else None
        turn = self._shell.turn(tick=self._tick, meanwhile=self._store)
        duration = since(it.begun)
        has_begun = self._heed_head(it)
        failure = self._begin_again(turn, it) if turn.outcome != "done" else None
        if tracer is not None:
            tracer.end()
        if trouble := self._trouble(it.hook.what):
            failure = failure and replace(failure, reason=f"{failure.reason}: {trouble}")
        lack, gone = self._what_lacks(it, has_begun)
        if lack:
            lost = "did not keep all that it wrote"
            failure = failure or Failure(it.hook.what, turn.status or 1, lost, log=str(it.log))
            failure = replace(failure, reason=f"{failure.reason}: {lack}")
        self._remember(turn, it, duration)
        gentle = not lack and turn.how == "exit" and turn.status == 0 and hook.kind == "hook"
        status = "interrupted" if turn.interrupted else "failed" if failure and not gentle else "ok"
        code = turn.status or (1 if lack else 0)
        lack = "" if gone else lack
        return HookResult(it.label, hook.name, status, code, duration, it.log, failure, lack), turn

    # -- its begin and its end -----------------------------------------------------------------

    def _begin(self, hook: Hook) -> _Sourced:
        if lack := self._lack():  # of tasks that have ended between two turns
            self._emit("warning", f"{lack}; some of the output of tasks may be lost")
        if not self._history.begun:
            snapshot, files = self._shell.save(), listing(self._folder.path)
            self._history.keep(Moment("begin", snapshot=snapshot, files=files))
        ready, command = partial(self._free_shell, hook), [str(hook.path), *hook.args]
        # Nothing that takes its time may stand between the log and the turn, which ends it.
        log = self._folder.new_log(hook.kind, hook.name, command, hook.phase.label, ready)
        return _Sourced(hook, log, self._shell.pid, time.time())

    def _tell_end(
        self, it: _Sourced, status: str, duration: float, failure: Failure | None = None
    ) -> None:
        why = {"failure": asdict(replace(failure, last_lines=()))} if failure else {}
        self._emit(
            "hook-end", it.hook.name, phase=it.label, status=status, duration_s=duration,
            log=str(it.log), **why,
        )  # fmt: skip

    def _traced(self, log: Path) -> Tracer:
        from stacknb.hooks.tracing import Tracer, path_of

        tracer = Tracer(self._shell, path_of(self._folder.path, log))
        try:
            tracer.begin()
        except OSError as error:
            raise room.refusal(self._folder.path, error, "nothing can be traced") from error
        return tracer

    def _free_shell(self, hook: Hook, log: Path) -> int:
        self._shell.prepare(opening.turn(hook, log))
        self._catch_up()  # before a shell that was lost is revived, and nobody sees that it was
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
            (it, moment), self._last = self._last, None
            self._history.keep(replace(moment, snapshot=snapshot))
            if not self._trouble(it.hook.what):
                return
            pid = self._shell.pid
            self._shell.revive()
            if self._shell.pid != pid:
                again = repr(it.label) if it.hook.kind == "hook" else "it"
                raise StacknbError(
                    "bash was killed, or its scratch folder removed, while it wrote the snapshot "
                    f"of {it.hook.what}, so what that has set is lost; run {again} again"
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

    # -- what became of its log, of its shell and of its snapshot --------------------------------

    def _heed_head(self, it: _Sourced) -> bool:
        """Say whether its log has a header, which one that the hook has emptied gets back."""
        has_one, pid = turnlog.has_begun(it.log), self._shell.pid
        if has_one and pid == it.pid:  # not so if that shell was killed just before the turn
            return True
        if not it.log.exists():
            return False
        command = [str(it.hook.path), *it.hook.args]
        header = turnlog.header(
            self._folder.run, it.hook.kind, it.hook.name, command, it.label, pid, it.begun
        )
        has_begun = tasklog.put_head(it.log, header, instead=has_one)
        if not has_one:  # in DevStack stdout is a pipe, and this does no harm there
            self._emit("warning", f"{it.hook.what}: {_EMPTIED}")
        return has_begun

    def _what_lacks(self, it: _Sourced, has_begun: bool) -> tuple[str, bool]:
        """Say what could not be written, mostly nothing, and whether its log is gone."""
        lack = self._lack()
        is_there = it.log.exists() if lack else has_begun
        gone = self._folder.path.exists() and not is_there
        if gone:
            lost = "its log was removed while it ran"
            self._emit("warning", f"{it.hook.what}: {lost}; what it held is lost")
            lack = lack and lost
        return lack, gone

    def _begin_again(self, turn: Turn, it: _Sourced) -> Failure:
        """Start the shell again that the turn has ended; say why it did."""
        footer = tasklog.footer_of(it.log) if turn.outcome == "died" else None
        if footer is None or footer["exit_code"] != turn.status:
            # bash gave no answer and wrote no footer, or its EXIT trap did not see the signal.
            known = dict(footer or {})
            tasklog.reopen(it.log)
            if turn.status > 128 and turn.outcome != "foreseen":
                known["status"] = "killed"
            elif turn.status == 0 and turn.how != "exit":
                known["status"] = "failed"  # it never came to its end
            tasklog.close(it.log, **{**known, "exit_code": turn.status})
        self._shell.restore()
        self._shell.evaluate(opening.forgetting_timers(it.begun))
        return failures.explain(turn, it.hook, it.log, self.origins)

    def _remember(self, turn: Turn, it: _Sourced, duration: float) -> None:
        """Put its snapshot into the history, as soon as there is one."""
        moment = Moment(
            it.hook.kind, it.label, it.hook.name, it.begun, it.begun + duration,
            files=listing(self._folder.path),
        )  # fmt: skip
        if turn.outcome == "done":
            self._last = it, moment
        else:
            snapshot = self._shell.snapshot if turn.outcome != "lost" else None
            self._history.keep(replace(moment, snapshot=snapshot))

    def check_room(self) -> None:
        """Refuse to call a run whole if something could not be written since the last turn."""
        if lack := self._lack():
            raise StacknbError(f"every phase is done, but its journal is not whole: {lack}")

    def settle(self) -> None:
        """Finish what is put off while hooks follow one another."""
        self._catch_up()
        self._store()


def since(begun: float) -> float:
    """Return how many seconds ago something began; the clock may have been set back."""
    return max(0.0, time.time() - begun)
