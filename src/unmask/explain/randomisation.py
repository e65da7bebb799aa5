"""Does a map depend on what the network learnt? The same picture, the weights shuffled.

Shuffling goes from the output to the input (cascading; Adebayo et al., "Sanity Checks for Saliency
Maps", NeurIPS 2018). A map that stays the same when nothing of the training is left shows the
picture or the network's build, not the decision: it must not be trusted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from unmask.bundle import GRADIENT, MODEL, Bundle, file_sha256, load_bundle, write_manifest
from unmask.explain.differentiable import Differentiable
from unmask.explain.network import BundleNetwork
from unmask.explain.weights import key_of, shuffle_by_key, weights_of

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
        BundleError: its weights are not float32.
    """
    data = bundle.model_path.read_bytes()
    keys = list(dict.fromkeys(key_of(w.values(data)) for w in reversed(weights_of(data))))
    for depth in DEPTHS:
        chosen = set(keys[: max(1, round(depth * len(keys)))])
        with tempfile.TemporaryDirectory() as folder:
            changed = _rewritten(bundle, Path(folder), chosen, seed)
            network = BundleNetwork(changed, threads=threads)
            yield depth, network


def _rewritten(bundle: Bundle, folder: Path, keys: set[str], seed: int) -> Bundle:
    """Write a copy of a bundle with the tensors of these keys shuffled."""
    names = [MODEL] if bundle.gradient_path is None else [MODEL, GRADIENT]
    for name in names:
        data = (bundle.folder / name).read_bytes()
        (folder / name).write_bytes(shuffle_by_key(data, keys, seed=seed))
    files = {name: file_sha256(folder / name) for name in names}
    write_manifest(folder, bundle.manifest.model_copy(update={"files": files}))
    return load_bundle(folder)
