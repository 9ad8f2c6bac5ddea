import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from stacknb.commands import arguments, commands, parsers
from stacknb.commands.arguments import CLI, STACK
from stacknb.dispatcher import Stack
from stacknb.exceptions import BadInput
from stacknb.magics import StackMagics


@pytest.fixture
def top_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree" / "extras.d").mkdir(parents=True)
    return tmp_path / "tree"


def options(*argv: object) -> arguments.argparse.Namespace:
    table = commands.of_face(CLI).values()
    return parsers.read_argv(table, [str(word) for word in argv], "", "0")


def test_each_face_has_the_commands_it_promises() -> None:
    words = {"plan", "stack", "unstack", "clean", "status", "log", "changes"}
    assert {*commands.of_face(CLI)} >= words
    words = {"plan", "stack", "all", "step", "status", "log", "vars", "changes", "resume", "reset"}
    assert {*commands.of_face(STACK)} >= words
    faces = {face for entry in commands.COMMANDS for face in entry.faces}
    assert faces == {CLI, STACK, "%unstack", "%clean", "%async_task", "%wait", "%hook"}


def test_every_face_of_the_table_is_a_magic_or_the_command_line() -> None:
    for entry in commands.COMMANDS:
        for face in entry.faces:
            assert face == CLI or hasattr(StackMagics, face[1:])


def test_every_command_is_a_few_lines() -> None:
    for entry in commands.COMMANDS:
        assert len(inspect.getsource(entry.run).splitlines()) <= 10, entry.name


def test_one_flag_means_one_thing_everywhere() -> None:
    meanings: dict[str, set[str]] = {}
    for entry in commands.COMMANDS:
        for argument in entry.arguments:
            if not argument.by_place and argument.flag not in ("--timeout", "--plugin"):
                meanings.setdefault(argument.flag, set()).add(f"{argument.kind} {argument.help}")
    assert {flag: found for flag, found in meanings.items() if len(found) > 1} == {}


def test_importing_the_table_makes_no_parser() -> None:
    code = (
        "import argparse\n"
        "def fail(*a, **k): raise AssertionError('a parser was made')\n"
        "argparse.ArgumentParser.__init__ = fail\n"
        "import stacknb.commands.commands"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--executor", "dask"], "unknown executor 'dask'; there is 'bash'"),
        (["--plugin", "lib"], "plugin 'lib' should be NAME=DIR"),
        (["--localrc", "no file"], "'no file' cannot be read: No such file"),
        (["--jobs", "0"], "jobs 0 should be a whole number, at least 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(
    top_dir: Path, argv: list[str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        commands.open_tree(options("stack", top_dir, *argv))


def test_settings_reach_the_stack(top_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    monkeypatch.setattr(commands, "Stack", lambda top_dir, **words: given.update(words))
    words = ["--serial", "--jobs", "3", "--plugin", "a=x", "--plugin", "b=y", "--run-dir", "r"]
    commands.open_tree(options("stack", *words, top_dir, "--localrc", "l"))
    assert given == {
        "plugins": ["a=x", "b=y"], "run_dir": "r", "localrc": "l", "local_conf": None, "jobs": 3,
        "parallel": False,
    }  # fmt: skip


def test_a_later_phase_does_not_begin_a_run(top_dir: Path) -> None:
    with pytest.raises(BadInput) as caught:
        commands.check_first(options("stack", top_dir, "pre-install"))
    text = str(caught.value)
    assert "'stack pre-install' is out of order" in text
    assert "run 'override_defaults', 'source' first" in text
    assert "--until pre-install" in text
    assert "--resume" in text


@pytest.mark.parametrize("words", [["override_defaults"], ["install", "--resume"], []])
def test_what_may_begin_is_let_through(top_dir: Path, words: list[str]) -> None:
    commands.check_first(options("stack", top_dir, *words))


@pytest.mark.parametrize("words", [["--serial"], ["--plugin", "a=b"], ["--localrc", "f"]])
def test_a_run_goes_on_with_what_it_began_with(top_dir: Path, words: list[str]) -> None:
    with pytest.raises(BadInput, match=f"'{words[0]}' does not go with --resume"):
        commands.open_tree(options("stack", top_dir, "--resume", *words))


def test_there_is_nothing_to_resume_before_the_first_run(top_dir: Path) -> None:
    with pytest.raises(BadInput, match=r"^no run to resume in '\.stacknb/runs': "):
        commands.open_tree(options("stack", top_dir, "--resume"))


def test_a_phase_and_a_last_phase_exclude_each_other(top_dir: Path) -> None:
    o = options("stack", top_dir, "source", "--until", "install")
    with Stack(top_dir) as stack, pytest.raises(BadInput, match="give one of them"):
        o.command.run(stack, o)


def test_without_a_run_there_is_no_status(top_dir: Path) -> None:
    o = arguments.argparse.Namespace(run=None)
    with pytest.raises(BadInput, match="no run yet"):
        commands.run_dir_of(None, o)


def test_no_place_is_taken_for_an_option_of_another_word() -> None:
    table = commands.of_face(STACK).values()
    places = {a.dest for entry in table for a in entry.of(STACK) if a.by_place}
    options = {a.dest for entry in table for a in entry.of(STACK) if not a.by_place}
    assert places & options == set()
