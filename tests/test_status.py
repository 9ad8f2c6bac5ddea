import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.lib.pretty import pretty

from stacknb import status, tasklog
from stacknb.exceptions import BadInput
from stacknb.rundir.journal import Event, RunDir
from stacknb.rundir.loglist import logs_of
from stacknb.text import budget

GONE = 2**22 + 1  # no process has that number


class Run:
    """A run directory written by hand."""

    def __init__(self, path: Path, mode: str = "stack") -> None:
        self.folder = RunDir.create(path, mode, {"top_dir": "/tree"}, clock=lambda: 1000.0)
        self.path = self.folder.path

    def log(self, where: str, code: int | None = 0, pid: int = GONE,
            **header: Any) -> None:  # fmt: skip
        """Write a log; without an exit code it has no footer."""
        path = self.path / f"{where}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = {"hooks": "hook", "async": "task"}.get(where.split("/")[0], "service")
        head = {
            "kind": kind, "name": path.name.removesuffix(".log"), "phase": "", "hook": "",
            "start": 1000.0, "pid": pid, "host": socket.gethostname(), "run": self.folder.run,
            **header,
        }  # fmt: skip
        end = b"" if code is None else tasklog.end_line(head, end=1002.5, exit_code=code)
        path.write_bytes(tasklog.begin_line(head) + end)

    def hook(self, phase: str, name: str, code: int | None = 0, **header: Any) -> None:
        place = f"hooks/{phase.replace(' ', '-')}/{name}"
        self.log(place, code, name=name, phase=phase, **header)

    def event(self, kind: str, name: str, when: float = 1003.0, **data: Any) -> None:
        self.folder.write(Event(kind, when, name, data))

    def wait(self, name: str, code: int) -> None:
        row = {"name": name, "exit_code": code, "log": f"async/{name}.log"}
        with (self.path / "waits.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def read(self) -> status.RunStatus:
        return status.read(self.path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


def states(run: Run) -> dict[str, str]:
    return {phase.name: phase.status for phase in run.read().phases if phase.hooks}


def test_a_run_that_ended_is_complete(run: Run) -> None:
    for phase in ("override_defaults", "source", "unstack"):
        run.hook(phase, "10-a.sh")
        run.event("phase-end", phase, ok=True, duration_s=3.5)
    run.event("run-end", "unstack", ok=True, complete=True)
    (run.path / "run.json").write_text(json.dumps({**run.folder.facts(), "mode": "unstack"}))
    found = run.read()
    assert (found.state, found.ok) == ("complete", True)
    assert [phase.duration_s for phase in found.phases] == [3.5, 3.5, 3.5]
    assert found.phases[0].hooks[0].duration_s == 2.5


def test_waits_that_another_program_wrote_need_five_fields_alone(run: Run) -> None:
    for name, code in (("db", 0), ("api", 3)):
        run.log(f"async/{name}", code)
        row = {"name": name, "wait_start": 1.0, "wait_end": 2.0, "phase": "", "hook": ""}
        with (run.path / "waits.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
    assert [(task.status, task.exit_code) for task in run.read().tasks] == [
        ("failed", 3),
        ("ok", 0),
    ]


@pytest.mark.parametrize(
    ("hook", "unheeded"), [("10-a.sh", []), ("", []), ("async_cleanup", ["db"]), (None, ["db"])]
)
def test_a_failed_task_that_somebody_waited_for_is_dealt_with(
    run: Run, hook: str | None, unheeded: list[str]
) -> None:
    run.log("async/db", 3)
    row = {"name": "db", "wait_start": 1.0, "wait_end": 2.0, "phase": "", "hook": hook}
    if hook is not None:
        (run.path / "waits.jsonl").write_text(json.dumps(row) + "\n")
    found = run.read()
    assert (found.unheeded, found.ok) == (unheeded, not unheeded)
    assert found.tasks[0].status == "failed"


def test_the_words_tell_how_a_task_failed_and_whether_anybody_waited_for_it(run: Run) -> None:
    run.log("async/db", 3)
    run.log("async/db.2", 4, name="db", start=1001.0)
    run.log("async/api", 0)
    run.wait("db", 3)
    said = str(run.read())
    assert re.search(r"✗ db +failed +2\.50 s  status 3, async/db\.log\n", said)
    assert re.search(
        r"✗ db +failed +1\.50 s  status 4, async/db\.2\.log, nobody waited for it", said
    )
    assert re.search(r"✓ api +ok +2\.50 s  async/api\.log", said)


def test_the_logs_alone_tell_what_failed(run: Run) -> None:
    run.hook("override_defaults", "10-a.sh")
    run.hook("source", "10-a.sh")
    run.hook("source", "20-b.sh", 3)
    assert states(run) == {"override_defaults": "ok", "source": "failed"}
    assert (run.read().state, run.read().ok) == ("failed", False)
    assert "✗ 20-b.sh" in str(run.read())
    assert "status 3, hooks/source/20-b.sh.log" in str(run.read())
    assert "10-a.sh" not in str(run.read())


def test_a_phase_that_was_mended_counts_as_its_last_try(run: Run) -> None:
    run.hook("source", "10-a.sh", 1)
    run.event("phase-end", "source", ok=False, duration_s=1)
    run.log("hooks/source/10-a.sh.2", name="10-a.sh", phase="source", start=1001.0)
    run.event("phase-end", "source", ok=True, duration_s=2)
    assert states(run) == {"source": "ok"}
    assert run.read().state == "unfinished"


def test_a_hook_that_was_interrupted_says_so(run: Run) -> None:
    for name, code, how in (("10-a.sh", 0, "ok"), ("20-b.sh", 130, "interrupted")):
        run.hook("source", name, code)
        log = str(run.path / f"hooks/source/{name}.log")
        run.event("hook-end", name, phase="source", status=how, log=log)
    run.event("phase-end", "source", ok=False, duration_s=1)
    assert states(run) == {"source": "interrupted"}
    assert [hook.status for hook in run.read().phases[1].hooks] == ["ok", "interrupted"]
    assert run.read().state == "interrupted"


def test_a_phase_that_was_stopped_between_two_hooks_says_so(run: Run) -> None:
    run.hook("source", "10-a.sh")
    run.event("phase-end", "source", ok=False, duration_s=1, how="interrupted")
    assert states(run) == {"source": "interrupted"}
    assert run.read().state == "interrupted"


def test_a_phase_that_exit_0_has_ended_is_unfinished_and_no_failure(run: Run) -> None:
    run.hook("source", "10-a.sh")
    run.event("phase-end", "source", ok=False, duration_s=1, how="left off")
    run.event("run-end", "stack", ok=True, complete=False)
    assert states(run) == {"source": "unfinished"}
    assert (run.read().state, run.read().ok) == ("unfinished", True)


def test_a_hook_whose_shell_lives_is_running(run: Run) -> None:
    run.hook("source", "10-a.sh", None, pid=os.getpid(), start=2e9)
    assert states(run) == {"source": "running"}
    assert run.read().state == "running"


def test_a_hook_whose_shell_is_gone_is_lost(run: Run) -> None:
    run.hook("source", "10-a.sh", None)
    assert states(run) == {"source": "lost"}
    assert run.read().state == "failed"


def test_tasks_have_the_status_that_their_wait_found(run: Run) -> None:
    run.log("async/good")
    run.log("async/bad", 7)
    run.log("async/forged", 0)
    run.wait("forged", 137)
    run.log("async/alive", None, pid=os.getpid(), start=2e9)
    run.log("async/gone", None)
    place = {"phase": "source", "hook": ""}
    run.event("task", "good", pid=GONE, log="async/good.log", **place)
    run.event("task", "held", 2e9, pid=os.getpid(), log="async/held.log", **place)
    run.event("task", "never", pid=GONE, log="async/never.log", **place)
    run.event("task", "number", pid=os.getpid(), log="async/number.log", **place)
    assert sorted((task.name, task.status) for task in run.read().tasks) == [
        ("alive", "running"), ("bad", "failed"), ("forged", "killed"), ("gone", "lost"),
        ("good", "ok"), ("held", "waiting"), ("never", "lost"), ("number", "lost"),
    ]  # fmt: skip


def test_a_service_that_is_gone_has_ended_and_is_no_failure(run: Run) -> None:
    run.log("services/api", None)
    assert [(log.name, log.status) for log in run.read().services] == [("api", "ended")]
    assert run.read().ok


def test_a_run_that_nobody_is_at_work_on_names_the_command_that_resumes_it(run: Run) -> None:
    run.hook("source", "10-a.sh", None)
    assert run.read().resume == ""  # this process has its lock
    run.folder.close()
    command = f"stacknb stack /tree --resume --run-dir {run.path}"
    assert run.read().resume == run.read().to_dict()["resume"] == command
    assert f"  resume {command}\n" in str(run.read())


def test_a_run_with_nothing_left_to_run_names_no_command_that_resumes_it(run: Run) -> None:
    run.hook("source", "10-a.sh")
    run.event("run-end", "stack", ok=True, complete=True)
    run.folder.close()
    assert run.read().resume == ""


def test_notes_are_kept(run: Run) -> None:
    run.event("warning", "10-a.sh: mind this")
    assert run.read().notes == ["10-a.sh: mind this"]
    assert "  10-a.sh: mind this" in str(run.read())


def test_files_that_are_no_logs_are_passed_over(run: Run) -> None:
    (run.path / "async" / "junk.log").write_bytes(b"\xff\0")
    (run.path / "journal.jsonl").write_bytes(b'{"event": 1}\nnonsense\n')
    assert run.read().tasks == []


def test_lengths_in_the_document_are_whole_microseconds(run: Run) -> None:
    run.hook("source", "10-a.sh")
    run.event("phase-end", "source", ok=True, duration_s=0.0223996639251709)
    assert run.read().to_dict()["phases"][1]["duration_s"] == 0.0224


def test_the_document_is_plain_data(run: Run) -> None:
    run.hook("source", "10-a.sh")
    document = json.loads(json.dumps(run.read().to_dict()))
    assert document["start"] == "1970-01-01T00:16:40Z"
    assert document["phases"][1]["hooks"][0]["log"] == "hooks/source/10-a.sh.log"
    assert document["ok"] is True


def test_the_latest_run_is_found_from_the_folder_of_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = RunDir.create(None, "stack", {})
    folder.point_latest()
    assert status.read(".").run == folder.run
    assert status.read(".stacknb/runs").run == folder.run


def test_what_is_no_run_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no run directory"):
        status.read(tmp_path)


def test_logs_are_found_by_name(run: Run) -> None:
    run.hook("stack install", "50-api.sh", start=1002.0)
    run.hook("source", "50-api.sh", start=1001.0)
    run.log("async/db")
    run.log("async/db.2", start=1001.0)

    def found(name: str) -> list[str]:
        return [str(path.relative_to(run.path)) for path in logs_of(run.path, name)]

    assert found("50-api.sh") == ["hooks/source/50-api.sh.log", "hooks/stack-install/50-api.sh.log"]
    for shorter in ("stack-install/50-api.sh", "install/50-api.sh", "install/50-api.sh.log"):
        assert found(shorter) == ["hooks/stack-install/50-api.sh.log"]
    assert found("db") == ["async/db.log", "async/db.2.log"]
    assert found("db.2") == ["async/db.2.log"]
    run.log("async/db.sync")  # another task
    run.log("async/db.log")  # as is the one of this name
    assert found("db") == ["async/db.log", "async/db.2.log"]
    assert found("db.log") == ["async/db.log.log"]


def test_a_log_is_found_by_the_path_that_the_status_shows(run: Run) -> None:
    run.log("async/db")
    run.log("async/db.2", start=1001.0)
    run.hook("source", "50-api.sh", start=1001.0)

    logs = [task.log for task in status.read(run.path).tasks]
    for shown in (logs[-1], "hooks/source/50-api.sh.log"):
        assert logs_of(run.path, shown) == [run.path / shown]


def test_logs_in_which_nothing_was_printed_say_so_unless_another_of_the_name_has_lines(
    run: Run,
) -> None:
    run.log("async/db")
    first, second = run.path / "async/db.log", run.path / "async/db.2.log"
    assert pretty(logs_of(run.path, "db")) == f"nothing printed in {str(first)!r}"
    second.write_bytes(tasklog.begin_line({"start": 1001.0}) + b"made\n")
    assert pretty(logs_of(run.path, "db")) == f"==> {second} <==\nmade"


def test_a_log_that_is_not_there_is_named_with_the_nearest(run: Run) -> None:
    run.log("async/database")
    with pytest.raises(BadInput, match=r"no log 'databse' .*did you mean 'database'"):
        logs_of(run.path, "databse")
    with pytest.raises(BadInput, match=r"no log 'x' .*there are 'database'"):
        logs_of(run.path, "x")


@pytest.mark.parametrize("name", ["db", "async/db", "async/db.log", "db.log.gz"])
def test_a_log_that_is_gzipped_is_told_to_be_unpacked(run: Run, name: str) -> None:
    run.log("async/db")
    run.log("async/other_db")
    packed = (run.path / "async" / "db.log").rename(run.path / "async" / "db.log.gz")
    with pytest.raises(BadInput, match=re.escape(f"log {str(packed)!r} is gzipped: unpack it")):
        logs_of(run.path, name)


def test_a_run_without_logs_has_none_to_name(run: Run) -> None:
    with pytest.raises(BadInput, match=r"no log 'x' in '[^']*'$"):
        logs_of(run.path, "x")


def test_a_name_that_ends_in_a_number_is_that_of_one_task(run: Run) -> None:
    run.log("async/v1.2")
    assert logs_of(run.path, "v1.2") == [run.path / "async/v1.2.log"]
    with pytest.raises(BadInput, match=r"no log 'v1' "):
        logs_of(run.path, "v1")


def test_reading_a_run_needs_no_pandas(run: Run) -> None:
    code = (
        "import sys; from stacknb import status; status.read(sys.argv[1]); "
        "print(*{'pandas', 'numpy', 'IPython', 'rich'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.path], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []


def test_a_log_that_is_no_file_is_passed_over_and_named(run: Run) -> None:
    run.log("async/good")
    os.mkfifo(run.path / "async" / "bad.log")
    found = run.read()
    assert [task.name for task in found.tasks] == ["good"]
    assert found.notes == ["log 'async/bad.log' cannot be read: it is a pipe, not a file"]
    with pytest.raises(BadInput, match=r"bad.log' cannot be read: it is a pipe, not a file"):
        logs_of(run.path, "bad")


def test_times_that_are_none_are_left_out(run: Run) -> None:
    run.log("async/db", start=float("nan"))
    [task] = run.read().tasks
    assert (task.status, task.duration_s) == ("ok", None)


def test_where_there_is_little_room_it_tells_the_phases_and_what_is_not_well(run: Run) -> None:
    for phase in ("override_defaults", "source", "stack pre-install"):
        run.hook(phase, "10-a.sh")
        run.event("phase-end", phase, ok=True, duration_s=1.0)
    run.hook("stack install", "10-a.sh")
    run.hook("stack install", "20-b.sh", 3)
    run.log("async/late", 4)
    for number in range(10):
        run.log(f"async/fine-{number}")
    found = run.read()
    assert pretty(found) == str(found)
    vars(found)["room"] = budget.ASKED
    text = pretty(found)

    assert budget.stored(text) <= budget.ASKED
    assert text.splitlines()[1] == (
        "✓ override_defaults  ✓ source  ✓ pre-install  ✗ install  · post-config  · extra  "
        "· test-config"
    )
    assert [line.split()[:3] for line in text.splitlines()[2:4]] == [
        ["✗", "20-b.sh", "failed"], ["✗", "late", "failed"],
    ]  # fmt: skip
    assert text.splitlines()[4:] == ["tasks  (10 ok, 1 failed)", "in short; print(_) tells all"]
