# Background tasks: async_run and its relatives, forked from the live shell.
#
# Bookkeeping uses builtins only: one fork for each task and none beside it. The task's own subshell
# writes header and footer of its log; whoever collects it writes a line to waits.jsonl. What has to
# be remembered is in variables, so it goes into the snapshot and comes back with it.
#
# What a task costs beyond plain bash is a third memory copied, since each page that is written after a
# fork is, and even a look at a variable writes; the rest are the commands themselves, of which every word
# that is expanded counts, and a function's body, which bash copies for each call. So the ordinary case
# stands in few small functions with few variables, and what is rarely wanted in starting.bash and
# ending.bash. A task is a function's call, since bash keeps the text of what runs in the background with its job.

async_init() { :; } # a run begins with its directory made and no task in it

async_runfunc() { async_run "$1" "$@"; }

# async_run [--after NAME]… [--timeout SECONDS] [--cwd DIR] NAME COMMAND [ARG…]
async_run() {
    # Without functrace: what a DEBUG trap of the hook prints would stand before the header of the log.
    { _stacknb_opts=$-; if [[ $- == *[xT]* ]]; then local -; set +xT; fi; } 2>/dev/null
    # An ordinary one: of a hook, in this very shell, with no limit of jobs, its name not used before.
    if [[ $# -gt 1 && $1 == [!-]* && $1 != *[!A-Za-z0-9._-]* && $1 != . && $1 != .. && ${#1} -lt 201 && "${EPOCHREALTIME:+$BASHPID} ${DEVSTACK_PARALLEL-True} ${_stacknb_tasks[$1]-}" == "$_stacknb_plain" && ! -e $_stacknb_control/others ]]; then
        _stacknb_task=$1 _stacknb_log_name=async/$1.log _stacknb_special='' _stacknb_queued=${EPOCHREALTIME/,/.}
        shift
    else
        _stacknb_need starting
        _stacknb_prepare "$@" || return
        shift "$_stacknb_words"
    fi
    printf -v _stacknb_words '%s ' "$@"
    # A process group of its own, so that the task can be ended whole. In braces, because `exit` in a bare
    # call would free all that the shell has open, page by page copied, before it ends.
    set -m
    { _stacknb_child "$@"; } >>"$_stacknb_dir/$_stacknb_log_name" 2>&1 &
    [[ $_stacknb_opts == *m* ]] || set +m
    _stacknb_tasks[$_stacknb_task]="$! $BASHPID $_stacknb_log_name ${_stacknb_words% }"
    # Each fork inherits the list of jobs; to show it lets bash keep the ended ones more compactly.
    ((++_stacknb_open % 8)) || builtin jobs >/dev/null
    [[ ! $_stacknb_special ]] || _stacknb_announce "$!" || :
    printf '{"event": "task", "time": %s, "name": "%s", "pid": %d, "log": "%s", "phase": "%s", "hook": "%s"}\n' \
        "$_stacknb_queued" "$_stacknb_task" "$!" "$_stacknb_log_name" "$_stacknb_phase" "$_stacknb_hook" >>"$_stacknb_dir/journal.jsonl" || { _stacknb_need starting; _stacknb_take_back "$!" || return; }
    if [[ $_stacknb_special ]]; then
        [[ $_stacknb_opts == *[xT]* ]] || local -
        set +eu # a failure is that of the hook's line
        _stacknb_proceed "$!" || return
    else
        printf '[%d Async %s:%d]: running: %s\n' "$BASHPID" "$_stacknb_task" "$!" "${_stacknb_words% }"
    fi
}

# The task itself, in its subshell; its output goes to its log.
_stacknb_child() {
    _stacknb_seal="{ _stacknb_end_task \"\$?\" $_stacknb_task $_stacknb_log_name; } 2>/dev/null"
    trap "$_stacknb_seal" EXIT
    _stacknb_where=() _stacknb_failed='' _stacknb_start=0 _stacknb_within=$_stacknb_task _stacknb_leader=${BASHPID-} _stacknb_leaving=''
    if [[ $_stacknb_special ]]; then _stacknb_enter "$@" || builtin exit 125; else _stacknb_write_head "$@"; fi
    # Or options that it saves and restores would give what it runs a group of its own, which nobody ends.
    [[ $_stacknb_opts == *m* ]] || set +m
    [[ $_stacknb_opts != *[xT]* ]] || { set "-${_stacknb_opts//[!xT]/}"; } 2>/dev/null
    "$@"
    { _stacknb_failed=$? _stacknb_where=(end); set +xT; _stacknb_come_last "$_stacknb_failed" || :; } 2>/dev/null
    builtin exit "$_stacknb_failed" # in bash 5.0 and 5.1 the EXIT trap learns nothing of a return
}

# An EXIT trap that the task has set is in the place of ours. One file tells all tasks whose theirs is: if it
# holds another one's text, that is taken for a strange trap, which is looked at more closely.
_stacknb_come_last() { # STATUS
    builtin trap -p EXIT >|"$_stacknb_control/trap"
    builtin mapfile -d '' -n 1 _stacknb_read <"$_stacknb_control/trap"
    [[ ${_stacknb_read-} == "trap -- '$_stacknb_seal' EXIT"$'\n' ]] || { _stacknb_need ending; _stacknb_follow "$1"; }
}

_stacknb_write_head() {
    printf -v _stacknb_words '"%s", ' "$@"
    [[ $* != *[\\\"[:cntrl:]]* ]] || { _stacknb_need ending; _stacknb_to_json "$@"; }
    _stacknb_start=${EPOCHREALTIME/,/.}
    printf '#stacknb-begin {"kind": "task", "name": "%s", "command": [%s], "phase": "%s", "hook": "%s", "start": %s, "queued": %s, %s"pid": %d, "host": "%s", "run": "%s"}\n' \
        "$_stacknb_task" "${_stacknb_words%, }" "$_stacknb_phase" "$_stacknb_hook" "$_stacknb_start" "$_stacknb_queued" "${_stacknb_special:+$_stacknb_said}" "$BASHPID" "$_stacknb_host" "$_stacknb_run"
}

# The end of the task: its footer. The task may have changed any variable but these of its own, and
# where its output goes.
_stacknb_end_task() { # STATUS NAME LOG
    set +eufxvCkT
    local _nb_code=$1 _nb_end=${EPOCHREALTIME/,/.} _nb_more='"user_s": 0.00, "sys_s": 0.00, '
    # The kernel counts CPU time in hundredths of a second: a shorter task has none to be read.
    ((${_nb_end/./} - ${_stacknb_start/./} < 10000)) || _stacknb_account
    if [[ "${_nb_end:+$1 ${_stacknb_where-}}" != '0 end' || -r $_stacknb_control/why.$BASHPID ]]; then
        _stacknb_need ending
        _stacknb_say_why "$3" || return 0
    fi
    # "start" stands in the header, too; here it is at hand for whoever collects the task.
    printf -v _nb_more '\n#stacknb-end {"end": %s, "start": %s, "exit_code": %d, %s"run": "%s", "name": "%s", "pid": %d}\n' \
        "$_nb_end" "$_stacknb_start" "$_nb_code" "$_nb_more" "$_stacknb_run" "$2" "${_stacknb_leader:-0}"
    # As one word it is one write; with glibc 2.37 or later the newline goes first, and a child may print then.
    printf %s "$_nb_more" >>"$_stacknb_dir/$3" || _stacknb_note_lack
}

# Sets _nb_more to the CPU time of this process and of the children it has reaped.
_stacknb_account() {
    local _nb_user=0 _nb_sys=0 _nb_cuser=0 _nb_csys=0
    [[ ! -r /proc/self/stat ]] || IFS=' ' read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _nb_user _nb_sys _nb_cuser _nb_csys _ </proc/self/stat
    ((_nb_user += _nb_cuser, _nb_sys += _nb_csys, 1))
    printf -v _nb_more '"user_s": %d.%02d, "sys_s": %d.%02d, ' \
        "$((_nb_user / 100))" "$((_nb_user % 100))" "$((_nb_sys / 100))" "$((_nb_sys % 100))"
}
