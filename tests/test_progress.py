import contextlib
import html
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stacknb import progress, tasklog
from stacknb.journal import Event
from stacknb.progress.board import Board
from stacknb.progress.notebook import Notebook
from stacknb.progress.plain import Plain, writer
from stacknb.progress.terminal import Terminal
from stacknb.results import RunResult

CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")


class Run:
    """Tells a listener the events of a run that never was; its hooks' logs are real files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener: Any = None
        self.stack: Any = SimpleNamespace(tasks={}, run_dir=None, result=None, top_dir="/tree")
        self.phase, self.log = "", folder

    def tell(self, kind: str, name: str, **data: Any) -> None:
        self.listener.on_event(Event(kind, 1000.0, name, data))

    def begin(self, mode: str = "stack") -> None:
        self.tell("run-start", mode, top_dir="/tree", run_dir=str(self.folder))

    def begin_phase(self, name: str, *hooks: str) -> None:
        self.phase = name
        self.tell("phase-start", name, hooks=list(hooks))

    def end_phase(self, ok: bool = True) -> None:
        self.tell("phase-end", self.phase, ok=ok, duration_s=2.0)

    def begin_hook(self, name: str) -> None:
        self.log = tasklog.numbered(self.folder / f"{name}.log")
        self.header = {"kind": "hook", "name": name, "run": "r", "pid": 1, "start": 1.0}
        self.log.write_bytes(tasklog.begin_line(self.header))
        self.tell("hook-start", name, phase=self.phase, log=str(self.log), what="hook")

    def prints(self, output: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(output)

    def tick(self) -> None:
        self.listener.on_tick()

    def end_hook(self, status: str = "ok") -> None:
        self.prints(tasklog.end_line(self.header, end=2.0, exit_code=0))
        words = {"status": status, "duration_s": 1.0, "log": str(self.log)}
        self.tell("hook-end", self.header["name"], phase=self.phase, **words)

    def hook(self, name: str, output: bytes = b"", status: str = "ok") -> None:
        self.begin_hook(name)
        self.prints(output)
        self.end_hook(status)

    def task(self, name: str, state: str, result: Any = None, **more: Any) -> None:
        self.stack.tasks[name] = SimpleNamespace(
            name=name, pid=len(self.stack.tasks), state=state, running=state == "running",
            result=result, log=self.folder / f"{name}.log", started=1000.0, **more,
        )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def plain(run: Run) -> io.StringIO:
    shown = io.StringIO()
    run.listener = Plain(run.stack, shown.write)
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


@pytest.fixture
def pictures(run: Run, clock: Clock) -> list[tuple[dict[str, str], bool]]:
    shown: list[tuple[dict[str, str], bool]] = []
    run.listener = Notebook(run.stack, lambda bundle, first: shown.append((bundle, first)), clock)
    return shown


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
    run.task("db", "running")
    run.stack.tasks["db"].log.write_bytes(b"#stacknb-begin {}\nstep 1\nstep 2\n")
    run.prints(b"50 %\r80 %")
    clock.now = 1.0
    run.tick()
    picture = CONTROL.sub("", terminal.getvalue().rpartition("────")[2])
    assert "✓ override_defaults 2.00 s  ▶ source" in picture
    assert "· test-config" in picture
    assert "▶ 10-a.sh" in picture
    assert "80 %" in picture
    assert re.search(r"▶ db .* step 2", picture)


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
    for number in range(12):
        run.task(f"t{number}", "running")
    run.task("ended", "ok", SimpleNamespace(status="ok"))
    run.begin()
    picture = CONTROL.sub("", terminal.getvalue())
    assert "▶ t7" in picture
    assert "t8" not in picture
    assert "ended" not in picture
    assert "+4 more tasks" in picture


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
    assert isinstance(progress.view_of(run.stack, stream), view)


def test_outside_of_a_kernel_there_is_no_notebook(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress.in_notebook()
    shell.kernel = "a kernel"
    assert progress.in_notebook()


def test_a_view_is_told_until_the_end_and_no_longer(run: Run) -> None:
    run.stack.listeners = []
    with contextlib.suppress(KeyError), progress.shown(run.stack, io.StringIO()) as view:
        assert run.stack.listeners == [view]
        raise KeyError
    assert run.stack.listeners == []


def test_a_display_that_fails_does_not_end_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.stack.listeners = []
    monkeypatch.setattr(Plain, "on_tick", lambda self: 1 / 0)
    with progress.shown(run.stack, io.StringIO()) as view:
        with pytest.warns(RuntimeWarning, match="progress is shown no longer: ZeroDivisionError"):
            view.on_tick()
        view.on_tick()


# -- a notebook -----------------------------------------------------------------------------------


def test_a_notebook_has_one_display_that_changes(
    run: Run, pictures: list[tuple[dict[str, str], bool]], clock: Clock
) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"one\n")
    clock.now = 1.0
    run.end_phase()
    run.listener.close()
    assert [first for _, first in pictures] == [True, False]
    for kind in ("text/plain", "text/html"):
        assert "one" in pictures[-1][0][kind]


def test_a_notebook_is_drawn_only_when_something_changed(
    run: Run, pictures: list[tuple[dict[str, str], bool]], clock: Clock
) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"one\n")
    run.end_phase()
    for tenth in range(1, 50):
        clock.now = tenth / 10
        run.tick()
    assert len(pictures) == 2
    run.listener.close()
    assert len(pictures) == 2


def test_html_and_text_say_the_same(
    run: Run, pictures: list[tuple[dict[str, str], bool]], clock: Clock
) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh", b"some <b>words</b> & more\n")
    run.hook("20-b.sh", b"", "failed")
    run.end_phase(ok=False)
    run.tell("warning", "mind <this>")
    run.task("db", "running")
    run.listener.close()
    bundle = pictures[-1][0]
    page = Page(bundle["text/html"])
    for text in ("some <b>words</b> & more", "mind <this>", "10-a.sh", "failed in source", "db"):
        assert text in page.text
        assert text in bundle["text/plain"]
    assert html.escape("<b>words</b> & more") in bundle["text/html"]
    assert "var(--jp-error-color1, #" in bundle["text/html"]


def test_the_hook_that_failed_shows_more_than_the_others(
    run: Run, pictures: list[tuple[dict[str, str], bool]]
) -> None:
    lines = b"".join(b"line %02d\n" % number for number in range(50))
    run.begin()
    run.begin_phase("source", "10-a.sh", "20-b.sh")
    run.hook("10-a.sh", lines)
    run.hook("20-b.sh", lines, "failed")
    run.end_phase(ok=False)
    run.listener.close()
    text = pictures[-1][0]["text/plain"]
    assert text.count("| line") == 25
    assert "45 lines before these, all in 10-a.sh.log" in text
    assert "30 lines before these, all in 20-b.sh.log" in text


def test_a_display_stays_small_whatever_was_printed(
    run: Run, pictures: list[tuple[dict[str, str], bool]]
) -> None:
    run.begin()
    names = [f"{number}-a.sh" for number in range(10, 90)]
    for phase in ("source", "stack install", "stack extra"):
        run.begin_phase(phase, *names)
        for name in names:
            run.hook(name, b"<&>" * 2000 + b"\n" + b"'" * 5000 + b"\n")
        run.end_phase()
    for number in range(500):
        run.task(f"t{number}", "running")
    run.listener.close()
    bundle = pictures[-1][0]
    assert sum(len(text.encode()) for text in bundle.values()) < 50_000


def test_what_was_too_much_to_read_is_told_by_its_size(
    run: Run, pictures: list[tuple[dict[str, str], bool]]
) -> None:
    run.begin()
    run.begin_phase("source", "10-a.sh")
    run.hook("10-a.sh", b"line\n" * (4 << 20))
    run.listener.close()
    assert re.search(r"20\.\d MB and more before these", pictures[-1][0]["text/plain"])


def test_a_cell_that_runs_nothing_shows_nothing(
    run: Run, pictures: list[tuple[dict[str, str], bool]]
) -> None:
    run.listener.close()
    assert pictures == []


# -- the board ------------------------------------------------------------------------------------


def test_a_step_continues_the_board_of_its_run(run: Run) -> None:
    run.stack.result = RunResult("stack", Path("run"), phases=["override_defaults", "source"])
    board = Board(run.stack)
    assert [phase.status for phase in board.phases[:3]] == ["ok", "ok", "to come"]
    assert board.place("stack pre-install") == "3/7"


def test_clean_stands_below_its_unstack_run(run: Run) -> None:
    run.listener = board = Board(run.stack)
    run.begin("unstack")
    run.begin_phase("override_defaults")
    run.begin("clean")
    labels = [phase.label for phase in board.phases]
    assert labels == ["override_defaults", "source", "unstack"] * 1 + [
        "override_defaults", "source", "clean",
    ]  # fmt: skip


def test_thousands_of_tasks_are_not_all_looked_at(run: Run) -> None:
    looks = []

    class Task(SimpleNamespace):
        @property
        def running(self) -> bool:
            looks.append(self.name)
            return False

    for number in range(5000):
        run.stack.tasks[str(number)] = Task(name=str(number), pid=number, result=None)
    board = Board(run.stack)
    assert board.running_tasks(8) == ([], 5000 - 64)
    assert len(looks) == 64
    for _ in range(80):
        board.running_tasks(8)
    assert board.running_tasks(8) == ([], 0)
    assert len(looks) == 5000


def test_tasks_that_went_wrong_are_shown_before_others(run: Run) -> None:
    for number in range(10):
        run.task(f"t{number}", "ok", SimpleNamespace(status="failed" if number == 2 else "ok"))
    names = [(task.name, state) for task, state in Board(run.stack).ended_tasks(3)]
    assert ("t2", "failed") in names
    assert len(names) == 3
