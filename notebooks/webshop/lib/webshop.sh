# lib/webshop.sh: what all hooks of the webshop share. extras.d/10-database.sh loads it in "source".
#
# A hook says WHEN something happens; a file in lib/ says WHAT happens. DevStack divides its work
# between extras.d/ and lib/ in the same way.

# Defaults. ${X:-…} keeps what a user or an override_defaults hook has set before.
DEST=${DEST:-$TOP_DIR/.dest}
DATA_DIR=${DATA_DIR:-$DEST/data/webshop}
DATA_DIR=${DATA_DIR%/}
PYTHON=${PYTHON:-python3}
SHOP_PRODUCTS=${SHOP_PRODUCTS:-20000}
SHOP_ORDERS=${SHOP_ORDERS:-50000}
SHOP_PICTURES=${SHOP_PICTURES:-96}
SHOP_SEED=${SHOP_SEED:-1}
# trueorfalse turns yes, 1, TRUE… into True, and no, 0… into False; unset becomes the default.
SHOP_DRAW=$(trueorfalse True SHOP_DRAW)
SHOP_CONF=$DATA_DIR/webshop.conf

# Hooks are sourced inside a function, so a plain "declare" here would be gone when the hook ends.
# -g makes the array global: later hooks and phases see it, and so do background tasks.
declare -gA SHOP_FILES=(
    [database]=$DATA_DIR/shop.db
    [products]=$DATA_DIR/products.csv
    [orders]=$DATA_DIR/orders.csv
    [index]=$DATA_DIR/search.db
    [thumbnails]=$DATA_DIR/thumbnails
)

# Run one of the Python programs beside this file: shop_python NAME.py [ARG…]
# (-B: Python leaves no compiled copies in the tree.)
function shop_python {
    "$PYTHON" -B "$TOP_DIR/lib/$1" "${@:2}"
}

# Look at everything that could go wrong later, while nothing has been changed yet.
function check_prerequisites {
    local name
    for name in SHOP_PRODUCTS SHOP_ORDERS SHOP_PICTURES SHOP_SEED; do
        [[ ${!name} =~ ^[1-9][0-9]{0,8}$ ]] ||
            die $LINENO "$name is '${!name}': give a whole number from 1"
    done
    "$PYTHON" -c 'import sqlite3, sys, zlib; sys.exit(sys.version_info < (3, 11))' ||
        die $LINENO "PYTHON is '$PYTHON': give a Python from 3.11 with sqlite3 and zlib"
}

# The mark in the folder says that it is ours, so that "clean" never removes anybody else's.
function make_data_dir {
    if [[ -d $DATA_DIR && ! -e $DATA_DIR/.webshop && -n $(ls -A "$DATA_DIR") ]]; then
        die $LINENO "DATA_DIR is '$DATA_DIR', which holds other things: give an empty or a new folder"
    fi
    mkdir -p "$DATA_DIR"
    touch "$DATA_DIR/.webshop"
}

# Tasks of an interrupted run may still be writing. After the renaming, which takes effect at once,
# they find no folder to write to and end; nothing reappears behind the back of rm.
function remove_data_dir {
    if [[ -e $DATA_DIR/.webshop ]]; then
        mv "$DATA_DIR" "$DATA_DIR.removed.$$"
    fi
    rm -rf "$DATA_DIR".removed.*
}
