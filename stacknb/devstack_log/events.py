"""What happened, read from the telling lines of a stack.sh log: phases, hooks, tasks, waits."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

from stacknb.devstack_log.lines import ASYNC, NOT_STARTED, Trace, async_message, decoded, trace
from stacknb.lifecycle import PHASES

__all__ = ["Event", "Recogniser"]

_RUNNERS = {b"run_phase", b"run_plugins", b"load_plugin_settings", b"plugin_override_defaults"}
_HOOK = re.compile(
    rb"(?:source|\.) "
    rb"(\S*?(?:extras\.d/[^/\s]+\.sh|/devstack/(?:plugin\.sh|settings|override-defaults)))"
    rb"(?: (\S+))?(?: (\S+))?\s*$"
)
_TORN = re.compile(rb"\[(?:\d+ )?Async ")
_COMPLETED = re.compile(rb"stack\.sh completed in (\d+) seconds")


class Event(NamedTuple):
    """One thing that happened in a run of stack.sh.

    Attributes
    ----------
    kind : str
        ``phase`` (``code`` 1: no run_phase, the loop stood in stack.sh itself), ``phase-end``,
        ``hook``, ``hook-end``, ``task`` (started; ``code`` 1: in the foreground), ``inner`` (a
        task's own shell begins; ``text``: the command), ``task-end`` (``code``: its status;
        ``text`` "shown" if the line stood in another task's output), ``wait`` (begun),
        ``collected`` (the wait ended), ``not-started`` (a wait for an unknown name), ``exit``
        (stack.sh ended with ``code``), ``completed`` (after ``code`` seconds), or a doubt to be
        counted: ``malformed``, ``not believed``, ``unfinished wait``.
    line, stamp : int
        The line, from 0, and its time as printed, in ms since the epoch.
    """

    kind: str
    line: int
    stamp: int
    name: str = ""
    text: str = ""
    pid: str = ""
    code: int = 0


class Recogniser:
    """Turns telling lines, fed in order, into events.

    Attributes
    ----------
    phase, hook : Event or None
        Where stack.sh is.
    waiting : str
        Name of the task that stack.sh waits for. Until that wait ends every other line is the
        task's own output, shown late, and is not believed.
    """

    def __init__(self) -> None:
        self.phase: Event | None = None
        self.hook: Event | None = None
        self.waiting = ""
        self._foreground: list[str] = []
        self._main_pid = b""
        self._pids: dict[str, list[bytes]] = {}
        self._early: dict[str, list[tuple[bytes, Event]]] = {}
        self._from_the_start = False
        self._phase_depth = self._hook_depth = 1

    def feed(self, text: bytes, line: int, stamp: int) -> list[Event]:
        """Return the events of one line, given without its stamp."""
        if text.startswith(b"["):
            return self._bracket(text, line, stamp)
        if text.startswith(b"+"):
            parsed = trace(text)
            return self._traced(parsed, line, stamp) if parsed else []
        if self.waiting:
            return []
        if match := NOT_STARTED.match(text):
            return [Event("not-started", line, stamp, decoded(match[1]))]
        if match := _COMPLETED.match(text):
            return [Event("completed", line, stamp, code=int(match[1]))]
        return []

    def left_over(self) -> list[Event]:
        """Return ends of tasks whose start is not in the log: its head may be missing."""
        kind = "not believed" if self._from_the_start else "task-end"
        return [event._replace(kind=kind) for ends in self._early.values() for _, event in ends]

    def _bracket(self, text: bytes, line: int, stamp: int) -> list[Event]:
        match = ASYNC.match(text)
        message = async_message(match[4]) if match else None
        if match is None or message is None:
            if self.waiting or not _TORN.match(text):
                return []
            return [Event("malformed", line, stamp, text=decoded(text[:200]))]
        logger, name, pid = match[1] or b"", decoded(match[2]), match[3]
        kind, command, number = message
        if kind in {"ok", "failed"}:
            event = Event("task-end", line, stamp, name, code=int(number or 0))
            return self._ended(event, logger or pid)
        by_main = not logger or not self._main_pid or logger == self._main_pid
        if kind in {"running", "synchronous"} and (by_main or not self.waiting):
            self._main_pid = self._main_pid or logger
            done = self._wait_never_ended(line, stamp)
            event = Event("task", line, stamp, name, decoded(command), decoded(pid))
            if kind == "synchronous":
                self._foreground.append(name)
                return [*done, event._replace(pid="self", code=1)]
            return [*done, event, *self._knows(name, pid)]
        if kind == "waiting" and by_main:
            self._main_pid = self._main_pid or logger
            done = self._wait_never_ended(line, stamp)
            self.waiting = name
            wait = Event("wait", line, stamp, name, decoded(command), decoded(number or pid))
            return [*done, wait, *([] if name in self._pids else self._knows(name, number or pid))]
        if kind == "collected" and by_main and self.waiting in {name, ""}:
            self.waiting = ""
            return [Event("collected", line, stamp, name, code=int(number))]
        return []  # of a task that a task started: its lines are that one's output

    def _ended(self, event: Event, said_by: bytes) -> list[Event]:
        if self.waiting not in {"", event.name}:
            event = event._replace(text="shown")
        if event.name not in self._pids:
            self._early.setdefault(event.name, []).append((said_by, event))
            return []
        return [self._believed(event, said_by)]

    def _knows(self, name: str, pid: bytes) -> list[Event]:
        # A quick task prints its end before its parent prints that it was started.
        self._pids.setdefault(name, []).append(pid)
        return [self._believed(event, said_by) for said_by, event in self._early.pop(name, [])]

    def _believed(self, event: Event, said_by: bytes) -> Event:
        pids = self._pids[event.name]
        by_itself = said_by in pids or not said_by or not pids[-1].isdigit()
        if not by_itself or (said_by and said_by == self._main_pid):
            return event._replace(kind="not believed")
        return event._replace(pid=decoded(said_by if said_by in pids else pids[-1]))

    def _wait_never_ended(self, line: int, stamp: int) -> list[Event]:
        # stack.sh goes on, so its wait is over, though its last line is missing.
        name, self.waiting = self.waiting, ""
        return [Event("unfinished wait", line, stamp, name)] if name else []

    def _traced(self, said: Trace, line: int, stamp: int) -> list[Event]:
        if said.function == b"async_inner":
            is_command = not said.command.startswith(b"rc=")
            return [Event("inner", line, stamp, text=decoded(said.command))] if is_command else []
        if said.function == b"exit_trap" and said.command.startswith(b"local r="):
            left = self._close(line, stamp, phase=True)
            return [*left, Event("exit", line, stamp, code=_status(said.command[8:]))]
        if self.waiting:
            return []
        if self._foreground and said.function == b"async_run" and said.command[:7] == b"return ":
            code = _status(said.command[7:])
            return [Event("task-end", line, stamp, self._foreground.pop(), pid="self", code=code)]
        return self._place(said, line, stamp)

    def _place(self, said: Trace, line: int, stamp: int) -> list[Event]:
        in_main = said.function in {b"main", b""}
        words = said.command.split()
        if words[:1] == [b"run_phase"] and len(words) > 1 and in_main:
            self._phase_depth = said.depth
            return self._begin_phase(Event("phase", line, stamp, _phase(*words[1:3])))
        hook = _HOOK.match(said.command)
        if hook and (said.function in _RUNNERS or (in_main and said.depth == 1)):
            return self._begin_hook(hook, said, line, stamp)
        if not in_main and said.function not in _RUNNERS:
            return []
        if said.function == b"main" and not said.file.endswith(b"stack.sh"):
            return []  # a script that a hook runs with xtrace on
        if self.phase and not self.phase.code and said.function == b"main":
            is_back = said.depth <= self._phase_depth
            return self._close(line, stamp, phase=True) if is_back else []
        if self.hook and said.depth <= self._hook_depth:
            return self._close(line, stamp, phase=False)
        return []

    def _begin_phase(self, phase: Event) -> list[Event]:
        done = self._close(phase.line, phase.stamp, phase=True)
        self.phase = phase
        self._from_the_start |= phase.name == PHASES[0].label
        return [*done, phase]

    def _begin_hook(
        self, match: re.Match[bytes], said: Trace, line: int, stamp: int
    ) -> list[Event]:
        events = self._close(line, stamp, phase=False)
        if said.function not in _RUNNERS and match[2]:
            name = _phase(*(word for word in match.groups()[1:] if word))
            if self.phase is None or self.phase.name != name:
                events += self._begin_phase(Event("phase", line, stamp, name, code=1))
        path = decoded(match[1])
        self._hook_depth = said.depth
        self.hook = Event("hook", line, stamp, _hook_name(path), path)
        return [*events, self.hook]

    def _close(self, line: int, stamp: int, *, phase: bool) -> list[Event]:
        events = []
        if self.hook:
            events.append(Event("hook-end", line, stamp, self.hook.name))
            self.hook = None
        if phase and self.phase:
            events.append(Event("phase-end", line, stamp, self.phase.name))
            self.phase = None
        return events


def _status(text: bytes) -> int:
    return int(text) if text.strip().isdigit() else 1


def _phase(mode: bytes, phase: bytes = b"") -> str:
    return decoded(mode + b" " + phase if phase else mode)


def _hook_name(path: str) -> str:
    file = PurePosixPath(path)
    is_plugin = file.parent.name == "devstack"
    return f"{file.parent.parent.name}-{file.name}" if is_plugin else file.name
