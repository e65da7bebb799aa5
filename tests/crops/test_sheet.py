"""The contact sheet shows crops of as many videos as it can; the plot shows the counts."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from store_rows import INFO, crop_row
from toy_set import record
from unmask.core.errors import ManifestError
from unmask.crops.rows import VideoCoverage, VideoCrops
from unmask.crops.sheet import contact_sheet, evenly, plot
from unmask.crops.stats import compute_stats
from unmask.crops.store import CropStore, open_for_writing

THUMB_PX = 128


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


COLOURS = {"a/long/path/to/a/video.mp4": (200, 0, 0), "b": (0, 200, 0), "c": (0, 0, 200)}


@pytest.fixture
def store(tmp_path: Path) -> CropStore:
    with open_for_writing(tmp_path / "s", INFO) as opened:
        for (name, colour), crops in zip(COLOURS.items(), (12, 3, 1), strict=True):
            label = "fake" if name == "c" else "real"
            rows = tuple(crop_row(name, n, png(colour), label=label) for n in range(crops))
            line = VideoCoverage.of(record(name, label), "done", crops=crops)
            opened.add(VideoCrops(line, rows))
    return CropStore(tmp_path / "s")


def shown(page: Image.Image) -> Counter[tuple[int, ...]]:
    """Count the thumbnails by their colour."""
    pixels = np.asarray(page)
    middles = pixels[THUMB_PX // 2 :: THUMB_PX + 30, THUMB_PX // 2 :: THUMB_PX].reshape(-1, 3)
    counted = Counter(tuple(int(v) for v in middle) for middle in middles)
    counted.pop((255, 255, 255), None)
    return counted


def test_every_video_is_shown_as_often_as_another(store: CropStore) -> None:
    assert sorted(shown(contact_sheet(store, count=9)).values()) == [1, 3, 5]
    assert sorted(shown(contact_sheet(store, count=3)).values()) == [1, 1, 1]
    assert sum(shown(contact_sheet(store, count=100)).values()) == 16


def test_a_label_may_be_asked_for(store: CropStore) -> None:
    assert shown(contact_sheet(store, label="fake")) == {(0, 0, 200): 1}


def test_an_unknown_method_is_refused(store: CropStore) -> None:
    with pytest.raises(ManifestError, match="no crop of"):
        contact_sheet(store, method="none")


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40), st.integers(1, 50))
def test_positions_are_even_over_the_groups(groups: list[str], count: int) -> None:
    groups = sorted(groups)
    chosen = evenly(groups, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(groups))
    taken, there = Counter(groups[i] for i in chosen), Counter(groups)
    assert len(taken) == min(count, len(there))
    most = max(taken.values())
    assert all(n >= min(most - 1, there[group]) for group, n in taken.items())


def test_bars_are_as_long_as_their_counts(store: CropStore) -> None:
    pixels = np.asarray(plot(compute_stats(store)))
    real, fake = (
        (pixels == colour).all(axis=2).sum(axis=1).max()
        for colour in ((31, 78, 156), (194, 65, 12))
    )
    assert real / fake == pytest.approx(15, rel=0.05)
