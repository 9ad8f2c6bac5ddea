# 20-catalog.sh: products, orders, search index. The hook to read about background tasks.
#
# The rule for a task: start it as soon as all it needs is there, wait for it as late as you can,
# which is just before the first use of its result. These may be different phases.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/catalog.sh"

elif [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
    echo_summary "Webshop: inventing $SHOP_PRODUCTS products and $SHOP_ORDERS orders in the background"
    configure_search
    # Both need the data folder only, and neither needs the other. async_runfunc runs a shell
    # function; the function's name is also the name of the task.
    async_runfunc generate_products
    async_runfunc generate_orders

elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    # The index is built from the products: wait for them, but not for the orders.
    async_wait generate_products
    async_runfunc build_search_index

elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
    # 50-api.sh starts the API in this phase, after us, and the API needs the index.
    async_wait build_search_index
fi

# Nothing for "unstack" or "clean": we start nothing that stays, and 10-database.sh removes our files.
