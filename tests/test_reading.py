import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stacknb import tasklog
from stacknb.devstack_log import LogFile
from stacknb.exceptions import LogError
from stacknb.rundir.linefile import LineFile
from stacknb.text import reading
from stacknb.text.reading import as_seconds, ending, json_object, opened, piped, whole
from stacknb.timing.loading import read


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # its whole path may be too long for a socket


MADE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": bound,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("reader", [opened, whole, tasklog.read, LogFile])
def test_what_stands_in_the_place_of_a_file_is_named(
    tmp_path: Path, what: str, reader: Callable[[Path], object]
) -> None:
    MADE[what](path := tmp_path / "a.log")
    with pytest.raises(OSError, match=f"it is {what}, not a file"):
        reader(path)


def test_the_ending_of_a_file_is_at_most_as_long_as_asked_for(tmp_path: Path) -> None:
    (path := tmp_path / "a.err").write_bytes(b"abcdef")

    assert (ending(path, 2), ending(path, 100)) == (b"ef", b"abcdef")


def test_a_pipe_in_the_place_of_a_log_of_stack_sh_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(LogError, match=r"log' cannot be read: it is a pipe, not a file$"):
        read(tmp_path / "log")


def test_the_null_device_is_an_empty_file() -> None:
    assert whole("/dev/null") == piped("/dev/null") == b""


def test_a_file_too_large_to_be_what_it_should_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(OSError, match="it has more than 2 MiB"):
        whole(tmp_path / "large", 2 << 20)


def test_a_pipe_without_a_name_is_read_to_its_end_though_its_writer_has_gone() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"A=1\n")
    os.close(write_end)
    assert piped(f"/dev/fd/{read_end}") == b"A=1\n"
    assert piped(f"/dev/fd/{read_end}") == b""
    os.close(read_end)


def test_a_named_pipe_is_read_to_its_end_however_late_its_writer_comes(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_bytes, args=(b"A=1\n" * 100_000,))
    writer.start()
    assert piped(pipe) == b"A=1\n" * 100_000
    writer.join()


def test_a_named_pipe_whose_writer_came_and_went_without_a_word_is_empty(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_bytes, args=(b"",))
    writer.start()
    assert piped(pipe) == b""
    writer.join()


def test_a_named_pipe_to_which_nobody_writes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_NO_WRITER_S", 0.0)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe, and nothing came from it within 0 s"):
        piped(tmp_path / "pipe")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "9" * 5000, "[]", "null", "{"])
def test_what_is_no_json_object_is_none(text: str) -> None:
    assert json_object(text) is None


@pytest.mark.parametrize(
    "value", [None, "1", True, -1, float("nan"), float("inf"), 10**400, 1e300, [], {}]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert as_seconds(value) is None


def test_a_line_without_an_end_is_passed_over_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stacknb.rundir.linefile._LONGEST", 16)
    path = tmp_path / "lines"
    path.write_bytes(b'{"a": 1}\n{"b": ' + b" " * 70 + b'2}\n{"c": 3}\n' + b"\0" * 40)
    lines = LineFile(path)
    assert lines.new() == [{"a": 1}, {"c": 3}]
    with path.open("ab") as file:
        file.write(b' {"d": 4}\n{"e": 5}\n')
    assert lines.new() == [{"e": 5}]
    with path.open("ab") as file:  # pieces that would be objects by themselves
        file.write(b"x" * 32 + b'{"f": 6}\n{"gggggggg": 77} of what is cut\n{"h": 8}\n')
    assert lines.new() == [{"h": 8}]


def test_the_beginning_of_a_file_is_as_long_as_asked_also_of_one_that_tells_no_size(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert [reading.beginning(path, most) for most in (0, 3, 10, 11)] == [
        b"",
        b"012",
        b"0123456789",
        b"0123456789",
    ]
    assert reading.beginning(Path("/proc/self/status"), 5) == b"Name:"
    assert len(reading.whole(Path("/proc/self/status"))) > 100
