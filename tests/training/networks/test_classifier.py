"""Foreign classifiers in PyTorch: their own scores, and the names of DeepfakeBench and the Hub."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

for package in ("torch", "timm"):
    pytest.importorskip(package, reason=f"needs {package} (extra `train`)")

import timm
import torch
from safetensors.torch import save_file

from unmask.core.errors import InputError
from unmask.training.networks import deepfakebench
from unmask.training.networks.classifier import load_timm_classifier
from unmask.training.networks.deepfakebench import load_deepfakebench
from unmask.training.networks.hub_classifier import load_hub_classifier
from unmask.training.networks.output_layout import OutputLayout
from unmask.training.networks.scoring_network import differentiate


def pictures(side: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


OUTPUTS = torch.tensor([[0.3, -1.2, 2.0], [0.0, 4.0, -1.0]])


def test_two_classes_give_the_log_odds_of_a_softmax() -> None:
    logit = OutputLayout(2).logit(OUTPUTS[:, :2])
    torch.testing.assert_close(logit.sigmoid(), OUTPUTS[:, :2].softmax(dim=1)[:, 1])


def test_many_classes_give_the_log_odds_of_one_against_all_others() -> None:
    logit = OutputLayout(3, fake=0).logit(OUTPUTS)
    torch.testing.assert_close(logit.sigmoid(), OUTPUTS.softmax(dim=1)[:, 0])
    shares = OutputLayout(3, fake=0, scale="probabilities").logit(OUTPUTS.softmax(dim=1))
    torch.testing.assert_close(shares, logit, rtol=1e-4, atol=1e-5)


def test_a_single_output_may_speak_for_real() -> None:
    column = OUTPUTS[:, :1]
    torch.testing.assert_close(OutputLayout(1, single="real").logit(column), -column[:, 0])
    certain = OutputLayout(1, scale="probabilities").logit(torch.tensor([[1.0]]))
    assert 15 < float(certain) < 17


@pytest.mark.parametrize(("classes", "fake"), [(3, None), (2, 2), (0, None)])
def test_a_class_that_is_not_known_is_refused(classes: int, fake: int | None) -> None:
    with pytest.raises(InputError, match=r"which is fake is not known|no class 2|needs an output"):
        OutputLayout(classes, fake)


def timm_file(folder: Path, name: str, classes: int, **options: Any) -> tuple[Path, Any]:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=classes, **options).eval()
    save_file(model.state_dict(), folder / "w.safetensors")
    return folder / "w.safetensors", model


@pytest.mark.parametrize(
    ("name", "side"), [("test_resnet", 64), ("test_vit", 64), ("test_convnext", 64)]
)
def test_timms_classifier_keeps_its_scores_and_gives_a_map(
    tmp_path: Path, name: str, side: int
) -> None:
    options = {"img_size": side} if "vit" in name else {}
    path, model = timm_file(tmp_path, name, 2, **options)
    network = load_timm_classifier(name, path, size_px=side)
    with torch.no_grad():
        expected = model(pictures(side)).softmax(dim=1)[:, 1]
    given = differentiate(network, pictures(side))
    torch.testing.assert_close(given[0].sigmoid(), expected)
    assert len(given) == len(network.outputs)
    assert given[1].shape == given[2].shape
    assert given[2].abs().max() > 0


def test_a_file_without_classifier_or_of_another_network_is_refused(tmp_path: Path) -> None:
    path, model = timm_file(tmp_path, "test_resnet", 1)
    bare = {k: v for k, v in model.state_dict().items() if not k.startswith("fc.")}
    save_file(bare, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="holds no classifier of test_resnet"):
        load_timm_classifier("test_resnet", tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="does not fit resnet10t"):
        load_timm_classifier("resnet10t", path)


def save_as_published(state: dict[str, torch.Tensor], path: Path) -> Path:
    """Write a checkpoint as its trainer does: a state dictionary under `backbone.`."""
    torch.save({f"backbone.{name}": tensor for name, tensor in state.items()}, path)
    return path


def test_deepfakebenchs_xception_is_read_by_its_published_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("legacy_xception", num_classes=2).eval()
    state = {name.replace("fc.", "last_linear."): t for name, t in model.state_dict().items()}
    state |= {"adjust_channel.0.weight": torch.zeros(512, 2048, 1, 1)}
    assert {"conv1.weight", "block1.rep.0.conv1.weight", "block12.skipbn.bias", "bn4.bias"} <= set(
        state
    )
    network = load_deepfakebench(save_as_published(state, tmp_path / "ckpt_best.pth"), "xception")
    with torch.no_grad():
        expected = model(pictures(96)).softmax(dim=1)[:, 1]
        torch.testing.assert_close(network(pictures(96)).sigmoid(), expected)


def test_deepfakebenchs_efficientnet_computes_as_published(tmp_path: Path) -> None:
    package = pytest.importorskip("efficientnet_pytorch", reason="the published build")
    torch.manual_seed(0)
    body = package.EfficientNet.from_name("efficientnet-b4").eval()
    body._conv_stem = torch.nn.Conv2d(3, 48, kernel_size=3, stride=2, bias=False)
    body._fc = torch.nn.Identity()
    last = torch.nn.Linear(1792, 2)
    state = {f"efficientnet.{name}": tensor for name, tensor in body.state_dict().items()}
    state |= {f"last_layer.{name}": tensor for name, tensor in last.state_dict().items()}
    path = save_as_published(state, tmp_path / "effnb4_best.pth")
    network = load_deepfakebench(path, "efficientnetb4")
    images = pictures(256)
    with torch.no_grad():
        outputs = last(body.extract_features(images).mean(dim=(2, 3)))
        expected = outputs[:, 1] - outputs[:, 0]
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-6)


def test_deepfakebenchs_resnet_is_read_by_the_places_of_its_parts(tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(0)
    whole = torchvision.models.resnet34(num_classes=2).eval()
    body = torch.nn.Sequential(*list(whole.children())[:-2])
    state = {f"resnet.{name}": tensor for name, tensor in body.state_dict().items()}
    state |= {f"fc.{name}": tensor for name, tensor in whole.fc.state_dict().items()}
    network = load_deepfakebench(save_as_published(state, tmp_path / "r.pth"), "resnet34")
    with torch.no_grad():
        expected = whole(pictures()).softmax(dim=1)[:, 1]
        torch.testing.assert_close(network(pictures()).sigmoid(), expected)


def test_other_networks_of_deepfakebench_are_refused(tmp_path: Path) -> None:
    path = save_as_published({"conv1.weight": torch.zeros(1)}, tmp_path / "c.pth")
    with pytest.raises(InputError, match="no network 'f3net'") as caught:
        load_deepfakebench(path, "f3net")
    assert all(name in caught.value.hint for name in deepfakebench.NETWORKS)
    with pytest.raises(InputError, match="is no resnet34 of DeepfakeBench"):
        load_deepfakebench(path, "resnet34")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_run_something_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(InputError, match="no weights that can be read safely"):
        load_deepfakebench(tmp_path / "trap.pth", "xception")
    with pytest.raises(InputError, match="no weights that can be read safely"):
        load_timm_classifier("test_resnet", tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def hub_vit(folder: Path, *, labels: dict[int, str] | None = None, side: int = 32) -> Any:
    """Write a tiny ViT as transformers does, and return it."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `imports`")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=side,
        patch_size=8,
        id2label=labels or {0: "Realism", 1: "Deepfake"},
    )
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    preprocessor = {"size": {"height": side, "width": side}, "resample": 3}
    preprocessor |= {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return model


def test_a_classifier_of_transformers_keeps_its_scores_and_gives_a_map(tmp_path: Path) -> None:
    model = hub_vit(tmp_path)
    found = load_hub_classifier(tmp_path)
    assert (found.size_px, found.mean, found.std) == (32, (0.5,) * 3, (0.25,) * 3)
    assert found.bicubic
    given = differentiate(found.network, pictures(32))
    with torch.no_grad():
        expected = model(pictures(32)).logits.softmax(dim=1)[:, 1]
    torch.testing.assert_close(given[0].sigmoid(), expected)
    assert given[1].shape == given[2].shape == (2, 32, 4, 4)
    assert given[2].abs().max() > 0


def test_a_class_is_named_where_no_label_says_fake(tmp_path: Path) -> None:
    hub_vit(tmp_path, labels={0: "swapped", 1: "genuine"})
    with pytest.raises(InputError, match="which class is fake is not known: swapped, genuine"):
        load_hub_classifier(tmp_path)
    network: Any = load_hub_classifier(tmp_path, fake="Swapped").network
    assert network.layout.fake == 0


def test_timms_models_of_the_hub_are_read_by_their_configuration(tmp_path: Path) -> None:
    _, model = timm_file(tmp_path, "test_resnet", 2)
    (tmp_path / "w.safetensors").rename(tmp_path / "model.safetensors")
    config = {"architecture": "test_resnet", "num_classes": 2, "label_names": ["real", "fake"]}
    config |= {"pretrained_cfg": {"input_size": [3, 64, 64], "mean": [0.1] * 3, "std": [0.2] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = load_hub_classifier(tmp_path)
    assert (found.size_px, found.mean, found.std) == (64, (0.1,) * 3, (0.2,) * 3)
    with torch.no_grad():
        expected = model(pictures()).softmax(dim=1)[:, 1]
        torch.testing.assert_close(found.network(pictures()).sigmoid(), expected)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"num_hidden_layers": 10**7}),
        ("config.json", {"hidden_size": 10**9}),
        ("preprocessor_config.json", {"size": {"height": 10**9}}),
        ("preprocessor_config.json", {"image_mean": [1, 2]}),
    ],
)
def test_a_configuration_beyond_all_measure_is_refused(
    tmp_path: Path, file: str, change: dict[str, Any]
) -> None:
    hub_vit(tmp_path)
    content = json.loads((tmp_path / file).read_text()) | change
    if "image_size" in content:
        content["image_size"] = 32
    (tmp_path / file).write_text(json.dumps(content))
    if "size" in change:
        assert load_hub_classifier(tmp_path).size_px == 32  # the network's own is asked next
        return
    with pytest.raises(InputError, match=r"beyond all measure|three numbers"):
        load_hub_classifier(tmp_path)


@pytest.mark.parametrize("content", ["[1]", "{", '{"model_type": "bert"}', '{"architecture": "x"}'])
def test_what_is_no_image_classifier_is_refused(tmp_path: Path, content: str) -> None:
    pytest.importorskip("transformers", reason="needs the extra `imports`")
    (tmp_path / "config.json").write_text(content)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(
        InputError, match=r"no configuration|no JSON|no image class|timm has no network"
    ):
        load_hub_classifier(tmp_path)


def test_pickled_weights_of_the_hub_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no model\.safetensors .* other weights are not read"):
        load_hub_classifier(tmp_path)
    assert not (tmp_path / "sprung").exists()
