"""Running a detector with ONNX Runtime: numpy in, numpy out, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle import Bundle, Preprocessing
from unmask.errors import BundleError
from unmask.stages import stage

Float = NDArray[np.float32]
INPUT = "image"
"""The input of every exported network."""
OUTPUTS = ("logit", "features", "gradient")
"""What `model.onnx` gives."""
GRADIENT_OUTPUTS = ("input_gradient",)
"""What `gradient.onnx` gives: d logit / d input, of the input's shape."""
DEFAULT_BATCH = 4
"""Crops in one pass: on a CPU more of them take as long each, and memory in proportion."""


@dataclass(frozen=True, eq=False)
class Output:
    """What the network says of a batch of crops."""

    logits: Float
    """`(N,)` logits of P(fake)."""
    features: Float | None
    """`(N, C, h, w)` last convolutional feature map, where it was asked for."""
    gradients: Float | None
    """`(N, C, h, w)` gradient of the logit with respect to that map, where it was asked for."""


def preprocess(crops: NDArray[np.uint8], spec: Preprocessing) -> Float:
    """Turn crops `(N, S, S, 3)` RGB uint8 into the network's input `(N, 3, S, S)` float32."""
    size = spec.size_px
    if crops.ndim != 4 or crops.shape[1:] != (size, size, 3) or crops.dtype != np.uint8:
        raise ValueError(f"crops must be (N, {size}, {size}, 3) uint8, got {crops.shape}")
    scaled = crops.astype(np.float32) * np.float32(1 / 255)
    normalised = (scaled - np.asarray(spec.mean, dtype=np.float32)) / np.asarray(
        spec.std, dtype=np.float32
    )
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


class Network:
    """An ONNX Runtime session over a bundle's `model.onnx`.

    Args:
        bundle: a checked bundle.
        threads: threads of the session.

    Raises:
        BundleError: the file is no ONNX model, or its inputs and outputs are not the contract's.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 2) -> None:
        self._session = _open(bundle.model_path, threads)
        self._spec = bundle.manifest.preprocessing
        names = tuple(output.name for output in self._session.get_outputs())
        inputs = self._session.get_inputs()
        size = self._spec.size_px
        shape = [length for each in inputs for length in each.shape[1:]]
        if len(inputs) != 1 or shape != [3, size, size] or not set(OUTPUTS) <= set(names):
            raise BundleError(
                f"{bundle.model_path} takes {shape} and gives {names}; "
                f"the contract is [3, {size}, {size}] and {OUTPUTS}",
                hint="export the detector again",
            )
        self._input = inputs[0].name

    def run(
        self, crops: NDArray[np.uint8], *, evidence: bool = False, batch: int = DEFAULT_BATCH
    ) -> Output:
        """Score crops.

        Args:
            crops: `(N, S, S, 3)` RGB uint8.
            evidence: whether to return the feature map and its gradient too.
            batch: most crops in one pass.
        """
        starts = range(0, len(crops), batch)
        parts = (preprocess(crops[start : start + batch], self._spec) for start in starts)
        return self._run(parts, evidence=evidence)

    def run_images(
        self, images: Float, *, evidence: bool = False, batch: int = DEFAULT_BATCH
    ) -> Output:
        """Score normalised images `(N, 3, S, S)`, as `preprocess` makes them; see `run`."""
        starts = range(0, len(images), batch)
        return self._run((images[start : start + batch] for start in starts), evidence=evidence)

    @stage("network")
    def _run(self, batches: Iterable[Float], *, evidence: bool) -> Output:
        wanted = OUTPUTS if evidence else OUTPUTS[:1]
        parts = [self._session.run(wanted, {self._input: images}) for images in batches]
        if not parts:
            return Output(logits=np.empty(0, np.float32), features=None, gradients=None)
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Output(
            logits=columns[0].reshape(-1),
            features=columns[1] if evidence else None,
            gradients=columns[2] if evidence else None,
        )


class InputGradient:
    """An ONNX Runtime session over a bundle's `gradient.onnx`: what SmoothGrad averages.

    Args:
        bundle: a checked bundle.
        threads: threads of the session.

    Raises:
        BundleError: the bundle has no such file, or it is not the contract's.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 2) -> None:
        path = bundle.gradient_path
        if path is None:
            raise BundleError(
                f"the detector {bundle.manifest.name!r} has no gradient.onnx",
                hint="export it again with `unmask export`, or use GradCAM, which needs none",
            )
        self._session = _open(path, threads)
        size = bundle.manifest.preprocessing.size_px
        given = [tensor.name for tensor in self._session.get_outputs()]
        shapes = [tensor.shape[1:] for tensor in self._session.get_inputs()]
        if given != list(GRADIENT_OUTPUTS) or shapes != [[3, size, size]]:
            raise BundleError(
                f"{path} takes {shapes} and gives {given}; "
                f"the contract is [3, {size}, {size}] and {list(GRADIENT_OUTPUTS)}",
                hint="export the detector again",
            )

    def run(self, images: Float, *, batch: int = DEFAULT_BATCH) -> Float:
        """Return d logit / d input, `(N, 3, S, S)`, for normalised images of that shape.

        Args:
            images: as `preprocess` makes them, noise added or not.
            batch: most images in one pass.
        """
        if not len(images):
            return np.empty_like(images)
        parts = [
            self._session.run(GRADIENT_OUTPUTS, {INPUT: images[start : start + batch]})[0]
            for start in range(0, len(images), batch)
        ]
        return np.concatenate(parts)


def _open(path: Path, threads: int) -> Any:
    """Return an ONNX Runtime session that leaves the processor to others while it waits."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(
            f"{path} cannot be run: {str(error).splitlines()[0]}",
            hint="export the detector again",
        ) from error
