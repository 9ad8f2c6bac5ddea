"""What a restored shell is told of tasks: its snapshot is older than what has become of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from stacknb import tasklog
from stacknb.shell.environment import quote
from stacknb.supervision import processes
from stacknb.tasks import Task

__all__ = ["bash_of", "last_change", "ticks_of_old", "untelling"]

_TOLERANCE_S = 0.005  # between two clocks; a start is rounded down to hundredths of a second
_QUEUE_S = 1.0  # from the event of a task to its process

# Of each task the driver has: pid, pid of its parent (0: none that lives), log, command.
_KNOWN = """\
[[ ${{_stacknb_tasks[{name}]-}} == {pid}\\ *\\ {log}\\ * ]] || {{
    [[ ${{_stacknb_tasks[{name}]-}} && -z ${{_stacknb_codes[{name}]-}} ]] || ((++_stacknb_open))
    _stacknb_tasks[{name}]={facts}
    builtin unset -v '_stacknb_codes[{name}]' '_stacknb_ended[{name}]'
}}
"""
_ENDED = "_stacknb_ended[{name}]={code}\n"
_TAKEN = """\
[[ -z ${{_stacknb_tasks[{name}]-}} || ${{_stacknb_codes[{name}]-}} ]] || ((_stacknb_open -= 1))
_stacknb_tasks[{name}]={facts} _stacknb_codes[{name}]={code}
"""
_UNTOLD = """\
for _stacknb_text in "${{!_stacknb_told[@]}}"; do
    [[ ${{_stacknb_told[$_stacknb_text]}} != {phase} ]] ||
        builtin unset -v "_stacknb_told[$_stacknb_text]"
done
"""


def untelling(phase: str) -> str:
    """Return bash that lets the hooks of a phase run again be told of the same failures."""
    return _UNTOLD.format(phase=quote(phase))


def bash_of(tasks: Iterable[Task], lost: dict[str, int], run_dir: Path) -> str:
    """Return bash that makes a shell know of tasks: that they run, have ended, were waited for.

    `lost` has the exit codes of those that no process tells any more, by name.
    """
    lines = []
    for task in tasks:
        log = str(task.log.relative_to(run_dir))
        facts: dict[str, object] = {
            "name": task.name,
            "pid": task.pid,
            "log": log,
            "facts": quote(f"{task.pid} 0 {log} {' '.join(task.command)}"),
        }
        if task.result is not None:
            lines.append(_TAKEN.format(**facts, code=task.result.exit_code))
            continue
        lines.append(_KNOWN.format(**facts))
        if task.name in lost:
            lines.append(_ENDED.format(name=task.name, code=lost[task.name]))
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
