"""Frames that show the columns that tell most, where there is no room for all that they hold."""

from __future__ import annotations

import html
import shutil

import pandas as pd

from stacknb.text.screen import counted
from stacknb.timing.columns import fitting, texts

__all__ = ["AnswerFrame", "TextFrame"]

_ROOM = 128  # characters beside JupyterLab's file browser, in a window of 1280 px
_GAP = 3
_ROWS = 60  # more are cut, as pandas does it
_KEPT = 5  # of these at either end


class TextFrame(pd.DataFrame):
    """A frame that is cut as text alone, where pandas would leave out the columns in the middle.

    What pandas makes from it is an ordinary frame.

    Attributes
    ----------
    what : str
        The question that it answers, if that says which columns there are to show.
    """

    _metadata = ["what"]  # noqa: RUF012  # pandas has it so
    what = ""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        table, count = self._fitting(shutil.get_terminal_size((_ROOM, 0)).columns)
        with pd.option_context("display.max_colwidth", None):
            return f"{table.to_string()}\n\n[{count}]"

    def _fitting(self, room: int) -> tuple[pd.DataFrame, str]:
        """Return what fits into a number of characters, and how much there is besides."""
        cut = len(self) > _ROWS
        part = self.iloc[[*range(_KEPT), *range(-_KEPT, 0)]] if cut else self
        cells, labels = texts(part, self.what), [*map(str, part.index)]
        if cut:
            for column in (labels, *cells.values()):
                column.insert(_KEPT, "…")
        widths = {name: max(map(len, [name, *column])) for name, column in cells.items()}
        kept = fitting(widths, room, _GAP)
        table = pd.DataFrame({name: cells[name] for name in kept}, index=labels, dtype=object)
        hidden = [str(name) for name in self.columns if name not in kept]
        also = f"; the frame also has {', '.join(hidden)}" if hidden else ""
        return table, f"{counted(len(self), 'row')} × {len(self.columns)} columns{also}"


class AnswerFrame(TextFrame):
    """The frame of an answer.

    Attributes
    ----------
    nothing : str
        What is shown in its place where it has no rows.
    """

    _metadata = ["what", "nothing"]  # noqa: RUF012
    nothing = ""

    def _repr_html_(self) -> str:
        if self.nothing:
            return f"<p>{html.escape(self.nothing)}</p>"
        table, count = self._fitting(_ROOM)
        with pd.option_context("display.max_colwidth", None):
            return f"{table.to_html(notebook=True)}<p>{count}</p>"

    def __repr__(self) -> str:
        return self.nothing or super().__repr__()
