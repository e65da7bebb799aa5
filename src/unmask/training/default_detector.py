"""Train the detector that the package ships: `python -m unmask.training.default_detector`.

A backbone from ImageNet weights or from an earlier run's, cost-sensitive ('balanced' class weights
over the batch's real and fake counts), on DFDC crops and self-blended fakes. The last averaged
weights are taken: the validation crops choose nothing, so their AUC is not a selected maximum.

The work is shared by processes of one thread each, which meet once a step: threads within a network
meet hundreds of times, and stand still whenever one of them has to wait for a core.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from unmask.models.backbones import BACKBONES
from unmask.models.head import HeadedNetwork
from unmask.training.material import BatchPlan, TrainingBatches, ValidationSet, read_validation

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 50
"""Steps between two checkpoints, each with a line in the log."""
SCORE_STEPS = 250
"""Steps between two scorings of the validation crops."""
NORM_BATCHES = 20
"""Batches that a backbone's normalisation is measured on before the first step."""


@dataclass(frozen=True)
class Recipe:
    """Every number of the run."""

    backbone: str = "mobilenet"
    steps: int = 6_000
    warmup_steps: int = 200
    decay_share: float = 0.4
    """Share of the steps, at the end, in which the learning rate falls to zero."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    label_smoothing: float = 0.02
    size_px: int = 128
    seed: int = 20231212
    processes: int = 2
    """Each takes one batch of the plan's size in every step."""
    plan: BatchPlan = field(default_factory=BatchPlan)


RECIPES = {
    "from-imagenet": Recipe(),
    "finer": Recipe(
        backbone="squeezenet",
        steps=600,
        warmup_steps=30,
        decay_share=0.5,
        learning_rate=2e-4,
        ema_decay=0.995,
        size_px=144,
    ),
}
"""Recipes by name; `finer` goes on from a SqueezeNet trained at 128 px."""


@dataclass(frozen=True)
class Files:
    """What a run reads and where it writes."""

    dfdc: tuple[Path, ...]
    """Training crops."""
    celeba: Path
    """Real crops for self-blending."""
    weights: Path
    """ImageNet weights of the backbone, or `model.pt` of an earlier run."""
    validation: Path
    """Crops scored on the way, for the log only."""
    out: Path
    """Folder of the checkpoint, the log and the final weights."""


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: linear warm-up, level, linear fall to zero.

    Before the fall nothing depends on the number of steps, so a run can be made longer or shorter
    while it is level.
    """
    rise = (step + 1) / recipe.warmup_steps
    fall = (recipe.steps - step) / (recipe.decay_share * recipe.steps)
    return recipe.learning_rate * min(1.0, rise, fall)


def auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, ties counted half (scikit-learn's)."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


def predict(model: HeadedNetwork, data: ValidationSet, batch: int = 100) -> NDArray[np.float64]:
    """Return the logits of P(fake), `(N,)`."""
    model.eval()
    with torch.no_grad():
        parts = [
            model(torch.from_numpy(data.images[i : i + batch])).double().numpy()
            for i in range(0, len(data.images), batch)
        ]
    return np.concatenate(parts)


class Run:
    """Network, averaged network and optimiser of a run, and their checkpoint on disk.

    Args:
        recipe: the run's numbers.
        weights: ImageNet weights of the backbone, or `model.pt` of an earlier run.
        images: normalised training crops `(N, 3, H, W)`, for the backbone's start.
        out: folder of the checkpoint.
    """

    def __init__(self, recipe: Recipe, *, weights: Path, images: torch.Tensor, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.recipe, self.out, self.done = recipe, out, 0
        backbone = BACKBONES[recipe.backbone]
        self.model = backbone.build()
        if weights.suffix == ".pt":
            self.model.load_state_dict(torch.load(weights, weights_only=True))
        else:
            backbone.start(self.model, weights, images)
        self.model.to(memory_format=torch.channels_last)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema_decay),
            use_buffers=True,
        )
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), weight_decay=recipe.weight_decay
        )
        self._checkpoint = out / "checkpoint.pt"
        if self._checkpoint.exists():
            state = torch.load(self._checkpoint, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.done = int(state["step"])

    def save(self) -> None:
        """Write the checkpoint; it appears whole or not at all."""
        partial = self._checkpoint.with_suffix(".part")
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.done,
        }
        torch.save(state, partial)
        partial.replace(self._checkpoint)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Take one step on a batch and return its loss.

        Raises:
            FloatingPointError: the loss is no longer a number.
        """
        recipe, plan = self.recipe, self.recipe.plan
        torch.manual_seed(recipe.seed + self.done)  # dropout too follows from (seed, step) alone
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.done, recipe)
        # 'balanced' class weights: n / (2 n_c)
        size = plan.reals + plan.fakes
        weight = torch.where(labels > 0.5, size / (2 * plan.fakes), size / (2 * plan.reals))
        target = labels * (1 - 2 * recipe.label_smoothing) + recipe.label_smoothing
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model(images.to(memory_format=torch.channels_last))
        loss = binary_cross_entropy_with_logits(logits.float(), target, weight=weight)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss.item()} at step {self.done}")
        self.optimiser.zero_grad()
        loss.backward()
        self._share_gradients()
        self.optimiser.step()
        self.average.update_parameters(self.model)
        self.done += 1
        return float(loss.item())

    def _share_gradients(self) -> None:
        """Give every process the mean of all processes' gradients."""
        if not distributed.is_initialized():
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = flat.split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def batches(
    data: TrainingBatches, recipe: Recipe, *, done: int, rank: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield a process's batches, one a step, from step `done` on."""
    mine = range(done * recipe.processes + rank, len(data), recipe.processes)
    return iter(
        DataLoader(data, batch_size=None, sampler=list(mine), num_workers=1, prefetch_factor=4)
    )


def train(recipe: Recipe, files: Files, *, rank: int = 0) -> HeadedNetwork:
    """Run the recipe, or go on where the checkpoint stands, and return the averaged network.

    Args:
        recipe: the run's numbers.
        files: what it reads and where it writes.
        rank: number of this process; the first one writes.
    """
    data = TrainingBatches(
        list(files.dfdc),
        files.celeba,
        plan=recipe.plan,
        size_px=recipe.size_px,
        batches=recipe.steps * recipe.processes,
        seed=recipe.seed,
    )
    first = np.concatenate([data[number][0] for number in range(min(NORM_BATCHES, len(data)))])
    run = Run(recipe, weights=files.weights, images=torch.from_numpy(first), out=files.out)
    held_out = read_validation(files.validation, size_px=recipe.size_px) if rank == 0 else None
    if rank == 0:
        settings = {"recipe": asdict(recipe), "material": data.counts}
        (files.out / "recipe.json").write_text(json.dumps(settings, indent=1))
    losses: list[float] = []
    for images, labels in batches(data, recipe, done=run.done, rank=rank):
        losses.append(run.step(images, labels))
        if held_out and (run.done % CHECKPOINT_STEPS == 0 or run.done == recipe.steps):
            due = run.done % SCORE_STEPS == 0 or run.done == recipe.steps
            note(run, losses[-CHECKPOINT_STEPS:], held_out if due else None)
            run.save()
    if rank == 0:
        torch.save(run.average.module.state_dict(), files.out / "model.pt")
    return run.average.module


def note(run: Run, losses: list[float], held_out: ValidationSet | None) -> None:
    """Add a line to the run's log: step, mean loss and, where due, the averaged network's AUC."""
    line: dict[str, float] = {"step": run.done, "loss": round(float(np.mean(losses)), 4)}
    if held_out:
        score = auc(held_out.labels, predict(run.average.module, held_out))
        line["validation_auc"] = round(score, 4)
    log.info("%s", line)
    with (run.out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def train_rank(rank: int, recipe: Recipe, files: Files) -> None:
    """Take the part of one of several processes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{(files.out / 'meeting').absolute()}",
        rank=rank,
        world_size=recipe.processes,
    )
    train(recipe, files, rank=rank)
    distributed.destroy_process_group()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dfdc", type=Path, nargs="+", required=True)
    for name in ("celeba", "weights", "validation", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--recipe", choices=RECIPES, required=True)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    options = vars(parser.parse_args())
    recipe, steps = RECIPES[options.pop("recipe")], options.pop("steps")
    recipe = replace(recipe, steps=steps or recipe.steps)
    files = Files(dfdc=tuple(options.pop("dfdc")), **options)
    files.out.mkdir(parents=True, exist_ok=True)
    (files.out / "meeting").unlink(missing_ok=True)
    torch.multiprocessing.spawn(train_rank, (recipe, files), nprocs=recipe.processes)


if __name__ == "__main__":
    main()
