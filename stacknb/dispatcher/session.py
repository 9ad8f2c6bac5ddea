"""What the calls of a stack share: its tree, the run under way, who has the shell, who listens."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stacknb import lifecycle
from stacknb.dispatcher.worker import Worker
from stacknb.exceptions import Interrupted, ShellDied
from stacknb.hooks import cellhooks
from stacknb.lifecycle import Hook
from stacknb.places import STATE
from stacknb.plugins import Plugin
from stacknb.results import RunResult
from stacknb.run.audience import Audience
from stacknb.run.order import Order
from stacknb.run.run import Run
from stacknb.run.settings import Settings
from stacknb.rundir.journal import RunDir
from stacknb.shell.environment import inherited
from stacknb.snapshots.vault import Vault

__all__ = ["Session"]

_TURN_S = 0.1


class Session:
    """The state of a `Stack`, below each group of its calls; what is public is described there."""

    def __init__(self, order: Order, run_dir: str | os.PathLike[str] | None) -> None:
        self.top_dir, self.parallel = order.top_dir, order.parallel
        self.plugins = list(order.plugins)
        self.cells = cellhooks.new_folder()
        self.worker: Worker | None = None
        self._order = order
        self._run_dir = run_dir
        self._audience = Audience()
        self.listeners = self._audience.listeners
        self._run: Run | None = None
        self._door, self._process = threading.RLock(), os.getpid()
        self._depth = 0  # of the calls that give the shell to hooks
        self.at_work_in = 0  # the thread of the last of them
        self.unwanted: set[int] = set()  # threads that are not to begin

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
        following = self._run.course.next
        return following.label if following is not None else None

    @property
    def next_hook(self) -> Hook | None:
        """The hook that `step` with ``hook=True`` sources next; None between phases.

        Examples
        --------
        >>> added = stack.add_hook("50-hello.sh", "echo hello")
        >>> done = stack.step(hook=True)
        >>> stack.next_hook.name
        '50-hello.sh'
        """
        return self._run.next_hook if self._run is not None else None

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
        if self._is_elsewhere:
            return
        self._audience.stopping = self.busy
        if self._run is not None:
            self._run.shell.interrupt()

    def reset(self) -> None:
        """End the run under way, so that the next call begins a new one; hooks are interrupted.

        Examples
        --------
        >>> done = stack.step()
        >>> stack.reset()
        >>> stack.next_phase
        'override_defaults'
        """
        if self._is_elsewhere:
            return
        while not self._lock.acquire(timeout=_TURN_S):
            self.interrupt()  # of a worker, an executor, or whichever thread is at work
        try:
            run, self._run = self._run, None
            if run is not None:
                run.close()
        finally:
            self._lock.release()

    # -- within ----------------------------------------------------------------------------------

    @property
    def _is_elsewhere(self) -> bool:
        """Whether the run is that of the process which has forked this one."""
        return self._process != os.getpid()

    @property
    def _lock(self) -> threading.RLock:
        if self._is_elsewhere:  # a thread may hold it that was not forked along
            raise ShellDied(
                "the shell of this run is that of the process which has forked this one; "
                "begin a new run"
            )
        return self._door

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Hold the shell; an interrupt that comes meanwhile finds its end, whenever it comes.

        A Ctrl-C between two hooks, or while Python itself is busy, is the same stop to the user.
        """
        try:
            with self._lock:
                if threading.get_ident() in self.unwanted:
                    raise Interrupted  # while it waited for its turn
                if not self._depth:
                    self._audience.stopping, self.at_work_in = False, threading.get_ident()
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                    if not self._depth and self._run is not None:
                        self._run.settle()
        except KeyboardInterrupt as stop:
            raise Interrupted from stop

    @property
    def _mode(self) -> str:
        return self._run.mode if self._run is not None else "stack"

    @property
    def _enabled(self) -> list[Plugin]:
        """The plugins that are enabled by now."""
        return self._run.roster.plugins if self._run is not None else self.plugins

    def _under_way(self, mode: str, anew: bool) -> Run | None:
        """Return the run under way if it is of that mode, and has not ended where `anew`."""
        run = self._run
        return run if run and run.mode == mode and not (anew and run.course.over) else None

    def _begin(self, mode: str, anew: bool = False, before: Path | None = None) -> Run:
        """Return the run under way, or a new one: of another mode, or `anew` after its end.

        `before` is the directory of the run that has to go before it.
        """
        lifecycle.phases_of(mode)  # refuses what is no mode, before anything is given up
        with self._lock:
            if (run := self._under_way(mode, anew)) is not None:
                return run
            order = self._order_now()
            facts = order.facts() | ({"before": str(before)} if before is not None else {})
            folder = RunDir.create(self._run_dir, mode, facts)  # if it is refused, nothing ends
            try:
                self.reset()
                self._run = Run(mode, order, folder, self._audience)
            except BaseException:
                folder.abandon()
                raise
            if self._run_dir is None:
                folder.point_latest()
            self._run_dir = None
            if said := order.rival(folder.path):
                self._run.note(said)
            is_first = mode != "stack" and before is None  # otherwise the run before has said it
            if is_first and (said := order.lacks(mode, folder.path)):
                self._run.note(said)
            return self._run

    def _take_up(self, folder: RunDir, facts: Mapping[str, Any]) -> None:
        """Go on with an earlier run, which began with these `facts`, if it left a snapshot."""
        Vault(folder.path / STATE).check()
        self._order = replace(self._order, settings=Settings.of_run(folder.path, facts))
        self.cells = Path(facts.get("cells") or self.cells)
        order = self._order_now()
        self._run = Run(facts["mode"], order, folder, self._audience, resumed=True)

    def _order_now(self) -> Order:
        """Return what a run is given that begins now."""
        env = inherited(self._order.env)
        return replace(self._order, plugins=tuple(self.plugins), cells=self.cells, env=env)
