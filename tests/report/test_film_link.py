"""Where a page shows a film from."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from unmask.core.media import VideoInfo
from unmask.core.scan import Scan
from unmask.report.film_link import CHANGED, MISSING, NOT_PLAYABLE, TOO_LARGE, film_link


@pytest.fixture
def film(scan: Scan, tmp_path: Path) -> VideoInfo:
    path = tmp_path / "a #1: film?.mp4"
    path.write_bytes(b"film")
    digest = hashlib.sha256(b"film").hexdigest()
    return replace(scan.result.video, path=str(path), sha256=digest, size_bytes=4)


def test_a_film_is_linked_relative_to_the_page(film: VideoInfo, tmp_path: Path) -> None:
    assert film_link(film, tmp_path / "r.html").address == "./a%20%231%3A%20film%3F.mp4"
    assert film_link(film, tmp_path / "in" / "r.html").address == "./../a%20%231%3A%20film%3F.mp4"


def test_only_a_linked_or_embedded_film_is_allowed_by_the_policy(
    film: VideoInfo, tmp_path: Path
) -> None:
    page = tmp_path / "r.html"
    assert film_link(film, page).source == "'self'"
    embedded = film_link(film, page, embed_bytes=4)
    assert embedded.source == "data:"
    assert embedded.address == f"data:video/mp4;base64,{base64.b64encode(b'film').decode()}"
    assert film_link(film, page, embed_bytes=3).source is None


def test_why_there_is_no_film(film: VideoInfo, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert film_link(film, page, embed_bytes=3).why_not == TOO_LARGE
    assert film_link(replace(film, sha256="0" * 64), page, embed_bytes=9).why_not == CHANGED
    assert film_link(replace(film, codec="hevc"), page).why_not == NOT_PLAYABLE
    assert film_link(replace(film, container="mpeg"), page).why_not == NOT_PLAYABLE
    assert film_link(replace(film, path=str(tmp_path / "gone.mp4")), page).why_not == MISSING
    assert film_link(replace(film, kind="image"), page).why_not is None
