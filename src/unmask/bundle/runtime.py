"""Running a detector with ONNX Runtime: numpy in, numpy out, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.devices import CPU, Device, check_providers, choose_providers
from unmask.bundle.manifest import OUTPUTS, Bundle, Preprocessing, View
from unmask.bundle.onnx_check import read_network
from unmask.bundle.onnx_file import prune
from unmask.core.errors import BundleError
from unmask.system.memory import return_freed_memory
from unmask.system.stages import stage
from unmask.system.telemetry import onnxruntime

Float = NDArray[np.float32]
INPUT = "image"
"""The input of every exported network."""
GRADIENT_OUTPUTS = ("input_gradient",)
"""What it gives beside that, or another file: d logit / d input, of the input's shape."""
DEFAULT_BATCH = 4
"""Crops in one pass: on a CPU more of them take as long each, and memory in proportion."""
SCAN_BATCH = 1
"""Crops in one pass of a scan, which has few: four would take 120 MB more."""


@dataclass(frozen=True, eq=False)
class ViewOutput:
    """What one view's network says of a batch of crops."""

    logits: Float
    """`(N,)` logits of P(fake)."""
    features: Float | None = None
    """`(N, C, h, w)` last convolutional feature map, where it was asked for; of clips
    `(N, T, C, h, w)`."""
    gradients: Float | None = None
    """Gradient of the logit with respect to that map, of its shape, where it was asked for."""
    attention: Float | None = None
    """`(N, h, w)` attention of a transformer times the gradient at it, where it was asked for; of
    clips `(N, T, h, w)`."""
    rollout: Float | None = None
    """Its attention rolled out through all blocks, of that shape."""


@dataclass(frozen=True, eq=False)
class Output:
    """What a detector says of a batch of faces."""

    logits: Float
    """`(N,)` logits of P(fake): the sum of the contributions and the detector's offset."""
    contributions: NDArray[np.float64]
    """`(V, N)` each view's logit times its weight."""
    views: tuple[ViewOutput, ...]
    """What each view's network says."""


def preprocess(crops: NDArray[np.uint8], spec: Preprocessing) -> Float:
    """Turn crops `(N, S, S, 3)` RGB uint8 into the network's input `(N, 3, S, S)` float32.

    Clips `(N, T, S, S, 3)` become `(N, T, 3, S, S)`.
    """
    size = spec.size_px
    framed = crops.ndim in {4, 5} and crops.shape[-3:] == (size, size, 3)
    if not framed or crops.dtype != np.uint8:
        raise ValueError(f"crops must be (N, {size}, {size}, 3) uint8, got {crops.shape}")
    scaled = crops.astype(np.float32) * np.float32(1 / 255)
    normalised = (scaled - np.asarray(spec.mean, dtype=np.float32)) / np.asarray(
        spec.std, dtype=np.float32
    )
    return np.ascontiguousarray(np.moveaxis(normalised, -1, -3))


class Network:
    """The networks of a detector, whose logits become one.

    Args:
        bundle: a checked bundle.
        threads: threads of each network.
        device: what they run on; `auto` takes a GPU where ONNX Runtime has one.
        logits_only: whether nothing else will be asked for: they open sooner and take less memory.

    Raises:
        BundleError: a file is no ONNX model, or its inputs and outputs are not the contract's.
        UnmaskError: `cuda` was asked for and is not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 2,
        device: Device = "cpu",
        logits_only: bool = False,
    ) -> None:
        self.bundle = bundle
        self.views = tuple(
            ViewNetwork(bundle, view, threads=threads, device=device, logits_only=logits_only)
            for view in bundle.views
        )

    def run(
        self,
        crops: Sequence[NDArray[np.uint8]],
        *,
        evidence: bool = False,
        features: bool = False,
    ) -> Output:
        """Score faces.

        Args:
            crops: for each view `(N, S, S, 3)` RGB uint8, as `bundle.framing` cuts them; for a
                detector of clips `(N, T, S, S, 3)`.
            evidence: whether to return feature maps and their gradients too.
            features: whether to return feature maps, without the cost of gradients.
        """
        pairs = zip(self.views, crops, strict=True)
        return self._together(
            [view.run(own, evidence=evidence, features=features) for view, own in pairs]
        )

    def run_images(self, images: Sequence[Float], *, evidence: bool = False) -> Output:
        """Score normalised images, for each view `(N, 3, S, S)` as `preprocess` makes them."""
        pairs = zip(self.views, images, strict=True)
        return self._together([view.run_images(own, evidence=evidence) for view, own in pairs])

    def _together(self, outputs: Sequence[ViewOutput]) -> Output:
        weights = np.array([view.weight for view in self.bundle.views])
        logits = np.stack([each.logits for each in outputs]).astype(np.float64)
        contributions = weights[:, None] * logits
        total = contributions.sum(axis=0) + self.bundle.manifest.logit_offset
        return Output(total.astype(np.float32), contributions, tuple(outputs))


class ViewNetwork:
    """ONNX Runtime sessions over the network of one view.

    Args:
        bundle: a checked bundle.
        view: one of its views.
        threads: threads of the sessions.
        device: as of `Network`.
        logits_only: as of `Network`.

    Raises:
        BundleError: the file is no ONNX model, or its inputs and outputs are not the contract's.
        UnmaskError: `cuda` was asked for and is not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        view: View,
        *,
        threads: int = 2,
        device: Device = "cpu",
        logits_only: bool = False,
    ) -> None:
        self.view = view
        self._bundle, self._threads, self._device = bundle, threads, device
        size, clip = view.preprocessing.size_px, bundle.manifest.clip
        self._shape = (*([] if clip is None else [clip.frames]), 3, size, size)
        self._outputs = OUTPUTS[:1] if logits_only else view.outputs
        self._session = self._open(view.model, self._outputs)

    @cached_property
    def _gradient(self) -> Any:
        if self.view.gradient is None:
            raise BundleError(
                f"the detector {self._bundle.manifest.name!r} has no gradient at its input",
                hint="export it again with `unmask export`, or use GradCAM, which needs none",
            )
        return self._open(self.view.gradient, GRADIENT_OUTPUTS)

    def run(
        self,
        crops: NDArray[np.uint8],
        *,
        evidence: bool = False,
        features: bool = False,
        batch: int = DEFAULT_BATCH,
    ) -> ViewOutput:
        """Score crops.

        Args:
            crops: `(N, S, S, 3)` RGB uint8.
            evidence: whether to return the feature map and its gradient too.
            features: whether to return the feature map, if there is one, without the cost of the
                gradient.
            batch: most crops in one pass.
        """
        spec = self.view.preprocessing
        self._check_kind(crops.ndim)
        starts = range(0, len(crops), batch)
        parts = (preprocess(crops[start : start + batch], spec) for start in starts)
        return self._score(parts, self._outputs if evidence else self._outputs[: 1 + features])

    def run_images(
        self, images: Float, *, evidence: bool = False, batch: int = DEFAULT_BATCH
    ) -> ViewOutput:
        """Score normalised images `(N, 3, S, S)`, as `preprocess` makes them; see `run`."""
        self._check_kind(images.ndim)
        starts = range(0, len(images), batch)
        parts = (images[start : start + batch] for start in starts)
        return self._score(parts, self._outputs if evidence else OUTPUTS[:1])

    def _check_kind(self, ndim: int) -> None:
        """Refuse single crops for a detector of clips, and clips for one of single crops."""
        clips = len(self._shape) == 4
        if ndim != 1 + len(self._shape):
            name = self._bundle.manifest.name
            raise BundleError(
                f"the detector {name!r} judges clips of {self._shape[0]} crops of one face, and "
                "here are single crops"
                if clips
                else f"the detector {name!r} judges single crops, and here are clips",
                hint="take a detector of single crops" if clips else "take a detector of clips",
            )

    @stage("network")
    def _score(self, batches: Iterable[Float], outputs: tuple[str, ...]) -> ViewOutput:
        parts = [_compute(self._session, outputs, images) for images in batches]
        if not parts:
            return ViewOutput(np.empty(0, np.float32))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        require_finite(dict(zip(outputs, columns, strict=True)))
        return ViewOutput(columns[0].reshape(-1), *columns[1:])

    def input_gradients(self, images: Float, *, batch: int = DEFAULT_BATCH) -> Float:
        """Return d logit / d input, `(N, 3, S, S)`, for normalised images of that shape.

        Args:
            images: as `preprocess` makes them, noise added or not.
            batch: most images in one pass.

        Raises:
            BundleError: the view has no such gradient.
        """
        session = self._gradient
        self._check_kind(images.ndim)
        if not len(images):
            return np.empty_like(images)
        parts = [
            _compute(session, GRADIENT_OUTPUTS, images[start : start + batch])[0]
            for start in range(0, len(images), batch)
        ]
        gradients = np.concatenate(parts)
        require_finite({"input gradient": gradients})
        return gradients

    def _open(self, name: str, outputs: tuple[str, ...]) -> Any:
        """Open a file for some outputs and check it against the contract."""
        path = self._bundle.folder / name
        shared = self.view.gradient == self.view.model
        data = read_network(path, self._bundle.manifest.files[name])
        network = prune(data, outputs) if shared else data
        del data  # of 20 MB, while the session makes more of them
        session = _session(network, threads=self._threads, name=str(path), device=self._device)
        shape = list(self._shape)
        inputs = [(each.name, each.shape[1:]) for each in session.get_inputs()]
        names = tuple(output.name for output in session.get_outputs())
        if inputs != [(INPUT, shape)] or not set(outputs) <= set(names):
            shapes = [length for _, shape in inputs for length in shape]
            raise BundleError(
                f"{path} takes {shapes} and gives {names}; the contract is {shape} and {outputs}",
                hint="export the detector again",
            )
        return session


def _compute(session: Any, outputs: Sequence[str], images: Float) -> list[Float]:
    """Run a network; one that fails, or gives another number of results, is a damaged one."""
    try:
        results: list[Float] = session.run(outputs, {INPUT: images})
    except Exception as error:  # ONNX Runtime has a dozen kinds
        raise BundleError(
            f"the detector's network fails: {str(error).splitlines()[0]}",
            hint="export the detector again",
        ) from error
    wrong = [len(each) if each.ndim else None for each in results]
    logits = outputs[0] == OUTPUTS[0]
    if any(n != len(images) for n in wrong) or (logits and results[0].size != len(images)):
        raise BundleError(
            f"the detector's network gives {[each.shape for each in results]} for "
            f"{len(images)} crops",
            hint="export the detector again",
        )
    return results


def require_finite(outputs: Mapping[str, Float]) -> None:
    """Refuse what a network gives that is no number: nothing may be said on the ground of it.

    Raises:
        BundleError: a value is NaN or infinite.
    """
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise BundleError(
                f"the detector gives a {name} of values that are no numbers (NaN or infinite)",
                hint="its network is damaged or overflows: use another detector",
            )


def open_session(path: Path, outputs: Sequence[str] | None = None, *, threads: int = 2) -> Any:
    """Return an ONNX Runtime session over a file of our own making, which no manifest names yet.

    Args:
        path: the file.
        outputs: what it is opened for, where the file gives more: nothing else is computed.
        threads: threads of the session.

    Raises:
        BundleError: the file cannot be run.
    """
    data = path.read_bytes()
    network = data if outputs is None else prune(data, outputs)
    return _session(network, threads=threads, name=str(path))


def _session(network: bytes, *, threads: int, name: str, device: Device = "cpu") -> Any:
    """Return an ONNX Runtime session that leaves the processor to others while it waits."""
    ort, providers = onnxruntime(), choose_providers(device)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the most that ever was needed
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what fails is said once, by us
    try:
        session = ort.InferenceSession(network, options, providers=providers)
    except Exception as error:
        raise BundleError(
            f"{name} cannot be run: {str(error).splitlines()[0]}",
            hint="export the detector again",
        ) from error
    check_providers(device, providers, session.get_providers())
    if providers == [CPU]:
        # kept for another try on other providers, of which there are none: 20 MB
        session._model_bytes = None  # noqa: SLF001 - nothing else makes it let go
    return_freed_memory()
    return session
