"""A real OpenStack: installed, stacked, asked, killed, stacked again. Minutes, and a package index.

``pytest -m "not openstack"`` leaves it out.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from stacknb import tasklog, timing
from stacknb.supervision import services

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(1500)]

TREE = Path(__file__).parents[2] / "notebooks" / "openstack"
PLACEMENT = ["--plugin", f"placement={TREE / 'plugins' / 'placement'}"]
LATEST = Path(".stacknb/runs/latest")
APIS = ("keystone", "glance", "placement")

Left = Callable[[], list[int]]
Until = Callable[..., None]


@pytest.fixture(scope="module")
def venvs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the virtual environments, which the first stack fills."""
    return tmp_path_factory.mktemp("venvs")


@pytest.fixture(autouse=True)
def places(
    sandbox: None, venvs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("DEST", str(tmp_path))
    monkeypatch.setenv("VENVS_DIR", str(venvs))
    yield
    records = services.directory(TREE)
    for name in services.names(records):
        services.stop(records, name)


def start(mode: str, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "stacknb.cli", mode, str(TREE), *PLACEMENT, *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def call(mode: str, *words: str) -> str:
    process = start(mode, *words)
    output, _ = process.communicate()
    assert process.returncode == 0, output[-5000:]
    return output


def answer(task: str) -> str:
    return tasklog.read(LATEST / "async" / f"smoke-{task}.log").output().decode()


def ports() -> dict[str, int]:
    """Return where the services of the last run listen, as the catalog has it."""
    found = re.findall(r"catalog: (\w+) at 127\.0\.0\.1:(\d+)", answer("catalog"))
    return {name: int(port) for name, port in found}


def listeners(port: int) -> list[str]:
    """Return the local addresses, in the kernel's notation, at which anybody listens to `port`."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    ends = [row[1].rpartition(":") for row in rows if row[3] == "0A"]
    return [address for address, _, number in ends if int(number, 16) == port]


def pid_of(service: str) -> int:
    return int((services.directory(TREE) / service).read_text().split()[0])


def files(folder: Path) -> list[Path]:
    return [path for path in folder.resolve().rglob("*") if path.is_file()]


def command_lines() -> Iterator[bytes]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                yield Path("/proc", entry, "cmdline").read_bytes()


def made_accounts() -> bool:
    log = LATEST / "async" / "placement-accounts.log"
    return log.exists() and b"user placement" in log.read_bytes()


def shell_of_the_hooks(pids: list[int]) -> int:
    """Return the bash of the hooks; its tasks are forks of it and look the same."""
    drivers = {
        pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        for pid in pids
        if b"driver.bash" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }
    (shell,) = (pid for pid, parent in drivers.items() if parent not in drivers)
    return shell


def check_answers() -> None:
    assert "ok    token" in answer("token")
    assert "pattern" in answer("image")
    assert "this-machine" in answer("provider")
    assert sorted(ports()) == sorted(APIS)
    assert set(timing.load(LATEST).tasks["status"]) == {"ok"}


def test_killed_while_it_installs_it_is_stacked_afterwards_and_shows_no_password(
    venvs: Path, tmp_path: Path, left: Left, until: Until
) -> None:
    process = start("stack")
    until((venvs / "keystone" / "bin" / "python").exists, "pip is about to run", 120)
    process.kill()
    process.communicate()
    until(lambda: not left(), "all of the killed run has ended", 60)

    Path("localrc").write_text("set -x\n")
    output = call("stack", "--localrc", "localrc")
    check_answers()
    assert {tuple(listeners(port)) for port in ports().values()} == {("0100007F",)}  # 127.0.0.1

    file = tmp_path / "data" / "passwords"
    assert file.stat().st_mode & 0o777 == 0o600
    passwords = re.findall(r"^.+=(\w{40})$", file.read_text(), re.MULTILINE)
    assert len(set(passwords)) == 7
    seen = [output.encode(), *command_lines(), *(path.read_bytes() for path in files(LATEST))]
    assert [word for word in passwords for text in seen if word.encode() in text] == []
    holders = [p for p in files(tmp_path / "data") if passwords[0].encode() in p.read_bytes()]
    assert file in holders
    assert {path.stat().st_mode & 0o077 for path in holders} == {0}

    os.kill(pid_of("glance"), signal.SIGKILL)
    addresses = ports()
    call("unstack")
    assert left() == []
    assert [listeners(port) for port in addresses.values()] == [[], [], []]
    call("clean")
    assert not (tmp_path / "data").exists()
    assert sorted(path.parent.name for path in venvs.glob("*/.installed")) == [
        "client", "glance", "keystone", "placement",
    ]  # fmt: skip


def test_killed_while_it_makes_accounts_it_is_stacked_again_without_tasks(
    tmp_path: Path, left: Left, until: Until
) -> None:
    process = start("stack")
    until(made_accounts, "accounts are made", 900)
    process.kill()
    process.communicate()
    before = pid_of("keystone")

    call("stack", "--serial")
    check_answers()
    assert pid_of("keystone") != before
    assert timing.load(LATEST).summary()["max_concurrency"] == 1

    addresses = ports()
    call("clean")
    assert left() == []
    assert [listeners(port) for port in addresses.values()] == [[], [], []]
    assert not (tmp_path / "data").exists()


def test_after_the_death_of_the_kernel_or_of_bash_nothing_is_left_that_cannot_be_ended(
    tmp_path: Path, left: Left, until: Until
) -> None:
    kernel = KernelManager()
    kernel.start_kernel()
    client = kernel.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(60)
        client.execute(f"%load_ext stacknb\n%stack {TREE} {' '.join(PLACEMENT)}")
        until(made_accounts, "accounts are made from the notebook", 900)
    finally:
        kernel.shutdown_kernel(now=True)  # SIGKILL
        client.stop_channels()
    first = LATEST.resolve()
    call("unstack")
    until(lambda: not left(), "all that the kernel left has ended", 30)

    process = start("stack")
    until(lambda: LATEST.resolve() != first and made_accounts(), "accounts are made", 900)
    os.kill(shell_of_the_hooks(left()), signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "killed by SIGKILL" in output
    call("clean")
    until(lambda: not left(), "all that bash left has ended", 30)
    assert not (tmp_path / "data").exists()


def test_the_databases_can_be_those_of_a_mariadb_server(
    tmp_path: Path, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_TYPE", "mysql")
    if shutil.which("my_print_defaults") is None:
        process = start("stack")
        output, _ = process.communicate()
        assert process.returncode == 1
        assert "there is no mariadbd (with its tools): set INSTALL_MARIADB=True" in output
        if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
            return  # nobody may install it here
        monkeypatch.setenv("INSTALL_MARIADB", "True")
    call("stack")
    check_answers()
    assert [path.name for path in files(tmp_path / "data") if path.suffix == ".db"] == []
    (port,) = re.findall(r"--port=(\d+)", " ".join(map(repr, command_lines())))
    assert listeners(int(port)) == ["0100007F"]
    call("clean")
    assert left() == []
    assert listeners(int(port)) == []


def test_the_kept_notebook_was_executed_and_shows_neither_password_nor_machine() -> None:
    text = (TREE.parent / "04-openstack.ipynb").read_text()
    notebook = nbformat.reads(text, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert all(cell.execution_count for cell in cells)
    assert [o for cell in cells for o in cell.outputs if o.output_type == "error"] == []
    assert re.findall(r"\b[0-9a-f]{40}\b", text) == []
    assert re.findall(r"/(?:work|root|home|tmp/wt)/", text) == []
    assert len(text) < 500_000
