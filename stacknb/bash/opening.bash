# What a new shell of a run begins with, once it knows TOP_DIR and its like: the functions for its hooks.
# Sourced at top level; what it needs is in run/opening.py.

builtin : "${DEST:=$TOP_DIR/.stacknb/dest}"
if [[ $_stacknb_helpers ]]; then
    builtin source "$_stacknb_helpers"
else
    # The functions of a DevStack tree count on what its stack.sh has done before the first hook: PYTHON
    # is there; and time_totals clears away what only stack.sh installs, the wrapper of openstack. Its
    # plugin_requires does nothing, and leaves it to other tools to look at the order of plugins.
    builtin source "$TOP_DIR/functions"
    _stacknb_load
    builtin export PYTHON="${PYTHON:-$(builtin type -P python3)}"
    _stacknb_text=$(builtin declare -f cleanup_oscwrap)
    _stacknb_text=${_stacknb_text/'{'/'{ [[ -f ${OSCWRAP_TIMER_FILE-} ]] || return 0;'}
    builtin eval "$_stacknb_text"
    plugin_requires() {
        { builtin local -; builtin set +x; } 2>/dev/null
        _stacknb_requires["${1-} ${2-}"]=${BASH_SOURCE[1]-$0}:${BASH_LINENO[0]-0}
    }
fi

# Hooks compare it with True, since inc/async of DevStack makes one of two words of it.
case ${DEVSTACK_PARALLEL-} in
    0 | no | No | NO | false | False | FALSE) DEVSTACK_PARALLEL=False ;;
    *) DEVSTACK_PARALLEL=True ;;
esac
