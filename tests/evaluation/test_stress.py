"""A detector under stress: every crop scored under each condition, counted, drawn and written."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from alone import in_one_process
from bundles import SIZE, write_bundle
from toy_crops import picture, write_toy_crops
from toy_set import toy_set
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.errors import InputError, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.datasets.manifest import write_manifest
from unmask.evaluation.charts import BOTTOM, LEFT, RIGHT, TOP
from unmask.evaluation.distorted_scores import Scores, StressSettings, score_distorted, write_scores
from unmask.evaluation.inference import predict, source_at
from unmask.evaluation.stored_pictures import drawn_evenly, faces_at
from unmask.evaluation.stress import Stress, compute_outcomes
from unmask.evaluation.stress_page import draw_charts, make_rows, to_html
from unmask.scanner.distortions import distort

FAST = StressSettings(only=("brightness", "noise"), replicates=40)


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("d") / "detector")


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_crops(tmp_path_factory.mktemp("c") / "crops.parquet")


@pytest.fixture(scope="module")
def scores(bundle: Bundle, crops: Path) -> Scores:
    return score_distorted(bundle, faces_at(bundle, crops), FAST)


@pytest.fixture(scope="module")
def found(scores: Scores) -> Stress:
    return compute_outcomes(scores, FAST, threshold=0.0)


def test_crops_as_they_are_score_as_predict_scores_them(
    bundle: Bundle, crops: Path, scores: Scores, tmp_path: Path
) -> None:
    plain = predict(bundle, source_at(bundle, crops), tmp_path / "p.parquet")
    np.testing.assert_allclose(scores.logits[0], plain.logit, rtol=1e-6)
    assert list(scores.predictions.video_id) == list(plain.video_id)
    assert scores.predictions.words["target"].tolist() == plain.words["target"].tolist()


def test_a_distorted_crop_is_distorted_before_the_detectors_cut(
    bundle: Bundle, scores: Scores
) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(picture(0, fake=False))).convert("RGB"))
    darker = Image.fromarray(distort(pixels, "brightness", 0.5))
    cut = np.asarray(darker.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    row = [c.text for c in scores.conditions].index("0.5 factor")
    at = list(scores.predictions.video_id).index("crops.parquet/clip0")
    assert scores.logits[row, at] == pytest.approx(Network(bundle).run((cut[None],)).logits[0])


def test_outcomes_are_those_of_scikit_learn_and_of_plain_means(
    scores: Scores, found: Stress
) -> None:
    is_fake = scores.predictions.is_fake
    for outcome, logits in zip(found.outcomes, scores.logits, strict=True):
        shift = logits - scores.logits[0]
        assert outcome.auc == pytest.approx(roc_auc_score(is_fake, logits))
        assert outcome.shift_real == pytest.approx(shift[~is_fake].mean())
        assert outcome.shift_fake == pytest.approx(shift[is_fake].mean())
        assert outcome.changed == np.mean((logits >= 0) != (scores.logits[0] >= 0))
        assert outcome.interval is not None
        assert outcome.interval.low <= outcome.auc <= outcome.interval.high
    assert found.clusters == 8
    assert len(found.outcomes) == 1 + 4 + 3
    assert set(found.of("noise")) == {None, 4, 8, 16}


def test_scores_repeat_with_their_seed_however_many_crops_there_are(
    bundle: Bundle, tmp_path: Path, scores: Scores
) -> None:
    few = write_toy_crops(tmp_path / "crops.parquet", families=2)
    again = score_distorted(bundle, faces_at(bundle, few), FAST)
    both = [list(scores.predictions.video_id).index(v) for v in again.predictions.video_id]
    np.testing.assert_allclose(again.logits, scores.logits[:, both], rtol=1e-6)


def test_a_crop_store_is_cut_as_predict_cuts_it(tmp_path: Path) -> None:
    limits = {"min_face_px": 10.0, "min_sharpness": 0.0, "min_key_frames": 1}
    bundle = write_bundle(tmp_path / "detector", judgeable=limits)
    manifest = toy_set(tmp_path / "set")
    store = tmp_path / "store"
    quick = ScanSettings(detect_long_side_px=160, budget=2)
    settings = CropSettings(scan=quick, size_px=64, margin_ratio=2.0, image_format="png")
    crop_videos(manifest, store, settings)
    plain = predict(bundle, source_at(bundle, store), tmp_path / "p.parquet")
    done = plain.words["status"] == "done"
    result = score_distorted(bundle, faces_at(bundle, store), StressSettings(only=("JPEG",)))
    np.testing.assert_allclose(result.logits[0], plain.logit[done], rtol=1e-6)


def test_a_limit_draws_evenly_as_far_as_there_are_enough() -> None:
    is_fake = np.arange(100) >= 10
    drawn = drawn_evenly(is_fake, 40, seed=3)
    assert len(set(drawn.tolist())) == 40
    assert is_fake[drawn].sum() == 30
    assert not np.array_equal(drawn, drawn_evenly(is_fake, 40, seed=4))
    assert drawn_evenly(is_fake, None).tolist() == list(range(100))
    alternating = np.arange(12) % 2 == 1
    assert alternating[drawn_evenly(alternating, 6)].sum() == 3
    assert len(set(drawn_evenly(alternating, 6).tolist())) == 6


def test_crops_that_cannot_be_decoded_are_counted(bundle: Bundle, tmp_path: Path) -> None:
    table = pq.read_table(write_toy_crops(tmp_path / "c.parquet", families=2)).to_pylist()
    table[1]["image"] = b"no picture"
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "c.parquet")
    result = score_distorted(bundle, faces_at(bundle, tmp_path / "c.parquet"), FAST)
    assert result.unreadable == 1
    assert result.logits.shape == (8, 5)
    for each in table:
        each["image"] = b"no picture"
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "c.parquet")
    with pytest.raises(ManifestError, match="no crop could be decoded"):
        score_distorted(bundle, faces_at(bundle, tmp_path / "c.parquet"), FAST)


def test_a_manifest_of_videos_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    manifest = toy_set(tmp_path / "set")
    write_manifest(manifest, tmp_path / "m.parquet")
    with pytest.raises(InputError, match="this takes only crops"):
        faces_at(bundle, tmp_path / "m.parquet")


def test_unknown_names_are_refused_before_anything_is_scored() -> None:
    with pytest.raises(ValueError, match=r"no distortion 'rain'; there are: H\.264, JPEG"):
        StressSettings(only=("rain",))
    with pytest.raises(ValueError, match="level must be one of crop, track, video"):
        StressSettings(level="frame")  # type: ignore[arg-type]


def test_without_one_of_the_labels_there_is_no_auc_but_a_shift(
    bundle: Bundle, tmp_path: Path
) -> None:
    reals = write_toy_crops(tmp_path / "c.parquet", families=3, fakes=0)
    result = compute_outcomes(
        score_distorted(bundle, faces_at(bundle, reals), FAST), FAST, threshold=0.0
    )
    assert result.plain.auc is result.plain.shift_fake is None
    assert result.plain.shift_real == 0
    assert make_rows(result)[0][2:6] == ("-", "-", "+0.00", "-")
    assert draw_charts(result) == ()
    assert "None: they need reals and fakes" in to_html(result)


def test_a_curve_lies_within_its_chart_and_marks_every_level(found: Stress) -> None:
    brightness, noise = draw_charts(found)
    assert [tick.label for tick in brightness.x_ticks] == ["0.5", "0.75", "none", "1.25", "1.5"]
    assert [tick.label for tick in noise.x_ticks] == ["none", "4", "8", "16"]
    for chart in (brightness, noise):
        assert len(chart.marks) == len(chart.x_ticks)
        for line in chart.lines:
            for x, y in (map(float, point.split(",")) for point in line.points.split()):
                assert LEFT <= x <= RIGHT
                assert TOP <= y <= BOTTOM


def test_the_page_has_every_row_and_loads_nothing(found: Stress) -> None:
    page = to_html(found)
    assert page.count("<tr>") == 1 + len(found.outcomes)
    assert page.count("<figure>") == 2
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_the_page_of_a_leaking_protocol_says_so_at_every_auc(found: Stress) -> None:
    info = found.info.model_copy(update={"leaks": True, "leak_reason": "one <b> & one"})
    page = to_html(Stress(**{**vars(found), "info": info}))
    assert page.count('<span class="leaks"') >= len(found.outcomes)
    assert "one &lt;b&gt; &amp; one" in page


def test_crops_that_were_trained_on_are_warned_of(scores: Scores, found: Stress) -> None:
    assert found.warnings == ()
    plain = scores.predictions
    learned = {**plain.words, "split": np.full(len(plain), "train", dtype=object)}
    of_train = replace(scores, predictions=replace(plain, words=learned))
    page = to_html(compute_outcomes(of_train, FAST, threshold=0.0))
    assert "<li>rows of the split train are among these" in page


def test_scores_are_written_for_every_crop_and_condition(scores: Scores, tmp_path: Path) -> None:
    write_scores(scores, tmp_path / "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet")
    assert len(table) == scores.logits.size
    np.testing.assert_array_equal(table["logit"].to_numpy(), scores.logits.reshape(-1))
    noise = table.filter(pc.field("distortion") == "noise")
    assert sorted(set(noise["level"].to_pylist())) == [4, 8, 16]
    assert table["level"].null_count == len(scores.predictions)
    assert b"unmask-stress" in table.schema.metadata
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]
