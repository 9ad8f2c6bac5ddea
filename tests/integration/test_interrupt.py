"""Interrupts: a call from a thread, a signal to the process, the death of the process."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stacknb import (
    BadInput,
    HookFailed,
    Interrupted,
    Stack,
    StacknbError,
    status,
    tasklog,
    tasks,
    timing,
)
from stacknb.board.board import Board
from stacknb.run import failures, opening
from stacknb.run.audience import Audience
from stacknb.run.sourcing import Sourcing
from stacknb.rundir.journal import Event, RunDir
from stacknb.shell import Shell, escalation, turns
from stacknb.shell.dialogue import Dialogue
from stacknb.shell.escalation import Escalation
from stacknb.shell.line import Line
from stacknb.snapshots.history import History
from stacknb.supervision import processes

FOREGROUND = {
    "sleep": "sleep 1000",
    "busy loop": "while :; do :; done",
    "wait": "sleep 1000 & wait",
    "wait for a pid": "sleep 1000 & wait $!",
    "pipeline": "sleep 1000 | cat | cat",
    "subshell": "(sleep 1000; echo never)",
    "substitution": "x=$(sleep 1000)",
    "in a condition": "if sleep 1000; then :; fi; echo never",
    "a program that ignores SIGINT": "sh -c 'trap \"\" INT; sleep 1000; sleep 1000'",
    "a program that ignores SIGINT and SIGTERM": "sh -c 'trap \"\" INT TERM; while :; do sleep 1000; done'",
    "a program that handles SIGINT": "sh -c 'trap : INT; while :; do sleep 0.05; done'",
    "a hook that ignores SIGINT": "trap '' INT; sleep 1000; sleep 1000",
    "a hook that ignores SIGINT and SIGTERM, busy": "trap '' INT TERM; while :; do :; done",
    "a hook that traps SIGINT": "trap 'echo mine' INT; while :; do sleep 0.05; done",
    "read from a fifo": "mkfifo fifo; read x <fifo",
    "async_wait": "async_run w sleep 1000; async_wait w",
    "async_cleanup": "async_run w sleep 1000; async_cleanup",
    "a serial task": "local DEVSTACK_PARALLEL=False; async_run w sleep 1000",
    "a serial task that is busy": "local DEVSTACK_PARALLEL=False; f() { while :; do :; done; }; async_run w f",
    "errexit off": "set +e; sleep 1000; echo never; sleep 1000",
    "a coprocess": "coproc sleep 1000; wait",
    "job control on": "set -m; sleep 1000",
    "an exec'd program": "exec sleep 1000",
    "a shell that stopped itself": "kill -STOP $$; sleep 1000",
    "a retry loop": "until sleep 1000; do :; done",
    "python": f"{sys.executable} -c 'import time; time.sleep(1000)'",
    "wait_for_service": "wait_for_service 1000 http://127.0.0.1:9",
}


@contextlib.contextmanager
def soon(action: Callable[[], object], ready: Path) -> Iterator[None]:
    """Do something in a thread once the file is there."""

    def run() -> None:
        deadline = time.monotonic() + 60
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.03)  # past the touch, into the command itself
        action()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def until_at_work(ready: Path) -> None:
    """Wait until the bash whose number is in the file waits for a command, or is busy itself.

    Where others have the processor, it may be long between the two.
    """
    while not (said := ready.read_text()):
        time.sleep(0.002)
    pid, begun = int(said), sum(processes.cpu_ticks(int(said)))
    while processes.stat_fields(pid)[:1] == ["R"] and sum(processes.cpu_ticks(pid)) < begun + 3:
        time.sleep(0.002)


def interrupted_run(
    tree, script: str, action: Callable[[Stack], object], first: str = "", **options: object
) -> tuple[Stack, Interrupted]:
    tree.hook("10-before.sh", "before=1; async_run other sleep 1000")
    first = f"seen=1; {first}\n[[ ! -v mended ]] || return 0\necho $$ >ready\n"
    tree.hook("20-hook.sh", f"{first}{script}\n")
    stack, ready = tree.stack(**options), Path("ready").absolute()

    def act() -> None:
        until_at_work(ready)
        action(stack)

    with soon(act, ready), pytest.raises(Interrupted) as caught:
        stack.run_phase("override_defaults")
    return stack, caught.value


def test_the_last_step_of_an_interrupt_is_taken_within_a_second() -> None:
    after_s, number, _ = escalation._STEPS[-1]
    assert number == signal.SIGKILL
    assert after_s < 1


@pytest.mark.parametrize("script", FOREGROUND.values(), ids=FOREGROUND)
def test_an_interrupt_ends_the_foreground_and_nothing_else(tree, script: str, until) -> None:
    stack, error = interrupted_run(tree, script, Stack.interrupt)

    assert "'20-hook.sh' was interrupted" in str(error)
    assert "tasks still running: 'other'" in str(error)
    assert stack.tasks["other"].running
    if "DEVSTACK_PARALLEL=False" in script:
        # On a busy machine the interrupt may have come before it was started.
        until(
            lambda: not any(task.running for name, task in stack.tasks.items() if name == "w"),
            "the task in the foreground has ended",
        )
    assert [(hook.name, hook.status) for hook in stack.result.hooks] == [
        ("10-before.sh", "ok"),
        ("20-hook.sh", "interrupted"),
    ]
    # The session is usable, from the state at the interrupt where bash could still write it.
    assert stack.evaluate("echo $before; mended=1").stdout == "1\n"
    record = tasklog.read(stack.run_dir / "hooks" / "override_defaults" / "20-hook.sh.log")
    assert record.footer is not None
    stack.cancel("other")
    assert all(hook.ok for hook in stack.run_phase("override_defaults"))
    assert stack.tasks["other"].running


@pytest.mark.parametrize("nap", ["sleep 1000", "async_run w sleep 1000; async_wait w"])
def test_an_interrupt_tells_the_calls_that_led_to_where_it_was(tree, nap: str) -> None:
    _, error = interrupted_run(tree, f"g() {{ {nap}; }}\nf() {{\n  g\n}}\nf", Stack.interrupt)
    assert error.failure is not None
    assert [call.rpartition("/")[2] for call in error.failure.calls] == [
        "20-hook.sh:6",
        "20-hook.sh:8",
    ]
    assert f"\n  from    {error.failure.calls[0]}\n" in str(error)


@pytest.mark.parametrize("trap", ["", "trap 'echo bye' EXIT; ", "shopt -s nocasematch; "])
def test_after_an_interrupt_within_a_wait_a_hook_still_ends_at_its_first_failure(
    tree, trap: str
) -> None:
    script = f"{trap}set -u; async_run w sleep 1000; async_wait w"  # which has errexit off
    stack, *_ = interrupted_run(tree, script, Stack.interrupt)
    stack.cancel("other")
    tree.hook("20-hook.sh", "false\nnever=1")

    with pytest.raises(HookFailed, match="failed with status 1 under errexit"):
        stack.run_phase("override_defaults")


@pytest.mark.parametrize("trap", ["", "trap 'echo bye' EXIT; "])
def test_an_interrupt_within_a_wait_loses_no_trap_of_an_earlier_hook(tree, trap: str) -> None:
    tree.hook(
        "05-traps.sh",
        "[[ ! -v traps ]] || return 0; trap ': d' DEBUG; trap ': r' RETURN; set -T; traps=1",
    )
    script = f"{trap}async_run w sleep 1000; async_wait w"  # which has functrace off
    stack, *_ = interrupted_run(tree, script, Stack.interrupt)

    shown = stack.evaluate("trap -p DEBUG RETURN").stdout
    assert shown == "trap -- ': d' DEBUG\ntrap -- ': r' RETURN\n"


def test_what_writes_the_snapshot_of_an_interrupted_hook_is_not_ended(
    tree, monkeypatch, until
) -> None:
    # It is a child of the shell, in its process group.
    go_on = Escalation.go_on
    untold = []

    def late(self: Escalation, waited_s: float) -> None:
        # As on a busy machine: bash has only just come to its trap.
        told = self._control / "where"
        until(lambda: told.exists() and told.stat().st_size, "bash says where it was")
        self._left = [(0.0, signal.SIGTERM, "group")]
        go_on(self, waited_s)
        untold.append(self._left)

    monkeypatch.setattr(Escalation, "go_on", late)
    stack, *_ = interrupted_run(tree, "local near=L; last=1; sleep 1000", Stack.interrupt)

    assert untold
    assert all(untold), "a signal was sent"
    assert stack.evaluate("echo $last").stdout == "1\n"


@pytest.mark.parametrize(
    "script",
    ["timeout 1000 sleep 1000", "x=$(timeout 1000 sleep 1000)", "timeout 1000 sleep 1000 | cat",
     "setsid sleep 1000", "set -m; sleep 1000", "set -m; (trap '' INT TERM; sleep 1000) | cat",
     "trap 'echo bye' EXIT; timeout 1000 sleep 1000", "trap '' INT; sleep 1000 | cat | cat",
     "sh -c 'trap \"\" INT; sleep 1000; sleep 1000'", "kill -STOP $$; sleep 1000"],
)  # fmt: skip
def test_an_interrupt_keeps_variables_and_background_wherever_the_foreground_is(
    tree, script: str
) -> None:
    # Until it is a program, a background child of bash may be met by a signal that it is to ignore.
    first = "kept=1; sleep 1000 & left=$!; until [[ $(</proc/$left/comm) == sleep ]]; do :; done"
    stack, *_ = interrupted_run(tree, script, Stack.interrupt, first)

    assert stack.evaluate("echo $kept; kill -0 $left && echo runs on").stdout == "1\nruns on\n"
    assert stack.tasks["other"].running


def test_an_interrupt_that_is_looked_after_late_leaves_the_background_alone(
    tree, monkeypatch
) -> None:
    go_on = Escalation.go_on
    all_due = escalation._STEPS[-1][0] + 1
    monkeypatch.setattr(Escalation, "go_on", lambda self, waited_s: go_on(self, all_due))
    first = "trap '' INT; sleep 1000 & left=$!"
    stack, *_ = interrupted_run(tree, "sleep 1000 | cat | cat", Stack.interrupt, first)

    assert stack.evaluate("kill -0 $left && echo runs on").stdout == "runs on\n"


def test_the_place_of_an_interrupt_is_reported_and_the_state_is_that_of_the_moment(tree) -> None:
    stack, error = interrupted_run(tree, "v=$seen\nf() {\n  sleep 1000\n}\nf", Stack.interrupt)

    assert error.failure is not None
    assert error.failure.place == f"{tree.extras}/20-hook.sh:6"
    assert error.failure.command == "sleep 1000"
    assert stack.evaluate("echo $v").stdout == "1\n"


def test_an_interrupted_hook_with_an_exit_trap_of_its_own_keeps_its_variables(tree, output) -> None:
    script = "trap 'echo bye; v=2' EXIT\nlocal near=L; v=1\nsleep 1000"
    stack, error = interrupted_run(tree, script, Stack.interrupt)

    assert error.failure is not None
    assert error.failure.place == f"{tree.extras}/20-hook.sh:6"
    assert output(stack, "20-hook.sh") == "bye\n"
    assert stack.evaluate("echo $seen $v").stdout == "1 1\n"
    assert list(stack.variables("near").value) == ["L"]


def test_an_interrupt_that_ends_an_exit_trap_too_names_where_it_met_the_hook(tree) -> None:
    _, error = interrupted_run(tree, "trap 'sleep 2000' EXIT\nsleep 1000", Stack.interrupt)

    assert error.failure is not None
    assert error.failure.place == f"{tree.extras}/20-hook.sh:5"
    assert error.failure.command == "sleep 1000"


def test_an_interrupt_just_after_exit_leaves_the_variables_of_the_hook(tree) -> None:
    # A DEBUG trap sends the signal at the first command after it, which is one of the EXIT trap.
    look = 'case $BASH_COMMAND in "builtin exit"*) next=1 ;; *) ((next-- != 1)) || kill -INT $$ ;; esac'
    tree.hook("10-hook.sh", f"v=1 next=0; set -T\ntrap '{look}' DEBUG\nexit 3\n")
    stack = tree.stack()
    with pytest.raises(HookFailed, match="called exit with status 3"):
        stack.step()
    assert stack.evaluate("echo $v").stdout == "1\n"


def test_an_interrupt_of_a_wait_names_its_line(tree) -> None:
    script = "if true; then\n  async_wait other\nfi\nnever=1"
    stack, error = interrupted_run(tree, script, Stack.interrupt)

    assert error.failure is not None
    assert error.failure.place == f"{tree.extras}/20-hook.sh:5"
    assert "never" not in str(error)
    assert stack.tasks["other"].running


def test_an_interrupt_while_a_long_log_is_shown_leaves_the_task_to_be_waited_for(
    tree, until
) -> None:
    tree.hook("10-hook.sh", "mkfifo pipe; exec {both}<>pipe; f() { printf %0200000d 1; }\n"
                            "async_run t f; async_wait t >pipe")  # fmt: skip
    stack = tree.stack()

    def full() -> bool:
        try:
            end = os.open("pipe", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            return not select.select([], [end], [], 0)[1]
        finally:
            os.close(end)

    def stop() -> None:
        until(full, "the pipe is full")
        stack.interrupt()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted):
        stack.run_phase("override_defaults")
    thread.join()

    (result,) = stack.async_wait("t")
    assert result.ok
    assert len((stack.run_dir / "waits.jsonl").read_text().splitlines()) == 1


def test_what_the_hook_left_in_the_background_runs_on(tree, until) -> None:
    def interrupt(stack: Stack) -> None:
        until(lambda: Path("child").exists() and Path("child").read_text(), "a pid in child")
        stack.interrupt()

    interrupted_run(tree, "sleep 1234 & echo $! >child; sleep 1000", interrupt)

    assert Path(f"/proc/{Path('child').read_text().strip()}").exists()


def test_a_second_interrupt_is_no_harm(tree) -> None:
    def twice(stack: Stack) -> None:
        stack.interrupt()
        stack.interrupt()

    stack, _ = interrupted_run(tree, "trap '' INT; sleep 1000; sleep 1000", twice)

    assert stack.evaluate("echo $before").stdout == "1\n"


def test_an_interrupt_while_nothing_runs_does_nothing(tree) -> None:
    stack = tree.run("exec 7>open; echo a >&7; v=1")
    for _ in range(5):
        stack.interrupt()

    assert stack.evaluate("echo b >&7; echo $v").stdout == "1\n"
    assert Path("open").read_text() == "a\nb\n"
    tree.hook("10-hook.sh", "echo again")
    stack.run_phase("override_defaults")


def test_an_interrupt_before_the_first_run_and_after_the_last_does_nothing(tree) -> None:
    tree.hook("10-a.sh", ":")
    stack = tree.stack()
    stack.interrupt()
    stack.run()
    stack.interrupt()
    assert {hook.status for hook in stack.result.hooks} == {"ok"}
    assert stack.evaluate("echo here").stdout == "here\n"
    stack.close()
    stack.interrupt()


@pytest.mark.parametrize("delay_ms", range(0, 30, 3))
def test_an_interrupt_at_any_moment_ends_the_run_or_comes_too_late(tree, delay_ms: int) -> None:
    for number in range(10, 25):
        tree.hook(f"{number}-a.sh", "x=$((x + 1))")
    stack = tree.stack()
    stack.evaluate(":")

    def later() -> None:
        time.sleep(delay_ms / 1000)
        stack.interrupt()

    thread = threading.Thread(target=later)
    thread.start()
    with contextlib.suppress(Interrupted):
        stack.run_phase("override_defaults")
    thread.join()

    assert stack.evaluate("echo alive").stdout == "alive\n"
    ran = [hook for hook in stack.result.hooks if hook.status == "ok"]
    assert int(stack.evaluate("echo ${x:-0}").stdout) in (len(ran), len(ran) + 1)


@pytest.mark.parametrize("settings", [": >ready; sleep 1000", "trap '' INT; : >ready; sleep 1000"])
def test_ctrl_c_while_a_run_begins_leaves_nothing_and_the_next_try_begins_it(
    tree, left, settings: str
) -> None:
    # What a DevStack tree's functions do when they are sourced comes before the first phase.
    for name in ("stack.sh", "functions-common"):
        (tree.path / name).write_text("")
    functions = tree.path / "functions"
    functions.write_text(f"[[ -e mended ]] || {{ {settings}; }}\n")
    stack = tree.stack(run_dir="run")
    with soon(sigint, Path("ready").absolute()), pytest.raises(Interrupted):
        stack.evaluate(":")
    assert left() == []
    Path("mended").touch()

    assert stack.evaluate("echo alive").stdout == "alive\n"
    assert stack.run_dir == Path("run").absolute()


def test_an_interrupt_of_what_python_asks_for_is_an_interrupt_and_the_session_goes_on(tree) -> None:
    stack = tree.run("v=1\nasync_run() { : >ready; sleep 1000; }")
    with soon(stack.interrupt, Path("ready").absolute()), pytest.raises(Interrupted):
        stack.async_run("t", "true")

    assert stack.evaluate("echo $v").stdout == "1\n"


def test_an_interrupt_during_a_cell(tree, until) -> None:
    stack = tree.run("v=1")
    with soon(stack.interrupt, Path("ready").absolute()), pytest.raises((Interrupted, HookFailed)):
        stack.evaluate(": >ready; sleep 1000")

    assert stack.evaluate("echo $v").stdout == "1\n"


# ------------------------------------------------------------------------- signals to this process


def sigint(_: object = None) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize(
    "script",
    [
        "sleep 1000",
        "while :; do :; done",
        "trap '' INT; sleep 1000",
        "async_run w sleep 1000; async_wait w",
    ],
)
def test_ctrl_c_during_a_hook_is_an_interrupt_of_the_hook(tree, script: str) -> None:
    stack, error = interrupted_run(tree, script, sigint)

    assert "'20-hook.sh' was interrupted" in str(error)
    assert stack.tasks["other"].running
    assert stack.evaluate("echo $before").stdout == "1\n"


AT_ONCE = """\
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import stacknb
with stacknb.Stack(sys.argv[1]) as stack:
    stack.run_phase("override_defaults")
    for i in range(20):
        try:
            stack.evaluate(f"mark={i}; kill -INT {os.getpid()}; sleep 1000")
        except stacknb.Interrupted:
            print(stack.evaluate("echo $mark").stdout, end="")
"""


def test_ctrl_c_as_soon_as_bash_is_at_work_loses_nothing(tree) -> None:
    # On one processor bash has the request, and sends the signal, before Python's write returns.
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, str(tree.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(i) for i in range(20)]


def test_ctrl_c_between_the_end_of_a_cell_and_its_result_loses_nothing(tree, monkeypatch) -> None:
    stack = tree.run(":")
    answered = turns.answered

    def interrupted(*_: object) -> None:
        monkeypatch.setattr(turns, "answered", answered)
        raise KeyboardInterrupt

    monkeypatch.setattr(turns, "answered", interrupted)
    with pytest.raises(Interrupted):
        stack.evaluate("mark=here")
    assert stack.evaluate("echo $mark").stdout == "here\n"


BY_PHASES: dict[str, Callable[[Stack], object]] = {
    "run": Stack.run,
    "run_phase": lambda stack: stack.run_phase("override_defaults"),
    "step": Stack.step,
}
# Where Python itself is busy: as a log is begun, as bash still writes its snapshot, as that is kept.
BETWEEN = {
    "log": (RunDir, "new_log"),
    "waiting for the snapshot": (Dialogue, "settle"),
    "keeping the snapshot": (History, "keep"),
    "end of a phase": (Sourcing, "settle"),
}


@pytest.mark.parametrize("call", BY_PHASES.values(), ids=BY_PHASES)
@pytest.mark.parametrize(("owner", "name"), BETWEEN.values(), ids=BETWEEN)
def test_ctrl_c_while_no_hook_runs_is_an_interrupt_too(
    tree, monkeypatch, owner: type, name: str, call: Callable[[Stack], object]
) -> None:
    tree.hook("10-a.sh", "ran+=a")
    tree.hook("20-b.sh", "ran+=b")
    stack = tree.stack()
    stack.evaluate(":")
    whole = getattr(owner, name)
    left = [1] if name == "new_log" else []  # the second hook has none yet

    def interrupted(*args: object, **more: object) -> object:
        if left:
            left.pop()
            return whole(*args, **more)
        monkeypatch.setattr(owner, name, whole)
        signal.raise_signal(signal.SIGINT)
        return whole(*args, **more)

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(Interrupted, match="the session is usable") as caught:
        call(stack)
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)

    assert not stack.busy
    assert stack.next_phase == "override_defaults"
    board = Board(lambda: stack.run_dir)
    board.update(thoroughly=True)
    assert (board.state, board.hook) == ("interrupted", None)
    assert status.read(stack.run_dir).state == "interrupted"
    assert stack.run().complete
    ran = stack.evaluate("echo $ran").stdout.strip()
    assert ran.endswith("ab" * 7)
    assert ran.removesuffix("ab" * 7) in ("", "a", "ab")


def test_ctrl_c_at_the_very_begin_of_a_wait_is_an_interrupt_of_the_wait(tree, monkeypatch) -> None:
    stack = tree.stack()
    stack.async_run("t", "sleep", "1000")
    whole = RunDir.write

    def interrupted(folder: RunDir, event: Event) -> None:
        monkeypatch.setattr(RunDir, "write", whole)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RunDir, "write", interrupted)
    with pytest.raises(Interrupted, match="stopped waiting for 't'; it runs on"):
        stack.async_wait("t")


# Before bash has heard of the hook, as it fails and the shell is begun again, and after that.
AROUND = {
    "before": (processes, "cpu_ticks", ""),
    "restore": (Shell, "restore", ""),
    "restore in bash": (opening, "forgetting_timers", f"kill -INT {os.getpid()}; sleep 1000"),
    "after": (failures, "explain", ""),
}


@pytest.mark.parametrize(("owner", "name", "bash"), AROUND.values(), ids=AROUND)
def test_ctrl_c_that_a_hook_does_not_see_leaves_no_hook_that_seems_to_run(
    tree, monkeypatch, owner: object, name: str, bash: str
) -> None:
    tree.hook("10-a.sh", "x=1; [[ -e mended ]]")
    stack = tree.stack()
    stack.evaluate(":")
    whole = getattr(owner, name)

    def interrupted(*args: object, **more: object) -> object:
        monkeypatch.setattr(owner, name, whole)
        if bash:
            return bash
        signal.raise_signal(signal.SIGINT)
        return whole(*args, **more)

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(Interrupted):
        stack.run()

    board = Board(lambda: stack.run_dir)
    board.update(thoroughly=True)
    assert (board.state, board.hook, board.live) == ("interrupted", None, False)
    assert [hook.status for hook in board.phases[0].hooks] == ["interrupted"]
    run = status.read(stack.run_dir)
    assert (run.state, run.phases[0].hooks[0].status) == ("interrupted", "interrupted")
    record = tasklog.read(stack.run_dir / "hooks" / "override_defaults" / "10-a.sh.log")
    assert record.footer is not None
    Path("mended").touch()
    assert stack.run().complete
    assert stack.evaluate("echo $x").stdout == "1\n"


def raising(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, when: Callable[..., bool]
) -> None:
    """Have the first call that `when` holds for interrupted before it does anything."""
    whole, done = getattr(owner, name), list[bool]()

    def interrupted(*args: object, **more: object) -> object:
        if not done and when(*args):
            done.append(True)
            signal.raise_signal(signal.SIGINT)
        return whole(*args, **more)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("kind", ["phase-start", "hook-start"])
@pytest.mark.parametrize("told", [False, True], ids=["before it is told", "as it is told"])
def test_ctrl_c_before_the_settings_are_sourced_does_not_leave_them_out(
    tree, tmp_path: Path, monkeypatch, output, kind: str, told: bool
) -> None:
    (tmp_path / "rc").write_text("A=1\n")
    tree.hook("10-a.sh", "echo $A")
    stack = tree.stack(localrc=tmp_path / "rc")
    owner, name = (Audience, "tell") if told else (RunDir, "write")
    raising(monkeypatch, owner, name, lambda _, event: event.kind == kind)
    with pytest.raises(Interrupted):
        stack.step(hook=True)
    stack.run()

    assert output(stack, "10-a.sh") == "1\n"


def test_ctrl_c_during_the_first_snapshot_leaves_no_log_that_seems_to_run(
    tree, monkeypatch
) -> None:
    tree.hook("10-a.sh", ":")
    stack = tree.stack()
    raising(monkeypatch, Shell, "save", lambda _: True)
    with pytest.raises(Interrupted):
        stack.run()

    assert status.read(stack.run_dir).state == "interrupted"
    assert list(stack.run_dir.glob("hooks/*/*.log")) == []
    assert stack.run().complete


def test_ctrl_c_as_the_end_of_a_hook_is_told_leaves_no_hook_that_seems_to_run(
    tree, monkeypatch
) -> None:
    tree.hook("10-a.sh", ":")
    stack = tree.stack()
    raising(monkeypatch, RunDir, "write", lambda _, event: event.kind == "hook-end")
    with pytest.raises(Interrupted):
        stack.run()

    board = Board(lambda: stack.run_dir)
    board.update(thoroughly=True)
    assert (board.state, board.hook, board.live) == ("interrupted", None, False)
    assert stack.run().complete


# While its process is begun, and before it has its variables back.
HALF: dict[str, tuple[type, str, Callable[..., bool]]] = {
    "begun": (Line, "_hear", lambda line: line.pid == 0),
    "empty": (Dialogue, "ask", lambda _, code, *__: "restored." in code),
}


@pytest.mark.parametrize(("owner", "name", "when"), HALF.values(), ids=HALF)
def test_ctrl_c_while_a_shell_is_begun_again_leaves_none_that_is_half_restored(
    tree, monkeypatch, owner: type, name: str, when: Callable[..., bool]
) -> None:
    stack = tree.run("v=1")
    raising(monkeypatch, owner, name, when)
    with pytest.raises(Interrupted):
        stack.evaluate("exit 3")

    assert stack.evaluate("echo $v").stdout == "1\n"


@pytest.mark.parametrize("how", ["supervisor killed", "no trace"])
def test_an_error_that_is_none_of_the_hook_leaves_no_hook_that_seems_to_run(tree, how: str) -> None:
    tree.hook("10-a.sh", ":" if how == "no trace" else ">ready; sleep 1000")
    stack = tree.stack()
    run_dir = stack.begin()
    if how == "no trace":
        (run_dir / "traces").touch()
        with pytest.raises(StacknbError, match="nothing can be traced"):
            stack.step(trace=True)
        (run_dir / "traces").unlink()
    else:
        supervisor = stack._run.shell._line._supervisor.pid
        ready = Path("ready").absolute()
        with (
            soon(lambda: os.kill(supervisor, signal.SIGKILL), ready),
            pytest.raises(StacknbError, match="supervisor"),
        ):
            stack.step()
        stack.close()

    board = Board(lambda: run_dir)
    board.update(thoroughly=True)
    assert (board.state, board.hook) == ("failed", None)
    assert status.read(run_dir).state == "failed"
    if how == "no trace":
        assert stack.run().complete


def test_ctrl_c_at_the_end_of_a_step_is_an_interrupt_and_the_next_step_goes_on(
    tree, monkeypatch
) -> None:
    tree.hook("10-a.sh", "x=1")
    tree.hook("20-b.sh", "x+=2")
    stack = tree.stack()
    stack.begin()
    settle = Dialogue.settle

    def interrupted(dialogue: Dialogue) -> None:
        monkeypatch.setattr(Dialogue, "settle", settle)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Dialogue, "settle", interrupted)
    with pytest.raises(Interrupted):
        stack.step(hook=True)

    assert [hook.name for hook in stack.step(hook=True)] == ["20-b.sh"]
    assert stack.evaluate("echo $x").stdout == "12\n"


class Watcher:
    """Says how a run stands at each of its events; sends a Ctrl-C at one of them."""

    def __init__(self, stack: Stack, at: tuple[str, str]) -> None:
        self.states: list[tuple[str, str]] = []
        self._stack, self._at = stack, at
        stack.listeners.append(self)

    def on_event(self, event: Event) -> None:
        if event.kind in ("phase-end", "hook-end", "pause", "run-end"):
            self.states.append((event.kind, status.read(self._stack.run_dir).state))
        if (event.kind, event.name) == self._at:
            self._at = ("", "")
            signal.raise_signal(signal.SIGINT)

    def on_tick(self) -> None:
        pass


def test_an_interrupt_of_the_last_wait_says_so_in_words(tree) -> None:
    tree.hook("10-a.sh", '[[ "$2" != extra ]] || async_run t sleep 1000')
    stack = tree.stack()
    stack.run(until="extra")
    log = stack.run_dir / "hooks" / "stack-test-config" / "async_cleanup.log"
    with (
        soon(lambda: os.kill(os.getpid(), signal.SIGINT), log),
        pytest.raises(Interrupted) as caught,
    ):
        stack.run()
    said = "'async_cleanup' was interrupted at the end of the run, waiting for tasks that no hook"
    assert str(caught.value).startswith(said)
    assert "; tasks still running: 't'" in str(caught.value)


@pytest.mark.parametrize("at", ["hook-start", "hook-end"])
@pytest.mark.parametrize("again", ["run", "step", "resume"])
def test_a_run_that_was_interrupted_at_its_clean_up_can_be_brought_to_its_end(
    tree, again: str, at: str
) -> None:
    tree.hook("10-a.sh", '[[ "$2" != install ]] || async_run t true')
    stack = tree.stack()
    run_dir = stack.begin()
    watcher = Watcher(stack, (at, "async_cleanup"))
    with pytest.raises(Interrupted):
        stack.run()
    assert watcher.states[-2:] == [("hook-end", "interrupted"), ("pause", "interrupted")]
    assert {state for _, state in watcher.states[:-2]} == {"running"}, "between two phases, too"
    assert not stack.result.complete

    if again == "resume":
        stack.close()
        stack = Stack.resume(run_dir)
    assert stack.step() == [] if again == "step" else stack.run().complete
    assert (stack.run_dir, (done := status.read(run_dir)).state) == (run_dir, "complete")
    assert [hook.name for hook in done.phases[-1].hooks] == ["10-a.sh", "async_cleanup"]
    with pytest.raises(BadInput, match="every phase of 'stack' is done"):
        stack.step()
    stack.close()
    with Stack.resume(run_dir) as resumed:
        assert resumed.result.complete


def test_ctrl_c_just_after_an_exit_0_leaves_a_run_that_can_be_brought_to_its_end(tree) -> None:
    tree.hook("10-a.sh", "async_run t true; exit 0")
    stack = tree.stack()
    stack.begin()
    Watcher(stack, ("warning", f"10-a.sh {failures.GIVEN_UP}"))
    with pytest.raises(Interrupted):
        stack.run()
    assert stack.run().phases == []
    assert stack.tasks["t"].result
    [hooks, *later] = [[hook.name for hook in p.hooks] for p in status.read(stack.run_dir).phases]
    assert (hooks, [hooks for hooks in later if hooks]) == (["10-a.sh", "async_cleanup"], [])


def test_ctrl_c_between_two_phases_leaves_a_run_that_is_interrupted(tree, tmp_path) -> None:
    tree.hook("10-a.sh", "x=1")
    stack = tree.stack()
    stack.begin()
    watcher = Watcher(stack, ("phase-end", "source"))
    with pytest.raises(Interrupted):
        stack.run()
    assert watcher.states[-2:] == [("phase-end", "running"), ("phase-end", "interrupted")]
    stack.evaluate("x=2")
    run = status.read(stack.run_dir)
    assert (run.state, run.ok, stack.next_phase) == ("interrupted", False, "source")
    junit = timing.load(stack.run_dir).to_junit(tmp_path / "junit.xml").read_text()
    assert "phase 'source' was interrupted, outside of its hooks" in junit
    assert stack.run(until="source").phases[-1] == "source"
    assert status.read(stack.run_dir).state == "unfinished", "until there is a next one"
    assert watcher.states[-1] == ("phase-end", "unfinished")


def test_ctrl_c_while_an_earlier_one_is_passed_on_is_passed_on_too(tree, monkeypatch) -> None:
    killpg, calls = os.killpg, []

    def hit(pid: int, number: int) -> None:
        calls.append(number)
        if len(calls) == 1:
            raise KeyboardInterrupt
        killpg(pid, number)

    monkeypatch.setattr(os, "killpg", hit)
    stack = tree.run("v=1")
    with pytest.raises(Interrupted):
        stack.evaluate(f"v=2; kill -INT {os.getpid()}; sleep 1000")

    assert stack.evaluate("echo $v").stdout == "2\n"
    assert calls == [signal.SIGINT, signal.SIGINT]


def test_ctrl_c_during_a_wait_leaves_the_tasks_running(tree, monkeypatch) -> None:
    stack = tree.run("async_run t sleep 1000; async_run u sleep 1000")
    look = tasks._poll

    def begun(*args: object) -> None:
        Path("ready").touch()  # not before it waits, for a Ctrl-C is that of pytest until then
        look(*args)

    monkeypatch.setattr(tasks, "_poll", begun)
    with (
        soon(sigint, Path("ready").absolute()),
        pytest.raises(Interrupted, match="stopped waiting for 't', 'u'; they run on"),
    ):
        stack.async_wait("t", "u")

    assert [stack.tasks[name].running for name in "tu"] == [True, True]
    assert stack.evaluate("echo alive").stdout == "alive\n"
    assert [result.status for result in stack.cancel("t", "u")] == ["cancelled", "cancelled"]


def test_ctrl_c_during_an_await_leaves_the_task_running(tree) -> None:
    stack = tree.run("async_run t sleep 1000")

    async def wait() -> None:
        Path("ready").touch()
        await stack.tasks["t"]

    with soon(sigint, Path("ready").absolute()), pytest.raises(KeyboardInterrupt):
        asyncio.run(wait())

    assert stack.tasks["t"].running
    assert stack.evaluate("echo alive").stdout == "alive\n"


def test_ctrl_c_while_the_stack_is_closed_ends_everything_all_the_same(tree) -> None:
    stack = tree.run("trap ': >ready; sleep 1000' EXIT; async_run t sleep 1000")
    with soon(sigint, Path("ready").absolute()), contextlib.suppress(KeyboardInterrupt):
        stack.close()
    stack.close()  # the sandbox looks for what is left


# ------------------------------------------------------------------------- the end of the process

PARENT = """
import json, sys, stacknb
stack = stacknb.Stack({top!r})
{act}
"""


RUN = "stack.run()"
IDLE = "stack.evaluate(': >ready'); sys.stdin.read()"
WAIT = "stack.async_run('w', 'sleep', '1000'); stack.evaluate(': >ready'); stack.async_wait()"


@pytest.mark.parametrize(
    ("number", "act"),
    [
        (signal.SIGKILL, RUN),
        (signal.SIGKILL, IDLE),
        (signal.SIGKILL, WAIT),
        (signal.SIGTERM, RUN),
        (signal.SIGHUP, WAIT),
    ],
)
def test_everything_but_services_ends_with_the_process(
    tree, left, until, number: int, act: str
) -> None:
    tree.hook(
        "10-a.sh",
        "[[ $1 == override_defaults ]] || return 0\n"
        "f() { trap '' TERM HUP INT; while :; do sleep 1000; done; }\n"
        "async_run t f; async_run u sleep 1000; sleep 1000 & (trap '' TERM; sleep 1000) & set -m; sleep 1000 & set +m; nohup sleep 1000 >/dev/null 2>&1 & disown -a\n"
        ": >ready; sleep 1000",
    )
    code = PARENT.format(top=str(tree.path), act=act)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        until(lambda: Path("ready").exists(), "it has come so far")
        parent.send_signal(number)
        parent.wait()
        until(lambda: left() == [], "everything has ended")


def test_tasks_that_end_with_their_process_say_in_their_logs_that_they_were_killed(
    tree, left, until
) -> None:
    tree.hook("10-a.sh", "for i in {1..20}; do async_run $i sleep 1000; done; sleep 1000")
    code = PARENT.format(top=str(tree.path), act="stack.run()")
    logs = [Path(f".stacknb/runs/latest/async/{i}.log") for i in range(1, 21)]
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        until(lambda: all(map(tasklog.header_of, logs)), "all have begun")
        parent.kill()
    until(lambda: left() == [], "everything has ended")

    footers = [tasklog.footer_of(log) or {} for log in logs]
    assert [footer.get("status") for footer in footers] == ["killed"] * 20


def test_the_private_folder_is_gone_after_the_process_was_killed(
    tree, left, until, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    tree.hook("10-a.sh", ": >ready; sleep 1000")
    code = PARENT.format(top=str(tree.path), act="stack.run()")
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    ) as parent:
        until(lambda: Path("ready").exists(), "it has come so far")
        assert list((tmp_path / "tmp").iterdir())
        parent.kill()
    until(lambda: left() == [], "everything has ended")

    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_interpreter_that_ends_without_close_leaves_nothing(tree, left, until) -> None:
    tree.hook("10-a.sh", "async_run t sleep 1000; sleep 1000 &")
    act = "stack.run_phase('override_defaults'); print(json.dumps(str(stack.run_dir)))"
    done = subprocess.run(
        [sys.executable, "-c", PARENT.format(top=str(tree.path), act=act)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert json.loads(done.stdout)
    assert done.stderr == ""
    until(lambda: left() == [], "everything has ended")


def test_the_loss_of_the_supervisor_is_told_its_tasks_end_and_a_new_run_is_possible(
    tree, left, until
) -> None:
    stack = tree.run("async_run t sleep 1000; v=1")
    supervisor = int(
        Path(f"/proc/{stack._run.shell.pid}/status").read_text().split("PPid:")[1].split()[0]
    )
    assert (
        os.environ["STACKNB_TEST_MARK"].encode() in Path(f"/proc/{supervisor}/environ").read_bytes()
    )
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervisor not in left(), "it has ended")
    with pytest.raises(StacknbError, match="supervisor"):
        stack.evaluate("echo x")
    stack.reset()
    assert left() == []
    stack.run_phase("override_defaults")
    assert stack.evaluate("echo $v").stdout == "1\n"
