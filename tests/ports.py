"""Ports that are free, and those that Ray is given so that it need not wait for its helpers.

A machine of Ray ends itself where they have not said their ports within 15 seconds, which a busy
computer does not keep.
"""

from __future__ import annotations

import socket

_RAY_HELPERS = (
    "dashboard_agent_listen_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def ports_of_ray() -> dict[str, int]:
    """Return a port for each helper of a machine of Ray."""
    return {name: free_port() for name in _RAY_HELPERS}
