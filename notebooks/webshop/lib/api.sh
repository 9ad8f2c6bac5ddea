# lib/api.sh: the HTTP server.

SHOP_HOST=${SHOP_HOST:-127.0.0.1}

# Write where the API listens. A shop that is stacked again keeps its port when it can.
function configure_api {
    local port
    port=$(iniget "$SHOP_CONF" api port)
    port=$(shop_python free_port.py "$SHOP_HOST" ${port:+"$port"})
    iniset "$SHOP_CONF" api host "$SHOP_HOST"
    iniset "$SHOP_CONF" api port "$port"
    SHOP_URL=http://$SHOP_HOST:$port
}

# run_process takes its command as one string; %q keeps blanks in paths together.
function start_api {
    local command
    printf -v command ' %q' "$(type -P "$PYTHON")" -B "$TOP_DIR/lib/api_server.py" "$SHOP_CONF"
    run_process webshop-api "${command# }"
    # Started is not ready: wait until it answers.
    wait_for_service "$SERVICE_TIMEOUT" "$SHOP_URL/health" ||
        die $LINENO "the API does not answer at $SHOP_URL/health: see the log of the service webshop-api"
}
