"""The HTML report: whole in one file, true to the run, safe against what logs hold."""

from __future__ import annotations

import gzip
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from writerun import write_run

from stacknb.lessons.synthetic import write_devstack_log
from stacknb.report import page
from stacknb.report.tables import table
from stacknb.timing import Run, load
from stacknb.timing.columns import cell
from stacknb.timing.records import HookRecord, Records, TaskRecord, WaitRecord

T0 = 1_790_000_000_000_000
S = 1_000_000
VOID = {"meta", "input", "br", "link", "img"}


class Page(HTMLParser):
    """Tags in balance, addresses that are loaded, cells of tables, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "srcset", "data"} or (name == "href" and value[:1] != "#"):
                self.loaded.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append((value or "")[1:])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text += data


def made(folder: Path, tasks: int = 3, output: bytes = b"line one\n") -> Run:
    records = Records("", "run", cores=2)
    hook = HookRecord("50-api.sh", "stack install", "/t/50-api.sh", "ok", 0, T0, T0 + tasks * S)
    records.hooks = [hook]
    for number in range(tasks):
        start = T0 + number * S // 2
        task = TaskRecord(f"t{number}", f"do {number}", hook.phase, hook.name, "ok", 0, start)
        task.end, task.cpu = start + S, S // 2
        records.tasks.append(task)
        wait = WaitRecord(task.name, start + S // 4, start + S, hook.phase, hook.name, 0, number)
        records.waits.append(wait)
    names = [task.name for task in records.tasks]
    return load(write_run(records, folder / "run", outputs=dict.fromkeys(names, output)))


def test_a_report_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    file = made(tmp_path).to_html(tmp_path / "report.html")
    text = file.read_text()
    found = Page(text)
    assert found.loaded == []
    assert "@import" not in text
    assert "url(http" not in text
    assert set(found.links) <= set(found.ids), "each link has its place"
    assert len(set(found.ids)) == len(found.ids)


def test_a_report_holds_figures_advice_charts_tables_and_ends_of_logs(tmp_path: Path) -> None:
    text = page(made(tmp_path))
    found = Page(text)
    assert text.count("<svg ") == 3
    for word in ("elapsed_s", "What to change", "Critical path", "Waits", "t2", "line one"):
        assert word in found.text
    assert "held up" in found.text, "the advice"


def test_what_failed_is_told_first_and_its_log_is_open(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.records.tasks[2].status, run.records.tasks[2].exit_code = "failed", 3
    text = page(run)
    assert '1 <span class="bad">' not in text
    assert '<span class="bad">1 failed</span>' in text
    logs = text[text.index('id="logs"') :]
    assert re.search(r"<details open><summary>task t2", logs)
    assert logs.index("task t2") < logs.index("task t0")
    assert "<details><summary>task t0" in logs
    assert '<td class="bad">failed</td>' in text


def test_a_log_without_output_says_so(tmp_path: Path) -> None:
    assert "task t0: ok, stack installno output" in Page(page(made(tmp_path, 1, b""))).text


def test_markup_and_escapes_in_a_log_are_only_text(tmp_path: Path) -> None:
    evil = b"</pre><script>alert(1)</script> &amp; \x1b[31mred\x1b[0m \x00\xff\n"
    run = made(tmp_path, 2, evil)
    run.records.tasks[0].name = "<img src=x>"
    run.records.tasks[1].command = "\"><svg onload='x'>"
    run.records.hooks[0].name = "</title><b>"
    found = Page(page(run))
    assert found.loaded == []
    assert "</pre><script>alert(1)</script> &amp; red" in found.text
    assert "\x1b" not in found.text


def test_a_name_with_a_backslash_has_a_report(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.records.hooks[0].name = r"50-\xff\1\g<0>.sh"  # how bytes that are no text are shown
    run.records.hooks[0].end = T0 + 100 * S  # so long that the picture's summary names it
    run.records.tasks[0].name = r"C:\t"
    found = Page(page(run))
    assert r"50-\xff\1\g<0>.sh" in found.text
    assert r"C:\t" in found.text


def test_a_path_that_is_no_text_has_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "a\udcff"
    folder.mkdir()
    file = made(folder).to_html(folder / "report.html")
    assert r"/a\xff/run" in Page(file.read_text()).text


def test_what_could_not_be_understood_is_counted(tmp_path: Path) -> None:
    run = made(tmp_path)
    with (Path(run.path) / "waits.jsonl").open("a") as file:
        file.write("nonsense\n")
    found = Page(page(load(run.path)))
    assert "1 doubt\n" in found.text
    assert "malformed line in waits.jsonl" in found.text


def test_a_report_of_many_tasks_stays_below_a_megabyte_and_says_what_it_leaves_out(
    tmp_path: Path,
) -> None:
    run = made(tmp_path, 3000, b"x" * 299 + b"\n")
    text = page(run)
    assert len(text.encode()) < 1_000_000
    assert re.search(r"of 3,000 tasks", text)
    assert re.search(r"failed ones and the longest, [\d,]+ of 3,000", text)
    assert "more logs left out: no room" in text


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_report_of_a_stack_log_ends_with_its_last_lines(tmp_path: Path, suffix: str) -> None:
    log = tmp_path / f"stack.sh.log{suffix}"
    write_devstack_log(log, lines=3000)
    data = gzip.decompress(log.read_bytes()) if suffix else log.read_bytes()
    last = data.decode().rstrip().splitlines()[-1]
    assert last in Page(page(load(log))).text


@pytest.mark.parametrize("rest", [b"", b"\xff" * 8], ids=["cut", "damaged"])
def test_the_report_of_a_gzip_file_that_breaks_off_ends_with_what_can_be_read(
    tmp_path: Path, rest: bytes
) -> None:
    log = tmp_path / "stack.sh.log"
    write_devstack_log(log, lines=30_000)
    packed = zlib.compressobj(0, wbits=31)
    data = packed.compress(log.read_bytes()) + packed.flush(zlib.Z_FULL_FLUSH)
    log = log.rename(tmp_path / "stack.sh.log.gz")
    log.write_bytes(data + rest)
    text = Page(page(load(log))).text
    ends = text[text.index("Ends of the logs") :]
    assert " | " in ends
    assert "stack.sh.log.gz' cannot be read any further: " in ends


@pytest.mark.parametrize(("tasks", "charts"), [(0, 2), (1, 3)])
def test_a_run_of_next_to_nothing_has_a_report(tmp_path: Path, tasks: int, charts: int) -> None:
    text = page(made(tmp_path, tasks))
    assert "Ends of the logs" in Page(text).text
    assert text.count("<svg ") == charts, "no empty ones"


def test_one_log_alone_has_a_report(tmp_path: Path) -> None:
    run = load(Path(made(tmp_path).path) / "async" / "t0.log")
    assert "t0" in Page(page(run)).text


def test_the_ink_of_the_charts_is_that_of_the_page(tmp_path: Path) -> None:
    text = page(made(tmp_path))
    assert 'fill="currentColor"' in text
    assert "#767676" not in text
    assert "prefers-color-scheme: dark" in text


def test_unknown_values_are_empty_cells(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.records.tasks[0].end = None
    shown = table("tasks", run.tasks, 10)
    assert "nan" not in shown.lower()
    assert "NaT" not in shown
    assert cell(1234.5) == "1,234.500"
