# What a run has its shell do between two turns. Loaded when first needed.

# A later try of a phase begins with what the first one began with: its hooks enable their plugins again, and
# start and stop their timers, all of which would be refused the second time.
_stacknb_enter_phase() { # PHASE
    builtin local _nb_i='' _nb_timer=''
    if [[ ${_stacknb_before-} == "$1" ]]; then
        DEVSTACK_PLUGINS=${_stacknb_before[1]}
        for _nb_timer in "${!_TIME_START[@]}"; do _TIME_START[$_nb_timer]=; done
        for ((_nb_i = 2; _nb_i < ${#_stacknb_before[@]}; _nb_i += 2)); do
            _nb_timer=${_stacknb_before[_nb_i]}
            _TIME_START[$_nb_timer]=${_stacknb_before[_nb_i + 1]}
        done
    else
        _stacknb_before=("$1" "${DEVSTACK_PLUGINS-}")
        for _nb_timer in "${!_TIME_START[@]}"; do
            _stacknb_before+=("$_nb_timer" "${_TIME_START[$_nb_timer]}")
        done
    fi
}

# Lets the hooks of a phase that runs again be told of the same failures of tasks.
_stacknb_untell() { # PHASE
    builtin local _nb_task=''
    for _nb_task in "${!_stacknb_told[@]}"; do
        [[ ${_stacknb_told[$_nb_task]} != "$1" ]] || builtin unset -v "_stacknb_told[$_nb_task]"
    done
}

# Forgets timers that a failed hook has left running since it began: started again by the mended hook, they
# would be started twice, which time_start refuses.
_stacknb_forget_timers() { # MILLISECONDS
    builtin local _nb_timer=''
    for _nb_timer in "${!_TIME_START[@]}"; do
        ((${_TIME_START[$_nb_timer]:-0} < $1)) || _TIME_START[$_nb_timer]=
    done
}

# Enables a plugin that lies in a folder.
_stacknb_enable_given() { # NAME FOLDER
    enable_plugin "$1" "$2"
    GITDIR[$1]=$2
    _stacknb_keep_plugins "$1"
    _stacknb_need programs
    _stacknb_link_plugin "$1"
}

# Keeps plugins, which a person has enabled, for a later try of the phase as well.
_stacknb_keep_plugins() { # NAME…
    builtin local _nb_name=''
    for _nb_name in "$@"; do _stacknb_before[1]+=,$_nb_name; done
}

# After the settings, as stack.sh does it: `ENABLED_SERVICES+=,-rabbit` takes a service away.
_stacknb_drop_negated() {
    if [[ ,${ENABLED_SERVICES-} != *[,[:space:]]-* ]]; then
        builtin :
    elif [[ ${ENABLED_SERVICES@a} == *r* ]]; then
        builtin printf readonly
    elif builtin declare -F disable_negated_services >/dev/null; then
        disable_negated_services
    else
        _stacknb_need helping
        _stacknb_drop_negated_services
    fi
}

# What a restored shell is told of tasks, since its snapshot is older than what has become of them. Of each task
# are known: pid, pid of its parent (0: none that lives), log, command.
_stacknb_recall() { # NAME PID LOG COMMAND [EXIT_CODE]: nobody has waited for it; of one that has ended with its status
    if [[ ${_stacknb_tasks[$1]-} != "$2 "*" $3 "* ]]; then
        [[ ${_stacknb_tasks[$1]-} && -z ${_stacknb_codes[$1]-} ]] || ((++_stacknb_open))
        _stacknb_tasks[$1]="$2 0 $3 $4"
        builtin unset -v "_stacknb_codes[$1]" "_stacknb_ended[$1]"
    fi
    [[ -z ${5-} ]] || _stacknb_ended[$1]=$5
}

_stacknb_recall_wait() { # NAME PID LOG COMMAND EXIT_CODE: somebody has waited for it
    [[ -z ${_stacknb_tasks[$1]-} || ${_stacknb_codes[$1]-} ]] || ((_stacknb_open -= 1))
    _stacknb_tasks[$1]="$2 0 $3 $4" _stacknb_codes[$1]=$5
}
