"""What the shell of a run is told before its first hook."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from stacknb import plugins as trees
from stacknb.exceptions import ShellDied
from stacknb.places import BASH, HOME
from stacknb.plugins import Plugin
from stacknb.run.order import Order
from stacknb.shell import Shell
from stacknb.shell.environment import quote
from stacknb.supervision import services

__all__ = ["drop_negated", "enabling", "entering", "forgetting_timers", "keeping", "setup"]

# The functions of a DevStack tree count on what its stack.sh has done before the first hook: PYTHON
# is there; and time_totals clears away what only stack.sh installs, the wrapper of openstack. Its
# plugin_requires does nothing, and leaves it to other tools to look at the order of plugins.
_OF_A_TREE = """\
builtin source "$TOP_DIR/functions"; _stacknb_load
builtin export PYTHON="${PYTHON:-$(builtin type -P python3)}"
_stacknb_text=$(builtin declare -f cleanup_oscwrap)
_stacknb_text=${_stacknb_text/'{'/'{ [[ -f ${OSCWRAP_TIMER_FILE-} ]] || return 0;'}
builtin eval "$_stacknb_text"
plugin_requires() {
    { builtin local -; builtin set +x; } 2>/dev/null
    _stacknb_requires["${1-} ${2-}"]=${BASH_SOURCE[1]-$0}:${BASH_LINENO[0]-0}
}
"""

# Hooks compare it with True, since inc/async of DevStack makes one of two words of it.
_SWITCH = """\
case ${DEVSTACK_PARALLEL-} in
    0 | no | No | NO | false | False | FALSE) DEVSTACK_PARALLEL=False ;;
    *) DEVSTACK_PARALLEL=True ;;
esac
"""

# After the settings, as stack.sh does it: ``ENABLED_SERVICES+=,-rabbit`` takes a service away.
_NEGATING = """\
if [[ ,${ENABLED_SERVICES-} != *[,[:space:]]-* ]]; then
    \\builtin :
elif [[ ${ENABLED_SERVICES@a} == *r* ]]; then
    \\builtin printf readonly
elif builtin declare -F disable_negated_services >/dev/null; then
    disable_negated_services
else
    _stacknb_need helping; _stacknb_drop_negated_services
fi"""


def setup(mode: str, order: Order) -> str:
    """Return the bash that a new shell of a run begins with."""
    top_dir = order.top_dir
    tree = trees.is_devstack(top_dir)
    facts = {
        "TOP_DIR": str(top_dir),
        "RC_DIR": str(top_dir),
        "FILES": str(top_dir / "files"),
        "_stacknb_python": sys.executable,
        "_stacknb_home": str(HOME),
        "_stacknb_services": "" if tree else str(services.directory(top_dir)),
        "BASH_ARGV0": str(top_dir / f"{mode}.sh"),
    }
    lines = [f"{name}={quote(value)}" for name, value in facts.items()]
    lines.append('builtin : "${DEST:=$TOP_DIR/.stacknb/dest}"')
    if tree:
        lines.append(_OF_A_TREE)
    else:
        helpers = quote(str(BASH / "helpers.bash"))
        lines.append(f"_stacknb_helpers={helpers}; builtin source {helpers}")
    lines.append(_SWITCH if order.parallel else "DEVSTACK_PARALLEL=False")
    lines += [enabling(plugin) for plugin in order.plugins]
    if mode == "stack":
        lines.append("_stacknb_flags=e")
    return "\n".join(lines)


def drop_negated(shell: Shell) -> str:
    """Take away what the settings have negated among the services; say if they do not allow it."""
    try:
        _, said = shell.call("_stacknb_plainly", _NEGATING)
    except ShellDied as error:
        where = "in 'disable_negated_services', called after the settings"
        raise ShellDied(f"{where}: {error}") from error
    if said != "readonly":
        return ""
    return (
        "the settings make 'ENABLED_SERVICES' readonly: what a '-NAME' in it takes away stays "
        "enabled; leave 'readonly' out and begin anew"
    )


def enabling(plugin: Plugin) -> str:
    """Return the bash that enables a plugin which lies in a folder."""
    name, folder = quote(plugin.name), quote(str(plugin.folder))
    return (
        f"enable_plugin {name} {folder}\nGITDIR[{name}]={folder}\n{keeping([plugin])}\n"
        f"_stacknb_need programs; _stacknb_link_plugin {name}"
    )


def entering(phase: str) -> str:
    """Return the bash that a phase begins with; a later try of it begins with the same.

    Its hooks enable their plugins again, and start and stop their timers, all of which would be
    refused the second time.
    """
    return _plainly(
        f"if [[ ${{_stacknb_before-}} == {quote(phase)} ]]; then\n"
        "    DEVSTACK_PLUGINS=${_stacknb_before[1]}\n"
        '    for _stacknb_text in "${!_TIME_START[@]}"; do _TIME_START[$_stacknb_text]=; done\n'
        "    for ((_stacknb_i = 2; _stacknb_i < ${#_stacknb_before[@]}; _stacknb_i += 2)); do\n"
        "        _stacknb_text=${_stacknb_before[_stacknb_i]}\n"
        "        _TIME_START[$_stacknb_text]=${_stacknb_before[_stacknb_i + 1]}\n"
        "    done\n"
        "else\n"
        f'    _stacknb_before=({quote(phase)} "${{DEVSTACK_PLUGINS-}}")\n'
        '    for _stacknb_text in "${!_TIME_START[@]}"; do\n'
        '        _stacknb_before+=("$_stacknb_text" "${_TIME_START[$_stacknb_text]}")\n'
        "    done\n"
        "fi"
    )


def keeping(plugins: Iterable[Plugin]) -> str:
    """Return the bash that keeps plugins, which a person has enabled, for a later try as well."""
    return f"_stacknb_before[1]+={quote(''.join(f',{plugin.name}' for plugin in plugins))}"


def forgetting_timers(since: float) -> str:
    """Return the bash that forgets timers which a failed hook has left running `since` it began.

    Started again by the mended hook, they would be started twice, which `time_start` refuses.
    """
    return _plainly(
        'for _stacknb_text in "${!_TIME_START[@]}"; do\n'
        f"  ((${{_TIME_START[$_stacknb_text]:-0}} < {int(since * 1000)})) ||\n"
        "    _TIME_START[$_stacknb_text]=\n"
        "done"
    )


def _plainly(code: str) -> str:
    # A hook may have aliases of reserved words.
    return f"\\_stacknb_plainly {quote(code)}"
