"""What other tools read: Chrome traces, JUnit reports, CSV, JSON, Parquet."""

from __future__ import annotations

import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from writerun import write_run

from stacknb.exceptions import BadInput
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing import Run, load
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord

T0 = 1_790_000_000_000_000
S = 1_000_000
FAILED = "2026-09-21 15:59:59.999 | ++ ./stack.sh:exit_trap:541     :   local r=1\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Five tasks of every kind of end, in one hook of 10 s."""
    made = Records("", "run")
    made.hooks = [
        HookRecord("50-api.sh", "stack install", "/t/50-api.sh", "ok", 0, T0, T0 + 10 * S),
        HookRecord("60-x.sh", "stack extra", "/t/60-x.sh", "failed", 2, T0 + 10 * S, T0 + 12 * S),
    ]
    ends = {"good": 0, "bad": 3, "slow": 143, "gone": None, "late": 0}
    for number, (name, code) in enumerate(ends.items()):
        task = TaskRecord(name, f"do {name}", "stack install", "50-api.sh", exit_code=code)
        task.start = T0 + number * S
        task.end = None if code is None else T0 + (number + 4) * S
        task.status = "timeout" if name == "slow" else ""
        made.tasks.append(task)
    made.waits = [WaitRecord("good", T0 + 2 * S, T0 + 4 * S, "stack install", "50-api.sh", 0, 0)]
    outputs = {"bad": b"line 1\n\x1b[31mred\x00 \xff <&>\n"}
    return load(write_run(made, tmp_path / "run", outputs=outputs))


def trace_problems(document: dict[str, Any]) -> list[str]:
    """Return what the Trace Event Format forbids: unknown types, bad times, crossing slices."""
    found = []
    lanes: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in document["traceEvents"]:
        if event["ph"] not in {"X", "M", "C"}:
            found.append(f"type {event['ph']}")
        if not isinstance(event["name"], str) or not isinstance(event["pid"], int):
            found.append(f"name or pid of {event}")
        if event["ph"] == "M":
            if event["name"] not in {"process_name", "thread_name"} or not event["args"]["name"]:
                found.append(f"metadata {event}")
            continue
        if not event["ts"] >= 0:
            found.append(f"time of {event}")
        if event["ph"] == "C":
            if not all(isinstance(value, int) for value in event["args"].values()):
                found.append(f"counter {event}")
            continue
        if not event["dur"] >= 0 or not isinstance(event["tid"], int):
            found.append(f"duration or thread of {event}")
        lanes.setdefault((event["pid"], event["tid"]), []).append(
            (event["ts"], event["ts"] + event["dur"])
        )
    for lane, slices in lanes.items():
        open_until: list[float] = []
        for start, end in sorted(slices, key=lambda one: (one[0], -one[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            if open_until and end > open_until[-1]:
                found.append(f"slices of lane {lane} cross at {start}")
            open_until.append(end)
    return found


def test_a_trace_holds_every_hook_task_and_wait_and_keeps_to_the_format(
    run: Run, tmp_path: Path
) -> None:
    document = json.loads(run.to_trace(tmp_path / "trace.json").read_text())
    assert trace_problems(document) == []
    slices = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert [(e["cat"], e["name"], e["ts"], e["dur"]) for e in slices if e["cat"] == "task"] == [
        ("task", "good", 0, 4 * S),
        ("task", "bad", 1 * S, 4 * S),
        ("task", "slow", 2 * S, 4 * S),
        ("task", "gone", 3 * S, 9 * S),
        ("task", "late", 4 * S, 4 * S),
    ]
    assert {e["name"] for e in slices if e["cat"] == "hook"} == {"50-api.sh", "60-x.sh"}
    assert {e["name"] for e in slices if e["cat"] == "phase"} == {"stack install", "stack extra"}
    assert {e["name"] for e in slices if e["cat"] == "wait"} == {"wait for good"}
    lanes = {e["name"]: e["tid"] for e in slices if e["cat"] == "task"}
    assert lanes["late"] == lanes["good"], "a lane that is free is used again"
    assert len(set(lanes.values())) == 4
    counts = [e["args"]["running"] for e in document["traceEvents"] if e["ph"] == "C"]
    assert (max(counts), counts[-1]) == (4, 0)
    assert document["otherData"]["start_s"] == T0 / S


def test_a_junit_report_tells_what_failed_and_shows_its_end(run: Run, tmp_path: Path) -> None:
    root = ET.parse(run.to_junit(tmp_path / "report.xml")).getroot()
    assert root.tag == "testsuites"
    totals = {key: root.get(key) for key in ("tests", "failures", "errors")}
    assert totals == {"tests": "7", "failures": "3", "errors": "1"}
    assert [suite.get("name") for suite in root] == ["stack install", "stack extra"]
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert float(cases["good"].get("time", "")) == 4.0
    assert len(cases["good"]) == 0
    assert cases["bad"][0].tag == "failure"
    assert cases["bad"][0].get("message") == "failed with status 3"
    assert cases["bad"][0].text == "line 1\n�[31mred� \\xff <&>\n"
    assert cases["gone"][0].tag == "error"
    assert cases["slow"][0].get("type") == "timeout"


def test_a_junit_report_is_one_that_the_schema_of_jenkins_takes(run: Run, tmp_path: Path) -> None:
    root = ET.parse(run.to_junit(tmp_path / "report.xml")).getroot()
    # junit-10.xsd of its xUnit plugin, which refuses a whole report for one attribute
    assert set(root.keys()) <= {"name", "time", "tests", "failures", "errors"}
    for suite in root:
        counts = {"tests", "failures", "errors", "skipped"}
        assert counts | {"name"} <= set(suite.keys()) <= counts | {"name", "time", "timestamp"}
    cases = [set(case.keys()) for case in root.iter("testcase")]
    assert cases == 7 * [{"name", "classname", "time"}]
    times = [part.get("time", "0.000") for part in root.iter()]
    assert [time for time in times if not re.fullmatch(r"[0-9]+\.[0-9]{3}", time)] == []


def test_a_junit_report_names_the_signal_that_interrupted_a_hook(tmp_path: Path) -> None:
    made = Records("", "run")
    made.hooks = [HookRecord("60-x.sh", "stack extra", "", "failed", 130, T0, T0 + 2 * S)]
    root = ET.parse(load(write_run(made, tmp_path / "run")).to_junit(tmp_path / "r.xml")).getroot()
    assert [end.get("message") for end in root.iter("failure")] == [
        "failed with status 130 (SIGINT)"
    ]


@pytest.mark.parametrize(
    ("end", "tag", "said"),
    [
        (FAILED, "failure", "stack.sh ended with status 1"),
        ("", "error", "the log ends before stack.sh does"),
    ],
)
def test_a_junit_report_is_not_green_where_stack_failed_outside_of_its_hooks(
    tmp_path: Path, end: str, tag: str, said: str
) -> None:
    path = tmp_path / "stack.sh.log"
    write_devstack_log(path, lines=3000, start=T0 // S)
    before, _, _ = path.read_text().partition("run_phase stack post-config")
    path.write_text(before[: before.rindex("\n") + 1] + end)
    root = ET.parse(load(path).to_junit(tmp_path / "report.xml")).getroot()
    assert int(root.get(f"{tag}s", "0")) > 0
    [case] = root.findall("testsuite[@name='stack.sh']/testcase")
    assert [(part.tag, part.get("message")) for part in case] == [(tag, said)]
    assert "the last phase that began was 'stack install'" in (case[0].text or "")
    assert said in load(path).to_html(tmp_path / "report.html").read_text()


def test_a_junit_report_counts_a_hook_that_ended_stack_once(tmp_path: Path) -> None:
    path = tmp_path / "stack.sh.log"
    write_devstack_log(path, lines=3000, start=T0 // S)
    lines = path.read_text().splitlines(keepends=True)
    begun = next(n for n, line in enumerate(lines) if re.search(r"source \S+\.sh stack ", line))
    path.write_text("".join(lines[: begun + 1]) + FAILED)
    run = load(path)
    assert run.hooks["status"].tolist()[-1] == "failed"
    root = ET.parse(run.to_junit(tmp_path / "report.xml")).getroot()
    assert root.get("failures") == "1"
    assert root.find("testsuite[@name='stack.sh']") is None


def test_a_junit_report_of_a_stack_that_ended_well_has_hooks_and_tasks_alone(
    tmp_path: Path,
) -> None:
    truth = write_devstack_log(tmp_path / "stack.sh.log", lines=3000, start=T0 // S)
    root = ET.parse(load(tmp_path / "stack.sh.log").to_junit(tmp_path / "report.xml")).getroot()
    assert root.get("tests") == str(len(truth.hooks) + len(truth.tasks))
    assert {root.get("failures"), root.get("errors")} == {"0"}


def test_csv_files_hold_the_frames(run: Run, tmp_path: Path) -> None:
    files = run.to_csv(tmp_path / "out")
    assert [file.name for file in files] == ["tasks.csv", "hooks.csv", "phases.csv", "waits.csv"]
    back = pd.read_csv(files[0])
    assert back["name"].tolist() == run.tasks["name"].tolist()
    assert back["duration_s"].tolist()[:3] == [4.0, 4.0, 4.0]
    assert pd.to_datetime(back["start"]).tolist() == run.tasks["start"].tolist()


def test_a_json_document_holds_all_and_null_for_what_is_unknown(run: Run, tmp_path: Path) -> None:
    document = json.loads(run.to_json(tmp_path / "run.json").read_text())
    assert document["summary"]["elapsed_s"] == 12.0
    assert document["summary"]["cpu_s"] is None
    gone = next(task for task in document["tasks"] if task["name"] == "gone")
    assert (gone["end"], gone["duration_s"], gone["status"]) == (None, None, "lost")
    assert gone["start"].startswith("2026-09-21T14:13:23.000000")
    assert len(document["waits"]) == 1


def test_parquet_files_hold_the_frames_with_their_dtypes(run: Run, tmp_path: Path) -> None:
    files = run.to_parquet(tmp_path / "out")
    assert [file.stem for file in files] == ["tasks", "hooks", "phases", "waits"]
    for file in files:
        back, frame = pd.read_parquet(file), getattr(run, file.stem)
        assert [*back.columns] == [*frame.columns]
        for column in frame.columns:
            assert back[column].isna().equals(frame[column].isna())
            known = frame[column].notna()
            assert back[column][known].tolist() == frame[column][known].tolist()
        assert back.dtypes.astype(str).tolist() == frame.dtypes.astype(str).tolist()


def test_without_pyarrow_it_is_said_what_lacks(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"need 'pyarrow', .*: pip install 'stacknb\[parquet\]'"):
        run.to_parquet(tmp_path / "out")
    assert not (tmp_path / "out").exists()
