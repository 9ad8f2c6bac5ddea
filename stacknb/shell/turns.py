"""What came of one piece of bash, as its shell answered or as the process ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stacknb.exceptions import Interrupted, ShellDied

__all__ = ["Turn", "answered", "finished", "lost"]


@dataclass(frozen=True)
class Turn:
    """What came of one piece of bash.

    Attributes
    ----------
    outcome : str
        ``done``: it ran to its end. ``died``: it ended bash, which left a snapshot.
        ``foreseen``: it ended bash by an EXIT trap of its own, and a snapshot was left before.
        ``lost``: bash is gone without a word (killed, ``exec``).
    status : int
    plugins : dict of str to str
        Plugins enabled by then, name to folder.
    requires : tuple of str
        ``PLUGIN REQUIRED`` as noted by ``plugin_requires``.
    how : str
        ``errexit``, ``exit``, ``interrupt``, ``skipped`` (a DEBUG trap under extdebug lets nothing
        run), ``taken`` (builtins that the driver needs), ``loop`` (``break`` or ``continue``
        outside of any), ``dropped`` (bash left all that ran, for an index that is no expression,
        say), ``untold`` (a file that says what it has to do was removed), ``killed`` (by a signal
        that its EXIT trap did not see) or ``other``; empty if it did not die.
    file, line, command : str
        Where, as far as bash knew.
    interrupted : bool
        The user stopped it, or wanted to.
    calls : tuple of str
        ``FILE:LINE`` of the calls that led there, the innermost first.
    """

    outcome: str
    status: int
    plugins: dict[str, str]
    requires: tuple[str, ...] = ()
    how: str = ""
    file: str = ""
    line: str = ""
    command: str = ""
    interrupted: bool = False
    calls: tuple[str, ...] = ()


def answered(fields: Sequence[str], process_status: int | None, interrupted: bool) -> Turn:
    """Return what an answer says: outcome, status, plugins, requirements, and where it died.

    An EXIT trap does not see the signal that ends its shell, but the status of the process tells
    it.
    """
    outcome, status, plugins, requires, *where = fields
    outcome = "done" if outcome == "ran" else outcome
    code = int(status)
    if outcome == "died" and process_status and process_status > 128 and process_status != code:
        code = process_status
        where = ["killed", *where[1:]] if where[:1] == ["other"] else where
    pairs = (line.partition("=") for line in plugins.split("\x1f") if line)
    enabled = {name: folder for name, _, folder in pairs}
    needs = tuple(requires.split("\x1f")) if requires else ()
    calls = tuple(call for joined in where[4:5] for call in joined.split("\x1f") if call)
    return Turn(outcome, code, enabled, needs, *_four(where), interrupted, calls)


def lost(status: int, where: str, foreseen: str, interrupted: bool) -> Turn:
    """Return the turn of a bash that gave no answer, but may have left word on its way.

    `where` is what its ERR trap had noted, `foreseen` plugins and requirements, as in an answer.
    """
    place = where.split("\0")
    if foreseen.count("\0") != 2:
        return Turn("lost", status, {}, (), *_four(place), interrupted)
    fields = ["foreseen", str(status), *foreseen.split("\0")[:2], *place]
    return answered(fields, status, interrupted)


def finished(turn: Turn, has_snapshot: bool) -> Turn:
    """Return what came of a piece of our own; raises unless it ran to its end.

    `has_snapshot` tells whether there is one to go on from.
    """
    if turn.interrupted:
        raise Interrupted
    if turn.outcome == "done":
        return turn
    after = "; the session goes on from its last snapshot"
    if not has_snapshot:
        after = " before its first hook: see what BASH_ENV, exported functions, or the "
        after += "functions of TOP_DIR do to a new bash"
    raise ShellDied(f"the shell ended with status {turn.status}{after}")


def _four(where: Sequence[str]) -> tuple[str, str, str, str]:
    how, file, line, command = (list(where) + [""] * 4)[:4]
    return how, file, line, command
