"""A run as a JUnit report: a suite for each phase, a case for each hook and task."""

from __future__ import annotations

import datetime
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from stacknb import status, tasklog
from stacknb.exceptions import BadInput
from stacknb.results import signal_name
from stacknb.rundir.ending import BAD
from stacknb.timing.records import HookRecord, Records, TaskRecord
from stacknb.timing.spans import Cover

__all__ = ["junit_report"]

_ELEMENT = {"failed": "failure", "timeout": "failure", "running": "skipped"}  # all others: error
_TAIL = 4096
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_report(records: Records) -> bytes:
    """Return the report as XML.

    Failed and timed out is a ``failure``; killed, cancelled and lost an ``error``; what still runs
    is ``skipped``. With each of them stand the last lines of its log. A run that failed elsewhere,
    or a stack.sh whose log ends early, is a case of its own. What ran again has a number behind
    its name, as readers of such a report tell cases by their names. Times are seconds to the
    millisecond, and all suites together have no ``skipped``: Jenkins' xUnit plugin refuses more.
    """
    suites = ET.Element("testsuites", name=_clean(records.path))
    by_phase: dict[str, list[HookRecord | TaskRecord]] = {}
    every: list[HookRecord | TaskRecord] = [*records.hooks, *records.tasks]
    for record in sorted(every, key=lambda one: (one.start is None, one.start or 0)):
        by_phase.setdefault(record.phase, []).append(record)
    for phase, members in by_phase.items():
        suites.append(_suite(phase or "no phase", members, records))
    of_run = records.kind == "run"
    if said := _stopped_in(records, suites) if of_run else _ended_early(records):
        suites.append(_bad_end("run" if of_run else "stack.sh", said, records))
    for key in ("tests", "failures", "errors"):
        suites.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    elapsed = (records.end or 0) - (records.start or 0) - Cover(records.pauses).length
    suites.set("time", _seconds(elapsed))
    ET.indent(suites)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _ended_early(records: Records) -> str:
    # One hook of stack.sh fails at the most, and that is the end.
    return "" if any(hook.status == "failed" for hook in records.hooks) else records.bad_end


def _stopped_in(records: Records, suites: ET.Element) -> str:
    """Say where a run has stopped between two hooks: its process was killed, the disk was full."""
    if any(part.tag in ("failure", "error") for part in suites.iter()):  # one alone is false
        return ""
    try:
        run = status.read(records.path)
    except BadInput:  # a bare folder of logs
        return ""
    if run.is_cut:
        return "the run has stopped behind its last phase, before its end"
    said = {"lost": "is lost: its process was killed", "interrupted": "was interrupted"}
    bad = ((one.name, said.get(one.status, "failed")) for one in run.phases if one.status in BAD)
    return next((f"phase {name!r} {how}, outside of its hooks" for name, how in bad), "")


def _bad_end(name: str, said: str, records: Records) -> ET.Element:
    tag = "failure" if records.exit_code else "error"
    suite = ET.Element("testsuite", name=name, tests="1", failures="0", errors="0", skipped="0")
    suite.set(f"{tag}s", "1")
    suite.set("time", _seconds(0))
    case = ET.SubElement(suite, "testcase", classname=name, name="end", time=_seconds(0))
    last = f"; the last phase that began was {records.phases[-1].name!r}" if records.phases else ""
    ET.SubElement(
        case, tag, type="failed" if records.exit_code else "lost", message=_clean(said)
    ).text = _clean(f"{said}{last if name == 'stack.sh' else ''}; see {records.path}\n")
    return suite


def _suite(phase: str, members: list[HookRecord | TaskRecord], records: Records) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(phase))
    seen: dict[tuple[str, str], int] = {}
    for record in members:
        case = _case(phase, record, records.kind == "run")
        key = (case.get("classname", ""), case.get("name", ""))
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            case.set("name", f"{key[1]} #{seen[key]}")
        suite.append(case)
    starts = [record.start for record in members if record.start is not None]
    if starts:
        began = datetime.datetime.fromtimestamp(min(starts) / 1e6, datetime.UTC)
        suite.set("timestamp", began.strftime("%Y-%m-%dT%H:%M:%S"))
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for outcome in (part for case in suite for part in case):
        if outcome.tag in counts:
            counts[outcome.tag] += 1
    suite.set("tests", str(len(members)))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    suite.set("time", _seconds(sum(map(_length, members))))
    return suite


def _case(phase: str, record: HookRecord | TaskRecord, has_own_log: bool) -> ET.Element:
    kind = "task" if isinstance(record, TaskRecord) else "cell" if record.is_cell else "hook"
    case = ET.Element(
        "testcase",
        classname=_clean(f"{phase}.{kind}"),
        name=_clean(record.name),
        time=_seconds(_length(record)),
    )
    if record.status == "ok":
        return case
    tag = _ELEMENT.get(record.status, "error")
    outcome = ET.SubElement(case, tag, message=f"{record.status}{_with_status(record.exit_code)}")
    if tag != "skipped":
        outcome.set("type", record.status)
        tail = tasklog.tail_bytes(Path(record.log), _TAIL) if has_own_log and record.log else b""
        outcome.text = _clean(tail.decode("utf-8", "backslashreplace"))
    return case


def _with_status(code: int | None) -> str:
    """Return the exit status in words; of an interrupted hook it is that of SIGINT."""
    by = f" ({signal_name(code)})" if code is not None and 128 < code < 193 else ""
    return "" if code is None else f" with status {code}{by}"


def _length(record: HookRecord | TaskRecord) -> int:
    return record.end - record.start if record.end is not None and record.start is not None else 0


def _seconds(length: int) -> str:
    return f"{length / 1e6:.3f}"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
