"""Gradient x attention: which patches the last block of a transformer attends to for `fake`.

Source: Chefer et al., "Transformer Interpretability Beyond Attention Visualization", CVPR 2021, the
last layer of its equation 5. The network computes the map, since attention is inside of it
(`unmask.training.networks.scoring_network.differentiate`).
"""

from __future__ import annotations

from unmask.explain.differentiable import Evidence, Float


def attention_map(evidence: Evidence) -> Float:
    """Return raw maps `(N, h, w)`, nowhere negative.

    Raises:
        ValueError: the network is no transformer.
    """
    if evidence.attention is None:
        raise ValueError("the network gives no attention")
    return evidence.attention
