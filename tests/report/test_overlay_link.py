"""The film with boxes and maps drawn in, beside a report and linked from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unmask.cli.runs.scan_outputs import Outputs
from unmask.core.scan import Scan
from unmask.report.html import Page, Place, overlay_film


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def drawn(report: Path, scan: Scan, place: int = 0) -> Path:
    """Put a film where a scan would have drawn it."""
    film = overlay_film(report, place, scan.result.video.path)
    film.parent.mkdir(exist_ok=True)
    film.write_bytes(b"film")
    return film


def test_a_report_links_to_the_film_that_was_drawn(scan: Scan, report: Path) -> None:
    film = drawn(report, scan)
    page = Page(Place(report, overlays=True))
    page.add(scan, 0)
    assert f'href="./report-files/{film.name}"' in page.html()


def test_a_film_of_an_earlier_run_is_not_linked(scan: Scan, report: Path) -> None:
    drawn(report, scan)
    page = Page(Place(report))
    page.add(scan, 0)
    assert "report-files" not in page.html()


def test_without_the_film_there_is_no_link(scan: Scan, report: Path) -> None:
    page = Page(Place(report, overlays=True))
    page.add(scan, 0)
    assert "report-files" not in page.html()


def test_the_page_of_one_of_many_files_links_to_its_film(scan: Scan, report: Path) -> None:
    video = replace(scan.result.video, path="b/two.mp4")
    second = replace(scan, result=replace(scan.result, video=video))
    film = drawn(report, second, 1)
    Page(Place(report, files=11, overlays=True)).add(second, 1)
    (page,) = film.parent.glob("*.html")
    assert f'href="./{film.name}"' in page.read_text(encoding="utf-8")


def test_films_without_a_report_are_refused() -> None:
    with pytest.raises(ValueError, match="--overlay-films goes with --report"):
        Outputs(None, None, overlay_films=True)
