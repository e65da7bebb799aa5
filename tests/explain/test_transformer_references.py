"""Maps of transformers against pytorch-grad-cam and captum: ViT, DINOv2 and a tower of CLIP.

Weights are random and pictures small: what is compared is arithmetic, not faces.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
timm = pytest.importorskip("timm", reason="needs the extra `train`")

from unmask.explain import explain  # noqa: E402 - after the check that torch is there
from unmask.training.networks.differentiable import TorchNetwork  # noqa: E402
from unmask.training.networks.network import FaceNetwork  # noqa: E402

SIDE = 56
NETWORKS = {
    "test_vit": {},
    "vit_small_patch14_reg4_dinov2": {"depth": 2},
    "vit_base_patch32_clip_224": {"depth": 2},
}
"""timm's networks; the large ones with few blocks."""


@pytest.fixture(scope="module", params=NETWORKS)
def built(request):
    torch.manual_seed(3)
    with pytest.MonkeyPatch.context() as patch:
        make, depth = timm.create_model, NETWORKS[request.param]
        patch.setattr("timm.create_model", lambda *a, **k: make(*a, **(k | depth)))
        side = SIDE if "patch14" in request.param else 64
        network = FaceNetwork(request.param, size_px=side).eval()
    images = np.random.default_rng(5).normal(size=(2, 3, side, side)).astype(np.float32)
    return TorchNetwork(network), images


class Column(torch.nn.Module):
    """The network with the logit as a column, as the references want it."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        for block in network.backbone.blocks:
            block.attn.fused_attn = False

    def forward(self, images):
        return self.network(images)[:, None]


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize(
    ("method", "theirs"), [("gradcam", "GradCAM"), ("gradcam++", "GradCAMPlusPlus")]
)
def test_maps_of_tokens_equal_pytorch_grad_cam(built, method, theirs):
    package = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    model, images = built
    grid, prefix = (
        model.network.backbone.patch_embed.grid_size,
        (model.network.backbone.num_prefix_tokens),
    )

    def as_map(tokens):
        patches = tokens[:, prefix:].reshape(len(tokens), *grid, tokens.shape[2])
        return patches.permute(0, 3, 1, 2)

    layer = model.network.backbone.blocks[-1].norm1
    column = Column(model.network)
    with getattr(package, theirs)(column, [layer], reshape_transform=as_map) as reference:
        expected = reference(torch.from_numpy(images), targets=[lambda output: output[0]] * 2)
    maps = explain(model, images, [method])[method]
    assert None in maps.empty
    for ours, target, reason in zip(maps.scaled, expected, maps.empty, strict=True):
        if reason is None:
            assert correlation(ours, target) >= 0.999
        else:
            assert target.max() == pytest.approx(0, abs=1e-4)


def test_gradient_x_attention_is_captums(built):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, images = built
    backbone = model.network.backbone
    prefix, (height, width) = backbone.num_prefix_tokens, backbone.patch_embed.grid_size
    method = attr.LayerGradientXActivation(
        Column(model.network), backbone.blocks[-1].attn.attn_drop
    )
    products = method.attribute(torch.from_numpy(images), target=0).detach().clamp(min=0)
    class_row = products.mean(dim=1)[:, 0, prefix:].reshape(-1, height, width).numpy()
    raw = explain(model, images, ["gradient-x-attention"])["gradient-x-attention"].raw
    np.testing.assert_allclose(raw, class_row, rtol=1e-4, atol=1e-9)
    assert raw.max() > 0


def attention_by_hand(backbone, images):
    """Return each block's attention `(N, H, T, T)`, from its weights in NumPy and double."""
    inputs = []
    hooks = [
        block.attn.register_forward_hook(lambda _m, args, _out: inputs.append(args[0]))
        for block in backbone.blocks
    ]
    with torch.no_grad():
        backbone(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    for block, tokens in zip(backbone.blocks, inputs, strict=True):
        weight, bias = (each.detach().double().numpy() for each in block.attn.qkv.parameters())
        projected = tokens.double().numpy() @ weight.T + bias
        count, length, width = tokens.shape
        heads = block.attn.num_heads
        split = projected.reshape(count, length, 3, heads, width // heads)
        query, key, _ = split.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(2, 3) / np.sqrt(width // heads)
        raised = np.exp(scores - scores.max(axis=3, keepdims=True))
        yield raised / raised.sum(axis=3, keepdims=True)


def test_attention_rollout_is_the_product_of_all_blocks_by_hand(built):
    model, images = built
    backbone = model.network.backbone
    prefix, (height, width) = backbone.num_prefix_tokens, backbone.patch_embed.grid_size
    flow = None
    for attention in attention_by_hand(backbone, images):
        mixed = attention.mean(axis=1) + np.eye(attention.shape[2])
        mixed /= mixed.sum(axis=2, keepdims=True)
        flow = mixed if flow is None else mixed @ flow
    expected = flow[:, 0, prefix:].reshape(-1, height, width)
    raw = explain(model, images, ["attention-rollout"])["attention-rollout"].raw
    np.testing.assert_allclose(raw, expected, rtol=1e-4)
    assert len(backbone.blocks) > 1


def test_attention_rollout_knows_nothing_of_the_head(built):
    model, images = built
    before = explain(model, images, ["attention-rollout"])["attention-rollout"].raw
    weight = model.network.head.logit.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.neg_()
    after = explain(model, images, ["attention-rollout"])["attention-rollout"].raw
    with torch.no_grad():
        weight.copy_(kept)
    np.testing.assert_array_equal(before, after)
