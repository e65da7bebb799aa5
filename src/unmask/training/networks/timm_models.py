"""timm's networks: how one is made, with its weights or not, and the tokens of its transformers.

ImageNet weights come from the caches of timm's sources, or from the internet.

timm's vision transformers (ViT, DeiT, DINOv2, DINOv3, EVA, BEiT, the towers of CLIP) share their
build: blocks over tokens, a few of which (class, registers) stand for no patch. What the last block
attends to, the output of its first norm, is what maps are made of, as pytorch-grad-cam advises:
behind that block most of the patches' tokens lead nowhere.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from timm.models import _hub
from torch import Tensor, nn

from unmask.core.errors import DownloadError, InputError
from unmask.training.networks import squeezenet  # noqa: F401 - timm learns its name
from unmask.training.networks.attention import Attention
from unmask.training.networks.scoring_network import AsMap, ForwardPass, as_it_is

PAPER_BACKBONES = (
    "legacy_xception",
    "inception_resnet_v2",
    "tf_efficientnetv2_s",
    "tf_efficientnetv2_m",
)
"""timm's names of the paper's four networks."""
_FAMILIES = ("vision_transformer", "eva", "deit", "beit")
"""Modules of timm whose networks are built so."""
_ANSWER_SECONDS = 2.0
"""Longest wait for a server's first answer."""


def is_transformer(name: str) -> bool:
    """Tell whether timm's network of a name is a transformer of this build."""
    return bool(timm.models.is_model_in_modules(name.partition(".")[0], _FAMILIES))


def make_timm_model(name: str, *, pretrained: bool = False, **options: Any) -> nn.Module:
    """Make one of timm's networks, and say what is wrong where it cannot be.

    Args:
        name: timm's.
        pretrained: whether with its weights, from timm's cache or the internet.
        options: of `timm.create_model`.

    Raises:
        InputError: timm knows no such network, or it does not take the options.
        DownloadError: the weights could not be fetched.
    """
    if not timm.is_model(name.partition(".")[0]):
        near = timm.list_models(f"*{name.partition('.')[0]}*")[:5]
        raise InputError(
            f"timm has no network {name!r}",
            hint=f"it has: {', '.join(near or PAPER_BACKBONES)}",
        )
    if pretrained:
        _check_reachable(name)
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise InputError(
            f"{name} has no blocks that can be left out", hint="set network.drop_path=0"
        ) from error
    except OSError as error:
        raise _unreachable(name, error) from error
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"timm cannot make {name!r}: {(str(error) or 'its parts do not fit').splitlines()[0]}",
            hint="start at random, give a local file as weights, or take another size",
        ) from error


def _check_reachable(name: str) -> None:
    """Refuse to wait for weights that are not here while their server does not answer.

    The Hub's client would try for more than a minute.

    Raises:
        DownloadError: so it is.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or constants.HF_HUB_OFFLINE:
        return
    if config.hf_hub_id:
        files = (_hub.HF_SAFE_WEIGHTS_NAME, _hub.HF_WEIGHTS_NAME)
        known = [try_to_load_from_cache(config.hf_hub_id, file) for file in files]
        cached = any(isinstance(path, str) for path in known)
        address = constants.ENDPOINT
    else:
        address = str(config.url)
        file = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
        cached = file.is_file()
    if cached:
        return
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - timm's or the Hub's own
    try:
        urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()  # noqa: S310 - the same
    except urllib.error.HTTPError:
        return  # it answers
    except OSError as error:
        raise _unreachable(name, error) from error


def _unreachable(name: str, error: OSError) -> DownloadError:
    """Return the error that says what to do without the internet."""
    return DownloadError(
        f"the ImageNet weights of {name} could not be fetched: {str(error).splitlines()[0]}",
        hint="connect to the internet once, give a local file as weights, or start at random: "
        "--set network.weights=null",
    )


class TokenGrid:
    """Where the explained tokens and the attention of a transformer are found.

    Args:
        model: one of timm's, for pictures of one size.
    """

    def __init__(self, model: Any) -> None:
        self._attention = [block.attn for block in model.blocks]
        self._last = model.blocks[-1]
        self._prefix = int(model.num_prefix_tokens)
        self._height, self._width = model.patch_embed.grid_size
        self._by_class_token = model.global_pool == "token" and self._prefix > 0

    def forward_pass(
        self, score: Callable[[Tensor], Tensor], x: Tensor, *, arrange: AsMap = as_it_is
    ) -> ForwardPass:
        """Score images by a network that holds the transformer, keeping what explains the scores.

        Args:
            score: from images to logits.
            x: images `(N, 3, H, W)`.
            arrange: what becomes of maps `(N, ...)` in the end.
        """
        with _noted([self._last.norm1]) as tokens, self._noted_attention() as blocks:
            logits = score(x)
        attention = Attention(tuple(blocks), lambda each: arrange(self.attention_as_map(each)))
        return ForwardPass(logits, tokens[-1], lambda each: arrange(self.as_map(each)), attention)

    def features(self, score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return what the network's map is made of, `(N, C, h, w)`."""
        with _noted([self._last.norm1]) as tokens:
            score(x)
        return self.as_map(tokens[-1])

    @contextmanager
    def _noted_attention(self) -> Iterator[list[Tensor]]:
        """Note what each block attends to in the one pass inside."""
        with ExitStack() as stack:
            for layer in self._attention:
                stack.callback(setattr, layer, "fused_attn", layer.fused_attn)
                layer.fused_attn = False  # fused, there are no weights
            drops = [layer.attn_drop for layer in self._attention]
            yield stack.enter_context(_noted(drops))

    def as_map(self, tokens: Tensor) -> Tensor:
        """Return tokens `(N, T, C)` as `(N, C, h, w)`, without those that stand for no patch."""
        patches = tokens[:, self._prefix :].transpose(1, 2)
        return patches.reshape(tokens.shape[0], tokens.shape[2], self._height, self._width)

    def attention_as_map(self, relevance: Tensor) -> Tensor:
        """Return relevance `(N, T, T)` of the patches as `(N, h, w)`.

        For the class token where the network judges by it, else for the mean of all patches.
        """
        rows = relevance[:, 0] if self._by_class_token else relevance[:, self._prefix :].mean(dim=1)
        return rows[:, self._prefix :].reshape(rows.shape[0], self._height, self._width)


@contextmanager
def _noted(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Note the outputs of modules, in the order of their passes."""
    outputs: list[Tensor] = []
    with ExitStack() as stack:
        for module in modules:
            hook = module.register_forward_hook(lambda _m, _i, output: outputs.append(output))
            stack.callback(hook.remove)
        yield outputs


def unfuse_attention(network: nn.Module) -> None:
    """Let attention be computed by operations that an export can record."""
    for module in network.modules():
        if getattr(module, "fused_attn", False):
            module.fused_attn = False  # type: ignore[assignment]  # timm's own switch
