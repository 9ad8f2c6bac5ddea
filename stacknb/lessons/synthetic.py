"""Makes a stack.sh log that never happened, in the layout of real ones, and tells what is in it.

For examples, benchmarks and tests: every line has the form that DevStack gives it (xtrace with
``FILE:FUNC:LINE``, the messages of its async functions, the two tables at the end), tasks run
beside the main script and their output appears when they are collected. The times are invented.
"""

from __future__ import annotations

import gzip
import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from stacknb.lessons.printer import Printer
from stacknb.lessons.story import (
    FILLER,
    STORY,
    Collect,
    Phase,
    Start,
    Step,
    closing_tables,
)
from stacknb.timing.records import HookRecord, PhaseRecord, Records, TaskRecord, WaitRecord

__all__ = ["write_devstack_log"]

_MAIN_PID = 32436
_AT_WORK = 0.93  # of the time; else it waits
_BASE_MINUTES = 17.5  # what the story takes at speed 1
_PLUGINS = ("heat", "octavia")  # sourced in each phase after extras.d/80-tempest.sh
_RUNNER = "functions-common:run_phase"


def write_devstack_log(
    path: str | os.PathLike[str],
    *,
    minutes: float = 20.0,
    lines: int = 20_000,
    seed: int = 0,
    colour: bool = False,
    fails: str = "",
    start: float = 1_790_000_000.0,
) -> Records:
    """Write a log and return what a reader should find in it.

    Parameters
    ----------
    path : path-like
        Gzipped if it ends in ``.gz``.
    minutes : float
        About how long the run takes.
    lines : int
        About how many lines the log has.
    seed : int
        The same seed gives the same log.
    colour : bool
        With colour escapes, as LOG_COLOR=True makes it.
    fails : str
        Name of a task that fails, which ends the run when it is collected.
    start : float
        Epoch seconds of the first line.

    Returns
    -------
    Records
        Phases, hooks, tasks and waits with the times of the lines that tell them.
    """
    file = Path(path)
    with file.open("wb") as plain, ExitStack() as stack:
        out: BinaryIO = plain
        if file.suffix == ".gz":  # no time in it: the same seed gives the same bytes
            packed = stack.enter_context(gzip.GzipFile("", "wb", fileobj=plain, mtime=0))
            out = cast(BinaryIO, packed)
        writer = _Writer(out, round(start * 1000), seed, colour)
        writer.speed = minutes / _BASE_MINUTES
        writer.every_ms = minutes * 60_000 * _AT_WORK / max(1, lines - 1200)
        writer.tick = max(1, min(3, round(writer.every_ms / 2)))
        writer.fails = fails
        return writer.write(str(file))


class _Writer(Printer):
    def __init__(self, out: BinaryIO, start: int, seed: int, colour: bool) -> None:
        super().__init__(out, start, seed, colour)
        self.speed = 1.0
        self.open_hook: HookRecord | None = None
        self.fails = ""
        self.truth = Records("", "stack.sh")
        self.pid = 90_000
        self.pids: dict[str, int] = {}
        self.components = {"apt-get": 0, "pip_install": 0, "git_timed": 0, "async_wait": 0}

    def write(self, path: str) -> Records:
        self.truth.path = path
        self.truth.start = self.text("stack.sh log /opt/stack/logs/stack.sh.log")
        self.truth.main_start = self.truth.start
        for part in STORY:
            match part:
                case Phase(name):
                    self.run_phase(name)
                case Start(task, length):
                    self.start_task(task, round(length * 1000 * self.speed))
                case Collect(names):
                    if not self.wait(names):
                        break
                case Step(file, function, length, component):
                    self.main(function)
                    began = self.now
                    self.work(f"{file}:{function}", 1, round(length * 1000 * self.speed))
                    if component:
                        self.components[component] += self.now - began
        if not self.failed:
            self.tables()
        self.truth.end = self.truth.main_end = self.now * 1000
        return self.truth

    @property
    def failed(self) -> bool:
        return any(task.status == "failed" for task in self.truth.tasks if task.name == self.fails)

    # --- phases and hooks ---------------------------------------------------------------------

    def run_phase(self, name: str) -> None:
        record = PhaseRecord(name, self.main(f"run_phase {name}"))
        self.truth.phases.append(record)
        mode, _, phase = name.partition(" ")
        self.trace(1, f"{_RUNNER}:1869", f"local mode={mode}")
        self.trace(1, f"{_RUNNER}:1870", f"local phase={phase}")
        path = "/opt/stack/devstack/extras.d/80-tempest.sh"
        self.hook("80-tempest.sh", path, f"{_RUNNER}:1885", name, 0.02)
        self.runner(f"{_RUNNER}:1890", f"[[ {mode} == \\s\\o\\u\\r\\c\\e ]]")
        if name == "override_defaults":
            runner, file, call = "plugin_override_defaults", "override-defaults", ""
        elif name == "source":
            runner, file, call = "load_plugin_settings", "settings", ""
        else:
            runner, file, call = "run_plugins", "plugin.sh", f" {name}"
        self.trace(1, f"{_RUNNER}:1896", f"{runner}{call}")
        for plugin in _PLUGINS:
            self.runner(f"functions-common:{runner}:1860", "for plugin in '${plugins//,/ }'")
            path = f"/opt/stack/{plugin}/devstack/{file}"
            length = self.random.uniform(1, 30) if phase in {"install", "post-config"} else 0.1
            place = f"functions-common:{runner}:1863"
            self.hook(f"{plugin}-{file}", path, place, name, length * self.speed, call)
        self.line += 1
        place = f"./stack.sh:main:{self.line}"
        record.end = self.runner(place, "merge_config_group local.conf")

    def hook(
        self, name: str, path: str, place: str, phase: str, seconds: float, call: str | None = None
    ) -> None:
        arguments = f" {phase}" if call is None else call
        began = self.trace(1, place, f"source {path}{arguments}")
        hook = HookRecord(name, phase, path, "ok", 0, began, log=self.truth.path)
        self.truth.hooks.append(hook)
        self.trace(
            2, f"{path.removeprefix('/opt/stack/devstack/')}:source:3", "is_service_enabled x"
        )
        self.work(f"{path}:source", 2, round(seconds * 1000))
        self.open_hook = hook

    def runner(self, place: str, command: str) -> int:
        """Print a line of what sources the hooks: the one before is over."""
        time = self.trace(1, place, command)
        if self.open_hook:
            self.open_hook.end, self.open_hook = time, None
        return time

    # --- tasks --------------------------------------------------------------------------------

    def start_task(self, name: str, ms: int) -> None:
        self.main(f"async_runfunc {name}")
        self.trace(1, "inc/async:async_runfunc:116", f"async_run {name} {name}")
        self.pass_time(self.random.randint(90, 250))
        self.trace(1, "inc/async:async_inner:63", name)
        self.pass_time(self.random.randint(40, 120))
        self.pid += self.random.randint(20, 900)
        self.pids[name] = pid = self.pid
        began = self.text(f"[{_MAIN_PID} Async {name}:{pid}]: running: {name}")
        fails = name == self.fails
        said = "FAILED with rc 3" if fails else "finished successfully"
        end = self.now + ms
        self.later(end - 40, self.traced(1, "inc/async:async_inner:64", f"rc={3 * fails}"))
        self.later(end, f"[{pid} Async {name}:{pid}]: {said}")
        task = TaskRecord(name, name, self.truth.phases[-1].name, start=began, end=end * 1000)
        task.status, task.exit_code = ("failed", 3) if fails else ("ok", 0)
        task.log = self.truth.path
        self.truth.tasks.append(task)

    def wait(self, names: tuple[str, ...]) -> bool:
        """Collect tasks; return whether the run goes on."""
        self.main(f"async_wait {' '.join(names)}")
        for name in names:
            index = next(i for i, task in enumerate(self.truth.tasks) if task.name == name)
            task, me = self.truth.tasks[index], f"[{_MAIN_PID} Async {name}:{self.pids[name]}]:"
            self.pass_time(self.random.randint(20, 80))
            began = self.text(
                f"{me} Waiting for completion of {name} running on PID {self.pids[name]} "
                f"({len(self.background) // 2} other jobs running)"
            )
            self.text(f"{me} Signaling child to exit")
            self.text("WAKEUP")
            self.text(f"{me} Signaled")
            end = (task.end or 0) // 1000
            self.pass_time(max(0, end - self.now) + self.random.randint(3, 9))
            for number in range(self.random.randint(3, 25)):
                self.trace(1, f"lib/{name.rpartition('_')[2]}:{name}:{number + 30}", FILLER[0][1])
            length = (end * 1000 - (task.start or 0)) // 1_000_000
            ended = self.text(
                f"{me} finished {name} with result {task.exit_code} in {length} seconds"
            )
            self.components["async_wait"] += (ended - began) // 1000
            wait = WaitRecord(name, began, ended, task.phase, "", task.exit_code, index)
            wait.phase = self.truth.phases[-1].name
            self.truth.waits.append(wait)
            if task.exit_code:
                self.text(f"Stopping async wait due to error: {' '.join(names)}")
                self.trace(1, "./stack.sh:exit_trap:549", "local r=3")
                self.text("Error on exit")
                self.trace(1, "./stack.sh:exit_trap:584", "exit 3")
                return False
        return True

    # --- the end ------------------------------------------------------------------------------

    def tables(self) -> None:
        elapsed = (self.now - self.begin) // 1000
        tasks = sum((task.end or 0) - (task.start or 0) for task in self.truth.tasks)
        hidden = (tasks // 1000 - self.components["async_wait"]) // 1000
        rows = {name: ms // 1000 for name, ms in self.components.items()}
        self.out.write(closing_tables(rows, elapsed, hidden).encode())
        self.text(f"stack.sh completed in {elapsed} seconds.")
