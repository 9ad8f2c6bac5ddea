import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb.exceptions import BadInput
from stacknb.notebook import line_words


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("webshop", "install", "plan"):
        (tmp_path / name).mkdir()


def meaning(line: str) -> tuple[str, str | None, str | None]:
    command, o = line_words.read_stack(line)
    return command.name, o.top_dir, getattr(o, "phase", None)


@pytest.mark.parametrize(
    ("line", "rest", "silent"),
    [
        ("step;", "step", True),
        ("wait a ; ", "wait a ", True),
        (r"t echo \\;", r"t echo \\", True),
        (r"t find . -exec ls {} \;", r"t find . -exec ls {} \;", False),
        ("t bash -c 'a;'", "t bash -c 'a;'", False),
        ("t bash -c 'a;", "t bash -c 'a;", False),
        ("t 'a;b'", "t 'a;b'", False),
        ("", "", False),
    ],
)
def test_a_semicolon_behind_the_line_is_no_part_of_it_unless_quoted(
    line: str, rest: str, silent: bool
) -> None:
    assert line_words.without_semicolon(line) == (rest, silent)


@pytest.mark.parametrize(
    ("line", "command", "top_dir", "phase"),
    [
        ("", "stack", None, None),
        ("install", "stack", None, "install"),
        ("stack-install", "stack", None, "stack-install"),
        ("stack install", "stack", None, "install"),
        ("all", "all", None, None),
        ("step", "step", None, None),
        ("webshop", "stack", "webshop", None),
        ("webshop install", "stack", "webshop", "install"),
        ("webshop plan", "plan", "webshop", None),
        ("--serial webshop step --jobs 3", "step", "webshop", None),
        ("./install", "stack", "./install", None),
        ("no/such step", "step", "no/such", None),
        ("~/x", "stack", "~/x", None),
        (".", "stack", ".", None),
    ],
)
def test_a_line_means_a_tree_and_a_word(
    line: str, command: str, top_dir: str | None, phase: str | None
) -> None:
    assert meaning(line) == (command, top_dir, phase)


def test_a_folder_named_as_a_word_is_the_word() -> None:
    assert meaning("install")[1] is None
    assert meaning("plan") == ("plan", None, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("instal", "'instal' is no word of %stack and no folder; did you mean 'install'"),
        ("zzz", "'zzz' is no word of %stack and no folder; there are plan"),
        ("until install", "'until' is no word of %stack and no folder; did you mean '--until'?"),
        ("webshop serial", "did you mean '--serial'?"),
        ("step more", "'more' is not understood"),
        ("step --mode clean", "'--mode' does not go with '%stack step'"),
        ("--serail", "did you mean '--serial'"),
        ("log", "NAME is missing"),
        ("unstack", "'unstack' is no word of %stack but a magic of its own: %unstack"),
        ("webshop clean", "'clean' is no word of %stack but a magic of its own: %clean"),
        ("report run", "'report' is no word of %stack but of the command line: stacknb report"),
        ("step install", "'step' runs the next phase and takes none; %stack install runs that one"),
        ("'webshop", "no closing quotation"),
        ("install source", "'source' is not understood"),
    ],
)
def test_a_line_that_is_not_understood_is_named(line: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        line_words.read_stack(line)
    assert "\n" not in str(caught.value)


def test_the_words_of_a_command_are_bound() -> None:
    assert line_words.read_stack("log db")[1].name == "db"
    assert line_words.read_stack("log some/run db")[1].run == "some/run"
    assert line_words.read_stack("vars 'SHOP_*'")[1].glob == "SHOP_*"
    assert line_words.read_stack("plan --mode clean")[1].mode == "clean"
    assert line_words.read_stack("--plugin a=b --plugin c=d")[1].plugin == ["a=b", "c=d"]


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert line_words.read_stack("step --run-dir ~/run")[1].run_dir == f"{tmp_path}/run"
    assert line_words.read_stack("step --localrc ~/rc")[1].localrc == f"{tmp_path}/rc"
    assert line_words.read_stack("status ~/run")[1].run == f"{tmp_path}/run"
    assert line_words.read_stack("timing ~/stack.sh.log")[1].path == f"{tmp_path}/stack.sh.log"
    assert line_words.read("async_task", "t echo ~")[1].command == ["echo", "~"]


def test_quotes_and_blanks_keep_words_together() -> None:
    (Path("my shop")).mkdir()
    assert meaning("'my shop' install") == ("stack", "my shop", "install")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_arguments_of_a_task_arrive_as_given(words: list[str]) -> None:
    command, o = line_words.read("async_task", f"--timeout 5 name {shlex.join(words)}")
    assert command.name == "async_task"
    assert (o.timeout, o.name, o.command) == (5.0, "name", words)


def test_a_wait_takes_names_and_options_in_any_order() -> None:
    _, o = line_words.read("wait", "a --tail 3 b --timeout 0.5")
    assert (o.name, o.tail, o.timeout) == (["a", "b"], 3, 0.5)
    _, o = line_words.read("wait", "")
    assert (o.name, o.tail, o.timeout) == ([], 20, None)


def test_unstack_takes_a_tree_or_none() -> None:
    assert line_words.read("unstack", "")[1].top_dir is None
    assert line_words.read("clean", "webshop --serial")[1].top_dir == "webshop"
