"""The same behaviour through every face: Python, the magics, the command line."""

import io
import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from stacknb import cli, load_ipython_extension, status
from stacknb.dispatcher import Stack, dispatcher
from stacknb.exceptions import StacknbError
from stacknb.progress import views
from stacknb.run import closing

PHASES = [
    "override_defaults", "source", "stack pre-install", "stack install", "stack post-config",
    "stack extra", "stack test-config",
]  # fmt: skip


@dataclass
class Outcome:
    """What came of one call: exit status, error, progress, and what it was asked for."""

    code: int
    error: str
    shown: str
    value: Any = None


class Python:
    """Calls of `Stack`."""

    def __init__(self, top_dir: Path) -> None:
        self.top_dir = top_dir
        self.stack: Stack | None = None

    def do(self, verb: str, phase: str = "", until: str = "", **settings: Any) -> Outcome:
        shown = io.StringIO()
        try:
            if self.stack is None:
                self.stack = Stack(self.top_dir, **settings)
            with views.shown(self.stack, shown):
                value = self.call(self.stack, verb, phase, until)
        except StacknbError as error:
            return Outcome(error.status, str(error), shown.getvalue())
        return Outcome(0, "", shown.getvalue(), value)

    def call(self, stack: Stack, verb: str, phase: str, until: str) -> Any:
        if verb == "plan":
            return [*stack.plan().itertuples(index=False, name=None)]
        return stack.run_phase(phase) if phase else stack.run(verb, until or None)

    def close(self) -> None:
        if self.stack is not None:
            self.stack.close()


class Magic:
    """Lines of a notebook."""

    def __init__(self, top_dir: Path, read: Any) -> None:
        self.top_dir, self.read = top_dir, read
        config = Config()
        config.HistoryManager.enabled = False
        self.ipython = InteractiveShell.instance(config=config)
        dispatcher._current = None
        load_ipython_extension(self.ipython)

    def do(self, verb: str, phase: str = "", until: str = "", **settings: Any) -> Outcome:
        words = [shlex.quote(str(self.top_dir)), *map(shlex.quote, options(settings))]
        words += [phase] if phase else ["--until", until] if until else []
        name = verb if verb in ("unstack", "clean") else "stack"
        words += ["plan"] if verb == "plan" else []
        self.read()
        done = self.ipython.run_cell(f"%{name} {' '.join(words)}")
        error = done.error_in_exec
        code = error.status if isinstance(error, StacknbError) else int(error is not None)
        value = done.result
        if verb == "plan" and value is not None:
            value = [*value.itertuples(index=False, name=None)]
        return Outcome(code, str(error or ""), self.read().err, value)

    def close(self) -> None:
        if dispatcher._current is not None:
            dispatcher._current.close()


class CommandLine:
    """A process each time; a run that is not complete is resumed."""

    def __init__(self, top_dir: Path, read: Any) -> None:
        self.top_dir, self.read = top_dir, read

    def do(self, verb: str, phase: str = "", until: str = "", **settings: Any) -> Outcome:
        words = [str(self.top_dir), *([phase] if phase else []), *options(settings)]
        words += ["--until", until] if until else []
        if verb == "stack" and latest() is not None and latest().state != "complete":
            words.append("--resume")
        words += ["--json"] if verb == "plan" else []
        self.read()
        code = cli.main([verb, *words])
        out, err = self.read()
        said = "".join(line for line in err.splitlines(True) if "stacknb: going on" not in line)
        progress, _, error = said.partition("stacknb: ")
        value = out
        if verb == "plan" and code == 0:
            value = [(*list(row.values())[:3], (*row["args"],), row["warning"], row["run"])
                     for row in json.loads(out)]  # fmt: skip
        return Outcome(code, error, progress, value)

    def close(self) -> None:
        pass


def options(settings: dict[str, Any]) -> list[str]:
    words = []
    for name, value in settings.items():
        if name == "plugins":
            words += [word for plugin in value for word in ("--plugin", plugin)]
        elif name == "parallel":
            words += [] if value else ["--serial"]
        else:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def latest() -> status.RunStatus | None:
    return status.read(".") if Path(".stacknb/runs/latest").exists() else None


@pytest.fixture(params=["python", "magic", "command line"])
def face(
    request: pytest.FixtureRequest, tree: Any, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:  # fmt: skip
    if "IPYTHONDIR" not in os.environ:
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    made: Any
    if request.param == "python":
        made = Python(tree.path)
    else:
        make = Magic if request.param == "magic" else CommandLine
        made = make(tree.path, capfd.readouterr)
    yield made
    made.close()


def run() -> status.RunStatus:
    found = latest()
    assert found is not None
    return found


def done() -> list[str]:
    return [phase.name for phase in run().phases if phase.status == "ok"]


def test_every_phase_runs_in_order(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", 'echo "a $*" >>calls\n')
    tree.hook("20-b.sh", 'echo "b $*" >>calls\n')
    outcome = face.do("stack")
    assert (outcome.code, outcome.error) == (0, "")
    calls = [f"{hook} {phase}" for phase in PHASES for hook in "ab"]
    assert Path("calls").read_text().splitlines() == calls
    assert (run().state, done()) == ("complete", PHASES)


def test_progress_tells_phases_hooks_and_output(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", 'if [[ $2 == install ]]; then echo "some words"; fi\n')
    shown = face.do("stack").shown
    assert "── stack install (4/7, 1 hook)\n▶ 10-a.sh\nsome words\n✓ 10-a.sh " in shown
    assert shown.count("✓ 10-a.sh") == 7


def test_a_failure_names_hook_place_command_status_and_log(tree: Any, face: Any) -> None:
    hook = tree.hook("10-a.sh", "if [[ $2 == install ]]; then\n  echo before\n  ls /nowhere\nfi\n")
    tree.hook("20-b.sh", 'echo "$*" >>calls\n')
    outcome = face.do("stack")
    assert outcome.code == 1
    for text in ("'10-a.sh'", f"{hook}:3", "ls /nowhere", "status  2", "| before", "10-a.sh.log"):
        assert text in outcome.error
    assert "Traceback" not in outcome.error + outcome.shown
    assert "✗ 10-a.sh failed" in outcome.shown
    assert Path("calls").read_text().splitlines() == PHASES[:3]
    assert run().state == "failed"


def test_a_mended_hook_goes_on_where_it_failed(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", "kept=yes; if [[ $2 == install ]]; then false; fi\n")
    assert face.do("stack").code == 1
    tree.hook("10-a.sh", 'echo "$* $kept" >>calls\n')
    assert face.do("stack").code == 0
    assert Path("calls").read_text().splitlines() == [f"{phase} yes" for phase in PHASES[3:]]
    assert run().state == "complete"


def test_a_run_can_stop_after_a_phase_and_go_on(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", 'echo "$*" >>calls; [[ $2 != install ]] || async_run nap sleep 0.3\n')
    tree.hook("20-b.sh", "if [[ $2 == extra ]]; then async_wait nap; fi\n")
    assert face.do("stack", until="install").code == 0
    assert done() == PHASES[:4]
    assert face.do("stack", "post-config").code == 0
    assert face.do("stack").code == 0
    assert Path("calls").read_text().splitlines() == PHASES
    assert [(task.name, task.status) for task in run().tasks] == [("nap", "ok")]


def test_a_phase_out_of_order_is_an_error_that_names_the_first(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", 'echo "$*" >>calls\n')
    outcome = face.do("stack", "install")
    assert outcome.code == 2
    assert "phase 'stack install' is out of order" in outcome.error
    assert "run 'override_defaults', 'source', 'stack pre-install' first" in outcome.error
    assert not Path("calls").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"until": "instal"}, "unknown phase 'instal': did you mean 'install'"),
        ({"jobs": 0}, "jobs 0 should be a whole number, at least 1"),
        ({"plugins": ["lib"]}, "plugin 'lib' should be NAME=DIR"),
        ({"localrc": "none"}, "'none' cannot be read: No such file or directory"),
    ],
)
def test_bad_input_is_one_line(tree: Any, face: Any, words: Any, message: str) -> None:
    tree.hook("10-a.sh", 'echo "$*" >>calls\n')
    outcome = face.do("stack", **words)
    assert outcome.code == 2
    assert outcome.error.startswith(message)
    assert outcome.error.strip().count("\n") == 0
    assert not Path("calls").exists()


def test_a_tree_that_is_not_there_is_named(face: Any) -> None:
    face.top_dir = Path("no/where")
    outcome = face.do("stack")
    assert outcome.code == 2
    assert outcome.error.startswith("top_dir 'no/where': there is no such folder")


def test_settings_reach_the_run(tree: Any, face: Any) -> None:
    Path("rc").write_text("colour='deep blue'\n")
    plugin = tree.plugin("lib", plugin_sh='echo "lib $* $colour $DEVSTACK_PARALLEL" >>calls\n')
    tree.hook("10-a.sh", "true\n")
    assert face.do("stack", plugins=[plugin], localrc="rc", parallel=False).code == 0
    assert Path("calls").read_text().splitlines()[1] == "lib stack install deep blue False"


def test_a_run_directory_can_be_chosen(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    assert face.do("stack", run_dir="chosen").code == 0
    assert status.read("chosen").state == "complete"
    assert latest() is None


def test_a_plan_starts_nothing(tree: Any, face: Any) -> None:
    hook = tree.hook("7-a.sh", 'echo "$*" >>calls\n')
    outcome = face.do("plan")
    assert outcome.code == 0
    phase, name, path, args, warning, _ = outcome.value[3]
    assert (phase, name, path, args) == ("stack install", "7-a.sh", str(hook), ("stack", "install"))
    assert "two digits" in warning
    assert not Path("calls").exists()
    assert latest() is None


def test_unstack_and_clean_are_runs_of_their_own(tree: Any, face: Any) -> None:
    tree.hook(
        "10-a.sh", 'echo "$*" >>calls; [[ $1 != clean ]] || echo "${kept-gone}" >>calls; kept=x\n'
    )
    assert face.do("unstack").code == 0
    first = run()
    assert (first.mode, first.state) == ("unstack", "complete")
    assert face.do("clean").code == 0
    assert (run().mode, run().state) == ("clean", "complete")
    assert run().run != first.run
    lines = Path("calls").read_text().splitlines()
    before = ["override_defaults", "source", "unstack"]
    assert lines == before * 2 + ["override_defaults", "source", "clean", "x"]


def test_an_unstack_is_told_which_plugins_and_settings_of_the_stack_it_was_not_given(
    tree: Any, face: Any
) -> None:
    tree.hook("10-a.sh", "")
    shop = tree.plugin("shop", plugin_sh='echo "$1" >>calls\n')
    Path("local rc").write_text("x=1\n")
    with tree.stack(plugins=[shop], localrc="local rc") as earlier:
        earlier.run(until="source")
        stacked = earlier.run_dir
    outcome = face.do("unstack")
    words = f"--plugin {shop} --localrc {shlex.quote(os.path.abspath('local rc'))}"
    said = f"the stack in {str(stacked)!r} was given {words}, this unstack is not: "
    assert [note.startswith(said) for note in run().notes] == [True]
    assert outcome.shown.count(said) == 1
    assert not Path("calls").exists()
    assert face.do("clean").shown.count("was given") == 1  # though it is two runs


def test_an_unstack_that_is_given_the_plugins_of_the_stack_is_told_nothing(
    tree: Any, face: Any
) -> None:
    shop = tree.plugin("shop", plugin_sh='echo "$1" >>calls\n')
    tree.hook("10-a.sh", "")
    with tree.stack(plugins=[shop]) as earlier:
        earlier.run(until="source")
    assert face.do("unstack", plugins=[shop]).code == 0
    assert (Path("calls").read_text(), run().notes) == ("unstack\n", [])


def test_a_task_crosses_phases_and_is_told_of(tree: Any, face: Any) -> None:
    tree.hook(
        "10-a.sh",
        'f() { echo "task says $1"; }\n'
        'if [[ $2 == install ]]; then async_run job f "a  b"; fi\n'
        "if [[ $2 == extra ]]; then async_wait job; fi\n",
    )
    outcome = face.do("stack")
    assert "task says a  b" in outcome.shown
    assert [(task.name, task.phase, task.status) for task in run().tasks] == [
        ("job", "stack install", "ok")
    ]


def test_output_of_any_kind_is_shown_sensibly(tree: Any, face: Any) -> None:
    tree.hook(
        "10-a.sh",
        "if [[ $2 == install ]]; then\n"
        r"printf '10 %%\r90 %%\r100 %%\n'; printf 'nul \0 byte \xff\n'; printf '\e[31mred\e[0m\n'"
        "\nhead -c 300000 /dev/zero | tr '\\0' x\nfi\n",
    )
    shown = face.do("stack").shown
    assert "▶ 10-a.sh\n100 %\nnul ␀ byte �\nred\nxxx" in shown
    assert "[300.0 kB on this line; the log has all]\n✓ 10-a.sh" in shown
    log = next(Path(run().run_dir).glob("hooks/stack-install/*.log")).read_bytes()
    assert b"10 %\r90 %\r100 %\nnul \0 byte \xff\n\x1b[31mred" in log


def test_the_end_shows_the_summary_of_times(tree: Any, face: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    value = face.do("stack").value
    text = value if isinstance(value, str) else value.timing
    assert "DevStack Component Timing" in text
    assert "Async summary" in text


def test_ctrl_c_behind_the_last_hook_says_how_the_run_is_brought_to_its_end(
    tree, monkeypatch, capsys
) -> None:
    def stopped(shell: object) -> None:
        raise KeyboardInterrupt

    tree.hook("10-a.sh", ":")
    with monkeypatch.context() as patch:
        patch.setattr(closing, "tables", stopped)
        assert cli.main(["stack", str(tree.path)]) == 130
    assert f"resume  stacknb stack {tree.path} --resume" in capsys.readouterr().err
    assert cli.main(["stack", str(tree.path), "--resume"]) == 0
