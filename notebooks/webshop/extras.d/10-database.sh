# 10-database.sh: the data folder and the database.
#
# Every hook of extras.d is sourced once in every phase and told which one it is: $1 is the mode,
# $2 the phase of "stack". So a hook is one "if" over the moments at which it has something to do;
# at all others it falls through and ends well. The number in its name says when its turn comes
# within a phase: this one is first, because the others need the data folder.

if [[ "$1" == "source" ]]; then
    # Early in every run, also of "unstack" and "clean": set defaults, define functions, do nothing.
    source "$TOP_DIR/lib/webshop.sh"
    source "$TOP_DIR/lib/database.sh"

elif [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
    # Nothing is installed yet: check what we need and prepare the ground.
    echo_summary "Webshop: preparing $DATA_DIR"
    check_prerequisites
    make_data_dir
    configure_database

elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    # Install the database server, if SQLite had one. Empty tables are all it takes.
    create_database

elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
    # All is configured, nothing runs yet: the moment to fill a database.
    # The orders were begun in pre-install (20-catalog.sh). Here they are needed for the first time,
    # so here, and no earlier, we wait for them.
    async_wait generate_orders
    echo_summary "Webshop: loading the database"
    # The work itself stays in the foreground: the next hooks need it done. Meanwhile the search
    # index and the thumbnails go on in the background. The timer puts it into the final table.
    time_start load_database
    load_database
    time_stop load_database

elif [[ "$1" == "clean" ]]; then
    # Undo pre-install. "unstack" has run before, so nothing of ours uses the folder any more.
    # Both may be repeated, and both must work after a run that was broken off anywhere.
    remove_data_dir
fi
