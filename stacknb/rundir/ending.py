"""How a task or hook ended, from its log and its wait; or that it runs, or that nobody can tell."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stacknb import tasklog
from stacknb.supervision import processes

__all__ = ["BAD", "ENDED", "is_written", "signal_name", "state_of", "status_of", "still_runs"]

BAD = ("failed", "interrupted", "killed", "timeout", "lost")  # of hooks and phases, too
ENDED = {  # in a sentence
    "failed": "failed", "killed": "was killed", "cancelled": "was cancelled",
    "interrupted": "was interrupted", "timeout": "took too long",
    "lost": "is lost (its process was killed)",
}  # fmt: skip
_TOLERANCE_S = 2.0  # the clock may have been set a little since


def state_of(
    header: Mapping[str, Any], footer: Mapping[str, Any] | None, exit_code: int | None
) -> tuple[str, int | None]:
    """Return status and exit code of one that may still run, as `status_of` if it does not."""
    if footer is None and exit_code is None and still_runs(header):
        return "running", None
    return status_of(footer, exit_code)


def status_of(footer: Mapping[str, Any] | None, exit_code: int | None) -> tuple[str, int | None]:
    """Return status and exit code of one that has ended.

    Parameters
    ----------
    footer : dict or None
        Of its log.
    exit_code : int or None
        What its shell knows. A footer that contradicts it is not believed: the task printed that.
    """
    if footer is not None and exit_code is None:
        exit_code = int(footer["exit_code"])
    if footer is not None and footer["exit_code"] != exit_code:
        footer = None
    said = (footer or {}).get("status")
    if said in ("ok", "failed", "cancelled", "timeout", "killed", "lost"):
        return str(said), exit_code
    if exit_code is None or (exit_code == 127 and footer is None):  # of no child, bash says 127
        return "lost", exit_code
    if exit_code == 0:
        return "ok", 0
    return ("killed" if exit_code > 128 and footer is None else "failed"), exit_code


def is_written(log: Path) -> bool:
    """Tell whether the process that began a log lives; there may be no log."""
    return still_runs(tasklog.header_of(log))


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


def signal_name(code: int) -> str:
    """Return the name of the signal that an exit code tells of."""
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return f"signal {code - 128}"
