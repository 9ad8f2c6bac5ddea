import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stacknb import tasklog
from stacknb.supervision import processes
from stacknb.supervision.gatekeeper import Gatekeeper

DONE = [sys.executable, "-c", "pass"]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a process in a group of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = words or ("sleep", "1000")
        started.append(subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_late(gate: Path) -> bytes:
    """Return what a shell reads at a gate that it opens only now."""
    reader = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(reader, 10)
    finally:
        os.close(reader)


class Gates:
    """A gatekeeper, and what can be read at the gates of its tasks."""

    def __init__(self, control: Path, jobs: int | None) -> None:
        self.keeper = Gatekeeper(str(control), jobs)
        self.control = control
        self.readers: dict[str, int] = {}

    def task(self, gate: str, pid: int, *more: str, limit: str = "") -> None:
        self.take("task", gate, str(pid), limit, *more)

    def take(self, kind: str, gate: str, *more: str) -> None:
        path = self.control / gate
        self.keeper.take("\x1f".join([kind, str(path), *more]))
        self.readers[gate] = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def tick(self, now: float = 0.0) -> list[str]:
        """Return which gates say what after a tick."""
        self.keeper.tick(now)
        told = []
        for gate, reader in self.readers.items():
            try:
                told.append(f"{gate}: {os.read(reader, 1000).decode().strip()}")
            except BlockingIOError:
                continue
        return [line for line in told if not line.endswith(": ")]

    def close(self) -> None:
        for reader in self.readers.values():
            os.close(reader)


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Callable[..., Gates]]:
    made: list[Gates] = []

    def make(jobs: int | None = None) -> Gates:
        made.append(Gates(tmp_path, jobs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def log_of(path: Path, pid: int, exit_code: int | None) -> str:
    header = {"kind": "task", "name": "t", "pid": pid, "run": "r"}
    path.write_bytes(tasklog.begin_line(header))
    if exit_code is not None:
        tasklog.close(path, exit_code=exit_code)
    return str(path)


def test_a_place_that_an_ended_task_leaves_is_given_to_the_next(gates, start: Start) -> None:
    keeper = gates(jobs=1)
    first, second = start(), start()
    keeper.task("a", first.pid)
    keeper.task("b", second.pid)

    assert keeper.tick() == ["a: go"]
    assert keeper.tick() == []
    first.kill()
    first.wait()
    assert keeper.tick() == ["b: go"]


def test_a_task_that_waits_gives_its_place_back_and_gets_one_before_those_in_the_queue(
    gates, start: Start
) -> None:
    keeper = gates(jobs=1)
    outer, inner, last = start(), start(), start()
    keeper.task("outer", outer.pid)
    assert keeper.tick() == ["outer: go"]
    keeper.task("inner", inner.pid)
    keeper.task("last", last.pid)
    assert keeper.tick() == []

    keeper.keeper.take(f"rest\x1f{outer.pid}\x1f{outer.pid}")
    assert keeper.tick() == ["inner: go"]
    keeper.take("return", "back", str(outer.pid), str(outer.pid))
    assert keeper.tick() == []
    inner.kill()
    inner.wait()
    assert keeper.tick() == ["back: go"]
    outer.kill()
    outer.wait()
    assert keeper.tick() == ["last: go"]


def test_a_place_stays_free_while_another_shell_of_the_task_waits(gates, start: Start) -> None:
    keeper = gates(jobs=1)
    outer, shell, first, second = start(), start(), start(), start()
    keeper.task("outer", outer.pid)
    assert keeper.tick() == ["outer: go"]
    keeper.task("first", first.pid)
    keeper.task("second", second.pid)
    for waiter in (outer, shell):
        keeper.keeper.take(f"rest\x1f{outer.pid}\x1f{waiter.pid}")
    assert keeper.tick() == ["first: go"]

    keeper.take("return", "one", str(outer.pid), str(shell.pid))
    assert keeper.tick() == ["one: go"], "while the first is still at work"
    first.kill()
    first.wait()
    assert keeper.tick() == ["second: go"]
    keeper.take("return", "two", str(outer.pid), str(outer.pid))
    assert keeper.tick() == []
    second.kill()
    second.wait()
    assert keeper.tick() == ["two: go"]


def test_two_shells_of_a_task_that_go_on_at_once_each_read_it(
    gates, start: Start, tmp_path: Path
) -> None:
    keeper = gates(jobs=1)
    outer, shell = start(), start()
    keeper.task("outer", outer.pid)
    assert keeper.tick() == ["outer: go"]
    for gate, waiter in (("one", outer), ("two", shell)):
        keeper.keeper.take(f"rest\x1f{outer.pid}\x1f{waiter.pid}")
        keeper.keeper.take(f"return\x1f{tmp_path / gate}\x1f{outer.pid}\x1f{waiter.pid}")
    keeper.tick()

    assert [read_late(tmp_path / gate) for gate in ("one", "two")] == [b"go\n", b"go\n"]


def test_a_shell_whose_task_has_ended_reads_late_that_it_may_go_on(
    gates, start: Start, tmp_path: Path
) -> None:
    keeper = gates(jobs=1).keeper
    outer, shell = start(), start()
    outer.kill()
    outer.wait()
    keeper.take(f"return\x1f{tmp_path / 'gate'}\x1f{outer.pid}\x1f{shell.pid}")
    for _ in range(3):
        keeper.tick(0.0)

    assert read_late(tmp_path / "gate") == b"go\n"


def test_a_task_has_its_place_again_when_the_shell_that_lent_it_was_killed(
    gates, start: Start
) -> None:
    keeper = gates(jobs=1)
    outer, shell, second = start(), start(), start()
    keeper.task("outer", outer.pid)
    assert keeper.tick() == ["outer: go"]
    keeper.keeper.take(f"rest\x1f{outer.pid}\x1f{shell.pid}")
    shell.kill()
    shell.wait()
    keeper.task("second", second.pid)
    assert keeper.tick() == []

    outer.kill()
    outer.wait()
    assert keeper.tick() == ["second: go"]


def test_a_message_that_is_too_long_for_one_write_is_read_from_a_file(
    gates, start: Start, tmp_path: Path
) -> None:
    keeper = gates()
    task = start()
    (tmp_path / "long").write_text(f"task\x1f{tmp_path / 'gate'}\x1f{task.pid}\x1f")
    keeper.keeper.take(f"said\x1f{tmp_path / 'removed'}")
    keeper.keeper.take(f"said\x1f{tmp_path / 'long'}")
    keeper.keeper.tick(0.0)

    assert read_late(tmp_path / "gate") == b"go\n"


def test_what_outlives_its_kill_does_not_keep_the_supervisor_busy(
    gates, start: Start, monkeypatch
) -> None:
    keeper = gates()
    task = start()
    keeper.task("gate", task.pid, limit="1")
    keeper.tick(now=0.0)
    keeper.tick(now=2.0)  # SIGTERM
    task.wait()
    monkeypatch.setattr(processes, "members", lambda **_: [1])
    keeper.tick(now=9.0)  # SIGKILL

    assert keeper.keeper.next_deadline() > 9.0


def test_a_gate_that_was_passed_is_taken_away(gates, start: Start, tmp_path: Path) -> None:
    keeper = gates()
    keeper.task("gate", start().pid)
    assert keeper.tick() == ["gate: go"]

    keeper.tick()
    assert not (tmp_path / "gate").exists()  # a later shell with its number may need the name


@pytest.mark.parametrize(
    ("exit_code", "verdict"),
    [(0, "go"), (3, "ended with status 3"), (None, "was killed")],
)
def test_a_task_comes_after_others_that_ended_well(
    gates, start: Start, tmp_path: Path, exit_code: int | None, verdict: str
) -> None:
    keeper = gates()
    first, second = start(), start()
    log = log_of(tmp_path / "t.log", first.pid, exit_code)
    keeper.task("b", second.pid, "t", str(first.pid), log)

    assert keeper.tick() == []
    assert keeper.keeper.watched() == {first.pid}
    first.kill()
    first.wait()
    (told,) = keeper.tick()
    assert told.endswith(verdict)


@pytest.mark.parametrize(
    ("why", "words"),
    [("cancelled", "was cancelled"), ("timeout", "was ended at its timeout"), ("", "was killed")],
)
def test_who_ended_a_task_that_left_no_footer_is_told_to_those_that_come_after(
    gates, start: Start, tmp_path: Path, why: str, words: str
) -> None:
    keeper = gates()
    first, second = start(*DONE), start()
    first.wait()
    if why:
        (keeper.control / f"why.{first.pid}").write_text(f"{why}\n")
    log = log_of(tmp_path / "t.log", first.pid, None)
    keeper.task("b", second.pid, "t", str(first.pid), log)

    assert keeper.tick() == [f"b: 't', which it was to start after, {words}"]


def test_a_task_that_ended_well_is_watched_no_longer_by_one_that_waits_for_another_too(
    gates, start: Start, tmp_path: Path
) -> None:
    keeper = gates()
    done, going_on, waiting = start(*DONE), start(), start()
    done.wait()
    logs = [log_of(tmp_path / "done.log", done.pid, 0), log_of(tmp_path / "g.log", going_on.pid, 0)]
    after = ["done", str(done.pid), logs[0], "going on", str(going_on.pid), logs[1]]
    keeper.task("w", waiting.pid, *after)

    assert keeper.tick() == []
    assert keeper.keeper.watched() == {going_on.pid}
    going_on.kill()
    going_on.wait()
    assert keeper.tick() == ["w: go"]


def test_a_footer_of_another_run_is_not_believed(gates, start: Start, tmp_path: Path) -> None:
    keeper = gates()
    first, second = start(*DONE), start()
    first.wait()
    log = log_of(tmp_path / "t.log", first.pid, None)
    with open(log, "ab") as file:
        file.write(tasklog.end_line({"run": "other"}, exit_code=0))
    keeper.task("b", second.pid, "t", str(first.pid), log)

    assert keeper.tick() == ["b: 't', which it was to start after, was killed"]


def test_what_heeds_no_sigterm_is_killed_with_its_group_and_its_log_says_timeout(
    gates, start: Start, tmp_path: Path
) -> None:
    keeper = gates()
    script = "trap '' TERM; (trap '' TERM; sleep 1000; :) & echo; wait; sleep 1000"
    task = start("bash", "-c", script)
    assert task.stdout is not None
    assert task.stdout.readline() == b"\n"
    log = log_of(tmp_path / "t.log", task.pid, None)
    keeper.task("a", task.pid, log, limit="10")

    assert keeper.tick(0.0) == ["a: go"]
    assert keeper.keeper.next_deadline() == 10.0
    keeper.tick(10.1)
    assert (tmp_path / f"why.{task.pid}").read_text() == "timeout\n"
    assert task.poll() is None
    later = keeper.keeper.next_deadline()
    keeper.tick(later + 0.1)
    assert task.wait() == -9
    deadline = time.monotonic() + 60
    while processes.members(group=task.pid):
        assert time.monotonic() < deadline
        later += 10
        keeper.tick(later)
    footer = tasklog.footer_of(log)
    assert footer is not None
    assert (footer["status"], footer["exit_code"]) == ("timeout", 137)


@pytest.mark.parametrize("message", ["", "task", "task\x1fgate", "rest\x1f99999999", "nonsense"])
def test_a_line_that_makes_no_sense_changes_nothing(gates, message: str) -> None:
    keeper = gates()
    keeper.keeper.take(message)

    assert keeper.tick() == []
    assert keeper.keeper.next_deadline() == float("inf")


@pytest.mark.parametrize("when", ["before it is heard of", "before it may start"])
def test_a_task_whose_gate_was_removed_is_ended_for_it_would_be_held_back_for_ever(
    tmp_path: Path, start: Start, when: str
) -> None:
    control, held = tmp_path / "control", start()
    control.mkdir()
    keeper = Gatekeeper(str(control), 1)
    if when == "before it is heard of":
        control.rmdir()
    keeper.take("\x1f".join(["task", str(control / "gate"), str(held.pid), ""]))
    (control / "gate").unlink(missing_ok=True)
    keeper.tick(0.0)
    assert held.wait(timeout=60) == -9
    keeper.tick(1.0)
    assert keeper.watched() == set()
