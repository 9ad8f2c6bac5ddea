"""Stack, the one door: how it is made, resumed and closed, and which one is the notebook's."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn, Self

from stacknb import lifecycle
from stacknb.dispatcher.authoring import Authoring
from stacknb.dispatcher.awaiting import Async
from stacknb.dispatcher.background import Background
from stacknb.dispatcher.looking import Looking
from stacknb.dispatcher.stepping import Stepping
from stacknb.exceptions import BadInput
from stacknb.places import FACTS
from stacknb.plugins import check_tree, parse_plugins
from stacknb.run.order import Order
from stacknb.run.settings import Settings
from stacknb.rundir.journal import RunDir
from stacknb.shell.environment import (
    check_bash,
    check_processes,
    checked_environment,
    inherited,
)

__all__ = ["Stack", "at_hand", "current"]

_current: Stack | None = None


def at_hand() -> Stack | None:
    """Return the notebook's stack, if there is one."""
    return _current


def current() -> Stack:
    """Return the notebook's stack: the one made last that is not closed.

    Raises
    ------
    BadInput
        If there is none.

    Examples
    --------
    >>> stacknb.current() is stack
    True
    """
    if _current is None:
        raise BadInput("no stack yet: begin with %stack TOP_DIR, or %stack resume after a restart")
    return _current


class Stack(Stepping, Looking, Background, Authoring):
    """A tree of hooks, and the run of it that is under way.

    `run`, `run_phase` and `step` source hooks, `async_run` and `async_wait` are for tasks,
    `evaluate` is for bash of your own; `plan`, `variables`, `changes` and `tasks` only look.

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
        Variables added to the environment, which a run takes over as it is when it begins.

    Attributes
    ----------
    top_dir : Path
    plugins : list of Plugin
        Enabled from the start, or by a cell since.
    parallel : bool
    cells : Path
        Where the hooks from cells lie, over those of the tree.
    listeners : list of Listener
        Are told every event of a run.
    worker : Worker or None
        What `start` began last.
    aio : Async
        The same calls, to be awaited.
    closed : bool

    Raises
    ------
    BadInput
        If there is no such folder, or nothing in it to run.

    Examples
    --------
    >>> with stacknb.Stack(tree) as stack:
    ...     stack.run(until="source").phases
    ['override_defaults', 'source']
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
        given = parse_plugins(plugins)
        tree = check_tree(top_dir, given)
        if jobs is not None and (type(jobs) is not int or jobs < 1):  # True is an int, too
            raise BadInput(f"jobs {jobs!r} should be a whole number, at least 1")
        settings = Settings.given(localrc, local_conf)
        added = checked_environment(env or {})
        check_bash(inherited(added).get("PATH"))
        check_processes()
        order = Order(tree, tuple(given), None, settings, parallel, jobs, added)
        super().__init__(order, run_dir)
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
        folder.lock.take()
        stack: Self | None = None
        try:
            facts = folder.facts()
            lifecycle.check_recorded(facts["mode"], folder.path / FACTS)
            if not os.path.isdir(facts["top_dir"]):
                raise BadInput(
                    f"run {str(folder.path)!r} is of tree {facts['top_dir']!r}, which is no longer "
                    "there, and what it has set names that place: put it back, or stack anew"
                )
            stack = cls(
                facts["top_dir"], plugins=facts["plugins"], parallel=facts["parallel"],
                jobs=facts["jobs"],
            )  # fmt: skip
            stack._take_up(folder, facts)
        except BaseException:
            if stack is not None:
                stack.close()
            folder.close()
            raise
        return stack

    def close(self) -> None:
        """End the shell and every task; services started by ``run_process`` go on.

        Examples
        --------
        >>> stack.close()
        """
        global _current
        self.reset()
        self.closed = True
        if _current is self:
            others = self._open_ones()
            _current = others[-1]() if others else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._run is None:
            return f"<stack of {self.top_dir}, no run yet>"
        return f"<stack of {self.top_dir}: {self._run.result!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a stack cannot be copied or pickled: it holds a shell of this process; its run_dir "
            "can be handed on, for Stack.resume"
        )

    def take_over(self) -> None:
        """Make this the notebook's stack again, though another was made since.

        Examples
        --------
        >>> stack.take_over()
        >>> stacknb.current() is stack
        True
        """
        global _current
        before = [] if _current is None else _current._open_ones()
        self._earlier = [one for one in before if one() is not self]
        _current = self

    def _open_ones(self) -> list[weakref.ref[Stack]]:
        """Return the stacks up to this one that are open and that somebody still holds."""
        known = [*self._earlier, weakref.ref(self)]
        return [one for one in known if (stack := one()) is not None and not stack.closed]
