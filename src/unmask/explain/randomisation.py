"""Does a map depend on what the network learnt? The same picture, the weights shuffled.

Shuffling goes from the output to the input (cascading; Adebayo et al., "Sanity Checks for Saliency
Maps", NeurIPS 2018). A map that stays the same when nothing of the training is left shows the
picture or the network's build, not the decision: it must not be trusted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from unmask.bundle.manifest import Bundle, View, hash_files, load_bundle, write_manifest
from unmask.bundle.onnx_file import prune
from unmask.bundle.runtime import GRADIENT_OUTPUTS
from unmask.explain.differentiable import Differentiable
from unmask.explain.network import BundleNetwork
from unmask.explain.onnx_weights import content_key, read_weights, shuffle_by_key

DEPTHS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the weight tensors that are shuffled, counted from the output."""


def cascade(
    bundle: Bundle, *, seed: int = 0, threads: int = 2
) -> Iterator[tuple[float, Differentiable]]:
    """Yield the detector with ever more of its weights shuffled.

    Args:
        bundle: the detector; its files are not touched.
        seed: of the shuffling.
        threads: threads of the sessions.

    Yields:
        Share of the weight tensors that are shuffled, and the network.

    Raises:
        BundleError: it holds no weights as float32 or in 16 bits.
    """
    for depth in DEPTHS:
        with tempfile.TemporaryDirectory() as folder:
            changed = _rewritten(bundle, Path(folder), depth, seed)
            network = BundleNetwork(changed, threads=threads)
            yield depth, network


def _keys(data: bytes) -> list[str]:
    """Return the keys of a file's weights, the output's first, each once."""
    return list(dict.fromkeys(content_key(w.values(data)) for w in reversed(read_weights(data))))


def chosen_keys(own: list[str], shared: list[str], depth: float) -> set[str]:
    """Return the keys to shuffle in a file.

    The exporter may fold batch normalisation into the weights of one file and not of the other:
    such weights are in one of them alone, and as large a share of them is shuffled.

    Args:
        own: keys of the file, the output's first.
        shared: keys of the view's network, in the same order.
        depth: share of the tensors, counted from the output.
    """
    alone = [key for key in own if key not in set(shared)]
    return {key for keys in (shared, alone) for key in keys[: max(1, round(depth * len(keys)))]}


def _rewritten(bundle: Bundle, folder: Path, depth: float, seed: int) -> Bundle:
    """Write a copy of a bundle with a share of each view's tensors shuffled."""
    for view in bundle.views:
        shared = _keys(_graphs(bundle, view, view.model)[0])
        for name in view.files:
            graphs = _graphs(bundle, view, name)
            keys = {key for each in graphs for key in chosen_keys(_keys(each), shared, depth)}
            data = (bundle.folder / name).read_bytes()
            (folder / name).write_bytes(shuffle_by_key(data, keys, seed=seed))
    changes = {"files": hash_files(folder)}
    write_manifest(folder, bundle.manifest.model_copy(update=changes))
    return load_bundle(folder)


def _graphs(bundle: Bundle, view: View, name: str) -> list[bytes]:
    """Return the graphs of a file one by one: scoring, then the gradient where it holds both.

    Depth is counted in each by itself: a weight of the gradient alone lies at no depth of scoring.
    """
    data = (bundle.folder / name).read_bytes()
    if view.gradient != view.model:
        return [data]
    return [prune(data, outputs) for outputs in (view.outputs, GRADIENT_OUTPUTS)]
