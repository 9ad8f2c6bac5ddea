# ruff: noqa: E501  (a script of bash is read best on one line)

import pickle

import pytest

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


@pytest.mark.parametrize(
    "error",
    [
        BadInput("x"),
        HookFailed(FAILURE, "mend it"),
        Interrupted("x", FAILURE),
        WaitTimeout("x", [1]),
    ],
)
def test_errors_can_cross_processes(error: StacknbError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert str(again) == str(error)
    assert getattr(again, "failure", None) == getattr(error, "failure", None)
