import json
import os
import socket
import time
from pathlib import Path

import pytest
from fakerun import Run
from hypothesis import given
from hypothesis import strategies as st

from stacknb import tasklog
from stacknb.board import Board, brief, changes, expected, late, left, picture
from stacknb.board.logs import LogReader
from stacknb.lifecycle import CLEAN_UP
from stacknb.rundir.journal import Event, RunDir
from stacknb.rundir.lock import Lock
from stacknb.text import budget

LABELS = [
    "override_defaults", "source", "stack pre-install", "stack install", "stack post-config",
    "stack extra", "stack test-config",
]  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.begin()
    return run


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(run: Run, clock: Clock) -> Board:
    return Board(lambda: run.folder, clock)


def look(board: Board, clock: Clock | None = None) -> Board:
    board.update(thoroughly=True)
    return board


def test_a_board_without_a_run_is_empty() -> None:
    board = look(Board(lambda: None))
    assert (board.run_dir, board.phases, board.state, board.live) == (None, [], "unfinished", False)
    assert picture(board, 5)["order"] == []


def test_hooks_of_plugins_that_were_enabled_meanwhile_stand_behind_those_that_have_run(
    run: Run, board: Board
) -> None:
    run.begin_phase("override_defaults", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh")
    run.tell("phase-hooks", "override_defaults", hooks=["20-b.sh", "own-override-defaults"])

    hooks = look(board).phases[0].hooks
    assert [(hook.name, hook.status) for hook in hooks] == [
        ("10-a.sh", "ok"), ("20-b.sh", "to come"), ("own-override-defaults", "to come"),
    ]  # fmt: skip


def test_phases_and_hooks_go_from_to_come_to_their_end(run: Run, board: Board) -> None:
    assert [phase.status for phase in look(board).phases] == ["to come"] * 7
    run.begin_phase("override_defaults", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh")
    run.begin_hook("20-b.sh")
    assert [hook.status for hook in look(board).phases[0].hooks] == ["ok", "running"]
    assert board.hook is not None
    assert (board.state, board.live, board.hook.name) == ("running", True, "20-b.sh")
    run.end_hook()
    run.end_phase()
    assert [phase.status for phase in look(board).phases] == ["ok"] + ["to come"] * 6
    assert (board.state, board.next_phase) == ("unfinished", "source")
    assert board.phases[0].duration_s == 2.0


def test_between_two_phases_that_follow_at_once_a_run_goes_on_while_somebody_works_on_it(
    run: Run, board: Board
) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh")
    run.end_phase(goes_on=True)
    for state in (look(board), look(Board(lambda: run.folder, alone=True))):
        assert (state.state, state.live, state.next_phase) == ("running", True, "")
    run.tell("pause", "stack")
    assert (look(board).state, board.next_phase) == ("unfinished", "source")

    run.begin_phase("stack test-config", "10-a.sh")
    run.end_phase(goes_on=True)
    run.hook("async_cleanup")
    assert look(board).state == "running", "its end is still to be told"
    run.journal.close()
    assert look(board).state == "unfinished", "it was killed"


def test_a_run_that_has_stopped_where_the_next_phase_follows_at_once_is_lost_without_a_lock_too(
    run: Run, board: Board, clock: Clock
) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh")
    run.end_phase(goes_on=True)
    run.journal.close()
    assert look(board).state != "failed", "its end may be about to be told"
    clock.now = time.time() + 2
    assert [phase.status for phase in look(board).phases[:3]] == ["ok", "lost", "to come"]
    assert (board.state, board.phase) == ("failed", board.phases[1])


def test_while_the_hook_of_a_run_that_was_killed_is_doubted_no_other_phase_is_lost(
    run: Run, board: Board
) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh")
    run.end_phase(goes_on=True)
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.journal.close()
    (run.folder / "state/lock").write_text(f"{2**22 + 1} 1 {socket.gethostname()}")
    assert [phase.status for phase in look(board).phases[:3]] == ["ok", "running", "to come"]


def test_a_run_of_another_container_goes_on_until_its_lock_is_free(
    run: Run, board: Board, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.task("t")
    left = (run.folder / "state/lock").read_text()
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    for state in (look(board), look(Board(lambda: run.folder, lambda: time.time() + 60))):
        assert state.state == "running"
        assert [task.status for task in state.tasks] == ["running"]

    run.journal.close()
    (run.folder / "state/lock").write_text(left)  # by who is killed
    clock.now = time.time() + 60
    assert look(board).state == "failed"
    assert [task.status for task in board.tasks] == ["lost"]


def test_a_run_whose_shell_is_on_its_way_goes_on_while_somebody_works_on_it(
    run: Run, board: Board
) -> None:
    (run.folder / "journal.jsonl").rename(run.folder / "later")
    assert look(board).state == "running"
    (run.folder / "later").rename(run.folder / "journal.jsonl")
    assert look(board).state == "unfinished", "somebody has begun it to look at its variables"
    run.begin_phase("source", "10-a.sh")
    assert look(board).state == "running"


def test_a_run_that_was_left_before_there_was_a_shell_is_unfinished(run: Run) -> None:
    run.journal.close()
    (run.folder / "journal.jsonl").unlink()
    assert look(Board(lambda: run.folder)).state == "unfinished"


def test_a_phase_takes_as_long_as_the_cleanup_after_it_too(run: Run, board: Board) -> None:
    run.begin_phase("stack test-config", "10-a.sh")
    run.hook("10-a.sh")
    run.end_phase()
    run.begin_hook("async_cleanup")
    assert look(board).phases[-1].duration_s == 2.0
    run.end_hook()
    assert look(board).phases[-1].duration_s == 3.0


def test_a_note_of_the_unstack_run_and_of_clean_is_told_once(run: Run, tmp_path: Path) -> None:
    run.tell("warning", "the number 95 is reserved")
    clean = Run(tmp_path, "clean")
    clean.journal = RunDir.create(clean.folder, "clean", {"before": str(run.folder)})
    clean.tell("warning", "the number 95 is reserved")
    clean.tell("warning", "another")
    board = look(Board(lambda: clean.folder))
    assert board.notes == ["the number 95 is reserved", "another"]


def test_a_board_that_comes_later_says_the_same(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    look(board)
    run.task("db", b"one\n", exit_code=0)
    run.hook("10-a.sh")
    run.end_phase()
    late = look(Board(lambda: run.folder))
    assert picture(late, 5) == picture(look(board), 5)


def test_a_hook_that_was_not_sourced_is_skipped(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh", "20-b.sh")
    run.hook("20-b.sh")
    run.end_phase()
    hooks = {hook.name: hook.status for hook in look(board).phases[0].hooks}
    assert hooks == {"10-a.sh": "skipped", "20-b.sh": "ok"}


def test_phases_after_exit_0_are_skipped_and_the_run_has_ended(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh")
    run.end_phase()
    run.tell("run-end", "stack", ok=True, complete=False)
    assert [phase.status for phase in look(board).phases[1:]] == ["skipped"] * 6
    assert (board.state, board.next_phase) == ("unfinished", "")


def test_a_failure_tells_where_and_why_until_its_phase_begins_again(run: Run, board: Board) -> None:
    why = {
        "reason": "failed with status 3",
        "file": "/x",
        "line": 7,
        "command": "a\n b",
        "status": 3,
        "calls": [f"/lib:{line}" for line in range(1, 8)],
    }
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh", b"the last words\n", "failed", failure=why)
    run.end_phase(ok=False)
    failure = picture(look(board), 5)["failure"]
    assert failure["place"] == "/x:7"
    assert failure["command"] == "a b"
    assert failure["calls"] == ["/lib:1", "/lib:2", "/lib:3", "… 3 more", "/lib:7"]
    assert failure["lines"] == ["the last words"]
    assert failure["log"] == "hooks/override_defaults/10-a.sh.log"
    assert (board.state, board.next_phase) == ("failed", "override_defaults")
    run.begin_phase("override_defaults", "10-a.sh")
    assert picture(look(board), 5)["failure"] is None


def test_a_failed_wait_names_the_earlier_phase_that_starts_the_task(run: Run, board: Board) -> None:
    run.begin_phase("stack install", "10-a.sh")
    run.task("db", exit_code=1)
    run.task("web", exit_code=1)  # nobody waits for it
    run.hook("10-a.sh")
    run.end_phase()
    run.begin_phase("stack extra", "10-a.sh")
    run.task("own", exit_code=1)
    said = b"".join(b"async_wait: FAILED: task %s (status 1)\n" % name for name in (b"db", b"own"))
    run.hook("10-a.sh", said, "failed")
    run.end_phase(ok=False)
    assert picture(look(board), 5)["failure"]["first"] == ["stack install"]
    words = {"pid": os.getpid(), "log": "async/db.2.log", "phase": "stack install", "hook": "10-a"}
    run.journal.write(Event("task", time.time(), "db", words))
    assert picture(look(board), 5)["failure"]["first"] == []  # it was started again


def test_a_phase_stopped_between_two_hooks_was_interrupted(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh")
    run.end_phase(ok=False, how="interrupted")
    assert look(board).phases[0].status == "interrupted"


def test_a_run_whose_clean_up_was_interrupted_behind_its_last_phase_says_so(
    run: Run, board: Board
) -> None:
    for label in LABELS:
        run.begin_phase(label, "10-a.sh")
        run.hook("10-a.sh")
        run.end_phase()
    run.hook(CLEAN_UP, status="interrupted")
    assert look(board).phases[-1].status == "ok"
    assert (board.state, getattr(board.failed, "name", "")) == ("interrupted", CLEAN_UP)
    run.hook(CLEAN_UP)
    assert (look(board).state, board.failed) == ("unfinished", None)


def test_a_phase_that_could_not_go_on_between_two_hooks_has_failed(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh")
    run.end_phase(ok=False)  # a plugin that was enabled meanwhile has a hook that cannot be run
    assert (look(board).phases[0].status, board.state) == ("failed", "failed")


def test_a_phase_gone_through_hook_by_hook_is_not_at_work_between_them(
    run: Run, board: Board, clock: Clock
) -> None:
    run.begin_phase("override_defaults", "10-a.sh", "20-b.sh")
    clock.now = time.time()
    run.hook("10-a.sh")
    assert look(board).state == "running"
    clock.now = time.time() + 2
    assert (look(board).state, board.live) == ("unfinished", False)
    assert board.next_phase == "override_defaults"


def test_a_hook_whose_shell_is_gone_is_lost(run: Run, clock: Clock) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.log = run.journal.new_log("hook", "10-a.sh", ["x"], run.phase, lambda _: 2**22 + 1)
    run.tell("hook-start", "10-a.sh", phase=run.phase, log=str(run.log), what="hook")
    os.utime(run.log, (time.time() - 100, time.time() - 100))
    board = look(Board(lambda: run.folder))
    assert (board.phases[0].status, board.state, board.live) == ("lost", "failed", False)
    assert picture(board, 5)["failure"]["reason"].startswith("ended without a word")


def test_a_shell_that_is_gone_for_a_moment_only_is_not_lost(
    run: Run, board: Board, clock: Clock
) -> None:
    look(board)
    run.begin_phase("override_defaults", "10-a.sh")
    run.log = run.journal.new_log("hook", "10-a.sh", ["x"], run.phase, lambda _: 2**22 + 1)
    run.header = tasklog.read_header(run.log)
    run.tell("hook-start", "10-a.sh", phase=run.phase, log=str(run.log), what="hook")
    assert look(board).state == "running"
    run.end_hook("failed")
    run.end_phase(ok=False)
    assert look(board).state == "failed"


def test_a_run_directory_that_was_moved_is_read_where_it_is(run: Run, tmp_path: Path) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh", b"", "failed")
    run.end_phase(ok=False)
    run.folder.rename(tmp_path / "elsewhere")
    board = look(Board(lambda: tmp_path / "elsewhere"))
    assert board.failed is not None
    assert board.failed.log.is_file()


@given(st.lists(st.dictionaries(
    st.sampled_from(["name", "hooks", "log", "phase", "ok", "duration_s", "status", "what"]),
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
), max_size=8), st.data())  # fmt: skip
def test_of_a_damaged_journal_the_rest_still_counts(
    tmp_path_factory: pytest.TempPathFactory, records: list, data: st.DataObject
) -> None:
    run = Run(tmp_path_factory.mktemp("damaged"))
    run.begin()
    kinds = [
        "phase-start",
        "phase-hooks",
        "hook-start",
        "hook-end",
        "phase-end",
        "task",
        "wait-start",
        "run-end",
    ]
    with (run.folder / "journal.jsonl").open("a") as file:
        for record in records:
            kind = data.draw(st.sampled_from(kinds))
            file.write(json.dumps({"name": "x", "time": 1.0, **record, "event": kind}) + "\n")
    board = look(Board(lambda: run.folder))
    picture(board, 5)
    run.begin_phase("stack install")
    assert look(board).state == "running"


def test_a_cell_is_no_hook_of_a_phase(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults")
    run.end_phase()
    log = run.journal.new_log("cell", "1", ["x"], "", lambda _: os.getpid())
    run.tell("hook-start", "1", phase="", log=str(log), what="cell")
    assert look(board).hook is not None
    assert [phase.label for phase in board.phases] == LABELS
    assert board.phases[0].hooks == []


def test_clean_stands_below_its_unstack_run(tmp_path: Path) -> None:
    first = Run(tmp_path, "first")
    first.begin("unstack")
    first.begin_phase("override_defaults")
    first.end_phase()
    RunDir.create(tmp_path / "second", "clean", {"top_dir": "/tree", "before": str(first.folder)})
    board = look(Board(lambda: tmp_path / "second"))
    assert [(phase.label, phase.status) for phase in board.phases] == [
        ("override_defaults", "ok"), ("source", "to come"), ("unstack", "to come"),
        ("override_defaults", "to come"), ("source", "to come"), ("clean", "to come"),
    ]  # fmt: skip


# -- tasks ----------------------------------------------------------------------------------------


def test_tasks_are_ordered_by_what_matters(run: Run, board: Board) -> None:
    run.task("done", exit_code=0)
    run.task("bad", exit_code=3)
    for name in ("one", "two", "waited"):
        run.task(name, f"{name} says\n".encode())
    run.waits("waited")
    tasks = look(board).tasks.shown(10)
    assert [task.name for task in tasks] == ["waited", "bad", "one", "two", "done"]
    assert [task.status for task in tasks] == ["running", "failed", "running", "running", "ok"]
    assert [task.last for task in tasks[2:4]] == ["one says", "two says"]
    assert board.tasks.counts() == {"running": 3, "failed": 1, "ok": 1}


def test_a_wait_blocks_until_it_is_written_down(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.task("db", b"table 3\n")
    run.waits("db")
    [wait] = look(board).waiting
    assert (wait.task.name, wait.hook, wait.task.last) == ("db", "10-a.sh", "table 3")
    line = {"name": "db", "exit_code": 0, "log": "async/db.log"}
    (run.folder / "waits.jsonl").write_text(json.dumps(line) + "\n")
    assert look(board).waiting == []
    assert [task.collected for task in board.tasks] == [True]


def test_of_many_waits_the_first_are_shown_and_all_counted(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    for number in range(7):
        run.task(f"t{number}")
        run.waits(f"t{number}")
    shown = picture(look(board), 10)
    assert [wait["name"] for wait in shown["waiting"]] == ["t0", "t1", "t2", "t3", "t4"]
    assert shown["waits"] == brief(shown)["waits"] == 7


def test_a_wait_of_a_hook_that_was_stopped_blocks_no_longer(run: Run, board: Board) -> None:
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.task("db")
    run.waits("db")
    assert len(look(board).waiting) == 1
    run.end_hook("interrupted")
    assert look(board).waiting == []


def test_a_task_whose_process_is_gone_without_a_footer_is_lost(run: Run, board: Board) -> None:
    run.task("db", b"one\n")
    log = run.folder / "async" / "db.log"
    header = {**tasklog.read_header(log), "pid": 2**22 + 1}
    log.write_bytes(tasklog.begin_line(header) + b"one\n")
    words = {"pid": 2**22 + 1, "log": "async/gone.log", "phase": "", "hook": ""}
    run.journal.write(Event("task", time.time(), "gone", words))
    (run.folder / "async" / "gone.log").write_bytes(log.read_bytes())
    states = {task.name: task.status for task in look(board).tasks}
    assert states == {"gone": "lost", "db": "running"}


def test_a_task_of_a_run_that_goes_on_elsewhere_runs_and_its_log_is_not_looked_through(
    run: Run, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"pid": 2**22 + 1, "log": "async/db.log", "phase": "", "hook": ""}
    run.journal.write(Event("task", time.time(), "db", words))
    header = {"name": "db", "pid": 2**22 + 1, "run": run.journal.run, "start": time.time()}
    log = run.folder / "async" / "db.log"
    log.write_bytes(tasklog.begin_line(header) + b"one\n")
    monkeypatch.setattr(Lock, "is_held_elsewhere", lambda lock: True)
    reaches: list[int] = []
    read = LogReader.read

    def noted(logs: LogReader, name: str, reach: int = tasklog.FAR) -> tasklog.LogRecord | None:
        reaches.append(reach)
        return read(logs, name, reach)

    monkeypatch.setattr(LogReader, "read", noted)
    assert [task.status for task in look(board).tasks] == ["running"]
    assert set(reaches) == {0}
    with log.open("ab") as file:
        file.write(tasklog.end_line(header, end=time.time(), exit_code=3))
    board.update(thoroughly=True)
    assert [task.status for task in board.tasks] == ["failed"]


def test_a_second_task_of_a_name_has_a_row_of_its_own(run: Run, board: Board) -> None:
    run.task("db", exit_code=1)
    words = {"pid": os.getpid(), "log": "async/db.2.log", "phase": "", "hook": ""}
    run.journal.write(Event("task", time.time(), "db", words))
    states = {task.key: task.status for task in look(board).tasks.shown(5)}
    assert states == {"async/db.log": "failed", "async/db.2.log": "waiting"}


def test_thousands_of_tasks_are_not_all_looked_at(
    run: Run, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    for number in range(1000):
        pid = 10**9 + number  # of no process, nor of this one
        words = {"pid": pid, "log": f"async/t{number}.log", "phase": "", "hook": ""}
        run.journal.write(Event("task", time.time(), f"t{number}", words))
    monkeypatch.setattr(
        "stacknb.supervision.processes.start_ticks", lambda pid: looks.append(pid) or 1
    )
    board.update()
    me = {os.getpid()}  # who holds the run
    assert len({*looks} - me) == 64
    for _ in range(20):
        board.tasks.look()
    assert len({*looks} - me) == 1000


# -- an earlier run -------------------------------------------------------------------------------


def finished(tmp_path: Path, name: str, mode: str = "unstack") -> Run:
    run = Run(tmp_path, name)
    run.begin(mode)
    for label in ("override_defaults", "source", mode):
        run.begin_phase(label)
        run.end_phase()
    run.tell("run-end", mode, ok=True, complete=True)
    return run


def test_times_of_an_earlier_run_are_expected_again(tmp_path: Path, clock: Clock) -> None:
    earlier = finished(tmp_path, "1")
    earlier.task("db", exit_code=0)
    run = Run(tmp_path, "2")
    run.begin("unstack")
    run.task("db")
    run.waits("db", hook="")
    board = look(Board(lambda: run.folder, clock))
    assert [phase.expected_s for phase in board.phases] == [2.0, 2.0, 2.0]
    assert (expected(board), left(board, time.time())) == (6.0, 6.0)
    assert board.earlier is not None
    assert board.earlier.run_dir == earlier.folder
    [wait] = board.waiting
    assert wait.before_s == pytest.approx(1.0)
    run.begin_phase("override_defaults")
    run.end_phase()
    run.begin_phase("source")
    begun = look(board).phases[1].begun
    assert left(board, begun + 0.5) == pytest.approx(3.5)
    assert left(board, begun + 50) == 2.0
    assert [late(board, begun + seconds) for seconds in (0.5, 3.0, 50.0)] == [False, False, True]


def test_runs_of_another_tree_or_mode_or_that_failed_tell_nothing(tmp_path: Path) -> None:
    finished(tmp_path, "1", "clean")
    broken = Run(tmp_path, "2")
    broken.begin("unstack")
    other = finished(tmp_path, "3")
    facts = json.loads((other.folder / "run.json").read_text())
    (other.folder / "run.json").write_text(json.dumps({**facts, "top_dir": "/other"}))
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "run.json").write_text("{")
    run = Run(tmp_path, "5")
    run.begin("unstack")
    board = look(Board(lambda: run.folder))
    assert board.earlier is None
    assert (expected(board), left(board, 0.0)) == (None, None)


def test_a_phase_whose_time_an_earlier_run_does_not_tell_has_none(tmp_path: Path) -> None:
    earlier = finished(tmp_path, "1")
    journal = earlier.folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"duration_s": 2.0, ', "", 1))
    run = Run(tmp_path, "2")
    run.begin("unstack")
    board = look(Board(lambda: run.folder))
    assert [phase.expected_s for phase in board.phases] == [None, 2.0, 2.0]


# -- pictures -------------------------------------------------------------------------------------

ROWS = st.dictionaries(st.text(max_size=3), st.integers(), max_size=5)
PICTURES = st.fixed_dictionaries({"run": st.integers(), "rows": ROWS, "order": st.lists(st.text())})


@given(PICTURES, PICTURES)
def test_a_picture_and_its_changes_give_the_next_one(old: dict, new: dict) -> None:
    changed = changes(old, new)
    rows = {**old["rows"], **changed.get("rows", {})}
    rows = {key: value for key, value in rows.items() if value is not None}
    assert {**old, **changed, "rows": rows} == new
    assert changes(new, new) == {}


def test_a_second_that_passes_is_no_change(run: Run, clock: Clock) -> None:
    board = Board(lambda: run.folder, clock)
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.task("db", b"one\n")
    run.waits("db")
    before = picture(look(board), 5)
    clock.now += 0.5
    assert changes(before, picture(look(board), 5)) == {}


@pytest.mark.parametrize(("at", "begin", "in_brief"), [(0, 0, 0), (30, 10, 28), (99, 60, 96)])
def test_of_many_hooks_those_around_the_one_that_failed_are_shown(
    run: Run, board: Board, at: int, begin: int, in_brief: int
) -> None:
    names = [f"{number}.sh" for number in range(100)]
    run.begin_phase("override_defaults", *names)
    for name in names[:at]:
        run.hook(name)
    run.hook(names[at], b"", "failed")
    run.end_phase(ok=False)
    whole = picture(look(board), 5)
    assert [hook["number"] for hook in whole["hooks"]] == [*range(begin, begin + 40)]
    assert [hook["number"] for hook in brief(whole)["hooks"]] == [*range(in_brief, in_brief + 4)]
    assert whole["hooks"][at - begin]["status"] == "failed"
    assert whole["run"]["hooks"] == 100


def test_a_picture_is_small_whatever_was_printed(run: Run, board: Board) -> None:
    names = [f"{number}-{'a' * 60}.sh" for number in range(10, 90)]
    run.begin_phase("override_defaults", *names)
    for name in names:
        run.hook(name)
    why = {"reason": "<&>" * 5000, "command": "<" * 90_000, "file": "/" * 4000}
    run.hook("90-z.sh", b"\xff" * 100_000 + b"\n", "failed", failure=why)
    run.end_phase(ok=False)
    for number in range(500):
        run.task(f"t{number}", b"\x00\x1b[31m" * 10_000, exit_code=number % 2)
    for _ in range(20):
        run.tell("warning", "&" * 10_000)
    whole = picture(look(board), 30)
    assert len(whole["order"]) == 30
    assert sum(whole["counts"].values()) == 500
    assert len(json.dumps(whole, ensure_ascii=False).encode()) < 50_000
    assert budget.stored(brief(whole)) <= budget.PICTURE
    assert brief(whole)["failure"]["hook"] == "90-z.sh"
