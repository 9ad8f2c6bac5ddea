"""A copy of the package without /proc, pidfd, prctl, waitid and access lists, as on macOS."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import stacknb

_TAKEN = {
    "/proc": "/no-proc",
    '"pidfd_open"': '"no_pidfd_open"',
    'sys.platform == "linux"': 'sys.platform == "none"',
    '"waitid"': '"no_waitid"',
    "os.waitid": "os.no_waitid",
    "os.setxattr": "os.no_setxattr",
}
_LIMIT_S = 60


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that holds such a copy, which programs started from now on import."""
    home = tmp_path / "elsewhere"
    shutil.copytree(Path(stacknb.__file__).parent, home / "stacknb")
    found = set()
    for path in [*home.rglob("*.py"), *home.rglob("*.bash")]:
        text = path.read_text()
        for old, new in _TAKEN.items():
            found |= {old} if old in text else set()
            text = text.replace(old, new)
        path.write_text(text)
    assert found == set(_TAKEN)
    monkeypatch.setenv("PYTHONPATH", str(home))
    return home


def stacknb_of(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line; what it leaves running the fixture `sandbox` finds."""
    return subprocess.run(
        [sys.executable, "-m", "stacknb", *words],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=_LIMIT_S,
    )  # fmt: skip


def test_a_run_and_its_tasks_go_as_with_proc(elsewhere: Path, tree) -> None:
    tree.hook(
        "10-a.sh",
        "[[ $* == 'stack install' ]] || return 0\n"
        "async_run first echo one; async_run --after first second bash -c 'exit 3'\n"
        "async_run --timeout 0.2 late sleep 1000; async_run shot sleep 1000; kill -9 $(async_pidof shot)\n"
        "for name in first second late shot; do async_wait $name >&2 && echo $name 0 || echo $name $?; done\n"
        "run_process svc 'sleep 1000'; is_running svc; echo svc $?; stop_process svc; is_running svc || echo gone",
    )
    done = stacknb_of("stack", str(tree.path), "--jobs", "2", "--run-dir", "out")

    assert done.returncode == 0, done.stderr
    log = Path("out/hooks/stack-install/10-a.sh.log").read_text().splitlines()
    for line in ("first 0", "second 3", "late 143", "shot 137", "svc 0", "gone"):
        assert line in log


def test_what_a_run_has_started_is_ended_with_it_or_with_unstack(elsewhere: Path, tree) -> None:
    tree.hook(
        "10-a.sh",
        "[[ $* == 'stack install' ]] || return 0\n"
        "run_process svc 'sleep 1000'; async_run t sleep 1000; false",
    )
    assert stacknb_of("stack", str(tree.path), "--run-dir", "out").returncode == 1
    assert stacknb_of("unstack", str(tree.path)).returncode == 0


def test_an_interrupt_ends_a_command_in_a_group_of_its_own(elsewhere: Path, tree, until) -> None:
    tree.hook("10-a.sh", "x=1; timeout 1000 bash -c '>begun; sleep 1000'")
    with subprocess.Popen(
        [sys.executable, "-m", "stacknb", "stack", str(tree.path), "--run-dir", "out"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            until(Path("begun").exists, "the command has begun")
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=_LIMIT_S)[0]
        finally:
            process.kill()

    assert process.returncode == 130
    assert "'10-a.sh' was interrupted" in said
    # Had bash itself been killed, the log would have no footer.
    assert '"exit_code": 130' in Path("out/hooks/override_defaults/10-a.sh.log").read_text()


def test_tasks_that_wait_for_each_other_in_subshells_are_told_so(elsewhere: Path, tree) -> None:
    tree.hook(
        "10-a.sh",
        "begun() { until [[ -e both ]]; do sleep 0.01; done; }\n"
        "a() { begun; x=$(async_wait b); }; b() { begun; y=$(async_wait a); }\n"
        "async_run a a; async_run b b; >both; async_wait a b || :; exit 0",
    )
    stacknb_of("stack", str(tree.path), "--run-dir", "out")

    logs = [path.read_text() for path in Path("out/async").iterdir()]
    assert any("neither would end" in text for text in logs)


def test_what_a_subshell_in_the_background_waits_for_its_task_does_not(
    elsewhere: Path, tree
) -> None:
    tree.hook(
        "10-a.sh",
        "until_told() { until grep -q 'Waiting\\|neither' $_stacknb_dir/async/b.log; do :; done; }\n"
        "begun() { until [[ -e both ]]; do sleep 0.01; done; }\n"
        "a() { begun; (async_wait b) & until_told; }; b() { begun; async_wait a; }\n"
        "async_run a a; async_run b b; >both",
    )
    stacknb_of("stack", str(tree.path), "--run-dir", "out")

    logs = [path.read_text() for path in Path("out/async").iterdir()]
    assert sum("Waiting for completion" in text for text in logs) == 2
    assert not any("neither would end" in text for text in logs)


@pytest.mark.parametrize("verb", ["is_running svc || echo not", "stop_process svc; echo not"])
def test_a_number_that_another_process_has_by_now_is_not_touched(
    elsewhere: Path, tree, verb: str
) -> None:
    tree.hook("10-a.sh", verb)
    find = (
        "import sys; from stacknb.supervision import services as s; print(s.directory(sys.argv[1]))"
    )
    words = [sys.executable, "-c", find, str(tree.path)]
    records = Path(subprocess.run(words, check=True, capture_output=True, text=True).stdout[:-1])
    records.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as innocent:
        try:
            (records / "svc").write_text(f"{innocent.pid} 0 /nowhere.log\n")
            done = stacknb_of("stack", str(tree.path), "override_defaults", "--run-dir", "out")

            assert done.returncode == 0, done.stderr
            log = Path("out/hooks/override_defaults/10-a.sh.log").read_text()
            assert "not" in log.splitlines()
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_the_status_of_a_task_whose_shell_is_gone_is_known(
    elsewhere: Path, tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is no /proc, but the supervisor can adopt tasks.
    supervisor = elsewhere / "stacknb/supervision/supervisor.py"
    text = supervisor.read_text().replace("no_waitid", "waitid")
    supervisor.write_text(text.replace('== "none"', '== "linux"'))
    tree.hook(
        "10-a.sh",
        "t() { until [[ -e go ]]; do sleep 0.01; done; kill -9 $BASHPID; }; async_run t t; false",
    )
    code = (
        "import sys, pathlib, stacknb\n"
        "stack = stacknb.Stack(sys.argv[1])\n"
        "try: stack.run_phase('override_defaults')\n"
        "except stacknb.HookFailed: pathlib.Path('go').touch()\n"
        "try: stack.async_wait('t')\n"
        "except stacknb.TaskFailed as error: print(error.results[0].status, error.results[0].exit_code)\n"
        "stack.close()\n"
    )
    words = [sys.executable, "-c", code, str(tree.path)]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=_LIMIT_S,
    )

    assert done.stdout.splitlines()[-1:] == ["killed 137"], done.stderr


def test_where_nothing_tells_of_processes_a_run_is_refused_in_one_line(
    elsewhere: Path, tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "bash").symlink_to(str(shutil.which("bash")))
    monkeypatch.setenv("PATH", str(programs))
    done = stacknb_of("stack", str(tree.path), "--run-dir", "out")

    assert done.returncode == 2
    assert done.stderr.startswith("stacknb: neither '/no-proc' nor 'ps' tells of the processes")
    assert done.stderr.count("\n") == 1
    assert not os.path.exists("out")
