from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from IPython.lib.pretty import pretty

from stacknb import tasklog
from stacknb.results import HookResult, Result, RunResult, TaskResult
from stacknb.text import budget

LOG = Path("/run/async/db.log")


def task(status: str = "ok", code: int = 0, log: Path = LOG, **more: Any) -> TaskResult:
    return TaskResult("db", ["sync", "a b"], status, code, 1.5, 0.5, log, **more)


def hook(name: str, status: str = "ok", phase: str = "source") -> HookResult:
    return HookResult(phase, name, status, int(status != "ok"), 1.5, LOG)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("ok", 0, "ended well"),
        ("failed", 3, "failed with status 3"),
        ("failed", 128, "failed with status 128"),
        ("failed", 137, "failed with status 137 (SIGKILL)"),
        ("failed", 192, "failed with status 192 (SIGRTMAX)"),
        ("failed", 193, "failed with status 193"),
        ("killed", 143, "was killed by SIGTERM"),
        ("killed", 128 + 33, "was killed by signal 33"),
        ("cancelled", 143, "was cancelled"),
        ("timeout", 143, "was ended at its timeout"),
        ("lost", 127, "is lost: its process is gone and left no status"),
    ],
)
def test_how_a_task_ended_is_said_in_words(status: str, code: int, words: str) -> None:
    assert task(status, code).ending() == words
    assert bool(task(status, code)) == (status == "ok")
    assert repr(task(status, code)) == f"<task 'db' {words} after 1.50 s>"


def test_an_explanation_holds_the_place_the_last_lines_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "db.log"
    header = {"kind": "task", "name": "db", "run": "r", "start": 1.0}
    log.write_bytes(tasklog.begin_line(header) + b"one\ntwo\n")
    assert task("failed", 3, log).explanation().splitlines() == [
        "task 'db' failed with status 3",
        "  command sync 'a b'",
        "  last lines",
        "    | one",
        "    | two",
        f"  log     {log}",
    ]
    assert [task("failed", 3, log).tail(lines) for lines in (1, 0)] == ["two", ""]
    assert task("failed", 3, failed_at=("/a.sh", "7", "false x")).explanation().splitlines() == [
        "task 'db' failed with status 3",
        "  at      /a.sh:7",
        "  command false x",
        f"  log     {LOG}",
    ]


def test_an_explanation_tells_a_command_without_the_password_in_it() -> None:
    failed = task("failed", 3, failed_at=("/a.sh", "7", "DB_PASSWORD=sesame false"))
    assert failed.explanation().splitlines()[2] == "  command DB_PASSWORD=•••••• false"


def test_an_explanation_quotes_what_was_one_word_and_still_hides_a_password_in_it() -> None:
    failed = replace(task("failed", 1), command=["sleep", "1", "&&", "DB_PASSWORD='a b' run"])
    said = failed.explanation().splitlines()[1]
    assert said == "  command sleep 1 '&&' 'DB_PASSWORD=•••••• run'"


def test_a_cell_shows_the_last_lines_of_both_streams() -> None:
    done = Result("x", 3, "a\nb\n", "oops\n", LOG)
    assert (done.ok, bool(done), done.tail(2)) == (False, False, "b\noops")
    assert (done.tail(0), done.tail(9)) == ("", "a\nb\noops")
    assert repr(done) == f"<bash exited with status 3, log {LOG}>"


def test_a_run_is_well_if_the_last_try_of_each_hook_is_and_no_task_is_left() -> None:
    run = RunResult("stack", Path("/run"), [hook("10-a.sh", "failed"), hook("10-a.sh")], ["source"])
    assert run
    assert repr(run) == "<stack run 1 phase done: 2 hooks in 3.00 s, /run>"
    run.hooks.append(hook("20-b.sh", "failed"))
    run.phases.append("stack install")
    assert not run
    assert repr(run) == "<stack run 2 phases done: 3 hooks in 4.50 s, 1 failed, /run>"
    run = RunResult("stack", Path("/run"), [hook("10-a.sh")], complete=True, tasks=[task("lost")])
    assert not run
    assert repr(run) == "<stack run complete: 1 hook in 1.50 s, 1 failed, /run>"


def test_a_localrc_that_failed_is_no_failure_once_its_phase_is_done() -> None:
    run = RunResult("stack", Path("/run"), [hook("localrc", "failed")])
    assert not run
    run.phases = ["source"]
    assert run


def test_the_timing_is_shown_with_a_run_that_has_room_for_it_and_something_to_time() -> None:
    run = RunResult("stack", Path("/run"), timing="Async summary")
    assert pretty(run) == f"{run!r}\n\nAsync summary"
    run.room = budget.RESULT // 2
    assert pretty(run) == repr(run)
    run.room, run.timed = budget.RESULT, False
    assert pretty(run) == repr(run)
    assert (
        pretty(RunResult("stack", Path("/run")))
        == "<stack run 0 phases done: 0 hooks in 0.00 s, /run>"
    )
