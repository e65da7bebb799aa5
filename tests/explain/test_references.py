"""The methods against pytorch-grad-cam, captum and a plain re-computation, on the paper's networks.

Weights are random and pictures small: what is compared is arithmetic, not faces.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("timm", reason="needs the extra `train`")

from unmask.explain import explain  # noqa: E402 - after the check that torch is there
from unmask.explain.smoothgrad import NOISE, SAMPLES, noisy  # noqa: E402
from unmask.training.networks.differentiable import TorchNetwork  # noqa: E402
from unmask.training.networks.network import FaceNetwork  # noqa: E402
from unmask.training.networks.timm_models import PAPER_BACKBONES  # noqa: E402

SIZES = {"inception_resnet_v2": 160}
"""Sides of the pictures where 96 would leave a feature map of one cell."""
LEAST = 0.999


@pytest.fixture(scope="module", params=PAPER_BACKBONES)
def built(request):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    network = FaceNetwork(request.param)
    side = SIZES.get(request.param, 96)
    coarse = np.random.default_rng(5).normal(size=(2, 3, 8, 8)).astype(np.float32)
    images = coarse.repeat(side // 8, axis=2).repeat(side // 8, axis=3)
    noised = noisy(images[0], 1, 12, NOISE)
    settle(network, torch.from_numpy(np.concatenate([images, noised])))
    return TorchNetwork(network), images


def settle(network, images):
    """Let batch norms see the pictures: with random weights activations would grow without end."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum, module.eps = None, 0.1
    with torch.no_grad():
        network.train().features(images)
    network.eval()


class OneColumn(torch.nn.Module):
    """The network with the logit as a column, as the references want it."""

    def __init__(self, network):
        super().__init__()
        self.network, self.place = network, torch.nn.Identity()

    def forward(self, images):
        return self.network.head(self.place(self.network.features(images)))[:, None]


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize(
    ("method", "theirs"), [("gradcam", "GradCAM"), ("gradcam++", "GradCAMPlusPlus")]
)
def test_class_activation_maps_equal_pytorch_grad_cam(built, method, theirs):
    pytest_grad_cam = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    model, images = built
    wrapped = OneColumn(model.network)
    with getattr(pytest_grad_cam, theirs)(wrapped, [wrapped.place]) as reference:
        expected = reference(torch.from_numpy(images), targets=[lambda output: output[0]] * 2)
    maps = explain(model, images, [method])[method]
    for ours, target, reason in zip(maps.scaled, expected, maps.empty, strict=True):
        if reason is None:
            assert correlation(ours, target) >= LEAST
        else:
            assert target.max() == pytest.approx(0, abs=1e-4)


def test_some_class_activation_map_says_something(built):
    model, images = built
    maps = explain(model, images, ["gradcam++"])["gradcam++"]
    assert None in maps.empty


def test_smoothgrad_equals_captum_given_the_same_noise(built):
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, images = built
    saliency = captum.Saliency(model.network)
    copies = torch.from_numpy(noisy(images[0], 11, SAMPLES, NOISE))
    parts = [part.requires_grad_() for part in copies.split(5)]
    expected = torch.cat([saliency.attribute(part, abs=True) for part in parts])
    raw = explain(model, images[:1], ["smoothgrad"], seed=11)["smoothgrad"].raw[0]
    target = expected.mean(dim=0).amax(dim=0).numpy()
    assert correlation(raw, target) >= LEAST
    assert raw.mean() == pytest.approx(target.mean(), rel=0.01)


def test_faster_scorecam_equals_a_plain_recomputation(built):
    model, images = built
    raw = explain(model, images, ["faster-scorecam"])["faster-scorecam"].raw
    for image, ours in zip(torch.from_numpy(images), raw, strict=True):
        assert correlation(ours, plain_scorecam(model.network, image)) >= LEAST


def plain_scorecam(network, image):
    """Follow the text of the method, channel by channel, in PyTorch."""
    with torch.no_grad():
        features = network.features(image[None])[0]
        variances = [float(channel.double().var()) for channel in features]
        ranked = sorted(range(len(variances)), key=lambda c: variances[c], reverse=True)[:10]
        total = torch.zeros_like(features[0])
        for channel in ranked:
            mask = torch.nn.functional.interpolate(
                features[channel][None, None], size=image.shape[1:], mode="bilinear"
            )[0, 0]
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            total += torch.sigmoid(network((image * mask)[None]))[0] * features[channel]
    return total.numpy()


def test_noise_has_the_strength_that_is_stated():
    image = np.random.default_rng(0).uniform(-1, 3, (3, 40, 40)).astype(np.float32)
    added = noisy(image, 2, 50, 0.2) - image
    assert added.std() == pytest.approx(0.2 * (image.max() - image.min()), rel=0.02)
    assert abs(added.mean()) < 0.01
