"""The answers, on a small run whose times can be added up by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writerun import write_run

from stacknb.exceptions import BadInput
from stacknb.timing import Run, compare, load
from stacknb.timing.answers import answer
from stacknb.timing.columns import COLUMNS, fitting
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord

T0 = 1_790_000_000_000_000
S = 1_000_000


def hook(name: str, phase: str, start: float, end: float, cpu: float = 0.0) -> HookRecord:
    span = (T0 + round(start * S), T0 + round(end * S))
    return HookRecord(name, phase, name, "ok", 0, *span, round(cpu * S), "h")


def task(name: str, start: float, end: float, cpu: float = 0.0, **more: object) -> TaskRecord:
    span = (T0 + round(start * S), T0 + round(end * S))
    made = TaskRecord(name, name, "stack install", "10-a.sh", "ok", 0, *span, None, None, "h")
    made.cpu = round(cpu * S)
    for key, value in more.items():
        setattr(made, key, value)
    return made


def wait(records: Records, index: int, start: float, end: float, hook: str, phase: str) -> None:
    span = (T0 + round(start * S), T0 + round(end * S))
    name = records.tasks[index].name
    records.waits.append(WaitRecord(name, *span, phase, hook, 0, index))


@pytest.fixture
def records() -> Records:
    """Two tasks beside three hooks.

    ::

        10-a.sh  install  0 ── db starts at 1, osc at 2 ────── 4
        20-b.sh  install  4 ── waits for db from 5 to 9 ────── 12
        30-c.sh  extra    12 ─ waits for osc at 13, 0.5 s ──── 20
        db 1 … 9    osc 2 … 7    late 15 … 16, never waited for
    """
    made = Records("", "run", cores=2)
    made.hooks = [
        hook("10-a.sh", "stack install", 0, 4, cpu=4),
        hook("20-b.sh", "stack install", 4, 12, cpu=4),
        hook("30-c.sh", "stack extra", 12, 20, cpu=7),
    ]
    made.tasks = [task("db", 1, 9, 6), task("osc", 2, 7, 1), task("late", 15, 16, 1)]
    made.tasks[2].phase, made.tasks[2].hook = "stack extra", "30-c.sh"
    wait(made, 0, 5, 9, "20-b.sh", "stack install")
    wait(made, 1, 13, 13.5, "30-c.sh", "stack extra")
    return made


def read(records: Records, folder: Path) -> Run:
    return load(write_run(records, folder))


@pytest.fixture
def run(records: Records, tmp_path: Path) -> Run:
    return read(records, tmp_path)


def test_the_summary_has_devstacks_figures_and_the_honest_ones(run: Run) -> None:
    figures = run.summary()
    assert figures["elapsed_s"] == 20
    assert figures["background_s"] == 13  # db and osc; late was not collected
    assert figures["waited_s"] == 4.5
    assert figures["background_minus_waits_s"] == 8.5
    assert figures["serial_s"] == 28.5
    assert figures["speedup"] == pytest.approx(28.5 / 20)
    assert figures["main_work_s"] == 15.5
    assert figures["task_work_s"] == 14
    assert figures["work_s"] == 29.5
    assert figures["busy_s"] == 19.5  # not while the log of osc was shown
    assert figures["max_concurrency"] == 2
    assert figures["mean_concurrency"] == pytest.approx(14 / 9)
    assert figures["cpu_available_s"] == 40


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_task_started_by_a_task_is_counted_once(tmp_path: Path, in_turn: bool) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 10, cpu=9)]
    # A shell has reaped what it has started, so its own figure holds that of the other one.
    made.tasks = [task("outer", 1, 9, cpu=8), task("inner", 2, 6, cpu=3, by="outer")]
    for one in made.tasks:
        one.foreground = in_turn
    if not in_turn:
        wait(made, 0, 1, 9, "10-a.sh", "stack install")
        wait(made, 1, 2, 6, "10-a.sh", "stack install")
        made.waits[1].by = "outer"
    run = read(made, tmp_path)
    figures = run.summary()
    assert run.tasks["cpu_s"].tolist() == [5, 3]
    assert run.hooks["cpu_s"].tolist() == [1]
    assert figures["cpu_s"] == 9
    assert figures["task_work_s"] == 8
    assert figures["work_s"] == figures["busy_s"] == 10
    assert figures["contention_s"] == 0


def test_the_cpu_time_of_a_hook_is_without_that_of_the_tasks_which_ended_in_it(
    tmp_path: Path,
) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [
        hook("10-a.sh", "stack install", 0, 6, cpu=8), hook("20-b.sh", "stack extra", 6, 20, cpu=10)
    ]  # fmt: skip
    made.tasks = [task("long", 1, 9, cpu=3), task("short", 2, 5, cpu=1), task("late", 11, 15, 2)]
    assert read(made, tmp_path).hooks["cpu_s"].tolist() == [8 - 1, 10 - 3 - 2]


def test_a_wait_for_a_serial_task_without_an_end_is_replayed(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 10)]
    made.tasks = [task("db", 1, 4, foreground=True)]
    made.tasks[0].end = None
    wait(made, 0, 5, 7, "10-a.sh", "stack install")
    assert float(read(made, tmp_path).what_if()) == 10


def test_a_wait_for_several_tasks_at_once_counts_once(tmp_path: Path) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 10)]
    made.tasks = [task(name, 1, 5 + number) for number, name in enumerate("abc")]
    for index in range(3):
        wait(made, index, 2, 8, "", "stack install")
    figures = read(made, tmp_path).summary()
    assert (figures["background_s"], figures["waited_s"]) == (15, 6)
    assert figures["background_minus_waits_s"] == 9
    assert figures["speedup"] == pytest.approx(19 / 10)


def test_the_critical_path_leads_through_the_wait_to_the_task(run: Run) -> None:
    path = run.critical_path()
    assert list(zip(path["kind"], path["name"], path["duration_s"], strict=True)) == [
        ("hook", "10-a.sh", 1.0),
        ("task", "db", 8.0),
        ("hook", "20-b.sh", 3.0),
        ("hook", "30-c.sh", 8.0),
    ]
    assert path["share"].sum() == pytest.approx(1.0)
    assert [log.rpartition("/")[2] for log in path["log"]] == [
        "10-a.sh.log", "db.log", "20-b.sh.log", "30-c.sh.log",
    ]  # fmt: skip


def test_what_each_task_did_to_the_run(run: Run) -> None:
    impact = run.impact().set_index("name")
    assert impact.index[0] == "db"
    assert impact.loc["db", "blocked_s"] == 4
    assert impact.loc["db", "hidden_s"] == 4
    assert impact.loc["db", "critical_s"] == 8
    # Without db the main script comes to the wait for osc after 9 s: osc has ended by then.
    assert impact.loc["db", "shrink_s"] == 4
    assert impact.loc["osc", "slack_s"] == 6
    assert impact.loc["osc", "shrink_s"] == 0
    assert impact.loc["late", "shrink_s"] == 0


def test_without_changes_the_prediction_is_the_record(run: Run) -> None:
    for same in (
        run.what_if(),
        run.what_if(faster={"db": 1, "20-b.sh": 1.0}),
        run.what_if(cores=2),
        run.what_if(as_task=()),
    ):
        assert same == 20.0
        assert same.saved_s == 0.0


@pytest.mark.parametrize(
    ("changes", "elapsed"),
    [
        ({"faster": {"db": 2}}, 16.0),  # db ends at 5, when it is asked for
        ({"faster": {"db": 1.6}}, 17.0),  # db ends at 6
        ({"faster": {"db": math.inf}}, 16.0),
        ({"faster": {"osc": 10}}, 20.0),
        ({"faster": {"db": 0.5}}, 28.0),
        ({"faster": {"30-c.sh": 2}}, 20 - 7.5 / 2),
        ({"wait_after": {"db": "20-b.sh"}}, 17.0),  # work until 8, then a second for db
        ({"wait_after": {"db": "install"}}, 17.0),
        ({"wait_after": {"db": "30-c.sh"}}, 16.0),
        ({"wait_after": {"db": "end"}}, 16.0),
        ({"wait_after": {"osc": "10-a.sh"}}, 19.5),  # showing its log falls into the time of db
        ({"start_after": {"db": "start"}}, 19.0),  # db runs from 0 to 8
        ({"start_after": {"osc": "20-b.sh"}}, 24.0),  # osc runs from 12 to 17
        ({"as_task": {"10-a.sh": "end"}}, 20.0),  # db is needed all the same
        ({"as_task": {"20-b.sh": "30-c.sh"}}, 14.0),  # waits for osc until 7, shows it, works 6.5
        ({"as_task": ["20-b.sh"]}, 20.0),  # its phase ends with it
        ({"as_task": "20-b.sh"}, 20.0),
        # 30-c.sh begins once 10-a.sh has ended, and takes 2 + 0.5 + 13 s
        ({"as_task": {"20-b.sh": "end"}, "faster": {"osc": math.inf, "30-c.sh": 0.5}}, 19.5),
        ({"faster": {"db": 2}, "wait_after": {"osc": "end"}}, 16.0),
    ],
)
def test_a_change_has_the_effect_that_adds_up_by_hand(
    run: Run, changes: dict[str, object], elapsed: float
) -> None:
    assert run.what_if(**changes) == pytest.approx(elapsed, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faster": {"dbb": 2}}, "no task or hook 'dbb' in this run; did you mean 'db'?"),
        ({"faster": {"db": 0}}, "'db' cannot become 0 times faster: give a factor above 0"),
        ({"wait_after": {"osk": "end"}}, "no task 'osk' in this run; did you mean 'osc'?"),
        ({"wait_after": {"db": "40-d.sh"}}, "no hook or phase '40-d.sh' in this run; did you mean"),
        (
            {"wait_after": {"late": "20-b.sh"}},
            "'late' was not waited for: there is nothing to move",
        ),
        (
            {"start_after": {"inner": "20-b.sh"}},
            "'inner' was not started by the main shell: there is nothing to move",
        ),
        ({"start_after": {"db": "20-b.sh"}}, "'db' has been waited for already after '20-b.sh'"),
        ({"wait_after": {"osc": "start"}}, "'osc' is not started yet after 'start'"),
        ({"as_task": {"30-c.sh": "10-a.sh"}}, "'30-c.sh' cannot be collected after '10-a.sh'"),
        ({"as_task": ["db"]}, "'db' is a task already: as_task takes hooks"),
        ({"cores": 0}, r"what_if\(cores=0\): give a number of cores, 1 or more"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(
    records: Records, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    records.tasks.append(task("inner", 6, 7))  # while the main shell waited for db
    with pytest.raises(BadInput, match=message):
        read(records, tmp_path).what_if(**changes)


def test_a_task_that_the_replay_cannot_change_is_told_why(records: Records, tmp_path: Path) -> None:
    records.tasks[1].foreground = True
    records.tasks.append(task("gone", 15, 16))
    records.tasks[3].start = records.tasks[3].end = None
    run = read(records, tmp_path)
    message = "' ran in the foreground, as part of 'stack install/10-a.sh': change that one"
    for changes in ({"faster": {"osc": 2}}, {"start_after": {"osc #1": "end"}}):
        with pytest.raises(BadInput, match=message):
            run.what_if(**changes)
    with pytest.raises(BadInput, match="'gone' has no times in the logs: there is nothing to"):
        run.what_if(faster={"gone": 2})


def test_what_was_in_no_phase_or_in_one_that_a_crash_ended_is_collected_at_the_end(
    tmp_path: Path,
) -> None:
    records = Records("", "run")
    cell, late = hook("1", "", 0, 3), hook("60-x.sh", "stack extra", 8, 9)
    cell.is_cell, late.end = True, None
    records.hooks = [cell, hook("50-api.sh", "stack install", 3, 8), late]
    records.tasks = [task("db", 9, 11)]
    run = read(records, tmp_path)
    assert run.elapsed_s == 11.0
    assert run.what_if(as_task=["1"]) == 8.0
    assert run.what_if(as_task=["60-x.sh"]) == 11.0


def test_a_hook_of_several_phases_must_be_named_with_one(records: Records, tmp_path: Path) -> None:
    records.hooks[2].name = "20-b.sh"
    run = read(records, tmp_path)
    with pytest.raises(
        BadInput, match=r"'20-b\.sh' ran 2 times: say which, as 'stack extra/20-b.sh'"
    ):
        run.what_if(as_task=["20-b.sh"])
    with pytest.raises(BadInput, match=r"'20-b\.sh' is ambiguous"):
        run.what_if(wait_after={"db": "20-b.sh"})
    assert run.what_if(wait_after={"db": "install/20-b.sh"}) == 17.0
    # late is started at 9.5 then, and nothing waits for it
    assert run.what_if(faster={"20-b.sh": math.inf}) == pytest.approx(10.5)


def test_tasks_of_one_name_are_told_apart_by_number(records: Records, tmp_path: Path) -> None:
    records.tasks[2].name = "db"
    run = read(records, tmp_path)
    assert run.what_if(faster={"db": 2}) == 16.0
    assert run.what_if(faster={"db #2": 2}) == 20.0
    with pytest.raises(BadInput, match=r"'db' was started 2 times: say which, as 'db #1', 'db #2'"):
        run.what_if(wait_after={"db": "end"})
    assert run.what_if(wait_after={"db #1": "end"}) == 16.0


def test_a_task_that_comes_after_another_follows_it(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [
        task("first", 1, 5),
        task("second", 5.5, 9.5, queued=T0 + 2 * S, after=("first",)),
    ]
    wait(made, 1, 3, 9.5, "10-a.sh", "stack install")
    run = read(made, tmp_path)
    assert parts(run) == [
        ("hook", "10-a.sh", 1.0),
        ("task", "first", 4.0),
        ("queued", "second", 0.5),
        ("task", "second", 4.0),
        ("hook", "10-a.sh", 2.5),
    ]
    assert run.what_if(faster={"first": 4}) == 9.0
    assert run.what_if(faster={"first": math.inf}) == pytest.approx(12 - 3.0)  # queued at 2
    impact = run.impact().set_index("name")
    assert impact.loc["first", "shrink_s"] == pytest.approx(3.0)
    assert impact.loc["second", "shrink_s"] == pytest.approx(4.0)


def test_a_task_that_waited_for_a_place_follows_the_one_that_left_it(tmp_path: Path) -> None:
    made = Records("", "run", jobs=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [
        task("long", 1, 11),
        task("first", 1, 5),
        task("second", 5.5, 9.5, queued=T0 + 2 * S),
        task("third", 9.5, 12, queued=T0 + 2 * S),
    ]
    wait(made, 3, 3, 12, "10-a.sh", "stack install")
    run = read(made, tmp_path)
    assert parts(run) == [
        ("hook", "10-a.sh", 1.0),
        ("task", "first", 4.0),
        ("queued", "second", 0.5),
        ("task", "second", 4.0),
        ("task", "third", 2.5),
    ]
    assert run.what_if(faster={"first": 4}) == 11.0  # then the long one sets the time
    assert run.what_if(faster={"first": 4, "long": 4}) == 9.0
    (tmp_path / "run.json").write_text("{}")  # with room for all, nobody knows what held it back
    assert ("queued", "third", 7.5) in parts(load(tmp_path))


def test_a_wait_that_no_task_has_made_is_of_the_phase_that_waited(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 1), hook("20-b.sh", "stack extra", 2, 7)]
    made.tasks = [task("late", 7, 7, queued=T0)]  # held back until it was waited for no more
    wait(made, 0, 2, 7, "20-b.sh", "stack extra")
    *_, last = read(made, tmp_path).critical_path().itertuples()
    assert (last.kind, last.name, last.phase) == ("wait", "late", "stack extra")


def test_a_task_without_an_end_has_held_its_place_to_the_last(tmp_path: Path) -> None:
    made = Records("", "run", jobs=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 9)]
    made.tasks = [task("long", 1, 11), task("first", 1, 5), task("second", 5, 9, queued=T0 + S)]
    made.tasks[0].end = None  # it goes on, or nobody saw it end
    wait(made, 2, 3, 9, "10-a.sh", "stack install")
    path = [("hook", "10-a.sh", 1.0), ("task", "first", 4.0), ("task", "second", 4.0)]
    assert parts(read(made, tmp_path)) == path


def parts(run: Run) -> list[tuple[str, str, float]]:
    path = run.critical_path()
    return list(zip(path["kind"], path["name"], path["duration_s"], strict=True))


def test_of_those_that_a_task_comes_after_the_last_one_to_end_is_on_the_critical_path(
    tmp_path: Path,
) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [
        task("quick", 1, 3),
        task("slow", 1, 5),
        task("last", 5.5, 9.5, queued=T0 + 2 * S, after=("slow", "quick")),
    ]
    wait(made, 2, 3, 9.5, "10-a.sh", "stack install")
    assert parts(read(made, tmp_path)) == [
        ("hook", "10-a.sh", 1.0),
        ("task", "slow", 4.0),
        ("queued", "last", 0.5),
        ("task", "last", 4.0),
        ("hook", "10-a.sh", 2.5),
    ]


def test_a_wait_that_was_over_before_its_task_is_no_work_of_the_task(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [task("db", 1, 9)]
    wait(made, 0, 2, 5, "10-a.sh", "stack install")
    assert parts(read(made, tmp_path)) == [
        ("hook", "10-a.sh", 2.0),
        ("wait", "db", 3.0),
        ("hook", "10-a.sh", 7.0),
    ]


def crowd(cores: int, tasks: int, length: float) -> Records:
    """Tasks that each need 4 s of one core, started together on a machine that has too few."""
    made = Records("", "run", cores=cores)
    made.hooks = [hook("10-a.sh", "stack install", 0, length, cpu=tasks * 4)]
    for number in range(tasks):
        made.tasks.append(task(f"t{number}", 0, length, cpu=4))
    for number in range(tasks):
        wait(made, number, 0, length, "10-a.sh", "stack install")
    return made


@pytest.mark.parametrize(("cores", "elapsed"), [(1, 16.0), (2, 8.0), (4, 4.0), (8, 4.0)])
def test_tasks_that_only_compute_take_as_long_as_their_cores_allow(
    tmp_path: Path, cores: int, elapsed: float
) -> None:
    run = read(crowd(2, 4, 8.0), tmp_path)
    assert run.what_if(cores=cores) == pytest.approx(elapsed)
    figures = run.summary()
    assert figures["cpu_s"] == 16
    assert figures["cpu_available_s"] == 16
    assert figures["contention_s"] == pytest.approx(16)  # 4 tasks, each 4 s longer than alone
    assert figures["speedup"] == 4  # of 32 s one wait of 8 s is not hidden
    assert run.advice()["kind"].tolist()[-1] == "contention"
    assert run.advice()["advice"].iloc[-1].startswith("The 2 cores were busy for 8.00 s of ")
    alone = read(crowd(1, 4, 16.0), tmp_path / "alone").advice()
    assert alone["advice"].iloc[-1].startswith("The only core was busy for 16.0 s of ")


def test_tasks_that_only_sleep_need_no_cores(tmp_path: Path) -> None:
    made = crowd(2, 4, 8.0)
    for one in made.tasks:
        one.cpu = 0
    made.hooks[0].cpu = 0
    run = read(made, tmp_path)
    assert run.what_if(cores=1) == run.what_if(cores=8) == 8.0
    assert run.summary()["contention_s"] == 0


@pytest.mark.parametrize(("cores", "elapsed"), [(1, 16.0), (2, 10.0), (4, 10.0)])
def test_the_main_script_and_what_comes_after_another_task_share_the_cores(
    tmp_path: Path, cores: int, elapsed: float
) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 10, cpu=16)]  # 6 of its own
    made.tasks = [task("first", 0, 4, 4), task("second", 4, 8, 4, queued=T0, after=("first",))]
    made.tasks.append(task("quick", 4, 6, 2))  # nobody waits for it
    wait(made, 0, 4, 4, "10-a.sh", "stack install")
    wait(made, 1, 4, 8, "10-a.sh", "stack install")
    assert read(made, tmp_path).what_if(cores=cores) == elapsed


def test_a_wait_with_a_limit_is_no_longer_on_fewer_cores(tmp_path: Path) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 4)]
    made.tasks = [task("db", 0, 8, 6.4), task("api", 0, 8, 6.4), task("later", 4, 12)]
    wait(made, 0, 1, 4, "10-a.sh", "stack install")
    # Of one core db and api want 0.8 each, and take 12.8 s. Nobody waits for that.
    assert read(made, tmp_path).what_if(cores=1) == 12.8


def test_a_task_whose_start_is_not_known_ends_when_it_did_on_any_number_of_cores(
    tmp_path: Path,
) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 10, cpu=8)]
    made.tasks = [task("gone", 0, 5), task("one", 5, 9, 4), task("two", 5, 9, 4)]
    made.tasks[0].start = made.tasks[0].end = made.tasks[0].cpu = None
    wait(made, 0, 0, 5, "10-a.sh", "stack install")
    wait(made, 1, 5, 9, "10-a.sh", "stack install")
    wait(made, 2, 9, 9, "10-a.sh", "stack install")
    assert read(made, tmp_path).what_if(cores=1) == 14.0


def test_a_task_that_another_one_started_begins_earlier_if_that_one_is_faster(
    tmp_path: Path,
) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 8.5, cpu=9.6)]  # all of it of the tasks
    made.tasks = [task("parent", 0, 6), task("one", 2, 8, 4.8), task("two", 2, 8, 4.8)]
    wait(made, 0, 0, 6.5, "10-a.sh", "stack install")  # to show its log takes half a second
    wait(made, 1, 6.5, 8, "10-a.sh", "stack install")
    wait(made, 2, 8, 8, "10-a.sh", "stack install")
    run = read(made, tmp_path)
    assert run.what_if() == run.what_if(cores=4) == 8.5
    # The two begin at 0.667 then, 1.333 earlier, and are still what is waited for last.
    assert run.what_if(faster={"parent": 3}) == pytest.approx(8.5 - 1.333333)
    assert run.what_if(faster={"one": 2, "two": 2}) == 7.0
    assert run.what_if(cores=1) == 12.1  # the two share a core, of which each wants 0.8


def test_a_hook_that_is_run_beside_another_takes_a_core_of_its_own(tmp_path: Path) -> None:
    made = Records("", "run", cores=2)
    for number in range(3):
        span = (4 * number, 4 * number + 4)
        made.hooks.append(hook(f"{number}0-h.sh", "stack install", *span, cpu=4))
    run = read(made, tmp_path)
    assert run.what_if(as_task=["10-h.sh"], cores=2) == 8.0
    assert run.what_if(as_task=["10-h.sh"], cores=1) == 12.0


def test_cores_cannot_be_told_without_the_recorded_ones(records: Records, tmp_path: Path) -> None:
    records.cores = None
    with pytest.raises(BadInput, match="do not tell the number of cores"):
        read(records, tmp_path / "without").what_if(cores=4)
    records.cores = 2
    for one in (*records.hooks, *records.tasks):
        one.cpu = None
    with pytest.raises(BadInput, match="do not tell CPU times"):
        read(records, tmp_path / "with").what_if(cores=4)


def test_advice_is_ranked_by_what_it_gains(run: Run) -> None:
    advice = run.advice()
    assert list(zip(advice["kind"], advice["name"], advice["gain_s"], strict=True)) == [
        ("make it a task", "20-b.sh", 6.0),
        ("wait later", "db", 4.0),
        ("never waited for", "late", 0.0),
        ("contention", "", 0.0),
    ]
    text = advice.loc[advice["name"] == "db", "advice"].iloc[0]
    assert "held up 4.00 s by the wait for 'db'" in text
    assert "at the end of phase 'stack extra' the run would be 4.00 s shorter" in text


def test_advice_tells_of_names_that_no_task_had(records: Records, tmp_path: Path) -> None:
    line = b"Not waiting for async task oscs that we never started or has already been waited for\n"
    again = line.replace(b"oscs", b"osc")
    folder = write_run(records, tmp_path, outputs={"20-b.sh": b"x\n" + line + again})
    advice = load(folder).advice()
    told = advice[advice["kind"] == "never started"]
    assert told["name"].tolist() == ["oscs"]
    assert told["hook"].tolist() == ["20-b.sh"]
    assert "did it mean 'osc'?" in told["advice"].iloc[0]


def test_a_task_that_only_the_clean_up_collected_was_never_waited_for(
    records: Records, tmp_path: Path
) -> None:
    records.hooks.append(hook("async_cleanup", "stack extra", 20, 21))
    records.tasks[2].status, records.tasks[2].exit_code = "failed", 3
    wait(records, 2, 20, 20.1, "async_cleanup", "stack extra")
    records.waits[-1].exit_code = 3
    advice = read(records, tmp_path).advice()
    assert advice.loc[0, "kind"] == "never waited for"
    assert "'late': it failed (status 3) and the run goes on" in advice.loc[0, "advice"]


def test_a_run_that_stopped_earlier_may_have_a_wait_to_come(
    records: Records, tmp_path: Path
) -> None:
    def kinds(name: str) -> set[str]:
        folder = write_run(records, tmp_path / name)
        (folder / "run.json").write_text('{"mode": "stack"}')
        return {*load(folder).advice()["kind"]}

    assert "never waited for" not in kinds("until-extra")
    records.hooks.append(hook("30-c.sh", "stack test-config", 20, 21))
    assert "never waited for" in kinds("complete")
    records.hooks[-1].status, records.hooks[-1].exit_code = "failed", 1
    assert "never waited for" not in kinds("failed")
    records.hooks.append(hook("30-c.sh", "stack test-config", 22, 23))
    assert "never waited for" in kinds("mended")


def scaled(records: Records, factor: float) -> Records:
    """Return the run with every time stretched."""

    def at(time: int | None) -> int | None:
        return None if time is None else T0 + round((time - T0) * factor)

    for one in (*records.hooks, *records.tasks, *records.waits):
        one.start, one.end = at(one.start) or 0, at(one.end)
    return records


def stretched(folder: Path, make: object, factors: list[float]) -> list[Run]:
    return [read(scaled(make(), factor), folder / f"{factor}") for factor in factors]


def small() -> Records:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 10), hook("20-b.sh", "stack extra", 10, 20)]
    made.tasks = [task("db", 1, 9)]
    wait(made, 0, 5, 9, "10-a.sh", "stack install")
    return made


def test_repeats_tell_a_difference_from_noise(tmp_path: Path) -> None:
    before = stretched(tmp_path / "b", small, [0.99, 1.0, 1.01])
    after = stretched(tmp_path / "a", small, [1.29, 1.30, 1.31])
    frame = compare(before, after)
    whole = frame.iloc[0]
    assert whole["kind"] == "run"
    assert (whole["before_s"], whole["after_s"]) == pytest.approx((20.0, 26.0))
    assert whole["ratio"] == pytest.approx(1.3)
    # pooled deviation 0.2 s, 4 degrees of freedom: 2.776 × 0.2 × sqrt(2/3)
    assert whole["noise_s"] == pytest.approx(2.776 * 0.2 * math.sqrt(2 / 3), rel=1e-3)
    assert set(frame["verdict"]) == {"slower"}
    assert "got slower by 6.00 s (30 %)" in frame.attrs["conclusion"]
    assert frame["runs_before"].tolist() == [3] * len(frame)


def test_a_small_difference_beyond_the_noise_is_not_told_as_none(tmp_path: Path) -> None:
    quick, slow, slower = stretched(tmp_path, small, [1.0, 1.0005, 1.002])
    said = compare([quick, quick], [slower, slower]).attrs["conclusion"]
    assert "got slower by 0.04 s (0.2 %)" in said
    assert "(0.05 %)" in compare([quick, quick], [slow, slow]).attrs["conclusion"]


def test_of_many_repeats_the_noise_is_that_of_the_normal_distribution(tmp_path: Path) -> None:
    quick, slow = stretched(tmp_path / "b", small, [0.99, 1.01])
    whole = compare([quick, slow] * 10, [quick, slow] * 10).iloc[0]
    # 40 runs, each 0.2 s from the mean, 38 degrees of freedom
    assert whole["noise_s"] == pytest.approx(1.96 * 0.2 * math.sqrt(40 / 38 / 10), rel=1e-3)


def test_runs_that_differ_too_little_are_said_to(tmp_path: Path) -> None:
    before = stretched(tmp_path / "b", small, [0.95, 1.0, 1.06])
    after = stretched(tmp_path / "a", small, [0.97, 1.02, 1.05])
    frame = compare(before, after)
    assert set(frame["verdict"]) == {"too little to tell"}
    assert frame.attrs["conclusion"].startswith("The runs differ too little to tell: 0.20 s more")


def test_without_repeats_the_noise_is_assumed(tmp_path: Path) -> None:
    [before] = stretched(tmp_path / "b", small, [1.0])
    [after] = stretched(tmp_path / "a", small, [1.05])
    frame = compare(before.path, after)
    assert frame.loc[0, "noise_s"] == pytest.approx(2.1)
    assert frame.loc[0, "verdict"] == "too little to tell"
    assert "without repeats the noise is assumed to be 10 %" in frame.attrs["conclusion"]


def test_what_one_side_lacks_is_told(tmp_path: Path) -> None:
    before = read(small(), tmp_path / "b")
    changed = small()
    changed.tasks[0].name = "database"
    changed.waits[0].name = "database"
    frame = compare(before, read(changed, tmp_path / "a")).set_index("name")
    assert frame.loc["db", "verdict"] == "only before"
    assert frame.loc["database", "verdict"] == "only after"
    changed.tasks[0].end, changed.waits = None, []
    frame = compare(before, read(changed, tmp_path / "unended")).set_index("name")
    assert "database" not in frame.index, "nobody knows how long it took"


def path_of(run: Run) -> list[tuple[str, float, float]]:
    times = run.critical_path()[["name", "start", "end"]].itertuples(index=False)
    zero = run.start
    return [(n, (a - zero).total_seconds(), (b - zero).total_seconds()) for n, a, b in times]


def test_the_critical_path_goes_through_what_a_task_waited_for(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [task("outer", 1, 10), task("inner", 3, 7, by="outer")]
    wait(made, 0, 5, 10, "10-a.sh", "stack install")
    wait(made, 1, 4, 7, "10-a.sh", "stack install")
    made.inner_waits, made.waits = made.waits[1:], made.waits[:1]
    made.inner_waits[0].by = "outer"
    assert path_of(read(made, tmp_path)) == [
        ("10-a.sh", 0, 1), ("outer", 1, 3), ("inner", 3, 7), ("outer", 7, 10), ("10-a.sh", 10, 12),
    ]  # fmt: skip


def test_a_task_that_only_another_one_waits_for_shrinks_the_run_as_well(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 14)]
    made.tasks = [
        task("outer", 1, 12), task("first", 3, 7, by="outer"), task("second", 8, 11, by="outer")
    ]  # fmt: skip
    wait(made, 0, 5, 12, "10-a.sh", "stack install")
    for index, (start, end) in {1: (4, 7), 2: (8, 11)}.items():
        wait(made, index, start, end, "10-a.sh", "stack install")
        made.waits[-1].by = "outer"
    made.inner_waits, made.waits = made.waits[1:], made.waits[:1]
    run = read(made, tmp_path)
    # Of the 5 s in which outer works, one is hidden behind the first.
    shrunk = run.impact().set_index("name")["shrink_s"].to_dict()
    assert shrunk == {"outer": 4.0, "first": 3.0, "second": 3.0}
    for name, saved in shrunk.items():
        assert run.what_if(faster={name: math.inf}).saved_s == pytest.approx(saved)
    assert run.what_if(faster={"first": math.inf, "second": math.inf}).saved_s == 6.0
    assert run.what_if(start_after={"outer": "start"}).saved_s == 1.0


def test_hundreds_of_tasks_of_which_each_starts_the_next_and_waits_for_it_can_be_replayed(
    tmp_path: Path,
) -> None:
    made = Records("", "run", cores=2)
    made.hooks = [hook("10-a.sh", "stack install", 0, 2010, cpu=1)]
    for number in range(600):
        by = f"t{number - 1}" if number else ""
        made.tasks.append(task(f"t{number}", number + 1, 2002 - number, cpu=1, by=by))
        wait(made, number, number + 1, 2002 - number, "10-a.sh", "stack install")
        made.waits[-1].by = by
    made.inner_waits, made.waits = made.waits[1:], made.waits[:1]
    run = read(made, tmp_path)
    assert run.what_if() == run.what_if(cores=2) == 2010.0
    assert run.impact().set_index("name").loc["t0", "shrink_s"] == 2.0
    assert run.what_if(faster={"t50": math.inf}).saved_s == 2.0


def test_before_a_task_that_another_task_started_that_one_set_the_time(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [task("outer", 1, 4), task("inner", 3, 9, by="outer")]
    wait(made, 1, 6, 9, "10-a.sh", "stack install")
    assert path_of(read(made, tmp_path)) == [
        ("10-a.sh", 0, 1), ("outer", 1, 3), ("inner", 3, 9), ("10-a.sh", 9, 12),
    ]  # fmt: skip


def test_what_matters_comes_first(tmp_path: Path) -> None:
    changed = small()
    for one in changed.hooks[1:]:
        one.end = (one.end or 0) + 30 * S
    frame = compare(read(small(), tmp_path / "b"), read(changed, tmp_path / "a"))
    assert frame["kind"].tolist()[:3] == ["run", "phase", "hook"]
    assert frame["name"].tolist()[:3] == ["elapsed", "stack extra", "20-b.sh"]
    assert frame["verdict"].tolist()[3:] == ["too little to tell"] * (len(frame) - 3)


def test_long_and_short_times_are_told_in_plain_figures(tmp_path: Path) -> None:
    long, longer = stretched(tmp_path, small, [60, 120])
    assert "got slower by 20 min 00 s (100 %)" in compare(long, longer).attrs["conclusion"]
    short = read(scaled(small(), 1e-5), tmp_path / "short")
    assert [short.phases.loc[0, "waited_for"], long.phases.loc[0, "waited_for"]] == [
        "db 0.00 s",
        "db 4 min 00 s",
    ]


def test_a_comparison_names_the_runs_that_did_not_come_to_their_end(tmp_path: Path) -> None:
    before, cut = read(small(), tmp_path / "whole"), small()
    cut.hooks[1].status, cut.hooks[1].exit_code, cut.hooks[1].end = "failed", 1, T0 + 11 * S
    stopped = read(cut, tmp_path / "cut")
    assert f"Not run to the end: {stopped.path}." in compare(before, stopped).attrs["conclusion"]
    assert "Not run to the end" not in compare(before, before).attrs["conclusion"]
    cut.hooks.append(hook("20-b.sh", "stack extra", 12, 20))
    mended = read(cut, tmp_path / "mended")
    assert "Not run to the end" not in compare(before, mended).attrs["conclusion"]
    again = f"Both tries of a phase count: {mended.path}."
    assert again in compare(before, mended).attrs["conclusion"]
    assert "Both tries" not in compare(before, before).attrs["conclusion"]


def test_an_empty_side_is_refused(run: Run) -> None:
    with pytest.raises(BadInput, match=r"compare\(before=\[\]\): give at least one run"):
        compare([], run)


def test_a_table_leaves_out_what_a_narrow_terminal_has_no_room_for(run: Run) -> None:
    asked = answer(run, "tasks")
    whole = asked.text()
    assert asked.text(width=len(max(whole.splitlines(), key=len))) == whole

    for width in (44, 60, 80, 100):
        *table, note = asked.text(width=width).splitlines()
        assert max(map(len, table)) <= width
        names = table[0].split()
        assert names == [name for name in COLUMNS["tasks"].split() if name in names]
        assert names[:2] == ["name", "status"]
        left_out = note.removeprefix("(no room for ").partition(":")[0].split(", ")
        assert sorted(names + left_out) == sorted(COLUMNS["tasks"].split())


@given(st.dictionaries(st.sampled_from(COLUMNS["phases"].split()), st.integers(1, 60)))
def test_a_column_is_left_out_only_where_it_has_no_room(widths: dict[str, int]) -> None:
    def needed(names: list[str]) -> int:
        return sum(widths[name] for name in names) + 2 * max(len(names) - 1, 0)

    kept = fitting(widths, 80)
    if needed(list(widths)) <= 80:
        assert kept == list(widths)
    elif needed(kept) <= 80:
        assert all(needed([*kept, name]) > 80 for name in widths if name not in kept)
    else:
        assert {*kept} <= {"phase", "duration_s", "work_s", "wait_s", "hooks", "tasks"}


def test_in_a_terminal_advice_is_broken_between_words(tmp_path: Path) -> None:
    asked = answer(read(small(), tmp_path), "advice")
    narrow = asked.text(width=70).splitlines()
    assert max(map(len, narrow)) <= 70
    assert narrow[2].startswith(" " * 8)
    assert " ".join(asked.text().split()) == " ".join("\n".join(narrow).split())


def test_nobody_is_advised_to_change_what_takes_milliseconds(tmp_path: Path) -> None:
    assert read(scaled(small(), 0.1), tmp_path / "short").advice()["gain_s"].max() >= 0.1
    assert read(scaled(small(), 0.01), tmp_path / "shorter").advice().empty


def test_the_impact_of_tasks_is_told_the_largest_first(records: Records, tmp_path: Path) -> None:
    records.tasks[1].start = T0 + S // 2  # before db
    run = read(records, tmp_path)
    assert run.tasks["name"].tolist() == ["osc", "db", "late"]
    assert run.impact()["name"].tolist() == ["db", "osc", "late"]


def test_what_a_task_starts_while_the_main_shell_waits_for_it_leads_back_to_that_task(
    tmp_path: Path,
) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [task("outer", 1, 6), task("inner", 3, 10)]  # of a log that tells no starter
    wait(made, 0, 2, 6, "10-a.sh", "stack install")
    wait(made, 1, 7, 10, "10-a.sh", "stack install")
    run = read(made, tmp_path)
    assert path_of(run) == [
        ("10-a.sh", 0, 1), ("outer", 1, 3), ("inner", 3, 10), ("10-a.sh", 10, 12),
    ]  # fmt: skip
    assert run.what_if(faster={"outer": 2}) == 11.0  # so it starts inner a second earlier


def test_a_task_that_waits_for_one_which_another_started_is_held_as_long_as_recorded(
    tmp_path: Path,
) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [task("one", 1, 9), task("other", 1, 8), task("inner", 2, 7, by="other")]
    wait(made, 0, 1, 9, "10-a.sh", "stack install")
    wait(made, 2, 3, 7, "10-a.sh", "stack install")
    made.waits[-1].by = "one"
    made.inner_waits, made.waits = made.waits[1:], made.waits[:1]
    run = read(made, tmp_path)
    assert run.what_if() == run.what_if(faster={"inner": 4}) == 12.0
    assert run.what_if(faster={"one": math.inf}) == 8.0  # of its 8 s, 4 are the wait


def test_of_several_waits_within_a_task_the_last_to_end_let_it_go_on(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [hook("10-a.sh", "stack install", 0, 12)]
    made.tasks = [
        task("outer", 1, 10), task("long", 2, 8, by="outer"), task("short", 2.5, 5, by="outer")
    ]  # fmt: skip
    wait(made, 0, 2, 10, "10-a.sh", "stack install")
    for index in (1, 2):  # by one async_wait, long first
        wait(made, index, 3, 8, "10-a.sh", "stack install")
        made.waits[-1].by = "outer"
    made.inner_waits, made.waits = made.waits[1:], made.waits[:1]
    assert path_of(read(made, tmp_path)) == [
        ("10-a.sh", 0, 1), ("outer", 1, 2), ("long", 2, 8), ("outer", 8, 10), ("10-a.sh", 10, 12),
    ]  # fmt: skip
