"""A full queue: refused at the door, from memory, before a byte of the file is read."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from service.calls import submit
from unmask.service.admission import Admission
from unmask.service.keys import Key, hash_key

pytestmark = pytest.mark.usefixtures("no_scans")
KEY = "unmask_ann"
Answer = tuple[int, dict[str, str]]


def scope(*headers: tuple[str, str], path: str = "/v1/scans") -> dict[str, Any]:
    """Return a request that brings a file, as the server hands it to the application."""
    sent = (("host", "127.0.0.1"), ("content-type", "multipart/form-data; boundary=x"), *headers)
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in sent],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }  # fmt: skip


async def ask(app: Any, request: dict[str, Any]) -> Answer:
    """Send a request whose body nobody may read, and return status and headers of the answer."""
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    await app(request, receive, send)
    headers = {name.decode(): value.decode() for name, value in answers[0]["headers"]}
    return answers[0]["status"], headers


@pytest.fixture
def full(start: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the application of a service whose queue is full and whose database stands still."""
    client = start(queue_limit=1)
    assert submit(client).status_code == 202
    client.app.state.service.runner.stop()

    def still(_self: object) -> Any:
        raise AssertionError("the database was asked")

    monkeypatch.setattr("unmask.service.database.Database.reading", still)
    monkeypatch.setattr("unmask.service.database.Database.writing", still)
    return client.app


@pytest.mark.parametrize("path", ["/v1/scans", "/v1/uploads"])
def test_a_full_queue_refuses_without_body_and_database(full: Any, path: str) -> None:
    status, headers = asyncio.run(ask(full, scope(path=path)))
    assert status == 429
    assert int(headers["retry-after"]) > 0
    assert headers["content-type"] == "application/problem+json"


def test_of_500_refusals_99_in_100_cost_a_tenth_of_a_second_at_most(full: Any) -> None:
    async def ask_all() -> list[float]:
        seconds = []
        for _ in range(500):
            began = time.thread_time()  # what others do on this machine does not count
            status, _ = await ask(full, scope())
            seconds.append(time.thread_time() - began)
            assert status == 429
        return seconds

    seconds = sorted(asyncio.run(ask_all()))
    assert seconds[494] < 0.1
    assert sum(seconds) / 500 < 0.005, "a burst of 20 is refused within a tenth of a second"


def test_a_repeated_request_is_answered_while_the_queue_is_full(start: Any) -> None:
    client = start(queue_limit=1)
    headers = {"Idempotency-Key": "one"}
    first = submit(client, headers=headers)
    assert submit(client).status_code == 429
    assert submit(client, headers=headers).json()["id"] == first.json()["id"]


def test_who_sends_no_known_key_is_not_told_that_the_queue_is_full(start: Any) -> None:
    client = start(queue_limit=1, keys=(Key(name="ann", sha256=hash_key(KEY)),))
    known = {"Authorization": f"Bearer {KEY}"}
    assert submit(client, headers=known).status_code == 202
    assert submit(client, headers=known).status_code == 429
    for headers in ({}, {"Authorization": "Bearer unmask_guess"}):
        assert submit(client, headers=headers).status_code == 401


def test_a_deleted_scan_makes_room_at_once(start: Any) -> None:
    client = start(queue_limit=1)
    scan_id = submit(client).json()["id"]
    assert submit(client).status_code == 429
    client.delete(f"/v1/scans/{scan_id}")
    assert submit(client).status_code == 202


def test_files_that_are_being_received_hold_a_place_for_some_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admission, request = Admission(2), scope()
    with admission.receiving(request):
        assert admission.refusal(request, {}) is None
        with admission.receiving(request):
            assert admission.refusal(request, {}).status == 429
            later = time.monotonic() + 11
            monkeypatch.setattr("time.monotonic", lambda: later)
            assert admission.refusal(request, {}) is None
    admission.add(2)
    assert admission.refusal(request, {}).status == 429


def test_how_long_refusals_take_is_counted(start: Any) -> None:
    client = start(queue_limit=1)
    submit(client)
    submit(client)
    assert 'unmask_refusal_seconds_bucket{le="+Inf"} 1.0' in client.get("/metrics").text
