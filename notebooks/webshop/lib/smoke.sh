# lib/smoke.sh: ask the running API, and insist on the answer.

# What was asked and answered, for whoever looks at the shell's variables after the run.
declare -gA SHOP_ANSWERS=()

# expect ADDRESS FIELD VALUE: the JSON answer of ADDRESS must hold VALUE in FIELD.
function expect {
    local answer
    # "local" stands alone: in "local answer=$(…)" a failure of the command would go unnoticed.
    answer=$(shop_python ask.py "$SHOP_URL$1" "$2")
    [[ $answer == "$3" ]] || die $LINENO "GET $1: $2 is '$answer' instead of '$3'"
    SHOP_ANSWERS["$1 $2"]=$answer
    echo "ok    GET $1    $2 = $answer"
}

# expect_nothing ADDRESS: there must be no such page.
function expect_nothing {
    if shop_python ask.py "$SHOP_URL$1" error 2>/dev/null; then
        die $LINENO "GET $1: something is there"
    fi
    SHOP_ANSWERS["$1"]=nothing
    echo "ok    GET $1    nothing"
}

# Count the products that use every word of NAME, with other means than the index has.
function count_matches {
    awk -v names="$1" '
        BEGIN { number = split(names, wanted, " ") }
        {
            text = " " tolower($0) " "
            gsub(/[^a-z]+/, " ", text)
            found = 0
            for (i = 1; i <= number; i++) found += index(text, " " wanted[i] " ") > 0
            if (found == number) matches++
        }
        END { print matches + 0 }
    ' "${SHOP_FILES[products]}"
}
