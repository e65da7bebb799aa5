"""Figures of an evaluation into a bundle and its model card, with what they were measured on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unmask.bundle.card import card
from unmask.bundle.manifest import BundleManifest, Metric, write_manifest
from unmask.evaluation.results import Evaluation
from unmask.system.files import write_whole

CARD = "README.md"
HEADLINES = ("AUC", "EER", "TPR at 1 % FPR", "balanced accuracy", "Cllr", "minimum Cllr")
"""Figures of an evaluation that a card shows."""


def save(folder: Path, manifest: BundleManifest) -> BundleManifest:
    """Write a bundle's card and manifest into its folder; return the manifest with the card's hash.

    Args:
        folder: of the bundle; its other files stay as they are.
        manifest: what it should say.
    """
    text = card(manifest).encode()
    files = {**manifest.files, CARD: hashlib.sha256(text).hexdigest()}
    saved = manifest.model_copy(update={"files": dict(sorted(files.items()))})

    def write(partial: Path) -> None:
        partial.write_bytes(text)
        write_manifest(folder, saved)  # the card is written: a full disk leaves both old

    write_whole(folder / CARD, write)
    return saved


def headline_metrics(evaluation: Evaluation) -> tuple[Metric, ...]:
    """Return the headline figures of an evaluation as a bundle holds them."""
    info, settings = evaluation.info, evaluation.settings
    metrics = []
    for group in evaluation.groups:
        if group.by != "all":
            continue
        protocol = (
            f"{info.data}; {_protocol(evaluation)}; {group.counting}; n = {group.reals} real and "
            f"{group.fakes} fake {settings.level}s, 95 % bootstrap over {group.clusters} clusters "
            f"({settings.cluster_by}); {evaluation.coverage.share:.1%} of videos analysed"
        )
        metrics += [
            Metric(
                name=f"{figure.name} per {settings.level}",
                value=round(figure.value, 6),
                interval=(round(figure.interval.low, 6), round(figure.interval.high, 6)),
                protocol=protocol,
            )
            for figure in map(group.figure, HEADLINES)
            if figure.value is not None and figure.interval is not None
        ]
    return tuple(metrics)


def _protocol(evaluation: Evaluation) -> str:
    info = evaluation.info
    words = [f"protocol {info.protocol}" if info.protocol else "not split"]
    if split := info.settings.get("split"):
        words.append(f"split {split}")
    if info.leaks:
        words.append("LEAKS by design")
    if info.manifest_sha256:
        words.append(f"manifest {info.manifest_sha256[:12]}")
    return ", ".join(words)
