"""DeeperForensics-1.0: whose reals, which variants, which split."""

from __future__ import annotations

from pathlib import Path

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import ManifestError
from unmask.datasets.layouts import layout
from unmask.datasets.layouts.deeperforensics import VARIANTS

REALS = "original_sequences/youtube/c23/videos"
FAKE = "manipulated_videos/end_to_end/000_M101.mp4"
SOURCE = "source_videos/M101/BlendShape/camera_front/M101_BlendShape_camera_front.mp4"


def lists(root: Path, **names: str) -> Path:
    for split, text in names.items():
        touch(root, f"lists/splits/{split}.txt").joinpath(f"lists/splits/{split}.txt").write_text(
            text
        )
    return root


def test_its_reals_have_the_footage_and_the_person_of_faceforensics(tmp_path: Path) -> None:
    touch(tmp_path, f"{REALS}/000.mp4", FAKE)
    deeper = rows_of(found_in("deeperforensics", tmp_path))
    original = rows_of(found_in("ffpp", tmp_path))[f"{REALS}/000.mp4"]
    real = deeper[f"{REALS}/000.mp4"]
    assert (real.label, real.target, real.compression) == ("real", "ffpp/youtube/000", "c23")
    assert (real.target, real.identities) == (original.target, original.identities)
    assert deeper[FAKE].target == original.target


def test_its_own_source_videos_are_never_rows(tmp_path: Path) -> None:
    result = found_in("deeperforensics", touch(tmp_path, FAKE, SOURCE))
    assert only(result).id == FAKE
    assert result.unknown == ()
    assert any("source_videos is left out" in warning for warning in result.warnings)


def test_source_videos_alone_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="fits the layout"):
        found_in("deeperforensics", touch(tmp_path, SOURCE))


def test_missing_reals_are_asked_for(tmp_path: Path) -> None:
    warnings = found_in("deeperforensics", touch(tmp_path, FAKE)).warnings
    assert any(f"link FaceForensics++'s originals at c23 to {REALS}" in each for each in warnings)


def test_reals_that_are_linked_in_are_found(tmp_path: Path) -> None:
    touch(tmp_path, f"ffpp/{REALS}/000.mp4", f"deeper/{FAKE}")
    (tmp_path / "deeper/original_sequences").symlink_to(tmp_path / "ffpp/original_sequences")
    rows = rows_of(found_in("deeperforensics", tmp_path / "deeper"))
    assert set(rows) == {FAKE, f"{REALS}/000.mp4"}


def test_other_compressions_of_the_originals_are_not_its_reals(tmp_path: Path) -> None:
    path = "original_sequences/youtube/c40/videos/000.mp4"
    result = found_in("deeperforensics", touch(tmp_path, path, FAKE))
    assert [each.path for each in result.unknown] == [path]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_the_same_footage_and_is_a_part(variant: str, tmp_path: Path) -> None:
    row = only(
        found_in("deeperforensics", touch(tmp_path, f"manipulated_videos/{variant}/012_W103.mp4"))
    )
    assert (row.label, row.method, row.part) == ("fake", "DF-VAE", variant)
    assert row.target == "ffpp/youtube/012"
    assert row.identities == ("ffpp/012", "deeperforensics/W103")


def test_there_are_11000_fakes_in_eleven_variants() -> None:
    expected = layout("deeperforensics").expected
    assert len(VARIANTS) == 11
    assert sum(each.count for each in expected if each.part in VARIANTS and not each.split) == 11000
    assert sum(each.count for each in expected if each.split) == 1000


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_real_goes_where_its_fake_goes(newline: str, tmp_path: Path) -> None:
    other = "manipulated_videos/end_to_end_level_5/001_M102.mp4"
    touch(tmp_path, FAKE, other, f"{REALS}/000.mp4", f"{REALS}/001.mp4")
    lists(tmp_path, train=f"000_M101.mp4{newline}", val=f"001_M102.mp4{newline}{newline}", test="")
    splits = {row.id: row.split for row in found_in("deeperforensics", tmp_path).records}
    assert splits[FAKE] == splits[f"{REALS}/000.mp4"] == "train"
    assert splits[other] == splits[f"{REALS}/001.mp4"] == "validation"


def test_missing_lists_are_named(tmp_path: Path) -> None:
    lists(touch(tmp_path, FAKE), train="000_M101.mp4")
    warnings = found_in("deeperforensics", tmp_path).warnings
    assert warnings[0].startswith("no val.txt, test.txt in lists/splits")


def test_a_line_that_is_no_name_is_refused(tmp_path: Path) -> None:
    lists(touch(tmp_path, FAKE), train="000_M101.mp4\nfilename\n")
    with pytest.raises(ManifestError, match=r"train.txt', line 2: 'filename', expected a name"):
        found_in("deeperforensics", tmp_path)


def test_a_target_in_two_lists_is_refused(tmp_path: Path) -> None:
    lists(touch(tmp_path, FAKE), train="000_M101.mp4", test="000_M102.mp4")
    with pytest.raises(ManifestError, match=r"has the target of a video in train.txt"):
        found_in("deeperforensics", tmp_path)


@pytest.mark.parametrize(
    "path",
    ["manipulated_videos/other/000_M101.mp4", "manipulated_videos/end_to_end/000_111.mp4",
     "manipulated_videos/000_M101.mp4"],
)  # fmt: skip
def test_what_does_not_fit_is_reported_and_not_guessed(path: str, tmp_path: Path) -> None:
    result = found_in("deeperforensics", touch(tmp_path, path, FAKE))
    assert [each.path for each in result.unknown] == [path]
