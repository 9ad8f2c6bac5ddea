"""What a bash waits for, wherever it is: no signal to bash's process group reaches all of it.

``timeout`` makes a group of its own, ``setsid`` does, and so does bash for each command under
``set -m``; and what is in bash's group may have been left in the background.
"""

from __future__ import annotations

import re
from pathlib import Path

from stacknb.supervision import processes

__all__ = ["processes_of"]

_STATE, _PARENT, _GROUP = 0, 1, 2
_SLEEPS = "SI"  # the ps of BSD says I of what has slept for long
_TASK = re.compile(rb'^\{"event": "task", .*?"pid": (\d+)', re.MULTILINE)


def processes_of(shell: int, journal: Path) -> list[int]:
    """Return the processes of a shell's foreground command.

    What a shell that sleeps waits for is what it started last, with all that this has started; of a
    pipeline, it is the last command that still runs. Its tasks are none of it.

    Parameters
    ----------
    shell : int
        Process of the bash.
    journal : Path
        Names the tasks.

    Returns
    -------
    list of int
    """
    running = processes.listing()
    if shell not in running or running[shell][_STATE] not in _SLEEPS:
        return []
    tasks = _tasks(journal)
    started: dict[int, list[int]] = {}
    grouped: dict[int, list[int]] = {}
    for pid, fields in running.items():
        if fields[_STATE] not in "ZX" and int(fields[_GROUP]) not in tasks:
            started.setdefault(int(fields[_PARENT]), []).append(pid)
            grouped.setdefault(int(fields[_GROUP]), []).append(pid)
    last = max(
        started.get(shell, []),
        key=lambda pid: (int(running[pid][processes.START_TIME]), pid),
        default=None,
    )
    left, found = [] if last is None else [last], set[int]()
    while left:
        pid = left.pop()
        if pid not in found and pid != shell:
            found.add(pid)
            group = int(running[pid][_GROUP])
            left += started.get(pid, []) + (grouped[group] if group != shell else [])
    return sorted(found)


def _tasks(journal: Path) -> set[int]:
    try:
        return set(map(int, _TASK.findall(journal.read_bytes())))
    except OSError:
        return set()
