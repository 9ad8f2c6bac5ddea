# 50-api.sh: the HTTP server, a service that stays when the run is over.

if [[ "$1" == "override_defaults" ]]; then
    # The first moment of all, before any default is set: the place for changing other people's
    # defaults. Our API is up in a second; nobody should wait a minute to hear that it is not.
    SERVICE_TIMEOUT=${SERVICE_TIMEOUT:-20}

elif [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/api.sh"
    # Switched on by default; "disable_service webshop-api" in a localrc keeps it out.
    enable_service webshop-api

elif [[ "$1" == "unstack" ]]; then
    # Above the question below: stop what an earlier run may have started, whatever is enabled now.
    # "clean" has no part here, because an "unstack" always goes before it.
    stop_process webshop-api

elif is_service_enabled webshop-api; then
    if [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
        # Stacking again replaces the service; it must not serve data that are being rebuilt.
        stop_process webshop-api
        configure_api

    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        # By now the configuration is written, the database full and the index built.
        echo_summary "Webshop: starting the API at $SHOP_URL"
        start_api
    fi
fi
