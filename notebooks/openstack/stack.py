"""Stack the OpenStack of this folder from nothing; says beforehand what that takes."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from stacknb import cli

TREE = Path(__file__).parent
VENVS = ("keystone", "client", "glance", "placement")
DISK_GB = 1.5


def announce(venvs: Path, database: str, install: bool) -> None:
    """Tell what is going to be downloaded and how long it takes.

    Raises
    ------
    SystemExit
        If the disk is too full for it.
    """
    packages = sum(1 for _ in (TREE / "constraints.txt").open())
    missing = [name for name in VENVS if not (venvs / name / ".installed").exists()]
    if missing:
        free = shutil.disk_usage(next(p for p in venvs.parents if p.exists())).free / 1e9
        if free < DISK_GB:
            sys.exit(f"openstack: {free:.1f} GB free for {str(venvs)!r}: make it {DISK_GB} GB")
        print(
            f"openstack: downloads up to {packages} packages (40 MB) from the package index that"
            f" pip uses, into virtual environments in {venvs} (0.8 GB). One to five minutes."
        )
    else:
        print("openstack: everything is installed, nothing to download. Half to two minutes.")
    if install:
        print("openstack: apt installs MariaDB's programs, if they are missing (10 MB).")
    print(f"openstack: services on 127.0.0.1, database {database}.", flush=True)


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="stack.py", description=__doc__)
    parser.add_argument("mode", nargs="?", choices=("stack", "unstack", "clean"), default="stack")
    parser.add_argument("--database", choices=("sqlite", "mysql"), default="sqlite",
                        help="mysql: a MariaDB server of the stack's own")  # fmt: skip
    parser.add_argument("--install-mariadb", action="store_true",
                        help="have apt install it, which needs root")  # fmt: skip
    parser.add_argument("--wheelhouse", help="a folder of wheels; pip then needs no network")
    parser.add_argument("--serial", action="store_true", help="no background tasks")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=cores + 1, metavar="N",
                        help=f"tasks at once; cores + 1 if not given: {cores + 1}")  # fmt: skip
    asked = parser.parse_args()

    dest = Path(os.environ.get("DEST", TREE / ".stacknb" / "dest"))
    venvs = Path(os.environ.get("VENVS_DIR", dest / "venvs")).absolute()
    os.environ["DATABASE_TYPE"] = asked.database
    os.environ["INSTALL_MARIADB"] = str(asked.install_mariadb)
    if asked.wheelhouse:
        os.environ["PIP_WHEELHOUSE"] = str(Path(asked.wheelhouse).absolute())
    if asked.mode == "stack":
        announce(venvs, asked.database, asked.install_mariadb)
    words = [asked.mode, str(TREE), "--plugin", f"placement={TREE / 'plugins' / 'placement'}"]
    if asked.mode == "stack":
        words += ["--serial"] if asked.serial else ["--jobs", str(asked.jobs)]
    status = cli.main(words)
    if asked.mode == "stack" and status == 0:
        data = Path(os.environ.get("DATA_DIR", dest / "data")).absolute()
        print(
            "\nopenstack: it is up. Use it:\n"
            f"  export OS_CLIENT_CONFIG_FILE={data / 'clouds.yaml'} OS_CLOUD=stacknb\n"
            f"  {venvs / 'client' / 'bin' / 'openstack'} image list\n"
            "Take it down: make openstack-clean"
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
