# lib/openstack.sh: what all hooks share: defaults, folders, ports, passwords, virtual environments.
# extras.d/10-openstack.sh loads it in "source".
#
# A hook says WHEN something happens; a file in lib/ says WHAT happens. Variables and functions have
# the names that DevStack gives to the same things.

# Defaults. ${X:-…} keeps what a user or an override_defaults hook has set before.
DEST=${DEST:-$TOP_DIR/.stacknb/dest}
DATA_DIR=${DATA_DIR:-$DEST/data}
VENVS_DIR=${VENVS_DIR:-$DEST/venvs}
PYTHON=${PYTHON:-python3}
PIP_WHEELHOUSE=${PIP_WHEELHOUSE:-}
CLEAN_VENVS=$(trueorfalse False CLEAN_VENVS)
SERVICE_HOST=127.0.0.1
SERVICE_TIMEOUT=${SERVICE_TIMEOUT:-90}
REGION_NAME=${REGION_NAME:-RegionOne}

# The services are on this machine: a proxy from the environment could not reach them.
export no_proxy=$SERVICE_HOST${no_proxy:+,$no_proxy}
export NO_PROXY=$no_proxy
# What they say about eventlet is for their authors.
export PYTHONWARNINGS=ignore

# Hooks are sourced inside a function, so a plain "declare" would be gone when the hook ends.
# -g makes the array global: later hooks and phases see it, and so do background tasks.
declare -gA SERVICE_PORT=()
MYSQL_PORT=

# Look at everything that could go wrong later, while nothing has been changed yet.
function check_prerequisites {
    "$PYTHON" -c 'import sys, venv, ensurepip, sqlite3; sys.exit(sys.version_info < (3, 11))' ||
        die $LINENO "PYTHON is '$PYTHON': give a Python from 3.11 with venv, ensurepip and sqlite3"
    # These paths go into ini files, URLs and command lines of the services.
    local path
    for path in "$DATA_DIR" "$VENVS_DIR"; do
        [[ $path =~ ^/[A-Za-z0-9_./+@-]+$ ]] ||
            die $LINENO "'$path' would hold the stack: set DEST to an absolute path without blanks"
    done
    if [[ -n $PIP_WHEELHOUSE && ! -d $PIP_WHEELHOUSE ]]; then
        die $LINENO "PIP_WHEELHOUSE is '$PIP_WHEELHOUSE', where no folder is: make it with pip wheel"
    fi
}

# Each stack begins with empty databases and new passwords. The folder is for its owner alone.
function make_data_dir {
    if [[ -d $DATA_DIR && ! -e $DATA_DIR/.openstack && -n $(ls -A "$DATA_DIR") ]]; then
        die $LINENO "DATA_DIR is '$DATA_DIR', which holds other things: give an empty or a new folder"
    fi
    remove_data_dir
    mkdir -p "$DATA_DIR" "$VENVS_DIR"
    chmod 700 "$DATA_DIR"
    touch "$DATA_DIR/.openstack"
    make_private "$DATA_DIR/passwords"
}

# Tasks of an interrupted run may still be writing. After the renaming, which takes effect at once,
# they find no folder to write to and end; nothing reappears behind the back of rm.
function remove_data_dir {
    if [[ -e $DATA_DIR/.openstack ]]; then
        mv "$DATA_DIR" "$DATA_DIR.removed.$$"
    fi
    rm -rf "$DATA_DIR".removed.*
}

# make_private FILE: an empty file that its owner alone can read, before anything is written to it.
function make_private {
    install -D -m 600 /dev/null "$1"
}

# A port of SERVICE_HOST that nobody uses, nor is going to use in this stack.
function free_port {
    "$PYTHON" -B "$TOP_DIR/lib/free_port.py" "$SERVICE_HOST" $MYSQL_PORT "${SERVICE_PORT[@]}"
}

# make_password NAME and password NAME. They never become variables, and a function that uses one
# switches xtrace off: so none shows in a log, among the variables or in a list of processes.
function make_password {
    { local -; set +x; } 2>/dev/null
    printf '%s=%s\n' "$1" "$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')" >>"$DATA_DIR/passwords"
}

function password {
    sed -n "s/^$1=//p" "$DATA_DIR/passwords"
}

# later COMMAND…: for a task that has time. It gives way to those that others wait for.
function later {
    renice -n 5 -p "$BASHPID" >/dev/null
    "$@"
}

# install_venv NAME PACKAGE…: a virtual environment of its own, so that several can be made at once.
# What was asked for stands in .installed, written last: a venv without it, of other packages, or copied
# from elsewhere is made anew. The lock is for a pip that an interrupted run has left.
function install_venv {
    local venv=$VENVS_DIR/$1 wanted
    shift
    wanted=$("$PYTHON" --version; printf '%s\n' "$venv" "$@"; cat "$TOP_DIR/constraints.txt")
    exec {lock}>"$venv.lock"
    flock "$lock"
    if [[ $wanted == "$(cat "$venv/.installed" 2>/dev/null)" ]]; then
        echo "$venv holds it already: $*"
        return
    fi
    rm -rf "$venv"
    "$PYTHON" -m venv "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-input \
        ${PIP_WHEELHOUSE:+--no-index "--find-links=$PIP_WHEELHOUSE"} \
        --constraint "$TOP_DIR/constraints.txt" "$@"
    printf '%s\n' "$wanted" >"$venv/.installed"
}

# make_samples SERVICE NAMESPACE…: all options and all policies of a service, with their defaults.
function make_samples {
    local service=$1 namespace
    local namespaces=()
    for namespace in "${@:2}"; do
        namespaces+=(--namespace "$namespace")
    done
    "$VENVS_DIR/$service/bin/oslo-config-generator" "${namespaces[@]}" \
        --output-file "$DATA_DIR/$service/$service.conf.sample"
    "$VENVS_DIR/$service/bin/oslopolicy-sample-generator" --namespace "$service" \
        --output-file "$DATA_DIR/$service/policy.yaml.sample"
}

# start_api NAME MODULE ENVIRONMENT…: gunicorn serves MODULE's application on SERVICE_PORT[NAME].
# Its settings go through GUNICORN_CMD_ARGS, because the services parse the command line themselves.
function start_api {
    local command
    rm -f "$DATA_DIR/$1/listening"
    printf -v command ' %q' env "${@:3}" "API_MODULE=$2" "API_BIND=$SERVICE_HOST:${SERVICE_PORT[$1]}" \
        "API_LISTENING=$DATA_DIR/$1/listening" "GUNICORN_CMD_ARGS=-c $TOP_DIR/lib/gunicorn_conf.py" \
        PYTHONDONTWRITEBYTECODE=1 "$VENVS_DIR/$1/bin/gunicorn"
    run_process "$1" "exec${command}"
}

# Started is not ready: wait until it answers, but not for one that has ended.
function wait_for_server { # NAME PORT
    local deadline=$((SECONDS + SERVICE_TIMEOUT))
    until wait_for_service 5 "http://$SERVICE_HOST:$2/" 2>/dev/null; do
        is_running "$1" && ((SECONDS < deadline)) ||
            die $LINENO "$1 does not answer at port $2: see the log of the service $1"
    done
}

# An answer alone would not do: if our server could not open its port, somebody else's would give it.
function wait_for_api {
    wait_for_server "$1" "${SERVICE_PORT[$1]}"
    [[ -e $DATA_DIR/$1/listening ]] && is_running "$1" ||
        die $LINENO "somebody else answers at port ${SERVICE_PORT[$1]}: see the log of the service $1"
}
