import contextlib
import html
import io
import os
import re
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakerun import Run

from stacknb import lifecycle, tasklog
from stacknb.board import Board, brief, hooklogs, picture
from stacknb.exceptions import StacknbError
from stacknb.notebook import kernel
from stacknb.progress import page, views
from stacknb.progress.plain import Plain, writer
from stacknb.progress.terminal import Terminal
from stacknb.progress.watching import watch
from stacknb.rundir.journal import Event, RunDir
from stacknb.text import budget

CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def plain(run: Run) -> io.StringIO:
    shown = io.StringIO()
    run.listener = Plain(lambda: run.stack.run_dir, shown.write)
    return shown


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Page(HTMLParser):
    """Reads HTML strictly: every tag is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def summary(run: Run, since: float = 0.0) -> dict[str, str]:
    """Return what is left of a run in a notebook."""
    board = Board(lambda: run.stack.run_dir)
    board.update()
    return page.bundle(board, since)


# -- plain lines ----------------------------------------------------------------------------------


def test_a_pipe_gets_a_line_for_each_event(run: Run, plain: io.StringIO) -> None:
    run.begin("unstack")
    run.begin_phase("override_defaults")
    run.end_phase()
    run.begin_phase("source", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh")
    run.tell("warning", "mind this")
    run.hook("20-b.sh", b"", "failed")
    run.end_phase(ok=False)
    assert plain.getvalue().splitlines() == [
        f"unstack: /tree, logs in {run.folder}",
        "── override_defaults (1/3, no hooks)",
        "── source (2/3, 2 hooks)",
        "✓ 10-a.sh 1.00 s",
        "warning: mind this",
        "✗ 20-b.sh failed 1.00 s",
        "✗ source ended early after 2.00 s",
    ]


def test_the_hooks_of_plugins_that_were_enabled_meanwhile_are_counted(
    run: Run, plain: io.StringIO
) -> None:
    run.begin()
    run.begin_phase("override_defaults")
    run.tell("phase-hooks", "override_defaults", hooks=["own-override-defaults"])

    line = "── override_defaults: 1 hook to come, with the plugins now enabled\n"
    assert plain.getvalue().endswith(line)


@pytest.mark.parametrize(
    ("ok", "line"), [(True, "✓ stack complete"), (False, "✗ stack complete, but a task failed")]
)
def test_the_last_line_says_that_the_run_is_complete(
    run: Run, plain: io.StringIO, ok: bool, line: str
) -> None:
    run.begin()
    run.tell("run-end", "stack", ok=ok, complete=True)
    assert plain.getvalue().splitlines()[-1] == line


def test_output_stands_between_the_lines_of_its_hook(run: Run, plain: io.StringIO) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh", b"one\ntwo without end")
    run.hook("20-b.sh", b"three\n")
    assert plain.getvalue().splitlines()[2:] == [
        "▶ 10-a.sh", "one", "two without end", "✓ 10-a.sh 1.00 s",
        "▶ 20-b.sh", "three", "✓ 20-b.sh 1.00 s",
    ]  # fmt: skip


def test_output_is_shown_while_the_hook_runs(run: Run, plain: io.StringIO) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.tick()
    assert "10-a.sh" not in plain.getvalue()
    run.prints(b"one\ntw")
    run.tick()
    assert plain.getvalue().endswith("▶ 10-a.sh\none\n")
    run.prints(b"o\n")
    run.tick()
    run.end_hook()
    assert plain.getvalue().endswith("one\ntwo\n✓ 10-a.sh 1.00 s\n")


def test_a_tick_reads_no_more_than_a_mebibyte(run: Run, plain: io.StringIO) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"x\n" * (1 << 20))
    before = len(plain.getvalue())
    run.tick()
    assert 1 << 19 < len(plain.getvalue()) - before <= (1 << 20) + 100


def test_of_very_much_output_the_end_is_shown_and_the_log_is_named(
    run: Run, plain: io.StringIO
) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"line\n" * (4 << 20) + b"the end\n")
    lines = plain.getvalue().splitlines()
    assert lines[2] == "▶ 10-a.sh"
    assert re.fullmatch(
        rf"… 20\.\d MB left out here; all is in {re.escape(str(run.log))}", lines[3]
    )
    assert len(lines) < 14_000
    assert lines[-2:] == ["the end", "✓ 10-a.sh 1.00 s"]


def test_header_and_footer_are_not_shown(run: Run, plain: io.StringIO) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"one\n" + tasklog.end_line(run.header, end=2.0, exit_code=0))
    run.tick()
    run.tell("hook-end", "10-a.sh", phase="source", status="ok", duration_s=1.0, log=str(run.log))
    assert "#stacknb" not in plain.getvalue()


def test_a_view_closed_in_the_middle_shows_what_was_printed(run: Run, plain: io.StringIO) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"last words")
    run.listener.close()
    assert plain.getvalue().endswith("last words\n")


def test_a_reader_that_goes_away_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    writer(Gone())("text\n")


# -- a terminal -----------------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "20"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = Screen()
    run.listener = Terminal(run.stack, shown, clock)
    return shown


def test_a_terminal_shows_the_steps_the_hook_and_its_tasks(
    run: Run, terminal: Screen, clock: Clock
) -> None:
    run.begin()
    run.begin_phase("override_defaults")
    run.end_phase()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.task("db", b"step 1\nstep 2\n")
    run.prints(b"50 %\r80 %")
    clock.now = 1.0
    run.tick()
    picture = CONTROL.sub("", terminal.getvalue().rpartition("────")[2])
    assert "✓ override_defaults 2.00 s  ▶ source" in picture
    assert "· test-config" in picture
    assert "▶ 10-a.sh" in picture
    assert "80 %" in picture
    assert re.search(r"▶ db .* step 2", picture)


@pytest.mark.parametrize("size", ["0", "00", "", "wide", "-5", "²", "9999999999"])
def test_no_size_in_the_environment_swallows_what_a_hook_prints(
    run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": size, "LINES": size}.items():
        monkeypatch.setenv(name, value)
    shown = Screen()
    run.listener = Terminal(run.stack, shown, clock)
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"some words\n")
    clock.now = 1.0
    run.tick()
    text = CONTROL.sub("", shown.getvalue())
    assert "some words" in text
    assert "\n─" in text  # and the picture is below it
    assert len(text) < 100_000


def test_waits_that_have_no_room_on_a_terminal_are_counted(
    run: Run, terminal: Screen, clock: Clock
) -> None:
    run.begin()
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    for number in range(11):
        run.task(f"t{number}")
        run.waits(f"t{number}")
    clock.now = 1.0
    run.tick()
    picture = CONTROL.sub("", terminal.getvalue().rpartition("────")[2])
    assert picture.count("waiting for") == 8
    assert "… and for 3 more" in picture


def test_a_terminal_shows_what_is_waited_for_and_how_long_it_may_take(
    run: Run, terminal: Screen, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    earlier = Run(tmp_path, "earlier")
    earlier.begin("unstack")
    for label in ("override_defaults", "source", "unstack"):
        earlier.begin_phase(label)
        earlier.end_phase()
    earlier.task("db", exit_code=0)
    earlier.tell("run-end", "unstack", ok=True, complete=True)
    run.begin("unstack")
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.task("db", b"table 7\n")
    run.waits("db")
    clock.now = 1.0
    run.tick()
    picture = CONTROL.sub("", terminal.getvalue().rpartition("────")[2])
    assert re.search(r"… waiting for db  [\d.]+ s  \(took [\d.]+ s last time\)  table 7", picture)
    assert re.search(r"\d %, about \d s left, as in the run of \d\d \w+ \d\d:\d\d", picture)
    assert re.search(r"▶ override_defaults [\d.]+ s of ~2\.00 s  · source ~2\.00 s", picture)
    assert "▶ db" not in picture  # it has a line already
    now += 60
    clock.now = 2.0
    run.tick()
    picture = CONTROL.sub("", terminal.getvalue().rpartition("────")[2])
    assert re.search(r"late; then about 4 s, as in the run of \d\d \w+ \d\d:\d\d", picture)


def test_a_terminal_is_drawn_ten_times_a_second_at_most(
    run: Run, terminal: Screen, clock: Clock
) -> None:
    run.begin()
    run.begin_phase("source", *(f"{n}-a.sh" for n in range(10, 60)))
    for number in range(10, 60):
        run.hook(f"{number}-a.sh")
    assert terminal.getvalue().count("·") < 10  # one picture
    run.listener.close()
    assert CONTROL.sub("", terminal.getvalue()).count("✓") == 50


def test_a_terminal_names_eight_tasks_and_counts_the_others(
    run: Run, terminal: Screen, clock: Clock
) -> None:
    run.begin()
    for number in range(12):
        run.task(f"t{number}")
    run.task("ended", exit_code=0)
    for number in range(2):
        run.task(f"broken{number}", exit_code=1)
    clock.now = 1.0
    run.tick()
    picture = CONTROL.sub("", terminal.getvalue().rpartition("────")[2])
    assert "▶ t7" in picture
    assert "t8" not in picture
    assert "ended" not in picture
    assert "+ 4 more tasks" in picture
    assert "✗ of the tasks 2 failed" in picture


def test_a_terminal_is_left_clean(run: Run, terminal: Screen, clock: Clock) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"one\n", "failed")
    clock.now = 1.0
    run.end_phase(ok=False)
    run.listener.close()
    run.listener.close()  # once more does no harm
    assert terminal.getvalue().count("\x1b[?25l") == 1
    assert terminal.getvalue().count("\x1b[?25h") == 1
    # Every line of the live part is taken away again.
    last_picture = terminal.getvalue().rpartition("\x1b[?25h")[2]
    assert "·" not in last_picture
    assert last_picture.count("\x1b[2K") >= 3


def test_colours_can_be_turned_off(
    run: Run, monkeypatch: pytest.MonkeyPatch, terminal: Screen, clock: Clock
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = Screen()
    run.listener = Terminal(run.stack, shown, clock)
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"", "failed")
    run.listener.close()
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", shown.getvalue())


def test_much_output_reaches_the_terminal_in_one_piece(
    run: Run, terminal: Screen, clock: Clock
) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"a line of output\n" * 60_000)
    clock.now = 1.0
    run.tick()
    assert terminal.getvalue().count("a line of output\n") > 59_000


def test_a_terminal_that_is_gone_does_not_end_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, terminal: Screen, clock: Clock
) -> None:
    def gone(text: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", gone)
    run.begin()
    run.begin_phase("source", "10-a.sh")
    clock.now = 1.0
    run.hook("10-a.sh", b"one\n")
    run.listener.close()


@pytest.mark.parametrize(
    ("stream", "term", "view"),
    [
        (Screen(), "xterm", Terminal),
        (Screen(), "dumb", Plain),
        (Screen(), "", Plain),
        (io.StringIO(), "xterm", Plain),
    ],
)
def test_a_view_fits_its_stream(
    run: Run, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str, view: type
) -> None:
    monkeypatch.setenv("TERM", term)
    assert isinstance(views.view_of(run.stack, stream), view)


def test_outside_of_a_kernel_there_is_no_notebook(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not kernel.in_notebook()
    shell.kernel = "a kernel"
    assert kernel.in_notebook()


ASKED = {
    "header": {"msg_id": "4263ed31-490fb63a52f176dc_123_4"},
    "metadata": {},
    "content": {"allow_stdin": True},
}


@pytest.mark.parametrize(
    ("asked", "is_console"),
    [
        (ASKED, True),
        ({**ASKED, "content": {"allow_stdin": False}}, False),
        ({**ASKED, "metadata": {"cellId": "a"}}, False),
        ({**ASKED, "header": {"msg_id": "2f11e34c6590498cbda08660efcaab28"}}, False),
        ({**ASKED, "header": {"msg_id": "676b81c8-5c91-4300-9413-611caa23234f"}}, False),
        ({}, False),
    ],
    ids=["jupyter console", "nbclient", "a cell", "nbclassic", "a page", "nobody"],
)
def test_a_console_is_told_from_a_notebook(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], is_console: bool
) -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda channel: asked))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert kernel.asked_by_console() is is_console


def test_without_a_kernel_no_console_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not kernel.asked_by_console()


def test_a_view_that_is_closed_is_told_nothing_more(run: Run) -> None:
    run.stack.listeners = []
    stream = io.StringIO()
    with views.shown(run.stack, stream) as view:
        pass
    view.on_event(Event("warning", 1.0, "too late", {}))
    assert stream.getvalue() == ""


def test_a_view_is_told_until_the_end_and_no_longer(run: Run) -> None:
    run.stack.listeners = []
    with contextlib.suppress(KeyError), views.shown(run.stack, io.StringIO()) as view:
        assert run.stack.listeners == [view]
        raise KeyError
    assert run.stack.listeners == []


def test_a_display_that_fails_does_not_end_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.stack.listeners = []
    monkeypatch.setattr(Plain, "on_tick", lambda self: 1 / 0)
    with views.shown(run.stack, io.StringIO()) as view:
        with pytest.warns(RuntimeWarning, match="progress is shown no longer: ZeroDivisionError"):
            view.on_tick()
        view.on_tick()


# -- a notebook -----------------------------------------------------------------------------------


@pytest.fixture
def watched(run: Run) -> Run:
    run.begin()
    return run


def test_html_and_text_say_the_same(watched: Run) -> None:
    run = watched
    run.begin_phase("override_defaults")
    run.end_phase()
    run.begin_phase("source", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh", b"some <b>words</b> & more\n")
    why = {"reason": "failed with status 3", "file": "/tree/x", "line": 7, "command": "false <&>"}
    why |= {"status": 3, "calls": ["/lib/x:3", "/y:1"]}
    run.hook("20-b.sh", b"its last words\n", "failed", failure=why)
    run.end_phase(ok=False)
    run.tell("warning", "mind <this>")
    run.task("db")
    bundle = summary(run)
    seen = Page(bundle["text/html"])
    for text in (
        "some <b>words</b> & more", "mind <this>", "10-a.sh", "failed in source", "db", "1 running",
        "/tree/x:7", "false <&>", "from    /lib/x:3", "        /y:1", "its last words",
        "mend it and run 'source' again",
    ):  # fmt: skip
        assert text in seen.text
        assert text in bundle["text/plain"]
    assert html.escape("<b>words</b> & more") in bundle["text/html"]
    assert "var(--jp-error-color1,#" in bundle["text/html"]


def test_what_was_interrupted_is_not_to_be_mended(watched: Run) -> None:
    watched.begin_phase("override_defaults", "10-a.sh")
    watched.hook("10-a.sh", b"", "interrupted", failure={"reason": "was interrupted"})
    watched.end_phase(ok=False)
    assert "next    run 'override_defaults' again" in summary(watched)["text/plain"]


def test_the_summary_names_the_earlier_phase_to_be_run_again_first(watched: Run) -> None:
    run = watched
    run.begin_phase("stack install", "10-a.sh")
    run.task("db", exit_code=1)
    run.hook("10-a.sh")
    run.end_phase()
    run.begin_phase("stack extra", "10-a.sh")
    run.hook("10-a.sh", b"async_wait: FAILED: task db (status 1)\n", "failed")
    run.end_phase(ok=False)
    next_line = "run 'stack install', which starts the task, then 'stack extra' again"
    assert next_line in summary(run)["text/plain"]


def test_a_mark_says_that_something_is_ok_and_no_word_beside_it(watched: Run) -> None:
    watched.begin_phase("source", "10-a.sh")
    watched.hook("10-a.sh", b"words\n")
    watched.end_phase()
    html = summary(watched)["text/html"]
    assert "✓</span> <b>source</b> 2.00 s" in html
    assert ">ok<" not in html
    style, _, body = html.partition("</style>")
    assert "overflow-wrap:anywhere" in style, "long paths would be cut off on the right"
    used = set(re.findall(r'class="(.)"', body))
    assert set(re.findall(r"stacknb-twin \.(.)\{", style)) == used == {"k", "d"}


def test_the_summary_of_a_run_under_way_says_when_for_it_may_be_kept(watched: Run) -> None:
    watched.begin_phase("source", "10-a.sh")
    watched.begin_hook("10-a.sh")
    first = summary(watched)["text/plain"].splitlines()[0]
    assert re.fullmatch(r"stack of /tree: under way on \d\d \w+ at \d\d:\d\d", first)


def test_of_much_output_the_end_is_shown_and_the_log_is_named(watched: Run) -> None:
    run = watched
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"".join(b"line %02d\n" % number for number in range(50)))
    text = summary(run)["text/plain"]
    assert text.count("| line") == 5
    assert "45 lines before these, all in hooks/source/10-a.sh.log" in text


NASTY = ["a", "漢", "😀", "&", '"', "'", "\\", "\x01", "\x85", "\u2028", "\udcff"]


@pytest.mark.parametrize(
    ("allowed", "most"),
    [(budget.SUMMARY, budget.SUMMARY), (budget.AGAIN, budget.AGAIN), (0, budget.LINE)],
)
@pytest.mark.parametrize("letter", NASTY)
def test_a_summary_fits_whatever_was_printed_and_however_it_is_called(
    tmp_path: Path, letter: str, allowed: int, most: int
) -> None:
    run = Run(tmp_path / os.fsdecode(os.fsencode(letter) * 40) / "runs")
    run.folder.parent.mkdir(parents=True)
    run.begin()
    wide = os.fsencode(letter) * 2000 + b"\n"
    long = os.fsdecode(os.fsencode(letter) * 40)
    names = [f"{number}-{long}.sh" for number in range(10, 40)]
    for phase in ("override_defaults", "source", "stack install"):
        run.begin_phase(phase, *names)
        for name in names:
            bad = name == names[-1] and phase == "stack install"
            texts = ("reason", "command", "file")
            why = {**dict.fromkeys(texts, letter * 5000), "line": 7, "status": 3} if bad else {}
            why |= {"calls": [letter * 5000] * 9} if bad else {}
            run.hook(name, wide * 9, "failed" if bad else "ok", failure=why)
        run.end_phase(ok=not bad)
    for number in range(100):
        run.task(f"t{number}-{long}", wide, exit_code=number % 2)
    for _ in range(20):
        run.tell("warning", letter * 10_000)
    board = Board(lambda: run.folder)
    board.update(thoroughly=True)
    board.top_dir = letter * 4000
    bundle = page.bundle(board, most=allowed)
    assert budget.stored(bundle) <= most
    words = ["failed in stack install", "logs"]
    words += ["39-", "mend it", "50 ok, 50 failed"] if allowed else ["share of this run is used up"]
    for text in bundle.values():
        for word in words:
            assert word in text
    assert budget.stored(brief(picture(board, 500))) <= budget.PICTURE


def test_a_cell_tells_what_ran_in_it(watched: Run) -> None:
    run = watched
    run.begin_phase("override_defaults", "10-a.sh")
    run.hook("10-a.sh", b"printed before\n")
    run.end_phase()
    later = time.time() + 60
    assert "printed before" in summary(run)["text/plain"]
    assert "printed before" not in summary(run, since=later)["text/plain"]
    assert "✓ override_defaults" in summary(run, since=later)["text/plain"]


def test_a_stack_without_a_run_says_so(run: Run) -> None:
    assert summary(run)["text/plain"].startswith("no run yet")


def test_a_run_of_another_process_is_told_as_it_goes(run: Run) -> None:
    run.begin()
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"one\n")

    def go_on(seconds: float) -> None:
        run.end_hook("failed")
        run.end_phase(ok=False)
        run.journal.close()

    told: list[str] = []
    with pytest.raises(StacknbError, match=r"'10-a\.sh' failed; its logs are in "):
        told.extend(watch(RunDir.open(run.folder), pause=go_on))
    text = "".join(told)
    assert "── override_defaults (1/7, 1 hook)\n▶ 10-a.sh\none\n✗ 10-a.sh failed" in text
    assert text.endswith(": failed\n")


def test_a_run_that_is_killed_while_it_is_followed_fails_with_the_hook_that_is_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.begin()
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.journal.close()
    monkeypatch.setattr(hooklogs, "still_runs", lambda header: False)

    with pytest.raises(
        StacknbError, match=r"'10-a\.sh' is lost \(its process was killed\); its logs are in "
    ):
        list(watch(RunDir.open(run.folder), pause=pytest.fail))


def test_a_run_that_is_followed_fails_with_tasks_that_nobody_waited_for(run: Run) -> None:
    run.begin()
    for name in ("db", "api"):
        run.task(name, exit_code=3)
    (run.folder / "waits.jsonl").unlink()
    run.tell("run-end", "stack", ok=False, complete=True, tasks=["db", "api"])
    run.journal.close()
    told: list[str] = []
    said = "nobody waited for 'db', 'api', which did not end well; its logs are in "
    with pytest.raises(StacknbError, match=said):
        told.extend(watch(RunDir.open(run.folder)))
    assert told[-1].endswith(": complete\n")


def test_a_run_that_is_followed_fails_where_it_was_killed_behind_its_last_phase(run: Run) -> None:
    run.begin()
    for phase in lifecycle.phases_of("stack"):
        run.begin_phase(phase.label)
        run.end_phase()
    run.journal.close()
    told: list[str] = []
    with pytest.raises(StacknbError, match="the run has stopped behind its last phase"):
        told.extend(watch(RunDir.open(run.folder)))
    assert told[-1].endswith(": unfinished\n")


def test_a_copy_of_a_run_and_a_damaged_one_are_told_as_far_as_they_go(
    run: Run, tmp_path: Path
) -> None:
    run.begin()
    run.begin_phase("override_defaults", "10-a.sh")
    run.begin_hook("10-a.sh")
    run.prints(b"one\n")
    run.end_hook()
    run.tell("phase-start", "no phase", hooks=[])
    run.tell("hook-start", "x")
    run.end_phase()
    run.journal.close()
    run.folder.rename(tmp_path / "copy")
    told = "".join(watch(RunDir.open(tmp_path / "copy")))
    assert f", logs in {tmp_path / 'copy'}\n" in told
    assert "▶ 10-a.sh\none\n✓ 10-a.sh" in told
