# Background tasks: async_run and its relatives, forked from the live shell.
#
# Bookkeeping uses builtins only: one fork for each task and none beside it. The task's own subshell
# writes header and footer of its log; whoever collects it writes a line to waits.jsonl. What has to
# be remembered is in variables, so it goes into the snapshot and comes back with it.

async_init() { :; } # a run begins with its directory made and no task in it

async_runfunc() { async_run "$1" "$@"; }

# async_run [--after NAME]… [--timeout SECONDS] [--cwd DIR] NAME COMMAND [ARG…]
async_run() {
    { local - _stacknb_opts=$-; set +eufxv; } 2>/dev/null
    local _stacknb_ifs=${IFS-$' \t\n'}
    local IFS=' ' _stacknb_after=() _stacknb_deps=() _stacknb_limit='' _stacknb_cwd='' _stacknb_gate='' _stacknb_began
    [[ $_stacknb_busy ]] || _stacknb_opts=$_stacknb_flags
    while [[ ${1-} == --* ]]; do
        (($# > 1)) || { _stacknb_complain "async_run: '$1' needs a value"; return 2; }
        case $1 in
            --after) _stacknb_after+=("$2") ;;
            --timeout) _stacknb_limit=$2 ;;
            --cwd) _stacknb_cwd=$2 ;;
            *) _stacknb_complain "async_run: unknown option '$1'; there are --after NAME, --timeout SECONDS, --cwd DIR"; return 2 ;;
        esac
        shift 2
    done
    _stacknb_check_run "$@" || return
    _stacknb_task=$1
    shift
    _stacknb_resolve_after || return
    _stacknb_new_log
    : >>"$_stacknb_dir/$_stacknb_log_name" # from now on the name is taken
    if [[ $_stacknb_jobs || $_stacknb_limit ]] || ((${#_stacknb_deps[@]})); then
        _stacknb_gate=$_stacknb_control/gate.$BASHPID.$((++_stacknb_seq))
    fi
    _stacknb_began=${EPOCHREALTIME/[!0-9]/.}
    set -m # a process group of its own, so that the task can be ended whole
    (_stacknb_child "$@") &
    set +m
    _stacknb_pids[$_stacknb_task]=$! _stacknb_logs[$_stacknb_task]=$_stacknb_log_name _stacknb_cmds[$_stacknb_task]=$*
    unset -v '_stacknb_codes[$_stacknb_task]' '_stacknb_ended[$_stacknb_task]'
    _stacknb_owners[$_stacknb_task]=$BASHPID _stacknb_order+=("$_stacknb_task")
    ((++_stacknb_open))
    printf '{"event": "task", "time": %s, "name": "%s", "pid": %d, "log": "%s", "phase": "%s", "hook": "%s"}\n' \
        "$_stacknb_began" "$_stacknb_task" "$!" "$_stacknb_log_name" "$_stacknb_phase" "$_stacknb_hook" >>"$_stacknb_dir/journal.jsonl"
    if [[ $_stacknb_gate ]]; then
        IFS=$'\x1f'
        set -- task "$_stacknb_gate" "$!" "$_stacknb_limit" "${_stacknb_deps[@]}"
        printf '%s\n' "$*" >|"$_stacknb_control/supervisor" # in one write, so that messages cannot mix
        IFS=' '
    fi
    case ${DEVSTACK_PARALLEL-True} in
        0 | [Ff]alse | FALSE | [Nn]o | NO) _stacknb_run_serially ;;
        *) printf '[%d Async %s:%d]: running: %s\n' "$BASHPID" "$_stacknb_task" "${_stacknb_pids[$_stacknb_task]}" "${_stacknb_cmds[$_stacknb_task]}" ;;
    esac
}

# async_wait NAME…: shows each log in one piece; the status is that of the first task that failed.
async_wait() {
    { local -; set +eufxv; } 2>/dev/null
    local IFS=' ' _nb_wanted _stacknb_first=0 _stacknb_bad=()
    for _nb_wanted in "$@"; do
        if [[ -z $_nb_wanted || -z ${_stacknb_pids[$_nb_wanted]-} || -n ${_stacknb_codes[$_nb_wanted]-} ]] && ! _stacknb_adopt "$_nb_wanted"; then
            printf 'Not waiting for async task %s that we never started or has already been waited for\n' "$_nb_wanted"
            [[ ${_stacknb_codes[$_nb_wanted]-} ]] || _stacknb_warn_near "$_nb_wanted"
            continue
        fi
        _stacknb_task=$_nb_wanted
        printf '[%d Async %s:%s]: Waiting for completion of %s running on PID %s (%d other jobs running)\n' "$BASHPID" \
            "$_stacknb_task" "${_stacknb_pids[$_stacknb_task]}" "${_stacknb_cmds[$_stacknb_task]}" "${_stacknb_pids[$_stacknb_task]}" $((_stacknb_open - 1))
        _stacknb_collect show
        ((_stacknb_code == 0)) && continue
        _stacknb_bad+=("$_stacknb_task (status $_stacknb_code${_stacknb_text:+, $_stacknb_text})")
        ((_stacknb_first)) || _stacknb_first=$_stacknb_code
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
    if [[ ${1-} && ${_stacknb_pids[$1]-} && -z ${_stacknb_codes[$1]-} ]]; then
        printf '%s\n' "${_stacknb_pids[$1]}"
    else
        echo UNKNOWN
        return 1
    fi
}

async_print_timing() {
    { local -; set +eufxv; } 2>/dev/null
    local _nb_elapsed=$((${EPOCHREALTIME%[!0-9]*} - ${_TIME_BEGIN:-0})) _nb_hidden=$(((_stacknb_background_us - _stacknb_waited_us) / 1000000))
    ((${_TIME_BEGIN:-0})) || _nb_elapsed=0
    local _nb_serial=$((_nb_elapsed + _nb_hidden)) _nb_speedup=0
    ((_nb_elapsed == 0)) || _nb_speedup=$((_nb_serial / _nb_elapsed)).$(printf '%03d' $((_nb_serial % _nb_elapsed * 1000 / _nb_elapsed)))
    printf '\n=================\n Async summary\n=================\n'
    printf ' Time spent in the background minus waits: %d sec\n Elapsed time: %d sec\n' "$_nb_hidden" "$_nb_elapsed"
    printf ' Time if we did everything serially: %d sec\n Speedup:  %s\n' "$_nb_serial" "$_nb_speedup"
}

_stacknb_complain() { printf '%s\n' "$1" >&2; }

_stacknb_check_run() {
    if [[ -z ${1-} || $1 == *[!A-Za-z0-9._-]* ]]; then
        _stacknb_complain "async_run: '${1-}' cannot name a task: use letters, digits, '.', '_' and '-'"; return 2
    elif (($# < 2)); then
        _stacknb_complain "async_run: task '$1' has no command; give it after the name"; return 2
    elif [[ $_stacknb_limit && ! $_stacknb_limit =~ ^[0-9]+([.][0-9]+)?$ ]]; then
        _stacknb_complain "async_run: timeout '$_stacknb_limit' of task '$1' is no number of seconds"; return 2
    elif [[ ${_stacknb_pids[$1]-} && -z ${_stacknb_codes[$1]-} ]]; then
        _stacknb_complain "async_run: a task '$1' is in use (started, not yet waited for); wait for it or take another name"; return 1
    fi
}

# --after names -> pid and log of those that still run; one that ended badly already is an error.
_stacknb_resolve_after() {
    local _nb_name
    for _nb_name in "${_stacknb_after[@]}"; do
        if [[ -z $_nb_name || -z ${_stacknb_pids[$_nb_name]-} ]]; then
            _stacknb_complain "async_run: task '$_stacknb_task' is to start after '$_nb_name', which was never started"; return 1
        elif [[ ${_stacknb_codes[$_nb_name]-} == 0 ]]; then
            continue
        elif [[ ${_stacknb_codes[$_nb_name]-} ]]; then
            _stacknb_complain "async_run: task '$_stacknb_task' is to start after '$_nb_name', which failed with status ${_stacknb_codes[$_nb_name]}"; return 1
        fi
        _stacknb_deps+=("$_nb_name" "${_stacknb_pids[$_nb_name]}" "$_stacknb_dir/${_stacknb_logs[$_nb_name]}")
    done
}

_stacknb_new_log() {
    local _nb_count=${_stacknb_counts[$_stacknb_task]:-0}
    while
        ((++_nb_count))
        _stacknb_log_name=async/$_stacknb_task
        ((_nb_count == 1)) || _stacknb_log_name+=.$_nb_count
        _stacknb_log_name+=.log
        [[ -e $_stacknb_dir/$_stacknb_log_name ]]
    do :; done
    _stacknb_counts[$_stacknb_task]=$_nb_count
}

_stacknb_to_json() { # TEXT…; sets _stacknb_json to a list of strings
    local LC_ALL=C _nb_text _nb_out='' _nb_i _nb_c _nb_to
    for _nb_text in "$@"; do
        if [[ $_nb_text == *[\\\"[:cntrl:]]* ]]; then
            _nb_text=${_nb_text//\\/\\\\} _nb_text=${_nb_text//\"/\\\"} _nb_text=${_nb_text//$'\n'/\\n} _nb_text=${_nb_text//$'\t'/\\t}
            for ((_nb_i = 1; _nb_i < 32; _nb_i++)); do
                [[ $_nb_text == *[[:cntrl:]]* ]] || break
                printf -v _nb_c '\\x%02x' "$_nb_i"
                printf -v _nb_c '%b' "$_nb_c"
                printf -v _nb_to '\\u%04x' "$_nb_i"
                _nb_text=${_nb_text//"$_nb_c"/"$_nb_to"}
            done
        fi
        _nb_out+=", \"$_nb_text\""
    done
    _stacknb_json="[${_nb_out#, }]"
}

# The task itself, in its subshell.
_stacknb_child() {
    set +m
    # A task may start tasks: what tells this one from them has names of its own.
    _stacknb_own=("$_stacknb_task" "$_stacknb_dir/$_stacknb_log_name" '')
    _stacknb_words=("$@") _stacknb_failed=() _stacknb_where=() _stacknb_head='' _stacknb_cpu0=(0 0)
    trap '{ _stacknb_child_end "$?"; } 2>/dev/null' EXIT
    # Without these bash would leave through the EXIT trap with a status of 0.
    trap '_stacknb_where=(signal); builtin exit 143' TERM
    trap '_stacknb_where=(signal); builtin exit 129' HUP
    trap '_stacknb_where=(signal); builtin exit 130' INT
    if [[ -z $_stacknb_off && -z $_stacknb_foreign ]]; then
        trap '{ _stacknb_failed=("$?" "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND"); } 2>/dev/null' ERR
        set -E
    fi
    if [[ $_stacknb_gate ]]; then _stacknb_pass_gate || builtin exit 125; fi
    _stacknb_write_head "$@"
    exec >>"$_stacknb_dir/$_stacknb_log_name" 2>&1
    if [[ $_stacknb_cwd ]]; then cd -- "$_stacknb_cwd" || builtin exit 1; fi
    _stacknb_opts=${_stacknb_opts//[!eufxv]/}
    IFS=$_stacknb_ifs
    { [[ -z $_stacknb_opts ]] || set "-$_stacknb_opts"; } 2>/dev/null
    "$@"
}

_stacknb_write_head() {
    _stacknb_to_json "$@"
    printf -v _stacknb_head '#stacknb-begin {"kind": "task", "name": "%s", "command": %s, "phase": "%s", "hook": "%s", "start": %s, "queued": %s, "pid": %d, "host": "%s", "run": "%s"}\n' \
        "$_stacknb_task" "$_stacknb_json" "$_stacknb_phase" "$_stacknb_hook" "${EPOCHREALTIME/[!0-9]/.}" "$_stacknb_began" "$BASHPID" "$_stacknb_host" "$_stacknb_run"
    printf '%s' "$_stacknb_head" >>"${_stacknb_own[1]}"
    _stacknb_own[2]=begun
}

# Held back until the supervisor says "go": a free place under --jobs, and what it comes after done.
_stacknb_pass_gate() {
    local _nb_verdict=''
    until [[ -p $_stacknb_gate ]]; do read -r -t 0.002 _nb_verdict <>"$_stacknb_control/never"; done
    IFS= read -r _nb_verdict <"$_stacknb_gate"
    [[ $_nb_verdict == go ]] && return
    _stacknb_write_head "${_stacknb_words[@]}"
    printf 'not started: %s\n' "$_nb_verdict" >>"${_stacknb_own[1]}"
    _stacknb_where=(cancelled)
    return 1
}

_stacknb_child_end() { # STATUS
    { set +eufxvE; } 2>/dev/null
    trap - ERR
    local _nb_extra=''
    [[ ${_stacknb_own[2]} ]] || _stacknb_write_head "${_stacknb_words[@]}"
    if [[ ${_stacknb_where[0]-} == cancelled ]]; then
        _nb_extra='"status": "cancelled", '
    elif [[ -r $_stacknb_control/why.$BASHPID ]]; then
        read -r _nb_extra <"$_stacknb_control/why.$BASHPID"
        _nb_extra="\"status\": \"$_nb_extra\", "
    elif [[ ${_stacknb_where[0]-} == signal ]]; then
        _nb_extra='"status": "killed", '
    elif (($1)); then
        ((${#_stacknb_where[@]})) || _stacknb_where=(errexit "${_stacknb_failed[@]:1}")
        [[ ${_stacknb_failed[0]-} == "$1" || ${_stacknb_where[0]} == exit ]] || _stacknb_where=()
        # A command that is no function has no line of its own: the header names it.
        if ((${#_stacknb_where[@]})) && [[ ${_stacknb_where[1]} != "${BASH_SOURCE[0]}" ]]; then
            _stacknb_to_json "${_stacknb_where[@]:1:3}"
            _nb_extra="\"failed_at\": $_stacknb_json, "
        fi
    fi
    _stacknb_footer "${_stacknb_own[1]}" "${_stacknb_own[0]}" "$1" "$_nb_extra"
}

_stacknb_run_serially() {
    printf '[%d Async %s:self]: Running synchronously: %s\n' "$BASHPID" "$_stacknb_task" "${_stacknb_cmds[$_stacknb_task]}"
    _stacknb_foreground=${_stacknb_pids[$_stacknb_task]} # an interrupt ends it, as any foreground command
    _stacknb_reap
    _stacknb_foreground=''
    return "$_stacknb_code"
}
