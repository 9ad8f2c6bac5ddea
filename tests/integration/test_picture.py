"""The picture of a lifecycle, from a plan and from a run."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4, validate

from stacknb import Stack, cli
from stacknb.charts import lifecycle_rows
from stacknb.exceptions import BadInput, HookFailed

SAMPLE = Path(__file__).parents[2] / "notebooks" / "webshop"


def test_a_plan_is_drawn_with_the_tasks_that_the_texts_name(tree: Any) -> None:
    stack = Stack(SAMPLE, plugins=[f"reports={SAMPLE}/plugins/reports"])
    said = stack.picture().said()
    stack.close()
    assert "stack extra: 10-database.sh (falls through), 20-catalog.sh (has work here)" in said
    assert "build_search_index (as the hooks' texts say)" in said
    assert "reports-plugin.sh (has work here)" in said


def test_a_run_colours_it_by_outcome(tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then\n  async_run job true\nfi\n")
    tree.hook("20-b.sh", "if [[ $2 == extra ]]; then\n  async_wait job\n  false\nfi\n")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    chart = stack.picture()
    lines = chart.said().splitlines()
    assert lines[3].startswith("stack install: 10-a.sh (ok, ")
    assert "20-b.sh (ok, nothing to do, " in lines[3]
    assert "20-b.sh (failed, " in lines[5]
    assert "falls through" in lines[6]
    assert lines[-1].startswith("tasks: job (ok, ")


def test_a_task_of_a_try_that_was_done_again_is_not_drawn(tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then\n  async_run job true\nfi\n")
    tree.hook("20-b.sh", "if [[ $2 == install ]]; then\n  [[ $mended ]]\n  async_wait job\nfi\n")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    stack.evaluate("mended=yes")
    stack.run()
    assert stack.picture().said().splitlines()[-1].count("job (ok, ") == 1


def test_a_screen_reader_is_told_what_a_tooltip_tells(tree: Any) -> None:
    tree.hook("10-a.sh", "if [[ $2 == install ]]; then\n  async_run job true\nfi\n")
    svg = tree.stack().picture().to_svg()
    of_cell = r'aria-label="hook: 10-a.sh; arguments: stack install; [^"]*starts: job; "'
    assert len(re.findall(of_cell, svg)) == 1  # what is empty is left out
    assert 'aria-label="task: job; state: as the text says; "' in svg


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_names_of_tasks_that_start_in_one_cell_do_not_lie_on_each_other(
    tree: Any, count: int
) -> None:
    names = ["one", "two", "three", "four", "five"][:count]
    starts = "".join(f"  async_run {name} true\n" for name in names)
    tree.hook("10-a.sh", f"if [[ $2 == install ]]; then\n{starts}fi\n")
    svg = tree.stack().picture().to_svg()
    places = {
        name: float(y)
        for y, name in re.findall(r'translate\([\d.]+,([\d.]+)\)"[^>]*>([^<]*)</text>', svg)
    }
    heights = sorted(places[name] for name in names)
    assert min(below - above for above, below in itertools.pairwise(heights)) >= 11  # px, font 9


def test_where_names_have_no_room_the_tasks_of_a_cell_are_counted(tree: Any) -> None:
    starts = "".join(f"  async_run task{number} true\n" for number in range(30))
    tree.hook("10-a.sh", f"if [[ $2 == install ]]; then\n{starts}fi\n")
    svg = tree.stack().picture().to_svg()
    assert ">30 tasks</text>" in svg
    assert ">task" not in svg


@pytest.mark.parametrize("ran", [False, True])
def test_a_task_that_is_waited_for_where_it_starts_is_drawn_from_left_to_right(
    tree: Any, ran: bool
) -> None:
    tree.hook(
        "10-a.sh",
        "if [[ $2 == install ]]; then\n  async_run one true\n  async_run two true\n"
        "  async_run three true\n  async_wait one three\n"
        "elif [[ $2 == extra ]]; then\n  async_wait two\nfi\n",
    )
    stack = tree.stack()
    if ran:
        stack.run()
    drawn = lifecycle_rows.picture(stack.top_dir, [], None, stack.run_dir)
    tasks = {task["task"]: task for task in drawn.tasks}
    assert all(task["x"] < task["x2"] for task in tasks.values())
    for name, is_here in (("one", True), ("two", False), ("three", True)):
        assert (int(tasks[name]["x2"]) == int(tasks[name]["x"])) is is_here
        assert tasks[name]["y2"] == tasks[name]["y"] or not is_here
    heights = sorted(task["y"] for task in tasks.values())
    assert min(below - above for above, below in itertools.pairwise(heights)) > 0.1


def test_it_shows_itself_offline_and_small(tree: Any) -> None:
    tree.hook("10-a.sh", "async_run job true\n")
    chart = tree.stack().picture()
    bundle, metadata = chart._repr_mimebundle_()
    assert {*bundle} == {"application/vnd.vegalite.v5+json", "image/png", "text/plain"}
    output = v4.new_output("display_data", data=bundle, metadata=metadata)
    validate(v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[output])]))
    assert len(str(bundle)) < 150_000
    assert "http" not in chart.to_svg().replace("http://www.w3.org", "")


def test_the_command_line_writes_svg(tree: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hook("10-a.sh", "true\n")
    assert cli.main(["picture", str(tree.path), "--svg", "out.svg"]) == 0
    assert capsys.readouterr().out.startswith("override_defaults: 10-a.sh (")
    assert Path("out.svg").read_text().startswith("<svg")
    capsys.readouterr()
    assert cli.main(["picture", str(tree.path), "--svg", "-"]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert not Path("-").exists()


def test_a_picture_shows_the_plugins_that_the_settings_enable(
    tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shiny" / "devstack").mkdir(parents=True)
    (tmp_path / "shiny" / "devstack" / "plugin.sh").write_text(":\n")
    conf = tmp_path / "local.conf"
    conf.write_text(f"[[local|localrc]]\nenable_plugin shiny '{tmp_path}/shiny'\n")
    tree.hook("10-a.sh", ":\n")
    assert cli.main(["picture", str(tree.path), "--local-conf", str(conf)]) == 0
    assert "shiny-plugin.sh" in capsys.readouterr().out


def test_a_tree_without_hooks_cannot_be_drawn(tree: Any) -> None:
    with pytest.raises(BadInput, match="has no hooks to draw"):
        tree.stack().picture()
