"""Predictions of shards of one detector are pooled; folds and other detectors are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alone import in_one_process
from bundles import write_bundle
from predicted import drawn, predictions
from toy_set import toy_set
from unmask.bundle.manifest import Bundle
from unmask.core.errors import ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.datasets.manifest import Manifest
from unmask.datasets.shards import Shard
from unmask.evaluation.composer import evaluate
from unmask.evaluation.inference import combine_sources, predict, source_at
from unmask.evaluation.pooling import are_shards, pool_shards
from unmask.evaluation.predictions import Predictions
from unmask.evaluation.results import EvaluationSettings

FAST = EvaluationSettings(replicates=20)
SETTINGS = CropSettings(scan=ScanSettings(detect_long_side_px=160, budget=2), margin_ratio=2.0)
HASH = "a" * 64


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


def with_settings(part: Predictions, **settings: object) -> Predictions:
    return replace(part, info=part.info.model_copy(update={"settings": settings}))


@pytest.fixture
def whole() -> Predictions:
    return predictions(drawn(), detector_sha256=HASH, videos_expected=None)


@pytest.fixture
def halves(whole: Predictions) -> list[Predictions]:
    first = np.array([Shard(1, 2).holds(video) for video in whole.video_id])
    return [
        with_settings(whole.where(keep), shard=f"{number}/2")
        for number, keep in ((1, first), (2, ~first))
    ]


def test_pooled_shards_have_the_figures_of_one_run(
    whole: Predictions, halves: list[Predictions]
) -> None:
    assert are_shards(halves)
    pooled, once = (evaluate(p, FAST) for p in (pool_shards(halves), whole))
    for name in ("AUC", "EER", "Cllr"):
        assert pooled.overall.figure(name).value == pytest.approx(once.overall.figure(name).value)
    assert pooled.info.data == once.info.data
    assert pooled.coverage.expected == once.coverage.expected


def test_a_forgotten_shard_and_a_shared_video_are_refused(halves: list[Predictions]) -> None:
    third = with_settings(halves[1], shard="3/3")
    with pytest.raises(ManifestError, match=r"shard 1/3 is missing \(1 of 3 are here\)"):
        pool_shards([third])
    with pytest.raises(ManifestError, match="videos stand in several of the files"):
        pool_shards([halves[0], halves[0]])


def test_folds_and_other_detectors_are_no_shards(halves: list[Predictions]) -> None:
    folds = [with_settings(part, fold=number) for number, part in enumerate(halves)]
    assert not are_shards(folds)
    other = halves[1].info.model_copy(update={"detector_sha256": "b" * 64})
    assert not are_shards([halves[0], replace(halves[1], info=other)])
    unknown = [replace(p, info=p.info.model_copy(update={"detector_sha256": None})) for p in halves]
    assert not are_shards(unknown)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return toy_set(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def stores(toy: Manifest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("stores")
    crop_videos(toy, folder / "all", SETTINGS)
    for number in (1, 2):
        crop_videos(toy, folder / str(number), SETTINGS, shard=Shard(number, 2))
    return [folder / name for name in ("all", "1", "2")]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    limits = {"min_face_px": 10.0, "min_sharpness": 0.0, "min_key_frames": 1}
    return write_bundle(tmp_path / "detector", judgeable=limits)


def test_several_stores_and_shards_give_the_rows_of_one(
    tmp_path: Path, bundle: Bundle, stores: list[Path]
) -> None:
    one, *parts = (source_at(bundle, store) for store in stores)
    once = predict(bundle, one, tmp_path / "once.parquet")
    joined = predict(bundle, combine_sources(parts), tmp_path / "joined.parquet")
    shards = [
        predict(bundle, combine_sources([one], Shard(n, 2)), tmp_path / f"{n}.parquet")
        for n in (1, 2)
    ]
    pooled = pool_shards(shards)
    for other in (joined, pooled):
        assert sorted(zip(other.video_id, other.logit.round(5).astype(str), strict=True)) == sorted(
            zip(once.video_id, once.logit.round(5).astype(str), strict=True)
        )
        assert other.info.videos_expected == once.info.videos_expected
        assert other.info.manifest_sha256 == once.info.manifest_sha256
    with pytest.raises(ManifestError, match="in several of the sources"):
        predict(bundle, combine_sources([one, one]), tmp_path / "twice.parquet")
