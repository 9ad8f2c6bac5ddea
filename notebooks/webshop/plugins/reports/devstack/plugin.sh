# plugin.sh of the plugin "reports": sourced with the same arguments as a hook of extras.d, in each
# phase after all of them. So the tree's work of a phase is done when ours begins.

if is_service_enabled reports; then
    if [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        # 10-database.sh has filled the database in this very phase: start at once. The reports are
        # written while the API starts ("extra") and is tested ("test-config").
        mkdir -p "$REPORTS_OUT"
        # async_run takes a name and any command. Its arguments arrive as they are, blanks included
        # (in DevStack itself they would be split there).
        async_run report-monthly write_report "Sales by month and category" monthly
        async_run report-pairs write_report "Bought together" pairs

    elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
        # One wait for both. Their output appears here, one after the other, each in one piece.
        async_wait report-monthly report-pairs
        # "expect" is a function of the tree's 80-smoke.sh: all hooks share one shell.
        if is_service_enabled webshop-api; then
            expect /sales cents "$(sum_column 4)"
        fi
        echo_summary "Reports: see $REPORTS_OUT"
    fi
fi

# Also when the service is disabled by now: an earlier run may have left reports.
if [[ "$1" == "clean" ]]; then
    rm -rf "$REPORTS_OUT"
fi
