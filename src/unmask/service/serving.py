"""Start the service: one process, an address, and what it says to whoever started it."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from unmask.core.errors import InputError
from unmask.service.app import create_app
from unmask.service.settings import ServiceSettings

_STOP_SECONDS = 5
"""How long requests that run may go on after the service is stopped."""


def serve(settings: ServiceSettings) -> None:
    """Answer requests until the process is stopped.

    Args:
        settings: how.

    Raises:
        InputError: the address is taken or not this machine's.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    for noisy in ("alembic", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    listening = _listen(settings.host, settings.port)
    app = create_app(settings)
    address = _address(listening, settings.host)
    config = uvicorn.Config(
        app,
        access_log=False,  # the guard logs routes, without what stands in an address
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    sys.stderr.write(f"unmask is at {address}  (Ctrl-C ends it)\n")
    sys.stderr.flush()
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InputError(
            f"{host} port {port} cannot be used: {error.strerror}",
            hint="is the service running already? Give another --port, 0 for any that is free",
        ) from error
    listening.listen(2048)
    return listening


def _address(listening: socket.socket, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"
