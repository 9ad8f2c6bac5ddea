"""Find a TCP port of this machine that nobody uses."""

import argparse
import random
import socket

# Below the range from which the system takes ports for outgoing connections: between the
# moment a port is found and the moment the server opens it, nothing takes it by chance.
CANDIDATES = range(20_000, 32_000)


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on `port` of `host`."""
    with socket.socket() as probe:
        # As http.server does: a server that has just ended leaves its port in a waiting state.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def main() -> None:
    """Print the preferred port if it is free, else another."""
    parser = argparse.ArgumentParser(description="Find a free TCP port.")
    parser.add_argument("host")
    parser.add_argument("preferred", nargs="?", type=int)
    asked = parser.parse_args()
    ports = random.sample(CANDIDATES, k=len(CANDIDATES))
    if asked.preferred is not None:
        ports.insert(0, asked.preferred)
    print(next(port for port in ports if is_free(asked.host, port)))


if __name__ == "__main__":
    main()
