import pytest

from stacknb.text.signs import printable, shown, shown_lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("50-a b.sh", "50-a b.sh"),
        ("é 漢 ✓", "é 漢 ✓"),
        ("a\nb\tc", "a⏎b␉c"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("\x7f\x85\u202e\u2028", "␡\\x85\\u202e\\u2028"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\xed\\xa0\\x80"),
    ],
)
def test_what_does_not_print_becomes_a_sign(text: str, line: str) -> None:
    assert shown(text) == line
    assert shown(text).isprintable()


def test_lines_stay_lines() -> None:
    assert shown_lines("a\n\x1bb\n") == "a\n␛b\n"
    assert printable("a\n\x1b") == "a\n\x1b"
