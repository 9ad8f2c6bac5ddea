"""How gunicorn serves the API of one service; start_api in openstack.sh sets the environment."""

import os
from pathlib import Path

bind = os.environ["API_BIND"]
wsgi_app = f"{os.environ['API_MODULE']}:application"
workers = int(os.environ.get("API_WORKERS", "1"))
# SQLite takes one writer at a time, and the services do not try again.
threads = 1
timeout = 120
# It would be made in the home directory, one for all services.
control_socket_disable = True


def when_ready(server: object) -> None:
    """Leave a mark once the port is ours."""
    Path(os.environ["API_LISTENING"]).touch()
