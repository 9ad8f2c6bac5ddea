# Where functions stand and from where they were called, for the error that names a place. Loaded when a
# shell ends, or a task that has failed.

# Appends NAME LINE FILE of each function to what is known in this run: the next shell has them from the
# snapshot, and knows only the place there. In a subshell, for the sake of umask and extdebug.
_stacknb_note_origins() {
    (
        builtin umask 077
        builtin shopt -s extglob
        builtin compgen -A function -X "$_stacknb_loads" >|"$_stacknb_control/scratch"
        builtin mapfile -t _stacknb_read <"$_stacknb_control/scratch"
        builtin shopt -s extdebug
        builtin declare -F -- "${_stacknb_read[@]}" >>"$_stacknb_dir/state/origins"
    ) 2>/dev/null
}

# Sets _stacknb_calls to FILE:LINE of the calls that led to where a shell or a task ends, the innermost first.
_stacknb_list_calls() { # FRAME MOST: that of the innermost function, if ERR has not kept them; a function may have called itself for ever
    ((${#_stacknb_files[@]})) || _stacknb_files=("${BASH_SOURCE[@]:$1}") _stacknb_lines=("${BASH_LINENO[@]:$1}") _stacknb_functions=("${FUNCNAME[@]:$1}")
    _stacknb_calls=()
    for ((_stacknb_i = 1; _stacknb_i < ${#_stacknb_files[@]} && ${#_stacknb_calls[@]} < $2; _stacknb_i++)); do
        _stacknb_is_own "${_stacknb_files[_stacknb_i]}" "${_stacknb_functions[_stacknb_i]}" ||
            _stacknb_calls+=("${_stacknb_files[_stacknb_i]}:${_stacknb_lines[_stacknb_i - 1]}")
    done
}

# Adds them to the place where a shell ends. Before bash 5.2 `exit` leaves all functions first, so that the
# EXIT trap finds none: hence this is done before it, if it can be.
_stacknb_add_calls() { # FRAME
    ((${#_stacknb_where[@]} == 4)) || builtin return 0
    _stacknb_list_calls "$1" 50
    builtin printf -v _stacknb_text '%s\x1f' "${_stacknb_calls[@]}"
    _stacknb_where+=("$_stacknb_text")
}
