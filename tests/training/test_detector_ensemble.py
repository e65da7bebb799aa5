"""Finished detectors as views of one: fitted weights, the members' own logits, calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="joining needs onnx (extra `train`)")
pytest.importorskip("lir", reason="calibration needs lir (extra `evaluation`)")

from scipy.optimize import minimize

from bundles import MEAN, STD, onnx_model, write_bundle
from predicted import changed, drawn, info
from unmask.bundle.framing import batch, cut_views
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.bundle.runtime import Network
from unmask.cli.app import app
from unmask.core.errors import BundleError, InputError, ManifestError
from unmask.evaluation.aggregation import make_units
from unmask.evaluation.calibration import calibrate_bundle
from unmask.evaluation.predictions import (
    PredictionRow,
    read_predictions,
    to_table,
    write_predictions,
)
from unmask.training.detector_ensemble import Joined, Member, fit_weights, join

SPECS = {
    "tight": {"size_px": 16, "margin_ratio": 0.85, "shift_y_ratio": 0.06},
    "wide": {"size_px": 32, "margin_ratio": 1.3},
}


def rows(seed: int) -> list[PredictionRow]:
    """Draw validation rows; those of several seeds are of the same faces."""
    return [changed(row, split="validation") for row in drawn(videos=400, seed=seed)]


def member(folder: Path, name: str, seed: int, found: list[PredictionRow] | None = None) -> Member:
    spec = SPECS[name]
    model = onnx_model(size=int(spec["size_px"]))
    preprocessing = {**spec, "mean": MEAN, "std": STD}
    bundle = write_bundle(folder / name, model=model, name=name, preprocessing=preprocessing)
    text = info(
        detector=name,
        model_sha256=bundle.manifest.networks_sha256,
        calibration=bundle.manifest.calibration.model_dump(),
    )
    path = folder / f"{name}.parquet"
    write_predictions(text, to_table(rows(seed) if found is None else found), path)
    return Member(name, bundle, path)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Member]:
    folder = tmp_path_factory.mktemp("members")
    return [member(folder, "tight", 1), member(folder, "wide", 2)]


@pytest.fixture(scope="module")
def joined(members: list[Member], tmp_path_factory: pytest.TempPathFactory) -> Joined:
    return join(members, tmp_path_factory.mktemp("joined") / "both", name="both")


def test_weights_are_those_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 2)) * [1.0, 3.0] + [0.5, -2.0]
    odds = 1.2 * logits[:, 0] + 0.4 * logits[:, 1] + 0.5
    is_fake = rng.random(4000) < 1 / (1 + np.exp(-odds))
    even = np.where(is_fake, 0.5 / is_fake.mean(), 0.5 / (~is_fake).mean())

    def loss(w: np.ndarray) -> float:
        values = logits @ w[:2] + w[2]
        return float((even * np.logaddexp(0, np.where(is_fake, -values, values))).mean())

    expected = minimize(loss, np.zeros(3), tol=1e-10).x
    weights, offset = fit_weights(logits, is_fake)
    np.testing.assert_allclose([*weights, offset], expected, rtol=0.01, atol=0.01)


def test_the_widest_view_comes_first_and_its_crop_is_shown(joined: Joined) -> None:
    manifest = joined.bundle.manifest
    assert [view.name for view in manifest.views] == ["wide", "tight"]
    assert manifest.preprocessing.margin_ratio == 1.3
    assert set(manifest.files) == {"README.md", "model-wide.onnx", "model-tight.onnx"}


def test_a_joined_detector_scores_as_its_members_do(joined: Joined, members: list[Member]) -> None:
    assert joined.parity <= 1e-6
    frame = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    views, manifest = joined.bundle.views, joined.bundle.manifest
    crops = cut_views(frame, (50.0, 50.0, 110.0, 130.0), views)
    wide, tight = (Network(members[at].bundle) for at in (1, 0))
    own = [net.run((crop[None],)).logits[0] for net, crop in zip((wide, tight), crops, strict=True)]
    total = manifest.logit_offset + sum(v.weight * o for v, o in zip(views, own, strict=True))
    assert Network(joined.bundle).run(batch([crops])).logits[0] == pytest.approx(total, rel=1e-5)


def test_two_views_separate_better_than_one(joined: Joined) -> None:
    areas = {figure.name: figure.value for figure in joined.figures}
    alone = [areas[f"AUC per video, view {name} alone"] for name in ("wide", "tight")]
    assert areas["AUC per video"] > max(alone)
    assert joined.rows == 1600


def test_figures_of_all_views_and_of_each_stand_in_the_bundle_and_its_card(joined: Joined) -> None:
    figures = joined.bundle.manifest.metrics[: len(joined.figures)]
    assert figures == joined.figures
    names = [figure.name for figure in figures]
    assert {"AUC per video", "AUC per video, view tight alone"} <= set(names)
    text = (joined.bundle.folder / "README.md").read_text()
    for figure in figures:
        low, high = figure.interval
        assert low <= figure.value <= high
        assert f"| {figure.name} | {figure.value:.3f} | {low:.3f} to {high:.3f} |" in text


def test_areas_are_those_of_scikit_learn(joined: Joined, members: list[Member]) -> None:
    roc_auc_score = pytest.importorskip("sklearn.metrics").roc_auc_score
    units = make_units(read_predictions(members[0].predictions), level="video")
    areas = {figure.name: figure.value for figure in joined.figures}
    expected = roc_auc_score(units.is_fake, units.logit)
    assert areas["AUC per video, view tight alone"] == pytest.approx(expected, abs=1e-4)


def test_weights_that_are_given_are_kept(members: list[Member], tmp_path: Path) -> None:
    result = join(members, tmp_path / "b", name="given", weights=[0.3, 0.7]).bundle
    assert {view.name: view.weight for view in result.views} == {"tight": 0.3, "wide": 0.7}
    assert result.manifest.logit_offset == 0


def test_only_faces_that_all_have_scored_count(members: list[Member], tmp_path: Path) -> None:
    fewer = member(tmp_path, "wide", 2, [r for r in rows(2) if r.crop.frame_index != 3])
    result = join([members[0], fewer], tmp_path / "b", name="fewer")
    assert result.rows == 1200


def test_a_joined_detector_is_calibrated_again_on_its_own_predictions(
    joined: Joined, members: list[Member]
) -> None:
    bundle = joined.bundle
    parts = [read_predictions(each.predictions) for each in (members[1], members[0])]
    logit = bundle.manifest.logit_offset + sum(
        view.weight * each.logit for view, each in zip(bundle.views, parts, strict=True)
    )
    text = parts[0].info.model_copy(update={"model_sha256": bundle.manifest.networks_sha256})
    again = calibrate_bundle(bundle, replace(parts[0], info=text, logit=logit))
    assert again.calibration.slope == pytest.approx(bundle.manifest.calibration.slope, rel=1e-6)
    with pytest.raises(BundleError, match="not of the network of 'both'"):
        calibrate_bundle(bundle, parts[0])


def test_what_cannot_be_joined_is_refused_and_leaves_nothing(
    members: list[Member], joined: Joined, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="cannot be joined"):
        join(members[:1], out, name="one")
    for weights in ([1.0], [1.0, 0.0], [1.0, float("nan")], [1.0, 2.0, 3.0]):
        with pytest.raises(InputError, match="cannot be joined"):
            join(members, out, name="weights", weights=weights)
    with pytest.raises(BundleError, match="is a joined one already"):
        join([replace(members[0], bundle=joined.bundle), members[1]], out, name="twice")
    with pytest.raises(BundleError, match="these predictions are of"):
        join([replace(members[0], predictions=members[1].predictions), members[1]], out, name="x")
    for name in ("tight", "../wide", "", "Wide", "a" * 33):
        with pytest.raises(InputError, match="names of their own"):
            join([members[0], replace(members[1], name=name)], out, name="named")
    assert not list(tmp_path.iterdir())


def test_faces_that_no_two_have_scored_are_refused(members: list[Member], tmp_path: Path) -> None:
    others = [changed(row, video_id=f"other {row.crop.video_id}") for row in rows(2)]
    with pytest.raises(ManifestError, match="no face in common"):
        join([members[0], member(tmp_path, "wide", 2, others)], tmp_path / "out", name="none")


def test_the_command_says_what_came_of_it(members: list[Member], tmp_path: Path) -> None:
    words = ["detectors", "join", "-o", str(tmp_path / "both")]
    for each in members:
        words += [f"{each.name}={each.bundle.folder}", "--predictions", str(each.predictions)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    of_views = ("view wide: weight", "view tight: weight", "AUC per video, view tight alone")
    for text in (*of_views, "offset"):
        assert text in done.output
    bundle: Bundle = load_bundle(tmp_path / "both")
    assert bundle.manifest.name == "both"
    assert "| tight | 16 px | 0.85 x the face box |" in (bundle.folder / "README.md").read_text()
