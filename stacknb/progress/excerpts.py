"""The last lines of hooks that a summary has room for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stacknb.board import HookState
from stacknb.rundir.ending import BAD
from stacknb.rundir.follow import excerpt
from stacknb.text import budget

__all__ = ["WIDTH", "Excerpts"]

WIDTH = 200
_MOST = 200  # hooks looked at
_LINES = 5  # of one


class Excerpts:
    """The ends of logs; each is read once, however often a summary is tried.

    Parameters
    ----------
    run_dir : Path or None
        Is left out where a line names it.
    """

    def __init__(self, run_dir: Path | None) -> None:
        self._run_dir = run_dir
        self._read: dict[Path, list[str]] = {}

    def within(self, room: float, most: float, hooks: Iterable[HookState]) -> dict[Path, list[str]]:
        """Return the lines to show by log: the hook that runs first, then the newest.

        Parameters
        ----------
        room : float
            Bytes that they may take together.
        most : float
            Logs to show.
        hooks : iterable of HookState
            In order.
        """
        begun = [hook for hook in reversed([*hooks]) if hook.begun]
        begun.sort(key=lambda hook: hook.status == "ok")
        found: dict[Path, list[str]] = {}
        for hook in begun[:_MOST]:
            if len(found) >= most or room <= 0:
                break
            if hook.status in BAD:
                continue  # its lines are in the explanation
            if lines := budget.within(self._of(hook.log), round(room)):
                room -= sum(map(budget.cost, lines))
                found[hook.log] = lines
        return found

    def _of(self, log: Path) -> list[str]:
        if log not in self._read:
            lines = [line.replace(f"{self._run_dir}/", "") for line in excerpt(log, _LINES, WIDTH)]
            self._read[log] = [budget.cut(line, WIDTH) for line in lines]
        return self._read[log]
