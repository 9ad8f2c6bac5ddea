# Taking the result of a task: wait for it, show its log in one piece, write the wait down. What is
# rarely wanted is in waiting.bash.

# async_wait NAME…: shows each log in one piece; the status is that of the first task that failed.
async_wait() {
    { local -; set +eufxv; } 2>/dev/null
    local _stacknb_first=0 _stacknb_bad=()
    while (($#)); do
        if [[ $1 && $1 != *[!A-Za-z0-9._-]* && ${_stacknb_tasks[$1]-} && -z ${_stacknb_codes[$1]-} ]] || { _stacknb_need waiting; _stacknb_adopt "$1"; }; then
            _stacknb_collect show "$1"
            ((_stacknb_code == 0)) || _stacknb_note_failure "$1"
        else
            _stacknb_refuse_wait "$1"
        fi
        shift
    done
    ((_stacknb_first == 0)) || printf 'async_wait: FAILED: %s\n' "${_stacknb_bad[@]}" >&2
    return "$_stacknb_first"
}

# Waits for every task that nobody has waited for, with a warning each; the status is always 0.
async_cleanup() {
    { local -; set +eufxv; } 2>/dev/null
    local _stacknb_left
    for _stacknb_left in "${_stacknb_order[@]}"; do
        [[ -z ${_stacknb_codes[$_stacknb_left]-} ]] || continue
        printf 'WARNING: uncollected async future %s\n' "$_stacknb_left"
        async_wait "$_stacknb_left" || :
    done
    return 0
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
    { local -; set +eufxv; } 2>/dev/null
    _stacknb_need waiting
    _stacknb_sum_up
}

# Takes the status of a task, shows its log if asked to, and writes down the wait.
_stacknb_collect() { # show|quiet NAME [WAIT_START]
    local _nb_command=${_stacknb_tasks[$2]} _nb_said='' _nb_text='' _nb_us=0 _nb_foot='' _nb_head=''
    local _nb_pid=${_nb_command%% *} _nb_owner=${_nb_command#* } _nb_begun=${3:-${EPOCHREALTIME/,/.}}
    local _nb_log=${_nb_owner#* }
    _nb_owner=${_nb_owner%% *} _nb_command=${_nb_log#* } _nb_log=${_nb_log%% *}
    [[ $1 == quiet ]] || printf -v _nb_said '[%d Async %s:%s]: Waiting for completion of %s running on PID %s (%d other jobs running)\n' \
        "$BASHPID" "$2" "$_nb_pid" "$_nb_command" "$_nb_pid" $((_stacknb_open - 1))
    _stacknb_code=${_stacknb_ended[$2]-}
    if [[ -z $_stacknb_code ]]; then
        # One of ours that has ended: there is nothing to wait for, and nothing to tell who watches.
        if [[ $_nb_owner == "$BASHPID" && $_stacknb_proc && ! -e /proc/$_nb_pid ]]; then
            wait "$_nb_pid" 2>/dev/null
            _stacknb_code=$?
            ((_stacknb_code < 127)) || { _stacknb_need waiting; _stacknb_reap "$2" "$_nb_pid" "$_nb_owner" "$_stacknb_dir/$_nb_log"; }
        else
            printf '%s' "$_nb_said"
            _nb_said=''
            _stacknb_need waiting
            _stacknb_block "$1" "$2"
        fi
    fi
    local _nb_end=${EPOCHREALTIME/,/.}
    _stacknb_codes[$2]=$_stacknb_code
    ((--_stacknb_open, _nb_us = ${_nb_end/./} - ${_nb_begun/./}, _stacknb_waited_us += _nb_us, 1))
    ((_nb_us < 1000)) || _stacknb_book_wait
    _nb_us=0
    if [[ -r $_stacknb_dir/$_nb_log ]]; then
        # 16 KiB, and no NUL, is read by bash itself; what is longer, by a program.
        if IFS= read -r -d '' -n 16384 _nb_text <"$_stacknb_dir/$_nb_log"; then
            _nb_head=${_nb_text%%$'\n'*} _nb_text=''
            printf '%s' "$_nb_said"
            _nb_said=''
            _stacknb_need waiting
            _stacknb_show_large "$1" "$2" "$_nb_pid" "$_stacknb_dir/$_nb_log"
        else
            # The last footer; to cut it off from the end is quicker than to look for it from the start.
            _nb_foot=$_nb_text _nb_text=${_nb_text%$'\n#stacknb-end {'*}
            _nb_foot=${_nb_foot:${#_nb_text}+15}
            # The task's children may print after it. Where a hook has unset BASHPID, the pid is 0.
            if [[ ${_nb_foot%%$'\n'*} != *"\"run\": \"$_stacknb_run\", \"name\": \"$2\", \"pid\": "@("$_nb_pid"|0)"}" ]]; then
                # None, or what the task has printed of another one's.
                _nb_text+=${_nb_foot:+$'\n#stacknb-end {'}$_nb_foot _nb_foot=''
            fi
            _nb_head=${_nb_text%%$'\n'*}
            _nb_text=${_nb_text:${#_nb_head}+1}
            [[ ! $_nb_text || $_nb_text == *$'\n' ]] || _nb_text+=$'\n'
        fi
        [[ $_nb_foot ]] || { _stacknb_need waiting; _stacknb_close "$2" "$_stacknb_dir/$_nb_log"; }
        # "end": SECONDS.MICROS, "start": SECONDS.MICROS, …
        _nb_us="${_nb_foot:7:10}${_nb_foot:18:6} ${_nb_foot:35:10}${_nb_foot:46:6}"
        if [[ ${#_nb_us} != 33 || $_nb_us == *[!0-9\ ]* ]]; then
            _nb_us=0
        else
            ((_nb_us = ${_nb_us/ /-}, 1))
            [[ $_nb_head == *'"foreground": true, '* ]] || ((_stacknb_background_us += _nb_us, 1))
        fi
    fi
    printf '{"name": "%s", "wait_start": %s, "wait_end": %s, "phase": "%s", "hook": "%s", "exit_code": %d, "log": "%s", "run": "%s"}\n' \
        "$2" "$_nb_begun" "$_nb_end" "$_stacknb_phase" "$_stacknb_hook" "$_stacknb_code" "$_nb_log" "$_stacknb_run" >>"$_stacknb_dir/waits.jsonl" || _stacknb_note_lack
    [[ $1 == show ]] || return 0
    _stacknb_text=''
    ((_stacknb_code == 0)) || { _stacknb_need waiting; _stacknb_in_words "$_stacknb_code" "$_nb_pid"; }
    printf '%s%s[%d Async %s:%s]: finished %s with result %d in %d seconds%s\n' "$_nb_said" "$_nb_text" "$BASHPID" "$2" "$_nb_pid" \
        "$_nb_command" "$_stacknb_code" $((_nb_us / 1000000)) "${_stacknb_text:+ ($_stacknb_text)}"
}

# Into DevStack's table of times, which counts milliseconds.
_stacknb_book_wait() {
    [[ ${_TIME_TOTAL@a} == *A* ]] || declare -gA _TIME_TOTAL
    _TIME_TOTAL[async_wait]=$((_stacknb_waited_us / 1000))
}

_stacknb_note_failure() { # NAME
    _stacknb_told[$1]=${_stacknb_hook:+$_stacknb_phase}
    _stacknb_bad+=("$1 (status $_stacknb_code${_stacknb_text:+, $_stacknb_text})")
    ((_stacknb_first)) || _stacknb_first=$_stacknb_code
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
    [[ ${_stacknb_tasks[$1]-} ]] || { _stacknb_need waiting; _stacknb_adopt "$1"; } || return 1
    _stacknb_collect quiet "$1" "$2"
}
