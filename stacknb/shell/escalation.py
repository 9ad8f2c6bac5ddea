"""What ends a bash that was interrupted, step by step, each harder than the one before.

No signal to bash's process group reaches all that it waits for: ``timeout`` makes a group of its
own, ``setsid`` does, and so does bash for each command under ``set -m``; and what is in bash's
group may have been left in the background.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from stacknb.supervision import processes

__all__ = ["Escalation"]

# SIGTERM to the foreground command, thrice, since of a pipeline one is found at a time; SIGKILL to
# what ignores it, then to bash's whole group, then to bash; within a second.
_STEPS = (
    (0.35, signal.SIGTERM, "foreground"),
    (0.45, signal.SIGTERM, "foreground"),
    (0.55, signal.SIGTERM, "foreground"),
    (0.65, signal.SIGKILL, "foreground"),
    (0.75, signal.SIGKILL, "group"),
    (0.85, signal.SIGKILL, "shell"),
)
_STATE, _PARENT, _GROUP = 0, 1, 2
_SLEEPS = "SI"  # the ps of BSD says I of what has slept for long
_TASK = re.compile(rb'^\{"event": "task", .*?"pid": (\d+)', re.MULTILINE)
_LEAVE_S = 5.0  # on a busy machine, or of many variables, a snapshot takes longer than that


class Escalation:
    """The steps that are left of ending one request.

    Parameters
    ----------
    shell : int
        Process of the bash.
    control : Path
        Its scratch folder, where it notes that it leaves by itself.
    journal : Path
        Of the run; it names the tasks, which are left alone.
    """

    def __init__(self, shell: int, control: Path, journal: Path) -> None:
        self._shell = shell
        self._control = control
        self._journal = journal
        self._left = list(_STEPS)

    def go_on(self, waited_s: float) -> None:
        """Take the next step if it is due, so long after the interrupt."""
        if waited_s < _LEAVE_S and self._leaves_by_itself:
            return
        # One at a time: on a busy machine several are due at once, and none has taken effect yet.
        if self._left and waited_s > self._left[0][0]:
            _, number, whom = self._left.pop(0)
            processes.send(self._found(whom), number)

    def _found(self, whom: str) -> list[int]:
        if whom == "foreground":
            pids = _foreground(self._shell, self._journal)
        else:
            pids = processes.members(group=self._shell)
        return [pid for pid in pids if whom == "shell" or pid != self._shell]

    @property
    def _leaves_by_itself(self) -> bool:
        """Whether nothing of the hook runs any more: what still runs writes the snapshot."""
        told, foreseen = self._control / "where", self._control / "foreseen"
        try:
            return told.stat().st_size > 0 and not (foreseen.exists() and foreseen.stat().st_size)
        except FileNotFoundError:
            return False


def _foreground(shell: int, journal: Path) -> list[int]:
    """Return the processes of a shell's foreground command.

    What a shell that sleeps waits for is what it started last, with all that this has started; of a
    pipeline, it is the last command that still runs. Its tasks, which the journal names, are none
    of it.
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
