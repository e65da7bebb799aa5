"""What explaining costs over scoring, and GradCAM against pytorch-grad-cam. Prints ratios.

    python -m benchmarks.explain [DETECTOR]
    python -m benchmarks.explain --build

The first form measures a detector's bundle (the shipped one by default) and needs no torch. The
second builds EfficientNet-Lite0 with random weights, exports it with the gradient at its input,
measures that, and compares GradCAM with pytorch-grad-cam on the same network, pictures and threads.
Each figure is the median over alternating pairs, so that other work on the machine disturbs both
alike.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unmask.bundle.manifest import (
    GRADIENT,
    MODEL,
    Bundle,
    load_bundle,
    shipped_folder,
    write_manifest,
)
from unmask.explain import BundleNetwork, explain
from unmask.explain.smoothgrad import SAMPLES
from unmask.system.files import file_sha256

PICTURES = 16
REPEATS = 15
THREADS = 2


def ratio(job: Callable[[], Any], unit: Callable[[], Any]) -> float:
    """Return how many times a unit's seconds a job takes: the median over alternating pairs."""
    pairs = [(_seconds(job), _seconds(unit)) for _ in range(REPEATS)]
    return statistics.median(one / other for one, other in pairs)


def _seconds(job: Callable[[], Any]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def pictures_of(bundle: Bundle) -> np.ndarray:
    """Return noise of the right size."""
    size = bundle.manifest.preprocessing.size_px
    shape = (PICTURES, 3, size, size)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def over_scoring(bundle: Bundle) -> None:
    """Print what methods cost over one scoring pass."""
    network, images = BundleNetwork(bundle, threads=THREADS), pictures_of(bundle)
    few = images[:2]
    cams = ratio(
        lambda: explain(network, images, ["gradcam", "gradcam++"]), lambda: network.logits(images)
    )
    tell("GradCAM and GradCAM++ together", cams, "scoring passes")
    scorecam = ratio(
        lambda: explain(network, few, ["faster-scorecam"]), lambda: network.logits(few)
    )
    tell("Faster Score-CAM", scorecam, "scoring passes")
    if bundle.gradient_path is None:
        print("SmoothGrad\tnot measured: the detector has no gradient.onnx")
        return
    copies = np.repeat(few[:1], SAMPLES, axis=0)
    smooth = ratio(
        lambda: explain(network, few[:1], ["smoothgrad"]), lambda: network.input_gradients(copies)
    )
    tell("SmoothGrad", smooth, f"times {SAMPLES} forward-backward passes")


def over_reference(bundle: Bundle, model: Any) -> None:
    """Print how much faster GradCAM is than pytorch-grad-cam."""
    import torch
    from pytorch_grad_cam import GradCAM

    torch.set_num_threads(THREADS)
    network, images = BundleNetwork(bundle, threads=THREADS), pictures_of(bundle)

    class Column(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model.eval().requires_grad_()

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.model(batch)[:, None]

    wrapped, batch = Column(), torch.from_numpy(images)
    targets = [lambda output: output[0]] * PICTURES
    with GradCAM(wrapped, [model.backbone.bn2]) as reference:
        faster = ratio(
            lambda: reference(batch, targets=targets), lambda: explain(network, images, ["gradcam"])
        )
    tell("GradCAM", faster, "times as fast as pytorch-grad-cam")


@contextmanager
def built() -> Iterator[tuple[Bundle, Any]]:
    """Export EfficientNet-Lite0 with random weights as a bundle."""
    from unmask.training.networks.network import FaceNetwork
    from unmask.training.networks.onnx_export import export_gradient, export_scoring

    manifest = load_bundle(shipped_folder()).manifest
    size = manifest.preprocessing.size_px
    model = FaceNetwork("tf_efficientnet_lite0").eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_scoring(model, folder / MODEL, size_px=size)
        export_gradient(model, folder / GRADIENT, size_px=size)
        files = {each: file_sha256(folder / each) for each in (MODEL, GRADIENT)}
        write_manifest(folder, manifest.model_copy(update={"files": files}))
        yield load_bundle(folder), model


def tell(what: str, times: float, unit: str) -> None:
    """Print one ratio."""
    print(f"{what}\t{times:.2f}\t{unit}")


def main() -> None:
    """Measure and print."""
    words = sys.argv[1:]
    if words == ["--build"]:
        with built() as (bundle, model):
            over_scoring(bundle)
            over_reference(bundle, model)
    else:
        over_scoring(load_bundle(words[0] if words else shipped_folder()))


if __name__ == "__main__":
    main()
