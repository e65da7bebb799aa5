"""The network of a recipe or of a run: what training, an export and a study score with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unmask.core.errors import InputError
from unmask.training.networks.clip_network import SPACE_TIME, SpaceTimeNetwork, TemporalHead
from unmask.training.networks.network import FaceNetwork, load_into, read_weights
from unmask.training.recipe import NetworkPart
from unmask.training.runs import Run

TrainedNetwork = FaceNetwork | TemporalHead | SpaceTimeNetwork


def make_network(
    part: NetworkPart, *, weights: Literal["imagenet"] | Path | None
) -> TrainedNetwork:
    """Return the network that a recipe asks for, before it learns.

    Args:
        part: of the recipe.
        weights: as of `FaceNetwork`; of a network over time those of its network of single
            pictures.

    Raises:
        InputError: the recipe's parts do not go together, or the weights do not fit.
    """
    if part.backbone != SPACE_TIME:
        network = FaceNetwork(
            part.backbone,
            weights=weights,
            head_width=part.head_width,
            dropout=part.dropout,
            drop_path=part.drop_path,
            mirrored=part.mirrored,
            size_px=part.size_px,
        )
        return network if part.clip is None else TemporalHead(network, part.clip)
    if part.clip is None or weights is not None or part.tune != "all" or part.mirrored:
        raise InputError(
            f"{SPACE_TIME} learns whole clips from random weights",
            hint="set network.clip, network.weights=null, network.tune=all, network.mirrored=false",
        )
    return SpaceTimeNetwork(part.clip, head_width=part.head_width, dropout=part.dropout)


def load_network(run: Run) -> TrainedNetwork:
    """Return the network of a run with its best weights, on the CPU, ready to score.

    Raises:
        InputNotFound: the run has no weights yet.
        InputError: they do not fit the network, or the recipe is damaged.
    """
    network = make_network(run.recipe.network.model_copy(update={"drop_path": 0.0}), weights=None)
    misfit = load_into(network, read_weights(run.weights))
    if misfit:
        raise InputError(
            f"{run.weights} does not fit {network.title}: {misfit}",
            hint="give the run folder as `unmask train` wrote it",
        )
    return network.eval()
