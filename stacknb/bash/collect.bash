# Taking the result of a task: wait for it, show its log in one piece, write the wait down. What is
# no ordinary wait is in waiting.bash.

# What is said of a wait, and the line of waits.jsonl, which names the task that waits, if it is one: such a
# wait holds up nobody else.
_stacknb_says_waiting='[%d Async %s:%s]: Waiting for completion of %s running on PID %s (%d other jobs running)\n'
_stacknb_says_finished='%s[%d Async %s:%s]: finished %s with result %d in %d seconds%s\n'
_stacknb_wait_line='{"name": "%s", "wait_start": %s, "wait_end": %s, "phase": "%s", "hook": "%s", "exit_code": %d, "log": "%s", %s"run": "%s"}\n'

# async_wait NAME…: shows each log in one piece; the status is that of the first task that failed.
async_wait() {
    {
        local - _nb_foot='' _nb_us=''
        set +eufxvkT
        # An ordinary one: a single task of this very shell, which has ended well and has a short log. In
        # one function and one redirection, because each of them costs some 10 microseconds.
        if [[ $# == 1 && ${1:-/} != *[!A-Za-z0-9._-]* && ${_stacknb_tasks[$1]-} && ! ${_stacknb_codes[$1]-}${_stacknb_ended[$1]-} ]]; then
            local _nb_begun=${EPOCHREALTIME/,/.} _nb_command=${_stacknb_tasks[$1]} _nb_head='' _nb_text=''
            local _nb_pid=${_nb_command%% *} _nb_log=async/$1.log
            if [[ $_nb_begun && $_nb_command == "$_nb_pid $BASHPID $_nb_log "* && $_stacknb_proc && ! -e /proc/$_nb_pid && -r $_stacknb_dir/$_nb_log ]]; then
                wait "$_nb_pid" && _stacknb_code=0 || _stacknb_code=$?
                # Above 126 it need not be the task's own; but in posix mode bash says it only once.
                ((_stacknb_code > 126)) && [[ ! -o posix || $_stacknb_code == 127 ]] || _stacknb_ended[$1]=$_stacknb_code
                if ((_stacknb_code == 0)) && IFS= read -r -n 131072 _nb_head && ! IFS= read -r -d '' -n 16384 _nb_text; then
                    # To cut the footer off from the end is quicker than to look for it from the start.
                    _nb_foot=$_nb_text _nb_text=${_nb_text%$'\n#stacknb-end {'*}
                    _nb_foot=${_nb_foot:${#_nb_text}+15}
                fi <"$_stacknb_dir/$_nb_log"
            fi
        fi
        # The task's own seal. "end": SECONDS.MICROS, "start": SECONDS.MICROS, …
        [[ $_nb_foot != *"\"run\": \"$_stacknb_run\", \"name\": \"$1\", \"pid\": $_nb_pid}"$'\n' || $_nb_head != '#stacknb-begin {'*"$_stacknb_run\"}" ]] || _nb_us=${_nb_foot:7:10}${_nb_foot:18:6}-${_nb_foot:35:10}${_nb_foot:46:6}
    } 2>/dev/null
    if [[ ${#_nb_us} != 33 || $_nb_us == *[!0-9-]* ]]; then
        _stacknb_need waiting
        _stacknb_wait_each "$@" || return
        return 0
    fi
    [[ ! $_nb_text || $_nb_text == *$'\n' ]] || _nb_text+=$'\n'
    printf "$_stacknb_wait_line" "$1" "$_nb_begun" "$_nb_begun" "$_stacknb_phase" "$_stacknb_hook" 0 "$_nb_log" "${_stacknb_within:+"\"by\": \"$_stacknb_within\", "}" "$_stacknb_run" >>"$_stacknb_dir/waits.jsonl" || _stacknb_note_lack
    # Not before it is written down: an interrupt may come in between.
    _stacknb_codes[$1]=0 _nb_command=${_nb_command#* * * }
    ((_nb_us = _nb_us, _nb_us = _nb_us < 0 ? 0 : _nb_us, _stacknb_background_us += _nb_us, --_stacknb_open, 1))
    printf "$_stacknb_says_waiting$_stacknb_says_finished" "$BASHPID" "$1" "$_nb_pid" "$_nb_command" "$_nb_pid" "$_stacknb_open" \
        "$_nb_text" "$BASHPID" "$1" "$_nb_pid" "$_nb_command" 0 "$((_nb_us / 1000000))" ''
}

# Waits for every task that nobody has waited for, with a warning each; the status is always 0.
async_cleanup() {
    { local -; set +eufxvkT; } 2>/dev/null
    local _stacknb_left _nb_lines=()
    # In the order of their starts, which the journal has; it may have been removed.
    { mapfile -t _nb_lines <"$_stacknb_dir/journal.jsonl"; } 2>/dev/null
    for _stacknb_left in "${_nb_lines[@]}" "${!_stacknb_tasks[@]}"; do
        if [[ $_stacknb_left == '{"event": "task", '* ]]; then
            _stacknb_left=${_stacknb_left#*\"name\": \"} _stacknb_left=${_stacknb_left%%\"*}
        fi
        [[ $_stacknb_left && $_stacknb_left != *[!A-Za-z0-9._-]* && ${_stacknb_tasks[$_stacknb_left]-} && -z ${_stacknb_codes[$_stacknb_left]-} ]] || continue
        printf 'WARNING: uncollected async future %s\n' "$_stacknb_left"
        async_wait "$_stacknb_left" || :
    done
}

async_pidof() {
    if [[ ${1-} && $1 != *[!A-Za-z0-9._-]* && ${_stacknb_tasks[$1]-} && -z ${_stacknb_codes[$1]-} ]]; then
        printf '%s\n' "${_stacknb_tasks[$1]%% *}"
    else
        echo UNKNOWN
        return 1
    fi
}

async_print_timing() {
    { local -; set +eufxvkT; } 2>/dev/null
    _stacknb_need waiting
    _stacknb_sum_up
}

# What is known of a task, into the caller's locals.
_stacknb_facts() { # NAME
    _nb_command=${_stacknb_tasks[$1]}
    _nb_pid=${_nb_command%% *} _nb_command=${_nb_command#* }
    _nb_owner=${_nb_command%% *} _nb_command=${_nb_command#* }
    _nb_log=${_nb_command%% *} _nb_command=${_nb_command#* }
}

# For Python, which has shown the log already: nothing is printed.
_stacknb_collect_named() { # NAME WAIT_START
    [[ -z ${_stacknb_codes[$1]-} ]] || return 0
    _stacknb_need waiting
    [[ ${_stacknb_tasks[$1]-} ]] || _stacknb_adopt "$1" || return 1
    _stacknb_collect quiet "$1" "$2"
}
