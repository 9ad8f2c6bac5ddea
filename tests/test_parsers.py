import argparse

import pytest

from stacknb.commands.arguments import STACK, Argument, Command, given
from stacknb.commands.parsers import line_parser, read_argv
from stacknb.exceptions import BadInput

NUMBER = Argument("--jobs", "how many", "number")
SWITCH = Argument("--serial", "one by one", "switch")
MANY = Argument("--plugin", "enable one", "plugin", many=True)
TREE = Argument("TOP_DIR", "the tree", "folder", at_hand=True)
PHASE = Argument("PHASE", "the phase", "phase", optional=True)
NOTEBOOK_ONLY = Argument("--here", "only here", "switch", faces=(STACK,))
STACKING = Command(
    "stack", "stack it", lambda stack, o: None, (TREE, PHASE, NUMBER, SWITCH, MANY, NOTEBOOK_ONLY)
)
TASK = Command(
    "task", "start it", lambda stack, o: None,
    (Argument("--timeout", "end it", "seconds"), Argument("NAME", "its name"),
     Argument("COMMAND", "its command", "words", many=True, optional=True)),
    ("%task",),
)  # fmt: skip


def read(*argv: str) -> argparse.Namespace:
    return read_argv([STACKING], argv, "about", "1.2")


def test_options_may_stand_anywhere() -> None:
    for argv in (
        ["stack", "tree", "install", "--jobs", "2"],
        ["stack", "--jobs", "2", "tree", "install"],
        ["stack", "tree", "--jobs", "2", "install"],
    ):
        o = read(*argv)
        assert (o.command, o.top_dir, o.phase, o.jobs) == (STACKING, "tree", "install", 2)


def test_behind_two_dashes_no_word_is_an_option() -> None:
    o = read("stack", "--jobs", "2", "--", "-x", "install")
    assert (o.top_dir, o.phase, o.jobs) == ("-x", "install", 2)
    assert read("stack", "tree", "--", "-x").phase == "-x"
    with pytest.raises(BadInput, match="'--serial' is not understood"):
        read("stack", "--", "tree", "install", "--serial")
    line = line_parser("%stack", [TREE, NUMBER])
    assert line.read(["--jobs", "3", "--", "--jobs"]).top_dir == "--jobs"


def test_what_is_not_given_is_none() -> None:
    o = read("stack", "tree")
    assert (o.phase, o.jobs, o.serial, o.plugin) == (None, None, False, None)
    assert given(STACKING.arguments, o) == [TREE]


def test_zero_counts_as_given() -> None:
    o = read("stack", "tree", "--jobs", "0")
    assert given([NUMBER], o) == [NUMBER]


def test_an_option_may_be_repeated() -> None:
    assert read("stack", "tree", "--plugin", "a=b", "--plugin", "c=d").plugin == ["a=b", "c=d"]


def test_an_option_of_another_face_is_not_known() -> None:
    with pytest.raises(BadInput, match="'--here' is not understood"):
        read("stack", "tree", "--here")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["stak"], "unknown command 'stak'; did you mean 'stack'.*see stacknb --help"),
        ([], "COMMAND is missing; see stacknb --help"),
        (["stack"], "TOP_DIR is missing; see stacknb stack --help"),
        (["stack", "t", "--jobs", "many"], "--jobs: 'many' is no whole number"),
        (["stack", "t", "--jobs", "-3"], "--jobs: '-3' is less than 0; give a whole number"),
        (["stack", "t", "--job", "1"], "'--job' is not understood; did you mean '--jobs'"),
        (["stack", "t", "install", "more"], "'more' is not understood"),
        (["stack", "t", "--nope"], "'--nope' is not understood; see"),
        (["stack", "t", "--serail"], "'--serail' is not understood; did you mean '--serial'"),
    ],
)
def test_what_is_not_understood_is_named_with_what_to_do(argv: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read(*argv)
    assert "\n" not in str(caught.value)


def test_in_a_notebook_the_tree_may_be_left_out() -> None:
    assert line_parser(STACK, STACKING.of(STACK)).read([]).top_dir is None


def test_words_behind_a_name_are_taken_as_they_are() -> None:
    parser = line_parser("%task", TASK.arguments)
    o = parser.read(["--timeout", "1.5", "db", "sync", "--now", "--timeout", "3"])
    assert (o.timeout, o.name, o.command) == (1.5, "db", ["sync", "--now", "--timeout", "3"])


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_time_is_a_number_of_seconds(text: str) -> None:
    parser = line_parser("%task", TASK.arguments)
    with pytest.raises(BadInput, match=f"--timeout: .*{text!r} is no number of seconds|expected"):
        parser.read([f"--timeout={text}", "db"])


def test_what_may_be_left_out_is_never_missing() -> None:
    with pytest.raises(BadInput, match=r"^NAME is missing; see %task\?$"):
        line_parser("%task", TASK.arguments).read([])


def test_version_and_help_end_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, text in ((["--version"], "stacknb 1.2\n"), (["stack", "--help"], "--jobs N")):
        with pytest.raises(SystemExit) as end:
            read(*argv)
        assert end.value.code == 0
        assert text in capsys.readouterr().out


def test_the_help_of_the_command_line_lists_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help")
    assert "stack     stack it" in capsys.readouterr().out
