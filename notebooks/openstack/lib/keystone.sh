# lib/keystone.sh: identity. Everybody asks it, so it comes first.

KEYSTONE_DIR=$DATA_DIR/keystone
KEYSTONE_CONF=$KEYSTONE_DIR/keystone.conf

function configure_keystone {
    KEYSTONE_SERVICE_URI=http://$SERVICE_HOST:${SERVICE_PORT[keystone]}/v3
    make_private "$KEYSTONE_CONF"
    iniset "$KEYSTONE_CONF" DEFAULT public_endpoint "${KEYSTONE_SERVICE_URI%/v3}"
    iniset "$KEYSTONE_CONF" fernet_tokens key_repository "$KEYSTONE_DIR/fernet-keys"
    iniset "$KEYSTONE_CONF" credential key_repository "$KEYSTONE_DIR/credential-keys"
    # As in DevStack: the passwords are random, slow hashes would protect nothing.
    iniset "$KEYSTONE_CONF" identity password_hash_rounds 4
    configure_database "$KEYSTONE_CONF" database keystone
    configure_client
}

function keystone_manage {
    "$VENVS_DIR/keystone/bin/keystone-manage" --config-file "$KEYSTONE_CONF" "$@"
}

function setup_keys {
    keystone_manage "$1_setup" --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
}

# The user admin, the roles and keystone's own entry in the catalog. It needs the tables and the keys.
function bootstrap_keystone {
    { local -; set +x; } 2>/dev/null
    OS_BOOTSTRAP_PASSWORD=$(password admin) keystone_manage bootstrap \
        --bootstrap-region-id "$REGION_NAME" \
        --bootstrap-public-url "$KEYSTONE_SERVICE_URI" \
        --bootstrap-internal-url "$KEYSTONE_SERVICE_URI" \
        --bootstrap-admin-url "$KEYSTONE_SERVICE_URI"
}

# A project with a user in it, for whoever wants to try things.
function create_demo_accounts {
    openstack project create --domain default -f value -c name demo
    create_user demo
    openstack role add --project demo --user demo member
}
