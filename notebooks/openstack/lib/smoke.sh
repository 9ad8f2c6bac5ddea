# lib/smoke.sh: ask the running services through the real client, and insist on the answers.
# Each question is a task, so an answer that is wrong ends its task, and the wait for it the run.

function smoke_token {
    local answer
    # Nothing else of the token is asked for: whoever has its id is admin.
    answer=$(openstack token issue -f value -c expires)
    [[ $(date -d "$answer" +%s) -gt $EPOCHSECONDS ]] || die $LINENO "the token expires at '$answer'"
    echo "ok    token: expires $answer"
}

# Every service must be listed with the address at which it listens.
function smoke_catalog {
    local answer name
    answer=$(openstack catalog list -f json)
    for name in "$@"; do
        [[ $answer == *"http://$SERVICE_HOST:${SERVICE_PORT[$name]}"* ]] ||
            die $LINENO "the catalog has no $name at port ${SERVICE_PORT[$name]}: $answer"
        echo "ok    catalog: $name at $SERVICE_HOST:${SERVICE_PORT[$name]}"
    done
}

function smoke_image {
    local answer wanted
    answer=$(openstack image list --long -f value -c Name -c Status -c Size -c Checksum)
    wanted="pattern $(md5sum <"$IMAGE_FILE" | cut -d ' ' -f 1) active"
    [[ $(sort <<<"${answer// /$'\n'}") == "$(sort <<<"${wanted// /$'\n'}"$'\n'1048576)" ]] ||
        die $LINENO "the list of images is '$answer'"
    echo "ok    image list: $answer"
}

function smoke_provider {
    local answer
    answer=$(openstack resource provider list -f value -c name)
    [[ $answer == "$PLACEMENT_PROVIDER" ]] || die $LINENO "the list of providers is '$answer'"
    echo "ok    resource provider list: $answer"
}
