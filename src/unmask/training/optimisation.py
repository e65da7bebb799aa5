"""Optimisers and learning rates by name.

The rate of a step is a function of the step, so that a resumed run has the rates of an unbroken
one; only `plateau` has a memory, PyTorch's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from unmask.training.recipe import OptimiserPart, Recipe, SchedulePart

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
"""Optimisers by name."""


def make_optimiser(network: nn.Module, part: OptimiserPart) -> torch.optim.Optimizer:
    """Return the optimiser of a network; biases, norms and scales do not decay."""
    trained = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": part.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMISERS[part.name](groups, lr=part.learning_rate)


def make_plateau_rule(optimiser: torch.optim.Optimizer, part: SchedulePart) -> Any:
    """Return the rule that lowers the rate when validation accuracy stands still.

    As Keras's `ReduceLROnPlateau`, which the paper used: an improvement is any above 1e-4, and
    `patience_epochs` epochs without one are enough (PyTorch waits for one more than its patience).
    """
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser,
        mode="max",
        factor=part.factor,
        patience=max(0, part.patience_epochs - 1),
        threshold=1e-4,
        threshold_mode="abs",
        min_lr=part.floor,
        eps=0.0,
    )


def rate_factor(done: float, part: SchedulePart) -> float:
    """Return what the learning rate is multiplied with at a share of the run.

    A linear rise over the warm-up; then half a cosine to zero for `cosine`, and 1 for the others.

    Args:
        done: share of the run, the coming step included, in (0, 1].
        part: name and warm-up.
    """
    if done < part.warmup_ratio:
        return done / part.warmup_ratio
    if part.name != "cosine":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (done - part.warmup_ratio) / (1 - part.warmup_ratio)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give all weights one learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def rate_at(done: float, recipe: Recipe) -> float:
    """Return the learning rate of a recipe without plateau at a share of the run."""
    return recipe.optimiser.learning_rate * rate_factor(done, recipe.schedule)
