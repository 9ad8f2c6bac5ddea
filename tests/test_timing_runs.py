"""Run directories, bare folders and single logs, whole and broken, as files on a disk."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import socket
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stacknb.exceptions import BadInput, LogError
from stacknb.run import closing
from stacknb.rundir.journal import RunDir
from stacknb.timing import compare, load
from stacknb.timing.answers import answer

RUN = "20261122T151600Z-stack-1f3a9c"
T0 = 1_763_900_000.0
NOBODY = 4_194_400  # larger than any pid

TASK_COLUMNS = {
    "name": "string",
    "command": "string",
    "phase": "string",
    "hook": "string",
    "status": "string",
    "exit_code": "Int64",
    "start": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",
    "duration_s": "float64",
    "wait_start": "datetime64[us, UTC]",
    "wait_end": "datetime64[us, UTC]",
    "wait_s": "float64",
    "hidden_s": "float64",
    "slack_s": "float64",
    "cpu_s": "float64",
    "host": "string",
    "log": "string",
}


def header(name: str, start: float | str | None, **more: Any) -> dict[str, Any]:
    return {
        "kind": "task",
        "name": name,
        "command": ["do", name],
        "phase": "stack install",
        "hook": "50-api.sh",
        "start": start,
        "pid": NOBODY,
        "host": "h",
        "run": RUN,
        **more,
    }


def write(path: Path, head: dict[str, Any], output: str = "", **foot: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"#stacknb-begin {json.dumps(head)}\n{output}"
    if foot:
        footer = {"exit_code": 0, "user_s": 0.25, "sys_s": 0.5, "run": RUN, **foot}
        text += f"\n#stacknb-end {json.dumps(footer)}\n"
    path.write_text(text)
    return path


def task(run: Path, name: str, start: float, end: float | None = None, **foot: Any) -> Path:
    ended = {} if end is None else {"end": T0 + end, **foot}
    return write(run / "async" / f"{name}.log", header(name.partition(".")[0], T0 + start), **ended)


def hook(run: Path, phase: str, name: str, start: float, end: float | None, **more: Any) -> Path:
    head = header(name, T0 + start, kind="hook", phase=phase, hook=name, **more)
    head["command"] = [f"/tree/extras.d/{name}", *phase.split()]
    ended = {} if end is None else {"end": T0 + end}
    return write(run / "hooks" / phase.replace(" ", "-") / f"{name}.log", head, **ended)


def waits(run: Path, *rows: dict[str, Any] | str) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (run / "waits.jsonl").write_text("".join(line + "\n" for line in lines))


def wait(name: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    place = {"phase": "stack install", "hook": "50-api.sh"}
    return {"name": name, "wait_start": T0 + start, "wait_end": T0 + end, **place, **more}


def problems(path: Path) -> dict[str, int]:
    found = load(path).problems
    return dict(zip(found["problem"], found["count"], strict=True))


def test_a_small_run_is_read_to_the_microsecond(tmp_path: Path) -> None:
    hook(tmp_path, "stack install", "50-api.sh", 0, 10)
    task(tmp_path, "db", 1.123456, 4.5)
    task(tmp_path, "osc", 2, 3, exit_code=3)
    waits(tmp_path, wait("osc", 3.5, 3.5), wait("db", 4, 4.6, log="async/db.log", run=RUN))
    run = load(tmp_path)
    assert run.tasks.dtypes.astype(str).to_dict() == TASK_COLUMNS
    assert list(run.tasks.columns) == list(TASK_COLUMNS)
    db, osc = run.tasks.iloc[0], run.tasks.iloc[1]
    assert db["start"] == pd.Timestamp("2025-11-23T12:13:21.123456Z")
    assert db["command"] == "do db"
    assert db["duration_s"] == pytest.approx(3.376544)
    assert (db["wait_s"], db["hidden_s"], db["slack_s"]) == pytest.approx((0.6, 2.876544, 0.0))
    assert db["cpu_s"] == 0.75
    assert (osc["status"], osc["exit_code"], osc["slack_s"]) == ("failed", 3, 0.5)
    phase = run.phases.iloc[0]
    assert phase["work_s"] == pytest.approx(9.4)
    assert phase["wait_s"] == pytest.approx(0.6)
    assert phase["waited_for"] == "db 0.60 s"
    assert run.hooks.loc[0, "path"] == "/tree/extras.d/50-api.sh"
    assert run.problems.empty


def test_an_empty_frame_has_the_same_columns_and_dtypes(tmp_path: Path) -> None:
    hook(tmp_path, "source", "50-api.sh", 0, 1)
    run = load(tmp_path)
    assert run.tasks.dtypes.astype(str).to_dict() == TASK_COLUMNS
    assert len(run.tasks) == 0
    assert run.summary()["speedup"] == 1.0
    assert len(run.impact()) == len(run.waits) == len(run.advice()) == 0


def test_the_latest_run_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / RUN).mkdir()
    hook(tmp_path / RUN, "source", "50-api.sh", 0, 1)
    (tmp_path / "latest").symlink_to(RUN)
    run = load(tmp_path / "latest")
    assert Path(run.path) == tmp_path / RUN
    assert f"<h1>{RUN}</h1>" in run.to_html(tmp_path / "report.html").read_text()


def test_a_bare_folder_of_logs_is_enough(tmp_path: Path) -> None:
    for name, span in {"a": (0, 5), "b": (1, 9)}.items():
        write(tmp_path / f"{name}.log", header(name, T0 + span[0]), end=T0 + span[1])
    run = load(tmp_path)
    assert run.tasks["duration_s"].tolist() == [5.0, 8.0]
    assert run.tasks["hidden_s"].isna().all(), "without the waits nobody knows"
    assert run.elapsed_s == 9.0
    assert run.critical_path()["kind"].tolist() == ["unknown", "task"]
    assert len(run.advice()) == 0
    figures = run.summary()
    assert (figures["task_work_s"], figures["busy_s"], figures["max_concurrency"]) == (13, 9, 2)
    assert figures[["background_s", "waited_s", "serial_s", "speedup"]].isna().all()
    assert "waits.jsonl, which was not copied along" in answer(run, "waits").text()


def test_one_log_is_read_with_the_waits_beside_it(tmp_path: Path) -> None:
    log = task(tmp_path, "db", 0, 4)
    task(tmp_path, "other", 0, 9)
    waits(tmp_path, wait("other", 5, 9), wait("db", 3, 4, log="async/db.log"))
    run = load(log)
    assert run.tasks["name"].tolist() == ["db"]
    assert run.tasks["hidden_s"].tolist() == [3.0]
    assert load(hook(tmp_path, "source", "50-api.sh", 0, 1)).hooks["hook"].tolist() == ["50-api.sh"]


def test_the_second_task_of_a_name_gets_its_own_wait(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    task(tmp_path, "db.2", 5, 7)
    waits(tmp_path, wait("db", 2, 2), wait("db", 6, 7))
    tasks = load(tmp_path).tasks
    assert tasks["name"].tolist() == ["db", "db"]
    assert tasks["wait_s"].tolist() == [0.0, 1.0]
    assert [Path(log).name for log in tasks["log"]] == ["db.log", "db.2.log"]


def test_a_wait_that_timed_out_is_part_of_the_waiting(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 10)
    waits(tmp_path, wait("db", 1, 3), wait("db", 8, 10))
    run = load(tmp_path)
    row = run.tasks.iloc[0]
    assert (row["wait_s"], row["hidden_s"], row["slack_s"]) == (4.0, 6.0, 0.0)
    assert row["wait_start"] == pd.Timestamp(T0 + 8, unit="s", tz="UTC")
    assert run.waits["blocked_s"].tolist() == [2.0, 2.0]


def test_a_task_without_a_footer_is_lost(tmp_path: Path) -> None:
    task(tmp_path, "db", 0)
    row = load(tmp_path).tasks.iloc[0]
    assert row["status"] == "lost"
    assert pd.isna(row["end"])
    assert pd.isna(row["duration_s"])


def test_a_task_without_a_footer_that_a_wait_found_dead_is_killed(tmp_path: Path) -> None:
    task(tmp_path, "db", 0)
    waits(tmp_path, wait("db", 1, 2, exit_code=137))
    run = load(tmp_path)
    row = run.tasks.iloc[0]
    assert (row["status"], row["exit_code"]) == ("killed", 137)
    assert pd.isna(row["duration_s"])
    assert row["wait_s"] == 1.0


def test_a_task_of_a_living_process_is_running(tmp_path: Path) -> None:
    me = {"pid": os.getpid(), "host": socket.gethostname()}
    write(tmp_path / "async/db.log", header("db", T0 + 1e9, **me))
    hook(tmp_path, "source", "50-api.sh", 1e9, 1e9 + 2)
    run = load(tmp_path, now=T0 + 1e9 + 60)
    assert run.tasks["status"].tolist() == ["running"]
    assert run.going_on
    assert run.elapsed_s == pytest.approx(60)
    assert run.what_if() == run.elapsed_s
    assert "never waited for" not in set(run.advice()["kind"])


def test_a_footer_of_another_run_is_not_believed(tmp_path: Path) -> None:
    log = task(tmp_path, "db", 0)
    with log.open("a") as file:
        file.write(f'\n#stacknb-end {{"end": {T0 + 1}, "exit_code": 0, "run": "guess"}}\n')
    assert load(tmp_path).tasks["status"].tolist() == ["lost"]


def test_the_footer_of_a_task_that_still_runs_is_not_believed(tmp_path: Path) -> None:
    told = header("db", time.time(), pid=os.getpid(), host=socket.gethostname())
    write(tmp_path / "async/db.log", told, end=time.time() + 1)
    run = load(tmp_path)
    assert run.tasks["status"].tolist() == ["running"]
    assert run.tasks["end"].isna().all()
    assert run.going_on
    assert problems(tmp_path) == {"footer of a task that still runs (printed by the task?)": 1}
    waits(tmp_path, wait("db", 0, 1, exit_code=0))
    assert load(tmp_path).tasks["status"].tolist() == ["ok"], "the wait got its status"


def test_a_forged_success_before_a_kill_is_not_believed(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    waits(tmp_path, wait("db", 1, 2, exit_code=137))
    assert load(tmp_path).tasks["status"].tolist() == ["killed"]


@pytest.mark.parametrize("status", ["cancelled", "timeout", "killed"])
def test_a_footer_that_names_a_status_has_it(tmp_path: Path, status: str) -> None:
    task(tmp_path, "db", 0, 1, exit_code=143, status=status)
    row = load(tmp_path).tasks.iloc[0]
    assert (row["status"], row["exit_code"]) == (status, 143)


def test_a_header_with_bytes_that_are_no_text_is_shown_as_such(tmp_path: Path) -> None:
    text = json.dumps(header("db", T0, command=["say", "BYTES", "a b"]))
    raw = text.encode().replace(b"BYTES", b"\xff\xfe\t\x01")
    (tmp_path / "db.log").write_bytes(b"#stacknb-begin " + raw + b"\n")
    command = load(tmp_path).tasks.loc[0, "command"]
    assert command == "say '\\xff\\xfe\t\x01' 'a b'"
    command.encode()


def test_what_is_no_log_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    (tmp_path / "async/empty.log").write_text("")
    (tmp_path / "async/binary.log").write_bytes(bytes(range(256)))
    (tmp_path / "async/half.log").write_text('#stacknb-begin {"kind": "ta')
    write(tmp_path / "async/odd.log", header("odd", T0, kind="poem"))
    write(tmp_path / "async/when.log", header("when", "yesterday"), end=T0)
    write(tmp_path / "async/end.log", header("end", T0), end="later")
    waits(tmp_path, "{broken", wait("db", 1, 1), "[1]", {"name": "db"})
    assert problems(tmp_path) == {
        "file without a header": 3,
        "log of an unknown kind": 1,
        "malformed line in waits.jsonl": 2,
        "wait without a start time in waits.jsonl": 1,
        "header without a start time": 1,
        "footer without an end time": 1,
    }
    tasks = load(tmp_path).tasks.set_index("name")
    assert tasks["duration_s"].dropna().to_dict() == {"db": 1.0}
    assert tasks["status"].to_dict() == {"db": "ok", "end": "ok", "when": "ok"}


def test_a_line_that_is_being_written_is_no_problem(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    (tmp_path / "waits.jsonl").write_text(json.dumps(wait("db", 1, 1)) + '\n{"name": "o')
    assert problems(tmp_path) == {}


def test_a_clock_that_went_backwards_makes_no_negative_time(tmp_path: Path) -> None:
    hook(tmp_path, "source", "50-api.sh", 10, 4)
    task(tmp_path, "db", 10, 4)
    waits(tmp_path, wait("db", 6, 2))
    run = load(tmp_path)
    assert pd.isna(run.tasks.loc[0, "duration_s"])
    assert pd.isna(run.hooks.loc[0, "duration_s"])
    assert run.waits.loc[0, "wait_s"] == 0
    assert run.problems["count"].sum() == 3
    assert run.problems["problem"].str.contains("clock set back").all()
    assert run.critical_path()["duration_s"].sum() == pytest.approx(run.elapsed_s, abs=1e-6)


def test_a_clock_set_back_between_two_logs_is_told(tmp_path: Path) -> None:
    hook(tmp_path, "source", "10-a.sh", 0, 6)
    hook(tmp_path, "source", "50-api.sh", 4, 8)
    write(tmp_path / "async/db.log", header("db", T0 + 5, queued=T0 + 7), end=T0 + 6)
    assert problems(tmp_path) == {
        "hook that begins before the last one ended (clock set back?)": 1,
        "task queued after its start (clock set back?)": 1,
    }


def test_a_hook_whose_start_nobody_tells_is_in_no_phase(tmp_path: Path) -> None:
    hook(tmp_path, "source", "10-a.sh", 0, 6)
    head = header("50-api.sh", "yesterday", kind="hook", phase="stack install")
    write(tmp_path / "hooks/stack-install/50-api.sh.log", head, end=T0 + 9)
    run = load(tmp_path)
    assert run.hooks["hook"].tolist() == ["50-api.sh", "10-a.sh"]
    assert run.phases["phase"].tolist() == ["source"]


def test_waits_that_cannot_be_read_are_a_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    (tmp_path / "waits.jsonl").mkdir()
    assert problems(tmp_path) == {"file that cannot be opened": 1}
    assert load(tmp_path).tasks["name"].tolist() == ["db"]


def test_a_wait_during_which_the_clock_was_set_back_does_not_last_to_the_end(
    tmp_path: Path,
) -> None:
    hook(tmp_path, "stack install", "50-api.sh", 0, 10)
    hook(tmp_path, "stack extra", "50-api.sh", 10, 20)
    task(tmp_path, "db", 1, 3)
    waits(tmp_path, wait("db", 6, 2))
    run = load(tmp_path)
    assert run.summary()[["waited_s", "main_work_s"]].tolist() == [0, 20]
    assert run.phases["wait_s"].tolist() == [0, 0]


def test_a_second_copy_of_a_log_counts_once(tmp_path: Path) -> None:
    log = task(tmp_path, "db", 0, 1)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/db.log").write_bytes(log.read_bytes())
    run = load(tmp_path)
    assert len(run.tasks) == 1
    assert problems(tmp_path) == {"second copy of a log": 1}


def test_two_runs_mixed_are_an_error_that_names_them(tmp_path: Path) -> None:
    task(tmp_path, "a", 0, 1)
    write(tmp_path / "async/b.log", header("b", T0, run="other"), end=T0 + 2, run="other")
    with pytest.raises(LogError, match=rf"2 runs: '{RUN}' \(1 log\), 'other' \(1 log\)"):
        load(tmp_path)
    assert load(tmp_path, run="other").tasks["name"].tolist() == ["b"]
    with pytest.raises(LogError, match="no log of run 'third'"):
        load(tmp_path, run="third")


def test_a_wait_of_another_run_is_not_ours(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    waits(tmp_path, wait("db", 1, 5, run="other"))
    assert len(load(tmp_path).waits) == 0


def test_a_wait_for_a_task_whose_log_is_gone_keeps_the_task(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    waits(tmp_path, wait("gone", 1, 5, exit_code=1, log="async/gone.log"))
    run = load(tmp_path)
    row = run.tasks.set_index("name").loc["gone"]
    assert (row["status"], row["exit_code"], row["wait_s"]) == ("failed", 1, 4.0)
    assert problems(tmp_path) == {"wait for a task whose log is missing": 1}


def test_services_and_cells_are_no_tasks_and_no_hooks(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    write(tmp_path / "services/api.log", header("api", T0, kind="service"))
    write(tmp_path / "cells/1.log", header("1", T0 + 2, kind="cell"), end=T0 + 3)
    run = load(tmp_path)
    assert run.tasks["name"].tolist() == ["db"]
    assert len(run.hooks) == 0
    assert run.cells["duration_s"].tolist() == [1.0]
    assert run.elapsed_s == 3.0


def test_the_log_of_a_service_alone_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "services/api.log", header("api", T0, kind="service"))
    with pytest.raises(LogError, match="is the log of a 'service': give that of a task or a hook"):
        load(log)


def test_a_phase_that_a_crash_ended_is_measured_up_to_the_last_moment(tmp_path: Path) -> None:
    hook(tmp_path, "stack install", "10-a.sh", 0, 2)
    hook(tmp_path, "stack install", "50-api.sh", 3, None)
    task(tmp_path, "db", 4, 9)
    waits(tmp_path, wait("db", 5, 9))
    phase = load(tmp_path).phases.iloc[0]
    assert pd.isna(phase["end"])
    assert phase["duration_s"] == 9.0
    assert (phase["work_s"], phase["wait_s"], phase["unaccounted_s"]) == (4.0, 4.0, 1.0)


def test_the_cpu_time_of_a_hook_is_without_that_of_its_tasks(tmp_path: Path) -> None:
    log = tmp_path / "hooks/source/50-api.sh.log"
    head = header("50-api.sh", T0, kind="hook", phase="source", hook="50-api.sh")
    write(log, head, end=T0 + 10, user_s=3.0, sys_s=1.0)
    task(tmp_path, "db", 1, 5)
    assert load(tmp_path).hooks["cpu_s"].tolist() == [3.25]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing", None, "does not exist"),
        ("empty.log", b"", "is empty"),
        ("photo.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is no text"),
        ("syslog", b"Nov 22 15:16:00 host cron[1]: ran\n", "no line begins with a time"),
        ("cut.log.gz", b"\x1f\x8b\x08\x00", "the gzip stream ends early"),
        ("cut line.log.gz", gzip.compress(b"2026-01-31 12:00")[:-8], "the gzip stream ends early"),
    ],
)
def test_a_file_of_another_kind_is_an_error(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LogError, match=message) as caught:
        load(path)
    assert repr(str(path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_log_of_a_hook_that_never_began_is_no_problem(tmp_path: Path) -> None:
    task(tmp_path, "db", 0, 1)
    for folder in ("hooks/source", "cells"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.log").write_text("")
    assert problems(tmp_path) == {}


def test_a_folder_without_logs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.log").write_text("remember the milk\n")
    with pytest.raises(LogError, match=r"holds no log of stacknb .*: 1 × file without a header"):
        load(tmp_path)


def test_gzipped_logs_of_a_run_are_told_to_be_unpacked(tmp_path: Path) -> None:
    log = task(tmp_path, "db", 0, 1)
    packed = log.with_name("db.log.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    with pytest.raises(LogError, match=r"a log of stacknb, gzipped: unpack it first \(gunzip\)"):
        load(packed)
    with pytest.raises(LogError, match="1 × log that is gzipped: unpack it first"):
        load(tmp_path)


def test_logs_that_are_gzipped_are_named_where_others_are_not(tmp_path: Path) -> None:
    for name in ("db", "both", "api"):
        log = task(tmp_path, name, 0, 1)
        if name != "api":
            log.with_name(f"{name}.log.gz").write_bytes(gzip.compress(log.read_bytes()))
        if name == "db":
            log.unlink()
    (tmp_path / "of another.log.gz").write_bytes(gzip.compress(b"something else"))

    assert problems(tmp_path) == {"log that is gzipped: unpack it first (gunzip)": 1}


@pytest.mark.parametrize(
    ("kind", "said"),
    [("gztar", "a tar archive"), ("tar", "a tar archive"), ("zip", "a zip archive"),
     (lzma, "compressed by xz"), (bz2, "compressed by bzip2")],
)  # fmt: skip
def test_an_archive_is_told_to_be_unpacked(tmp_path: Path, kind: Any, said: str) -> None:
    log = task(tmp_path / "run", "db", 0, 1)
    if isinstance(kind, str):
        made = Path(shutil.make_archive(str(tmp_path / "made"), kind, tmp_path, "run"))
    else:
        made = tmp_path / "log.x"
        made.write_bytes(kind.compress(log.read_bytes()))
    with pytest.raises(LogError, match=f"is {said}: unpack it first"):
        load(made)


@pytest.mark.parametrize("name", ["devstacklog.txt", "devstacklog.txt.gz", "stack.sh.log.gz"])
def test_the_stack_log_among_what_a_ci_job_has_left_is_named(tmp_path: Path, name: str) -> None:
    logs = tmp_path / "controller" / "logs"
    logs.mkdir(parents=True)
    for other in ("worlddump-latest.txt", "apache.log.gz", "devstack-log-summary.txt", name):
        (logs / other).write_text("x\n")
    with pytest.raises(LogError) as caught:
        load(tmp_path)
    assert str(caught.value).endswith(f"a stack.sh log, such as {str(logs / name)!r}")
    assert "unpack" not in str(caught.value)


def test_what_is_no_path_is_an_error() -> None:
    with pytest.raises(BadInput, match="3 is no path"):
        load(3)


def test_a_wait_within_a_task_holds_up_no_hook(tmp_path: Path) -> None:
    hook(tmp_path, "stack install", "50-api.sh", 0, 10)
    task(tmp_path, "inner", 1, 6)
    task(tmp_path, "outer", 2, 8)
    waits(tmp_path, wait("inner", 2, 6.5, by="outer"), wait("outer", 7, 8.5))
    run = load(tmp_path)
    assert run.waits[["name", "by", "blocked_s"]].values.tolist() == [
        ["inner", "outer", 4.0],
        ["outer", "", 1.0],
    ]
    assert run.hooks.loc[0, ["work_s", "wait_s"]].tolist() == [8.5, 1.5]
    assert run.phases.loc[0, "waited_for"] == "outer 1.50 s"
    columns = ["name", "wait_s", "hidden_s", "slack_s"]
    assert run.tasks[columns].values.tolist() == [
        ["inner", 4.5, 5.0, 0.0],
        ["outer", 1.5, 5.0, 0.0],
    ]
    assert run.impact().set_index("name")["blocked_s"].to_dict() == {"outer": 1.0, "inner": 0.0}
    figures = run.summary()
    assert figures[["background_s", "waited_s"]].tolist() == [6, 1.5]
    assert figures["task_work_s"] == 5 + 6 - 4, "outer did nothing while it waited"
    assert float(run.what_if()) == 10
    assert float(run.what_if(faster={"inner": 5})) == 9, "then outer is over when it is waited for"
    assert float(run.what_if(faster={"inner": 1})) == 10
    assert float(run.what_if(faster={"inner": 0.5})) == 15
    # Its own work, the last 2 s, not what it waited for.
    assert run.what_if(faster={"outer": 2}).saved_s == 1
    assert run.what_if(faster={"outer": 4, "inner": 5}).saved_s == 1
    assert "never waited for" not in set(run.advice()["kind"])


@pytest.mark.parametrize("pid", [NOBODY, os.getpid()], ids=["killed", "going_on"])
def test_the_hook_of_a_run_that_is_not_over_waits_while_its_wait_goes_on(
    tmp_path: Path, pid: int
) -> None:
    alive = {"pid": pid, "host": socket.gethostname()}
    now = time.time() + 10  # this process began before the hook
    head = header("50-api.sh", now - 10, kind="hook", **alive)
    write(tmp_path / "hooks/stack-install/50-api.sh.log", head)
    for name, start in (("db", -9), ("osc", -8)):
        write(tmp_path / f"async/{name}.log", header(name, now + start), end=now)
    row = {"name": "db", "wait_start": now - 7, "wait_end": now - 6, "log": "async/db.log"}
    waits(tmp_path, row)
    events = [("wait-start", "db", now - 7), ("wait-start", "osc", now - 4)]
    journal = [
        {"event": kind, "time": when, "name": name, "log": f"async/{name}.log", "phase": "p"}
        for kind, name, when in events
    ]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in journal))
    run = load(tmp_path, now=now)
    assert run.going_on == (pid != NOBODY)
    assert run.waits["name"].tolist() == ["db", "osc"]
    assert run.phases.loc[0, "wait_s"] == pytest.approx(5, abs=1e-5)
    assert run.phases.loc[0, "waited_for"] == "osc 4.00 s, db 1.00 s"
    # A later session went on with the run: the wait is none of its.
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write(json.dumps({"event": "hook-start", "time": now - 1, "name": "50-api.sh"}) + "\n")
    assert load(tmp_path, now=now).waits["name"].tolist() == ["db"]


@pytest.mark.parametrize(("ended", "lasted"), [(7, 3), (None, 5)])
def test_a_wait_whose_shell_was_killed_is_kept_when_the_run_is_taken_up_again(
    tmp_path: Path, ended: int | None, lasted: int
) -> None:
    hook(tmp_path, "stack install", "50-api.sh", 0, None)
    hook(tmp_path, "stack install", "50-api.sh.2", 10, 12)
    task(tmp_path, "db", 1, ended)
    # It was collected when the run was taken up, before a hook ran.
    waits(tmp_path, wait("db", 9, 9, log="async/db.log", exit_code=143))
    event = {"event": "wait-start", "time": T0 + 4, "name": "db", "log": "async/db.log"}
    later = {"event": "hook-start", "time": T0 + 10, "name": "50-api.sh"}
    journal = "".join(json.dumps(one) + "\n" for one in (event, later))
    (tmp_path / "journal.jsonl").write_text(journal)
    run = load(tmp_path)
    assert run.waits["wait_s"].tolist() == [lasted, 0]
    assert run.summary()["waited_s"] == lasted
    if ended:
        assert run.tasks.loc[0, "hidden_s"] == 3


def test_a_wait_whose_log_is_no_name_breaks_nothing(tmp_path: Path) -> None:
    write(tmp_path / "hooks/source/50-api.sh.log", header("50-api.sh", T0, kind="hook"))
    task(tmp_path, "db", 0, 1)
    waits(tmp_path, wait("db", 1, 2, log=["async/db.log"]))
    event = {"event": "wait-start", "time": T0 + 3, "name": "db", "log": {"a": 1}}
    (tmp_path / "journal.jsonl").write_text(json.dumps(event) + "\n")
    assert len(load(tmp_path).records.not_started) == 2


def test_a_wait_that_an_interrupt_cut_short_lasts_to_the_end_of_its_hook(tmp_path: Path) -> None:
    head = header("50-api.sh", T0, kind="hook")
    log = tmp_path / "hooks/stack-install/50-api.sh.log"
    write(log, head, end=T0 + 10, exit_code=130)
    hook(tmp_path, "stack extra", "60-b.sh", 20, 30)
    for name in ("db", "osc", "mine"):
        task(tmp_path, name, 1, 11)
    waits(tmp_path, wait("osc", 2, 3, log="async/osc.log"))
    events = [
        ("wait-start", "osc", 2), ("wait-start", "db", 4), ("hook-end", "50-api.sh", 10.5),
        ("wait-start", "mine", 21), ("wait-start", "osc", 21), ("wait-end", "mine", 22),
        ("wait-end", "osc", 22), ("run-end", "stack", 30),
    ]  # fmt: skip
    lines = [
        {"event": kind, "time": T0 + when, "name": name, "log": f"async/{name}.log"}
        for kind, name, when in events
    ]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in lines))
    run = load(tmp_path)
    assert run.waits["name"].tolist() == ["osc", "db"]
    assert run.waits["wait_s"].tolist() == pytest.approx([1, 6])
    assert run.hooks.loc[0, "wait_s"] == pytest.approx(7)
    assert run.hooks.loc[0, "work_s"] == pytest.approx(3)
    assert run.problems.empty


def test_a_phase_that_was_run_again_after_a_crash_ends_with_its_last_hook(tmp_path: Path) -> None:
    hook(tmp_path, "stack install", "50-api.sh", 0, None)
    again = hook(tmp_path / "again", "stack install", "50-api.sh", 5, 8)
    again.rename(tmp_path / "hooks/stack-install/50-api.sh.2.log")
    hook(tmp_path, "stack extra", "50-api.sh", 9, 12)
    run = load(tmp_path)
    assert run.phases[["duration_s", "work_s", "after_s"]].values.tolist() == [[8, 8, 1], [3, 3, 0]]
    trace = json.loads(run.to_trace(tmp_path / "trace.json").read_text())["traceEvents"]
    lengths = [event["dur"] for event in trace if event.get("cat") == "hook"]
    assert lengths == [5_000_000, 3_000_000, 3_000_000], "one after the other"
    cases = ET.parse(run.to_junit(tmp_path / "j.xml")).findall("*/testcase")
    assert [(case.get("name"), [part.tag for part in case]) for case in cases] == [
        ("50-api.sh", ["flakyError"]),
        ("50-api.sh", []),
    ]


def test_a_task_that_waits_for_one_held_back_is_not_busy(tmp_path: Path) -> None:
    task(tmp_path, "outer", 0, 8)
    task(tmp_path, "inner", 5, 6)
    waits(tmp_path, wait("inner", 1, 6, by="outer"))
    figures = load(tmp_path).summary()
    assert figures[["work_s", "busy_s"]].tolist() == [4, 4]


def resumed(run: Path, mended: float = 100, of_first: float | None = 4) -> None:
    """Write a run whose second hook ended the shell; another shell went on with it."""
    hook(run, "stack install", "10-a.sh", 0, 2)
    hook(run, "stack install", "50-api.sh", 2, of_first)
    task(run, "db", 1, 6)
    folder, again = run / "hooks/stack-install", header("50-api.sh", T0 + mended, pid=NOBODY + 1)
    again |= {"kind": "hook", "phase": "stack install"}
    write(folder / "50-api.sh.2.log", again, end=T0 + mended + 3)
    hook(run, "stack test-config", "10-a.sh", mended + 3, mended + 4, pid=NOBODY + 1)
    waits(run, wait("db", mended + 1, mended + 1))


def test_the_time_that_a_run_stood_still_is_told_and_is_in_no_other(tmp_path: Path) -> None:
    resumed(tmp_path)
    run = load(tmp_path)
    assert run.paused_s == 94.0  # the task ran on for two seconds after the failure
    assert run.elapsed_s == 10.0
    assert run.end - run.start == pd.Timedelta(seconds=104)
    figures = run.summary()
    assert (figures["paused_s"], figures["elapsed_s"], figures["speedup"]) == (94.0, 10.0, 1.5)
    assert run.phases["duration_s"].tolist() == [9.0, 1.0]
    assert run.phases["unaccounted_s"].tolist() == [2.0, 0.0]
    path = run.critical_path()
    assert path["duration_s"].sum() == pytest.approx(10.0)
    assert path["end"].iloc[-1] == run.end
    assert run.what_if() == 10.0
    assert run.waits["wait_start"].iloc[0] == pd.Timestamp(T0 + 101, unit="s", tz="UTC")
    assert run.tasks["slack_s"].tolist() == [1.0]
    said = "The run stood still for 1 min 34 s, which does not count."
    assert answer(run, "summary").note == said
    report = ET.parse(run.to_junit(tmp_path / "junit.xml")).getroot()
    assert report.get("time") == "10.000"
    said = closing.time_stood_still(RunDir(tmp_path, RUN))
    assert said == "\n Of the elapsed time the run stood still 94 sec; timing does not count them"
    shutil.rmtree(tmp_path)  # by somebody, before the run is at its end, which it comes to
    tmp_path.mkdir()
    assert closing.time_stood_still(RunDir(tmp_path, RUN)) == ""


def test_a_killed_hook_was_at_work_until_it_last_said_something(tmp_path: Path) -> None:
    resumed(tmp_path, of_first=None)
    killed = tmp_path / "hooks/stack-install/50-api.sh.log"
    os.utime(killed, (T0 + 7, T0 + 7))
    assert load(tmp_path).paused_s == 93.0
    os.utime(killed)  # of a copy nobody can tell
    run = load(tmp_path)
    assert (run.paused_s, run.elapsed_s) == (0.0, 104.0)


def test_a_run_does_not_stand_still_while_a_task_waits_for_another(tmp_path: Path) -> None:
    resumed(tmp_path)
    task(tmp_path, "outer", 3)  # whose end nobody knows
    own = wait("outer", 101, 101, exit_code=137)
    waits(tmp_path, own, wait("db", 50, 52, by="outer", exit_code=0))
    run = load(tmp_path)
    assert run.paused_s == 92.0
    assert run.waits[["name", "by", "wait_s"]].to_numpy().tolist() == [
        ["db", "outer", 2.0],
        ["outer", "", 0.0],
    ]


def test_a_run_that_was_to_stop_between_phases_stood_still(tmp_path: Path) -> None:
    hook(tmp_path, "source", "10-a.sh", 0, 2)
    hook(tmp_path, "stack install", "10-a.sh", 3, 5)
    hook(tmp_path, "stack extra", "10-a.sh", 60, 62)
    ends = [("source", 2, {"goes_on": True}), ("stack install", 5, {})]
    events = [{"event": "phase-end", "name": n, "time": T0 + t, **more} for n, t, more in ends]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    run = load(tmp_path)
    assert (run.paused_s, run.elapsed_s) == (55.0, 7.0)
    assert run.phases["after_s"].tolist() == [1.0, 0.0, 0.0]


def test_a_comparison_does_not_count_that_a_run_stood_still_and_says_so(tmp_path: Path) -> None:
    resumed(tmp_path / "before", mended=6)
    resumed(tmp_path / "after", mended=3606)
    found = compare(tmp_path / "before", tmp_path / "after")
    assert set(found["verdict"]) == {"too little to tell"}
    after = tmp_path / "after"
    assert f"Stood still, which does not count: {after} 1 h 00 min." in found.attrs["conclusion"]
