"""The snapshot of a turn: bash writes it once it has answered, and whatever ends it meanwhile."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from stacknb import tasklog
from stacknb.dispatcher import Stack
from stacknb.exceptions import ShellDied, StacknbError
from stacknb.lifecycle import Hook, Phase
from stacknb.run import opening
from stacknb.rundir.journal import Event, RunDir
from stacknb.shell import Shell, dialogue
from stacknb.shell.turns import Turn
from stacknb.supervision import processes

# Bash begins its snapshot when there is a file `go`.
HELD = (
    "trap '[[ $BASH_COMMAND != *_stacknb_write_state* ]] || until [[ -e go ]]; do :; done' DEBUG\n"
)
# So large that bash is at work on its snapshot for a while.
LARGE = 'for ((i = 0; i < 2000; i++)); do declare -g "large_$i=the value of $i"; done\n'


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "run").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "STACKNB_TEST_MARK")}
    shell = Shell(tmp_path / "run", "r", env=kept)
    yield shell
    shell.close()


def turn(shell: Shell, script: str, **more: Callable[[], None]) -> Turn:
    hook, log = shell.run_dir / "hook.sh", shell.run_dir / "hook.log"
    hook.write_text(script)
    log.write_bytes(tasklog.begin_line({"kind": "hook", "name": "h", "run": "r"}))
    shell.prepare(opening.turn(Hook(Phase("source"), "h", hook, ()), log))
    return shell.turn(**more)


def end(shell: Shell, number: signal.Signals, until) -> None:
    os.kill(shell.pid, number)
    until(lambda: not shell._line.alive, "the end of bash")


def value(shell: Shell, name: str) -> list[str]:
    return [variable.text() for variable in shell.variables(name)]


def test_a_turn_is_answered_before_its_snapshot_is_whole_and_whoever_asks_waits(shell) -> None:
    assert turn(shell, LARGE + HELD).outcome == "done"
    assert (shell.run_dir / "state" / "snapshot.bash").exists() is False

    Path("go").touch()
    assert b'large_1999="the value of 1999"' in shell.snapshot
    shell.settle()
    assert (shell.run_dir / "state" / "snapshot.bash").read_bytes() == shell.snapshot


@pytest.mark.parametrize("delay_ms", range(0, 30, 3))
def test_an_interrupt_that_comes_too_late_finds_the_snapshot_written_to_its_end(
    shell, until, delay_ms: int
) -> None:
    turn(shell, f"{LARGE}trap 'echo mine' DEBUG\ncd /\n")
    time.sleep(delay_ms / 1000)
    end(shell, signal.SIGINT, until)

    assert shell.snapshot.endswith(b"#stacknb end\n")
    assert value(shell, "large_1999") == ["the value of 1999"]
    assert b"trap -- 'echo mine' DEBUG" in shell.snapshot
    assert not shell.lacked_scratch()


def test_the_same_with_an_exit_trap_of_the_hooks_own(shell, until) -> None:
    turn(shell, f"{LARGE}trap 'echo bye' EXIT\n")
    end(shell, signal.SIGINT, until)

    assert value(shell, "large_1999") == ["the value of 1999"]


def test_a_bash_killed_while_it_writes_leaves_the_snapshot_before_and_it_is_said(
    shell, until
) -> None:
    turn(shell, "early=1\n")
    turn(shell, f"late=1\n{HELD}")
    end(shell, signal.SIGKILL, until)

    assert b"late=" not in shell.snapshot
    assert "the snapshot is not whole" in shell.lacked_scratch()
    assert (value(shell, "early"), value(shell, "late")) == (["1"], [])


def test_what_is_asked_next_finds_the_shell_as_the_turn_left_it(shell) -> None:
    for number in range(20):
        turn(shell, f"number={number}\n")
        assert value(shell, "number") == [str(number)]
        assert f'number="{number}"'.encode() in shell.snapshot


def test_a_shell_closed_while_it_writes_ends_at_once(shell) -> None:
    turn(shell, LARGE)
    shell.close()

    assert not shell.pid


def test_a_turn_that_an_interrupt_did_not_end_leaves_its_snapshot_as_the_newest(
    shell, until
) -> None:
    turn(shell, "early=1\n")
    late = turn(shell, "trap '' INT\nlate=1\nsleep 100\n", tick=shell.interrupt)
    assert (late.outcome, late.interrupted) == ("done", True)

    assert b'late="1"' in shell.snapshot
    end(shell, signal.SIGKILL, until)
    assert value(shell, "late") == ["1"]


@pytest.mark.parametrize(
    "earlier", ["exit --help\ntrap - EXIT\n", "exit --help\nearly=2\n", "exit 3\n"]
)
def test_what_an_exit_trap_was_foreseen_with_is_not_taken_for_a_later_snapshot(
    shell, until, earlier: str
) -> None:
    turn(shell, f"early=1\ntrap 'echo bye' EXIT\n{earlier}")
    turn(shell, "early=3\ntrap 'echo bye' EXIT\n")
    turn(shell, f"early=4\n{HELD}")
    end(shell, signal.SIGKILL, until)

    assert value(shell, "early") == ["3"]
    assert "the snapshot is not whole" in shell.lacked_scratch()


def test_a_trap_that_blocks_bash_while_it_writes_is_ended_and_the_variables_are_kept(
    shell, monkeypatch
) -> None:
    monkeypatch.setattr(dialogue, "_BLOCKED_S", 0.3)
    blocked = "[[ $BASH_COMMAND != *_stacknb_write_state* ]] || command sleep 1000"
    turn(shell, f"mark=1\ntrap '{blocked}' DEBUG\n")

    assert b'mark="1"' in shell.snapshot
    assert value(shell, "mark") == ["1"]


def test_a_bash_that_is_at_work_on_a_snapshot_for_long_is_left_alone(
    shell, monkeypatch, until
) -> None:
    monkeypatch.setattr(dialogue, "_BLOCKED_S", 0.6)
    pid, looks, look = shell.pid, list[int](), processes.cpu_ticks
    used = list[tuple[int, int]]()

    def until_the_third(pid: int) -> tuple[int, int]:
        looks.append(pid)
        if len(looks) == 3:  # others may have the processor for longer than between two looks
            until(lambda: look(pid) != used[-1], "bash is at work")
            Path("go").touch()
        used.append(look(pid))
        return used[-1]

    monkeypatch.setattr(processes, "cpu_ticks", until_the_third)
    turn(shell, f"mark=1\n{HELD}")

    assert b'mark="1"' in shell.snapshot
    assert (shell.pid, shell.lacked_scratch()) == (pid, "")
    assert looks[:3] == [pid] * 3


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("names", [["10-a.sh"], ["10-a.sh", "20-b.sh"]])
def test_a_phase_whose_bash_is_killed_while_it_writes_is_not_done(
    tmp_path: Path, names: list[str], waits: bool, until
) -> None:
    left = [1] * waits  # the first time only

    def wait_for_the_end(event: Event) -> None:
        if left and event.kind == "hook-end" and event.name == "10-a.sh":
            left.clear()
            until(has_ended, "bash has ended before the next hook begins")

    def has_ended() -> bool:
        return (tmp_path / "killed").exists() and not stack._run.shell._line.alive

    folder = tmp_path / "tree" / "extras.d"
    folder.mkdir(parents=True)
    killed = (
        "[[ $BASH_COMMAND != *_stacknb_write_state* || -e killed ]] || { >killed; kill -9 $$; }"
    )
    for name in names:
        (folder / name).write_text(f"mark_{name[:2]}=1\n")
    (folder / "10-a.sh").write_text(f"cd '{tmp_path}'; mark_10=1\ntrap '{killed}' DEBUG\n")
    marks = "echo ${!mark_*}"
    with Stack(folder.parent, run_dir=tmp_path / "run") as stack:
        stack.listeners.append(SimpleNamespace(on_event=wait_for_the_end, on_tick=lambda: None))
        with pytest.raises(StacknbError, match="lost; run 'override_defaults' again"):
            stack.run_phase("override_defaults")
        (end,) = (e for e in RunDir.open(tmp_path / "run").new_events() if e.kind == "phase-end")
        assert end.data["ok"] is False
        assert (stack.next_phase, stack.evaluate(marks).stdout) == ("override_defaults", "\n")

        stack.run_phase("override_defaults")
        assert stack.evaluate(marks).stdout.split() == [f"mark_{name[:2]}" for name in names]


@pytest.mark.parametrize("count", ["0", "00", "9" * 6000])
def test_what_a_hook_puts_in_the_place_of_an_answer_costs_that_shell_and_no_more(
    shell, count: str
) -> None:
    turn(shell, "early=1\n")
    spoilt = "[[ $BASH_COMMAND != *_stacknb_write_state* ]] || "
    spoilt += f'command printf "%b" "{count}\\\\0" >"$_stacknb_control/out"'
    turn(shell, f"trap '{spoilt}' DEBUG\n")

    with pytest.raises(ShellDied, match="an answer that cannot be read"):
        shell.evaluate("")
    assert value(shell, "early") == ["1"]
