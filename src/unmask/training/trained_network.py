"""The network that a run has trained: what an export writes and a study scores with."""

from __future__ import annotations

from unmask.training.networks.network import FaceNetwork
from unmask.training.recipe import load_recipe
from unmask.training.runs import Run


def load_network(run: Run) -> FaceNetwork:
    """Return the network of a run with its best weights, on the CPU, ready to score.

    Raises:
        InputNotFound: the run has no weights yet.
        InputError: they do not fit the network, or the recipe is damaged.
    """
    return FaceNetwork(
        run.backbone,
        weights=run.weights,
        head_width=run.record.head_width,
        dropout=run.record.dropout,
        mirrored=load_recipe(run.recipe_path).network.mirrored,
        size_px=run.preprocessing.size_px,
    ).eval()
