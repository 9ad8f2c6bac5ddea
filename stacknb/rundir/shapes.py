"""What the records of a run directory are made of: a value of another type was put there by no run.

Whoever reads them need not doubt them: a line that does not fit is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stacknb.exceptions import BadInput
from stacknb.places import FACTS
from stacknb.text.reading import as_seconds, json_object, opened, whole

__all__ = ["check_readable", "facts_of", "fits_event", "fits_wait"]

Test = Callable[[object], bool]


def _is_text(value: object) -> bool:
    """Tell whether it is text that the name of a file may hold, too."""
    try:
        return (
            isinstance(value, str)
            and "\0" not in value
            and (value.isascii() or bool(os.fsencode(value)))
        )
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _is_time(value: object) -> bool:
    return as_seconds(value) is not None


def _is_code(value: object) -> bool:
    return value is None or (type(value) is int and -256 < value < 256)


def _is_pid(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _is_words(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_PLACE = {"log": _is_text, "phase": _is_text, "hook": _is_text}
_EVENTS: dict[str, dict[str, Test]] = {
    "task": {"pid": _is_pid, **_PLACE},
    "phase-start": {"hooks": _is_words},
    "phase-hooks": {"hooks": _is_words},
    "phase-end": {"duration_s": _is_time},
    "run-start": {"top_dir": _is_text, "run_dir": _is_text},
    "hook-start": {"log": _is_text, "phase": _is_text},
    "hook-end": {
        "log": _is_text, "phase": _is_text, "status": _is_text, "duration_s": _is_time,
        "failure": lambda value: isinstance(value, dict) and _is_words(value.get("calls", [])),
    },
}  # fmt: skip
_WAIT: dict[str, Test] = {
    "name": _is_text, "exit_code": _is_code, "wait_start": _is_time, "wait_end": _is_time, **_PLACE,
}  # fmt: skip
_FACTS: dict[str, tuple[Test, Any]] = {
    "mode": (_is_text, ""),
    "top_dir": (_is_text, ""),
    "start": (_is_time, 0.0),
    "plugins": (_is_words, []),
    "parallel": (lambda value: isinstance(value, bool), True),
    "jobs": (lambda value: value is None or _is_pid(value), None),
}
_MOST = 16 << 20  # bytes of run.json
_TEXTS = ("cells", "localrc", "local_conf", "before")


def fits_event(kind: object, time: object, name: object, data: Mapping[str, Any]) -> bool:
    """Tell whether an event of the journal is one."""
    known = _is_text(kind) and _is_time(time) and _is_text(name)
    tests = _EVENTS.get(str(kind), {})
    whole = kind != "task" or tests.keys() <= data.keys()
    return known and whole and _fits(data, tests)


def fits_wait(wait: Mapping[str, Any]) -> bool:
    """Tell whether a line of ``waits.jsonl``, all of its fields filled in, is one."""
    return "name" in wait and _fits(wait, _WAIT)


def facts_of(run_dir: Path) -> dict[str, Any]:
    """Return what ``run.json`` says, with defaults in the place of what is of another type.

    Raises
    ------
    BadInput
        If it cannot be read, or names no run.
    """
    file = run_dir / FACTS
    try:
        facts = json_object(whole(file, _MOST))
    except OSError as error:
        raise BadInput(f"{str(file)!r} cannot be read: {error.strerror}") from error
    if facts is None or not _is_text(facts.get("run")):
        raise BadInput(
            f"{str(file)!r} is damaged: it names no run; begin another (timing, log and changes "
            "still tell what the logs of this one hold)"
        )
    kept = {key: v for key, v in facts.items() if key not in _TEXTS or _is_text(v)}
    wrong = {
        key: default
        for key, (fits, default) in _FACTS.items()
        if key not in facts or not fits(facts[key])
    }
    return {**kept, **wrong}


def check_readable(file: Path) -> None:
    """Refuse what stands in the place of a file and cannot be read as one."""
    try:
        opened(file).close()
    except FileNotFoundError:
        pass
    except OSError as error:
        remedy = "put a file in its place, or nothing"
        if isinstance(error, PermissionError):
            remedy = "it is for its owner alone"
        raise BadInput(f"{str(file)!r} cannot be read: {error.strerror}; {remedy}") from error


def _fits(record: Mapping[str, Any], tests: Mapping[str, Test]) -> bool:
    return all(test(record[key]) for key, test in tests.items() if key in record)
