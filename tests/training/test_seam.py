"""The seam head: what it is asked for, what it costs, and that nothing of it is kept."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "lightning", "timm", "yaml"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

import torch
from safetensors.torch import load_file

from toy_crops import write_toy_crops
from unmask.core.errors import RecipeError
from unmask.training.batches import TrainingBatches
from unmask.training.checkpoints import read_checkpoint
from unmask.training.crop_table import read_crops
from unmask.training.engine import train
from unmask.training.hardware import Hardware
from unmask.training.hulls import coarse_mask
from unmask.training.imbalance import Strategy
from unmask.training.lightning_module import Learning
from unmask.training.networks.network import FaceNetwork, read_preprocessing
from unmask.training.recipe import Recipe, load_recipe
from unmask.training.runs import WEIGHTS
from unmask.training.sampling import shuffle
from unmask.training.seam import SeamHead, seam_loss
from wide_crops import write_wide_crops

SEAM = ("network.seam_weight=0.5", "augmentation.self_blended_ratio=1")


def toy(*changes: str) -> Recipe:
    small = ("network.backbone=test_efficientnet", "network.size_px=64", "batch_size=4", "epochs=1")
    return load_recipe("toy", [*small, "workers=0", *SEAM, *changes])


def test_a_mask_is_averaged_over_cells() -> None:
    mask = np.zeros((32, 32), dtype=np.float32)
    mask[:, :12] = 1
    assert coarse_mask(mask, 16).tolist() == [[0.75, 0], [0.75, 0]]
    assert np.isnan(coarse_mask(float("nan"), 16)).all()


def test_the_loss_is_the_cross_entropy_of_the_seam() -> None:
    masks = torch.tensor([[[0.5, 0.5], [0.5, 0.5]], [[1.0, 1.0], [1.0, 1.0]]])
    logits = torch.tensor([[[2.0]], [[-1.0]]])
    # the first crop is all seam, the second is inside the forgery
    expected = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(-1.0))) / 2
    assert seam_loss(logits, masks).item() == pytest.approx(expected)


def test_crops_without_a_mask_count_for_nothing() -> None:
    logits = torch.zeros(2, 2, 2, requires_grad=True)
    masks = torch.stack([torch.zeros(4, 4), torch.full((4, 4), torch.nan)])
    seam_loss(logits, masks).backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().min() > 0
    assert logits.grad[1].abs().max() == 0
    assert seam_loss(logits, torch.full((2, 4, 4), torch.nan)).item() == 0


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_resnet", "test_byobnet"])
def test_the_head_leaves_the_logit_as_it_is(backbone: str) -> None:
    network = FaceNetwork(backbone).eval()
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    logits, seams = SeamHead(network)(network, pictures)
    torch.testing.assert_close(logits, network(pictures))
    assert seams.shape[0] == 2
    assert seams.shape[1] >= 64 / 16


def test_a_network_without_such_a_map_is_refused() -> None:
    with pytest.raises(RecipeError, match="squeezenet1_1 has no map that a seam could be read"):
        SeamHead(FaceNetwork("squeezenet1_1"))


def test_a_seam_without_made_forgeries_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"needs augmentation\.self_blended_ratio"):
        load_recipe("toy", ["network.seam_weight=1"])


def test_batches_carry_the_mask_of_each_fake(tmp_path: Path) -> None:
    crops = read_crops([write_wide_crops(tmp_path / "wide.parquet", films=4)])
    batch = TrainingBatches(crops, shuffle, toy())[0]
    assert len(batch) == 3
    _, labels, masks = batch
    assert masks.shape == (4, 8, 8)
    assert masks[labels == 0].max() == 0
    assert masks[labels == 1].reshape(2, -1).max(axis=1).min() > 0.1
    plain = TrainingBatches(crops, shuffle, toy("network.seam_weight=0"))[0]
    np.testing.assert_array_equal(plain[0], batch[0])
    assert len(plain) == 2


def test_a_mask_lies_where_its_fake_differs(tmp_path: Path) -> None:
    crops = read_crops([write_wide_crops(tmp_path / "wide.parquet", films=4)])
    batches = TrainingBatches(crops, shuffle, toy("augmentation.compression_ratio=0"))
    inside, outside = [], []
    for number in range(12):
        pixels, _, masks = batches[number]
        for at in (0, 2):
            change = np.abs(pixels[at + 1].astype(int) - pixels[at]).mean(axis=2)
            cells = change.reshape(8, 8, 8, 8).mean(axis=(1, 3))
            inside.append(cells[masks[at + 1] > 0.2].mean() if masks[at + 1].max() > 0.2 else 0)
            outside.append(cells[masks[at + 1] < 0.02].mean())
    assert np.mean(inside) > 3 * np.mean(outside)


class Unheard:
    """A keeper that keeps nothing."""

    def batch_begins(self) -> None: ...

    def batch_done(self, learning: Learning, *, crops: int) -> None: ...

    def validated(self, learning: Learning) -> None: ...


def fresh_learning(recipe: Recipe) -> Learning:
    network = FaceNetwork(recipe.network.backbone)
    return Learning(
        network,
        recipe,
        Strategy(0.0),
        read_preprocessing(network, recipe.network.size_px),
        total_batches=9,
        validation_size=1,
        keeper=Unheard(),
    )


def test_a_run_learns_with_it_and_keeps_it_for_going_on_alone(tmp_path: Path) -> None:
    wide = write_wide_crops(tmp_path / "wide.parquet", films=6)
    judged = write_toy_crops(tmp_path / "crops.parquet", families=3)
    run = train(toy(), [wide], [judged], tmp_path / "run", hardware=Hardware("cpu"))
    assert not [name for name in load_file(run.folder / WEIGHTS) if "seam" in name]
    checkpoint = read_checkpoint(run.checkpoint)
    assert checkpoint is not None
    learning = fresh_learning(toy())
    assert learning.seam is not None
    before = learning.seam.layers[0].weight.clone()
    learning.load(checkpoint["learning"])
    assert not torch.equal(learning.seam.layers[0].weight, before)
