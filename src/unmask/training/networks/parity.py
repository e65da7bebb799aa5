"""Whether an exported network says what the trained one says: ONNX Runtime against PyTorch."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unmask.bundle.manifest import Parity
from unmask.bundle.runtime import GRADIENT_OUTPUTS, INPUT, open_session
from unmask.core.errors import BundleError
from unmask.training.networks.scoring_network import ScoringNetwork, differentiate

Float = NDArray[np.float32]

LIMITS = {
    "logit": 1e-4,
    "features": 1e-4,
    "gradient": 1e-3,
    "attention": 1e-3,
    "rollout": 1e-3,
    "input_gradient": 1e-3,
}
"""Largest difference over the largest value that is taken for the same."""
STEADY_SHARE = 0.75
"""Share of crops that must keep the limit at the input. Where rounding turns a ReLU or the winner
of a max-pool the other way, the gradient jumps, in PyTorch as well: of a network with many ReLU6
its gradients in single and in double precision differ by a hundredth on every third crop."""
ROUNDINGS = 3.0
"""The limit at the input grows to this many times PyTorch's own difference between single and
double precision; a wrong graph is off by far more, on every crop."""


def measure_parity(
    network: ScoringNetwork, scoring: Path, gradient: Path | None, images: Float, *, crops: str
) -> Parity:
    """Run both on the same pictures; PyTorch's gradients come from its autograd.

    Args:
        network: the trained network.
        scoring: its `model.onnx`.
        gradient: the file with its gradient at the input, which may be the same; None: there is
            none.
        images: `(N, 3, S, S)`, normalised.
        crops: what the pictures are, in words.
    """
    network.eval()
    leaf = torch.from_numpy(images).requires_grad_()
    (at_leaf,) = torch.autograd.grad(network(leaf).sum(), leaf)
    expected = differentiate(network, torch.from_numpy(images))
    results = _run(scoring, network.outputs, images)
    at_input = _run(gradient, GRADIENT_OUTPUTS, images)[0] if gradient else None
    rounding = None if at_input is None else _on_most_crops(at_leaf, _exact(network, images))
    pairs = zip(network.outputs, results, expected, strict=True)
    largest: dict[str, Any] = {name: _relative(got, wanted) for name, got, wanted in pairs}
    return Parity(
        **largest,
        input_gradient=None if at_input is None else _on_most_crops(at_input, at_leaf),
        input_gradient_rounding=rounding,
        crops=crops,
    )


def require_parity(parity: Parity) -> None:
    """Refuse a difference beyond `LIMITS`.

    Raises:
        BundleError: one is larger, or no number.
    """
    errors = parity.model_dump(include=set(LIMITS), exclude_none=True)
    limits = dict(LIMITS)
    if parity.input_gradient_rounding is not None:
        rounding = ROUNDINGS * parity.input_gradient_rounding
        limits["input_gradient"] = max(limits["input_gradient"], rounding)
    wrong = {name: value for name, value in errors.items() if not value <= limits[name]}
    if wrong:
        text = ", ".join(
            f"{name} {value:.1e} (at most {limits[name]:.1g})" for name, value in wrong.items()
        )
        raise BundleError(
            f"the exported network differs from the trained one: {text}",
            hint="no bundle was written; export with the versions in constraints.txt",
        )


def _exact(network: ScoringNetwork, images: Float) -> torch.Tensor:
    """Return the gradient at the input in double precision, `(N, 3, S, S)`."""
    leaf = torch.from_numpy(images.astype(np.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(deepcopy(network).double()(leaf).sum(), leaf)
    return gradient


def _run(path: Path, outputs: tuple[str, ...], images: Float) -> list[Float]:
    results: list[Float] = open_session(path, outputs).run(outputs, {INPUT: images})
    return results


def _on_most_crops(got: Any, expected: Any) -> float:
    """Return what three quarters of the crops stay below, each by its own largest value."""
    each = [_relative(one, other) for one, other in zip(got, expected, strict=True)]
    return float(np.quantile(each, STEADY_SHARE))


def _relative(got: Any, expected: torch.Tensor) -> float:
    reference = expected.detach().numpy()
    scale, difference = np.abs(reference).max(), np.abs(np.asarray(got) - reference).max()
    return float(difference / scale if scale else difference)
