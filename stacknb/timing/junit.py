"""A run as a JUnit report: a suite for each phase, a case for each hook and task."""

from __future__ import annotations

import datetime
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stacknb import status, tasklog
from stacknb.exceptions import BadInput
from stacknb.lifecycle import CLEAN_UP
from stacknb.rundir import turnlog
from stacknb.rundir.ending import BAD, signal_name
from stacknb.timing.records import HookRecord, Records, TaskRecord
from stacknb.timing.spans import Cover

__all__ = ["junit_report"]

_ELEMENT = {"failed": "failure", "timeout": "failure", "running": "skipped"}  # all others: error
_TAIL = 4096
_Record = HookRecord | TaskRecord
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_report(records: Records) -> bytes:
    """Return the report as XML.

    Failed and timed out is a ``failure``; killed, cancelled and lost an ``error``; what still runs
    is ``skipped``. With each of them stand the last lines of its log. A run that failed elsewhere,
    or a stack.sh whose log ends early, is a case of its own. Times are seconds to the millisecond,
    and all suites together have no ``skipped``: Jenkins' xUnit plugin refuses more. Of a phase that
    was run again the last try counts; what did not end well in an earlier one stands within the
    case of its name as Maven's Surefire has it: ``flakyFailure``, or ``rerunFailure`` if it failed
    again. Tasks of one name and try have numbers, as readers tell cases by their names.
    """
    suites = ET.Element("testsuites", name=_clean(records.path))
    by_phase: dict[str, list[_Record]] = {}
    of_run = records.kind == "run"
    told = _told_of(records) if of_run else None
    every: list[_Record] = [*_as_told(records.hooks, told), *records.tasks]
    for record in sorted(every, key=lambda one: (one.start is None, one.start or 0)):
        by_phase.setdefault(record.phase, []).append(record)
    for phase, members in by_phase.items():
        suites.append(_suite(phase or "no phase", members, records))
    if said := _stopped_in(told, suites) if of_run else _ended_early(records):
        suites.append(_bad_end("run" if of_run else "stack.sh", said, records))
    for key in ("tests", "failures", "errors"):
        suites.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    elapsed = records.elapsed - Cover(records.pauses).length
    suites.set("time", _seconds(elapsed))
    ET.indent(suites)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _ended_early(records: Records) -> str:
    # One hook of stack.sh fails at the most, and that is the end.
    return "" if any(hook.status == "failed" for hook in records.hooks) else records.bad_end


def _told_of(records: Records) -> status.RunStatus | None:
    try:
        return status.read(records.path)
    except BadInput:  # a bare folder of logs
        return None


def _as_told(hooks: list[HookRecord], told: status.RunStatus | None) -> Iterator[HookRecord]:
    """Return hooks; one whose log has lost its footer ended as the run itself knew."""
    phases = told.phases if told is not None else []
    known = {hook.log: hook for phase in phases for hook in phase.hooks}
    for hook in hooks:
        end = known.get(str(turnlog.inner(hook.log))) if hook.status == "lost" else None
        yield hook if end is None else replace(hook, status=end.status, exit_code=end.exit_code)


def _stopped_in(told: status.RunStatus | None, suites: ET.Element) -> str:
    """Say where a run has stopped between two hooks: its process was killed, the disk was full."""
    if told is None or any(part.tag in ("failure", "error") for part in suites.iter()):
        return ""  # of two that tell it, one alone is false
    nothing = not len(suites) and told.state not in ("running", "complete")
    return told.wrong or ("the run has ended before its first hook" if nothing else "")


def _bad_end(name: str, said: str, records: Records) -> ET.Element:
    tag = "failure" if records.exit_code else "error"
    suite = ET.Element("testsuite", name=name)
    case = ET.SubElement(suite, "testcase", classname=name, name="end", time=_seconds(0))
    last = f"; the last phase that began was {records.phases[-1].name!r}" if records.phases else ""
    ET.SubElement(
        case, tag, type="failed" if records.exit_code else "lost", message=_clean(said)
    ).text = _clean(f"{said}{last if name == 'stack.sh' else ''}; see {records.path}\n")
    return _counted(suite, 0)


def _suite(phase: str, every: list[_Record], records: Records) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(phase))
    of_run = records.kind == "run"
    earlier = _of_earlier_tries(every) if of_run else []
    past = {id(record) for record in earlier}
    members = [record for record in every if id(record) not in past]
    cases: dict[tuple[str | None, str], list[ET.Element]] = {}
    for record in members:
        case = _case(phase, record, of_run)
        same = cases.setdefault((case.get("classname"), record.name), [])
        same.append(case)
        if len(same) > 1:
            case.set("name", f"{case.get('name')} #{len(same)}")
        suite.append(case)
    for record in earlier:
        before = _case(phase, record, of_run)
        for case in cases.get((before.get("classname"), record.name), [])[:1]:
            _add_earlier(case, before)
    starts = [record.start for record in members if record.start is not None]
    if starts:
        began = datetime.datetime.fromtimestamp(min(starts) / 1e6, datetime.UTC)
        suite.set("timestamp", began.strftime("%Y-%m-%dT%H:%M:%S"))
    return _counted(suite, sum(map(_length, members)))


def _counted(suite: ET.Element, length: int) -> ET.Element:
    """Let a suite tell of its cases, and how many µs they took."""
    outcomes = [part.tag for case in suite for part in case]
    suite.set("tests", str(len(suite)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(outcomes.count(tag)))
    suite.set("time", _seconds(length))
    return suite


def _of_earlier_tries(members: list[_Record]) -> list[_Record]:
    """Return what hooks of a phase did, and started, before it was run again."""
    hooks = [one for one in members if isinstance(one, HookRecord) and not one.is_cell]
    last: dict[str, HookRecord] = {}
    began, is_bad = 0, False
    for hook in hooks:
        # No hook of a try is sourced twice, none behind one that failed; but for the clean-up.
        if hook.name != CLEAN_UP and (is_bad or hook.name in last):
            began, last = hook.start or 0, {}
        last[hook.name], is_bad = hook, hook.status in BAD
    tasks = [one for one in members if isinstance(one, TaskRecord) and one.hook]
    return [
        *(hook for hook in hooks if last.get(hook.name) is not hook),
        *(task for task in tasks if task.start is not None and task.start < began),
    ]


def _case(phase: str, record: _Record, has_own_log: bool) -> ET.Element:
    kind = "task" if isinstance(record, TaskRecord) else "cell" if record.is_cell else "hook"
    case = ET.Element(
        "testcase",
        classname=_clean(f"{phase}.{kind}"),
        name=_clean(record.name),
        time=_seconds(_length(record)),
    )
    if record.status == "ok":
        return case
    outcome = ET.SubElement(
        case,
        _ELEMENT.get(record.status, "error"),
        message=f"{record.status}{_with_status(record.exit_code)}",
    )
    if outcome.tag != "skipped":
        outcome.set("type", record.status)
        tail = tasklog.tail_bytes(Path(record.log), _TAIL) if has_own_log and record.log else b""
        outcome.text = _clean(tail.decode("utf-8", "backslashreplace"))
    return case


def _add_earlier(case: ET.Element, before: ET.Element) -> None:
    """Say within a case how it ended in an earlier try of its phase."""
    how = "rerun" if any(part.tag in ("failure", "error") for part in case) else "flaky"
    for part in (part for part in before if part.tag != "skipped"):
        element = ET.SubElement(case, f"{how}{part.tag.title()}", part.attrib)
        ET.SubElement(element, "stackTrace").text = part.text


def _with_status(code: int | None) -> str:
    """Return the exit status in words; of an interrupted hook it is that of SIGINT."""
    by = f" ({signal_name(code)})" if code is not None and 128 < code < 193 else ""
    return "" if code is None else f" with status {code}{by}"


def _length(record: _Record) -> int:
    return record.end - record.start if record.end is not None and record.start is not None else 0


def _seconds(length: int) -> str:
    return f"{length / 1e6:.3f}"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
