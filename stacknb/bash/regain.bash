# Takes back what everything else rests on, and a hook has put something in the place of, or has taken
# away; what the next hook is to find again is kept for _stacknb_give_back. Sourced after such a hook, and
# whenever a hook ends the shell. Read while the aliases of the hook are in force.
#
# The few commands that source it stand in three places (the loop of driver.bash, the EXIT trap, and
# _stacknb_foresee), since they are what nothing can be relied on for: a function may have been unset,
# and `eval` of a common text needs the very `builtin` or `command` that they look for.

_stacknb_regained='' _stacknb_hidden='' _stacknb_disabled=()

# `builtin` and `command` look after each other; where both do something else, the shell is given up.
if \builtin declare -F command || \command declare -F builtin; then
    \builtin declare -f command >|"$_stacknb_control/command" && \builtin unset -f command
    \command declare -f builtin >|"$_stacknb_control/builtin" && \command unset -f builtin
    for _stacknb_text in command builtin; do
        \builtin mapfile -d '' -n 1 _stacknb_read <"$_stacknb_control/$_stacknb_text"
        [[ ${_stacknb_read-} != "$_stacknb_text () "* ]] || _stacknb_hidden+=$_stacknb_read
    done
fi >/dev/null

# Disabled builtins. `.` stays ours, to source the hook.
\builtin enable -n >|"$_stacknb_control/disabled" || {
    \command enable -n >|"$_stacknb_control/disabled"
    \command enable builtin
}
if [[ -s $_stacknb_control/disabled ]]; then
    \builtin enable mapfile
    \builtin mapfile -t _stacknb_read <"$_stacknb_control/disabled"
    \builtin enable "${_stacknb_read[@]#enable -n }"
    _stacknb_disabled=("${_stacknb_read[@]#enable -n }")
fi

# Our functions, and over them those that the hook has left.
if ! \builtin declare -F "${_stacknb_landmarks[@]}" >/dev/null; then
    \builtin declare -f >|"$_stacknb_control/functions"
    \builtin shopt -p expand_aliases extglob >|"$_stacknb_control/options"
    [[ ! -o posix ]] || \builtin printf 'builtin set -o posix\n' >>"$_stacknb_control/options"
    \builtin shopt -u expand_aliases
    \builtin shopt -s extglob
    \builtin set +o posix # in which bash refuses a function named exit
    \builtin source "$_stacknb_bash/core.bash"
    _stacknb_load
    [[ ! $_stacknb_helpers ]] || \builtin source "$_stacknb_helpers"
    \builtin source "$_stacknb_control/functions"
    \builtin source "$_stacknb_control/options"
fi

\builtin printf -v _stacknb_regained x # if it does what it should
