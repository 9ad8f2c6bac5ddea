# shellcheck shell=bash
# The table of the clocks, and waiting for a service, for helpers.bash, whose rules hold here, too.
# Loaded when first needed.

_stacknb_time_totals() {
    local _stacknb_my_name='' _stacknb_my_wide=20 _stacknb_my_i=0
    local _stacknb_my_elapsed=${EPOCHSECONDS:-$(printf '%(%s)T' -1)} _stacknb_my_rest=0
    local _stacknb_my_line='%-*s %3d\n'
    local -a _stacknb_my_names=()
    for _stacknb_my_name in "${!_TIME_TOTAL[@]}"; do
        ((${#_stacknb_my_name} <= _stacknb_my_wide)) || _stacknb_my_wide=${#_stacknb_my_name}
        for ((_stacknb_my_i = ${#_stacknb_my_names[@]}; _stacknb_my_i > 0; _stacknb_my_i--)); do
            [[ $_stacknb_my_name < ${_stacknb_my_names[_stacknb_my_i - 1]} ]] || break
            _stacknb_my_names[_stacknb_my_i]=${_stacknb_my_names[_stacknb_my_i - 1]}
        done
        _stacknb_my_names[_stacknb_my_i]=$_stacknb_my_name
    done
    _stacknb_my_elapsed=$((_stacknb_my_elapsed - _TIME_BEGIN))
    ((_stacknb_my_elapsed >= 0)) || _stacknb_my_elapsed=0
    printf '%s\n' '' ========================= 'DevStack Component Timing' \
        ' (times are in seconds)  ' =========================
    _stacknb_my_rest=$_stacknb_my_elapsed
    for _stacknb_my_name in "${_stacknb_my_names[@]}"; do
        _stacknb_my_i=$((${_TIME_TOTAL[$_stacknb_my_name]} / 1000))
        _stacknb_my_rest=$((_stacknb_my_rest - _stacknb_my_i))
        printf "$_stacknb_my_line" "$_stacknb_my_wide" "$_stacknb_my_name" "$_stacknb_my_i"
    done
    printf '%s\n' -------------------------
    printf "$_stacknb_my_line" "$_stacknb_my_wide" 'Unaccounted time' "$_stacknb_my_rest"
    printf '%s\n' =========================
    printf "$_stacknb_my_line" "$_stacknb_my_wide" 'Total runtime' "$_stacknb_my_elapsed"
}

_stacknb_wait_for_service() {
    local _stacknb_my_from=${EPOCHREALTIME:-$(printf '%(%s)T000000' -1)} _stacknb_my_now='' _stacknb_my_status=0
    _stacknb_need programs
    _stacknb_lone_python -c "$_stacknb_wait_py" "${1-}" "${2-}" </dev/null ||
        _stacknb_my_status=$?
    _stacknb_my_now=${EPOCHREALTIME:-$(printf '%(%s)T000000' -1)}
    _stacknb_my_now=$((${_stacknb_my_now//[!0-9]/} - ${_stacknb_my_from//[!0-9]/}))
    ((_stacknb_my_now >= 0)) || _stacknb_my_now=0
    _TIME_TOTAL[wait_for_service]=$((${_TIME_TOTAL[wait_for_service]:-0} + _stacknb_my_now / 1000))
    return "$_stacknb_my_status"
}

# The asking is done by a thread: nothing that hangs, not even the look-up of a name, can then keep
# the process beyond the time-out.
_stacknb_wait_py='
import http.client, os, signal, socket, ssl, sys, threading, time, urllib.parse

text, url = sys.argv[1:]
unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
try:
    limit = float(text[:-1]) * unit if unit else float(text)
    parts = urllib.parse.urlsplit(url if "://" in url else "http://" + url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    if not parts.hostname or not limit >= 0:
        raise ValueError
except (ValueError, KeyError):
    sys.exit(f"wait_for_service: {text!r}, {url!r}: give seconds and an http or https URL")
target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
target = urllib.parse.quote(target, safe="!$%&()*+,/:;=?@[]~", errors="replace")
state = "no answer yet"
done = threading.Event()

def answers():
    global state
    try:
        sock = socket.create_connection((parts.hostname, port))
    except (OSError, UnicodeError) as error:
        state = getattr(error, "strerror", None) or str(error)
        return False
    if state != "HTTP 503": # which is more than that it has not answered yet once more
        state = "connected, but no answer"
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock, server_hostname=parts.hostname)
        connection = http.client.HTTPConnection(parts.hostname, port)
        connection.sock = sock
        connection.request("GET", target, headers={"Accept": "*/*"})
        if connection.getresponse().status != 503:
            return True
    except Exception:
        return True
    finally:
        sock.close()
    state = "HTTP 503"
    return False

def ask():
    delay = 0.05
    while not answers():
        time.sleep(delay)
        delay = min(1, delay * 1.5)
    done.set()

if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
threading.Thread(target=ask, daemon=True).start()
if not done.wait(limit if 0 < limit < 1e6 else None):
    print(f"wait_for_service: no answer from {url!r} within {limit:g} s: {state}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(124)
os._exit(0)
'
