"""Why a hook or a cell did not end well, in terms of its own text, and what can be done next."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from stacknb.exceptions import Failure, HookFailed, Interrupted, located
from stacknb.hooks import mending
from stacknb.lifecycle import Hook
from stacknb.places import BASH
from stacknb.results import HookResult
from stacknb.run import cells
from stacknb.run.taskbook import TaskBook
from stacknb.rundir import room
from stacknb.rundir.ending import signal_name
from stacknb.rundir.follow import tail
from stacknb.shell.turns import Turn
from stacknb.snapshots.masking import Masker
from stacknb.text import budget, reading, screen
from stacknb.text.hooktext import last_command, led_by, line_of, only_line, original, return_of

__all__ = ["GIVEN_UP", "error_of", "explain"]

GIVEN_UP = (
    "called exit 0, which ends the whole run with status 0: no later hook runs (hardly ever meant; "
    "use return)"
)

_LAST_WAIT = "the end of the run, waiting for tasks that no hook has waited for"
_FRAME = re.compile(r'(builtin source|\.) "\$_stacknb_path"')  # in which a hook is sourced
_GONE = "its variables are gone: the session goes on from the state before it"
# bash 5.2 says so whenever errexit ends a file that a function of a sourced file has sourced.
_NOISE = ": pop_var_context: head of shell_variables not a function context"
# `FILE: line 3: nope: unbound variable`; the word for "line" depends on the language.
_MESSAGE = re.compile(r"(.+?): \S+ (\d+): (.+)")
_EXITS = ("builtin exit", "command exit")  # of which bash tells no line
_MOST_SHOWN = 1_000  # bytes of the last lines …
_WIDTH = 300  # … and of each


def error_of(
    result: HookResult, hook: Hook, tasks: TaskBook, run_dir: Path
) -> HookFailed | Interrupted:
    """Return the error for a hook or a cell that is not well, with what can be done next."""
    why = result.failure
    if result.status == "failed":
        assert why is not None
        remedy = room.remedy(run_dir)
        mend = f"{remedy}," if result.lack else f"mend it{mending.in_cell(why.file, why.line)}"
        first = mending.to_run_first(why.last_lines, tasks.ill, result.phase)
        phases = mending.to_run_again(first, result.phase)
        again = f"{mend} and run {phases} again" if hook.kind == "hook" else ""
        if result.lack and hook.kind == "cell":
            again = f"{mend} and run the cell again"
        return HookFailed(why, again, first)
    place = f" at {why.place}" if why else ""
    running = tuple(task.name for task in tasks.uncollected() if task.running)
    going_on = f"; tasks still running: {screen.quoted(running)}" if running else ""
    command = located("", why.command, why.calls) if why else ""
    return Interrupted(
        f"{hook.what!r} was interrupted{place} after "
        f"{screen.seconds(result.duration_s)}{going_on}{command}\n  log     {result.log}",
        why, running,
    )  # fmt: skip


def explain(turn: Turn, hook: Hook, log: Path, copies: Mapping[str, str]) -> Failure:
    """Return the failure that a turn which ended its shell amounts to.

    Parameters
    ----------
    turn : Turn
        With outcome ``died``, ``foreseen`` or ``lost``.
    hook : Hook
    log : Path
        Its log; bash's own message in it tells the line of a syntax error.
    copies : mapping of str to str
        What stood for a file of the user's, and that file.
    """
    last = tail(log, 11, 300)
    if hook.kind == "cell":  # its stderr has a file of its own: mostly that is the reason
        with contextlib.suppress(OSError):
            err = reading.ending(cells.errors_of(log), 1 << 16)
            last = [*last, *screen.clean(err, 300)]
    last = [text for text in last if not text.endswith(_NOISE)][-10:]
    file, line, command, better = _place(turn, hook.path, last)
    hide = Masker().text  # a script may hold a password, and so may what is said of it
    reason = hide(better) or _reason(turn)
    is_own = turn.how in ("errexit", "exit") and not turn.interrupted
    said = _said(turn.how, last, file, line, command) if is_own else ""
    calls = [call.rpartition(":") for call in led_by(turn.calls, f"{file}:{line}")]
    name, file, line = original(file, line, command)
    if name:
        reason += f" in {name!r}, restored from a snapshot (once it is mended, source it again)"
    if said:
        reason += f": {hide(said)}"
    if is_own and turn.outcome == "lost":
        reason += (
            f"; it has an EXIT trap of its own and no snapshot could be taken before, so {_GONE}"
        )
    return Failure(
        hook.what, turn.status, reason, copies.get(file, file), line, hide(command), str(log),
        tuple(_fitting(last)), tuple(f"{copies.get(f, f)}:{at}" for f, _, at in calls),
    )  # fmt: skip


def _place(turn: Turn, path: Path, last: list[str]) -> tuple[str, int | None, str, str]:
    """Return file, line and command, and a better reason where finding these has given one."""
    file, line, command = turn.file, int(turn.line) if turn.line.isdigit() else None, turn.command
    if turn.how == "dropped" and last and (found := _MESSAGE.fullmatch(last[-1])):
        file, line = found[1], int(found[2])
        return file, line, line_of(Path(file), line), f"failed: {found[3]}"
    ours = Path(file).parent == BASH or not file
    if turn.how == "skipped":
        line = only_line(path, "DEBUG")
        return str(path), line, line_of(path, line), ""
    if ours and turn.calls:  # in a function of ours, such as async_runfunc
        file, _, called = turn.calls[0].rpartition(":")
        return file, int(called), line_of(Path(file), int(called)), ""
    if ours and turn.how in ("", "interrupt", "loop", "dropped", "untold"):
        # Nobody knows where it was, or called from where; our own file would tell nothing.
        return _LAST_WAIT if path.parent == BASH else str(path), None, "", ""
    if ours:
        # `source` itself failed: the hook ended, or returned, with a status that is not 0.
        line, command = return_of(path, turn.status) or last_command(path)
        said = f"ended with status {turn.status}, that of its last command (or of a return)"
        return str(path), line, command, said if turn.how == "errexit" else ""
    source = Path(file)
    if turn.how == "interrupt":
        if source.exists():  # $LINENO counts within the trap itself
            line = only_line(source, command) or (line if line != 1 else None)
        if command.isidentifier():  # the name of a function, without what it was called with
            command = line_of(source, line) or command
    elif turn.how in ("other", "killed"):
        line, message = _message_in(last, file)
        line = line or only_line(source, command)
        is_frame = _FRAME.match(command)  # our line says nothing to the user
        if message:
            command = line_of(source, line) or ("" if is_frame else command)
            return file, line, command, f"failed: {message}"
        if is_frame:
            command = next((c for c in _EXITS if only_line(source, c)), "")
            line = only_line(source, command)
    elif command.removeprefix("builtin ").startswith("return") or (
        turn.how == "exit" and not command.startswith("exit")
    ):
        command = line_of(source, line) or command  # `die` and its like called exit
    return file, line, command, ""


def _reason(turn: Turn) -> str:
    if turn.interrupted or turn.how == "interrupt":
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
    if turn.how == "dropped":
        return "met what bash drops a whole script for: mostly an index that is no expression"
    if turn.how == "exit":
        return f"called exit with status {turn.status}"
    framed = turn.how == "other" and turn.status and _FRAME.match(turn.command)
    if turn.how == "errexit" or framed:  # or it had an ERR trap of its own
        return f"failed with status {turn.status} under errexit"
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
    return next(_messages(last, file), (None, ""))


def _said(how: str, last: list[str], file: str, line: int | None, command: str) -> str:
    """Return the last that bash, or `die`, said of the command that failed, if anything."""
    if how == "errexit":  # of a word of it: `nope: command not found`
        found = [text for at, text in _messages(last, file) if at == line]
        said = [text for text in found if text.partition(":")[0] in command]
    else:
        place = f"[ERROR] {file}:{line} "
        said = [text.removeprefix(place) for text in last if text.startswith(place)]
    return said[-1] if said else ""


def _messages(last: list[str], file: str) -> Iterator[tuple[int, str]]:
    for line in last:
        if (match := _MESSAGE.fullmatch(line)) and match[1] == file:
            yield int(match[2]), match[3]
