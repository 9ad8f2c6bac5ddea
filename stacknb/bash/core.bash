# The functions of the driver.

# Sources what belongs to the shell, at first and after a restore, so that what a snapshot holds of it
# does not stand in its place.
_stacknb_load() {
    builtin local _nb_aliases=''
    if builtin shopt -q expand_aliases; then
        _nb_aliases=1
        builtin shopt -u expand_aliases
    fi
    builtin source "$_stacknb_bash/need.bash"
    builtin source "$_stacknb_bash/core.bash"
    builtin source "$_stacknb_bash/leaving.bash"
    builtin source "$_stacknb_bash/async.bash"
    builtin source "$_stacknb_bash/collect.bash"
    builtin source "$_stacknb_bash/services.bash"
    [[ ! $_nb_aliases ]] || builtin shopt -s expand_aliases
    # In posix mode bash refuses a function named exit.
    [[ ! $_stacknb_posix ]] || builtin set -o posix
    _stacknb_posix=''
}

_stacknb_proc='' # whether /proc tells of processes
[[ ! -e /proc/self ]] || _stacknb_proc=1

# CPU time of this process and the children it has reaped, in hundredths of a second: user, system.
# `times` would need a file or a fork to be read; /proc needs neither.
if [[ -r /proc/self/stat ]]; then
    _stacknb_times() {
        builtin local _nb_user=0 _nb_sys=0 _nb_cuser=0 _nb_csys=0
        IFS=' ' builtin read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _nb_user _nb_sys _nb_cuser _nb_csys _ </proc/self/stat || [[ x ]]
        # A readonly IFS that holds digits has split it elsewhere: what was known stays.
        [[ $_nb_user && $_nb_sys && $_nb_cuser && $_nb_csys && $_nb_user$_nb_sys$_nb_cuser$_nb_csys != *[!0-9]* ]] || builtin return 0
        _stacknb_cpu=("$((_nb_user + _nb_cuser))" "$((_nb_sys + _nb_csys))") # quoted: IFS may hold digits
    }
else
    _stacknb_times() { _stacknb_cpu=(0 0); }
fi

# Takes what it must know of a turn. It comes in a file, because a FIFO is read byte by byte, and was
# there before; what the shell has used so far nobody knew until now.
_stacknb_turn() { # USER SYSTEM
    _stacknb_cpu0=("$@") _stacknb_read=()
    builtin mapfile -d '' -n 1 -t _stacknb_read <"$_stacknb_control/turn"
    builtin eval "${_stacknb_read[0]-}"
    # Somebody has taken the file away, or emptied it: without a turn there would be no answer, ever.
    [[ $_stacknb_kind ]] || builtin exit 1
}

# A shell that can say nothing (restricted, or without descriptors) ends, which is heard.
_stacknb_reply() { builtin printf '%s\0' "$#" "$@" >|"$_stacknb_control/out" || builtin exit 1; }

# What a turn that did not end the shell is answered with; its snapshot follows.
_stacknb_answer() {
    _stacknb_list_plugins
    _stacknb_reply ran "$_stacknb_status" "$_stacknb_plugins" "$_stacknb_required"
}

# The times of a hook that is over, read before the snapshot is taken, which is no work of the hook's.
_stacknb_stop_clock() { # EPOCHREALTIME
    _stacknb_end=${1/,/.} _stacknb_cpu=("${_stacknb_cpu0[@]}")
    [[ $_stacknb_end ]] || { builtin printf -v _stacknb_end '%(%s)T.000000' -1; _stacknb_began=0; } # a hook has unset it
    # The kernel counts CPU time in hundredths of a second: a shorter hook has none to be read.
    ((${_stacknb_end/./} - _stacknb_began < 10000)) || _stacknb_times
}

# The end of the log of a hook.
_stacknb_footer() { # LOG NAME EXIT_CODE [MORE_JSON]
    builtin local _nb_user _nb_sys _nb_line
    _nb_user=$((_stacknb_cpu[0] - _stacknb_cpu0[0])) _nb_sys=$((_stacknb_cpu[1] - _stacknb_cpu0[1]))
    builtin printf -v _nb_line '\n#stacknb-end {"end": %s, "exit_code": %d, "user_s": %d.%02d, "sys_s": %d.%02d, %s"run": "%s", "name": "%s", "pid": %d}\n' \
        "$_stacknb_end" "$3" "$((_nb_user / 100))" "$((_nb_user % 100))" "$((_nb_sys / 100))" "$((_nb_sys % 100))" \
        "${4-}" "$_stacknb_run" "$2" "$$"
    builtin printf %s "$_nb_line" >>"$1" || _stacknb_note_lack # as one word: see _stacknb_end_task
}

# Something of the run could not be written; Python, which finds the file, says so and ends the run.
_stacknb_note_lack() { >|"$_stacknb_control/lack"; }

# Notes as the place of an end where a hook called the outermost of our functions (`die`, async_wait):
# nobody can mend anything in these. Of an interrupt outside of them the trap knows more.
_stacknb_blame() { # FIRST_FRAME HOW [MORE]
    for ((_stacknb_i = $1; _stacknb_i < ${#BASH_SOURCE[@]} - 1; _stacknb_i++)); do
        _stacknb_is_own "${BASH_SOURCE[_stacknb_i]}" "${FUNCNAME[_stacknb_i]}" || builtin break
    done
    ((_stacknb_i == 1)) || _stacknb_where=("$2" "${BASH_SOURCE[_stacknb_i]-}" "${BASH_LINENO[_stacknb_i - 1]-}" "${FUNCNAME[_stacknb_i - 1]}${3-}")
}

# Tells where a script called exit; in the EXIT trap bash knows only the line of the outer call. Within an EXIT
# trap of the hook it is known already, unless that makes a good end of a bad one, or a bad one of a good; and
# there `exit` alone means the status from before the trap. Bash knows it, but forgets it once our ERR trap has
# run within that one: hence _stacknb_left, PID STATUS, where the process has called exit before.
exit() {
    {
        _stacknb_status=$? _stacknb_text=${BASHPID-$$${BASH_SUBSHELL#0}} _stacknb_again=''
        [[ $_stacknb_left != "$_stacknb_text "* ]] || _stacknb_again=${_stacknb_left#* }
        [[ ${1-0} != +([0-9]) ]] || _stacknb_left="$_stacknb_text ${1-${_stacknb_again:-$_stacknb_status}}"
        [[ ! $_stacknb_leader || ${BASHPID-} != "$_stacknb_leader" ]] || _stacknb_come_last "${1:-${_stacknb_again:-$_stacknb_status}}" || [[ x ]]
        _stacknb_blame 2 exit "${1+ $1}" || [[ x ]]
        [[ ${BASHPID-$$${BASH_SUBSHELL#0}} != "$$" || ( -s $_stacknb_control/foreseen && ${1-} != 0 && ${1:+$_stacknb_again} != 0 ) ]] || {
            _stacknb_need whence
            _stacknb_add_calls 2
            builtin printf '%s\0' "${_stacknb_where[@]}" >|"$_stacknb_control/where"
            (builtin trap -p >|"$_stacknb_control/traps"; _stacknb_foresee)
        } || [[ x ]]
    } >/dev/null 2>&1
    # Under xtrace the call has been shown; what follows is ours.
    { if [[ $- == *x* ]]; then _stacknb_traced=x; builtin set +x; fi; } 2>/dev/null
    # From here on an interrupt has nothing to end, and must not end the EXIT trap at its first command.
    # In a hook's own trap, in the place of ours, it has.
    [[ -s $_stacknb_control/foreseen ]] || _stacknb_leaving=1
    [[ $# != 0 || ! $_stacknb_again ]] || builtin set -- "$_stacknb_again"
    case $#.$_stacknb_status in
        0.0) builtin exit ;;
        0.*) _stacknb_repeat || builtin exit ;;
        *) builtin exit "$@" ;;
    esac
    # exit --help ends nothing.
    { _stacknb_status=$? _stacknb_where=() _stacknb_files=() _stacknb_leaving='' _stacknb_left=''; >|"$_stacknb_control/where"; >|"$_stacknb_control/foreseen"; >|"$_stacknb_control/snapshot.foreseen"; } 2>/dev/null
    builtin return "$_stacknb_status"
}

_stacknb_repeat() { builtin return "$_stacknb_status"; }

# The frame in which a hook is sourced. It has neither arguments nor locals: a hook that is given no
# arguments must see none, and what a hook declares local is local to this function.
_stacknb_frame() { builtin source "$_stacknb_path" "${_stacknb_args[@]}"; }

# The same for a hook that starts under xtrace: of the trace, it is the call that sources the hook which people
# look for, not ours.
_stacknb_traced_frame() {
    builtin set -x
    builtin source "$_stacknb_path" "${_stacknb_args[@]}"
}

# The same where a hook has put something in the place of `builtin`, or disabled it.
_stacknb_bare_frame() { . "$_stacknb_path" "${_stacknb_args[@]}"; }

# Which of the flags that were on at the end of a turn the next one starts with. An interrupted hook, which
# is run again as a whole, gets those back that it began with: the function that was at work may have
# switched them off for itself (`local -`), as async_wait does.
_stacknb_settle() {
    builtin local _nb_keep="$_stacknb_flags"
    if builtin shopt -q nocasematch; then # for which e and E are one
        builtin shopt -u nocasematch
        _stacknb_settle
        builtin shopt -s nocasematch
        builtin return
    fi
    _nb_keep=${_nb_keep//[!eufxvCEkT]/}
    # extdebug brings errtrace with it; where it is ours, the turn may have had it before.
    [[ ( $_stacknb_off$_stacknb_foreign || $_stacknb_had == *E* ) && ! $_stacknb_debug ]] || _nb_keep=${_nb_keep//E/}
    if [[ $_stacknb_kind != hook ]]; then # it runs without errexit; what was on before it stays on
        _nb_keep=${_nb_keep//e/}
        [[ $_stacknb_had != *e* ]] || _nb_keep+=e
    elif [[ $_stacknb_busy.${_stacknb_where[0]-} == 1.interrupt ]]; then
        _nb_keep+=${_stacknb_had//["E$_nb_keep"]/}
    fi
    _stacknb_flags=$_nb_keep
}

# The plugins enabled by now, NAME=DIR a line, for the phases to come.
_stacknb_list_plugins() {
    _stacknb_plugins='' _stacknb_required=''
    [[ ${DEVSTACK_PLUGINS-} || ${#_stacknb_requires[@]} != 0 ]] || builtin return 0
    builtin local _nb_name _nb_rest="${DEVSTACK_PLUGINS-},"
    for _nb_name in "${!_stacknb_requires[@]}"; do
        _stacknb_required+=${_stacknb_required:+$'\x1f'}$_nb_name
    done
    while [[ $_nb_rest ]]; do
        _nb_name=${_nb_rest%%,*} _nb_rest=${_nb_rest#*,}
        [[ ! $_nb_name ]] || _stacknb_plugins+="${_stacknb_plugins:+$'\x1f'}$_nb_name=${GITDIR[$_nb_name]-}"
    done
}

# A snapshot. A function is read once, a text each time.
_stacknb_write_state() {
    _stacknb_read=() _stacknb_zero=$0
    [[ ${SECONDS-} ]] # before 5.2 declare shows it only after a look at it
    builtin printf '#stacknb variables\n'
    builtin declare -p
    builtin printf '#stacknb shopt\n'
    builtin shopt -p
    [[ ! $_stacknb_debug ]] || builtin printf 'shopt -s extdebug\n'
    builtin printf '#stacknb functions\n'
    if [[ $BASHOPTS == *extglob* ]]; then
        builtin compgen -A function -X "$_stacknb_loads"
    else
        builtin shopt -s extglob
        builtin compgen -A function -X "$_stacknb_loads"
        builtin shopt -u extglob
    fi >|"$_stacknb_control/scratch"
    builtin mapfile -t _stacknb_read <"$_stacknb_control/scratch"
    builtin declare -f -- "${_stacknb_read[@]}"
    builtin printf '#stacknb attributes\n'
    builtin declare -Fxrt # those with one of the three
    builtin printf '#stacknb aliases\n'
    builtin alias -p
    builtin printf '#stacknb options\n'
    builtin set +o
    [[ ! $_stacknb_posix ]] || builtin printf 'set -o posix\n'
    builtin printf '#stacknb flags\n%s\n#stacknb umask\n' "$_stacknb_flags"
    builtin umask -p
    builtin printf '#stacknb cwd\n%s\n#stacknb traps\n' "$PWD"
    # Inside a function bash hides those of ERR, DEBUG and RETURN, which were noted outside; of a shell that
    # is ending the EXIT trap has noted all. Last, since in posix mode bash says of hidden ones that they are not set.
    [[ $_stacknb_leaving ]] || builtin trap -p
    [[ $_stacknb_leaving ]] && builtin printf '%s' "$_stacknb_traps" || builtin printf '%s' "${_stacknb_kept-}"
    builtin printf '#stacknb end\n'
}
