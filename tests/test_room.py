import os
from pathlib import Path

import pytest

from stacknb.rundir import room


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/dev/full", "cannot be written (No space left on device)"),
        ("/", "cannot be written (Is a directory)"),
    ],
)
def test_what_a_run_directory_lacks_is_found_by_trying(
    tmp_path: Path, target: str, said: str
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / f".room.{os.getpid()}").symlink_to(target)

    assert room.lack(tmp_path) == f"run directory {str(tmp_path)!r} {said}"


def test_one_that_was_removed_is_called_gone_and_no_room_is_asked_for(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"

    assert room.lack(run_dir) == f"run directory {str(run_dir)!r} is gone: somebody has removed it"
    assert room.remedy(run_dir) == "begin a new run (in a notebook: %stack reset), or put it back"
    assert room.remedy(tmp_path) == "free some room or make it writable"


def test_one_that_a_file_has_taken_the_place_of_is_gone_too(tmp_path: Path) -> None:
    (tmp_path / "run").touch()

    assert "is gone: somebody has removed it" in room.lack(tmp_path / "run")
    assert room.remedy(tmp_path / "run").startswith("begin a new run")


def test_a_run_directory_that_can_be_written_again_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()

    assert room.lack(tmp_path) == (
        f"run directory {str(tmp_path)!r} could not be written for a time"
    )
    assert list((tmp_path / "state").iterdir()) == []
