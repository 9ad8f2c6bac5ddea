# What a footer tells of a task that has not ended well, and JSON of words that need escaping. Loaded
# when first needed.

# Adds to _nb_more: how it ended, if another ended it, and the place of the failure.
_stacknb_say_why() { # STATUS
    local _nb_why=''
    [[ ! -r $_stacknb_control/why.$BASHPID ]] || read -r _nb_why <"$_stacknb_control/why.$BASHPID"
    if [[ ${_stacknb_where-} == cancelled ]]; then
        _nb_why=cancelled
    elif [[ ! $_nb_why && ${_stacknb_where-} == signal ]]; then
        _nb_why=killed
    fi
    if [[ $_nb_why ]]; then _nb_more+="\"status\": \"$_nb_why\", "; return; fi
    [[ ${_stacknb_where-} ]] || _stacknb_where=(errexit "${_stacknb_failed[@]:1}")
    # A command that is no function has no line of its own: the header names it.
    if [[ $_stacknb_where == exit || ${_stacknb_failed-} == "$1" ]] && [[ ${_stacknb_where[1]-} && ${_stacknb_where[1]} != "${BASH_SOURCE[0]}" ]]; then
        _stacknb_to_json "${_stacknb_where[@]:1:3}"
        _nb_more+="\"failed_at\": [${_stacknb_words%, }], "
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
