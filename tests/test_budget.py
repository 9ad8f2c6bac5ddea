import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb.text import budget

# Any text that a file can hold, and much of what takes more bytes there than it has letters.
TEXTS = st.text() | st.text(alphabet="a&<>\"'\\漢😀\n\r\x01\x85\u2028/")
LONG = TEXTS.map(lambda text: text * 300)


def grown(bundle: dict[str, str], times: int) -> int:
    output = nbformat.v4.new_output("display_data", bundle)
    cell = nbformat.v4.new_code_cell(outputs=[output] * times)
    return len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode())


@given(TEXTS, TEXTS)
def test_no_more_is_stored_than_was_counted(plain: str, html: str) -> None:
    bundle = {"text/plain": plain, "text/html": html}
    empty = grown({"text/plain": "", "text/html": ""}, 2) - grown({}, 1)
    assert grown(bundle, 2) - grown(bundle, 1) <= budget.stored(bundle) + empty


@given(TEXTS | LONG, st.integers(budget.SHORT, 5000))
def test_a_folded_text_fits(text: str, most: int) -> None:
    folded = budget.fold(text, most)
    assert budget.stored(folded) <= most
    assert (folded == text) == (budget.stored(text) <= most)


def test_a_folded_text_keeps_its_beginning_and_its_end_and_says_how_much_is_left_out() -> None:
    lines = [f"line {number} {'x' * 40}" for number in range(1000)]
    shown = budget.fold("\n".join(lines), 1000).splitlines()
    [at] = [number for number, line in enumerate(shown) if "left out" in line]
    left = 1000 - (len(shown) - 1)
    assert shown == [*lines[:at], f"    … {left:,} lines are left out here", *lines[at + left :]]
    assert at > 3
    assert len(shown) - at > 3


@given(TEXTS | LONG, st.integers(10, 300), st.booleans())
def test_what_is_cut_fits_and_no_more_is_cut_than_must(text: str, most: int, end: bool) -> None:
    short = budget.cut(text, most, end)
    assert budget.cost(short) <= most
    if short != text:
        kept = len(short) - 1
        more = text[-kept - 1 :] if end else text[: kept + 1]
        assert short == ("…" + text[len(text) - kept :] if end else text[:kept] + "…")
        assert budget.cost(more) + 3 > most


@pytest.mark.parametrize(("first", "kept"), [(True, ["one", "two"]), (False, ["three"])])
def test_whole_lines_are_kept_as_long_as_they_fit(first: bool, kept: list[str]) -> None:
    assert budget.within(["one", "two", "three"], 7, first) == kept
