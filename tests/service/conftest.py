"""A service in this process, whose scans are real or copied from one real scan."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
from starlette.testclient import TestClient

from service.postgres import Cluster, programs
from unmask.service.app import create_app
from unmask.service.scans import Outcome, scan_file
from unmask.service.settings import ServiceSettings

CLIP = Path(__file__).parents[2] / "examples" / "forged.mp4"
BASE = "http://127.0.0.1:8000"
Start = Callable[..., TestClient]


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Scan the example once, in a worker process as the service does."""
    folder = tmp_path_factory.mktemp("scanned") / "result"
    outcome = scan_file(
        CLIP,
        "forged.mp4",
        folder,
        detector=None,
        listen=lambda _stage, _share: None,
        film_address="/v1/scans/x/media",
    )
    assert outcome.error is None
    return folder, outcome


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Run a PostgreSQL."""
    if programs() is None:
        pytest.skip("postgresql is not installed")
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture
def quick_scans(scanned: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scans copy the result of a real one."""

    def copy(media: Path, name: str, folder: Path, *, listen: Any, **_: object) -> Outcome:
        listen("reading", 0.5)
        assert media.is_file()
        shutil.copytree(scanned[0], folder)
        return scanned[1]

    monkeypatch.setattr("unmask.service.runner.scan_file", copy)


@pytest.fixture
def no_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody work on the queue."""
    monkeypatch.setattr("unmask.service.queue.Queue.claim", lambda _self, _worker: None)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a service with some settings and returns its client."""
    running: list[TestClient] = []

    def begin(**settings: Any) -> TestClient:
        given = {"data": tmp_path / "data", "warm_up": False, **settings}
        client = TestClient(create_app(ServiceSettings(**given)), base_url=BASE)
        client.__enter__()
        running.append(client)
        return client

    yield begin
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def client(start: Start) -> TestClient:
    """Return the client of a service as it starts without options."""
    return start()
