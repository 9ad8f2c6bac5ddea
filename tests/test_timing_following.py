"""Following a stack.sh log while it is written."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from stacknb.exceptions import LogError, StacknbError
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing.following import follow


@pytest.mark.parametrize("pieces", [2, 7, 60])
def test_a_growing_log_tells_the_same_as_a_whole_one(tmp_path: Path, pieces: int) -> None:
    whole, growing = tmp_path / "whole.log", tmp_path / "growing.log"
    write_devstack_log(whole, lines=2000)
    data = whole.read_bytes()
    cuts = [len(data) * part // pieces for part in range(pieces + 1)]
    todo = [data[start:end] for start, end in pairwise(cuts)]
    growing.write_bytes(todo.pop(0))

    def more(_: float) -> None:
        with growing.open("ab") as file:
            file.write(todo.pop(0))

    assert [*follow(growing, pause=more)] == [*follow(whole)]
    assert not todo[1:], "read up to its end"


def test_a_log_that_is_still_empty_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    log.touch()

    def begin(_: float) -> None:
        write_devstack_log(log, lines=2000)

    assert [*follow(log, pause=begin)][-1].startswith("over after")


def test_lines_come_as_soon_as_they_are_written(tmp_path: Path) -> None:
    whole, log = tmp_path / "whole.log", tmp_path / "stack.sh.log"
    write_devstack_log(whole, lines=2000)
    data = whole.read_bytes()
    log.write_bytes(data[: len(data) // 3])
    told: list[str] = []

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told.extend(follow(log, pause=stop))
    lines = follow(log, pause=stop)
    assert next(lines).endswith("── override_defaults")


def test_of_a_log_that_nobody_writes_to_this_is_said_once(tmp_path: Path) -> None:
    whole, log = tmp_path / "whole.log", tmp_path / "stack.sh.log"
    write_devstack_log(whole, lines=2000)
    data = whole.read_bytes()
    log.write_bytes(data[: len(data) // 3])
    os.utime(log, (0, time.time() - 7_230))
    pauses = iter(range(5))

    def wait(_: float) -> None:
        if next(pauses) == 3:
            log.write_bytes(data)

    said = [line for line in follow(log, pause=wait) if "nothing" in line]
    assert said == ["nothing was written for 2 h 00 min, and no end yet: Ctrl-C ends this"]


def test_a_run_that_fails_is_told_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    write_devstack_log(log, lines=2000, fails="init_neutron")
    told: list[str] = []
    with pytest.raises(StacknbError, match="ended with status 3"):
        told.extend(follow(log))
    assert told[-1].endswith("1 failed")


@pytest.mark.parametrize("content", [b"\0\1\2" * 99, b"GET / 200\n" * 9])
def test_what_is_no_log_of_stack_sh_is_refused(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(content)
    with pytest.raises(LogError):
        list(follow(log, pause=lambda _: pytest.fail("waits for nothing")))


def test_a_task_that_ended_before_its_start_was_told_took_no_negative_time(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    log.write_text(
        "2026-01-01 10:00:00.100 | + ./stack.sh:main:900 :   run_phase stack install\n"
        "2026-01-01 10:00:00.200 | [12 Async quick:12]: finished successfully\n"
        "2026-01-01 10:00:00.300 | [10 Async quick:12]: running: true\n"
        "2026-01-01 10:00:00.400 | stack.sh completed in 1 seconds.\n"
    )
    assert [line for line in follow(log) if "quick after" in line] == [
        "10:00:00     ✓ task quick after 0.00 s"
    ]


def test_a_wait_for_a_task_that_failed_is_not_told_as_a_success(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    log.write_text(
        "2026-01-01 10:00:00.100 | + ./stack.sh:main:900 :   run_phase stack install\n"
        "2026-01-01 10:00:00.300 | [10 Async bad:12]: running: false\n"
        "2026-01-01 10:00:01.000 | [10 Async bad:12]: Waiting for completion of false "
        "running on PID 12 (1 other jobs running)\n"
        "2026-01-01 10:00:02.000 | [12 Async bad:12]: FAILED with rc 3\n"
        "2026-01-01 10:00:02.500 | [10 Async bad:12]: finished false with result 3 in 1 seconds\n"
        "2026-01-01 10:00:02.600 | stack.sh completed in 2 seconds.\n"
    )
    assert [line for line in follow(log) if "waited" in line] == [
        "10:00:02     ✗ waited for bad 1.50 s, status 3"
    ]
