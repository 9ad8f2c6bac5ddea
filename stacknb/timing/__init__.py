"""Where the time of a run went: logs to pandas frames, figures and answers.

Loaded when first needed: pandas is not, where only `stacknb.timing.following` is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors, which do not call __getattr__
    from stacknb.timing.comparison import compare as compare
    from stacknb.timing.run import Run as Run
    from stacknb.timing.run import load as load
    from stacknb.timing.whatif import Prediction as Prediction

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
