"""Random schedules, written as logs and read back: the figures must be those of the schedule."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field, replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writerun import write_run

from stacknb.timing import Run, load
from stacknb.timing.program import Job, Op, Program, program
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord
from stacknb.timing.replay import replay, shrinks

PHASES = ["override_defaults", "source", "stack pre-install", "stack install", "stack extra"]
BEGIN = 1_790_000_000_000_000

times = st.integers(min_value=0, max_value=5_000_000)


@dataclass
class Schedule:
    """A main shell that works, starts tasks and waits for them; time goes on as told."""

    records: Records = field(default_factory=lambda: Records("schedule", "run", cores=2))
    now: int = BEGIN
    phase: str = ""
    hook: str = ""
    uncollected: list[int] = field(default_factory=list)

    def start_task(self, name: str, length: int, held: int, exit_code: int) -> None:
        if any(self.records.tasks[i].name == name for i in self.uncollected):
            return
        self.uncollected.append(len(self.records.tasks))
        task = TaskRecord(
            name,
            f"do {name}",
            self.phase,
            self.hook,
            "failed" if exit_code else "ok",
            exit_code,
            start=self.now + held,
            end=self.now + held + length,
            queued=self.now,
            cpu=length // 2,
            host="here",
        )
        self.records.tasks.append(task)

    def start_within(self, outer: int, inner: list[tuple[int, int, int, str]]) -> None:
        """Let a task start others one after the other, and wait for some before it goes on."""
        records, by, at = self.records, self.records.tasks[outer], self.records.tasks[outer].start
        last, made = at or 0, []
        for own, length, shown, waited in inner:
            last += own + 1
            task = replace(by, name=f"{by.name}-{outer}-{len(made)}", by=by.name, queued=None)
            task.start, task.end = last, last + length
            made.append(task)
            if waited != "never":
                waited_for = made[-1 if waited == "at once" else 0]
                wait = WaitRecord(waited_for.name, last, 0, self.phase, self.hook, by=by.name)
                wait.end = last = max(last, waited_for.end or 0) + shown
                wait.task = len(records.tasks) + made.index(waited_for)
                records.inner_waits.append(wait)
        by.end = last + 1 + (by.end or 0) - (at or 0)  # it ends after what it waited for
        records.tasks += made

    def wait(self, which: int) -> None:
        if not self.uncollected:
            return
        index = self.uncollected.pop(which % len(self.uncollected))
        task = self.records.tasks[index]
        wait = WaitRecord(task.name, self.now, max(self.now, task.end or 0), self.phase, self.hook)
        wait.exit_code, wait.task = task.exit_code, index
        self.now = wait.end or 0
        self.records.waits.append(wait)


steps = st.one_of(
    st.tuples(st.just("work"), times),
    st.tuples(
        st.just("task"), st.sampled_from("abcdef"), times, st.sampled_from([0, 0, 0, 700, 900_000]),
        st.sampled_from([0, 0, 3]),
    ),
    st.tuples(st.just("wait"), st.integers(0, 5)),
)  # fmt: skip
hooks = st.tuples(times, st.lists(steps, max_size=8))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    made = Schedule()
    made.records.jobs = draw(st.sampled_from([None, 1, 2]))
    for made.phase in PHASES[: draw(st.integers(1, len(PHASES)))]:
        for number, (gap, todo) in enumerate(draw(st.lists(hooks, min_size=1, max_size=3))):
            made.now += gap + 1  # two hooks never begin at the same moment
            made.hook = f"{number}0-hook.sh"
            record = HookRecord(made.hook, made.phase, made.hook, "ok", 0, made.now, host="here")
            made.records.hooks.append(record)
            for kind, *rest in todo:
                if kind == "work":
                    made.now += rest[0]
                elif kind == "task":
                    made.start_task(*rest)
                else:
                    made.wait(*rest)
            record.end, record.cpu = made.now, 0
    return made


@st.composite
def nested_schedules(draw: st.DrawFn) -> Schedule:
    """Return a schedule of which some tasks start others, and wait for them."""
    made = Schedule(phase="stack install", hook="50-api.sh")
    made.records.jobs = draw(st.sampled_from([None, 1, 2]))
    hook = HookRecord(made.hook, made.phase, made.hook, "ok", 0, made.now, host="here")
    made.records.hooks.append(hook)
    waits = st.sampled_from(["at once", "for the first", "never"])
    inner = st.lists(st.tuples(times, times, times, waits), max_size=4)
    for kind, *rest in draw(st.lists(steps, max_size=8)):
        made.now += 1
        count = len(made.records.tasks)
        if kind == "work":
            made.now += rest[0]
        elif kind == "wait":
            made.wait(*rest)
        else:
            made.start_task(*rest)
        if len(made.records.tasks) > count:
            made.start_within(count, draw(inner))
    hook.end, hook.cpu = made.now, 0
    return made


def written(records: Records) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        return load(write_run(records, folder))


def micros(values: pd.Series) -> list[int | None]:
    return [None if pd.isna(v) else round(v.timestamp() * 1e6) for v in values]


@given(schedules())
@settings(max_examples=40)
def test_the_frames_equal_the_schedule(made: Schedule) -> None:
    run = written(made.records)
    assert run.problems.empty
    frame = run.tasks
    assert frame["start"].is_monotonic_increasing
    columns = [frame[name] for name in ("name", "command", "phase", "hook", "status", "exit_code")]
    found = zip(*columns, micros(frame["start"]), micros(frame["end"]), strict=True)
    assert sorted(found) == sorted(
        (t.name, t.command, t.phase, t.hook, t.status, t.exit_code, t.start, t.end)
        for t in made.records.tasks
    )
    assert [hook.name for hook in made.records.hooks] == list(run.hooks["hook"])
    assert [hook.start for hook in made.records.hooks] == micros(run.hooks["start"])
    assert [hook.end for hook in made.records.hooks] == micros(run.hooks["end"])
    begun, ended = micros(run.waits["wait_start"]), micros(run.waits["wait_end"])
    assert sorted((w.name, w.start, w.end) for w in made.records.waits) == sorted(
        zip(run.waits["name"], begun, ended, strict=True)
    )
    assert list(run.phases["phase"]) == list(dict.fromkeys(h.phase for h in made.records.hooks))


@given(schedules())
@settings(max_examples=40)
def test_each_task_row_follows_from_its_four_times(made: Schedule) -> None:
    for row in written(made.records).tasks.itertuples():
        assert row.duration_s == pytest.approx((row.end - row.start).total_seconds(), abs=1e-9)
        if pd.isna(row.wait_start):
            assert row.hidden_s == row.duration_s
            assert pd.isna(row.slack_s)
            continue
        waited = (row.wait_end - row.wait_start).total_seconds()
        assert row.wait_s == pytest.approx(waited, abs=1e-9)
        late = (row.wait_start - row.end).total_seconds()
        assert row.slack_s == pytest.approx(max(0.0, late), abs=1e-9)
        seen = (row.end - max(row.wait_start, row.start)).total_seconds()
        assert row.hidden_s == pytest.approx(row.duration_s - max(0.0, seen), abs=1e-9)


@given(schedules())
@settings(max_examples=40)
def test_a_phase_is_work_and_waits_and_what_is_unaccounted(made: Schedule) -> None:
    phases = written(made.records).phases
    total = phases["work_s"] + phases["wait_s"] + phases["unaccounted_s"]
    assert list(total) == pytest.approx(list(phases["duration_s"]), abs=1e-9)
    assert (phases[["work_s", "wait_s", "unaccounted_s", "after_s"]] >= 0).all(axis=None)
    for column, records in (("hooks", made.records.hooks), ("tasks", made.records.tasks)):
        named = [record.phase for record in records]
        assert list(phases[column]) == [named.count(name) for name in phases["phase"]]


@given(schedules())
@settings(max_examples=40)
def test_the_critical_path_adds_up_to_the_elapsed_time(made: Schedule) -> None:
    run = written(made.records)
    path = run.critical_path()
    assert path["duration_s"].sum() == pytest.approx(run.elapsed_s, abs=1e-6)
    if len(path):
        assert path["start"].iloc[0] == run.start
        assert path["end"].iloc[-1] == run.end
        assert list(path["start"].iloc[1:]) == list(path["end"].iloc[:-1])
        assert (path["duration_s"] > 0).all()
    phases = list(zip(run.phases["start"], run.phases["phase"], strict=True))
    for part in path[~path["kind"].isin(["task", "queued"])].itertuples():
        assert part.phase == max((start, name) for start, name in phases if start <= part.start)[1]


@given(schedules() | nested_schedules())
@settings(max_examples=80)
def test_a_replay_of_what_was_recorded_is_the_record(made: Schedule) -> None:
    records = written(made.records).records
    again = replay(program(records))
    assert again.end == records.end
    assert again.begun == {i: task.start for i, task in enumerate(records.tasks)}
    assert again.ended == {i: task.end for i, task in enumerate(records.tasks)}


@given(schedules() | nested_schedules())
@settings(max_examples=80)
def test_only_tasks_on_the_critical_path_can_shrink_the_run(made: Schedule) -> None:
    run = written(made.records)
    expected = [run.what_if(faster={name: math.inf}).saved_s for _, name in run.records.task_names]
    found = shrinks(program(run.records), range(len(expected)))
    assert [micros / 1e6 for micros in found] == pytest.approx(expected, abs=1e-9)
    by_log = dict(zip(run.impact()["log"], run.impact()["shrink_s"], strict=True))
    assert [by_log[task.log] for task in run.records.tasks] == pytest.approx(expected, abs=1e-9)


def test_a_task_that_takes_no_time_still_waits_for_what_nobody_knows() -> None:
    ops = [Op("spawn", task=0), Op("wait", task=0)]
    made = Program(0, 12, ops, {0: Job([Op("work", 5, 0), Op("pause", 7)])})
    assert replay(made).elapsed == 12
    assert [*shrinks(made, [0])] == [5]


@given(nested_schedules(), st.sampled_from([1, 2, 8]))
@settings(max_examples=40)
def test_a_task_made_faster_shortens_the_run_by_no_more_than_it_takes(
    made: Schedule, factor: int
) -> None:
    run = written(made.records)
    for (_, name), task in zip(run.records.task_names, run.records.tasks, strict=True):
        own = ((task.end or 0) - (task.start or 0)) / 1e6
        saved = [run.what_if(faster={name: f}).saved_s for f in (factor, 2 * factor, math.inf)]
        assert -1e-5 <= saved[0] <= saved[1] + 1e-5 <= saved[2] + 2e-5 <= own + 1e-4


@given(schedules())
@settings(max_examples=40)
def test_summary_follows_devstacks_formula(made: Schedule) -> None:
    run = written(made.records)
    figures, tasks = run.summary(), run.tasks
    collected = tasks[tasks["wait_start"].notna()]
    assert figures["background_s"] == pytest.approx(collected["duration_s"].sum(), abs=1e-6)
    assert figures["waited_s"] == pytest.approx(run.waits["wait_s"].sum(), abs=1e-6)
    assert figures["serial_s"] == pytest.approx(
        figures["elapsed_s"] + figures["background_s"] - figures["waited_s"], abs=1e-6
    )
    if figures["elapsed_s"]:
        assert figures["speedup"] == pytest.approx(figures["serial_s"] / figures["elapsed_s"])
    assert figures["work_s"] >= figures["busy_s"] - 1e-6
