"""One run: its directory, its shell, how far it has come; phase by phase, hook by hook."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stacknb import failures, lifecycle, plugins, screen, services, tasklog
from stacknb.exceptions import BadInput, HookFailed, Interrupted
from stacknb.history import History
from stacknb.journal import Event, RunDir
from stacknb.lifecycle import Hook, Phase
from stacknb.plugins import Plugin
from stacknb.results import HookResult, Result, RunResult
from stacknb.shell import Shell, Turn, quote
from stacknb.taskbook import TaskBook

__all__ = ["Run"]

_HERE = Path(__file__).parent
_SHOWN = 1 << 20  # bytes of a cell's output that its result holds


class Run:
    """One execution of a lifecycle.

    Parameters
    ----------
    mode : str
    top_dir : Path
    given : sequence of Plugin
        Enabled from the start.
    folder : RunDir
    env : dict
        Environment of the shell.
    parallel : bool
    jobs : int, optional
    localrc : str
        Bash that is sourced before the first phase; may be empty.
    emit : callable
        Is told every event.
    tick : callable
        Is called about ten times a second while a hook runs.
    resumed : bool
        Go on from the snapshot in `folder`, after the phases its journal says are done.
    """

    def __init__(
        self,
        mode: str,
        top_dir: Path,
        given: Sequence[Plugin],
        folder: RunDir,
        *,
        env: dict[str, str],
        parallel: bool,
        jobs: int | None,
        localrc: str,
        emit: Callable[[Event], None],
        tick: Callable[[], None],
        resumed: bool = False,
    ) -> None:
        self.mode = mode
        self.top_dir = top_dir
        self.plugins = list(given)
        self.folder = folder
        self.result = RunResult(mode, folder.path)
        self.failed: Phase | None = None
        self.hook: Hook | None = None
        self._emit_to = emit
        self._tick = tick
        self._localrc = localrc
        self._cells = 0
        self._given_up = False
        self.shell = Shell(folder.path, folder.run, env=env, jobs=jobs, setup=self._setup(parallel))
        self.tasks = TaskBook(folder, self.shell)
        self._history = History(folder.path)
        if resumed:
            self.result.phases = folder.phases_done()
            self.shell.restore()
        else:
            self.emit("run-start", mode, top_dir=str(top_dir), run_dir=str(folder.path))

    # -- the lifecycle -------------------------------------------------------------------------

    @property
    def next_phase(self) -> Phase | None:
        """The phase that comes next, or None at the end."""
        if self._given_up:
            return None
        left = [p for p in lifecycle.phases_of(self.mode) if p.label not in self.result.phases]
        return left[0] if left else None

    def check_turn(self, phase: Phase) -> None:
        """Refuse a phase that is out of order.

        Raises
        ------
        BadInput
            Names what to run first.
        """
        order = list(lifecycle.phases_of(self.mode))
        done = self.result.phases
        missing = [p.label for p in order[: order.index(phase)] if p.label not in done]
        if missing:
            names = ", ".join(repr(name) for name in missing)
            raise BadInput(f"phase {phase.label!r} is out of order: run {names} first")
        if phase.label in done and done[-1] != phase.label:
            following = f"; next is {self.next_phase.label!r}" if self.next_phase else ""
            raise BadInput(
                f"phase {phase.label!r} is out of order: {done[-1]!r} is done already{following}"
            )

    def run_phase(self, phase: Phase) -> list[HookResult]:
        """Source the hooks of one phase.

        Raises
        ------
        HookFailed
            If a hook ended the shell. The session goes on from its snapshot.
        Interrupted
            If the user stopped it.
        """
        hooks = lifecycle.hooks_of(phase, self.top_dir, self.plugins)
        for hook in hooks:
            if hook.fault:
                raise BadInput(f"hook {hook.name!r} ({str(hook.path)!r}): {hook.fault}")
        if phase == self.failed or phase.label in self.result.phases:
            self._forget_tasks_of(phase)
            self.result.phases = [label for label in self.result.phases if label != phase.label]
        self.failed = phase
        begun = time.time()
        self.emit("phase-start", phase.label, hooks=[hook.name for hook in hooks])
        results: list[HookResult] = []
        try:
            if not self.result.phases and self._localrc:
                path = self.folder.path / "state" / "localrc"
                path.touch(mode=0o600)
                path.write_text(self._localrc, "utf-8", "surrogateescape")
                self._turn(Hook(phase, "localrc", path, ()))
            for hook in hooks:
                results.append(self._source(hook))
                self.result.hooks.append(results[-1])
                if self._given_up:
                    break
        finally:
            self.hook = None
            ok = len(results) == len(hooks) and all(result.ok for result in results)
            self.emit("phase-end", phase.label, ok=ok, duration_s=time.time() - begun)
        self.failed = None
        self.result.phases.append(phase.label)
        return results

    def _forget_tasks_of(self, phase: Phase) -> None:
        # Its hooks start them again, under the same names.
        for task in self.tasks.uncollected():
            if task.phase == phase.label and task.hook:
                self.tasks.cancel(task)
                self.note(f"cancelled task {task.name!r} of the earlier try of {phase.label!r}")

    def finish(self) -> None:
        """Collect what nobody waited for, and keep DevStack's tables of times."""
        phase = lifecycle.phases_of(self.mode)[-1]
        if self.tasks.uncollected():
            self._turn(Hook(phase, "async_cleanup", _HERE / "bash" / "cleanup.bash", ()))
        if self.mode == "stack":
            tables = (self.shell.call(name)[1] for name in ("time_totals", "async_print_timing"))
            self.result.timing = "".join(tables).strip("\n")
        else:
            self.end_services()
        self.result.complete = not self._given_up
        self.emit("run-end", self.mode, ok=self.result.ok, complete=self.result.complete)

    def end_services(self) -> list[str]:
        """End every service of the tree that still runs; return their names."""
        records = services.directory(self.top_dir)
        ended = [name for name in services.names(records) if services.stop(records, name)]
        if ended:
            self.note(f"ended services still running: {', '.join(ended)}")
        return ended

    def evaluate(self, code: str) -> Result:
        """Run bash as a cell: at top level of the shell, without errexit.

        Raises
        ------
        HookFailed, Interrupted
            If it ended the shell; the session goes on from its snapshot.
        """
        self._cells += 1
        cell = self.folder.path / "cells" / f"{self._cells}.bash"
        cell.write_text(code if code.endswith("\n") else code + "\n", "utf-8", "surrogateescape")
        mode, _, sub = self.result.phases[-1].partition(" ") if self.result.phases else ("", "", "")
        done = self._turn(Hook(Phase(mode, sub), str(self._cells), cell, ()), kind="cell")
        assert done.log is not None
        stdout = tasklog.tail_bytes(done.log, _SHOWN)
        with done.log.with_suffix(".err").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _SHOWN))
            stderr = file.read()
        out, err = (data.decode("utf-8", "replace") for data in (stdout, stderr))
        return Result(code, done.exit_code, out, err, done.log)

    def close(self) -> None:
        """End the shell with everything it started."""
        self.shell.close()

    # -- events and notes --------------------------------------------------------------------------

    def emit(self, kind: str, name: str, **data: object) -> None:
        """Write an event to the journal and tell it."""
        event = Event(kind, time.time(), name, data)
        self.folder.write(event)
        self._emit_to(event)

    def note(self, text: str) -> None:
        """Keep something the user should know, once."""
        if text not in self.result.notes:
            self.result.notes.append(text)
            self.emit("warning", text)

    # -- within ------------------------------------------------------------------------------------

    def _setup(self, parallel: bool) -> str:
        facts = {
            "TOP_DIR": str(self.top_dir),
            "RC_DIR": str(self.top_dir),
            "FILES": str(self.top_dir / "files"),
            "_stacknb_python": sys.executable,
            "_stacknb_home": str(_HERE.parent),
            "_stacknb_services": str(services.directory(self.top_dir)),
            "BASH_ARGV0": str(self.top_dir / f"{self.mode}.sh"),
        }
        lines = [f"{name}={quote(value)}" for name, value in facts.items()]
        lines.append(': "${DEST:=$TOP_DIR/.stacknb/dest}"')
        if plugins.is_devstack(self.top_dir):
            lines.append(
                'source "$TOP_DIR/functions"; _stacknb_load; _TIME_BEGIN=${EPOCHREALTIME%[!0-9]*}'
            )
        else:
            lines.append(f"source {quote(str(_HERE / 'bash' / 'helpers.bash'))}")
        lines.append(
            f"DEVSTACK_PARALLEL=${{DEVSTACK_PARALLEL:-{parallel}}}"
            if parallel
            else "DEVSTACK_PARALLEL=False"
        )
        for plugin in self.plugins:
            lines.append(f"enable_plugin {quote(plugin.name)} {quote(str(plugin.folder))}")
            lines.append(f"GITDIR[{quote(plugin.name)}]={quote(str(plugin.folder))}")
        if self.mode == "stack":
            lines.append("_stacknb_flags=e")
        return "\n".join(lines)

    def _source(self, hook: Hook) -> HookResult:
        if hook.warning:
            self.note(f"{hook.name}: {hook.warning}")
        if hook.skipped:
            return HookResult(hook.phase.label, hook.name, "skipped", 0, 0.0, None)
        return self._turn(hook)

    def _turn(self, hook: Hook, kind: str = "hook") -> HookResult:
        """Give the shell a turn; after a turn that ended it, start it again from its snapshot."""
        label, command = hook.phase.label, [str(hook.path), *hook.args]
        log = self.folder.new_log(kind, hook.name, command, label, self.shell.pid)
        if not self._history.begun:
            self._history.keep(self.shell.save(), kind="begin")
        self.hook, begun = hook, time.time()
        self.emit("hook-start", hook.name, phase=label, log=str(log), what=kind)
        turn = self.shell.turn(
            kind=kind, name=hook.name, phase=label, path=str(hook.path), args=hook.args, log=log,
            err=log.with_suffix(".err") if kind == "cell" else None,
            hands_off=hook.deals_with_err, tick=self._tick,
        )  # fmt: skip
        self.hook, duration = None, time.time() - begun
        interrupted = self.shell.interrupted
        failure = None
        self._history.keep(
            self.shell.snapshot if turn.outcome != "lost" else None,
            kind=kind, phase=label, name=hook.name, start=begun, end=begun + duration,
        )  # fmt: skip
        if turn.outcome == "lost":
            _close_log(log, turn)
        if turn.outcome != "done":
            self.shell.restore()
            failure = failures.explain(turn, hook.name, hook.path, log, interrupted)
        gentle = turn.how == "exit" and turn.status == 0 and kind == "hook"
        status = "interrupted" if interrupted else "failed" if failure and not gentle else "ok"
        result = HookResult(label, hook.name, status, turn.status, duration, log, failure)
        self.emit(
            "hook-end", hook.name, phase=label, status=status, duration_s=duration, log=str(log)
        )
        self._note_plugins(turn)
        if gentle:
            self._given_up = True
            self.note(
                f"{hook.name} called exit 0, which ends the whole run with status 0: no later hook "
                "runs (hardly ever meant; use return)"
            )
        if status != "ok":
            if kind == "hook":
                self.result.hooks.append(result)
            raise self._error(result, kind)
        return result

    def _error(self, result: HookResult, kind: str) -> HookFailed | Interrupted:
        again = f"mend it and run {result.phase!r} again" if kind == "hook" else ""
        if result.status == "failed":
            assert result.failure is not None
            return HookFailed(result.failure, again)
        place = f" at {result.failure.place}" if result.failure else ""
        running = ", ".join(task.name for task in self.tasks.uncollected() if task.running)
        tasks = f"; tasks running on: {running}" if running else ""
        command = f"\n  command {result.failure.command}" if result.failure else ""
        return Interrupted(
            f"{result.name!r} was interrupted{place} after {screen.seconds(result.duration_s)}"
            f"{tasks}{command}\n  log     {result.log}",
            result.failure,
        )

    def _note_plugins(self, turn: Turn) -> None:
        if turn.outcome != "lost":
            known = {plugin.name: plugin for plugin in self.plugins}
            self.plugins = [
                known.get(name) or Plugin(name, Path(folder))
                for name, folder in turn.plugins.items()
            ]
            for sentence in plugins.misordered(self.plugins, turn.requires):
                self.note(sentence)


def _close_log(log: Path, turn: Turn) -> None:
    with log.open("ab") as file:
        header = tasklog.read_header(log)
        file.write(tasklog.end_line(header, end=time.time(), exit_code=turn.status))
