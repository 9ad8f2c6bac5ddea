# 10-openstack.sh: the ground that all services stand on: folders, database server, client.
#
# Every hook of extras.d is sourced once in every phase and told which one it is: $1 is the mode,
# $2 the phase of "stack". So a hook is one "if" over the moments at which it has something to do.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/openstack.sh"
    source "$TOP_DIR/lib/database.sh"
    source "$TOP_DIR/lib/client.sh"
    if [[ $DATABASE_TYPE == mysql ]]; then
        enable_service mysql
    fi

elif [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
    check_prerequisites
    check_database
    # What an earlier run has left must not serve data that are being made anew.
    stop_process mysql
    echo_summary "OpenStack: data in $DATA_DIR, virtual environments in $VENVS_DIR"
    make_data_dir
    make_password admin
    if [[ $DATABASE_TYPE == mysql ]]; then
        MYSQL_PORT=$(free_port)
        make_private "$DATA_DIR/mysql-init.sql"
    fi

elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    # Nothing waits for these before "post-config": they go on while the other hooks install theirs.
    if [[ $DATABASE_TYPE == mysql ]]; then
        async_runfunc install_mysql
    fi

elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
    # The databases were declared in pre-install, by each service's hook.
    if [[ $DATABASE_TYPE == mysql ]]; then
        async_wait install_mysql
        start_mysql
    fi

elif [[ "$1" == "unstack" ]]; then
    stop_process mysql

elif [[ "$1" == "clean" ]]; then
    # "unstack" has run before, so nothing of ours uses the folder any more.
    remove_data_dir
    if [[ $CLEAN_VENVS == True ]]; then
        rm -rf "$VENVS_DIR"
    fi
fi
