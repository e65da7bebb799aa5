"""Networks of timm with the paper's head, their weights and their preprocessing."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

for package in ("torch", "timm", "safetensors"):
    pytest.importorskip(package, reason=f"networks need {package} (extra `train`)")

import timm
import torch
from safetensors.torch import save_file
from timm.layers import DropPath
from torch.nn import functional as F  # noqa: N812

from unmask.core.errors import DownloadError, InputError, InputNotFound
from unmask.training.networks.head import PaperHead
from unmask.training.networks.network import FaceNetwork, read_preprocessing

SMALL = "resnet10t"


def small(seed: int = 0, **options: object) -> FaceNetwork:
    torch.manual_seed(seed)
    return FaceNetwork(SMALL, **options).eval()


def test_a_network_gives_one_logit_a_picture_through_its_feature_map() -> None:
    network, images = small(), torch.randn(2, 3, 64, 64)
    features = network.features(images)
    assert features.shape == (2, network.channels, 2, 2)
    assert network(images).shape == (2,)
    torch.testing.assert_close(network.head(features), network(images))


def test_the_written_gradient_is_autograds() -> None:
    network = small()
    logit, features, gradient = network.forward_with_gradient(torch.randn(3, 3, 64, 64))
    leaf = features.detach().requires_grad_()
    (expected,) = torch.autograd.grad(network.head(leaf).sum(), leaf)
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(logit, network.head(features))


def test_one_logit_with_class_weights_is_the_weighted_two_way_softmax() -> None:
    torch.manual_seed(0)
    two = torch.randn(8, 2, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 1, 0, 1, 1, 1])
    weights = torch.tensor([2.3873, 0.6325], dtype=torch.float64)
    softmax = F.cross_entropy(two, labels, weight=weights, reduction="none")
    sigmoid = F.binary_cross_entropy_with_logits(
        two[:, 1] - two[:, 0], labels.double(), weight=weights[labels], reduction="none"
    )
    torch.testing.assert_close(sigmoid, softmax)


def test_the_head_is_the_papers() -> None:
    head = PaperHead(7, width=128, dropout=0.5)
    assert [tuple(p.shape) for p in head.parameters()] == [(128, 7), (128,), (1, 128), (1,)]
    assert head.dropout.p == 0.5


def test_preprocessing_takes_mean_and_deviation_of_the_imagenet_weights() -> None:
    spec = read_preprocessing(small(), 96, margin_ratio=1.1, shift_y_ratio=0.05)
    config = timm.create_model(SMALL).pretrained_cfg
    assert (spec.mean, spec.std) == (config["mean"], config["std"])
    assert (spec.size_px, spec.margin_ratio, spec.shift_y_ratio) == (96, 1.1, 0.05)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_whole_network_is_read_back_from_a_file(tmp_path: Path, suffix: str) -> None:
    network, path = small(), tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(network.state_dict(), path)
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(small(1, weights=path)(images), network(images))


def test_weights_of_the_backbone_alone_leave_the_classifier_out(tmp_path: Path) -> None:
    donor = timm.create_model(SMALL).eval()
    torch.save({"state_dict": donor.state_dict()}, tmp_path / "imagenet.pth")
    images = torch.randn(1, 3, 64, 64)
    result = small(weights=tmp_path / "imagenet.pth").features(images)
    torch.testing.assert_close(result, donor.forward_features(images))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state, path = small().state_dict(), tmp_path / "w.safetensors"
    save_file({**state, "backbone.more": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"does not fit resnet10t: 1 tensors are not the network"):
        small(weights=path)
    save_file({name: each for name, each in state.items() if name != "head.logit.bias"}, path)
    with pytest.raises(InputError, match=r"1 tensors are missing, such as head\.logit\.bias"):
        small(weights=path)
    save_file(state, path)
    with pytest.raises(InputError, match=r"does not fit resnet10t: size mismatch"):
        small(weights=path, head_width=64)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_file_is_read_without_running_what_is_in_it(tmp_path: Path) -> None:
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "trap.pt")
    with pytest.raises(InputError, match="no weights that can be read safely"):
        small(weights=tmp_path / "trap.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"junk", b"hello, world\n", b"\x80\x02K"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no weights that can be read safely"):
        small(weights=path)


def test_other_files_and_missing_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.h5").touch()
    with pytest.raises(InputError, match=r"weights are read from \.safetensors, \.pt, \.pth"):
        small(weights=tmp_path / "w.h5")
    with pytest.raises(InputNotFound, match="no weights file"):
        small(weights=tmp_path / "w.pt")


def test_an_unknown_network_is_refused_with_near_names() -> None:
    with pytest.raises(InputError, match="timm has no network 'exception'") as caught:
        FaceNetwork("exception")
    assert "legacy_xception" in caught.value.hint


def drop_rates(network: FaceNetwork) -> list[float]:
    return [part.drop_prob for part in network.modules() if isinstance(part, DropPath)]


@pytest.mark.parametrize("backbone", [SMALL, "tf_efficientnet_lite0"])
def test_later_blocks_are_left_out_more_often(backbone: str) -> None:
    rates = drop_rates(FaceNetwork(backbone, drop_path=0.3))
    assert len(rates) > 2
    assert rates == sorted(rates)
    assert 0 < rates[0] < 0.2 < rates[-1] <= 0.3 + 1e-9
    assert not any(drop_rates(FaceNetwork(backbone)))


def test_leaving_blocks_out_changes_training_alone() -> None:
    networks, images = [], torch.randn(4, 3, 64, 64)
    for rate in (0.0, 0.5):
        torch.manual_seed(0)
        networks.append(FaceNetwork("tf_efficientnet_lite0", dropout=0.0, drop_path=rate))
    whole, dropped = networks
    assert whole.state_dict().keys() == dropped.state_dict().keys()
    torch.testing.assert_close(dropped.eval()(images), whole.eval()(images))
    torch.testing.assert_close(whole.train()(images), whole(images))
    assert (dropped.train()(images) - dropped(images)).abs().max() > 1e-4


@pytest.mark.parametrize("backbone", ["squeezenet1_1", "legacy_xception"])
def test_a_network_without_such_blocks_is_refused(backbone: str) -> None:
    with pytest.raises(InputError, match=f"{backbone} has no blocks that can be left") as caught:
        FaceNetwork(backbone, drop_path=0.1)
    assert caught.value.hint == "set network.drop_path=0"


def test_a_network_without_a_map_is_refused() -> None:
    network = FaceNetwork("mixer_s32_224")
    with pytest.raises(ValueError, match="a convolutional feature map"):
        network(torch.zeros(1, 3, 224, 224))


def test_without_internet_imagenet_weights_are_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    message = "ImageNet weights of resnet10t could not be fetched"
    with pytest.raises(DownloadError, match=message) as caught:
        FaceNetwork("resnet10t", weights="imagenet")
    assert "give a local file" in caught.value.hint


@pytest.mark.parametrize("backbone", ["resnet10t", "legacy_xception"])
def test_a_server_that_does_not_answer_is_not_waited_for(
    backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        config = replace(timm.get_pretrained_cfg("legacy_xception"), url=f"{address}/x.pth")
        if backbone == "legacy_xception":
            monkeypatch.setattr(timm, "get_pretrained_cfg", lambda _: config)
        monkeypatch.setattr(timm, "create_model", pytest.fail)
        with pytest.raises(DownloadError, match=f"{backbone} could not be fetched") as caught:
            FaceNetwork(backbone, weights="imagenet")
    assert "--set network.weights=null" in caught.value.hint
