"""The kernel that this is, if it is one, and who has it execute a cell."""

from __future__ import annotations

import re
import sys
from typing import Any

__all__ = ["asked", "asked_by_console", "in_notebook", "shows_panels"]

_BY_PYTHON = re.compile(r".+_\d+_\d+")  # jupyter_client: session, process, count


def in_notebook() -> bool:
    """Tell whether this is a kernel, whose displays can be updated."""
    return _kernel() is not None


def asked_by_console() -> bool:
    """Tell whether a console asks the kernel: it does not show what becomes of a display.

    Such are jupyter console and Qt console: clients in Python, with somebody at the keyboard. What
    executes notebooks has nobody there, and pages are no Python.
    """
    message = asked()
    named = _BY_PYTHON.fullmatch(str(message.get("header", {}).get("msg_id")))
    answers = message.get("content", {}).get("allow_stdin", False)
    return bool(named and answers and "cellId" not in message.get("metadata", {}))


def shows_panels() -> bool:
    """Tell whether a cell can show a panel, or at least its summary as that changes."""
    return in_notebook() and not asked_by_console()


def asked() -> dict[str, Any]:
    """Return the message that has the kernel execute the cell; empty where there is no kernel."""
    kernel = _kernel()
    return kernel.get_parent("shell") if hasattr(kernel, "get_parent") else {}


def _kernel() -> Any:
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None)
