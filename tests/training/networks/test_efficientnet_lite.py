"""Weights of EfficientNet-Lite as efficientnet_pytorch names them, under timm's names."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

import timm
from torch import Tensor

from unmask.core.errors import InputError
from unmask.training.networks.network import FaceNetwork

TOOL = Path(__file__).parents[3] / "tools" / "efficientnet_lite.py"
NETWORK = "tf_efficientnet_lite0"
OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
SEPARABLE = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
INVERTED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


def their_names(names: list[str]) -> dict[str, str]:
    """Return efficientnet_pytorch's name by timm's: it counts blocks through all stages."""
    blocks = list(dict.fromkeys(re.findall(r"blocks\.\d+\.\d+", "\n".join(names))))
    named = {}
    for name in names:
        *place, layer, kind = name.split(".")
        if not place:
            named[name] = f"{(OUTSIDE | {'classifier': '_fc'})[layer]}.{kind}"
        else:
            number = blocks.index(".".join(place))
            named[name] = f"_blocks.{number}.{(INVERTED if number else SEPARABLE)[layer]}.{kind}"
    return named


def as_stored(tensor: Tensor) -> Tensor:
    """Return a kernel as a view of one in TensorFlow's layout, as those in the wheels are."""
    if tensor.ndim != 4:
        return tensor.clone()
    return tensor.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)


@pytest.fixture(scope="module")
def main() -> Any:
    return runpy.run_path(str(TOOL))["main"]


@pytest.fixture(scope="module")
def reference() -> Any:
    torch.manual_seed(0)
    return timm.create_model(NETWORK).eval()


@pytest.fixture(scope="module")
def theirs(reference: Any) -> dict[str, Tensor]:
    ours = reference.state_dict()
    return {theirs: as_stored(ours[name]) for name, theirs in their_names(list(ours)).items()}


def test_their_file_starts_timms_network(
    main: Any, reference: Any, theirs: dict[str, Tensor], tmp_path: Path
) -> None:
    assert "_blocks.15._depthwise_conv.weight" in theirs
    source, target = tmp_path / "theirs.pth", tmp_path / "ours.safetensors"
    torch.save(theirs, source)
    main(NETWORK, source, target)
    network = FaceNetwork(NETWORK, weights=target).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network.features(images), reference.forward_features(images))


def test_a_file_of_another_size_is_refused(
    main: Any, theirs: dict[str, Tensor], tmp_path: Path
) -> None:
    source, target = tmp_path / "theirs.pth", tmp_path / "ours.safetensors"
    torch.save(theirs, source)
    with pytest.raises(ValueError, match="tf_efficientnet_lite1 has 386 tensors, the file has 296"):
        main("tf_efficientnet_lite1", source, target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"_conv_stem.weight": torch.zeros(32, 3, 5, 5)}, r"_conv_stem\.weight \(32, 3, 5, 5\)"),
        ({"_bn0.running_mean": torch.zeros(16)}, r"bn1\.running_mean \(32,\) where .* \(16,\)"),
    ],
)
def test_tensors_of_other_shapes_are_refused(
    main: Any, theirs: dict[str, Tensor], tmp_path: Path, changed: dict[str, Tensor], said: str
) -> None:
    torch.save(theirs | changed, tmp_path / "theirs.pth")
    with pytest.raises(ValueError, match=said):
        main(NETWORK, tmp_path / "theirs.pth", tmp_path / "ours.safetensors")


def test_tensors_in_another_order_are_refused(
    main: Any, theirs: dict[str, Tensor], tmp_path: Path
) -> None:
    """Weights and biases of a norm have one shape; their names tell them apart."""
    first, second = "_bn0.weight", "_bn0.bias"
    swapped = {first: second, second: first}
    torch.save(
        {swapped.get(name, name): tensor for name, tensor in theirs.items()},
        tmp_path / "theirs.pth",
    )
    with pytest.raises(ValueError, match=r"bn1\.weight \(32,\) where the file has _bn0\.bias"):
        main(NETWORK, tmp_path / "theirs.pth", tmp_path / "ours.safetensors")


def test_a_file_that_holds_more_than_tensors_is_refused(main: Any, tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": Path()}, tmp_path / "theirs.pth")
    with pytest.raises(InputError, match="no weights that can be read safely"):
        main(NETWORK, tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
