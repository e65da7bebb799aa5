"""What the service refuses: strangers, other sites, limits; and what it never says."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from service.calls import CLIP, ended, submit
from unmask.core.errors import InputError
from unmask.service.keys import Key, hash_key, new_key, read_keys
from unmask.service.settings import ServiceSettings

pytestmark = pytest.mark.usefixtures("no_scans")

ANN, BOB = "unmask_ann", "unmask_bob"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def shared(start: Any) -> Any:
    """Return a service of two owners, the first with narrow limits."""
    keys = (
        Key(name="ann", sha256=hash_key(ANN), scans_per_day=3, concurrent=2),
        Key(name="bob", sha256=hash_key(BOB)),
    )
    return start(keys=keys)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])  # noqa: S104
def test_a_public_address_needs_keys(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can be reached by others, and no keys are given"):
        ServiceSettings(data=tmp_path, host=host)


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_a_host_of_another_name_is_refused(client: Any, name: str) -> None:
    answer = client.get("/v1/scans", headers={"Host": name})
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:unmask:problem:wrong-host")


@pytest.mark.parametrize("name", ["localhost:8000", "127.0.0.1", "[::1]:99"])
def test_names_of_this_machine_are_accepted(client: Any, name: str) -> None:
    assert client.get("/v1/scans", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_changes_nothing(client: Any, headers: dict[str, str]) -> None:
    scan_id = submit(client).json()["id"]
    posts = [("POST", path) for path in ("/v1/scans", f"/scans/{scan_id}/delete", "/v1/uploads")]
    for method, path in (*posts, ("DELETE", f"/v1/scans/{scan_id}")):
        assert client.request(method, path, headers=headers).status_code == 403
    assert client.get(f"/v1/scans/{scan_id}").status_code == 200


def test_the_own_page_may_change_things(client: Any) -> None:
    scan_id = submit(client).json()["id"]
    headers = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert client.delete(f"/v1/scans/{scan_id}", headers=headers).status_code == 204


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/scans", "/static/page.js", "/nowhere"])
def test_every_answer_forbids_framing_sniffing_and_other_sources(client: Any, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_pages_hold_no_script_or_style_of_their_own(client: Any) -> None:
    submit(client, '"><script>alert(1)</script>\u202e.mp4')
    for path in ("/", "/docs", f"/scans/{client.get('/v1/scans').json()['items'][0]['id']}"):
        text = client.get(path).text
        assert "<script>" not in text
        assert "<style" not in text
        assert " style=" not in text
        assert "\u202e" not in text
        assert "//" not in text.replace("http://127.0.0.1:8000", "").replace("</", "")


def test_without_a_key_nothing_is_told(shared: Any) -> None:
    for path in ("/v1/scans", f"/v1/scans/{'0' * 32}", "/v1/scans/x/result"):
        answer = shared.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert submit(shared).status_code == 401
    assert shared.get("/v1/scans", headers=bearer("unmask_guess")).status_code == 401
    assert "Your key" in shared.get("/").text


def test_another_owners_scan_is_none(shared: Any) -> None:
    scan_id = submit(shared, headers=bearer(ANN)).json()["id"]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/media"),
                         ("GET", "/events"), ("GET", "/custody")):  # fmt: skip
        answer = shared.request(method, f"/v1/scans/{scan_id}{path}", headers=bearer(BOB))
        assert answer.status_code == 404
    assert shared.get("/v1/scans", headers=bearer(BOB)).json()["items"] == []
    assert shared.get(f"/v1/scans/{scan_id}", headers=bearer(ANN)).status_code == 200


def test_a_keys_limits_hold_for_it_alone(shared: Any) -> None:
    for _ in range(2):
        assert submit(shared, headers=bearer(ANN)).status_code == 202
    refused = submit(shared, headers=bearer(ANN))
    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:unmask:problem:too-many-scans"
    assert int(refused.headers["retry-after"]) > 0
    assert submit(shared, headers=bearer(BOB)).status_code == 202


def test_deleting_gives_no_scan_of_the_day_back(shared: Any) -> None:
    for _ in range(3):
        scan_id = submit(shared, headers=bearer(ANN)).json()["id"]
        shared.delete(f"/v1/scans/{scan_id}", headers=bearer(ANN))
    refused = submit(shared, headers=bearer(ANN))
    assert refused.json()["type"] == "urn:unmask:problem:daily-limit"
    assert 0 < int(refused.headers["retry-after"]) <= 86_400


def test_a_browser_signs_in_with_a_key_and_out_again(shared: Any) -> None:
    assert shared.post("/sign-in", data={"key": "unmask_no"}).status_code == 401
    answer = shared.post("/sign-in", data={"key": ANN}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "Check a video" in shared.get("/").text
    shared.post("/sign-out")
    assert "Your key" in shared.get("/").text


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    key, entry = new_key("desk")
    path = tmp_path / "keys.toml"
    path.write_text(entry, encoding="utf-8")
    assert key not in entry
    assert read_keys(path)[0].sha256 == hash_key(key)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no keys"),
        ("[[key", "is not TOML"),
        ("[[key]]\nname='a'", "key is wrong|sha256: Field required"),
        (f"[[key]]\nname='a'\nsha256='{'0' * 64}'\n" * 2, "the same name"),
    ],
)
def test_a_wrong_file_of_keys_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_keys(path)


def test_a_full_queue_refuses_quickly_and_says_when_to_come_again(start: Any) -> None:
    client = start(queue_limit=1)
    assert submit(client).status_code == 202
    began = time.perf_counter()
    refused = [submit(client) for _ in range(20)]
    seconds = (time.perf_counter() - began) / len(refused)
    assert {answer.status_code for answer in refused} == {429}
    assert {answer.json()["type"] for answer in refused} == {"urn:unmask:problem:queue-full"}
    assert seconds < 0.1
    assert int(refused[0].headers["retry-after"]) > 0


def test_logs_hold_no_names(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    submit(client, "secret-name.mp4")
    client.get("/v1/scans", params={"query": "secret-name"})
    client.get("/", params={"query": "secret-name"})
    service = [r.getMessage() for r in caplog.records if r.name.startswith("unmask")]
    assert any("POST /v1/scans 202" in line for line in service)
    assert not any("secret-name" in line for line in service)


def test_a_fault_shows_no_trace(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = start()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr("unmask.service.queue.Queue.page", fail)
    answer = client.get("/v1/scans")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:unmask:problem:fault")
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


class TestFileHandling:
    """OWASP ASVS 5.0, chapter V5, as far as it applies."""

    def test_v5_1_1_accepted_types_and_sizes_are_documented(self, client: Any) -> None:
        text = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
        assert "--max-upload-mb" in text
        assert "by its first bytes" in text

    def test_v5_2_1_a_file_that_is_too_large_is_refused_and_leaves_nothing(
        self, start: Any, tmp_path: Path
    ) -> None:
        client = start(max_upload_bytes=200_000)
        assert submit(client).status_code == 413
        chunked = client.post(
            "/v1/scans",
            content=iter([b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n",
                          CLIP.read_bytes(), b"\r\n--x--\r\n"]),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )  # fmt: skip
        assert chunked.status_code == 413
        assert not list((tmp_path / "data" / "scans").iterdir())

    @pytest.mark.parametrize(
        "content",
        [
            b"<html><script>",
            b"%PDF-1.7",
            b"PK\x03\x04",
            b"\x7fELF",
            b"#EXTM3U\nhttp://x",
            b"",
            b"a",
        ],
    )
    def test_v5_2_2_the_type_is_told_by_content_and_not_by_name(
        self, client: Any, content: bytes
    ) -> None:
        answer = submit(client, "video.mp4", content)
        assert (answer.status_code, answer.json()["type"]) == (415, "urn:unmask:problem:not-media")

    def test_v5_2_4_an_owner_cannot_fill_the_storage(self, start: Any) -> None:
        client = start(storage_bytes=500_000)
        assert submit(client).status_code == 202
        assert submit(client).status_code == 507
        length = {"Tus-Resumable": "1.0.0", "Upload-Length": "400000"}
        assert client.post("/v1/uploads", headers=length).status_code == 507

    @pytest.mark.parametrize(
        "name", ["../../evil.mp4", "..\\..\\evil.mp4", "/etc/evil.mp4", "C:\\evil.mp4"]
    )
    def test_v5_3_2_a_name_makes_no_path(self, client: Any, tmp_path: Path, name: str) -> None:
        assert submit(client, name).json()["name"].endswith("evil.mp4")
        assert "/" not in client.get("/v1/scans").json()["items"][0]["name"]
        assert not [p for p in tmp_path.rglob("*") if "evil" in p.name]

    @pytest.mark.parametrize(
        "path",
        ["..%2f..%2funmask.sqlite", "%2e%2e/media", "face1-frame1.jpg%00", "face1-frame1.html"],
    )
    def test_v5_3_2_no_path_leads_out_of_a_result(self, client: Any, path: str) -> None:
        scan_id = submit(client).json()["id"]
        answer = client.get(f"/v1/scans/{scan_id}/pictures/{path}")
        assert answer.status_code == 404
        assert client.get(f"/v1/scans/..%2f{scan_id}/media").status_code in {404, 422}

    def test_v5_3_1_an_upload_is_never_run_by_a_browser(self, client: Any) -> None:
        gif = b"GIF89a/*<script>alert(1)</script>*/"
        scan_id = submit(client, "x.html", gif).json()["id"]
        answer = client.get(f"/v1/scans/{scan_id}/media")
        assert answer.headers["content-type"] == "image/gif"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]

    def test_v5_4_1_answers_name_files_themselves(self, client: Any) -> None:
        scan_id = submit(client, 'a"\r\nSet-Cookie: b.mp4').json()["id"]
        value = client.get(f"/v1/scans/{scan_id}/media").headers
        assert "set-cookie" not in value

    def test_v5_uploads_are_readable_by_the_service_alone(
        self, client: Any, tmp_path: Path
    ) -> None:
        submit(client)
        for folder in [tmp_path / "data", *(tmp_path / "data" / "scans").iterdir()]:
            assert folder.stat().st_mode & 0o077 == 0


def test_zero_retention_keeps_nothing_after_the_answer(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scanned: Any
) -> None:
    monkeypatch.undo()
    import shutil

    def copy(media: Path, name: str, folder: Path, **_: object) -> Any:
        shutil.copytree(scanned[0], folder)
        return scanned[1]

    monkeypatch.setattr("unmask.service.runner.scan_file", copy)
    client = start(retention_seconds=0)
    scan = ended(client, submit(client).json()["id"])
    assert client.get(f"/v1/scans/{scan['id']}/media").status_code == 404
    assert client.get(f"/v1/scans/{scan['id']}/result").status_code == 200
    for _ in range(50):
        if client.get(f"/v1/scans/{scan['id']}").status_code == 404:
            break
        time.sleep(0.1)
    assert client.get(f"/v1/scans/{scan['id']}").status_code == 404
    assert not list((tmp_path / "data" / "scans").iterdir())


def test_every_page_of_a_scan_is_drawn(client: Any) -> None:
    scan_id = submit(client).json()["id"]
    assert "Waiting for its turn" in client.get(f"/scans/{scan_id}").text
    assert client.get(f"/scans/{'0' * 32}").status_code == 404
    assert "Check it" in client.get("/").text
