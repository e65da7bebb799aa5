"""ONNX files of a network: scores, and the gradient at the input, against PyTorch's autograd."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("torch", "timm", "onnx", "onnxscript"):
    pytest.importorskip(package, reason=f"export needs {package} (extra `train`)")

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from unmask.core.errors import BundleError
from unmask.system.telemetry import onnxruntime
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.onnx_export import export_gradient, export_scoring, trace_gradient
from unmask.training.networks.parity import LIMITS, measure_parity, require_parity
from unmask.training.networks.scoring_network import ScoringNetwork
from unmask.training.networks.timm_models import PAPER_BACKBONES

# torch's exporter uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 96


class Small(ScoringNetwork):
    """One operation between two convolutions, with the interface of a network."""

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.operation = operation
        self.last = nn.LazyConv2d(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.last(self.operation(self.first(x)))).sum(dim=(1, 2, 3))


OPERATIONS: dict[str, nn.Module] = {
    "plain": nn.Conv2d(4, 6, 3),
    "strided": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "stride leaves pixels over": nn.Conv2d(4, 6, 2, stride=3),
    "dilated": nn.Conv2d(4, 6, 3, dilation=2, padding=2),
    "grouped": nn.Conv2d(4, 8, 3, groups=2, stride=2),
    "depthwise": nn.Conv2d(4, 4, (5, 3), groups=4, padding=(2, 1)),
    "maximum": nn.MaxPool2d(2),
    "maximum, overlapping": nn.MaxPool2d(3, stride=2, padding=1),
    "maximum, ceiling": nn.MaxPool2d(3, stride=2, ceil_mode=True),
    "average": nn.AvgPool2d(2),
    "average, border counted": nn.AvgPool2d(3, stride=1, padding=1),
    "average, border left out": nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    "average, ceiling": nn.AvgPool2d(3, stride=2, ceil_mode=True),
    "average, divisor": nn.AvgPool2d(2, divisor_override=3),
    "norm": nn.BatchNorm2d(4),
    "silu": nn.SiLU(inplace=True),
    "relu": nn.ReLU(inplace=True),
    "gelu": nn.GELU(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
}


def autograd(network: Any, images: torch.Tensor) -> np.ndarray:
    leaf = images.clone().requires_grad_()
    return torch.autograd.grad(network(leaf).sum(), leaf)[0].numpy()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_recorded_gradient_of_every_operation_is_autograds_at_any_batch_size(name: str) -> None:
    torch.manual_seed(0)
    network = Small(OPERATIONS[name]).eval()
    network(torch.zeros(1, 3, 16, 16))  # the last layer learns its channels
    graph = trace_gradient(network, size_px=16)
    for count in (1, 2, 3):
        images = torch.randn(count, 3, 16, 16)
        np.testing.assert_allclose(graph(images), autograd(network, images), rtol=1e-4, atol=1e-6)


def test_a_chain_of_operations_gives_autograds_gradient_in_onnx_runtime(tmp_path: Path) -> None:
    torch.manual_seed(0)
    names = ("strided", "maximum, overlapping", "average, border left out", "average, ceiling")
    chain = nn.Sequential(*(OPERATIONS[name] for name in names[1:]), OPERATIONS[names[0]])
    network = Small(chain).eval()
    network(torch.zeros(1, 3, 32, 32))
    export_gradient(network, tmp_path / "gradient.onnx", size_px=32)
    session = onnxruntime().InferenceSession(
        str(tmp_path / "gradient.onnx"), providers=["CPUExecutionProvider"]
    )
    images = torch.randn(3, 3, 32, 32)
    (result,) = session.run(None, {"image": images.numpy()})
    np.testing.assert_allclose(result, autograd(network, images), rtol=1e-3, atol=1e-6)


def test_a_transposed_convolution_is_refused() -> None:
    network = Small(nn.ConvTranspose2d(4, 4, 2)).eval()
    network(torch.zeros(1, 3, 16, 16))
    with pytest.raises(NotImplementedError, match="plain convolution"):
        trace_gradient(network, size_px=16)


@pytest.mark.skipif(
    "UNMASK_SLOW_TESTS" not in os.environ, reason="takes many minutes; set UNMASK_SLOW_TESTS=1"
)
@pytest.mark.parametrize("backbone", PAPER_BACKBONES)
def test_the_papers_networks_say_the_same_in_onnx_runtime(backbone: str, tmp_path: Path) -> None:
    check_files(*exported(backbone, tmp_path))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceNetwork, Path]:
    """Return a small network and the folder of its files."""
    return exported("resnet10t", tmp_path_factory.mktemp("small"))


def exported(backbone: str, folder: Path) -> tuple[FaceNetwork, Path]:
    torch.manual_seed(0)
    network = FaceNetwork(backbone).eval()
    export_scoring(network, folder / "model.onnx", size_px=SIDE)
    export_gradient(network, folder / "gradient.onnx", size_px=SIDE)
    return network, folder


def test_a_small_network_says_the_same_in_onnx_runtime(small: tuple[FaceNetwork, Path]) -> None:
    check_files(*small)


def check_files(network: FaceNetwork, folder: Path) -> None:
    """Compare both files with the network, and run them at another batch size."""
    scoring, gradient = folder / "model.onnx", folder / "gradient.onnx"
    images = np.random.default_rng(0).normal(size=(3, 3, SIDE, SIDE)).astype(np.float32)
    parity = measure_parity(network, scoring, gradient, images, crops="noise")
    require_parity(parity)
    session = onnxruntime().InferenceSession(str(gradient), providers=["CPUExecutionProvider"])
    (alone,) = session.run(None, {"image": images[:1]})
    expected = autograd(network, torch.from_numpy(images[:1]))
    assert np.abs(alone - expected).max() <= LIMITS["input_gradient"] * np.abs(expected).max()


def test_exported_files_do_not_name_folders_of_the_machine(small: tuple[FaceNetwork, Path]) -> None:
    files = list(small[1].iterdir())
    assert len(files) == 2
    for path in files:
        content = path.read_bytes()
        assert str(Path.cwd()).encode() not in content
        assert b"site-packages" not in content
        assert b".py" not in content


def test_parity_finds_another_networks_weights(small: tuple[FaceNetwork, Path]) -> None:
    network = copy.deepcopy(small[0])
    with torch.no_grad():
        network.head.logit.bias += 0.1
    images = np.random.default_rng(0).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)
    parity = measure_parity(network, small[1] / "model.onnx", None, images, crops="noise")
    assert parity.input_gradient is None
    with pytest.raises(BundleError, match=r"logit .*at most 0\.0001"):
        require_parity(parity)


def test_a_difference_that_is_no_number_is_refused() -> None:
    from unmask.bundle.manifest import Parity

    parity = Parity.model_construct(
        logit=float("nan"), features=0.0, gradient=0.0, input_gradient=0.0, crops=""
    )
    with pytest.raises(BundleError, match="logit nan"):
        require_parity(parity)


def test_recording_leaves_scores_as_they_are() -> None:
    network = FaceNetwork("resnet10t").eval()
    images = torch.randn(2, 3, 32, 32)
    before = network(images)
    trace_gradient(network, size_px=32)
    torch.testing.assert_close(network(images), before)
    assert F.sigmoid(before).shape == (2,)
