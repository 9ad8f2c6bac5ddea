"""A run directory that is full: whoever cannot write there, the run ends and says why."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stacknb import HookFailed, Stack, StacknbError, tasklog

FULL = Path("/dev/full")  # for what is only written: who reads it comes to no end
NOWHERE = Path("/nowhere/at all")
FIRST = "override_defaults"
SAYS = r"run directory '.*/my run' cannot be written \(No space left on device\)"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Return a run directory that seems full to who asks; what is linked cannot be written."""
    folder = tmp_path / "my run"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / f".room.{os.getpid()}").symlink_to(FULL)
    return folder


def fill(*names: str) -> str:
    target = {True: FULL, False: NOWHERE}
    return "".join(
        f'ln -sfn "{target[name.startswith("hooks/")]}" "../my run/{name}"\n' for name in names
    )


def make_room(run_dir: Path) -> None:
    for path in run_dir.rglob("*"):
        if path.is_symlink():
            path.unlink()


def started(tree, run_dir: Path, hook: str) -> Stack:
    os.chdir(tree.path)
    tree.hook("10-a.sh", hook)
    return tree.stack(run_dir=run_dir)


LOG = f"hooks/{FIRST}/10-a.sh.log"
HOOKS = [
    ("its_own_log", fill(LOG)),
    ("its_own_log_without_errexit", f"set +e\n{fill(LOG)}echo lost"),
    ("a_task", f"{fill('journal.jsonl')}async_run t touch ran"),
    ("a_wait", f"async_run t true\n{fill('waits.jsonl')}async_wait t"),
]


@pytest.mark.parametrize("hook", [hook for _, hook in HOOKS], ids=[name for name, _ in HOOKS])
def test_a_hook_that_finds_no_room_ends_the_run_and_can_be_run_again(
    tree, run_dir: Path, hook: str
) -> None:
    stack = started(tree, run_dir, hook)
    with pytest.raises(HookFailed, match=SAYS) as caught:
        stack.run_phase(FIRST)

    assert str(caught.value).endswith(
        f"next    free some room or make it writable, and run {FIRST!r} again"
    )
    assert stack.result.phases == []
    assert [hook.status for hook in stack.result.hooks] == ["failed"]
    make_room(run_dir)
    tree.hook("10-a.sh", "async_run t echo out\nasync_wait t")
    assert [hook.status for hook in stack.run_phase(FIRST)] == ["ok"]
    assert list(stack.tasks) == ["t"]


def test_a_task_that_cannot_be_recorded_does_not_run_on(tree, run_dir: Path, left) -> None:
    stack = started(
        tree, run_dir, f"set +e\n{fill('journal.jsonl')}async_run t sleep 1000\necho $?"
    )
    with pytest.raises(HookFailed, match=SAYS):
        stack.run_phase(FIRST)

    said = tasklog.read(run_dir / LOG).output().decode()
    assert "task 't' is not started; free some room or make it writable\n1\n" in said
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left()]
    assert commands, "the shell and its supervisor are there"
    assert not any(b"1000" in command for command in commands)
    assert not (run_dir / "async" / "t.log").exists()


def test_a_person_is_told_that_a_task_or_a_wait_could_not_be_written_down(
    tree, run_dir: Path
) -> None:
    stack = started(tree, run_dir, ":")
    stack.run_phase(FIRST)
    task = stack.async_run("early", "true")
    (run_dir / "waits.jsonl").unlink()
    (run_dir / "waits.jsonl").symlink_to(NOWHERE)
    with pytest.raises(
        StacknbError,
        match=f"the wait for 'early' .*{SAYS}; free some room or make it writable$",
    ):
        stack.async_wait("early")
    assert task.result is not None
    (run_dir / "state" / f".room.{os.getpid()}").symlink_to(FULL)
    (run_dir / "journal.jsonl").unlink()
    (run_dir / "journal.jsonl").symlink_to(NOWHERE)
    with pytest.raises(
        StacknbError,
        match=f"task 'late' was not started.*{SAYS}; free some room or make it writable$",
    ):
        stack.async_run("late", "true")


def test_a_hook_whose_log_cannot_be_begun_names_the_run_directory_and_leaves_no_empty_log(
    tree, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = started(tree, run_dir, ":")
    (run_dir / "hooks").mkdir()
    (run_dir / LOG).parent.symlink_to("/proc/self")
    with pytest.raises(
        StacknbError, match=r"run directory '.*/my run' cannot be written \(.*free some"
    ):
        stack.run_phase(FIRST)


def on_the_command_line(tree, run_dir: Path) -> subprocess.CompletedProcess[str]:
    words = ["-m", "stacknb", "stack", str(tree.path), "--run-dir", str(run_dir)]
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_command_line_ends_with_status_1_and_no_traceback(tree, run_dir: Path) -> None:
    (tree.extras / "10-a.sh").write_text(f"cd '{tree.path}'\n{fill(LOG)}")
    done = on_the_command_line(tree, run_dir)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"run directory '{run_dir}' could not be" in done.stderr


def test_a_run_directory_that_is_full_before_a_hook_is_no_bad_argument_and_the_run_can_be_resumed(
    tree, run_dir: Path
) -> None:
    (tree.extras / "10-a.sh").write_text(f"ln -sfn /proc/self '{run_dir}/hooks/source'\n")
    done = on_the_command_line(tree, run_dir)

    assert done.returncode == 1
    said = done.stderr.partition("stacknb: ")[2].splitlines()
    assert "no log 'hooks/source/10-a.sh.log' can be begun; free some room" in said[0]
    assert said[1:] == [
        f"  resume  stacknb stack {tree.path} --resume --run-dir {shlex.quote(str(run_dir))}"
    ]
