"""Where things are, whatever becomes of the working directory later."""

from __future__ import annotations

import os
from pathlib import Path

from stacknb.exceptions import BadInput

__all__ = ["absolute"]


def absolute(path: str | os.PathLike[str] = "") -> Path:
    """Return the absolute path; by default that of the working directory.

    Raises
    ------
    BadInput
        If that was deleted, so that nothing can be found from it.
    """
    try:
        return Path(os.path.abspath(path))
    except FileNotFoundError:
        raise BadInput(
            "the working directory is gone: somebody has deleted it; change to one that is there"
        ) from None
