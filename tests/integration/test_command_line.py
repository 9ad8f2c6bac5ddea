"""The command line as a process: signals, terminals, what it leaves running."""

import contextlib
import ctypes
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stacknb import places, status, tasklog
from stacknb.supervision import processes, services

S = [sys.executable, "-m", "stacknb.cli"]
# Starts a task and a service, tells so, and waits in the foreground.
STUCK = """
if [[ $2 == install ]]; then
  async_run nap sleep 1000
  run_process api "sleep 1000"
  echo ready
  : >ready
  sleep 1000
fi
if [[ $1 == unstack ]]; then stop_process api; fi
"""

Until = Callable[..., None]


def start(*words: object, **options: Any) -> subprocess.Popen[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([*S, *map(str, words)], **options)


def call(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    argv = [*S, *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, check=False)


def children_of_run() -> list[int]:
    """Return the processes that a test started, but for the one that is under test."""
    mark = os.environ["STACKNB_TEST_MARK"].encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if mark in Path(f"/proc/{entry}/environ").read_bytes():
                    found.append(int(entry))
            except OSError:
                continue
    return [pid for pid in found if processes.alive(pid)]


@pytest.fixture
def stuck(tree: Any, until: Until) -> Iterator[subprocess.Popen[str]]:
    tree.hook("10-a.sh", STUCK)
    process = start("stack", tree.path)
    until(Path("ready").exists, "the hook is in its foreground command")
    with process:  # which closes its pipes
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_a_signal_ends_everything(stuck: subprocess.Popen[str], number: int, code: int) -> None:
    stuck.send_signal(number)
    out, err = stuck.communicate(timeout=60)
    assert (stuck.returncode, out) == (code, "")
    assert "■ 10-a.sh interrupted" in err
    assert "stacknb: '10-a.sh' was interrupted at " in err
    assert f"\n  resume  stacknb stack {stuck.args[-1]} --resume\n" in err
    assert "services ended: 'api'" in err
    assert "tasks ended: 'nap'" in err
    assert "Traceback" not in err
    assert children_of_run() == []
    assert status.read(".").state == "interrupted"


def test_a_hook_whose_run_was_killed_is_lost_and_not_well(
    stuck: subprocess.Popen[str], until: Until
) -> None:
    stuck.kill()
    stuck.communicate()
    until(lambda: len(children_of_run()) == 1, "but for the service, all has ended")
    found = {phase.name: phase for phase in status.read(".").phases}["stack install"]
    assert (found.status, found.hooks[0].exit_code) == ("lost", None)
    assert call("unstack", stuck.args[-1]).returncode == 0


_KILLED = """
import os, signal, sys, stacknb
class Killer:
    def on_event(self, event):
        if [event.kind, event.data.get("phase", event.name)] == sys.argv[2:]:
            os.kill(os.getpid(), signal.SIGKILL)
    def on_tick(self): pass
stack = stacknb.Stack(sys.argv[1], run_dir="run")
stack.listeners.append(Killer())
stack.run()
"""


@pytest.mark.parametrize(
    ("kind", "phase"), [("hook-end", "source"), ("phase-end", "override_defaults")]
)
def test_a_run_that_was_killed_between_two_hooks_is_not_well_and_no_report_of_it_is_green(
    tree: Any, until: Until, kind: str, phase: str
) -> None:
    tree.hook("10-a.sh", ":")
    tree.hook("20-b.sh", ":")
    words = [sys.executable, "-c", _KILLED, str(tree.path), kind, phase]
    assert subprocess.run(words, check=False).returncode == -9
    until(lambda: not children_of_run(), "all has ended")
    found = status.read("run")
    assert [one.name for one in found.phases if one.status == "lost"] == ["source"]
    assert (found.state, found.ok) == ("failed", False)
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    said = "phase 'source' is lost (its process was killed), outside of its hooks"
    assert [error.get("message") for error in ET.parse("j.xml").iter("error")] == [said]
    assert call("stack", tree.path, "--resume", "--run-dir", "run").returncode == 0
    assert status.read("run").state == "complete"


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("run-start", "stack", "the run has ended before its first hook"),
        ("phase-start", "override_defaults", "phase 'override_defaults' is lost (its process was"),
    ],
)
def test_a_run_that_was_killed_before_its_first_log_has_a_report_with_one_error(
    tree: Any, until: Until, kind: str, name: str, said: str
) -> None:
    tree.hook("10-a.sh", ":")
    words = [sys.executable, "-c", _KILLED, str(tree.path), kind, name]
    assert subprocess.run(words, check=False).returncode == -9
    until(lambda: not children_of_run(), "all has ended")
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    suites = ET.parse("j.xml").getroot()
    assert (suites.get("tests"), suites.get("errors")) == ("1", "1")
    assert [str(error.get("message"))[: len(said)] for error in suites.iter("error")] == [said]
    assert call("timing", "run").stdout.startswith("no tasks")
    assert call("stack", tree.path, "--run-dir", "whole").returncode == 0
    compared = call("compare", "whole", "run", "--fail-slower")
    assert compared.returncode == 1
    assert "not run to the end: " in compared.stdout


def test_a_run_that_had_nothing_to_do_is_complete_in_its_report_too(tree: Any) -> None:
    (tree.path / "extras.d").mkdir(parents=True, exist_ok=True)
    assert call("stack", tree.path, "--run-dir", "run").returncode == 0
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    suites = ET.parse("j.xml").getroot()
    assert (suites.get("tests"), suites.get("errors")) == ("0", "0")


def test_a_log_that_has_lost_its_footer_makes_no_report_red_of_a_run_that_is_well(
    tree: Any,
) -> None:
    tree.hook("10-a.sh", "echo hi")
    tree.hook("20-b.sh", '[[ $2 != extra ]] || { echo "no"; false; }')
    assert call("stack", tree.path, "--run-dir", "run").returncode == 1
    for log in Path("run/hooks/stack-extra").iterdir():
        log.write_bytes(log.read_bytes().partition(b"#stacknb-end")[0])
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    cases = ET.parse("j.xml").getroot().iterfind("testsuite[@name='stack extra']/testcase")
    found = {case.get("name"): [(p.tag, p.get("message")) for p in case] for case in cases}
    assert found == {"10-a.sh": [], "20-b.sh": [("failure", "failed")]}


def test_a_junit_report_of_a_hook_that_failed_has_that_failure_alone(tree: Any) -> None:
    tree.hook("10-a.sh", "[[ $1 != source ]]")
    assert call("stack", tree.path, "--run-dir", "run").returncode == 1
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    suites = ET.parse("j.xml").getroot()
    assert (suites.get("failures"), suites.get("errors")) == ("1", "0")


def test_a_junit_report_of_a_run_that_failed_and_was_resumed_is_that_of_its_last_tries(
    tree: Any,
) -> None:
    def report() -> tuple[Any, dict[str, list[str]]]:
        assert call("junit", "run", "-o", "j.xml").returncode == 0
        suites = ET.parse("j.xml").getroot()
        cases = suites.iterfind("testsuite[@name='stack install']/testcase")
        return suites, {str(case.get("name")): [part.tag for part in case] for case in cases}

    begin = '[[ $2 == install ]] || return 0; echo "try"; '
    tree.hook("10-a.sh", begin + "async_run t test -e mended")
    tree.hook("20-b.sh", begin + "async_wait t; [[ -e mended ]]")
    words = ["stack", tree.path, "--run-dir", "run"]
    assert call(*words).returncode == 1
    assert call(*words, "--resume").returncode == 1
    suites, found = report()
    assert found == {
        "10-a.sh": [], "t": ["failure", "rerunFailure"], "20-b.sh": ["failure", "rerunFailure"],
    }  # fmt: skip
    assert (suites.get("failures"), suites.get("errors")) == ("2", "0")

    Path("mended").touch()
    assert call(*words, "--resume").returncode == 0
    suites, found = report()
    twice = ["flakyFailure", "flakyFailure"]
    assert found == {"10-a.sh": [], "t": twice, "20-b.sh": twice}
    assert (suites.get("failures"), suites.get("errors")) == ("0", "0")
    said = suites.findtext("*/testcase[@name='20-b.sh']/flakyFailure/stackTrace", "")
    assert said.startswith("try\n")


def test_a_run_whose_shell_is_lost_between_two_phases_has_failed(tree: Any) -> None:
    tree.hook("10-a.sh", ":")
    words = f"""
import stacknb
from stacknb.run import opening
stack = stacknb.Stack({str(tree.path)!r}, run_dir="run")
stack.step()
opening.between = lambda *words: "kill -KILL $$"
stack.run()
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert "ShellDied: the shell ended with status 137" in done.stderr
    assert {phase.name: phase.status for phase in status.read("run").phases}["source"] == "failed"


def test_a_run_that_is_lost_behind_its_last_phase_is_not_well(tree: Any) -> None:
    tree.hook("10-a.sh", ":")
    words = f"""
import sys
from stacknb import cli
from stacknb.run import closing
closing.tables = lambda shell: shell.evaluate("kill -KILL $$")
sys.exit(cli.main(["stack", {str(tree.path)!r}, "--run-dir", "run", "--json"]))
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    assert not status.read("run").ok
    said = "the run has stopped behind its last phase, before its end"
    assert [error.get("message") for error in ET.parse("j.xml").iter("error")] == [said]
    assert call("stack", tree.path, "--resume", "--run-dir", "run").returncode == 0


def test_a_task_that_died_with_its_session_is_called_lost_as_soon_as_the_run_is_resumed(
    tree: Any, until: Until
) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then async_run nap sleep 1000; fi\n")
    code = "stack.run(until='install'); os.kill(os.getpid(), signal.SIGKILL)"
    words = f"import os, signal, stacknb; stack = stacknb.Stack({str(tree.path)!r}); {code}"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == -9
    until(lambda: not children_of_run(), "all has ended")
    log = places.latest() / "async/nap.log"
    begun, _, _ = log.read_bytes().partition(b"\n#stacknb-end")
    log.write_bytes(begun)  # as where the supervisor was killed, too, and nobody knows its status
    resumed = call("stack", tree.path, "--resume")
    said = "task 'nap' was lost when the earlier session ended: a wait fails with status 127 until"
    assert f"stacknb: going on with the run in {places.latest()}\n  {said}" in resumed.stderr
    assert [note for note in status.read(".").notes if said in note]
    record = tasklog.read(log)
    assert record.footer is not None
    assert record.header["start"] <= record.footer["end"]


def test_more_signals_while_closing_do_no_harm(stuck: subprocess.Popen[str]) -> None:
    stuck.send_signal(signal.SIGINT)
    while stuck.poll() is None:
        stuck.send_signal(signal.SIGINT)
        time.sleep(0.002)  # a person who keeps pressing Ctrl-C
    out, err = stuck.communicate(timeout=60)
    assert (stuck.returncode, out) == (130, "")
    assert "services ended: 'api'" in err
    assert "Traceback" not in err
    assert children_of_run() == []


@pytest.mark.parametrize("name", ["-x", "--help", "it's $HOME", "a b"])
def test_the_command_that_resumes_a_run_can_be_given_to_a_shell(tree: Any, name: str) -> None:
    tree.hook("10-a.sh", "[[ $2 != install || -e mended ]]")
    tree.path.rename(name)
    done = call("stack", f"--run-dir={name}.run", f"./{name}")
    assert done.returncode == 1
    command = done.stderr.partition("\n  resume  stacknb ")[2].partition("\n")[0]
    Path("mended").touch()
    assert call(*shlex.split(command)).returncode == 0


def test_a_run_whose_supervisor_was_killed_leaves_nothing_and_can_be_resumed(tree: Any) -> None:
    tree.hook(
        "10-a.sh",
        "if [[ $2 == install && ! -e told ]]; then\n"
        "  : >told; async_run nap sleep 1000; kill -KILL $PPID; sleep 1000\n"
        "fi\n",
    )
    done = call("stack", tree.path)
    assert done.returncode == 1
    assert "stacknb: the supervisor of the shell was killed; resume the run" in done.stderr
    assert f"\n  resume  stacknb stack {tree.path} --resume\n" in done.stderr
    assert children_of_run() == []
    assert call("stack", tree.path, "--resume").returncode == 0


def test_a_signal_before_the_first_hook_ends_it_too(tree: Any) -> None:
    tree.hook("10-a.sh", "sleep 1000\n")
    process = start("stack", tree.path)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("stack: ")  # the shell is about to be started
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in err
    assert children_of_run() == []


def test_after_success_services_run_on_and_nothing_else(tree: Any, until: Until) -> None:
    tree.hook(
        "10-a.sh",
        "if [[ $2 == install ]]; then\n"
        '  async_run nap true; sleep 1000 & run_process api "sleep 1000"\n'
        "fi\n"
        "if [[ $1 == unstack ]]; then stop_process api; fi\n",
    )
    done = call("stack", tree.path)
    assert done.returncode == 0
    [pid] = children_of_run()
    cmdline = Path(f"/proc/{pid}/cmdline")  # that of a bash until the program takes its place
    until(lambda: cmdline.read_bytes() == b"sleep\x001000\0", "it is the command")
    assert services.names(services.directory(tree.path)) == ["api"]
    assert [(log.name, log.status) for log in status.read(".").services] == [("api", "running")]
    assert call("unstack", tree.path).returncode == 0
    assert children_of_run() == []


def test_a_service_that_is_gone_though_nobody_has_stopped_it_is_called_lost(tree: Any) -> None:
    tree.hook(
        "10-a.sh",
        "[[ $1 == unstack ]] && stop_process api\n"
        '[[ ${2-} != install ]] || run_process api "sleep 1000"',
    )
    assert call("stack", tree.path).returncode == 0
    run_dir = Path(".stacknb/runs/latest").resolve()
    [pid] = children_of_run()
    os.kill(pid, signal.SIGKILL)
    while children_of_run():
        pass
    assert [(log.name, log.status) for log in status.read(run_dir).services] == [("api", "lost")]
    assert "services/api.log, gone, though nobody has stopped it" in str(status.read(run_dir))
    assert call("unstack", tree.path).returncode == 0
    assert [(log.name, log.status) for log in status.read(run_dir).services] == [("api", "ended")]


@pytest.mark.parametrize("command", ["stack", "unstack", "clean"])
def test_a_task_that_failed_and_that_nobody_waited_for_is_told_with_status_1(
    tree: Any, command: str
) -> None:
    mode = "unstack" if command == "clean" else command
    tree.hook(
        "10-a.sh",
        f"[[ $1 == {mode} && ${{2-install}} == install ]] || return 0\n"
        "async_run t bash -c 'echo no disk; exit 3'",
    )
    done = call(command, tree.path, "--json")

    assert done.returncode == 1
    assert "\nstacknb: task 't' failed with status 3\n" in done.stderr
    assert "    | no disk\n" in done.stderr
    assert "nobody waited for 't'" in done.stderr
    assert "task 't' failed with status 3" in json.loads(done.stdout)["error"]


def test_a_task_whose_failure_a_hook_has_dealt_with_is_none_of_the_run(tree: Any) -> None:
    tree.hook(
        "10-a.sh", "[[ $2 != install ]] || { async_run t false; async_wait t || echo dealt; }"
    )

    assert call("stack", tree.path, "--run-dir", "run").returncode == 0
    assert call("junit", "run", "-o", "j.xml").returncode == 0
    suites = ET.parse("j.xml").getroot()
    assert [suites.get(key) for key in ("failures", "errors")] == ["1", "0"]  # it did fail
    assert suites.find("*/testcase[@name='t']/failure") is not None


def test_what_is_wrong_ends_a_log_of_both_outputs(tree: Any) -> None:
    tree.hook("10-a.sh", "[[ $2 != install ]] || async_run t false")
    words = [*S, "stack", str(tree.path)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = done.stdout.splitlines()
    assert said[-1] == "  next    have a hook wait for it: nobody waited for 't'"
    assert said.index(" Async summary") < len(said) - 3


def test_after_a_failure_tasks_are_ended_and_named(tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then async_run nap sleep 1000; false; fi\n")
    done = call("stack", tree.path)
    assert done.returncode == 1
    assert "tasks ended: 'nap'" in done.stderr
    assert f"resume  stacknb stack {tree.path} --resume" in done.stderr
    assert children_of_run() == []


# A task that crosses phases; a later hook fails until it is mended.
CROSSING = """
case "$1 ${2-}" in
  "override_defaults ") f() { until [[ -e go ]]; do sleep 0.01; done; : >made; }
    async_run make f ;;
  "source ") [[ -e mended ]] || { async_run own sleep 1000; false; } ;;
  "stack install") async_wait make ;;
esac
"""
WAITS = "waiting for tasks, so that --resume finds their results: 'make'"


def fail_and_wait(tree: Any) -> subprocess.Popen[str]:
    """Start a stack whose hook fails; return when it waits for the task of an earlier phase."""
    tree.hook("10-a.sh", CROSSING)
    process = start("stack", tree.path)
    assert process.stderr is not None
    while WAITS not in (line := process.stderr.readline()):
        assert line, "it ended"
    return process


def test_after_a_failure_tasks_of_earlier_phases_end_first_and_a_resumed_run_finds_their_results(
    tree: Any,
) -> None:
    process = fail_and_wait(tree)
    assert process.poll() is None
    Path("go").touch()
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "tasks ended: 'own'\n" in err
    assert Path("made").exists()
    assert children_of_run() == []
    Path("mended").touch()
    again = call("stack", tree.path, "--resume")
    assert again.returncode == 0, again.stderr
    assert {task.name: task.status for task in status.read(".").tasks}["make"] == "ok"


def test_ctrl_c_gives_up_such_a_task_and_a_wait_for_it_fails_however_often_it_is_resumed(
    tree: Any,
) -> None:
    process = fail_and_wait(tree)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "tasks ended: 'own', 'make'; a wait for one of them will fail after --resume, too" in err
    assert children_of_run() == []
    Path("mended").touch()
    for _ in range(3):
        again = call("stack", tree.path, "--resume")
        assert again.returncode == 1, again.stderr
        assert "make (status 143, ended by SIGTERM" in again.stderr
    assert not Path("made").exists()


def test_what_resumes_an_interrupted_run_starts_its_tasks_of_earlier_phases_again(
    tree: Any,
) -> None:
    tree.hook(
        "10-a.sh",
        'case "$1 ${2-}" in\n'
        '  "stack install") async_run slow eval "until [[ -e go ]]; do sleep 0.01; done" ;;\n'
        '  "stack post-config") async_run --after slow next true ;;\n'
        '  "stack extra") : >waits; async_wait slow next ;;\n'
        "esac",
    )
    process = start("stack", tree.path)
    while not Path("waits").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    lines = [
        f"stacknb stack {tree.path} {word}--resume" for word in ("install ", "post-config ", "")
    ]
    assert "\n  resume  " + "\n          ".join(lines) + "\n" in err
    again = call("stack", tree.path, "--resume")
    assert "\n  resume  " + "\n          ".join(lines) + "\n" in again.stderr
    Path("go").touch()
    for line in lines:
        done = call(*line.split()[1:])
        assert done.returncode == 0, done.stderr
    assert status.read(".").state == "complete"


def test_a_resumed_run_starts_the_tasks_of_the_phase_that_failed_again(tree: Any) -> None:
    nap, rest = "if [[ $2 == install ]]; then async_run nap", "fi\n"
    tree.hook("10-a.sh", f"{nap} sleep 1000; false; {rest}")
    assert call("stack", tree.path).returncode == 1
    tree.hook("10-a.sh", f"{nap} echo again; async_wait nap; {rest}")
    done = call("stack", tree.path, "--resume")
    assert done.returncode == 0, done.stderr
    assert "again" in done.stderr


def test_progress_is_on_stderr_and_the_summary_on_stdout(tree: Any) -> None:
    tree.hook("10-a.sh", "echo some words\n")
    done = call("stack", tree.path)
    assert "some words" in done.stderr
    assert "some words" not in done.stdout
    assert done.stdout.lstrip("\n").startswith("====")
    assert "Async summary" in done.stdout
    assert "DevStack Component Timing" not in done.stderr


def test_json_agrees_with_the_exit_status_where_a_hook_has_dealt_with_a_task_that_failed(
    tree: Any,
) -> None:
    waits = "[[ $2 != install ]] || { async_run t false; $WAIT t || :; }"
    tree.hook("10-a.sh", waits)
    for wait, code in (("async_wait", 0), (":", 1)):
        done = call("stack", tree.path, "--json", WAIT=wait)
        document = json.loads(done.stdout)
        assert (done.returncode, document["ok"]) == (code, code == 0)
        assert document["unheeded"] == ["t"] * code
        assert [task["status"] for task in document["tasks"]] == ["failed"]


def test_json_is_one_document_whatever_happens(tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then async_run t true; $THEN; fi\n")
    good, bad = call("stack", tree.path, "--json", THEN="true"), None
    document = json.loads(good.stdout)
    assert (document["state"], document["ok"], document["error"]) == ("complete", True, None)
    assert "Async summary" in document["timing"]
    assert [task["status"] for task in document["tasks"]] == ["ok"]
    bad = call("stack", tree.path, "--json", THEN="false")
    document = json.loads(bad.stdout)
    assert (bad.returncode, document["state"], document["ok"]) == (1, "failed", False)
    assert "'10-a.sh' failed with status 1" in document["error"]
    assert [phase["status"] for phase in document["phases"]][:5] == ["ok"] * 3 + [
        "failed",
        "to come",
    ]


def test_a_reader_that_goes_away_does_not_stop_the_run(tree: Any) -> None:
    tree.hook("10-a.sh", "echo some words\n")
    line = f"{' '.join(S)} stack {tree.path} 2>&1 >/dev/null | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("stack: ")
    assert done.stderr == ""
    assert status.read(".").state == "complete"


def test_where_latest_is_a_folder_of_the_users_own_the_hint_names_the_run(tree: Any) -> None:
    tree.hook("10-a.sh", "[[ $1 != source || -e mended ]]\n")
    Path(".stacknb/runs/latest").mkdir(parents=True)
    done = call("stack", tree.path)
    [run_dir] = Path(".stacknb/runs").glob("*-stack")
    assert f"--resume --run-dir {run_dir.resolve()}\n" in done.stderr
    Path("mended").touch()
    assert call("stack", tree.path, "--resume", "--run-dir", run_dir).returncode == 0


def test_a_run_that_another_tree_began_is_not_resumed(tree: Any, tmp_path: Path) -> None:
    tree.hook("10-a.sh", "true\n")
    (tmp_path / "other" / "extras.d").mkdir(parents=True)
    assert call("stack", tree.path, "--until", "source").returncode == 0
    done = call("stack", "other", "--resume")
    assert done.returncode == 2
    assert "is of another tree" in done.stderr
    assert call("unstack", tree.path).returncode == 0
    done = call("stack", tree.path, "--resume")
    assert (done.returncode, "is one of unstack" in done.stderr) == (2, True)


def test_a_run_whose_tree_was_moved_is_not_resumed_and_says_why(tree: Any, tmp_path: Path) -> None:
    tree.hook("10-a.sh", "true\n")
    assert call("stack", tree.path, "--until", "source").returncode == 0
    tree.path.rename(tmp_path / "elsewhere")
    done = call("stack", "elsewhere", "--resume")
    assert done.returncode == 2
    assert f"is of tree {str(tree.path)!r}, which is no longer there" in done.stderr


def holds_a_lock(pid: int) -> bool:
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            if str(fd.readlink()).endswith("/lock"):
                return True
    return False


def test_a_run_that_goes_on_is_not_resumed_by_another_process(
    stuck: subprocess.Popen[str], tree: Any
) -> None:
    held = f"going on in process {stuck.pid}: wait for it"
    done = call("stack", tree.path, "--resume")
    assert (done.returncode, held in done.stderr) == (2, True), done.stderr
    assert [pid for pid in children_of_run() if holds_a_lock(pid)] == [stuck.pid]
    stuck.kill()  # its children end by themselves, in a moment
    stuck.communicate()
    tree.hook("10-a.sh", ":")
    done = call("stack", tree.path, "--resume")
    assert done.returncode == 0, done.stderr
    assert call("unstack", tree.path).returncode == 0


def test_a_run_that_is_complete_has_nothing_to_resume(tree: Any) -> None:
    tree.hook("10-a.sh", 'echo "$*" >>calls\n')
    assert call("stack", tree.path).returncode == 0
    done = call("stack", tree.path, "--resume")
    assert done.returncode == 2
    assert "has nothing left to run; leave out --resume to stack anew" in done.stderr
    # Its directory would not be taken for another run.
    done = call("stack", tree.path, "--resume", "--run-dir", ".stacknb/runs/latest")
    assert done.returncode == 2
    assert "; leave out --resume, and choose another --run-dir, to stack anew" in done.stderr
    assert len(Path("calls").read_text().splitlines()) == 7


def test_following_a_log_shows_it_until_its_task_ends(tree: Any, until: Until) -> None:
    tree.hook(
        "10-a.sh",
        "f() { echo one; : >ready; until [[ -e go ]]; do sleep 0.01; done; echo two; }\n"
        "if [[ $2 == install ]]; then async_run job f; async_wait job; fi\n",
    )
    run = start("stack", tree.path, "--run-dir", "run")
    until(Path("ready").exists, "the task runs")
    follow = start("log", "run", "job", "--follow")
    assert follow.stdout is not None
    assert follow.stdout.readline() == "one\n"
    Path("go").touch()
    assert follow.communicate(timeout=60)[0] == "two\n"
    assert follow.returncode == 0
    run.communicate(timeout=60)


def _without_the_rights_of_root() -> None:
    """Have access rights count for root as for anybody else, in what is executed next."""
    drop_capability = 24
    for number in (1, 2):  # to read or write in spite of them, and to read
        ctypes.CDLL(None).prctl(drop_capability, number, 0, 0, 0)


def test_a_umask_of_a_hook_that_takes_all_rights_away_ends_neither_run_nor_task(
    tree: Any,
) -> None:
    tree.hook("10-a.sh", '''
        if [[ $1 == override_defaults ]]; then umask 777; fi
        if [[ $2 == install ]]; then
            umask
            async_run t sh -c umask
            run_process api "umask; exec sleep 1000"
            run_process api "umask; exec sleep 1000"
            async_wait t
            stop_process api
            async_run --timeout 100 late sh -c 'exit 3'
        fi
        if [[ $2 == extra ]]; then async_wait late; fi
    ''')  # fmt: skip
    process = start("stack", tree.path, preexec_fn=_without_the_rights_of_root)
    _, said = process.communicate(timeout=60)
    assert said.count("0777\n") == 2, said  # of the hook and of the task
    assert "async_wait: FAILED: late (status 3)" in said
    assert "ermission" not in said
    run = status.read(".")
    assert [(task.name, task.exit_code) for task in run.tasks] == [("t", 0), ("late", 3)]
    assert (Path(run.run_dir) / run.services[0].log).read_text().count("0777\n") == 2
    closed = [p for p in Path(run.run_dir).rglob("*") if not os.stat(p).st_mode & 0o400]
    assert closed == []


# -- on a terminal --------------------------------------------------------------------------------


class OnTerminal:
    """The command line with a terminal of its own."""

    def __init__(self, *words: object) -> None:
        self._ours, theirs = pty.openpty()
        self.text = ""
        self.process = start(
            *words, stdin=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "24"},
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65536):
                self.text += data.decode("utf-8", "replace")
        except OSError:  # the other end is closed
            pass

    def wait(self) -> int:
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=60)
        os.close(self._ours)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @property
    def lines(self) -> list[str]:
        """What is left on the screen, of a terminal that is long enough."""
        lines, at = [""], 0
        for part in re.split(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)", self.text):
            if part == "\n":
                at += 1
                lines += [""] * (at == len(lines))
            elif part == "\x1b[1A":
                at -= 1
            elif part == "\x1b[2K":
                lines[at] = ""
            elif part and part[0] not in "\r\x1b":
                lines[at] += part
        return lines


def test_a_terminal_is_left_as_clean_as_a_pipe(tree: Any, until: Until) -> None:
    wait = "until [[ -e go ]]; do sleep 0.01; done"
    tree.hook("10-a.sh", f"if [[ $2 == install ]]; then echo some words; {wait}; fi\n")
    terminal = OnTerminal("stack", tree.path)
    until(lambda: "▶ install" in terminal.text, "there is a live part")
    Path("go").touch()
    assert terminal.wait() == 0
    left = [line for line in terminal.lines if line]
    assert left[0].startswith("stack: ")
    assert left[-2].startswith("✓ 10-a.sh")
    assert left[-1].strip() == "✓ stack complete"
    assert len(left) == 1 + 2 * 7 + 3
    assert not [line for line in left if "·" in line or "────" in line]
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")


def test_ctrl_c_on_a_terminal_leaves_it_clean(tree: Any, until: Until) -> None:
    tree.hook("10-a.sh", STUCK)
    terminal = OnTerminal("stack", tree.path)
    until(lambda: "▶ nap" in terminal.text, "the task is shown")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.wait() == 130
    left = [line for line in terminal.lines if line]
    assert "■ 10-a.sh interrupted" in " ".join(left)
    assert left[-1].strip() == "tasks ended: 'nap'"
    assert not [line for line in left if "·" in line or "────" in line]
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    assert children_of_run() == []


def test_a_terminal_that_is_closed_ends_the_run(tree: Any, until: Until) -> None:
    tree.hook("10-a.sh", STUCK)
    script = f"cd {os.getcwd()}; exec {' '.join(S)} stack {tree.path}"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", "bash", "-c", script],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)

    def ready() -> bool:
        if select.select([ours], [], [], 0)[0]:
            os.read(ours, 65536)  # a terminal that nobody reads would stop who writes to it
        return Path("ready").exists()

    until(ready, "the hook is in its foreground command")
    os.close(ours)
    process.wait(timeout=60)
    until(lambda: children_of_run() == [], "everything has ended")
