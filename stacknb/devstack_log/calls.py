"""The main shell's calls, rebuilt from an xtrace: where the time went, by file, function and line.

A trace line begins a command; its time lasts until the next one begins. What runs beside the main
shell has no part in it: the trace of a task's own shell, and the output of a task that is shown
when it is collected (its lines bear the time of the showing). While stack.sh waits for a task, the
line that asked for the wait is the one at work.

The trace does not tell calls and returns. A function is taken to have been called by the line
before it if that line names it (or sources its file); to have been returned to if it is on the
stack; and else, where a stretch is not traced, to have been called from where the trace left off.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stacknb.devstack_log.events import Recogniser
from stacknb.devstack_log.lines import trace
from stacknb.devstack_log.logfile import LogFile

__all__ = ["Calls", "Place", "Spot", "read_calls"]

Place = tuple[bytes, bytes]  # file, function
Spot = tuple[bytes, bytes, int]  # file, function, line


@dataclass
class Calls:
    """Times in ms; see the module for what they mean.

    Attributes
    ----------
    self_ms, count : dict of spot to int
        Time of the line's own commands, and how often one began.
    cumulative_ms : dict of spot to int
        The same and the time in functions called from the line; once where it is recursive.
    function_ms, file_ms : dict of place, of file, to int
        Time during which the function, or anything of the file, was on the stack.
    folded : dict of tuple of places to int
        Self time of each stack.

    Trace lines without file and function are in ``("", "", 0)``.
    """

    self_ms: dict[Spot, int] = field(default_factory=dict)
    count: dict[Spot, int] = field(default_factory=dict)
    cumulative_ms: dict[Spot, int] = field(default_factory=dict)
    function_ms: dict[Place, int] = field(default_factory=dict)
    file_ms: dict[bytes, int] = field(default_factory=dict)
    folded: dict[tuple[Place, ...], int] = field(default_factory=dict)


def read_calls(path: str | os.PathLike[str]) -> Calls:
    """Read a log of stack.sh, plain or gzipped.

    Raises
    ------
    LogError
        If the file is none of stack.sh's.
    """
    # Twice: only after its last line is it known where the clock was set back.
    log = LogFile(path)
    for _ in log.blocks():
        pass
    clock = log.clock()
    walk = _Walk()
    for block in LogFile(path).blocks():
        data, starts = block.data, block.starts.tolist()
        times = clock.times(block.first_line, block.times).tolist()
        texts = (block.starts[:-1] + 26 * block.stamped).tolist()
        for index, at in enumerate(texts):
            first = data[at : at + 1]
            if first == b"+":
                walk.traced(data[at : starts[index + 1] - 1], times[index])
            elif first == b"[":
                walk.recogniser.feed(data[at : starts[index + 1] - 1], 0, 0)
    return walk.finish(clock.time(log.lines - 1, log.last))


Key = TypeVar("Key", bound=Hashable)


class _Open(Generic[Key]):
    """Adds up the time during which a thing is at least once on the stack."""

    def __init__(self) -> None:
        self.ms: dict[Key, int] = {}
        self.depth: dict[Key, int] = {}
        self._since: dict[Key, int] = {}

    def enter(self, key: Key, time: int) -> None:
        depth = self.depth.get(key, 0)
        if not depth:
            self._since[key] = time
        self.depth[key] = depth + 1

    def leave(self, key: Key, time: int) -> None:
        depth = self.depth[key] - 1
        self.depth[key] = depth
        if not depth:
            self.ms[key] = self.ms.get(key, 0) + time - self._since[key]


@dataclass(slots=True)
class _Frame:
    place: Place
    depth: int
    caller: Spot | None
    node: int


class _Walk:
    def __init__(self) -> None:
        self.recogniser = Recogniser()
        self.calls = Calls()
        self._stack: list[_Frame] = []
        self._functions = _Open[Place]()
        self._files = _Open[bytes]()
        self._callers = _Open[Spot]()
        self._again: dict[Spot, int] = {}  # self time of a line while it is on the stack below
        self._nodes: list[tuple[int, Place]] = []
        self._node_ms: list[int] = []
        self._children: dict[tuple[int, Place], int] = {}
        self._spot: Spot | None = None
        self._command = b""
        self._time = 0

    def traced(self, text: bytes, time: int) -> None:
        if self.recogniser.waiting:
            return
        said = trace(text)
        if said is None or said.function == b"async_inner":
            return
        depth, file, function, line, command = said
        self._pass_time(time)
        stack = self._stack
        while stack and stack[-1].depth > depth:
            self._leave(time)
        place = (file, function)
        if not stack or stack[-1].place != place or self._calls(function):
            self._enter(place, depth, time)
        self._spot = spot = (file, function, line)
        self._command = command
        count = self.calls.count
        count[spot] = count.get(spot, 0) + 1

    def finish(self, time: int) -> Calls:
        self._pass_time(time)
        while self._stack:
            self._leave(time)
        calls = self.calls
        calls.function_ms = self._functions.ms
        calls.file_ms = self._files.ms
        for spot, ms in calls.self_ms.items():
            below = self._callers.ms.get(spot, 0)
            calls.cumulative_ms[spot] = ms - self._again.get(spot, 0) + below
        for node, ms in enumerate(self._node_ms):
            if ms:
                calls.folded[self._path(node)] = ms
        return calls

    def _pass_time(self, time: int) -> None:
        spot, passed = self._spot, time - self._time
        self._time = time
        if spot is None:
            return
        ms = self.calls.self_ms
        ms[spot] = ms.get(spot, 0) + passed
        self._node_ms[self._stack[-1].node] += passed
        if self._callers.depth.get(spot):
            self._again[spot] = self._again.get(spot, 0) + passed

    def _calls(self, function: bytes) -> bool:
        """Tell whether the line before this one called `function`."""
        word = self._command.split(None, 1)[:1]
        if word == [function]:
            return function != b""
        return function == b"source" and word in ([b"source"], [b"."])

    def _enter(self, place: Place, depth: int, time: int) -> None:
        stack = self._stack
        if not self._calls(place[1]):
            for index in range(len(stack) - 1, -1, -1):
                if stack[index].place == place:
                    while len(stack) > index + 1:
                        self._leave(time)
                    return
        caller = self._spot if stack else None
        parent = stack[-1].node if stack else -1
        node = self._children.get((parent, place))
        if node is None:
            node = self._children[parent, place] = len(self._nodes)
            self._nodes.append((parent, place))
            self._node_ms.append(0)
        stack.append(_Frame(place, depth, caller, node))
        self._functions.enter(place, time)
        self._files.enter(place[0], time)
        if caller:
            self._callers.enter(caller, time)

    def _leave(self, time: int) -> None:
        frame = self._stack.pop()
        self._functions.leave(frame.place, time)
        self._files.leave(frame.place[0], time)
        if frame.caller:
            self._callers.leave(frame.caller, time)

    def _path(self, node: int) -> tuple[Place, ...]:
        path: list[Place] = []
        while node >= 0:
            node, place = self._nodes[node]
            path.append(place)
        return tuple(path[::-1])
