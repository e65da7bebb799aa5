"""A detector bundle behind the `Differentiable` protocol: ONNX Runtime, no torch."""

from __future__ import annotations

from functools import cached_property

from unmask.bundle import Bundle
from unmask.errors import BundleError
from unmask.explain.differentiable import Evidence, Float
from unmask.explain.methods import EXPLAINERS, OF_INPUT_GRADIENT
from unmask.runtime import InputGradient, Network


class BundleNetwork:
    """A detector bundle that can be explained.

    Args:
        bundle: a checked bundle.
        network: its loaded network, where there is one already.
        threads: threads of the sessions.

    Raises:
        BundleError: the network cannot be run.
    """

    def __init__(self, bundle: Bundle, *, network: Network | None = None, threads: int = 2) -> None:
        self._bundle = bundle
        self._threads = threads
        self._network = network or Network(bundle, threads=threads)

    @cached_property
    def _gradient(self) -> InputGradient:
        return InputGradient(self._bundle, threads=self._threads)

    def logits(self, images: Float) -> Float:
        """Return logits `(N,)` of pictures `(N, 3, S, S)`."""
        return self._network.run_images(images).logits

    def evidence(self, images: Float) -> Evidence:
        """Return logits, feature map and its gradient."""
        output = self._network.run_images(images, evidence=True)
        if output.features is None or output.gradients is None:
            raise ValueError("there must be at least one picture to explain")
        return Evidence(output.logits, output.features, output.gradients)

    def input_gradients(self, images: Float) -> Float:
        """Return d logit / d picture, `(N, 3, S, S)`.

        Raises:
            BundleError: the bundle has no `gradient.onnx`.
        """
        return self._gradient.run(images)


def methods_of(bundle: Bundle, methods: tuple[str, ...]) -> tuple[str, ...]:
    """Return the methods, if a bundle can be explained with all of them.

    Raises:
        BundleError: SmoothGrad is asked for, and the bundle has no `gradient.onnx`.
    """
    missing = [name for name in methods if name not in available_methods(bundle)]
    if missing:
        raise BundleError(
            f"{missing[0]} needs the gradient at the input, and the detector "
            f"{bundle.manifest.name!r} has no gradient.onnx",
            hint=f"leave {missing[0]} out, or export the detector with its input gradient",
        )
    return methods


def available_methods(bundle: Bundle) -> tuple[str, ...]:
    """Return the methods that a bundle can be explained with."""
    if bundle.gradient_path is not None:
        return tuple(EXPLAINERS)
    return tuple(name for name in EXPLAINERS if name not in OF_INPUT_GRADIENT)
