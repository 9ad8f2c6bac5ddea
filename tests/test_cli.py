import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stacknb
from stacknb import cli, tasklog
from stacknb.cli import main
from stacknb.commands import parsers
from stacknb.rundir.journal import Event, RunDir

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    extras = tmp_path / "tree" / "extras.d"
    extras.mkdir(parents=True)
    (extras / "50-api.sh").write_text("true\n")
    (extras / "5-odd.sh").write_text("true\n")
    return tmp_path / "tree"


@pytest.fixture
def run() -> RunDir:
    """Return a run of one task, which printed two lines and bytes that are no UTF-8."""
    folder = RunDir.create(None, "stack", {"top_dir": "/tree"})
    folder.point_latest()
    header = {"kind": "task", "name": "db", "start": 1.0, "pid": 1, "run": folder.run}
    (folder.path / "async" / "db.log").write_bytes(
        tasklog.begin_line(header) + b"one\n\xff\0" + tasklog.end_line(header, end=2, exit_code=0)
    )
    return folder


@pytest.fixture
def said(capfd: Capture) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command and returns its status, stdout and stderr."""

    def call(*argv: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(argv)
        return status, *capfd.readouterr()

    return call


Said = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "COMMAND is missing; see stacknb --help"),
        (
            ["--serial", "plan", "tree"],
            "'--serial' is not understood here: the COMMAND comes first; ",
        ),
        (["stack", ""], "TOP_DIR: '' names nothing; a variable may be empty; see stacknb stack"),
        (["status", ""], "RUN: '' names nothing; a variable may be empty; see stacknb status"),
        (["report", "tree", "-o", ""], "-o/--output: '' names nothing; a variable may be empty; "),
        (["changes", ".", "source", "--vars", "A"], "'--vars' goes through the whole run: leave "),
        (["stak"], "unknown command 'stak'; did you mean 'stack'? see stacknb --help"),
        (["vars", "SHOP_*"], "'vars' is for notebooks: %stack vars; see stacknb --help"),
        (["async_task", "a"], "'async_task' is for notebooks: %async_task; see stacknb --help"),
        (["hook", "50-a.sh"], "'hook' is for notebooks: %%hook; see stacknb --help"),
        (["stack"], "TOP_DIR is missing; see stacknb stack --help"),
        (["picture", "nowhere"], "top_dir 'nowhere': there is no such folder; "),
        (["stack", "nowhere"], "top_dir 'nowhere': there is no such folder; "),
        (["plan", "tree", "--mode", "x"], "unknown mode 'x'; there are stack, unstack, clean"),
        (["plan", "tree", "--plugin", "x"], "plugin 'x' should be NAME=DIR"),
        (["stack", "tree", "instal"], "unknown phase 'instal': did you mean 'install'? "),
        (["stack", "tree", ""], "unknown phase '': "),
        (["stack", "tree", "--until", "x"], "unknown phase 'x': "),
        (["stack", "tree", "install"], "phase 'stack install' is out of order in a new run: "),
        (["stack", "tree", "--executor", "dask"], "unknown executor 'dask'; there is 'bash'"),
        (["stack", "tree", "--resume"], "no run to resume in '.stacknb/runs': "),
        (["status", "tree"], "'tree' is no run directory: "),
        (["log", "tree", "db"], "'tree' is no run directory: "),
    ],
)
def test_bad_input_is_one_clear_line(said: Said, argv: list[str], line: str) -> None:
    status, out, err = said(*argv)
    assert (status, out) == (2, "")
    assert err.startswith(f"stacknb: {line}")
    assert err.count("\n") == 1
    assert not Path(".stacknb").exists()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ("stack tree --format json", "'--format' is not understood; did you mean '--json'? see"),
        ("plan tree --format=json", "'--format=json' is not understood; did you mean '--json'?"),
        ("timing run --json", "'--json' is not understood; did you mean '--format json'? see"),
        ("follow run --json", "'--json' is not understood; see"),
    ],
)
def test_who_asks_for_json_with_the_word_of_other_commands_is_told_the_word(
    said: Said, argv: str, line: str
) -> None:
    status, _, err = said(*argv.split())
    assert (status, err.startswith(f"stacknb: {line}")) == (2, True)


def test_help_and_version_are_no_failures(said: Said) -> None:
    assert said("--version")[:2] == (0, f"stacknb {stacknb.__version__}\n")
    status, out, err = said("--help")
    assert (status, err) == (0, "")
    assert "unstack" in out
    assert "Exit status: 0 all well" in out


def test_a_plan_names_the_plugins_of_a_local_conf(said: Said, tree: Path) -> None:
    (tree / "plugins/shop/devstack").mkdir(parents=True)
    (tree / "plugins/shop/devstack/settings").touch()
    Path("c").write_text("[[local|localrc]]\nenable_plugin shop plugins/shop\n")
    assert "shop-settings" in said("plan", "tree", "--local-conf", "c")[1]
    assert "shop-settings" not in said("plan", "tree")[1]
    status, _, err = said("plan", "tree", "--local-conf", "none")
    assert (status, "'none' cannot be read: No such file" in err) == (2, True)


@pytest.mark.parametrize("mode", ["stack", "clean"])
def test_a_plan_warns_of_a_plugin_whose_folder_is_not_there(said: Said, mode: str) -> None:
    Path("rc").write_text("enable_plugin shop /none/shop\n")
    status, out, err = said("plan", "tree", "--localrc", "rc", "--mode", mode)
    assert (status, err) == (0, "")
    runs = ["── a run of unstack"] if mode == "clean" else []
    _, *lines = out.splitlines()
    assert lines[: len(runs)] == runs
    assert lines[len(runs)].split() == ["override_defaults", "shop", "/none/shop"]
    assert (
        "warning: shop: there is no folder '/none/shop', so nothing of it is run; "
        "clone it there first" in lines
    )


def test_a_plan_is_a_table(said: Said, tree: Path) -> None:
    status, out, err = said("plan", "tree")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["phase", "hook", "arguments", "path"]
    assert lines[1].split(maxsplit=3) == [
        "override_defaults", "5-odd.sh", "override_defaults", "extras.d/5-odd.sh",
    ]  # fmt: skip
    assert lines[2].split()[0] == "50-api.sh"
    assert "stack install" in out
    assert lines[-1].startswith("warning: 5-odd.sh: its name should begin with two digits")
    assert not Path(".stacknb").exists()


def test_a_plan_of_clean_shows_its_unstack_run(said: Said) -> None:
    out = said("plan", "tree", "--mode", "clean")[1]
    assert out.index("── a run of unstack") < out.index("── a run of clean")


def test_a_plan_as_json_is_a_list_of_hooks(said: Said, tree: Path) -> None:
    status, out, err = said("plan", "tree", "--json")
    rows = json.loads(out)
    assert (status, err) == (0, "")
    assert rows[0] == {
        "phase": "override_defaults", "hook": "5-odd.sh", "args": ["override_defaults"],
        "path": str(tree / "extras.d" / "5-odd.sh"), "warning": rows[0]["warning"], "run": "stack",
    }  # fmt: skip
    assert len(rows) == 14


@pytest.mark.parametrize("command", ["stack", "plan", "unstack", "status", "check", "changes"])
@pytest.mark.parametrize("more", [["nowhere"], ["nowhere", "--bogus"], []])
def test_an_error_of_a_json_command_is_a_document_too(
    said: Said, command: str, more: list[str]
) -> None:
    status, out, err = said(command, *more, "--json")
    assert status == 2
    assert err == f"stacknb: {json.loads(out)['error']}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["timing", "nowhere", "--format", "json"],
        ["timing", "nowhere", "--format=json", "--what", "x"],
        ["compare", ".", "nowhere", "--format", "json"],
        ["bogus", "--json"],
    ],
)
def test_so_is_an_error_where_json_is_a_format_or_not_understood(
    said: Said, argv: list[str]
) -> None:
    status, out, err = said(*argv)
    assert status == 2
    assert err == f"stacknb: {json.loads(out)['error']}\n"
    assert said("timing", "nowhere", "--format", "csv")[:2] == (2, "")


def test_an_interrupt_is_a_document_for_who_asked_for_one(
    said: Said, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stacknb.status.read", interrupt)
    assert said("status", ".") == (130, "", "")
    status, out, err = said("status", ".", "--json")
    assert (status, json.loads(out), err) == (130, {"error": "interrupted"}, "")


def test_json_holds_names_that_are_no_utf_8_as_strict_readers_take_them(
    said: Said, tree: Path
) -> None:
    (tree / "extras.d" / "60-\udcff\U0001f600.sh").write_text("true\n")
    out = said("check", "tree", "--json")[1]
    assert "extras.d/60-\\xff\U0001f600.sh" in json.loads(out)["files"]


def test_status_tells_of_a_run(said: Said, run: RunDir) -> None:
    run.write(Event("run-start", 1.0, "stack"))
    run.write(Event("warning", 1.0, "mind this"))
    status, out, err = said("status", ".")
    assert (status, err) == (0, "")
    assert out.startswith(f"stack run {run.run}: unfinished, 0 of 7 phases\n")
    assert "✓ db" in out
    assert (
        json.loads(said("status", ".stacknb/runs/latest", "--json")[1])["tasks"][0]["status"]
        == "ok"
    )


def test_a_log_comes_byte_for_byte(run: RunDir, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["log", ".", "db"]) == 0
    assert capfdbinary.readouterr().out == b"one\n\xff\0"
    assert main(["log", ".", "db", "-f"]) == 0
    assert capfdbinary.readouterr().out == b"one\n\xff\0"


@pytest.mark.parametrize("words", [["--tail", "1"], ["-n", "1"], ["--tail", "1", "--follow"]])
def test_of_a_long_log_the_last_lines_can_be_asked_for(
    run: RunDir, capfdbinary: pytest.CaptureFixture[bytes], words: list[str]
) -> None:
    assert main(["log", ".", "db", *words]) == 0
    assert capfdbinary.readouterr().out == b"\xff\0"


def test_logs_of_one_name_stand_below_their_paths(said: Said, run: RunDir) -> None:
    for phase, text in (("source", b""), ("stack install", b"two\n"), ("stack extra", b"three\n")):
        path = run.new_log("hook", "50-api.sh", [], phase, lambda _: 1)
        with path.open("ab") as file:
            file.write(text + tasklog.end_line(tasklog.read_header(path), end=1, exit_code=0))
    _, out, _ = said("log", ".", "50-api.sh")
    assert "hooks/source/" not in out
    assert [line for line in out.splitlines() if line[:1] != "="] == ["two", "three"]
    assert out.count("==> ") == 2
    assert said("log", ".", "stack-install/50-api.sh")[1] == "two\n"


def test_following_a_log_ends_with_its_process(said: Said, run: RunDir) -> None:
    header = {"kind": "task", "name": "lost", "start": 1.0, "pid": 2**22 + 1, "run": run.run}
    (run.path / "async" / "lost.log").write_bytes(tasklog.begin_line(header) + b"half a li")
    assert said("log", ".", "lost", "--follow")[:2] == (0, "half a li")


def test_a_log_that_is_not_there_is_an_error(said: Said, run: RunDir) -> None:
    status, out, err = said("log", ".", "dbb")
    assert (status, out) == (2, "")
    assert "no log 'dbb'" in err
    assert "did you mean 'db'" in err


# -- streams, in a process of its own -------------------------------------------------------------


def bash(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which $S is the command line."""
    return subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "S": f"{sys.executable} -m stacknb.cli"},
    )  # fmt: skip


def test_a_reader_that_has_seen_enough_is_no_error(run: RunDir) -> None:
    with (run.path / "async" / "db.log").open("r+b") as file:
        file.readline()
        file.truncate()
        file.write(b"x\n" * 2_000_000)
    done = bash("$S log . db | head -1; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("x\n0\n", "")


@pytest.mark.parametrize("unbuffered", ["", "PYTHONUNBUFFERED=1 "])
@pytest.mark.parametrize("words", ["log RUN db", "stack tree 2>&1 >/dev/null"])
def test_nothing_is_lost_in_a_pipe_that_does_not_block(
    run: RunDir, tree: Path, words: str, unbuffered: str
) -> None:
    lines = [f"line {count} of many, and more than a pipe takes\n" for count in range(20_000)]
    (tree / "extras.d" / "50-api.sh").write_text('[[ ${2-} != install ]] || cat "$TOP_DIR/lines"\n')
    (tree / "lines").write_text("".join(lines))
    with (run.path / "async" / "db.log").open("r+b") as file:
        file.readline()
        file.truncate()
        file.write("".join(lines).encode())
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # as some runners of CI leave it
    line = f"{unbuffered}{sys.executable} -m stacknb {words.replace('RUN', str(run.path))}"
    with open(reader) as file, subprocess.Popen(["bash", "-c", line], stdout=writer):
        os.close(writer)
        said = file.readlines()
    assert [text for text in said if text.startswith("line ")] == lines


@pytest.mark.parametrize("unbuffered", ["", "PYTHONUNBUFFERED=1 "])
@pytest.mark.parametrize("words", ["status .", "--help", "plan --help", "--version", "plan ."])
def test_a_full_disk_is_one_line(run: RunDir, words: str, unbuffered: str) -> None:
    Path("extras.d").mkdir()
    done = bash(f"{unbuffered}$S {words} >/dev/full")
    assert (done.returncode, done.stderr) == (
        1,
        "stacknb: stdout cannot be written (No space left on device); send it somewhere else\n",
    )


@pytest.mark.parametrize("unbuffered", ["", "PYTHONUNBUFFERED=1 "])
def test_a_disk_that_has_room_for_a_part_alone_is_one_line(tree: Path, unbuffered: str) -> None:
    # Without bytecode, which would not be whole either.
    done = bash(f"ulimit -f 1; PYTHONDONTWRITEBYTECODE=1 {unbuffered}$S plan tree --json >out")
    assert (done.returncode, done.stderr) == (
        1, "stacknb: stdout cannot be written (File too large); send it somewhere else\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [["plan", "{tree}"], ["stack", "{tree}"], ["stack", "tree"], ["check", "tree"],
     ["picture", "{tree}"], ["timing", "x"], ["status", "x"], ["log", ".", "x"], ["changes", "x"],
     ["follow", "x"], ["status", "../run"], ["stack", "{tree}", "--resume"],
     ["junit", "{tree}/../run", "-o", "x"]],
)  # fmt: skip
def test_a_working_directory_that_was_deleted_is_one_line(
    said: Said, tree: Path, tmp_path: Path, words: list[str]
) -> None:
    folder = RunDir.create(tmp_path / "run", "stack", {"top_dir": str(tree)})
    header = {"kind": "task", "name": "db", "start": 1.0, "pid": 1, "run": folder.run}
    (folder.path / "async" / "db.log").write_bytes(tasklog.begin_line(header))
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    status, out, err = said(*(word.format(tree=tree) for word in words))
    assert (status, out) == (2, "")
    assert err.startswith("stacknb: the working directory is gone: ")
    assert err.count("\n") == 1


def test_closed_streams_do_no_harm(run: RunDir) -> None:
    done = bash("$S status . >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_cannot_be_encoded_is_escaped(run: RunDir) -> None:
    done = bash("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 $S status .")
    assert done.returncode == 0
    assert "\\u2713 db" in done.stdout


@pytest.mark.parametrize(
    "program",
    [
        [str(Path(sys.executable).with_name("stacknb"))],
        [sys.executable, "-m", "stacknb"],
        [sys.executable, "-m", "stacknb.cli"],
    ],
)
def test_the_console_script_and_the_package_are_the_same_program(program: list[str]) -> None:
    done = subprocess.run([*program, "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("stacknb ")
    done = subprocess.run([*program, "stak"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition(" ")[0]) == (2, "stacknb:")


# -- signals --------------------------------------------------------------------------------------


def test_the_first_signal_interrupts_and_others_do_not() -> None:
    signals = cli._Signals()
    with pytest.raises(KeyboardInterrupt), signals.installed():
        signal.raise_signal(signal.SIGTERM)
    assert signals.number == signal.SIGTERM
    signal.raise_signal(signal.SIGINT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        assert signal.getsignal(number) is signal.SIG_IGN
        signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)


def test_handlers_are_put_back_when_nothing_came() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with cli._Signals().installed():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_during_the_set_up_interrupts_at_the_first_phase() -> None:
    signals = cli._Signals()
    signals.hold()
    signals(signal.SIGINT, None)
    signals.on_event(Event("run-start", 1.0, "stack"))
    with pytest.raises(KeyboardInterrupt):
        signals.on_event(Event("phase-start", 1.0, "source"))


def test_a_signal_while_the_arguments_are_read_interrupts_after_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, done = parsers.read_argv, list[str]()

    def interrupted(*args: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        done.append("read")
        return read(*args)

    monkeypatch.setattr(parsers, "read_argv", interrupted)
    try:
        assert cli.main(["status", "nowhere"]) == 128 + signal.SIGTERM
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)
    assert done == ["read"]
    assert capsys.readouterr().err == ""


def test_a_second_signal_does_not_wait_for_the_set_up() -> None:
    signals = cli._Signals()
    signals.hold()
    signals(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        signals(signal.SIGINT, None)


def test_while_closing_no_signal_interrupts() -> None:
    signals = cli._Signals()
    signals.stop()
    signals(signal.SIGINT, None)
    assert signals.number == signal.SIGINT


def test_a_run_that_did_not_notice_the_signal_ends_at_the_next_hook() -> None:
    signals = cli._Signals()
    signals.stop()
    signals(signal.SIGINT, None)
    signals.on_event(Event("hook-end", 1.0, "10-a.sh"))
    with pytest.raises(KeyboardInterrupt):
        signals.on_event(Event("hook-start", 1.0, "20-b.sh"))


AWKWARD = "50-\x1b[31ma\nb.sh"


@pytest.mark.parametrize("command", ["plan", "check", "picture"])
def test_names_that_would_steer_a_terminal_are_shown_by_signs(
    said: Said, tree: Path, command: str
) -> None:
    (tree / "extras.d" / AWKWARD).write_text("if x; then\n")
    _, out, err = said(command, "tree")
    assert "50-␛[31ma⏎b.sh" in out
    assert "\x1b" not in out + err
    if command != "picture":
        assert json.dumps(AWKWARD)[1:-1] in said(command, "tree", "--json")[1]


def test_a_status_shows_names_by_signs(said: Said, run: RunDir) -> None:
    header = {"kind": "hook", "name": AWKWARD, "phase": "source", "start": 1.0, "run": run.run}
    (run.path / "hooks" / "source").mkdir()
    (run.path / "hooks" / "source" / f"{AWKWARD}.log").write_bytes(
        tasklog.begin_line(header) + tasklog.end_line(header, end=2, exit_code=3)
    )
    run.write(Event("warning", 1.0, "a\x07b"))
    _, out, _ = said("status", ".")
    assert out.count("50-␛[31ma⏎b.sh") == 2
    assert "  a␇b\n" in out
    assert json.loads(said("status", ".", "--json")[1])["notes"] == ["a\x07b"]
    assert "there are '50-\\x1b[31ma\\nb.sh', 'db'" in said("log", ".", "x")[2]


def test_a_message_steers_no_terminal(said: Said) -> None:
    assert "\x1b" not in said("stack", "tree", "--run-dir", "a\nb\x1b[31m")[2]


@pytest.mark.parametrize(
    "words", [["status", "{run}"], ["follow", "{run}"], ["stack", ".", "--resume"]]
)
def test_a_run_that_tells_no_mode_is_named_by_its_file(
    said: Said, run: RunDir, words: list[str]
) -> None:
    run.close()
    file = run.path / "run.json"
    file.write_text(json.dumps({**run.facts(), "mode": "stak"}))
    status, out, err = said(*(word.format(run=run.path) for word in words))
    assert (status, out) == (2, "")
    assert f"{str(file)!r} is damaged: its mode 'stak' is none of stack, unstack, clean; " in err


def test_following_a_run_that_stopped_between_two_phases_ends_as_one_that_failed(
    said: Said, run: RunDir
) -> None:
    run.write(Event("run-start", 1.0, "stack", {"top_dir": "/tree", "run_dir": str(run.path)}))
    told = {"ok": True, "duration_s": 1.0, "goes_on": True}
    run.write(Event("phase-start", 1.0, "override_defaults", {"hooks": []}))
    run.write(Event("phase-end", 2.0, "override_defaults", told))
    run.close()
    status, _, err = said("follow", ".stacknb/runs/latest")
    assert status == 1
    said_of = "phase 'source' is lost (its process was killed), outside of its hooks; "
    assert err.startswith(f"stacknb: {said_of}")


def test_a_run_directory_is_followed_until_nobody_works_on_it(said: Said, run: RunDir) -> None:
    run.write(Event("run-start", 1.0, "stack", {"top_dir": "/tree", "run_dir": str(run.path)}))
    run.close()
    status, out, err = said("follow", ".stacknb/runs/latest")
    assert (status, err) == (0, "")
    assert out == f"stack: /tree, logs in {run.path}\nstack run {run.run}: unfinished\n"
    assert said("follow", "tree")[::2] == (
        2, "stacknb: 'tree' is no run directory: it has no run.json; see .stacknb/runs/\n"
    )  # fmt: skip
