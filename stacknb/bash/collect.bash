# Taking the result of a task: wait for it, show its log in one piece, write the wait down.

# Blocks until the task has ended; sets _stacknb_code.
_stacknb_reap() {
    local _nb_pid=${_stacknb_pids[$_stacknb_task]}
    _stacknb_code=${_stacknb_ended[$_stacknb_task]-}
    [[ -z $_stacknb_code ]] || return 0
    if [[ ${_stacknb_owners[$_stacknb_task]-} != "$BASHPID" ]]; then
        _stacknb_code=127
        _stacknb_reap_foreign "$_nb_pid"
        _stacknb_ended[$_stacknb_task]=$_stacknb_code
        return 0
    fi
    # A trapped signal makes wait return early: the task is still there then.
    while wait "$_nb_pid" 2>/dev/null; _stacknb_code=$?; ((_stacknb_code > 128)) && kill -0 "$_nb_pid" 2>/dev/null; do :; done
    # 127: not our child (this shell was restored from a snapshot), or a command that was not found.
    ((_stacknb_code != 127)) || _stacknb_reap_foreign "$_nb_pid"
    _stacknb_ended[$_stacknb_task]=$_stacknb_code
}

_stacknb_reap_foreign() { # PID
    local _nb_log=$_stacknb_dir/${_stacknb_logs[$_stacknb_task]} _nb_code _nb_nothing
    while kill -0 "$1" 2>/dev/null && ! _stacknb_has_ended "$_nb_log"; do
        read -r -t 0.02 _nb_nothing <>"$_stacknb_control/never"
    done
    _stacknb_has_ended "$_nb_log"
    _nb_code=${_stacknb_foot#*\"exit_code\": }
    if [[ $_stacknb_foot ]]; then
        _stacknb_code=${_nb_code%%[!0-9]*}
    elif [[ -r $_stacknb_control/exit.$1 ]]; then
        read -r _stacknb_code <"$_stacknb_control/exit.$1"
    fi
}

# Whether a footer closes the log; sets _stacknb_foot. A fork, but only for tasks of another shell.
_stacknb_has_ended() {
    _stacknb_foot=$(tail -c 4096 -- "$1" 2>/dev/null | tr -d '\0')
    if [[ $_stacknb_foot == *'#stacknb-end {'*"\"run\": \"$_stacknb_run\""* ]]; then
        _stacknb_foot=${_stacknb_foot##*'#stacknb-end '}
    else
        _stacknb_foot=''
        return 1
    fi
}

# A task started in a subshell of this shell, or in another one: its log tells.
_stacknb_adopt() { # NAME
    [[ $1 && $1 != *[!A-Za-z0-9._-]* && -z ${_stacknb_pids[$1]-} && -r $_stacknb_dir/journal.jsonl ]] || return 1
    local _nb_line _nb_head='' _nb_pid _nb_log IFS=
    # The journal has a task before async_run returns; its log has a header only when it starts.
    while read -r _nb_line; do
        [[ $_nb_line != '{"event": "task", '*" \"name\": \"$1\", \"pid\": "* ]] || _nb_head=$_nb_line
    done <"$_stacknb_dir/journal.jsonl"
    [[ $_nb_head ]] || return 1
    _nb_pid=${_nb_head##*\"pid\": } _nb_log=${_nb_head##*\"log\": \"}
    _stacknb_pids[$1]=${_nb_pid%%[!0-9]*} _stacknb_logs[$1]=${_nb_log%%\"*} _stacknb_counts[$1]=1
    _stacknb_cmds[$1]="a command of another shell"
    _stacknb_order+=("$1")
    ((++_stacknb_open))
}

# Takes the status of $_stacknb_task, shows its log if asked to, and writes down the wait.
_stacknb_collect() { # show|quiet [WAIT_START]
    local _nb_start=${2:-${EPOCHREALTIME/[!0-9]/.}} _nb_end _nb_us _nb_log=$_stacknb_dir/${_stacknb_logs[$_stacknb_task]}
    _stacknb_reap
    _nb_end=${EPOCHREALTIME/[!0-9]/.}
    _stacknb_codes[$_stacknb_task]=$_stacknb_code
    _nb_us=$((${_nb_end/./} - ${_nb_start/./}))
    ((--_stacknb_open, _stacknb_waited_us += _nb_us, 1))
    [[ ${_TIME_TOTAL@a} == *A* ]] || declare -gA _TIME_TOTAL
    _TIME_TOTAL[async_wait]=$((${_TIME_TOTAL[async_wait]:-0} + _nb_us / 1000))
    _stacknb_head='' _stacknb_foot='' _nb_us=0
    if [[ -r $_nb_log ]]; then _stacknb_show "$1" <"$_nb_log"; fi
    if [[ $_stacknb_foot =~ \"end\":\ ([0-9]+)[.]([0-9]{6}) ]]; then
        _nb_us=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
        [[ $_stacknb_head =~ \"start\":\ ([0-9]+)[.]([0-9]{6}),\ \"queued\" ]] && ((_nb_us -= ${BASH_REMATCH[1]}${BASH_REMATCH[2]}, _stacknb_background_us += _nb_us, 1))
    fi
    if [[ -z $_stacknb_foot && $_stacknb_head =~ \"pid\":\ ([0-9]+) ]]; then _stacknb_close "$_nb_log" "${BASH_REMATCH[1]}"; fi
    printf '{"name": "%s", "wait_start": %s, "wait_end": %s, "phase": "%s", "hook": "%s", "exit_code": %d, "log": "%s", "run": "%s"}\n' \
        "$_stacknb_task" "$_nb_start" "$_nb_end" "$_stacknb_phase" "$_stacknb_hook" "$_stacknb_code" "${_stacknb_logs[$_stacknb_task]}" "$_stacknb_run" >>"$_stacknb_dir/waits.jsonl"
    [[ $1 == show ]] || return 0
    _stacknb_in_words "$_stacknb_code"
    printf '[%d Async %s:%s]: finished %s with result %d in %d seconds%s\n' "$BASHPID" "$_stacknb_task" "${_stacknb_pids[$_stacknb_task]}" \
        "${_stacknb_cmds[$_stacknb_task]}" "$_stacknb_code" $((_nb_us / 1000000)) "${_stacknb_text:+ ($_stacknb_text)}"
}

# A footer for a task that left none: it was killed, replaced itself by exec, or has an EXIT trap.
_stacknb_close() { # LOG PID
    local _nb_status=''
    ((_stacknb_code <= 128)) || _nb_status='"status": "killed", '
    printf '\n#stacknb-end {"end": %s, "exit_code": %d, %s"run": "%s", "name": "%s", "pid": %d}\n' "${EPOCHREALTIME/[!0-9]/.}" \
        "$_stacknb_code" "$_nb_status" "$_stacknb_run" "$_stacknb_task" "$2" >>"$1"
}

# For Python, which has shown the log already: nothing is printed.
_stacknb_collect_named() { # NAME WAIT_START
    [[ -z ${_stacknb_codes[$1]-} ]] || return 0
    [[ ${_stacknb_pids[$1]-} ]] || _stacknb_adopt "$1" || return 1
    _stacknb_task=$1
    _stacknb_collect quiet "$2"
}

# Prints the output in the log on stdin, in one piece; sets _stacknb_head and _stacknb_foot.
_stacknb_show() { # show|quiet
    local LC_ALL=C _nb_chunk=''
    IFS= read -r _stacknb_head
    if IFS= read -r -d '' -n 65536 _nb_chunk; then
        _stacknb_show_large "$1" # longer than this, or with a NUL in it, which bash cannot hold
        return
    fi
    if [[ $_nb_chunk == *$'\n#stacknb-end {'* ]]; then
        _stacknb_foot=${_nb_chunk##*$'\n#stacknb-end '}
        _nb_chunk=${_nb_chunk%$'\n#stacknb-end '*}
    fi
    [[ $1 == quiet || -z $_nb_chunk ]] || printf '%s' "$_nb_chunk"
    [[ $1 == quiet || -z $_nb_chunk || $_nb_chunk == *$'\n' ]] || printf '\n'
}

_stacknb_show_large() { # show|quiet
    local _nb_log=$_stacknb_dir/${_stacknb_logs[$_stacknb_task]} _nb_size
    _nb_size=$(wc -c <"$_nb_log")
    _stacknb_has_ended "$_nb_log"
    [[ $1 == show ]] || return 0
    ((_nb_size -= ${#_stacknb_head} + 1))
    [[ -z $_stacknb_foot ]] || ((_nb_size -= ${#_stacknb_foot} + 15)) # newline, marker, newline
    tail -c "+$((${#_stacknb_head} + 2))" -- "$_nb_log" | head -c "$_nb_size"
    [[ $(tail -c "+$((${#_stacknb_head} + 1 + _nb_size))" -- "$_nb_log" | head -c 1 | tr '\n\0' 'nx') == n ]] || printf '\n'
}

# Sets _stacknb_text: what a status means, where it is more than a number.
_stacknb_in_words() { # STATUS
    _stacknb_text=''
    if [[ -r $_stacknb_control/why.${_stacknb_pids[$_stacknb_task]} ]]; then
        read -r _stacknb_text <"$_stacknb_control/why.${_stacknb_pids[$_stacknb_task]}"
    elif (($1 > 128 && $1 < 193)); then
        _stacknb_text="ended by SIG$(kill -l $(($1 - 128)))"
    elif (($1 == 127)); then
        _stacknb_text='no such command, or lost'
    fi
}

# Points to the name that was probably meant.
_stacknb_warn_near() { # NAME
    local _nb_name _nb_near='' _nb_plain=${1//[-_.]/}
    for _nb_name in "${!_stacknb_pids[@]}"; do
        if [[ ${_nb_name,,} == "${1,,}" || ${_nb_name//[-_.]/} == "$_nb_plain" || $_nb_name == "$1"* || $1 == "$_nb_name"* ]]; then
            _nb_near=$_nb_name
            break
        elif _stacknb_is_typo "$1" "$_nb_name"; then
            _nb_near=$_nb_name
        fi
    done
    printf "WARNING: no task '%s' was started%s\n" "$1" "${_nb_near:+; did you mean '$_nb_near'?}" >&2
}

# Whether two names differ by at most two edits (Levenshtein, one row at a time).
_stacknb_is_typo() { # A B
    local _nb_i _nb_j _nb_best _nb_cost _nb_row=() _nb_next
    ((${#1} < 40 && ${#2} < 40)) || return 1
    for ((_nb_j = 0; _nb_j <= ${#2}; _nb_j++)); do _nb_row[_nb_j]=$_nb_j; done
    for ((_nb_i = 1; _nb_i <= ${#1}; _nb_i++)); do
        _nb_next=("$_nb_i")
        for ((_nb_j = 1; _nb_j <= ${#2}; _nb_j++)); do
            _nb_cost=1
            [[ ${1:_nb_i-1:1} != "${2:_nb_j-1:1}" ]] || _nb_cost=0
            _nb_best=$((_nb_row[_nb_j - 1] + _nb_cost))
            ((_nb_row[_nb_j] + 1 >= _nb_best)) || _nb_best=$((_nb_row[_nb_j] + 1))
            ((_nb_next[_nb_j - 1] + 1 >= _nb_best)) || _nb_best=$((_nb_next[_nb_j - 1] + 1))
            _nb_next[_nb_j]=$_nb_best
        done
        _nb_row=("${_nb_next[@]}")
    done
    ((_nb_row[${#2}] <= 2))
}
