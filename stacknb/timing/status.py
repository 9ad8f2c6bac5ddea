"""How a task or hook ended, from its log and its wait; or that it runs, or that nobody can tell."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from stacknb import processes

__all__ = ["ended_as", "still_runs"]

_TOLERANCE_S = 2.0  # the clock may have been set a little since


def ended_as(
    header: Mapping[str, Any], footer: Mapping[str, Any] | None, wait_code: int | None
) -> tuple[str, int | None]:
    """Return status and exit code.

    Parameters
    ----------
    header, footer : dict, dict or None
        Of the log.
    wait_code : int or None
        What the wait got from the kernel; it wins over a footer that claims success, which a task
        killed after printing one could have forged.
    """
    if wait_code == 127 and footer is None:  # bash's word for a process that it knows nothing of
        return "lost", wait_code
    if wait_code and (footer is None or footer["exit_code"] == 0):
        return ("killed" if wait_code > 128 else "failed"), wait_code
    if footer is not None:
        code = int(footer["exit_code"])
        status = footer.get("status")
        if status in ("cancelled", "timeout", "killed", "lost"):
            return str(status), code
        return ("failed" if code else "ok"), code
    if wait_code is None and still_runs(header):
        return "running", None
    return "lost", wait_code


def still_runs(header: Mapping[str, Any]) -> bool:
    """Tell whether the process that began the log lives on this machine."""
    pid, host = header.get("pid"), header.get("host")
    if not isinstance(pid, int) or pid <= 0 or host != socket.gethostname():
        return False
    if not processes.alive(pid):
        return False
    began = processes.started_at(pid)
    start = header.get("start")
    if began is None or not isinstance(start, int | float):
        return True
    return began <= start + _TOLERANCE_S  # otherwise its number went to another process
