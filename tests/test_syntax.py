import pytest

from stacknb.text.syntax import check


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("echo 1\n  x=(1 2) fi )\n", 2, 14, "near unexpected token ')'"),
        ("x=(1) y=() )\n", 1, 12, "near unexpected token ')'"),
        ("echo a | | b\n", 1, 10, "near unexpected token '|'"),
        ('if true; then\n  echo 1\necho "abc\n', 3, 6, "looking for matching '\"'"),
        ("if true; then\n  echo 1\n", 3, 0, "unexpected end of file"),
        ("for x in 1 2; then\ndone\n", 1, 15, "near unexpected token 'then'"),
    ],
)
def test_a_fault_is_told_with_line_and_column(
    text: str, line: int, column: int, message: str
) -> None:
    [fault] = check(text)
    assert (fault.line, fault.column) == (line, column)
    assert message in fault.message
    assert fault.fatal


def test_the_end_of_a_file_tells_that_something_is_not_closed() -> None:
    [fault] = check("if true; then\n")
    # Since 5.3 bash itself knows what.
    told = (": something is not closed (if … fi, ", " from 'if' command on line 1")
    assert fault.message.removeprefix("syntax error: unexpected end of file").startswith(told)


@pytest.mark.parametrize(
    "text",
    ["", "true", "echo 'a\nb'\n", "shopt -s extglob\nls !(x)\n", "cat <<X\nfi\nX\n", "\xe9=1"],
)
def test_a_script_that_bash_can_read_has_no_fault(text: str) -> None:
    assert check(text) == []


def test_nothing_of_the_script_is_run(tmp_path: object) -> None:
    assert check(f"touch {tmp_path}/made\nexit 3\n") == []
    import os

    assert os.listdir(str(tmp_path)) == []


def test_a_here_document_without_an_end_is_a_warning() -> None:
    [fault] = check("cat <<X\nhello\n")
    assert not fault.fatal
    assert "here-document at line 1 delimited by end-of-file" in fault.message
