"""Background tasks, started and waited for by hooks and by people; DevStack's defects that are not ours."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import asyncio
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from stacknb import (
    BadInput,
    HookFailed,
    Interrupted,
    Stack,
    TaskFailed,
    WaitTimeout,
    tasklog,
    timing,
)
from stacknb.hooks.check_rules import remarks
from stacknb.supervision import processes

# A task that runs until the file is there, without a process of its own.
UNTIL = 'until_there() { until [[ -e $1 ]]; do read -rt 0.005 <>"$FIFO" || :; done; }\nmkfifo fifo; FIFO=$PWD/fifo\n'

# More than the system takes for an environment, so that no program can be started with it.
HUGE = "printf -v big %0100000d; for n in {1..80}; do export BIG$n=$big; done\n"


def log_of(stack: Stack, name: str) -> tasklog.LogRecord:
    assert stack.run_dir is not None
    return tasklog.read(stack.run_dir / "async" / f"{name}.log")


def waits_of(stack: Stack) -> list[dict]:
    assert stack.run_dir is not None
    return [
        json.loads(line)
        for line in (stack.run_dir / "waits.jsonl").read_text("utf-8", "replace").splitlines()
    ]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """Kill a process, but only if it is of this test."""
    mark = os.environ["STACKNB_TEST_MARK"].encode()
    assert pid > 1
    assert mark in Path(f"/proc/{pid}/environ").read_bytes()
    os.kill(pid, signal.SIGKILL)


# ------------------------------------------- the defects of CONTRACT.md, a row each, named after it


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("echo before; exit 4", 4, "status 4"),
        ("die $LINENO gone", 1, "status 1"),
        ("kill -9 $BASHPID", 137, "SIGKILL"),
        ("kill -TERM $BASHPID; sleep 9", 143, "SIGTERM"),
    ],
)
def test_a_task_that_exits_or_is_killed_does_not_make_the_wait_hang(
    tree, output, body: str, code: int, says: str
) -> None:
    stack = tree.run(
        f"f() {{ echo first; {body}; }}\nasync_run t f\nasync_wait t || echo got $?\nf2() {{ {body}; }}; async_run u f2"
    )

    shown = output(stack, "10-hook.sh")
    assert f"got {code}\n" in shown
    assert says in shown
    assert "first\n" in shown
    with pytest.raises(TaskFailed) as caught:
        stack.async_wait("u")
    (result,) = caught.value.results
    assert result.exit_code == code
    assert result.status == ("killed" if code > 128 else "failed")
    assert says in str(caught.value)


def test_errexit_holds_inside_a_task_whenever_it_holds_in_the_shell(tree, output) -> None:
    stack = tree.run(
        "f() { echo a; false; echo b; }\nasync_run t f\nasync_wait t || echo got $?\nset +e\nasync_run u f\nasync_wait u; echo got $?"
    )

    assert log_of(stack, "t").output() == b"a\n"
    assert log_of(stack, "u").output() == b"a\nb\n"
    assert re.findall("got .", output(stack, "10-hook.sh")) == ["got 1", "got 0"]


def test_errexit_holds_inside_a_task_that_a_person_starts_where_the_run_is_under_errexit(
    tree,
) -> None:
    stack = tree.run("f() { echo a; false; echo b; }")
    result = stack.async_run("t", "f").wait()

    assert (result.status, result.tail()) == ("failed", "a")


@pytest.mark.parametrize(
    "start",
    [
        "async_run t f || echo refused",
        "if async_run t f; then :; fi",
        "! async_run t f || :",
        "async_run t f && :",
    ],
)
def test_a_condition_suspends_errexit_inside_a_task_as_in_any_function(tree, start: str) -> None:
    stack = tree.run(f"f() {{ echo a; false; echo b; }}\n{start}")

    assert (stack.tasks["t"].wait().status, log_of(stack, "t").output()) == ("ok", b"a\nb\n")


HOSTILE = ["", " ", "a  b", "*", "a\nb", "'", '"', "\\", "$(id)", "`id`", "-n", "--after", "\t", "\x01\x1f\x7f", "ä☃", "\udcff\udc80",
           "\\n", "%s", "~", "{a,b}", "!x", "\r", "a" * 70_000, "#stacknb-end {}", ""]  # fmt: skip


def test_arguments_arrive_exactly_as_given(tree) -> None:
    stack = tree.run(
        "f() { printf '<%s>' \"$@\"; }; async_run h f " + " ".join(map(quoted, HOSTILE)),
        "async_wait h",
    )
    stack.async_run("p", "f", *HOSTILE)
    stack.async_run("q", "printf", "<%s>", *HOSTILE)
    stack.async_wait()

    for name in ("h", "p", "q"):
        record = log_of(stack, name)
        assert record.output() == os.fsencode("".join(f"<{word}>" for word in HOSTILE))
        assert record.header["command"][-len(HOSTILE) :] == HOSTILE
        line = record.path.read_bytes().partition(b"\n")[0].removeprefix(b"#stacknb-begin ")
        assert json.loads(os.fsdecode(line)) == record.header  # no control character is left in it


def quoted(word: str) -> str:
    return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'" if word else "''"


def test_async_cleanup_waits_for_every_uncollected_task_and_warns_about_each(tree, output) -> None:
    stack = tree.run(
        "async_run a sleep 0.1\nasync_run b false\nasync_run c true\nasync_wait c\nasync_cleanup\necho status $?\nasync_cleanup\necho done"
    )

    shown = output(stack, "10-hook.sh")
    assert re.findall(r"WARNING: uncollected async future (\w)", shown) == ["a", "b"]
    assert shown.endswith("status 0\ndone\n")
    assert [wait["name"] for wait in waits_of(stack)] == ["c", "a", "b"]


def test_async_cleanup_waits_in_the_order_of_the_starts_also_for_what_a_journal_no_longer_has(
    tree, output
) -> None:
    names = [f"{letter}{number}" for number in (3, 1, 2) for letter in "zam"]
    start = "".join(f"async_run {name} true\n" for name in names)
    stack = tree.run(
        start
        + 'async_cleanup\nasync_run last false\n: >"$_stacknb_dir/journal.jsonl"\nasync_cleanup'
    )

    shown = re.findall(r"WARNING: uncollected async future (\w+)", output(stack, "10-hook.sh"))
    assert shown == [*names, "last"]


def test_a_run_that_ends_collects_what_nobody_waited_for(tree) -> None:
    tree.hook("10-a.sh", "[[ $* != 'stack install' ]] || async_run t sleep 0.1")
    stack = tree.stack()
    stack.run()

    assert [(wait["name"], wait["exit_code"]) for wait in waits_of(stack)] == [("t", 0)]


def test_a_run_is_not_well_if_a_task_failed_that_nobody_waited_for(tree) -> None:
    tree.hook("10-a.sh", "[[ $* != 'stack install' ]] || { async_run t false; async_run u true; }")
    done = tree.stack().run()

    assert (done.complete, done.ok, [task.name for task in done.tasks]) == (True, False, ["t"])
    assert "1 failed" in repr(done)


def test_a_task_of_whose_end_nobody_knows_is_called_lost_and_not_an_unknown_command(
    tree, output
) -> None:
    stack = tree.run(
        "async_run t sleep 1000\nkill -9 -- -$(async_pidof t)\nwait\nasync_wait t || :\n"
        "async_run u no_such_command\nasync_wait u || :"
    )

    shown = output(stack, "10-hook.sh")
    assert "async_wait: FAILED: t (status 127, lost: nobody knows how it ended)" in shown
    assert "async_wait: FAILED: u (status 127, no such command, or lost)" in shown


def test_a_task_whose_program_was_killed_names_the_signal(tree) -> None:
    stack = tree.run("async_run t bash -c 'kill -9 $$'")

    assert stack.tasks["t"].wait().ending() == "failed with status 137 (SIGKILL)"


@pytest.mark.parametrize("how", ["hook", "stack", "environment", "person"])
def test_with_devstack_parallel_false_tasks_run_in_the_foreground_with_the_same_log_and_true_times(
    tree, output, how: str, monkeypatch
) -> None:
    if how == "environment":
        monkeypatch.setenv("DEVSTACK_PARALLEL", "False")
    switch = "DEVSTACK_PARALLEL=False\n" if how in ("hook", "person") else ""
    script = f"{switch}f() {{ echo out $1; sleep 0.2; echo end; }}\n"
    if how != "person":
        script += "async_run t f 'a b'\necho started; async_wait t; echo waited\n"
    stack = tree.run(script, parallel=how != "stack")
    if how == "person":
        stack.async_run("t", "f", "a b")
        assert not stack.tasks["t"].running
        stack.async_wait()

    record = log_of(stack, "t")
    assert record.output() == b"out a b\nend\n"
    assert record.header["command"] == ["f", "a b"]
    assert record.footer is not None
    assert 0.2 <= record.footer["end"] - record.header["start"] < 60
    assert record.header["foreground"] is True
    figures = timing.load(stack.run_dir).summary()
    assert (figures["background_s"], figures["speedup"]) == (0, 1), "it hid nothing"
    (wait,) = waits_of(stack)
    assert 0 <= wait["wait_end"] - wait["wait_start"] < 60
    if how != "person":
        shown = output(stack, "10-hook.sh")
        assert shown.index("started") < shown.index("out a b\nend\n") < shown.index("waited")
        assert shown.count("out a b") == 1


def test_the_status_of_a_task_in_the_foreground_of_a_subshell_is_known_without_a_footer(
    tree, output
) -> None:
    stack = tree.run(
        "f() { exec sh -c 'exit 5'; }; (async_run t f) || echo ran $?; async_wait t || echo waited $?",
        parallel=False,
    )

    assert output(stack, "10-hook.sh").count("ran 5\n") == 1
    assert "waited 5\n" in output(stack, "10-hook.sh")


def test_a_task_in_the_foreground_that_fails_ends_the_hook_at_its_line(tree) -> None:
    path = tree.hook(
        "10-a.sh", "DEVSTACK_PARALLEL=False\nf() { exit 3; }\nasync_run t f\necho never"
    )
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    assert caught.value.failure.place == f"{path}:3"
    assert caught.value.failure.status == 3


def test_a_serial_function_that_fails_ends_the_hook_at_its_line(tree) -> None:
    path = tree.hook("10-a.sh", "DEVSTACK_PARALLEL=False\nif :; then\n  async_runfunc false\nfi")
    with pytest.raises(HookFailed) as caught:
        tree.stack().step()
    assert caught.value.failure.place == f"{path}:3"
    assert caught.value.failure.command == "async_runfunc false"


def test_a_serial_task_that_failed_shows_its_log_and_its_place_since_no_wait_will(
    tree, output
) -> None:
    hook = tree.hook(
        "10-a.sh", "DEVSTACK_PARALLEL=False\nf() {\n  printf almost\n  exit 3\n}\nasync_run t f"
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()
    said = f"almost\nasync_run: FAILED: t (status 3)\n    at {hook}:4, called from {hook}:6\n"
    assert output(stack, "10-a.sh").endswith(said)
    assert "#stacknb-begin" not in output(stack, "10-a.sh")


@pytest.mark.parametrize(
    ("end", "said"), [("exit 3", "status 3"), ("kill $BASHPID", "status 143, ended by SIGTERM")]
)
def test_a_serial_task_that_failed_is_said_to_have_ended_as_it_did(
    tree, output, end: str, said: str
) -> None:
    tree.hook(
        "10-a.sh",
        "async_run killed eval 'kill -9 $BASHPID'; async_wait killed || :\n"
        f"DEVSTACK_PARALLEL=False; async_run t eval '{end}'",
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()

    assert f"async_run: FAILED: t ({said})\n" in output(stack, "10-a.sh")


def test_a_serial_task_that_failed_shows_all_that_is_in_its_log_and_once(tree, output) -> None:
    tree.hook("10-a.sh", "DEVSTACK_PARALLEL=False; set +e\nasync_run t bash -c 'echo why; exit 4'\n"
              "async_wait t; set -e\nasync_run u bash -c 'echo gone; echo that >/dev/stderr; exit 4'")  # fmt: skip
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()
    said = output(stack, "10-a.sh")
    assert (said.count("\nwhy\n"), said.count("\nthat\n")) == (1, 1)


def test_async_print_timing_without_a_wait_prints_zeros(tree, output) -> None:
    stack = tree.run("_TIME_BEGIN=$EPOCHSECONDS\nset -u\nasync_print_timing\necho $?")

    shown = output(stack, "10-hook.sh")
    assert "Async summary" in shown
    assert re.search(
        r"Time spent in the background minus waits: 0 sec\n Elapsed time: \d+ sec\n", shown
    )
    assert shown.endswith("\n0\n")


def test_async_print_timing_finds_nothing_hidden_by_a_task_in_the_foreground(tree, output) -> None:
    stack = tree.run(
        "_TIME_BEGIN=${EPOCHREALTIME/./}\nDEVSTACK_PARALLEL=False\n"
        "async_run t sleep 1.1\nasync_wait t\nasync_print_timing"
    )

    assert "minus waits: 0 sec\n" in output(stack, "10-hook.sh")


def test_async_print_timing_counts_what_was_hidden(tree, output) -> None:
    stack = tree.run(
        "for n in a b c d e; do async_run $n sleep 1.1; done; async_wait a b c d e; async_print_timing"
    )

    shown = output(stack, "10-hook.sh")
    assert re.search(r"Time spent in the background minus waits: [1-9]\d* sec", shown)


def test_async_print_timing_knows_the_time_where_a_hook_has_unset_what_tells_it(
    tree, output
) -> None:
    stack = tree.run(
        "_TIME_BEGIN=$((EPOCHSECONDS - 100)); (unset EPOCHREALTIME; async_print_timing)"
    )

    (elapsed,) = re.findall(r"Elapsed time: (\d+) sec", output(stack, "10-hook.sh"))
    assert 100 <= int(elapsed) < 130


@pytest.mark.parametrize("option", ["", "set -u; "])
def test_every_line_is_json_where_a_hook_has_unset_what_tells_the_time(tree, option: str) -> None:
    stack = tree.run(
        f"async_run before true; async_run within unset EPOCHREALTIME\n{option}unset EPOCHREALTIME\n"
        "f() { echo said; for ((i = 0; i < 60000; i++)); do :; done; }; async_run t f; async_run bad false; async_run --timeout 60 long f; async_run --after t late f\n"
        "while [[ -e /proc/$(async_pidof t) ]]; do :; done; async_wait before; async_wait t; async_wait within bad late long || :\n"
        "DEVSTACK_PARALLEL=False; async_run serial f; async_wait serial; async_run again true; async_wait again; async_run again true; async_wait again"
    )

    journal = (stack.run_dir / "journal.jsonl").read_text().splitlines()
    assert {"again", "late"} <= {json.loads(line).get("name") for line in journal}
    assert len(waits_of(stack)) == 9
    assert all(0 <= wait["wait_end"] - wait["wait_start"] < 60 for wait in waits_of(stack))
    for path in stack.run_dir.glob("async/*.log"):
        record = tasklog.read(path)
        assert record.footer is not None
        assert record.output().count(b"stacknb") == 0
        assert record.header["queued"] <= record.header["start"] <= record.footer["end"]
        assert time.time() - record.header["queued"] < 60
    footer = log_of(stack, "t").footer
    assert footer["user_s"] + footer["sys_s"] > 0


def test_a_task_cancelled_before_it_began_has_a_whole_log_without_a_clock(tree) -> None:
    stack = tree.run("unset EPOCHREALTIME; async_run a sleep 1000; async_run --after a b true")
    stack.cancel("b")

    record = log_of(stack, "b")
    assert record.header["command"] == ["true"]
    assert record.header["queued"] <= record.header["start"] <= record.footer["end"]
    stack.cancel("a")


def test_the_same_name_is_refused_while_the_first_is_uncollected_and_then_has_a_log_of_its_own(
    tree, output
) -> None:
    stack = tree.run(
        "async_run t echo one\nasync_run t echo two || echo refused $?\nasync_wait t\nasync_run t echo three\nasync_wait t"
    )

    shown = output(stack, "10-hook.sh")
    assert "a task 't' is in use" in shown
    assert "refused 1\n" in shown
    assert [log_of(stack, name).output() for name in ("t", "t.2")] == [b"one\n", b"three\n"]
    assert [Path(wait["log"]).name for wait in waits_of(stack)] == ["t.log", "t.2.log"]
    stack.async_run("t", "echo", "four")
    with pytest.raises(BadInput, match="a task 't' is in use"):
        stack.async_run("t", "echo", "five")
    assert stack.async_wait("t")[0].log.name == "t.3.log"


def test_after_the_first_failure_the_later_names_are_waited_for_too_and_all_failures_named(
    tree, output
) -> None:
    stack = tree.run(
        "f() { echo log $1; exit $1; }\nasync_run a f 3\nasync_run b f 0\nasync_run c f 5\nasync_wait a b c || echo got $?\njobs"
    )

    shown = output(stack, "10-hook.sh")
    assert "got 3\n" in shown
    assert [f"log {n}\n" in shown for n in (3, 0, 5)] == [True] * 3
    assert re.findall(r"async_wait: FAILED: (.*)", shown) == ["a (status 3)", "c (status 5)"]
    assert [(wait["name"], wait["exit_code"]) for wait in waits_of(stack)] == [
        ("a", 3),
        ("b", 0),
        ("c", 5),
    ]


def test_for_a_person_too_every_failure_is_named_and_every_result_is_there(tree) -> None:
    stack = tree.run("f() { echo log $1; exit $1; }")
    for name, code in (("a", "3"), ("b", "0"), ("c", "5")):
        stack.async_run(name, "f", code)
    with pytest.raises(TaskFailed) as caught:
        stack.async_wait("c", "b", "a")

    assert [(result.name, result.exit_code, result.status) for result in caught.value.results] == [
        ("c", 5, "failed"), ("b", 0, "ok"), ("a", 3, "failed")
    ]  # fmt: skip
    assert "'c' failed with status 5" in str(caught.value)
    assert "'a' failed with status 3" in str(caught.value)
    assert "'b'" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["sync-d", "sync_db", "SYNC-DB", "syncdb", "synk-db", "synch-db", "snc-db", "sync-db2", "sync"],
)
def test_a_wait_for_a_name_never_started_returns_0_with_a_warning_and_a_near_match(
    tree, output, name: str
) -> None:
    stack = tree.run(
        f"async_run sync-db true; async_run other true\nasync_wait {name}; echo got $?"
    )

    shown = output(stack, "10-hook.sh")
    assert (
        f"Not waiting for async task {name} that we never started or has already been waited for\n"
        in shown
    )
    assert f"WARNING: no task '{name}' was started; did you mean 'sync-db'?\n" in shown
    assert shown.endswith("got 0\n")


def test_a_name_that_is_like_no_other_is_told_without_one(tree, output) -> None:
    stack = tree.run("async_run sync-db true; async_wait ab; async_wait x; async_cleanup")

    for name in ("ab", "x"):
        assert f"WARNING: no task '{name}' was started\n" in output(stack, "10-hook.sh")


def test_a_name_that_differs_in_signs_alone_is_nearer_than_a_typo(tree, output) -> None:
    stack = tree.run(
        "for n in sync-d{a..f}; do async_run $n true; done; async_wait sync_d{a..f}; async_cleanup"
    )

    shown = output(stack, "10-hook.sh")
    assert re.findall("did you mean 'sync-d(.)'", shown) == [*"abcdef"]


@pytest.mark.parametrize(
    "name",
    [
        "@",
        "*",
        "''",
        "'a]b'",
        "'x[$(touch pwned)]'",
        "'$(touch pwned)'",
        "'a b'",
        "../../etc",
        "-n",
        "0",
        "x" * 300,
    ],
)
def test_a_wait_for_any_odd_name_is_a_warning_too(tree, output, name: str) -> None:
    stack = tree.run(
        f"async_run t true; async_run u true\nasync_wait {name}; echo got $?; async_pidof {name} || echo none"
    )

    shown = output(stack, "10-hook.sh")
    assert "Not waiting for async task" in shown
    assert shown.endswith("got 0\nUNKNOWN\nnone\n")
    assert not Path("pwned").exists()
    assert waits_of_or_none(stack) == []


@pytest.mark.parametrize("name", ["", "xyz"])
def test_no_name_is_near_an_empty_one_or_one_with_three_other_letters(
    tree, output, name: str
) -> None:
    stack = tree.run(f"async_run t true; async_run ab true\nasync_wait '{name}'; echo got $?")

    shown = output(stack, "10-hook.sh")
    assert shown.endswith(f"WARNING: no task '{name}' was started\ngot 0\n")


def waits_of_or_none(stack: Stack) -> list[dict]:
    assert stack.run_dir is not None
    return waits_of(stack) if (stack.run_dir / "waits.jsonl").exists() else []


def test_a_wait_for_a_name_never_started_is_an_error_for_a_person_and_names_the_nearest(
    tree,
) -> None:
    stack = tree.run("async_run sync-db true")

    for call in (stack.async_wait, stack.cancel):
        with pytest.raises(BadInput, match="no task 'sync_db' was started; did you mean 'sync-db'"):
            call("sync_db")


@pytest.mark.parametrize(
    "name",
    ["a/b", "a b", "", "../x", "ä", "a;b", "a\nb", "a$b", "a,b", "a:b", "*", ".", "..", "-x"],
)
def test_a_name_with_other_characters_is_refused(tree, output, name: str) -> None:
    stack = tree.run(f"async_run {quoted(name)} true || echo refused $?")

    assert output(stack, "10-hook.sh") == (
        f"async_run: '{name}' cannot name a task: use letters, digits, '.', '_' and '-' (no '-' in "
        "front; '.' and '..' are folders)\nrefused 2\n"
    )
    with pytest.raises(BadInput, match="cannot name a task: use letters, digits"):
        stack.async_run(name, "true")
    assert stack.tasks == {}


@pytest.mark.parametrize(
    "name", ["...", "x-", "_", "0", "a.2", ".hidden", "x" * 200, "async", "A_b.C-9", "con"]
)
def test_any_other_name_will_do(tree, name: str) -> None:
    stack = tree.run(f"async_run {name} echo hook; async_wait {name}")
    stack.async_run(name, "echo", "person")

    assert stack.async_wait(name)[0].ok
    assert log_of(stack, name).output() == b"hook\n"
    assert log_of(stack, f"{name}.2").output() == b"person\n"


def test_header_and_footer_stay_in_the_log(tree) -> None:
    before = time.time()
    stack = tree.run("f() { sleep 0.05; return 3; }\nasync_run t f 1 '2 3'", "async_wait t || :")

    record = log_of(stack, "t")
    header, footer = record.header, record.footer
    assert (header["kind"], header["name"], header["command"]) == ("task", "t", ["f", "1", "2 3"])
    assert (header["phase"], header["hook"]) == ("override_defaults", "10-hook.sh")
    assert before <= header["queued"] <= header["start"] <= time.time()
    assert footer is not None
    assert footer["exit_code"] == 3
    assert footer["pid"] == header["pid"]
    assert 0.05 <= footer["end"] - header["start"] < 60
    assert footer["user_s"] >= 0 <= footer["sys_s"]
    (wait,) = waits_of(stack)
    assert wait["run"] == header["run"]
    assert (wait["name"], wait["phase"], wait["hook"], wait["exit_code"], wait["log"]) == (
        "t", "override_defaults", "11-hook.sh", 3, "async/t.log"
    )  # fmt: skip
    assert before <= wait["wait_start"] <= wait["wait_end"] <= time.time()


def test_cpu_time_of_a_task_is_its_own(tree) -> None:
    stack = tree.run("for ((i = 0; i < 100000; i++)); do :; done\nasync_run t true\nasync_run u busy || :\nasync_wait t",
                     "busy() { for ((i = 0; i < 100000; i++)); do :; done; }; async_run v busy; async_wait v; async_wait u || :")  # fmt: skip
    idle, busy = (log_of(stack, name).footer or {} for name in "tv")

    assert idle["user_s"] + idle["sys_s"] < 0.1
    assert busy["user_s"] > 0


def test_a_task_that_unsets_what_tells_its_number_still_ends_with_a_footer_that_counts(
    tree,
) -> None:
    stack = tree.run("f() { unset BASHPID; echo out; }; async_run t f", "async_wait t")

    log = log_of(stack, "t")
    assert log.output() == b"out\n"
    assert (log.footer or {}).get("exit_code") == 0


def test_a_variable_set_in_a_task_is_lost(tree) -> None:
    stack = tree.run(
        "f() { v=task; cd /; set -f; }\nv=hook\nasync_run t f; async_wait t\n[[ $v == hook && $PWD != / && $- != *f* ]]"
    )

    assert list(stack.variables("v").value) == ["hook"]


# ------------------------------------------------------------------------- what a task sees


def test_an_alias_of_a_hook_does_not_meet_the_task_that_a_person_starts(tree) -> None:
    stack = tree.run("shopt -s expand_aliases; alias async_run='async_run --timeout'")
    assert stack.async_run("t", "true").wait().ok


def test_a_task_sees_the_variable_space_as_of_its_start(tree) -> None:
    show = (
        'show() { printf "%s\\n" "$plain" "${list[*]}" "${map[a b]}" "$(declare -p nothing 2>&1 | wc -l)" "$PWD" "$(umask)" '
        '"$ref" "$#:$*" "$IFS" "${local_one-none}"; shopt -q nullglob && echo nullglob; [[ $- == *f* ]] || echo glob; g; cat <&8; }\n'
    )
    stack = tree.run(
        show
        + "plain=then list=(1 '2 3'); declare -gA map=(['a b']=c); declare -gn ref=plain; g() { echo g then; }; IFS=,\n"
        "shopt -s nullglob; mkdir d; cd d; umask 027; exec 8<<<descriptor; local local_one=seen\n"
        "sleep 0.1; until_later() { sleep 0.1; show \"$@\"; }; async_run t until_later x 'y z'\n"
        "plain=now; list=(); unset map; cd /; umask 022; g() { echo g now; }; shopt -u nullglob; set -f; IFS=:; local_one=now\n"
        "async_wait t"
    )

    assert log_of(stack, "t").output().decode().splitlines() == [
        "then", "1,2 3", "c", "1", str(Path("d").absolute()), "0027", "then", "2:x,y z", ",", "seen", "nullglob", "glob", "g then",
        "descriptor",
    ]  # fmt: skip


def test_what_a_person_starts_sees_the_variable_space_too(tree) -> None:
    stack = tree.run(
        "declare -A map=([k]=v); declare -gA map2=([k]=v); f() { echo ${map2[k]} $1; }; cd /"
    )
    stack.async_run("f", "x")
    stack.async_run("in-a-folder", "pwd", cwd="/usr")
    stack.async_run("there", "pwd")
    stack.async_run("g", "f", "y", cwd=Path("/tmp"))
    stack.async_wait("there", "in-a-folder", "g")

    assert [log_of(stack, name).output() for name in ("in-a-folder", "there", "g")] == [
        b"/usr\n",
        b"/\n",
        b"v y\n",
    ]
    with pytest.raises(TaskFailed):
        stack.async_wait("f")  # the command was "x"


def test_a_name_alone_is_the_function_of_that_name(tree) -> None:
    stack = tree.run("db-sync() { echo $#; }; async_runfunc db-sync 1 2; async_wait db-sync")
    stack.async_run("db-sync")
    stack.async_wait()

    assert [log_of(stack, name).output() for name in ("db-sync", "db-sync.2")] == [b"2\n", b"0\n"]


def test_a_name_alone_that_is_no_function_and_no_program_starts_nothing(tree) -> None:
    stack = tree.run(":")
    with pytest.raises(BadInput, match=r"^task 'nosuch' has no command, and there is no function "):
        stack.async_run("nosuch")

    assert not stack.tasks
    stack.async_run("nosuch", "nosuch", "-x")
    with pytest.raises(TaskFailed, match="failed with status 127"):
        stack.async_wait()


def test_a_task_in_a_folder_that_is_not_there_fails_and_says_so(tree) -> None:
    stack = tree.run(":")
    result = stack.async_run("t", "pwd", cwd="/nowhere").wait()

    assert result.status == "failed"
    assert "/nowhere" in result.tail()


@pytest.mark.parametrize(
    ("words", "code"), [("return 3", 3), ("exit 4", 4), ("false", 1), ("nosuchcmd", 127), ("/etc/passwd", 126), ("eval 'exit 5'", 5),
                        ("builtin exit 6", 6), ("exec sh -c 'exit 7'", 7), ("set -u; f", 1), ("local v=1", 0), ("true", 0), ("exit 0", 0),
                        ("exit", 0), ("exit 255", 255), ("exit 200", 200), ("command exit 8", 8)]
)  # fmt: skip
def test_any_kind_of_command_is_run_and_its_status_taken(tree, words: str, code: int) -> None:
    script = (
        f"async_run t {words}" if ";" not in words else "g() { set -u; : $nope; }; async_run t g"
    )
    stack = tree.run(script)
    result = stack.tasks["t"].wait()

    assert result.exit_code == code
    assert result.status == ("ok" if code == 0 else "failed")
    footer = log_of(stack, "t").footer
    assert footer is not None
    assert footer["exit_code"] == code


def test_a_failing_line_of_a_task_is_named(tree) -> None:
    path = tree.hook(
        "10-a.sh", "f() {\n  true\n  false --here\n}\nasync_run t f\nasync_run bare false"
    )
    stack = tree.stack()
    stack.run_phase("override_defaults")
    stack.async_run("person", "f")
    for name in ("t", "person"):
        result = stack.tasks[name].wait()
        assert result.failed_at == (str(path), "3", "false --here")
        assert f"{path}:3" in result.explanation()
    # A command that is no function has no line.
    assert "async.bash" not in stack.tasks["bare"].wait().explanation()
    assert not stack.tasks["bare"].wait().failed_at


def test_a_line_of_a_task_that_failed_while_errexit_was_off_is_not_where_it_ended(tree) -> None:
    stack = tree.run("f() { set +e; false; set -eu; : $nope; }; async_run t f")
    result = stack.tasks["t"].wait()

    assert (result.status, result.exit_code) == ("failed", 1)
    assert not result.failed_at


def test_a_task_has_its_own_exit_trap_and_a_footer_all_the_same(tree, output) -> None:
    stack = tree.run(
        "f() { trap 'echo cleaned up $?' EXIT; echo working; exit 3; }\nasync_run t f\nasync_wait t || echo got $?\n"
        "g() { trap 'echo cleaned' EXIT; }; async_run u g; async_wait u"
    )

    assert "got 3\n" in output(stack, "10-hook.sh")
    for name, text, code in (("t", b"working\ncleaned up 3\n", 3), ("u", b"cleaned\n", 0)):
        record = log_of(stack, name)
        assert record.output() == text
        assert record.footer is not None
        assert record.footer["exit_code"] == code


@pytest.mark.parametrize(
    ("body", "text", "code", "line"),
    [
        ("true", b"bye 0\n", 0, ""),
        ("return 3", b"bye 3\n", 3, ""),
        ("exit 4", b"bye 4\n", 4, "exit 4"),
        ("exit -1", b"bye 255\n", 255, "exit -1"),
        ("(exit 5); echo not", b"bye 5\n", 5, "( exit 5 )"),
        ("trap 'echo bye; exit 6' EXIT", b"bye\n", 6, ""),
        ("trap 'echo bye; exit 6' EXIT; exit 7", b"bye\n", 6, "exit 7"),
        ("trap 'echo bye; (exit 8); echo not' EXIT", b"bye\n", 8, ""),
        ("trap 'echo bye # no more' EXIT", b"bye\n", 0, ""),
        ("set -x; trap 'echo bye' EXIT; set +x", b"++ trap 'echo bye' EXIT\n++ set +x\nbye\n", 0, ""),
        ("trap 'echo bye; exit 6' EXIT; (exit 5)", b"bye\n", 6, "( exit 5 )"),
        ("trap 'echo bye; exit' EXIT; (exit 5)", b"bye\n", 5, "( exit 5 )"),
        ("trap 'echo bye; exit' EXIT; exit 7", b"bye\n", 7, "exit 7"),
        ("set +e; trap '(exit 4); echo bye; exit' EXIT", b"bye\n", 0, ""),
        ("set +e; trap '(exit 4); echo bye; exit' EXIT; exit 7", b"bye\n", 7, "exit 7"),
        ("trap 'echo bye \\' EXIT", b"bye\n", 0, ""),
        ("exit 010", b"bye 10\n", 10, "exit 010"),
        ("trap - EXIT", b"", 0, ""),
        ("set -T; trap 'echo ret' RETURN", b"ret\nbye 0\n", 0, ""),
        ("set -o posix; trap - EXIT; return 9", b"", 9, ""),
        ("set -u; trap 'echo bye' EXIT; { async_run n g; async_wait n; } >/dev/null", b"bye\n", 0, ""),
    ],
)  # fmt: skip
def test_the_footer_of_a_task_with_an_exit_trap_of_its_own_waits_for_nobody(
    tree, until, body: str, text: bytes, code: int, line: str
) -> None:
    stack = tree.run(
        f"f() {{ trap 'echo bye $?' EXIT; {body}\n}}\ng() {{ trap 'echo n' EXIT; }}\nasync_run t f"
    )
    until(lambda: not stack.tasks["t"].running, "the end of the task")
    footer = log_of(stack, "t").footer

    assert footer is not None
    assert footer["exit_code"] == code
    assert footer.get("failed_at", ["", "", ""])[2] == line
    assert log_of(stack, "t").output() == text
    assert stack.tasks["t"].wait().exit_code == code
    person = stack.async_run("person", "f")  # under errexit, as a hook
    until(lambda: not person.running, "the end of the task")
    assert log_of(stack, "person").footer["exit_code"] == code


def test_a_task_comes_after_one_with_an_exit_trap_of_its_own(tree) -> None:
    stack = tree.run(
        "f() { trap 'rm -f f' EXIT; }; async_run t f; async_run --after t u echo; async_wait u t"
    )

    assert stack.tasks["u"].state == "ok"


def test_a_task_that_execs_a_program_has_a_footer_all_the_same(tree) -> None:
    stack = tree.run(
        "f() { exec sh -c 'echo replaced; exit 5'; }\nasync_run t f; async_wait t || :"
    )
    record = log_of(stack, "t")

    assert record.output() == b"replaced\n"
    assert record.footer is not None
    assert record.footer["exit_code"] == 5


FORGED = r"""f() {
  local run; run=$(head -1 "$0.run" 2>/dev/null || sed -n '1s/.*"run": "\([^"]*\)".*/\1/p' "$LOG")
  printf '\n#stacknb-end {"end": 1.000000, "exit_code": 0, "run": "%s", "name": "t", "pid": %d}\n' "$run" $BASHPID
  printf '\n#stacknb-end {"end": 2.000000, "exit_code": 0}\n'
  printf '#stacknb-begin {"kind": "task", "name": "x"}\n'
"""


@pytest.mark.parametrize(
    ("end", "code", "status"), [("echo last; exit 3; }", 3, "failed"), ("kill -9 $BASHPID; }", 137, "killed"), ("echo last; }", 0, "ok")]
)  # fmt: skip
def test_a_task_that_prints_a_forged_footer_is_not_believed(
    tree, output, end: str, code: int, status: str
) -> None:
    stack = tree.run(
        f"{FORGED}{end}\nLOG=$TOP_DIR/../.stacknb/runs/latest/async/t.log\nasync_run t f\nasync_wait t || echo got $?"
    )

    if code:
        assert f"got {code}\n" in output(stack, "10-hook.sh")
    result = stack.tasks["t"].wait()
    assert (result.exit_code, result.status) == (code, status)
    record = log_of(stack, "t")
    if code != 137:
        assert b"#stacknb-end" in record.output()
        assert record.output().endswith(b"last\n")
        assert "\nlast\n" in output(stack, "10-hook.sh")


def test_a_task_that_comes_after_one_that_forged_its_footer_and_was_killed_does_not_start(
    tree,
) -> None:
    stack = tree.run(
        "f() { printf '\\n#stacknb-end {\"exit_code\": 0}\\n'; kill -9 $BASHPID; }\nslow() { sleep 0.1; f; }\nasync_run t slow"
    )
    task = stack.async_run("u", "echo", "started", after="t")

    assert task.wait().status == "cancelled"
    assert log_of(stack, "u").output().startswith(b"not started: 't', which")


def test_a_task_that_comes_after_one_whose_child_still_prints_does_start(tree) -> None:
    stack = tree.run(
        "f() { (for i in {1..2000}; do echo noise $i; done; sleep 1000; echo) & sleep 0.1; }; async_run t f"
    )
    result = stack.async_run("u", "echo", "started", after="t").wait()

    assert result.status == "ok"


# ------------------------------------------------------------------------- waits


@pytest.mark.parametrize(
    "printed",
    [
        b"",
        b"\n",
        b"a\nb\n",
        b"no newline",
        b"\n\n \t\n",
        b"\0nul\n",
        b"a\xff\xfe\r\xc3\xa4\n",
        b"%s %d \\n 'q' \"q\"\n",
        b'\n#stacknb-end {"end": 2.000000, "exit_code": 0}\nmore\n',
        b"#stacknb-begin {}\n#stacknb-end {}",
        *(b"x" * size + b"\n" for size in (15_900, 16_000, 16_200, 16_383, 16_384, 20_000)),
        *(b"x\n" * size for size in (7_950, 8_100, 8_192)),
    ],
    ids=range(19),
)
def test_a_wait_shows_all_of_what_a_task_printed_alone_or_with_others(tree, printed: bytes) -> None:
    tree.path.joinpath("printed").write_bytes(printed)
    stack = tree.run(
        'f() { cat "$TOP_DIR/printed"; }; async_run ended f; async_run first f; async_run second f\n'
        "while [[ -e /proc/$(async_pidof ended) ]]; do :; done\n"
        "echo MARK; async_wait ended; echo MARK; async_wait first second; echo MARK"
    )

    log = tasklog.read(stack.run_dir / "hooks" / "override_defaults" / "10-hook.sh.log").output()
    _, one, others, _ = log.split(b"MARK\n")
    shown = printed + (b"" if not printed or printed.endswith(b"\n") else b"\n")
    for text, names in ((one, ["ended"]), (others, ["first", "second"])):
        pieces = re.split(rb"(?m)^\[\d+ Async \S+: ?.*\]: (?:Waiting|finished).*\n", text)
        assert pieces[1::2] == [shown] * len(names)
        assert text.count(b"finished f with result 0") == len(names)
    assert [wait["exit_code"] for wait in waits_of(stack)] == [0, 0, 0]


@pytest.mark.parametrize("printed", ["hello", "x" * 20_000], ids=["short", "long"])
def test_a_wait_shows_nothing_of_a_long_command_but_what_it_printed(tree, printed: str) -> None:
    tree.path.joinpath("printed").write_text(f"{printed}\n")
    stack = tree.run(
        'f() { cat "$TOP_DIR/printed"; }; for t in ended first second; do async_run $t f $(printf %020000d 0) >/dev/null; done\n'
        "while [[ -e /proc/$(async_pidof ended) ]]; do :; done\n"
        "{ async_wait ended; async_wait first second; } | cut -c -20000 | grep -v Async"
    )

    log = tasklog.read(stack.run_dir / "hooks" / "override_defaults" / "10-hook.sh.log").output()
    assert log.decode() == f"{printed}\n" * 3


@pytest.mark.parametrize("how", ["truncate -s 0", "rm"])
@pytest.mark.parametrize("printed", ["", "two\n", "\n", "x\n" * 10_000], ids=range(4))
def test_a_task_that_destroys_its_own_log_loses_no_more_than_that(
    tree, output, how: str, printed: str
) -> None:
    tree.path.joinpath("printed").write_text(printed)
    stack = tree.run(
        f'f() {{ echo one; {how} "$(readlink /proc/$BASHPID/fd/2)"; cat "$TOP_DIR/printed"; }}; async_run ended f; async_run t f\n'
        "while [[ -e /proc/$(async_pidof ended) ]]; do :; done\n"
        "async_wait ended | grep -v Async || :; echo MARK; async_wait t | grep -v Async || :; echo MARK"
    )

    left = printed if how != "rm" else ""
    shown = output(stack, "10-hook.sh").split("MARK\n")
    assert [shown[0].rpartition("running: f\n")[2], shown[1]] == [left, left]
    assert [wait["exit_code"] for wait in waits_of(stack)] == [0, 0]


@pytest.mark.parametrize("number", ["KILL", "TERM"])
def test_a_task_ended_before_its_first_command_has_a_whole_log(tree, number: str) -> None:
    stack = tree.run(
        f"f() {{ sleep 100; }}; async_run t f 'a \"b'; kill -{number} -- -$!; async_wait t || :"
    )

    record = log_of(stack, "t")
    assert record.header["command"] in (["f", 'a "b'], ['f a "b'])  # it may have begun
    assert (record.header["phase"], record.header["hook"]) == ("override_defaults", "10-hook.sh")
    assert record.header["queued"] <= record.header["start"] <= record.footer["end"]
    assert record.footer["exit_code"] == waits_of(stack)[0]["exit_code"]


def test_a_wait_does_not_hold_in_memory_what_a_task_printed_over_its_log(tree, output) -> None:
    log = '"$(readlink /proc/$BASHPID/fd/2)"'
    stack = tree.run(
        f"f() {{ truncate -s 0 {log}; head -c 64000000 /dev/zero | tr '\\0' x; }}\n"
        "for t in ended first second; do async_run $t f; done\n"
        "while kill -0 $(async_pidof ended); do :; done 2>/dev/null\n"
        "ulimit -S -v 60000; async_wait ended >shown; async_wait first second >>shown; wc -c <shown"
    )

    assert 64_000_000 * 3 < int(output(stack, "10-hook.sh").split()[-1]) < 64_002_000 * 3
    assert [wait["exit_code"] for wait in waits_of(stack)] == [0, 0, 0]


def test_a_wait_shows_the_log_in_one_piece(tree, output) -> None:
    stack = tree.run(
        "f() { for i in {1..50}; do echo $1 $i; echo $1 err $i >&2; done; }\nfor n in a b c; do async_run $n f $n; done\nasync_wait a b c"
    )
    shown = output(stack, "10-hook.sh")

    for name in "abc":
        assert "".join(f"{name} {i}\n{name} err {i}\n" for i in range(1, 51)) in shown
        assert shown.count(f"{name} 1\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\\n",
        "no newline",
        "a\\n",
        "a\\n\\n",
        "\\x80\\xff",
        "a\\rb",
        "\\e[31m",
        "#stacknb-end {}\\n",
        "%s\\\\n",
    ],
)
def test_a_wait_shows_any_output(tree, output, text: str) -> None:
    stack = tree.run(f"f() {{ printf %b '{text}'; }}\nasync_run t f\necho '<<<'\nasync_wait t")
    exact = log_of(stack, "t").output()
    shown = os.fsencode(output(stack, "10-hook.sh")).partition(b"<<<\n")[2]

    inner = re.sub(rb"^\[\d+ Async t:\d+\]: .*\n", b"", shown, flags=re.M)
    assert inner == exact + (b"" if exact.endswith(b"\n") or not exact else b"\n")


@pytest.mark.parametrize("wait", ["async_wait t", "(async_wait t)", "echo $(async_wait t)"])
def test_a_long_log_is_shown_whatever_is_exported(tree, output, wait: str) -> None:
    stack = tree.run(
        f"{HUGE}f() {{ for n in {{1..3000}}; do echo line $n; done; return 3; }}\n"
        f"async_run t f; until [[ ! -d /proc/$! ]]; do read -rt 0.01 <> <(:) || :; done; {wait} || echo got $?"
    )

    shown = output(stack, "10-hook.sh")
    assert "line 1" in shown
    assert "line 3000" in shown
    assert "#stacknb" not in shown
    assert "with result 3" in shown
    assert "Argument list" not in shown


@pytest.mark.parametrize("wait", ["async_wait killed", "async_wait killed good"])
@pytest.mark.parametrize("when", ["ended", "running", "signalled"])
def test_in_posix_mode_a_wait_knows_how_a_task_was_killed(
    tree, output, wait: str, when: str
) -> None:
    go = {
        "ended": "ended killed",
        "running": "(until_said Waiting; : >go) &",
        "signalled": "(until_said Waiting; kill -USR1 $$; until_said SIGNAL; : >go) &",
    }[when]
    stack = tree.run(
        f"{UNTIL}[[ {when} != ended ]] || : >go\nended() {{ while [[ -e /proc/$(async_pidof $1) ]]; do :; done; }}\n"
        "until_said() { until [[ $(</proc/$$/fd/1) == *$1* ]]; do :; done; }\n"
        "set -o posix; trap 'echo SIGNAL' USR1; f() { until_there go; kill -KILL $BASHPID; }\n"
        f"async_run good true; async_run killed f; {go}\n{wait} || echo got $?"
    )

    shown = output(stack, "10-hook.sh")
    assert "got 137\n" in shown
    assert "(ended by SIGKILL)" in shown
    assert ("SIGNAL\n" in shown) == (when == "signalled")
    assert log_of(stack, "killed").footer["status"] == "killed"


def test_a_hook_with_an_err_trap_sees_one_failure_of_a_wait_and_of_a_serial_task(
    tree, output
) -> None:
    stack = tree.run(
        "async_run a false; async_run b false; set +e -E; trap 'echo FAILED $? ${FUNCNAME-none}' ERR\n"
        "f() { async_wait a; async_wait b nothing; DEVSTACK_PARALLEL=False; async_run c eval 'trap - ERR; exit 3'; async_run d; }; f; trap - ERR"
    )

    seen = re.findall("^FAILED (.*)", output(stack, "10-hook.sh"), re.M)
    assert seen == ["1 f", "1 f", "3 f", "2 f", "2 source"]


def test_a_task_of_the_same_name_is_waited_for_where_a_subscript_is_expanded_once(
    tree, output
) -> None:
    stack = tree.run(
        "shopt -s assoc_expand_once; async_run t false; async_wait t || :; async_run t echo two; async_wait t"
    )

    shown = output(stack, "10-hook.sh")
    assert re.search(r"finished echo two with result 0 in \d+ seconds\n\Z", shown)
    assert [wait["exit_code"] for wait in waits_of(stack)] == [1, 0]


def test_numbers_are_whole_where_ifs_is_digits(tree, output) -> None:
    stack = tree.run(
        "f() { for ((i = 0; i < 60000; i++)); do :; done; }; IFS=0123456789; async_run t f; async_wait t"
    )

    footer = log_of(stack, "t").footer
    assert 0 < footer["user_s"] + footer["sys_s"] < 30
    assert "(0 other jobs running)" in output(stack, "10-hook.sh")


@pytest.mark.parametrize(
    "left",
    [
        "readonly IFS",
        "IFS=; readonly IFS",
        "readonly LC_ALL=C",
        "set -k",
        "IFS=$'\\n\\t'; readonly IFS REPLY",
    ],
)
def test_tasks_of_any_kind_run_and_nothing_of_ours_is_shown_where_a_hook_has_left(
    tree, output, left: str
) -> None:
    stack = tree.run(
        left,
        """async_run --timeout 9 limited echo '  a"b  '
        async_run --after limited late echo late
        (async_run sub echo sub)
        async_run bad eval 'kill -9 "$BASHPID"'
        async_run failing bash -c 'exit 3'
        for name in limited late sub bad failing; do async_wait "$name" || echo "$name $?"; done
        is_running nothing || echo not running""",
    )

    shown = output(stack, "11-hook.sh")
    assert "readonly" not in shown
    assert "bad 137\n" in shown
    assert "failing 3\n" in shown
    assert "not running\n" in shown
    for name, printed, code in [
        ("limited", '  a"b  \n', 0), ("late", "late\n", 0), ("sub", "sub\n", 0), ("bad", "", 137), ("failing", "", 3)
    ]:  # fmt: skip
        log = log_of(stack, name)
        assert (log.output().decode(), log.footer["exit_code"]) == (printed, code), name
        assert printed in shown


def test_the_status_of_a_task_without_a_footer_is_whole_where_ifs_is_digits(tree, output) -> None:
    # It ends once the shell that started it is gone, which would have asked for the status itself.
    stack = tree.run(
        'mkfifo "$TOP_DIR/go"; f() { exec sh -c \'read x <"$0"; exit 5\' "$TOP_DIR/go"; }\n'
        "IFS=0123456789; x=$(async_run t f)\n"
        'echo >"$TOP_DIR/go"; async_wait t || echo "waited $?"'
    )

    assert "waited 5\n" in output(stack, "10-hook.sh")
    assert log_of(stack, "t").footer["exit_code"] == 5


def test_a_person_starts_and_waits_where_a_hook_has_left_digits_in_ifs(tree) -> None:
    stack = tree.run("IFS=0123456789")

    stack.async_run("t", "true")
    assert [result.exit_code for result in stack.async_wait("t")] == [0]


def test_a_task_started_in_one_phase_is_waited_for_in_a_later_one(tree, output) -> None:
    tree.hook(
        "10-a.sh",
        "case $2 in install) f() { sleep 0.1; echo from the task; }; async_run t f ;; extra) async_wait t; echo $? ;; esac",
    )
    stack = tree.stack()
    stack.run()

    assert "from the task\n" in output(stack, "10-a.sh", "stack extra")
    (wait,) = waits_of(stack)
    assert wait["phase"] == "stack extra"


def test_a_person_waits_for_what_a_hook_started_and_the_other_way_round(tree, output) -> None:
    tree.hook(
        "10-a.sh",
        "case $1 in override_defaults) async_run of-hook echo hook ;; source) async_wait of-person of-hook ;; esac",
    )
    stack = tree.stack()
    stack.run_phase("override_defaults")
    stack.async_run("of-person", "echo", "person")
    (result,) = stack.async_wait("of-hook")
    stack.run_phase("source")

    assert result.tail() == "hook"
    shown = output(stack, "10-a.sh", "source")
    assert "person\n" in shown
    assert (
        "Not waiting for async task of-hook that we never started or has already been waited for\n"
        in shown
    )
    assert "WARNING" not in shown
    assert [(wait["name"], wait["hook"]) for wait in waits_of(stack)] == [
        ("of-hook", ""),
        ("of-person", "10-a.sh"),
    ]
    assert stack.tasks["of-person"].result is not None
    assert stack.tasks["of-person"].result.ok


def test_a_second_wait_of_a_person_returns_the_same_result(tree) -> None:
    stack = tree.run("async_run t false")
    task = stack.tasks["t"]
    first = task.wait()

    assert stack.tasks["t"].wait() == first
    with pytest.raises(TaskFailed) as caught:
        stack.async_wait("t")
    assert caught.value.results == [first]
    assert stack.async_wait() == []
    assert len(waits_of(stack)) == 1


def test_a_wait_with_a_timeout_lets_the_task_run_on(tree, until) -> None:
    stack = tree.run(UNTIL + "async_run slow until_there go; async_run quick true")
    until(lambda: not stack.tasks["quick"].running, "quick has ended")
    with pytest.raises(
        WaitTimeout, match=r"'slow' did not end within 0.05 s; it runs on"
    ) as caught:
        stack.async_wait("quick", "slow", timeout=0.05)
    assert [result.name for result in caught.value.results] == ["quick"]
    with pytest.raises(TimeoutError):
        stack.tasks["slow"].wait(timeout=0.01)
    Path("go").touch()

    assert stack.async_wait("slow")[0].ok


def test_a_wait_that_was_given_up_counts_as_time_waited(tree) -> None:
    stack = tree.run(UNTIL + "async_run slow until_there go; async_run other until_there go")
    with pytest.raises(WaitTimeout):
        stack.async_wait("slow", timeout=0.05)

    def stop() -> None:
        raise KeyboardInterrupt

    stack.listeners.append(SimpleNamespace(on_event=lambda event: None, on_tick=stop))
    with pytest.raises(Interrupted):
        stack.async_wait("slow")
    given_up = timing.load(stack.run_dir).waits
    assert given_up["name"].tolist() == ["slow", "slow"]
    assert given_up["exit_code"].isna().all()
    assert 0.05 <= given_up["wait_s"][0] == given_up["blocked_s"][0]
    stack.listeners.clear()
    Path("go").touch()
    stack.async_wait()
    run = timing.load(stack.run_dir)
    assert sorted(run.waits["name"]) == ["other", "slow", "slow", "slow"]
    assert run.tasks.set_index("name")["wait_s"]["slow"] > given_up["wait_s"].sum()


def test_a_wait_of_a_person_tells_listeners_the_time(tree) -> None:
    class Ends:
        ticks = 0

        def on_event(self, event) -> None:
            pass

        def on_tick(self) -> None:
            self.ticks += 1
            if self.ticks == 2:  # the task waits for nothing else
                Path("go").touch()

    stack = tree.run(UNTIL + "async_run slow until_there go")
    stack.listeners.append(Ends())
    assert stack.async_wait("slow")[0].ok


def test_a_task_can_be_awaited(tree) -> None:
    stack = tree.run("f() { sleep 0.1; return $1; }")

    async def both() -> list:
        tasks = [stack.async_run(f"t{code}", "f", str(code)) for code in (0, 3)]
        return await asyncio.gather(*tasks)

    assert [(result.name, result.exit_code) for result in asyncio.run(both())] == [
        ("t0", 0),
        ("t3", 3),
    ]
    assert asyncio.run(again(stack)).name == "t3"


async def again(stack: Stack):
    return await stack.tasks["t3"]


def test_an_await_that_is_cancelled_interrupts_what_it_has_begun_and_nothing_else(tree) -> None:
    stack = tree.run(":")

    async def begun(code: str) -> asyncio.Task:
        task = asyncio.create_task(stack.aio.evaluate(code))
        while not stack.busy:
            await asyncio.sleep(0.005)
        return task

    async def work() -> list[str]:
        cancelled = await begun("sleep 1000")
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        first = await begun("until [[ -e go ]]; do sleep 0.01; done; echo went")
        waiting = asyncio.create_task(stack.aio.evaluate("echo late"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.create_subprocess_exec("touch", "go")
        return [(await first).stdout, (await stack.aio.evaluate("echo on")).stdout]

    assert asyncio.run(work()) == ["went\n", "on\n"]


def test_an_await_that_is_cancelled_before_its_turn_has_none(tree) -> None:
    stack = tree.run(":")

    async def work() -> None:
        first = asyncio.create_task(stack.aio.evaluate("until [[ -e go ]]; do sleep 0.01; done"))
        while not stack.busy:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(stack.aio.evaluate("touch unwanted"))
        while threading.active_count() < 3:
            await asyncio.sleep(0.005)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        Path("go").touch()
        await first
        await stack.aio.evaluate(":")

    asyncio.run(work())
    assert not Path("unwanted").exists()


def test_an_await_that_is_cancelled_too_late_leaves_the_next_one_alone(tree) -> None:
    stack = tree.stack()

    async def work() -> str:
        asyncio.get_running_loop().set_default_executor(pool := ThreadPoolExecutor(1))
        late = asyncio.create_task(stack.aio.evaluate(":"))
        await asyncio.sleep(0)
        pool.submit(int).result()  # the cell is done, and the loop does not know it yet
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        return (await stack.aio.evaluate("echo on")).stdout

    assert asyncio.run(work()) == "on\n"


def test_a_wait_whose_await_is_cancelled_keeps_no_thread_and_the_task_runs_on(tree) -> None:
    stack = tree.run(UNTIL + "async_run t until_there go")

    async def work() -> str:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        await stack.aio.evaluate(":")  # the thread has been at work before
        waiting = asyncio.create_task(stack.aio.async_wait("t"))
        while "wait-start" not in (stack.run_dir / "journal.jsonl").read_text():
            await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        try:
            return (await asyncio.wait_for(stack.aio.evaluate("echo on"), 60)).stdout
        finally:
            running.append(stack.tasks["t"].running)
            Path("go").touch()

    running: list[bool] = []
    assert (asyncio.run(work()), running) == ("on\n", [True])
    assert stack.tasks["t"].wait().ok


def test_a_phase_can_be_awaited_while_tasks_are(tree) -> None:
    tree.hook("10-a.sh", "sleep 0.1; async_run t sleep 0.1")
    stack = tree.stack()

    async def both() -> list:
        results = await stack.aio.run_phase("override_defaults")
        return [results, await stack.tasks["t"]]

    (hook,), task = asyncio.run(both())
    assert hook.ok
    assert task.ok


def test_a_cancelled_await_leaves_the_task_running(tree) -> None:
    stack = tree.run(UNTIL + "async_run t until_there go")

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.ensure_future(again_t()), 0.05)

    async def again_t():
        return await stack.tasks["t"]

    async def limited() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await stack.tasks["t"]

    asyncio.run(impatient())
    asyncio.run(limited())
    assert stack.tasks["t"].running
    Path("go").touch()
    assert stack.tasks["t"].wait().ok


def test_a_plain_wait_in_a_hook_does_not_lose_the_status_of_a_task(tree, output) -> None:
    stack = tree.run(
        "async_run a false; async_run b true; k() { kill -9 $BASHPID; }; async_run c k\nwait || :\n"
        "for t in a b c; do async_wait $t && echo got 0 || echo got $?; done"
    )

    # Bash forgets at a bare `wait` how its children ended; a footer remembers, but SIGKILL leaves none.
    got = re.findall(r"^got (\d+)", output(stack, "10-hook.sh"), re.M)
    assert got in (["1", "0", "137"], ["1", "0", "127"])
    assert log_of(stack, "c").footer["status"] in ("killed", "lost")


def test_a_wait_for_a_plain_child_leaves_tasks_alone(tree, output) -> None:
    stack = tree.run(
        "async_run a false; (exit 7) & wait $! || echo child $?; async_wait a || echo task $?"
    )

    shown = output(stack, "10-hook.sh")
    assert "child 7\n" in shown
    assert "task 1\n" in shown


@pytest.mark.parametrize(
    "where",
    [
        "(async_wait t) || echo got $?",
        "async_wait t | cat || echo got $?",
        "x=$(async_wait t) || echo got $?",
    ],
)
@pytest.mark.parametrize(("body", "code"), [("exit 3", 3), ("kill -9 $BASHPID", 137)])
def test_a_subshell_can_wait_for_a_task_of_the_shell(
    tree, output, where: str, body: str, code: int
) -> None:
    stack = tree.run(
        f"set -o pipefail\nf() {{ sleep 0.05; {body}; }}; async_run t f\n{where}\nasync_wait t || echo again $?"
    )

    shown = output(stack, "10-hook.sh")
    assert f"got {code}\n" in shown if code == 3 else re.search("^got [1-9]", shown, re.M)
    assert f"again {code}\n" in shown


def test_async_run_in_a_substitution_and_in_conditions(tree, output) -> None:
    stack = tree.run(
        "f() { echo in $1; }\nx=$(async_run a f 1)\nif async_run b f 2; then echo started; fi\nasync_run c f 3 && echo and\n"
        "! async_run d f 4 || :\nasync_wait a b c d\necho $?"
    )

    shown = output(stack, "10-hook.sh")
    assert [f"in {n}\n" in shown for n in (1, 2, 3, 4)] == [True] * 4
    assert "started\n" in shown
    assert shown.endswith("\n0\n")


def test_async_run_inside_a_task(tree, output) -> None:
    stack = tree.run(
        "inner() { sleep 0.05; echo inner; return 4; }\nouter() { async_run inner inner; async_wait inner || echo waited $?; }\n"
        "async_run outer outer; async_wait outer"
    )

    assert "inner\n" in log_of(stack, "outer").output().decode()
    assert "waited 4\n" in output(stack, "10-hook.sh")
    assert {name: task.wait().exit_code for name, task in stack.tasks.items()} == {
        "outer": 0,
        "inner": 4,
    }
    assert [log_of(stack, name).footer["exit_code"] for name in ("outer", "inner")] == [0, 4]


def test_a_task_that_a_task_started_can_be_waited_for_by_the_hook(tree, output) -> None:
    stack = tree.run(
        "inner() { sleep 0.1; return 4; }\nouter() { async_run inner inner; }\nasync_run outer outer\nasync_wait outer\nasync_wait inner || echo got $?"
    )

    assert "got 4\n" in output(stack, "10-hook.sh")


def test_a_held_back_task_that_a_task_started_is_known_to_the_hook(tree, output) -> None:
    stack = tree.run(
        "outer() { async_run inner true; }\nasync_run outer outer\nasync_wait outer; async_wait inner",
        jobs=1,
    )

    assert "never started" not in output(stack, "10-hook.sh")


def test_async_pidof(tree, output) -> None:
    stack = tree.run(
        UNTIL
        + "async_run t until_there go\nasync_pidof t\nasync_pidof none || echo $?\n: >go; async_wait t; async_pidof t || echo $?"
    )
    lines = output(stack, "10-hook.sh").splitlines()

    assert int(lines[1]) == log_of(stack, "t").header["pid"]
    assert lines[2:4] == ["UNKNOWN", "1"]
    assert lines[-2:] == ["UNKNOWN", "1"]


def test_async_init_changes_nothing(tree, output) -> None:
    stack = tree.run("async_init; async_run t echo x; async_init; async_wait t; echo $?")

    assert output(stack, "10-hook.sh").endswith("\n0\n")


def test_a_trapped_signal_does_not_end_a_wait(tree, output) -> None:
    stack = tree.run(
        "trap 'echo signalled' USR1\nf() { sleep 0.1; kill -USR1 $$; sleep 0.2; exit 3; }\nasync_run t f\nasync_wait t || echo got $?"
    )

    shown = output(stack, "10-hook.sh")
    assert "signalled\n" in shown
    assert "got 3\n" in shown


def test_what_a_person_does_bears_no_name_of_a_hook(tree) -> None:
    stack = tree.run("async_run of-hook true")
    stack.async_run("of-person", "true")
    stack.evaluate("async_run of-cell true")
    stack.async_wait()

    assert {name: task.hook for name, task in stack.tasks.items()} == {
        "of-hook": "10-hook.sh",
        "of-person": "",
        "of-cell": "",
    }
    assert {name: log_of(stack, name).header["hook"] for name in stack.tasks} == {
        "of-hook": "10-hook.sh",
        "of-person": "",
        "of-cell": "",
    }
    assert {wait["hook"] for wait in waits_of(stack)} == {""}


def test_a_task_of_a_person_is_left_alone_when_a_phase_is_run_again(tree) -> None:
    tree.hook("10-a.sh", "[[ -v mended ]] || { mended=1; exit 3; }")
    stack = tree.stack()
    stack.async_run("t", "sleep", "1000")
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    stack.async_run("u", "sleep", "1000")
    stack.run_phase("override_defaults")

    assert [stack.tasks[name].running for name in "tu"] == [True, True]


@pytest.mark.parametrize("name", ['10-a"b.sh', "10-a\\b.sh", "10-ä ☃.sh", "10-a\tb.sh"])
def test_tasks_of_a_hook_of_any_name_are_known(tree, name: str) -> None:
    tree.hook(name, "async_run t true\nasync_run u true; async_wait t u")
    stack = tree.stack()
    stack.run_phase("override_defaults")

    assert stack.tasks["t"].hook == name
    assert log_of(stack, "t").header["hook"] == name
    assert waits_of(stack)[0]["hook"] == name


@pytest.mark.parametrize(
    "options",
    ["--after", "--timeout x", "--timeout -1", "--timeout 1e3", "--nope 3", "--timeout '1;2'"],
)
def test_options_of_async_run_that_make_no_sense_are_refused(tree, output, options: str) -> None:
    stack = tree.run(f"async_run {options} t true || echo refused $?")

    assert "async_run: " in output(stack, "10-hook.sh")
    assert output(stack, "10-hook.sh").endswith("refused 2\n")
    assert stack.tasks == {}


@pytest.mark.parametrize("options", ["--timeout 5", "--cwd .", "--after t"])
def test_a_name_that_is_too_long_for_its_log_is_refused(tree, output, options: str) -> None:
    stack = tree.run(
        f"async_run t true; async_run {options} {'x' * 201} true || echo refused $?; async_wait t"
    )

    assert (
        f"async_run: '{'x' * 20}…' cannot name a task: it has 201 characters; use at most 200\nrefused 2\n"
        in output(stack, "10-hook.sh")
    )
    assert list(stack.tasks) == ["t"]


def test_a_task_without_a_command_is_refused(tree, output) -> None:
    stack = tree.run("async_run t || echo refused $?")

    assert (
        output(stack, "10-hook.sh")
        == "async_run: task 't' has no command; give it after the name\nrefused 2\n"
    )


@pytest.mark.parametrize("words", [("echo", "a\0b"), ("\0",), ("echo", "\ud800")])
def test_arguments_that_no_program_can_have_are_refused(tree, words: tuple[str, ...]) -> None:
    stack = tree.run("v=1")
    with pytest.raises(BadInput):
        stack.async_run("t", *words)

    assert stack.evaluate("echo $v").stdout == "1\n"
    assert stack.tasks == {}


# ------------------------------------------------------------------------- --jobs


@pytest.mark.parametrize("jobs", [1, 3])
def test_never_more_than_jobs_run_at_once(tree, jobs: int) -> None:
    stack = tree.run(
        # Each goes on when as many have begun as may run at once.
        f"all() {{ [[ -e t1 {' '.join(f'&& -e t{i}' for i in range(2, jobs + 1))} ]]; }}\n"
        "f() { : >$1; until all; do sleep 0.01; done; sleep 0.1; }\n"
        "for i in {1..7}; do async_run t$i f t$i; done\nasync_wait t{1..7}",
        jobs=jobs,
    )
    spans = [
        (log_of(stack, f"t{i}").header["start"], (log_of(stack, f"t{i}").footer or {})["end"])
        for i in range(1, 8)
    ]
    most = max(sum(start <= at < end for start, end in spans) for at, _ in spans)

    assert most == jobs
    assert all(log_of(stack, f"t{i}").header["queued"] <= spans[i - 1][0] for i in range(1, 8))
    if jobs == 1:
        assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_a_held_back_task_is_waiting_and_has_begun_nothing(tree, until) -> None:
    stack = tree.run(UNTIL + "async_run a until_there go", jobs=1)
    task = stack.async_run("b", "echo", "b")
    until(lambda: stack.tasks["a"].state == "running", "a has begun")

    assert task.state == "waiting"
    log = stack.run_dir / "async" / "b.log"
    assert not log.exists() or log.read_bytes() == b""
    task.started = time.time()
    assert f"<task 'b' started with PID {task.pid}, log " in repr(task)
    task.started -= 2
    assert "<task 'b' not begun yet, log " in repr(task)
    Path("go").touch()
    assert [result.ok for result in stack.async_wait()] == [True, True]


@pytest.mark.parametrize("how", ["kill", "cancel", "exit", "timeout"])
def test_a_task_that_is_ended_frees_its_place(tree, until, how: str) -> None:
    stack = tree.run(
        UNTIL
        + (
            "async_run --timeout 0.2 a until_there go"
            if how == "timeout"
            else "async_run a until_there go"
        ),
        jobs=1,
    )
    second = stack.async_run("b", "true")
    if how != "timeout":  # which may have come by now
        until(lambda: stack.tasks["a"].state == "running", "a has begun")
    if how == "kill":
        kill(stack.tasks["a"].pid)
    elif how == "cancel":
        stack.cancel("a")
    elif how == "exit":
        Path("go").touch()

    assert second.wait(timeout=60).ok


def test_a_held_back_task_can_be_cancelled_and_takes_no_place(tree, until) -> None:
    stack = tree.run(UNTIL + "async_run a until_there go", jobs=1)
    stack.async_run("b", "echo", "never")
    third = stack.async_run("c", "echo", "c")
    (result,) = stack.cancel("b")

    assert (result.name, result.status) == ("b", "cancelled")
    assert b"never" not in log_of(stack, "b").output()
    Path("go").touch()
    assert third.wait(timeout=60).ok


@pytest.mark.parametrize("wait", ["async_wait $1", "(async_wait $1)", "x=$(async_wait $1)"])
@pytest.mark.parametrize("how", ["itself", "each other", "in a circle", "after"])
def test_a_wait_within_a_task_that_would_never_end_is_refused(tree, how: str, wait: str) -> None:
    # Each waits when all are known: a task that nobody has started yet is not waited for.
    start = {
        "itself": "async_run a w a",
        "each other": "async_run a w b; async_run b w a",
        "in a circle": "async_run a w b; async_run b w c; async_run c w a",
        "after": "async_run a w b; async_run --after a b true",
    }
    stack = tree.run(
        UNTIL + f"w() {{ until_there go; {wait} || echo got $?; }}\n" + start[how],
    )
    Path("go").touch()
    # By name: without any, those are left out that another one has waited for by now.
    results = stack.async_wait(*stack.tasks)

    said = "".join(result.tail() for result in results)
    wanted = "a task cannot wait for itself" if how == "itself" else "and neither would end"
    assert wanted in said
    assert "got 1" in said


def test_a_wait_in_the_background_of_a_task_holds_up_nobody(tree) -> None:
    stack = tree.run(
        UNTIL
        + "a() { until_there go; { async_wait b; echo b $? >said; : >b_is_over; } & }\n"
        + "b() { until_there go; async_wait a; }\nasync_run a a; async_run b b"
    )
    Path("go").touch()
    assert all(stack.async_wait())
    stack.evaluate("until_there b_is_over")

    assert Path("said").read_text() == "b 0\n"


def test_a_task_that_runs_another_in_the_foreground_lends_it_its_place(tree) -> None:
    stack = tree.run(
        "outer() { DEVSTACK_PARALLEL=False; async_run inner echo in; echo $?; }; async_run outer outer",
        jobs=1,
    )
    results = [
        *stack.async_wait("outer"),
        *stack.async_wait(),
    ]  # it has started the inner one by then

    assert [(result.name, result.status) for result in results] == [
        ("outer", "ok"),
        ("inner", "ok"),
    ]


@pytest.mark.parametrize(
    ("outer", "wanted"),
    [
        ("async_run inner async_wait outer", "and neither would end"),
        ("async_run inner async_wait other", "and neither would end"),
        ("async_run --after other inner true", "cannot run in the foreground"),
    ],
)
def test_a_task_in_the_foreground_that_waits_for_the_one_that_runs_it_is_refused(
    tree, outer: str, wanted: str
) -> None:
    stack = tree.run(
        UNTIL + "other() { until_there go; async_wait outer; }\n"
        f"outer() {{ DEVSTACK_PARALLEL=False; until_waits; {outer}; }}\n"
        # What the other one says must be there when it is looked for, or the other one sees it.
        "until_waits() { until grep -q Waiting $_stacknb_dir/async/other.log; do :; done; }\n"
        # Not before both are known: the one that it waits for would be none yet.
        "async_run other other; async_run outer outer; : >go"
    )
    with pytest.raises(TaskFailed):
        stack.async_wait("outer", "other", timeout=60)

    assert wanted in "".join(task.log.read_text() for task in stack.tasks.values())


def test_what_a_task_is_held_back_for_is_said_before_another_can_wait_for_it(tree) -> None:
    stack = tree.run(
        '_stacknb_need circles; eval "then$(declare -f _stacknb_says_after)"\n'
        "_stacknb_says_after() {\n"
        "    if grep -q second $_stacknb_dir/journal.jsonl; then echo late; else echo early; fi >said\n"
        '    then_stacknb_says_after "$@"\n'
        "}\n"
        "async_run first true; async_run --after first second true"
    )

    assert all(stack.async_wait())
    assert Path("said").read_text() == "early\n"


def test_a_task_that_ignores_an_interrupt_is_in_a_circle_as_any_other(tree) -> None:
    stack = tree.run(
        UNTIL + "a() { trap '' INT; until_there go; (async_wait b); }\nb() { async_wait a; }\n"
        "async_run a a; async_run b b"
    )
    Path("go").touch()
    with pytest.raises(TaskFailed):
        stack.async_wait(timeout=60)


def test_no_task_that_waits_is_held_up_where_bash_misses_its_own_alarm(tree) -> None:
    # In posix mode bash has a signal sent to it for the -t of read, and then may wait for ever.
    stack = tree.run(
        'set -o posix; read() { [[ " $* " != *" -t "* ]] || command sleep 1000; builtin read "$@"; }\n'
        "until_waits() { until grep -q Waiting $_stacknb_dir/async/outer.log; do :; done; }\n"
        "outer() { async_run inner until_waits; (async_wait inner); }; async_run outer outer",
        jobs=1,
    )

    assert all(stack.async_wait("outer", timeout=60))


def test_tasks_of_many_shells_that_start_after_many_others_are_told_apart(tree) -> None:
    stack = tree.run(
        "for n in {1..40}; do printf -v name %0120d $n; after+=(--after $name); async_run $name :; done\n"
        "many() { for n in {1..6}; do async_run ${after[@]} $1.$n : & async_run --timeout 60 $1_$n : & done; wait; }\n"
        "for n in {1..4}; do async_run of$n many $n; done; async_wait of{1..4}"
    )

    assert all(stack.async_wait())
    assert len(stack.tasks) == 40 + 4 * 13


def test_a_task_that_was_killed_and_that_no_parent_asks_for_is_not_waited_for(tree) -> None:
    stack = tree.run(
        UNTIL + "outer() { async_run inner die_at_go; until_there on; exec sleep 100; }\n"
        "die_at_go() { until_there go; kill -KILL $BASHPID; }\n"
        "waits() { : >on; until_sleeps; : >go; async_wait inner; }\n"
        "until_sleeps() { until [[ $(<on) && $(</proc/$(<on)/comm) == sleep ]]; do async_pidof outer >on; done; }\n"
        "async_run outer outer; until grep -q '\"inner\"' $_stacknb_dir/journal.jsonl; do :; done; async_run waits waits"
    )
    with pytest.raises(TaskFailed, match="inner"):
        stack.async_wait("waits", timeout=60)


def test_tasks_that_wait_end_where_the_scratch_folder_was_removed(tree, until) -> None:
    stack = tree.run(
        UNTIL + "one() { until_there go; }; two() { async_wait one; : >on; }\n"
        "three() { until_there gone; async_run late true; }\n"
        "async_run one one; async_run two two; async_run three three; echo $_stacknb_control >where",
        jobs=2,
    )
    until(lambda: stack.tasks["three"].state == "running", "the second one has lent its place")
    shutil.rmtree(Path("where").read_text().strip())
    Path("gone").touch()
    until(lambda: not stack.tasks["three"].running, "it has started another one")
    Path("go").touch()
    until(Path("on").exists, "the second one goes on")
    until(lambda: not stack.tasks["late"].running, "what nobody can let start is over")

    said = "not started: the scratch folder of the session was removed\n"
    assert said in stack.tasks["late"].log.read_text()


def test_subshells_of_a_task_that_each_wait_for_another_hold_up_none(tree) -> None:
    stack = tree.run(
        "outer() { async_run a true; async_run b true; (async_wait a) & (async_wait b) & wait; }\n"
        "async_run outer outer",
        jobs=1,
    )

    assert all(stack.async_wait("outer"))


def test_a_circle_is_refused_where_the_name_of_the_scratch_folder_is_a_pattern(
    tree, monkeypatch
) -> None:
    scratch = Path("a\\b[1]*?").absolute()
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    stack = tree.run(
        UNTIL + "w() { until_there go; async_wait $1; }\nasync_run a w b; async_run b w a"
    )
    Path("go").touch()
    with pytest.raises(TaskFailed) as caught:
        stack.async_wait(timeout=60)
    assert "and neither would end" in "".join(result.tail() for result in caught.value.results)


def test_a_task_that_was_killed_while_it_waited_is_in_no_circle(tree, until) -> None:
    stack = tree.run(
        UNTIL
        + "a() { until_there go; async_wait b; }\nb() { async_wait a; }\nasync_run a a; async_run b b"
    )
    log = stack.tasks["b"].log
    until(lambda: log.exists() and b"Waiting for" in log.read_bytes(), "b waits")
    kill(stack.tasks["b"].pid)
    until(lambda: not stack.tasks["b"].running, "b is dead")
    Path("go").touch()
    with pytest.raises(TaskFailed) as caught:
        stack.async_wait("a")

    assert "FAILED: b (status 1" in caught.value.results[0].tail()


def test_jobs_hold_back_what_hooks_and_people_start_alike(tree, until) -> None:
    stack = tree.run(UNTIL + "async_run a until_there go", jobs=1)
    until(lambda: stack.tasks["a"].state == "running", "a has begun")
    person = stack.async_run("p", "true")
    stack.evaluate("async_run h true")

    assert (person.state, stack.tasks["h"].state) == ("waiting", "waiting")
    Path("go").touch()
    assert len(stack.async_wait()) == 3


def test_a_task_of_the_same_name_as_another_ones_second_log_has_a_log_of_its_own(tree) -> None:
    stack = tree.run(
        UNTIL
        + "async_run db echo first; async_wait db; async_run block until_there go\nasync_run db.2 echo other; async_run db echo second",
        jobs=1,
    )
    Path("go").touch()
    results = {result.name: result for result in stack.async_wait()}

    assert results["db"].log != results["db.2"].log
    assert (results["db"].tail(), results["db.2"].tail()) == ("second", "other")


def test_a_task_of_the_same_name_as_one_of_a_subshell_has_a_log_of_its_own(tree) -> None:
    stack = tree.run(
        "(async_run t echo first; async_wait t)\nasync_run t echo second; async_wait t"
    )

    outputs = [log_of(stack, name).output() for name in ("t", "t.2")]
    assert outputs == [b"first\n", b"second\n"]


def test_jobs_that_are_no_number_from_1_on_are_refused(tree) -> None:
    for jobs in (0, -1, 1.5, "2", True):
        with pytest.raises(BadInput, match=f"jobs {jobs!r} should be a whole number, at least 1"):
            tree.stack(jobs=jobs)


def test_a_task_that_waits_for_its_own_task_does_not_block_the_only_place(tree, output) -> None:
    stack = tree.run(
        "inner() { echo in; }; outer() { async_run inner inner; async_wait inner; }\nasync_run outer outer; async_wait outer; echo $?",
        jobs=1,
    )

    assert output(stack, "10-hook.sh").endswith("\n0\n")


def test_a_task_that_has_waited_goes_on_when_there_is_a_place_for_it_again(tree) -> None:
    stack = tree.run(
        "until_there() { until [[ -e $1 ]]; do :; done; }\n"
        "outer() { async_run inner until_there go; >begun; async_wait inner; sleep 0.2; [[ ! -e busy ]]; }\n"
        "other() { >busy; sleep 0.4; rm busy; }\n"
        "async_run outer outer; until_there begun; async_run other other; >go",
        jobs=1,
    )

    assert all(stack.async_wait())


# ------------------------------------------------------------------------- --after


def test_a_task_starts_after_others_ended_well(tree) -> None:
    stack = tree.run(
        "f() { sleep 0.1; }\nasync_run a f; async_run b f\nasync_run --after a --after b c true\nasync_run --after c d true\nasync_wait d c b a"
    )
    times = {
        name: (log_of(stack, name).header["start"], (log_of(stack, name).footer or {})["end"])
        for name in "abcd"
    }

    assert times["c"][0] >= max(times["a"][1], times["b"][1])
    assert times["d"][0] >= times["c"][1]


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $BASHPID", "sleep 0.1; false"])
def test_a_task_after_one_that_failed_is_not_started_and_says_why(tree, output, end: str) -> None:
    stack = tree.run(
        f"f() {{ sleep 0.1; {end}; }}\nasync_run a f\nasync_run --after a b echo started\nasync_run --after b c echo started\n"
        "async_wait c || echo got $?\nasync_wait a b || :"
    )

    for name, other in (("b", "a"), ("c", "b")):
        record = log_of(stack, name)
        assert f"not started: '{other}', which it was to start after," in record.output().decode()
        assert record.footer is not None
        assert (record.footer["status"], record.footer["exit_code"]) == ("cancelled", 125)
        assert stack.tasks[name].wait().status == "cancelled"
    assert "got 125\n" in output(stack, "10-hook.sh")


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_task_after_one_that_was_ended_on_purpose_says_so(tree, how: str) -> None:
    options = "--timeout 0.3" if how == "timeout" else ""
    stack = tree.run(f"async_run {options} a sleep 1000; async_run --after a b echo started")
    if how == "cancel":
        stack.cancel("a")

    words = "was cancelled" if how == "cancel" else "was ended at its timeout"
    with pytest.raises(TaskFailed):
        stack.async_wait("b")
    said = log_of(stack, "b").output().decode()
    assert said == f"not started: 'a', which it was to start after, {words}\n"
    status = {"cancel": r"143 \(cancelled\)", "timeout": r"143 \(timeout\)"}[how]
    with pytest.raises(TaskFailed):
        stack.async_wait("a")
    with pytest.raises(BadInput, match=f"after 'a', which failed with status {status}"):
        stack.async_run("c", "true", after="a")


def test_a_task_after_one_that_was_waited_for(tree, output) -> None:
    stack = tree.run("async_run good true; async_run bad false; async_wait good bad || :\nasync_run --after good a echo fine; async_wait a\n"
                     "async_run --after bad b true || echo refused $?\nasync_run --after none c true || echo refused $?")  # fmt: skip

    shown = output(stack, "10-hook.sh")
    assert "fine\n" in shown
    assert "task 'b' is to start after 'bad', which failed with status 1\nrefused 1\n" in shown
    assert "task 'c' is to start after 'none', which was never started\nrefused 1\n" in shown
    for name in ("bad", "none"):
        with pytest.raises(BadInput, match=f"is to start after '{name}'"):
            stack.async_run("x", "true", after=name)
    assert "x" not in stack.tasks


def test_a_task_after_sixty_others(tree) -> None:
    stack = tree.run(
        'f() { sleep 0.2; }\nfor i in {1..60}; do async_run t$i f; o+=" --after t$i"; done\nasync_run $o last true\nasync_wait last'
    )

    last = log_of(stack, "last").header["start"]
    assert all(
        last >= (log_of(stack, f"t{i}").footer or {"end": 1e12})["end"] for i in range(1, 61)
    )


def test_after_across_a_shell_that_was_lost(tree) -> None:
    tree.hook("10-a.sh", UNTIL + "async_run a until_there go; async_run --after a b echo b")
    tree.hook("20-b.sh", "[[ -v mended ]] || kill -9 $$")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    third = stack.async_run("c", "echo", "c", after=["a", "b"])
    Path("go").touch()

    assert [result.ok for result in stack.async_wait()] == [True] * 3
    assert third.result is not None


# ------------------------------------------------------------------------- --timeout and cancel

GROUPS = {
    "sleep": "sleep 1000",
    "busy": "while :; do :; done",
    "ignores SIGTERM": "trap '' TERM; while :; do sleep 1000; done",
    "children": "(sleep 1000; :) & (sleep 1000; :) & wait",
    "children that ignore SIGTERM": "(trap '' TERM; sleep 1000; :) & wait",
    "a pipeline": "sleep 1000 | cat",
    "stopped": "kill -STOP $BASHPID",
    "a cleanup": "trap 'sleep 0.05; exit 9' TERM; while :; do sleep 0.01; done",
}


@pytest.mark.parametrize("body", GROUPS.values(), ids=GROUPS)
def test_a_task_that_takes_too_long_is_ended_with_its_whole_group(
    tree, output, until, body: str
) -> None:
    stack = tree.run(
        f"f() {{ echo begun; {body}; }}\nasync_run --timeout 2 t f\nasync_wait t || echo got $?"
    )
    pid = log_of(stack, "t").header["pid"]

    until(lambda: members(pid) == [], "the group is empty")
    result = stack.tasks["t"].wait()
    assert result.status == "timeout"
    assert "got 0" not in output(stack, "10-hook.sh")
    assert "timeout" in output(stack, "10-hook.sh")
    assert "was ended at its timeout" in result.explanation()
    footer = log_of(stack, "t").footer
    assert footer is not None
    assert footer["status"] == "timeout"
    assert result.tail().startswith("begun")


def members(group: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if fields[2] == str(group) and fields[0] not in "ZX":
                found.append(int(entry))
    return found


def test_a_task_within_its_timeout_is_left_alone(tree) -> None:
    stack = tree.run("f() { sleep 0.1; }; async_run --timeout 10 t f; async_wait t")

    assert stack.tasks["t"].wait().status == "ok"


def test_the_timeout_counts_from_the_start_and_not_from_the_queue(tree) -> None:
    stack = tree.run("async_run a sleep 2.5; async_run --timeout 2 b true; async_wait a b", jobs=1)

    assert stack.tasks["b"].wait().status == "ok"


@pytest.mark.parametrize("seconds", [".9", "90.", "90", "90.5"])
def test_seconds_are_taken_as_a_person_writes_them(tree, seconds: str) -> None:
    stack = tree.run(f"async_run --timeout {seconds} t true")

    assert stack.tasks["t"].wait() is not None


def test_in_the_foreground_a_task_that_fails_is_a_result_and_what_cannot_start_an_error(
    tree,
) -> None:
    stack = tree.run(":", parallel=False)
    results = [
        stack.async_run("bad", "sh", "-c", "exit 3").wait(),
        stack.async_run("slow", "sleep", "1000", timeout=0.1).wait(),
    ]
    assert [result.status for result in results] == ["failed", "timeout"]
    assert results[0].exit_code == 3
    with pytest.raises(BadInput, match="task 'x' is to start after 'no', which was never started"):
        stack.async_run("x", "true", after=["no"])


def test_a_timeout_of_0_is_refused(tree) -> None:
    stack = tree.run(":")
    with pytest.raises(BadInput):
        stack.async_run("t", "sleep", "1000", timeout=0)


@pytest.mark.parametrize("body", GROUPS.values(), ids=GROUPS)
def test_cancel_ends_the_whole_group_and_returns_when_it_is_gone(tree, until, body: str) -> None:
    stack = tree.run(f"f() {{ {body}; }}\nasync_run t f\nasync_run other sleep 1000")
    until(lambda: (stack.run_dir / "async" / "t.log").exists(), "it has begun")
    pid = stack.tasks["t"].pid
    (result,) = stack.cancel("t")

    assert members(pid) == []
    assert result.status == "cancelled"
    footer = log_of(stack, "t").footer
    assert footer is not None
    assert footer["status"] == "cancelled"
    assert stack.tasks["other"].running
    assert stack.async_run("t", "true").wait().ok


def test_options_that_a_task_restores_take_nothing_out_of_its_group(tree, until) -> None:
    stack = tree.run(
        'f() { local old=$(set +o); eval "$old"; sleep 1000 & echo $! >.pid; mv .pid pid; wait; }\n'
        "async_run t f"
    )
    until(Path("pid").exists, "the task has begun")
    stack.cancel("t")

    assert not processes.alive(int(Path("pid").read_text()))


@pytest.mark.parametrize("body", ["exec sleep 1000", "trap : EXIT; sleep 1000", "trap '' TERM; sleep 1000; sleep 1000"])  # fmt: skip
def test_a_task_that_writes_no_footer_of_its_own_is_cancelled_all_the_same(
    tree, until, body: str
) -> None:
    stack = tree.run(f"f() {{ : >begun; {body}; }}; async_run t f")
    until(Path("begun").exists, "the task has begun")
    (result,) = stack.cancel("t")

    assert result.status == "cancelled"
    footer = log_of(stack, "t").footer
    assert footer is not None
    assert (footer["status"], footer["exit_code"]) == ("cancelled", result.exit_code)
    stack.evaluate("async_wait t 2>&1 | grep -c 'already been waited for' >said")
    assert Path("said").read_text() == "1\n"


def test_cancel_of_a_task_that_has_ended_is_its_result(tree) -> None:
    stack = tree.run("async_run t false; async_run u true; async_wait u")
    while stack.tasks["t"].running:
        pass

    assert [(result.name, result.status) for result in stack.cancel("t", "u")] == [
        ("t", "failed"),
        ("u", "ok"),
    ]


def test_a_hook_that_waits_for_a_task_that_is_cancelled_goes_on(tree, output, until) -> None:
    tree.hook("10-a.sh", "async_run t sleep 1000\nasync_wait t || echo got $?")
    stack = tree.stack()
    thread = threading.Thread(target=stack.run_phase, args=["override_defaults"])
    thread.start()
    until(lambda: stack.run_dir is not None and "t" in stack.tasks, "it was started")
    stack.cancel("t")
    thread.join()

    assert re.search(r"got (143|137)\n", output(stack, "10-a.sh"))
    assert stack.tasks["t"].wait().status == "cancelled"


def test_close_ends_every_task(tree) -> None:
    stack = tree.run(
        "f() { trap '' TERM; while :; do sleep 1000; done; }; async_run a f; async_run b sleep 1000; async_run c sleep 1000; async_run d true",
        jobs=2,
    )
    stack.close()  # the sandbox looks for what is left


def test_a_task_that_close_ended_has_a_result(tree) -> None:
    stack = tree.run("async_run t sleep 1000; async_run u true; async_wait u")
    task, done = stack.tasks["t"], stack.tasks["u"]
    stack.close()

    assert done.wait().ok
    assert task.wait(timeout=5).status == "killed"
    assert not task.running


def test_a_task_is_waited_for_by_a_hook_and_by_people_at_once(tree, output, until) -> None:
    tree.hook("10-a.sh", UNTIL + "async_run t until_there go\nasync_wait t; echo got $?")
    stack = tree.stack()
    found: list = []
    threads = [threading.Thread(target=stack.run_phase, args=["override_defaults"])]
    threads[0].start()
    until(lambda: stack.run_dir is not None and "t" in stack.tasks, "it was started")
    for _ in range(3):
        threads.append(threading.Thread(target=lambda: found.append(stack.async_wait("t"))))
        threads[-1].start()
    Path("go").touch()
    for thread in threads:
        thread.join()

    assert "got 0\n" in output(stack, "10-a.sh")
    assert [results[0].status for results in found] == ["ok"] * 3
    assert len(waits_of(stack)) == 1


# ------------------------------------------------------------------------- tasks outlive their shell


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$", "exec true", "false"])
@pytest.mark.parametrize("who", ["hook", "person"])
def test_a_task_survives_the_restart_of_its_shell_and_is_waited_for(
    tree, output, end: str, who: str
) -> None:
    tree.hook(
        "10-a.sh", UNTIL + "f() { until_there go; echo survived $1; exit 4; }\nasync_run t f x"
    )
    tree.hook("20-b.sh", f"[[ -v mended ]] || {{ {end}; }}\nasync_wait t || echo got $?")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    pid = stack.tasks["t"].pid
    assert stack.tasks["t"].running
    Path("go").touch()
    if who == "person":
        with pytest.raises(TaskFailed, match="failed with status 4"):
            stack.async_wait("t")
    else:
        stack.evaluate("mended=1; async_wait t || echo got $? >got")
        assert Path("got").read_text() == "got 4\n"
    assert stack.tasks["t"].pid == pid
    assert [(wait["name"], wait["exit_code"]) for wait in waits_of(stack)] == [("t", 4)]
    assert log_of(stack, "t").output() == b"survived x\n"


@pytest.mark.parametrize("who", ["hook", "person"])
def test_a_task_that_is_killed_after_its_shell_was_lost_is_known_as_killed(
    tree, until, who: str
) -> None:
    tree.hook("10-a.sh", "async_run t sleep 1000")
    tree.hook("20-b.sh", "kill -9 $$")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    for pid in members(stack.tasks["t"].pid):
        kill(pid)
    until(lambda: not stack.tasks["t"].running, "it has ended")
    if who == "hook":
        stack.evaluate("async_wait t || echo got $? >got")
        assert Path("got").read_text() == "got 137\n"
    result = stack.tasks["t"].wait()

    assert (result.status, result.exit_code) == ("killed", 137)


@pytest.mark.parametrize(
    ("body", "ended"),
    [("exec sh -c 'exit 0'", ("ok", 0)), ("kill -9 $BASHPID", ("killed", 137)),
     ("set -o posix; exit 5", ("failed", 5))],
    ids=["a program took its place", "killed", "exit in posix mode"],
)  # fmt: skip
def test_a_task_that_ended_without_a_footer_before_its_shell_did_keeps_its_status(
    tree, body: str, ended: tuple[str, int]
) -> None:
    tree.hook("10-a.sh", f"f() {{ {body}; }}; async_run t f")
    tree.hook("20-b.sh", "while kill -0 ${_stacknb_tasks[t]%% *} 2>/dev/null; do :; done; false")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    result = stack.tasks["t"].wait()

    assert (result.status, result.exit_code) == ended


def test_a_task_started_by_the_very_hook_that_lost_the_shell_is_waited_for(tree) -> None:
    tree.hook("10-a.sh", "async_run t sleep 0.2; async_run u false; kill -9 $$")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    stack.evaluate("async_wait t && echo got 0 >got; async_wait u || echo got $? >>got")

    assert Path("got").read_text() == "got 0\ngot 1\n"
    assert {name: task.wait().exit_code for name, task in stack.tasks.items()} == {"t": 0, "u": 1}


def test_a_second_task_of_a_name_started_by_the_hook_that_lost_the_shell_is_waited_for(
    tree,
) -> None:
    tree.hook("10-a.sh", "async_run t true; async_wait t")
    tree.hook("20-b.sh", UNTIL + "f() { until_there go; exit 6; }; async_run t f; kill -9 $$")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    Path("go").touch()
    stack.evaluate("async_wait t || echo got $? >got")

    assert Path("got").read_text() == "got 6\n"


def test_the_tasks_of_a_failed_try_are_cancelled_when_the_phase_is_run_again(tree) -> None:
    tree.hook("10-a.sh", "async_run t sleep 1000\n[[ -v mended ]] || { mended=1; exit 3; }")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    first = stack.tasks["t"]
    stack.run_phase("override_defaults")

    assert not alive(first.pid)
    assert stack.tasks["t"].running
    assert any("cancelled task 't' of the earlier try" in note for note in stack.result.notes)


def test_a_task_of_a_failed_try_that_is_over_is_not_said_to_be_cancelled(tree, until) -> None:
    tree.hook("10-a.sh", "async_run t true\n[[ -v mended ]] || { mended=1; exit 3; }")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    until(lambda: not stack.tasks["t"].running, "the task has ended")
    stack.run_phase("override_defaults")

    assert stack.result.notes == []


@pytest.mark.parametrize("end", ["builtin exit 3", "kill -9 $$"])
def test_what_a_person_waited_for_is_not_waited_for_again_by_a_restored_shell(
    tree, end: str
) -> None:
    stack = tree.run("async_run t false; async_run u true")
    with pytest.raises(TaskFailed):
        stack.async_wait("t")
    stack.async_run("v", "false").wait()
    with pytest.raises(HookFailed):
        stack.evaluate(end)
    stack.evaluate("async_wait t v >said; async_cleanup >>said 2>&1")

    said = Path("said").read_text()
    assert said.count("already been waited for") == 2
    assert "uncollected async future u" in said
    assert said.count("uncollected") == 1
    assert [wait["name"] for wait in waits_of(stack)] == ["t", "v", "u"]


def test_what_a_person_waited_for_is_not_waited_for_again_after_a_resume(tree) -> None:
    stack = tree.run("async_run t true; async_run u true")
    stack.async_wait("t")
    run_dir = stack.run_dir
    stack.close()
    with Stack.resume(run_dir) as resumed:
        assert [result.name for result in resumed.async_wait()] == ["u"]
        resumed.evaluate("async_wait t u >said")
        assert Path("said").read_text().count("already been waited for") == 2
        assert [wait["name"] for wait in waits_of(resumed)] == ["t", "u"]


# A number is given out again after a minute, say; but the clock may be set back meanwhile.
@pytest.mark.parametrize(("has_footer", "later_s"), [(False, -60), (True, 60)])
def test_a_process_that_has_the_number_of_an_old_task_is_not_touched(
    tree, until, has_footer: bool, later_s: int
) -> None:
    stack = tree.run("async_run t sleep 1000")
    run_dir = stack.run_dir
    task = stack.tasks["t"]
    # Its header is written by itself, which may be after its hook has ended.
    until(lambda: "start" in tasklog.header_of(task.log), "the header of the task")
    stack.close()
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as innocent:
        for path in (run_dir / "journal.jsonl", task.log):
            text = re.sub(
                rb'"pid": %d\b' % task.pid, b'"pid": %d' % innocent.pid, path.read_bytes()
            )
            if not has_footer:
                text = text.partition(tasklog.END)[0]
            text = re.sub(
                rb'("start": |"time": )([\d.]+)',
                lambda found: found[1] + b"%.6f" % (float(found[2]) + later_s),
                text,
            )
            path.write_bytes(text)
        try:
            with Stack.resume(run_dir) as resumed:
                assert not resumed.tasks["t"].running
                (result,) = resumed.cancel("t")

            assert result.status in ("lost", "killed")
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_xtrace_of_a_hook_shows_nothing_of_ours(tree, output) -> None:
    stack = tree.run("set -x\nasync_run t echo out\nasync_wait t\nset +x")

    for text in (output(stack, "10-hook.sh"), log_of(stack, "t").output().decode()):
        lines = [line.lstrip("+") for line in text.splitlines() if line.startswith("+")]
        assert set(lines) <= {" async_run t echo out", " echo out", " async_wait t", " set +x"}


def test_the_critical_path_goes_through_the_tasks_that_a_task_had_to_come_after(tree) -> None:
    stack = tree.run(
        "async_run quick true; q=$(async_pidof quick)\n"
        "known() { grep -q '\"second\"' $_stacknb_dir/journal.jsonl; }\n"
        "f() { until known && [[ ! -e /proc/$q ]]; do :; done; sleep 0.05; }; async_run first f\n"
        "async_run --after first --after quick second true\n"
        "async_wait second first quick"
    )
    path = timing.load(stack.run_dir).critical_path()

    assert list(path.loc[path["kind"] == "task", "name"]) == ["first", "second"]


def test_the_time_spent_waiting_is_in_the_table_of_times(tree, output) -> None:
    stack = tree.run(
        "f() { until [[ $(</proc/$$/fd/1) == *Waiting* ]]; do :; done; sleep 1.1; }\n"
        "async_run t f; async_wait t; async_run u true; async_wait u; time_totals"
    )

    assert re.search(r"^async_wait +[1-9]\d*$", output(stack, "10-hook.sh"), re.M)


# ------------------------------------------------------ ended by others, and what a log may hold


@pytest.mark.parametrize("name", ["TERM", "HUP", "USR1", "QUIT", "KILL"])
def test_a_task_that_is_sent_a_signal_ends_at_once_though_a_program_of_its_runs(
    tree, output, name: str
) -> None:
    number = int(getattr(signal, f"SIG{name}"))
    stack = tree.run(
        "f() { sleep 100; }; async_run t f; p=$(async_pidof t); until pgrep -P $p sleep; do :; done\n"
        f"kill -{name} $p; async_wait t || echo got $?; kill -- -$p"
    )

    assert f"got {128 + number}\n" in output(stack, "10-hook.sh")
    result = stack.tasks["t"].result
    assert result is not None
    assert (result.status, result.exit_code) == ("killed", 128 + number)
    footer = log_of(stack, "t").footer
    assert footer is not None
    assert (footer["status"], footer["exit_code"]) == ("killed", 128 + number)


def test_a_log_that_holds_the_footer_of_another_task_gives_no_status_and_runs_no_code(
    tree, output
) -> None:
    evil = '#stacknb-end {"end": a[$(: >pwned)] , "start": 1795602385.205044, x'
    stack = tree.run(
        "async_run ok echo fine; async_wait ok\n"
        'g() { cat "$1"; kill -9 $BASHPID; }\n'
        f"printf 'line\\n%s\\n' '{evil}' >evil\n"
        'for log in evil "$_stacknb_dir/async/ok.log"; do\n'
        '    async_run "t${log##*/}" g "$log"; async_wait "t${log##*/}" || echo got $?\ndone'
    )

    shown = output(stack, "10-hook.sh")
    assert shown.count("got 137\n") == 2
    assert evil in shown
    assert "in -" not in shown
    assert not (tree.path.parent / "pwned").exists()
    assert {t.result.exit_code for t in stack.tasks.values() if t.name != "ok"} == {137}


def test_a_restored_shell_takes_no_status_from_what_a_task_printed_of_another(tree) -> None:
    stack = tree.run("async_run ok echo fine; async_wait ok")
    stack.evaluate(
        'mkfifo go; g() { cat "$_stacknb_dir/async/ok.log"; : >shown; read -r <>go; return 5; }\n'
        "async_run slow g"
    )
    with pytest.raises(HookFailed):
        stack.evaluate("until [[ -e shown ]]; do :; done; exit 3")

    done = stack.evaluate("{ async_pidof slow; echo >go; } & async_wait slow || echo rc=$?")

    assert "rc=5\n" in done.stdout


def test_a_phase_run_again_is_not_well_because_its_task_is_known_to_be_bad(tree) -> None:
    tree.hook("10-a.sh", "[[ $1 != override_defaults ]] || async_run bad false")
    tree.hook("20-b.sh", "[[ $1 != source ]] || { async_wait bad; echo done; }")
    stack = tree.stack()
    for _ in range(3):
        with pytest.raises(HookFailed):
            stack.run(until="source")

    stack.async_run("bad", "true")  # mended
    assert stack.run(until="source").ok


def test_a_phase_run_again_copes_with_a_failure_as_it_did_before(tree, output) -> None:
    tree.hook("10-a.sh", "[[ $1 != override_defaults ]] || async_run bad false")
    tree.hook(
        "20-b.sh", "[[ $1 != source ]] || if async_wait bad; then echo well; else echo bad; fi"
    )
    stack = tree.stack()
    stack.run(until="source")
    assert output(stack, "20-b.sh", "source").endswith("\nbad\n")

    stack.run_phase("source")
    assert output(stack, "20-b.sh.2", "source").endswith("\nbad\n")


@pytest.mark.parametrize("how", ["magic", "cell"])
def test_a_hook_is_told_of_a_failure_that_a_person_knows_already(tree, how: str) -> None:
    stack = tree.run("[[ $1 != override_defaults ]] || { async_run bad false; }\n"
                     "[[ $1 != source ]] || async_wait bad")  # fmt: skip
    if how == "cell":
        assert not stack.evaluate("async_wait bad").ok
    else:
        with pytest.raises(TaskFailed):
            stack.async_wait("bad")

    for _ in range(2):
        with pytest.raises(HookFailed) as caught:
            stack.run_phase("source")
        (log,) = stack.run_dir.glob("async/*")
        assert f"bad (status 1, known since it was waited for, see {log}; start it anew)" in str(
            caught.value
        )


def test_a_failure_that_a_person_knows_already_is_not_given_the_place_of_another_one(tree) -> None:
    stack = tree.run("f() { exit 3; }\nasync_run known false; async_run other f")
    with pytest.raises(TaskFailed):
        stack.async_wait("known")

    said = stack.evaluate("async_wait other known 2>&1").stdout.splitlines()
    place = f"    at {tree.extras / '10-hook.sh'}:1, called from"
    assert [line for line in said if line.startswith(place)]
    assert said[-1].startswith("async_wait: FAILED: known (status 1, known since")


def test_the_phases_of_many_failed_tasks_are_all_told_to_be_run_again(tree) -> None:
    tree.hook("10-a.sh", "f() { false; }\nif [[ $1 == override_defaults ]]; then async_run t f; fi\n"
              "[[ $1 != source ]] || { for i in {1..7}; do async_run u$i f; done; }\n"
              "[[ $2 != pre-install ]] || async_wait t u{1..7}")  # fmt: skip
    with pytest.raises(HookFailed, match="run 'override_defaults', which starts the task"):
        tree.stack().run()


def test_a_hook_is_told_of_a_failure_of_its_own_phase_that_a_person_saw_between_two_hooks(
    tree,
) -> None:
    tree.hook("10-a.sh", "async_run bad false")
    tree.hook("20-b.sh", "async_wait bad")
    stack = tree.stack()
    stack.step(hook=True)
    with pytest.raises(TaskFailed):
        stack.async_wait("bad")

    with pytest.raises(HookFailed, match=r"bad \(status 1"):
        stack.step(hook=True)


def test_a_hook_that_was_mended_may_start_anew_what_had_failed_before(tree) -> None:
    tree.hook("10-a.sh", "[[ $1 != override_defaults ]] || async_run bad false")
    tree.hook("20-b.sh", "[[ $1 != source ]] || async_wait bad")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run(until="source")
    tree.hook("20-b.sh", "[[ $1 != source ]] || { async_run bad true; async_wait bad; }")

    assert stack.run(until="source").ok


def test_a_failure_that_a_hook_was_told_of_says_nothing_of_the_next_task_of_that_name(tree) -> None:
    stack = tree.run("[[ $1 != override_defaults ]] || { async_run bad false; async_wait bad || :; }\n"
                     "[[ $1 != source ]] || async_wait bad")  # fmt: skip
    stack.async_run("bad", "false")
    with pytest.raises(TaskFailed):
        stack.async_wait("bad")

    with pytest.raises(HookFailed):
        stack.run_phase("source")


@pytest.mark.parametrize("restored", [False, True])
def test_a_failure_that_a_phase_has_coped_with_is_none_of_the_next_phase(
    tree, output, restored: bool
) -> None:
    stack = tree.run("[[ $1 != override_defaults ]] || { async_run bad false; async_wait bad || :; }\n"
                     "[[ $1 != source ]] || { async_wait bad; echo on; }")  # fmt: skip
    if restored:
        with pytest.raises(HookFailed):
            stack.evaluate("exit 3")
    stack.run_phase("source")

    assert output(stack, "10-hook.sh", "source").endswith("already been waited for\non\n")


def test_a_hook_that_puts_up_with_a_failure_may_wait_again(tree, output) -> None:
    stack = tree.run("async_run bad false; async_wait bad || :; async_wait bad; echo on")

    assert output(stack, "10-hook.sh").endswith("already been waited for\non\n")


def test_the_header_of_a_task_names_the_task_that_started_it(tree) -> None:
    stack = tree.run(
        "outer() { async_run own true; async_wait own; }\nasync_runfunc outer; async_wait outer\n"
        "DEVSTACK_PARALLEL=False; deep() { async_run last true; }; async_runfunc deep; async_cleanup"
    )
    told = {name: log_of(stack, name).header.get("by") for name in ("outer", "own", "deep", "last")}
    assert told == {"outer": None, "own": "outer", "deep": None, "last": "deep"}


def test_a_wait_of_a_person_for_several_tasks_counts_once(tree) -> None:
    stack = tree.run(":")
    for name in ("a", "b"):
        stack.async_run(name, "sleep", "0.1")
    stack.async_wait("a", "b")
    rows = waits_of(stack)
    assert rows[0]["wait_start"] == rows[1]["wait_start"]
    told = int(stack.evaluate("echo $_stacknb_waited_us").stdout)
    assert told == round((rows[1]["wait_end"] - rows[0]["wait_start"]) * 1e6)
    assert timing.load(stack.run_dir).summary()["waited_s"] == pytest.approx(told / 1e6)


def test_the_line_of_a_wait_names_the_task_that_waited(tree) -> None:
    stack = tree.run(
        "inner() { sleep 0.2; }; outer() { async_run own true; async_wait inner; async_wait own; }\n"
        "async_runfunc inner; async_runfunc outer; async_wait outer\n(async_wait inner)"
    )
    # The last is of a subshell of the hook, which is no task.
    told = [("inner", "outer"), ("own", "outer"), ("outer", ""), ("inner", "")]
    assert [(wait["name"], wait.get("by", "")) for wait in waits_of(stack)] == told
    run = timing.load(stack.run_dir)
    shown = zip(run.waits["name"], run.waits["by"], strict=True)  # by the time they began
    assert sorted(shown) == sorted(told)
    tasks = run.tasks.set_index("name")
    assert tasks.loc["inner", "hidden_s"] == tasks.loc["inner", "duration_s"]


def test_a_killed_task_that_was_over_before_the_wait_has_not_ended_with_it(tree) -> None:
    stack = tree.run(
        "f() { kill -9 $BASHPID; }; async_runfunc f\n"
        "while [[ -e /proc/$(async_pidof f) ]]; do read -rt 0.01 <>/dev/zero || :; done\n"
        "async_wait f || :"
    )
    run = timing.load(stack.run_dir)
    task = run.tasks.iloc[0]
    assert task["status"] == "killed"
    assert task["end"] == task["wait_start"]
    assert run.waits.loc[0, "blocked_s"] == 0
    assert "task" not in set(run.critical_path()["kind"])


def test_no_time_of_a_task_is_negative_where_the_clock_was_set_back(tree, output) -> None:
    stack = tree.run(
        "unset EPOCHREALTIME; EPOCHREALTIME=1900000000.000000\n"
        "f() { EPOCHREALTIME=1800000000.000000; }; async_runfunc f\n"
        "EPOCHREALTIME=1700000000.000000; async_wait f; async_print_timing; echo waited $_stacknb_waited_us"
    )
    shown = output(stack, "10-hook.sh")
    assert "finished f with result 0 in 0 seconds" in shown
    assert " minus waits: 0 sec" in shown
    assert "waited 0" in shown


def test_tasks_are_waited_for_where_the_kernel_has_no_pidfd(
    tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> int:  # asyncio gives it flags
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", fail)
    stack = tree.stack()
    first, second = (stack.async_run(name, "sleep", "0.2") for name in ("first", "second"))

    async def wait() -> object:
        return await second

    assert stack.async_wait("first")[0].ok
    assert asyncio.run(wait()).ok
    assert first.result.ok


# What each is needed for, and what comes of it while the builtin is there.
NEEDED = {
    ":": ("async_run t true; async_wait t; async_run t true; wait $!; seen=$(head -c 9 ${log%.log}.2.log)", "#stacknb-"),
    "[": ("iniset x.ini s o v; seen=$(iniget x.ini s o)", "v"),
    "break": ("enable_service c-api; disable_service cinder; is_service_enabled cinder || seen=off", "off"),
    "builtin": ("async_run t false; async_wait t || seen=$?", "1"),
    "continue": ("async_run t true; async_wait t; async_cleanup >out; seen=$(<out)", ""),
    "declare": ("enable_service a 2>out; seen=$(<out)", ""),
    "kill": ("async_run t bash -c 'builtin kill -KILL $$'; async_wait t >out || :; seen=$(grep -o SIGKILL out || :)", "SIGKILL"),
    "local": ("V=yes; seen=$(trueorfalse False V)", "True"),
    "mapfile": ("iniset x.ini s o v; seen=$(iniget x.ini s o)", "v"),
    "printf": ("async_run t true; wait $!; seen=$(head -c 9 $log)", "#stacknb-"),
    "read": ("(async_run t true); async_wait t >out; seen=$(grep -o finished out || :)", "finished"),
    "return": ("is_service_enabled a || seen=off", "off"),
    "set": ("V=yes; seen=$(trueorfalse False V)", "True"),
    "shift": ("async_run t true; wait $! || :; seen=$(grep -c '\"t\", \"true\"' $log || :)", "0"),
    "trap": ("async_run t true; async_wait t; seen=$(grep -c stacknb-begin $log)", "1"),
    "unset": ("async_run t true; async_wait t; async_run t false; async_wait t || seen=$?", "1"),
    "wait": ("async_run t false; async_wait t || seen=$?", "1"),
}  # fmt: skip


@pytest.mark.parametrize("name", NEEDED)
def test_a_function_that_check_warns_of_breaks_tasks_or_helpers(tree, name: str) -> None:
    script, well = NEEDED[name]
    hook = f"seen=0 log=.stacknb/runs/latest/async/t.log\n{script}\n:"

    assert list(tree.run(":", hook).variables("seen").value) == [well]
    body = "[[ '' ]]" if name in ("kill", "read") else "command echo mine"  # no wait for ever
    [(_, said)] = remarks(define := f"{name}() {{ {body}; }}", "extras")
    assert said.startswith(f"function {name!r} breaks")
    with contextlib.suppress(HookFailed):
        assert list(tree.run(define, hook).variables("seen").value) != [well]
