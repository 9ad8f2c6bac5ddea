import copy
import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stacknb.exceptions import BadInput
from stacknb.rundir.lock import Lock
from stacknb.supervision import processes

HOLD = (
    "import sys, time; from pathlib import Path; from stacknb.rundir.lock import Lock\n"
    "held = Lock(Path('.')); held.take(); print('held', flush=True); time.sleep(1000)"
)


@pytest.fixture(autouse=True, params=["flock", "no flock"])
def run_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if request.param == "no flock":
        monkeypatch.setattr(fcntl, "flock", fail)
    return tmp_path


def test_another_process_that_holds_it_is_named_until_it_ends(run_dir: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match=f"is going on in process {holder.pid}: wait for it"):
            Lock(run_dir).take()
        holder.kill()
    Lock(run_dir).take()


def test_the_same_process_holds_it_once(run_dir: Path) -> None:
    first = Lock(run_dir)
    first.take()
    with pytest.raises(BadInput, match=r"is going on in this process: .* --run-dir"):
        Lock(run_dir).take()
    first.release()
    first.release()
    Lock(run_dir).take()


def test_no_child_gets_it(run_dir: Path) -> None:
    first = Lock(run_dir)
    first.take()
    script = 'for n in /proc/self/fd/*; do readlink "$n"; done'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, close_fds=False, text=True, check=False
    )
    assert "/" in done.stdout
    assert "state/lock" not in done.stdout


def test_a_number_that_another_process_has_by_now_holds_nothing(run_dir: Path) -> None:
    ticks = (processes.start_ticks(os.getpid()) or 0) + 1
    (run_dir / "state" / "lock").write_text(f"{os.getpid()} {ticks} {os.uname().nodename}")
    Lock(run_dir).take()


def test_a_folder_that_cannot_be_written_is_left_to_others_to_complain(run_dir: Path) -> None:
    (run_dir / "state").rmdir()
    Lock(run_dir).take()


def test_a_forked_process_neither_gives_it_up_nor_holds_it_longer(run_dir: Path) -> None:
    forking = HOLD.partition("print")[0] + (
        "import os; fork = os.fork\n"
        "if not fork(): sys.exit()\n"
        "os.wait(); print(held.is_held(), flush=True)\n"
        "if not fork(): print('forked', flush=True); sys.stdin.read(); os._exit(0)\n"
        "time.sleep(1000)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", forking], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert holder.stdout.readline() == "forked\n"
        holder.kill()
        holder.wait()
        Lock(run_dir).take()


def test_who_is_refused_keeps_no_descriptor_open(run_dir: Path) -> None:
    held = Lock(run_dir)
    held.take()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(BadInput):
        Lock(run_dir).take()
    assert os.listdir("/proc/self/fd") == before


def test_a_copy_cannot_let_go_of_it(run_dir: Path) -> None:
    held = Lock(run_dir)
    held.take()
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied"):
            copied(held)
    with pytest.raises(BadInput, match="is going on in this process"):
        Lock(run_dir).take()
    held.release()


def test_whether_its_holder_lives_is_told_by_the_lock_where_its_number_is_that_of_nobody(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # on a file system with locks
    lock = Lock(run_dir)
    lock.take()
    # As where it has the same name of a machine, but PIDs of its own: in a container.
    nobody = f"{1 << 22} 1 {socket.gethostname()}"
    (run_dir / "state" / "lock").write_text(nobody)
    assert (Lock(run_dir).is_held(), Lock(run_dir).is_left()) == (True, False)
    lock.release()
    assert (Lock(run_dir).is_held(), Lock(run_dir).is_left()) == (False, False)
    (run_dir / "state" / "lock").write_text(nobody)
    assert (Lock(run_dir).is_held(), Lock(run_dir).is_left()) == (False, True)


def test_that_one_of_another_machine_holds_it_is_told_by_the_lock_if_there_are_locks(
    run_dir: Path, request: pytest.FixtureRequest
) -> None:
    has_locks = "no flock" not in request.node.name
    lock = Lock(run_dir)
    lock.take()
    other = f"{os.getpid()} {processes.start_ticks(os.getpid())} another"
    (run_dir / "state" / "lock").write_text(other)
    assert (Lock(run_dir).is_held(), Lock(run_dir).is_held_elsewhere()) == (True, has_locks)
    lock.release()
    assert (Lock(run_dir).is_held(), Lock(run_dir).is_held_elsewhere()) == (False, False)
    (run_dir / "state" / "lock").write_text(other)
    assert Lock(run_dir).is_held() == (not has_locks), "nobody can tell"


def test_what_was_never_held_or_lies_where_nobody_may_look_is_held_by_nobody(
    run_dir: Path,
) -> None:
    for path in (run_dir, run_dir / "a copy without its state"):
        assert (Lock(path).is_held(), Lock(path).is_left()) == (False, False)


def test_one_that_cannot_be_seen_from_here_keeps_it(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # on a file system with locks
    held = Lock(run_dir)
    held.take()
    (run_dir / "state" / "lock").write_text("17 1 another")
    with pytest.raises(BadInput, match="is going on in process 17 on another: wait for it"):
        Lock(run_dir).take()
    held.release()


def test_who_only_looks_keeps_nobody_from_taking_it(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    lock = Lock(run_dir)
    with open(run_dir / "state" / "lock", "w+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda _: fcntl.flock(file, fcntl.LOCK_UN))
        lock.take()
    lock.release()
