# lib/database.sh: one database for each service, in SQLite files or in a MariaDB server of our own.

DATABASE_TYPE=${DATABASE_TYPE:-sqlite}
INSTALL_MARIADB=$(trueorfalse False INSTALL_MARIADB)
PATH=$PATH:/usr/sbin # where Debian has mariadbd

# Debian has the last of these in another package than the first two.
function have_mariadb {
    type -P mariadbd mariadb-install-db my_print_defaults >/dev/null
}

# Without the package that would also start a server of the machine's.
function install_mariadb {
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        mariadb-server-core mariadb-client-core
}

function check_database {
    case $DATABASE_TYPE in
        sqlite) ;;
        mysql)
            [[ $INSTALL_MARIADB == True ]] || have_mariadb ||
                die $LINENO "DATABASE_TYPE is 'mysql', but there is no mariadbd (with its tools): set" \
                    "INSTALL_MARIADB=True to have apt install it, or take DATABASE_TYPE=sqlite" ;;
        *) die $LINENO "DATABASE_TYPE is '$DATABASE_TYPE': give sqlite or mysql" ;;
    esac
}

# The server has its data in DATA_DIR and its own port, whatever else of its kind runs here.
function install_mysql {
    if [[ $INSTALL_MARIADB == True ]] && ! have_mariadb; then
        # A machine that was just set up may have no lists of packages yet.
        install_mariadb || { apt-get update -qq && install_mariadb; }
    fi
    mariadb-install-db --no-defaults --datadir="$DATA_DIR/mysql" --skip-test-db \
        --auth-root-authentication-method=socket --user="$(id -un)" >"$DATA_DIR/mysql.log"
}

# declare_database SERVICE: the server makes databases and users from this file as it starts.
function declare_database {
    { local -; set +x; } 2>/dev/null
    [[ $DATABASE_TYPE == mysql ]] || return 0
    printf '%s\n' >>"$DATA_DIR/mysql-init.sql" "CREATE DATABASE $1;" \
        "CREATE USER '$1'@'$SERVICE_HOST' IDENTIFIED BY '$(password "$1-database")';" \
        "GRANT ALL ON $1.* TO '$1'@'$SERVICE_HOST';"
}

function start_mysql {
    local command
    printf -v command ' %q' "$(type -P mariadbd)" --no-defaults --user="$(id -un)" \
        --datadir="$DATA_DIR/mysql" --socket=server.sock --pid-file=server.pid \
        --bind-address="$SERVICE_HOST" --port="$MYSQL_PORT" --skip-name-resolve \
        --init-file="$DATA_DIR/mysql-init.sql"
    run_process mysql "exec${command}"
    wait_for_server mysql "$MYSQL_PORT"
}

# configure_database FILE SECTION SERVICE: tell the service where its database is.
function configure_database {
    { local -; set +x; } 2>/dev/null
    if [[ $DATABASE_TYPE == mysql ]]; then
        iniset "$1" "$2" connection \
            "mysql+pymysql://$3:$(password "$3-database")@$SERVICE_HOST:$MYSQL_PORT/$3?charset=utf8"
    else
        iniset "$1" "$2" connection "sqlite:///$DATA_DIR/$3/$3.db"
        # A stack is made anew after a power cut: no need to wait for the disk at each commit.
        iniset "$1" "$2" sqlite_synchronous False
    fi
}
