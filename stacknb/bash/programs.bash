# shellcheck shell=bash
# Programs that stacknb itself starts. Loaded when first needed; the rules of helpers.bash hold here, too.

# Runs a program of the system, wherever a hook's PATH leads, with an empty environment: a hook may
# have exported more than any program can be started with, and none of ours needs it.
_stacknb_program() ( # NAME [ARG…]
    [ ! -x "/usr/bin/$1" ] || set -- "/usr/bin/$1" "${@:2}"
    [ ! -x "/bin/$1" ] || set -- "/bin/$1" "${@:2}" # where macOS has some
    builtin exec -c "$@"
)

# Waits for a moment; fails where somebody has removed the folder. Before bash 5.2, and in posix mode, `read -t`
# has an alarm sent, and waits for ever where that comes just before it begins to read.
_stacknb_bide() { # SECONDS
    if [[ -o posix ]] || ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 502)); then
        _stacknb_program sleep "$1"
    else
        { read -r -t "$1" _ <>"$_stacknb_control/never"; } 2>/dev/null || :
    fi
    [ -p "$_stacknb_control/never" ]
}

# The time, where a hook has unset what tells it: a new bash has it again. A task that is ended asks, too,
# and what it starts is then of the group that is sent SIGTERM.
_stacknb_ask_time() { # VARIABLE
    printf -v "$1" %s "$(builtin trap '' TERM; _stacknb_program "${BASH:-bash}" -c 'printf %s "$EPOCHREALTIME"')"
}

# Runs our Python; only the loader may need to be told where its libraries are.
_stacknb_lone_python() { # [ARG…]
    _stacknb_program env "PATH=${PATH-}" ${LD_LIBRARY_PATH:+"LD_LIBRARY_PATH=$LD_LIBRARY_PATH"} \
        "${_stacknb_python:-python3}" -I -S "$@"
}

# Refuses what cannot be started with all that is exported. The limits are the system's, so a program
# (env, since bash has a `true` of its own) is started with it; where it is too much, bash says 126.
_stacknb_check_size() { # WHAT WORD…
    local -a _stacknb_my_names=()
    local _stacknb_my_name='' _stacknb_my_value='' _stacknb_my_most='' _stacknb_my_size=0 _stacknb_my_sum=0
    (command -p env true "${@:2}") 2>/dev/null || (($? != 126)) && return
    if ! _stacknb_program env true "${@:2}" 2>/dev/null; then
        printf '%s: its command is too long for a program; put it into a script\n' "$1" >&2
        return 1
    fi
    mapfile -t _stacknb_my_names <<<"$(compgen -e)"
    for _stacknb_my_name in "${_stacknb_my_names[@]}"; do
        _stacknb_my_value=${!_stacknb_my_name-}
        ((_stacknb_my_sum += ${#_stacknb_my_value}, 1))
        if ((${#_stacknb_my_value} > _stacknb_my_size)); then
            _stacknb_my_size=${#_stacknb_my_value} _stacknb_my_most=$_stacknb_my_name
        fi
    done
    printf "%s: what is exported (%d kB) is too large for a program; keep what it need not see in the shell, '%s' (%d kB) first: export -n %s\n" \
        "$1" "$((_stacknb_my_sum / 1000))" "$_stacknb_my_most" "$((_stacknb_my_size / 1000))" "$_stacknb_my_most" >&2
    return 1
}

# Tells of a service that it runs as the user of the shell, if another one or a group is asked for: only
# root could change that, and DevStack asks sudo and systemd to.
_stacknb_say_whose() { # NAME GROUP USER
    local _stacknb_my_user='' _stacknb_my_groups='' _stacknb_my_text=''
    _stacknb_my_user=$(_stacknb_program id -un) _stacknb_my_groups=$(_stacknb_program id -Gn)
    [[ ! $3 || $3 == "$_stacknb_my_user" || $3 == "$EUID" ]] || _stacknb_my_text=", not as '$3'"
    [[ ! $2 || " $_stacknb_my_groups " == *" $2 "* ]] || _stacknb_my_text+=", not in the group '$2'"
    [ -z "$_stacknb_my_text" ] || printf "run_process: service '%s' runs as the user of the shell, '%s'%s\n" \
        "$1" "$_stacknb_my_user" "$_stacknb_my_text" >&2
}

# DevStack clones a plugin to DEST/NAME, and there most plugins look for their own files. So in the DEST
# that is ours a link leads to the folder of one that lies elsewhere; what is no link is left alone.
_stacknb_link_plugin() { # NAME
    local _stacknb_my_folder=${GITDIR[$1]-} _stacknb_my_link=${DEST-}/$1
    [ "${DEST-}" = "${TOP_DIR-}/.stacknb/dest" ] && [ "$_stacknb_my_folder" != "$_stacknb_my_link" ] &&
        [ -d "$_stacknb_my_folder" ] && { [ -L "$_stacknb_my_link" ] || [ ! -e "$_stacknb_my_link" ]; } || return 0
    { _stacknb_program mkdir -p -- "$DEST" &&
        _stacknb_program ln -sfn -- "$_stacknb_my_folder" "$_stacknb_my_link"; } 2>/dev/null || return 0
}
