"""The live panel: watches a run directory in a thread, and sends what has changed."""

from __future__ import annotations

import os
import threading
import time
import uuid
import weakref
from pathlib import Path
from typing import Any

from stacknb import places
from stacknb.board import Board, brief, changes, picture
from stacknb.dispatcher import Stack
from stacknb.exceptions import BadInput
from stacknb.widgets import actions
from stacknb.widgets.clicks import Clicks
from stacknb.widgets.display import Summaries, show_widget
from stacknb.widgets.link import Link
from stacknb.widgets.openlog import OpenLog, OpenLogs, log_of, search

__all__ = ["Panel"]

_PAUSE_S = 0.1  # between two updates
_IDLE_S = 0.5  # where nothing runs
_SHARE = 0.02  # of one core that updates may take
_KEY_S = 5.0  # the whole picture is sent again, for pages that missed something
_SUMMARY_S = 2.0
_TASKS, _MORE = 30, 500  # in a picture: at first, and once more are asked for


class Panel:
    """A view of one run, or of the runs of one stack, that goes on living.

    Parameters
    ----------
    run : Stack or path-like
        A run directory can be watched; with its stack, it can be acted on too.

    Raises
    ------
    BadInput
        If there is no such run.

    Examples
    --------
    >>> panel = stacknb.Panel(run_dir)
    >>> panel.run_dir == run_dir
    True
    >>> panel.close()
    """

    def __init__(self, run: Stack | str | os.PathLike[str]) -> None:
        self.closed = False
        self._stack = weakref.ref(run) if isinstance(run, Stack) else None
        self._path = None if isinstance(run, Stack) else places.find(run)
        self._board = Board(self._where)
        self._lock = threading.RLock()
        self._most = _TASKS
        self._shown: dict[str, Any] = {}
        self._count = 0
        self._whole_at = 0.0
        self._summaries = Summaries()
        self._stale = False
        self._logs = OpenLogs()
        self._clicks = Clicks(self._do, self._send, self.wake)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._look()
        name, kept = uuid.uuid4().hex[:12], lambda: brief(self._whole())
        self._link: Link | None = Link(name, kept, self._take)

    # -- showing ---------------------------------------------------------------------------------

    def show(self, dock: bool = False, since: float = 0.0) -> None:
        """Show it here: in the output of the cell, or beside the notebook.

        Parameters
        ----------
        dock : bool
            Beside the notebook.
        since : float
            The summary does not tell in detail what ended before; epoch seconds.

        Raises
        ------
        BadInput
            If it is to be docked and the package ``sidecar`` is missing, or it is closed.

        Examples
        --------
        >>> from IPython.utils.capture import capture_output
        >>> with capture_output():
        ...     panel.show()
        """
        if self._link is None:
            raise BadInput("this panel is closed; %stack panel makes another")
        with self._lock:
            self._look()
            show_widget(self._link, f"stacknb: {self._tree_name()}", dock)
            if not dock:
                self.leave()
                self._summaries.begin(self._board, since)
            self._keep_watching()

    def _tree_name(self) -> str:
        stack = self._here()
        # The board knows the tree from the run, and there may be none yet.
        return Path(self._board.top_dir or (stack.top_dir if stack is not None else "")).name

    def adopt(self, stack: Stack) -> None:
        """Let what is clicked go to the stack that has opened its run again.

        Parameters
        ----------
        stack : Stack
            Of the run that it shows.

        Examples
        --------
        >>> panel.adopt(stack)
        """
        with self._lock:
            self._stack = weakref.ref(stack)
            self._keep_watching()

    def leave(self) -> None:
        """Leave the summary in its cell as it is; the next cell gets one of its own.

        Examples
        --------
        >>> panel.leave()
        """
        with self._lock:
            self._board.update()
            self._summaries.leave(self._board)

    def _ipython_display_(self) -> None:
        self.show()

    def settle(self) -> None:
        """Bring everything up to date now, so that the end of a run is in its cell.

        Examples
        --------
        >>> panel.settle()
        """
        with self._lock:
            self._board.update(thoroughly=True)
            self.update()
            self._summaries.draw(self._board)
            if self._link is not None:
                # What an executed notebook keeps; a page that is open gets all of it right after.
                self._link.send_state("picture")
                self._send({"kind": "full", "picture": self._whole()})

    def wake(self) -> None:
        """Look again at once, where nothing ran.

        Examples
        --------
        >>> panel.wake()
        """
        self._wake.set()

    def close(self) -> None:
        """Take it away: its thread, its widget and what it had open; its summary stays.

        Examples
        --------
        >>> panel.close()
        >>> panel
        <panel of ..., closed>
        """
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._summaries.draw(self._board)
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._clicks.join()
        with self._lock:
            link, self._link, self._logs = self._link, None, OpenLogs()
            self._thread = None
        if link is not None:
            link.close()

    @property
    def run_dir(self) -> Path | None:
        """The run that it shows."""
        return self._where() or self._board.run_dir

    def __repr__(self) -> str:
        return f"<panel of {self.run_dir}{', closed' if self.closed else ''}>"

    # -- updates ---------------------------------------------------------------------------------

    def update(self) -> None:
        """Send what has changed.

        Examples
        --------
        >>> panel.update()
        """
        with self._lock:
            before = self._shown
            self._look()
            changed = changes(before, self._shown)
            if changed:
                self._send_changes(changed)
                self._stale = True
            if self._stale and self._summaries.draw(self._board, _SUMMARY_S):
                self._stale = False
            for news in self._logs.news():
                self._send(news)

    def _send_changes(self, changed: dict[str, Any]) -> None:
        self._count += 1
        now = time.monotonic()
        if now - self._whole_at > _KEY_S:
            self._whole_at = now
            self._send({"kind": "full", "picture": self._whole()})
        else:
            self._send({"kind": "diff", "n": self._count, "now": time.time(), "set": changed})

    def _look(self) -> None:
        self._board.update()
        can = actions.allowed(self._here(), self._board)
        self._shown = {**picture(self._board, self._most), "can": can}

    def _whole(self) -> dict[str, Any]:
        with self._lock:
            return {**self._shown, "n": self._count, "now": time.time()}

    def _send(self, message: dict[str, Any]) -> None:
        if self._link is not None:
            self._link.send(message)

    def _keep_watching(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="stacknb-panel", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        while not self.closed:
            begun = time.thread_time()
            self.update()
            took = time.thread_time() - begun
            with self._lock:
                live = self._board.live or "stop" in self._shown["can"] or bool(self._logs)
                if not live and self._stack is not None and self._here() is None:
                    self._thread = None
                    return
            time.sleep(_PAUSE_S)  # however often it is woken
            self._wake.wait(max(0.0 if live else _IDLE_S - _PAUSE_S, took / _SHARE - _PAUSE_S))
            self._wake.clear()

    def _where(self) -> Path | None:
        stack = self._here()
        return stack.run_dir if stack is not None else self._path

    def _here(self) -> Stack | None:
        return self._stack() if self._stack is not None else None

    # -- clicks ----------------------------------------------------------------------------------

    def _take(self, content: dict[str, Any]) -> None:
        with self._lock:
            if not self.closed:
                self._clicks.take(content)

    def _do(self, content: dict[str, Any]) -> str:
        action, key, view = (str(content.get(word)) for word in ("do", "log", "view"))
        if action == "sync":
            with self._lock:
                self._send({"kind": "full", "picture": self._whole()})
        elif action == "more":
            self._most = _MORE
        elif action == "shut":
            self._logs.shut(view)
        elif action == "open":
            self._logs.open(view, OpenLog(key, log_of(self._board.run_dir, key)))
        elif action == "search":
            self._send(search(key, log_of(self._board.run_dir, key), str(content.get("text"))))
        else:
            return actions.do(self._here(), self._board, content)
        return ""
