# The loop of the one persistent bash in which every hook of a run is sourced.
#
# Started as: bash driver.bash CONTROL_DIR RUN_DIR RUN_ID HOST
# Requests come through the FIFO CONTROL_DIR/in, one piece of bash each, ended by NUL. Answers go to
# CONTROL_DIR/out: the number of fields, then the fields, each ended by NUL. Both are opened by name
# for each message, so no descriptor of ours is open while a hook runs: none of its children can
# hold one, and nothing that a hook prints, closes or redirects can reach them.
#
# Names beginning _stacknb_ are ours, and _nb_ for locals: a hook may have made any other name readonly,
# so that `local` of it would fail. Options that a hook leaves set (errexit, nounset, xtrace,
# noclobber, IFS …) leak to the next hook by design, so every line here has to work under all of them,
# even with IFS readonly: what is read is read by mapfile, which does not look at it. So do its
# functions, aliases and `enable -n`: hence `builtin` before each builtin, and `\builtin` in what is
# read while a hook's aliases are in force. `exec` takes effect for good only after `command`.

# BASH_ENV or an exported function may have put something in the place of what all rests on.
_stacknb_regained=''
builtin printf -v _stacknb_regained x
[[ $_stacknb_regained ]] || : "${_stacknb_nothing?}"
builtin set +o posix # POSIXLY_CORRECT may be in the environment
_stacknb_control=$1 _stacknb_dir=$2 _stacknb_run=$3 _stacknb_host=$4 # HOSTNAME may be set in the environment
_stacknb_driver=${BASH_SOURCE[0]} _stacknb_phase='' _stacknb_hook=''
_stacknb_kind='' _stacknb_name='' _stacknb_path='' _stacknb_log='' _stacknb_err='' _stacknb_state=$_stacknb_control/snapshot
_stacknb_args=() _stacknb_flags='' _stacknb_had='' _stacknb_status=0 _stacknb_off='' _stacknb_foreign=''
_stacknb_busy='' _stacknb_foreground='' _stacknb_text='' _stacknb_where=() _stacknb_failed=()
_stacknb_cpu=(0 0) _stacknb_cpu0=(0 0) _stacknb_began=0 _stacknb_end='' _stacknb_plugins='' _stacknb_required='' _stacknb_names=() _stacknb_leaving='' _stacknb_left='' _stacknb_again='' _stacknb_leader='' _stacknb_within=''
_stacknb_posix='' _stacknb_debug='' _stacknb_read=() _stacknb_traced='' _stacknb_plain=''
_stacknb_bash=${_stacknb_driver%/*} _stacknb_helpers='' _stacknb_regained='' _stacknb_given_up=''
_stacknb_hidden='' _stacknb_disabled=() _stacknb_exit=() _stacknb_traps=() _stacknb_files=() _stacknb_lines=() _stacknb_functions=() _stacknb_begun='' _stacknb_kept=() _stacknb_return=() _stacknb_why=''
builtin set --

# What is remembered of tasks and plugins; goes into the snapshot and comes back with it.
# By the name of a task: pid, owner's pid, log and command of the newest one; its exit status once known
# otherwise than by `wait`; once collected; and how many logs it has, where that is more than one.
builtin declare -A _stacknb_tasks _stacknb_ended _stacknb_codes _stacknb_counts _stacknb_requires _stacknb_told
_stacknb_tasks=() _stacknb_ended=() _stacknb_codes=() _stacknb_counts=() _stacknb_requires=() _stacknb_told=()
_stacknb_jobs='' _stacknb_open=0 _stacknb_seq=0 _stacknb_background_us=0 _stacknb_waited_us=0 _stacknb_waited_to=0

# What ERR, INT and exit leave behind for the error message. ERR under errexit means that the shell
# is about to end, and an EXIT trap would no longer see all of the calls; where a hook has one of its own,
# the files are all that will be known. What fails within that one is not where an interrupt or `exit` was.
# Neither a trace nor what a DEBUG trap of the hook prints shall tell of them. There is no `[[` in what
# is parsed as these traps run: after a syntax error within one bash understands no other. A hook may
# have unset BASHPID.
_stacknb_on_err='{ _stacknb_failed=("$?" "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND" "$-"); case $- in *e*) _stacknb_files=("${BASH_SOURCE[@]}") _stacknb_lines=("${BASH_LINENO[@]}") _stacknb_functions=("${FUNCNAME[@]}") ;; esac; case $-.${_stacknb_where-}.${BASHPID-$$${BASH_SUBSHELL#0}} in *e*.."$$") _stacknb_where=(errexit "${_stacknb_failed[@]:1:3}"); { \builtin printf "%s\0" "${_stacknb_where[@]}" >|"$_stacknb_control/where"; (\builtin trap -p >|"$_stacknb_control/traps"; _stacknb_foresee); } || case x in esac ;; *e*.*."${_stacknb_leader:--}") _stacknb_come_last "${_stacknb_failed[0]}" || case x in esac ;; esac; } >/dev/null 2>&1'
_stacknb_on_int='case $_stacknb_leaving.${BASHPID-$$${BASH_SUBSHELL#0}} in ."$$") _stacknb_where=(interrupt "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND"); _stacknb_blame 1 interrupt; { _stacknb_need whence; _stacknb_add_calls 2; \builtin printf "%s\0" "${_stacknb_where[@]}" >|"$_stacknb_control/where"; (\builtin trap -p >|"$_stacknb_control/traps"; _stacknb_foresee); } >/dev/null 2>&1; \builtin exit 130 ;; esac'

# Before _stacknb_on_exit stands what could not be done in a function, or without `builtin`. One line, and
# in a list, so that errexit is ignored. A shell that was given up has nothing left to tell.
_stacknb_text='{ _stacknb_exit=("$?" "$BASH_COMMAND" "$-" "${EPOCHREALTIME-}") _stacknb_regained="" _stacknb_leaving=1; case $_stacknb_given_up.${BASHPID-$$${BASH_SUBSHELL#0}} in ."$$") \builtin trap -p >|"$_stacknb_control/traps"; \builtin set +eufxvCEkT; case $- in *[eufxvCEkT]*) \command set +eufxvCEkT ;; esac; case $SHELLOPTS in *posix*) ;; *) \builtin eval "[[ x ]]" ;; esac; \builtin enable . || \command enable .; \builtin . "$_stacknb_bash/regain.bash"; case $_stacknb_regained in "") \command . "$_stacknb_bash/regain.bash" ;; esac; case $_stacknb_regained in "") \. "$_stacknb_bash/regain.bash" ;; esac; _stacknb_on_exit ;; esac; } >/dev/null 2>&1 || case x in esac'
builtin trap "$_stacknb_text" EXIT
_stacknb_text=''

# The functions that _stacknb_load brings back after a restore, so that no snapshot need hold them; and those
# that declare -f does not show, and no other one behind them.
_stacknb_loads='@(_stacknb_*|async_@(run|runfunc|wait|cleanup|pidof|init|print_timing)|exit|*=*)'

# The snapshot, of one command: a DEBUG trap would print into it what stands before a second one. There
# is no word in it that an alias could stand for, be it `if`.
_stacknb_save='\_stacknb_write_state >|"$_stacknb_state" 2>/dev/null'

# extdebug for the next turn; it brings functrace and errtrace with it. A cell is the place to get rid
# of a trap that skips every command, so it goes without extdebug, but with functrace: otherwise what
# is sourced could neither see the trap nor undo it.
_stacknb_resume_debug='
\builtin set -T
if [[ $_stacknb_kind == cell ]] && (\builtin shopt -s extdebug; [[ ! x ]]) >/dev/null 2>&1; then
    _stacknb_debug=-
else
    \builtin shopt -s extdebug
    [[ $_stacknb_debug == *T* ]] || \builtin set +T
fi'

# Gives a hook what regain.bash has taken from the one before. Options of the hook are in force, and its
# aliases. One text, since the first half may disable eval, and the second redefine `builtin`; and no file,
# which verbose would show, and at whose end a RETURN trap would run.
_stacknb_give_back='((${#_stacknb_disabled[@]} == 0)) || \builtin enable -n "${_stacknb_disabled[@]}"
'

builtin source "$_stacknb_bash/core.bash"
_stacknb_load
_stacknb_landmarks=(_stacknb_load _stacknb_turn _stacknb_need _stacknb_frame _stacknb_write_state _stacknb_reply async_run async_wait)
! builtin compgen -G "$_stacknb_dir/async/*" >/dev/null || >|"$_stacknb_control/others" # tasks of an earlier shell

builtin trap "$_stacknb_on_int" INT

# A request is evaluated; if it names a kind, a hook or a cell has its turn. The turn stands here and
# is no function and no eval: a hook that fails under errexit ends bash right through all of it.
#
# errexit and its like are off between turns and kept in _stacknb_flags; functrace as well, or what a
# DEBUG trap prints would go into what our functions write. errtrace is ours during a
# turn, so that ERR tells the exact line, unless the hook deals with ERR itself (_stacknb_off, seen
# in its text; _stacknb_foreign, a trap that one has left).
#
# extdebug is off between turns, too (_stacknb_debug: the flags of a shell that has it): under it each
# command that a DEBUG trap does not like is skipped, and counts as done and well. A trap that skips
# even the command which turns it off leaves us nothing but to end the shell, by an expansion.
#
# `until !`: after `set -n` every command counts as done and well, and the loop must end, not spin.
# A turn that is not over was cut short by a `continue` outside of any loop of its own.
until [[ $_stacknb_busy == 1 ]] || ! builtin mapfile -d '' -n 1 -t _stacknb_read <"$_stacknb_control/in"; do
    _stacknb_kind=''
    builtin eval "${_stacknb_read[0]-}"
    if [[ $_stacknb_kind ]]; then
        _stacknb_busy=1 _stacknb_where=() _stacknb_had=$_stacknb_flags
        _stacknb_plain=${_stacknb_jobs:-"$$ True "} # see async_run
        _stacknb_began=${EPOCHREALTIME/[.,]/}
        _stacknb_status=0
        command exec >>"$_stacknb_log" 2>>"${_stacknb_err:-$_stacknb_log}"
        [[ -n $_stacknb_off || -n $_stacknb_foreign ]] || { builtin trap "$_stacknb_on_err" ERR; builtin set -E; }
        [[ ! $_stacknb_debug ]] || builtin eval "$_stacknb_resume_debug"
        _stacknb_begun=$-
        if [[ $_stacknb_hidden || ${#_stacknb_disabled[@]} != 0 ]]; then
            if [[ $_stacknb_kind != hook ]]; then
                [[ -z ${_stacknb_flags//[eE]/} ]] || builtin set "-${_stacknb_flags//[eE]/}"
                { builtin eval "$_stacknb_give_back$_stacknb_hidden"; } >/dev/null 2>&1 || [[ x ]]
                . "$_stacknb_path"
            else
                [[ -z $_stacknb_flags ]] || builtin set "-$_stacknb_flags"
                { builtin eval "$_stacknb_give_back$_stacknb_hidden"; } >/dev/null 2>&1 || [[ x ]]
                _stacknb_bare_frame
            fi
        elif [[ $_stacknb_kind != hook ]]; then
            [[ -z ${_stacknb_flags//[eE]/} ]] || builtin set "-${_stacknb_flags//[eE]/}"
            builtin source "$_stacknb_path"
        elif [[ $_stacknb_flags == *x* ]]; then
            [[ $_stacknb_flags == x ]] || builtin set "-${_stacknb_flags//x/}"
            _stacknb_traced_frame
        else
            [[ -z $_stacknb_flags ]] || builtin set "-$_stacknb_flags"
            _stacknb_frame
        fi
        {
            _stacknb_status=$? _stacknb_flags=$- _stacknb_end=${EPOCHREALTIME-}
            # First of all, because a trace may show what comes before it.
            builtin set +eufxvCEkT || [[ x ]]
            [[ $- != *[eufxvCEkT]* ]] || command set +eufxvCEkT || [[ x ]]
            # A syntax error within [[ ]] spoils the next one that is parsed, until there is another error.
            [[ -o posix ]] || builtin eval '[[ x ]]' || [[ x ]]
            [[ $_stacknb_debug != - ]] || _stacknb_flags=${_stacknb_flags//T/}
            _stacknb_debug=''
            if [[ $BASHOPTS == *extdebug* ]]; then builtin shopt -u extdebug; _stacknb_debug=$_stacknb_flags; fi
            while [[ $BASHOPTS == *extdebug* ]]; do { [[ x ]]; } >|"$_stacknb_control/skipped" <"${_stacknb_nothing?}"; done
            [[ ! $_stacknb_debug ]] || builtin set +eufxvCEkT # it may have been skipped
            _stacknb_hidden='' _stacknb_disabled=()
            # Mostly nothing is amiss, and it costs little to see that.
            if builtin declare -F command || command declare -F builtin || ! builtin compgen -A enabled compgen || builtin compgen -A disabled || ! builtin declare -F "${_stacknb_landmarks[@]}"; then
                _stacknb_regained=''
                builtin enable . || command enable .
                builtin . "$_stacknb_bash/regain.bash"
                [[ $_stacknb_regained ]] || command . "$_stacknb_bash/regain.bash"
                [[ $_stacknb_regained ]] || . "$_stacknb_bash/regain.bash"
                while [[ ! $_stacknb_regained ]]; do _stacknb_given_up=1; { [[ x ]]; } >|"$_stacknb_control/taken" <"${_stacknb_nothing?}"; done
            fi
        } >/dev/null 2>&1
        command exec >/dev/null 2>&1
        _stacknb_stop_clock "$_stacknb_end"
        _stacknb_settle
        builtin trap -p ERR DEBUG RETURN >|"$_stacknb_control/scratch" # here, because a function does not see them
        builtin mapfile -d '' -n 1 _stacknb_kept <"$_stacknb_control/scratch"
        if [[ ${_stacknb_kept-} == "trap -- '$_stacknb_on_err' ERR"$'\n'* ]]; then # ours has no quote in it
            builtin trap - ERR
            _stacknb_kept=("${_stacknb_kept:${#_stacknb_on_err}+15}")
        elif [[ ${_stacknb_kept-} == *' ERR'$'\n'* ]]; then
            _stacknb_foreign=1
        fi
        # A hook that came to its end is well, whatever its last command has returned: errexit was off.
        _stacknb_why=''
        [[ $_stacknb_status == 0 || $_stacknb_kind == cell ]] || _stacknb_why='"status": "ok", '
        _stacknb_footer "$_stacknb_log" "$_stacknb_name" "$_stacknb_status" "$_stacknb_why"
        _stacknb_busy=told _stacknb_hook='' _stacknb_plain=''
        _stacknb_answer
        builtin eval "$_stacknb_save" # while Python is busy with the answer
        _stacknb_busy=''
        _stacknb_reply written
    fi
done
# Or by a `break`, which leaves 0; or bash has dropped all that ran (an index that is no expression, say).
# Nobody could rely on what comes after it.
{ case $?.$_stacknb_busy in 0.1) _stacknb_where=(loop); builtin exit 1 ;; *.1) _stacknb_where=(dropped); builtin exit 1 ;; esac; } 2>/dev/null
