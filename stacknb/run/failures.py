"""Why a turn of the shell ended it, in terms of the hook's own text."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from stacknb.exceptions import Failure
from stacknb.places import BASH
from stacknb.results import signal_name
from stacknb.shell.turns import Turn
from stacknb.text import budget, reading, screen

__all__ = ["explain", "to_run_again", "to_run_first"]

_FRAME = re.compile(r'(builtin source|\.) "\$_stacknb_path"')  # in which a hook is sourced
_GONE = "its variables are gone: the session goes on from the state before it"
_RESTORED = re.compile(r"restored\.\d+\.bash")  # a shell after a failure has its functions from it
_FUNCTION = re.compile(r"(\S+) \(\) ")  # as bash writes its first line
_EXITS = ("builtin exit", "command exit")  # of which bash tells no line
_MOST_SHOWN = 1_000  # bytes of the last lines …
_WIDTH = 300  # … and of each


class _Started(Protocol):
    name: str
    phase: str


def to_run_first(
    lines: Sequence[str], ill: Callable[[], Iterable[_Started]], phase: str
) -> list[str]:
    """Return the earlier phases that start the tasks whose wait has failed.

    They are to be run again before the phase that waited.

    Parameters
    ----------
    lines : sequence of str
        The last ones of the log of the hook that waited.
    ill : callable
        Returns the tasks that did not end well, of each name the newest.
    phase : str
        In which the hook failed.
    """
    said = " ".join(line for line in lines if "FAILED: " in line)
    tasks = ill() if said else ()  # of a run of thousands they are found slowly
    found = (task.phase for task in tasks if f" {task.name} (" in said and task.phase != phase)
    return list(dict.fromkeys(found))


def to_run_again(first: Sequence[str], phase: str) -> str:
    """Say which phases are to be run again, those that `to_run_first` returned before `phase`."""
    return "".join(f"{other!r}, which starts the task, then " for other in first) + repr(phase)


def explain(
    turn: Turn, what: str, path: Path, log: Path, interrupted: bool, err: Path | None = None
) -> Failure:
    """Return the failure that a turn which ended its shell amounts to.

    Parameters
    ----------
    turn : Turn
        With outcome ``died``, ``foreseen`` or ``lost``.
    what : str
        The hook's name.
    path : Path
        The hook's script.
    log : Path
        Its log; bash's own message in it tells the line of a syntax error.
    interrupted : bool
        The user stopped it.
    err : Path, optional
        What a cell wrote to stderr, which has a file of its own: mostly that is the reason.
    """
    last = screen.tail(log, 10, 300)
    if err is not None:
        with contextlib.suppress(OSError):
            last = [*last, *screen.clean(reading.ending(err, 1 << 16), 300)][-10:]
    file, line, command = turn.file, int(turn.line) if turn.line.isdigit() else None, turn.command
    reason = _reason(turn, interrupted)
    ours = Path(file).parent == BASH or not file
    if turn.outcome == "lost" and turn.how in ("errexit", "exit") and not interrupted:
        reason += (
            f"; it has an EXIT trap of its own and no snapshot could be taken before, so {_GONE}"
        )
    if turn.how == "skipped":
        file, line = str(path), _only_line(path, "DEBUG")
        command = _line_of(path, line)
    elif ours and turn.how in ("interrupt", "loop", "untold"):
        file, line, command = str(path), None, ""  # nobody knows from where it was called
    elif ours:
        # `source` itself failed: the hook ended, or returned, with a status that is not 0.
        file, line, command = str(path), *(_return_of(path, turn.status) or _last_command(path))
        if turn.how == "errexit":
            reason = f"ended with status {turn.status}, that of its last command (or of a return)"
    elif turn.how == "interrupt":
        if Path(file).exists():  # $LINENO counts within the trap itself
            line = _only_line(Path(file), command) or (line if line != 1 else None)
        if command.isidentifier():  # the name of a function, without what it was called with
            command = _line_of(Path(file), line) or command
    elif turn.how in ("other", "killed"):
        line, message = _message_in(last, file)
        line = line or _only_line(Path(file), command)
        if message:
            reason, command = f"failed: {message}", _line_of(Path(file), line) or command
        elif _FRAME.match(command):  # our line says nothing to the user
            command = next((c for c in _EXITS if _only_line(Path(file), c)), "")
            line = _only_line(Path(file), command)
    elif command.removeprefix("builtin ").startswith("return") or (
        turn.how == "exit" and not command.startswith("exit")
    ):
        command = _line_of(Path(file), line) or command  # `die` and its like called exit
    if _RESTORED.fullmatch(Path(file).name) and (name := _function_at(Path(file), line)):
        reason += f" in {name!r}, a function from before an earlier failure"
    return Failure(what, turn.status, reason, file, line, command, str(log), tuple(_fitting(last)))


def _reason(turn: Turn, interrupted: bool) -> str:
    if interrupted or turn.how == "interrupt":
        return "was interrupted"
    if turn.how == "skipped":
        return (
            "met a DEBUG trap that skips every command (shopt extdebug); make it return 0, "
            "or undo it: trap - DEBUG; shopt -u extdebug"
        )
    if turn.how == "taken":
        return (
            "left a bash without builtins that the session needs (enable -n enable, or functions "
            f"'builtin' and 'command' of its own); {_GONE}"
        )
    if turn.how == "loop":
        return "called break or continue outside of any loop, which ended its shell"
    if turn.how == "exit":
        return f"called exit with status {turn.status}"
    if turn.how == "errexit":
        return f"failed with status {turn.status} under errexit"
    if turn.how == "other" and turn.status and _FRAME.match(turn.command):
        return f"failed with status {turn.status} under errexit"  # and had an ERR trap of its own
    if turn.how in ("", "other", "killed") and 128 < turn.status <= 192:
        return f"ended: its shell was killed by {signal_name(turn.status)}"
    if turn.how == "untold":
        return (
            f"ended its shell with status {turn.status}: a file of the session's scratch folder "
            f"was removed meanwhile; {_GONE}"
        )
    if turn.outcome == "lost":
        return (
            f"ended its shell with status {turn.status} (by exec, set -n or an EXIT trap "
            f"of its own); {_GONE}"
        )
    return f"ended its shell with status {turn.status}"


def _fitting(lines: list[str]) -> list[str]:
    # Few enough that an error need not be folded, which would leave out its middle.
    return budget.within([budget.cut(line, _WIDTH) for line in lines], _MOST_SHOWN)


def _message_in(last: list[str], file: str) -> tuple[int | None, str]:
    # `FILE: line 3: nope: unbound variable`; the word for "line" depends on the language.
    pattern = re.compile(re.escape(file) + r": \S+ (\d+): (.+)")
    for line in last:
        if match := pattern.fullmatch(line):
            return int(match[1]), match[2]
    return None, ""


def _line_of(path: Path, line: int | None) -> str:
    lines = _lines(path)
    return lines[line - 1].strip() if line and line <= len(lines) else ""


def _function_at(path: Path, line: int | None) -> str:
    for text in reversed(_lines(path)[:line] if line else []):
        if found := _FUNCTION.fullmatch(text):
            return found[1]
    return ""


def _only_line(path: Path, command: str) -> int | None:
    """Return the number of the only line that holds the (first line of the) command."""
    lines = _lines(path)
    wanted = _bare(command.partition("\n")[0])
    found = [number for number, text in enumerate(lines, 1) if wanted and wanted in _bare(text)]
    return found[0] if len(found) == 1 else None


def _bare(line: str) -> str:
    # bash has blanks of its own: `2> file` for 2>file.
    return "".join(line.split())


def _return_of(path: Path, status: int) -> tuple[int, str] | None:
    """Return the only line with a `return` of that status, if there is one: bash tells no line."""
    lines = _lines(path)
    wanted = re.compile(rf"(?:.*[\s;&|])?(return {status})\b")
    found = [(number, text.strip()) for number, text in enumerate(lines, 1) if wanted.match(text)]
    return found[0] if len(found) == 1 else None


def _last_command(path: Path) -> tuple[int | None, str]:
    lines = _lines(path)
    for number in range(len(lines), 0, -1):
        text = lines[number - 1].strip()
        if text and not text.startswith("#"):
            return number, text
    return None, ""


def _lines(path: Path) -> list[str]:
    # As bash counts them: a carriage return or a form feed begins no line.
    try:
        return reading.whole(path).decode("utf-8", "replace").split("\n")
    except OSError:
        return []
