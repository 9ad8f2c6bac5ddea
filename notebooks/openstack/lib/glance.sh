# lib/glance.sh: images.

GLANCE_DIR=$DATA_DIR/glance
GLANCE_CONF=$GLANCE_DIR/glance-api.conf
IMAGE_FILE=$GLANCE_DIR/pattern.raw

function configure_glance {
    make_private "$GLANCE_CONF"
    mkdir -p "$GLANCE_DIR"/{images,cache,lock}
    iniset "$GLANCE_CONF" DEFAULT enabled_backends file:file
    iniset "$GLANCE_CONF" DEFAULT image_cache_dir "$GLANCE_DIR/cache"
    iniset "$GLANCE_CONF" glance_store default_backend file
    iniset "$GLANCE_CONF" file filesystem_store_datadir "$GLANCE_DIR/images"
    iniset "$GLANCE_CONF" os_glance_staging_store filesystem_store_datadir "$GLANCE_DIR/staging"
    iniset "$GLANCE_CONF" os_glance_tasks_store filesystem_store_datadir "$GLANCE_DIR/tasks"
    iniset "$GLANCE_CONF" oslo_concurrency lock_path "$GLANCE_DIR/lock"
    iniset "$GLANCE_CONF" paste_deploy flavor keystone
    iniset "$GLANCE_CONF" paste_deploy config_file "$VENVS_DIR/glance/etc/glance/glance-api-paste.ini"
    configure_database "$GLANCE_CONF" database glance
    configure_authtoken "$GLANCE_CONF" glance
}

function glance_manage {
    "$VENVS_DIR/glance/bin/glance-manage" --config-file "$GLANCE_CONF" "$@"
}

# glance-manage ends well also when it finds nothing to load: so look before.
function load_metadefs {
    local folder=$VENVS_DIR/glance/etc/glance/metadefs
    [[ -e $folder/compute-libvirt.json ]] || die $LINENO "no metadata definitions in $folder"
    glance_manage db_load_metadefs "$folder"
}

# An image of 1 MiB whose content is known beforehand.
function upload_image {
    wait_for_api glance
    yes "stacknb" | head -c 1048576 >"$IMAGE_FILE"
    openstack image create --disk-format raw --container-format bare --public \
        --file "$IMAGE_FILE" -f value -c name pattern
}
