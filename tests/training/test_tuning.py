"""A transformer trains, exports and explains; and which of its weights learn."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "lightning", "timm", "onnx", "onnxscript", "tensorboard"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

import torch
from safetensors.torch import load_file

from tiny_networks import VIT
from training.test_bundle_export import Silent, write_crops
from unmask.bundle.detector import Detector, check_works
from unmask.core.errors import InputError, RecipeError
from unmask.explain import EXPLAINERS, BundleNetwork, explain
from unmask.explain.network import available_methods
from unmask.explain.randomisation import cascade
from unmask.training.bundle_export import write_bundle
from unmask.training.engine import train
from unmask.training.export_sources import read_subject
from unmask.training.hardware import Hardware
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.tuning import choose_trained, plain_state
from unmask.training.recipe import load_recipe
from unmask.training.runs import Run
from unmask.training.trained_network import load_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 32
TINY = [f"network.backbone={VIT}", "network.weights=null", f"network.size_px={SIDE}"]
TINY += ["batch_size=8", "epochs=2", "workers=0", "optimiser.learning_rate=0.003"]


def vit(**options: object) -> FaceNetwork:
    torch.manual_seed(0)
    return FaceNetwork(VIT, size_px=SIDE, **options)


def learning(network: FaceNetwork) -> set[str]:
    return {name for name, each in network.named_parameters() if each.requires_grad}


def test_what_learns_is_what_the_recipe_names() -> None:
    everything = learning(vit())
    chosen = {}
    for tune in ("all", "norm", "head", "lora"):
        network = vit()
        choose_trained(network, tune, rank=2)
        chosen[tune] = learning(network)
    head = {name for name in everything if name.startswith("head.")}
    assert chosen["all"] == everything
    assert chosen["head"] == head
    assert chosen["norm"] - head == {n for n in everything if "norm" in n}
    assert all(n.endswith((".down", ".up")) for n in chosen["lora"] - head)
    assert len(chosen["lora"] - head) > 4


def test_lora_starts_at_the_network_that_it_tunes_and_is_added_when_saved() -> None:
    network, plain = vit(dropout=0.0).eval(), vit(dropout=0.0).eval()
    images = torch.randn(2, 3, SIDE, SIDE)
    choose_trained(network, "lora", rank=2)
    torch.testing.assert_close(network(images), plain(images))
    with torch.no_grad():
        for name, each in network.named_parameters():
            if name.endswith(".up"):
                each.normal_(std=0.1)
    assert not torch.allclose(network(images), plain(images))
    plain.load_state_dict(plain_state(network))
    torch.testing.assert_close(network(images), plain(images), rtol=1e-4, atol=1e-5)


def test_lora_needs_attention_and_head_alone_keeps_running_statistics() -> None:
    convolutional = FaceNetwork("test_resnet")
    with pytest.raises(InputError, match=r"no attention that network\.tune=lora could tune"):
        choose_trained(convolutional, "lora", rank=2)
    choose_trained(convolutional, "head", rank=2)
    before = {name: each.clone() for name, each in convolutional.backbone.named_buffers()}
    convolutional.train()(torch.randn(4, 3, SIDE, SIDE))
    for name, each in convolutional.backbone.named_buffers():
        torch.testing.assert_close(each, before[name])


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tuned")
    crops = write_crops(folder / "crops.parquet", families=20, prefix="clip")
    held = write_crops(folder / "held.parquet", families=40, prefix="other")
    changes = [*TINY, "selection=auc", "network.tune=lora", "network.lora_rank=2"]
    recipe = load_recipe("paper-xception", changes)
    return train(
        recipe, [crops], [held], folder / "run", hardware=Hardware("cpu"), watcher=Silent()
    )


def test_a_tuned_run_saves_plain_weights(tuned: Run) -> None:
    state = load_file(tuned.weights)
    assert state.keys() == vit().state_dict().keys()
    assert load_network(tuned).tokens is not None


@pytest.fixture(scope="module")
def detector(tuned: Run) -> Detector:
    folder = tuned.folder.parent / "bundle"
    return Detector(write_bundle(read_subject(tuned.folder), folder, say=lambda _: None))


def test_a_transformer_is_exported_and_explained_by_every_method(detector: Detector) -> None:
    check_works(detector)
    parity = detector.bundle.manifest.parity
    assert parity.attention is not None
    assert parity.rollout is not None
    assert "attention" in (detector.bundle.folder / "README.md").read_text()
    methods = available_methods(detector.bundle)
    assert methods == tuple(EXPLAINERS)
    images = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    maps = explain(BundleNetwork(detector.bundle, threads=1), images, methods)
    assert all(each.scaled.shape == (1, SIDE, SIDE) for each in maps.values())
    assert maps["attention-rollout"].raw.min() > 0


def test_shuffled_weights_change_the_scores_of_a_transformer(detector: Detector) -> None:
    images = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    trained = BundleNetwork(detector.bundle, threads=1)
    for _, shuffled in cascade(detector.bundle, threads=1):
        assert shuffled.logits(images) != trained.logits(images)


def test_a_transformer_of_two_sizes_or_of_mirror_images_is_refused(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "crops.parquet", families=20, prefix="clip")
    recipe = load_recipe(
        "paper-xception",
        [*TINY, "network.backbone=vit_tiny_patch16_224", "network.early_size_px=16"],
    )
    hardware = Hardware("cpu")
    with pytest.raises(RecipeError, match="cannot take crops of 16 px"):
        train(recipe, [crops], [], tmp_path / "run", hardware=hardware, watcher=Silent())
    with pytest.raises(InputError, match="cannot judge mirror images"):
        vit(mirrored=True)
