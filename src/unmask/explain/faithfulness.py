"""Does the score follow the map? Deletion and insertion curves, and how stable a map is.

Deletion covers the picture with grey, the strongest places of the map first: under a faithful map
P(fake) falls at once. Insertion starts from a blurred picture and brings the strongest places back
first: P(fake) rises at once. Sources: Petsiuk et al., "RISE", BMVC 2018; Yeh et al., "On the
(In)fidelity and Sensitivity of Explanations", NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.explain.differentiable import Differentiable, Float
from unmask.explain.maps import enlarge
from unmask.explain.scorecam import probability

STEPS = 16
"""Parts in which a picture is covered or brought back."""
_BLURRED_PX = 8
"""Side that the blurred picture is reduced to before it is enlarged again."""
SENSITIVITY_NOISE = 0.02
"""Standard deviation of the noise over the picture's range."""
SENSITIVITY_DRAWS = 3
"""Noisy copies; the largest change counts."""


@dataclass(frozen=True, eq=False)
class Curves:
    """P(fake) while a picture is covered, and while it is brought back."""

    deletion: NDArray[np.float64]
    """`(STEPS + 1,)`, from the picture to grey."""
    insertion: NDArray[np.float64]
    """`(STEPS + 1,)`, from the blurred picture to the picture."""

    @property
    def deletion_auc(self) -> float:
        """Mean P(fake) while covering; lower is better."""
        return _mean(self.deletion)

    @property
    def insertion_auc(self) -> float:
        """Mean P(fake) while bringing back; higher is better."""
        return _mean(self.insertion)


def _mean(curve: NDArray[np.float64]) -> float:
    return float(((curve[1:] + curve[:-1]) / 2).mean())


def curves(
    model: Differentiable, image: Float, saliency: NDArray[np.floating], *, steps: int = STEPS
) -> Curves:
    """Cover a picture and bring it back in the order of a map.

    Args:
        model: scores `2 * steps + 2` pictures.
        image: `(3, S, S)` normalised.
        saliency: `(S, S)`.
        steps: parts.
    """
    covered = order_masks(saliency, steps)[:, None]
    grey, coarse = np.zeros_like(image)[None], blur(image)[None]
    kept = image[None]
    pictures = np.concatenate(
        [np.where(covered, grey, kept), np.where(covered, kept, coarse)]
    ).astype(np.float32)
    scores = probability(model.logits(pictures)).astype(np.float64)
    return Curves(scores[: steps + 1], scores[steps + 1 :])


def order_masks(saliency: NDArray[np.floating], steps: int) -> NDArray[np.bool_]:
    """Mark the strongest 0, 1/steps, ... 1 of a map: `(steps + 1, S, S)`, nested."""
    rank = np.empty(saliency.size, np.int64)
    rank[np.argsort(-saliency.ravel(), kind="stable")] = np.arange(saliency.size)
    counts = np.linspace(0, saliency.size, steps + 1).round()
    marked: NDArray[np.bool_] = rank[None] < counts[:, None]
    return marked.reshape(-1, *saliency.shape)


def blur(image: Float) -> Float:
    """Return a picture `(3, S, S)` without its detail."""
    size = image.shape[-1]
    return np.stack([enlarge(enlarge(channel, _BLURRED_PX), size) for channel in image])


def sensitivity(
    explain_again: Callable[[Float], Float], image: Float, saliency: Float, *, seed: int
) -> float | None:
    """Return the largest relative change of a map under small noise; None for an empty map.

    Args:
        explain_again: from pictures `(N, 3, S, S)` to their maps `(N, S, S)`.
        image: `(3, S, S)` normalised.
        saliency: its map.
        seed: of the noise.
    """
    size = float(np.linalg.norm(saliency))
    if size == 0:
        return None
    drawn = np.random.default_rng(seed).standard_normal((SENSITIVITY_DRAWS, *image.shape))
    spread = SENSITIVITY_NOISE * float(image.max() - image.min())
    others = explain_again((image[None] + spread * drawn).astype(np.float32))
    return max(float(np.linalg.norm(other - saliency)) / size for other in others)
