"""What a panel leaves in a notebook: the view of its widget, and a summary that needs no script."""

from __future__ import annotations

import time
import uuid
from typing import Any

from stacknb.exceptions import BadInput

__all__ = ["Summary", "show_widget"]

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


class Summary:
    """The summary in one cell.

    Parameters
    ----------
    since : float
        When the cell began: what ended before is not told in detail; epoch seconds.

    """

    def __init__(self, since: float) -> None:
        self.since = since
        self._drawn = float("-inf")
        self._name = uuid.uuid4().hex
        self._bundle: dict[str, str] = {}

    @property
    def age_s(self) -> float:
        """How long ago it was drawn, seconds."""
        return time.monotonic() - self._drawn

    def draw(self, bundle: dict[str, str]) -> None:
        """Show it, or change what is shown."""
        from IPython.display import publish_display_data

        self._drawn = time.monotonic()
        if bundle == self._bundle:
            return
        options: dict[str, Any] = {
            "transient": {"display_id": self._name},
            "update": bool(self._bundle),
        }
        publish_display_data(bundle, **options)  # type: ignore[no-untyped-call] # IPython's
        self._bundle = bundle
