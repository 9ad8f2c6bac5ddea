"""Charts that show themselves anywhere without a network.

altair's own renderers load scripts from the network, or put ``text/html`` into the bundle, which
JupyterLab prefers to the Vega-Lite it can draw itself. A bundle of Vega-Lite and a picture is live
in JupyterLab and still something to look at in exported HTML and in previews. The picture is a PNG:
where there is none, JupyterLab draws one, which is larger, and saves it beside the picture.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import vl_convert
from PIL import Image

from stacknb.charts.importing import alt
from stacknb.text.signs import shown_lines

__all__ = ["ConcatChart", "LayerChart", "Offline", "Rows"]

_VEGA_LITE = "application/vnd.vegalite.v5+json"
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.6.json"  # a name; nothing loads it
_VERSION = "5.8"  # the oldest that vl-convert has; JupyterLab's is 5.6
_PLACES = re.compile(r' (?:d|transform|x2|y2)="[^"]*"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_NEEDLESS = re.compile(  # frames without lines, names for scripts, and what is so anyway
    r'<path class="(?:back|fore)ground" aria-hidden="true" d="(?:M0,0h0v0h0Z)?"[^>]*/>'
    r'| (?:aria-hidden="true"|pointer-events="none"|class="[^"]*"|aria-roledescription="[^"]*"'
    r'|transform="translate\(0,0\)"|(?:fill-|stroke-)?opacity="1"|stroke-width="1"|[xy]2="0")'
)
_FONT = re.compile(r' font-family="[^"]*"')
_PNG = "image/png"
_SHARP = 1.25  # pixels for each unit of the picture in a notebook


class Offline:
    """What an altair chart needs to show itself offline; stays through ``properties()`` and so on.

    Its description is what is shown as plain text.
    """

    def said(self) -> str:
        """Return the chart in words.

        Examples
        --------
        >>> print(stack.picture().said())
        override_defaults: 10-shop.sh (falls through)
        ...
        """
        said = self["description"]  # type: ignore[index]
        return "chart of a run" if said is alt.Undefined else str(said)

    def specification(self) -> dict[str, Any]:
        """Return the chart as Vega-Lite 5.6.

        Examples
        --------
        >>> run.timeline().specification()["$schema"]
        'https://vega.github.io/schema/vega-lite/v5.6.json'
        """
        # Each part was checked when it was made; to check all of it again takes longer than to draw
        # it. Rows are written for the purpose and few: altair's limit is for frames of users.
        with alt.data_transformers.enable("default", max_rows=None):
            made = cast(dict[str, Any], self.to_dict(validate=False))  # type: ignore[attr-defined]
        return {**_fit(made), "$schema": _SCHEMA}

    def to_svg(self) -> str:
        """Return the chart as the text of an SVG file.

        Examples
        --------
        >>> run.timeline().to_svg().startswith("<svg ")
        True
        """
        return _svg(self.specification())

    def to_png(self, scale: float = 2.0) -> bytes:
        """Return the chart as a PNG file.

        Parameters
        ----------
        scale : float
            Pixels for each unit of the chart's size.

        Examples
        --------
        >>> run.timeline().to_png()[1:4]
        b'PNG'
        """
        return _png(self.specification(), scale)

    def _repr_mimebundle_(
        self, *args: Any, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        made = self.specification()
        png, size = _small_png(made)
        width, height = (round(pixels / _SHARP) for pixels in size)
        data = {
            _VEGA_LITE: made,
            _PNG: base64.b64encode(png).decode("ascii"),
            "text/plain": self.said(),
        }
        return data, {_PNG: {"width": width, "height": height}}


class ConcatChart(Offline, alt.VConcatChart):
    """Charts one below the other.

    Examples
    --------
    >>> run.timeline().properties(title="Our run").to_svg().count("Our run") > 0
    True
    """


class LayerChart(Offline, alt.LayerChart):
    """Marks one above the other.

    Examples
    --------
    >>> run.phase_chart().properties(width=300).to_svg().startswith("<svg ")
    True
    """


class Rows(alt.InlineData):
    """Rows written in the chart; `altair` would check each value each time it is touched."""

    _class_is_valid_at_instantiation = False

    def __init__(self, values: Iterable[Mapping[str, Any]] = (), **options: Any) -> None:
        super().__init__(values=list(values), **options)

    def __deepcopy__(self, memo: object = None) -> Rows:
        return self  # nobody changes them, and altair copies a chart for each one it is put into


def _fit(value: Any) -> Any:
    # One escape in a name makes vl-convert end the whole process, in a notebook the kernel.
    if isinstance(value, str):
        return shown_lines(value)
    if isinstance(value, dict):
        return {key: _fit(entry) for key, entry in value.items()}
    return [_fit(entry) for entry in value] if isinstance(value, list | tuple) else value


def _svg(specification: dict[str, Any]) -> str:
    made = vl_convert.vegalite_to_svg(specification, vl_version=_VERSION)
    small = _NEEDLESS.sub("", _PLACES.sub(_rounded, str(made)))
    fonts = {*_FONT.findall(small)}
    if len(fonts) == 1:  # once for all
        small = _FONT.sub("", small).replace("<svg", f"<svg{fonts.pop()}", 1)
    return small


def _png(specification: dict[str, Any], scale: float) -> bytes:
    return bytes(vl_convert.vegalite_to_png(specification, vl_version=_VERSION, scale=scale))


def _small_png(specification: dict[str, Any]) -> tuple[bytes, tuple[int, int]]:
    """Return the picture for a notebook, and its size in pixels.

    Charts have few colours: with a table of them it takes a tenth of the bytes.
    """
    picture = Image.open(io.BytesIO(_png(specification, _SHARP)))
    method, dither = Image.Quantize.FASTOCTREE, Image.Dither.NONE  # the method that knows opacity
    small = io.BytesIO()
    picture.quantize(256, method, dither=dither).save(small, "PNG", optimize=True)
    return small.getvalue(), picture.size


def _rounded(place: re.Match[str]) -> str:
    """Return an attribute with its numbers to a hundredth of a pixel, which halves the picture."""
    return _LONG.sub(lambda number: f"{float(number[0]):.2f}", place[0])
