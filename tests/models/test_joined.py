"""Joined networks: the mean of logits, exactly, and a gradient and a map that belong to it."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

from unmask.errors import InputError
from unmask.models.joined import JoinedNetwork
from unmask.models.network import FaceNetwork


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
