"""What a restored shell is told of tasks: its snapshot is older than what has become of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from stacknb import tasklog
from stacknb.run.opening import between
from stacknb.supervision import processes
from stacknb.tasks import Task

__all__ = ["bash_of", "last_change", "ticks_of_old"]

_TOLERANCE_S = 0.005  # between two clocks; a start is rounded down to hundredths of a second
_QUEUE_S = 1.0  # from the event of a task to its process


def bash_of(tasks: Iterable[Task], lost: dict[str, int], run_dir: Path) -> str:
    """Return bash that makes a shell know of tasks: that they run, have ended, were waited for.

    `lost` has the exit codes of those that no process tells any more, by name.
    """
    lines = []
    for task in tasks:
        log = str(task.log.relative_to(run_dir))
        known = (task.name, str(task.pid), log, " ".join(task.command))
        if task.result is not None:
            lines.append(between("_stacknb_recall_wait", *known, str(task.result.exit_code)))
        else:
            ended = [str(lost[task.name])] if task.name in lost else []
            lines.append(between("_stacknb_recall", *known, *ended))
    return "".join(lines)


def last_change(log: Path) -> float:
    """Return when something was last written to a log: now, if it is not there."""
    try:
        # The clock of a file system may be a few milliseconds late.
        return max(log.stat().st_mtime, float(tasklog.header_of(log).get("start", 0.0)))
    except OSError:
        return time.time()


def ticks_of_old(pid: int, log: Path, asked: float) -> int | None:
    """Return when the process of a task began that an earlier session `asked` for then.

    As `processes.start_ticks`; None if it has ended, and another process has that number by now.
    """
    header = tasklog.header_of(log)
    began = processes.started_at(pid) or 0.0
    # It began before it wrote its header; one that was held back has none yet.
    latest = header["start"] + _TOLERANCE_S if "start" in header else asked + _QUEUE_S
    if began > latest or header.get("host", socket.gethostname()) != socket.gethostname():
        return None
    return processes.start_ticks(pid)
