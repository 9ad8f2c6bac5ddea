"""Colours, sizes and tooltips that all charts share.

The colours are Paul Tol's "bright" scheme: told apart with every kind of colour vision, and of
middle lightness, so that they stand out from white and from black. What matters is never told by
colour alone: waits are striped, the critical path is a line.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from stacknb.charts.importing import alt
from stacknb.exceptions import BadInput
from stacknb.text.names import unknown

__all__ = [
    "CRITICAL",
    "HOOK",
    "KINDS",
    "MAIN",
    "STATUS",
    "STRIPES",
    "WIDTH",
    "Theme",
    "config",
    "ink",
    "spoken",
    "tooltip",
]

Theme = Literal["both", "light", "dark"]

WIDTH = 600  # with the names what fits beside a file browser in a window of 1280 px
STATUS = {
    "ok": "#4477AA",
    "running": "#66CCEE",
    "failed": "#EE6677",
    "killed": "#AA3377",
    "timeout": "#CCBB44",
    "cancelled": "#9970AB",
    "lost": "#BBBBBB",
}
HOOK, MAIN, CRITICAL = "#228833", "#9FBF9F", "#EE7733"
KINDS = {
    "hook": HOOK,
    "main script": MAIN,
    **{f"task {status}": colour for status, colour in STATUS.items()},
    "hook failed": "#882255",
    "wait": "#999999",
}
# Over the bar of a wait; px drawn and px left, the width is the bar's.
STRIPES: dict[str, Any] = {"strokeDash": [1.5, 2.5], "color": "white", "opacity": 0.85}
_INK = {"both": "#767676", "light": "#333333", "dark": "#D0D0D0"}


def ink(theme: Theme) -> str:
    """Return the colour of text and lines.

    Raises
    ------
    BadInput
        If there is no such theme.
    """
    if theme not in _INK:
        raise BadInput(unknown("theme", theme, _INK))
    return _INK[theme]


def config(theme: Theme) -> dict[str, Any]:
    """Return the Vega-Lite configuration of a theme; ``both`` is legible on white and on black."""
    colour = ink(theme)
    lines = {"gridColor": colour, "gridOpacity": 0.2, "domainColor": colour, "tickColor": colour}
    return {
        "background": "transparent",
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "padding": {"left": 12, "right": 12, "top": 4, "bottom": 4},
        "view": {"stroke": None},
        "axis": {"labelColor": colour, "titleColor": colour, "titleFontWeight": "normal", **lines},
        "legend": {"labelColor": colour, "titleColor": colour, "labelLimit": 260},
        "title": {"color": colour, "subtitleColor": colour, "anchor": "start"},
        "text": {"color": colour},
    }


def tooltip(told: dict[str, str]) -> Any:
    """Return what a mark says of itself: fields of its row by their titles, none that is empty."""
    rows = [
        f"(datum['{field}'] ? {{{json.dumps(title)}: datum['{field}']}} : {{}})"
        for field, title in told.items()
    ]
    return alt.value({"expr": f"merge({', '.join(rows)})"})


def spoken(told: dict[str, str]) -> Any:
    """Return the same for who cannot see it: Vega-Lite would read the coordinates out."""
    parts = [
        f"(datum['{field}'] ? {json.dumps(title + ': ')} + datum['{field}'] + '; ' : '')"
        for field, title in told.items()
    ]
    return alt.value({"expr": " + ".join(parts)})
