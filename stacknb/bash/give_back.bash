# Gives a hook what regain.bash has taken from the one before. Options of the hook are in force, and
# its aliases.

# One text, since the first half may disable eval, and the second redefine `builtin`.
{ \builtin eval '((${#_stacknb_disabled[@]} == 0)) || \builtin enable -n "${_stacknb_disabled[@]}"'$'\n'"$_stacknb_hidden"; } 2>/dev/null || [[ x ]]
