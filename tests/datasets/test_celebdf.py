"""Celeb-DF v1, v2 and Celeb-DF++: names, the list that has no header, identities."""

from __future__ import annotations

from pathlib import Path

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import ManifestError
from unmask.datasets.layouts import layout
from unmask.datasets.layouts.celebdf import SCENARIOS, TEST_LIST

REAL, FAKE, STRANGER = (
    "Celeb-real/id0_0001.mp4",
    "Celeb-synthesis/id0_id16_0001.mp4",
    "YouTube-real/00170.mp4",
)


def with_list(root: Path, text: str, *paths: str) -> Path:
    touch(root, *paths)
    (root / TEST_LIST).write_bytes(text.encode())
    return root


@pytest.mark.parametrize("name", ["celebdf-v1", "celebdf-v2"])
def test_a_fake_has_the_video_of_its_first_person_as_target(name: str, tmp_path: Path) -> None:
    row = only(found_in(name, touch(tmp_path, FAKE)))
    assert (row.label, row.target, row.source) == ("fake", f"{name}/real/id0_0001", None)
    assert row.identities == (f"{name}/id0", f"{name}/id16")


def test_a_fake_and_its_real_share_their_footage(tmp_path: Path) -> None:
    rows = rows_of(found_in("celebdf-v2", touch(tmp_path, REAL, FAKE)))
    assert rows[REAL].target == rows[FAKE].target
    assert (rows[REAL].label, rows[REAL].identities) == ("real", ("celebdf-v2/id0",))


def test_nobody_is_named_in_youtube_real(tmp_path: Path) -> None:
    row = only(found_in("celebdf-v2", touch(tmp_path, STRANGER)))
    assert (row.label, row.target, row.identities) == ("real", "celebdf-v2/youtube/00170", ())


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_no_line_of_the_list_is_lost_to_a_header(newline: str, mark: str, tmp_path: Path) -> None:
    lines = (f"1 {STRANGER}", f"1 {REAL}", "", f"0 {FAKE}")
    root = with_list(tmp_path, mark + newline.join(lines), STRANGER, REAL, FAKE)
    result = found_in("celebdf-v2", root)
    assert [row.split for row in result.records] == ["test"] * 3


def test_what_the_list_leaves_out_is_training_and_nothing_is_validation(tmp_path: Path) -> None:
    other = "Celeb-real/id1_0000.mp4"
    result = found_in("celebdf-v2", with_list(tmp_path, f"1 {REAL}\n", REAL, other))
    assert {row.id: row.split for row in result.records} == {REAL: "test", other: "train"}
    assert "no official validation list" in result.warnings[0]
    assert "--protocol official" in result.warnings[0]


def test_identities_on_both_sides_are_counted_in_a_warning(tmp_path: Path) -> None:
    train = "Celeb-synthesis/id3_id16_0000.mp4"
    result = found_in("celebdf-v2", with_list(tmp_path, f"0 {FAKE}\n", FAKE, train))
    assert "1 of 2 identities of the test list are also in the training rows" in result.warnings[1]


def test_separate_identities_give_no_such_warning(tmp_path: Path) -> None:
    train = "Celeb-synthesis/id3_id4_0000.mp4"
    result = found_in("celebdf-v2", with_list(tmp_path, f"0 {FAKE}\n", FAKE, train))
    assert len(result.warnings) == 1


def test_listed_videos_that_are_not_there_are_counted(tmp_path: Path) -> None:
    result = found_in("celebdf-v2", with_list(tmp_path, f"1 {REAL}\n1 {STRANGER}\n", REAL))
    assert "names 1 videos that are not here: youtube-real/00170" in result.warnings[-1]


def test_without_the_list_rows_have_no_split(tmp_path: Path) -> None:
    result = found_in("celebdf-v2", touch(tmp_path, REAL))
    assert only(result).split is None
    assert f"no {TEST_LIST}" in result.warnings[0]


@pytest.mark.parametrize("line", ["label path", "Celeb-real/id0_0001.mp4", "2 YouTube-real/1.mp4"])
def test_a_line_of_another_form_is_refused_with_its_number(line: str, tmp_path: Path) -> None:
    root = with_list(tmp_path, f"1 {REAL}\n\n{line}\n", REAL)
    with pytest.raises(ManifestError, match=rf"{TEST_LIST}', line 3: '{line}'"):
        found_in("celebdf-v2", root)


def test_a_list_that_has_the_labels_swapped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"calls 'Celeb-real/id0_0001\.mp4' fake"):
        found_in("celebdf-v2", with_list(tmp_path, f"0 {REAL}\n", REAL))


def test_copies_with_a_folder_videos_and_large_suffixes_fit(tmp_path: Path) -> None:
    path = "Youtube-real/videos/00170.MP4"
    row = only(found_in("celebdf-v2", with_list(tmp_path, f"1 {STRANGER}\n", path)))
    assert (row.target, row.split) == ("celebdf-v2/youtube/00170", "test")


@pytest.mark.parametrize(
    "path",
    ["id0_0001.mp4", "Celeb-real/clip.mp4", "Celeb-synthesis/id0_0001.mp4", "other/id0_0001.mp4",
     "YouTube-real/abc.mp4", "Celeb-synthesis/FaceSwap/SimSwap/id0_id1_0000.mp4"],
)  # fmt: skip
def test_what_does_not_fit_is_reported_and_not_guessed(path: str, tmp_path: Path) -> None:
    result = found_in("celebdf-v2", touch(tmp_path, path, REAL))
    assert [each.path for each in result.unknown] == [path]
    assert list(rows_of(result)) == [REAL]


METHODS = [(scenario, method) for scenario, methods in SCENARIOS.items() for method in methods]


@pytest.mark.parametrize(("scenario", "method"), METHODS)
def test_all_22_methods_of_the_third_are_known(scenario: str, method: str, tmp_path: Path) -> None:
    path = f"Celeb-synthesis/{scenario}/{method}/id3_id28_0001.mp4"
    row = only(found_in("celebdf-pp", touch(tmp_path, path)))
    assert (len(METHODS), row.method, row.target) == (22, method, "celebdf-v2/real/id3_0001")


def test_the_third_shares_footage_and_identities_with_v2(tmp_path: Path) -> None:
    touch(tmp_path, REAL)
    rows = [only(found_in(name, tmp_path)) for name in ("celebdf-v2", "celebdf-pp")]
    assert rows[0].target == rows[1].target
    assert rows[0].identities == rows[1].identities


def test_a_talking_face_is_driven_by_no_other_person(tmp_path: Path) -> None:
    path = "Celeb-synthesis/TalkingFace/SadTalker/id3_0001_test_0022.mp4"
    row = only(found_in("celebdf-pp", touch(tmp_path, path)))
    assert (row.target, row.identities) == ("celebdf-v2/real/id3_0001", ("celebdf-v2/id3",))


@pytest.mark.parametrize(
    "path",
    ["Celeb-synthesis/id0_id1_0000.mp4", "Celeb-synthesis/FaceSwap/SadTalker/id0_id1_0000.mp4",
     "Celeb-synthesis/FaceSwap/Other/id0_id1_0000.mp4",
     "Celeb-synthesis/FaceSwap/SimSwap/id3_0001_test_0022.mp4"],
)  # fmt: skip
def test_a_method_is_told_by_its_folder_or_not_at_all(path: str, tmp_path: Path) -> None:
    result = found_in("celebdf-pp", touch(tmp_path, path, REAL))
    assert [each.path for each in result.unknown] == [path]


def test_v2_has_518_test_videos_and_6529_in_all() -> None:
    expected = layout("celebdf-v2").expected
    assert sum(each.count for each in expected if each.split == "test") == 518
    assert [each.count for each in expected if each.part] == [590, 300, 5639]
