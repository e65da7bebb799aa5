"""A detector bundle behind the `Differentiable` protocol: ONNX Runtime, no torch.

Pictures are the input of the first view, whose crop holds those of the others: their inputs are
resized from it, and maps lie on it. Logits are the whole detector's, and so are gradients at the
input. A feature map is of one network, so maps made from it (GradCAM, GradCAM++) show one view: of
each picture the one that speaks most for fake, or a chosen one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.devices import Device
from unmask.bundle.framing import ViewGrid
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network, Output
from unmask.core.errors import BundleError
from unmask.explain.differentiable import Evidence, Float
from unmask.explain.methods import (
    EXPLAINERS,
    NEEDED_OUTPUTS,
    OF_INPUT_GRADIENT,
    OF_TRANSFORMERS,
)


class BundleNetwork:
    """A detector bundle that can be explained.

    Args:
        bundle: a checked bundle.
        network: its loaded network, where there is one already.
        threads: threads of the sessions.
        device: what they run on, `auto`, `cpu` or `cuda`.
        view: number of the view that feature maps show; None: the one that speaks most for fake.

    Raises:
        BundleError: the network cannot be run.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        network: Network | None = None,
        threads: int = 2,
        device: Device = "cpu",
        view: int | None = None,
    ) -> None:
        self._network = network or Network(bundle, threads=threads, device=device)
        self._views = bundle.views
        first = bundle.views[0].preprocessing
        self._grids = [ViewGrid(view.preprocessing, first) for view in bundle.views]
        self._chosen = view

    def logits(self, images: Float) -> Float:
        """Return logits `(N,)` of pictures `(N, 3, S, S)`."""
        return self._network.run_images(self._inputs(images)).logits

    def evidence(self, images: Float) -> Evidence:
        """Return logits, feature map and its gradient."""
        return self.evidence_from(self._network.run_images(self._inputs(images), evidence=True))

    def evidence_from(self, output: Output) -> Evidence:
        """Return the evidence of a scoring pass.

        Feature maps of the views stand behind one another, on the grid of the first view's crop;
        gradients are of the detector's logit, and 0 for the views that are not shown.
        """
        if not len(output.logits):
            raise ValueError("there must be at least one picture to explain")
        if len(self._views) == 1 and self._views[0].weight == 1:
            only = output.views[0]
            maps = only.features, only.gradients, only.attention, only.rollout
            return Evidence(output.logits, *maps)
        features = [view.features for view in output.views if view.features is not None]
        gradients = [view.gradients for view in output.views if view.gradients is not None]
        if len(features) < len(self._views) or len(gradients) < len(self._views):
            return Evidence(output.logits)
        shown = self.shown(output.contributions)
        signed = [
            gradient * np.where(shown == number, view.weight, 0.0)[:, None, None, None]
            for number, (view, gradient) in enumerate(zip(self._views, gradients, strict=True))
        ]
        return Evidence(output.logits, self._placed(features), self._placed(signed))

    def shown(self, contributions: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of the view that feature maps show of each picture, `(N,)`."""
        if self._chosen is not None:
            return np.full(contributions.shape[1], self._chosen)
        return np.asarray(contributions.argmax(axis=0))

    def input_gradients(self, images: Float) -> Float:
        """Return d logit / d picture, `(N, 3, S, S)`.

        Raises:
            BundleError: a view has no gradient at its input.
        """
        if len(self._views) == 1 and self._views[0].weight == 1:
            return self._network.views[0].input_gradients(images)
        total = np.zeros_like(images)
        for grid, network, own in zip(
            self._grids, self._network.views, self._inputs(images), strict=True
        ):
            total += np.float32(network.view.weight) * grid.gradients(network.input_gradients(own))
        return total

    def _inputs(self, images: Float) -> list[Float]:
        return [grid.inputs(images) for grid in self._grids]

    def _placed(self, maps: Sequence[NDArray[np.floating]]) -> Float:
        """Lay maps `(N, C, h, w)` of each view on one grid, behind one another."""
        pairs = list(zip(self._grids, maps, strict=True))
        cells = max(grid.cells(max(each.shape[2:])) for grid, each in pairs)
        placed = [grid.placed(each.astype(np.float32), cells) for grid, each in pairs]
        return np.concatenate(placed, axis=1)


def check_bundle_methods(bundle: Bundle, methods: tuple[str, ...]) -> tuple[str, ...]:
    """Return the methods, if a bundle can be explained with all of them.

    Raises:
        BundleError: a method needs what the detector does not give.
    """
    for name in methods:
        lacks = missing_output(bundle, name)
        if lacks is not None:
            raise BundleError(
                f"{name} needs {lacks}, which the detector {bundle.manifest.name!r} does not give",
                hint=f"leave {name} out, or take one of: {', '.join(available_methods(bundle))}",
            )
    return methods


def available_methods(bundle: Bundle) -> tuple[str, ...]:
    """Return the methods that a bundle can be explained with."""
    return tuple(name for name in EXPLAINERS if missing_output(bundle, name) is None)


def missing_output(bundle: Bundle, method: str) -> str | None:
    """Say in words what a method needs and a bundle does not give; None where nothing is missing.

    Attention is of one network: detectors of several views are not explained by it.
    """
    if method in OF_INPUT_GRADIENT:
        return None if bundle.has_input_gradient else "the gradient at the input"
    needed = NEEDED_OUTPUTS.get(method)
    has_it = needed is None or bundle.gives(needed)
    if method in OF_TRANSFORMERS:
        alone = len(bundle.views) == 1 and bundle.views[0].weight == 1
        return None if has_it and alone else "a transformer's attention"
    return None if has_it else "a feature map"
