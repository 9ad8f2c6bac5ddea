# A wait for a task that there is none to wait for. Loaded when first needed.

# A name that async_wait does not wait for: the words are DevStack's, the warnings are ours. What has
# failed still fails for hooks that were not told yet: a person has waited for it, or the phase that was
# told is run again (see _stacknb_untell), which must not be well because its task is known to be bad.
# To wait for it as if nobody had would take its name from a mended hook that starts it anew.
_stacknb_refuse_wait() { # NAME
    local _nb_command _nb_pid _nb_owner _nb_log
    printf 'Not waiting for async task %s that we never started or has already been waited for\n' "$1"
    if [[ ! $1 || $1 == *[!A-Za-z0-9._-]* || ! ${_stacknb_codes[$1]-} ]]; then
        _stacknb_warn_near "$1"
    elif [[ ${_stacknb_codes[$1]} != 0 && ! ${_stacknb_told[$1]-} ]]; then
        _stacknb_facts "$1"
        _stacknb_code=${_stacknb_codes[$1]} _stacknb_text=''
        _stacknb_in_words "$_stacknb_code" "$_nb_pid"
        _stacknb_text+="${_stacknb_text:+, }known since it was waited for, see $_stacknb_dir/$_nb_log; start it anew"
        _stacknb_note_failure "$1"
    fi
}

# Points to the name that was probably meant.
_stacknb_warn_near() { # NAME
    local _nb_name _nb_near='' _nb_plain=${1//[-_.]/}
    for _nb_name in ${1:+"${!_stacknb_tasks[@]}"}; do # nothing is near an empty name
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
