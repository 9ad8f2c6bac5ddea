from pathlib import Path

import pandas as pd
import pytest

from stacknb.lessons.synthetic import write_devstack_log
from stacknb.notebook.answerframe import AnswerFrame, TextFrame
from stacknb.timing import load
from stacknb.timing.answers import answer
from stacknb.timing.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    log = tmp_path_factory.mktemp("log") / "stack.sh.log"
    write_devstack_log(log, lines=2000)
    return load(log)


def shown(frame: pd.DataFrame, what: str) -> tuple[AnswerFrame, str]:
    found = AnswerFrame(frame)
    found.what = what
    return found, found._repr_html_()


def test_a_cell_shows_the_columns_that_tell_most_and_the_frame_has_them_all(run: Run) -> None:
    found, html = shown(run.tasks, "tasks")
    pd.testing.assert_frame_equal(pd.DataFrame(found), run.tasks)
    assert type(found[["name"]]) is pd.DataFrame
    assert "<th>name</th>" in html
    assert html.index("<th>status</th>") < html.index("<th>duration_s</th>")
    assert "<th>wait_end</th>" not in html
    assert "14 rows × 17 columns; the frame also has " in html
    assert "host, log</p>" in html


def test_a_terminal_shows_them_as_well_as_far_as_it_is_wide(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = shown(run.tasks, "tasks")
    monkeypatch.setenv("COLUMNS", "80")
    head, *_, last = repr(found).split("\n")
    assert head.split()[:2] == ["name", "status"]
    assert len(head) <= 80
    assert last.startswith("[14 rows × 17 columns; the frame also has ")
    monkeypatch.setenv("COLUMNS", "200")
    assert len(repr(found).split("\n")[0]) > 80


@pytest.mark.parametrize(
    "what", ["hooks", "cells", "phases", "waits", "summary", "critical-path", "advice", "problems"]
)
def test_every_answer_can_be_shown_in_a_cell(run: Run, what: str) -> None:
    found, html = shown(answer(run, what).frame, what)
    assert f"{len(found):,} row" in html


def test_of_a_long_frame_both_ends_are_shown(run: Run) -> None:
    frame = pd.DataFrame({"name": [f"<t{number}>" for number in range(100)]})
    html = shown(frame, "else")[1]
    assert html.count("<tr ") + html.count("<tr>") == 1 + 5 + 1 + 5
    assert "&lt;t4&gt;" in html
    assert "&lt;t95&gt;" in html
    assert "t50" not in html
    assert "100 rows × 1 columns</p>" in html


def test_an_advice_is_not_cut(run: Run) -> None:
    html = shown(run.advice(), "advice")[1]
    assert all(str(text)[-30:] in html for text in run.advice()["advice"])


def test_what_is_unknown_is_an_empty_cell(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a"], "cpu_s": [float("nan")]})
    assert "NaN" not in shown(frame, "else")[1]


def test_a_text_frame_is_cut_as_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    frame = TextFrame({"hook": ["a.sh"], "path": ["p" * 40], "args": ["a" * 30], "run": [True]})
    assert "a" * 30 in repr(frame)
    assert "the frame also has path]" in repr(frame)
    assert "<th>path</th>" in frame._repr_html_()
