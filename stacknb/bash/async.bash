# Background tasks: async_run and its relatives, forked from the live shell.
#
# Bookkeeping uses builtins only: one fork for each task and none beside it. The task's own subshell
# writes header and footer of its log; whoever collects it writes a line to waits.jsonl. What has to
# be remembered is in variables, so it goes into the snapshot and comes back with it.
#
# What a task costs is mostly memory copied: bash copies a function's body for each call, and each
# page that is written after a fork is copied as well. So the ordinary case stands in few small
# functions with few variables, and each thing that is rarely wanted in a function of its own.

async_init() { :; } # a run begins with its directory made and no task in it

async_runfunc() { async_run "$1" "$@"; }

# async_run [--after NAME]… [--timeout SECONDS] [--cwd DIR] NAME COMMAND [ARG…]
async_run() {
    { _stacknb_opts=$-; if [[ $- == *x* ]]; then local -; set +x; fi; } 2>/dev/null
    if [[ $_stacknb_busy && -z $_stacknb_jobs && $# -gt 1 && $1 && $1 != -* && $1 != *[!A-Za-z0-9._-]* && -z ${_stacknb_tasks[$1]-} && ${DEVSTACK_PARALLEL-True} == True && $BASH_SUBSHELL == 0 && ! -e $_stacknb_control/others ]]; then
        _stacknb_task=$1 _stacknb_log_name=async/$1.log _stacknb_special='' _stacknb_serial=''
        shift
    else
        _stacknb_prepare "$@" || return
        shift "$_stacknb_words"
    fi
    printf -v _stacknb_words '%s ' "$@"
    _stacknb_queued=${EPOCHREALTIME/,/.}
    set -m # a process group of its own, so that the task can be ended whole
    _stacknb_child "$@" >>"$_stacknb_dir/$_stacknb_log_name" 2>&1 &
    [[ $_stacknb_opts == *m* ]] || set +m
    _stacknb_tasks[$_stacknb_task]="$! $BASHPID $_stacknb_log_name ${_stacknb_words% }"
    _stacknb_order+=("$_stacknb_task")
    # Each fork inherits the list of jobs; to show it lets bash keep the ended ones more compactly.
    ((++_stacknb_open % 32)) || builtin jobs >/dev/null
    printf '{"event": "task", "time": %s, "name": "%s", "pid": %d, "log": "%s", "phase": "%s", "hook": "%s"}\n' \
        "$_stacknb_queued" "$_stacknb_task" "$!" "$_stacknb_log_name" "$_stacknb_phase" "$_stacknb_hook" >>"$_stacknb_dir/journal.jsonl" || { _stacknb_take_back "$!" || return; }
    if [[ $_stacknb_special == gate* ]]; then _stacknb_hand_over "$!"; fi
    if [[ $_stacknb_serial ]]; then
        local -
        set +eu # a failure is that of the hook's line
        _stacknb_run_serially "$!"
    else
        printf '[%d Async %s:%d]: running: %s\n' "$BASHPID" "$_stacknb_task" "$!" "${_stacknb_words% }"
    fi
}

# The task itself, in its subshell; its output goes to its log.
_stacknb_child() {
    trap "{ _stacknb_end_task \"\$?\" $_stacknb_task $_stacknb_log_name; } 2>/dev/null" EXIT
    # Without these bash would leave through the EXIT trap with a status of 0.
    trap '_stacknb_where=(signal); builtin exit 143' TERM
    trap '_stacknb_where=(signal); builtin exit 129' HUP
    trap '_stacknb_where=(signal); builtin exit 130' INT
    _stacknb_where=() _stacknb_failed='' _stacknb_start=''
    [[ $_stacknb_special != gate* ]] || _stacknb_pass_gate "$@" || builtin exit 125
    _stacknb_write_head "$@"
    [[ ! $_stacknb_special ]] || _stacknb_arrange
    [[ $_stacknb_opts != *x* ]] || { set -x; } 2>/dev/null
    "$@"
}

_stacknb_write_head() {
    printf -v _stacknb_words '"%s", ' "$@"
    [[ $* != *[\\\"[:cntrl:]]* ]] || _stacknb_to_json "$@"
    _stacknb_start=${EPOCHREALTIME/,/.}
    printf '#stacknb-begin {"kind": "task", "name": "%s", "command": [%s], "phase": "%s", "hook": "%s", "start": %s, "queued": %s, %s"pid": %d, "host": "%s", "run": "%s"}\n' \
        "$_stacknb_task" "${_stacknb_words%, }" "$_stacknb_phase" "$_stacknb_hook" "$_stacknb_start" "$_stacknb_queued" "${_stacknb_special:+$_stacknb_said}" "$BASHPID" "$_stacknb_host" "$_stacknb_run"
}

# The end of the task: its footer. The task may have changed any variable but these of its own.
_stacknb_end_task() { # STATUS NAME LOG
    local _nb_more='' _nb_user=0 _nb_sys=0 _nb_cuser=0 _nb_csys=0
    set +eufxvC
    # To open a file by name makes tasks wait for each other, in the kernel, for their directory.
    [[ /dev/fd/1 -ef $_stacknb_dir/$3 ]] || exec >>"$_stacknb_dir/$3"
    [[ $_stacknb_start ]] || _stacknb_write_head ${_stacknb_command+"${_stacknb_command[@]}"}
    if (($1)) || [[ ${_stacknb_where-} || -r $_stacknb_control/why.$BASHPID ]]; then _stacknb_say_why "$1"; fi
    [[ ! -r /proc/self/stat ]] || IFS=' ' read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _nb_user _nb_sys _nb_cuser _nb_csys _ </proc/self/stat
    ((_nb_user += _nb_cuser, _nb_sys += _nb_csys, 1))
    # "start" stands in the header, too; here it is at hand for whoever collects the task.
    printf '\n#stacknb-end {"end": %s, "start": %s, "exit_code": %d, "user_s": %d.%02d, "sys_s": %d.%02d, %s"run": "%s", "name": "%s", "pid": %d}\n' \
        "${EPOCHREALTIME/,/.}" "$_stacknb_start" "$1" $((_nb_user / 100)) $((_nb_user % 100)) $((_nb_sys / 100)) $((_nb_sys % 100)) \
        "$_nb_more" "$_stacknb_run" "$2" "$BASHPID" || _stacknb_note_lack
}

# Nobody would know of a task that is not in the journal: it is ended before it has begun.
_stacknb_take_back() { # PID
    _stacknb_note_lack
    builtin kill -KILL -- "-$1" 2>/dev/null
    wait "$1" 2>/dev/null
    command rm -f -- "$_stacknb_dir/$_stacknb_log_name"
    unset -v '_stacknb_tasks[$_stacknb_task]' '_stacknb_order[-1]'
    ((--_stacknb_open, 1))
    _stacknb_complain "async_run: run directory '$_stacknb_dir' is full or cannot be written: task '$_stacknb_task' is not started; free some room"
    return 1
}

# Sets _nb_more: how it ended, if another ended it, and the place of the failure.
_stacknb_say_why() { # STATUS
    local _nb_why=''
    [[ ! -r $_stacknb_control/why.$BASHPID ]] || read -r _nb_why <"$_stacknb_control/why.$BASHPID"
    if [[ ${_stacknb_where-} == cancelled ]]; then
        _nb_why=cancelled
    elif [[ ! $_nb_why && ${_stacknb_where-} == signal ]]; then
        _nb_why=killed
    fi
    if [[ $_nb_why ]]; then _nb_more="\"status\": \"$_nb_why\", "; return; fi
    [[ ${_stacknb_where-} ]] || _stacknb_where=(errexit "${_stacknb_failed[@]:1}")
    # A command that is no function has no line of its own: the header names it.
    if [[ $_stacknb_where == exit || ${_stacknb_failed-} == "$1" ]] && [[ ${_stacknb_where[1]-} && ${_stacknb_where[1]} != "${BASH_SOURCE[0]}" ]]; then
        _stacknb_to_json "${_stacknb_where[@]:1:3}"
        _nb_more="\"failed_at\": [${_stacknb_words%, }], "
    fi
}

_stacknb_to_json() { # TEXT…; sets _stacknb_words to strings with a comma after each
    local LC_ALL=C _nb_text _nb_i _nb_c _nb_to
    _stacknb_words=''
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
        _stacknb_words+="\"$_nb_text\", "
    done
}

_stacknb_complain() { printf '%s\n' "$1" >&2; }

# What async_run does first unless the task is an ordinary one of a hook: options, refusals, a second
# log of the same name. Sets _stacknb_words to the number of words that are no part of the command.
_stacknb_prepare() {
    local - _nb_after=() _nb_count=$# _nb_names
    set +eufv
    # Now there may be logs that the shell of the hooks has not given their names.
    ((BASH_SUBSHELL == 0)) || : >|"$_stacknb_control/others"
    _stacknb_special=more _stacknb_limit='' _stacknb_cwd='' _stacknb_deps=() _stacknb_said='' _stacknb_serial=''
    case ${DEVSTACK_PARALLEL-True} in
        # The header says so, because such a task hides no time.
        0 | [Ff]alse | FALSE | [Nn]o | NO) _stacknb_serial=1 _stacknb_said='"foreground": true, ' ;;
    esac
    # A person starts it, between two turns, when the options are kept elsewhere.
    [[ $_stacknb_busy ]] || _stacknb_opts=$_stacknb_flags
    while [[ ${1-} == --* ]]; do
        (($# > 1)) || { _stacknb_complain "async_run: '$1' needs a value"; return 2; }
        case $1 in
            --after) _nb_after+=("$2") ;;
            --timeout) _stacknb_limit=$2 ;;
            --cwd) _stacknb_cwd=$2 ;;
            *) _stacknb_complain "async_run: unknown option '$1'; there are --after NAME, --timeout SECONDS, --cwd DIR"; return 2 ;;
        esac
        shift 2
    done
    if [[ -z ${1-} || $1 == *[!A-Za-z0-9._-]* ]]; then
        _stacknb_complain "async_run: '${1-}' cannot name a task: use letters, digits, '.', '_' and '-'"; return 2
    elif (($# < 2)); then
        _stacknb_complain "async_run: task '$1' has no command; give it after the name"; return 2
    elif [[ $_stacknb_limit && ! $_stacknb_limit =~ ^[0-9]+([.][0-9]+)?$ ]]; then
        _stacknb_complain "async_run: timeout '$_stacknb_limit' of task '$1' is no number of seconds"; return 2
    elif [[ ${_stacknb_tasks[$1]-} && -z ${_stacknb_codes[$1]-} ]]; then
        _stacknb_complain "async_run: a task '$1' is in use (started, not yet waited for); wait for it or take another name"; return 1
    fi
    _stacknb_task=$1
    _stacknb_resolve_after "${_nb_after[@]}" || return
    if ((${#_nb_after[@]})); then
        printf -v _nb_names ', "%s"' "${_nb_after[@]}"
        _stacknb_said+="\"after\": [${_nb_names#, }], " # the critical path goes back through it
    fi
    _stacknb_new_log
    unset -v '_stacknb_codes[$_stacknb_task]' '_stacknb_ended[$_stacknb_task]'
    if [[ $_stacknb_jobs || $_stacknb_limit ]] || ((${#_stacknb_deps[@]})); then
        _stacknb_special=gate.$BASHPID.$((++_stacknb_seq))
    fi
    _stacknb_words=$((_nb_count - $# + 1))
}

# --after names -> pid and log of those that still run; one that ended badly already is an error.
_stacknb_resolve_after() {
    local _nb_name _nb_pid _nb_owner _nb_log _nb_command
    for _nb_name in "$@"; do
        if [[ -z $_nb_name || $_nb_name == *[!A-Za-z0-9._-]* || -z ${_stacknb_tasks[$_nb_name]-} ]]; then
            _stacknb_complain "async_run: task '$_stacknb_task' is to start after '$_nb_name', which was never started"; return 1
        elif [[ ${_stacknb_codes[$_nb_name]-} == 0 ]]; then
            continue
        elif [[ ${_stacknb_codes[$_nb_name]-} ]]; then
            _stacknb_complain "async_run: task '$_stacknb_task' is to start after '$_nb_name', which failed with status ${_stacknb_codes[$_nb_name]}"; return 1
        fi
        _stacknb_facts "$_nb_name"
        _stacknb_deps+=("$_nb_name" "$_nb_pid" "$_stacknb_dir/$_nb_log")
    done
}

# The next free name; the file is made at once, because the task may be held back for long.
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
    : >>"$_stacknb_dir/$_stacknb_log_name"
}

# Tells the supervisor of a task that it has to hold back or to watch.
_stacknb_hand_over() { # PID
    local IFS=$'\x1f'
    set -- task "$_stacknb_control/$_stacknb_special" "$1" "$_stacknb_limit" "${_stacknb_deps[@]}"
    printf '%s\n' "$*" >|"$_stacknb_control/supervisor" # in one write, so that messages cannot mix
}

# Held back until the supervisor says "go": a free place under --jobs, and what it comes after done.
_stacknb_pass_gate() {
    local _nb_verdict=''
    _stacknb_command=("$@")
    until [[ -p $_stacknb_control/$_stacknb_special ]]; do read -r -t 0.002 _nb_verdict <>"$_stacknb_control/never"; done
    IFS= read -r _nb_verdict <"$_stacknb_control/$_stacknb_special"
    [[ $_nb_verdict == go ]] && return
    _stacknb_write_head "$@"
    printf 'not started: %s\n' "$_nb_verdict"
    _stacknb_where=(cancelled)
    return 1
}

# The rest of what a task needs that is no ordinary one of a hook; here in its own process.
_stacknb_arrange() {
    _stacknb_leader=$BASHPID
    if [[ ! $_stacknb_busy && ! $_stacknb_foreign ]]; then # in a hook's turn this trap is there already
        trap '{ _stacknb_failed=("$?" "${BASH_SOURCE[0]-}" "$LINENO" "$BASH_COMMAND"); } 2>/dev/null' ERR
        set -E
    fi
    if [[ $_stacknb_cwd ]]; then cd -- "$_stacknb_cwd" || builtin exit 1; fi
    if [[ ! $_stacknb_busy && ${_stacknb_opts//[!eufv]/} ]]; then set "-${_stacknb_opts//[!eufv]/}"; fi
}

_stacknb_run_serially() { # PID
    local _nb_pid _nb_owner _nb_log _nb_command
    printf '[%d Async %s:self]: Running synchronously: %s\n' "$BASHPID" "$_stacknb_task" "${_stacknb_words% }"
    _stacknb_foreground=$1 # an interrupt ends it, as any foreground command
    _stacknb_facts "$_stacknb_task"
    _stacknb_reap "$_stacknb_task" "$_nb_pid" "$_nb_owner" "$_stacknb_dir/$_nb_log" || :
    _stacknb_foreground=''
    _stacknb_ended[$_stacknb_task]=$_stacknb_code
    return "$_stacknb_code"
}
