# Loading what is seldom called when it is first called: whatever a shell has loaded makes each fork of
# it, and so each task, dearer. Sourced by driver.bash and by helpers.bash.

case ${BASH_SOURCE[0]} in
    */*) _stacknb_bash=${BASH_SOURCE[0]%/*} ;;
    *) _stacknb_bash=. ;;
esac
_stacknb_loaded=' '

# The hook that comes to need it may have set options and aliases that would change what is read.
_stacknb_need() { # FILE, without .bash
    [[ $_stacknb_loaded != *" $1 "* ]] || builtin return 0
    { builtin local - _nb_aliases; builtin set +eufxvkT; } 2>/dev/null
    _nb_aliases=''
    if builtin shopt -q expand_aliases; then
        _nb_aliases=1
        builtin shopt -u expand_aliases
    fi
    ! builtin source "$_stacknb_bash/$1.bash" || _stacknb_loaded+="$1 "
    [[ ! $_nb_aliases ]] || builtin shopt -s expand_aliases
}

# Whether a frame of the call stack is one of ours, or `die` of DevStack, in which nobody can mend anything;
# after a restore the public helpers, which are those that helpers.bash defines, come from the file of the
# restored state.
_stacknb_is_own() { # FILE FUNCTION
    builtin local -a _stacknb_my_text
    [[ ${1%/*} != "$_stacknb_bash" ]] || builtin return 0
    [[ $1 != */functions-common || $2 != @(die|die_if_not_set) ]] || builtin return 0
    [[ $1 == */restored.*bash ]] || builtin return 1
    builtin mapfile -d '' -n 1 -t _stacknb_my_text <"$_stacknb_bash/helpers.bash"
    [[ ${_stacknb_my_text[0]} == *$'\n'"$2() {"* ]]
}

_stacknb_refuse() { # MESSAGE
    _stacknb_need helping
    _stacknb_abort 1 '' "$1"
}
