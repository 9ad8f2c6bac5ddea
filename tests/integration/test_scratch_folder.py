"""The scratch folder of a session that is removed, or full."""

import errno
import os
import tempfile

import pytest

from stacknb import HookFailed, StacknbError, status
from stacknb.board.board import Board
from stacknb.shell import Shell
from stacknb.shell.scratch import Scratch

FIRST = "override_defaults"
REMOVE = 'rm -rf "$_stacknb_control"\n'


def test_a_hook_that_removes_it_fails_and_the_session_goes_on_from_the_snapshot(tree) -> None:
    tree.hook("10-a.sh", "v=kept")
    tree.hook("20-b.sh", f"v=lost\n{REMOVE}")
    stack = tree.stack(jobs=1)
    with pytest.raises(HookFailed, match=r"scratch folder '.*' of the session was removed"):
        stack.run_phase(FIRST)

    assert stack.evaluate("echo $v").stdout == "kept\n"
    tree.hook("20-b.sh", "async_run t true; async_run u true; async_wait t u")  # held back by jobs
    assert [hook.status for hook in stack.run_phase(FIRST)] == ["ok", "ok"]


@pytest.mark.parametrize("how", ["async_run", "evaluate", "step", "variables"])
def test_one_that_is_removed_between_two_turns_is_made_again(tree, how: str) -> None:
    stack = tree.run("v=kept")
    folder = stack._run.shell._scratch
    task = stack.async_run("nap", "sleep", "1000")
    folder.remove()
    if how == "async_run":
        assert stack.async_run("t", "true").wait().ok
    elif how == "step":
        assert [hook.status for hook in stack.step()] == ["ok"]
    elif how == "variables":
        assert list(stack.variables("v")["value"]) == ["kept"]
    assert stack.evaluate("echo $v").stdout == "kept\n"
    assert task.running


@pytest.mark.parametrize("how", ["all", "file", "content"])
def test_one_that_is_removed_after_bash_was_told_what_comes_stops_nothing_for_ever(
    tree, monkeypatch, how: str
) -> None:
    tree.hook("10-a.sh", "v+=1")
    stack = tree.stack()
    turn = Shell.turn

    def removed(shell: Shell, *args: object, **more: object) -> object:
        monkeypatch.setattr(Shell, "turn", turn)
        if how == "all":
            shell._scratch.remove()
        elif how == "file":
            (shell._scratch.path / "turn").unlink()
        else:
            shell._scratch.write("turn", b"")
        return turn(shell, *args, **more)

    monkeypatch.setattr(Shell, "turn", removed)
    if how != "all":
        said = "status 1: a file of the session's scratch folder was removed meanwhile"
        with pytest.raises(HookFailed, match=said) as caught:
            stack.run_phase(FIRST)
        assert caught.value.failure.command == ""
    stack.run_phase(FIRST)
    assert stack.evaluate("echo $v").stdout == "1\n"


def test_a_task_that_is_held_back_meanwhile_does_not_stay_so_for_ever(tree) -> None:
    stack = tree.run(":", jobs=1)
    nap = stack.async_run("nap", "sleep", "1000")
    held = stack.async_run("held", "true")
    stack._run.shell._scratch.remove()
    stack.evaluate(":")
    stack.cancel("nap")
    assert not nap.running
    # Whether its gate was still there, or was made anew, is a matter of moments.
    assert held.wait(timeout=60).status in ("killed", "lost", "cancelled", "ok")


def test_a_snapshot_that_is_not_whole_is_a_warning(tree) -> None:
    stack = tree.run("v=1")
    stack.evaluate('v=2; ln -sfn /nowhere/at/all "$_stacknb_control/snapshot"')
    notes = status.read(stack.run_dir).notes
    assert [note for note in notes if "the snapshot is not whole (scratch folder" in note], notes
    assert stack.evaluate("echo $v").stdout == "2\n"


def test_one_without_room_is_named(tree) -> None:
    stack = tree.run(":")
    stack.evaluate('ln -sfn /dev/full "$_stacknb_control/turn"')
    with pytest.raises(StacknbError, match=r"scratch folder '.*' of the session cannot be written"):
        stack.evaluate(":")


def test_a_run_works_where_only_its_own_directory_has_room(
    tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tempfile.mkdtemp

    def mkdtemp(**options: str) -> str:
        if "runs" not in str(options["dir"]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(**options)

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    stack = tree.run("async_run t true; async_wait t", jobs=1)
    state = stack.run_dir / "state"
    assert len(list(state.glob("stacknb-*"))) == 1
    stack.close()
    assert list(state.glob("stacknb-*")) == []


def test_a_hook_that_cannot_begin_for_want_of_room_has_failed(tree, monkeypatch) -> None:
    tree.hook("10-a.sh", "v=1")
    stack = tree.stack()
    stack.evaluate(":")

    def full(scratch: Scratch, name: str, data: bytes) -> None:
        raise StacknbError(f"{name} cannot be written")

    whole = Scratch.write
    monkeypatch.setattr(Scratch, "write", full)
    with pytest.raises(StacknbError, match="cannot be written"):
        stack.run_phase(FIRST)
    monkeypatch.setattr(Scratch, "write", whole)
    phase = status.read(stack.run_dir).phases[0]
    assert (phase.status, [hook.status for hook in phase.hooks]) == ("failed", ["failed"])
    board = Board(lambda: stack.run_dir)
    board.update(thoroughly=True)
    assert (board.state, board.hook) == ("failed", None)
    assert [hook.status for hook in stack.run_phase(FIRST)] == ["ok"]
