"""DevStack's hook lifecycle and background tasks in a notebook.

In a notebook ``%load_ext stacknb`` adds the magics; ``%stack?`` lists what they do. In Python
`Stack` is a tree of hooks and the run of it, `current` returns the notebook's, `Panel` shows a run
live, and ``stacknb.timing`` tells where its time went. Every error is a `StacknbError`.

Examples
--------
>>> with stacknb.Stack(tree) as stack:
...     result = stack.run()
>>> stacknb.timing.load(result.run_dir).tasks["name"].tolist()
['stock']
"""

# Everything is loaded when it is first needed, so that importing costs next to nothing.

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors, which do not call __getattr__
    from stacknb import timing as timing
    from stacknb.dispatcher import Stack as Stack
    from stacknb.dispatcher import current as current
    from stacknb.exceptions import BadInput as BadInput
    from stacknb.exceptions import HookFailed as HookFailed
    from stacknb.exceptions import Interrupted as Interrupted
    from stacknb.exceptions import StacknbError as StacknbError
    from stacknb.exceptions import TaskFailed as TaskFailed
    from stacknb.exceptions import WaitTimeout as WaitTimeout
    from stacknb.widgets import Panel as Panel

__version__ = "0.1.0"

_HOME = {
    "BadInput": "exceptions",
    "HookFailed": "exceptions",
    "Interrupted": "exceptions",
    "Panel": "widgets",
    "Stack": "dispatcher",
    "StacknbError": "exceptions",
    "TaskFailed": "exceptions",
    "WaitTimeout": "exceptions",
    "current": "dispatcher",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"stacknb.{_HOME[name]}"), name)
    if name == "timing":
        return importlib.import_module("stacknb.timing")
    raise AttributeError(f"module 'stacknb' has no attribute {name!r}")


def __dir__() -> list[str]:
    own = [name for name in globals() if name.startswith("__")]
    return sorted([*own, *__all__, "load_ipython_extension", "timing"])


def load_ipython_extension(ipython: Any) -> None:
    """Add the magics and their completion: ``%load_ext stacknb``."""
    from stacknb import magics
    from stacknb.notebook import completion

    ipython.register_magics(magics.StackMagics(ipython))
    completion.register(ipython)
