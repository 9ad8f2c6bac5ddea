# shellcheck shell=bash
# What the functions of helpers.bash do, where that is more than a line or two; its rules hold here, too.
# Loaded when first needed.

# ----------------------------------------------------------------------------------------- messages

_stacknb_error() { # FILE LINE MESSAGE...
    { local IFS=' ' || :; } 2>/dev/null
    printf '[ERROR] %s:%s %s\n' "$1" "$2" "${*:3}" >&2
    [ -n "${LOGDIR-}" ] || return 0
    { printf '[ERROR] %s:%s %s\n' "$1" "$2" "${*:3}" >>"$LOGDIR/error.log"; } 2>/dev/null || :
}

# Sets _stacknb_my_i to the innermost frame that is not ours: who has called a helper.
_stacknb_find_caller() {
    for ((_stacknb_my_i = 1; _stacknb_my_i < ${#BASH_SOURCE[@]}; _stacknb_my_i++)); do
        _stacknb_is_own "${BASH_SOURCE[_stacknb_my_i]}" "${FUNCNAME[_stacknb_my_i]}" || break
    done
    ((_stacknb_my_i -= 1, 1)) # the frame of this function is none of its caller's
}

# A warning in the name of whoever has called a helper.
_stacknb_warn() { # MESSAGE
    local _stacknb_my_i=''
    _stacknb_find_caller
    printf '[WARNING] %s:%s %s\n' "${BASH_SOURCE[_stacknb_my_i]-$0}" "${BASH_LINENO[_stacknb_my_i - 1]-0}" "$1"
}

# Ends the shell in the name of whoever has called a helper. The trace leaves out stacknb's own
# frames, in which nobody can mend anything. IFS stays alone: at `exit` the frames are still there,
# and a snapshot would show a local one.
_stacknb_abort() { # STATUS LINE MESSAGE...; LINE may be empty
    local _stacknb_my_n=$((${#BASH_SOURCE[@]} - 1)) _stacknb_my_i=''
    ((_stacknb_my_n < 20)) || _stacknb_my_n=20
    printf '[Call Trace]\n' >&2
    for ((; _stacknb_my_n > 1; _stacknb_my_n--)); do
        ! _stacknb_is_own "${BASH_SOURCE[_stacknb_my_n]}" "${FUNCNAME[_stacknb_my_n]}" || continue
        printf '%s:%s:%s\n' "${BASH_SOURCE[_stacknb_my_n]}" "${BASH_LINENO[_stacknb_my_n - 1]}" \
            "${FUNCNAME[_stacknb_my_n - 1]}" >&2
    done
    _stacknb_find_caller
    _stacknb_error "${BASH_SOURCE[_stacknb_my_i]-$0}" "${2:-${BASH_LINENO[_stacknb_my_i - 1]-0}}" "${@:3}"
    exit "$(($1 ? $1 : 1))"
}

# ----------------------------------------------------------------------------------------- services

_stacknb_is_enabled() {
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

_stacknb_enable() {
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

_stacknb_disable() {
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

_stacknb_enable_plugin() {
    local _stacknb_my_folder='' _stacknb_my_todo="clone ${2:-it} there first"
    if [ -z "${1-}" ] || [[ $1 == *[[:space:],/]* ]]; then
        _stacknb_abort 1 '' "enable_plugin: '${1-}' is no plugin's name: no blank, comma or / in it"
    elif is_plugin_enabled "$1"; then
        _stacknb_abort 1 '' "plugin '$1' is enabled twice: remove one of its enable_plugin lines, or the --plugin that gives it"
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
    _stacknb_need programs
    _stacknb_link_plugin "$1"
}
