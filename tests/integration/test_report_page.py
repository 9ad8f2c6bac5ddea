"""A report in a real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser
from writerun import write_run

from stacknb.timing import load
from stacknb.timing.records import HookRecord, Records

T0 = 1_790_000_000_000_000


def test_a_report_is_printed_whole(tmp_path: Path, browser: Browser) -> None:
    records = Records("", "run")
    records.hooks = [
        HookRecord(f"{n:02}-a.sh", "stack install", "a.sh", "ok", 0, T0 + n, T0 + n + 1)
        for n in range(90)
    ]
    page_file = load(write_run(records, tmp_path / "run")).to_html(tmp_path / "report.html")
    page = browser.new_page(color_scheme="dark")
    page.goto(page_file.as_uri())
    hidden = """() => [...document.querySelectorAll(".table")].filter(
        (table) => table.clientHeight < table.scrollHeight).length"""
    paper = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(hidden) > 0, "on a screen long tables scroll"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(hidden) == 0
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.close()
