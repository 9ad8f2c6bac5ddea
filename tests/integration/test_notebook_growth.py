"""What runs add to the file of a notebook that is executed, measured as it is written."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from nbformat import NotebookNode

pytestmark = pytest.mark.timeout(300)

LIMIT = 50_000
LETTERS = ["ж<&>", "漢", "😀", '"', "'", "\\", "\x01", "\x85", "\u2028"]
MIME = "application/vnd.jupyter.widget-state+json"


def grown(folder: Path, *lines: str) -> tuple[NotebookNode, int]:
    """Execute a notebook; return it, and by how many bytes its file has grown."""
    cells = [nbformat.v4.new_code_cell(line) for line in ("%load_ext stacknb", *lines)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    before = len(nbformat.writes(notebook).encode())
    client = nbclient.NotebookClient(notebook, timeout=300, allow_errors=True)
    client.resources["metadata"] = {"path": str(folder)}
    client.execute()
    assert MIME in notebook.metadata["widgets"]
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it was executed: not the run's
    return notebook, len(nbformat.writes(notebook).encode("utf-8", "surrogatepass")) - before


def hook(tree: Path, name: str, text: str) -> None:
    code = f"if [[ $1 == stack && $2 == install ]]; then\n{text}\nfi\n"
    (tree / "extras.d").mkdir(parents=True, exist_ok=True)
    (tree / "extras.d" / name).write_text(code)


def wide_lines(tree: Path, letter: str) -> None:
    """Print wide lines in hooks and in 60 tasks that fail, all with long names."""
    wide = f"for n in {{1..2000}}; do wide+={shlex.quote(letter)}; done\n"
    long = (letter * 10).replace("\\", "") if letter.isprintable() else letter * 10
    task = shlex.quote(f"make-{'image' * 38}")
    hook(
        tree, "10-database.sh",
        wide + "f() { for n in 1 2 3; do echo \"$wide\"; echo \"$wide\" >&2; done; return 3; }\n"
        f"for n in {{1..60}}; do async_run {task}-$n f; done\n"
        'for n in {1..500}; do echo "$wide"; done\n'
        f"for n in {{1..60}}; do async_wait {task}-$n || :; done\n",
    )  # fmt: skip
    for number in range(20, 60):
        hook(tree, f"{number}-{long}.sh", 'echo "$wide"')
    hook(tree, "90-last.sh", f'{wide}for n in {{1..20}}; do echo "$wide"; done\nnosuch "$wide"')


@pytest.mark.parametrize("letter", LETTERS)
def test_it_is_less_than_50_kb_whatever_a_run_prints(tmp_path: Path, letter: str) -> None:
    wide_lines(tmp_path / "tree", letter)
    notebook, size = grown(tmp_path, "%stack tree")
    assert "nosuch" in notebook.cells[1].outputs[-1]["evalue"]
    assert "nosuch" in notebook.cells[1].outputs[1]["data"]["text/plain"]
    assert size < LIMIT


def many_hooks(tree: Path) -> None:
    for number in range(150):
        hook(tree, f"{10 + number % 80}-{number:03}{'&' * 200}.sh", f"echo '{'&' * 300}'")
    hook(tree, f"95-{'<' * 200}.sh", f"false '{'<&' * 2000}'")


def many_names_in_the_timing(tree: Path) -> None:
    hook(
        tree, "10-a.sh",
        f"for n in {{1..300}}; do async_run {'n' * 150}-$n true; async_wait {'n' * 150}-$n\n"
        "time_start part$n; time_stop part$n; done",
    )  # fmt: skip


@pytest.mark.parametrize("fill", [many_hooks, many_names_in_the_timing])
def test_it_is_less_than_50_kb_however_much_there_is_to_tell(
    tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    fill(tmp_path / "tree")
    _, size = grown(tmp_path, "%stack tree")
    assert size < LIMIT


def test_it_is_less_than_50_kb_where_paths_are_as_long_as_they_can_be(tmp_path: Path) -> None:
    # Beyond about 4,000 bytes the tree, or its log, could not be opened.
    tree = tmp_path.joinpath(*["&" * 240] * 14)
    hook(tree, "10-a.sh", "async_run t false; async_wait t || :; false")
    _, size = grown(tmp_path, f"import os; os.chdir({str(tree)!r})", "%stack .")
    assert size < LIMIT


def test_stepping_through_a_run_in_cells_of_their_own_stays_below_50_kb(tmp_path: Path) -> None:
    wide_lines(tmp_path / "tree", "&")
    (tmp_path / "tree" / "extras.d" / "90-last.sh").unlink()
    notebook, size = grown(tmp_path, "%stack tree step", *["%stack step"] * 6)
    assert "stack run complete" in notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert size < LIMIT


def test_each_step_of_a_run_has_its_summary_though_many_hooks_say_something(tmp_path: Path) -> None:
    (tmp_path / "tree" / "extras.d").mkdir(parents=True)
    says = 'for n in 1 2 3 4 5; do echo "step $n of $2: a line as hooks print them"; done'
    for number in range(10, 17):
        script = f"[[ $1 != stack ]] || {{ {says}; }}\n"
        (tmp_path / "tree" / "extras.d" / f"{number}-part.sh").write_text(script)
    notebook, size = grown(tmp_path, "%stack tree step", *["%stack step"] * 6)
    summaries = [cell.outputs[1]["data"]["text/html"] for cell in notebook.cells[1:]]
    assert ["step 5 of " in summary for summary in summaries] == [False] * 2 + [True] * 5
    assert size < LIMIT


def flooding(tree: Path) -> None:
    """Print wide lines in every phase, in hooks and in tasks."""
    lines = "for n in {1..300}; do echo \"$n $1 $2 <&'\" '\\\\' 漢字 $'\\x01'; done\n"
    code = f"flood() {{ {lines} }}\nflood\nasync_run task-$2 flood; async_wait task-$2\n"
    for number in range(10, 30):
        (tree / "extras.d").mkdir(parents=True, exist_ok=True)
        (tree / "extras.d" / f"{number}-{'&' * 60}.sh").write_text(code)


def failing(tree: Path) -> None:
    """Fail in the last phase but two, with much to tell of it."""
    flooding(tree)
    (tree / "extras.d" / "90-bad.sh").write_text(
        'if [[ $2 == install ]]; then\nflood >&2\nfalse "$(flood)"\nfi\n'
    )


STEPS = ["%stack tree step --hook", *["%stack step --hook"] * 11]
RETRIES = ["%stack tree", *["%stack"] * 6]
TRACES = ["%stack tree --until pre-install", *["%stack step --trace"] * 8]
WAITS = ["%stack tree", *["%async_task flood\n%wait --tail 1000"] * 10]
CELLS = ["%stack tree", *["%%stack\nflood; flood >&2"] * 10]
FAILING_CELLS = ["%stack tree", *["%%stack\nflood; exit 3"] * 8]
LOGS = ["%stack tree", *["%stack log task-install", "%stack status"] * 5]
AGAIN = ["%stack tree", *["%stack panel"] * 12]


@pytest.mark.parametrize(
    ("fill", "lines"),
    [
        (flooding, STEPS), (failing, RETRIES), (flooding, TRACES), (failing, TRACES),
        (flooding, WAITS), (flooding, CELLS), (flooding, FAILING_CELLS), (failing, LOGS),
        (failing, AGAIN),
    ],
    ids=[
        "steps", "retries", "traces", "failing traces", "waits", "cells", "failing cells", "logs",
        "panels",
    ],
)  # fmt: skip
def test_it_is_less_than_50_kb_in_however_many_cells(
    tmp_path: Path, fill: Callable[[Path], None], lines: list[str]
) -> None:
    fill(tmp_path / "tree")
    notebook, size = grown(tmp_path, *lines)
    assert size < LIMIT
    last = nbformat.v4.new_notebook(cells=notebook.cells[-1:])
    assert len(nbformat.writes(last).encode()) < 2_300


def test_a_failure_is_told_however_little_room_there_is(tmp_path: Path) -> None:
    failing(tmp_path / "tree")
    notebook, _ = grown(tmp_path, *TRACES)
    panel, line, trace, error = notebook.cells[-1].outputs
    assert "widget-view" in json.dumps(panel)
    assert "failed in stack install; logs in " in line["data"]["text/plain"]
    assert trace["text"].startswith("stacknb.current().trace() returns the trace")
    said = "\n".join(error["traceback"])
    assert said.splitlines()[0] == "HookFailed: '90-bad.sh' failed with status 1 under errexit"
    for word in ("extras.d/90-bad.sh:3", "status  1", "stack-install/90-bad.sh.8.log", "used up"):
        assert word in said
    assert error["evalue"] in said


def test_a_log_that_is_asked_for_is_readable_after_many_failures(tmp_path: Path) -> None:
    steps = 'for n in {1..40}; do echo "step $n: into /usr/local/lib/python/site-packages"; done'
    hook(tmp_path / "tree", "50-api.sh", f"{steps}\necho this was try $((++tries)); nosuch")
    notebook, size = grown(tmp_path, "%stack tree", *["%stack"] * 5, "%stack log 50-api.sh")
    text = notebook.cells[-1].outputs[0]["data"]["text/plain"]
    assert text.startswith(f"… 5 logs before these\n==> {tmp_path}/.stacknb/runs/")
    assert "stack-install/50-api.sh.6.log <==\nstep 1: into" in text
    assert "step 30: into" in text
    assert "this was try 6\n" in text
    assert text.endswith("nosuch: command not found")
    assert size < LIMIT


def as_jupyterlab_does(client: nbclient.NotebookClient) -> None:
    """Say with each execution which cell it is of."""
    make = client.kc.session.msg

    def msg(kind: str, *rest: Any, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = make(kind, *rest, **more)
        if kind == "execute_request":
            cells = {cell.source: cell.id for cell in client.nb.cells}
            made["metadata"]["cellId"] = cells.get(made["content"]["code"])
        return made

    client.kc.session.msg = msg


def test_a_cell_that_is_executed_again_replaces_what_it_showed(tmp_path: Path) -> None:
    flooding(tmp_path / "tree")
    sources = ["%load_ext stacknb", "%stack tree", "%stack panel"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=300)
    client.resources["metadata"] = {"path": str(tmp_path)}
    shown = []
    with client.setup_kernel():
        as_jupyterlab_does(client)
        for number in (0, 1, *[2] * 20):
            client.execute_cell(cells[number], number)
            if number == 2:
                shown.append(cells[2].outputs[1]["data"].keys())
    assert all("text/html" in kinds for kinds in shown)


def test_what_is_shown_again_is_short(tmp_path: Path) -> None:
    wide_lines(tmp_path / "tree", "&")
    _, once = grown(tmp_path, "%stack tree")
    _, more = grown(tmp_path, "%stack tree", *["%stack panel"] * 5)
    assert (more - once) / 5 < 5_000


def test_what_waits_and_cells_print_fits_too(tmp_path: Path) -> None:
    hook(tmp_path / "tree", "10-a.sh", "f() { yes '&&&&&&&&&&&&' | head -n 500; return $1; }")
    notebook, _ = grown(
        tmp_path, "%stack tree",
        "for n in range(300): get_ipython().run_line_magic('async_task', f'{n:0200} false')",
        "%wait", "%%stack\nyes $(printf '&%.0s' {1..60}) | head -n 10000",
    )  # fmt: skip
    waited, printed = notebook.cells[3].outputs, notebook.cells[4].outputs
    assert "more: 2" in waited[0]["text"]
    assert "lines are left out here" in printed[0]["text"]
    for outputs in (waited, printed):
        assert len(nbformat.writes(nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(outputs=outputs)]
        )).encode()) < 20_000  # fmt: skip
