# 40-glance.sh: images. One is uploaded, through the API, by the real client.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/glance.sh"
    enable_service glance

elif [[ "$1" == "unstack" ]]; then
    # Above the question below: stop what an earlier run may have started, whatever is enabled now.
    stop_process glance

elif is_service_enabled glance; then
    if [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
        stop_process glance
        SERVICE_PORT[glance]=$(free_port)
        make_password glance
        make_password glance-database
        declare_database glance

    elif [[ "$1" == "stack" && "$2" == "install" ]]; then
        async_run venv-glance install_venv glance glance gunicorn PyMySQL

    elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        configure_glance
        async_run --after venv-glance glance-db glance_manage db_sync
        async_run --after glance-db glance-metadefs load_metadefs
        async_run --after venv-glance glance-samples later make_samples glance glance.api

    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        # Accounts and server are made at the same time: glance asks keystone only when it is asked.
        # Nothing of this stops the hook, so that the plugins begin with their accounts at once.
        async_run --after keystone-ready glance-accounts create_service_accounts glance image
        # SQLite has one writer at a time: the server starts when the metadata definitions are in.
        async_run --after glance-metadefs \
            glance-server start_api glance glance.wsgi.api OS_GLANCE_CONFIG_DIR="$GLANCE_DIR"
        async_run --after service-project --after glance-accounts \
            glance-role openstack role add --project service --user glance admin
        async_run --after glance-role --after glance-server glance-image upload_image

    elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
        async_wait venv-glance glance-db glance-metadefs glance-samples
        async_wait glance-server glance-accounts glance-role glance-image
    fi
fi
