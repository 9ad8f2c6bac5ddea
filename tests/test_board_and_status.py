"""What `stacknb status` says of a run directory and what its board shows are the same facts."""

import contextlib
import json
import os
import socket
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacknb import lifecycle, status, tasklog
from stacknb.board import Board, picture
from stacknb.exceptions import StacknbError
from stacknb.progress import page
from stacknb.progress.watching import watch
from stacknb.rundir.journal import Event, RunDir
from stacknb.timing import loading
from stacknb.timing.junit import junit_report
from stacknb.timing.records import TaskRecord

GONE = 2**22 + 1  # no process has that number
LIVING = 2e9  # a log begun in the future is older than no process
TREE = "/nowhere/tree"
BAD_HOOKS = ("failed", "interrupted", "killed", "lost", "running")
ENDED = {
    "ok": {"exit_code": 0},
    "failed": {"exit_code": 3},
    "killed": {"exit_code": 137, "status": "killed"},
    "cancelled": {"exit_code": 143, "status": "cancelled"},
    "gentle": {"exit_code": 0, "status": "cancelled"},  # it has a trap that says exit 0
    "timeout": {"exit_code": 143, "status": "timeout"},
    "interrupted": {"exit_code": 130},
    "exit 0": {"exit_code": 0},
    "unstacked": {"exit_code": 1, "status": "ok"},  # without errexit
}


class Play:
    """Writes the directory of a run as a run does, with times of its own."""

    def __init__(self, folder: Path, mode: str = "stack", listener: Any = None) -> None:
        self.now = time.time() - 1000.0
        facts = {"top_dir": TREE}
        self.journal = RunDir.create(folder, mode, facts, clock=lambda: self.now)
        self.path, self.mode, self.listener = folder, mode, listener
        self.tell("run-start", mode, top_dir=TREE, run_dir=str(folder))

    def tell(self, kind: str, name: str, **data: Any) -> None:
        self.now += 0.5
        self.journal.write(Event(kind, self.now, name, data))
        if self.listener is not None:
            self.listener()

    def log(self, place: str, ending: str, **header: Any) -> Path:
        path = tasklog.numbered(self.path / f"{place}.log")
        path.parent.mkdir(exist_ok=True)
        head = {"start": self.now, "pid": GONE, "host": socket.gethostname(), **header}
        head["run"] = self.journal.run
        if ending == "running":
            head |= {"pid": os.getpid(), "start": LIVING}
        path.write_bytes(tasklog.begin_line(head) + b"said\n")
        return path

    def end(self, path: Path, ending: str) -> None:
        self.now += 0.5
        if ending in ENDED:
            with path.open("ab") as file:
                file.write(
                    tasklog.end_line(
                        tasklog.read_header(path), **{"end": self.now, **ENDED[ending]}
                    )
                )
        os.utime(path, (self.now, self.now))

    def task(self, name: str, phase: str, hook: str, ending: str, waiter: str | None) -> None:
        self.now += 0.1
        place = tasklog.numbered(self.path / "async" / f"{name}.log")
        where = {"log": f"async/{place.name}", "phase": phase, "hook": hook}
        pid = os.getpid() if ending in ("running", "held back") else GONE
        if ending in ("held back", "running"):
            self.now, before = LIVING, self.now
            self.tell("task", name, pid=pid, **where)
            self.now = before
        else:
            self.tell("task", name, pid=pid, **where)
        if ending in ("held back", "gone"):
            place.touch()
        else:
            words = {"kind": "task", "name": name, "phase": phase, "hook": hook}
            self.end(self.log(f"async/{name}", ending, **words), ending)
        if waiter is not None and ending not in ("running", "held back"):
            code = ENDED.get(ending, {"exit_code": 127})["exit_code"]
            row = {"name": name, "wait_start": self.now, "wait_end": self.now, **where}
            row |= {"exit_code": code, "hook": waiter}
            with (self.path / "waits.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")

    def hook(self, phase: str, name: str, ending: str, tasks: list[Any]) -> None:
        words = {"kind": "hook", "name": name, "phase": phase, "hook": name}
        path = self.log(f"hooks/{phase.replace(' ', '-')}/{name}", ending, **words)
        self.tell("hook-start", name, phase=phase, log=str(path), what="hook")
        for task in tasks:
            self.task(task[0], phase, name, *task[1:])
        self.end(path, ending)
        if ending in ("lost", "running"):
            return
        told = {"killed": "failed", "exit 0": "ok", "unstacked": "ok"}.get(ending, ending)
        self.tell(
            "hook-end", name, phase=phase, status=told, duration_s=0.5, log=str(path),
        )  # fmt: skip

    def phase(self, label: str, hooks: list[Any], how: str = "") -> bool:
        """Go through one try of a phase; tell whether the run goes on."""
        began = self.now
        self.tell("phase-start", label, hooks=[name for name, *_ in hooks])
        for number, (name, ending, tasks) in enumerate(hooks):
            if how and number == len(hooks) - 1:
                break
            self.hook(label, name, ending, tasks)
            if ending in ("lost", "running"):
                return False
            if ending in BAD_HOOKS or ending == "exit 0":
                left = number < len(hooks) - 1
                how = {"interrupted": ending, "exit 0": "left off" if left else ""}.get(ending, "")
                ok = ending == "exit 0" and not left
                self.tell("phase-end", label, ok=ok, duration_s=self.now - began, how=how)
                return False
        if how == "under way":
            return False
        self.tell("phase-end", label, ok=not how, duration_s=self.now - began, how=how)
        return not how

    def complete(self, ok: bool = True, complete: bool = True) -> None:
        self.tell("run-end", self.mode, ok=ok, complete=complete, tasks=[])


# -- what both say --------------------------------------------------------------------------------


def looked(where: Path) -> Board:
    board = Board(lambda: where)
    board.update(thoroughly=True)
    return board


def of_board(board: Board) -> dict[str, Any]:
    shown = picture(board, 1000)
    return {
        "mode": shown["run"]["mode"],
        "tree": shown["run"]["tree"],
        "begun": board.started,
        "state": shown["run"]["state"],
        "phases": [(phase["name"], phase["status"]) for phase in shown["phases"]],
        "hooks": [
            (phase.label, hook.name, hook.status)
            for phase in board.phases
            for hook in phase.hooks
            if hook.begun
        ],
        "tasks": sorted((key, row["status"]) for key, row in shown["rows"].items()),
        "counts": shown["counts"],
        "notes": board.notes,
    }


def of_status(run: status.RunStatus) -> dict[str, Any]:
    return {
        "mode": run.mode,
        "tree": run.top_dir,
        "begun": run.start,
        "state": run.state,
        "phases": [(phase.name, phase.status) for phase in run.phases],
        "hooks": [(phase.name, h.name, h.status) for phase in run.phases for h in phase.hooks],
        "tasks": sorted((task.log, task.status) for task in run.tasks),
        "counts": dict(Counter(
            "of an earlier try" if task.superseded else task.status for task in run.tasks
        )),
        "notes": run.notes,
    }  # fmt: skip


# -- runs -----------------------------------------------------------------------------------------

TASKS = st.tuples(
    st.sampled_from(["db", "web", "search"]),
    st.sampled_from(
        ["ok", "failed", "killed", "cancelled", "gentle", "timeout", "lost", "gone", "running",
         "held back"]
    ),
    st.sampled_from([None, "10-a.sh", "", lifecycle.CLEAN_UP]),
)  # fmt: skip
HOOKS = st.lists(
    st.tuples(
        st.sampled_from(["ok"] * 6 + ["failed", "killed", "interrupted", "exit 0", "lost",
                                      "running", "unstacked"]),
        st.lists(TASKS, max_size=3),
    ), max_size=3,
)  # fmt: skip
HOWS = st.sampled_from([""] * 6 + ["interrupted", "under way"])
# How many phases, and of each its tries: all but the last are done again, whatever came of them.
TRIES = st.lists(st.lists(st.tuples(HOOKS, HOWS), min_size=1, max_size=3), max_size=7)
MODES = st.sampled_from(["stack", "unstack"])


def perform(play: Play, tries: list[Any]) -> None:
    """Go through phases; of a try that ends the run the next one is made after a resume."""
    labels = [phase.label for phase in lifecycle.phases_of(play.mode)]
    for label, again in zip(labels, tries, strict=False):
        for hooks, how in again:
            named = [(f"{10 * n + 10}-x.sh", *hook) for n, hook in enumerate(hooks)]
            well = play.phase(label, named, how)
            if any(hook[0] == "exit 0" for hook in hooks):
                play.complete(complete=False)
        if not well:
            return
    if len(tries) >= len(labels):
        play.complete()


CAREFUL = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)


@CAREFUL
@given(MODES, TRIES)
def test_of_any_run_status_and_board_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, mode: str, tries: list[Any]
) -> None:
    play = Play(tmp_path_factory.mktemp("any") / "run", mode)
    perform(play, tries)
    assert of_board(looked(play.path)) == of_status(status.read(play.path))


@CAREFUL
@given(MODES, TRIES, st.integers(2, 10), st.booleans())
def test_with_a_damaged_journal_status_and_board_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, mode: str, tries: list[Any], every: int, gone: bool
) -> None:
    play = Play(tmp_path_factory.mktemp("damaged") / "run", mode)
    perform(play, tries)
    file = play.path / "journal.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for n, line in enumerate(lines) if n % every))
    if gone:
        file.unlink()
    assert of_board(looked(play.path)) == of_status(status.read(play.path))


@CAREFUL
@given(MODES, TRIES)
def test_a_board_that_has_watched_a_run_says_the_same_as_one_that_comes_later(
    tmp_path_factory: pytest.TempPathFactory, mode: str, tries: list[Any]
) -> None:
    play = Play(tmp_path_factory.mktemp("watched") / "run", mode)
    board = Board(lambda: play.path, clock=lambda: play.now)
    play.listener = board.update
    perform(play, tries)
    for _ in range(2):  # a hook whose shell is gone is doubted first
        play.now += 100
        board.update(thoroughly=True)
    assert of_board(board) == of_board(looked(play.path))


PLAIN_TASKS = st.tuples(
    st.sampled_from(["db", "web"]),
    st.sampled_from(["ok", "failed", "killed", "cancelled", "timeout", "lost", "running"]),
    st.sampled_from([None, "10-a.sh", "", lifecycle.CLEAN_UP]),
)
PLAIN_HOOKS = st.lists(
    st.tuples(
        st.sampled_from(["ok", "ok", "ok", "failed", "killed", "lost", "unstacked"]),
        st.lists(PLAIN_TASKS, max_size=3),
    ), min_size=1, max_size=3,
)  # fmt: skip
PLAIN = st.lists(
    st.lists(st.tuples(PLAIN_HOOKS, st.just("")), min_size=1, max_size=3), min_size=1, max_size=7
)


@CAREFUL
@given(MODES, PLAIN)
def test_what_the_journal_tells_can_be_rebuilt_from_the_logs(
    tmp_path_factory: pytest.TempPathFactory, mode: str, tries: list[Any]
) -> None:
    play = Play(tmp_path_factory.mktemp("rebuilt") / "run", mode)
    perform(play, tries)
    play.journal.close()
    whole = status.read(play.path)
    (play.path / "journal.jsonl").unlink()
    assert of_status(status.read(play.path)) == of_status(whole)


@CAREFUL
@given(MODES, TRIES)
def test_of_any_run_status_and_frames_say_the_same_of_each_log(
    tmp_path_factory: pytest.TempPathFactory, mode: str, tries: list[Any]
) -> None:
    play = Play(tmp_path_factory.mktemp("framed") / "run", mode)
    perform(play, tries)
    play.journal.close()
    run = status.read(play.path)
    said = [*run.tasks, *(hook for phase in run.phases for hook in phase.hooks)]
    of_status = {
        one.log: (
            one.name, one.phase, one.hook, one.exit_code,
            "failed" if one.status == "interrupted" else one.status,
            None if one.duration_s is None else round(one.duration_s, 2),
        )
        for one in said
        if one.status != "running" and (play.path / one.log).stat().st_size
    }  # fmt: skip
    if not of_status:
        return
    records = loading.read(play.path, now=play.now)
    of_frames = {
        os.path.relpath(one.log, play.path): (
            one.name, one.phase, one.hook if isinstance(one, TaskRecord) else one.name,
            one.exit_code, one.status,
            None if one.start is None or one.end is None else round((one.end - one.start) / 1e6, 2),
        )
        for one in (*records.tasks, *records.hooks)
        if one.log
    }  # fmt: skip
    assert of_status == {log: facts for log, facts in of_frames.items() if log in of_status}


@CAREFUL
@given(MODES, TRIES)
def test_of_any_run_in_which_something_went_wrong_junit_and_follow_say_so(
    tmp_path_factory: pytest.TempPathFactory, mode: str, tries: list[Any]
) -> None:
    play = Play(tmp_path_factory.mktemp("judged") / "run", mode)
    perform(play, tries)
    play.journal.close()
    run = status.read(play.path)
    if run.state == "running" or not any(phase.hooks for phase in run.phases):
        return
    suites = ET.fromstring(junit_report(loading.read(play.path)))
    is_bad = bool(int(suites.get("failures", "0")) + int(suites.get("errors", "0")))
    assert is_bad or run.ok
    with contextlib.nullcontext() if run.ok else pytest.raises(StacknbError):
        *_, last = watch(RunDir.open(play.path), pause=lambda seconds: None)
        assert last.endswith(f": {run.state}\n")


# -- what a user expects, where the two once disagreed ---------------------------------------------


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path / "run")


FIRST, SECOND, THIRD = "override_defaults", "source", "stack pre-install"
WELL = [("10-a.sh", "ok", [])]


def test_tasks_that_a_resume_has_done_again_are_counted_apart_and_need_no_heed(play: Play) -> None:
    killed = [(f"t{number}", "killed", None) for number in range(14)]
    well = [(name, "ok", "10-a.sh") for name, *_ in killed]
    play.phase(FIRST, [("10-a.sh", "lost", killed)])
    assert picture(looked(play.path), 0)["counts"] == {"killed": 14}
    assert len(status.read(play.path).unheeded) == 14

    play.phase(FIRST, [("10-a.sh", "ok", well)])
    shown = picture(looked(play.path), 20)
    assert shown["counts"] == {"of an earlier try": 14, "ok": 14}
    assert [shown["rows"][key]["status"] for key in shown["order"]] == ["ok"] * 14 + ["killed"] * 6
    run = status.read(play.path)
    assert (run.ok, run.unheeded) == (True, [])
    assert "async/t3.log, of an earlier try" in str(run)


def test_while_an_earlier_phase_is_run_again_what_is_done_stays_so_and_what_failed_will_come(
    play: Play,
) -> None:
    for label in (FIRST, SECOND):
        play.phase(label, WELL)
    play.phase(THIRD, [("10-a.sh", "failed", [])])  # it waits for a task of the first
    play.phase(FIRST, WELL)
    board = looked(play.path)
    assert [phase.status for phase in board.phases[:4]] == ["ok", "ok", "to come", "to come"]
    assert (board.state, board.next_phase) == ("unfinished", THIRD)
    play.phase(THIRD, WELL)
    board = looked(play.path)
    assert (board.state, board.next_phase) == ("unfinished", "stack install")


def test_a_run_stays_complete_whose_last_phase_is_run_again(play: Play) -> None:
    for phase in lifecycle.phases_of("stack"):
        play.phase(phase.label, WELL)
    play.complete()
    play.phase("stack test-config", WELL)
    assert looked(play.path).state == status.read(play.path).state == "complete"


def test_a_hook_that_a_later_try_has_no_more_is_not_listed(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "ok", []), ("20-b.sh", "failed", [])])
    play.phase(FIRST, WELL)
    assert [hook.name for hook in status.read(play.path).phases[0].hooks] == ["10-a.sh"]


def test_a_clock_that_is_set_back_within_a_phase_loses_none_of_its_hooks(play: Play) -> None:
    play.tell("phase-start", FIRST, hooks=["10-a.sh", "20-b.sh"])
    play.now -= 100
    play.hook(FIRST, "10-a.sh", "ok", [])
    play.now -= 100
    play.hook(FIRST, "20-b.sh", "ok", [])
    hooks = looked(play.path).phases[0].hooks
    assert [(hook.name, hook.status) for hook in hooks] == [("10-a.sh", "ok"), ("20-b.sh", "ok")]


def test_a_phase_that_is_left_between_two_hooks_is_unfinished(play: Play) -> None:
    play.phase(FIRST, [*WELL, ("20-b.sh", "ok", [])], "under way")
    board = looked(play.path)
    assert (board.state, board.phases[0].status) == ("unfinished", "unfinished")
    assert board.phases[0].duration_s == status.read(play.path).phases[0].duration_s == 1.5


def test_a_hook_whose_shell_was_killed_is_killed_on_the_board_too(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "killed", [])])
    board = looked(play.path)
    assert (board.phases[0].status, board.phases[0].hooks[0].status) == ("failed", "killed")
    assert picture(board, 0)["failure"]["status"] == "killed"


def test_of_a_run_that_nobody_works_on_a_hook_without_an_end_is_lost_at_once(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "lost", [])])
    os.utime(play.path / "hooks" / FIRST / "10-a.sh.log")
    assert looked(play.path).state == status.read(play.path).state == "running"
    play.journal.close()
    assert looked(play.path).state == status.read(play.path).state == "failed"


def test_a_task_that_was_cancelled_and_says_exit_0_is_shown_as_cancelled(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "ok", [("db", "gentle", "")])])
    assert [task.status for task in looked(play.path).tasks.shown(1)] == ["cancelled"]


def test_a_folder_of_logs_without_a_journal_is_enough_for_a_board(play: Play) -> None:
    for phase in lifecycle.phases_of("stack"):
        play.phase(phase.label, [("10-a.sh", "ok", [("db", "failed", "10-a.sh")])])
    (play.path / "journal.jsonl").unlink()
    assert looked(play.path).state == "unfinished"  # somebody works on it
    play.journal.close()
    board = looked(play.path)
    assert (board.state, board.hook, board.live) == ("complete", None, False)
    assert [phase.status for phase in board.phases] == ["ok"] * 7
    assert board.tasks.counts() == {"failed": 7}


def test_of_a_run_that_was_moved_and_resumed_and_moved_again_each_hook_has_its_log(
    tmp_path: Path, play: Play
) -> None:
    play.phase(FIRST, WELL)
    play.path = play.path.rename(tmp_path / "restored")
    play.journal = RunDir.open(play.path)
    play.phase(SECOND, [("10-a.sh", "failed", [])])
    there = play.path.rename(tmp_path / "artefact")
    run = status.read(there)
    assert [(hook.log, hook.exit_code) for phase in run.phases[:2] for hook in phase.hooks] == [
        ("hooks/override_defaults/10-a.sh.log", 0),
        ("hooks/source/10-a.sh.log", 3),
    ]
    assert picture(looked(there), 0)["failure"]["lines"] == ["said"]


def test_a_run_that_is_reached_through_a_link_is_the_same_run(tmp_path: Path, play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "lost", [("db", "ok", None)])])
    play.journal.close()
    link = tmp_path / "latest"
    link.symlink_to(play.path)
    there, here = looked(link), looked(play.path)
    assert of_board(there) == of_board(here)
    assert picture(there, 5)["failure"]["log"] == "hooks/override_defaults/10-a.sh.log"
    assert there.run_dir == link


def test_a_hook_of_which_the_journal_lacks_the_end_has_the_one_of_its_log(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "failed", [])])
    file = play.path / "journal.jsonl"
    *lines, _, _ = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines))
    [hook] = looked(play.path).phases[0].hooks
    assert (hook.status, hook.exit_code) == ("failed", 3)


def test_after_exit_0_the_later_phases_are_skipped_until_the_run_is_resumed(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "exit 0", [])])
    play.complete(complete=False)
    assert [phase.status for phase in status.read(play.path).phases[1:]] == ["skipped"] * 6
    play.phase(SECOND, WELL)
    assert [phase.status for phase in looked(play.path).phases[2:]] == ["to come"] * 5


def test_the_clean_up_after_exit_0_makes_no_phase_of_those_that_were_begun(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "exit 0", [])])
    told = []
    play.listener = lambda: told.append(looked(play.path).state)
    play.hook(FIRST, lifecycle.CLEAN_UP, "ok", [])
    assert told[0] == "running"
    play.complete(complete=False)
    assert [phase.status for phase in status.read(play.path).phases[1:]] == ["skipped"] * 6
    (play.path / "journal.jsonl").unlink()
    assert [phase.status for phase in status.read(play.path).phases[1:]] == ["to come"] * 6
    for phase in lifecycle.phases_of(play.mode):
        play.phase(phase.label, WELL)
    play.hook(phase.label, lifecycle.CLEAN_UP, "ok", [])
    [*_, phase] = looked(play.path).phases
    assert [hook.name for hook in phase.hooks] == [*(name for name, *_ in WELL), lifecycle.CLEAN_UP]


def test_a_clean_run_has_the_phases_of_its_unstack_run_on_the_board_and_its_own_in_its_status(
    tmp_path: Path,
) -> None:
    first, second = Play(tmp_path / "1", "unstack"), Play(tmp_path / "2", "clean")
    facts = {**second.journal.facts(), "before": str(first.path)}
    (second.path / "run.json").write_text(json.dumps(facts))
    for play in (first, second):
        for phase in lifecycle.phases_of(play.mode):
            play.phase(phase.label, WELL)
        play.complete()
    shown = of_board(looked(second.path))["phases"]
    apart = [of_status(status.read(play.path))["phases"] for play in (first, second)]
    assert shown == apart[0] + apart[1]


def test_a_log_that_cannot_be_read_is_a_note_on_the_board_too(play: Play) -> None:
    os.mkfifo(play.path / "async" / "bad.log")
    note = "log 'async/bad.log' cannot be read: it is a pipe, not a file"
    assert looked(play.path).notes == status.read(play.path).notes == [note]


def test_how_long_took_what_was_lost_nobody_tells_and_no_display_counts_on(play: Play) -> None:
    play.phase(FIRST, [("10-a.sh", "lost", [("db", "lost", None)])])
    play.journal.close()
    os.utime(play.path / "hooks" / FIRST / "10-a.sh.log")  # as a copy has it
    run = status.read(play.path)
    lost = [run.phases[0].hooks[0], *run.tasks]
    assert [(one.status, one.duration_s) for one in lost] == [("lost", None)] * 2
    assert run.phases[0].duration_s is None
    text = page.bundle(looked(play.path))["text/plain"]
    assert "✗ override_defaults lost  (1 hook)" in text
    assert "✗ db lost  (not waited for yet" in text
