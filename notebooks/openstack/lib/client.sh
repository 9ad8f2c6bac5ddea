# lib/client.sh: the real "openstack" client, and what every service needs to be known to keystone.

# The password is in a file, not in the environment: children of the hooks have no use for it.
function configure_client {
    { local -; set +x; } 2>/dev/null
    make_private "$DATA_DIR/clouds.yaml"
    cat >"$DATA_DIR/clouds.yaml" <<EOF
clouds:
  stacknb:
    region_name: $REGION_NAME
    auth:
      auth_url: $KEYSTONE_SERVICE_URI
      username: admin
      password: $(password admin)
      project_name: admin
      user_domain_id: default
      project_domain_id: default
EOF
}

function openstack {
    OS_CLIENT_CONFIG_FILE=$DATA_DIR/clouds.yaml OS_CLOUD=stacknb "$VENVS_DIR/client/bin/openstack" "$@"
}

# create_user NAME: the client reads this command from its standard input, because arguments, and the
# password among them, show in the list of processes. Its status is then always 1: the answer tells.
function create_user {
    { local -; set +x; } 2>/dev/null
    local answer
    answer=$(openstack <<<"user create --domain default --password $(password "$1") -f value -c name $1" || :)
    [[ $answer == "$1"* ]] || die $LINENO "user $1 was not created: $answer"
    echo "user $1"
}

# create_service_accounts NAME TYPE: as DevStack's create_SERVICE_accounts do it, one call each.
function create_service_accounts {
    local interface
    create_user "$1"
    openstack service create --name "$1" -f value -c id "$2"
    for interface in public internal admin; do
        openstack endpoint create --region "$REGION_NAME" -f value -c url \
            "$1" "$interface" "http://$SERVICE_HOST:${SERVICE_PORT[$1]}"
    done
}

# configure_authtoken FILE SERVICE: how a service asks keystone whether a token is good.
function configure_authtoken {
    { local -; set +x; } 2>/dev/null
    local section=keystone_authtoken
    iniset "$1" $section auth_type password
    iniset "$1" $section auth_url "$KEYSTONE_SERVICE_URI"
    iniset "$1" $section www_authenticate_uri "$KEYSTONE_SERVICE_URI"
    iniset "$1" $section username "$2"
    iniset "$1" $section password "$(password "$2")"
    iniset "$1" $section project_name service
    iniset "$1" $section user_domain_id default
    iniset "$1" $section project_domain_id default
    iniset "$1" $section region_name "$REGION_NAME"
}
