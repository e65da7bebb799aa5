"""The pages, reports and errors of the service in the reader's language."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
from service.calls import ended, submit
from unmask.report.language.translation import LANGUAGES
from unmask.service.languages import accepted

TITLES = {
    "en": "Check a video or a picture",
    "de": "Ein Video oder Bild prüfen",
    "fr": "Vérifier une vidéo ou une image",
    "es": "Comprobar un vídeo o una imagen",
}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("it,fr;q=0.5,es;q=0.7", "es"),
        ("de;q=0,fr;q=0.1", "fr"),
        ("de;q=nonsense", "en"),
        (",;=,q", "en"),
    ],
)
def test_the_language_that_a_browser_likes_best_is_taken(header: str, code: str) -> None:
    assert accepted(header) == code


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_page_is_in_the_language_of_the_browser(client: Any, code: str) -> None:
    answer = client.get("/", headers={"Accept-Language": code})
    assert f'<html lang="{code}"' in answer.text
    assert f"<h1>{TITLES[code]}</h1>" in answer.text
    assert answer.headers["content-language"] == code


def test_a_language_that_was_chosen_goes_before_the_browsers(client: Any) -> None:
    form = {"code": "fr", "back": "/?query=a"}
    answer = client.post("/language", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?query=a")
    page = client.get("/", headers={"Accept-Language": "de"}).text
    assert TITLES["fr"] in page


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example", "//elsewhere.example", "/\\x.example"]
)
def test_choosing_a_language_leads_to_no_other_site(client: Any, back: str) -> None:
    form = {"code": "fr", "back": back}
    answer = client.post("/language", data=form, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_language_that_is_none_of_ours_is_not_kept(client: Any) -> None:
    answer = client.post("/language", data={"code": "xx"}, follow_redirects=False)
    assert "set-cookie" not in answer.headers


def test_an_error_is_told_in_the_readers_language(client: Any) -> None:
    answer = submit(client, content=b"no film", headers={"Accept-Language": "es"})
    assert answer.json()["type"] == "urn:unmask:problem:not-media"
    assert answer.json()["detail"].startswith("No es un vídeo ni una imagen")


@pytest.mark.usefixtures("quick_scans")
def test_a_result_and_its_report_are_in_the_readers_language(client: Any) -> None:
    scan = ended(client, submit(client).json()["id"])
    german = client.get(f"/scans/{scan['id']}", headers={"Accept-Language": "de"}).text
    assert "Einige Hinweise auf Manipulation" in german
    assert "Was Sie als Nächstes tun können" in german
    spanish = client.get(scan["links"]["report"], params={"language": "es"}).text
    assert '<html lang="es"' in spanish
    assert client.get(scan["links"]["report"], params={"language": "xx"}).status_code == 422
