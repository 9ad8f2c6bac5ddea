# ruff: noqa: E501  (a script of bash is read best on one line)

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacknb import tasklog
from stacknb.exceptions import LogError

HEADER: dict[str, Any] = {
    "kind": "task", "name": "db", "command": ["sync", "a b"], "phase": "stack install", "hook": "50-a.sh",
    "start": 1763900000.123456, "pid": 123, "host": "h", "run": "20261122T151600Z-stack-1f3a9c",
}  # fmt: skip
FOOTER = {"end": 1763900001.5, "exit_code": 0, "user_s": 0.1, "sys_s": 0.02}


def written(path: Path, *parts: bytes, header: dict[str, Any] = HEADER) -> tasklog.LogRecord:
    path.write_bytes(tasklog.begin_line(header) + b"".join(parts))
    return tasklog.read(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.log"


@pytest.mark.parametrize(
    ("end", "took"), [(HEADER["start"] + 2.5, 2.5), (HEADER["start"] - 60, None), (None, None)]
)
def test_a_log_tells_how_long_it_took_unless_the_clock_was_set_back(
    path: Path, end: float | None, took: float | None
) -> None:
    record = written(path, tasklog.end_line(HEADER, **{**FOOTER, "end": end}))
    assert record.duration_s == took
    assert written(path, b"killed\n").duration_s is None


@given(output=st.binary(max_size=200), exit_code=st.integers(0, 255))
def test_output_of_any_bytes_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, output: bytes, exit_code: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "t.log"
    record = written(path, output, tasklog.end_line(HEADER, **{**FOOTER, "exit_code": exit_code}))

    assert record.output() == output
    assert record.header == HEADER
    assert record.footer is not None
    assert (record.footer["exit_code"], record.footer["run"]) == (exit_code, HEADER["run"])
    assert record.output(3) == output[-3:]


@pytest.mark.parametrize(
    "output",
    [b"", b"\n", b"no newline", b"a\n", b"\n\n", b"\0\xff", b"#stacknb-end ", b"x" * 20_000],
)
def test_the_newline_before_the_footer_is_no_part_of_the_output(path: Path, output: bytes) -> None:
    assert written(path, output, tasklog.end_line(HEADER, **FOOTER)).output() == output


@pytest.mark.parametrize("size", [*range(8180, 8204), 16_384])
@pytest.mark.parametrize("footer", [b"", tasklog.end_line(HEADER, **FOOTER)])
def test_a_log_is_read_alike_whether_or_not_one_piece_holds_it(
    path: Path, size: int, footer: bytes
) -> None:
    length = size - len(tasklog.begin_line(HEADER)) - len(footer)
    record = written(path, b"x" * length, footer)
    assert path.stat().st_size == size
    assert record.output() == b"x" * length
    assert bool(record.footer) == bool(footer)


def test_a_log_without_a_footer_is_unfinished_and_all_of_it_is_output(path: Path) -> None:
    record = written(path, b"begun\n")

    assert record.footer is None
    assert record.output() == b"begun\n"


def test_a_log_without_a_footer_that_is_longer_than_the_part_read_first(path: Path) -> None:
    record = written(path, b"x" * 100_000)

    assert record.footer is None
    assert len(record.output()) == 100_000
    assert record.output(10) == b"x" * 10


def test_what_a_child_writes_after_the_footer_is_kept_and_ignored(path: Path) -> None:
    for size in (10, 100_000):
        record = written(path, b"out", tasklog.end_line(HEADER, **FOOTER), b"late\n" * size)

        assert record.footer is not None
        assert record.output() == b"out"


def test_what_a_child_writes_before_a_footer_whose_newline_is_out_takes_nothing_away(
    path: Path,
) -> None:
    # With glibc 2.37 or later bash writes that newline on its own.
    footer = tasklog.end_line(HEADER, **FOOTER).removeprefix(b"\n")
    record = written(path, b"out\n", b"\n", b"12 %", footer)
    assert record.footer is not None
    assert record.output() == b"out\n\n12 %"


def test_a_footer_in_the_midst_of_a_long_log_is_found(path: Path) -> None:
    footer = tasklog.end_line(HEADER, **FOOTER)
    record = written(path, b"y" * 300_000, footer, b"z" * 300_000)

    assert record.output_end - record.output_start == 300_000
    assert record.footer is not None


def other(**fields: Any) -> bytes:
    return tasklog.END + json.dumps({**FOOTER, "run": HEADER["run"], **fields}).encode() + b"\n"


@pytest.mark.parametrize(
    "forged",
    [
        other(run="another run"),
        other(run=None),
        other(name="other task"),
        other(pid=124),
        other(exit_code="0"),
        other(exit_code=256),
        other(exit_code=None),
        tasklog.END + b"not json\n",
        tasklog.END + b"[1]\n",
        tasklog.END + b"{}\n",
        tasklog.END + b"\n",
        tasklog.END + b'{"exit_code": 0, "run": "20261122T151600Z-stack-1f3a9c"',
    ],
)
def test_a_footer_that_is_not_this_logs_does_not_count(path: Path, forged: bytes) -> None:
    record = written(path, b"a", forged)
    assert record.footer is None
    assert record.output() == b"a" + forged

    record = written(path, b"a", forged, tasklog.end_line(HEADER, **{**FOOTER, "exit_code": 7}))
    assert record.footer is not None
    assert record.footer["exit_code"] == 7
    assert record.output() == b"a" + forged


def test_the_last_footer_that_counts_wins(path: Path) -> None:
    record = written(
        path,
        b"a",
        other(exit_code=1),
        b"b",
        other(exit_code=2),
        b"c",
        other(exit_code=3, run="x"),
        b"d",
    )

    assert record.footer is not None
    assert record.footer["exit_code"] == 2
    assert record.output() == b"a" + other(exit_code=1) + b"b"


def test_a_footer_need_not_have_name_and_pid(path: Path) -> None:
    record = written(path, b"", other())

    assert record.footer is not None


def test_what_is_no_time_is_left_out_and_the_rest_is_read(path: Path) -> None:
    footer = tasklog.end_line(HEADER, **{**FOOTER, "end": "soon", "exit_code": 3})
    record = written(path, footer, header={**HEADER, "start": "now"})
    assert record.header == {key: value for key, value in HEADER.items() if key != "start"}
    assert record.footer is not None
    assert (record.footer.get("end"), record.footer["exit_code"]) == (None, 3)
    assert record.duration_s is None


def test_a_footer_right_after_the_header_is_found(path: Path) -> None:
    assert written(path, tasklog.end_line(HEADER, **FOOTER)).output() == b""


def test_unknown_keys_and_arguments_of_any_bytes_are_read(path: Path) -> None:
    line = b'#stacknb-begin {"kind": "task", "name": "t", "command": ["a\xff\t"], "run": "r", "after": ["x"], "cpus": 2, "new": 1}\n'
    path.write_bytes(line + b"out")
    record = tasklog.read(path)

    assert os.fsencode(record.header["command"][0]) == b"a\xff\t"
    assert record.header["new"] == 1
    assert tasklog.read_header(path) == record.header


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"hello\n", b"#stacknb-begin", b"#stacknb-begin \n", b"#stacknb-begin {}", b"#stacknb-begin []\n",
             b'#stacknb-begin {"a": 1\n', b"#stacknb-begin {\xff}\n", b' #stacknb-begin {"a": 1}\n'],
)  # fmt: skip
def test_a_file_that_is_no_log_is_named_and_refused(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    for reader in (tasklog.read, tasklog.read_header):
        with pytest.raises(LogError, match=r"db\.log.*#stacknb-begin"):
            reader(path)
    assert tasklog.tail_bytes(path) == b""


def test_a_file_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tasklog.read(tmp_path / "none")
    assert tasklog.tail_bytes(tmp_path / "none") == b""


@given(data=st.binary(max_size=300))
@settings(max_examples=200)
def test_no_bytes_make_the_reader_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "t.log"
    path.write_bytes(tasklog.begin_line(HEADER) + data)
    record = tasklog.read(path)
    assert 0 < record.output_start <= record.output_end <= path.stat().st_size

    path.write_bytes(data)
    with pytest.raises(LogError):
        tasklog.read(path)


def test_a_header_of_one_megabyte_is_read(path: Path) -> None:
    record = written(path, b"out", header={**HEADER, "command": ["x" * 1_000_000]})

    assert len(record.header["command"][0]) == 1_000_000
    assert record.output() == b"out"


def test_logs_of_the_same_name_are_numbered_from_2(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        path = tasklog.numbered(tmp_path / "a.b.log")
        path.touch()
        names.append(path.name)

    assert names == ["a.b.log", "a.b.2.log", "a.b.3.log"]


def test_only_the_end_of_a_large_log_is_read_into_memory(path: Path) -> None:
    with path.open("wb") as file:
        file.write(tasklog.begin_line(HEADER))
        file.truncate(100 << 20)
    assert tasklog.tail_bytes(path, 10) == b"\0" * 10


@pytest.mark.parametrize("after", [0, 1, 40, 90, 91, 92, 99, 100, 150, 1000])
def test_a_footer_is_found_wherever_the_pieces_of_a_long_log_are_cut(
    path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(tasklog, "_TAIL", 1)
    monkeypatch.setattr(tasklog, "_PIECE", 100)
    record = written(path, b"out" * 400, tasklog.end_line(HEADER, **FOOTER), b"x" * after)

    assert record.footer is not None
    assert record.output() == b"out" * 400


def test_a_footer_is_looked_for_no_further_back_than_asked(path: Path) -> None:
    written(path, b"out\n", tasklog.end_line(HEADER, **FOOTER), b"x" * 100_000)

    assert tasklog.read(path, 50_000).footer is None
    assert tasklog.read(path, 150_000).footer is not None


def test_a_log_is_opened_again_only_where_its_footer_is_the_end(path: Path) -> None:
    footer = tasklog.end_line(HEADER, **FOOTER)
    written(path, b"out\n", footer)
    tasklog.reopen(path)
    tasklog.close(path, exit_code=9)

    record = tasklog.read(path)
    assert record.output() == b"out\n"
    assert record.footer is not None
    assert record.footer["exit_code"] == 9

    for after in (b"late", b"late\n", b"\n"):
        written(path, b"out\n", footer, after)
        tasklog.reopen(path)
        assert path.read_bytes().endswith(footer + after)
    for missing in (path.with_name("none"), path.parent):
        tasklog.reopen(missing)


@pytest.mark.parametrize("text", [None, b"", b"no log\n"])
def test_what_is_no_log_has_nothing_to_tell_and_is_left_as_it_is(
    path: Path, text: bytes | None
) -> None:
    if text is not None:
        path.write_bytes(text)
    assert (tasklog.header_of(path), tasklog.footer_of(path)) == ({}, None)
    assert tasklog.tail_bytes(path) == b""
    tasklog.reopen(path)
    assert (path.read_bytes() if path.exists() else None) == text


def test_a_log_that_cannot_be_closed_is_left_as_it_is(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no header\n")
    tasklog.close(path, exit_code=1)
    tasklog.close(tmp_path, exit_code=1)
    tasklog.close(tmp_path / "none", exit_code=1)

    assert path.read_bytes() == b"no header\n"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_header_is_put_before_a_log_that_has_none_or_nothing_is_changed(path: Path) -> None:
    path.write_bytes(b"out\n" + tasklog.end_line(HEADER, **FOOTER))
    assert tasklog.put_head(path, HEADER)

    record = tasklog.read(path)
    assert (record.header, record.output()) == (HEADER, b"out\n")
    assert tasklog.put_head(path, {**HEADER, "pid": 124}, instead=True)
    record = tasklog.read(path)
    assert (record.header["pid"], record.output()[:4]) == (124, b"out\n")
    assert not tasklog.put_head(path.with_name("none"), HEADER)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
