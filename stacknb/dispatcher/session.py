"""A tree of hooks with its settings, the run of it that is under way, and who listens to it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from stacknb import lifecycle
from stacknb.dispatcher.awaiting import Async
from stacknb.dispatcher.listening import Listener
from stacknb.dispatcher.worker import Worker
from stacknb.exceptions import BadInput, Interrupted
from stacknb.hooks import cellhooks
from stacknb.journal import Event, RunDir
from stacknb.plugins import Plugin, check_tree, parse_plugins
from stacknb.results import RunResult
from stacknb.run.run import Run
from stacknb.run.settings import Settings
from stacknb.shell.environment import check_bash, checked_environment, inherited
from stacknb.snapshots.vault import Vault

__all__ = ["Session"]


class Session:
    """What `Stack` keeps between its calls; its parameters are described there."""

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
        self.plugins: list[Plugin] = parse_plugins(plugins)
        self.top_dir = check_tree(top_dir, self.plugins)
        if jobs is not None and (type(jobs) is not int or jobs < 1):  # True is an int, too
            raise BadInput(f"jobs {jobs!r} should be a whole number, at least 1")
        self.listeners: list[Listener] = []
        self._settings = Settings.given(localrc, local_conf)
        self._run_dir = run_dir
        self.parallel = parallel
        self._jobs = jobs
        self._added = checked_environment(env or {})
        check_bash(inherited(self._added).get("PATH"))
        self.cells = cellhooks.new_folder()
        self.worker: Worker | None = None
        self._run: Run | None = None
        self._lock = threading.RLock()
        self._depth = 0  # of the calls that give the shell to hooks
        self._stopping = False
        self.aio = Async(self)
        self.closed = False
        self.take_over()

    @classmethod
    def resume(cls, run_dir: str | os.PathLike[str]) -> Self:
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
            If there is no such run, it left no snapshot, or another process works on it.

        Examples
        --------
        >>> done = stack.step()
        >>> run_dir = stack.run_dir
        >>> stack.close()
        >>> with stacknb.Stack.resume(run_dir) as again:
        ...     again.next_phase
        'source'
        """
        folder = RunDir.open(run_dir)
        folder.take()
        stack: Self | None = None
        try:
            facts = folder.facts()
            stack = cls(
                facts["top_dir"], plugins=facts["plugins"], parallel=facts["parallel"],
                jobs=facts["jobs"],
            )  # fmt: skip
            if Vault(folder.path / "state").newest is None:
                lacking = f"run {str(folder.path)!r} left no snapshot to resume from"
                raise BadInput(f"{lacking}; stack anew")
            stack._settings = Settings.of_run(folder.path, facts)
            stack.cells = Path(facts.get("cells") or stack.cells)
            stack._run = stack._new_run(facts["mode"], folder, dict(os.environ), resumed=True)
        except BaseException:
            if stack is not None:
                stack.close()
            folder.close()
            raise
        return stack

    @property
    def run_dir(self) -> Path | None:
        """Directory of the run under way, or of the last; None before the first.

        Examples
        --------
        >>> stack.run_dir is None
        True
        """
        return self._run.folder.path if self._run is not None else None

    @property
    def result(self) -> RunResult | None:
        """The run under way, as far as it went.

        Examples
        --------
        >>> done = stack.step()
        >>> stack.result.phases
        ['override_defaults']
        """
        return self._run.result if self._run is not None else None

    @property
    def next_phase(self) -> str | None:
        """The phase that `step` would run; None at the end.

        Examples
        --------
        >>> stack.next_phase
        'override_defaults'
        """
        if self._run is None:
            return lifecycle.phases_of("stack")[0].label
        following = self._run.next_phase
        return following.label if following is not None else None

    def begin(self) -> Path:
        """Begin a run, if none is under way; return its directory.

        Examples
        --------
        >>> stack.begin() == stack.run_dir
        True
        """
        return self._begin(self._mode).folder.path

    @property
    def busy(self) -> bool:
        """Whether hooks or cells run, in whichever thread.

        Examples
        --------
        >>> stack.busy
        False
        """
        return self._depth > 0

    def interrupt(self) -> None:
        """End the foreground command of the hook that runs and with it the run, from any thread.

        Examples
        --------
        >>> stack.interrupt()  # nothing runs, so nothing happens
        """
        self._stopping = self.busy
        if self._run is not None:
            self._run.shell.interrupt()

    def reset(self) -> None:
        """End the run under way, so that the next call begins a new one.

        Examples
        --------
        >>> done = stack.step()
        >>> stack.reset()
        >>> stack.next_phase
        'override_defaults'
        """
        if self.worker is not None and not self.worker.here:
            self.worker.stop()
        with self._lock:
            run, self._run = self._run, None
            if run is not None:
                run.close()

    def take_over(self) -> None:
        """Make this the notebook's stack; `Stack` knows the others."""

    def close(self) -> None:
        """End the shell and every task; services started by ``run_process`` go on."""
        self.reset()
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._run is None:
            return f"<stack of {self.top_dir}, no run yet>"
        return f"<stack of {self.top_dir}: {self._run.result!r}>"

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Hold the shell; an interrupt that comes meanwhile finds its end, whenever it comes.

        A Ctrl-C between two hooks, or while Python itself is busy, is the same stop to the user.
        """
        try:
            with self._lock:
                if not self._depth:
                    self._stopping = False
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                    if not self._depth and self._run is not None:
                        self._run.settle()
        except KeyboardInterrupt as stop:
            raise Interrupted("interrupted; the session is usable") from stop

    # -- within ----------------------------------------------------------------------------------

    @property
    def _mode(self) -> str:
        return self._run.mode if self._run is not None else "stack"

    def _under_way(self, mode: str, anew: bool) -> Run | None:
        """Return the run under way if it is of that mode, and has not ended where `anew`."""
        run = self._run
        return run if run and run.mode == mode and not (anew and run.next_phase is None) else None

    def _begin(self, mode: str, anew: bool = False, before: Path | None = None) -> Run:
        """Return the run under way, or a new one: of another mode, or `anew` after its end.

        `before` is the directory of the run that has to go before it.
        """
        lifecycle.phases_of(mode)  # refuses what is no mode, before anything is given up
        with self._lock:
            if (run := self._under_way(mode, anew)) is not None:
                return run
            env = inherited(self._added)
            facts = {
                "top_dir": str(self.top_dir),
                "plugins": [f"{plugin.name}={plugin.folder}" for plugin in self.plugins],
                "parallel": self.parallel,
                "jobs": self._jobs,
                "cpus": os.cpu_count(),
                "cells": str(self.cells),
                **self._settings.facts(),
                **({"before": str(before)} if before is not None else {}),
            }
            folder = RunDir.create(self._run_dir, mode, facts)  # if it is refused, nothing ends
            try:
                self.reset()
                self._run = self._new_run(mode, folder, env, resumed=False)
            except BaseException:
                folder.abandon()
                raise
            self._run_dir = None
            return self._run

    def _new_run(self, mode: str, folder: RunDir, env: dict[str, str], resumed: bool) -> Run:
        return Run(
            mode, self.top_dir, self.plugins, folder, env=env, parallel=self.parallel,
            jobs=self._jobs, settings=self._settings, emit=self._emit, tick=self._tick,
            check=self._check_stop, overlay=self.cells, resumed=resumed,
        )  # fmt: skip

    def _check_stop(self) -> None:
        if self._stopping:
            raise Interrupted("stopped between two hooks; the session is usable")

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener.on_event(event)

    def _tick(self) -> None:
        if self._stopping and self._run is not None:  # it came just before the hook
            self._run.shell.interrupt()
        for listener in self.listeners:
            listener.on_tick()
