"""Where the main shell's time went, by file, function and line: a frame and folded stacks."""

from __future__ import annotations

from collections import Counter
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
            made = _summed(calls, ("file", "function", "line"), calls.cumulative_ms)
        case "function":
            made = _summed(calls, ("file", "function"), calls.function_ms)
        case "file":
            made = _summed(calls, ("file",), {(file,): ms for file, ms in calls.file_ms.items()})
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


def _summed(calls: Calls, names: tuple[str, ...], total: Mapping[Any, int]) -> pd.DataFrame:
    own: Counter[Any] = Counter()
    count: Counter[Any] = Counter()
    for spot, ms in calls.self_ms.items():
        own[spot[: len(names)]] += ms
        count[spot[: len(names)]] += calls.count[spot]
    parts = {  # a line without a file is no line
        "file": (decoded(key[0]) for key in total),
        "function": (decoded(key[1]) for key in total),
        "line": (key[2] if key[0] else None for key in total),
    }
    return frame(
        {
            **{name: parts[name] for name in names},
            "count": (count[key] for key in total),
            "self_s": (own[key] * 1000 for key in total),
            "cumulative_s": (ms * 1000 for ms in total.values()),
        },
        integers="line count",
        seconds="self_s cumulative_s",
    )
