"""What a run looks like now, read from its directory alone: its journal, its waits, its logs.

The same for a run of this process, of another one, and for a run that ended long ago. Displays that
are redrawn ask it again and again, `stacknb.status` once.
"""

from stacknb.board.board import Board
from stacknb.board.picture import brief, changes, expected, late, left, picture
from stacknb.board.states import HookState, PhaseState, TaskState, Waiting

__all__ = [
    "Board",
    "HookState",
    "PhaseState",
    "TaskState",
    "Waiting",
    "brief",
    "changes",
    "expected",
    "late",
    "left",
    "picture",
]
