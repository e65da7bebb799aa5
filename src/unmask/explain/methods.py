"""The methods by name, and the one call that makes maps.

GradCAM and GradCAM++ come from the scoring pass itself; Faster Score-CAM costs ten more passes for
each picture, SmoothGrad twenty forward and backward ones, occlusion sixty-four.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unmask.explain.attention import attention_map, rollout_map
from unmask.explain.differentiable import Differentiable, Evidence, Float
from unmask.explain.gradcam import gradcam, gradcam_plus_plus
from unmask.explain.maps import Maps, finish
from unmask.explain.occlusion import occlusion
from unmask.explain.scorecam import faster_scorecam
from unmask.explain.smoothgrad import smoothgrad


@dataclass(frozen=True, eq=False)
class Subject:
    """Pictures to explain, with what is known of them."""

    model: Differentiable
    """The network."""
    images: Float
    """`(N, 3, S, S)` normalised."""
    evidence: Evidence
    """Of the scoring pass."""
    seed: int
    """Of whatever is random."""


Explainer = Callable[[Subject], Float]
"""From pictures to raw maps `(N, h, w)`."""

EXPLAINERS: dict[str, Explainer] = {
    "gradcam": lambda s: gradcam(s.evidence),
    "gradcam++": lambda s: gradcam_plus_plus(s.evidence),
    "faster-scorecam": lambda s: faster_scorecam(s.model, s.images, s.evidence),
    "smoothgrad": lambda s: smoothgrad(s.model, s.images, seed=s.seed),
    "gradient-x-attention": lambda s: attention_map(s.evidence),
    "attention-rollout": lambda s: rollout_map(s.evidence),
    "occlusion": lambda s: occlusion(s.model, s.images, s.evidence.logits),
}
"""The paper's four methods, two of attention for transformers, and occlusion as the witness that
needs no gradient."""

OF_TRANSFORMERS = frozenset(["gradient-x-attention", "attention-rollout"])
"""Methods that other networks are not expected to know."""

OF_FEATURES = frozenset(["gradcam", "gradcam++"]) | OF_TRANSFORMERS
"""Methods whose maps are of one network's layer, and so of one view."""

NEEDED_OUTPUTS = {
    "gradcam": "features",
    "gradcam++": "features",
    "faster-scorecam": "features",
    "gradient-x-attention": "attention",
    "attention-rollout": "rollout",
}
"""Which output of the network a method needs beside the logit."""

OF_INPUT_GRADIENT = frozenset(["smoothgrad"])
"""Methods that need the gradient at the input."""

TITLES = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAM++",
    "faster-scorecam": "Faster Score-CAM",
    "smoothgrad": "SmoothGrad",
    "gradient-x-attention": "Gradient x attention",
    "attention-rollout": "Attention rollout",
    "occlusion": "Occlusion",
}
"""Names as they are printed."""


def check_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """Return the methods, each once, in the order given.

    Raises:
        ValueError: there is no method of that name.
    """
    for name in methods:
        if name not in EXPLAINERS:
            raise ValueError(
                f"no method of explaining {name!r}; there are: {', '.join(EXPLAINERS)}"
            )
    return tuple(dict.fromkeys(methods))


def explain(
    model: Differentiable,
    images: Float,
    methods: Sequence[str],
    *,
    seed: int = 0,
    evidence: Evidence | None = None,
) -> dict[str, Maps]:
    """Make maps of where the network looked.

    Args:
        model: the network.
        images: `(N, 3, S, S)` normalised.
        methods: names from `EXPLAINERS`.
        seed: of SmoothGrad's noise.
        evidence: of the scoring pass, where there was one already.

    Returns:
        Maps by method. A picture's map is the same alone and in a batch.

    Raises:
        ValueError: unknown method.
        BundleError: SmoothGrad is asked of a detector without gradients at its input.
    """
    names = check_methods(methods)
    subject = Subject(model, images, evidence or model.evidence(images), seed)
    size = images.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):  # `finish` says which maps are not finite
        return {name: finish(name, EXPLAINERS[name](subject), size_px=size) for name in names}
