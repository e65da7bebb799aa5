"""The tokens of a transformer as the grid of patches that they are of.

timm's vision transformers (ViT, DeiT, DINOv2, DINOv3, EVA, BEiT, the towers of CLIP) share their
build: blocks over tokens, a few of which (class, registers) stand for no patch. What the last block
attends to, the output of its first norm, is what maps are made of, as pytorch-grad-cam advises:
behind that block most of the patches' tokens lead nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import timm
from torch import Tensor, nn

from unmask.training.networks.attention import Attention
from unmask.training.networks.scoring_network import AsMap, ForwardPass, as_it_is

_FAMILIES = ("vision_transformer", "eva", "deit", "beit")
"""Modules of timm whose networks are built so."""


def is_transformer(name: str) -> bool:
    """Tell whether timm's network of a name is a transformer of this build."""
    return bool(timm.models.is_model_in_modules(name.partition(".")[0], _FAMILIES))


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
