"""Joined networks: the mean of logits, exactly, and a gradient and a map that belong to it."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

from unmask.bundle.manifest import Preprocessing
from unmask.core.errors import InputError
from unmask.training.networks.ensemble import Adapted, JoinedNetwork
from unmask.training.networks.head import HeadedNetwork, PaperHead
from unmask.training.networks.network import FaceNetwork


@pytest.fixture(scope="module")
def members() -> list[FaceNetwork]:
    torch.manual_seed(0)
    widths = (128, 64)
    return [FaceNetwork("test_resnet", head_width=width).eval() for width in widths]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("shares", "weights"), [((1, 1), (0.5, 0.5)), ((3, 1), (0.75, 0.25))])
def test_the_logit_is_the_weighted_mean_of_the_members(
    members: list[FaceNetwork],
    images: torch.Tensor,
    shares: tuple[float, ...],
    weights: tuple[float, ...],
) -> None:
    joined = JoinedNetwork(members, shares).eval()
    expected = sum(w * member(images) for w, member in zip(weights, members, strict=True))
    torch.testing.assert_close(joined(images), expected)


def test_its_written_out_gradient_is_autograds_at_all_maps(
    members: list[FaceNetwork], images: torch.Tensor
) -> None:
    logits, features, gradient = JoinedNetwork(members, (2, 1)).eval().forward_with_gradient(images)
    assert features.shape[1] == sum(member.channels for member in members)
    leaf = features.detach().requires_grad_()
    joined = JoinedNetwork(members, (2, 1)).head(leaf)
    torch.testing.assert_close(joined, logits)
    (expected,) = torch.autograd.grad(joined.sum(), leaf)
    torch.testing.assert_close(gradient, expected)


def test_the_title_names_members_and_weights(members: list[FaceNetwork]) -> None:
    title = JoinedNetwork(members, (3, 1)).title
    assert title == (
        "mean of logits: 0.75 of test_resnet + paper head; 0.25 of test_resnet + paper head"
    )


@pytest.mark.parametrize("shares", [(), (1,), (1, 0), (1, -1), (1, float("nan"))])
def test_shares_must_be_positive_and_one_for_each(
    members: list[FaceNetwork], shares: tuple[float, ...]
) -> None:
    with pytest.raises(InputError, match="cannot be joined"):
        JoinedNetwork(members, shares)


class Cells(HeadedNetwork):
    """A network whose feature map is its picture in fewer cells, times a factor."""

    def __init__(self, height: int, width: int, factor: float = 1.0) -> None:
        super().__init__(PaperHead(3, width=4, dropout=0.0))
        self.size, self.factor = (height, width), factor

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, self.size) * self.factor

    @property
    def title(self) -> str:
        return "cells"


@given(sides=st.lists(st.tuples(st.integers(1, 13), st.integers(1, 13)), min_size=2, max_size=3))
def test_maps_of_any_sizes_are_joined_and_the_logit_stays_the_mean(
    sides: list[tuple[int, int]],
) -> None:
    torch.manual_seed(0)
    networks = [Cells(*size, factor=number + 1) for number, size in enumerate(sides)]
    joined, images = JoinedNetwork(networks, [1] * len(sides)), torch.randn(2, 3, 26, 26)
    with torch.inference_mode():
        features = joined.features(images)
        expected = torch.stack([each(images) for each in networks]).mean(dim=0)
        torch.testing.assert_close(joined(images), expected, rtol=1e-4, atol=1e-5)
    assert features.shape[2:] == tuple(max(each) for each in zip(*sides, strict=True))


def test_a_coarse_cell_lies_over_the_fine_ones_it_covers() -> None:
    joined = JoinedNetwork([Cells(2, 2), Cells(3, 3)], [1, 1])
    picture = torch.arange(4.0).view(1, 1, 2, 2).expand(1, 3, 2, 2).repeat_interleave(3, 2)
    features = joined.features(picture.repeat_interleave(3, 3))
    expected = torch.tensor([[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]])
    torch.testing.assert_close(features[0, 0], expected)


def test_an_adapted_network_sees_the_pictures_it_was_trained_with(
    members: list[FaceNetwork],
) -> None:
    own = Preprocessing(size_px=64, margin_ratio=1, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    shared = Preprocessing(size_px=128, margin_ratio=1, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5))
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    enlarged = pixels.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    as_trained, as_given = (
        (seen - torch.tensor(part.mean).view(3, 1, 1)) / torch.tensor(part.std).view(3, 1, 1)
        for part, seen in ((own, pixels), (shared, enlarged))
    )
    network = Adapted(members[0], own=own, preprocessing=shared).eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(as_given), members[0](as_trained), rtol=1e-4, atol=1e-5)
    assert network.title == "test_resnet + paper head at 64 px"
