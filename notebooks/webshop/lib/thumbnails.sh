# lib/thumbnails.sh: a small picture of the first products.

function configure_thumbnails {
    mkdir -p "${SHOP_FILES[thumbnails]}"
    iniset "$SHOP_CONF" thumbnails folder "${SHOP_FILES[thumbnails]}"
}

function draw_thumbnails {
    shop_python thumbnails.py "${SHOP_FILES[thumbnails]}" \
        "$((SHOP_PICTURES < SHOP_PRODUCTS ? SHOP_PICTURES : SHOP_PRODUCTS))"
}
