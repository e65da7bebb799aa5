"""The training loop on toy material: weights of the loss, learning, stopping and going on."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from toy_material import write_celeba, write_crops, write_imagenet_weights

torch = pytest.importorskip("torch", reason="training needs torch (extra `train`)")
for package in ("h5py", "pyarrow", "sklearn"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

from unmask.training import default_detector
from unmask.training.default_detector import Files, Recipe, Run, batches, learning_rate, train
from unmask.training.material import BatchPlan, TrainingBatches

PLAN = BatchPlan(triples=2, dfdc_blends=1, celeba_blends=1)
RECIPE = Recipe(
    backbone="squeezenet",
    steps=6,
    warmup_steps=2,
    learning_rate=4e-4,
    ema_decay=0.5,
    size_px=48,
    processes=1,
    plan=PLAN,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("toys")
    return {
        "dfdc": write_crops(folder / "dfdc.parquet"),
        "validation": write_crops(folder / "validation.parquet", seed=50),
        "celeba": write_celeba(folder / "celeba.parquet"),
        "weights": write_imagenet_weights(folder / "weights.h5"),
    }


def material(files: dict[str, Path], count: int = 6) -> TrainingBatches:
    return TrainingBatches(
        [files["dfdc"]], files["celeba"], plan=PLAN, size_px=48, batches=count, seed=RECIPE.seed
    )


def batch(files: dict[str, Path], step: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = material(files)[step]
    return torch.from_numpy(images), torch.from_numpy(labels)


def start(files: dict[str, Path], out: Path, **changes: float) -> Run:
    recipe = replace(RECIPE, **changes)
    return Run(recipe, weights=files["weights"], images=batch(files, 0)[0], out=out)


def paths(files: dict[str, Path], out: Path) -> Files:
    others = {key: files[key] for key in ("celeba", "weights", "validation")}
    return Files(dfdc=(files["dfdc"],), out=out, **others)


def run_training(files: dict[str, Path], out: Path) -> dict[str, torch.Tensor]:
    return train(RECIPE, paths(files, out)).state_dict()


def test_the_learning_rate_warms_up_stays_and_falls_to_zero() -> None:
    recipe = Recipe(steps=100, warmup_steps=10, decay_share=0.4, learning_rate=0.5)
    rates = [learning_rate(step, recipe) for step in range(101)]
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) * 0.05)
    assert set(rates[10:61]) == {0.5}
    assert rates[80] == pytest.approx(0.25)
    assert rates[100] == 0
    assert all(a > b for a, b in pairwise(rates[60:]))


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    short, long = (Recipe(steps=steps, warmup_steps=10) for steps in (100, 1000))
    assert [learning_rate(n, short) for n in range(60)] == [
        learning_rate(n, long) for n in range(60)
    ]


def test_both_classes_weigh_alike_in_the_loss(files: dict[str, Path], tmp_path: Path) -> None:
    """With a network that says 0 of everything, half of the loss comes from each class."""
    run = start(files, tmp_path, label_smoothing=0.0)
    for parameter in (run.model.head.logit.weight, run.model.head.logit.bias):
        torch.nn.init.zeros_(parameter)
    assert PLAN.reals != PLAN.fakes
    assert run.step(*batch(files, 0)) == pytest.approx(np.log(2), rel=1e-3)
    # at logit 0 the bias moves by the balance of the two classes: none
    assert abs(float(run.model.head.logit.bias.grad)) < 1e-3


def test_a_run_that_is_stopped_goes_on_with_the_same_losses(
    files: dict[str, Path], tmp_path: Path
) -> None:
    whole = start(files, tmp_path / "whole")
    losses = [whole.step(*batch(files, step)) for step in range(6)]
    first = start(files, tmp_path / "stopped")
    parts = [first.step(*batch(files, step)) for step in range(3)]
    first.save()
    second = start(files, tmp_path / "stopped")
    assert second.done == 3
    parts += [second.step(*batch(files, step)) for step in range(3, 6)]
    np.testing.assert_allclose(parts, losses, rtol=1e-6)
    assert len(set(losses)) == 6


def test_the_loss_falls_on_one_batch(files: dict[str, Path], tmp_path: Path) -> None:
    run = start(files, tmp_path, steps=60)
    images, labels = batch(files, 0)
    losses = [run.step(images, labels) for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_a_loss_that_is_no_number_ends_the_run(files: dict[str, Path], tmp_path: Path) -> None:
    run = start(files, tmp_path)
    images, labels = batch(files, 0)
    with pytest.raises(FloatingPointError, match="the loss became nan at step 0"):
        run.step(images * float("nan"), labels)


def test_training_survives_a_stop_between_checkpoints(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_detector, "CHECKPOINT_STEPS", 2)
    whole = run_training(files, tmp_path / "whole")
    step = Run.step

    def stops_at_three(run: Run, images: torch.Tensor, labels: torch.Tensor) -> float:
        if run.done == 3:
            raise KeyboardInterrupt("stopped by the test")
        return step(run, images, labels)

    monkeypatch.setattr(Run, "step", stops_at_three)
    with pytest.raises(KeyboardInterrupt, match="stopped by the test"):
        run_training(files, tmp_path / "stopped")
    monkeypatch.setattr(Run, "step", step)
    resumed = run_training(files, tmp_path / "stopped")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value)
    lines = (tmp_path / "stopped" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6]
    saved = torch.load(tmp_path / "stopped" / "model.pt", weights_only=True)
    assert saved.keys() == whole.keys()


def test_processes_share_the_batches(files: dict[str, Path]) -> None:
    data, recipe = material(files, 8), replace(RECIPE, processes=2)
    parts = [list(batches(data, recipe, done=1, rank=rank)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [3, 3]
    for step, pair in enumerate(zip(*parts, strict=True), start=1):
        for rank, (images, _) in enumerate(pair):
            np.testing.assert_array_equal(images, data[2 * step + rank][0])


def test_processes_step_along_the_mean_of_their_gradients(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """After one step, Adam's mean gradient is a tenth of the gradient."""
    from torch import multiprocessing

    recipe = replace(RECIPE, processes=2, steps=1)
    runs = [start(files, tmp_path / "alone", steps=1) for _ in range(2)]
    for rank, run in enumerate(runs):
        run.step(*batch(files, rank))
    expected = sum(run.model.head.logit.weight.grad for run in runs) / 2
    together = paths(files, tmp_path / "together")
    together.out.mkdir()
    multiprocessing.spawn(default_detector.train_rank, (recipe, together), nprocs=2)
    state = torch.load(together.out / "checkpoint.pt", weights_only=True)["optimiser"]["state"]
    place = [name for name, _ in runs[0].model.named_parameters()].index("head.logit.weight")
    torch.testing.assert_close(state[place]["exp_avg"], expected / 10, rtol=1e-3, atol=1e-6)
    assert not torch.allclose(*(run.model.head.logit.weight.grad for run in runs), rtol=0.1)
