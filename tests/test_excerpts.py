from pathlib import Path

import pytest

from stacknb.board import HookState
from stacknb.progress import excerpts
from stacknb.progress.excerpts import Excerpts


def ended(*names: str) -> list[HookState]:
    return [HookState(name, Path(name), begun=1.0, status="ok") for name in names]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have each log hold a line that names it; return the names of those that are read."""
    read: list[str] = []

    def excerpt(log: Path, *_: int) -> list[str]:
        read.append(log.name)
        return [f"the end of {log.name}"]

    monkeypatch.setattr(excerpts, "excerpt", excerpt)
    return read


def test_a_log_is_read_once_however_often_the_summary_is_tried(read: list[str]) -> None:
    found, hooks = Excerpts(None), ended("a", "b")
    for room in (1000, 800, 600):
        assert [*found.within(room, 10, hooks)] == [Path("b"), Path("a")]
    assert sorted(read) == ["a", "b"]


def test_what_no_line_is_shown_of_is_not_read(read: list[str]) -> None:
    assert [*Excerpts(None).within(1000, 1, ended("a", "b", "c"))] == [Path("c")]
    assert read == ["c"]


def test_the_hook_that_runs_comes_first_and_one_that_failed_is_explained_elsewhere(
    read: list[str],
) -> None:
    running = HookState("10", Path("10"), begun=1.0, status="running")
    failed = HookState("20", Path("20"), begun=2.0, status="failed")
    to_come = HookState("40")
    found = Excerpts(None).within(1000, 10, [running, failed, *ended("30"), to_come])
    assert [*found] == [Path("10"), Path("30")]
