"""What can be asked of a finished run, through the command line and the magics."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from writerun import write_run

from stacknb import load_ipython_extension
from stacknb.cli import main
from stacknb.dispatcher import dispatcher
from stacknb.exceptions import BadInput
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.notebook import completion
from stacknb.timing import load
from stacknb.timing.answers import Answer, answer
from stacknb.timing.columns import COLUMNS
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord

T0 = 1_790_000_000_000_000
S = 1_000_000
QUESTIONS = ["tasks", "hooks", "phases", "waits", "summary", "critical-path", "advice", "impact",
             "cells", "problems"]  # fmt: skip
Said = Callable[..., tuple[int, str, str]]


def make_run(folder: Path, factor: float = 1) -> Path:
    records = Records("", "run", cores=2)
    records.hooks = [
        HookRecord("50-api.sh", "stack install", "/t/50-api.sh", "ok", 0, T0, T0 + 9 * S)
    ]
    for number, name in enumerate(("db", "web")):
        task = TaskRecord(name, f"make {name}", "stack install", "50-api.sh", "ok", 0, T0)
        task.end = T0 + round((number + 2) * factor * S)
        records.tasks.append(task)
    wait = WaitRecord("db", T0 + S, T0 + round(2 * factor * S), "stack install", "50-api.sh", 0, 0)
    records.waits = [wait]
    return write_run(records, folder)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run")
    write_devstack_log("stack.sh.log", lines=2000)
    return tmp_path


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Said:
    def call(*argv: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(argv)
        return status, *capfd.readouterr()

    return call


@pytest.mark.parametrize("what", [*QUESTIONS, "profile"])
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_each_question_is_answered_in_each_form(said: Said, what: str, form: str) -> None:
    status, out, err = said("timing", "stack.sh.log", "--what", what, "--format", form)
    assert (status, err) == (0, "")
    frame = answer(load("stack.sh.log"), what).frame
    if form == "json":
        rows = json.loads(out)
        assert len(rows) == len(frame)
        assert not rows or {*rows[0]} == {*frame.columns}
    elif form == "csv":
        back = pd.read_csv(io.StringIO(out))
        assert (len(back), [*back.columns]) == (len(frame), [*frame.columns])
    else:
        lines = out.splitlines()
        if what == "critical-path":
            telling = frame[frame["share"] >= 0.01]
            left = f"({len(frame) - len(telling)} segments below 1 % left out, "
            assert lines.pop().startswith(left)
            frame = telling
        assert len(lines) == len(frame) + 1
        heads = COLUMNS.get(what, " ".join(frame.columns)).split()
        assert lines[0].split() == heads if len(frame) else lines[0].startswith(f"no {what}")


def test_a_table_is_for_a_reader(said: Said) -> None:
    lines = said("timing", "run")[1].splitlines()
    assert lines[0].split()[:4] == ["name", "status", "phase", "hook"]
    assert "14:13:20.000" in lines[1]
    assert lines[1].split()[-2:] == ["make", "db"]
    assert "2.000" in lines[1]
    assert max(map(len, lines)) < 160


def test_figures_are_exact_in_csv_and_json(said: Said) -> None:
    rows = json.loads(said("timing", "run", "--what", "summary", "--format", "json")[1])
    figures = {row["figure"]: row["value"] for row in rows}
    assert figures["elapsed_s"] == 9.0
    assert figures["cpu_s"] is None, "not known"


def test_a_profile_is_by_line_function_or_file_or_folded_for_a_flame_graph(said: Said) -> None:
    for by, columns in (("file", 4), ("function", 5), ("line", 6)):
        out = said("timing", "stack.sh.log", "--what", "profile", "--by", by, "--format", "csv")[1]
        assert len(pd.read_csv(io.StringIO(out)).columns) == columns
    out = said("timing", "stack.sh.log", "--what", "profile", "--format", "folded")[1]
    stack, _, ms = out.splitlines()[0].rpartition(" ")
    assert stack.startswith("./stack.sh:main")
    assert ms.isdigit()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["log"], "RUN and NAME are missing; the newest run is .stacknb/runs/latest; see"),
        (["timing"], "PATH is missing; the newest run is .stacknb/runs/latest; see stacknb timing"),
        (["timing", "run", "--by", "file"], "--by 'file' is for --what profile, not for 'tasks'"),
        (["timing", "nowhere"], "'nowhere' does not exist; a run's logs are in .stacknb/runs"),
        (
            ["timing", "run", "--what", "wiats"],
            "--what: unknown value 'wiats'; did you mean 'waits'?",
        ),
        (
            ["timing", "run", "--format", "xml"],
            "--format: unknown value 'xml'; there are table, csv",
        ),
        (["timing", "run", "--what", "profile"], "'{here}/run' has no times in its output"),
        (["timing", "run", "--format", "folded"], "--format 'folded' is for --what profile, not"),
        (["compare", "run", "run", "--format", "folded"], "--format 'folded' is for timing"),
        (
            ["compare", "run"],
            "AFTER is missing; the newest run is .stacknb/runs/latest; see stacknb compare --help",
        ),
        (["compare", "run", "empty.log"], "'{here}/empty.log' is empty"),
        (["report", "run"], "-o/--output is missing; see stacknb report --help"),
        (["report", "nowhere", "-o", "x.html"], "'nowhere' does not exist"),
        (["follow", "nowhere"], "'nowhere' does not exist; give the log of a stack.sh, or a run"),
        (["follow", "other.log"], "'other.log' is no log of stack.sh that can be timed"),
    ],
)
def test_bad_input_is_one_clear_line(said: Said, here: Path, argv: list[str], line: str) -> None:
    Path("empty.log").touch()
    Path("other.log").write_text("another tool\n" * 3)
    status, out, err = said(*argv)
    assert (status, out) == (2, "")
    assert err.startswith(f"stacknb: {line.replace('{here}', str(here))}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "begin"), [("report", "<!doctype html>"), ("trace", "{"), ("junit", "<?xml")]
)
def test_a_dash_stands_for_stdout(said: Said, command: str, begin: str) -> None:
    status, out, err = said(command, "run", "-o", "-")
    assert (status, err, Path("-").exists()) == (0, "", False)
    assert out.lower().startswith(begin)
    assert said(command, "run", "-o", "file") == (0, "file\n", "")
    assert Path("file").read_text("utf-8")[-20:] == out[-20:]


@pytest.mark.parametrize("command", ["report", "trace", "junit"])
def test_a_file_that_cannot_be_written_is_one_clear_line(said: Said, command: str) -> None:
    stdout = os.fstat(sys.stdout.fileno())
    status, _, err = said(command, "run", "-o", "no/such/folder")
    assert (status, err) == (
        2, "stacknb: 'no/such/folder' cannot be written (No such file or directory); name another\n"
    )  # fmt: skip
    assert os.path.samestat(os.fstat(sys.stdout.fileno()), stdout), "stdout is at hand as before"


def test_files_are_written_and_named(said: Said) -> None:
    assert said("report", "run", "-o", "r.html") == (0, "r.html\n", "")
    assert Path("r.html").read_text().startswith("<!doctype html>")
    assert said("trace", "run", "--output", "t.json")[:2] == (0, "t.json\n")
    assert json.loads(Path("t.json").read_text())["traceEvents"]
    assert said("junit", "-o", "j.xml", "run")[:2] == (0, "j.xml\n")
    assert ET.parse("j.xml").getroot().get("tests") == "3"


def test_a_comparison_begins_with_its_conclusion(said: Said, here: Path) -> None:
    make_run(here / "slow", 3)
    status, out, _ = said("compare", "run", "slow")
    first, head, *rows = out.splitlines()
    assert status == 0
    assert first.startswith("The runs differ too little to tell")
    assert "(1 run before, 1 after; " in first
    assert first.endswith("; 2 parts differ by more than their noise.")
    assert head.split() == COLUMNS["compare"].split()
    assert any(row.split()[:1] == ["task"] and row.endswith("slower") for row in rows)
    out, err = said("compare", "run", "slow", "--format", "json")[1:]
    assert err.startswith("The runs differ"), "not in the document"
    assert {row["verdict"] for row in json.loads(out)} >= {"slower"}


def test_a_comparison_fails_a_build_only_where_it_is_asked_to(said: Said, here: Path) -> None:
    records = Records("", "run")
    hook = HookRecord("50-api.sh", "stack install", "/t/50-api.sh", "ok", 0, T0, T0 + 12 * S)
    records.hooks = [hook]
    write_run(records, here / "slower")
    make_run(here / "tasks", 3)  # a task alone may hide behind others
    assert said("compare", "run", "slower")[0] == 0
    status, _, err = said("compare", "run", "slower", "--fail-slower", "--format", "csv")
    assert status == 1
    assert err.endswith(" Slower, so the status is 1: the run, phase 'stack install'.\n")
    assert said("compare", "slower", "run", "--fail-slower")[0] == 0
    assert said("compare", "run", "tasks", "--fail-slower")[0] == 0


def test_what_has_no_room_leaves_no_half_a_file(here: Path) -> None:
    command = f"ulimit -f 1; {sys.executable} -m stacknb trace run -o trace.json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    said = (
        "stacknb: 'trace.json' cannot be written (File too large), so it is removed; name another"
    )
    assert (done.returncode, done.stderr) == (2, f"{said}\n")
    assert not Path("trace.json").exists()


def test_what_has_no_room_takes_no_link_with_it(here: Path) -> None:
    Path("out").symlink_to("/proc/self/fd/1")  # as /dev/stdout is one
    command = f"ulimit -f 1; {sys.executable} -m stacknb trace run -o out >trace.json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, Path("out").is_symlink()) == (2, True)
    assert "removed" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--fail-slower", "run", "slower"], 1), (["--fail-slower=10%", "run", "slower"], 1),
        (["--fail-slower", "19.5%", "run", "slower"], 1),
        (["run", "slower", "--fail-slower", "70%"], 0), (["run", "slower", "--fail-slower=80%"], 0),
    ],
)  # fmt: skip
def test_a_build_may_tolerate_a_share(said: Said, here: Path, words: list[str], code: int) -> None:
    records = Records("", "run")
    hook = HookRecord("50-api.sh", "stack install", "/t/50-api.sh", "ok", 0, T0, T0 + 12 * S)
    records.hooks = [hook]
    write_run(records, here / "slower")
    status, out, _ = said("compare", *words)
    assert status == code
    by = {"--fail-slower=10%": " by more than 10 %", "19.5%": " by more than 19.5 %"}
    expected = next((text for word, text in by.items() if word in words), "")
    assert (f" Slower{expected}, so the status is 1: the run" in out) == bool(code)


@pytest.mark.parametrize("share", ["10", "x%", "", "-5%", "1e3%", "nan%"])
def test_what_is_no_share_is_refused(said: Said, here: Path, share: str) -> None:
    status, _, err = said("compare", "run", "run", f"--fail-slower={share}")
    assert status == 2
    assert f"--fail-slower: {share!r} is no percentage, such as 10%" in err


def test_a_share_without_its_sign_is_no_run(said: Said, here: Path) -> None:
    assert (
        "--fail-slower: '10' is no percentage"
        in said("compare", "--fail-slower", "10", "r", "s")[2]
    )


def test_a_run_that_failed_early_is_not_faster_for_a_build(said: Said, here: Path) -> None:
    def make(folder: str, status: str, *seconds: int) -> None:
        records, at = Records("", "run"), T0
        for number, took in enumerate(seconds):
            phase = ("source", "stack install", "stack test-config")[number]
            hook = HookRecord("50-api.sh", phase, "/t/50-api.sh", "ok", 0, at, at + took * S)
            records.hooks.append(hook)
            at += took * S
        records.hooks[-1].status, records.hooks[-1].exit_code = status, int(status != "ok")
        write_run(records, here / folder)
        (here / folder / "run.json").write_text('{"run": "r", "mode": "stack"}')

    make("whole", "ok", 1, 9, 1)
    make("failed", "failed", 1, 3)
    make("until", "ok", 1, 9)
    make("until-now", "ok", 1, 9)
    make("until-failed", "failed", 1, 3)
    for before, after in (
        ("whole", "failed"), ("failed", "whole"), ("until", "until-failed"), ("whole", "until"),
    ):  # fmt: skip
        assert said("compare", before, after)[0] == 0
        status, out, _ = said("compare", before, after, "--fail-slower")
        early = before if before == "failed" else after
        assert status == 1
        assert not re.search("The run got|Slower.*: the run", out)
        assert f"No comparison, so the status is 1: not run to the end: {here}/{early}" in out
    assert said("compare", "until", "until-now", "--fail-slower")[0] == 0, "stopped on purpose"


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
@pytest.mark.parametrize(
    ("argv", "begin"),
    [
        (["timing", "--what", "summary"], "figure "),
        (["timing", "--what", "profile", "--format", "folded"], "./stack.sh:main "),
        (["report", "-o", "-"], "<!doctype html>"),
    ],
)
def test_a_log_may_come_through_a_pipe(path: str, argv: list[str], begin: str) -> None:
    packed = gzip.compress(Path("stack.sh.log").read_bytes())
    words = [sys.executable, "-m", "stacknb.cli", argv[0], path, *argv[1:]]
    done = subprocess.run(words, input=packed, capture_output=True, check=True)
    assert done.stdout.decode().startswith(begin)


def test_a_pipe_without_a_log_is_one_clear_line() -> None:
    words = [sys.executable, "-m", "stacknb.cli", "timing", "-"]
    done = subprocess.run(words, input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"stacknb: '-' is empty\n")


def test_repeats_are_named_one_by_one(said: Said, here: Path) -> None:
    for number in range(3):
        make_run(here / f"again{number}", 1 + number / 100)
    more = ["--more-before", "again0", "--more-before", "again1", "--more-after", "again2"]
    rows = json.loads(said("compare", "run", "run", *more, "--format", "json")[1])
    assert {(row["runs_before"], row["runs_after"]) for row in rows} == {(3, 2)}


def test_what_could_not_be_understood_is_said_beside_the_answer(said: Said) -> None:
    with Path("run/waits.jsonl").open("a") as file:
        file.write("nonsense\n")
    status, out, err = said("timing", "run", "--format", "csv")
    assert status == 0
    assert err == "stacknb: 1 × malformed line in waits.jsonl: b'nonsense'\n"
    assert "nonsense" not in out


def test_a_run_is_followed_to_its_end(said: Said) -> None:
    status, out, err = said("follow", "stack.sh.log")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == "14:13:26  ── override_defaults"
    assert any(line.endswith("waiting for init_neutron") for line in lines)
    assert re.match(r"over after \d+ min", lines[-1])
    assert lines[-1].endswith(": 14 tasks")


def test_a_failed_run_that_is_followed_is_a_failure(said: Said) -> None:
    write_devstack_log("failed.log", lines=2000, fails="init_neutron")
    status, out, err = said("follow", "failed.log")
    assert status == 1
    assert "✗ task init_neutron failed with status 3 after" in out
    assert err == "stacknb: stack.sh ended with status 3; its log is 'failed.log'\n"


def test_how_a_stack_that_failed_has_ended_is_told_with_its_times(said: Said) -> None:
    write_devstack_log("failed.log", lines=2000, fails="init_neutron")
    how = "Not run to the end: stack.sh ended with status 3."
    for what in ("phases", "summary", "profile"):
        assert said("timing", "failed.log", "--what", what)[1].startswith(f"{how}\n")
    status, out, err = said("timing", "failed.log", "--format", "json")
    assert (json.loads(out)[0]["name"], err) == ("install_tempest", f"{how}\n")
    named = f"{os.path.abspath('failed.log')} (stack.sh ended with status 3)"
    status, out, _ = said("compare", "stack.sh.log", "failed.log", "--fail-slower")
    assert status == 1
    assert f"Not run to the end: {named}. " in out
    assert f"No comparison, so the status is 1: not run to the end: {named}." in out


# --- the magics -----------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is displayed."""
    found: list[Any] = []
    monkeypatch.setattr("stacknb.magics.display", found.append)
    return found


@pytest.fixture
def magic(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Any]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    monkeypatch.setattr(dispatcher, "_current", None)
    config = Config()
    config.HistoryManager.enabled = False
    ipython = InteractiveShell.instance(config=config)
    load_ipython_extension(ipython)
    return lambda line: ipython.run_line_magic("stack", line)


@pytest.mark.parametrize(("words", "said"), [("", "no tasks: "), ("--what waits", "no waits: ")])
def test_the_magic_says_in_words_that_there_is_nothing_to_show(
    magic: Any, shown: list[Any], here: Path, words: str, said: str
) -> None:
    records = Records("", "run")
    records.hooks = [HookRecord("50-api.sh", "source", "/t/50-api.sh", "ok", 0, T0, T0 + S)]
    write_run(records, here / "alone")
    frame = magic(f"timing alone {words}")
    assert repr(frame).startswith(said)
    assert frame._repr_html_() == f"<p>{frame!r}</p>"
    pd.testing.assert_frame_equal(frame, answer(load("alone"), said[3:8]).frame)


def test_the_magic_tells_how_a_stack_that_failed_has_ended(
    magic: Any, shown: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_devstack_log("failed.log", lines=2000, fails="init_neutron")
    magic("timing failed.log --what phases")
    assert "Not run to the end: stack.sh ended with status 3.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "question", "chart"),
    [("", "tasks", "Timeline"), ("--what phases", "phases", "Phases"),
     ("--what waits", "waits", "Tasks")],
)  # fmt: skip
def test_the_magic_shows_the_chart_and_returns_the_frame(
    magic: Any, shown: list[Any], words: str, question: str, chart: str
) -> None:
    frame = magic(f"timing run {words}")
    pd.testing.assert_frame_equal(frame, answer(load("run"), question).frame)
    [picture] = shown
    assert picture.said().startswith(f"{chart} of ")


def test_the_magic_takes_the_run_at_hand(magic: Any, shown: list[Any], here: Path) -> None:
    (here / "tree" / "extras.d").mkdir(parents=True)
    (here / "tree" / "extras.d" / "50-api.sh").write_text("async_run db true; async_wait db\n")
    with dispatcher.Stack("tree") as stack:
        stack.run()
        frame = magic("timing")
    assert {*frame["name"]} == {"db"}
    assert len(shown) == 1


def test_the_magic_without_a_run_says_what_to_do(magic: Any) -> None:
    with pytest.raises(BadInput, match="no run yet: begin one with %stack"):
        magic("timing")


def test_questions_are_completed() -> None:
    def found(line: str) -> list[str]:
        return completion.complete(*completion.split(line))

    assert found("%stack tim") == ["timing"]
    assert found("%stack timing --wh") == ["--what"]
    assert found("%stack timing --what cri") == ["critical-path"]
    assert found("%stack timing --by f") == ["function", "file"]


# --- Python ---------------------------------------------------------------------------------------


def test_an_unknown_question_or_form_is_refused() -> None:
    run = load("run")
    with pytest.raises(BadInput, match="unknown question 'x'; there are tasks, hooks"):
        answer(run, "x")
    with pytest.raises(BadInput, match="unknown format 'x'; there are table, csv, json"):
        answer(run).text("x")


NO_TASKS = (
    "no tasks: nothing ran in the background; --what phases, hooks or (of a stack.sh log) profile "
    "tell of the time"
)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("tasks", NO_TASKS),
        ("waits", "no waits: nothing was waited for"),
        ("impact", "no impact: no task ran"),
        ("cells", "no cells"),
        ("problems", "no problems"),
    ],
)
def test_a_table_without_rows_is_one_line_that_says_so(said: Said, what: str, line: str) -> None:
    records = Records("", "run")
    records.hooks = [HookRecord("50-api.sh", "stack install", "/a", "ok", 0, T0, T0 + S)]
    write_run(records, Path("bare"))
    heads = ",".join(answer(load("bare"), what).frame.columns)
    assert said("timing", "bare", "--what", what) == (0, f"{line}\n", "")
    assert said("timing", "bare", "--what", what, "--format", "csv")[:2] == (0, f"{heads}\n")
    status, out, _ = said("timing", "bare", "--what", what, "--format", "json")
    assert (status, json.loads(out)) == (0, [])


def test_an_answer_of_several_runs_has_no_chart() -> None:
    assert Answer("compare", pd.DataFrame()).chart() is None


def test_a_pipe_to_which_nobody_writes_is_given_up(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stacknb.text.reading._NO_WRITER_S", 0.0)
    os.mkfifo("pipe")
    status, out, err = said("timing", "pipe")
    assert (status, out) == (2, "")
    assert "'pipe' cannot be read: it is a pipe, and nothing came from it within 0 s" in err
