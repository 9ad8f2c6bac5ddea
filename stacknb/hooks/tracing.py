"""A hook's commands as they ran: bash's xtrace in a file of its own, and how to read it.

The trace goes through ``BASH_XTRACEFD``, so the hook's log is what it would be without. bash writes
a line before each command; what a command took is the time to the next line that is not within it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stacknb.places import BASH
from stacknb.shell import Shell
from stacknb.shell.environment import quote
from stacknb.snapshots import snapshot
from stacknb.text import reading

__all__ = ["Command", "Tracer", "path_of", "read"]

_MARK = "\x1f"
# No `!` in it: in posix mode a prompt has the number of the command in its place.
_FIELDS = (
    "${EPOCHREALTIME/[^0-9]/.}", "$BASHPID", "$((${#BASH_SOURCE[@]} + BASH_SUBSHELL))",
    "${_stacknb_task-}", "${BASH_SOURCE-}", "$LINENO", "${FUNCNAME-}", "${FUNCNAME[*]-}",
)  # fmt: skip
_PS4 = f"+{_MARK}" + _MARK.join(_FIELDS) + _MARK
_LINE = re.compile(rf"\++{_MARK}" + rf"([^{_MARK}]*){_MARK}" * len(_FIELDS) + r"(.*)", re.S)
# What our own traps run, after what each sets first; bash counts it among the hook's commands.
_OF_TRAPS = {
    "_stacknb_failed": re.compile(
        r"case \$-(?:\.\S+)? in|_stacknb_(?:where|files|lines|functions)=|"
        r"builtin (?:printf '%s\\0' errexit |trap -p$)"
    ),
    "_stacknb_exit": re.compile(
        r"case \$_stacknb_|builtin (?:trap -p|set \+eufxvCEkT)$|_stacknb_(?:regained|leaving)="
    ),
}
_OURS = re.compile(r"_stacknb_|set \+eufxvCEkT$")
_QUOTED = re.compile(r"(?<== )(?:\\[\w./-])+(?= |$)")  # how bash shows a quoted word in [[ … ]]
_TOGGLE = re.compile(r"set [-+][a-wyz]*x[a-z]*")
_SAVED = re.compile(r"\w+=(?=[a-z]*h)[a-z]*x[a-z]*B[A-Z]*")  # $-, to come back to: with our x


@dataclass(frozen=True)
class Command:
    """A command that ran.

    Attributes
    ----------
    file, line, function : str, int, str
        Where it stands; `function` is empty at the top of a hook.
    command : str
        As it ran: variables and globs are replaced.
    start : float
        Epoch seconds.
    took_s : float
        Seconds, with everything it called.
    depth : int
        0 at the top of the hook; more within functions and subshells.
    task : str
        The task that ran it; empty for the hook itself.
    """

    file: str
    line: int
    function: str
    command: str
    start: float
    took_s: float
    depth: int
    task: str = ""


class Tracer:
    """Traces one turn of a shell: `begin` before it, `end` after it.

    Parameters
    ----------
    shell : Shell
    path : Path
        The trace.
    """

    def __init__(self, shell: Shell, path: Path) -> None:
        self.path = path
        self._shell = shell
        parts = snapshot.sections(shell.snapshot or shell.save())
        self._was_on = b"x" in parts.get("flags", b"")
        found = snapshot.parse_variables(parts.get("variables", b""))
        ps4 = next((v.text() for v in found if v.name == "PS4" and v.value is not None), None)
        self._back = f"PS4={quote(ps4)}" if ps4 is not None else "unset -v PS4"

    def begin(self) -> None:
        """Turn tracing on for the next turn."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._shell.evaluate(
            f"\\command exec {{BASH_XTRACEFD}}>>{quote(str(self.path))}; PS4={quote(_PS4)}\n"
            '[[ "$_stacknb_flags" == *x* ]] || _stacknb_flags+=x'
        )

    def end(self) -> None:
        """Turn it off, unless the hook itself asked for a trace; what the hook set, stays."""
        own = [command.command for command in read(self.path) if not command.task]
        # A hook that says `set -x` or `set +x` has a will of its own: then it stays as it is now.
        willed = any(map(_TOGGLE.fullmatch, own)) and not any(map(_SAVED.fullmatch, own))
        stays = self._was_on or willed
        off = "" if stays else "_stacknb_flags=${_stacknb_flags//x/}"
        back = f'[[ "${{PS4-}}" != *{quote(_MARK)}* ]] || {self._back}'
        # To unset it closes the file; after a restore there is none, which bash complains about.
        self._shell.evaluate(f"{{ \\builtin unset -v BASH_XTRACEFD; }} 2>/dev/null\n{off}\n{back}")
        self._shell.save()  # the turn's own has all that in it


def path_of(run_dir: Path, log: Path) -> Path:
    """Return where the trace of a hook with that log goes: ``RUN/traces/PHASE/HOOK.trace``."""
    return run_dir / "traces" / log.parent.name / f"{log.name.removesuffix('.log')}.trace"


def read(path: Path, until: float | None = None) -> list[Command]:
    """Read the trace of a hook; commands of stacknb's own functions are left out.

    Parameters
    ----------
    path : Path
    until : float, optional
        Epoch seconds when the hook ended; by default the time of the last line.
    """
    found = list(_commands(reading.whole(path).decode("utf-8", "replace")))
    last: dict[str, float] = {command.task: command.start for command, _ in found}
    if until is not None:
        last[""] = max(until, last.get("", 0.0))
    kept: list[Command] = []
    open_: dict[str, list[int]] = {}  # of each task, places of commands that have not ended
    for command, ours in found:
        stack = open_.setdefault(command.task, [])
        while stack and kept[stack[-1]].depth >= command.depth:
            place = stack.pop()
            kept[place] = replace(kept[place], took_s=command.start - kept[place].start)
        if not ours:
            kept.append(command)
            stack.append(len(kept) - 1)
    for task, stack in open_.items():
        for place in stack:
            took = max(0.0, last[task] - kept[place].start)
            kept[place] = replace(kept[place], took_s=took)
    return _lifted(kept)


def _commands(text: str) -> Iterator[tuple[Command, bool]]:
    lines: list[str] = []
    start = 0.0
    of_trap: re.Pattern[str] | None = None
    for line in [*text.split("\n"), f"+{_MARK}"]:
        if not re.match(rf"\++{_MARK}", line):
            lines.append(line)
            continue
        if lines and (match := _LINE.match("\n".join(lines))):
            when, _, depth, task, file, number, function, callers, command = match.groups()
            task = task if "_stacknb_child" in callers else ""
            if of_trap is not None and not of_trap.match(command):
                of_trap = None
            of_trap = _OF_TRAPS.get(command.partition("=")[0], of_trap)
            # A task's own command stands in a function of ours.
            inside = file.startswith(str(BASH)) and not (task and function == "_stacknb_child")
            first, *more = command.split("\n")
            ours = of_trap is not None or inside or "_stacknb_" in first
            ours = ours or (function == "_stacknb_child" and first == "set +xT")  # the last
            # Lines without our mark follow where a hook has set PS4 itself: shown as they are.
            command = "\n".join([first, *(m for m in more if not _OURS.search(m))]).rstrip("\n")
            where = "" if function in ("source", "_stacknb_child") else function
            command = _QUOTED.sub(lambda word: word[0].replace("\\", ""), command)
            start = float(when) if when else start  # a hook may have unset what tells it
            at = int(number or 0)
            yield Command(file, at, where, command, start, 0.0, int(depth), task), ours
        lines = [line]


def _lifted(commands: list[Command]) -> list[Command]:
    """Count depth from the top of the hook."""
    least: dict[str, int] = {}
    for command in commands:
        least[command.task] = min(least.get(command.task, command.depth), command.depth)
    return [replace(command, depth=command.depth - least[command.task]) for command in commands]
