# 80-smoke.sh: does it work? Real questions, with answers known from elsewhere.
#
# A run that ends well should mean that the services work, not only that no command failed.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/smoke.sh"

elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
    # Hooks are sourced inside a function, so these are local to the hook and gone after it.
    local questions=(smoke-token smoke-catalog) after=()
    async_run smoke-token smoke_token
    if is_service_enabled glance; then
        async_run smoke-image smoke_image
        questions+=(smoke-image)
    fi
    # The hook of a plugin comes after ours: what it has begun in "extra" may still go on.
    if is_service_enabled placement; then
        async_run --after placement-provider smoke-provider smoke_provider
        questions+=(smoke-provider)
        after=(--after placement-accounts)
    fi
    async_run "${after[@]}" smoke-catalog smoke_catalog "${!SERVICE_PORT[@]}"
    async_wait "${questions[@]}"
    echo_summary "OpenStack: all answers are right"
fi
