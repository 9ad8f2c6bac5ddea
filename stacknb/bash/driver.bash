# The loop of the one persistent bash in which every hook of a run is sourced.
#
# Started as: bash driver.bash CONTROL_DIR RUN_DIR RUN_ID
# Requests come through the FIFO CONTROL_DIR/in, one piece of bash each, ended by NUL. Answers go to
# CONTROL_DIR/out: the number of fields, then the fields, each ended by NUL. Both are opened by name
# for each message, so no descriptor of ours is open while a hook runs: none of its children can
# hold one, and nothing that a hook prints, closes or redirects can reach them.
#
# Names beginning _stacknb_ are ours, and _nb_ for locals: a hook may have made any other name readonly,
# so that `local` of it would fail. Options that a hook leaves set (errexit, nounset, xtrace,
# noclobber, IFS …) leak to the next hook by design, so every line here has to work under all of them,
# even with IFS readonly: what is read is read by mapfile, which does not look at it.

set +o posix # POSIXLY_CORRECT may be in the environment
_stacknb_control=$1 _stacknb_dir=$2 _stacknb_run=$3
_stacknb_driver=${BASH_SOURCE[0]} _stacknb_host=${HOSTNAME-} _stacknb_phase='' _stacknb_hook=''
_stacknb_kind='' _stacknb_name='' _stacknb_path='' _stacknb_log='' _stacknb_err='' _stacknb_state=''
_stacknb_args=() _stacknb_flags='' _stacknb_had='' _stacknb_status=0 _stacknb_off='' _stacknb_foreign=''
_stacknb_busy='' _stacknb_foreground='' _stacknb_text='' _stacknb_where=() _stacknb_failed=()
_stacknb_cpu=(0 0) _stacknb_cpu0=(0 0) _stacknb_plugins='' _stacknb_required='' _stacknb_names=() _stacknb_leaving='' _stacknb_leader=''
_stacknb_posix='' _stacknb_debug='' _stacknb_own_err=() _stacknb_read=() _stacknb_traced='' _stacknb_plain=''
set --

# What is remembered of tasks and plugins; goes into the snapshot and comes back with it.
# By the name of a task: pid, owner's pid, log and command of the newest one; its exit status once known
# otherwise than by `wait`; once collected; and how many logs it has, where that is more than one.
declare -A _stacknb_tasks=() _stacknb_ended=() _stacknb_codes=() _stacknb_counts=() _stacknb_requires=() _stacknb_told=()
_stacknb_order=() _stacknb_jobs='' _stacknb_open=0 _stacknb_seq=0 _stacknb_background_us=0 _stacknb_waited_us=0

# What ERR, INT and exit leave behind for the error message. ERR under errexit means that the shell
# is about to end; where a hook has an EXIT trap of its own, the file is all that will be known.
_stacknb_on_err='{ _stacknb_failed=("$?" "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND"); [[ $- != *e* || $BASH_SUBSHELL != 0 ]] || printf "%s\0" errexit "${_stacknb_failed[@]:1}" >|"$_stacknb_control/where"; } 2>/dev/null'
_stacknb_on_int='[[ $_stacknb_leaving || $BASHPID != "$$" ]] || { _stacknb_where=(interrupt "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND"); builtin exit 130; }'

# The snapshot; evaluated at top level, since inside a function bash hides ERR, DEBUG and RETURN traps.
_stacknb_save='{
printf "#stacknb variables\n"; declare -p
printf "#stacknb shopt\n"; shopt -p; [[ ! $_stacknb_debug ]] || printf "shopt -s extdebug\n"
printf "#stacknb functions\n"
compgen -A function -X "_stacknb_*" >|"$_stacknb_control/scratch"; mapfile -t _stacknb_read <"$_stacknb_control/scratch"
declare -f -- "${_stacknb_read[@]}"
printf "#stacknb attributes\n"; declare -Fx; declare -Fr
printf "#stacknb aliases\n"; alias -p
printf "#stacknb options\n"; set +o; [[ ! $_stacknb_posix ]] || printf "set -o posix\n"
printf "#stacknb flags\n%s\n" "$_stacknb_flags"
printf "#stacknb umask\n"; umask -p
printf "#stacknb cwd\n%s\n" "$PWD"
printf "#stacknb traps\n"; trap -p
printf "#stacknb end\n"
} >|"$_stacknb_state" 2>/dev/null'

# extdebug for the next turn; it brings functrace and errtrace with it. A cell is the place to get rid
# of a trap that skips every command, so it goes without extdebug, but with functrace: otherwise what
# is sourced could neither see the trap nor undo it.
_stacknb_resume_debug='
set -T
if [[ $_stacknb_kind == cell ]] && (builtin shopt -s extdebug; [[ ! x ]]) >/dev/null 2>&1; then
    _stacknb_debug=-
else
    builtin shopt -s extdebug
    [[ $_stacknb_debug == *T* ]] || set +T
fi'

_stacknb_load() {
    source "${_stacknb_driver%/*}/need.bash"
    source "${_stacknb_driver%/*}/core.bash"
    source "${_stacknb_driver%/*}/async.bash"
    source "${_stacknb_driver%/*}/collect.bash"
    source "${_stacknb_driver%/*}/services.bash"
    # In posix mode bash refuses a function named exit.
    [[ ! $_stacknb_posix ]] || set -o posix
    _stacknb_posix=''
}
_stacknb_load
! compgen -G "$_stacknb_dir/async/*" >/dev/null || : >|"$_stacknb_control/others" # tasks of an earlier shell

trap '_stacknb_on_exit "$?" "$BASH_COMMAND"' EXIT
trap "$_stacknb_on_int" INT
trap "$_stacknb_on_err" ERR
trap -p ERR >|"$_stacknb_control/scratch"
mapfile -d '' -n 1 _stacknb_own_err <"$_stacknb_control/scratch"
trap - ERR

# A request is evaluated; if it names a kind, a hook or a cell has its turn. The turn stands here and
# is no function and no eval: a hook that fails under errexit ends bash right through all of it.
#
# errexit and its like are off between turns and kept in _stacknb_flags. errtrace is ours during a
# turn, so that ERR tells the exact line, unless the hook deals with ERR itself (_stacknb_off, seen
# in its text; _stacknb_foreign, a trap that one has left).
#
# extdebug is off between turns, too (_stacknb_debug: the flags of a shell that has it): under it each
# command that a DEBUG trap does not like is skipped, and counts as done and well. A trap that skips
# even the command which turns it off leaves us nothing but to end the shell, by an expansion.
#
# `until !`: after `set -n` every command counts as done and well, and the loop must end, not spin.
until ! mapfile -d '' -n 1 -t _stacknb_read <"$_stacknb_control/in"; do
    _stacknb_kind=''
    eval "${_stacknb_read[0]-}"
    [[ $_stacknb_kind ]] || continue
    _stacknb_busy=1 _stacknb_failed=() _stacknb_where=() _stacknb_had=$_stacknb_flags
    _stacknb_plain=${_stacknb_jobs:-"$$ True "} # see async_run
    _stacknb_times
    _stacknb_cpu0=("${_stacknb_cpu[@]}")
    exec >>"$_stacknb_log" 2>>"${_stacknb_err:-$_stacknb_log}"
    [[ -n $_stacknb_off || -n $_stacknb_foreign ]] || { trap "$_stacknb_on_err" ERR; set -E; }
    _stacknb_status=0
    [[ ! $_stacknb_debug ]] || eval "$_stacknb_resume_debug"
    if [[ $_stacknb_kind == cell ]]; then
        [[ -z ${_stacknb_flags//[eE]/} ]] || set "-${_stacknb_flags//[eE]/}"
        source "$_stacknb_path"
    else
        [[ -z $_stacknb_flags ]] || set "-$_stacknb_flags"
        _stacknb_frame
    fi
    {
        _stacknb_status=$? _stacknb_flags=$-
        set +eufxvCE # first of all, because a trace may show what comes before it
        [[ $_stacknb_debug != - ]] || set +T
        _stacknb_debug=''
        if [[ $BASHOPTS == *extdebug* ]]; then builtin shopt -u extdebug; _stacknb_debug=$_stacknb_flags; fi
        while [[ $BASHOPTS == *extdebug* ]]; do { :; } >|"$_stacknb_control/skipped" <"${_stacknb_nothing?}"; done
        [[ ! $_stacknb_debug ]] || set +eufxvCE # it may have been skipped
    } 2>/dev/null
    exec >/dev/null 2>&1
    _stacknb_settle
    trap -p ERR >|"$_stacknb_control/scratch" # here, because a function does not see it
    mapfile -d '' -n 1 _stacknb_read <"$_stacknb_control/scratch"
    if [[ ${_stacknb_read-} == "$_stacknb_own_err" ]]; then
        trap - ERR
    elif [[ ${_stacknb_read-} ]]; then
        _stacknb_foreign=1
    fi
    eval "$_stacknb_save"
    _stacknb_footer "$_stacknb_log" "$_stacknb_name" "$_stacknb_status"
    _stacknb_busy='' _stacknb_hook='' _stacknb_plain=''
    _stacknb_list_plugins
    _stacknb_reply done "$_stacknb_status" "$_stacknb_plugins" "$_stacknb_required"
done
