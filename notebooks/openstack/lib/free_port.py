"""Find a TCP port of this machine that nobody uses: free_port.py HOST [TAKEN ...]."""

import random
import socket
import sys

# Below the range from which the system takes ports for outgoing connections: between the
# moment a port is found and the moment the server opens it, nothing takes it by chance.
CANDIDATES = range(20_000, 32_000)


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on `port` of `host`."""
    with socket.socket() as probe:
        # As gunicorn does: a server that has just ended leaves its port in a waiting state.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


host, *taken = sys.argv[1:]
ports = random.sample(CANDIDATES, k=len(CANDIDATES))
print(next(port for port in ports if str(port) not in taken and is_free(host, port)))
