"""The clicks that reach a panel: each confirmed, and done once, in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from stacknb.exceptions import StacknbError

__all__ = ["Clicks"]


class Clicks:
    """What pages ask for, whichever way and however often a click arrives.

    Parameters
    ----------
    do : callable
        Does what a click asks for; returns what is to be said of it, or nothing.
    send : callable
        Tells the pages.
    after : callable
        Is called when one is done.
    """

    def __init__(
        self,
        do: Callable[[dict[str, Any]], str],
        send: Callable[[dict[str, Any]], None],
        after: Callable[[], None],
    ) -> None:
        self._do = do
        self._send = send
        self._after = after
        self._known: deque[str] = deque(maxlen=500)
        self._threads: list[threading.Thread] = []

    def take(self, content: dict[str, Any]) -> None:
        """Have a click done, without making the thread wait that it comes in.

        Parameters
        ----------
        content : dict
            ``do``, ``id``, and what else the action needs.
        """
        if (number := str(content.get("id"))) in self._known:
            return
        self._known.append(number)
        self._send({"kind": "ack", "id": number})
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        act = partial(self._act, content)
        thread = threading.Thread(target=act, name="stacknb-click", daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait until those taken are done, but for one that asks for this itself."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _act(self, content: dict[str, Any]) -> None:
        try:
            said = self._do(content)
        except (StacknbError, OSError, ValueError) as error:
            self._send({"kind": "said", "ok": False, "text": str(error)})
        else:
            if said:
                self._send({"kind": "said", "ok": True, "text": said})
        self._after()
