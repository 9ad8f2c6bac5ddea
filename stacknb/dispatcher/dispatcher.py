"""Stack: the one door. Run a phase, start a task, wait, look at the variables, stop."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NoReturn

from stacknb.dispatcher import tables
from stacknb.dispatcher.listening import Listener
from stacknb.dispatcher.stepping import Stepping
from stacknb.exceptions import BadInput
from stacknb.results import Result

if TYPE_CHECKING:  # pandas takes half a second to import; most calls need none of it
    import pandas as pd

__all__ = ["Listener", "Stack", "at_hand", "current"]

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


class Stack(Stepping):
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
    closed : bool
        Whether it was closed.

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

    def close(self) -> None:
        """End the shell and every task; services started by ``run_process`` go on.

        Examples
        --------
        >>> stack.close()
        """
        global _current
        super().close()
        if _current is self:
            others = self._open_ones()
            _current = others[-1]() if others else None

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

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a stack cannot be copied or pickled: it holds a shell of this process; its run_dir "
            "can be handed on, for Stack.resume"
        )

    # -- the shell -------------------------------------------------------------------------------

    def evaluate(self, code: str) -> Result:
        """Run bash in the stack's shell, at its top level and without errexit.

        Raises
        ------
        HookFailed
            If it ended the shell; the session goes on from the snapshot.
        Interrupted
            If the user stopped it.

        Examples
        --------
        >>> stack.evaluate("echo $((6 * 7))").tail()
        '42'
        """
        with self._at_work():
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

        Examples
        --------
        >>> done = stack.run(until="source")
        >>> stack.variables("SHOP_*")["value"].tolist()
        ['corner']
        """
        with self._lock:
            shell = self._begin(self._mode).shell
            failed = self._run is not None and self._run.failed is not None
            own, lost = shell.variables(), shell.lost_locals if failed else []
            return tables.variables(own, lost, pattern)
