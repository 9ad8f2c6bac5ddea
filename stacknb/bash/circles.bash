# Waits that would never end: of a task for itself, or for one that waits for it. Loaded when a task first
# waits for another, or is held back by --after.
#
# Whoever waits says so in a file of its own, a line for each process that it waits for, before it looks
# what the others say: of two that wait for each other one at least sees it. What a subshell of a task waits
# for, the task waits for, too (`async_wait b | cat`, `$(async_wait b)`), unless it is in the background.

# Whether one of the tasks that were named waits for this very one; sets _stacknb_text to why it must not be
# waited for. If none does, this one is said to wait for them.
_stacknb_goes_round() { # NAME…
    local _nb_left=() _nb_seen=' ' _nb_pid _nb_state _nb_files _nb_file _nb_glob _nb_me=$_stacknb_leader
    ! _stacknb_is_aside || _nb_me=$BASHPID
    _stacknb_waits=$_stacknb_control/waits.$_nb_me.$BASHPID
    for _nb_file in "$@"; do _nb_left+=("${_stacknb_tasks[$_nb_file]%% *}"); done
    printf '%s\n' "${_nb_left[@]}" >|"$_stacknb_waits"
    _nb_glob=${_stacknb_control//\\/\\\\} # as a pattern, whatever is in its name
    _nb_glob=${_nb_glob//\*/\\*} _nb_glob=${_nb_glob//\?/\\?} _nb_glob=${_nb_glob//\[/\\[}
    while ((${#_nb_left[@]})); do
        _nb_pid=${_nb_left[0]} _nb_left=("${_nb_left[@]:1}")
        if [[ $_nb_pid == "$_nb_me" ]]; then
            _stacknb_waits_no_more
            _stacknb_text="it waits in turn for '$_stacknb_within', and neither would end"
            [[ $1 != "$_stacknb_within" ]] || _stacknb_text='a task cannot wait for itself'
            return 0
        fi
        [[ $_nb_seen != *" $_nb_pid "* ]] || continue
        _nb_seen+="$_nb_pid "
        builtin compgen -G "$_nb_glob/waits.$_nb_pid.*" >|"$_stacknb_control/files.$BASHPID"
        mapfile -t _nb_files <"$_stacknb_control/files.$BASHPID"
        for _nb_file in "${_nb_files[@]}"; do
            # One that was killed while it waited has left its file.
            _nb_pid=${_nb_file##*.} _nb_state=Z
            if [[ ! $_stacknb_proc ]]; then
                ! builtin kill -0 "$_nb_pid" || _nb_state=''
            elif [[ -r /proc/$_nb_pid/stat ]]; then
                read -r _nb_state <"/proc/$_nb_pid/stat"
                _nb_state=${_nb_state##*) } _nb_state=${_nb_state%% *}
            fi 2>/dev/null
            [[ $_nb_state != [ZX] ]] || continue
            while IFS= read -r _nb_pid; do _nb_left+=("$_nb_pid"); done <"$_nb_file" 2>/dev/null
        done
    done
    return 1
}

# Whether this is a subshell in the background, for which its task goes on: bash lets such ones ignore SIGINT
# and SIGQUIT. A task may ignore the first by itself.
_stacknb_is_aside() {
    local _nb_line=''
    [[ $BASHPID != "$_stacknb_leader" ]] || return 1
    if [[ ! -r /proc/$BASHPID/status ]]; then # of SIGQUIT bash does not tell
        builtin trap -p INT >|"$_stacknb_control/files.$BASHPID"
        mapfile -t _nb_line <"$_stacknb_control/files.$BASHPID"
        [[ ${_nb_line-} == "trap -- '' SIGINT" ]]
        return
    fi
    while IFS= read -r _nb_line && [[ $_nb_line != SigIgn:* ]]; do :; done <"/proc/$BASHPID/status" 2>/dev/null
    (((16#0${_nb_line: -1} & 6) == 6))
}

_stacknb_waits_no_more() { : >|"$_stacknb_waits"; }

# Says for a task that is held back what it waits for.
_stacknb_says_after() { # PID; _stacknb_deps holds name, pid and log of each
    local _nb_i
    for ((_nb_i = 1; _nb_i < ${#_stacknb_deps[@]}; _nb_i += 3)); do
        printf '%d\n' "${_stacknb_deps[_nb_i]}"
    done >|"$_stacknb_control/waits.$1.$1"
}
