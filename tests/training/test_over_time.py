"""Networks over time: from crops of tracks to a detector that says which frames mattered.

In the toy set a real face keeps its brightness from frame to frame, and a fake flickers. A single
frame tells nothing: its brightness is as likely in either.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning", reason="training needs lightning")
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from typer.testing import CliRunner

from tiny_networks import VIT
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.manifest import Clip
from unmask.bundle.runtime import preprocess
from unmask.cli.app import app
from unmask.core.errors import RecipeError
from unmask.core.settings import ScanSettings
from unmask.explain.clips import FrameOfClip, frame_effects
from unmask.explain.network import BundleNetwork
from unmask.scanner.scanner import Scanner
from unmask.training.batches import TrainingBatches
from unmask.training.crop_table import ClipCrops, as_clips, read_crops
from unmask.training.engine import train
from unmask.training.hardware import Hardware
from unmask.training.networks.clip_network import TemporalHead
from unmask.training.networks.differentiable import TorchNetwork
from unmask.training.networks.network import FaceNetwork
from unmask.training.recipe import load_recipe
from unmask.training.runs import Run
from unmask.training.sampling import shuffle
from unmask.training.trained_network import load_network

# torch's exporter uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMES = 4
SIDE = 24
SMALL = [
    f"network.clip.frames={FRAMES}", "network.clip.min_frames=2", "network.weights=null",
    "network.size_px=32", "augmentation.name=none", "batch_size=8", "accumulate=1", "workers=0",
    "selection=auc",
]  # fmt: skip
HEAD = ["network.backbone=test_resnet", "network.dropout=0", "epochs=10"]
HEAD += ["optimiser.learning_rate=0.01"]
TRANSFORMER = [f"network.backbone={VIT}", "network.dropout=0", "epochs=10"]
TRANSFORMER += ["optimiser.learning_rate=0.003"]
CONVOLUTIONS = ["epochs=6", "optimiser.learning_rate=0.003"]


def write_flicker(path: Path, *, families: int, seed: int) -> Path:
    """Write a real and a fake video of each family, of four crops each."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(families):
        for label in ("real", "fake"):
            level = rng.integers(90, 170)
            swing = 40 * rng.choice([-1, 1])
            signs = [1, -1] * (FRAMES // 2) if label == "fake" else [1] * FRAMES
            rows += [
                {
                    "name": f"{path.stem}{number}{label}{frame}",
                    "label": label,
                    "video": f"{path.stem}{number}{label}",
                    "original": f"{path.stem}{number}real",
                    "frame": frame,
                    "image": _grey(level + sign * swing, rng),
                }
                for frame, sign in enumerate(signs)
            ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _grey(level: int, rng: np.random.Generator) -> bytes:
    pixels = level + rng.integers(-8, 9, (SIDE, SIDE, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def make_run(folder: Path, name: str, changes: list[str]) -> Run:
    crops = write_flicker(folder / "learned.parquet", families=40, seed=1)
    held_out = write_flicker(folder / "held.parquet", families=40, seed=2)
    recipe = load_recipe(name, [*SMALL, *changes])
    return train(recipe, [crops], [held_out], folder / "run", hardware=Hardware("cpu"))


@pytest.fixture(scope="module")
def head_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("head"), "temporal-head", HEAD)


@pytest.fixture(scope="module")
def detector(head_run: Run) -> Detector:
    return export(head_run)


def export(run: Run) -> Detector:
    """Export as a user does, and return the detector."""
    folder = run.folder.parent / "bundle"
    words = ["export", str(run.folder), "-o", str(folder)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Detector.from_pretrained(folder)


def clips_of(run: Run) -> np.ndarray:
    """Return the validation clips, `(N, T, S, S, 3)`."""
    crops = as_clips(read_crops([run.folder.parent / "held.parquet"]), CLIP)
    resized = [
        crops.pixels(i, lambda frames: [frame.resize((32, 32), 2) for frame in frames])
        for i in range(len(crops))
    ]
    return np.stack(resized)


CLIP = Clip(frames=FRAMES, min_frames=2)


def test_a_head_over_time_learns_what_no_frame_shows(head_run: Run) -> None:
    assert head_run.metrics["auc"] > 0.95


def test_convolutions_over_space_and_time_learn_it_too(tmp_path: Path) -> None:
    run = make_run(tmp_path, "temporal-conv", CONVOLUTIONS)
    assert run.metrics["auc"] > 0.95


def test_a_detector_of_clips_scores_as_the_trained_network(
    detector: Detector, head_run: Run
) -> None:
    clips = clips_of(head_run)[:6]
    assert detector.bundle.manifest.clip == CLIP
    images = preprocess(clips, detector.preprocessing)
    expected = TorchNetwork(load_network(head_run)).logits(images)
    np.testing.assert_allclose(detector.scores(clips).logits, expected, rtol=1e-4, atol=1e-4)
    parity = detector.bundle.manifest.parity
    assert parity is not None
    assert parity.logit < 1e-4
    assert parity.gradient is not None
    assert "clips of 4 key frames" in (detector.bundle.folder / "README.md").read_text()


def test_effects_of_frames_are_those_of_pytorch(detector: Detector, head_run: Run) -> None:
    clip = preprocess(clips_of(head_run)[:1], detector.preprocessing)[0]
    network = TorchNetwork(load_network(head_run))
    logit = float(network.logits(clip[None])[0])
    places = np.arange(FRAMES)
    ours = frame_effects(BundleNetwork(detector.bundle), clip, places, logit, gradients=True)
    theirs = frame_effects(network, clip, places, logit, gradients=True)
    for place in range(FRAMES):
        assert ours[place].logit_change == pytest.approx(theirs[place].logit_change, abs=1e-3)
        assert ours[place].gradient_norm == pytest.approx(theirs[place].gradient_norm, rel=1e-2)


def test_a_frames_features_are_its_own(detector: Detector, head_run: Run) -> None:
    clip = preprocess(clips_of(head_run)[:1], detector.preprocessing)[0]
    whole = TorchNetwork(load_network(head_run)).evidence(clip[None])
    frame = FrameOfClip(BundleNetwork(detector.bundle), clip, np.array([2])).evidence(clip[2:3])
    assert frame.features is not None
    np.testing.assert_allclose(frame.features, whole.features[:, 2], atol=1e-4)


def test_the_example_clips_are_scanned_and_explained(detector: Detector) -> None:
    methods = ("gradcam", "smoothgrad")
    scanner = Scanner(detector, settings=ScanSettings(budget=8, explain=methods))
    for name in ("original.mp4", "forged.mp4"):
        scan = scanner.scan(EXAMPLES / name)
        keys = scan.result.tracks[0].key_frames
        in_clips = [key for key in keys if key.clip is not None]
        assert {key.clip for key in in_clips} == {1, 2}
        assert all(key.logit_change is not None and key.gradient_norm for key in in_clips)
        assert [m.method for m in scan.pictures[0].maps] == list(methods)


def test_a_head_begins_as_the_mean_of_its_frames() -> None:
    import torch

    frames = FaceNetwork("test_resnet", size_px=32).eval()
    network = TemporalHead(frames, CLIP).eval()
    clips = torch.randn(3, FRAMES, 3, 32, 32)
    with torch.no_grad():
        expected = frames(clips.flatten(0, 1)).reshape(3, FRAMES).mean(dim=1)
        torch.testing.assert_close(network(clips), expected)


def test_a_batch_is_of_clips_whose_frames_went_through_the_same(tmp_path: Path) -> None:
    crops = as_clips(read_crops([write_flicker(tmp_path / "c.parquet", families=4, seed=0)]), CLIP)
    assert isinstance(crops, ClipCrops)
    assert len(crops) == 8
    recipe = load_recipe("temporal-head", [*SMALL, *HEAD, "batch_size=4"])
    pixels, labels = TrainingBatches(crops, shuffle, recipe)[0]
    assert pixels.shape == (4, FRAMES, 32, 32, 3)
    still = pixels.mean(axis=(2, 3, 4)).std(axis=1) < 2
    assert (still == (labels == 0)).all()


def test_tracks_too_short_for_a_clip_are_refused(tmp_path: Path) -> None:
    crops = read_crops([write_flicker(tmp_path / "c.parquet", families=2, seed=0)])
    with pytest.raises(RecipeError, match="no face track has 5 crops"):
        as_clips(crops, Clip(frames=8, min_frames=5))


def test_clips_do_not_go_with_blends() -> None:
    with pytest.raises(RecipeError, match=r"network\.clip goes with crops as they are"):
        load_recipe("temporal-head", ["augmentation.self_blended_ratio=0.5"])


@pytest.fixture(scope="module")
def transformer_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("vit"), "temporal-head", TRANSFORMER)


@pytest.fixture(scope="module")
def transformer(transformer_run: Run) -> Detector:
    return export(transformer_run)


def test_a_transformer_under_a_head_learns_what_no_frame_shows(transformer_run: Run) -> None:
    assert transformer_run.metrics["auc"] > 0.9


def test_frames_of_a_transformer_are_explained_each_by_itself(
    transformer: Detector, transformer_run: Run
) -> None:
    check_works(transformer)
    assert transformer.bundle.manifest.parity.rollout is not None
    network = load_network(transformer_run)
    clip = preprocess(clips_of(transformer_run)[:1], transformer.preprocessing)[0]
    whole = BundleNetwork(transformer.bundle).evidence(clip[None])
    frame = FrameOfClip(BundleNetwork(transformer.bundle), clip, np.array([2])).evidence(clip[2:3])
    # attention mixes the patches of one frame only, so its rollout is that of the single picture
    alone = TorchNetwork(network.frame_network).evidence(clip[2:3])
    np.testing.assert_allclose(frame.rollout, alone.rollout, rtol=1e-4)
    np.testing.assert_allclose(frame.attention, whole.attention[:, 2])
    assert whole.attention.shape == (1, FRAMES, 2, 2)


def test_the_example_clips_are_scanned_by_a_transformer(transformer: Detector) -> None:
    methods = ("gradcam", "gradient-x-attention", "attention-rollout")
    scanner = Scanner(transformer, settings=ScanSettings(budget=4, explain=methods))
    for name in ("original.mp4", "forged.mp4"):
        scan = scanner.scan(EXAMPLES / name)
        assert scan.result.tracks[0].key_frames[0].clip == 1
        maps = scan.pictures[0].maps
        assert [each.method for each in maps] == list(methods)
        assert maps[2].empty is None
