"""The notebooks run from top to bottom in a fresh kernel, and are kept executed."""

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from stacknb.text import budget

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = [
    "01-stack-step-by-step", "02-hook-lifecycle", "05-background-tasks", "06-your-own-plugin",
    "07-reading-a-ci-log",
]  # fmt: skip
# Those as well whose execution another test looks at, or takes a download.
KEPT = [*NAMES, "03-timing-analysis", "04-openstack"]
_STATE = "application/vnd.jupyter.widget-state+json"
_VERDICT = re.compile(r"([✓✗]) exercise (\d\d\.\d)")


def read(folder: Path, name: str) -> Any:
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: Any) -> str:
    pieces = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "\n".join(pieces)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_in_a_fresh_kernel(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "notebooks"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".stacknb", ".dest", "openstack"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read(copy, name)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(copy)}})
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
    client.execute()
    last = {}
    for cell in code_cells(notebook):
        last |= {number: mark for mark, number in _VERDICT.findall(text_of(cell))}
        has_error = any(output.output_type == "error" for output in cell.outputs)
        assert has_error == ("raises-exception" in cell.metadata.get("tags", [])), cell.source
    # The solution stands below each exercise.
    assert {*last.values()} <= {"✓"}
    assert {*last} == {*re.findall(r"Exercise (\d\d\.\d)", str(notebook))}


@pytest.mark.parametrize("name", KEPT)
def test_a_notebook_is_kept_executed_and_small(name: str) -> None:
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 300_000
    notebook = read(FOLDER, name)
    for cell in code_cells(notebook):
        assert cell.execution_count
    # A panel that has grown since, or was not packed yet, is that of an old execution.
    for model in notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {}).values():
        if model["model_name"] == "AnyModel":
            assert "_css" not in model["state"]
            assert len(model["state"]["_esm"]) < budget.CODE


@pytest.mark.parametrize("name", KEPT)
def test_a_notebook_tells_nothing_of_the_machine_it_ran_on(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text()
    assert re.findall(r"/(?:root|home|work|Users)/\S{0,40}", text) == []
