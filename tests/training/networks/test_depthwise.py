import copy

import pytest
import timm
import torch
from torch import nn

from unmask.training.networks.depthwise import Depthwise, quicken


@pytest.mark.parametrize(
    ("side", "stride", "size"),
    [(3, 2, 9), (3, 2, 8), (5, 1, 7), (5, 2, 11), (5, 2, 8), (7, 1, 9), (7, 3, 13)],
)
def test_output_and_gradients_are_those_of_the_convolution_replaced(side, stride, size):
    torch.manual_seed(side + stride)
    plain = nn.Conv2d(6, 6, side, stride, side // 2, groups=6).double()
    crops = torch.randn(2, 6, size, size).double()
    inputs = [crops.clone().requires_grad_() for _ in range(2)]
    quick = Depthwise(copy.deepcopy(plain))
    outputs = [layer(x) for layer, x in zip((plain, quick), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    for output in outputs:
        (output * weights).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(plain.weight.grad, quick.weight.grad)
    torch.testing.assert_close(plain.bias.grad, quick.bias.grad)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnetv2_s"])
def test_a_quickened_network_has_the_same_state_and_gradients(name):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=1).double().eval()
    quick = copy.deepcopy(network)
    assert quicken(quick) > 0
    assert list(quick.state_dict()) == list(network.state_dict())
    crops = torch.randn(1, 3, 64, 64).double()
    result = []
    for each in (network, quick):
        x = crops.clone().requires_grad_()
        each(x).sum().backward()
        result.append((x.grad, each.conv_stem.weight.grad))
    for expected, other in zip(*result, strict=True):
        assert (expected - other).abs().max() <= 1e-9 * expected.abs().max()


def test_only_slow_depthwise_convolutions_are_replaced():
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, 1, 1, groups=4),  # quick as it is
        nn.Conv2d(4, 4, 3, 2, 1),  # not depthwise
        nn.Conv2d(4, 4, 3, 2, 2, groups=4, dilation=2),  # of a kind that is not known
        nn.Conv2d(4, 4, 5, 1, 2, groups=4),
    )
    assert quicken(layers) == 1
    assert isinstance(layers[3], Depthwise)


def test_under_autocast_the_gradient_is_near_that_of_full_precision():
    torch.manual_seed(0)
    layer = Depthwise(nn.Conv2d(8, 8, 5, 2, 2, groups=8))
    x = torch.randn(2, 8, 16, 16)
    gradients = []
    for enabled in (False, True):
        layer.weight.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = layer(x)
        assert out.dtype is (torch.bfloat16 if enabled else torch.float32)
        out.float().square().mean().backward()
        gradients.append(layer.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.05, atol=2e-3)
