"""A mirrored network: one judgement for a picture and its mirror image."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import numpy as np
import pytest

from toy_material import drawn_face

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

from unmask.training.networks.network import FaceNetwork


@pytest.fixture(scope="module")
def network() -> FaceNetwork:
    torch.manual_seed(0)
    return FaceNetwork("test_resnet").eval()


def pictures() -> torch.Tensor:
    faces = np.stack([np.asarray(drawn_face(n), dtype=np.float32) for n in range(3)])
    return torch.from_numpy(faces.transpose(0, 3, 1, 2)) / 127.5 - 1


@pytest.fixture(scope="module")
def both(network: FaceNetwork) -> FaceNetwork:
    face_network = FaceNetwork("test_resnet", mirrored=True)
    face_network.load_state_dict(network.state_dict())
    return face_network.eval()


def test_a_picture_and_its_mirror_image_score_alike(
    network: FaceNetwork, both: FaceNetwork
) -> None:
    images = pictures()
    torch.testing.assert_close(both(images), both(images.flip(3)))
    torch.testing.assert_close(both.features(images), both.features(images.flip(3)).flip(3))
    assert not torch.allclose(network.features(images), network.features(images.flip(3)).flip(3))


def test_the_head_sees_the_mean_of_both_pooled_maps(
    network: FaceNetwork, both: FaceNetwork
) -> None:
    images = pictures()
    pooled = [network.features(x).mean(dim=(2, 3)) for x in (images, images.flip(3))]
    expected = network.head((sum(pooled) / 2)[:, :, None, None])
    torch.testing.assert_close(both(images), expected)


def test_its_written_out_gradient_is_autograds(both: FaceNetwork) -> None:
    logit, features, gradient = both.forward_with_gradient(pictures())
    leaf = features.detach().requires_grad_()
    again = both.head(leaf)
    torch.testing.assert_close(logit, again)
    (expected,) = torch.autograd.grad(again.sum(), leaf)
    torch.testing.assert_close(gradient, expected)


def test_training_sees_pictures_as_they_are(network: FaceNetwork, both: FaceNetwork) -> None:
    images = pictures()
    both.train()
    try:
        plain = both.backbone.forward_features(images)
        torch.testing.assert_close(both.features(images), plain)
    finally:
        both.eval()
    assert (network.title, both.title) == (
        "test_resnet + paper head",
        "test_resnet + paper head, mean of picture and mirror image",
    )
