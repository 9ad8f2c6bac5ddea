"""What happens in a synthetic run of stack.sh: its steps in order, at their usual lengths."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FILLER", "OUTPUT", "STORY", "Collect", "Phase", "Start", "Step", "closing_tables"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A call of run_phase."""

    name: str


@dataclass(frozen=True, slots=True)
class Start:
    """A task is started; it takes `seconds`."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Collect:
    """Tasks are waited for, in this order."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A function of the main script, in the foreground."""

    file: str
    function: str
    seconds: float
    component: str = ""


_ACCOUNTS = tuple(
    f"create_{name}_accounts" for name in ("nova", "glance", "cinder", "neutron", "swift")
)

STORY: tuple[Phase | Start | Collect | Step, ...] = (
    Step("functions-common", "fetch_plugins", 6, "git_timed"),
    Phase("override_defaults"),
    Phase("source"),
    Step("tools/install_prereqs.sh", "install_package", 110, "apt-get"),
    Phase("stack pre-install"),
    Step("lib/rpc_backend", "install_rpc_backend", 25, "apt-get"),
    Step("lib/database", "install_database", 40, "apt-get"),
    Step("lib/keystone", "install_keystone", 45, "pip_install"),
    Step("lib/glance", "install_glance", 50, "pip_install"),
    Step("lib/cinder", "install_cinder", 55, "pip_install"),
    Step("lib/neutron", "install_neutron", 70, "pip_install"),
    Start("install_tempest", 95),
    Step("lib/nova", "install_nova", 80, "pip_install"),
    Step("lib/horizon", "install_horizon", 40, "git_timed"),
    Phase("stack install"),
    Step("lib/database", "configure_database", 12),
    Step("lib/keystone", "init_keystone", 40),
    Step("lib/keystone", "create_keystone_accounts", 45),
    *(Start(name, 22 + 3 * number) for number, name in enumerate(_ACCOUNTS)),
    Start("configure_horizon", 48),
    Collect(_ACCOUNTS[:3]),
    Collect((*_ACCOUNTS[3:], "configure_horizon")),
    Start("init_glance", 41),
    Step("lib/neutron", "configure_neutron", 9),
    Start("init_neutron", 63),
    Start("init_swift", 17),
    Start("init_cinder", 38),
    Start("init_placement", 20),
    Collect(("init_neutron",)),
    Collect(("init_placement",)),
    Collect(("init_glance",)),
    Collect(("init_swift",)),
    Collect(("init_cinder",)),
    Step("lib/nova", "init_nova", 95),
    Start("configure_neutron_nova", 24),
    Phase("stack post-config"),
    Step("lib/swift", "start_swift", 6),
    Collect(("configure_neutron_nova",)),
    Step("lib/glance", "start_glance", 14),
    Start("create_flavors", 52),
    Step("lib/nova", "start_nova", 38),
    Step("lib/cinder", "start_cinder", 21),
    Collect(("create_flavors",)),
    Phase("stack extra"),
    Step("lib/neutron", "create_neutron_initial_network", 35),
    Step("lib/nova", "nova_cell_setup", 30),
    Collect(("install_tempest",)),
    Phase("stack test-config"),
)

FILLER = (
    ("functions-common:is_service_enabled", "[[ ,key,n-api,n-cpu,g-api, =~ ,n-api, ]]"),
    ("functions-common:trueorfalse", "[[ True == \\T\\r\\u\\e ]]"),
    ("inc/ini-config:iniset", "local file=/etc/nova/nova.conf section=DEFAULT option=debug"),
    ("inc/python:pip_install", "sudo -H env PIP_FIND_LINKS= /usr/bin/python3 -m pip install"),
    ("functions-common:time_start", "_TIME_START[$name]=1700000000000"),
    ("functions-common:git_timed", "timeout -s SIGINT 0 git clone --no-checkout"),
    ("lib/keystone:get_or_create_user", "openstack user show nova --domain default -f value -c id"),
    ("functions-common:oscwrap", "out=7f0e1b7a2c8d4e1e9a0b"),
)

OUTPUT = (
    "Requirement already satisfied: oslo.config>=9.0 in /opt/stack/data/venv (9.4.0)",
    "  Downloading oslo_messaging-14.7.0-py3-none-any.whl (105 kB)",
    "Reading package lists...",
    "INFO alembic.runtime.migration Running upgrade 97250b555693 -> b67e765a3524",
    "+--------------+----------------------------------+",
    "| id           | 3b9f6e0c8d474f5f9e4d0f3c0e8f7a11 |",
    "Created symlink /etc/systemd/system/multi-user.target.wants/devstack@n-api.service",
)


def closing_tables(components: dict[str, int], elapsed: int, hidden: int) -> str:
    """Return what stack.sh prints at its end; all in seconds."""
    rule = "=" * 25
    short = "=" * 17
    lines = ["", rule, "DevStack Component Timing", " (times are in seconds)  ", rule]
    lines += [f"{name:<20} {value:3d}" for name, value in components.items()]
    unaccounted = elapsed - sum(components.values())
    lines += ["-" * 25, f"{'Unaccounted time':<20} {unaccounted:3d}", rule]
    lines += [f"{'Total runtime':<20} {elapsed:3d}", "", short, " Async summary", short]
    lines += [
        f" Time spent in the background minus waits: {hidden} sec",
        f" Elapsed time: {elapsed} sec",
        f" Time if we did everything serially: {elapsed + hidden} sec",
        f" Speedup:  {(elapsed + hidden) / max(1, elapsed):.6g}",
        "",
        "This is your host IP address: 192.0.2.7",
        "",
    ]
    return "".join(line + "\n" for line in lines)
