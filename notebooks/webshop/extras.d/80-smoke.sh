# 80-smoke.sh: does it work? Real requests, with answers known from elsewhere.
#
# A run that ends well should mean that the service works, not only that no command failed.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/smoke.sh"

elif [[ "$1" == "stack" && "$2" == "test-config" ]] && is_service_enabled webshop-api; then
    echo_summary "Webshop: asking the API"
    expect /health status ok
    expect /count products "$SHOP_PRODUCTS"
    expect /count orders "$SHOP_ORDERS"

    # Search for the full name of the first product: at least that one must be found.
    expect /products/1 id 1
    # Hooks are sourced inside a function, so this array is local to the hook and gone after it.
    declare -a words
    read -r -a words <<<"$(shop_python ask.py "$SHOP_URL/products/1" name)"
    expect "/search?q=${words[0]}+${words[1]}+${words[2]}" total "$(count_matches "${words[*]}")"
    expect "/search?q=nosuchword" total 0
    if [[ $SHOP_DRAW == True ]]; then
        expect /thumbnails/1.png content_type image/png
    fi
    expect_nothing "/products/$((SHOP_PRODUCTS + 1))"

    echo_summary "Webshop: all answers are right: ${#SHOP_ANSWERS[@]} checked at $SHOP_URL"
fi
