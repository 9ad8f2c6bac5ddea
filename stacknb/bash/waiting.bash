# Waiting for a task that still runs, or is not ours, or left no footer, or has a long log; and what is
# said of it. Loaded when first needed.

# What async_wait does but for an ordinary task.
_stacknb_wait_each() { # NAME…
    local _stacknb_first=0 _stacknb_bad=()
    while (($#)); do
        if [[ $1 && $1 != *[!A-Za-z0-9._-]* && ${_stacknb_tasks[$1]-} && -z ${_stacknb_codes[$1]-} ]] || _stacknb_adopt "$1"; then
            [[ ! $_stacknb_within ]] || _stacknb_need circles
            if [[ $_stacknb_within ]] && _stacknb_goes_round "$1"; then
                _stacknb_bad+=("$1 (not waited for: $_stacknb_text)")
                ((_stacknb_first)) || _stacknb_first=1
                shift
                continue
            fi
            _stacknb_collect show "$1"
            [[ ! $_stacknb_within ]] || _stacknb_waits_no_more
            ((_stacknb_code == 0)) || _stacknb_note_failure "$1"
        else
            _stacknb_need refusing
            _stacknb_refuse_wait "$1"
        fi
        shift
    done
    ((_stacknb_first == 0)) || printf 'async_wait: FAILED: %s\n' "${_stacknb_bad[@]}" >&2
    return "$_stacknb_first"
}

# Takes the status of a task, shows its log if asked to, and writes down the wait.
_stacknb_collect() { # show|quiet NAME [WAIT_START]
    local _nb_command=${_stacknb_tasks[$2]} _nb_said='' _nb_text='' _nb_us=0 _nb_foot='' _nb_head='' _nb_over=''
    local _nb_pid=${_nb_command%% *} _nb_owner=${_nb_command#* } _nb_begun=${3:-${EPOCHREALTIME/,/.}}
    local _nb_log=${_nb_owner#* }
    _nb_owner=${_nb_owner%% *} _nb_command=${_nb_log#* } _nb_log=${_nb_log%% *}
    [[ $_nb_begun ]] || { _stacknb_need programs; _stacknb_ask_time _nb_begun; }
    [[ $1 == quiet ]] || printf -v _nb_said "$_stacknb_says_waiting" "$BASHPID" "$2" "$_nb_pid" "$_nb_command" "$_nb_pid" "$((_stacknb_open - 1))"
    _stacknb_code=${_stacknb_ended[$2]-}
    if [[ -z $_stacknb_code ]]; then
        # One of ours that has ended: there is nothing to wait for, and nothing to tell who watches.
        if [[ $_nb_owner == "$BASHPID" && $_stacknb_proc && ! -e /proc/$_nb_pid ]]; then
            _nb_over=$_nb_begun
            _stacknb_reap "$2" "$_nb_pid" "$_nb_owner" "$_stacknb_dir/$_nb_log"
        else
            printf '%s' "$_nb_said"
            _nb_said=''
            _stacknb_block "$1" "$2"
        fi
    fi
    _stacknb_ended[$2]=$_stacknb_code
    local _nb_end=${EPOCHREALTIME/,/.}
    [[ $_nb_end ]] || { _stacknb_need programs; _stacknb_ask_time _nb_end; }
    # A person waits for several tasks at once: that time counts once.
    ((_nb_us = ${_nb_begun/./} > _stacknb_waited_to ? ${_nb_begun/./} : _stacknb_waited_to, _nb_us = ${_nb_end/./} - _nb_us, _nb_us = _nb_us < 0 ? 0 : _nb_us, _stacknb_waited_us += _nb_us, _stacknb_waited_to = ${_nb_end/./}, 1))
    ((_nb_us < 1000)) || _stacknb_book_wait
    _nb_us=0
    _stacknb_has_head "$_stacknb_dir/$_nb_log" || { _stacknb_need ending; _stacknb_open_late "$2" "$_nb_pid" "$_nb_log" "$_nb_command"; }
    if [[ -r $_stacknb_dir/$_nb_log ]]; then
        # Below the header 16 KiB, and no NUL, are read by bash itself; what is longer, by a program, and
        # what has no header, because the task has emptied its log; or where a hook has made IFS readonly, by
        # which the text would be cut.
        if {
            # Without a header its first line may be all that there is, and longer than memory.
            IFS= read -r -n 16 _nb_head
            [[ $_nb_head != '#stacknb-begin {' ]] || { IFS= read -r _nb_text; _nb_head+=$_nb_text; [[ ${IFS+${IFS@a}} == *r* ]] || IFS= read -r -d '' -n 16384 _nb_text; }
        } <"$_stacknb_dir/$_nb_log" 2>/dev/null; then
            [[ $_nb_head == '#stacknb-begin {'* ]] || _nb_head=''
            _nb_text=''
            printf '%s' "$_nb_said"
            _nb_said=''
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
            [[ ! $_nb_text || $_nb_text == *$'\n' ]] || _nb_text+=$'\n'
        fi
        [[ $_nb_foot ]] || _stacknb_close "$2" "$_stacknb_dir/$_nb_log"
        # "end": SECONDS.MICROS, "start": SECONDS.MICROS, …
        _nb_us="${_nb_foot:7:10}${_nb_foot:18:6} ${_nb_foot:35:10}${_nb_foot:46:6}"
        if [[ ${#_nb_us} != 33 || $_nb_us == *[!0-9\ ]* ]]; then
            _nb_us=0
        else
            ((_nb_us = ${_nb_us/ /-}, _nb_us = _nb_us < 0 ? 0 : _nb_us, 1)) # the clock may have been set back
            [[ $_nb_head == *'"foreground": true, '* ]] || ((_stacknb_background_us += _nb_us, 1))
        fi
    fi
    printf "$_stacknb_wait_line" "$2" "$_nb_begun" "$_nb_end" "$_stacknb_phase" "$_stacknb_hook" "$_stacknb_code" "$_nb_log" "${_stacknb_within:+"\"by\": \"$_stacknb_within\", "}" "$_stacknb_run" >>"$_stacknb_dir/waits.jsonl" || _stacknb_note_lack
    # Not before it is written down: an interrupt may come in between.
    _stacknb_codes[$2]=$_stacknb_code
    ((--_stacknb_open, 1))
    [[ $1 == show ]] || return 0
    _stacknb_text='' _stacknb_place=''
    ((_stacknb_code == 0)) || { _stacknb_in_words "$_stacknb_code" "$_nb_pid"; _stacknb_tell_place "$_nb_foot"; }
    printf "$_stacknb_says_finished" "$_nb_said$_nb_text" "$BASHPID" "$2" "$_nb_pid" \
        "$_nb_command" "$_stacknb_code" "$((_nb_us / 1000000))" "${_stacknb_text:+ ($_stacknb_text)}$_stacknb_place"
}

_stacknb_has_head() { # LOG
    local _nb_text=''
    { IFS= read -r -n 16 _nb_text <"$1"; } 2>/dev/null
    [[ $_nb_text == '#stacknb-begin {' ]]
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

# Sets _stacknb_place to a line that says where a task failed, if its footer has that.
_stacknb_tell_place() { # FOOTER
    local _nb_place=${1#*'"failed_at": ["'} _nb_calls=''
    _stacknb_place=''
    [[ $_nb_place != "$1" ]] || return 0
    [[ $_nb_place != *'"], "calls": ["'* ]] || _nb_calls=${_nb_place#*'"], "calls": ["'} _nb_calls=${_nb_calls%%'"]'*}
    _nb_place=${_nb_place/'", "'/:}
    _nb_place=${_nb_place%%'"'*}
    [[ $_nb_calls != "$_nb_place" ]] || _nb_calls='' # of `exit` it is a call itself
    _nb_calls=${_nb_calls#"$_nb_place"'", "'}
    _stacknb_place=$'\n    at '$_nb_place${_nb_calls:+", called from ${_nb_calls//'", "'/, }"}
}

# The wait itself, for a task that still runs or is not ours.
_stacknb_block() { # show|quiet NAME
    # Who watches wants to know what blocks the run; a wait within a task blocks that task alone.
    [[ $1 == quiet || $BASHPID != "$$" || ( $_stacknb_proc && ! -e /proc/$_nb_pid ) ]] || printf '{"event": "wait-start", "time": %s, "name": "%s", "log": "%s", "phase": "%s", "hook": "%s"}\n' \
        "$_nb_begun" "$2" "$_nb_log" "$_stacknb_phase" "$_stacknb_hook" >>"$_stacknb_dir/journal.jsonl" || _stacknb_note_lack
    [[ ! $_stacknb_leader || ! $_stacknb_jobs ]] || _stacknb_rest
    _stacknb_reap "$2" "$_nb_pid" "$_nb_owner" "$_stacknb_dir/$_nb_log"
    [[ ! $_stacknb_leader || ! $_stacknb_jobs ]] || _stacknb_go_on
}

# A task that waits for another one gives its place under --jobs back meanwhile, as make does.
_stacknb_rest() { printf 'rest\x1f%s\x1f%s\n' "$_stacknb_leader" "${BASHPID:-$_stacknb_leader}" >|"$_stacknb_control/supervisor"; } 2>/dev/null

_stacknb_go_on() {
    local _nb_gate=$_stacknb_control/gate.$BASHPID.$((++_stacknb_seq)) _nb_nothing
    printf 'return\x1f%s\x1f%s\x1f%s\n' "$_nb_gate" "$_stacknb_leader" "${BASHPID:-$_stacknb_leader}" >|"$_stacknb_control/supervisor" || return 0
    until [[ -p $_nb_gate ]]; do
        _stacknb_bide 0.002 || return 0 # somebody has removed the folder: nobody would answer
    done
    read -r _nb_nothing <"$_nb_gate"
} 2>/dev/null

# Blocks until the task has ended, whoever's child it is; sets _stacknb_code.
_stacknb_reap() { # NAME PID OWNER LOG
    local _nb_code=''
    if [[ $3 == "$BASHPID" ]]; then
        # A signal cuts a wait short, with a status like that of a task which was killed: only once it has
        # ended the answer counts, if it stays the same. In posix mode bash says it once, and then 127.
        while
            wait "$2" 2>/dev/null && _stacknb_code=0 || _stacknb_code=$?
            ((_stacknb_code > 128)) && [[ $_stacknb_code != "$_nb_code" ]]
        do
            _nb_code=''
            kill -0 "$2" 2>/dev/null || _nb_code=$_stacknb_code
        done
        ((_stacknb_code == 127)) || return 0
    fi
    # Not our child (this shell is a subshell, or restored from a snapshot), or no such command.
    while _stacknb_is_there "$2" && ! _stacknb_has_ended "$1" "$2" "$4"; do
        _stacknb_bide 0.02 || _stacknb_program sleep 0.02 # somebody has removed the folder
    done
    _stacknb_code=${_nb_code:-127}
    if _stacknb_has_ended "$1" "$2" "$4"; then
        _nb_code=${_stacknb_foot#*\"exit_code\": }
        _stacknb_code=${_nb_code%%[!0-9]*}
    elif [[ -r $_stacknb_control/exit.$2 ]]; then
        mapfile -t -n 1 _stacknb_read <"$_stacknb_control/exit.$2" # IFS may hold digits
        _stacknb_code=${_stacknb_read:-127}
    fi
}

# Whether a process is there. One that has ended is, until its parent asks for its status; but a program that
# took the place of its shell may never ask. The supervisor does, and keeps the status.
_stacknb_is_there() { # PID
    local _nb_line=''
    builtin kill -0 "$1" 2>/dev/null || return 1
    [[ ! $_stacknb_proc ]] || { IFS= read -r _nb_line <"/proc/$1/stat"; } 2>/dev/null
    [[ ${_nb_line##*) } != [ZX]' '* || ${_nb_line##*) } == ?" $PPID "* ]]
}

# Whether a footer of the task closes the log; sets _stacknb_foot. What another task has printed, or a
# task of another task's log, is none. A fork, but only for tasks of another shell and for long logs.
_stacknb_has_ended() { # NAME PID LOG
    _stacknb_need programs
    _stacknb_foot=$(_stacknb_program tail -c 4096 -- "$3" 2>/dev/null | _stacknb_program tr -d '\0')
    [[ $_stacknb_foot == *'#stacknb-end {'* ]] || _stacknb_foot=''
    _stacknb_foot=${_stacknb_foot##*'#stacknb-end '}
    _stacknb_foot=${_stacknb_foot%%$'\n'*}
    [[ $_stacknb_foot == *"\"run\": \"$_stacknb_run\", \"name\": \"$1\", \"pid\": "@("$2"|0)"}" ]] || _stacknb_foot=''
    [[ $_stacknb_foot ]]
}

# A task started in a subshell of this shell, or in another one: the journal tells.
_stacknb_adopt() { # NAME
    [[ ${1-} && $1 != *[!A-Za-z0-9._-]* && -z ${_stacknb_tasks[$1]-} && -r $_stacknb_dir/journal.jsonl ]] || return 1
    local _nb_line _nb_head='' _nb_pid _nb_log
    # The journal has a task before async_run returns; its log has a header only when it starts.
    while IFS= read -r _nb_line; do
        [[ $_nb_line != '{"event": "task", '*" \"name\": \"$1\", \"pid\": "* ]] || _nb_head=$_nb_line
    done <"$_stacknb_dir/journal.jsonl" 2>/dev/null
    [[ $_nb_head ]] || return 1
    _nb_pid=${_nb_head##*\"pid\": } _nb_log=${_nb_head##*\"log\": \"}
    _stacknb_tasks[$1]="${_nb_pid%%[!0-9]*} 0 ${_nb_log%%\"*} a command of another shell"
    ((++_stacknb_open))
}

# A footer for a task that left none: it was killed, or replaced itself by exec. Sets _nb_foot to it. Its
# end is the latest that it can have been: that of the wait, or the begin of a wait
# that found it over (_nb_over) and was not held up by it.
_stacknb_close() { # NAME LOG; the header is in _nb_head
    local _nb_status='' _nb_more='' _nb_at=${_nb_over:-$_nb_end} _nb_started='' _nb_id=${_nb_head##*\"pid\": }
    [[ $_nb_head == *'"pid": '* ]] || return 0
    _nb_started=${_nb_head##*\"start\": } _nb_started=${_nb_started%%[!0-9.]*}
    _nb_id=${_nb_id%%[!0-9]*}
    if [[ -r $_stacknb_control/why.$_nb_id ]]; then
        read -r _nb_status <"$_stacknb_control/why.$_nb_id"
    elif ((_stacknb_code > 128)); then
        _nb_status=killed
    elif ((_stacknb_code == 127)) && [[ ! -r $_stacknb_control/end.$_nb_id ]]; then
        _nb_status=lost # nobody knows: a bare `wait` in the hook may have taken its status
    fi
    # What it could tell of itself before it ended.
    if [[ -r $_stacknb_control/end.$_nb_id ]]; then
        { read -r _nb_more <"$_stacknb_control/end.$_nb_id"; } 2>/dev/null
        _nb_at=${_nb_more%% *} _nb_more=${_nb_more#"$_nb_at"}
    fi
    _nb_status=${_nb_status:+"\"status\": \"$_nb_status\", "}
    printf -v _nb_foot '"end": %s, "start": %s, "exit_code": %d, %s%s"run": "%s", "name": "%s", "pid": %d}\n' \
        "$_nb_at" "$_nb_started" "$_stacknb_code" "$_nb_more" "$_nb_status" "$_stacknb_run" "$1" "$_nb_id"
    printf %s $'\n#stacknb-end {'"$_nb_foot" >>"$2" || _stacknb_note_lack
}

# Shows a log that is long, or has a NUL in it, which bash cannot hold.
_stacknb_show_large() { # show|quiet NAME PID LOG
    { local LC_ALL=C; } 2>/dev/null # a hook may have made it readonly
    local _nb_size _nb_from=0
    _stacknb_need programs
    _nb_size=$(_stacknb_program wc -c <"$4")
    _stacknb_has_ended "$2" "$3" "$4"
    _nb_foot=${_stacknb_foot#'{'}
    [[ $1 == show ]] || return 0
    [[ ! $_nb_head ]] || _nb_from=$((${#_nb_head} + 1))
    ((_nb_size -= _nb_from))
    [[ -z $_nb_foot ]] || ((_nb_size -= ${#_nb_foot} + 16)) # newline, marker, brace, newline
    _stacknb_program tail -c "+$((_nb_from + 1))" -- "$4" | _stacknb_program head -c "$_nb_size"
    [[ $(_stacknb_program tail -c "+$((_nb_from + _nb_size))" -- "$4" | _stacknb_program head -c 1 | _stacknb_program tr '\n\0' 'nx') == n ]] || printf '\n'
}

# Sets _stacknb_text: what a status means, where it is more than a number.
_stacknb_in_words() { # STATUS PID
    if [[ -r $_stacknb_control/why.$2 ]]; then
        read -r _stacknb_text <"$_stacknb_control/why.$2"
    elif (($1 > 128 && $1 < 193)); then
        _stacknb_text="ended by SIG$(kill -l $(($1 - 128)))"
    elif (($1 == 127)); then
        _stacknb_text='no such command, or lost'
        # Its session has ended without it, or a bare `wait` of the hook has taken its status.
        [[ ${_nb_foot-} != *'"status": "lost"'* ]] || _stacknb_text='lost: nobody knows how it ended'
    fi
}

# What async_print_timing prints.
_stacknb_sum_up() {
    local _nb_elapsed='' _nb_hidden=$(((_stacknb_background_us - _stacknb_waited_us) / 1000000))
    printf -v _nb_elapsed '%(%s)T' -1
    ((_nb_elapsed -= ${_TIME_BEGIN:-_nb_elapsed}, _nb_elapsed = _nb_elapsed < 0 ? 0 : _nb_elapsed, 1))
    local _nb_serial=$((_nb_elapsed + _nb_hidden)) _nb_speedup=0
    ((_nb_elapsed == 0)) || _nb_speedup=$((_nb_serial / _nb_elapsed)).$(printf '%03d' "$((_nb_serial % _nb_elapsed * 1000 / _nb_elapsed))")
    printf '\n=================\n Async summary\n=================\n'
    printf ' Time spent in the background minus waits: %d sec\n Elapsed time: %d sec\n' "$_nb_hidden" "$_nb_elapsed"
    printf ' Time if we did everything serially: %d sec\n Speedup:  %s\n' "$_nb_serial" "$_nb_speedup"
}
