"""Resumable uploads, as a tus client sends them."""

from __future__ import annotations

import base64
import fcntl
import hashlib
from pathlib import Path
from typing import Any

import pytest

from service.calls import CLIP, ended

TUS = {"Tus-Resumable": "1.0.0"}
DATA = CLIP.read_bytes()


def create(client: Any, length: int = len(DATA), name: str = "a b.mp4") -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype dmlkZW8="
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata}
    answer = client.post("/v1/uploads", headers=headers)
    assert answer.status_code == 201
    return str(answer.headers["location"])


def append(client: Any, url: str, offset: int, data: bytes) -> Any:
    kind = "application/offset+octet-stream"
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": kind}
    return client.patch(url, headers=headers, content=data)


def offset(client: Any, url: str) -> int:
    answer = client.head(url, headers=TUS)
    assert answer.headers["upload-length"] == str(len(DATA))
    return int(answer.headers["upload-offset"])


@pytest.mark.usefixtures("quick_scans")
def test_a_file_in_parts_becomes_one_scan(client: Any, tmp_path: Path) -> None:
    url = create(client)
    assert offset(client, url) == 0
    assert append(client, url, 0, DATA[:1000]).headers["upload-offset"] == "1000"
    assert offset(client, url) == 1000
    last = append(client, url, 1000, DATA[1000:])
    scan = ended(client, last.headers["unmask-scan"].rsplit("/", 1)[1])
    assert (scan["name"], scan["sha256"]) == ("a b.mp4", hashlib.sha256(DATA).hexdigest())
    assert not list((tmp_path / "data" / "uploads").iterdir())


@pytest.mark.usefixtures("no_scans")
def test_the_last_part_sent_again_starts_no_second_scan(client: Any) -> None:
    url = create(client)
    first = append(client, url, 0, DATA)
    again = append(client, url, len(DATA), b"")
    assert first.headers["unmask-scan"] == again.headers["unmask-scan"]
    assert client.head(url, headers=TUS).headers["unmask-scan"] == first.headers["unmask-scan"]
    assert len(client.get("/v1/scans").json()["items"]) == 1


@pytest.mark.usefixtures("no_scans")
def test_an_upload_whose_server_died_before_the_scan_goes_on(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(client)
    with monkeypatch.context() as patch:

        def die(*_: object, **__: object) -> None:
            raise RuntimeError("killed")

        patch.setattr("unmask.service.uploads.submit", die)
        assert append(client, url, 0, DATA).status_code == 500
    assert offset(client, url) == len(DATA)
    assert append(client, url, len(DATA), b"").headers["unmask-scan"].startswith("/v1/scans/")


@pytest.mark.parametrize(
    ("at", "data", "status"),
    [(5, b"x", 409), (0, DATA + b"x", 413)],
)
def test_a_part_that_does_not_fit_is_refused(
    client: Any, at: int, data: bytes, status: int
) -> None:
    assert append(client, create(client), at, data).status_code == status


def test_what_is_no_media_is_removed_at_its_end(client: Any, tmp_path: Path) -> None:
    url = create(client, length=4)
    assert append(client, url, 0, b"text").status_code == 415
    assert client.head(url, headers=TUS).status_code == 404
    assert not list((tmp_path / "data" / "uploads").iterdir())


def test_one_request_at_a_time_sends_parts(client: Any, tmp_path: Path) -> None:
    url = create(client)
    with (tmp_path / "data" / "uploads" / url.rsplit("/", 1)[1]).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert append(client, url, 0, b"x").status_code == 423
    assert append(client, url, 0, b"x").status_code == 204


def test_an_upload_can_be_ended(client: Any, tmp_path: Path) -> None:
    url = create(client)
    assert client.delete(url, headers=TUS).status_code == 204
    assert client.head(url, headers=TUS).status_code == 404
    assert not list((tmp_path / "data" / "uploads").iterdir())


def test_another_version_is_refused_with_ours(client: Any) -> None:
    answer = client.post("/v1/uploads", headers={"Tus-Resumable": "0.2", "Upload-Length": "1"})
    assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")


def test_what_is_understood_is_told(client: Any) -> None:
    headers = client.options("/v1/uploads").headers
    assert headers["tus-extension"] == "creation,termination"
    assert int(headers["tus-max-size"]) == 2 * 2**30


def test_a_file_too_large_is_refused_before_it_is_sent(start: Any) -> None:
    headers = {**TUS, "Upload-Length": "1001"}
    assert start(max_upload_bytes=1000).post("/v1/uploads", headers=headers).status_code == 413


def test_an_old_unfinished_upload_is_removed(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(start())
    monkeypatch.setattr("unmask.service.runner.UPLOAD_SECONDS", -1.0)
    later = start()  # looks for what is to be removed when it starts
    for _ in range(100):
        if later.head(url, headers=TUS).status_code == 404:
            break
        import time

        time.sleep(0.05)
    assert later.head(url, headers=TUS).status_code == 404
    assert not list((tmp_path / "data" / "uploads").iterdir())
