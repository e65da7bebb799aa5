"""The tokens of a transformer as the grid of patches that they are of.

timm's vision transformers (ViT, DeiT, DINOv2, DINOv3, EVA, BEiT, the towers of CLIP) share their
build: blocks over tokens, a few of which (class, registers) stand for no patch. What the last block
attends to, the output of its first norm, is what maps are made of, as pytorch-grad-cam advises:
behind that block most of the patches' tokens lead nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm
from torch import Tensor, nn

from unmask.training.networks.scoring_network import ForwardPass

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
        self._block = model.blocks[-1]
        self._prefix = int(model.num_prefix_tokens)
        self._height, self._width = model.patch_embed.grid_size
        self._by_class_token = model.global_pool == "token" and self._prefix > 0

    @contextmanager
    def watched(self) -> Iterator[dict[str, Tensor]]:
        """Note tokens and attention of the passes inside, under `tokens` and `attention`."""
        attention, seen = self._block.attn, dict[str, Tensor]()
        fused, attention.fused_attn = attention.fused_attn, False  # fused, there are no weights
        hooks = [
            self._block.norm1.register_forward_hook(_noting(seen, "tokens")),
            attention.attn_drop.register_forward_hook(_noting(seen, "attention")),
        ]
        try:
            yield seen
        finally:
            attention.fused_attn = fused
            for hook in hooks:
                hook.remove()

    def forward_pass(self, network: nn.Module, x: Tensor) -> ForwardPass:
        """Score images `(N, 3, H, W)` by a network that holds the transformer."""
        with self.watched() as seen:
            logits = network(x)
        return ForwardPass(
            logits, seen["tokens"], self.as_map, seen["attention"], self.attention_as_map
        )

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


def _noting(seen: dict[str, Tensor], name: str) -> Any:
    def note(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen[name] = output

    return note


def unfuse_attention(network: nn.Module) -> None:
    """Let attention be computed by operations that an export can record."""
    for module in network.modules():
        if getattr(module, "fused_attn", False):
            module.fused_attn = False  # type: ignore[assignment]  # timm's own switch
