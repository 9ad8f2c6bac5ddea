# What a footer tells of a task that has not ended well, the header of one that was ended before it
# could write its own, and JSON of words that need escaping. Loaded when first needed.

# Adds to _nb_more how it ended, if another ended it, and the place of the failure. Fails where nobody
# in here can know: bash tells its EXIT trap nothing of a signal. Whoever collects the task gets the
# status of the process; the footer is left to it, with the times.
_stacknb_say_why() { # LOG
    local _nb_why=''
    if [[ ! $_nb_end ]]; then
        _stacknb_need programs
        _stacknb_ask_time _nb_end
        _stacknb_account
    fi
    if [[ $_stacknb_start == 0 ]]; then # it was ended before it began
        [[ ${_stacknb_command+x} ]] || return 1 # whoever collects it writes the header, too
        [[ ${EPOCHREALTIME-} ]] || local EPOCHREALTIME=$_nb_end
        _stacknb_write_head "${_stacknb_command[@]}" >>"$_stacknb_dir/$1"
    fi
    [[ ! -r $_stacknb_control/why.$BASHPID ]] || read -r _nb_why <"$_stacknb_control/why.$BASHPID"
    if [[ ${_stacknb_where-} == cancelled ]]; then
        _nb_why=cancelled
    elif [[ ! ${_stacknb_where-} ]]; then
        # The shell may be gone: then its tasks are ended after it, and what they wait for may be first.
        if [[ ${_stacknb_failed[4]-} == *e* && $_nb_code != 0 && ${_stacknb_failed-} == "$_nb_code" && ( $_nb_code != 143 || ! $_stacknb_proc || -e /proc/$$ ) ]]; then
            _stacknb_where=(errexit "${_stacknb_failed[@]:1:3}")
        elif [[ $_nb_why ]]; then
            _nb_code=143
        elif [[ ! $_stacknb_proc || -e /proc/$$ ]]; then
            printf '%s %s\n' "$_nb_end" "$_nb_more" >|"$_stacknb_control/end.$BASHPID"
            return 1
        else
            _nb_code=143 _nb_why=killed
        fi
    fi
    if [[ $_nb_why ]]; then
        _nb_more+="\"status\": \"$_nb_why\", "
    elif [[ $_stacknb_where == errexit || $_stacknb_where == exit ]] && [[ ${_stacknb_where[1]-} && ${_stacknb_where[1]} != "$_stacknb_bash/async.bash" ]]; then
        # A command that is no function has no line of its own: the header names it. Not too much of anything,
        # since whoever is no parent of the task looks for the footer in the last 4 KiB.
        _stacknb_to_json "${_stacknb_where[@]:1:2}" "${_stacknb_where[3]:0:500}"
        _nb_more+="\"failed_at\": [${_stacknb_words%, }], "
        _stacknb_need whence
        _stacknb_list_calls 3 10
        _stacknb_to_json "${_stacknb_calls[@]}"
        ((${#_nb_more} + ${#_stacknb_words} > 2000)) || _nb_more+="\"calls\": [${_stacknb_words%, }], "
    fi
    return 0
}

# Has our EXIT trap follow one that the task has set in its place; within that one, the task ends here. By
# way of a file, which only such tasks leave.
_stacknb_follow() { # STATUS
    local - _nb_code="${1#"${1%%[!0]*}"}" _nb_seal='' # what the seal switches off (errexit) is yet to end the task
    printf -v _nb_code %d "${_nb_code:-0}" || _nb_code=2 # exit takes 010 for ten, and refuses a word
    _nb_seal=${_stacknb_seal/'"$?"'/$((_nb_code & 255))}
    [[ ${_stacknb_where-} ]] || _stacknb_where=(errexit "${_stacknb_failed[@]:1:3}") # that trap may call exit
    if [[ $_stacknb_leaving ]]; then
        builtin eval "$_nb_seal"
        return
    fi
    _stacknb_leaving=1 _stacknb_left="$_stacknb_leader $((_nb_code & 255))" _stacknb_read=()
    builtin trap -p EXIT >|"$_stacknb_control/trap.$_stacknb_leader" || return 0 # no room: theirs alone
    builtin mapfile -d '' -n 1 _stacknb_read <"$_stacknb_control/trap.$_stacknb_leader"
    [[ ${_stacknb_read-} != *"$_stacknb_seal"* ]] || return 0
    builtin eval "_stacknb_read=(${_stacknb_read-})" # trap -- COMMAND EXIT; in posix mode of none: -
    _stacknb_text=${_stacknb_read[2]-}
    builtin trap "${_stacknb_text#-}"$'\n\n'"$_nb_seal" EXIT # one newline may be continued by a backslash
}

# The header of a task that has left none: it was killed before its first command, or has emptied its
# log (`> /dev/stderr` does), and may have printed something since. The journal knows when and where it was started; of its command there is the text.
_stacknb_open_late() { # NAME PID LOG COMMAND
    local _nb_line _nb_task='' _nb_at
    while IFS= read -r _nb_line; do
        [[ $_nb_line != '{"event": "task", '*", \"name\": \"$1\", \"pid\": $2, \"log\": \"$3\", "* ]] || _nb_task=$_nb_line
    done <"$_stacknb_dir/journal.jsonl" 2>/dev/null
    [[ $_nb_task ]] || return 0
    _nb_at=${_nb_task##*\"time\": } _nb_task=${_nb_task##*"$3\", "}
    _nb_at=${_nb_at%%,*}
    _stacknb_to_json "$4"
    printf '#stacknb-begin {"kind": "task", "name": "%s", "command": [%s], %s, "start": %s, "queued": %s, "pid": %d, "host": "%s", "run": "%s"}\n' \
        "$1" "${_stacknb_words%, }" "${_nb_task%\}}" "$_nb_at" "$_nb_at" "$2" "$_stacknb_host" "$_stacknb_run" >|"$_stacknb_dir/$3.anew" || _stacknb_note_lack
    _stacknb_need programs
    { [[ ! -s $_stacknb_dir/$3 ]] || _stacknb_program cat -- "$_stacknb_dir/$3" >>"$_stacknb_dir/$3.anew"; } &&
        _stacknb_program mv -f -- "$_stacknb_dir/$3.anew" "$_stacknb_dir/$3" || _stacknb_note_lack
}

_stacknb_to_json() { # TEXT…; sets _stacknb_words to strings with a comma after each
    { local LC_ALL=C || :; } 2>/dev/null # a hook may have made it readonly
    local _nb_text _nb_i _nb_c _nb_to
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
