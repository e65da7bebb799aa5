"""Strategies against unequal numbers of real and fake crops, by the names of the literature.

A strategy is class weights, an order of crops and a loss; each is one short function from the
counts and the recipe's numbers. It also says which log odds of the two classes its logits carry, so
that costs and the share of fakes in use can set the threshold in closed form (see `costs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import log

import torch
from torch import Tensor

from unmask.training import losses, sampling
from unmask.training.recipe import ImbalancePart
from unmask.training.sampling import Order

Loss = Callable[[Tensor, Tensor], Tensor]
EVEN = 0.0
"""Log odds of two classes that count alike."""


@dataclass(frozen=True)
class Counts:
    """Crops of each class, as the loss sees them: self-blended ones included."""

    real: float
    """Real crops."""
    fake: float
    """Fake crops."""

    def __post_init__(self) -> None:
        """Refuse a class without crops."""
        if min(self.real, self.fake) <= 0:
            raise ValueError(f"both classes need crops, got {self}")

    @property
    def log_odds(self) -> float:
        """Log of fake over real."""
        return log(self.fake / self.real)

    def with_blends(self, ratio: float) -> Counts:
        """Return the counts if a share of each batch is half real, half self-blended."""
        both = (self.real + self.fake) * ratio / 2
        return Counts(self.real * (1 - ratio) + both, self.fake * (1 - ratio) + both)


@dataclass(frozen=True)
class ClassWeights:
    """Factors of the loss."""

    real: float = 1.0
    """Of real crops."""
    fake: float = 1.0
    """Of fake crops."""

    @property
    def log_odds(self) -> float:
        """Log of fake over real."""
        return log(self.fake / self.real)


@dataclass(frozen=True)
class Strategy:
    """How one run deals with the imbalance."""

    log_odds: float | None
    """Log odds of fake over real that the trained logits carry besides the evidence; None where the
    logits are no log odds (focal losses and margins distort them)."""
    weights: ClassWeights = ClassWeights()
    """Class weights."""
    weights_from: float = 0.0
    """Share of the run after which the weights apply."""
    order: Order = sampling.shuffle
    """Order of the crops in an epoch."""
    loss: Loss = losses.cross_entropy
    """Loss of each crop."""

    def __call__(self, logits: Tensor, targets: Tensor, *, done: float) -> Tensor:
        """Return the mean weighted loss of a batch.

        The mean is over the crops, as Keras takes it with class weights; PyTorch's own would divide
        by the sum of the weights.

        Args:
            logits: `(N,)`.
            targets: `(N,)`, above one half for fakes.
            done: share of the run that is over, in [0, 1].
        """
        each = self.loss(logits, targets)
        if done >= self.weights_from:
            each = each * torch.where(targets > 0.5, self.weights.fake, self.weights.real)
        return each.mean()


def balanced_weights(counts: Counts) -> ClassWeights:
    """Return n / (k n_c) for k = 2 classes, the paper's choice and scikit-learn's 'balanced'.

    On the paper's training part of Celeb-DF v2:

    >>> weights = balanced_weights(Counts(real=2383, fake=8995))
    >>> round(weights.fake, 4), round(weights.real, 4)
    (0.6325, 2.3873)
    """
    total = counts.real + counts.fake
    return ClassWeights(real=total / (2 * counts.real), fake=total / (2 * counts.fake))


def effective_weights(counts: Counts, beta: float) -> ClassWeights:
    """Return weights inverse to the effective number of crops, (1 - beta^n) / (1 - beta).

    They sum to 2, as in the source: Cui et al., "Class-Balanced Loss Based on Effective Number of
    Samples", CVPR 2019, equation 2.
    """
    real, fake = ((1 - beta) / (1 - beta**n) for n in (counts.real, counts.fake))
    return ClassWeights(real=2 * real / (real + fake), fake=2 * fake / (real + fake))


def _none(counts: Counts, _: ImbalancePart) -> Strategy:
    return Strategy(counts.log_odds)


def _balanced(counts: Counts, _: ImbalancePart) -> Strategy:
    return Strategy(EVEN, balanced_weights(counts))


def _effective_number(counts: Counts, part: ImbalancePart) -> Strategy:
    weights = effective_weights(counts, part.beta)
    return Strategy(counts.log_odds + weights.log_odds, weights)


def _resampled(order: Order, _: Counts, __: ImbalancePart) -> Strategy:
    return Strategy(EVEN, order=order)


def _focal(_: Counts, part: ImbalancePart) -> Strategy:
    return Strategy(None, loss=partial(losses.focal, gamma=part.gamma))


def _class_balanced_focal(counts: Counts, part: ImbalancePart) -> Strategy:
    return replace(_focal(counts, part), weights=effective_weights(counts, part.beta))


def _logit_adjusted(counts: Counts, part: ImbalancePart) -> Strategy:
    offset = part.tau * counts.log_odds
    return Strategy(counts.log_odds - offset, loss=partial(losses.logit_adjusted, offset=offset))


def _ldam_drw(counts: Counts, part: ImbalancePart) -> Strategy:
    scale = part.max_margin * min(counts.real, counts.fake) ** 0.25
    loss = partial(
        losses.with_margins, real=scale / counts.real**0.25, fake=scale / counts.fake**0.25
    )
    weights = effective_weights(counts, part.beta)
    return Strategy(None, weights, weights_from=part.deferred_ratio, loss=loss)


STRATEGIES: dict[str, Callable[[Counts, ImbalancePart], Strategy]] = {
    "none": _none,
    "balanced": _balanced,
    "effective-number": _effective_number,
    "oversample": partial(_resampled, sampling.oversample),
    "undersample": partial(_resampled, sampling.undersample),
    "balanced-batches": partial(_resampled, sampling.alternate),
    "focal": _focal,
    "class-balanced-focal": _class_balanced_focal,
    "logit-adjusted": _logit_adjusted,
    "ldam-drw": _ldam_drw,
    "paired": partial(_resampled, sampling.pair),
}
"""The strategies by name."""


def make_strategy(part: ImbalancePart, counts: Counts) -> Strategy:
    """Return the strategy that a recipe names, for these counts."""
    return STRATEGIES[part.strategy](counts, part)
