"""A frame that shows itself as text for people, where a table of cells would not be read."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["ReadableFrame"]


class ReadableFrame(pd.DataFrame):
    """A frame with words of its own; what pandas makes from it is an ordinary frame."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def text(self) -> str:
        """Return it for people."""
        raise NotImplementedError

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.text())
