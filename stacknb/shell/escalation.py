"""What ends a bash that was interrupted, step by step, each harder than the one before."""

from __future__ import annotations

import signal
from pathlib import Path

from stacknb.shell import foreground
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
            pids = foreground.processes_of(self._shell, self._journal)
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
