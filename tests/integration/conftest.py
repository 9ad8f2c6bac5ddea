"""Small trees of hooks in a folder of the test's own, and an eye on what a test leaves running."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stacknb import Stack, tasklog

if TYPE_CHECKING:  # few tests look at a page
    from lab import Server
    from playwright.sync_api import Browser

FIRST = "override_defaults"


def marked(mark: str) -> dict[int, str]:
    """Return the processes whose environment holds `mark`, each with its command line."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if mark.encode() in Path(f"/proc/{entry}/environ").read_bytes():
                    words = Path(f"/proc/{entry}/cmdline").read_bytes()
                    found[int(entry)] = words.replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
    return found


@pytest.fixture(autouse=True)
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in tmp_path, and leave no process behind."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("STACKNB_TEST_MARK", mark)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state of services"))
    monkeypatch.delenv("CDPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    # A supervisor outlives its kernel by the moment it takes to end what the kernel left.
    deadline = time.monotonic() + 60
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == {}, "processes of the test are left"


@pytest.fixture
def left() -> Callable[[], list[int]]:
    """Return a function that lists the processes of this test."""
    return lambda: list(marked(os.environ["STACKNB_TEST_MARK"]))


class Tree:
    """A tree of hooks, and the stacks made of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.extras = path / "extras.d"
        self.extras.mkdir(parents=True)
        self._stacks: list[Stack] = []

    def hook(self, name: str, text: str | bytes) -> Path:
        """Write a script of ``extras.d``."""
        path = self.extras / name
        path.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        return path

    def plugin(self, name: str, **files: str) -> str:
        """Write a plugin, ``plugin_sh="…"`` for ``plugin.sh``; return ``NAME=DIR``."""
        folder = self.path / "plugins" / name / "devstack"
        folder.mkdir(parents=True)
        for key, text in files.items():
            file = {"plugin_sh": "plugin.sh", "override_defaults": "override-defaults"}
            (folder / file.get(key, key)).write_text(text)
        return f"{name}={folder.parent}"

    def stack(self, **options: object) -> Stack:
        """Return a stack of this tree, which is closed at the end of the test."""
        self._stacks.append(Stack(self.path, **options))
        return self._stacks[-1]

    def run(self, *scripts: str | bytes, **options: object) -> Stack:
        """Source scripts as the hooks 10-hook.sh, 11-hook.sh … of one phase; return the stack."""
        for number, script in enumerate(scripts, 10):
            self.hook(f"{number}-hook.sh", script)
        stack = self.stack(**options)
        stack.run_phase(FIRST)
        return stack

    def close(self) -> None:
        for stack in self._stacks:
            stack.close()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    tree = Tree(tmp_path / "tree")
    yield tree
    tree.close()


def output_of(stack: Stack, hook: str, phase: str = FIRST) -> str:
    """Return what a hook printed."""
    assert stack.run_dir is not None
    log = stack.run_dir / "hooks" / phase.replace(" ", "-") / f"{hook}.log"
    return tasklog.read(log).output().decode("utf-8", "surrogateescape")


@pytest.fixture
def output() -> Callable[..., str]:
    return output_of


def poll(condition: Callable[[], object], what: str, limit_s: float = 60) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s} s for this: {what}"
        time.sleep(0.005)


@pytest.fixture
def until() -> Callable[..., None]:
    return poll


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a JupyterLab, one for all tests: it takes seconds to start."""
    from lab import Server

    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from lab import start_browser
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = start_browser(playwright)
        yield browser
        browser.close()
    # Playwright's loop would stay that of this thread; the kernels of other tests need their own.
    asyncio.set_event_loop(None)
