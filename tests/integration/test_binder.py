"""The repository as Binder builds it, and JupyterLab in it, opened in a browser."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab import Server, opened, start_browser
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
NOTEBOOK = "notebooks/01-stack-step-by-step.ipynb"


def required() -> set[str]:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-"))}


def test_everything_that_the_project_needs_is_required_and_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=!~ \[]", name)[0] for name in project["dependencies"]}
    assert needed <= required()
    locked = {
        line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()
    }
    assert required() <= locked
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f">={version}" == project["requires-python"]


def ordinary_user() -> tuple[dict[str, Any], str]:
    """Return options for a process of an ordinary user, and a Python that such a one can run."""
    own = os.path.realpath(sys.executable)
    if os.geteuid() != 0:
        return {}, own
    options = {"user": 65534, "group": 65534, "extra_groups": []}
    probe = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    for python in (own, *filter(None, map(shutil.which, ("python3", "/usr/bin/python3")))):
        try:
            subprocess.run([python, "-c", probe], check=True, capture_output=True, **options)
        except (OSError, subprocess.CalledProcessError):
            continue
        return options, python
    return {}, own  # every Python here is the superuser's alone


class Build:
    """A folder of its own, and a user to whom it belongs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.repo = folder, folder / "repo"
        self.options, self.base = ordinary_user()
        self.python = str(folder / "env" / "bin" / "python")
        self.env = {
            "HOME": str(folder / "home"), "LANG": "C.UTF-8", "TMPDIR": str(folder / "tmp"),
            "PATH": f"{folder}/env/bin:/usr/local/bin:/usr/bin:/bin",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "XDG_STATE_HOME": str(folder / "home" / "state"),
            **{name: value for name, value in os.environ.items()
               if name.startswith("PIP_") or name.lower().endswith("_proxy")
               or name.endswith("CERT_FILE") or name == "REQUESTS_CA_BUNDLE"},
        }  # fmt: skip

    def prepare(self) -> None:
        for name in ("home", "tmp", "settings"):
            (self.folder / name).mkdir()
        # Where this machine gets its packages from, the new home should know, too.
        for known in (".config/pip/pip.conf", ".pip/pip.conf"):
            if (Path.home() / known).is_file():
                (self.folder / "home" / known).parent.mkdir(parents=True)
                shutil.copy(Path.home() / known, self.folder / "home" / known)
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, check=True, capture_output=True,
        ).stdout.split(b"\0")  # fmt: skip
        for name in map(os.fsdecode, filter(None, listed)):
            if (ROOT / name).is_file():
                (self.repo / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.repo / name)
        if self.options:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self.options["user"], self.options["group"])

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            argv, cwd=self.repo, env=self.env, stdin=subprocess.DEVNULL, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.options,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout


@pytest.fixture
def build() -> Iterator[Build]:
    # Not in the folder of pytest, which is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="stacknb-binder-"))
    folder.chmod(0o755)
    try:
        yield Build(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(900)
def test_a_build_opens_the_first_notebook_in_jupyterlab_and_runs_it(build: Build) -> None:
    build.prepare()
    # The steps of repo2docker, in its order.
    build.run(build.base, "-m", "venv", str(build.folder / "env"))
    pip = (build.python, "-m", "pip", "install", "--no-cache-dir", "--quiet")
    build.run(*pip, "-r", "binder/requirements.txt")
    assert "stacknb 0." in build.run("binder/postBuild")

    notebook = nbformat.read(build.repo / NOTEBOOK, as_version=4)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    environment = {"PYTHONPATH": "", **build.env}
    server = Server(
        build.folder / "settings", build.python, build.repo, env=environment, cwd=build.repo,
        **build.options,
    )  # fmt: skip
    try:
        with sync_playwright() as playwright:
            browser = start_browser(playwright)
            with opened(server, browser) as lab:
                lab.name = NOTEBOOK
                lab.load()
                # It is kept executed: what is seen afterwards is to be new. Cells that are not in
                # the page yet would not be run.
                expect(lab.page.locator(".jp-CodeCell")).to_have_count(cells)
                lab.command("notebook:clear-all-cell-outputs")
                numbered = lab.page.locator(".jp-InputPrompt", has_text=re.compile(r"\d"))
                expect(numbered).to_have_count(0)
                lab.command("notebook:run-all-cells")
                for number in range(cells):
                    lab.wait_run(number)
                shown = lab.page.locator(".jp-Notebook").inner_text()
                assert "listen on http://127.0.0.1" in shown
                assert "'stack extra' is out of order" in shown  # on purpose
                for error in ("HookFailed", "Traceback", "Interrupted", "ModuleNotFound"):
                    assert error not in shown
            browser.close()
    finally:
        server.close()
