"""OWASP ASVS 5.0, chapters V4 (API), V5 (file handling) and V10 (OAuth), item by item.

A test is named after the item that it shows. Items that do not apply: V4.1.5 (no messages are
signed but webhooks, tested with them), V4.3 and V4.4 (no GraphQL, no WebSocket), V5.2.5 and V5.3.3
(archives are never unpacked), V5.4.3 (a virus scanner is the operator's), V10 (no OAuth: keys are
opaque). V5.2.6, the most pixels of a picture, is tested with the scanner.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from service.calls import CLIP, ended, submit
from unmask.service.app import create_app
from unmask.service.keys import Key, hash_key
from unmask.service.settings import ServiceSettings

pytestmark = pytest.mark.usefixtures("quick_scans")
KEY = "unmask_ann"


@pytest.fixture
def scan(client: Any) -> dict[str, Any]:
    return ended(client, submit(client, "clip.mp4").json()["id"])


def test_v4_1_1_every_answer_with_a_body_names_its_type_and_charset(
    client: Any, scan: dict[str, Any]
) -> None:
    for path in ("/", "/v1/scans", "/openapi.json", "/nowhere", *scan["links"].values()):
        kind = client.get(path).headers["content-type"]
        assert "/" in kind
        if kind.startswith("text/"):
            assert "charset=utf-8" in kind


def test_v4_1_2_only_pages_for_people_lead_elsewhere(client: Any, scan: dict[str, Any]) -> None:
    for link in scan["links"].values():
        assert client.get(link, follow_redirects=False).status_code == 200


def test_v4_1_3_headers_of_proxies_change_no_owner(start: Any) -> None:
    client = start(keys=(Key(name="ann", sha256=hash_key(KEY)),))
    headers = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "X-User-ID": "ann"}
    assert client.get("/v1/scans", headers=headers).status_code == 401


def test_v4_1_4_methods_that_are_not_used_are_refused(client: Any, scan: dict[str, Any]) -> None:
    for method in ("PUT", "PATCH", "TRACE", "CONNECT"):
        assert client.request(method, scan["links"]["self"]).status_code == 405


def test_v4_2_1_a_body_shorter_than_it_says_is_no_file(client: Any) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    cut = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nabc'
    assert client.post("/v1/scans", content=cut, headers=headers).status_code == 400


def test_v5_1_1_documentation_states_types_and_sizes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
    assert "videos and pictures of known kinds, up to `--max-upload-mb`" in text


def test_v5_2_1_a_file_larger_than_allowed_is_refused_and_gone(start: Any, tmp_path: Path) -> None:
    client = start(max_upload_bytes=100_000)
    assert submit(client).status_code == 413
    assert not list((tmp_path / "data" / "scans").iterdir())


@pytest.mark.parametrize(
    "content", [b"MZ" + bytes(300), b"<html><script>", b"%PDF-1.7" + bytes(99)]
)
def test_v5_2_2_type_is_told_by_content_and_never_by_name(client: Any, content: bytes) -> None:
    files = {"file": ("clip.mp4", content, "video/mp4")}
    assert client.post("/v1/scans", files=files).status_code == 415


def test_v5_2_3_archives_are_not_accepted(client: Any) -> None:
    assert submit(client, "a.zip", b"PK\x03\x04" + bytes(300)).status_code == 415


def test_v5_2_4_a_key_has_a_quota_of_files_and_the_service_one_of_bytes(start: Any) -> None:
    size = CLIP.stat().st_size
    assert submit(start(storage_bytes=size - 1)).status_code == 507


def test_v5_3_1_uploads_are_not_executable_and_for_the_service_alone(
    scan: dict[str, Any], tmp_path: Path
) -> None:
    media = tmp_path / "data" / "scans" / scan["id"] / "media"
    assert not media.stat().st_mode & 0o111
    assert stat.S_IMODE(media.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\x", "/etc/shadow", "a\x00b.mp4"])
def test_v5_3_2_names_make_no_path(client: Any, tmp_path: Path, name: str) -> None:
    before = set(tmp_path.iterdir())
    scan = submit(client, name).json()
    assert "/" not in scan["name"]
    assert "\\" not in scan["name"]
    assert set(tmp_path.iterdir()) == before
    assert (tmp_path / "data" / "scans" / scan["id"]).is_dir()


@pytest.mark.parametrize("name", ["..%2f..%2fresult.json", "result.json", "face1-frame1.php"])
def test_v5_3_2_names_in_addresses_lead_to_no_other_file(
    client: Any, scan: dict[str, Any], name: str
) -> None:
    assert client.get(f"/v1/scans/{scan['id']}/pictures/{name}").status_code == 404


def test_v5_4_1_v5_4_2_downloads_never_carry_the_senders_name(
    client: Any, scan: dict[str, Any]
) -> None:
    for link in ("report", "evidence"):
        shown = client.get(scan["links"][link]).headers["content-disposition"]
        assert 'filename="' in shown
        assert "clip" not in shown


def test_v5_3_1_files_are_served_as_what_they_are_and_never_as_a_page(
    client: Any, scan: dict[str, Any]
) -> None:
    answer = client.get(f"/v1/scans/{scan['id']}/media")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_v10_no_route_issues_or_takes_oauth_tokens(tmp_path: Path) -> None:
    app = create_app(ServiceSettings(data=tmp_path / "data", warm_up=False))
    description = app.openapi()
    assert "securitySchemes" not in description.get("components", {})
    assert not [path for path in description["paths"] if "oauth" in path or "token" in path]
