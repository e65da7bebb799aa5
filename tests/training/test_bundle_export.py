"""From a run to a bundle: the same scores, its figures and thresholds, and what is refused."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

for package in ("torch", "lightning", "timm", "onnx", "onnxscript", "tensorboard"):
    pytest.importorskip(package, reason=f"export needs {package} (extra `train`)")

import pyarrow as pa
import pyarrow.parquet as pq
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from tiny_networks import RESNET
from toy_crops import picture
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.manifest import OUTPUTS, Bundle, Calibration, Metric, Parity
from unmask.bundle.onnx_file import output_names, prune
from unmask.bundle.runtime import preprocess
from unmask.cli.app import app
from unmask.core.errors import BundleError, InputError, InputNotFound
from unmask.explain.network import BundleNetwork
from unmask.explain.randomisation import cascade
from unmask.studies.trained_scores import load_network
from unmask.training.bundle_export import JUDGEABLE, Subject, _fit, _judge, _manifest, write_bundle
from unmask.training.costs import Costs
from unmask.training.engine import train
from unmask.training.export_sources import (
    CostChanges,
    Facts,
    Words,
    average_subjects,
    join_subjects,
    read_subject,
    read_together,
)
from unmask.training.hardware import Hardware
from unmask.training.networks.float16 import round_weights
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.parity import LIMITS
from unmask.training.recipe import load_recipe
from unmask.training.runs import Run, RunRecord

# torch's exporter uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TINY = [f"network.backbone={RESNET}", "network.weights=null", "network.size_px=32"]
TINY += ["batch_size=8", "epochs=4", "workers=0", "optimiser.learning_rate=0.003"]
VALIDATED = 40
"""Families of one real and one fake crop that validate."""


class Silent:
    """A watcher that shows nothing."""

    def begins(self, record: RunRecord) -> None: ...

    def batch(self, done: int, total: int, *, loss: float) -> None: ...

    def epoch(self, row: dict[str, float], *, best: bool) -> None: ...


def write_crops(path: Path, *, families: int, prefix: str) -> Path:
    """Write pairs of crops of which every fifth cannot be told apart: no classifier is perfect."""
    rows = [
        {
            "name": f"{prefix}{number}{label}",
            "label": label,
            "original": f"{prefix}{number}real",
            "image": picture(
                1000 * len(prefix) + number, fake=(label == "fake") != (not number % 5)
            ),
        }
        for number in range(families)
        for label in ("real", "fake")
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("made")
    crops = write_crops(folder / "crops.parquet", families=60, prefix="clip")
    held_out = write_crops(folder / "held.parquet", families=VALIDATED, prefix="other")
    recipe = load_recipe("paper-xception", [*TINY, "selection=auc"])
    hardware = Hardware("cpu")
    return train(recipe, [crops], [held_out], folder / "run", hardware=hardware, watcher=Silent())


@pytest.fixture(scope="module")
def subject(made: Run) -> Subject:
    return read_subject(made.folder)


@pytest.fixture(scope="module")
def printed(made: Run) -> str:
    """Export as a user does, and return what was printed."""
    words = ["export", str(made.folder), "-o", str(made.folder.parent / "bundle")]
    words += ["--false-positive", "5", "--max-turn", "0.7", "--min-sharpness", "2.5"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def detector(made: Run, printed: str) -> Detector:
    assert printed
    return Detector.from_pretrained(made.folder.parent / "bundle")


@pytest.fixture
def exported_before(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the network of the run be exported by copying what was exported of it."""
    result = prune((detector.bundle.folder / "model.onnx").read_bytes(), OUTPUTS)

    def export(_: object, path: Path, **__: object) -> None:
        path.write_bytes(result)

    monkeypatch.setattr("unmask.training.bundle_export.export_scoring", export)


@pytest.fixture(scope="module")
def half(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("half") / "bundle"
    return write_bundle(subject, folder, precision="float16", say=lambda _: None)


def test_a_bundle_scores_a_crop_as_the_trained_network_does(
    subject: Subject, detector: Detector, made: Run
) -> None:
    crop = np.asarray(subject.validation.picture(3))
    pixels = detector.split(crop[None])[0][0]
    scaled = (pixels / 255 - np.array(made.preprocessing.mean)) / np.array(made.preprocessing.std)
    network = FaceNetwork(RESNET, weights=made.weights).eval()
    with torch.no_grad():
        expected = network(torch.tensor(scaled.transpose(2, 0, 1)[None], dtype=torch.float32))
    assert detector.scores(crop[None]).logits == pytest.approx(expected.numpy(), rel=1e-4)
    check_works(detector)


def test_one_file_holds_scores_and_gradient_over_one_set_of_weights(detector: Detector) -> None:
    folder = detector.bundle.folder
    assert sorted(p.name for p in folder.glob("*.onnx")) == ["model.onnx"]
    held = output_names((folder / "model.onnx").read_bytes())
    assert sorted(held) == ["features", "gradient", "input_gradient", "logit"]
    assert detector.bundle.has_input_gradient
    stored = onnx.load(str(folder / "model.onnx")).graph.initializer
    large = [(tuple(t.dims), t.raw_data) for t in stored if len(t.raw_data) >= 1024]
    assert large
    assert len(set(large)) == len(large)


def test_what_is_not_to_be_judged_is_as_asked(detector: Detector) -> None:
    refused = detector.bundle.manifest.judgeable
    assert (refused.max_turn, refused.min_sharpness) == (0.7, 2.5)
    assert refused.min_face_px == JUDGEABLE.min_face_px


def test_parity_is_measured_printed_and_stored(detector: Detector, printed: str) -> None:
    parity = detector.bundle.manifest.parity
    assert parity.attention is None
    for name, limit in LIMITS.items():
        if name in {"attention", "rollout"}:  # of transformers
            continue
        assert 0 <= getattr(parity, name) <= limit
        assert f"{name} {getattr(parity, name):.1e}" in printed
    assert parity.crops.startswith("16 of the run's validation crops")
    assert "on three quarters of these crops" in printed


def test_the_figure_is_the_runs_own(detector: Detector, made: Run) -> None:
    (auc,) = detector.bundle.manifest.metrics
    assert auc.value == pytest.approx(made.metrics["auc"], abs=1e-3)
    assert (
        f"n = {2 * VALIDATED} crops, 95 % bootstrap over {VALIDATED} source videos" in auc.protocol
    )
    assert any("too good" in limit for limit in detector.bundle.manifest.limits)


def test_costs_move_the_operating_point_without_training(detector: Detector, printed: str) -> None:
    (point,) = (p for p in detector.bundle.manifest.operating_points if p.name == "costs")
    # logits of a run with balanced classes carry even odds
    assert point.logit == pytest.approx(np.log(5))
    assert "operating point costs: logit 1.609" in printed


@pytest.mark.usefixtures("exported_before")
def test_costs_of_logits_that_are_no_log_odds_are_the_cheapest_on_validation(
    subject: Subject, tmp_path: Path
) -> None:
    costs = Costs(3, 1, prior_fake=0.3)
    distorted = replace(subject, costs=costs, trained_log_odds=None)
    bundle = write_bundle(distorted, tmp_path / "b", gradient=False, say=lambda _: None)
    (point,) = (p for p in bundle.manifest.operating_points if p.name == "costs")
    spent = 0.7 * 3 * point.false_positive_rate + 0.3 * (1 - point.true_positive_rate)
    detector = Detector(bundle)
    crops = [np.asarray(subject.validation.picture(i)) for i in range(2 * VALIDATED)]
    logits = detector.scores(np.stack(crops)).logits.astype(np.float64)
    is_fake = subject.validation.is_fake
    tried = [
        0.7 * 3 * (logits[~is_fake] >= t).mean() + 0.3 * (logits[is_fake] < t).mean()
        for t in [*logits, logits.max() + 1]
    ]
    assert spent == pytest.approx(min(tried))


def test_prior_and_costs_default_to_the_runs(made: Run) -> None:
    assert read_subject(made.folder).costs == Costs()
    changed = read_subject(made.folder, costs=CostChanges(prior_fake=0.1)).costs
    assert changed == Costs(1, 1, prior_fake=0.1)
    with pytest.raises(ValueError, match="costs must be above 0"):
        read_subject(made.folder, costs=CostChanges(false_positive=-1))


@pytest.mark.usefixtures("exported_before")
def test_int8_is_kept_where_it_costs_no_accuracy(subject: Subject, tmp_path: Path) -> None:
    bundle = write_bundle(
        subject, tmp_path / "int8", precision="int8", gradient=False, say=lambda _: None
    )
    result = bundle.manifest.quantised
    assert result.auc_float32 - result.auc_int8 <= 0.005
    assert b"QuantizeLinear" in (bundle.folder / "model.onnx").read_bytes()
    assert bundle.manifest.metrics[0].value == pytest.approx(result.auc_int8, abs=1e-4)
    check_works(Detector(bundle))


@pytest.mark.usefixtures("exported_before")
def test_int8_that_costs_accuracy_leaves_nothing_behind(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.training.networks.quantisation.LARGEST_FALL", -1.0)
    with pytest.raises(BundleError, match="int8 lowers AUC from"):
        write_bundle(subject, tmp_path / "b", precision="int8", gradient=False, say=lambda _: None)
    assert not list(tmp_path.iterdir())


def test_float16_weights_are_those_of_every_file_and_figure(subject: Subject, half: Bundle) -> None:
    assert half.manifest.weights_stored_as == "float16"
    assert "stored in float16" in (half.folder / "README.md").read_text()
    network = FaceNetwork(RESNET, weights=half.folder / "model.safetensors").eval()
    for name, weight in round_weights(subject.network).state_dict().items():
        assert torch.equal(network.state_dict()[name], weight)
    crop = np.asarray(subject.validation.picture(3))[None]
    detector = Detector(half)
    images = preprocess(detector.split(crop)[0], detector.preprocessing)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    assert detector.scores(crop).logits == pytest.approx(expected, rel=1e-4)
    check_works(detector)


def test_float16_weights_are_shuffled_to_check_explanations(half: Bundle) -> None:
    size = half.manifest.preprocessing.size_px
    images = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    trained = BundleNetwork(half, threads=1)
    for _, shuffled in cascade(half, threads=1):
        assert shuffled.logits(images) != trained.logits(images)
        gradients = shuffled.input_gradients(images)
        assert not np.array_equal(gradients, trained.input_gradients(images))


def test_int8_with_float16_is_refused_before_the_run_is_read(tmp_path: Path) -> None:
    words = ["export", str(tmp_path / "absent"), "-o", str(tmp_path / "b"), "--int8", "--half"]
    refused = CliRunner().invoke(app, words)
    assert "in int8 or weights in float16, not both" in str(refused.exception)


@pytest.mark.usefixtures("exported_before")
def test_an_export_that_differs_from_pytorch_leaves_nothing_behind(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "logit", -1.0)
    with pytest.raises(BundleError, match="differs from the trained one: logit"):
        write_bundle(subject, tmp_path / "b", gradient=False, say=lambda _: None)
    assert not list(tmp_path.iterdir())


def test_a_network_that_scores_all_crops_alike_is_refused(subject: Subject, tmp_path: Path) -> None:
    network = copy.deepcopy(subject.network)
    torch.nn.init.zeros_(network.head.logit.weight)
    blank = replace(subject, network=network)
    with pytest.raises(InputError, match=f"all {2 * VALIDATED} validation crops alike"):
        write_bundle(blank, tmp_path / "b", gradient=False, say=lambda _: None)
    assert not list(tmp_path.iterdir())


def with_fakes(subject: Subject, count: int) -> tuple[Subject, NDArray[np.float64]]:
    """Leave so many fakes among the validation crops, and draw logits for them."""
    is_fake = subject.validation.is_fake
    crops = subject.validation.take(~is_fake | (is_fake.cumsum() <= count))
    logits = np.random.default_rng(0).normal(crops.is_fake * 1.0, 1.0)
    return replace(subject, validation=crops), logits


def fitted(subject: Subject, logits: NDArray[np.float64]) -> tuple[Calibration, Metric]:
    return _fit(subject.validation, subject.validation_described, logits)


def test_a_draw_of_source_videos_without_a_fake_does_not_stop_the_calibration(
    subject: Subject,
) -> None:
    calibration, auc = fitted(*with_fakes(subject, 4))
    assert (calibration.method, calibration.level) == ("platt", "crop")
    assert np.linalg.det(calibration.covariance) > 0
    assert auc.interval[0] < auc.value < auc.interval[1]


def test_few_source_videos_give_no_interval_and_the_card_says_so(subject: Subject) -> None:
    few = replace(subject, validation=subject.validation.take(np.arange(2 * VALIDATED) < 8))
    logits = np.random.default_rng(0).normal(few.validation.is_fake * 1.0, 1.0)
    parity = Parity(logit=0, features=0, gradient=0, input_gradient=None, crops="none")
    manifest = _manifest(few, _judge(few, few.validation, logits), parity, None)
    assert manifest.metrics == ()
    assert "Calibrated on crops of 4 source videos: its prob" in manifest.limits[-1]


def test_one_class_alone_has_no_calibration(subject: Subject) -> None:
    with pytest.raises(InputError, match=r"40 real, 0 fake.* one class alone"):
        fitted(*with_fakes(subject, 0))


def test_a_folder_that_is_not_empty_is_refused_before_anything_is_exported(
    subject: Subject, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match="is not empty"):
        write_bundle(subject, tmp_path, say=lambda _: None)


def test_weights_alone_need_their_network_and_crops(made: Run) -> None:
    with pytest.raises(InputError, match="holds weights only"):
        read_subject(made.weights)
    held_out = [made.folder.parent / "held.parquet"]
    facts = Facts(backbone=RESNET, size_px=32)
    result = read_subject(made.weights, validation=held_out, facts=facts)
    assert (result.training_data, result.costs) == ("not stated", None)
    assert result.limits == ("Its training is not documented.",)
    with pytest.raises(InputNotFound, match="no run folder and no weights file"):
        read_subject(made.folder / "absent")


def test_weights_whose_head_would_be_random_are_refused(made: Run, tmp_path: Path) -> None:
    held_out = [made.folder.parent / "held.parquet"]
    facts = Facts(backbone="test_resnet", size_px=32)
    foreign = timm.create_model("test_resnet", num_classes=1).state_dict()
    backbone = {name: each for name, each in foreign.items() if not name.startswith("fc.")}
    for state in (foreign, backbone):
        save_file(state, tmp_path / "foreign.safetensors")
        with pytest.raises(InputError, match="no head of this program's networks") as caught:
            read_subject(tmp_path / "foreign.safetensors", validation=held_out, facts=facts)
        assert "unmask import timm" in caught.value.hint


def test_words_of_whoever_exports_come_before_the_runs_own(made: Run) -> None:
    plain = read_subject(made.folder)
    text = Words("faces of mine", ("It knows no beards.",)).of(plain)
    assert text.training_data == f"faces of mine ({plain.training_data})"
    assert text.limits == ("It knows no beards.", *plain.limits)
    alone = read_subject(
        made.weights,
        validation=[made.folder.parent / "held.parquet"],
        facts=Facts(backbone=RESNET, size_px=32),
    )
    assert Words("faces of mine").of(alone).training_data == "faces of mine"


def another_run(made: Run, folder: Path) -> Path:
    """Write a run like `made` with weights of its own."""
    folder.mkdir()
    for name in ("run.json", "recipe.yaml", "validation.parquet"):
        (folder / name).write_bytes((made.folder / name).read_bytes())
    torch.manual_seed(1)
    save_file(FaceNetwork(RESNET).state_dict(), folder / "best.safetensors")
    return folder


def test_exports_and_studies_score_with_mirror_images_where_the_run_asks(
    made: Run, tmp_path: Path
) -> None:
    again = another_run(made, tmp_path / "again")
    recipe = (again / "recipe.yaml").read_text()
    (again / "recipe.yaml").write_text(recipe.replace("mirrored: false", "mirrored: true"))
    exported = read_subject(again, validation=[made.folder.parent / "held.parquet"]).network
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        logits = [network(picture) for network in (exported.eval(), load_network(again))]
    assert exported.mirrored
    torch.testing.assert_close(*logits)


def test_joined_runs_score_by_the_mean_of_their_logits(made: Run, tmp_path: Path) -> None:
    held, again = made.folder.parent / "held.parquet", another_run(made, tmp_path / "again")
    words = ["export", str(made.folder), "--join", str(again), "--share", "3", "--share", "1"]
    words += ["--validation", str(held), "-o", str(tmp_path / "bundle")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    detector = Detector.from_pretrained(tmp_path / "bundle")
    assert detector.bundle.manifest.backbone.startswith("mean of logits: 0.75 of tiny_resnet")
    assert "model.safetensors" not in detector.bundle.manifest.files
    crop = np.asarray(read_subject(made.folder).validation.picture(0))[None]
    images = torch.from_numpy(preprocess(detector.split(crop)[0], detector.preprocessing))
    members = [read_subject(folder).network.eval() for folder in (made.folder, again)]
    with torch.inference_mode():
        logits = [float(member(images)[0]) for member in members]
    expected = 0.75 * logits[0] + 0.25 * logits[1]
    assert detector.scores(crop).logits == pytest.approx([expected], rel=1e-4)
    check_works(detector)


def test_a_run_is_joined_with_a_file_of_weights_that_sees_other_pictures(
    made: Run, tmp_path: Path
) -> None:
    held, cut = made.folder.parent / "held.parquet", made.preprocessing
    weights = another_run(made, tmp_path / "again") / "best.safetensors"
    words = ["export", str(made.folder), "--join", str(weights), "--backbone", RESNET]
    words += ["--size", "64", "--margin", str(cut.margin_ratio), "--shift", str(cut.shift_y_ratio)]
    words += ["--mirrored", "--no-gradient", "--validation", str(held)]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "bundle")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    manifest = Detector.from_pretrained(tmp_path / "bundle").bundle.manifest
    assert manifest.preprocessing == cut
    assert manifest.backbone.endswith("mean of picture and mirror image at 64 px")
    assert "Its training is not documented." in manifest.limits
    elsewhere = [*words, "--shift", "0.3", "-o", str(tmp_path / "other")]
    refused = CliRunner().invoke(app, elsewhere)
    assert "takes other pictures" in str(refused.exception)


def test_averaged_runs_have_the_mean_of_their_weights(made: Run, tmp_path: Path) -> None:
    held, again = made.folder.parent / "held.parquet", another_run(made, tmp_path / "again")
    words = ["export", str(made.folder), "--average", str(again), "--no-gradient"]
    words += ["--validation", str(held), "-o", str(tmp_path / "bundle")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    one, other, mean = map(
        load_file, (made.weights, again / "best.safetensors", tmp_path / "bundle/model.safetensors")
    )
    for name, tensor in mean.items():
        expected = (one[name].double() + other[name].double()) / 2
        torch.testing.assert_close(tensor, expected.to(tensor.dtype))
    card = (tmp_path / "bundle/README.md").read_text()
    assert "mean of the weights of 2 runs" in card
    both = CliRunner().invoke(app, [*words, "--join", str(again)])
    assert both.exit_code != 0
    assert "joined or averaged, not both" in str(both.exception)
    alone = CliRunner().invoke(app, [*words, "--share", "2"])
    assert "shares are those of joined runs" in str(alone.exception)


def test_runs_that_do_not_go_together_are_not_averaged(made: Run, subject: Subject) -> None:
    with pytest.raises(InputError, match="what another was trained on"):
        average_subjects([subject, subject])
    own = read_subject(made.folder, validation=[made.folder.parent / "held.parquet"])
    narrow = replace(own, network=FaceNetwork(RESNET, head_width=8))
    with pytest.raises(InputError, match="weights of different networks"):
        average_subjects([own, narrow])


def test_runs_that_do_not_go_together_are_not_joined(made: Run, subject: Subject) -> None:
    with pytest.raises(InputError, match="what another was trained on"):
        join_subjects([subject, subject], [1, 1])
    own = read_subject(made.folder, validation=[made.folder.parent / "held.parquet"])
    with pytest.raises(InputError, match="cannot be joined by the shares"):
        join_subjects([own, own], [1, 0])
    other = replace(own, preprocessing=own.preprocessing.model_copy(update={"margin_ratio": 2}))
    with pytest.raises(InputError, match="takes other pictures"):
        join_subjects([own, other], [1, 1])


def test_joined_runs_may_be_normalised_otherwise(made: Run) -> None:
    own = read_subject(made.folder, validation=[made.folder.parent / "held.parquet"])
    changed = own.preprocessing.model_copy(update={"mean": (0.1, 0.2, 0.3), "std": (0.9, 0.8, 0.7)})
    both = join_subjects([own, replace(own, preprocessing=changed)], [1, 1])
    assert both.preprocessing == own.preprocessing
    side = own.preprocessing.size_px
    pixels = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(4))
    as_own, as_changed = (
        (pixels - torch.tensor(part.mean).view(3, 1, 1)) / torch.tensor(part.std).view(3, 1, 1)
        for part in (own.preprocessing, changed)
    )
    network = own.network.eval()
    with torch.inference_mode():
        expected = (network(as_own) + network(as_changed)) / 2
        torch.testing.assert_close(both.network.eval()(as_own), expected, rtol=1e-4, atol=1e-5)


def test_an_unfinished_run_says_so_and_one_without_weights_is_refused(
    made: Run, tmp_path: Path
) -> None:
    for name in ("run.json", "recipe.yaml", "validation.parquet", "best.safetensors"):
        (tmp_path / name).write_bytes((made.folder / name).read_bytes())
    record = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(record | {"finished": False}))
    assert "Its training was not finished: 4 epochs were done." in read_subject(tmp_path).limits
    (tmp_path / "best.safetensors").unlink()
    with pytest.raises(InputNotFound, match="has no weights yet"):
        read_subject(tmp_path)


def test_facts_of_a_weights_file_are_refused_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run tells its network and input itself"):
        read_together(tmp_path, average=[tmp_path], facts=Facts(size_px=96))
