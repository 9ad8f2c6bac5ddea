# lib/catalog.sh: products, orders and the search over them.
#
# These three run as background tasks, which are forks of the shell: they see all its variables and
# functions, but what they set is lost when they end. They hand over their results as files.

function generate_products {
    shop_python catalog.py products "${SHOP_FILES[products]}" \
        --products "$SHOP_PRODUCTS" --seed "$SHOP_SEED"
}

function generate_orders {
    shop_python catalog.py orders "${SHOP_FILES[orders]}" \
        --products "$SHOP_PRODUCTS" --orders "$SHOP_ORDERS" --seed "$SHOP_SEED"
}

function build_search_index {
    shop_python search_index.py "${SHOP_FILES[index]}" "${SHOP_FILES[products]}"
}

function configure_search {
    iniset "$SHOP_CONF" search index "${SHOP_FILES[index]}"
}
