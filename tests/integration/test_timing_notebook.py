"""The notebook about timing: as it is kept, and run anew from top to bottom."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAME = "03-timing-analysis.ipynb"
VEGA = "application/vnd.vegalite.v5+json"


def outputs(notebook: Any, kind: str) -> list[Any]:
    return [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == kind
    ]


def check(notebook: Any) -> None:
    """Hold what the notebook shows against what it promises."""
    assert [error.ename for error in outputs(notebook, "error")] == ["LogError"], "the empty log"
    shown = outputs(notebook, "display_data") + outputs(notebook, "execute_result")
    charts = [output.data for output in shown if VEGA in output.data]
    assert len(charts) == 4
    for chart in charts:
        assert {*chart} == {VEGA, "image/png", "text/plain"}
    text = "".join(output.text for output in outputs(notebook, "stream"))
    assert re.search(r"(\d+) segments, ([\d.]+) s; the run took \2 s", text)
    assert re.search(r"(\d+ min \d+ s) instead of \1 \(0\.00 s less\)", text), "nothing changed"
    assert "The run got slower by" in text
    assert "The runs differ too little to tell" in text
    verdicts = {}
    for output in outputs(notebook, "execute_result"):
        for mark, number in re.findall(r"([✓✗]) exercise (\d\d\.\d)", output.data["text/plain"]):
            verdicts[number] = verdicts.get(number, "") + mark
    assert verdicts == dict.fromkeys(("03.1", "03.2", "03.3"), "✗✓"), "a try, and the solution"


def test_the_notebook_is_kept_executed_and_small() -> None:
    kept = NOTEBOOKS / NAME
    check(nbformat.read(kept, as_version=4))
    assert kept.stat().st_size < 500_000


@pytest.mark.timeout(600)
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    copy = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copy, ignore=shutil.ignore_patterns(".stacknb", ".dest"))
    notebook = nbformat.read(copy / NAME, as_version=4)
    client = NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(copy)}})
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
    client.execute()
    check(notebook)
