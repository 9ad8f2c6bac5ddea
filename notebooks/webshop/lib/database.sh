# lib/database.sh: the SQLite database.

function configure_database {
    iniset "$SHOP_CONF" database path "${SHOP_FILES[database]}"
}

function create_database {
    shop_python database.py create "${SHOP_FILES[database]}"
}

function load_database {
    shop_python database.py load \
        "${SHOP_FILES[database]}" "${SHOP_FILES[products]}" "${SHOP_FILES[orders]}"
}
