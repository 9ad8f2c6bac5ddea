"""A real JupyterLab, and a real browser that looks at it."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

CHROMIUM = os.environ.get("STACKNB_CHROMIUM", "chromium")
PATIENCE_MS = 90_000
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
FOLDERS = [
    "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR",
]  # fmt: skip
SETTINGS = {
    # Every cell is in the page, not only those in view.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


# A page that is loaded asks the kernel for the widgets it has. The view of one that a cell makes
# meanwhile may hear of nothing afterwards.
RESTORED = """async () => {
  const { rendermime } = window.jupyterapp.shell.currentWidget.content;
  const renderer = rendermime.createRenderer("application/vnd.jupyter.widget-view+json");
  const later = new Promise((resolve) => setTimeout(resolve, 100));
  return (await Promise.race([renderer._manager?.promise, later]))?.restoredStatus;
}"""


def screenshot(name: str) -> str:
    """Return where a picture goes: STACKNB_SCREENSHOTS, or a folder for temporary files."""
    default = Path(tempfile.gettempdir()) / "stacknb-screenshots"
    folder = Path(os.environ.get("STACKNB_SCREENSHOTS") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{name}.png")


def start_browser(playwright: Playwright) -> Browser:
    """Start the chromium of this machine; say how to get it if there is none."""
    program = shutil.which(CHROMIUM)
    if program is None:
        raise AssertionError(
            f"{CHROMIUM!r} was not found: the panel is tested in a real browser. Install it "
            "(Debian: apt-get install chromium; `make test` does so as root), or name yours in "
            "STACKNB_CHROMIUM"
        )
    return playwright.chromium.launch(executable_path=program, args=FLAGS)


class Server:
    """A JupyterLab server with all its settings in `folder`; notebooks go to ``folder/root``."""

    def __init__(
        self,
        folder: Path,
        python: str = sys.executable,
        root: Path | None = None,
        **options: Any,
    ) -> None:
        self.root = root or folder / "root"
        self.root.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, **options.pop("env", {})}
        for name in FOLDERS:
            env[name] = str(folder / name.lower())
            Path(env[name]).mkdir()
            if options.get("user") is not None:
                os.chown(env[name], options["user"], options["group"])
        for name, values in SETTINGS.items():
            path = Path(env["JUPYTERLAB_SETTINGS_DIR"]) / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    python, "-m", "jupyterlab", "--no-browser", "--allow-root",
                    "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}",
                    "--ServerApp.port_retries=0", "--IdentityProvider.token=T",
                    f"--ServerApp.root_dir={self.root}", "--LabApp.expose_app_in_browser=True",
                    "--LabApp.extension_manager=readonly", "--LabApp.news_url=",
                ],
                env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                **options,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class Lab:
    """A notebook, open in a page."""

    def __init__(self, server: Server, page: Page) -> None:
        self._server = server
        self.page = page
        page.set_default_timeout(PATIENCE_MS)

    @property
    def panel(self) -> Any:
        """The panel that is shown."""
        return self.page.locator(".stacknb-panel:not(.stacknb-moved)")

    def open(self, name: str, cells: Sequence[str], **metadata: Any) -> None:
        """Write a notebook and open it."""
        sources = [
            {"cell_type": "code", "id": f"cell-{number}", "source": source, "metadata": {},
             "outputs": [], "execution_count": None}
            for number, source in enumerate(cells)
        ]  # fmt: skip
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, **metadata}
        notebook = {"cells": sources, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (self._server.root / name).write_text(json.dumps(notebook))
        self.name = name
        self.load()

    def load(self) -> None:
        """Load the page, or load it again."""
        url = f"http://127.0.0.1:{self._server.port}/lab/tree/{self.name}?token=T"
        self.page.goto(url + ("&reset" if self.page.url == "about:blank" else ""))
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session"
            "?.kernel?.connectionStatus === 'connected'"
            " && document.querySelectorAll('.jp-CodeCell').length > 0"
        )
        self.page.wait_for_function(RESTORED)

    def command(self, name: str) -> None:
        """Do a command of JupyterLab; returns at once."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def run(self, *numbers: int) -> None:
        """Begin to run cells."""
        for number in numbers:
            self.page.evaluate(
                "number => { const panel = window.jupyterapp.shell.currentWidget;"
                " panel.content.activeCellIndex = number; panel.content.deselectAll();"
                " window.jupyterapp.commands.execute('notebook:run-cell') }",
                number,
            )

    def busy(self, number: int) -> bool:
        """Tell whether a cell runs, or is to run."""
        prompt = self.page.locator(".jp-CodeCell").nth(number).locator(".jp-InputPrompt")
        return prompt.inner_text() == "[*]:"

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")

    def restart(self) -> None:
        """Restart the kernel."""
        self.page.evaluate(
            "async () => { await window.jupyterapp.shell.currentWidget.context.sessionContext"
            ".session.kernel.restart() }"
        )

    def shutdown(self) -> None:
        """End the kernel."""
        self.page.evaluate(
            "async () => { await window.jupyterapp.shell.currentWidget?.context?.sessionContext"
            "?.shutdown() }"
        )

    def wait_run(self, number: int) -> None:
        """Wait until a cell has run."""
        prompt = self.page.locator(".jp-CodeCell").nth(number).locator(".jp-InputPrompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE_MS)

    def shows(self, number: int, text: str) -> None:
        """Wait until a cell shows a text: that it has run does not say that it is drawn."""
        area = self.page.locator(".jp-CodeCell").nth(number).locator(".jp-OutputArea")
        expect(area).to_contain_text(text, use_inner_text=True, timeout=PATIENCE_MS)

    def button(self, text: str) -> Any:
        """Return the button of the panel whose name, behind its sign, begins so."""
        return self.panel.get_by_role("button", name=re.compile(rf"^(\W+ )?{re.escape(text)}"))

    def shoot(self, name: str) -> None:
        """Keep a picture of the page."""
        self.page.screenshot(path=screenshot(name))


def becomes(part: Locator, expression: str) -> bool:
    """Wait until an expression of JavaScript holds for a part of the page; tell whether it did."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not (holds := bool(part.evaluate(expression))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds


@contextlib.contextmanager
def opened(server: Server, browser: Browser, **options: Any) -> Iterator[Lab]:
    """Give a page of its own."""
    context = browser.new_context(viewport={"width": 1100, "height": 800}, **options)
    try:
        yield Lab(server, context.new_page())
    finally:
        context.close()
