"""Damaged logs: whatever happens to them, an error that says so, or figures that still add up."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writerun import write_run

from stacknb.exceptions import LogError
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing import Run, load
from stacknb.timing.chrome_trace import trace_events
from stacknb.timing.files import json_document
from stacknb.timing.junit import junit_report
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord

T0 = 1_790_000_000_000_000
edits = st.lists(
    st.tuples(
        st.sampled_from(["delete", "repeat", "swap", "garble", "cut", "head", "tail"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=8,
)
values = st.sampled_from(
    [None, -1, 0, 1e300, "x", [], {}, True, float("nan"), 1_790_000_000.5, 1_790_000_003.25]
)
changes = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 20), st.one_of(st.just("drop"), values)),
    min_size=1,
    max_size=6,
)


def check(run: Run) -> None:
    """Ask everything; hold what must be true of any answer."""
    path = run.critical_path()
    assert path["duration_s"].sum() == pytest.approx(run.elapsed_s, abs=1e-6)
    gaps = path["start"].iloc[1:].array - path["end"].iloc[:-1].array
    assert (gaps >= pd.Timedelta(0)).all()
    assert gaps.sum() <= pd.Timedelta(seconds=run.paused_s)
    assert run.paused_s or not gaps.sum()
    assert run.what_if() == run.elapsed_s
    for frame in run.frames.values():
        durations = frame[[name for name in frame if name.endswith("_s")]]
        assert not (durations < -1e-9).any(axis=None)
    parts = run.phases[["work_s", "wait_s", "unaccounted_s"]].sum(axis=1)
    assert list(parts) == pytest.approx(list(run.phases["duration_s"]), abs=1e-6)
    assert len(run.impact()) == len(run.tasks)
    run.advice()
    json.dumps(trace_events(run.records))
    json.dumps(json_document(run.frames, run.summary(), run.path))
    junit_report(run.records)


def damaged(lines: list[bytes], todo: list[tuple[str, int, int]]) -> bytes:
    for what, one, other in todo:
        at, to = one % len(lines), other % len(lines)
        match what:
            case "delete":
                del lines[at]
            case "repeat":
                lines.insert(to, lines[at])
            case "swap":
                lines[at], lines[to] = lines[to], lines[at]
            case "garble":
                position = other % (len(lines[at]) + 1)
                lines[at] = lines[at][:position] + b"\xff\x00" + lines[at][position + 1 :]
            case "cut":
                lines[at] = lines[at][: other % (len(lines[at]) + 1)]
            case "head":
                lines = lines[at // 4 :]
            case "tail":
                lines = lines[: max(1, len(lines) - at // 4)]
        lines = lines or [b"\n"]
    return b"".join(lines)


@pytest.fixture(scope="module")
def stack_log(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("log") / "stack.log"
    write_devstack_log(path, minutes=3, lines=1300)
    lines = path.read_bytes().splitlines(keepends=True)
    signs = (b"Async", b"run_phase", b"main", b"source /")
    return [line for line in lines if any(sign in line for sign in signs)]


@given(edits)
@settings(max_examples=60)
def test_a_damaged_stack_log_is_refused_or_adds_up(
    stack_log: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
    todo: list[tuple[str, int, int]],
) -> None:
    path = tmp_path_factory.mktemp("damage") / "stack.log"
    path.write_bytes(damaged(list(stack_log), todo))
    try:
        run = load(path)
    except LogError:
        return
    check(run)
    assert (run.profile()["self_s"] >= 0).all()


def small_run(folder: Path) -> None:
    made = Records("", "run", cores=2)
    for number in range(3):
        start = T0 + number * 1_000_000
        hook = HookRecord(f"{number}0-a.sh", "stack install", "a", "ok", 0, start, start + 900_000)
        hook.cpu = 300_000
        made.hooks.append(hook)
        task = TaskRecord(f"t{number}", "do", "stack install", hook.name, "ok", 0, start + 100_000)
        task.end, task.cpu, task.queued = start + 600_000, 200_000, start + 90_000
        made.tasks.append(task)
        wait = WaitRecord(task.name, start + 300_000, task.end, hook.phase, hook.name, 0, number)
        made.waits.append(wait)
    write_run(made, folder)


def changed(line: bytes, key: int, value: object) -> bytes:
    at = line.find(b"{")
    try:
        fields = json.loads(line[at:]) if at >= 0 else None
    except ValueError:
        fields = None
    if not fields:
        return line
    name = sorted(fields)[key % len(fields)]
    if value == "drop":
        del fields[name]
    else:
        fields[name] = value
    return line[:at] + json.dumps(fields).encode()


@given(changes)
@settings(max_examples=60)
def test_a_damaged_run_directory_is_refused_or_adds_up(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[int, int, object]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    small_run(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for which, key, value in todo:
        path = files[which % len(files)]
        lines = path.read_bytes().split(b"\n")
        index = which // len(files) % len(lines)
        lines[index] = changed(lines[index], key, value)
        path.write_bytes(b"\n".join(lines))
    try:
        run = load(folder)
    except LogError:
        return
    check(run)


@pytest.mark.parametrize("event", ['["run-end"]', '{"wait-start": 1}', "null"])
def test_a_line_of_a_journal_that_is_no_event_is_passed_over(tmp_path: Path, event: str) -> None:
    small_run(tmp_path)
    log = tmp_path / "hooks/stack-install/20-a.sh.log"
    log.write_bytes(log.read_bytes().partition(b"\n#stacknb-end")[0])  # its run was killed
    line = f'{{"event": {event}, "time": 1790000000.5, "name": "pause"}}\n'
    (tmp_path / "journal.jsonl").write_text(line)

    check(load(tmp_path))
