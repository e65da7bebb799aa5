"""Losses of one logit for P(fake), example by example; class weights are applied outside.

`logits` `(N,)`; `targets` `(N,)` in [0, 1], above one half for fakes: label smoothing leaves them
there. All return `(N,)`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the binary cross-entropy."""
    return binary_cross_entropy_with_logits(logits, targets, reduction="none")


def focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """Return the cross-entropy times (1 - p)^gamma, p the probability given to the target.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4.
    """
    probability = torch.sigmoid(logits)
    missed = targets * (1 - probability) + (1 - targets) * probability
    return missed**gamma * cross_entropy(logits, targets)


def logit_adjusted(logits: Tensor, targets: Tensor, *, offset: float) -> Tensor:
    """Return the cross-entropy of the logits moved by tau times the log odds of the classes.

    The logits themselves then rank as if both classes were equally frequent.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10. Its
    per-class offsets tau log(pi_y) differ by `offset` = tau log(pi_fake / pi_real).
    """
    return cross_entropy(logits + offset, targets)


def with_margins(logits: Tensor, targets: Tensor, *, real: float, fake: float) -> Tensor:
    """Return the cross-entropy after the target's class has lost its margin.

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, equation 13, for two classes whose logits differ by `logits`. The scale of 30 in
    its code belongs to a normalised last layer, which the paper's head does not have.
    """
    margins = torch.where(targets > 0.5, -fake, real).to(logits.dtype)
    return cross_entropy(logits + margins, targets)
