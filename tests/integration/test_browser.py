"""The panel as people see it: a real JupyterLab in a real browser."""

import base64
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from lab import PATIENCE_MS, Lab, Server, becomes, opened, screenshot, start_browser
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Locator, expect

from stacknb import widgets
from stacknb.board import Board, picture

pytestmark = pytest.mark.timeout(600)
expect.set_options(timeout=PATIENCE_MS)

UNTIL = "until_there() { until [[ -e $TOP_DIR/$1 ]]; do sleep 0.02; done; }\n"
LOAD = "%load_ext stacknb"


@pytest.fixture
def lab(server: Server, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Lab]:
    with opened(server, browser) as lab:
        yield lab
        lab.shoot(re.sub(r"\W+", "-", f"end of {request.node.name}"))
        lab.shutdown()


@pytest.fixture
def shop(server: Server, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a tree of hooks in the folder of the notebooks; its name is the test's."""
    path = server.root / f"shop{abs(hash(request.node.name)) % 10**8}"
    (path / "extras.d").mkdir(parents=True)
    yield path
    shutil.rmtree(path)


def hook(shop: Path, name: str, text: str, phase: str = "install") -> None:
    inner = "".join(f"  {line}\n" for line in text.splitlines())
    code = f"{UNTIL}if [[ $2 == {phase} ]]; then\n{inner}fi\n"
    (shop / "extras.d" / name).write_text(code)


def state(lab: Lab, word: str) -> None:
    """Wait until the panel shows that state."""
    expect(lab.panel.locator(".snb-state")).to_contain_text(word)


def at_work(panel: Locator, hook: str) -> None:
    """Wait until a panel shows a hook at work in the install phase: each has a log of its own."""
    expect(panel.locator(".snb-title")).to_contain_text(" · stack install (")
    expect(panel.locator(".snb-hooks li[data-status=running]")).to_contain_text(hook)


def test_a_panel_appears_and_changes_while_its_cell_is_busy(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "echo first words\nuntil_there one\necho other words\nuntil_there two")
    hook(shop, "20-b.sh", "echo done")
    lab.open("live.ipynb", [LOAD, f"%stack {shop.name}"])
    lab.run(0, 1)
    state(lab, "running")
    panel = lab.panel
    expect(panel.locator("[aria-current=step]")).to_contain_text("install")
    expect(panel.locator(".snb-title")).to_contain_text("stack install (4 of 7)")
    expect(panel.locator(".snb-last")).to_have_text("10-a.sh: first words")
    (shop / "one").touch()
    expect(panel.locator(".snb-last")).to_have_text("10-a.sh: other words")
    assert lab.busy(1)
    (shop / "two").touch()
    state(lab, "complete")
    expect(panel.locator(".snb-phases li[data-status=ok]")).to_have_count(7)
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    lab.wait_run(1)
    lab.shows(1, "stack run complete: 14 hooks")
    expect(lab.page.locator(".stacknb-twin")).to_be_hidden()


def test_a_run_can_be_begun_and_gone_through_by_clicks(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "echo done")
    lab.open("clicks.ipynb", [LOAD, f"%stack {shop.name} panel"])
    lab.run(0, 1)
    expect(lab.panel.locator(".snb-title")).to_have_text("no run yet")
    for phase in ("source", "stack pre-install"):
        lab.button("Next step").click()
        expect(lab.panel.locator(".snb-title")).to_contain_text(f"next is {phase}")
    lab.button("Run the rest").click()
    state(lab, "complete")
    expect(lab.button("Next step")).to_be_hidden()


def test_stop_stops_the_run_of_a_busy_cell(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "until_there never")
    lab.open("stop.ipynb", [LOAD, f"%stack {shop.name}"])
    lab.run(0, 1)
    at_work(lab.panel, "10-a.sh")
    lab.button("Stop").click()
    state(lab, "interrupted")
    lab.wait_run(1)
    lab.shows(1, "'10-a.sh' was interrupted")
    expect(lab.panel.locator(".snb-failure")).to_contain_text("10-a.sh")
    lab.shoot("stopped")


CLASSIC = """async ([address, picture]) => {
  const { render } = (await import(address)).default;
  window.sent = [];
  const kernel = {
    session_id: "s", is_connected: () => true, _send: (text) => sent.push(JSON.parse(text)),
  };
  const model = {
    widget_manager: { notebook: { kernel } }, get: (name) => (name === "panel" ? "p" : picture),
    send() {}, on() {}, off() {},
  };
  render({ model, el: document.body });
}"""


def test_a_click_reaches_the_busy_kernel_of_a_classic_notebook(browser: Browser) -> None:
    code = base64.b64encode((Path(widgets.__file__).parent / "panel.js").read_bytes()).decode()
    shown = {**picture(Board(lambda: None), 30), "can": ["stop"], "n": 0, "now": 0.0}
    page = browser.new_page()
    page.evaluate(CLASSIC, [f"data:text/javascript;base64,{code}", shown])
    page.get_by_role("button", name="Stop").click()
    sent = page.wait_for_function("sent.find((message) => message.content.do === 'stop')")
    message = sent.json_value()
    assert (message["channel"], message["header"]["session"]) == ("control", "s")
    assert message["header"]["msg_type"] == "stacknb_request"
    expect(page.locator(".snb-toast")).to_be_hidden()  # it does not think that the kernel is gone
    page.close()


def test_a_wait_is_shown_with_its_task_and_cancel_ends_it(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "async_run db bash -c 'echo loading table 7; sleep 1000'")
    hook(shop, "20-b.sh", "async_wait db || echo the database is not there")
    lab.open("cancel.ipynb", [LOAD, f"%stack {shop.name}"])
    lab.run(0, 1)
    waits = lab.panel.locator(".snb-waits")
    expect(waits).to_contain_text(re.compile("Waiting for db for .*, by 20-b.sh"))
    expect(waits).to_contain_text("loading table 7")
    row = lab.panel.locator("tbody tr")
    expect(row).to_contain_text("running")
    lab.shoot("waiting")
    lab.button("Cancel").click()
    expect(lab.panel.locator(".snb-toast")).to_contain_text("task 'db' was cancelled")
    expect(row).to_contain_text("cancelled")
    state(lab, "complete")
    expect(waits).to_be_empty()


def test_a_log_opens_goes_on_and_can_be_searched(lab: Lab, shop: Path) -> None:
    hook(
        shop, "10-a.sh",
        "for n in {1..3000}; do echo line $n; done\nuntil_there one\necho the last of them\n"
        "until_there two",
    )  # fmt: skip
    lab.open("log.ipynb", [LOAD, f"%stack {shop.name}"])
    lab.run(0, 1)
    at_work(lab.panel, "10-a.sh")
    lab.button("10-a.sh").click()
    log = lab.panel.locator(".snb-log pre")
    expect(log).to_contain_text("line 3000")
    (shop / "one").touch()
    expect(log).to_contain_text("the last of them")
    assert becomes(log, "pre => pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 20")
    search = lab.panel.get_by_label("Search in the log")
    search.fill("LAST OF")
    expect(log).to_have_text("the last of them")
    search.fill("line 17")
    search.press("Enter")
    expect(log).to_contain_text("    17  line 17")  # long gone from the part that was shown
    expect(lab.panel.locator(".snb-loghead")).to_contain_text("found 111 times")
    lab.shoot("log")
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.button("Copy path").click()
    expect(lab.panel.locator(".snb-toast")).to_contain_text("hooks/stack-install/10-a.sh.log")
    search.press("Escape")
    expect(lab.panel.locator(".snb-log")).to_be_hidden()
    (shop / "two").touch()
    state(lab, "complete")


def test_what_was_found_in_a_log_stays_while_the_log_goes_on(lab: Lab, shop: Path) -> None:
    hook(
        shop, "10-a.sh",
        "for n in {1..3000}; do echo line $n; done; until_there one; echo and one more\n"
        "until_there never",
    )  # fmt: skip
    lab.open("found.ipynb", [LOAD, f"%stack {shop.name} --bg"])
    lab.run(0, 1)
    at_work(lab.panel, "10-a.sh")
    lab.button("10-a.sh").click()
    log, head = (lab.panel.locator(f".snb-log{part}") for part in (" pre", "head"))
    expect(log).to_contain_text("line 3000")  # what is searched is all there
    search = lab.panel.get_by_label("Search in the log")
    search.fill("line 17")
    search.press("Enter")
    expect(head).to_contain_text("found 111 times")
    (shop / "one").touch()
    expect(lab.panel.locator(".snb-last")).to_have_text("10-a.sh: and one more")
    expect(head).to_contain_text("found 111 times")
    expect(log).to_contain_text("    17  line 17")
    search.fill("one more")  # other words are looked for in what is shown, which has gone on
    expect(log).to_have_text("and one more")
    lab.button("Stop").click()
    state(lab, "interrupted")


def test_a_failure_is_explained_and_its_phase_can_be_retried(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "echo reading the settings\nf() { nosuch --option; }\nf")
    lab.open("failure.ipynb", [LOAD, f"%stack {shop.name}"])
    lab.run(0, 1)
    state(lab, "failed")
    why = lab.panel.locator(".snb-failure")
    for text in (
        "10-a.sh", "failed with status 127", f"{shop}/extras.d/10-a.sh:4", "nosuch --option",
        f"from{shop}/extras.d/10-a.sh:5", "reading the settings", "command not found", "retry",
    ):  # fmt: skip
        expect(why).to_contain_text(text)
    lab.wait_run(1)
    lab.shows(1, "HookFailed: '10-a.sh' failed with status 127")
    lab.shoot("failed")
    live = lab.panel.locator("[aria-live=polite]")
    expect(live).to_contain_text("stack failed, stack install, 10-a.sh failed with status 127")
    why.get_by_role("button", name="Open the log").click()
    expect(lab.panel.locator(".snb-log pre")).to_contain_text("reading the settings")
    hook(shop, "10-a.sh", "echo mended")
    lab.button("Retry the phase").click()
    expect(lab.panel.locator(".snb-title")).to_contain_text("next is stack post-config")
    expect(why).to_be_hidden()
    lab.button("Next step").click()
    expect(lab.panel.locator(".snb-title")).to_contain_text("next is stack extra")
    lab.button("Run the rest").click()
    state(lab, "complete")


def test_a_run_in_the_background_goes_on_after_a_reload_of_the_page(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "async_run slow until_there two\nuntil_there one")
    cells = [LOAD, f"%stack {shop.name} --bg", "6 * 7", "%wait stack", "%stack panel"]
    lab.open("background.ipynb", cells)
    lab.run(0, 1, 2)
    lab.wait_run(2)
    lab.shows(2, "42")
    state(lab, "running")
    lab.save()
    lab.load()
    state(lab, "running")
    lab.button("slow").click()
    expect(lab.panel.locator(".snb-log")).to_be_visible()
    (shop / "one").touch()
    expect(lab.panel.locator(".snb-waits")).to_contain_text("Waiting for slow")
    lab.run(3)
    (shop / "two").touch()
    state(lab, "complete")
    lab.wait_run(3)
    lab.shows(3, "stack run complete")
    lab.run(4)
    lab.wait_run(4)
    # The panel has moved to the newest cell; the first has its summary.
    expect(lab.page.locator(".jp-CodeCell").nth(4).locator(".stacknb-panel")).to_be_visible()
    expect(lab.page.locator(".jp-CodeCell").nth(1).locator(".stacknb-panel")).to_be_hidden()
    expect(lab.page.locator(".jp-CodeCell").nth(1).locator(".stacknb-twin")).to_be_visible()


def test_two_views_of_a_panel_show_the_same(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "until_there one", "install")
    hook(shop, "20-b.sh", "until_there two", "extra")
    lab.open("views.ipynb", [LOAD, f"%stack {shop.name} --bg", "%stack panel"])
    lab.run(0, 1, 2)
    lab.wait_run(2)
    views = lab.page.locator(".stacknb-panel .snb-title")
    expect(views).to_have_count(2)
    (shop / "one").touch()
    for number in (0, 1):
        expect(views.nth(number)).to_contain_text("stack extra (6 of 7)")
    (shop / "two").touch()
    state(lab, "complete")


def test_two_views_of_a_panel_have_a_log_each(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "echo words of a")
    hook(shop, "20-b.sh", "echo words of b\nuntil_there go\necho more of b\nuntil_there never")
    lab.open("logs.ipynb", [LOAD, f"%stack {shop.name} --bg", "%stack panel --dock"])
    lab.run(0, 1, 2)
    lab.wait_run(2)
    cell, docked = (
        lab.page.locator(f".stacknb-panel{more}:visible")
        for more in (":is(.jp-Cell *)", ":not(.jp-Cell *)")
    )
    for panel in (cell, docked):
        at_work(panel, "20-b.sh")
    cell.get_by_role("button", name="20-b.sh").click()
    expect(cell.locator(".snb-log pre")).to_contain_text("words of b")
    docked.get_by_role("button", name="10-a.sh").click()
    expect(docked.locator(".snb-log pre")).to_have_text("words of a")
    (shop / "go").touch()
    expect(cell.locator(".snb-log pre")).to_contain_text("more of b")
    docked.get_by_role("button", name="Close the log").click()
    docked.get_by_role("button", name="Stop").click()
    expect(cell.locator(".snb-state")).to_contain_text("interrupted")


def test_an_explanation_is_left_alone_while_it_says_the_same(lab: Lab, shop: Path) -> None:
    wide = "w" * 150
    hook(shop, "10-a.sh", f"echo {wide}\nnosuch")
    lab.open("alone.ipynb", [LOAD, f"%stack {shop.name}", "%stack panel"])
    lab.run(0, 1)
    lab.wait_run(1)
    lines = lab.panel.locator(".snb-failure pre")
    expect(lines).to_contain_text(wide)
    before = lines.element_handle()
    lab.run(2)
    # Another view asks for the whole picture, which is sent to both: a notebook keeps narrow lines.
    again = lab.page.locator(".jp-CodeCell").nth(2).locator(".snb-failure pre")
    expect(again).to_contain_text(wide)
    assert before.evaluate("pre => pre.isConnected"), "what is marked in it stays marked"


def test_two_stacks_side_by_side_each_obey_their_own_panel(lab: Lab, shop: Path) -> None:
    for name in ("one", "two"):
        (shop / name / "extras.d").mkdir(parents=True)
        hook(shop / name, f"10-{name}.sh", f"echo words of {name}\nuntil_there go")
    lab.open("both.ipynb", [LOAD, *(f"%stack {shop.name}/{name} --bg" for name in ("one", "two"))])
    lab.run(0, 1, 2)
    one, two = (lab.page.locator(".jp-CodeCell").nth(n).locator(".stacknb-panel") for n in (1, 2))
    for panel, name in ((one, "one"), (two, "two")):
        expect(panel.locator(".snb-last")).to_have_text(f"10-{name}.sh: words of {name}")
        panel.get_by_role("button", name=f"10-{name}.sh").click()
        expect(panel.locator(".snb-log pre")).to_contain_text(f"words of {name}")
    one.get_by_role("button", name="Stop").click()
    expect(one.locator(".snb-state")).to_contain_text("interrupted")
    expect(two.locator(".snb-state")).to_contain_text("running")
    (shop / "two" / "go").touch()
    expect(two.locator(".snb-state")).to_contain_text("complete")
    expect(two.locator(".snb-failure")).to_be_hidden()
    expect(one.locator(".snb-state")).to_contain_text("interrupted")


def test_a_view_made_after_the_last_news_shows_it(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "true")
    panel = "import stacknb\nstack = stacknb.Stack('{}')\npanel = stacknb.Panel(stack)"
    look = "stack.run()\npanel.update()  # nobody is there to hear it"
    lab.open("late.ipynb", [panel.format(shop.name), look, "panel"])
    lab.run(0, 1)
    lab.wait_run(1)
    lab.run(2)
    state(lab, "complete")


def test_a_run_is_shown_again_in_another_kernel(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "async_run good echo all is well\nasync_wait good")
    runs = f"{shop.name}-run"
    cells = [LOAD, f"%stack {shop.name} --run-dir {runs}", f"%stack panel {runs}"]
    lab.open("again.ipynb", cells)
    lab.run(0, 1)
    state(lab, "complete")
    lab.wait_run(1)
    lab.restart()
    lab.run(0, 2)
    shown = lab.page.locator(".jp-CodeCell").nth(2).locator(".stacknb-panel")
    expect(shown.locator(".snb-state")).to_contain_text("complete")
    shown.get_by_role("button", name="good").click()
    expect(shown.locator(".snb-log pre")).to_contain_text("all is well")
    expect(shown.get_by_role("button", name="Next step")).to_be_hidden()


def test_a_failure_that_is_shown_by_another_kernel_says_how_to_go_on(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "nosuch")
    runs = f"it's {shop.name}"
    cells = [
        LOAD,
        f"%stack {shop.name} --run-dir {shlex.quote(runs)}",
        f"%stack panel {shlex.quote(runs)}",
        f"%stack resume {shlex.quote(runs)}",
    ]
    lab.open("elsewhere.ipynb", [*cells, "%stack step"])
    lab.run(0, 1)
    lab.wait_run(1)
    lab.restart()
    lab.run(0, 2)
    shown = lab.page.locator(".jp-CodeCell").nth(2).locator(".snb-failure")
    expect(shown).to_contain_text(
        f"%stack resume {shlex.quote(str(shop.parent / runs))} opens the run"
    )
    hook(shop, "10-a.sh", "echo mended")
    lab.run(3)
    here = lab.page.locator(".jp-CodeCell").nth(2).locator(".stacknb-panel")
    expect(here.get_by_role("button", name="Retry the phase")).to_be_visible()
    lab.run(4)
    there = lab.page.locator(".jp-CodeCell").nth(4).locator(".snb-title")
    expect(there).to_contain_text("next is stack post-config")


def test_a_failed_wait_says_which_earlier_phase_starts_the_task(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "async_run db test -e $TOP_DIR/mended")
    hook(shop, "20-b.sh", "async_wait db", "extra")
    lab.open("first.ipynb", [LOAD, f"%stack {shop.name}", "%stack install"])
    lab.run(0, 1)
    state(lab, "failed")
    advice = lab.panel.locator(".snb-next")
    said = "Mend it, run again what starts the task: %stack install, then this phase; "
    expect(advice).to_contain_text(said)
    lab.wait_run(1)
    (shop / "mended").touch()
    lab.run(2)
    lab.wait_run(2)
    lab.button("Run the rest").click()
    state(lab, "complete")


def test_a_task_that_left_no_status_is_called_lost(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "async_run db eval 'kill -9 $BASHPID'")
    lab.open("lost.ipynb", [LOAD, f"%stack {shop.name} --until install"])
    lab.run(0, 1)
    expect(lab.panel).to_contain_text("Tasks: 1 lost")
    row = lab.panel.locator("tr[data-status=lost] td").first
    expect(row).to_have_text("✗ lost")
    expect(row).to_have_attribute("title", "Its process is gone and left no status")


@pytest.mark.parametrize("end", [Lab.restart, Lab.shutdown])
def test_a_panel_whose_kernel_is_gone_says_so(
    lab: Lab, shop: Path, end: Callable[[Lab], None]
) -> None:
    hook(shop, "10-a.sh", "async_run slow until_there never\nasync_wait slow")
    lab.open("gone.ipynb", [LOAD, f"%stack {shop.name} --bg"])
    lab.run(0, 1)
    expect(lab.panel.locator(".snb-waits")).to_contain_text("slow")
    lab.button("slow").first.click()
    expect(lab.panel.locator(".snb-log [role=status]")).to_have_text("live")
    end(lab)
    state(lab, "the kernel is gone")
    expect(lab.button("Stop")).to_be_hidden()
    expect(lab.panel.locator(".snb-toast")).to_contain_text("%stack panel ")
    expect(lab.panel).to_contain_text("Tasks: 1 lost")
    expect(lab.panel).not_to_contain_text("and for 1 more")
    expect(lab.panel.locator(".snb-log [role=status]")).to_have_text("ended")
    expect(lab.panel.locator("[data-status=running]")).to_have_count(0)
    lab.save()
    lab.load()
    # Nothing of the widget is left; its summary is shown in its place.
    expect(lab.page.locator(".stacknb-twin")).to_be_visible()
    expect(lab.page.get_by_text("model not found")).to_be_hidden()


def test_a_page_that_cannot_unpack_the_panel_says_why_above_the_summary(
    lab: Lab, shop: Path
) -> None:
    hook(shop, "10-a.sh", "echo done")
    lab.page.add_init_script("delete window.DecompressionStream")
    lab.open("old.ipynb", [LOAD, f"%stack {shop.name}"])
    lab.run(0, 1)
    expect(lab.panel).to_have_text(
        "the live panel cannot be shown: this browser is too old, update it; "
        "its summary below is kept up to date"
    )
    expect(lab.page.locator(".stacknb-twin")).to_be_visible()
    expect(lab.page.locator(".stacknb-twin")).to_contain_text("complete")


def test_a_panel_kept_by_a_notebook_does_not_pretend_to_live(
    lab: Lab, server: Server, shop: Path
) -> None:
    hook(shop, "10-a.sh", "async_run slow sleep 1000\nfalse")
    runs = f"it's {shop.name}"
    stacks = f"%stack {shop.name} --run-dir {shlex.quote(runs)}"
    cells = [nbformat.v4.new_code_cell(cell) for cell in (LOAD, stacks)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=300, allow_errors=True)
    client.resources["metadata"] = {"path": str(server.root)}
    client.execute()
    nbformat.write(notebook, server.root / "kept.ipynb")
    NotebookNotary(data_dir=str(server.root.parent / "jupyter_data_dir")).sign(notebook)
    lab.name = "kept.ipynb"
    lab.load()
    toast = lab.panel.locator(".snb-toast")
    where = shlex.quote(str(server.root / runs))
    expect(toast).to_contain_text("%load_ext stacknb and %stack resume go on with the latest run.")
    expect(toast).to_contain_text(f"%stack panel {where} shows what is left of this one")
    state(lab, "failed")
    row = lab.panel.locator("tbody tr")
    expect(row).to_contain_text("slow")
    expect(row).to_contain_text("lost")
    expect(row.locator("td").nth(2)).to_have_text("")  # nobody knows, so it is not counted on
    lab.button("slow").click()
    expect(lab.panel.locator(".snb-log")).to_be_hidden()


def test_of_many_hooks_some_are_shown_and_the_others_counted(lab: Lab, shop: Path) -> None:
    for number in range(60):
        hook(shop, f"{10 + number}-{'long' * 45 if number == 30 else 'a'}.sh", "true")
    hook(shop, "75-b.sh", f"async_run {'t' * 150} sleep 1000; until_there never")
    for number in range(20):
        hook(shop, f"80-{number}.sh", "true")
    lab.page.set_viewport_size({"width": 700, "height": 800})
    lab.open("hooks.ipynb", [LOAD, f"%stack {shop.name} --bg"])
    lab.run(0, 1)
    expect(lab.panel.locator("tbody tr")).to_contain_text("running")
    expect(lab.panel.locator(".snb-hooks li")).to_have_count(40)
    expect(lab.panel.locator(".snb-hooks")).to_contain_text("75-b.sh")
    expect(lab.panel.locator(".snb-folded")).to_have_text(
        "40 hooks before these, 1 hook after them"
    )
    lab.shoot("hooks")
    seen = "el => (({top, bottom}) => ({top: b, bottom: c}) => top >= b && bottom <= c)"
    seen += "(el.getBoundingClientRect())(el.closest('ul').getBoundingClientRect())"
    assert becomes(lab.panel.locator(".snb-hooks li").filter(has_text="75-b.sh"), seen)
    low = becomes(lab.panel.locator(".snb-hooks"), "el => el.clientHeight < 200")
    assert low, "what is waited for, and tasks, stand below"
    for part in (".snb-hooks", ".snb-scroll"):
        assert becomes(lab.panel.locator(part), "el => el.scrollWidth <= el.clientWidth"), part
    lab.button("Stop").click()
    state(lab, "interrupted")


def test_hundreds_of_tasks_are_folded_and_what_matters_is_on_top(lab: Lab, shop: Path) -> None:
    hook(
        shop, "10-a.sh",
        "for n in {1..300}; do async_run t$n sleep 1000; done\n"
        "async_run broken bash -c 'exit 3'\nuntil_there never",
    )  # fmt: skip
    lab.open("many.ipynb", [LOAD, f"%stack {shop.name} --bg"])
    lab.run(0, 1)
    expect(lab.panel.locator(".snb-counts")).to_have_text(re.compile("300 running"))
    rows = lab.panel.locator("tbody tr")
    expect(rows.first).to_contain_text("broken")
    expect(rows.first).to_contain_text("✗ failed")
    expect(rows).to_have_count(30)
    lab.shoot("many")
    lab.button("and 271 more").click()
    expect(rows).to_have_count(301)
    rows.filter(has_text="t300").get_by_role("button", name="Cancel").click()
    expect(lab.panel.locator(".snb-counts")).to_contain_text("1 cancelled")
    lab.button("Stop").click()
    state(lab, "interrupted")


def test_the_panel_can_be_docked_beside_the_notebook(lab: Lab, shop: Path) -> None:
    hook(shop, "10-a.sh", "until_there go")
    lab.open("dock.ipynb", [LOAD, f"%stack {shop.name} --bg", "%stack panel --dock"])
    lab.run(0, 1, 2)
    lab.wait_run(2)
    docked = lab.page.locator(".stacknb-panel:not(.jp-Cell .stacknb-panel)")
    expect(docked.locator(".snb-state")).to_contain_text("running")
    lab.shoot("docked")
    docked.get_by_role("button", name="Stop").click()
    expect(docked.locator(".snb-state")).to_contain_text("interrupted")


def test_an_earlier_run_tells_how_long_phases_waits_and_the_rest_may_take(
    lab: Lab, shop: Path
) -> None:
    hook(shop, "10-a.sh", "async_run db sleep 0.2\nasync_wait db\n")
    lab.open("earlier.ipynb", [LOAD, f"%stack {shop.name}", "%stack reset", f"%stack {shop.name}"])
    lab.run(0, 1)
    lab.wait_run(1)
    clock = lab.panel.locator(".snb-clock")
    expect(clock).not_to_contain_text("left")
    hook(shop, "10-a.sh", "async_run db until_there go\nasync_wait db\n")
    lab.run(2, 3)
    shown = lab.page.locator(".jp-CodeCell").nth(3).locator(".stacknb-panel")
    expect(shown.locator("[aria-current=step] .snb-time")).to_have_text(
        re.compile(r" of ~\d+\.\d+ s")
    )
    expect(shown.locator(".snb-phases li").last).to_contain_text(
        re.compile(r"test-config~\d+\.\d+ s")
    )
    expect(shown.locator(".snb-waits")).to_contain_text(
        re.compile(r"and took \d+\.\d+ s last time")
    )
    expect(shown.locator("[aria-live=polite]")).to_contain_text("waiting for db")
    late = r"this phase is late; then about \d+ s, as in the run of \d\d \w+ \d\d:\d\d"
    expect(shown.locator(".snb-clock")).to_contain_text(re.compile(late))
    (shop / "go").touch()
    expect(shown.locator(".snb-state")).to_contain_text("complete")


@pytest.mark.parametrize(("theme", "width", "height"), [
    ("JupyterLab Dark", 1100, 800), ("JupyterLab Light", 420, 800),
    ("JupyterLab Light", 550, 400),  # CSS pixels: what 1100 by 800 are at 200 %
    ("JupyterLab Light", 850, 800),  # as wide as beside a file browser
])  # fmt: skip
def test_it_is_readable_dark_narrow_and_at_200_percent(
    lab: Lab, shop: Path, theme: str, width: int, height: int
) -> None:
    hook(
        shop,
        "10-a.sh",
        "async_run a_task_whose_name_is_longer_than_there_is_room true\n"
        "async_run db bash -c 'echo a line that is rather long, as they are; sleep 1000'",
    )
    hook(shop, "20-b.sh", "async_wait db")
    lab.page.set_viewport_size({"width": width, "height": height})
    lab.open("looks.ipynb", [LOAD, f"%stack {shop.name} --bg"])
    lab.page.evaluate(
        "theme => { window.jupyterapp.commands.execute('application:toggle-left-area');"
        " window.jupyterapp.commands.execute('apputils:change-theme', {theme}) }",
        theme,
    )
    lab.run(0, 1)
    expect(lab.panel.locator(".snb-waits")).to_contain_text("rather long")
    expect(lab.page.locator(f"body[data-jp-theme-name='{theme}']")).to_be_attached()
    panel = lab.panel
    panel.scroll_into_view_if_needed()
    lab.shoot(f"{theme.split()[1].lower()}-{width}")
    for part in (panel, panel.locator(".snb-scroll")):
        assert becomes(part, "el => el.scrollWidth <= el.clientWidth"), "nothing is cut off"
    inside = "el => el.getBoundingClientRect().right <= el.closest('.stacknb-panel')"
    inside += ".getBoundingClientRect().right"
    for name in ("Stop", "Cancel db"):
        assert becomes(lab.button(name), inside), name
    # Every pair of colours that carries words has contrast enough (WCAG AA).
    for part in (".snb-title", ".snb-clock", ".snb-waits", ".snb-counts", "tbody td", ".snb-state"):
        assert contrast(lab, part) >= 4.5, part
    lab.button("Stop").click()
    state(lab, "interrupted")
    assert contrast(lab, ".snb-state") >= 4.5


def contrast(lab: Lab, part: str) -> float:
    """Return the contrast of a text and what is behind it, as WCAG counts it."""
    return float(
        lab.panel.locator(part).first.evaluate("""el => {
        const rgb = text => text.match(/[\\d.]+/g)
            .map(value => value * (text.startsWith("color(") ? 255 : 1));  // that of color-mix
        let under = el;
        const clear = node => (rgb(getComputedStyle(node).backgroundColor)[3] ?? 1) === 0;
        while (clear(under)) under = under.parentElement;
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const [a, b] = [getComputedStyle(el).color, getComputedStyle(under).backgroundColor]
            .map(rgb).map(light).sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    }""")
    )


def test_it_can_be_used_with_the_keyboard_and_says_what_it_is(lab: Lab, shop: Path) -> None:
    lines = "for n in {1..900}; do echo line $n; done"
    hook(shop, "10-a.sh", f"async_run db sleep 1000\n{lines}\nuntil_there never")
    lab.open("keys.ipynb", [LOAD, f"%stack {shop.name} --bg"])
    lab.run(0, 1)
    at_work(lab.panel, "10-a.sh")
    panel = lab.panel
    expect(panel).to_have_attribute("role", "region")
    expect(panel).to_have_attribute("aria-label", f"stack of {shop.name}")
    tasks = panel.get_by_role("table", name="Tasks")
    expect(tasks.get_by_role("button", name="Cancel db")).to_be_visible()
    expect(panel.locator("[aria-live=polite]")).to_contain_text("stack running")
    expect(panel.get_by_role("list", name="Phases").get_by_role("listitem")).to_have_count(7)
    log = panel.get_by_role("button", name="10-a.sh")
    log.focus()
    lab.page.keyboard.press("Enter")
    expect(panel.get_by_label("Search in the log")).to_be_focused()
    shown = panel.get_by_label("Log of 10-a.sh")
    expect(shown).to_contain_text("line 900")
    shown.evaluate("pre => { pre.focus(); pre.scrollTop = 0 }")
    lab.page.keyboard.press("ArrowDown")  # which would leave it for the next cell
    expect(shown).to_be_focused()
    lab.page.wait_for_function("pre => pre.scrollTop > 0", arg=shown.element_handle())
    panel.get_by_label("Search in the log").focus()
    lab.page.keyboard.press("Escape")
    expect(log).to_be_focused()
    stop = panel.get_by_role("button", name="Stop")
    stop.focus()
    lab.page.keyboard.press("Space")
    state(lab, "interrupted")
    expect(panel.get_by_role("button", name="Retry the phase")).to_be_focused()


PRESSED = """async ([address, picture, elsewhere, after, set]) => {
  const { render } = (await import(address)).default;
  document.body.innerHTML = "<main tabindex=-1><div id=panel></div></main><input>";
  const said = { kind: "diff", n: 1, now: 0, set };
  let receive, now = Date.now();
  Date.now = () => now;
  const model = {
    widget_manager: {}, comm_live: true, get: (name) => (name === "panel" ? "p" : picture),
    on: (what, heard) => { if (what === "msg:custom") receive = heard; }, off() {},
    send(content) {  // is answered before the browser moves the focus from a disabled button
      if (content.do === "sync") return;
      now += after;
      if (elsewhere) document.querySelector(elsewhere).focus();
      receive(said);
      receive({ kind: "said", ok: true, text: "so be it" });
    },
  };
  render({ model, el: document.getElementById("panel") });
}"""


@pytest.mark.parametrize(
    ("pressed", "elsewhere", "after", "then", "focused"),
    [
        ("stop", "", 0, ["retry"], "retry"),
        ("stop", "main", 0, ["retry"], "retry"),  # as JupyterLab may do with the panel's cell
        ("step", "", 0, ["step", "rest"], "step"),  # of a phase that was over at once
        ("stop", "input", 0, ["retry"], ""),
        ("stop", "", 60_000, ["retry"], ""),
        ("step", "", 0, ["stop"], ""),
    ],
)
def test_what_can_be_done_next_gets_the_focus_unless_that_went_elsewhere(
    browser: Browser, pressed: str, elsewhere: str, after: int, then: list[str], focused: str
) -> None:
    code = base64.b64encode((Path(widgets.__file__).parent / "panel.js").read_bytes()).decode()
    shown = {**picture(Board(lambda: None), 30), "can": [pressed], "n": 0, "now": 0.0}
    page = browser.new_page()
    address = f"data:text/javascript;base64,{code}"
    page.evaluate(PRESSED, [address, shown, elsewhere, after, {"can": then}])
    page.locator(f"[data-do={pressed}]").press("Enter")
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    assert page.evaluate("() => document.activeElement.dataset.do ?? ''") == focused
    page.close()


def test_executed_without_a_browser_and_exported_without_a_network_it_shows_the_result(
    shop: Path, tmp_path: Path, browser: Browser
) -> None:
    hook(
        shop,
        "10-a.sh",
        "echo built\nyes 'a very long story' | head -n 200000\nasync_run db echo filled",
    )
    hook(shop, "20-b.sh", "false", "post-config")
    cells = [LOAD, f"%stack {shop}", "%stack panel"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    before = len(json.dumps(notebook))
    client = nbclient.NotebookClient(notebook, timeout=300, allow_errors=True)
    client.resources["metadata"] = {"path": str(tmp_path)}
    client.execute()
    assert len(json.dumps(notebook)) - before < 50_000
    html, _ = HTMLExporter().from_notebook_node(notebook)
    page = tmp_path / "executed.html"
    page.write_text(html)
    context = browser.new_context(offline=True)
    shown = context.new_page()
    shown.goto(page.as_uri())
    for text in (
        "failed in stack post-config",
        "20-b.sh",
        "a very long story",
        "all 3.6 MB",
        "✓ db",
    ):
        expect(shown.locator(".stacknb-twin").first).to_contain_text(text)
    expect(shown.locator(".stacknb-twin").first).to_be_visible()
    shown.screenshot(path=screenshot("exported"))
    context.close()


def test_a_missing_browser_is_a_failure_that_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lab.CHROMIUM", "no-such-browser")
    nobody: Any = None
    with pytest.raises(AssertionError, match="apt-get install chromium"):
        start_browser(nobody)
