# plugin.sh of the plugin "placement": sourced with the same arguments as a hook of extras.d, in
# each phase after all of them. Beside that it looks like 40-glance.sh.

if [[ "$1" == "unstack" ]]; then
    stop_process placement

elif is_service_enabled placement; then
    if [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
        stop_process placement
        SERVICE_PORT[placement]=$(free_port)
        make_password placement
        make_password placement-database
        declare_database placement

    elif [[ "$1" == "stack" && "$2" == "install" ]]; then
        async_run venv-placement install_venv placement openstack-placement gunicorn PyMySQL

    elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        configure_placement
        async_run --after venv-placement placement-db sync_placement
        async_run --after venv-placement placement-samples later make_samples placement placement.conf

    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        async_run --after keystone-ready placement-accounts create_service_accounts placement placement
        async_run --after placement-db placement-server \
            start_api placement placement.wsgi.api OS_PLACEMENT_CONFIG_DIR="$PLACEMENT_DIR"
        async_run --after service-project --after placement-accounts \
            placement-role openstack role add --project service --user placement admin
        async_run --after placement-role --after placement-server placement-provider create_provider

    elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
        async_wait venv-placement placement-db placement-samples
        async_wait placement-server placement-accounts placement-role placement-provider
    fi
fi
