import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from stacknb import places, tasklog
from stacknb.exceptions import BadInput, StacknbError
from stacknb.rundir.journal import Event, RunDir

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(path: str | None = "run", mode: str = "stack") -> RunDir:
    run = RunDir.create(path, mode, {"top_dir": "/t"}, clock=lambda: NOON)
    if path is None:
        run.point_latest()
    return run


def test_a_run_goes_to_a_folder_named_by_time_and_mode_and_latest_points_to_it(here: Path) -> None:
    run = made(None)

    assert run.path == here / ".stacknb" / "runs" / "20261122T120000Z-stack"
    assert os.readlink(run.path.parent / "latest") == "20261122T120000Z-stack"
    assert re.fullmatch(r"20261122T120000Z-stack-[0-9a-f]{6}", run.run)


def test_runs_of_the_same_second_are_numbered_and_latest_is_the_last() -> None:
    names = [made(None).path.name for _ in range(3)]

    assert names == [
        "20261122T120000Z-stack",
        "20261122T120000Z-stack.2",
        "20261122T120000Z-stack.3",
    ]
    assert places.find(".").name == names[-1]


def test_runs_that_begin_in_the_same_moment_get_a_folder_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mkdir, others = Path.mkdir, []

    def meanwhile(path: Path, *args: Any, **options: Any) -> None:
        if path.name == "20261122T120000Z-stack" and not others:
            others.append(path)
            others.append(made(None).path)
        mkdir(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", meanwhile)
    run = made(None)
    assert (others[1].name, run.path.name) == ("20261122T120000Z-stack", "20261122T120000Z-stack.2")


def test_a_folder_of_ones_own_choice_leaves_latest_alone(here: Path) -> None:
    run = made("my run")

    assert run.path == here / "my run"
    assert not (here / "latest").exists()
    assert not (here / ".stacknb").exists()


def test_the_state_folder_is_for_the_owner_alone() -> None:
    assert stat.S_IMODE((made().path / "state").stat().st_mode) == 0o700


def test_the_facts_are_kept() -> None:
    run = made()
    facts = RunDir.open("run").facts()

    told = {"run": run.run, "mode": "stack", "start": NOON, "top_dir": "/t"}
    assert {**facts, **told} == facts
    assert RunDir.open("run").run == run.run


def test_a_folder_that_holds_a_run_is_refused() -> None:
    made()
    with pytest.raises(
        BadInput, match=r"run directory '.*/run' holds a run already; choose another or resume it"
    ):
        made()


def test_a_folder_without_a_name_is_refused_and_nothing_is_made(here: Path) -> None:
    with pytest.raises(BadInput, match="run directory '' has no name; choose another with --run"):
        made("")
    assert list(here.iterdir()) == []


def test_a_folder_with_other_things_in_it_is_taken(here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "mine").touch()

    assert made().path == here / "run"


@pytest.mark.parametrize("path", ["file", "file/run", "/proc/run", "a\nb"])
def test_a_folder_that_cannot_be_made_is_named(here: Path, path: str) -> None:
    (here / "file").touch()
    with pytest.raises(
        BadInput,
        match=r"run directory '.*' (cannot be written \(.*; choose another|has a line break)",
    ):
        made(path)


def test_a_folder_that_could_not_be_made_a_run_is_free_afterwards(here: Path) -> None:
    (here / "run" / "waits.jsonl").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"cannot be written \(Is a directory") as kept:
        made()
    (here / "run" / "waits.jsonl").rmdir()
    made()
    assert kept.tb  # in a notebook, the last error keeps all that it came from


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    run = made()
    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(
        StacknbError,
        match=r"run directory '.*' cannot be written \(No space left on device\): no log "
        "'.*/50-a.sh.log' .*; free some room or make it writable",
    ):
        run.new_log("hook", "50-a.sh", ["/t/50-a.sh"], "source", lambda _: 1)
    run.write(Event("warning", NOON, "x"))  # no reason to end a run


@pytest.mark.parametrize(
    ("kind", "name", "phase", "where"),
    [
        ("hook", "50-a.sh", "stack install", "hooks/stack-install/50-a.sh.log"),
        ("hook", "p-settings", "source", "hooks/source/p-settings.log"),
        ("cell", "1", "stack install", "cells/1.log"),
    ],
)
def test_where_a_log_goes_and_its_header(kind: str, name: str, phase: str, where: str) -> None:
    run = made()
    path = run.new_log(kind, name, ["/t/x", "a b", "\udcff"], phase, lambda _: 17)
    header = tasklog.read_header(path)

    assert path == run.path / where
    assert (header["kind"], header["name"], header["phase"], header["pid"], header["run"]) == (
        kind,
        name,
        phase,
        17,
        run.run,
    )
    assert header["command"] == ["/t/x", "a b", "\udcff"]
    assert header["hook"] == (name if kind == "hook" else "")
    assert (
        run.new_log(kind, name, [], phase, lambda _: 17).name
        == f"{path.name.removesuffix('.log')}.2.log"
    )


def test_a_run_is_held_from_its_making_until_it_is_closed() -> None:
    run, other = made(), RunDir.open("run")
    assert other.lock.is_held()
    with pytest.raises(BadInput, match="is going on in this process"):
        other.lock.take()
    run.close()
    assert not other.lock.is_held()
    other.lock.take()
    assert run.lock.is_held()


def test_events_are_read_once_in_order_and_a_line_in_the_making_is_left() -> None:
    run, reader = made(), RunDir.open("run")
    run.write(Event("phase-start", 1.0, "source", {"hooks": ["a"]}))
    assert reader.new_events() == [Event("phase-start", 1.0, "source", {"hooks": ["a"]})]
    assert reader.new_events() == []

    line = json.dumps({"event": "warning", "time": 2.0, "name": "t", "pid": 3}).encode() + b"\n"
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(line[:10])
    assert reader.new_events() == []
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(line[10:])
    assert reader.new_events() == [Event("warning", 2.0, "t", {"pid": 3})]


@pytest.mark.parametrize("name", ["ä.sh", "☃", "\udcff.sh"])
def test_an_event_of_a_name_that_any_file_may_have_is_read_back(name: str) -> None:
    run = made()
    log = str(run.path / "hooks" / "source" / f"{name}.log")
    event = Event("hook-start", 1.0, name, {"log": log, "phase": "source"})
    run.write(event)
    assert run.new_events() == [event]


def test_an_event_that_could_not_be_written_is_told_once_and_spoils_no_later_one() -> None:
    run = made()
    path = run.path / "journal.jsonl"
    path.symlink_to("/nowhere/at all")
    run.write(Event("warning", 1.0, "lost"))
    assert [run.lacked_room(), run.lacked_room()] == [True, False]
    path.unlink()
    path.write_bytes(b'{"event": "hook-st')
    run.write(Event("warning", 2.0, "kept"))

    assert [event.name for event in run.new_events()] == ["kept"]
    assert not run.lacked_room()


def test_lines_of_the_shell_that_were_cut_spoil_no_later_one() -> None:
    run = made()
    waits = run.path / "waits.jsonl"
    waits.write_bytes(b'{"name": "db", "wait_st')
    run.lack()
    with waits.open("ab") as file:
        file.write(b'{"name": "api"}\n')
    run.lack()

    assert [wait["name"] for wait in run.new_waits()] == ["api"]
    assert waits.read_bytes() == b'{"name": "db", "wait_st\n{"name": "api"}\n'


@pytest.mark.parametrize(
    "line",
    [b"nonsense", b"[1]", b"{}", b'{"event": "x"}', b"\xff", b"", b'{"event": 1, "time": 2}'],
)
def test_a_damaged_line_hides_no_other(line: bytes) -> None:
    run = made()
    run.write(Event("a", 1.0, "x"))
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(line + b"\n")
    run.write(Event("b", 2.0, "y"))

    assert [event.kind for event in run.new_events()] == ["a", "b"]


def test_what_the_line_of_a_wait_lacks_is_filled_in() -> None:
    run = made()
    (run.path / "waits.jsonl").write_text(
        '{"name": "db", "wait_start": 1, "wait_end": 2, "phase": "source", "hook": "10-a.sh"}\n'
        '{"wait_start": 1}\n{"name": 7}\n{"name": "api"}\n'
    )
    db, api = run.new_waits()
    assert (db["wait_end"], db["hook"], db["log"]) == (2, "10-a.sh", "async/db.log")
    assert (db["exit_code"], api["wait_end"], api["phase"]) == (None, 0.0, "")


def test_a_phase_is_done_if_its_last_try_was_well() -> None:
    run = made()
    for name, ok in [
        ("override_defaults", True),
        ("source", False),
        ("source", True),
        ("stack install", True),
        ("stack install", False),
    ]:
        run.write(Event("phase-end", 1.0, name, {"ok": ok}))

    assert list(RunDir.open("run").past()[0]) == ["override_defaults", "source"]


def test_a_journal_that_is_missing_is_an_empty_one() -> None:
    run = made()

    assert run.new_events() == []
    assert run.new_waits() == []
    assert run.past() == ({}, False)


def test_a_run_is_found_by_its_folder_and_by_latest_above_it(here: Path) -> None:
    run = made(None)

    for path in (run.path, run.path.parent, here, "."):
        assert places.find(path) == run.path


def test_no_run_is_named(here: Path) -> None:
    with pytest.raises(BadInput, match=r"'.*none' is no run directory: it does not exist; see"):
        places.find(here / "none")
    with pytest.raises(BadInput, match=r"is no run directory: it has no run.json; see"):
        places.find(here)


def test_a_folder_of_another_user_is_not_said_to_hold_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.X_OK)
    with pytest.raises(BadInput, match=r"is no run directory: it cannot be read by you; see"):
        RunDir.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run": 1'])
def test_a_damaged_run_json_is_one_clear_line(text: str) -> None:
    made()
    Path("run/run.json").write_text(text)
    with pytest.raises(
        BadInput, match=r"run/run.json' is damaged: it names no run; begin another "
    ):
        RunDir.open("run")


@pytest.mark.parametrize("name", ["journal.jsonl", "waits.jsonl"])
def test_what_stands_in_the_place_of_the_journal_or_the_waits_is_refused(name: str) -> None:
    path = made().path / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(BadInput, match=rf"run/{name}' cannot be read: it is a pipe, not a file; "):
        RunDir.open("run")


def test_a_pipe_in_the_place_of_the_journal_does_not_block_who_writes_it() -> None:
    run = made()
    os.mkfifo(run.path / "journal.jsonl")
    run.write(Event("run-start", 1.0, "stack"))
    assert run.lacked_room()


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "task", "time": 1, "name": "t"}',
        '{"event": "task", "time": 1, "name": "t", "pid": 1e9, "log": "l", "phase": "", "hook": 0}',
        '{"event": "phase-end", "time": 1, "name": "t", "duration_s": NaN}',
        '{"event": "phase-start", "time": 1, "name": "t", "hooks": 3}',
        '{"event": "phase-start", "time": 1, "name": "t", "hooks": ["a", 3]}',
        '{"event": "hook-start", "time": 1, "name": "t", "log": "l", "phase": true}',
        '{"event": "hook-end", "time": 1, "name": "t", "log": "l", "failure": "it did"}',
        r'{"event": "hook-start", "time": 1, "name": "t", "log": "a\u0000b"}',
        r'{"event": "hook-start", "time": 1, "name": "t", "log": "\ud800"}',
        '{"event": [], "time": 1, "name": "t"}',
        '{"event": "warning", "time": -1, "name": "t"}',
        '{"event": "warning", "time": 1, "name": null}',
    ],
)
def test_what_no_run_has_written_is_no_event(line: str) -> None:
    run = made()
    (run.path / "journal.jsonl").write_text(f'{line}\n{{"event": "a", "time": 1, "name": "b"}}\n')
    assert run.new_events() == [Event("a", 1, "b")]


def test_facts_of_a_wrong_type_are_as_if_they_were_not_there() -> None:
    run = made()
    right = {"jobs": 4, "parallel": False, "plugins": ["p=/p"]}
    (run.path / "run.json").write_text(json.dumps({**run.facts(), **right}))
    assert {**run.facts(), **right} == run.facts()

    wrong = {"run": "r", "mode": [], "start": "x", "plugins": 3, "jobs": -1, "cells": {}}
    (run.path / "run.json").write_text(json.dumps(wrong))
    assert run.facts() == {
        "run": "r", "mode": "", "start": 0.0, "plugins": [], "jobs": None, "top_dir": "",
        "parallel": True,
    }  # fmt: skip


def test_a_log_whose_shell_never_came_free_is_removed() -> None:
    run = made()

    def stopped(_: Path) -> int:
        assert (run.path / "hooks/source/50-a.sh.log").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.new_log("hook", "50-a.sh", [], "source", stopped)

    assert list((run.path / "hooks/source").iterdir()) == []
