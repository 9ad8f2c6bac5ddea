import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakerun import Run
from IPython.utils.capture import capture_output

from stacknb import Stack
from stacknb.board import Board
from stacknb.exceptions import BadInput
from stacknb.text import budget
from stacknb.widgets import Panel, actions, openlog
from stacknb.widgets.clicks import Clicks
from stacknb.widgets.link import Link, _from_control
from stacknb.widgets.openlog import OpenLog, OpenLogs, search


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.begin()
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    return run


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(Link, "send", lambda self, message: messages.append(message))
    return messages


@pytest.fixture
def panel(run: Run, sent: list[dict[str, Any]]) -> Iterator[Panel]:
    panel = Panel(run.folder)
    yield panel
    panel.close()


def click(panel: Panel, do: str, **words: Any) -> None:
    """Click, and wait until it is done."""
    panel._take({"do": do, "id": f"{do} {words}", **words})
    for thread in threading.enumerate():
        if thread.name == "stacknb-click":
            thread.join()


def _texts(captured: Any) -> list[str]:
    # Without an IPython, displays are printed.
    displays = [str(found.data["text/plain"]) for found in captured.outputs]
    return "\n".join([captured.stdout, *displays]).splitlines()


def of_kind(sent: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in sent if message["kind"] == kind]


# -- what is sent ---------------------------------------------------------------------------------


def test_the_whole_picture_is_sent_first_and_then_what_changes(
    run: Run, panel: Panel, sent: list[dict[str, Any]]
) -> None:
    run.task("db", b"one\n")
    panel.update()
    [whole] = sent
    assert whole["kind"] == "full"
    assert whole["picture"]["order"] == ["async/db.log"]
    sent.clear()
    panel.update()
    assert sent == []
    run.task_prints("db", b"two\n")
    panel.update()
    [news] = sent
    assert (news["kind"], news["n"]) == ("diff", whole["picture"]["n"] + 1)
    assert news["set"].keys() == {"rows"}
    assert news["set"]["rows"]["async/db.log"]["last"] == "two"


def test_a_page_that_is_loaded_anew_gets_the_picture_as_it_is_now(run: Run, panel: Panel) -> None:
    link = panel._link
    assert link is not None
    assert link.get_state()["picture"]["order"] == []
    run.task("db", b"one\n")
    panel.update()
    assert link.get_state("picture")["picture"]["order"] == ["async/db.log"]


def test_what_a_notebook_keeps_of_a_run_is_below_50_kb_with_the_code_of_the_panel(
    run: Run, panel: Panel
) -> None:
    # How full a picture may be is tested with the pictures, and so are the other shares.
    for number in range(500):
        run.task(f"{number}-{'&' * 200}", b"&" * 1000 + b"\n")
    click(panel, "more")
    panel.update()
    link = panel._link
    assert link is not None
    kept = link.get_state()
    assert budget.stored({**kept, "picture": {}}) < 16_000  # the code is packed: plainly 28,000
    assert len(panel._whole()["order"]) == 500
    assert budget.stored(kept["picture"]) <= budget.PICTURE
    state = budget.stored({**kept, "picture": {}}) + budget.stored(link.layout.get_state())
    shares = budget.PICTURE + budget.SUMMARY + 2 * budget.ERROR + budget.RESULT
    outputs = 1_500  # the rest of what nbformat writes of them, and of the cell
    assert state + shares + outputs < 50_000


def test_only_some_of_many_tasks_are_sent_until_more_are_asked_for(
    run: Run, panel: Panel, sent: list[dict[str, Any]]
) -> None:
    for number in range(200):
        run.task(f"t{number}")
    panel.update()
    assert len(sent[-1]["picture"]["order"]) == 30
    assert sent[-1]["picture"]["counts"] == {"running": 200}
    click(panel, "more")
    panel.update()
    assert len(sent[-1]["set"]["order"]) == 200


def test_a_closed_panel_sends_nothing_and_leaves_no_thread(
    run: Run, panel: Panel, sent: list[dict[str, Any]]
) -> None:
    panel.close()
    panel.close()
    sent.clear()
    panel._take({"do": "sync", "id": "1"})
    panel.update()
    assert sent == []
    assert not [t for t in threading.enumerate() if t.name.startswith("stacknb-")]
    with pytest.raises(BadInput, match="this panel is closed"):
        panel.show()


def test_the_summary_of_a_run_that_goes_on_does_not_stay_where_its_panel_was(
    run: Run, panel: Panel
) -> None:
    with capture_output() as captured:
        panel.show()
        panel.show()
        run.end_hook()
        run.end_phase()
        panel.update()
        panel.show()
    shown = [line for line in _texts(captured) if line.startswith("stack of ")]
    moved = "stack of /tree: under way when its panel was shown again elsewhere"
    assert [line == moved for line in shown].count(True) == 1


def test_what_a_cell_tells_of_a_run_stays_when_the_next_one_has_only_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tree/extras.d").mkdir(parents=True)
    Path("tree/extras.d/10-a.sh").write_text("true\n")
    with Stack("tree") as stack, capture_output() as captured:
        stack.step()
        panel = Panel(stack)
        panel.show()
        stack.reset()
        stack.evaluate("A=1")
        panel.settle()
        panel.leave()
        panel.close()
    told = [line for line in _texts(captured) if line.startswith("stack of ")]
    assert {line.rpartition(": ")[2] for line in told} == {"next is source"}


def test_it_updates_ten_times_a_second_at_most_however_often_it_is_woken(
    run: Run, panel: Panel, sent: list[dict[str, Any]]
) -> None:
    run.task("db")
    begun = time.monotonic()
    with capture_output():
        panel.show()
        while len(of_kind(sent, "full") + of_kind(sent, "diff")) < 6:
            run.task_prints("db", b"news\n%f\n" % time.monotonic())
            panel.wake()
            time.sleep(0.005)
    panel.close()
    assert len(sent) <= 10 * (time.monotonic() - begun) + 1


def test_a_path_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no run directory"):
        Panel(tmp_path)


# -- clicks ---------------------------------------------------------------------------------------


def test_a_click_that_comes_twice_is_done_once(panel: Panel, sent: list[dict[str, Any]]) -> None:
    for _ in range(2):
        click(panel, "sync")
    assert len(of_kind(sent, "full")) == 1
    assert len(of_kind(sent, "ack")) == 1


async def send_over_control(content: Any) -> None:
    await _from_control(None, [b"ident"], {"header": {}, "content": content})


def drive(coroutine: Any) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_a_click_over_the_control_channel_finds_its_panel(
    panel: Panel, sent: list[dict[str, Any]]
) -> None:
    assert panel._link is not None
    content = {"do": "sync", "id": "7", "panel": panel._link.panel}
    drive(send_over_control(content))
    assert of_kind(sent, "ack") == [{"kind": "ack", "id": "7"}]
    for nonsense in (None, 5, {}, {"panel": "no such"}, {**content, "id": "7"}):
        drive(send_over_control(nonsense))
    assert len(of_kind(sent, "ack")) == 1


def test_what_only_the_kernel_of_the_run_can_do_is_refused_in_words(
    panel: Panel, sent: list[dict[str, Any]]
) -> None:
    for action in ("stop", "cancel", "retry", "step", "nonsense"):
        click(panel, action)
    said = of_kind(sent, "said")
    assert [message["ok"] for message in said] == [False] * 5
    assert said[0]["text"] == "'stop' needs the kernel of the run; this is a view of its files"


@pytest.mark.parametrize(
    "key", ["../outside.log", "/etc/passwd", "run.json", "state/snapshot.bash", "", "async/no.log"]
)
def test_nothing_but_logs_of_the_run_can_be_opened(
    run: Run, panel: Panel, sent: list[dict[str, Any]], key: str
) -> None:
    (run.folder.parent / "outside.log").write_text("secret")
    (run.folder / "state" / "snapshot.bash").write_text("secret")
    for action in ("open", "search"):
        click(panel, action, log=key, text="secret")
    panel.update()
    assert [message["ok"] for message in of_kind(sent, "said")] == [False, False]
    assert "secret" not in json.dumps(of_kind(sent, "log") + of_kind(sent, "found"))


def stack(run: Run, **more: Any) -> Any:
    result = SimpleNamespace(mode="stack", complete=False)
    facts = {
        "busy": False, "worker": None, "next_phase": "source", "result": result,
        "run_dir": run.folder,
    }  # fmt: skip
    return SimpleNamespace(**facts | more)


def test_what_can_be_done_depends_on_what_goes_on(run: Run) -> None:
    board = Board(lambda: run.folder)
    board.update()
    assert actions.allowed(None, board) == []
    assert actions.allowed(stack(run, busy=True), board) == ["stop", "cancel"]
    assert actions.allowed(stack(run), board) == ["step", "rest", "cancel"]
    assert actions.allowed(stack(run, run_dir=Path("other")), board) == []
    assert actions.allowed(stack(run, run_dir=None, result=None), board) == []
    nothing = Board(lambda: None)
    assert actions.allowed(stack(run, run_dir=None, result=None), nothing) == [
        "step",
        "rest",
        "cancel",
    ]
    run.end_hook("failed")
    run.end_phase(ok=False)
    board.update()
    assert actions.allowed(stack(run), board) == ["retry", "cancel"]
    with pytest.raises(BadInput, match="'step' cannot be done now: no run goes on"):
        actions.do(stack(run), board, {"do": "step"})


def test_a_run_that_was_interrupted_behind_its_last_hook_can_be_brought_to_its_end(
    run: Run,
) -> None:
    board, begun = Board(lambda: run.folder), []
    run.end_hook()
    run.end_phase()
    board.update()
    here = stack(run, next_phase=None, step=begun.append, start=lambda call, label: call())
    assert actions.allowed(here, board) == ["rest", "cancel"]
    assert actions.do(here, board, {"do": "rest"}) == "bringing the run to its end"
    assert begun == ["stack"], "a run would begin anew"
    run.tell("run-end", "stack", ok=True, complete=False)  # as after exit 0
    board.update()
    assert actions.allowed(here, board) == ["cancel"]


# -- an open log ----------------------------------------------------------------------------------


@pytest.fixture
def log(run: Run) -> Callable[[], dict[str, Any] | None]:
    return OpenLog("x.log", run.log).news


def test_a_log_shows_what_was_printed_and_then_what_comes(run: Run) -> None:
    run.prints(b"one\n\x1b[31mtwo\x1b[0m\nthr")
    log = OpenLog("x.log", run.log)
    first = log.news()
    assert first is not None
    assert (first["text"], first["partial"], first["reset"]) == ("one\ntwo\n", "thr", True)
    assert log.news() is None
    run.prints(b"ee\n")
    second = log.news()
    assert second is not None
    assert (second["text"], second["reset"], second["ended"]) == ("three\n", False, False)
    run.prints(b"the end")
    run.end_hook()
    third = log.news()
    assert third is not None
    assert (third["partial"], third["ended"]) == ("the end", True)
    assert "#stacknb" not in json.dumps([first, second, third])
    assert log.news() is None


def test_a_log_that_has_ended_shows_what_looks_like_a_footer_and_what_comes_after(
    run: Run,
) -> None:
    run.prints(b"\n#stacknb-end of a story\nthe rest\n")
    log = OpenLog("x.log", run.log)
    run.end_hook()
    shown = ""
    while news := log.news():
        shown += news["text"] + news["partial"]
    assert shown.split("\n")[1:3] == ["#stacknb-end of a story", "the rest"]


def test_of_a_long_log_the_end_is_shown(run: Run) -> None:
    run.prints(b"a line of it\n" * 100_000 + b"the last\n")
    news = OpenLog("x.log", run.log).news()
    assert news is not None
    assert news["skipped"] == "1.3 MB"
    assert news["text"].endswith("\nthe last\n")
    assert news["text"].startswith("a line of it\n")
    assert len(news["text"]) <= 32 << 10


def test_a_log_that_floods_sends_little_and_says_what_is_left_out(run: Run) -> None:
    log = OpenLog("x.log", run.log)
    log.news()
    run.prints(b"flood\n" * 100_000)
    news = log.news()
    assert news is not None
    assert len(json.dumps(news)) < 12_000
    assert news["skipped"].endswith("kB")


def test_a_log_that_is_shut_while_it_is_looked_at_does_no_harm(
    run: Run, panel: Panel, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = OpenLogs()
    logs.open("one", OpenLog("x.log", run.log))
    monkeypatch.setattr(panel, "_logs", logs)
    news = OpenLog.news
    monkeypatch.setattr(OpenLog, "news", lambda log: (logs.shut("one"), news(log))[1])
    panel.update()
    assert [news["key"] for news in of_kind(sent, "log")] == ["x.log"]
    assert not logs


def test_each_view_has_a_log_of_its_own_and_old_ones_are_dropped(
    run: Run, panel: Panel, sent: list[dict[str, Any]]
) -> None:
    hook = "hooks/override_defaults/10-a.sh.log"
    run.task("db", b"one\n")
    click(panel, "open", view="a", log=hook)
    click(panel, "open", view="b", log="async/db.log")
    panel.update()
    told = [(news["view"], news["key"]) for news in of_kind(sent, "log")]
    assert told == [("a", hook), ("b", "async/db.log")]
    click(panel, "shut", view="a")
    sent.clear()
    run.task_prints("db", b"two\n")
    panel.update()
    assert [news["view"] for news in of_kind(sent, "log")] == ["b"]
    for view in "cdef":  # as a page has that is loaded anew, again and again
        click(panel, "open", view=view, log="async/db.log")
    sent.clear()
    panel.update()
    assert [news["view"] for news in of_kind(sent, "log")] == [*"cdef"]


def test_a_search_finds_lines_by_number_whatever_their_case(run: Run) -> None:
    run.prints(b"".join(b"Line %d\n" % number for number in range(1, 1001)) + b"no end LINE 5")
    found = search("x.log", run.log, "line 5")
    assert found["lines"][:3] == [(5, "Line 5"), (50, "Line 50"), (51, "Line 51")]
    assert found["lines"][-1] == (1001, "no end LINE 5")
    assert found["words"] == "found 112 times"
    assert search("x.log", run.log, "nothing like it")["words"] == "not found"
    assert search("x.log", run.log, "")["words"] == "not found"


def test_a_search_finds_a_line_by_its_own_words_in_any_script(run: Run) -> None:
    run.prints("GRÜSSE AUS KÖLN\n".encode())
    assert search("x.log", run.log, "GRÜSSE aus")["lines"] == [(1, "GRÜSSE AUS KÖLN")]


def test_a_search_counts_all_there_is_and_says_when_it_shows_less(run: Run) -> None:
    run.prints(b"once\n" + b"needle\n" * 1000)
    found = search("x.log", run.log, "needle")
    assert (len(found["lines"]), found["words"]) == (
        200,
        "found 1,000 times, the first 200 lines shown",
    )


def test_a_line_that_holds_the_word_twice_is_not_said_to_be_one_of_several(run: Run) -> None:
    run.prints(b"tick tick\n")
    assert search("x.log", run.log, "tick")["words"] == "found 2 times"


@pytest.mark.parametrize(
    ("end", "missing"),
    [(b"", 0), (b"\n", 0), (b"\n", 1)],
    ids=["no newline", "newline", "being written"],
)
def test_a_search_finds_nothing_in_the_footer(run: Run, end: bytes, missing: int) -> None:
    run.prints(b"the output" + end)
    run.end_hook()
    written = run.log.read_bytes()
    run.log.write_bytes(written[: len(written) - missing])
    assert b"exit_code" in written
    assert search("x.log", run.log, "exit_code")["words"] == "not found"


def test_a_search_across_blocks_misses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openlog, "_BLOCK", 7)
    run.prints(b"one needle\ntwo\nthree needle\nneedle four\n")
    found = search("x.log", run.log, "needle")
    assert found["lines"] == [(1, "one needle"), (3, "three needle"), (4, "needle four")]


def test_a_search_without_end_says_how_far_it_came(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openlog, "_BLOCK", 1000)
    run.prints(b"needle\n" * 10_000)
    found = search("x.log", run.log, "needle", patience_s=0.0)
    assert found["words"].startswith("found 143 times in the first 1.0 kB")


def test_who_joins_the_clicks_waits_for_what_they_began_and_not_for_itself() -> None:
    taken, go_on, told = threading.Event(), threading.Event(), list[str]()

    def do(content: dict[str, Any]) -> str:
        taken.set()
        assert go_on.wait(60)
        clicks.join()  # as closing the panel does
        return "done"

    clicks = Clicks(do, lambda message: told.append(message.get("text", "")), lambda: None)
    clicks.take({"id": 1, "do": "it"})
    assert taken.wait(60)
    joined = threading.Thread(target=lambda: (clicks.join(), told.append("joined")))
    joined.start()
    go_on.set()
    joined.join()
    assert told == ["", "done", "joined"]


def test_a_docked_panel_is_named_after_its_tree_before_the_first_run_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop" / "extras.d").mkdir(parents=True)
    titles: list[str] = []
    monkeypatch.setattr(
        "stacknb.widgets.panel.show_widget", lambda widget, title, dock: titles.append(title)
    )
    with Stack(tmp_path / "shop") as stack:
        panel = Panel(stack)
        panel.show(dock=True)
        panel.close()
    assert titles == ["stacknb: shop"]
