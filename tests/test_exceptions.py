# ruff: noqa: E501  (a script of bash is read best on one line)

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb import exceptions
from stacknb.exceptions import (
    BadInput,
    Failure,
    HookFailed,
    Interrupted,
    StacknbError,
    TaskFailed,
    WaitTimeout,
)
from stacknb.results import TaskResult
from stacknb.text import budget

FAILURE = Failure(
    "50-api.sh", 3, "failed with status 3 under errexit", "/t/50-api.sh", 7, "sync\n  --all", "/run/50-api.sh.log",
    ("connecting", "refused"),
)  # fmt: skip


def test_a_failed_hook_tells_hook_place_command_status_last_lines_log_and_what_next() -> None:
    assert str(HookFailed(FAILURE, "mend it")).splitlines() == [
        "'50-api.sh' failed with status 3 under errexit",
        "  at      /t/50-api.sh:7",
        "  command sync --all",
        "  status  3",
        "  last lines",
        "    | connecting",
        "    | refused",
        "  log     /run/50-api.sh.log",
        "  next    mend it",
    ]


def test_what_is_not_known_is_left_out() -> None:
    text = str(HookFailed(Failure("x.sh", 137, "was killed")))

    assert text.splitlines() == ["'x.sh' was killed", "  status  137"]


def test_a_place_without_a_line_is_the_file() -> None:
    assert Failure("x", 1, "failed", "/f").place == "/f"
    assert FAILURE.place == "/t/50-api.sh:7"


def test_a_long_command_is_cut_to_one_line() -> None:
    text = str(Failure("x", 1, "failed", command="echo " + "y" * 1000))

    assert max(map(len, text.splitlines())) < 220


@pytest.mark.parametrize(
    "name", [name for name in exceptions.__all__ if name[0].isupper() and name != "Failure"]
)
def test_every_error_is_one_of_ours_and_ipython_shows_the_message_alone(name: str) -> None:
    kind = getattr(exceptions, name)

    assert issubclass(kind, StacknbError)
    error = (
        kind(FAILURE)
        if kind is HookFailed
        else kind([])
        if kind is TaskFailed
        else kind("what is wrong")
    )
    assert error._render_traceback_() == [f"{name}: {error}"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("x"), 2),
        (HookFailed(FAILURE), 1),
        (Interrupted("x"), 130),
        (TaskFailed([]), 1),
        (WaitTimeout("x"), 1),
    ],
)
def test_each_has_the_exit_status_of_the_command_line(error: StacknbError, status: int) -> None:
    assert error.status == status


def test_bad_input_is_a_value_error_and_a_wait_timeout_a_timeout_error() -> None:
    assert isinstance(BadInput("x"), ValueError)
    assert isinstance(WaitTimeout("x"), TimeoutError)


@given(st.text(min_size=300), st.integers(budget.SHORT, budget.ERROR))
def test_an_error_fits_its_room_and_still_says_what_failed_where_and_how(
    words: str, room: int
) -> None:
    lines = tuple(words.splitlines())
    error = HookFailed(
        Failure("50-api.sh", 3, "failed", f"/{words}/x.sh", 7, words, "/l.log", lines)
    )
    error.room = room
    assert budget.stored(str(error)) <= room
    if "\n" not in words and "\r" not in words and len(words.splitlines()) == 1:
        for word in ("'50-api.sh' failed", "x.sh:7", "status  3", "/l.log"):
            assert word in str(error)


def test_what_failed_first_is_told_where_there_is_room_for_no_more() -> None:
    error = BadInput("'x' is wrong; " + "y" * 5000 + " put it right")
    error.room = budget.SHORT
    assert str(error).startswith("'x' is wrong; yyy")
    assert budget.stored(str(error)) <= error.room
    error.hint = "look there"
    assert error._render_traceback_() == [f"BadInput: {error}", "  more    look there"]


@pytest.mark.parametrize(
    "error",
    [
        BadInput("x"),
        HookFailed(FAILURE, "mend it"),
        Interrupted("x", FAILURE),
        WaitTimeout("x", [1]),
        TaskFailed([TaskResult("db", ["false"], "failed", 1, 0.1, 0.0, Path("db.log"))]),
    ],
)
def test_errors_can_cross_processes(error: StacknbError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert str(again) == str(error)
    assert getattr(again, "failure", None) == getattr(error, "failure", None)
    assert getattr(again, "results", None) == getattr(error, "results", None)
