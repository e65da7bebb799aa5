"""DF40: folders of crops per method, with keys shared with the data sets they were made from."""

from __future__ import annotations

import pytest

from trees import found_in, only, rows_of, touch
from unmask.datasets.layouts.df40 import METHODS


@pytest.mark.parametrize(
    ("folder", "method", "split", "part"),
    [
        ("DF40_train/simswap/frames/001_870", "simswap", "train", None),
        ("simswap/ff/frames/001_870", "simswap", "test", "ff"),
        ("DF40/inswap/cdf/frames/id0_id1_0000", "inswap", "test", "cdf"),
        ("StyleGAN2/ff/001", "StyleGAN2", None, "ff"),
        ("StyleGAN2/cdf/Fake_from_Celeb-real/001", "StyleGAN2", "test", "cdf"),
        ("DF40_train/StyleGAN2/001", "StyleGAN2", "train", None),
        ("Face-swapping/deepfacelab/fake/frames/a", "deepfacelab", "test", None),
    ],
)
def test_a_folder_is_a_fake_of_its_method(tmp_path, folder, method, split, part):
    record = only(found_in("df40", touch(tmp_path, f"{folder}/000.png", f"{folder}/001.png")))
    assert record.id == folder
    assert (record.label, record.method, record.split, record.part, record.kind) == (
        "fake", method, split, part, "frames",
    )  # fmt: skip


def test_pairs_have_the_keys_of_the_data_sets_they_come_from(tmp_path):
    touch(tmp_path, "simswap/ff/frames/001_870/0.png", "simswap/cdf/frames/id0_id1_0005/0.png")
    cdf, ff = found_in("df40", tmp_path).records
    assert ff.footage == ("ffpp/youtube/001", "ffpp/youtube/870")
    assert cdf.footage == ("celebdf-v2/real/id0_0005",)
    assert cdf.identities == ("celebdf-v2/id0", "celebdf-v2/id1")


def test_those_keys_are_the_ones_of_ffpp_and_celebdf(tmp_path):
    touch(tmp_path / "a", "original_sequences/youtube/c23/videos/001.mp4")
    touch(tmp_path / "b", "Celeb-real/id0_0005.mp4")
    touch(tmp_path / "c", "FaceForensics++/original_sequences/youtube/c23/frames/001/0.png")
    touch(tmp_path / "c", "Celeb-DF-v2/Celeb-real/frames/id0_0005/0.png")
    places = (("ffpp", "a"), ("celebdf-v2", "b"))
    theirs = {only(found_in(name, tmp_path / place)).target for name, place in places}
    ours = found_in("df40", tmp_path / "c").records
    assert {record.target for record in ours} == theirs
    assert {record.label for record in ours} == {"real"}


def test_loose_pictures_are_rows_of_their_own(tmp_path):
    touch(tmp_path, "MidJourney/fake/1.png", "MidJourney/real/1.png", "stargan/fake/fake/2.png")
    rows = rows_of(found_in("df40", tmp_path))
    assert {row.kind for row in rows.values()} == {"crop"}
    assert rows["MidJourney/real/1.png"].label == "real"
    assert rows["stargan/fake/fake/2.png"].method == "stargan"


def test_a_methods_own_reals_are_real(tmp_path):
    record = only(found_in("df40", touch(tmp_path, "heygen/real/a/0.png")))
    assert (record.label, record.method) == ("real", None)


def test_an_unknown_method_is_reported_and_missing_reals_are_warned_of(tmp_path):
    touch(tmp_path, "newswap/ff/frames/001_870/0.png", "lia/ff/frames/1/0.png")
    result = found_in("df40", tmp_path)
    assert [each.path for each in result.unknown] == ["newswap/ff/frames/001_870"]
    assert "no reals here" in result.warnings[0]


def test_there_are_forty_methods():
    assert len(METHODS) == 40
