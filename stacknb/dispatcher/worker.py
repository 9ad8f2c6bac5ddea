"""A lifecycle at work in a thread of its own, so that whoever shows it stays free to act."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from stacknb.exceptions import Interrupted, WaitTimeout

__all__ = ["Worker"]

_PATIENCE = 3  # interrupts, until the worker is left alone


class Worker:
    """Does one piece of work in a thread, and keeps what came of it.

    Parameters
    ----------
    what : str
        What it does, in a word or two, for messages.
    work : callable
        Is called in the thread.
    stop : callable
        Makes `work` end early, from any thread.

    Attributes
    ----------
    collected : bool
        Somebody has taken the result.

    Examples
    --------
    >>> worker = stack.start(stack.run)
    >>> worker.wait().complete
    True
    >>> worker.running, worker.here, worker.error
    (False, False, None)
    """

    def __init__(self, what: str, work: Callable[[], Any], stop: Callable[[], object]) -> None:
        self.what = what
        self.collected = False
        self._stop = stop
        self._ended = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._work, args=(work,), name=f"stacknb-{what}", daemon=True
        )
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return not self._ended.is_set()

    @property
    def here(self) -> bool:
        """Whether the caller is within the work."""
        return threading.current_thread() is self._thread

    @property
    def error(self) -> BaseException | None:
        """What ended it, if not its own end."""
        return self._error

    def stop(self) -> None:
        """Make it end early; returns at once.

        Examples
        --------
        >>> worker = stack.start(lambda: stack.evaluate("sleep 1000"))
        >>> worker.stop()
        """
        if self.running:
            self._stop()

    def wait(self, timeout: float | None = None) -> Any:
        r"""Wait for its end and return what it returned; an interrupt leaves it at work.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Raises
        ------
        WaitTimeout
            After `timeout`; the work goes on.
        Interrupted
            If the user stopped the wait; the work goes on.
        StacknbError
            What ended the work: HookFailed, Interrupted.

        Examples
        --------
        >>> stack.start(lambda: stack.evaluate("echo hi")).wait(timeout=60).stdout
        'hi\n'
        """
        try:
            ended = self._ended.wait(timeout)
        except KeyboardInterrupt:
            ends = "its stop() ends it, and so does ■ Stop in its panel"
            raise Interrupted(f"stopped waiting for {self.what!r}; it goes on: {ends}") from None
        if not ended:
            raise WaitTimeout(f"{self.what!r} did not end within {timeout} s; it goes on")
        return self._outcome()

    def finish(self) -> Any:
        r"""Wait for its end; an interrupt stops the work.

        Raises
        ------
        StacknbError
            As `wait`.

        Examples
        --------
        >>> stack.start(lambda: stack.evaluate("echo hi")).finish().stdout
        'hi\n'
        """
        for _ in range(_PATIENCE):
            try:
                self._ended.wait()
                return self._outcome()
            except KeyboardInterrupt:
                self.stop()
        raise Interrupted(f"{self.what!r} does not stop; it goes on in the background")

    def _outcome(self) -> Any:
        self._thread.join()
        self.collected = True
        if self._error is not None:
            raise self._error
        return self._value

    def _work(self, work: Callable[[], Any]) -> None:
        try:
            self._value = work()
        except BaseException as error:  # it is raised where somebody waits
            self._error = error
        finally:
            self._ended.set()

    def __repr__(self) -> str:
        if self.running:
            return f"<{self.what} goes on in the background; %wait stack collects it>"
        ended = type(self._error).__name__ if self._error is not None else "ended well"
        return f"<{self.what} in the background: {ended}; %wait stack collects it>"
