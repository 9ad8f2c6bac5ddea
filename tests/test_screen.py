import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb.text import screen

# Pieces of what hooks print: text, colours, progress bars, what is no UTF-8, control characters.
BITS = st.sampled_from(
    [b"a line", b"\n", b"\r", b"\r\n", b"\x1b[31mred\x1b[0m", b"\0", b"\xff", "→".encode(), b"\t"]
)
OUTPUT = st.lists(BITS, max_size=40).map(b"".join)


@given(OUTPUT, st.data())
def test_output_in_pieces_looks_the_same_as_whole(output: bytes, data: st.DataObject) -> None:
    feed, shown, at = screen.Feed(), "", 0
    while at < len(output):
        step = data.draw(st.integers(1, len(output) - at))
        shown += feed.take(output[at : at + step])
        at += step
    shown += feed.end()
    whole = screen.clean(output)
    if whole and not output.endswith(b"\n") and not whole[-1]:
        whole.pop()  # of a line that has not ended and shows nothing, a feed says nothing
    assert shown == "".join(f"{line}\n" for line in whole)


def test_a_progress_bar_shows_its_last_state() -> None:
    assert screen.clean_line("10 %\r50 %\r100 %") == "100 %"


def test_colours_go_and_control_characters_become_visible() -> None:
    assert screen.clean(b"\x1b[1;31mred\x1b[0m\0\x7f \xff") == ["red␀␡ �"]


def test_a_line_without_end_is_remembered_only_as_far_as_it_is_shown() -> None:
    feed = screen.Feed(limit=10)
    for _ in range(100):
        assert feed.take(b"x" * 100_000) == ""
    assert feed.partial == "xxxxxxxxxx … [10.0 MB on this line; the log has all]"
    assert len(feed._line) < 100_000
    assert feed.take(b"\nnext\n").splitlines()[1] == "next"


def test_a_long_line_among_short_ones_is_cut() -> None:
    shown = screen.Feed(limit=5).take(b"one\n" + b"y" * 9 + b"\ntwo\n")
    assert shown == "one\nyyyyy … [9 B on this line; the log has all]\ntwo\n"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.004, "0.00 s"),
        (9.99, "9.99 s"),
        (12.34, "12.3 s"),
        (185, "3 min 05 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_durations_are_as_short_as_they_can_be(value: float, words: str) -> None:
    assert screen.seconds(value) == words


def test_a_list_that_is_too_long_tells_how_many_are_missing() -> None:
    assert screen.listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert screen.listed(["a", "b"], 2) == "a, b"


def test_names_that_somebody_gave_are_in_quotes() -> None:
    assert screen.quoted(iter(["a", "b c", "d"]), 2) == "'a', 'b c' and 1 more"
