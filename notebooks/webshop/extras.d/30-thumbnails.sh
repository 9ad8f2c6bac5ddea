# 30-thumbnails.sh: the longest task, with the most time to hide in.
#
# Started in "install" and not needed before "test-config": as long as other work lasts that long,
# the pictures cost the run next to nothing. A slow task deserves an early start.

if [[ "$1" == "source" ]]; then
    source "$TOP_DIR/lib/thumbnails.sh"

elif [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
    configure_thumbnails

elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    # With "if", not with "[[ … ]] && …": were this the hook's last command and the condition false,
    # the hook would end with status 1, which under errexit ends the run.
    if [[ $SHOP_DRAW == True ]]; then
        async_runfunc draw_thumbnails
    fi

elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
    # 80-smoke.sh is about to ask for a picture.
    if [[ $SHOP_DRAW == True ]]; then
        async_wait draw_thumbnails
    fi
fi
