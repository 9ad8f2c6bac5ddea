"""Stack: the one door. Run a phase, start a task, wait, look at the variables, stop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stacknb import lifecycle, snapshot
from stacknb.exceptions import BadInput, Interrupted, TaskFailed, WaitTimeout
from stacknb.journal import Event, RunDir
from stacknb.plugins import Plugin, check_tree, parse_plugins, read_settings
from stacknb.results import HookResult, Result, RunResult
from stacknb.run import Run
from stacknb.shell import check_bash, checked_environment
from stacknb.tasks import Task, TaskResult, wait_for_end

if TYPE_CHECKING:  # pandas takes half a second to import; most calls need none of it
    import pandas as pd

__all__ = ["Listener", "Stack", "current"]

_current: Stack | None = None


class Listener(Protocol):
    """Who shows a run: is told every event, and the time about ten times a second."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    def on_tick(self) -> None:
        """Take the time to look again."""


def current() -> Stack:
    """Return the notebook's stack: the one made last that is not closed.

    Raises
    ------
    BadInput
        If there is none.
    """
    if _current is None:
        raise BadInput("no stack yet: begin with %stack TOP_DIR")
    return _current


class Async:
    """The calls of a `Stack` to be awaited: ``await stack.aio.run()``; they run in a thread."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stack, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


class Stack:
    """A tree of hooks, and the run of it that is under way.

    Parameters
    ----------
    top_dir : path-like
        The folder with ``extras.d``, or a DevStack tree.
    plugins : iterable of ``NAME=DIR``, or mapping of names to folders
        Enabled from the start, in this order.
    run_dir : path-like, optional
        Where the first run goes; by default ``./.stacknb/runs/<UTC time>-<mode>``.
    localrc, local_conf : path-like, optional
        A file of settings in bash, sourced before the first phase; or a DevStack local.conf, whose
        ``[[local|localrc]]`` part is.
    parallel : bool
        False runs every task in the foreground (``DEVSTACK_PARALLEL=False``).
    jobs : int, optional
        How many tasks may run at once; others wait for a free place.
    env : mapping, optional
        Variables added to the environment of the shell.

    Raises
    ------
    BadInput
        If there is no such folder, or nothing in it to run.

    Examples
    --------
    >>> with Stack("notebooks/webshop") as stack:          # doctest: +SKIP
    ...     stack.run(until="install")
    """

    def __init__(
        self,
        top_dir: str | os.PathLike[str],
        *,
        plugins: Iterable[str] | Mapping[str, str | Path] = (),
        run_dir: str | os.PathLike[str] | None = None,
        localrc: str | os.PathLike[str] | None = None,
        local_conf: str | os.PathLike[str] | None = None,
        parallel: bool = True,
        jobs: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        global _current
        self.plugins: list[Plugin] = parse_plugins(plugins)
        self.top_dir = check_tree(top_dir, self.plugins)
        check_bash()
        if jobs is not None and jobs < 1:
            raise BadInput(f"jobs {jobs!r} should be at least 1")
        self.listeners: list[Listener] = []
        self.aio = Async(self)
        self._localrc = read_settings(localrc, local_conf)
        self._run_dir = run_dir
        self._parallel = parallel
        self._jobs = jobs
        self._env = {**os.environ, **checked_environment(env or {})}
        self._run: Run | None = None
        self._lock = threading.RLock()
        _current = self

    # -- the lifecycle ---------------------------------------------------------------------------

    def plan(self, mode: str = "stack") -> pd.DataFrame:
        """Say what a run would source; starts nothing.

        Parameters
        ----------
        mode : {'stack', 'unstack', 'clean'}

        Returns
        -------
        DataFrame
            A row for each hook, in order: ``phase``, ``hook``, ``path``, ``args`` (tuple of str),
            ``warning`` (str, empty if none), ``run`` (the mode of the run: clean unstacks first).
        """
        import pandas as pd

        known = self._run.plugins if self._run is not None else self.plugins
        rows = [
            (hook.phase.label, hook.name, str(hook.path), hook.args, hook.warning, run)
            for run, hook in lifecycle.plan(mode, self.top_dir, known)
        ]
        return pd.DataFrame(rows, columns=["phase", "hook", "path", "args", "warning", "run"])

    def run(self, mode: str = "stack", until: str | None = None) -> RunResult:
        """Run every phase of a mode in order; goes on where `step` or `until` stopped.

        Parameters
        ----------
        mode : {'stack', 'unstack', 'clean'}
            ``clean`` performs a run of ``unstack`` first.
        until : str, optional
            The last phase to run.

        Returns
        -------
        RunResult

        Raises
        ------
        HookFailed
            If a hook ended the run; it can be mended and its phase run again.
        Interrupted
            If the user stopped it.
        """
        last = lifecycle.find_phase(until, mode) if until is not None else None
        with self._lock:
            before = self.run("unstack") if mode == "clean" and self._fresh(mode) else None
            run = self._begin(mode, anew=True)
            if before is not None:
                run.result.hooks[:0] = before.hooks
            if last is not None and last.label in run.result.phases:
                raise BadInput(f"phase {last.label!r} is done already; leave out until, or reset")
            while (phase := run.next_phase) is not None:
                run.run_phase(phase)
                if phase == last:
                    break
            self._finish_if_done(run)
            return run.result

    def run_phase(self, phase: str, mode: str = "stack") -> list[HookResult]:
        """Run one phase; the last one may be run again.

        Raises
        ------
        BadInput
            If there is no such phase, or it is out of order: says what to run first.
        HookFailed, Interrupted
            As `run`.
        """
        wanted = lifecycle.find_phase(phase, mode)
        with self._lock:
            if self._run is not None and self._run.mode == mode:
                self._run.check_turn(wanted)
            elif wanted != lifecycle.phases_of(mode)[0]:
                first = lifecycle.phases_of(mode)
                names = ", ".join(repr(p.label) for p in first[: first.index(wanted)])
                raise BadInput(f"phase {wanted.label!r} is out of order: run {names} first")
            run = self._begin(mode)
            results = run.run_phase(wanted)
            self._finish_if_done(run)
            return results

    def step(self, mode: str = "stack") -> list[HookResult]:
        """Run the next phase (or again the one that failed).

        Raises
        ------
        BadInput
            If every phase is done.
        HookFailed, Interrupted
            As `run`.
        """
        with self._lock:
            if self._run is not None and self._run.mode == mode and self._run.result.complete:
                raise BadInput(f"every phase of {mode!r} is done; %stack reset begins anew")
            run = self._begin(mode)
            phase = run.next_phase
            if phase is None:
                raise BadInput(f"the run of {mode!r} has ended; %stack reset begins anew")
            results = run.run_phase(phase)
            self._finish_if_done(run)
            return results

    # -- tasks -----------------------------------------------------------------------------------

    @property
    def tasks(self) -> dict[str, Task]:
        """Every task of the run by its name, whoever started it; of one name the newest."""
        return dict(self._run.tasks.all()) if self._run is not None else {}

    def async_run(
        self,
        name: str,
        *argv: str,
        after: str | Sequence[str] = (),
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Task:
        """Start a background task in the stack's shell, whose variable space it sees as of now.

        Parameters
        ----------
        name : str
            Letters, digits, ``.``, ``_`` and ``-``.
        *argv : str
            The command and its arguments, as given; a function of the shell or a program.
            Without any, the function of that name.
        after : str or sequence of str
            Tasks that have to end well before this one starts.
        timeout : float, optional
            Seconds after which its whole process group is ended.
        cwd : path-like, optional
            Its working directory.

        Raises
        ------
        BadInput
            If the name cannot be one or is in use, or a task it comes after is unknown or failed.
        """
        options: list[str] = []
        for other in [after] if isinstance(after, str) else after:
            options += ["--after", other]
        if timeout is not None:
            if not timeout > 0:
                raise BadInput(
                    f"timeout {timeout!r} of task {name!r} should be more than 0 seconds"
                )
            options += ["--timeout", f"{float(timeout):f}"]
        if cwd is not None:
            options += ["--cwd", os.fspath(cwd)]
        run = self._begin(self._mode)
        return run.tasks.start(name, [str(word) for word in argv] or [name], options)

    def async_wait(self, *names: str, timeout: float | None = None) -> list[TaskResult]:
        """Wait for tasks, whoever started them; without a name for every uncollected one.

        Parameters
        ----------
        *names : str
        timeout : float, optional
            Seconds; the tasks run on after it.

        Returns
        -------
        list of TaskResult
            In the order of the names.

        Raises
        ------
        TaskFailed
            If any did not end well. All are waited for first; the error carries every result.
        BadInput
            If a task of that name was never started; names the nearest.
        WaitTimeout
            After `timeout`.
        Interrupted
            If the user stopped the wait; the tasks run on.
        """
        if self._run is None:
            if names:
                raise BadInput(f"no task {names[0]!r} was started: there is no run yet")
            return []
        book = self._run.tasks
        tasks = [book.find(name) for name in names] if names else book.uncollected()
        begun = time.time()
        try:
            left = wait_for_end(tasks, timeout)
        except KeyboardInterrupt:
            waited = ", ".join(repr(task.name) for task in tasks if task.running)
            raise Interrupted(f"stopped waiting for {waited}; it runs on") from None
        ended = [task for task in tasks if task not in left]
        results = [task.result or book.collect(task, begun) for task in ended]
        if left:
            waited = ", ".join(repr(task.name) for task in left)
            raise WaitTimeout(f"{waited} did not end within {timeout} s; it runs on", results)
        if not all(results):
            raise TaskFailed(results)
        return results

    def cancel(self, *names: str) -> list[TaskResult]:
        """End tasks with their whole process groups; returns when these are empty.

        Raises
        ------
        BadInput
            If a task of that name was never started.
        """
        if self._run is None:
            raise BadInput("there is no run yet, so there is no task to cancel")
        book = self._run.tasks
        return [book.cancel(task) for task in [book.find(name) for name in names]]

    # -- the shell -------------------------------------------------------------------------------

    def evaluate(self, code: str) -> Result:
        """Run bash in the stack's shell, at its top level and without errexit.

        Raises
        ------
        HookFailed
            If it ended the shell; the session goes on from the snapshot.
        """
        with self._lock:
            return self._begin(self._mode).evaluate(code)

    def variables(self, pattern: str = "*") -> pd.DataFrame:
        """Return the shell's variables as they stand.

        Parameters
        ----------
        pattern : str
            A glob for the names.

        Returns
        -------
        DataFrame
            ``name``, ``type`` (string, integer, array, associative, nameref), ``value`` (str; of
            secrets a mask), ``exported``, ``readonly``, ``local`` (a local variable of a frame
            that the last failure left).
        """
        import pandas as pd

        with self._lock:
            shell = self._begin(self._mode).shell
            failed = self._run is not None and self._run.failed is not None
            lost = snapshot.matching(shell.lost_locals, pattern) if failed else []
            pairs = [(v, False) for v in shell.variables(pattern)] + [(v, True) for v in lost]
        rows = [
            (v.name, v.kind, snapshot.MASK if snapshot.is_secret(v.name) else v.text(),
             "x" in v.flags, "r" in v.flags, local)
            for v, local in pairs
        ]  # fmt: skip
        columns = ["name", "type", "value", "exported", "readonly", "local"]
        return pd.DataFrame(rows, columns=columns)

    # -- state -----------------------------------------------------------------------------------

    @property
    def run_dir(self) -> Path | None:
        """Directory of the run under way, or of the last; None before the first."""
        return self._run.folder.path if self._run is not None else None

    @property
    def result(self) -> RunResult | None:
        """The run under way, as far as it went."""
        return self._run.result if self._run is not None else None

    @property
    def next_phase(self) -> str | None:
        """The phase that `step` would run; None at the end."""
        if self._run is None:
            return lifecycle.phases_of("stack")[0].label
        following = self._run.next_phase
        return following.label if following is not None else None

    def begin(self) -> Path:
        """Begin a run, if none is under way; return its directory."""
        return self._begin(self._mode).folder.path

    def interrupt(self) -> None:
        """End the foreground command of the hook that runs, from any thread."""
        if self._run is not None:
            self._run.shell.interrupt()

    def reset(self) -> None:
        """End the run under way, so that the next call begins a new one."""
        with self._lock:
            run, self._run = self._run, None
            if run is not None:
                run.close()

    def close(self) -> None:
        """End the shell and every task; services started by ``run_process`` go on."""
        global _current
        self.reset()
        if _current is self:
            _current = None

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._run is None:
            return f"<stack of {self.top_dir}, no run yet>"
        return f"<stack of {self.top_dir}: {self._run.result!r}>"

    @classmethod
    def resume(cls, run_dir: str | os.PathLike[str]) -> Stack:
        """Open a run that ended early (a failed hook, a dead kernel) and go on from its snapshot.

        Parameters
        ----------
        run_dir : path-like
            Its directory, or a folder with ``.stacknb/runs/latest``.

        Returns
        -------
        Stack
            `step` runs the phase that comes next; `run` all that are left.

        Raises
        ------
        BadInput
            If there is no such run, or it left no snapshot.
        """
        folder = RunDir.open(run_dir)
        facts = folder.facts()
        stack = cls(
            facts["top_dir"], plugins=facts["plugins"], parallel=facts["parallel"],
            jobs=facts["jobs"],
        )  # fmt: skip
        if not (folder.path / "state" / "snapshot.bash").exists():
            raise BadInput(f"run {str(folder.path)!r} left no snapshot to resume from; stack anew")
        stack._run = stack._new_run(facts["mode"], folder, resumed=True)
        return stack

    # -- within ----------------------------------------------------------------------------------

    @property
    def _mode(self) -> str:
        return self._run.mode if self._run is not None else "stack"

    def _fresh(self, mode: str) -> bool:
        return self._run is None or self._run.mode != mode or self._run.next_phase is None

    def _begin(self, mode: str, anew: bool = False) -> Run:
        """Return the run under way, or a new one: of another mode, or `anew` after its end."""
        with self._lock:
            run = self._run
            if run is not None and run.mode == mode and not (anew and run.next_phase is None):
                return run
            self.reset()
            facts = {
                "top_dir": str(self.top_dir),
                "plugins": [f"{plugin.name}={plugin.folder}" for plugin in self.plugins],
                "parallel": self._parallel,
                "jobs": self._jobs,
            }
            folder = RunDir.create(self._run_dir, mode, facts)
            self._run_dir = None
            self._run = self._new_run(mode, folder)
            return self._run

    def _new_run(self, mode: str, folder: RunDir, resumed: bool = False) -> Run:
        return Run(
            mode, self.top_dir, self.plugins, folder, env=self._env, parallel=self._parallel,
            jobs=self._jobs, localrc=self._localrc, emit=self._emit, tick=self._tick,
            resumed=resumed,
        )  # fmt: skip

    def _finish_if_done(self, run: Run) -> None:
        if run.next_phase is None and not run.result.complete:
            run.finish()

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener.on_event(event)

    def _tick(self) -> None:
        for listener in self.listeners:
            listener.on_tick()
