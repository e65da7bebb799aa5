"""Train the small detector that the package ships: `python -m unmask.training.first_detector`.

SqueezeNet 1.1 from ImageNet weights, cost-sensitive ('balanced' class weights over the batch's real
and fake counts), on DFDC crops and self-blended fakes. The last averaged weights are taken: the
validation crops choose nothing, so their AUC is not a selected maximum.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Sampler

from unmask.models.squeezenet import SqueezeNet, load_imagenet
from unmask.training.material import BatchPlan, TrainingBatches, ValidationSet, read_validation

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 500
"""Steps between two checkpoints."""


@dataclass(frozen=True)
class Recipe:
    """Every number of the run."""

    steps: int = 10_000
    warmup_steps: int = 300
    learning_rate: float = 4e-4
    weight_decay: float = 0.02
    ema_decay: float = 0.9993
    label_smoothing: float = 0.02
    size_px: int = 128
    seed: int = 20231212
    plan: BatchPlan = field(default_factory=BatchPlan)


class _From(Sampler[int]):
    """Steps in order from `start`."""

    def __init__(self, start: int, stop: int) -> None:
        self._steps = range(start, stop)

    def __iter__(self):  # type: ignore[no-untyped-def]  # torch's base class is untyped
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: linear warm-up, then half a cosine to zero."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * 0.5 * (1 + float(np.cos(np.pi * done)))


def auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, ties counted half (scikit-learn's)."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


def predict(model: SqueezeNet, data: ValidationSet, batch: int = 100) -> NDArray[np.float64]:
    """Return the logits of P(fake), `(N,)`."""
    model.eval()
    with torch.no_grad():
        parts = [
            model(torch.from_numpy(data.images[i : i + batch])).double().numpy()
            for i in range(0, len(data.images), batch)
        ]
    return np.concatenate(parts)


class Run:
    """Network, averaged network and optimiser of a run, and their checkpoint on disk."""

    def __init__(self, recipe: Recipe, *, weights: Path, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.recipe, self.out, self.done = recipe, out, 0
        self.model = SqueezeNet()
        load_imagenet(self.model, weights)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema_decay)
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
        self.optimiser.step()
        self.average.update_parameters(self.model)
        self.done += 1
        return float(loss.item())


def train(
    recipe: Recipe, *, dfdc: list[Path], celeba: Path, weights: Path, validation: Path, out: Path
) -> SqueezeNet:
    """Run the recipe, or go on where `out/checkpoint.pt` stands, and return the averaged network.

    Args:
        recipe: the run's numbers.
        dfdc: training crops.
        celeba: real crops for self-blending.
        weights: Keras file of the backbone's ImageNet weights.
        validation: crops scored on the way, for the log only.
        out: folder of the checkpoint, the log and the final weights.
    """
    data = TrainingBatches(
        dfdc, celeba, plan=recipe.plan, size_px=recipe.size_px, steps=recipe.steps, seed=recipe.seed
    )
    held_out = read_validation(validation, size_px=recipe.size_px)
    run = Run(recipe, weights=weights, out=out)
    settings = {"recipe": asdict(recipe), "material": data.counts}
    (out / "recipe.json").write_text(json.dumps(settings, indent=1))
    loader = DataLoader(
        data,
        batch_size=None,
        sampler=_From(run.done, recipe.steps),
        num_workers=2,
        prefetch_factor=4,
    )
    losses: list[float] = []
    for images, labels in loader:
        losses.append(run.step(images, labels))
        if run.done % CHECKPOINT_STEPS == 0 or run.done == recipe.steps:
            score = auc(held_out.labels, predict(run.average.module, held_out))
            recent = round(float(np.mean(losses[-CHECKPOINT_STEPS:])), 4)
            line = {"step": run.done, "loss": recent, "validation_auc": round(score, 4)}
            log.info("%s", line)
            with (out / "log.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            run.save()
    torch.save(run.average.module.state_dict(), out / "model.pt")
    return run.average.module


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dfdc", type=Path, nargs="+", required=True)
    parser.add_argument("--celeba", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(
        Recipe(steps=options.steps),
        dfdc=options.dfdc,
        celeba=options.celeba,
        weights=options.weights,
        validation=options.validation,
        out=options.out,
    )


if __name__ == "__main__":
    main()
