"""Counts of a crop store, held against scikit-learn, numpy and DuckDB."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from store_rows import INFO, crop_row
from toy_set import record
from unmask.crops.rows import VideoCoverage, VideoCrops
from unmask.crops.stats import QUANTILES, class_weights, compute_stats
from unmask.crops.store import CropStore, open_for_writing

FACES = {"a": 40.0, "b": 80.0, "c": 120.0}
"""Face sizes of the videos; `c` is a fake."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    folder = tmp_path_factory.mktemp("store")
    info = replace(INFO, protocol="paper-frame-split", leaks=True, leak_reason="by frames")
    with open_for_writing(folder, info) as opened:
        for name, crops in (("a", 2), ("b", 3), ("c", 10)):
            label = "fake" if name == "c" else "real"
            rows = tuple(
                crop_row(
                    name,
                    number,
                    b"x",
                    label=label,
                    method="Swap" if label == "fake" else None,
                    split="train" if number else "test",
                    face_px=FACES[name] + number,
                    forged_face="mask" if label == "fake" else None,
                )
                for number in range(crops)
            )
            line = VideoCoverage.of(record(name, label), "done", crops=crops)
            opened.add(VideoCrops(line, rows))
        failed = VideoCoverage.of(record("d", "fake"), "failed", reason="why")
        opened.add(VideoCrops(failed))
    return CropStore(folder)


def test_crops_and_videos_are_counted_as_duckdb_counts_them(store: CropStore) -> None:
    shards = duckdb.read_parquet(f"{store.folder}/shards/*.parquet")
    by = "split, label, method, compression"
    query = f"{by}, count(*), count(DISTINCT video_id)"
    mine = [
        (c.split, c.label, c.method, c.compression, c.crops, c.videos)
        for c in compute_stats(store).counts
    ]
    assert sorted(mine, key=str) == sorted(shards.aggregate(query, by).fetchall(), key=str)


def test_imbalance_and_weights_are_stated_for_each_split(store: CropStore) -> None:
    test, train = compute_stats(store).balance
    assert (test.split, test.crops, test.imbalance) == ("test", {"fake": 1, "real": 2}, 2.0)
    assert (train.split, train.crops, train.imbalance) == ("train", {"fake": 9, "real": 3}, 3.0)
    assert train.class_weights == pytest.approx({"fake": 12 / 18, "real": 12 / 6})


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_class_weights_are_scikit_learns_balanced_ones(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    mine = class_weights({str(n): count for n, count in enumerate(counts)})
    assert list(mine.values()) == pytest.approx(expected.tolist())


def test_face_sizes_are_numpys_quantiles_per_label(store: CropStore) -> None:
    sizes = [FACES[name] + n for name, crops in (("a", 2), ("b", 3)) for n in range(crops)]
    expected = np.quantile(sizes, QUANTILES).round(1)
    assert list(compute_stats(store).face_px["real"].values()) == pytest.approx(expected.tolist())


def test_coverage_says_what_ended_without_crops(store: CropStore) -> None:
    stats = compute_stats(store)
    assert stats.missing == (("d", "failed", "why"),)
    assert {(e.label, e.status): e.videos for e in stats.endings} == {
        ("real", "done"): 2,
        ("fake", "done"): 1,
        ("fake", "failed"): 1,
    }
    assert stats.not_tried == INFO.manifest_rows - 4


def test_a_protocol_that_leaks_is_told(store: CropStore) -> None:
    stats = compute_stats(store)
    assert (stats.leaks, stats.leak_reason, stats.forged_face) == (True, "by frames", {"mask": 10})


def test_an_empty_store_has_no_counts(tmp_path: Path) -> None:
    with open_for_writing(tmp_path / "s", INFO):
        pass
    stats = compute_stats(CropStore(tmp_path / "s"))
    assert (stats.crops, stats.counts, stats.balance, stats.face_px) == (0, (), (), {})


def test_videos_that_wait_for_a_shard_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.crops.store.StoreWriter.seal", lambda self: None)
    with open_for_writing(tmp_path / "s", INFO) as opened:
        opened.add(VideoCrops(VideoCoverage.of(record("a"), "done", crops=1), (crop_row("a", 0),)))
    stats = compute_stats(CropStore(tmp_path / "s"))
    assert (stats.crops, stats.not_in_shards) == (0, 1)
