"""What a transformer attends to: in its last block for `fake`, and through all blocks for anything.

Sources: Chefer et al., "Transformer Interpretability Beyond Attention Visualization", CVPR 2021,
the last layer of its equation 5; Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL
2020. The network computes both maps, since attention is inside of it
(`unmask.training.networks.attention`).
"""

from __future__ import annotations

from unmask.explain.differentiable import Evidence, Float


def attention_map(evidence: Evidence) -> Float:
    """Return raw maps `(N, h, w)` of gradient x attention, nowhere negative.

    Raises:
        ValueError: the network is no transformer.
    """
    return _require(evidence.attention)


def rollout_map(evidence: Evidence) -> Float:
    """Return raw maps `(N, h, w)` of attention rollout, nowhere negative; the logit has no part.

    Raises:
        ValueError: the network is no transformer.
    """
    return _require(evidence.rollout)


def _require(attention: Float | None) -> Float:
    if attention is None:
        raise ValueError("the network gives no attention")
    return attention
