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

# Hooks write GITDIR[name]=... on their own, so the arrays must exist; what is in them stays.
declare -gA GITREPO GITBRANCH GITDIR _TIME_START _TIME_TOTAL
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
    _stacknb_abort "$_stacknb_my_status" "${1-}" "${@:2}"
}

# die_if_not_set LINENO VAR MESSAGE...: dies of a failed command too, and with its status, where
# DevStack always has 1.
die_if_not_set() {
    { local - _stacknb_my_status=$?; set +x; } 2>/dev/null
    ((_stacknb_my_status == 0)) && is_set "${2-}" ||
        _stacknb_abort "$_stacknb_my_status" "${1-}" "${@:3}"
}

# err LINENO MESSAGE...: returns the status of the command before it. FILE is where LINENO is;
# DevStack names that file's caller, and drops all but the first word of an unquoted message.
err() {
    { local - _stacknb_my_status=$?; set +x; } 2>/dev/null
    _stacknb_error "${BASH_SOURCE[1]-$0}" "${1-}" "${@:2}"
    return "$_stacknb_my_status"
}

# warn LINENO MESSAGE...: as err, but on stdout.
warn() {
    { local - _stacknb_my_status=$? IFS=' ' || :; set +x; } 2>/dev/null
    printf '[WARNING] %s:%s %s\n' "${BASH_SOURCE[1]-$0}" "${1-}" "${*:2}"
    return "$_stacknb_my_status"
}

_stacknb_error() { # FILE LINE MESSAGE...
    { local IFS=' ' || :; } 2>/dev/null
    printf '[ERROR] %s:%s %s\n' "$1" "$2" "${*:3}" >&2
    [ -n "${LOGDIR-}" ] || return 0
    { printf '[ERROR] %s:%s %s\n' "$1" "$2" "${*:3}" >>"$LOGDIR/error.log"; } 2>/dev/null || :
}

# A warning in the name of the caller of the function that calls this.
_stacknb_warn() { # MESSAGE
    printf '[WARNING] %s:%s %s\n' "${BASH_SOURCE[2]-$0}" "${BASH_LINENO[1]-0}" "$1"
}

# Ends the shell in the name of the caller of the function that calls this. The trace leaves out
# stacknb's own frames, in which nobody can mend anything. IFS stays alone: at `exit` the frames are
# still there, and a snapshot would show a local one.
_stacknb_abort() { # STATUS LINE MESSAGE...; LINE may be empty
    local _stacknb_my_i=$((${#BASH_SOURCE[@]} - 1)) _stacknb_my_file=''
    ((_stacknb_my_i < 20)) || _stacknb_my_i=20
    printf '[Call Trace]\n' >&2
    for ((; _stacknb_my_i > 1; _stacknb_my_i--)); do
        _stacknb_my_file=${BASH_SOURCE[_stacknb_my_i]}
        [ "${_stacknb_my_file%/*}" != "${BASH_SOURCE[0]%/*}" ] || continue
        printf '%s:%s:%s\n' "$_stacknb_my_file" "${BASH_LINENO[_stacknb_my_i - 1]}" \
            "${FUNCNAME[_stacknb_my_i - 1]}" >&2
    done
    _stacknb_error "${BASH_SOURCE[2]-$0}" "${2:-${BASH_LINENO[1]-0}}" "${@:3}"
    exit "$(($1 ? $1 : 1))"
}

# ---------------------------------------------------------------------------------------- variables

# VALUE=$(trueorfalse DEFAULT VAR)
trueorfalse() {
    { local -; set +x; } 2>/dev/null
    local _stacknb_my_value='' _stacknb_my_word='' _stacknb_my_answer=True
    [ -n "${2-}" ] || _stacknb_abort 1 '' \
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
    local -a _stacknb_my_words=()
    local _stacknb_my_on='' _stacknb_my_off='' _stacknb_my_service='' _stacknb_my_group=''
    _stacknb_split "${ENABLED_SERVICES-}"
    printf -v _stacknb_my_on ',%s' "${_stacknb_my_words[@]}" ''
    _stacknb_split "${DISABLED_SERVICES-}"
    printf -v _stacknb_my_off ',%s' "${_stacknb_my_words[@]}" ''
    _stacknb_split "$@"
    for _stacknb_my_service in "${_stacknb_my_words[@]}"; do
        ! _stacknb_contains "$_stacknb_my_on" ",$_stacknb_my_service," || return 0
        if declare -F "is_${_stacknb_my_service}_enabled" &>/dev/null; then
            ! "is_${_stacknb_my_service}_enabled" || return 0
        fi
        # A group is on with the first service whose name starts so. The second half is what
        # DevStack's service libraries say, and there disable_service GROUP has the last word.
        for _stacknb_my_group in nova:n- glance:g- neutron:q- trove:tr- swift:s- : \
            cinder:c- neutron:neutron- placement:placement-api keystone:key,; do
            if [ "$_stacknb_my_group" = : ]; then
                ! _stacknb_contains "$_stacknb_my_off" ",$_stacknb_my_service," || break
            elif [ "$_stacknb_my_service" = "${_stacknb_my_group%:*}" ]; then
                ! _stacknb_contains "$_stacknb_my_on" ",${_stacknb_my_group#*:}" || return 0
            fi
        done
        case $_stacknb_my_service in
            n-cpu-*) ! _stacknb_contains "$_stacknb_my_on" ,n-cpu || return 0 ;;
            s-*) ! _stacknb_contains "$_stacknb_my_on" ,swift || return 0 ;;
        esac
    done
    return 1
}

# enable_service NAME...: -NAME takes NAME out.
enable_service() {
    { local -; set +x; } 2>/dev/null
    local -a _stacknb_my_words=() _stacknb_my_wanted=()
    local _stacknb_my_service='' _stacknb_my_off='' _stacknb_my_added=,
    _stacknb_split "${DISABLED_SERVICES-}"
    printf -v _stacknb_my_off ',%s' "${_stacknb_my_words[@]}" ''
    _stacknb_split "$@"
    _stacknb_my_wanted=("${_stacknb_my_words[@]}")
    for _stacknb_my_service in "${_stacknb_my_wanted[@]}"; do
        if _stacknb_contains "$_stacknb_my_off" ",$_stacknb_my_service,"; then
            _stacknb_warn "service '$_stacknb_my_service' stays off, because a disable_service \
named it before: remove that line"
        elif ! _stacknb_contains "$_stacknb_my_added" ",$_stacknb_my_service,"; then
            is_service_enabled "$_stacknb_my_service" || _stacknb_my_added+=$_stacknb_my_service,
        fi
    done
    ENABLED_SERVICES=${ENABLED_SERVICES-}$_stacknb_my_added
    _stacknb_drop_negated_services
}

# disable_service NAME...
disable_service() {
    { local -; set +x; } 2>/dev/null
    local -a _stacknb_my_words=()
    local _stacknb_my_gone=''
    _stacknb_split "$@"
    printf -v _stacknb_my_gone ',%s' "${_stacknb_my_words[@]}" ''
    _stacknb_split "${DISABLED_SERVICES-}" "$@"
    printf -v DISABLED_SERVICES ',%s' "${_stacknb_my_words[@]}"
    DISABLED_SERVICES=${DISABLED_SERVICES#,}
    _stacknb_drop_services "$_stacknb_my_gone"
}

# Takes every NAME for which there is a -NAME out of ENABLED_SERVICES, and the -NAMEs.
_stacknb_drop_negated_services() {
    local -a _stacknb_my_words=()
    local _stacknb_my_service='' _stacknb_my_gone=,
    _stacknb_split "${ENABLED_SERVICES-}"
    for _stacknb_my_service in "${_stacknb_my_words[@]}"; do
        case $_stacknb_my_service in
            -*) _stacknb_my_gone+=$_stacknb_my_service,${_stacknb_my_service#-}, ;;
        esac
    done
    _stacknb_drop_services "$_stacknb_my_gone"
}

_stacknb_drop_services() { # ,NAME,NAME,: takes these out of ENABLED_SERVICES
    local -a _stacknb_my_words=()
    local _stacknb_my_service='' _stacknb_my_left=''
    _stacknb_split "${ENABLED_SERVICES-}"
    for _stacknb_my_service in "${_stacknb_my_words[@]}"; do
        _stacknb_contains "$1" ",$_stacknb_my_service," ||
            _stacknb_my_left+=,$_stacknb_my_service
    done
    ENABLED_SERVICES=${_stacknb_my_left#,}
}

_stacknb_split() { # TEXT...: at commas and blanks, into the caller's _stacknb_my_words
    { local - IFS=$' \t\n' || :; } 2>/dev/null
    set -f
    _stacknb_my_words=(${*//,/ })
}

_stacknb_contains() { # TEXT PART
    [ "${1#*"$2"}" != "$1" ]
}

# ------------------------------------------------------------------------------------------ plugins

# enable_plugin NAME [DIR_OR_URL [BRANCH]]: a folder (absolute, file:// or relative to TOP_DIR) is
# used where it is; a plugin with a URL, or with nothing, is expected in DEST. We clone nothing.
enable_plugin() {
    { local -; set +x; } 2>/dev/null
    local _stacknb_my_folder='' _stacknb_my_todo="clone ${2:-it} there first"
    if [ -z "${1-}" ] || [[ $1 == *[[:space:],/]* ]]; then
        _stacknb_abort 1 '' "enable_plugin: '${1-}' is no plugin's name: no blank, comma or / in it"
    elif is_plugin_enabled "$1"; then
        _stacknb_abort 1 '' "plugin '$1' is enabled twice: remove one of its enable_plugin lines"
    fi
    case ${2-} in
        file://*) _stacknb_my_folder=${2#file://} ;;
        /*) _stacknb_my_folder=$2 ;;
        '' | *://*) ;;
        *) # host:path is a URL to git
            [[ ${2%%/*} == *:* ]] || _stacknb_my_folder=${TOP_DIR:-$PWD}/${2#./}
            ;;
    esac
    if [ -n "$_stacknb_my_folder" ]; then
        _stacknb_my_todo="clone the plugin there first, or mend the enable_plugin line"
    fi
    _stacknb_my_folder=${_stacknb_my_folder:-${DEST:-/opt/stack}/$1}
    [ -d "$_stacknb_my_folder" ] ||
        _stacknb_warn "plugin '$1': no folder '$_stacknb_my_folder': $_stacknb_my_todo"
    declare -gA GITREPO GITBRANCH GITDIR
    DEVSTACK_PLUGINS=${DEVSTACK_PLUGINS-},$1
    GITREPO[$1]=${2-}
    GITDIR[$1]=${_stacknb_my_folder%/}
    GITBRANCH[$1]=${3:-master}
}

# is_plugin_enabled NAME
is_plugin_enabled() {
    { local -; set +x; } 2>/dev/null
    [ -n "${1-}" ] && _stacknb_contains ",${DEVSTACK_PLUGINS-}," ",$1," || return
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
    is_plugin_enabled "${2-}" || _stacknb_warn "plugin '${1-}' requires '${2-}', which is not \
enabled: put 'enable_plugin ${2-} DIR_OR_URL' before the line that enables '${1-}'"
}

# ------------------------------------------------------------------------- times and ini files

case ${BASH_SOURCE[0]} in
    */*)
        source "${BASH_SOURCE[0]%/*}/times.bash"
        source "${BASH_SOURCE[0]%/*}/ini.bash"
        ;;
    *)
        source ./times.bash
        source ./ini.bash
        ;;
esac
