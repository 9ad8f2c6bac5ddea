# Services of a stack: run_process starts one in a session of its own, where it outlives the run
# until stop_process, `unstack` or `clean` ends it. supervision/services.py does the work; it needs
# only the standard library, so that starting it is quick.

[[ ${_stacknb_services-unknown} ]] || builtin return 0 # empty where a DevStack tree has functions of its own

# run_process NAME COMMAND [GROUP [USER [ENV_VARS]]]: started unless NAME is known not to be enabled.
# Before ENV_VARS stands what SYSTEMD_ENV_VARS has of NAME. Group and user are those of the shell, which
# is said where others are given.
run_process() {
    { builtin local -; builtin set +eufxvkT; } 2>/dev/null
    { builtin local IFS=' '; } 2>/dev/null # a hook may have made it readonly
    builtin local _nb_name="${1-}" _nb_command="${2-}" _nb_env="${5-}" _nb_group="${3-}"
    if [[ -z $_nb_name || $_nb_name == *[!A-Za-z0-9._@-]* || -z $_nb_command ]]; then
        builtin printf "run_process: '%s' needs a name (letters, digits, '.', '_', '@', '-') and a command\n" "$_nb_name" >&2
        builtin return 2
    fi
    # More words are DevStack's; who takes them for the command's would start something else.
    if [[ ${3-} && -r /etc/group && $'\n'$(</etc/group) != *$'\n'"$3":* ]]; then
        builtin printf "run_process: '%s' is taken for the group of service '%s', and there is no such group; a command of several words is to be quoted: run_process %s '%s …'\n" "$3" "$_nb_name" "$_nb_name" "$_nb_command $3" >&2
        _nb_group=''
    fi
    # Where nobody uses enable_service, every service counts as enabled.
    if [[ ${ENABLED_SERVICES-} || ,${DISABLED_SERVICES-}, == *,"$_nb_name",* ]] && ! is_service_enabled "$_nb_name"; then
        builtin printf "run_process: service '%s' is not enabled, not started (enable_service %s)\n" "$_nb_name" "$_nb_name"
        builtin return 0
    fi
    [[ ! -v SYSTEMD_ENV_VARS[$_nb_name] ]] || _nb_env="${SYSTEMD_ENV_VARS[$_nb_name]} $_nb_env"
    # The service gets what is exported, so this is the one program of ours that does.
    _stacknb_need programs
    _stacknb_check_size "run_process: service '$_nb_name' is not started" "$_nb_command" "$_nb_env" || builtin return
    [[ ! $_nb_group${4-} ]] || _stacknb_say_whose "$_nb_name" "$_nb_group" "${4-}"
    time_start run_process
    builtin local _nb_status=0
    "$_stacknb_python" -I -S -c "$_stacknb_service_py" "$_stacknb_home" start "$_stacknb_services" "$_nb_name" \
        "$_stacknb_dir/services/$_nb_name.log" "$_stacknb_run" "$_nb_command" "$_nb_env" || _nb_status=$?
    time_stop run_process
    builtin return "$_nb_status"
}

# stop_process NAME: ends it with everything it started; fine if it does not run.
stop_process() {
    _stacknb_need programs
    _stacknb_lone_python -c "$_stacknb_service_py" "$_stacknb_home" stop "$_stacknb_services" "${1-}"
}

# is_running NAME: whether the service's process is alive.
is_running() {
    { builtin local -; builtin set +eufxvkT; } 2>/dev/null
    { builtin local IFS=' '; } 2>/dev/null
    builtin local _nb_pid _nb_start _nb_rest
    [[ ${1-} && -r $_stacknb_services/$1 ]] || builtin return 1
    builtin read -r _nb_pid _nb_start _nb_rest <"$_stacknb_services/$1"
    builtin kill -0 "$_nb_pid" 2>/dev/null || builtin return 1
    if [[ ! -r /proc/$_nb_pid/stat ]]; then # it has just ended, or there is no /proc
        _stacknb_need programs
        _stacknb_lone_python -c "$_stacknb_service_py" "$_stacknb_home" ask "$_stacknb_services" "$1"
        builtin return
    fi
    builtin read -r _nb_rest <"/proc/$_nb_pid/stat" || builtin return 1
    builtin read -r -a _nb_rest <<<"${_nb_rest##*) }"
    [[ ${_nb_rest[0]} != Z && ${_nb_rest[19]} == "$_nb_start" ]]
}

# An interrupt ends it without a word, as it would any other command of the hook.
_stacknb_service_py='import signal, sys
if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.path.append(sys.argv.pop(1))
from stacknb.supervision.services import main
sys.exit(main(sys.argv[1:]))'
