# 80-smoke.sh: does it work? Real questions, with answers known from elsewhere.
#
# A run that ends well should mean that the services work, not only that no command failed.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/smoke.sh"

elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
    # The services asked are the enabled ones, so this hook need not know which plugins there are.
    async_run smoke-token smoke_token
    async_run smoke-catalog smoke_catalog "${!SERVICE_PORT[@]}"
    if is_service_enabled glance; then
        async_run smoke-image smoke_image
    fi
    async_wait smoke-token smoke-catalog
    if is_service_enabled glance; then
        async_wait smoke-image
    fi
    echo_summary "OpenStack: all answers are right. export OS_CLIENT_CONFIG_FILE=$DATA_DIR/clouds.yaml" \
        "OS_CLOUD=stacknb and use $VENVS_DIR/client/bin/openstack"
fi
