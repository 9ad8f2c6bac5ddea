"""The magics in a real kernel: interrupts, awaiting, completion, displays, errors."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

Until = Callable[..., None]


class Cell:
    """What came of a cell."""

    def __init__(self) -> None:
        self.text = ""  # of stdout and stderr
        self.value = ""
        self.error: dict[str, Any] = {}
        self.displays: list[dict[str, str]] = []
        self.kinds: list[str] = []
        self.names: list[str] = []  # of the displays, by which they are updated
        self.took_s = 0.0

    @property
    def summary(self) -> dict[str, str]:
        """What its own summary came to; of a cell that has none, what it changed last.

        A panel of an earlier test may change its summary meanwhile: what a thread shows counts as
        the cell's that is executed.
        """
        last = dict(zip(self.names, self.displays, strict=True))
        own = [
            name
            for kind, name in zip(self.kinds, self.names, strict=True)
            if name and kind == "display_data"
        ]
        return last[own[-1] if own else self.names[-1]]


class Kernel:
    """A kernel, and the cells that it is given."""

    def __init__(self) -> None:
        # Its sockets in a folder of their own: in that of the tests, two test runs would meet.
        self.folder = tempfile.TemporaryDirectory(prefix="stacknb-")
        file = f"{self.folder.name}/kernel.json"
        self.manager = KernelManager(kernel_name="python3", connection_file=file)
        # The default would warn about the network, on which nothing of this goes.
        self.manager.transport = "ipc"
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.client.allow_stdin = False  # as with what executes notebooks

    def run(self, code: str, meanwhile: Callable[[], None] | None = None) -> Cell:
        """Run a cell; `meanwhile` is called once it has begun."""
        begun, cell = time.monotonic(), Cell()
        asked = self.client.execute(code)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=60)
            except Empty:
                raise AssertionError(f"the cell did not end: {code}") from None
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_input" and meanwhile is not None:
                meanwhile()
            elif kind == "stream":
                cell.text += content["text"]
            elif kind == "execute_result":
                cell.value = content["data"]["text/plain"]
            elif kind == "error":
                cell.error = content
            elif kind in ("display_data", "update_display_data"):
                cell.kinds.append(kind)
                cell.displays.append(content["data"])
                cell.names.append(content.get("transient", {}).get("display_id", ""))
            elif kind == "status" and content["execution_state"] == "idle":
                cell.took_s = time.monotonic() - begun
                return cell

    def complete(self, line: str) -> list[str]:
        found: list[str] = self._completed(line)["matches"]
        return found

    def kinds(self, line: str) -> list[str]:
        """Return what JupyterLab says beside each completion."""
        found = self._completed(line)["metadata"]["_jupyter_types_experimental"]
        return [one["type"] for one in found]

    def _completed(self, line: str) -> dict[str, Any]:
        asked = self.client.complete(line)
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == asked:
                content: dict[str, Any] = message["content"]
                return content

    def is_waiting(self) -> bool:
        """Tell whether it waits for a task: by a handle on a process."""
        for file in Path(f"/proc/{self.manager.provisioner.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                if os.readlink(file) == "anon_inode:[pidfd]":
                    return True
        return False

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self.folder.cleanup()


@pytest.fixture(scope="module")
def started() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(started: Kernel, tmp_path: Path, tree: Any) -> Iterator[Kernel]:
    """Return a kernel in the folder of the test; its stack is closed afterwards."""
    cell = started.run(
        f"import os; os.chdir({str(tmp_path)!r}); os.environ['XDG_STATE_HOME'] = os.getcwd()\n"
        "import stacknb\n%load_ext stacknb\n%reload_ext stacknb"
    )
    assert cell.error == {}
    yield started
    # A panel that is left would go on to change its summary, during the cells of the next test.
    closing = "try:\n    stacknb.current().close()\nexcept stacknb.BadInput:\n    pass"
    assert started.run(f"{closing}\nfrom stacknb import widgets\nwidgets.close_all()").error == {}


def shown(cell: Cell) -> str:
    return "\n".join(cell.error["traceback"])


def interrupt_when(kernel: Kernel, until: Until, ready: Callable[[], bool]) -> Callable[[], None]:
    """Return a function that interrupts the kernel once it is `ready`."""

    def interrupt() -> None:
        until(ready, "the cell is where it is to be interrupted")
        kernel.manager.interrupt_kernel()

    return interrupt


def test_an_interrupt_ends_a_hook_and_leaves_the_session_usable(
    kernel: Kernel, tree: Any, until: Until
) -> None:
    tree.hook(
        "10-a.sh",
        "if [[ $2 == install ]]; then\n"
        "  mark=here; async_run nap sleep 1000; : >ready; sleep 1000\n"
        "fi\n",
    )
    interrupt = interrupt_when(kernel, until, Path("ready").exists)
    cell = kernel.run(f"%stack '{tree.path}'", interrupt)
    assert cell.error["ename"] == "Interrupted"
    assert shown(cell).startswith("Interrupted: '10-a.sh' was interrupted at ")
    assert "tasks still running: 'nap'" in shown(cell)
    assert "Traceback" not in shown(cell)
    assert "■ 10-a.sh interrupted" in cell.summary["text/plain"]
    # The variables are there, the task runs on, the hook can be mended and the phase run again.
    assert kernel.run("%%stack\necho $mark").text == "here\n"
    assert "running with PID" in kernel.run("stacknb.current().tasks['nap']").value
    tree.hook("10-a.sh", "true\n")
    assert kernel.run("%stack install").error == {}
    assert "4 phases done" in kernel.run("stacknb.current().result").value


def test_an_interrupt_ends_a_wait_and_the_task_runs_on(
    kernel: Kernel, tree: Any, until: Until
) -> None:
    kernel.run(f"%stack '{tree.path}' step")
    kernel.run("%async_task nap sleep 1000")
    interrupt = interrupt_when(kernel, until, kernel.is_waiting)
    cell = kernel.run("%wait", interrupt)
    assert shown(cell) == "Interrupted: stopped waiting for 'nap'; it runs on"
    assert "running with PID" in kernel.run("stacknb.current().tasks['nap']").value
    assert "was cancelled" in kernel.run("stacknb.current().cancel('nap')").value


def test_an_interrupt_ends_a_cell_of_bash(kernel: Kernel, tree: Any, until: Until) -> None:
    kernel.run(f"%stack '{tree.path}' step")
    interrupt = interrupt_when(kernel, until, Path("ready").exists)
    cell = kernel.run("%%stack\nmark=here; : >ready; sleep 1000", interrupt)
    assert cell.error["ename"] == "Interrupted"
    assert kernel.run("%%stack\necho $mark").text == "here\n"


def test_a_task_can_be_awaited(kernel: Kernel, tree: Any) -> None:
    kernel.run(f"%stack '{tree.path}' step")
    cell = kernel.run(
        "task = %async_task job bash -c 'sleep 0.1; exit 3'\nresult = await task\nresult"
    )
    assert cell.value.startswith("<task 'job' failed with status 3 after ")
    assert kernel.run("%wait").value == "[]"


def test_an_interrupt_of_an_awaited_task_is_told_in_one_line(
    kernel: Kernel, tree: Any, until: Until
) -> None:
    kernel.run(f"%stack '{tree.path}' step")
    interrupt = interrupt_when(kernel, until, kernel.is_waiting)
    cell = kernel.run("task = %async_task nap sleep 1000\nawait task", meanwhile=interrupt)
    assert shown(cell) == "CancelledError: stopped waiting for 'nap'; it runs on"
    assert kernel.run("task.running").value == "True"
    assert kernel.run(
        "import asyncio\ntry:\n    await asyncio.wait_for(task, 0.01)\n"
        "except TimeoutError:\n    print('late')"
    ).text == "late\n"  # fmt: skip


def test_a_task_that_is_named_twice_is_shown_once(kernel: Kernel, tree: Any) -> None:
    kernel.run(f"%stack '{tree.path}' step\n%async_task good echo fine")
    cell = kernel.run("%wait good good")
    assert cell.text.count("fine") == 1
    assert cell.value.count("good") == 1


def test_what_is_not_there_is_told_with_what_is(kernel: Kernel, tree: Any) -> None:
    assert "no run to resume in '.stacknb/runs': " in shown(kernel.run("%stack resume"))
    kernel.run(f"%stack '{tree.path}' step")
    assert "was started; async_run and %async_task start one" in shown(kernel.run("%wait db"))
    kernel.run("%async_task nap true")
    assert "was started; the tasks of this run are 'nap'" in shown(kernel.run("%wait db"))
    assert kernel.run("%stack vars NOPE*").text == (
        "no variable is called 'NOPE*'; %stack vars shows all\n"
    )
    kernel.run("%stack")
    error = shown(kernel.run("%stack install"))
    assert error.endswith("'stack test-config' is done already; %stack reset begins anew")


def test_variables_and_plans_as_text_keep_the_columns_that_tell_most(
    kernel: Kernel, tree: Any
) -> None:
    tree.hook("10-a.sh", "WHERE_EVERYTHING_OF_IT_IS=/a/path/of/some/length/as/most/are/on/a/disk\n")
    plan = kernel.run(f"%stack '{tree.path}' plan").value
    assert [word in plan for word in ("10-a.sh", "test-config'", "...")] == [True, True, False]
    kernel.run("%stack step")
    seen = kernel.run("%stack vars WHERE*")
    assert "/a/path/of/some/length/as/most/are/on/a/disk" in seen.value
    assert "..." not in seen.value


def test_a_run_without_tasks_and_timers_shows_no_table_of_them(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    value = kernel.run(f"%stack '{tree.path}'").value
    assert value.startswith("<stack run complete: 7 hooks in ")
    assert "\n" not in value
    assert "Total runtime" in kernel.run("print(stacknb.current().result.timing)").text


def test_a_stack_can_be_awaited(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then async_run t true; async_wait t; fi\n")
    cell = kernel.run(f"made = stacknb.Stack({str(tree.path)!r})\nawait made.aio.run()")
    assert cell.value.startswith("<stack run complete: 7 hooks")
    assert "DevStack Component Timing" in cell.value


def test_an_interrupt_of_an_awaited_run_ends_it_and_is_told_in_one_line(
    kernel: Kernel, tree: Any, until: Until
) -> None:
    tree.hook("10-a.sh", "[[ $1 == source ]] || return 0; : >ready; sleep 1000")
    kernel.run(f"made = stacknb.Stack({str(tree.path)!r})")
    interrupt = interrupt_when(kernel, until, Path("ready").exists)
    cell = kernel.run("await made.aio.run()", meanwhile=interrupt)
    assert shown(cell) == "CancelledError: interrupted; the session is usable"
    assert kernel.run("made.evaluate('echo on').stdout").value == "'on\\n'"
    assert kernel.run("made.result.hooks[-1].status").value == "'interrupted'"


def test_a_failed_task_is_a_block_without_a_traceback(kernel: Kernel, tree: Any) -> None:
    kernel.run(f"%stack '{tree.path}' step")
    kernel.run("%async_task good echo fine")
    kernel.run("%%async_task bad\necho oops\nexit 4")
    cell = kernel.run("%wait good bad")
    assert "✓ good ended well" in cell.text
    assert "    fine\n" in cell.text
    assert "    oops\n" in cell.text
    assert shown(cell).startswith("TaskFailed: task 'bad' failed with status 4")
    assert "Traceback" not in shown(cell)


def test_completions_are_ours_alone(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-api.sh", "true\n")
    kernel.run(f"%stack '{tree.path}' step\n%async_task generate true")
    assert kernel.complete("%stack post") == ["post-config"]
    assert kernel.complete("%stack --unt") == ["--until"]
    assert kernel.complete("%stack log 10") == ["10-api.sh"]
    assert kernel.complete("%wait gen") == ["generate"]
    assert kernel.complete("%wait ") == ["generate"]
    assert kernel.complete("%stack tr") == ["tree/"]
    assert "path" in kernel.complete("os.pat")
    assert kernel.kinds("%stack post") == ["argument"]
    assert kernel.kinds("%stack --unt") == ["option"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%stack instal", "'instal' is no word of %stack and no folder; did you mean 'install'?"),
        ("%stack extra", "phase 'stack extra' is out of order: run "),
        ("%wait nothing", "no task 'nothing' was started"),
        ("%async_task a/b true", "'a/b' cannot name a task: "),
        ("%stack step --serail", "'--serail' is not understood; did you mean '--serial'?"),
        ("%stack --help", "'--help' is not understood; see %stack?"),
        ("%wait -h", "'-h' is not understood; see %wait?"),
        ("%stack help", "'help' is no word of %stack and no folder; see %stack?"),
        ("%stack tre", "'tre' is no word of %stack and no folder; did you mean 'tree'?"),
        ("%async_task", "NAME is missing; see %async_task?"),
    ],
)
def test_bad_input_is_one_line(kernel: Kernel, tree: Any, line: str, message: str) -> None:
    kernel.run(f"%stack '{tree.path}' step")
    cell = kernel.run(line)
    assert cell.error["ename"] == "BadInput"
    assert shown(cell).startswith(f"BadInput: {message}")
    assert "\n" not in shown(cell)


def test_a_run_leaves_a_panel_and_a_summary_that_is_updated(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", 'if [[ $2 == install ]]; then echo "a <b> & c"; sleep 0.3; fi\n')
    cell = kernel.run(f"%stack '{tree.path}'")
    assert cell.kinds.count("display_data") == 2
    [view] = [data for data in cell.displays if "text/html" not in data]
    assert "application/vnd.jupyter.widget-view+json" in view
    assert cell.kinds.count("update_display_data") <= 10 * cell.took_s + 2
    last = cell.summary
    assert {*last} == {"text/plain", "text/html"}
    assert "a &lt;b&gt; &amp; c" in last["text/html"]
    assert "| a <b> & c" in last["text/plain"]
    assert "complete" in last["text/plain"].splitlines()[0]
    assert cell.text == ""
    assert cell.value.startswith("<stack run complete: ")


def test_a_console_is_told_in_lines_what_its_displays_do_not_show(
    kernel: Kernel, tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then echo first words; fi\n")
    monkeypatch.setattr(kernel.client, "allow_stdin", True)
    cell = kernel.run(f"%stack {tree.path}")
    assert "── stack install (4/7, 1 hook)\n▶ 10-a.sh\nfirst words\n✓ 10-a.sh" in cell.text
    panel = kernel.run("%stack panel")
    assert panel.value.startswith("stack run ")
    assert cell.displays == panel.displays == []
    monkeypatch.setattr(kernel.client, "allow_stdin", False)
    assert kernel.run(f"%unstack {tree.path}").text == ""


def test_a_console_that_waits_for_a_run_is_told_what_it_does(
    kernel: Kernel, tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.hook(
        "10-a.sh", "if [[ $2 == install ]]; then until [[ -e go ]]; do sleep 0.02; done; fi\n"
    )
    monkeypatch.setattr(kernel.client, "allow_stdin", True)
    assert kernel.run(f"%stack {tree.path} --bg").text == ""
    # Only what happens once somebody listens is told.
    kernel.run(
        "import threading, time\n"
        "listeners = stacknb.current().listeners\n"
        "def let_go(before):\n"
        "    while len(listeners) == before:\n"
        "        time.sleep(0.01)\n"
        "    open('go', 'w').close()\n"
        "threading.Thread(target=let_go, args=[len(listeners)]).start()"
    )
    told = kernel.run("%wait stack").text
    assert "── stack extra (6/7, 1 hook)\n✓ 10-a.sh" in told


def test_a_run_in_the_background_returns_at_once_and_is_collected(
    kernel: Kernel, tree: Any, until: Until
) -> None:
    tree.hook(
        "10-a.sh", "if [[ $2 == install ]]; then until [[ -e go ]]; do sleep 0.02; done; fi\n"
    )
    value = kernel.run(f"%stack '{tree.path}' --bg").value
    assert value == "<stack goes on in the background; %wait stack collects it>"
    assert "'stack' goes on in the background" in shown(kernel.run("%stack step"))
    assert "a run goes on in the background" in shown(kernel.run("%stack vars"))
    assert "did not end within 0.1 s" in shown(kernel.run("%wait stack --timeout 0.1"))
    Path("go").touch()
    cell = kernel.run("%wait stack")
    assert "<stack run complete: 7 hooks" in cell.value
    # The summary below the first cell tells of the end, too, however soon the notebook is saved.
    assert ": complete after " in cell.summary["text/plain"]
    assert kernel.run("%stack vars HOME").error == {}


def test_an_error_in_the_background_is_raised_where_it_is_collected(
    kernel: Kernel, tree: Any
) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then false; fi\n")
    assert kernel.run(f"%stack '{tree.path}' --bg").error == {}
    cell = kernel.run("%wait stack")
    assert shown(cell).startswith("HookFailed: '10-a.sh' failed with status 1 under errexit\n")
    assert "no task 'stack' was started" in shown(kernel.run("%wait stack"))


def test_a_panel_leaves_no_thread_no_comm_and_no_file_behind(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", "async_run nap sleep 1000\n")
    look = (
        "import gc, os, threading, ipywidgets, comm\n"
        "def look():\n"
        "    gc.collect()\n"
        "    names = [t.name for t in threading.enumerate() if t.name.startswith('stacknb')]\n"
        # Sockets are the kernel's: it has one for each thread that ever sent, and drops it later.
        "    open_ones = os.listdir('/proc/self/fd')\n"
        "    files = [os.path.realpath(f'/proc/self/fd/{number}') for number in open_ones]\n"
        "    files = [name for name in files if '.log' in name or '.json' in name]\n"
        "    return names, len(comm.get_comm_manager().comms), files\n"
    )
    kernel.run(f"%stack '{tree.path}' step")
    kernel.run(look + "from stacknb import widgets; widgets.close_all(); seen = []")
    for _ in range(4):
        kernel.run("panel = %stack panel\npanel")
        assert "stacknb-panel" in kernel.run("look()").value
        kernel.run("panel._take({'do': 'open', 'log': 'async/nap.log', 'id': '1'})")
        kernel.run("panel.close(); seen.append(look())")
    names, comms, files = zip(*eval(kernel.run("print(seen)").text), strict=True)
    assert names == ([],) * 4
    # The journal is the stack's own, which goes on.
    assert all(name.endswith("journal.jsonl") for found in files for name in found)
    assert len({len(found) for found in files}) == 1
    assert len(set(comms)) == 1
    assert kernel.run("panel").error["ename"] == "BadInput"


def test_two_stacks_with_two_panels_do_not_disturb_each_other(
    kernel: Kernel, tree: Any, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        extras = tmp_path / name / "extras.d"
        extras.mkdir(parents=True)
        wait = f"until [[ -e '{tmp_path}/go' ]]; do sleep 0.02; done"
        (extras / f"10-{name}.sh").write_text(f"if [[ $2 == install ]]; then {wait}; fi\n")
        assert kernel.run(f"%stack '{tmp_path / name}' --bg").error == {}
        kernel.run(f"{name} = stacknb.current()")
    assert kernel.run("one.busy, two.busy").value == "(True, True)"
    (tmp_path / "go").touch()
    for name in ("one", "two"):
        assert "complete: 7 hooks" in kernel.run(f"{name}.worker.wait()").value
        kernel.run(f"from stacknb import widgets; panel = widgets.panel_of({name})")
        summary = kernel.run("panel").summary["text/plain"]
        assert summary.startswith(f"stack of {tmp_path / name}: complete")
    assert kernel.run("one.close(); two.close()").error == {}


def test_a_run_that_goes_on_beside_another_tree_is_found_again_and_collected(
    kernel: Kernel, tree: Any, tmp_path: Path
) -> None:
    tree.hook(
        "10-a.sh", "if [[ $2 == install ]]; then until [[ -e go ]]; do sleep 0.02; done; fi\n"
    )
    other = tmp_path / "other" / "extras.d"
    other.mkdir(parents=True)
    (other / "10-b.sh").write_text(":\n")
    assert kernel.run(f"%stack '{tree.path}' --bg\nfirst = stacknb.current()").error == {}
    assert kernel.run("%stack other --until source\nsecond = stacknb.current()").error == {}
    assert kernel.run("first.busy, second is first").value == "(True, False)"
    assert "goes on in the background" in shown(kernel.run(f"%stack '{tree.path}' step"))
    assert kernel.run("stacknb.current() is first, second.closed").value == "(True, True)"
    assert kernel.run("%stack other --until source").error == {}
    Path("go").touch()
    assert "<stack run complete: 7 hooks" in kernel.run("%wait stack").value
    assert kernel.run("stacknb.current() is first").value == "True"
    assert kernel.run("%stack other status").error == {}


def test_a_run_that_is_watched_and_then_resumed_keeps_its_panel(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", "nosuch\n")
    assert kernel.run(f"%stack '{tree.path}' --run-dir run").error["ename"] == "HookFailed"
    kernel.run("stacknb.current().close(); from stacknb import widgets; widgets.close_all()")
    watched = kernel.run("panel = %stack panel run\npanel")
    assert kernel.run("panel._shown['can']").value == "[]"
    kernel.run("%stack resume run")
    kernel.run("panel.update()")
    assert "retry" in kernel.run("panel._shown['can']").value
    tree.hook("10-a.sh", "true\n")
    stepped = kernel.run("%stack step")
    assert stepped.displays[0] == watched.displays[0]
    # … and again, where the run was opened before in the same kernel
    kernel.run("stacknb.current().close()")
    kernel.run("%stack resume run")
    assert kernel.run("%stack step").displays[0] == watched.displays[0]


def test_a_run_behind_a_link_has_one_panel_whichever_way_it_is_named(
    kernel: Kernel, tree: Any
) -> None:
    Path("real").mkdir()
    Path("link").symlink_to("real")
    tree.hook("10-a.sh", "nosuch\n")
    assert kernel.run(f"%stack '{tree.path}' --run-dir link/run").error["ename"] == "HookFailed"
    kernel.run("from stacknb.widgets import panel_of; panel = panel_of(stacknb.current())")
    for path in ("link/run", "real/run"):
        kernel.run(f"again = %stack panel {path}")
        assert kernel.run("again is panel").value == "True"
    assert "retry" in kernel.run("panel._shown['can']").value


def test_a_failed_hook_shows_its_output_and_one_block(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then echo before; false; fi\n")
    cell = kernel.run(f"%stack '{tree.path}'")
    assert cell.error["ename"] == "HookFailed"
    assert shown(cell).startswith("HookFailed: '10-a.sh' failed with status 1 under errexit\n")
    assert "✗ 10-a.sh failed" in cell.summary["text/plain"]
    assert "mend it and run 'stack install' again" in cell.summary["text/plain"]


def test_the_panel_and_its_summary_say_which_line_of_a_cell_to_mend(
    kernel: Kernel, tree: Any
) -> None:
    kernel.run(f"%stack '{tree.path}' plan")
    kernel.run("%%hook 20-b.sh\nif [[ $2 == install ]]; then\nfalse\nfi")
    cell = kernel.run("%stack")
    mend = "mend it (line 3 of the cell), run the cell and run 'stack install' again"
    assert mend in shown(cell)
    assert mend in cell.summary["text/plain"]
    kernel.run("from stacknb.widgets import panel_of; panel = panel_of(stacknb.current())")
    said = kernel.run("panel._whole()['failure']['cell']").value
    assert said == "' (line 3 of the cell), run the cell'"


def test_a_cell_of_bash_shares_the_shell_of_the_hooks(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", "colour='deep blue'; f() { echo \"f says $1\"; }\n")
    kernel.run(f"%stack '{tree.path}' step")
    cell = kernel.run('%%stack\nf "$colour"; echo oops >&2; false')
    assert cell.text == "f says deep blue\noops\n"
    assert cell.value.startswith("<bash exited with status 1, log ")
    assert cell.error == {}
    assert kernel.run("%stack vars colour").value == "colour = deep blue"


def test_variables_of_the_run_come_before_those_of_its_environment(
    kernel: Kernel, tree: Any
) -> None:
    tree.hook("10-a.sh", "zoo=1\n")
    kernel.run(f"%stack '{tree.path}' step")
    kernel.run("frame = %stack vars")
    names = kernel.run("[n for n in frame['name'] if n in ('zoo', 'PATH')]").value
    assert names == "['zoo', 'PATH']"


def test_status_log_reset_and_resume(kernel: Kernel, tree: Any) -> None:
    tree.hook("10-a.sh", 'echo "in $*"; mark=here\n')
    kernel.run(f"%stack '{tree.path}' --until source")
    assert "unfinished, 2 of 7 phases" in kernel.run("%stack status").value
    log = kernel.run("%stack log 10-a.sh").value
    assert "in override_defaults" in log
    assert "in source" in log
    assert "no run yet" in kernel.run("%stack reset").value
    cell = kernel.run("%stack resume")
    assert cell.text == "next is 'stack pre-install'\n"
    assert kernel.run("%%stack\necho $mark").text == "here\n"
    assert "3 phases done" in kernel.run("%stack step").value
    kernel.run("%stack")
    cell = kernel.run("%stack resume")
    assert cell.text == "every phase is done; %stack begins a new run\n"


def test_help_is_the_table(kernel: Kernel) -> None:
    asked = kernel.client.inspect("%stack")
    while True:
        message = kernel.client.get_shell_msg(timeout=60)
        if message["parent_header"].get("msg_id") == asked:
            break
    text = message["content"]["data"]["text/plain"]
    assert "%stack vars [GLOB]" in text
    assert "--until PHASE" in text


def test_the_extension_loads_quickly_and_imports_nothing_heavy(kernel: Kernel) -> None:
    code = (
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', '''\n"
        "import sys, time\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "import IPython.core.completer\n"
        "begun = time.process_time()\n"
        "import stacknb\n"
        "stacknb.load_ipython_extension(InteractiveShell.instance())\n"
        "print((time.process_time() - begun) / begun)\n"
        "print(*{'pandas', 'ipywidgets', 'altair', 'dask', 'rich', 'numpy'} & {*sys.modules})\n"
        "'''], capture_output=True, text=True, check=True).stdout)"
    )
    ratio, heavy = kernel.run(code).text.splitlines()[-3:-1] or ("", "")
    assert (
        float(ratio) < 4
    )  # of what IPython took on this machine; 0.7, and 2 where it is not compiled
    assert heavy == ""
