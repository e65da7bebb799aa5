"""DFDC and its preview: metadata beside the videos, originals, voices, labels, sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import ManifestError

PART = "dfdc_train_part_05"


def part(root: Path, entries: dict[str, Any], folder: str = PART) -> Path:
    """Write a part's metadata and an empty file for each of its entries."""
    touch(root, *(f"{folder}/{name}" for name in entries))
    (root / folder / "metadata.json").write_text(json.dumps(entries))
    return root


def entry(label: str, original: str | None = None) -> dict[str, str]:
    return {"label": label, "split": "train"} | ({"original": original} if original else {})


def hashes(root: Path, *rows: str) -> None:
    lines = ["filename,wav.hash,pxl.hash,pxl.hash.orig", *rows]
    (root / "metadata.csv").write_text("\r\n".join(lines))


PAIR = {"aaa.mp4": entry("FAKE", "bbb.mp4"), "bbb.mp4": entry("REAL")}


@pytest.mark.parametrize("above", ["", "train/"])
def test_a_fake_has_its_original_as_target(above: str, tmp_path: Path) -> None:
    folder = f"{above}{PART}"
    rows = rows_of(found_in("dfdc", part(tmp_path, PAIR, folder)))
    fake, real = rows[f"{folder}/aaa.mp4"], rows[f"{folder}/bbb.mp4"]
    assert (fake.label, real.label) == ("fake", "real")
    assert fake.target == real.target == "dfdc/clip/bbb"
    assert (fake.source, fake.method, fake.identities) == (None, None, ())


def test_rows_know_their_part_and_split(tmp_path: Path) -> None:
    result = found_in("dfdc", part(tmp_path, PAIR))
    assert {(row.part, row.split) for row in result.records} == {(PART, "train")}


def test_a_part_alone_is_named_like_its_folder(tmp_path: Path) -> None:
    result = found_in("dfdc", part(tmp_path, PAIR) / PART)
    assert {(row.id, row.part, row.split) for row in result.records} == {
        ("aaa.mp4", PART, "train"),
        ("bbb.mp4", PART, "train"),
    }


@pytest.mark.parametrize(("folder", "split"), [("test", "test"), ("validation", "validation")])
def test_in_the_table_of_labels_1_means_fake_and_its_first_row_counts(
    folder: str, split: str, tmp_path: Path
) -> None:
    touch(tmp_path, f"{folder}/x.mp4", f"{folder}/y.mp4")
    (tmp_path / folder / "labels.csv").write_text("filename,label\r\nx.mp4,1\r\ny.mp4,0\r\n")
    rows = rows_of(found_in("dfdc", tmp_path))
    fake, real = rows[f"{folder}/x.mp4"], rows[f"{folder}/y.mp4"]
    assert (fake.label, fake.target, fake.split) == ("fake", None, split)
    assert (real.label, real.target, real.split) == ("real", "dfdc/clip/y", split)


def test_the_test_sets_metadata_without_labels_does_no_harm(tmp_path: Path) -> None:
    part(tmp_path, {"x.mp4": {"augmentations": {}}}, "test")
    (tmp_path / "test/labels.csv").write_text("filename,label\nx.mp4,1\n")
    assert only(found_in("dfdc", tmp_path)).label == "fake"


def test_videos_deeper_than_their_list_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "test/ori_videos/x.mp4")
    (tmp_path / "test/labels.csv").write_text("filename,label\nx.mp4,0\n")
    assert only(found_in("dfdc", tmp_path)).split == "test"


def test_a_fake_voice_over_an_unchanged_picture_is_real(tmp_path: Path) -> None:
    part(tmp_path, PAIR | {"voice.mp4": entry("FAKE", "bbb.mp4")})
    hashes(tmp_path, "aaa.mp4,w,p1,p2", "voice.mp4,w,p2,p2", "bbb.mp4,w,p2,")
    rows = rows_of(found_in("dfdc", tmp_path))
    voice = rows[f"{PART}/voice.mp4"]
    assert (voice.label, voice.target) == ("real", "dfdc/clip/bbb")
    assert voice.note == "fake voice over an unchanged picture; DFDC calls it fake"
    assert (rows[f"{PART}/aaa.mp4"].label, rows[f"{PART}/aaa.mp4"].note) == ("fake", None)


def test_hashes_that_are_empty_prove_nothing(tmp_path: Path) -> None:
    part(tmp_path, PAIR)
    hashes(tmp_path, "aaa.mp4,w,,")
    assert rows_of(found_in("dfdc", tmp_path))[f"{PART}/aaa.mp4"].label == "fake"


def test_without_hashes_a_warning_says_that_voices_are_not_told(tmp_path: Path) -> None:
    (warning,) = found_in("dfdc", part(tmp_path, PAIR)).warnings
    assert "which of the 1 fakes have only a fake voice is not known" in warning


def test_with_hashes_there_is_no_such_warning(tmp_path: Path) -> None:
    part(tmp_path, PAIR)
    hashes(tmp_path, "aaa.mp4,w,p1,p2")
    assert found_in("dfdc", tmp_path).warnings == ()


def test_listed_videos_that_are_not_there_are_counted(tmp_path: Path) -> None:
    part(tmp_path, PAIR)
    (tmp_path / PART / "bbb.mp4").unlink()
    assert "the lists name 1 videos that are not here" in found_in("dfdc", tmp_path).warnings


def test_a_video_that_no_list_names_is_reported(tmp_path: Path) -> None:
    touch(part(tmp_path, PAIR), f"{PART}/stray.mp4", "elsewhere/stray.mp4")
    result = found_in("dfdc", tmp_path)
    assert {each.path: each.reason for each in result.unknown} == {
        f"{PART}/stray.mp4": "the list of its folder does not name it",
        "elsewhere/stray.mp4": "no metadata.json or labels.csv beside it",
    }


def test_large_suffixes_are_found_in_the_list(tmp_path: Path) -> None:
    part(tmp_path, {"bbb.mp4": entry("REAL")})
    (tmp_path / PART / "bbb.mp4").rename(tmp_path / PART / "bbb.MP4")
    assert only(found_in("dfdc", tmp_path)).label == "real"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds a JSON list, expected a dict"),
        ('{"a.mp4": 3}', "has an entry that is a int, expected an object"),
        ('{"a.mp4": {"label": 3}}', "whose 'label' is '3', expected a text"),
        ('{"a.mp4": {"label": "MAYBE"}}', "has the label 'MAYBE', expected REAL, FAKE, 0 or 1"),
        ('{"a.mp4": {"label": "FAKE", "original": [1]}}', "whose 'original' is"),
        ("\x00", "is not JSON"),
        ('{"a.mp4": ' + "9" * 10_000 + "}", "is not JSON"),
    ],
)
def test_damaged_metadata_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    touch(tmp_path, f"{PART}/a.mp4")
    (tmp_path / PART / "metadata.json").write_text(text)
    with pytest.raises(ManifestError, match=message) as caught:
        found_in("dfdc", tmp_path)
    assert PART in caught.value.message


def test_metadata_that_is_no_text_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, f"{PART}/a.mp4")
    (tmp_path / PART / "metadata.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="is not text in UTF-8"):
        found_in("dfdc", tmp_path)


def test_a_list_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    touch(tmp_path, f"{PART}/a.mp4")
    with (tmp_path / PART / "metadata.json").open("wb") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(ManifestError, match=r"314572800 bytes; a list has at most"):
        found_in("dfdc", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x.mp4,1\n", "has no column 'filename'"),
        ("filename,label\nx.mp4\n", "line 2: too few columns"),
        ("filename,label\nx.mp4,2\n", "has the label '2'"),
        ("", "has no column 'filename'"),
    ],
)
def test_a_damaged_table_of_labels_is_refused(text: str, message: str, tmp_path: Path) -> None:
    touch(tmp_path, "test/x.mp4")
    (tmp_path / "test/labels.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        found_in("dfdc", tmp_path)


FAKE = "method_A/1003254/1003254_A/1255229_1003254_A_001.mp4"
REAL = "original_videos/1003254/1003254_A_001.mp4"


def preview(root: Path, **changes: Any) -> Path:
    described = {
        FAKE: {"label": "fake", "set": "test", "target_id": "1003254", "swapped_id": "1255229",
               "augmentations": ["low_quality"]},
        REAL: {"label": "real", "set": "train", "target_id": "1003254", "swapped_id": None,
               "augmentations": []},
    }  # fmt: skip
    described[FAKE] |= changes
    touch(root, FAKE, REAL)
    (root / "dataset.json").write_text(json.dumps(described))
    return root


def test_the_previews_names_tell_recording_and_persons(tmp_path: Path) -> None:
    rows = rows_of(found_in("dfdc-preview", preview(tmp_path)))
    fake, real = rows[FAKE], rows[REAL]
    assert fake.target == real.target == "dfdc-preview/recording/1003254_A"
    assert fake.identities == ("dfdc-preview/1003254", "dfdc-preview/1255229")
    assert real.identities == ("dfdc-preview/1003254",)
    assert (fake.method, fake.label, fake.split) == ("method_A", "fake", "test")
    assert (real.method, real.label, real.split) == (None, "real", "train")
    assert fake.note == "augmented: low_quality"


def test_the_preview_has_no_validation_set_and_says_so(tmp_path: Path) -> None:
    assert "no official validation set" in found_in("dfdc-preview", preview(tmp_path)).warnings[-1]


def test_the_preview_needs_its_list(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no dataset\.json in"):
        found_in("dfdc-preview", touch(tmp_path, REAL))


def test_the_preview_reports_what_its_list_does_not_name(tmp_path: Path) -> None:
    result = found_in("dfdc-preview", touch(preview(tmp_path), "method_A/1/1_A/2_1_A_001.mp4"))
    assert [each.reason for each in result.unknown] == ["dataset.json does not name it"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"label": None}, "whose 'label' is 'None'"), ({"set": "dev"}, "has the set 'dev'")],
)
def test_the_previews_list_is_checked(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=message):
        found_in("dfdc-preview", preview(tmp_path, **changes))
