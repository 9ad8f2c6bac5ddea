from typing import Any

import pytest

from stacknb.tasks import status_of


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
    assert status_of(footer, exit_code) == status
