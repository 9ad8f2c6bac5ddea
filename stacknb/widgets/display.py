"""What a panel leaves in a notebook: the view of its widget, and a summary that needs no script."""

from __future__ import annotations

import time
import uuid
from typing import Any

from stacknb.board import Board
from stacknb.exceptions import BadInput
from stacknb.notebook.ledger import KERNEL
from stacknb.progress import page
from stacknb.text import budget

__all__ = ["Summaries", "show_widget"]

_VIEW = "application/vnd.jupyter.widget-view+json"


def show_widget(widget: Any, title: str, dock: bool) -> None:
    """Show a widget in the output of the cell, or beside the notebook.

    Raises
    ------
    BadInput
        If it is to be docked and the package ``sidecar`` is missing.
    """
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {_VIEW: view, "text/plain": "(the live panel; its summary follows)"}
    if not dock:
        display(bundle, raw=True)  # type: ignore[no-untyped-call] # IPython's
        return
    try:
        from sidecar import Sidecar
    except ImportError:
        raise BadInput(
            "'--dock' needs the package 'sidecar': install stacknb[dock], reload the page and try "
            "again; without --dock the panel is shown here"
        ) from None
    with Sidecar(title=title, anchor="split-right"):
        display(bundle, raw=True)  # type: ignore[no-untyped-call] # IPython's


class Summaries:
    """What a panel leaves in cells: the summary of the newest is kept up to date."""

    def __init__(self) -> None:
        self._newest: _Summary | None = None

    def begin(self, board: Board, since: float) -> None:
        """Show one in this cell.

        Parameters
        ----------
        board : Board
        since : float
            When the cell began: what ended before is not told in detail; epoch seconds.
        """
        self._newest = _Summary(since)
        self.draw(board)

    def draw(self, board: Board, pause_s: float = 0.0) -> bool:
        """Bring the newest up to date, unless it was drawn less than `pause_s` ago."""
        newest = self._newest
        if newest is None or time.monotonic() - newest.drawn <= pause_s:
            return False
        newest.draw(board)
        return True

    def leave(self, board: Board) -> None:
        """Leave the newest as it is; of a run that goes on, which is soon no more true, less."""
        self.draw(board)
        if self._newest is not None:
            if board.state == "running":
                self._newest.publish(page.moved(board))
            self._newest.leave()
        self._newest = None


class _Summary:
    # What it may grow to is entered in the ledger when it begins, and in the end what it took.
    def __init__(self, since: float) -> None:
        self.drawn = float("-inf")
        self._since = since
        self._bundle: dict[str, str] = {}
        self._name = uuid.uuid4().hex
        self._most = budget.SUMMARY
        self._entry = KERNEL.put(None, 0)

    def draw(self, board: Board) -> None:
        """Show it, or change what is shown."""
        self.drawn = time.monotonic()
        if board.run_dir != self._entry.run:
            if self._entry.run is not None and board.phase is None:
                return  # after a reset: the next run has nothing to tell yet, this one has
            self._entry.run, self._entry.size = board.run_dir, 0
            self._most = KERNEL.room(board.run_dir, budget.SUMMARY, budget.LINE)
            self._entry.size = self._most + budget.VIEW + 2 * budget.OUTPUT
        self.publish(page.bundle(board, self._since, self._most))

    def publish(self, bundle: dict[str, str]) -> None:
        """Show this, or put it in the place of what is shown."""
        from IPython.display import publish_display_data

        if bundle == self._bundle:
            return
        options: dict[str, Any] = {
            "transient": {"display_id": self._name},
            "update": bool(self._bundle),
        }
        publish_display_data(bundle, **options)  # type: ignore[no-untyped-call] # IPython's
        self._bundle = bundle

    def leave(self) -> None:
        """Enter what it took."""
        taken = budget.stored(self._bundle) + budget.VIEW
        self._entry.size = taken + 2 * budget.OUTPUT
