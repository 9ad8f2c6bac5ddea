"""The directory of a run that never was, written event by event as a run writes it."""

import json
import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stacknb import tasklog
from stacknb.rundir.journal import Event, RunDir


class Run:
    """Writes the directory of a run that never was, and tells a listener its events."""

    def __init__(self, folder: Path, name: str = "run") -> None:
        self.folder = folder / name
        self.listener: Any = None  # may stay so
        self.stack: Any = SimpleNamespace(run_dir=None, result=None, top_dir="/tree")
        self.phase, self.log = "", self.folder

    def tell(self, kind: str, name: str, **data: Any) -> None:
        event = Event(kind, time.time(), name, data)
        self.journal.write(event)
        if self.listener is not None:
            self.listener.on_event(event)

    def begin(self, mode: str = "stack") -> None:
        self.journal = RunDir.create(self.folder, mode, {"top_dir": "/tree"})
        self.stack.run_dir = self.folder
        self.tell("run-start", mode, top_dir="/tree", run_dir=str(self.folder))

    def begin_phase(self, name: str, *hooks: str) -> None:
        self.phase = name
        self.tell("phase-start", name, hooks=list(hooks))

    def end_phase(self, ok: bool = True, how: str = "", **more: Any) -> None:
        self.tell("phase-end", self.phase, ok=ok, duration_s=2.0, how=how, **more)

    def begin_hook(self, name: str) -> None:
        self.log = self.journal.new_log("hook", name, [name], self.phase, lambda _: os.getpid())
        self.header = tasklog.read_header(self.log)
        self.tell("hook-start", name, phase=self.phase, log=str(self.log), what="hook")

    def prints(self, output: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(output)

    def tick(self) -> None:
        self.listener.on_tick()

    def end_hook(self, status: str = "ok", **more: Any) -> None:
        self.prints(tasklog.end_line(self.header, end=time.time(), exit_code=0))
        words = {"status": status, "duration_s": 1.0, "log": str(self.log), **more}
        self.tell("hook-end", self.header["name"], phase=self.phase, **words)

    def hook(self, name: str, output: bytes = b"", status: str = "ok", **more: Any) -> None:
        self.begin_hook(name)
        self.prints(output)
        self.end_hook(status, **more)

    def waits(self, name: str, hook: str = "10-a.sh") -> None:
        """Begin a wait for a task."""
        words = {"log": f"async/{name}.log", "phase": self.phase, "hook": hook}
        self.journal.write(Event("wait-start", time.time(), name, words))

    def task(self, name: str, output: bytes = b"", exit_code: int | None = None) -> None:
        """Start a task; with an exit code it has ended, and its wait too."""
        log = self.folder / "async" / f"{name}.log"
        pid = os.getpid() if exit_code is None else 2**22 + 1
        header = {"name": name, "pid": pid, "run": self.journal.run, "start": time.time(),
                  "host": socket.gethostname()}  # fmt: skip
        words = {"pid": pid, "log": f"async/{name}.log", "phase": self.phase, "hook": "10-a.sh"}
        self.journal.write(Event("task", time.time(), name, words))
        log.write_bytes(tasklog.begin_line(header) + output)
        if exit_code is not None:
            with log.open("ab") as file:
                file.write(tasklog.end_line(header, end=header["start"] + 1, exit_code=exit_code))
            wait = {"name": name, "exit_code": exit_code, "log": f"async/{name}.log"}
            with (self.folder / "waits.jsonl").open("a") as file:
                file.write(json.dumps(wait) + "\n")

    def task_prints(self, name: str, output: bytes) -> None:
        with (self.folder / "async" / f"{name}.log").open("ab") as file:
            file.write(output)
