"""FaceForensics++: names, pairs, splits, masks, as its folders and lists really are."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import ManifestError
from unmask.datasets.layouts import layout

YOUTUBE = "original_sequences/youtube/c23/videos"
ACTORS = "original_sequences/actors/c23/videos"
FAKES = "manipulated_sequences"
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def write_splits(folder: Path, **pairs: list[list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in pairs.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


@pytest.mark.parametrize("method", METHODS)
def test_a_fake_has_its_first_number_as_target_and_its_second_as_source(
    method: str, tmp_path: Path
) -> None:
    path = f"{FAKES}/{method}/c40/videos/012_345.mp4"
    row = only(found_in("ffpp", touch(tmp_path, path)))
    assert (row.id, row.label, row.method, row.compression) == (path, "fake", method, "c40")
    assert (row.target, row.source) == ("ffpp/youtube/012", "ffpp/youtube/345")
    assert row.identities == ("ffpp/012", "ffpp/345")


@pytest.mark.parametrize("compression", ["raw", "c0", "c23", "c40"])
def test_every_compression_of_an_original_has_the_same_footage(
    compression: str, tmp_path: Path
) -> None:
    path = f"original_sequences/youtube/{compression}/videos/007.MP4"
    row = only(found_in("ffpp", touch(tmp_path, path)))
    assert (row.label, row.target, row.source, row.method) == (
        "real",
        "ffpp/youtube/007",
        None,
        None,
    )
    assert row.compression == compression


def test_an_actors_clip_tells_who_is_in_it(tmp_path: Path) -> None:
    row = only(found_in("ffpp", touch(tmp_path, f"{ACTORS}/01__kitchen_pan.mp4")))
    assert (row.target, row.identities) == ("ffpp/actors/01__kitchen_pan", ("ffpp/actor-01",))


def test_deepfakedetection_names_target_source_scene_and_id(tmp_path: Path) -> None:
    name = "01_02__outside_talking_still_laughing__YVGY8LOK"
    row = only(
        found_in("ffpp", touch(tmp_path, f"{FAKES}/DeepFakeDetection/c23/videos/{name}.mp4"))
    )
    assert row.target == "ffpp/actors/01__outside_talking_still_laughing"
    assert (row.source, row.identities) == (None, ("ffpp/actor-01", "ffpp/actor-02"))


def test_one_mask_serves_every_compression(tmp_path: Path) -> None:
    mask = f"{FAKES}/Deepfakes/masks/videos/000_003.mp4"
    videos = [f"{FAKES}/Deepfakes/{c}/videos/000_003.mp4" for c in ("c23", "c40")]
    result = found_in("ffpp", touch(tmp_path, mask, *videos))
    assert {row.id: row.mask for row in result.records} == dict.fromkeys(videos, mask)


def test_a_mask_is_of_its_own_method_only(tmp_path: Path) -> None:
    mask = f"{FAKES}/FaceSwap/masks/videos/000_003.mp4"
    result = found_in("ffpp", touch(tmp_path, mask, f"{FAKES}/Deepfakes/c23/videos/000_003.mp4"))
    assert only(result).mask is None
    assert [(each.path, each.reason) for each in result.unknown] == [
        (mask, "a mask whose video is not there")
    ]


def test_the_actors_masks_are_noted_as_possibly_shorter(tmp_path: Path) -> None:
    folder, name = f"{FAKES}/DeepFakeDetection", "01_02__kitchen_pan__ABCD1234.mp4"
    touch(tmp_path, f"{folder}/c23/videos/{name}", f"{folder}/masks/videos/{name}")
    assert only(found_in("ffpp", tmp_path)).note == "the mask can be shorter than the video"


@pytest.mark.parametrize("folder", ["", "splits", "dataset/splits"])
def test_the_official_splits_are_read_from_the_users_copy(folder: str, tmp_path: Path) -> None:
    pairs = {"train": ("000", "003"), "val": ("001", "004"), "test": ("002", "005")}
    write_splits(tmp_path / folder, **{name: [list(pair)] for name, pair in pairs.items()})
    for a, b in pairs.values():
        touch(tmp_path, f"{YOUTUBE}/{a}.mp4", f"{YOUTUBE}/{b}.mp4")
        touch(tmp_path, *(f"{FAKES}/FaceSwap/c23/videos/{x}_{y}.mp4" for x, y in ((a, b), (b, a))))
    result = found_in("ffpp", tmp_path)
    assert result.warnings == ()
    splits = {Path(row.id).stem: row.split for row in result.records}
    for name, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        a, b = pairs[name]
        assert {splits[each] for each in (a, b, f"{a}_{b}", f"{b}_{a}")} == {split}


def test_complete_splits_give_720_140_140_originals_and_as_many_fakes_of_a_method(
    tmp_path: Path,
) -> None:
    numbers = [f"{number:03d}" for number in range(1000)]
    pairs = [numbers[i : i + 2] for i in range(0, 1000, 2)]
    write_splits(tmp_path, train=pairs[:360], val=pairs[360:430], test=pairs[430:])
    touch(tmp_path, *(f"{YOUTUBE}/{number}.mp4" for number in numbers))
    fakes = [f"{a}_{b}" for pair in pairs for a, b in (pair, pair[::-1])]
    touch(tmp_path, *(f"{FAKES}/Deepfakes/c23/videos/{name}.mp4" for name in fakes))
    records = found_in("ffpp", tmp_path).records
    expected = [each for each in layout("ffpp").expected if each.split]
    present = [each for each in expected if each.method in {None, "Deepfakes"}]
    assert [each.count for each in present] == [720, 140, 140] * 2
    for each in present:
        assert sum(each.matches(record) for record in records) == each.count


def test_without_split_files_a_warning_says_where_to_get_them(tmp_path: Path) -> None:
    result = found_in("ffpp", touch(tmp_path, f"{YOUTUBE}/000.mp4"))
    assert only(result).split is None
    (warning,) = result.warnings
    assert "no train.json, val.json, test.json" in warning
    assert "https://github.com/ondyari/FaceForensics" in warning


def test_a_fake_across_two_splits_has_none_and_is_counted(tmp_path: Path) -> None:
    write_splits(tmp_path, train=[["000", "001"]], val=[], test=[["002", "003"]])
    result = found_in("ffpp", touch(tmp_path, f"{FAKES}/FaceSwap/c23/videos/000_002.mp4"))
    assert only(result).split is None
    assert "1 videos have no official split" in result.warnings[0]


def test_an_actors_clip_has_no_official_split(tmp_path: Path) -> None:
    write_splits(tmp_path, train=[["000", "001"]], val=[], test=[])
    touch(tmp_path, f"{ACTORS}/01__kitchen_pan.mp4", f"{YOUTUBE}/000.mp4")
    result = found_in("ffpp", tmp_path)
    assert rows_of(result)[f"{ACTORS}/01__kitchen_pan.mp4"].split is None
    assert result.warnings == ("1 videos of actors (DeepFakeDetection) have no official split",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"000": "001"}', "holds a JSON dict, expected a list"),
        ('[["000", "001", "002"]]', "expected pairs like"),
        ('[["000", 1]]', "expected pairs like"),
        ("[[", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('["000"]', "expected pairs like"),
    ],
)
def test_a_damaged_split_file_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    touch(tmp_path, f"{YOUTUBE}/000.mp4")
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(ManifestError, match=message) as caught:
        found_in("ffpp", tmp_path)
    assert "train.json" in caught.value.message


def test_a_number_in_two_split_files_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, f"{YOUTUBE}/000.mp4")
    write_splits(tmp_path, train=[["000", "001"]], test=[["001", "002"]])
    with pytest.raises(ManifestError, match=r"test.json' and train.json both name '001'"):
        found_in("ffpp", tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        f"{YOUTUBE}/0000.mp4",
        f"{YOUTUBE}/my holiday.mp4",
        f"{FAKES}/Deepfakes/c23/videos/000.mp4",
        f"{FAKES}/MyMethod/c23/videos/000_003.mp4",
        f"{FAKES}/DeepFakeDetection/c23/videos/000_003.mp4",
        "original_sequences/youtube/c99/videos/000.mp4",
        "original_sequences/youtube/masks/videos/000.mp4",
        "downloaded_videos/abc.mp4",
    ],
)
def test_what_does_not_fit_is_reported_and_not_guessed(path: str, tmp_path: Path) -> None:
    result = found_in("ffpp", touch(tmp_path, path, f"{YOUTUBE}/001.mp4"))
    assert [each.path for each in result.unknown] == [path]
    assert list(rows_of(result)) == [f"{YOUTUBE}/001.mp4"]


def test_the_real_clips_have_their_methods_targets_and_sources() -> None:
    data = os.environ.get("UNMASK_TEST_DATA")
    if not data:
        pytest.skip("UNMASK_TEST_DATA is not set")
    prefix = "videos/labelled/ffpp/"
    with Path(data, "videos/labels.csv").open(newline="") as file:
        truth = {
            line["path"].removeprefix(prefix): line
            for line in csv.DictReader(file)
            if line["path"].startswith(prefix)
        }
    rows = rows_of(found_in("ffpp", Path(data, prefix)))
    assert len(truth) == 7
    assert set(rows) == set(truth)
    for path, line in truth.items():
        row = rows[path]
        assert (row.label, row.method or "") == (line["label"], line["method"])
        assert row.target == f"ffpp/youtube/{line['target']}"
        assert row.source == (f"ffpp/youtube/{line['source']}" if line["source"] else None)
