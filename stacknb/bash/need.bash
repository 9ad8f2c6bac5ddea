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
    { builtin local - _nb_aliases=''; builtin set +eufxv; } 2>/dev/null
    if builtin shopt -q expand_aliases; then
        _nb_aliases=1
        builtin shopt -u expand_aliases
    fi
    ! builtin source "$_stacknb_bash/$1.bash" || _stacknb_loaded+="$1 "
    [[ ! $_nb_aliases ]] || builtin shopt -s expand_aliases
}

# Whether a frame of the call stack is one of ours, in which nobody can mend anything; after a restore
# the public helpers come from the file of the restored state.
_stacknb_is_own() { # FILE FUNCTION
    [[ ${1%/*} == "$_stacknb_bash" ]] || {
        [[ $1 == */state/restored.*.bash ]] && case $2 in
            die | die_if_not_set | enable_plugin | plugin_requires | trueorfalse | time_st[ao]* | *able_service) ;;
            *) builtin return 1 ;;
        esac
    }
}

_stacknb_refuse() { # MESSAGE
    _stacknb_need helping
    _stacknb_abort 1 '' "$1"
}
