"""Charts of runs: what is in them, what they show themselves as, how big they get."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import altair as alt
import nbformat
import numpy as np
import pytest
from PIL import Image
from writerun import write_run

from stacknb.charts.load import cores_used
from stacknb.charts.rows import MAIN_LANE
from stacknb.exceptions import BadInput
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing import Run, load
from stacknb.timing.records import HookRecord, PhaseRecord, Records, TaskRecord, WaitRecord

T0 = 1_790_000_000_000_000
S = 1_000_000
VEGA = "application/vnd.vegalite.v5+json"


def made(folder: Path, tasks: int = 3, **fields: Any) -> Run:
    """Return a run of a hook that starts tasks of 1, 2, 3 … s at once and waits for the last."""
    records = Records("", "run", cores=2)
    length = tasks + 2
    records.hooks = [
        HookRecord("50-api.sh", "stack install", "/t/50-api.sh", "ok", 0, T0, T0 + length * S)
    ]
    records.hooks[0].cpu = S
    for number in range(tasks):
        task = TaskRecord(f"t{number}", f"do {number}", "stack install", "50-api.sh", "ok", 0, T0)
        task.end, task.cpu = T0 + (number + 1) * S, S // 2
        for name, value in fields.items():
            setattr(task, name, value)
        records.tasks.append(task)
    if tasks:
        wait = WaitRecord(f"t{tasks - 1}", T0 + S // 2, T0 + tasks * S, "stack install")
        wait.hook, wait.exit_code, wait.task = "50-api.sh", 0, tasks - 1
        records.waits = [wait]
    return load(write_run(records, folder / "run"))


def rows(chart: alt.TopLevelMixin) -> list[dict[str, Any]]:
    """Return all rows of all layers."""
    return [row for values in chart.to_dict()["datasets"].values() for row in values]


def words(chart: Any) -> set[str]:
    """Return the texts in the picture."""
    return {text.text or "" for text in ET.fromstring(chart.to_svg()).iter() if text.text}


def test_a_lane_for_the_main_script_and_one_for_each_task(tmp_path: Path) -> None:
    chart = made(tmp_path).timeline()
    assert {"main script", "t0", "t1", "t2"} <= words(chart)
    bars = {(r["lane"], r["kind"]): (r["from"], r["to"]) for r in rows(chart) if "kind" in r}
    assert bars[("t1", "task ok")] == (0, 2000)
    assert bars[("main script", "hook")] == (0, 5000)
    assert bars[("main script", "wait")] == (500, 3000)
    assert bars[("t2", "wait")] == (500, 3000), "the part of the task that was waited for"


def test_a_mark_tells_name_command_times_and_status(tmp_path: Path) -> None:
    chart = made(tmp_path).timeline()
    task = next(row for row in rows(chart) if row.get("kind") == "task ok")
    assert (task["name"], task["command"], task["status"]) == ("t0", "do 0", "ok")
    assert (task["lasts"], task["cpu"]) == ("1.00 s", "0.50 s")
    text = chart.to_svg()
    assert 'aria-label="t0, ok, 1.00 s"' in text
    told = json.dumps(chart.to_dict())
    assert f"utcFormat({T0 // 1000} + datum['from'], '%Y-%m-%d %H:%M:%S.%L UTC')" in told


def test_the_critical_path_goes_from_lane_to_lane(tmp_path: Path) -> None:
    found = rows(made(tmp_path).timeline())
    steps = [(r["lane"], r["other"], r["at"]) for r in found if "other" in r]
    assert steps == [("t2", "main script", 3000)]


def test_phases_are_bands_and_the_wide_ones_have_a_name(tmp_path: Path) -> None:
    chart = made(tmp_path).timeline()
    assert "stack install" in words(chart)
    [band] = [row for row in rows(chart) if "shade" in row]
    assert (band["phase"], band["from"], band["to"], band["waits"]) == (
        "stack install", 0, 5000, "2.50 s",
    )  # fmt: skip


def test_the_load_is_drawn_below(tmp_path: Path) -> None:
    chart = made(tmp_path).timeline()
    assert {"tasks at once", "cores used"} <= words(chart)
    steps = [(r["from"], r["to"], r["level"]) for r in rows(chart) if "to" in r and "level" in r]
    assert steps[:3] == [(0, 1000, 3), (1000, 2000, 2), (2000, 3000, 1)]
    assert any(row.get("level") == 2 and "to" not in row for row in rows(chart)), "the cores"


def test_tasks_at_once_are_counted_in_whole_ones(tmp_path: Path) -> None:
    shown = words(made(tmp_path, tasks=2).timeline())
    assert {"0", "1", "2"} <= shown
    assert not {"0.0", "1.0", "2.0"} & shown


def test_without_cpu_times_no_cores_are_drawn(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    write_devstack_log(log, lines=2000)
    shown = words(load(log).timeline())
    assert "tasks at once" in shown
    assert "cores used" not in shown


@pytest.mark.parametrize("name", ["timeline", "phase_chart", "slack_chart"])
def test_a_chart_shows_itself_without_a_network(tmp_path: Path, name: str) -> None:
    bundle, _ = getattr(made(tmp_path), name)()._repr_mimebundle_()
    assert {*bundle} == {VEGA, "image/png", "text/plain"}, "html would win over Vega-Lite"
    assert bundle[VEGA]["$schema"].endswith("/v5.6.json")
    assert "run" in bundle["text/plain"]
    assert len(json.dumps(bundle)) < 60_000


@pytest.mark.parametrize("name", ["timeline", "phase_chart", "slack_chart"])
def test_a_chart_that_was_restyled_still_shows_itself(tmp_path: Path, name: str) -> None:
    chart = getattr(made(tmp_path), name)()
    assert isinstance(chart, alt.TopLevelMixin)
    chart = chart.properties(title="mine").configure_axis(labelFontSize=7)
    bundle, _ = chart._repr_mimebundle_()
    assert {*bundle} == {VEGA, "image/png", "text/plain"}
    assert bundle[VEGA]["config"]["axis"]["labelFontSize"] == 7
    assert ">mine<" in chart.to_svg()


def test_a_timeline_takes_little_of_a_notebook(tmp_path: Path) -> None:
    write_devstack_log(tmp_path / "stack.sh.log.gz", lines=2_000)
    bundle, _ = load(tmp_path / "stack.sh.log.gz").timeline()._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", bundle)])
    size = len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    assert size < 85_000


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return red, green, blue and opacity of each pixel, times the opacity: what is seen."""
    seen = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(np.int32)
    seen[:, :, :3] = seen[:, :, :3] * seen[:, :, 3:] // 255
    return seen.astype(np.int16)


@pytest.mark.parametrize("name", ["timeline", "phase_chart", "slack_chart"])
def test_the_picture_in_a_notebook_is_small_and_looks_like_the_chart(
    tmp_path: Path, name: str
) -> None:
    write_devstack_log(tmp_path / "stack.sh.log.gz", lines=2_000)
    chart = getattr(load(tmp_path / "stack.sh.log.gz"), name)()
    data, metadata = chart._repr_mimebundle_()
    small, whole = base64.b64decode(data["image/png"]), chart.to_png(1.25)
    assert len(small) < len(whole) / 5
    wide, high = Image.open(io.BytesIO(small)).size
    assert metadata == {"image/png": {"width": round(wide / 1.25), "height": round(high / 1.25)}}
    differences = np.abs(pixels(small) - pixels(whole))
    assert differences.max() < 64
    assert differences.mean() < 1


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_chart_is_saved_as_a_picture(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"chart.{suffix}"
    made(tmp_path).timeline().save(file)
    start = file.read_bytes()[:5]
    assert start == (b"\x89PNG\r" if suffix == "png" else b"<svg ")


def test_no_more_cores_are_used_than_there_are(tmp_path: Path) -> None:
    run = made(tmp_path, end=T0 + S // 500, cpu=S // 100)  # 2 ms, and one tick of the clock
    levels = [step["level"] for step in rows(run.timeline()) if "to" in step and "level" in step]
    assert max(levels) > 2, "three tasks at once"
    used = [step["level"] for step in cores_used(run.records)]
    assert max(used) == 2


def test_five_hundred_tasks_have_lanes_and_those_that_matter_are_named(tmp_path: Path) -> None:
    run = made(tmp_path, 500)
    chart = run.timeline()
    svg = chart.to_svg()
    names = re.findall(r">(t\d+)<", svg)
    assert 50 < len(names) < 300, "as many as have room"
    assert "t499" in names, "the one on the critical path"
    assert len([row for row in rows(chart) if row.get("kind") == "task ok"]) == 500
    height = float(re.search(r'height="([\d.]+)"', svg)[1])
    assert height < 2200


def test_of_too_many_tasks_those_that_matter_are_shown_and_it_says_so(tmp_path: Path) -> None:
    run = made(tmp_path, 60)
    run.records.tasks[0].status = "failed"
    chart = run.timeline(most=10)
    lanes = {row["lane"] for row in rows(chart) if str(row.get("kind", "")).startswith("task")}
    assert lanes == {"t0", *(f"t{number}" for number in range(51, 60))}
    assert any(text.startswith("10 of 60 tasks") for text in words(chart))


def test_tasks_of_one_name_have_lanes_of_their_own(tmp_path: Path) -> None:
    run = made(tmp_path, 2, name="db")
    assert {"db #1", "db #2"} <= words(run.timeline())
    assert {"db #1", "db #2"} <= words(run.slack_chart())


def test_a_task_called_as_the_main_script_is_has_a_lane_of_its_own(tmp_path: Path) -> None:
    run = made(tmp_path, 1)
    run.records.tasks[0].name = MAIN_LANE
    assert {MAIN_LANE, f"{MAIN_LANE} #1"} <= words(run.timeline())


@pytest.mark.parametrize("status", ["failed", "killed", "cancelled", "timeout", "lost"])
def test_each_way_to_end_has_a_colour_and_a_word(tmp_path: Path, status: str) -> None:
    run = made(tmp_path)
    run.records.tasks[1].status = status
    if status == "lost":
        run.records.tasks[1].end = None
    chart = run.timeline()
    assert f"task {status}" in words(chart)
    colours = chart.to_dict()["vconcat"][1]["layer"][1]["layer"]
    scale = next(one for one in colours if "fill" in one.get("encoding", {}))["encoding"]["fill"][
        "scale"
    ]
    assert len(set(scale["range"])) == len(scale["range"]) == len(scale["domain"])


def test_a_name_that_looks_like_markup_or_code_is_only_a_name(tmp_path: Path) -> None:
    run = made(tmp_path, 1)
    run.records.tasks[0].name = "a'\"]<b>&\\"
    assert "a'\"]<b>&\\" in words(run.timeline())


@pytest.mark.parametrize("tasks", [0, 1])
@pytest.mark.parametrize("name", ["timeline", "phase_chart", "slack_chart"])
def test_a_run_of_next_to_nothing_has_charts(tmp_path: Path, name: str, tasks: int) -> None:
    chart = getattr(made(tmp_path, tasks), name)()
    assert chart.to_svg().startswith("<svg")
    assert "image/png" in chart._repr_mimebundle_()[0]


@pytest.mark.parametrize("name", ["timeline", "phase_chart", "slack_chart"])
def test_one_task_without_a_hook_has_charts(tmp_path: Path, name: str) -> None:
    folder = Path(made(tmp_path, 1, end=None).path)
    run = load(folder / "async" / "t0.log")
    assert run.tasks["end"].isna().all()
    assert getattr(run, name)().to_svg().startswith("<svg")
    assert "image/png" in getattr(run, name)()._repr_mimebundle_()[0]


def test_what_a_phase_was_spent_on_adds_up(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    write_devstack_log(log, lines=2000)
    run = load(log)
    parts = rows(run.phase_chart())
    lengths = sum(row["to"] - row["from"] for row in parts)
    first = run.phases["start"].iloc[0]
    assert lengths == pytest.approx((run.end - first).total_seconds(), abs=1e-3)
    assert {"hooks at work", "waiting"} <= {row["part"] for row in parts}
    assert run.phase_chart().said().endswith(": 7, 19 min 42 s in all")


def test_bars_are_measured_as_their_lengths_are_told(tmp_path: Path) -> None:
    log = tmp_path / "stack.sh.log"
    write_devstack_log(log, lines=2000)
    long = words(load(log).phase_chart())
    assert {"minutes", "0:00", "1:00", "7:00", "7 min 43 s"} <= long
    assert "seconds" not in long
    short = words(made(tmp_path).phase_chart())
    assert "seconds" in short
    assert "minutes" not in short


@pytest.mark.parametrize(
    ("lasts_s", "unit"), [(59, "seconds"), (61, "minutes"), (3599, "minutes"), (3601, "hours")]
)
def test_the_axis_of_a_timeline_tells_its_unit(tmp_path: Path, lasts_s: int, unit: str) -> None:
    run = made(tmp_path, end=T0 + lasts_s * S)
    assert f"{unit} since the start" in words(run.timeline())


def test_slack_and_waits_of_each_task_are_told_apart(tmp_path: Path) -> None:
    found = {
        (r["name"], r["part"]): r["to"] - r["from"] for r in rows(made(tmp_path).slack_chart())
    }
    assert found[("t2", "waiting")] == pytest.approx(2.5)
    assert found[("t2", "behind other work")] == pytest.approx(0.5)
    assert found[("t0", "behind other work")] == pytest.approx(1)
    assert ("t0", "over, not collected yet") not in found, "nobody collected it"


@pytest.mark.parametrize("name", ["timeline", "phase_chart", "slack_chart"])
def test_a_theme_changes_the_ink_and_an_unknown_one_is_refused(tmp_path: Path, name: str) -> None:
    chart = getattr(made(tmp_path), name)
    assert "#D0D0D0" in chart(theme="dark").to_svg()
    assert chart().to_dict()["config"]["background"] == "transparent"
    with pytest.raises(BadInput, match="unknown theme 'blue'; there are both, light, dark"):
        chart(theme="blue")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", ["#FFFFFF", "#111111"])
def test_the_ink_for_both_themes_stands_out_from_either_page(page: str) -> None:
    from stacknb.charts.palette import CRITICAL, ink

    for colour, least in ((ink("both"), 4.0), (CRITICAL, 2.4)):
        light, dark = sorted((luminance(colour), luminance(page)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= least


def test_a_phase_without_an_end_lasts_until_now(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.records.phases = [PhaseRecord("stack install", T0, None)]
    [band] = [row for row in rows(run.timeline()) if "shade" in row]
    assert band["to"] == 5000


def test_an_escape_in_a_name_does_not_end_the_process(tmp_path: Path) -> None:
    run = made(tmp_path, phase="stack \x1b[31minstall", hook="50-\x07\ud800.sh", command="a\x00b")
    for chart in (run.timeline(), run.phase_chart(), run.slack_chart()):
        ET.fromstring(chart.to_svg())
    assert "\x1b" not in json.dumps(run.timeline().specification(), ensure_ascii=False)


def alone(code: str) -> list[str]:
    """Return what code prints in a process of its own, which has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_the_first_chart_does_not_wait_for_a_checker_of_addresses_that_no_chart_asks() -> None:
    code = (
        "import sys, stacknb.charts.lifecycle, stacknb.report;"
        "print(*sys.modules.keys() & {'altair', 'jsonschema', 'rfc3987_syntax', 'lark'})"
    )
    assert sorted(alone(code)) == ["altair", "jsonschema"]


def test_the_checker_of_addresses_is_there_for_whoever_asks_it_after_a_chart() -> None:
    code = (
        "import sys, stacknb.charts, jsonschema, rfc3987_syntax;"
        "check = jsonschema.FormatChecker();"
        "print(check.conforms('http://a.b/\\u00fc', 'iri'), check.conforms('::', 'iri'),"
        "check.conforms('a b', 'iri-reference'), hasattr(rfc3987_syntax, 'parse'))"
    )
    assert alone(code) == ["True", "False", "False", "True"]


def test_what_is_deferred_is_imported_when_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("print('imported')\ndef double(x): return 2 * x\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from stacknb.charts.importing import deferred\n"
        "with deferred('slow'), deferred('there_is_none'):\n    from slow import double\n"
        "print('slow' in sys.modules, double(2), double(3), 'slow' in sys.modules)"
    )
    assert alone(code) == ["imported", "False", "4", "6", "True"]
