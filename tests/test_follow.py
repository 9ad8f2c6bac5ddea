from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb import tasklog
from stacknb.rundir import follow
from stacknb.rundir.follow import LAST, MOST, Follower, excerpt, last_line

HEADER: dict[str, Any] = {"kind": "hook", "name": "h", "run": "r", "pid": 1, "start": 1.0}
FOOTER = tasklog.end_line(HEADER, end=2.0, exit_code=0)


class Log:
    """A log that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(tasklog.begin_line(HEADER))

    def add(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "h.log")


def rest(follower: Follower) -> bytes:
    return b"".join(iter(follower.read, b""))


@given(
    st.lists(st.sampled_from([b"x", b"\n", b"\n\n", b"\n#stack", b"\n#stacknb-end {}\n"])),
    st.integers(0, 30),
)
def test_pieces_and_the_rest_are_the_output(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], cut: int
) -> None:
    log = Log(tmp_path_factory.mktemp("log") / "h.log")
    output = b"".join(parts)
    follower = Follower(log.path)
    log.add(output[:cut])
    shown = follower.glance()
    log.add(output[cut:] + FOOTER)
    shown += follower.glance()
    assert b"exit_code" not in shown
    follower.finish()
    shown += rest(follower)
    # The newline before a footer may be shown as the end of a line that has none.
    assert shown in (output, output + b"\n")


@pytest.mark.parametrize("end", [b"", FOOTER])
@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
@pytest.mark.parametrize("output", [b"", b"\n", b"a", b"a\n", b"a\n\nbb\nc", b"\n\na\n\n"])
def test_only_the_last_lines_are_shown_where_that_is_asked_for(
    log: Log, monkeypatch: pytest.MonkeyPatch, output: bytes, piece: int, end: bytes
) -> None:
    monkeypatch.setattr(follow, "PIECE", piece)
    log.add(output + end)
    lines = output.splitlines(keepends=True)
    for keep in range(6):
        follower = Follower(log.path)
        follower.skip_lines(keep)
        follower.finish()
        assert rest(follower) == b"".join(lines[len(lines) - min(keep, len(lines)) :])


def test_lines_of_a_log_that_has_not_begun_cannot_be_skipped(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "h.log")
    follower.skip_lines(1)
    follower.path.touch()  # its header comes a moment later
    follower.skip_lines(1)
    log = Log(tmp_path / "h.log")
    log.add(b"a\nb\n")
    assert rest(follower) == b"a\nb\n"


def test_a_line_is_shown_before_the_next_one_begins(log: Log) -> None:
    follower = Follower(log.path)
    log.add(b"step 1\n")
    assert follower.glance() == b"step 1\n"
    log.add(b"\n")
    assert follower.glance() == b""  # might belong to the footer
    log.add(b"step 2\n")
    assert follower.glance() == b"\nstep 2\n"
    log.add(b"\n?")
    assert follower.glance() == b"\n?"


def test_a_header_that_is_still_being_written_is_not_shown(log: Log) -> None:
    header = log.path.read_bytes()
    log.path.write_bytes(header[:30])
    follower = Follower(log.path)
    assert follower.glance() == b""
    log.add(header[30:] + b"step 1\n")
    assert follower.glance() == b"step 1\n"


def test_the_footer_is_never_shown(log: Log) -> None:
    follower = Follower(log.path)
    log.add(b"done\n" + FOOTER)
    assert follower.glance() == b"done\n"
    assert follower.held
    follower.finish()
    assert follower.glance() == b""


def test_a_forged_footer_is_shown_as_the_output_it_is(log: Log) -> None:
    follower = Follower(log.path)
    log.add(b"a\n#stacknb-end {}\nb\n")
    assert follower.glance() == b"a"
    log.add(FOOTER)
    follower.finish()
    assert rest(follower) == b"\n#stacknb-end {}\nb\n"


def test_of_much_that_is_left_the_end_is_shown_from_a_whole_line_on(log: Log) -> None:
    follower = Follower(log.path)
    output = b"012345\n" * (MOST // 7 + 1000)
    log.add(output + FOOTER)
    skipped = follower.finish(MOST)
    left = rest(follower)
    assert skipped + len(left) == len(output)
    assert LAST - 7 <= len(left) <= LAST
    assert left.startswith(b"012345\n")


def test_of_little_that_is_left_nothing_is_left_out(log: Log) -> None:
    follower = Follower(log.path)
    output = b"0123456\n" * (LAST // 8 + 100)
    log.add(output + FOOTER)
    assert follower.finish(MOST) == 0
    assert rest(follower) == output


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("cut", range(len(FOOTER) + 1))
def test_a_footer_that_comes_in_two_pieces_is_not_shown(log: Log, cut: int, again: bool) -> None:
    follower = Follower(log.path)
    log.add(b"done" + FOOTER[:cut])
    shown = follower.glance() + follower.glance()
    log.add(FOOTER[cut:])
    if again:
        shown += follower.glance()
    follower.finish()
    assert shown + rest(follower) in (b"done", b"done\n")


def test_what_is_left_out_of_a_log_that_nobody_has_read_is_output_alone(log: Log) -> None:
    follower = Follower(log.path)
    log.add(b"x" * 100)
    assert follower.skip(keep=110) == 0
    assert follower.glance() == b"x" * 100


def test_a_glance_is_short_when_most_will_be_left_out_anyway(log: Log) -> None:
    log.add(b"x" * (MOST + 2 * LAST))
    assert len(Follower(log.path).glance()) == LAST


def test_a_log_that_is_not_there_yet_has_no_output(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "no.log")
    assert follower.glance() == b""
    assert follower.finish() == 0
    assert follower.read() == b""


def test_the_last_line_of_a_growing_log_is_neither_header_nor_footer(log: Log) -> None:
    assert last_line(log.path) == b""
    log.add(b"one\ntwo\n\n")
    assert last_line(log.path) == b"two"
    log.add(FOOTER)
    assert last_line(log.path) == b"two"


def test_the_last_line_is_found_at_the_end_of_a_long_log(log: Log) -> None:
    log.add(b"x" * 100_000 + b"\nend")
    assert last_line(log.path) == b"end"


def test_a_log_that_was_emptied_is_read_from_its_new_beginning(log: Log) -> None:
    follower = Follower(log.path)
    log.add(b"before\n")
    assert follower.read() == b"before\n"

    log.path.write_bytes(b"a\n")
    assert follower.read() == b"a\n"
    log.add(b"b\n")
    assert follower.read() == b"b\n"
    log.add(b"c\n" + FOOTER)
    assert tasklog.put_head(log.path, HEADER)
    follower.finish()
    assert rest(follower) == b"c\n"


def test_a_log_that_was_emptied_between_two_looks_is_read_whole(log: Log) -> None:
    follower = Follower(log.path)
    log.add(b"much before\n")
    assert follower.read() == b"much before\n"

    log.path.write_bytes(b"a\n" + FOOTER)
    assert tasklog.put_head(log.path, HEADER)
    follower.finish()
    assert rest(follower) == b"a\n"


@pytest.mark.parametrize(
    ("output", "before"), [(b"1\n2\n3\n4\n", 2), (b"1\n\n\n3\n4", 3), (b"3\n4\n", 0), (b"3\n4", 0)]
)
def test_an_excerpt_says_how_much_stands_before_it(log: Log, output: bytes, before: int) -> None:
    log.add(output + FOOTER)
    said = [f"… {before} lines before these, all in {log.path}"] if before else []
    assert excerpt(log.path, 2) == [*said, "3", "4"]


def test_nothing_stands_before_the_excerpt_of_a_log_without_output(log: Log) -> None:
    log.add(FOOTER)
    assert excerpt(log.path, 2) == excerpt(log.path.with_name("none"), 2) == []


def test_an_excerpt_of_a_long_log_reads_its_end_only(log: Log) -> None:
    log.add(b"line\n" * 100_000 + FOOTER)
    assert excerpt(log.path, 1) == [f"… the last 1 line; all 500.0 kB in {log.path}", "line"]
