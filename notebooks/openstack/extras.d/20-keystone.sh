# 20-keystone.sh: identity. The hook to read about the order of background tasks.
#
# The rule for a task: start it as soon as all it needs is there, wait for it as late as you can.
# Where what it needs is another task, --after says so, and the hook need not stop to wait for it.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/keystone.sh"
    enable_service keystone

elif [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
    stop_process keystone
    SERVICE_PORT[keystone]=$(free_port)
    make_password keystone-database
    make_password demo
    declare_database keystone

elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    async_run venv-keystone install_venv keystone keystone gunicorn PyMySQL
    async_run venv-client install_venv client python-openstackclient osc-placement

elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
    configure_keystone
    # Tables and keys need the program and the configuration, but not each other.
    async_run --after venv-keystone keystone-db keystone_manage db_sync
    async_run --after venv-keystone keystone-fernet setup_keys fernet
    async_run --after venv-keystone keystone-credential setup_keys credential
    async_run --after keystone-db --after keystone-fernet --after keystone-credential \
        keystone-bootstrap bootstrap_keystone
    async_run --after venv-keystone keystone-samples later make_samples keystone keystone

elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
    async_wait venv-keystone keystone-db keystone-fernet keystone-credential keystone-bootstrap
    echo_summary "OpenStack: starting keystone at $KEYSTONE_SERVICE_URI"
    start_api keystone keystone.wsgi.api OS_KEYSTONE_CONFIG_DIR="$KEYSTONE_DIR"
    async_wait venv-client
    # It takes a while to answer. The hooks after this one start their servers meanwhile, and make their
    # accounts as soon as it does, all at the same time.
    async_run keystone-ready wait_for_api keystone
    async_run --after keystone-ready \
        service-project openstack project create --domain default -f value -c name service
    async_run --after keystone-ready create_demo_accounts create_demo_accounts

elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
    async_wait keystone-ready service-project create_demo_accounts keystone-samples

elif [[ "$1" == "unstack" ]]; then
    stop_process keystone
fi
