# ruff: noqa: E501  (a script of bash is read best on one line)

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stacknb.supervision import processes

STARTED = "import sys; print('started', flush=True); sys.stdin.read()"


@contextmanager
def started(*words: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that prints a line when it is ready."""
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, **options
    ) as process:
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_process_that_runs_is_alive_and_a_zombie_is_not() -> None:
    with started("sh", "-c", "echo; exec sleep 100") as process:
        assert processes.alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert processes.stat_fields(process.pid)[0] == "Z"
        assert not processes.alive(process.pid)
    assert not processes.alive(process.pid)


def test_without_proc_the_kernel_and_ps_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "stat_fields", lambda _: [])
    monkeypatch.setattr("os.path.isdir", lambda _: False)
    me, nobody = os.getpid(), 4_194_400
    assert [processes.alive(pid) for pid in (me, 1, nobody)] == [True, True, False]
    assert [processes.start_ticks(pid) for pid in (me, nobody)] == [0, None]
    assert processes.started_at(me) is None
    assert me in processes.members(group=os.getpgrp())
    assert me in processes.members(session=os.getsid(0))


def test_a_stopped_process_is_alive() -> None:
    with started("sh", "-c", "echo; exec sleep 100") as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert processes.alive(process.pid)


def test_the_fields_are_those_of_proc_whatever_the_name_of_the_program(tmp_path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.write_text("#!/bin/sh\necho; read x\n")
    program.chmod(0o755)
    with started(str(program), start_new_session=True) as process:
        fields = processes.stat_fields(process.pid)

        assert fields[1:4] == [str(os.getpid()), str(process.pid), str(process.pid)]
        assert int(fields[processes.START_TIME]) > 0
    assert processes.stat_fields(process.pid) == []


def test_members_of_a_group_and_of_a_session() -> None:
    script = "sleep 100 & set -m; sleep 100 & echo; wait"
    with started("bash", "-c", script, start_new_session=True) as process:
        group, session = (
            processes.members(group=process.pid),
            processes.members(session=process.pid),
        )

        assert len(group) == 2
        assert len(session) == 3
        assert process.pid in group
        processes.end_all(lambda: processes.members(session=process.pid), 5)
        assert processes.members(session=process.pid) == []


@pytest.mark.parametrize(
    "script",
    ["sleep 100 & echo; wait", "trap '' TERM; (trap '' TERM; echo; exec sleep 100) & wait; sleep 100",
     "trap 'sleep 100' TERM; echo; sleep 100", "echo; kill -STOP $$",
     "trap '' TERM HUP INT; while :; do (sleep 0.01); done & echo; wait"],
    ids=["plain", "ignores SIGTERM", "lingers", "stopped", "forks all the time"],
)  # fmt: skip
def test_a_whole_group_is_ended_and_verified_empty(script: str) -> None:
    with started("bash", "-c", script, start_new_session=True) as process:
        begun = time.monotonic()
        processes.end_group(process.pid, grace_s=0.2)

        assert processes.members(group=process.pid) == []
        assert time.monotonic() - begun < 60


def test_a_group_that_ends_at_sigterm_is_not_killed() -> None:
    # In a loop: a signal that comes just before a `wait` begins is seen when that ends.
    script = "trap 'exit 7' TERM; echo; while :; do sleep 0.01; done"
    with started("bash", "-c", script, start_new_session=True) as process:
        processes.end_group(process.pid, grace_s=60)

        assert process.wait() == 7


def test_ending_what_is_not_there_returns_at_once() -> None:
    with started("sh", "-c", "echo; exec true") as process:
        process.wait()
    processes.end_group(process.pid)
    processes.send([process.pid], signal.SIGTERM)


def test_who_has_nothing_to_end_looks_once() -> None:
    looks: list[int] = []

    def find() -> list[int]:
        looks.append(1)
        return []

    assert processes.end_all(find, 1) == set()
    assert looks == [1]


def test_what_is_to_be_done_meanwhile_is_done() -> None:
    with started(
        "bash", "-c", "trap '' TERM; echo; while :; do sleep 100; done", start_new_session=True
    ) as process:
        calls: list[int] = []
        processes.end_all(
            lambda: processes.members(group=process.pid), 0.1, lambda: calls.append(1)
        )

        assert calls


def test_what_may_not_be_signalled_is_given_up_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # As with what a task started through sudo; the tests may run as root, to whom all is allowed.
    with (
        started("bash", "-c", "echo; sleep 100", start_new_session=True) as own,
        started("bash", "-c", "echo; sleep 100", start_new_session=True) as foreign,
    ):
        really = os.kill

        def kill(pid: int, number: int) -> None:
            if pid == foreign.pid:
                raise PermissionError
            really(pid, number)

        monkeypatch.setattr(os, "kill", kill)
        both = [own.pid, foreign.pid]
        left = processes.end_all(lambda: [pid for pid in both if processes.alive(pid)], 0.1)
        monkeypatch.undo()

        assert left == {foreign.pid}
        assert not processes.alive(own.pid)


def test_a_process_is_told_from_a_later_one_by_when_it_began() -> None:
    before = time.time()
    with started("sh", "-c", "echo; exec sleep 100") as process:
        began = processes.started_at(process.pid)
        assert began is not None
        assert before - 5 <= began <= time.time()
        assert processes.start_ticks(process.pid) == int(
            processes.stat_fields(process.pid)[processes.START_TIME]
        )
        process.kill()
        process.wait()
        assert processes.start_ticks(process.pid) is None
        assert processes.started_at(process.pid) is None


def test_cpu_time_counts_children_that_were_reaped_and_is_zero_of_what_has_ended() -> None:
    before = sum(processes.cpu_ticks(os.getpid()))
    code = "import time\nwhile time.process_time() < 0.1: pass"
    child = subprocess.Popen([sys.executable, "-c", code])
    child.wait()
    # Half of it: what each counts is cut off to whole ticks.
    assert sum(processes.cpu_ticks(os.getpid())) >= before + 0.05 * os.sysconf("SC_CLK_TCK")
    assert processes.cpu_ticks(child.pid) == (0, 0)
