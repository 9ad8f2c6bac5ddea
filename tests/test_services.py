# ruff: noqa: E501  (a script of bash is read best on one line)

import os
from pathlib import Path

import pytest

from stacknb.supervision import processes, services


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record what would be ended, and end nothing."""
    calls: list[object] = []
    monkeypatch.setattr(processes, "end_all", lambda *args: calls.append(args))
    monkeypatch.setattr(processes, "send", lambda *args: calls.append(args))
    monkeypatch.setattr(processes, "end_group", lambda *args: calls.append(args))
    monkeypatch.setattr(os, "kill", lambda *args: calls.append(args))
    monkeypatch.setattr(os, "killpg", lambda *args: calls.append(args))
    return calls


MY_TICKS = processes.stat_fields(os.getpid())[processes.START_TIME]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "1", "0", "x y z", "0 0 x\n", "1 0 x\n", "-1 0 x\n", "0 1 x\n", "2 0 x\n", f"{os.getpid()} 0 x\n",
     f"{os.getpid()} 1 x\n", f"{os.getpid()} {MY_TICKS}0 x\n", f"-{os.getpid()} {MY_TICKS} x\n", "1 1\n", "\0", "1e3 0 x", "٣ 0 x"],
)  # fmt: skip
def test_a_damaged_or_stale_record_ends_nothing_and_is_removed(
    records: Path, ended: list[object], text: str
) -> None:
    (records / "svc").write_text(text)

    assert services.stop(records, "svc") is False
    assert ended == []
    assert services.names(records) == []


def test_a_record_that_is_no_text_ends_nothing(records: Path, ended: list[object]) -> None:
    (records / "svc").write_bytes(b"\xff\xfe 0 x")

    assert services.stop(records, "svc") is False
    assert ended == []


def test_no_record_is_no_error(records: Path, ended: list[object]) -> None:
    assert services.stop(records, "svc") is False
    assert services.names(records / "none") == []
    assert ended == []


def test_a_true_record_is_ended_as_a_session(records: Path, ended: list[object]) -> None:
    (records / "svc").write_text(f"{os.getpid()} {MY_TICKS} /log\n")
    services.stop(records, "svc")

    assert len(ended) == 1


def test_records_of_a_tree_are_apart_from_those_of_another_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("a/tree", "b/tree"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "tree")
    first, second, link = (
        services.directory(tmp_path / name) for name in ("a/tree", "b/tree", "link")
    )

    assert first != second
    assert first == link
    assert first.parent == tmp_path / "state" / "stacknb"
    assert first.name.startswith("tree-")


def test_without_xdg_state_home_it_is_below_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert services.directory("/").parent == tmp_path / ".local" / "state" / "stacknb"
    assert services.directory("/").name.startswith("root-")


@pytest.mark.parametrize("home", ["state", "./state", "~/state"])
def test_a_relative_xdg_state_home_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert services.directory("/").parent == tmp_path / ".local" / "state" / "stacknb"


def test_for_a_user_who_may_not_write_to_the_home_it_is_within_the_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()  # what nobody, not even root, can make folders in
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    assert services.directory(tmp_path).is_relative_to(tmp_path / ".stacknb")


def test_for_a_user_without_a_home_it_is_within_the_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # HOME unset, and no such user

    assert services.directory(tmp_path).is_relative_to(tmp_path / ".stacknb")


def test_a_folder_of_records_that_cannot_be_read_holds_no_service(
    tmp_path: Path, ended: list[object]
) -> None:
    (tmp_path / "home").write_text("no folder")
    records = tmp_path / "home" / "records"

    assert services.names(records) == []
    assert services.main(["stop", str(records), "svc"]) == 0
    assert ended == []
