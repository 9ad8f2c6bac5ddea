import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacknb.exceptions import StacknbError
from stacknb.shell.scratch import Scratch

FULL = Path("/dev/full")


def no_room_but_in(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    make: Callable[..., str] = tempfile.mkdtemp

    def mkdtemp(**options: Any) -> str:
        if folder is None or options["dir"] != folder:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(**options)

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)


def test_it_is_private_and_has_the_two_fifos_that_bash_needs() -> None:
    scratch = Scratch()
    assert stat.S_IMODE(scratch.path.stat().st_mode) == 0o700
    names = sorted(path.name for path in scratch.path.iterdir() if path.is_fifo())
    assert names == ["never", "supervisor"]
    assert sorted(path.name for path in scratch.path.iterdir()) == names
    scratch.remove()
    assert not scratch.path.exists()


def test_one_that_was_removed_is_made_again_as_private_as_it_was(tmp_path: Path) -> None:
    scratch = Scratch()
    scratch.remove()
    assert scratch.gone
    scratch.make_again()
    assert not scratch.gone
    assert stat.S_IMODE(scratch.path.stat().st_mode) == 0o700
    (scratch.path / "never").unlink()
    scratch.write("never", b"")
    assert scratch.gone, "no file will do for a FIFO"
    scratch.remove()


def test_nothing_is_left_where_there_was_room_for_the_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "else").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "full"))
    make = os.mkfifo

    def mkfifo(path: Path, mode: int) -> None:
        if tmp_path / "full" in path.parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        make(path, mode)

    monkeypatch.setattr("os.mkfifo", mkfifo)
    assert Scratch(tmp_path / "else").path.parent == tmp_path / "else"
    assert list((tmp_path / "full").iterdir()) == []


def test_where_the_usual_place_has_no_room_it_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room_but_in(tmp_path, monkeypatch)
    scratch = Scratch(tmp_path)
    assert scratch.path.parent == tmp_path
    assert scratch.read(scratch.write("x", b"1").name) == b"1"


def test_where_no_place_has_room_each_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room_but_in(None, monkeypatch)
    monkeypatch.setenv("TMPDIR", "/some where")
    with pytest.raises(StacknbError) as caught:
        Scratch(tmp_path)
    assert str(caught.value) == (
        "no room for the scratch folder of the session in '/some where' (No space left on device) "
        f"or in {str(tmp_path)!r} (No space left on device): free some, or set TMPDIR to a folder "
        "that has some"
    )


def test_what_cannot_be_written_names_the_folder(tmp_path: Path) -> None:
    scratch = Scratch()
    (scratch.path / "turn").symlink_to(FULL)
    with pytest.raises(StacknbError, match=rf"'{scratch.path}' of the session cannot be written"):
        scratch.write("turn", b"x")
    scratch.remove()


def test_what_was_removed_is_made_again() -> None:
    scratch = Scratch()
    assert not scratch.gone
    scratch.remove()
    assert scratch.gone
    for call in (lambda: scratch.write("x", b""), lambda: scratch.read("x"),
                 lambda: scratch.fifo("in")):  # fmt: skip
        with pytest.raises(StacknbError, match=rf"'{scratch.path}' of the session, or a file in"):
            call()
    scratch.make_again()
    assert not scratch.gone
    assert (scratch.path / "supervisor").is_fifo()
    os.remove(scratch.path / "never")
    assert scratch.gone
    scratch.remove()


def test_what_was_removed_is_made_again_over_what_a_task_has_made_of_it_meanwhile() -> None:
    scratch = Scratch()
    scratch.remove()
    scratch.path.mkdir()
    for name in ("never", "never.new"):
        (scratch.path / name).touch()
    assert scratch.gone
    scratch.make_again()
    assert not scratch.gone
    assert sorted(path.name for path in scratch.path.iterdir()) == ["never", "supervisor"]
    scratch.remove()
