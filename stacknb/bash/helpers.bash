# shellcheck shell=bash
# The helper functions a hook may call when no DevStack tree is given. Sourcing prints nothing and
# may be repeated. Seen by a caller they are DevStack's; where they differ, a comment says so.
#
# Rules of this file, since a hook may have set any option and defined any variable:
#   - `{ local -; set +x; } 2>/dev/null` opens a function: no trace of ours in a hook's log, and
#     when it returns the hook's options are as they were.
#   - Locals are named _stacknb_my_*: `local X` fails when a hook has made X readonly, and `is_set X`
#     must see the hook's X. All get a value: `shopt -s localvar_inherit` gives them the outer one.
#   - A command that may fail stands in a condition or before `|| return`: under errexit the line
#     that ends the run is then the hook's, not one in here.
#   - Text is compared with `[ a = b ]` and cut with `${a#b}`: neither minds `shopt -s nocasematch`.

case ${BASH_SOURCE[0]} in
    */*) source "${BASH_SOURCE[0]%/*}/need.bash" ;;
    *) source ./need.bash ;;
esac

# Hooks write GITDIR[name]=... on their own, so the arrays must exist; what is in them stays.
declare -gA GITREPO GITBRANCH GITDIR SYSTEMD_ENV_VARS _TIME_START _TIME_TOTAL
declare -g DEVSTACK_PLUGINS=${DEVSTACK_PLUGINS-}
[[ -v _TIME_BEGIN ]] || declare -g _TIME_BEGIN=$EPOCHSECONDS

# What plugin_requires was told: _stacknb_requires["PLUGIN REQUIRED"]="FILE:LINE" of the call. The
# dispatcher compares it with the order in DEVSTACK_PLUGINS.
declare -gA _stacknb_requires

# ----------------------------------------------------------------------------------------- messages

# echo_summary MESSAGE...: follows escapes such as \n, as DevStack's does, but keeps blanks.
echo_summary() {
    { local - IFS=' ' || :; set +x; } 2>/dev/null
    printf '%b\n' "$*"
}

# die LINENO MESSAGE...: ends the shell with the status of the command before it, or 1. No sleep: a
# log that is a file needs no time to flush.
die() {
    { local - _stacknb_my_status=$?; set +x; } 2>/dev/null
    _stacknb_need helping
    _stacknb_abort "$_stacknb_my_status" "${1-}" "${@:2}"
}

# die_if_not_set LINENO VAR MESSAGE...: dies of a failed command too, and with its status, where
# DevStack always has 1.
die_if_not_set() {
    { local - _stacknb_my_status=$?; set +x; } 2>/dev/null
    _stacknb_need helping
    ((_stacknb_my_status == 0)) && is_set "${2-}" ||
        _stacknb_abort "$_stacknb_my_status" "${1-}" "${@:3}"
}

# err LINENO MESSAGE...: returns the status of the command before it. FILE is where LINENO is;
# DevStack names that file's caller, and drops all but the first word of an unquoted message.
err() {
    { local - _stacknb_my_status=$?; set +x; } 2>/dev/null
    _stacknb_need helping
    _stacknb_error "${BASH_SOURCE[1]-$0}" "${1-}" "${@:2}"
    return "$_stacknb_my_status"
}

# warn LINENO MESSAGE...: as err, but on stdout.
warn() {
    { local - _stacknb_my_status=$? IFS=' ' || :; set +x; } 2>/dev/null
    printf '[WARNING] %s:%s %s\n' "${BASH_SOURCE[1]-$0}" "${1-}" "${*:2}"
    return "$_stacknb_my_status"
}

# ---------------------------------------------------------------------------------------- variables

# VALUE=$(trueorfalse DEFAULT VAR)
trueorfalse() {
    { local -; set +x; } 2>/dev/null
    local _stacknb_my_value='' _stacknb_my_word='' _stacknb_my_answer=True
    [ -n "${2-}" ] || _stacknb_refuse \
        "trueorfalse: no variable: give its name without a \$, as in: trueorfalse False VERBOSE"
    [[ ! -v $2 ]] || _stacknb_my_value=${!2}
    for _stacknb_my_word in 1 yes Yes YES true True TRUE '' 0 no No NO false False FALSE; do
        if [ -z "$_stacknb_my_word" ]; then
            _stacknb_my_answer=False
        elif [ "$_stacknb_my_value" = "$_stacknb_my_word" ]; then
            set -- "$_stacknb_my_answer"
            break
        fi
    done
    printf '%s\n' "$1"
}

# isset VAR: it exists, be it empty.
isset() {
    { local -; set +x; } 2>/dev/null
    [[ -v ${1-} ]] || return
}

# is_set VAR: it exists and is not empty, whatever its name; DevStack's takes `var` for its own.
is_set() {
    { local -; set +x; } 2>/dev/null
    [[ -v ${1-} && -n ${!1} ]] || return
}

# ----------------------------------------------------------------------------------------- services

# is_service_enabled NAME...: true when one of them is.
is_service_enabled() {
    { local -; set +x; } 2>/dev/null
    _stacknb_need helping
    _stacknb_is_enabled "$@" || return
}

# enable_service NAME...: -NAME takes NAME out.
enable_service() {
    { local -; set +x; } 2>/dev/null
    _stacknb_need helping
    _stacknb_enable "$@" || return
}

# disable_service NAME...
disable_service() {
    { local -; set +x; } 2>/dev/null
    _stacknb_need helping
    _stacknb_disable "$@" || return
}

# ------------------------------------------------------------------------------------------ plugins

# enable_plugin NAME [DIR_OR_URL [BRANCH]]: a folder (absolute, file:// or relative to TOP_DIR) is
# used where it is; a plugin with a URL, or with nothing, is expected in DEST. We clone nothing.
enable_plugin() {
    { local -; set +x; } 2>/dev/null
    _stacknb_need helping
    _stacknb_enable_plugin "$@" || return
}

# is_plugin_enabled NAME
is_plugin_enabled() {
    { local -; set +x; } 2>/dev/null
    local _stacknb_my_all=,${DEVSTACK_PLUGINS-},
    [ -n "${1-}" ] && [ "${_stacknb_my_all#*",$1,"}" != "$_stacknb_my_all" ] || return
}

# define_plugin NAME: nothing, as in DevStack; tools that read settings files look for the line.
define_plugin() {
    :
}

# plugin_requires PLUGIN REQUIRED: DevStack's does nothing.
plugin_requires() {
    { local -; set +x; } 2>/dev/null
    declare -gA _stacknb_requires
    _stacknb_requires["${1-} ${2-}"]=${BASH_SOURCE[1]-$0}:${BASH_LINENO[0]-0}
    is_plugin_enabled "${2-}" && return
    _stacknb_need helping
    _stacknb_warn "plugin '${1-}' requires '${2-}', which is not \
enabled: put 'enable_plugin ${2-} DIR_OR_URL' before the line that enables '${1-}'"
}

# -------------------------------------------------------------------------------------------- times

# As in DevStack, _TIME_START and _TIME_TOTAL hold milliseconds, _TIME_BEGIN epoch seconds. The
# decimal separator of EPOCHREALTIME follows the locale; one that was unset tells nothing any more.
# Where the clock was set back meanwhile nobody knows how long it was: then it counts as no time.

# time_start NAME
time_start() {
    { local -; set +x; } 2>/dev/null
    local _stacknb_my_now=${EPOCHREALTIME:-$(printf '%(%s)T000000' -1)}
    _stacknb_my_now=${_stacknb_my_now//[!0-9]/}
    [ -n "${1-}" ] || _stacknb_refuse "time_start: no name: give one"
    [ -z "${_TIME_START[$1]-}" ] || _stacknb_refuse \
        "time_start: the clock '$1' is running already: call 'time_stop $1' first"
    _TIME_START[$1]=${_stacknb_my_now%???}
}

# time_stop NAME
time_stop() {
    { local -; set +x; } 2>/dev/null
    local _stacknb_my_now=${EPOCHREALTIME:-$(printf '%(%s)T000000' -1)}
    _stacknb_my_now=${_stacknb_my_now//[!0-9]/}
    [ -n "${1-}" ] && [ -n "${_TIME_START[$1]-}" ] || _stacknb_refuse \
        "time_stop: the clock '${1-}' is not running: call 'time_start ${1-}' first"
    _stacknb_my_now=$((${_stacknb_my_now%???} - ${_TIME_START[$1]}))
    ((_stacknb_my_now >= 0)) || _stacknb_my_now=0
    _TIME_TOTAL[$1]=$((${_TIME_TOTAL[$1]:-0} + _stacknb_my_now))
    _TIME_START[$1]=
}

# time_totals: rows sorted by name; DevStack's come in no order.
time_totals() {
    { local - LC_ALL=C || :; set +x; } 2>/dev/null
    _stacknb_need times
    _stacknb_time_totals
}

# wait_for_service TIMEOUT URL: TIMEOUT as timeout(1) takes it: seconds, or 5m; 0 is for ever. Any
# answer but HTTP 503 will do, from a server of any kind, as for DevStack; but a host without an
# address is waited for, where DevStack takes the failed look-up for an answer. The time is booked
# without time_start, so that a wait that is interrupted leaves no clock running.
wait_for_service() {
    { local -; set +x; } 2>/dev/null
    _stacknb_need times
    _stacknb_wait_for_service "$@" || return
}

# ---------------------------------------------------------------------------------------- ini files

# iniget FILE SECTION OPTION: an empty line, and no failure, for an option that is not there.
iniget() {
    { local - LC_ALL=C || :; set +x; } 2>/dev/null
    _stacknb_need ini
    _stacknb_iniget "$@"
}

# ini_has_option [-sudo] FILE SECTION OPTION
ini_has_option() {
    { local - LC_ALL=C || :; set +x; } 2>/dev/null
    _stacknb_need ini
    _stacknb_ini ini_has_option "$@" || return
}

# iniset [-sudo] FILE SECTION OPTION VALUE
iniset() {
    { local - LC_ALL=C || :; set +x; } 2>/dev/null
    _stacknb_need ini
    _stacknb_ini iniset "$@" || return
}

# iniadd [-sudo] FILE SECTION OPTION VALUE...
iniadd() {
    { local - LC_ALL=C || :; set +x; } 2>/dev/null
    _stacknb_need ini
    _stacknb_ini iniadd "$@" || return
}

# inidelete [-sudo] FILE SECTION OPTION
inidelete() {
    { local - LC_ALL=C || :; set +x; } 2>/dev/null
    _stacknb_need ini
    _stacknb_ini inidelete "$@" || return
}
