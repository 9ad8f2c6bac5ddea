"""Where the time of a run went: logs to pandas frames, figures and answers.

Loaded when first needed: pandas is not, where only `stacknb.timing.following` is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Prediction": "whatif",
    "Run": "run",
    "compare": "comparison",
    "load": "run",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'stacknb.timing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"stacknb.timing.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
