"""Object stores for tests: one in this process's memory that can fail, and one that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def lost_after(system: Any, changes: int) -> Iterator[None]:
    """Let a file system fail for good after a number of changes, as a kill or a lost net ends them.

    What is there then is what those changes made, in their order.
    """
    left = changes
    with pytest.MonkeyPatch.context() as patch:

        def failing(name: str) -> Any:
            change = getattr(system, name)

            def call(*arguments: Any, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise OSError("the store is out of reach")
                return change(*arguments, **named)

            return call

        for name in ("put_file", "rm_file"):
            patch.setattr(system, name, failing(name))
        yield


@contextmanager
def s3_bucket(name: str, patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve an empty bucket on this machine, and let this process and its children find it."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for word, value in (
            ("ENDPOINT_URL", f"http://{host}:{port}"),
            ("ACCESS_KEY_ID", "x"),
            ("SECRET_ACCESS_KEY", "x"),
            ("DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(f"AWS_{word}", value)
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir(name)
        yield system
    finally:
        server.stop()
