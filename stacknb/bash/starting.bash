# Starting a task that is no ordinary one of a hook: options, refusals, a second log of the same name,
# a place under --jobs, a start by a person or in the foreground. Loaded when first needed.

# What async_run does first unless the task is an ordinary one of a hook: options, refusals, a second
# log of the same name. Sets _stacknb_words to the number of words that are no part of the command.
_stacknb_prepare() {
    local -
    set +eufvk
    local _nb_after=() _nb_count=$# _nb_names
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
    if [[ -z ${1-} || $1 == *[!A-Za-z0-9._-]* || $1 == -* || $1 == . || $1 == .. ]]; then
        _stacknb_complain "async_run: '${1-}' cannot name a task: use letters, digits, '.', '_' and '-' (no '-' in front; '.' and '..' are folders)"; return 2
    elif ((${#1} > 200)); then # its log adds to it, and a file may have 255
        _stacknb_complain "async_run: '${1:0:20}…' cannot name a task: it has ${#1} characters; use at most 200"; return 2
    elif (($# < 2)); then
        _stacknb_complain "async_run: task '$1' has no command; give it after the name"; return 2
    elif [[ $_stacknb_limit && ! $_stacknb_limit =~ ^([0-9]+([.][0-9]*)?|[.][0-9]+)$ ]]; then
        _stacknb_complain "async_run: timeout '$_stacknb_limit' of task '$1' is no number of seconds"; return 2
    elif [[ ${_stacknb_tasks[$1]-} && -z ${_stacknb_codes[$1]-} ]]; then
        _stacknb_complain "async_run: a task '$1' is in use (started, not yet waited for); wait for it or take another name"; return 1
    elif [[ ! $_stacknb_busy && $# == 2 && $1 == "$2" && ! ${_nb_after-} ]] && ! builtin type -- "$1" >/dev/null 2>&1; then
        _stacknb_complain "async_run: task '$1' has no command, and there is no function or program '$1'; give one after the name"; return 2
    fi
    _stacknb_task=$1
    # Its CPU time will be in that of the task that starts it.
    [[ ! ${_stacknb_within-} ]] || _stacknb_said+="\"by\": \"$_stacknb_within\", "
    _stacknb_resolve_after "${_nb_after[@]}" || return
    if ((${#_nb_after[@]})); then
        printf -v _nb_names ', "%s"' "${_nb_after[@]}"
        _stacknb_said+="\"after\": [${_nb_names#, }], " # the critical path goes back through it
    fi
    # A task that runs another in the foreground waits for it, and for what that comes after.
    if [[ $_stacknb_serial && ${_stacknb_within-} ]]; then
        _stacknb_need circles
        if _stacknb_goes_round "${_nb_after[@]}"; then
            _stacknb_complain "async_run: task '$_stacknb_task' cannot run in the foreground: what it is to start after waits in turn for '$_stacknb_within', and neither would end"; return 1
        fi
    fi
    _stacknb_new_log
    # Expanded here, since `shopt -s assoc_expand_once` keeps unset from doing it.
    unset -v "_stacknb_codes[$_stacknb_task]" "_stacknb_ended[$_stacknb_task]" "_stacknb_told[$_stacknb_task]"
    if [[ $_stacknb_jobs || $_stacknb_limit ]] || ((${#_stacknb_deps[@]})); then
        _stacknb_special=gate.$BASHPID.$((++_stacknb_seq))
        _stacknb_need programs
    fi
    _stacknb_words=$((_nb_count - $# + 1))
    _stacknb_queued=${EPOCHREALTIME/,/.}
    if [[ ! $_stacknb_queued ]]; then
        _stacknb_need programs
        _stacknb_ask_time _stacknb_queued
    fi
}

# --after names -> pid and log of those that still run; one that ended badly already is an error.
_stacknb_resolve_after() {
    local _nb_name _nb_pid _nb_owner _nb_log _nb_command
    for _nb_name in "$@"; do
        if [[ -z $_nb_name || $_nb_name == *[!A-Za-z0-9._-]* || -z ${_stacknb_tasks[$_nb_name]-} ]]; then
            _stacknb_complain "async_run: task '$_stacknb_task' is to start after '$_nb_name', which was never started"; return 1
        fi
        _stacknb_facts "$_nb_name"
        if [[ ! ${_stacknb_codes[$_nb_name]-} ]]; then
            _stacknb_deps+=("$_nb_name" "$_nb_pid" "$_stacknb_dir/$_nb_log")
        elif [[ ${_stacknb_codes[$_nb_name]} != 0 ]]; then
            _stacknb_text=''
            _stacknb_need waiting
            _stacknb_in_words "${_stacknb_codes[$_nb_name]}" "$_nb_pid"
            _stacknb_complain "async_run: task '$_stacknb_task' is to start after '$_nb_name', which failed with status ${_stacknb_codes[$_nb_name]}${_stacknb_text:+ ($_stacknb_text)}"; return 1
        fi
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

# Before the journal tells others of the task, who may wait for it from then on.
_stacknb_announce() { # PID
    ((${#_stacknb_deps[@]})) || return 0
    _stacknb_need circles
    _stacknb_says_after "$1"
}

# Tells the supervisor of a task that it has to hold back or to watch.
_stacknb_hand_over() { # PID
    local _nb_said
    # Without IFS, which a hook may have made readonly. In one write, so that messages cannot mix; what is
    # too long for one is in a file.
    printf -v _nb_said '%s\x1f' task "$_stacknb_control/$_stacknb_special" "$1" "$_stacknb_limit" "${_stacknb_deps[@]}"
    _nb_said=${_nb_said%?}
    if ((${#_nb_said} > 1000)); then
        printf '%s' "$_nb_said" >|"$_stacknb_control/$_stacknb_special.said"
        _nb_said=said$'\x1f'$_stacknb_control/$_stacknb_special.said
    fi
    printf '%s\n' "$_nb_said" >|"$_stacknb_control/supervisor"
}

# Held back until the supervisor says "go": a free place under --jobs, and what it comes after done.
_stacknb_pass_gate() {
    local _nb_verdict=''
    _stacknb_command=("$@")
    until [[ -p $_stacknb_control/$_stacknb_special ]]; do
        _stacknb_bide 0.002 || break # somebody has removed the folder: the supervisor may not have been told
    done
    # By mapfile: under errexit a readonly IFS would end the task here.
    _stacknb_read=()
    { mapfile -t -n 1 _stacknb_read <"$_stacknb_control/$_stacknb_special" || :; } 2>/dev/null
    _nb_verdict=${_stacknb_read:-the scratch folder of the session was removed}
    if [[ $_nb_verdict == go ]]; then
        ((!${#_stacknb_deps[@]})) || : >|"$_stacknb_control/waits.$BASHPID.$BASHPID"
        return 0
    fi
    _stacknb_begin "$@"
    printf 'not started: %s\n' "$_nb_verdict"
    _stacknb_where=(cancelled)
    return 1
}

# The first of a task that is no ordinary one of a hook, in its own process.
_stacknb_enter() {
    # For whoever runs it in the foreground, and must have said so before it goes on.
    [[ ! $_stacknb_serial || ! ${_stacknb_waits-} ]] || printf '%d\n' "${BASHPID-}" >>"$_stacknb_waits"
    [[ $_stacknb_special != gate* ]] || _stacknb_pass_gate "$@" || return
    _stacknb_begin "$@"
    _stacknb_arrange
}

# The header, which needs the time: a hook may have unset what tells it.
_stacknb_begin() {
    if [[ ! ${EPOCHREALTIME-} ]]; then
        local EPOCHREALTIME=''
        _stacknb_ask_time EPOCHREALTIME # which _stacknb_prepare has loaded, for the same reason
    fi
    _stacknb_write_head "$@"
}

_stacknb_arrange() {
    if [[ ! $_stacknb_busy && ! $_stacknb_foreign ]]; then # in a hook's turn this trap is there already
        trap "$_stacknb_on_err" ERR
        set -E
    fi
    if [[ $_stacknb_cwd ]]; then cd -- "$_stacknb_cwd" || builtin exit 1; fi
    if [[ ! $_stacknb_busy && ${_stacknb_opts//[!eufv]/} ]]; then set "-${_stacknb_opts//[!eufv]/}"; fi
}

# The rest of async_run, in the shell that has started the task.
_stacknb_proceed() { # PID
    if [[ $_stacknb_special == gate* ]]; then _stacknb_hand_over "$1"; fi
    if [[ $_stacknb_serial ]]; then
        _stacknb_run_serially "$1"
    else
        printf '[%d Async %s:%d]: running: %s\n' "$BASHPID" "$_stacknb_task" "$1" "${_stacknb_words% }"
    fi
}

_stacknb_run_serially() { # PID
    local _nb_pid _nb_owner _nb_log _nb_command
    printf '[%d Async %s:self]: Running synchronously: %s\n' "$BASHPID" "$_stacknb_task" "${_stacknb_words% }"
    _stacknb_foreground=$1 # an interrupt ends it, as any foreground command
    _stacknb_facts "$_stacknb_task"
    _stacknb_need waiting
    [[ ! $_stacknb_leader || ! $_stacknb_jobs ]] || _stacknb_rest
    _stacknb_reap "$_stacknb_task" "$_nb_pid" "$_nb_owner" "$_stacknb_dir/$_nb_log" || :
    [[ ! $_stacknb_leader || ! $_stacknb_jobs ]] || _stacknb_go_on
    [[ ! $_stacknb_within ]] || _stacknb_waits_no_more
    _stacknb_foreground=''
    # A subshell takes what it knows with it, and the task may have left no footer.
    [[ $BASHPID == "$$" ]] || printf '%d\n' "$_stacknb_code" >|"$_stacknb_control/exit.$1"
    _stacknb_ended[$_stacknb_task]=$_stacknb_code
    [[ $_stacknb_code == 0 || $_stacknb_opts != *e* ]] || _stacknb_show_failed "$_stacknb_task" "$1" "$_stacknb_dir/$_nb_log"
    return "$_stacknb_code"
}

# What async_wait would show, which under errexit is never called: the hook ends here.
_stacknb_show_failed() { # NAME PID LOG
    local _nb_head='' _nb_foot=''
    if _stacknb_has_head "$3"; then { mapfile -t -n 1 _stacknb_read <"$3"; } 2>/dev/null; _nb_head=${_stacknb_read-}; fi
    _stacknb_text=''
    _stacknb_show_large show "$1" "$2" "$3"
    _stacknb_in_words "$_stacknb_code" "$2"
    _stacknb_tell_place "$_nb_foot"
    printf 'async_run: FAILED: %s (status %d%s)%s\n' "$1" "$_stacknb_code" "${_stacknb_text:+, $_stacknb_text}" "$_stacknb_place" >&2
}

# Nobody would know of a task that is not in the journal: it is ended before it has begun.
_stacknb_take_back() { # PID
    _stacknb_note_lack
    builtin kill -KILL -- "-$1" 2>/dev/null
    wait "$1" 2>/dev/null
    _stacknb_need programs
    _stacknb_program rm -f -- "$_stacknb_dir/$_stacknb_log_name"
    unset -v "_stacknb_tasks[$_stacknb_task]"
    ((--_stacknb_open, 1))
    _stacknb_complain "async_run: run directory '$_stacknb_dir' cannot be written: task '$_stacknb_task' is not started; free some room or make it writable"
    return 1
}

_stacknb_complain() { printf '%s\n' "$1" >&2; }
