"""The summary: order, headline, and a page for each of many files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unmask.core.scan import Scan
from unmask.core.scan_record import Person, ScanRecord
from unmask.report.html import FILES_ON_ONE_PAGE, Page, Place
from unmask.report.summary import failure_row, row, summary
from unmask.report.views import report_view


def of(scan: Scan, path: str, track: int | None) -> ScanRecord:
    """Return the result of a file with the verdict of one of the made-up faces."""
    video = replace(scan.result.video, path=path)
    tracks = scan.result.tracks if track is None else ()
    verdict = scan.result.tracks[1 if track is None else track].verdict
    return replace(scan.result, video=video, verdict=verdict, tracks=tracks)


def test_files_that_speak_for_manipulation_come_first_and_are_counted(scan: Scan) -> None:
    rows = [
        row(of(scan, "in/calm.mp4", 1), "#r1"),
        failure_row("in/broken.mp4", "it is empty"),
        row(of(scan, "in/forged.mp4", 0), "#r2"),
        row(of(scan, "in/blurred.mp4", 2), "#r3"),
    ]
    listed = summary(rows)
    assert [each.path[3:] for each in listed.rows] == [
        "forged.mp4", "broken.mp4", "blurred.mp4", "calm.mp4",
    ]  # fmt: skip
    assert listed.headline == "1 of 4 files needs a look"
    assert "1 not scanned" in listed.counts
    assert listed.folder == "in/"


def test_a_strong_face_among_many_needs_a_look(scan: Scan) -> None:
    among_many = row(of(scan, "crowd.mp4", None), "#r1")
    assert among_many.word == "little evidence"
    assert among_many.needs_look
    assert among_many.reason == "face 1 alone: substantial evidence"


@pytest.mark.parametrize(
    ("paths", "folder"),
    [(["a/b/x", "a/y"], "a/"), (["x", "a/y"], ""), (["/x", "y"], ""), (["/x", "/y"], "")],
)
def test_the_folder_of_all_files_is_said_once(paths: list[str], folder: str) -> None:
    assert summary([failure_row(path, "it is empty") for path in paths]).folder == folder


def test_many_files_have_pages_of_their_own_that_hold_no_others(scan: Scan, tmp_path: Path) -> None:
    count = FILES_ON_ONE_PAGE + 1
    place = Place(tmp_path / "all.html", count)
    page = Page(place)
    for number in range(count):
        result = of(scan, f'in/{number} "><b>#?%.mp4', 0)
        page.add(replace(scan, result=result), number)
    text = page.html()
    written = sorted(path.name for path in (tmp_path / "all-files").iterdir())
    assert len(written) == count
    assert all(f'href="all-files/{name}"' in text for name in written)
    assert "data:image" not in text
    assert 'href="../all.html"' in (tmp_path / "all-files" / written[0]).read_text("utf-8")


def test_faces_of_one_person_stand_together_the_most_suspicious_first(scan: Scan) -> None:
    persons = (Person(1, (2, 3)), Person(2, (1,)))
    view = report_view(replace(scan, result=replace(scan.result, persons=persons)))
    assert [[face.track.id for face in p.faces] for p in view.persons] == [[1], [2, 3]]


def test_a_result_without_pictures_is_drawn(scan: Scan) -> None:
    view = report_view(Scan(scan.result, ()))
    assert [face.thumb for face in view.faces] == [None, None, None]
    assert view.deciding is view.faces[0]
