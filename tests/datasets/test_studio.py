"""The toy data sets have the traps of the real ones."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from trees import found_in, rows_of
from unmask.datasets.synth import deeperforensics, dfdc, ffpp
from unmask.datasets.synth.studio import Studio


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_toy_has_every_official_split_and_a_mask_that_is_too_short(tmp_path: Path) -> None:
    ffpp.make(tmp_path, 0)
    records = found_in("ffpp", tmp_path).records
    splits = {row.split for row in records if row.part == "youtube"}
    assert splits == {"train", "validation", "test"}
    (row,) = [row for row in records if row.part == "actors" and row.mask]
    assert frames_of(tmp_path / str(row.mask)) < frames_of(tmp_path / row.id)


def test_the_toys_share_their_originals_as_the_real_data_sets_do(tmp_path: Path) -> None:
    ffpp.make(tmp_path / "ffpp", 2)
    deeperforensics.make(tmp_path / "deeper", 2)
    original = "original_sequences/youtube/c23/videos/001.mp4"
    both = [(tmp_path / name / original).read_bytes() for name in ("ffpp", "deeper")]
    assert both[0] == both[1]


def test_a_toy_has_a_fake_that_is_one_by_its_voice_only(tmp_path: Path) -> None:
    dfdc.make(tmp_path, 0)
    row = rows_of(found_in("dfdc", tmp_path))["dfdc_train_part_00/vvvvvvvvvv.mp4"]
    assert (row.label, row.target) == ("real", "dfdc/clip/aaaaaaaaaa")
    assert row.note is not None


@pytest.mark.parametrize("seed", [-1, 2**16])
def test_a_seed_out_of_range_is_refused(seed: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"seed must be from 0 to 65535, got {seed}"):
        Studio(tmp_path, seed)
