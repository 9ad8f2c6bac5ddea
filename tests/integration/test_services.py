"""Services: started by run_process, kept over the end of a run, ended by stop_process, unstack or clean."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stacknb
from stacknb import HookFailed, Stack, tasklog
from stacknb.places import BASH
from stacknb.supervision import services


@pytest.fixture(autouse=True)
def ended(tmp_path: Path, sandbox) -> Iterator[None]:
    """End what a test left, before the sandbox looks."""
    yield
    for records in (tmp_path / "state of services" / "stacknb").glob("*"):
        for name in services.names(records):
            services.stop(records, name)


def running(tree, name: str = "svc") -> int | None:
    """Return the pid of a service that runs."""
    record = services.directory(tree.path) / name
    if not record.exists():
        return None
    pid = int(record.read_text().split()[0])
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0]
    except OSError:
        return None
    return None if state in "ZX" else pid


def log_of(stack: Stack, name: str = "svc") -> Path:
    assert stack.run_dir is not None
    return stack.run_dir / "services" / f"{name}.log"


def test_a_service_runs_on_when_the_stack_is_closed_and_unstack_ends_it(tree) -> None:
    stack = tree.run("run_process svc 'sleep 1000'")
    pid = running(tree)
    assert pid is not None
    stack.close()
    assert running(tree) == pid

    result = tree.stack().run("unstack")
    assert running(tree) is None
    assert result.notes == ["ended services still running: 'svc'"]
    assert services.names(services.directory(tree.path)) == []


def test_the_end_of_a_stack_names_services_that_have_ended_by_themselves(tree) -> None:
    stack = tree.run(
        "[[ $2 == extra ]] || return 0\n"
        "run_process lives 'sleep 1000'; run_process parent 'sleep 1000 & exit'\n"
        "run_process stopped 'sleep 1000'; stop_process stopped\n"
        "mkfifo gone; run_process dies 'exec 7<gone; no-such-program'; exec 6>gone\n"
        "while kill -0 $(cut -d' ' -f1 $_stacknb_services/dies) 2>/dev/null; do sleep 0.01; done"
    )
    [note] = stack.run().notes

    assert note == (
        f"service 'dies' has ended, though nobody stopped it; its log is {str(log_of(stack, 'dies'))!r}"
    )


def test_clean_ends_it_too(tree) -> None:
    tree.run(
        "[[ $1 != override_defaults || -v done ]] || run_process svc 'sleep 1000'; done=1"
    ).close()
    tree.hook("10-hook.sh", ":")
    tree.stack().run("clean")

    assert running(tree) is None


def test_another_process_finds_and_ends_it(tree, tmp_path: Path) -> None:
    tree.run("run_process svc 'sleep 1000'").close()
    tree.hook("10-hook.sh", ":")
    code = f"import stacknb\nwith stacknb.Stack({str(tree.path)!r}) as stack:\n    print(stack.run('unstack').notes)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "ended services still running: 'svc'" in done.stdout
    assert running(tree) is None


def test_stop_process_ends_the_whole_session(tree, output) -> None:
    tree.hook(
        "10-hook.sh",
        "case $1 in override_defaults)\n"
        "run_process svc 'set -m; sleep 1000 & (sleep 1000 & sleep 1000) & wait' ;;\n"
        "source) stop_process svc; echo $?; stop_process svc; echo $?; is_running svc || echo gone ;; esac",
    )
    stack = tree.stack()
    stack.run_phase("override_defaults")
    pid = running(tree)
    assert pid is not None
    members = processes_of_session(pid)
    stack.run_phase("source")

    assert pid in members
    assert processes_of_session(pid) == []
    assert output(stack, "10-hook.sh", "source") == "0\n0\ngone\n"


def processes_of_session(session: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if fields[3] == str(session) and fields[0] not in "ZX":
                found.append(int(entry))
    return found


def test_a_service_that_ignores_sigterm_is_killed(tree) -> None:
    stack = tree.run("run_process svc \"trap '' TERM; while :; do sleep 1000; done\"")
    pid = running(tree)
    assert pid is not None
    assert pid > 1
    os.killpg(pid, signal.SIGSTOP)
    stack.evaluate("stop_process svc")

    assert running(tree) is None


def test_it_is_in_a_session_of_its_own_with_a_log_under_the_run_directory(tree, until) -> None:
    stack = tree.run(
        "export FROM_HOOK=1; run_process svc 'echo out $FROM_HOOK; echo err >&2; printf \"\\0\\xff\"; sleep 1000'"
    )
    log = log_of(stack)
    until(lambda: b"\xff" in log.read_bytes(), "it has printed")
    pid = running(tree)
    record = tasklog.read(log)

    assert os.getsid(pid) == pid
    assert (record.header["kind"], record.header["name"], record.header["pid"]) == (
        "service",
        "svc",
        pid,
    )
    assert (
        record.header["run"]
        == tasklog.read_header(stack.run_dir / "hooks/override_defaults/10-hook.sh.log")["run"]
    )
    assert record.footer is None
    assert record.output() == b"out 1\nerr\n\0\xff"
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


def test_a_service_survives_an_interrupt_and_the_loss_of_the_shell(tree) -> None:
    tree.hook("10-a.sh", "run_process svc 'sleep 1000'\nkill -9 $$")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    pid = running(tree)
    assert pid is not None
    stack.interrupt()
    stack.evaluate("is_running svc && echo yes >yes")

    assert running(tree) == pid
    assert Path("yes").exists()


def test_a_service_started_again_takes_the_place_of_the_first(tree, output, until) -> None:
    stack = tree.run("run_process svc 'sleep 1000'", "run_process svc 'sleep 2000'")
    second = running(tree)

    assert "service 'svc' was running; it is started anew" in output(stack, "11-hook.sh")
    assert second is not None
    cmdline = Path(f"/proc/{second}/cmdline")  # that of a bash until the program takes its place
    until(lambda: cmdline.read_bytes() == b"sleep\0002000\0", "it is the second command")
    stack.evaluate("stop_process svc; run_process svc 'echo third; sleep 1000'")
    assert running(tree) not in (None, second)
    assert log_of(stack).read_bytes().count(b"#stacknb-begin") == 1


@pytest.mark.parametrize(
    ("setup", "starts"),
    [("", True), ("enable_service svc", True), ("enable_service other", False), ("disable_service svc", False), ("disable_service other", True),
     ("ENABLED_SERVICES=a,svc,b", True), ("ENABLED_SERVICES=svc2", False), ("enable_service svc; disable_service svc", False)],
)  # fmt: skip
def test_a_service_that_is_not_enabled_is_not_started(
    tree, output, setup: str, starts: bool
) -> None:
    stack = tree.run(
        f"{setup}\nrun_process svc 'sleep 1000'\necho $?\nis_running svc && echo runs || echo not"
    )

    assert output(stack, "10-hook.sh").endswith("0\nruns\n" if starts else "0\nnot\n")
    assert (
        "not enabled, not started (enable_service svc)" in output(stack, "10-hook.sh")
    ) is not starts
    assert (running(tree) is not None) is starts


@pytest.mark.parametrize("name", ["''", "a/b", "'a b'", "../x", "$'a\\nb'", "'*'"])
def test_a_name_that_cannot_be_one_is_refused(tree, output, name: str) -> None:
    stack = tree.run(
        f"set +e; run_process {name} 'sleep 1000'; echo $?; is_running {name} || echo not; stop_process {name}; echo $?; :"
    )

    lines = output(stack, "10-hook.sh").splitlines()
    assert any(line.endswith(" '-') and a command") for line in lines)
    assert "2" in lines
    assert "not" in lines
    assert services.names(services.directory(tree.path)) == []


def test_a_service_that_ends_by_itself_is_not_running(tree, until, output) -> None:
    stack = tree.run("run_process svc false; run_process other nosuchcmd_at_all")
    until(lambda: running(tree) is None and running(tree, "other") is None, "both have ended")
    stack.evaluate(
        "is_running svc || echo not >svc; is_running other || echo not >other; stop_process svc && echo $? >stopped"
    )

    assert [Path(name).read_text() for name in ("svc", "other", "stopped")] == [
        "not\n",
        "not\n",
        "0\n",
    ]
    assert b"nosuchcmd_at_all" in log_of(stack, "other").read_bytes()


def test_a_number_that_another_process_has_by_now_is_not_touched(tree) -> None:
    records = services.directory(tree.path)
    records.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as innocent:
        try:
            (records / "svc").write_text(f"{innocent.pid} 1 /nowhere.log\n")
            stack = tree.run("is_running svc || echo not >not; stop_process svc")

            assert Path("not").exists()
            assert innocent.poll() is None
            assert services.names(records) == []
            stack.close()
        finally:
            innocent.kill()


@pytest.mark.parametrize(
    ("command", "shown"),
    [("printf '<%s>' 'a  b' \"c\"", "<a  b><c>"), ("A=1 B='2 3' printenv B", "2 3"), ("cd / && pwd", "/"), ("echo $((1+2))", "3"),
     ("echo a; echo b", "a\nb"), ("exec echo x", "x"), ("echo '$HOME'", "$HOME"), ("echo ~+ | wc -l", "1"), ("echo {a,b}", "a b"), ("echo $#", "0")],
)  # fmt: skip
def test_the_command_is_a_line_for_bash(tree, until, command: str, shown: str) -> None:
    stack = tree.run(f"run_process svc {quoted(command)}")
    until(lambda: running(tree) is None, "it has ended")

    assert tasklog.read(log_of(stack)).output().decode().strip() == shown


def quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def test_variables_for_the_service_can_be_given(tree, until) -> None:
    stack = tree.run("run_process svc 'echo $A $B' '' '' 'A=1 \"B=2 3\"'")
    until(lambda: running(tree) is None, "it has ended")

    assert tasklog.read(log_of(stack)).output() == b"1 2 3\n"


def test_variables_for_a_service_of_that_name_are_in_an_array_as_in_devstack(tree, until) -> None:
    stack = tree.run(
        "SYSTEMD_ENV_VARS['a-b.c']='A=1 B=\"2 3\"' SYSTEMD_ENV_VARS[other]=C=1",
        "run_process a-b.c 'echo $A $B $C.' '' '' A=4",
    )
    until(lambda: running(tree, "a-b.c") is None, "it has ended")

    assert tasklog.read(log_of(stack, "a-b.c")).output() == b"4 2 3 .\n"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("A=1 foo", "'foo' is no NAME=VALUE"),
        ("=x", "'=x' is no NAME=VALUE"),
        ('A="1', "'A=\"1' has a quote that nothing closes"),
    ],
)
def test_what_is_no_variable_for_a_service_is_refused_in_one_line(
    tree, output, given: str, wrong: str
) -> None:
    stack = tree.run(f"run_process svc 'sleep 1000' '' '' {quoted(given)} || echo refused $?")

    assert output(stack, "10-hook.sh") == (
        f"run_process: service 'svc' is not started: in its environment {wrong}; "
        "give words like A=1 'B=2 3'\nrefused 2\n"
    )
    assert running(tree) is None


def test_a_command_of_several_words_without_quotes_is_pointed_out(tree, output) -> None:
    stack = tree.run("run_process web sleep 60\nrun_process api 'sleep 60' root; stop_process api")

    said = output(stack, "10-hook.sh")
    assert "'60' is taken for the group of service 'web', and there is no such group" in said
    assert "run_process web 'sleep 60 …'" in said
    assert "service 'api'" not in said


def test_a_service_that_is_to_run_as_another_is_told_whose_it_is(tree, output) -> None:
    own = {os.getegid(), *os.getgroups()}
    group = next(one.gr_name for one in grp.getgrall() if one.gr_gid not in own)
    stack = tree.run(
        "run_process a 'sleep 60' nobodys daemons; run_process b 'sleep 60' \"$(id -gn)\" $EUID\n"
        f"run_process c 'sleep 60' '' daemons; run_process d 'sleep 60' {group}\n"
        "run_process e 'sleep 60' '' \"$(id -un)\""
    )
    me = pwd.getpwuid(os.geteuid()).pw_name
    whose = f"runs as the user of the shell, '{me}', not "
    lines = output(stack, "10-hook.sh").splitlines(keepends=True)
    assert "'nobodys' is taken for the group" in lines[0]
    whats = (("a", "as 'daemons'"), ("c", "as 'daemons'"), ("d", f"in the group '{group}'"))
    assert lines[1:] == [f"run_process: service '{name}' {whose}{what}\n" for name, what in whats]
    assert running(tree, "a")
    assert running(tree, "c")


def test_two_trees_of_the_same_name_have_services_of_their_own(tree, tmp_path: Path) -> None:
    other = tmp_path / "other" / "tree"
    (other / "extras.d").mkdir(parents=True)
    (other / "extras.d" / "10-a.sh").write_text("is_running svc || echo not >not")
    tree.run("run_process svc 'sleep 1000'")
    with Stack(other) as stack:
        stack.run("unstack")

    assert Path("not").exists()
    assert running(tree) is not None


def test_the_same_tree_by_another_path_has_the_same_services(tree, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree.path)
    tree.run(
        "[[ $1 != override_defaults ]] || is_running svc || run_process svc 'sleep 1000'"
    ).close()
    tree.hook("10-hook.sh", ":")
    with Stack(tmp_path / "link") as stack:
        stack.run("unstack")

    assert running(tree) is None


def test_a_service_under_nounset_noclobber_noglob_and_an_odd_ifs(tree) -> None:
    stack = tree.run(
        "set -ufC; IFS=0123456789; run_process svc 'sleep 1000'; is_running svc; stop_process svc; ! is_running svc"
    )

    assert stack.result.hooks[0].ok


def test_a_service_whose_log_cannot_be_written_is_refused(tree, output) -> None:
    stack = tree.run(
        "rm -r .stacknb/runs/latest/services; : >.stacknb/runs/latest/services\nrun_process svc 'sleep 1000' || echo refused $?"
    )

    assert "run_process: service 'svc' could not be started" in output(stack, "10-hook.sh")
    assert output(stack, "10-hook.sh").endswith("refused 1\n")
    assert running(tree) is None


def test_a_service_that_cannot_be_put_on_record_is_not_started(tree, left, until, output) -> None:
    record = services.directory(tree.path) / "svc"
    record.mkdir(parents=True)
    stack = tree.run("run_process svc '>began; sleep 1000' || echo refused $?")

    assert "set XDG_STATE_HOME to a folder that can be written" in output(stack, "10-hook.sh")
    assert output(stack, "10-hook.sh").endswith("refused 1\n")
    stack.close()
    until(lambda: not left(), "nothing is left running")
    assert not Path("began").exists()


def test_a_helper_that_fails_a_hook_is_named_as_the_hook_calls_it(tree) -> None:
    with pytest.raises(HookFailed) as caught:
        tree.run("true\nis_running svc\n")

    assert (caught.value.failure.line, caught.value.failure.command) == (2, "is_running svc")


def test_a_service_survives_the_death_of_its_parents(tree, left, until) -> None:
    tree.hook(
        "10-a.sh",
        "run_process svc 'sleep 1000'; async_run t sleep 1000; sleep 1000 & echo >ready; sleep 1000",
    )
    code = f"import stacknb\nstacknb.Stack({str(tree.path)!r}).run()"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        until(lambda: Path("ready").exists(), "the hook has come so far")
        pid = running(tree)
        parent.kill()
    until(lambda: left() == [pid], "all but the service has ended")


HUGE = "printf -v big %0100000d; for n in {1..80}; do export BIG$n=$big; done\n"


def test_a_service_that_could_not_be_given_what_is_exported_is_refused(tree, output) -> None:
    stack = tree.run(
        f"run_process other 'sleep 1000'\n{HUGE}export LARGEST=x$big; run_process svc 'sleep 1000' || echo refused $?\n"
        "is_running other; stop_process other; is_running other || echo stopped"
    )

    sum_kb = int(re.search(r"\((\d+) kB\)", output(stack, "10-hook.sh"))[1])
    assert 8000 <= sum_kb < 8200
    assert output(stack, "10-hook.sh") == (
        f"run_process: service 'svc' is not started: what is exported ({sum_kb} kB) is too large for a program; "
        "keep what it need not see in the shell, 'LARGEST' (100 kB) first: export -n LARGEST\n"
        "refused 1\nstopped\n"
    )
    assert running(tree) is None


def test_a_service_whose_command_no_program_takes_is_refused(tree, output) -> None:
    stack = tree.run('printf -v big %0200000d; run_process svc ": $big" || echo refused $?')

    assert output(stack, "10-hook.sh") == (
        "run_process: service 'svc' is not started: its command is too long for a program; put it into a script\n"
        "refused 1\n"
    )


def test_a_module_beside_ours_does_not_hide_one_of_the_standard_library(
    tree, tmp_path: Path
) -> None:
    """Backports of old are found in many an environment, after the standard library."""
    site = tmp_path / "site-packages"
    shutil.copytree(Path(stacknb.__file__).parent, site / "stacknb")
    for name in ("enum", "pathlib", "selectors", "socket"):
        (site / f"{name}.py").write_text("raise ImportError('a backport')")
    tree.hook("10-a.sh", "run_process svc 'sleep 1000'; is_running svc; stop_process svc")
    script = (
        f"import sys; sys.path.append({str(site)!r})\n"
        "import stacknb\n"
        f"with stacknb.Stack({str(tree.path)!r}) as stack: print(stacknb.__file__, *stack.step())"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, check=False
    )

    assert str(site) in done.stdout
    assert "status='ok'" in done.stdout, done.stderr


def test_of_a_service_that_many_processes_start_at_once_one_is_left_and_can_be_stopped(
    tmp_path: Path, left
) -> None:
    call = "import sys; from stacknb.supervision.services import main; main(sys.argv[1:])"
    words = [sys.executable, "-c", call, "start", str(tmp_path / "records"), "api"]
    more = ["run", "sleep 1000", ""]
    starting = [
        subprocess.Popen([*words, str(tmp_path / f"{number}.log"), *more]) for number in range(8)
    ]
    assert [one.wait(60) for one in starting] == [0] * 8
    assert len(left()) == 1
    assert services.stop(tmp_path / "records", "api")
    assert left() == []


def test_what_starts_a_service_is_ended_by_an_interrupt_without_a_word(tmp_path: Path) -> None:
    package = tmp_path / "stacknb" / "supervision"
    package.mkdir(parents=True)
    (package / "services.py").write_text("import os; os.kill(os.getpid(), 2)")
    code = 'source "$1"; exec "$2" -I -S -c "$_stacknb_service_py" "$3" start'
    words = [str(BASH / "services.bash"), sys.executable, str(tmp_path)]
    done = subprocess.run(["bash", "-c", code, "bash", *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
