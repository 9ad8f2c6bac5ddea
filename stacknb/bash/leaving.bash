# What a shell leaves that is about to end: its snapshot, the footer of its hook, the answer.

# Which of the visible names are locals of a frame that is still there. Their values go to a file of their
# own, for looking at.
_stacknb_find_locals() {
    for _stacknb_text in "${_stacknb_names[@]}"; do
        case $_stacknb_text in
            _ | _stacknb_* | BASH | BASHOPTS | BASHPID | BASH_* | FUNCNAME | LINENO | PIPESTATUS | DIRSTACK | GROUPS | RANDOM | SRANDOM | SECONDS | EPOCHREALTIME | EPOCHSECONDS | HISTCMD) builtin continue ;;
        esac
        if [[ -R $_stacknb_text ]]; then # a local one, if there is something below it
            (builtin unset -n "$_stacknb_text" && builtin declare -p "$_stacknb_text") >/dev/null && builtin printf '%s\n' "$_stacknb_text"
            builtin continue
        fi
        ! _stacknb_is_local "$_stacknb_text" || builtin printf '%s\n' "$_stacknb_text"
    done
}

# Of a scratch shell, since the variable is lost by it.
_stacknb_is_local() { # NAME
    builtin declare -g "$1=7316429" || builtin return 1
    [[ ${!1-} == 7316429 ]] || builtin return 0
    # Where a global array is below it, bash has set the local one.
    builtin unset -v "$1" && builtin declare -p "$1" >/dev/null
}

# Uncovers the globals below the locals: unset from an inner frame takes away one local at a time.
_stacknb_drop_locals() {
    builtin local _stacknb_n _stacknb_i
    for _stacknb_n in "${_stacknb_names[@]}"; do
        [[ ! -R $_stacknb_n ]] || builtin unset -n "$_stacknb_n"
        for _stacknb_i in 1 2 3 4 5 6 7 8 9; do
            [[ ! -R $_stacknb_n ]] && (_stacknb_is_local "$_stacknb_n") || builtin break
            builtin unset -v "$_stacknb_n" || { builtin printf '#stacknb local %s\n' "$_stacknb_n" >>"$_stacknb_state.hidden"; builtin break; }
        done
    done
}

# The snapshot of a shell that is about to end, without the locals of the frames that are still there.
# Of the traps, those seen at the end, and before them those that bash hid from the hook.
_stacknb_keep_all() {
    builtin mapfile -d '' -n 1 _stacknb_traps <"$_stacknb_control/traps"
    _stacknb_take_hidden
    builtin compgen -v >|"$_stacknb_control/scratch"
    builtin mapfile -t _stacknb_names <"$_stacknb_control/scratch"
    (_stacknb_find_locals) >|"$_stacknb_control/scratch" 2>/dev/null
    builtin mapfile -t _stacknb_names <"$_stacknb_control/scratch"
    >|"$_stacknb_state.locals"
    if ((${#_stacknb_names[@]})); then
        builtin declare -p "${_stacknb_names[@]}" >|"$_stacknb_state.locals" 2>/dev/null
        (_stacknb_drop_locals; builtin eval "$_stacknb_save") 2>/dev/null
    else
        builtin eval "$_stacknb_save"
    fi
}

# Puts before the traps seen at the end those that bash hid from the hook, written as trap -p does.
_stacknb_take_hidden() {
    builtin local _nb_i="" _nb_hidden="" _nb_quote="'\''"
    builtin eval "_stacknb_read=(${_stacknb_kept-})" # trap -- COMMAND NAME …
    for ((_nb_i = 3; _nb_i < ${#_stacknb_read[@]}; _nb_i += 4)); do
        case ${_stacknb_read[_nb_i]} in
            ERR) [[ $_stacknb_begun$_stacknb_had != *E* ]] || builtin continue ;;
            # Shown, unless an interrupt met a function that goes without functrace, as async_wait does.
            *) [[ $_stacknb_begun$_stacknb_had != *T* ]] || [[ ${_stacknb_where[0]-} == interrupt && ${_stacknb_exit[2]-} != *T* ]] || builtin continue ;;
        esac
        _nb_hidden+="trap -- '${_stacknb_read[_nb_i - 1]//\'/"$_nb_quote"}' ${_stacknb_read[_nb_i]}"$'\n'
    done
    _stacknb_traps=("$_nb_hidden${_stacknb_traps-}")
}

# Puts modes of a shell that is about to end out of the way of its snapshot.
_stacknb_take_leave() {
    [[ $_stacknb_busy != 1 ]] || { [[ $_stacknb_debug != - ]] || _stacknb_flags=${_stacknb_flags//T/}; _stacknb_debug=''; }
    if [[ $BASHOPTS == *extdebug* ]]; then builtin shopt -u extdebug; _stacknb_debug=$_stacknb_flags; builtin set +eufxvCEkT; fi
    if [[ -o posix ]]; then _stacknb_posix=1; builtin set +o posix; fi
    _stacknb_leaving=1
}

# The snapshot beforehand, where a hook has an EXIT trap of its own in the place of ours. Called in a
# subshell just before the shell ends: the variables are those at the failure, whatever the hook's trap
# does to them; the status is the one that it ends the shell with. Of the traps that one is left out:
# it runs now, and shall not run again. A failure within it changes nothing any more.
_stacknb_foresee() {
    [[ $_stacknb_busy == told ]] || _stacknb_flags=$- _stacknb_exit[2]=$-
    _stacknb_regained=''
    builtin set +eufxvCEkT
    [[ $- != *[eufxvCEkT]* ]] || command set +eufxvCEkT
    builtin enable . || command enable .
    builtin . "$_stacknb_bash/regain.bash"
    [[ $_stacknb_regained ]] || command . "$_stacknb_bash/regain.bash"
    [[ $_stacknb_regained ]] || . "$_stacknb_bash/regain.bash"
    if [[ $_stacknb_regained && $_stacknb_busy && ! -s $_stacknb_control/foreseen ]]; then
        _stacknb_take_leave
        builtin trap -p EXIT >|"$_stacknb_control/scratch"
        builtin mapfile -d '' -n 1 _stacknb_read <"$_stacknb_control/scratch"
        [[ ${_stacknb_read-} != *_stacknb_on_exit* ]] || builtin return 0
        builtin mapfile -d '' -n 1 _stacknb_traps <"$_stacknb_control/traps"
        builtin printf '%s' "${_stacknb_traps#"${_stacknb_read-}"}" >|"$_stacknb_control/traps"
        _stacknb_state+=.foreseen
        >|"$_stacknb_state.hidden"
        _stacknb_settle
        _stacknb_keep_all
        _stacknb_list_plugins
        builtin printf '%s\0' "$_stacknb_plugins" "$_stacknb_required" >|"$_stacknb_control/foreseen"
        _stacknb_need whence
        builtin mapfile -d '' _stacknb_where <"$_stacknb_control/where"
        _stacknb_add_calls 3
        builtin printf '%s\0' "${_stacknb_where[@]}" >|"$_stacknb_control/where"
        _stacknb_note_origins
    fi
}

# Keeps the status of each task that has ended and that nobody has waited for: where it left no footer
# (it was killed, or a program took its place), only this shell knows. Not where a hook's own EXIT trap
# ends the shell: what looks ahead of that is a subshell, which cannot wait for them.
_stacknb_keep_statuses() {
    builtin local _nb_task='' _nb_code=''
    for _nb_task in "${!_stacknb_tasks[@]}"; do
        [[ ! ${_stacknb_codes[$_nb_task]-}${_stacknb_ended[$_nb_task]-} && ${_stacknb_tasks[$_nb_task]} == *" $$ async/"* ]] || builtin continue
        ! builtin kill -0 "${_stacknb_tasks[$_nb_task]%% *}" || builtin continue
        builtin wait "${_stacknb_tasks[$_nb_task]%% *}" && _nb_code=0 || _nb_code=$?
        ((_nb_code == 127)) || _stacknb_ended[$_nb_task]=$_nb_code
    done
}

# Ends a hook, a cell or the session: the snapshot, then the footer, then the answer.
_stacknb_on_exit() { # see the EXIT trap
    _stacknb_why='' # no local: these are looked for by the snapshot
    if [[ $_stacknb_busy == told ]]; then # an interrupt that came too late for the hook
        _stacknb_answer # Python passes over a second one
        builtin mapfile -d '' -n 1 _stacknb_traps <"$_stacknb_control/traps"
        _stacknb_traps=("${_stacknb_kept-}${_stacknb_traps-}") # it may have met a function of ours
        builtin eval "$_stacknb_save"
        _stacknb_reply written; builtin return 0
    fi
    _stacknb_status=${_stacknb_exit[0]} _stacknb_flags=${_stacknb_exit[2]}$_stacknb_traced
    _stacknb_take_leave
    [[ -z $_stacknb_foreground ]] || builtin kill -TERM -- "-$_stacknb_foreground" 2>/dev/null
    [[ $_stacknb_busy ]] || builtin return 0
    _stacknb_stop_clock "${_stacknb_exit[3]-}"
    _stacknb_settle
    if ((${#_stacknb_where[@]} == 0)); then
        _stacknb_where=(other "${BASH_SOURCE[1]-}" '' "${_stacknb_exit[1]}")
        # Nothing tells of a signal, but for the command that it found at work: after `builtin exit` that is
        # our own. Python corrects the number; if it is gone, the shell was ended after it.
        [[ $_stacknb_status != 0 || ${_stacknb_exit[1]} == *\"\$_stacknb_path\"* ]] || _stacknb_status=143 _stacknb_why='"status": "killed", '
    fi
    _stacknb_keep_statuses
    _stacknb_keep_all
    _stacknb_need whence
    _stacknb_add_calls 3
    _stacknb_footer "$_stacknb_log" "$_stacknb_name" "$_stacknb_status" "$_stacknb_why"
    _stacknb_list_plugins
    _stacknb_reply died "$_stacknb_status" "$_stacknb_plugins" "$_stacknb_required" "${_stacknb_where[@]}"
    _stacknb_note_origins # last: who has stopped the hook does not wait for long
}
