"""The line between a panel and its pictures in the browser: one anywidget, and a second way in.

Clicks come as messages of the widget. While a cell runs, ipykernel takes such messages only
afterwards (in 6 and 7.4; in 7.1 to 7.3 a thread takes them), but its control channel is served by a
thread of its own in all of them. So the page sends a click that is not confirmed there again.
"""

from __future__ import annotations

import base64
import contextlib
import re
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

__all__ = ["Link"]

_HERE = Path(__file__).parent
_REQUEST = "stacknb_request"
_COMMENT = re.compile(r"(^|\s)//\s.*|/\*.*?\*/")  # which no notebook needs
_links: weakref.WeakValueDictionary[str, Link] = weakref.WeakValueDictionary()


def _source(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _packed(name: str) -> str:
    lines = (_COMMENT.sub("", line).strip() for line in _source(name).splitlines())
    code = "\n".join(filter(None, lines))
    return base64.b64encode(zlib.compress(code.encode(), 9)).decode("ascii")


class Link(anywidget.AnyWidget):
    """The widget of one panel.

    Parameters
    ----------
    panel : str
        Identifies the panel in this kernel.
    kept : callable
        Returns the picture as it is now, as brief as a notebook keeps it. A page that is loaded
        anew begins with it, and asks for the whole.
    take : callable
        Is given what a click asks for, in whichever thread it arrives.
    """

    # It is stored in every notebook that shows a panel.
    _esm = (
        _source("unpack.js")
        .replace("STYLE", _packed("panel.css"))
        .replace("CODE", _packed("panel.js"))
    )
    panel = traitlets.Unicode().tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)

    def __init__(
        self, panel: str, kept: Callable[[], dict[str, Any]], take: Callable[[dict[str, Any]], None]
    ) -> None:
        self._kept = kept
        self._take = take
        super().__init__(panel=panel)
        self.on_msg(lambda _widget, content, _buffers: self.receive(content))
        _links[panel] = self
        _listen_to_control()

    def get_state(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the state for a page: the picture as it is now, not as it was at first."""
        state: dict[str, Any] = super().get_state(*args, **options)
        if "picture" in state:
            state["picture"] = self._kept()
        return state

    def close(self) -> None:
        """Take it away, with the widget of its layout."""
        layout = self.layout
        super().close()
        layout.close()

    def receive(self, content: Any) -> None:
        """Take what a click asks for."""
        if isinstance(content, dict):
            self._take(content)


def _listen_to_control() -> None:
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    handlers = getattr(kernel, "control_handlers", None)
    if isinstance(handlers, dict):
        handlers[_REQUEST] = _from_control


async def _from_control(*arguments: Any) -> None:
    message = next((a for a in arguments if isinstance(a, dict) and "content" in a), {})
    content = message.get("content")
    link = _links.get(str(content.get("panel"))) if isinstance(content, dict) else None
    if link is not None:
        with contextlib.suppress(Exception):  # an error here would end the control thread
            link.receive(content)
