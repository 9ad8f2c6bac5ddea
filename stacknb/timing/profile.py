"""Where the main shell's time went, by file, function and line: a frame and folded stacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from stacknb.devstack_log.calls import Calls
from stacknb.devstack_log.lines import decoded
from stacknb.exceptions import BadInput
from stacknb.timing.frames import frame

__all__ = ["By", "folded", "profile"]

By = Literal["line", "function", "file"]


def profile(calls: Calls, by: By) -> pd.DataFrame:
    """Return self and cumulative time; see `Run.profile`."""
    match by:
        case "line":
            spots = list(calls.self_ms)
            made = frame(
                {
                    "file": (decoded(file) for file, _, _ in spots),
                    "function": (decoded(function) for _, function, _ in spots),
                    "line": (line if file else None for file, _, line in spots),
                    "count": (calls.count[spot] for spot in spots),
                    "self_s": (calls.self_ms[spot] * 1000 for spot in spots),
                    "cumulative_s": (calls.cumulative_ms[spot] * 1000 for spot in spots),
                },
                integers="line count",
                seconds="self_s cumulative_s",
            )
        case "function":
            names = ("file", "function")
            made = _summed(calls, names, 2, calls.function_ms)
        case "file":
            made = _summed(calls, ("file",), 1, {(file,): ms for file, ms in calls.file_ms.items()})
        case _:
            raise BadInput(f"profile(by={by!r}): by is 'line', 'function' or 'file'")
    return made.sort_values(
        ["self_s", "cumulative_s"], ascending=False, kind="stable", ignore_index=True
    )


def folded(calls: Calls) -> str:
    """Return one line a stack, ``FILE:FUNCTION;FILE:FUNCTION… MS``, as flame graph viewers read."""
    lines = (
        ";".join(_name(place) for place in stack) + f" {ms}\n"
        for stack, ms in sorted(calls.folded.items())
    )
    return "".join(lines)


def _name(place: tuple[bytes, bytes]) -> str:
    file, function = (decoded(part).replace(";", ",").replace(" ", "_") for part in place)
    return f"{file}:{function}" if file else "unknown"


def _summed(
    calls: Calls, names: tuple[str, ...], width: int, total: Mapping[Any, int]
) -> pd.DataFrame:
    keys = list(total)
    own: dict[Any, int] = {}
    count: dict[Any, int] = {}
    for spot, ms in calls.self_ms.items():
        key = spot[:width]
        own[key] = own.get(key, 0) + ms
        count[key] = count.get(key, 0) + calls.count[spot]
    columns: dict[str, Any] = {
        name: [decoded(key[position]) for key in keys] for position, name in enumerate(names)
    }
    columns |= {
        "count": (count.get(key, 0) for key in keys),
        "self_s": (own.get(key, 0) * 1000 for key in keys),
        "cumulative_s": (total[key] * 1000 for key in keys),
    }
    return frame(columns, integers="count", seconds="self_s cumulative_s")
