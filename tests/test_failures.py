# ruff: noqa: E501  (a script of bash is read best on one line)

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import stacknb
from stacknb import tasklog
from stacknb.exceptions import Failure
from stacknb.hooks.mending import to_run_first
from stacknb.lifecycle import Hook, Phase
from stacknb.run.failures import explain
from stacknb.shell.turns import Turn

GONE = "its variables are gone: the session goes on from the state before it"
DRIVER = str(Path(stacknb.__file__).parent / "bash" / "driver.bash")
SCRIPT = "a=1\nf() {\n  false\n}\nf\n# the end\n\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "50-a.sh"
    path.write_text(SCRIPT)
    return path


def explained(script: Path, turn: Turn, output: str = "", interrupted: bool = False) -> Failure:
    log = script.with_suffix(".log")
    header = {"kind": "hook", "name": "50-a.sh", "run": "r"}
    log.write_bytes(
        tasklog.begin_line(header)
        + output.encode()
        + tasklog.end_line(header, end=1.0, exit_code=turn.status)
    )
    return explain(replace(turn, interrupted=interrupted), hook(script), log, {})


def hook(script: Path, name: str = "50-a.sh") -> Hook:
    return Hook(Phase("stack", "install"), name, script, ())


def died(status: int, how: str, file: object = "", line: str = "", command: str = "") -> Turn:
    return Turn("died", status, {}, (), how, str(file), line, command)


def test_a_command_that_failed_under_errexit(script: Path) -> None:
    failure = explained(script, died(1, "errexit", script, "3", "false"), "one\ntwo\n")

    assert (failure.what, failure.status, failure.reason) == (
        "50-a.sh",
        1,
        "failed with status 1 under errexit",
    )
    assert (failure.file, failure.line, failure.command) == (str(script), 3, "false")
    assert failure.last_lines == ("one", "two")
    assert failure.log == str(script.with_suffix(".log"))


@pytest.mark.parametrize(
    ("command", "line", "message", "is_told"),
    [
        ("gret Ada", "3", "line 3: gret: command not found", True),
        ("echo >/no/where", "3", "Zeile 3: /no/where: Datei oder Verzeichnis nicht gefunden", True),
        ("gret Ada", "4", "line 3: gret: command not found", False),  # of an earlier line
        ("false", "3", "line 3: cd: /nope: No such file or directory", False),  # of another command
    ],
)
def test_the_reason_is_what_bash_said_of_the_command_that_failed(
    script: Path, command: str, line: str, message: str, is_told: bool
) -> None:
    output = f"{script}: line 3: echo: write error\n{script}: {message}\n"
    reason = explained(script, died(1, "errexit", script, line, command), output).reason
    said = message.partition(": ")[2]
    assert reason == f"failed with status 1 under errexit{f': {said}' if is_told else ''}"


def test_the_reason_is_what_die_was_given(script: Path) -> None:
    output = f"[ERROR] {script}:2 an earlier one\n[ERROR] {script}:3 no disk: mend it\n"
    reason = explained(script, died(1, "exit", script, "3", "exit 1"), output).reason
    assert reason == "called exit with status 1: no disk: mend it"


def test_the_reason_does_not_tell_a_password(script: Path) -> None:
    output = f"[ERROR] {script}:3 no login with ADMIN_PASSWORD=sesame\n"
    reason = explained(script, died(1, "exit", script, "3", "exit 1"), output).reason
    assert reason == "called exit with status 1: no login with ADMIN_PASSWORD=••••••"


def test_a_command_that_gives_a_password_is_told_without_it(script: Path) -> None:
    command = "ADMIN_PASSWORD=sesame login --db-password='sesame' \"$ADMIN_PASSWORD\""
    failure = explained(script, died(1, "errexit", script, "3", command))
    assert failure.command == ('ADMIN_PASSWORD=•••••• login --db-password=•••••• "$ADMIN_PASSWORD"')


def test_in_a_restored_shell_the_function_is_named_since_its_file_is_a_copy(script: Path) -> None:
    copy = script.with_name("restored.2.bash")
    copy.write_text("a=1\ng () \n{ \n    :\n}\nf-1 () \n{ \n    false;\n    true\n}\n")
    output = f"{copy}: line 8: false: not today\n"
    named = explained(script, died(1, "errexit", copy, "8", "false"), output).reason
    assert named == (
        "failed with status 1 under errexit in 'f-1', restored from a snapshot (once it is mended, "
        "source it again): false: not today"
    )
    for place in ("1", "", "99x"):
        reason = explained(script, died(1, "errexit", copy, place, "false")).reason
        assert reason == "failed with status 1 under errexit"


RESTORED = "g () \n{ \n    :;\n    false\n}\nf () \n{ \n    g\n}\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("function g {\n  : # why\n\n  false\n}\nf() { g; }\n", "4"),
        ("\n\nif true; then\n  g() {\n    : ; false\n  }\nfi\nh() {\n  false\n}\n", "5"),
        ("g ()\n{\n    false || :\n    false\n}\n", "1"),  # which of the two, bash does not tell
        ("g() { false; }; f() { false; }\n", "1"),
        ("gg() { false; }\nfg() {\n false\n}\n", ""),  # it is not there any more
        ("", ""),
    ],
)
def test_a_restored_function_is_shown_where_its_own_file_has_it(
    script: Path, text: str, place: str
) -> None:
    library = script.with_name("lib with blanks")
    library.write_text(text)
    copy = script.with_name("restored.1.bash")
    copy.write_text(RESTORED)
    later = script.with_name("restored.2.bash")
    later.write_text("\n" + RESTORED)
    # An older one of the name, the one that was restored, what two new shells have said of it.
    script.with_name("origins").write_text(
        f"g 1 {script}\nf 9 {library}\ng 2 {library}\ng 1 {copy}\ng 2 {later}\nx\n"
    )
    failure = explained(script, died(1, "errexit", later, "5", "false"))
    assert failure.place == (f"{library}:{place}" if place else f"{later}:5")
    assert " in 'g', restored from a snapshot" in failure.reason


def test_a_restored_function_is_shown_as_restored_where_its_file_was_named_from_elsewhere(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(script.parent)
    Path("lib").write_text("g() {\n  false\n}\n")  # of the same name, but here
    script.with_name("restored.1.bash").write_text(RESTORED)
    script.with_name("origins").write_text("g 2 ./lib\n")
    copy = script.with_name("restored.1.bash")
    assert explained(script, died(1, "errexit", copy, "4", "false")).place == f"{copy}:4"


def test_the_calls_that_led_there_are_told_from_the_innermost_on(script: Path) -> None:
    copy = script.with_name("restored.1.bash")
    copy.write_text(RESTORED)
    library = script.with_name("lib")
    library.write_text("# g\nf() {\n  g\n}\n")
    script.with_name("origins").write_text(f"f 1 {library}\n")
    turn = replace(died(1, "errexit", script, "3", "false"), calls=(f"{copy}:8", f"{script}:5"))
    failure = explained(script, turn)
    assert failure.calls == (f"{library}:3", f"{script}:5")
    assert f"false\n  from    {library}:3\n          {script}:5\n  status" in str(failure)


def test_what_stands_for_a_file_of_the_user_is_told_by_that_file(script: Path) -> None:
    copy, own = "/run/state/local.conf", "/home/me/local.conf"
    turn = replace(died(1, "exit", copy, "2", "exit 1"), calls=(f"{copy}:2", f"{copy}:7"))
    log = script.with_suffix(".log")
    failure = explain(turn, hook(script, "localrc"), log, {copy: own})
    assert (failure.place, failure.calls) == (f"{own}:2", (f"{own}:7",))


@pytest.mark.parametrize("how", ["errexit", "interrupt"])
def test_what_ended_within_a_function_of_ours_is_where_that_was_called(
    script: Path, how: str
) -> None:
    inside = str(Path(DRIVER).with_name("async.bash"))
    turn = replace(died(1, how, inside, "18", "async_run"), calls=(f"{script}:5", f"{script}:9"))
    failure = explained(script, turn)
    assert (failure.place, failure.command, failure.calls) == (f"{script}:5", "f", (f"{script}:9",))


def test_of_many_calls_the_first_and_the_last_are_told() -> None:
    calls = tuple(f"a:{n}" for n in range(1, 10))
    lines = str(Failure("a", 1, "failed", "a", 1, calls=calls)).splitlines()
    assert [line[10:] for line in lines[2:7]] == ["a:1", "a:2", "a:3", "… 5 more", "a:9"]


def test_the_call_that_is_the_place_is_not_told_again(script: Path) -> None:
    calls = (f"{script}:3", f"{script}:5")
    turn = replace(died(4, "exit", script, "3", "exit 4"), calls=calls)
    assert explained(script, turn).calls == (f"{script}:5",)


def test_a_call_of_exit(script: Path) -> None:
    failure = explained(script, died(4, "exit", script, "3", "exit 4"))

    assert (failure.reason, failure.place, failure.command) == (
        "called exit with status 4",
        f"{script}:3",
        "exit 4",
    )


def test_where_the_source_itself_failed_it_is_the_last_command(script: Path) -> None:
    failure = explained(script, died(1, "errexit", DRIVER, "99", 'builtin source "$_stacknb_path"'))

    assert (failure.file, failure.line, failure.command) == (str(script), 5, "f")
    assert "its last command" in failure.reason


@pytest.mark.parametrize("word", ["line", "Zeile", "行", "satır"])
def test_the_message_of_bash_tells_line_and_reason_in_any_language(script: Path, word: str) -> None:
    output = f"x\n{script}: {word} 3: nope: unbound variable\n"
    failure = explained(script, died(1, "other", script, "", "source"), output)

    assert (failure.reason, failure.line, failure.command) == (
        "failed: nope: unbound variable",
        3,
        "false",
    )


def test_of_a_syntax_error_in_two_lines_the_first_is_told(script: Path) -> None:
    output = f"{script}: line 3: syntax error near unexpected token `fi'\n{script}: line 3: `fi'\n"
    failure = explained(script, died(2, "other", script, "", "source"), output)

    assert failure.reason == "failed: syntax error near unexpected token `fi'"

    output = f"{script}: line 9: syntax error: unexpected end of file\n"
    ours = 'builtin source "$_stacknb_path" "${_stacknb_args[@]}"'
    failure = explained(script, died(2, "other", script, "9", ours), output)
    assert (failure.line, failure.command) == (9, ""), "behind the last line is nothing"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(137, "ended: its shell was killed by SIGKILL"), (139, "ended: its shell was killed by SIGSEGV"),
     (0, "ended its shell with status 0 (by exec, set -n or an EXIT trap of its own); " + GONE), (255, "ended its shell with status 255 (by exec, set -n or an EXIT trap of its own); " + GONE), (162, "ended: its shell was killed by SIGRTMIN"), (192, "ended: its shell was killed by SIGRTMAX")],
)  # fmt: skip
def test_a_shell_that_is_gone_without_a_word(script: Path, status: int, reason: str) -> None:
    failure = explained(script, Turn("lost", status, {}))

    assert (failure.status, failure.reason, failure.file) == (status, reason, str(script))


def test_a_shell_that_died_without_a_message_tells_its_status(script: Path) -> None:
    failure = explained(script, died(2, "other", script, "2", "f() {"), "no message\n")

    assert failure.reason == "ended its shell with status 2"


@pytest.mark.parametrize(
    ("line", "command", "told"),
    [
        ("5", "_abort 4 x", "f"), ("5", "builtin exit 4", "f"), ("5", "exit 4", "exit 4"),
        ("99", "_abort 4 x", "_abort 4 x"),
    ],
)  # fmt: skip
def test_an_exit_that_a_function_called_is_told_by_the_line_of_the_hook(
    script: Path, line: str, command: str, told: str
) -> None:
    assert explained(script, died(4, "exit", script, line, command)).command == told


@pytest.mark.parametrize("command", ["return 1", "builtin return 1"])
def test_a_return_under_errexit_is_told_by_the_line_that_called(script: Path, command: str) -> None:
    assert explained(script, died(1, "errexit", script, "5", command)).command == "f"


def test_the_phases_to_run_first_are_those_of_the_tasks_whose_wait_failed() -> None:
    ill = [
        SimpleNamespace(name=name, phase=phase)
        for name, phase in [("db", "source"), ("d", "stack install"), ("web", "stack extra")]
    ]
    said = ["async_wait: FAILED: db (status 1), web (status 2)"]
    assert to_run_first(said, lambda: ill, "stack extra") == ["source"]
    assert to_run_first(["db (status 1)"], lambda: ill, "stack extra") == []


def test_an_interrupted_hook(script: Path) -> None:
    failure = explained(script, died(130, "interrupt", script, "3", "sleep 100"), interrupted=True)

    assert (failure.reason, failure.line, failure.command) == ("was interrupted", 3, "sleep 100")
    assert explained(script, Turn("lost", 137, {}), interrupted=True).reason == "was interrupted"


def test_an_interrupt_within_a_function_of_ours_names_no_line_that_it_cannot_know(
    script: Path,
) -> None:
    inside = str(Path(DRIVER).with_name("waiting.bash"))
    turn = died(130, "interrupt", inside, "10", 'wait "$_nb_pid"')
    failure = explained(script, turn, interrupted=True)

    assert (failure.file, failure.line, failure.command) == (str(script), None, "")


def test_an_interrupt_that_is_told_by_the_name_of_a_function_shows_the_line(script: Path) -> None:
    script.write_text("if true; then\n  async_wait a b\nfi\nasync_wait c\n")
    failure = explained(script, died(130, "interrupt", script, "2", "async_wait"), interrupted=True)

    assert (failure.line, failure.command) == (2, "async_wait a b")


def test_a_script_or_a_log_that_is_gone_is_no_error(script: Path, tmp_path: Path) -> None:
    failure = explain(Turn("lost", 1, {}), hook(tmp_path / "gone"), tmp_path / "no log", {})

    assert (failure.line, failure.command, failure.last_lines) == (None, "", ())
