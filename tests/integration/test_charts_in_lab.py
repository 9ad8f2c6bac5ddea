"""Charts as people see them: in a real JupyterLab, with hover, and in exported HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbclient
import nbformat
import pytest
from lab import PATIENCE_MS, Lab, Server, becomes, opened
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, expect

from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing import load

pytestmark = pytest.mark.timeout(600)
expect.set_options(timeout=PATIENCE_MS)

SHOW = """
from stacknb.timing import load
run = load('stack.sh.log')
display(run.timeline(), run.phase_chart(), run.slack_chart())
"""


@pytest.fixture
def lab(server: Server, browser: Browser) -> Iterator[Lab]:
    write_devstack_log(server.root / "stack.sh.log", lines=2000)
    with opened(server, browser) as lab:
        yield lab
        lab.shutdown()


def test_charts_are_live_in_jupyterlab_without_a_network(
    lab: Lab, until: Callable[..., None]
) -> None:
    asked: list[str] = []
    errors: list[str] = []
    lab.page.on("request", lambda request: asked.append(request.url))
    lab.page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    lab.open("charts.ipynb", [SHOW])
    lab.run(0)
    lab.wait_run(0)
    charts = lab.page.locator(".jp-OutputArea .vega-embed:has(canvas, svg)")
    expect(charts).to_have_count(3)
    tooltip = lab.page.locator("#vg-tooltip-element.visible")
    told: list[tuple[str, int]] = []

    def found() -> bool:
        """Look for a mark: a chart may be drawn, or moved, while the mouse goes over it."""
        charts.nth(0).scroll_into_view_if_needed()
        box = charts.nth(0).bounding_box()
        assert box is not None
        for down in range(60, int(box["height"]), 6):
            lab.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + down)
            # All of it at one look: it goes when the page moves.
            told[:] = tooltip.evaluate_all(
                """all => all.map(one =>
                    [one.innerText, one.querySelectorAll("td.value:empty").length])"""
            )
            if any("stack.sh" in text for text, _ in told):
                return True
        return False

    until(found, "a mark that tells of stack.sh")
    ((text, empty),) = told
    assert re.search(r"from:\s*2026-09-21 14:13:20\.\d{3} UTC", text)
    assert "undefined" not in text
    assert empty == 0  # stack.sh has no hook and no status
    lab.shoot("timeline")
    elsewhere = [url for url in asked if not url.startswith(("http://127.0.0.1", "data:", "blob:"))]
    assert elsewhere == []
    assert [error for error in errors if "vega" in error.lower()] == []


def test_jupyterlab_saves_the_small_picture_of_a_chart_and_adds_none(
    server: Server, lab: Lab
) -> None:
    lab.open("charts.ipynb", [SHOW])
    lab.run(0)
    lab.wait_run(0)
    expect(lab.page.locator(".jp-OutputArea .vega-embed canvas")).to_have_count(3)
    lab.save()
    saved = nbformat.read(server.root / "charts.ipynb", as_version=4)
    run = load(server.root / "stack.sh.log")
    charts = [run.timeline(), run.phase_chart(), run.slack_chart()]
    for output, chart in zip(saved.cells[0].outputs, charts, strict=True):
        data, metadata = chart._repr_mimebundle_()
        assert {*output.data} == {*data}
        assert output.data["image/png"].strip() == data["image/png"]
        assert output.metadata == metadata


def test_charts_fit_beside_the_file_browser_and_scroll_in_a_narrower_cell(
    server: Server, lab: Lab
) -> None:
    tree = server.root / "charted" / "extras.d"
    tree.mkdir(parents=True)
    (tree / "30-thumbnails.sh").write_text("[[ $2 != install ]] || async_run draw true\n")
    lab.page.set_viewport_size({"width": 1280, "height": 800})
    lab.open("fit.ipynb", [SHOW + "import stacknb\ndisplay(stacknb.Stack('charted').picture())"])
    lab.run(0)
    lab.wait_run(0)
    boxes = lab.page.locator(".jp-RenderedVegaCommon5:has(canvas, svg)")
    expect(boxes).to_have_count(4)
    # A chart is drawn, and JupyterLab lays its panels out anew, some time after it was asked to.
    charts = "[...document.querySelectorAll('.jp-RenderedVegaCommon5:has(canvas, svg)')]"
    fits = "every(box => box.scrollWidth === box.clientWidth)"
    lab.page.wait_for_function(f"() => {charts}.{fits}")
    lab.page.set_viewport_size({"width": 700, "height": 800})
    scrolled = "every(box => (box.scrollLeft = 9999, box.scrollLeft > 0))"
    lab.page.wait_for_function(f"() => {charts}.{scrolled}")
    notebook = "document.querySelector('.jp-WindowedPanel-outer')"
    lab.page.wait_for_function(f"() => {notebook}.scrollWidth === {notebook}.clientWidth")


def test_the_tables_of_times_fit_beside_the_file_browser(lab: Lab) -> None:
    lab.page.set_viewport_size({"width": 1280, "height": 800})
    asked = ("tasks", "hooks", "phases", "waits", "critical-path", "impact", "advice")
    cells = [f"%stack timing stack.sh.log --what {what}" for what in asked]
    lab.open("tables.ipynb", ["%load_ext stacknb", *cells])
    for index in range(len(cells) + 1):
        lab.run(index)
        lab.wait_run(index)
    tables = lab.page.locator(".jp-OutputArea-executeResult .jp-RenderedHTMLCommon")
    expect(tables).to_have_count(len(cells))
    for number in range(len(cells)):
        assert becomes(tables.nth(number), "one => one.scrollWidth === one.clientWidth"), number
    lab.shoot("table of times")


def test_an_exported_notebook_shows_the_charts_as_pictures(
    tmp_path: Path, browser: Browser
) -> None:
    write_devstack_log(tmp_path / "stack.sh.log", lines=2000)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SHOW)])
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
    client.execute()
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (tmp_path / "charts.html").write_text(page)
    context = browser.new_context(offline=True)
    try:
        shown = context.new_page()
        shown.goto(f"file://{tmp_path}/charts.html", wait_until="domcontentloaded")
        pictures = shown.locator(".jp-OutputArea svg:visible, .jp-OutputArea img:visible")
        expect(pictures).to_have_count(3)
    finally:
        context.close()


def test_the_report_works_from_disk_without_a_network(tmp_path: Path, browser: Browser) -> None:
    write_devstack_log(tmp_path / "stack.sh.log", lines=2000)
    file = load(tmp_path / "stack.sh.log").to_html(tmp_path / "report.html")
    context = browser.new_context(offline=True)
    try:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"file://{file}")
        first = page.locator("#t-tasks tbody tr").first
        page.get_by_role("columnheader", name="duration").nth(1).get_by_role("button").click()
        expect(first).to_contain_text("init_swift")
        page.get_by_role("searchbox", name="search tasks").fill("neutron")
        expect(page.locator("#t-tasks tbody tr:visible")).to_have_count(3)
        page.locator('svg [aria-label^="init_swift, ok"]').first.hover()
        expect(page.locator("#told")).to_contain_text("init_swift, ok")
        assert errors == []
    finally:
        context.close()
