import os
import socket
from typing import Any

import pytest

from stacknb.rundir.ending import state_of, status_of, still_runs

NOBODY = 4_194_400  # larger than any pid


@pytest.mark.parametrize(
    ("footer", "exit_code", "status"),
    [
        ({"exit_code": 0}, None, "ok"),
        ({"exit_code": 0}, 0, "ok"),
        ({"exit_code": 3}, 3, "failed"),
        ({"exit_code": 137}, 137, "failed"),  # the task itself said so
        ({"exit_code": 143, "status": "cancelled"}, 143, "cancelled"),
        ({"exit_code": 137, "status": "timeout"}, None, "timeout"),
        ({"exit_code": 127, "status": "lost"}, 127, "lost"),
        ({"exit_code": 1, "status": "nonsense"}, 1, "failed"),
        ({"exit_code": 1, "status": "ok"}, None, "ok"),  # a hook, outside errexit
        (None, 137, "killed"),
        (None, 3, "failed"),
        (None, 0, "ok"),
        (None, None, "lost"),
        (None, 127, "lost"),
        ({"exit_code": 127}, 127, "failed"),
        # Printed by the task, which was killed then.
        ({"exit_code": 0}, 137, "killed"),
        ({"exit_code": 3}, 137, "killed"),
        ({"exit_code": 0, "status": "cancelled"}, 137, "killed"),
        ({"exit_code": 0}, 4, "failed"),
    ],
)
def test_the_status_of_a_task_is_what_its_process_says_before_what_its_log_says(
    footer: dict[str, Any] | None, exit_code: int | None, status: str
) -> None:
    code = footer["exit_code"] if footer and exit_code is None else exit_code
    assert status_of(footer, exit_code) == (status, code)
    assert state_of({"pid": NOBODY}, footer, exit_code) == (status, code), "whoever asks"


def test_a_pid_that_went_to_another_process_is_not_that_of_the_task() -> None:
    me = {"pid": os.getpid(), "host": socket.gethostname()}
    later = 4e9
    assert still_runs({**me, "start": later})
    assert state_of({**me, "start": later}, None, None) == ("running", None)
    assert not still_runs({**me, "start": 1.0}), "this process began later"
    assert not still_runs({**me, "start": later, "host": "elsewhere"})
    assert not still_runs({**me, "start": later, "pid": NOBODY})
    assert not still_runs({**me, "start": later, "pid": "1"})
    assert still_runs(me), "nobody knows better"


def test_a_task_whose_process_still_ends_has_the_status_that_is_known_of_it() -> None:
    me = {"pid": os.getpid(), "host": socket.gethostname(), "start": 4e9}
    assert state_of(me, {"exit_code": 0}, None) == ("ok", 0)
    assert state_of(me, None, 3) == ("failed", 3)
