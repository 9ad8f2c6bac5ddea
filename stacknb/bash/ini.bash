# shellcheck shell=bash
# The ini functions of helpers.bash, whose rules hold here, too. Loaded when first needed.
#
# Seen by a caller they are DevStack's, but for these differences, each mending a defect there:
#   - section, option and value are plain text: no regex, no backslash, no `&`;
#   - blanks inside a value are kept. Those around it are written, but not read back: to a reader of
#     ini files they are no part of the value. A line break in a value becomes a blank;
#   - where a section is there twice, a new option goes into the first only;
#   - iniset leaves one line of an option that had several; iniget prints one value a line;
#   - iniadd takes an argument for one value and leaves the lines that are there where they are;
#   - symlinks, modes, owners and CRLF are kept; a file that needs no change is not written;
#   - a reader in another task finds the old file or the new one whole, and tasks that write the
#     same file take turns, so that none undoes what another did;
#   - with -sudo everything goes through stdin: no process list and no sudo log shows a password.

_stacknb_need programs

_stacknb_iniget() {
    local -a _stacknb_my_lines=() _stacknb_my_hits=()
    local _stacknb_my_header='' _stacknb_my_eol='' _stacknb_my_i='' _stacknb_my_value=''
    if [ -r "${1-}" ]; then
        _stacknb_ini_find "$1" "${2-}" "${3-}" || :
    else
        printf "iniget: cannot read '%s': check the path and its mode\n" "${1-}" >&2
    fi
    for _stacknb_my_i in "${_stacknb_my_hits[@]}"; do
        _stacknb_my_value=${_stacknb_my_lines[_stacknb_my_i]#"$3"}
        _stacknb_my_value=${_stacknb_my_value#*=}
        _stacknb_my_value=${_stacknb_my_value#"${_stacknb_my_value%%[![:space:]]*}"}
        printf '%s\n' "${_stacknb_my_value%"${_stacknb_my_value##*[![:space:]]}"}"
    done
    ((${#_stacknb_my_hits[@]})) || printf '\n'
}

# Reads the file into the caller's variables: _stacknb_my_lines; _stacknb_my_eol, a carriage return
# in a CRLF file; _stacknb_my_header, the index of the section's first header, if any;
# _stacknb_my_hits, the indexes of the option's lines.
_stacknb_ini_find() { # FILE SECTION OPTION
    local _stacknb_my_n='' _stacknb_my_line='' _stacknb_my_rest='' _stacknb_my_inside=''
    mapfile -t _stacknb_my_lines <"$1" || return
    for _stacknb_my_n in "${!_stacknb_my_lines[@]}"; do
        _stacknb_my_line=${_stacknb_my_lines[_stacknb_my_n]}
        if [[ $_stacknb_my_line == \[*\]* ]]; then
            # "[a]" is the header of a, and so is "[a] # why", but "[a]b]" is not.
            _stacknb_my_inside='' _stacknb_my_rest=${_stacknb_my_line#"[$2]"}
            if [ "$_stacknb_my_rest" != "$_stacknb_my_line" ] &&
                [[ $_stacknb_my_rest != [![:space:]]*\]* ]]; then
                _stacknb_my_inside=1 _stacknb_my_header=${_stacknb_my_header:-$_stacknb_my_n}
            fi
        elif [ "$_stacknb_my_inside" ]; then
            _stacknb_my_rest=${_stacknb_my_line#"$3"}
            [ "$_stacknb_my_rest" != "$_stacknb_my_line" ] || continue
            _stacknb_my_rest=${_stacknb_my_rest#"${_stacknb_my_rest%%[![:blank:]]*}"}
            [ "${_stacknb_my_rest:0:1}" != = ] || _stacknb_my_hits+=("$_stacknb_my_n")
        fi
    done
    _stacknb_my_line=${_stacknb_my_lines[0]-}
    if [ "${_stacknb_my_line: -1}" = $'\r' ]; then
        _stacknb_my_eol=$'\r'
        # A last line without an end gets one.
        _stacknb_my_lines[_stacknb_my_n]=${_stacknb_my_lines[_stacknb_my_n]%$'\r'}$'\r'
    fi
}

# All but iniget.
_stacknb_ini() { # FUNCTION [-sudo] FILE SECTION OPTION [VALUE...]
    local _stacknb_my_do=$1 _stacknb_my_file='' _stacknb_my_folder=./ _stacknb_my_text=''
    local _stacknb_my_header='' _stacknb_my_eol=''
    local -a _stacknb_my_lines=() _stacknb_my_hits=()
    shift
    if [ "${1-}" = -sudo ]; then
        shift
        printf -v _stacknb_my_text ' %q' "$_stacknb_my_do" "$@"
        sudo "$BASH" <<<"LC_ALL=C
            $(declare -f _stacknb_ini _stacknb_ini_find _stacknb_ini_change _stacknb_ini_write \
            _stacknb_ini_print _stacknb_ini_refuse _stacknb_program)
            _stacknb_ini $_stacknb_my_text"
        return
    elif [ -z "${2-}" ] || [ -z "${3-}" ]; then
        # Hooks do this when a variable of theirs is empty, and DevStack lets it pass.
        [ "$_stacknb_my_do" != ini_has_option ]
        return
    fi
    _stacknb_my_file=$1
    [ ! -L "$1" ] || _stacknb_my_file=$(_stacknb_program readlink -f -- "$1") || _stacknb_my_file=$1
    [[ $_stacknb_my_file != */* ]] || _stacknb_my_folder=${_stacknb_my_file%/*}/
    if [ "$_stacknb_my_do" = ini_has_option ]; then
        [ -f "$_stacknb_my_file" ] && [ -r "$_stacknb_my_file" ] &&
            _stacknb_ini_find "$_stacknb_my_file" "$2" "$3" && ((${#_stacknb_my_hits[@]}))
        return
    elif [[ $2$3 == *$'\n'* ]]; then
        _stacknb_ini_refuse 'no line break can be in a section or an option: remove it'
    elif [ ! -d "$_stacknb_my_folder" ]; then
        _stacknb_ini_refuse 'there is no such folder: create it first'
    elif [ -e "$_stacknb_my_file" ] && [ ! -f "$_stacknb_my_file" ]; then
        _stacknb_ini_refuse 'it is no regular file: check the path'
    elif [ -e "$_stacknb_my_file" ] && [ ! -r "$_stacknb_my_file" ]; then
        _stacknb_ini_refuse 'it cannot be read: use -sudo, or change its mode'
    else
        # The folder is locked, since the file gets replaced. Where there is no flock(1), or where
        # somebody keeps the lock for ten seconds, we go on unlocked, as DevStack does.
        _stacknb_my_text=$_stacknb_my_folder
        [ -r "$_stacknb_my_text" ] || _stacknb_my_text=/dev/null
        {
            ! type -P flock >/dev/null || _stacknb_program flock -w 10 9 2>/dev/null || :
            _stacknb_ini_change "$@"
        } 9<"$_stacknb_my_text"
    fi
}

_stacknb_ini_refuse() { # WHY
    printf "%s: '%s': %s\n" "$_stacknb_my_do" "$_stacknb_my_file" "$1" >&2
    return 1
}

_stacknb_ini_change() { # FILE SECTION OPTION [VALUE...]
    local _stacknb_my_value='' _stacknb_my_new='' _stacknb_my_old='' _stacknb_my_n=''
    [ ! -e "$_stacknb_my_file" ] || _stacknb_ini_find "$_stacknb_my_file" "$2" "$3" || return
    [ "$_stacknb_my_do" != iniset ] || set -- "$1" "$2" "$3" "${4-}"
    _stacknb_my_n=$_stacknb_my_header
    case $_stacknb_my_do:${#_stacknb_my_hits[@]} in
        inidelete:*)
            ((${#_stacknb_my_hits[@]})) || return 0
            ;;
        iniset:0 | iniadd:*)
            for _stacknb_my_value in "${@:4}"; do
                _stacknb_my_new+=$'\n'"$3 = ${_stacknb_my_value//$'\n'/ }$_stacknb_my_eol"
            done
            [ -n "$_stacknb_my_new" ] || return 0
            for _stacknb_my_n in "$_stacknb_my_n" "${_stacknb_my_hits[@]}"; do :; done
            if [ -n "$_stacknb_my_n" ]; then
                _stacknb_my_lines[_stacknb_my_n]+=$_stacknb_my_new
            else
                _stacknb_my_lines+=("$_stacknb_my_eol" "[$2]$_stacknb_my_eol$_stacknb_my_new")
            fi
            _stacknb_my_hits=()
            ;;
        iniset:*) # as in DevStack, the line stays as it is up to its value
            _stacknb_my_n=${_stacknb_my_hits[0]}
            _stacknb_my_old=${_stacknb_my_lines[_stacknb_my_n]}
            _stacknb_my_value=${_stacknb_my_old#"$3"}
            _stacknb_my_value=${_stacknb_my_value#*=}
            _stacknb_my_value=${_stacknb_my_value#"${_stacknb_my_value%%[![:blank:]]*}"}
            # By lengths: to look for a long value as a pattern may take for ever.
            _stacknb_my_new=${_stacknb_my_old:0:${#_stacknb_my_old}-${#_stacknb_my_value}}
            _stacknb_my_new+=${4//$'\n'/ }$_stacknb_my_eol
            _stacknb_my_lines[_stacknb_my_n]=$_stacknb_my_new
            _stacknb_my_hits=("${_stacknb_my_hits[@]:1}")
            [ "$_stacknb_my_new" != "$_stacknb_my_old" ] || ((${#_stacknb_my_hits[@]})) || return 0
            ;;
    esac
    for _stacknb_my_n in "${_stacknb_my_hits[@]}"; do
        unset "_stacknb_my_lines[$_stacknb_my_n]"
    done
    _stacknb_ini_write
}

# A new file takes the place of the old one if it can be given the same mode, group and owner. If
# not (somebody else's file or folder, no GNU cp), the old one is written to. Hard links are parted,
# as by sed -i.
_stacknb_ini_write() {
    local _stacknb_my_copy=''
    if [ -f "$_stacknb_my_file" ] && [ -w "$_stacknb_my_folder" ] &&
        { [ -O "$_stacknb_my_file" ] || ((EUID == 0)); } && _stacknb_my_copy=$(
            _stacknb_program mktemp "$_stacknb_my_folder.stacknb-ini.XXXXXX" 2>/dev/null
        ); then
        # A full disk shows here, while the old file is whole.
        if ! _stacknb_ini_print >|"$_stacknb_my_copy"; then
            _stacknb_program rm -f -- "$_stacknb_my_copy"
            return 1
        elif _stacknb_program cp --attributes-only --preserve=mode,ownership -- "$_stacknb_my_file" \
            "$_stacknb_my_copy" 2>/dev/null &&
            _stacknb_program mv -f -- "$_stacknb_my_copy" "$_stacknb_my_file"; then
            return 0
        fi
        _stacknb_program rm -f -- "$_stacknb_my_copy"
    fi
    { _stacknb_ini_print >|"$_stacknb_my_file"; } 2>/dev/null ||
        _stacknb_ini_refuse 'it cannot be written: use -sudo, or change its mode'
}

_stacknb_ini_print() {
    ((${#_stacknb_my_lines[@]} == 0)) || printf '%s\n' "${_stacknb_my_lines[@]}"
}
