"""Where the words begin, on sources that were left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundles import manifest, write_bundle
from predicted import changed, drawn, predictions
from unmask.bundle.card import card
from unmask.core.errors import ManifestError
from unmask.evaluation.aggregation import Units, make_units
from unmask.evaluation.calibration import calibrate_bundle
from unmask.evaluation.predictions import PredictionRow, pool
from unmask.evaluation.verdict_words import (
    LITTLE_MISSES,
    SOME_FALSE_ALARMS,
    SUBSTANTIAL_FALSE_ALARMS,
    fit_words,
    hold_out_sources,
    method_rates,
)
from unmask.scanner.verdict import thresholds

pytest.importorskip("lir", reason="needs the extra evaluation")
OFFSETS = {"alpha": 0.0, "beta": 1.5, "gamma": -1.5}


def rows_of_sources(
    videos: int = 400, offsets: dict[str, float] = OFFSETS, shift: float = 5.0
) -> list[PredictionRow]:
    """Sources whose scores are the same but for an offset."""
    rows = []
    for number, (name, offset) in enumerate(offsets.items()):
        for each in drawn(videos, crops=1, seed=number, shift=shift):
            assert each.logit is not None
            rows.append(
                changed(
                    replace(each, logit=each.logit + offset),
                    video_id=f"{name}/{each.crop.video_id}",
                    dataset=name,
                    target=f"{name}/{each.crop.target}",
                )
            )
    return rows


def units(**how: object) -> Units:
    return make_units(predictions(rows_of_sources(**how)))  # type: ignore[arg-type]


def test_a_source_left_out_is_shifted_by_what_sets_it_apart() -> None:
    held_out = hold_out_sources(units())
    assert held_out is not None
    assert held_out.sources == ("alpha", "beta", "gamma")
    shifts = dict(zip(held_out.sources, held_out.shifts, strict=True))
    assert shifts["beta"] < -1 < 1 < shifts["gamma"]
    assert abs(shifts["alpha"]) < 1


def test_sources_that_are_alike_are_hardly_shifted() -> None:
    held_out = hold_out_sources(units(offsets=dict.fromkeys(OFFSETS, 0.0), shift=2.0))
    assert held_out is not None
    assert max(map(abs, held_out.shifts)) < 0.3


def test_one_source_alone_says_nothing_of_others() -> None:
    assert hold_out_sources(units(offsets={"alpha": 0.0})) is None


def test_sources_and_labels_weigh_alike_whatever_their_numbers() -> None:
    rows = rows_of_sources(videos=60) + rows_of_sources(videos=600, offsets={"delta": 0.0})
    held_out = hold_out_sources(make_units(predictions(rows)))
    assert held_out is not None
    assert held_out.share(np.ones(len(held_out.is_fake), dtype=bool), fake=True) == 1.0
    assert held_out.weight[held_out.is_fake].sum() == pytest.approx(4.0)
    assert held_out.weight[~held_out.is_fake].sum() == pytest.approx(4.0)


def test_words_begin_where_their_error_rates_are_kept() -> None:
    held_out = hold_out_sources(units())
    assert held_out is not None
    words = fit_words(held_out, manifest())
    rates = {rate.word: rate for rate in words.rates}
    some, substantial = rates["some evidence"], rates["substantial evidence"]
    assert some.of_genuine + substantial.of_genuine <= SOME_FALSE_ALARMS + 1e-9
    assert substantial.of_genuine <= SUBSTANTIAL_FALSE_ALARMS + 1e-9
    assert rates["little evidence"].of_fake <= LITTLE_MISSES + 1e-9
    assert sum(rate.of_genuine for rate in words.rates) == pytest.approx(1.0)
    assert sum(rate.of_fake for rate in words.rates) == pytest.approx(1.0)
    assert (words.genuine, words.fakes) == (600, 600)


def test_what_is_missed_is_counted_by_method() -> None:
    held_out = hold_out_sources(units())
    assert held_out is not None
    worded = manifest(words=fit_words(held_out, manifest()).model_dump())
    rates = {r.method: r for r in method_rates(held_out, worded)}
    assert set(rates) == {"swap", "mimic"}
    assert rates["swap"].videos + rates["mimic"].videos == 600
    assert rates["swap"].missed is not None
    assert rates["swap"].missed <= 0.5


def test_calibrating_on_several_sources_writes_words_that_do_not_contradict(
    tmp_path: Path,
) -> None:
    bundle = write_bundle(tmp_path / "bundle", method_rates=[
        {"method": "lip-sync", "missed": None, "videos": 0},
        {"method": "portraits", "missed": 0.68, "videos": 650},
        {"method": "swap", "missed": 0.9, "videos": 10}])  # fmt: skip
    rows = predictions(
        rows_of_sources(), model_sha256=bundle.manifest.files["model.onnx"], detector="tiny"
    )
    fitted = calibrate_bundle(bundle, rows)
    assert fitted.words is not None
    assert fitted.words.source_sd is not None
    assert fitted.words.source_sd > 0.5
    rates = {rate.method: rate for rate in fitted.method_rates}
    assert set(rates) == {"swap", "mimic", "lip-sync", "portraits"}
    assert (rates["portraits"].missed, rates["portraits"].videos) == (0.68, 650)
    assert rates["portraits"].data is not None
    assert rates["swap"].videos > 10
    assert rates["swap"].data is None
    assert "portraits: measured before the last calibration" in card(fitted)
    ends = thresholds(fitted)
    assert ends.little_up_to < 0 < ends.some_from <= ends.substantial_from


def test_calibrating_on_one_source_leaves_the_words_open(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    rows = predictions(
        rows_of_sources(offsets={"alpha": 0.0}),
        model_sha256=bundle.manifest.files["model.onnx"],
        detector="tiny",
    )
    fitted = calibrate_bundle(bundle, rows)
    assert fitted.words is None
    assert fitted.method_rates == ()


def test_pooled_files_are_sources_of_their_own() -> None:
    parts = [
        predictions(rows_of_sources(60, offsets={name: offset}), data=f"{name}.parquet")
        for name, offset in OFFSETS.items()
    ]
    joined = pool(parts)
    assert len(joined) == sum(map(len, parts))
    assert set(joined.words["dataset"]) == {"alpha.parquet", "beta.parquet", "gamma.parquet"}
    assert joined.info.data == "alpha.parquet + beta.parquet + gamma.parquet"


def test_files_of_other_networks_or_with_a_shared_video_are_not_pooled() -> None:
    one = predictions(rows_of_sources(20, offsets={"alpha": 0.0}), model_sha256="a" * 64)
    other = predictions(rows_of_sources(20, offsets={"beta": 0.0}), model_sha256="b" * 64)
    with pytest.raises(ManifestError, match="different networks"):
        pool([one, other])
    with pytest.raises(ManifestError, match="20 videos stand in several"):
        pool([one, one])
