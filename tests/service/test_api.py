"""The API as its callers use it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import av
import jsonschema
import pytest

from service.calls import CLIP, ended, submit
from unmask.service.scans import Outcome, Overlay, scan_file


@pytest.mark.usefixtures("quick_scans")
class TestResult:
    @pytest.fixture
    def scan(self, client: Any) -> dict[str, Any]:
        answer = submit(client, "café 1.mp4")
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/v1/scans/{answer.json()['id']}"
        return ended(client, answer.json()["id"])

    def test_a_scan_has_a_verdict_and_the_hash_of_the_file(self, scan: dict[str, Any]) -> None:
        assert scan["state"] == "finished"
        assert scan["name"] == "café 1.mp4"
        assert scan["verdict"]["word"] == "some evidence"
        assert scan["sha256"] == hashlib.sha256(CLIP.read_bytes()).hexdigest()
        assert scan["media_type"] == "video/mp4"

    def test_the_result_is_in_the_documented_schema(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        result = client.get(scan["links"]["result"]).json()
        jsonschema.validate(result, client.get("/v1/schema").json())
        assert len(result["results"]) == 1

    def test_the_table_has_a_row_for_each_key_frame(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        rows = list(csv.DictReader(io.StringIO(client.get(scan["links"]["result.csv"]).text)))
        tracks = client.get(scan["links"]["result"]).json()["results"][0]["tracks"]
        assert len(rows) == sum(len(track["key_frames"]) for track in tracks)
        assert float(rows[0]["probability"]) == tracks[0]["key_frames"][0]["probability"]

    def test_the_report_is_kept_away_from_the_service(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        answer = client.get(scan["links"]["report"])
        assert answer.text.startswith("<!doctype html>")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts;")
        assert "allow-same-origin" not in policy

    def test_the_report_as_pdf_holds_the_result_and_loads_nothing(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        pytest.importorskip("weasyprint", exc_type=(ImportError, OSError))
        answer = client.get(scan["links"]["report.pdf"], params={"language": "de"})
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-")
        streams = [_inflated(part) for part in answer.content.split(b"stream\n")]
        result = client.get(scan["links"]["result"]).content
        assert result in streams
        assert any(b"pdfaid:part" in stream for stream in streams)

    def test_the_whole_key_frames_are_among_the_pictures(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        names = client.get(scan["links"]["pictures"]).json()
        stills = [name for name in names if "/still-frame" in name]
        assert stills
        assert client.get(stills[0]).content.startswith(b"\xff\xd8")

    def test_the_evidence_bundle_names_the_hash_of_each_file(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        packed = zipfile.ZipFile(io.BytesIO(client.get(scan["links"]["evidence"]).content))
        manifest = json.loads(packed.read("manifest.json"))
        assert manifest["file"]["sha256"] == scan["sha256"]
        hashes = {n: hashlib.sha256(packed.read(n)).hexdigest() for n in manifest["sha256"]}
        assert hashes == manifest["sha256"]
        assert set(packed.namelist()) == {*hashes, "manifest.json"}
        assert "received, SHA-256" in packed.read("custody.csv").decode()

    def test_pictures_are_listed_and_served(self, client: Any, scan: dict[str, Any]) -> None:
        pictures = client.get(scan["links"]["pictures"]).json()
        assert any(name.endswith("-gradcam.png") for name in pictures)
        assert client.get(pictures[0]).headers["content-type"] in {"image/jpeg", "image/png"}

    def test_part_of_the_film_is_served_for_a_player(
        self, client: Any, scan: dict[str, Any]
    ) -> None:
        answer = client.get(f"/v1/scans/{scan['id']}/media", headers={"Range": "bytes=4-7"})
        assert (answer.status_code, answer.content) == (206, b"ftyp")

    def test_events_end_with_the_scan(self, client: Any, scan: dict[str, Any]) -> None:
        text = client.get(scan["links"]["events"]).text
        assert text.startswith("event: ended\ndata: {")
        assert json.loads(text.split("data: ")[1])["verdict"] == scan["verdict"]

    def test_deleting_leaves_nothing(
        self, client: Any, scan: dict[str, Any], tmp_path: Path
    ) -> None:
        assert client.delete(f"/v1/scans/{scan['id']}").status_code == 204
        assert client.get(f"/v1/scans/{scan['id']}").status_code == 404
        assert client.delete(f"/v1/scans/{scan['id']}").status_code == 404
        assert not list((tmp_path / "data" / "scans").iterdir())
        stored = b"".join(p.read_bytes() for p in (tmp_path / "data").iterdir() if p.is_file())
        assert "café 1.mp4".encode() not in stored
        assert scan["sha256"].encode() not in stored


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return b""


PART = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"


@pytest.mark.usefixtures("no_scans")
class TestSubmission:
    def test_an_idempotency_key_starts_one_scan(self, client: Any) -> None:
        headers = {"Idempotency-Key": "mine"}
        first, second = (submit(client, headers=headers).json()["id"] for _ in range(2))
        assert first == second
        assert len(client.get("/v1/scans").json()["items"]) == 1

    def test_an_idempotency_key_with_another_file_is_refused(
        self, client: Any, tmp_path: Path
    ) -> None:
        headers = {"Idempotency-Key": "mine"}
        submit(client, headers=headers)
        answer = submit(client, content=CLIP.read_bytes() + b"x", headers=headers)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:unmask:problem:idempotency-key-reused"
        assert len(list((tmp_path / "data" / "scans").iterdir())) == 1

    def test_a_repeated_request_is_answered_when_the_queue_is_full(self, start: Any) -> None:
        client = start(queue_limit=1)
        headers = {"Idempotency-Key": "mine"}
        first, second = (submit(client, headers=headers) for _ in range(2))
        assert second.json()["id"] == first.json()["id"]
        assert submit(client).status_code == 429

    def test_a_list_goes_on_where_its_first_page_ended(self, client: Any) -> None:
        ids = [submit(client, f"{n}.mp4").json()["id"] for n in range(5)]
        seen: list[str] = []
        cursor = None
        while True:
            params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
            page = client.get("/v1/scans", params=params).json()
            seen += [item["id"] for item in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert seen == ids[::-1]

    def test_a_search_takes_no_wildcards(self, client: Any) -> None:
        submit(client, "a_b.mp4")
        submit(client, "axb.mp4")
        items = client.get("/v1/scans", params={"query": "a_b"}).json()["items"]
        assert [item["name"] for item in items] == ["a_b.mp4"]

    def test_a_result_that_is_not_there_yet_is_a_conflict(self, client: Any) -> None:
        scan = submit(client).json()
        assert scan["state"] == "queued"
        answer = client.get(f"/v1/scans/{scan['id']}/result")
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:unmask:problem:not-finished"
        assert answer.headers["content-type"] == "application/problem+json"

    def test_metrics_count_scans_by_state(self, client: Any) -> None:
        submit(client)
        text = client.get("/metrics").text
        assert 'unmask_scans{state="queued"} 1.0' in text
        assert "unmask_scans_accepted_total 1.0" in text

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
            (PART + b"ab", "multipart/form-data; boundary=x"),
            (b"junk", "multipart/form-data; boundary=x"),
        ],
    )  # fmt: skip
    def test_a_damaged_body_is_refused_and_leaves_nothing(
        self, client: Any, tmp_path: Path, body: bytes, kind: str
    ) -> None:
        answer = client.post("/v1/scans", content=body, headers={"Content-Type": kind})
        assert answer.status_code in {400, 422}
        assert not list((tmp_path / "data" / "scans").iterdir())

    def test_two_files_in_one_form_are_refused(self, client: Any) -> None:
        data = CLIP.read_bytes()
        files = [("file", ("a.mp4", data)), ("file", ("b.mp4", data))]
        assert client.post("/v1/scans", files=files).status_code == 400


def test_a_real_scan_goes_all_the_way(client: Any, tmp_path: Path) -> None:
    scan = ended(client, submit(client, "../../etc/clip.mp4").json()["id"])
    assert scan["name"] == "clip.mp4"
    assert scan["verdict"]["word"] == "some evidence"
    result, report = (client.get(scan["links"][name]).text for name in ("result", "report"))
    article = client.get(f"/scans/{scan['id']}").text
    assert json.loads(result)["results"][0]["video"]["path"] == "clip.mp4"
    for text in (result, report, article):
        assert str(tmp_path) not in text


def test_a_file_that_is_damaged_fails_with_a_reason_and_without_its_place(
    client: Any, tmp_path: Path
) -> None:
    damaged = CLIP.read_bytes()[:400]
    scan = ended(client, submit(client, "cut.mp4", damaged).json()["id"])
    assert scan["state"] == "failed"
    assert "cut.mp4" in scan["problem"]["error"]
    assert str(tmp_path) not in json.dumps(scan)


def test_ready_comes_after_a_first_scan(start: Any) -> None:
    client = start(warm_up=True)
    assert client.get("/health/live").status_code == 200
    first = client.get("/health/ready")
    assert (first.status_code, first.json()["type"]) == (503, "urn:unmask:problem:not-ready")
    for _ in range(600):
        if client.get("/health/ready").status_code == 200:
            return
        time.sleep(0.1)
    pytest.fail("never ready")


def test_a_detector_that_cannot_be_loaded_keeps_the_service_from_being_ready(start: Any) -> None:
    client = start(warm_up=True, detector="no-such-detector")
    for _ in range(100):
        text = client.get("/health/ready").json()["detail"]
        if text.startswith("The first scan failed"):
            assert "no-such-detector" in text
            return
        time.sleep(0.1)
    pytest.fail(text)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "result"
    outcome = scan_file(
        CLIP, "forged.mp4", folder, detector=None, listen=lambda _stage, _share: None,
        overlay=Overlay("fr", "/v1/scans/x/film"),
    )  # fmt: skip
    assert outcome.error is None
    return folder


class TestFilm:
    """The film with boxes and maps drawn in."""

    def test_it_is_a_film_and_the_result_page_links_to_it(self, drawn: Path) -> None:
        result = json.loads((drawn / "result.json").read_bytes())["results"][0]
        with av.open(str(drawn / "overlay.mp4")) as film:
            assert len(list(film.decode(video=0))) == result["coverage"]["frames_sampled"]
        assert 'href="/v1/scans/x/film"' in (drawn / "article.en.html").read_text(encoding="utf-8")

    def test_who_asks_for_it_gets_it(
        self, client: Any, drawn: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted: list[Overlay | None] = []

        def copy(_media: Path, _name: str, folder: Path, **more: Any) -> Outcome:
            wanted.append(more["overlay"])
            shutil.copytree(drawn, folder)
            return Outcome("some evidence", 0.8)

        monkeypatch.setattr("unmask.service.runner.scan_file", copy)
        scan = ended(client, submit(client, params={"film": "de"}).json()["id"])
        answer = client.get(scan["links"]["film"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        assert wanted == [Overlay("de", f"/v1/scans/{scan['id']}/film")]

    @pytest.mark.usefixtures("quick_scans")
    def test_who_does_not_ask_gets_none(self, client: Any) -> None:
        scan = ended(client, submit(client).json()["id"])
        assert "film" not in scan["links"]
        assert client.get(f"/v1/scans/{scan['id']}/film").status_code == 404

    def test_another_language_is_refused(self, client: Any) -> None:
        assert submit(client, params={"film": "xx"}).status_code == 422
