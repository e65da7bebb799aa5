"""The model card: what a bundle's manifest says, figures with what they were measured on, no more.

What was not measured is said to be not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from unmask.bundle import BundleManifest, Metric, file_sha256, write_manifest
from unmask.evaluation.results import Evaluation

CARD = "README.md"
HEADLINES = ("AUC", "EER", "TPR at 1\u00a0% FPR", "balanced accuracy", "Cllr", "minimum Cllr")
"""Figures of an evaluation that a card shows."""
NOT_MEASURED = "Not measured."


def card(manifest: BundleManifest) -> str:
    """Write a bundle's model card as Markdown."""
    parts = [
        f"# {manifest.name}",
        (
            f"Backbone: {manifest.backbone}. Input: {manifest.preprocessing.size_px} px RGB, "
            f"{manifest.preprocessing.margin_ratio:g} times the face box."
        ),
        *_section("Measured", _measured(manifest)),
        *_section("Calibration", _calibration(manifest)),
        *_section("Operating points", _points(manifest)),
        *_section("When it does not judge", _refusals(manifest)),
        *_section("Trained on", [manifest.training_data + "."]),
        *_section("Terms", [manifest.licence + "."]),
        *_section("What it cannot do", ["\n".join(f"- {limit}" for limit in manifest.limits)]),
    ]
    return "\n\n".join(parts) + "\n"


def save(folder: Path, manifest: BundleManifest) -> BundleManifest:
    """Write a bundle's card and manifest into its folder; return the manifest with the card's hash.

    Args:
        folder: of the bundle; its other files stay as they are.
        manifest: what it should say.
    """
    (folder / CARD).write_text(card(manifest), encoding="utf-8")
    files = {**manifest.files, CARD: file_sha256(folder / CARD)}
    saved = manifest.model_copy(update={"files": dict(sorted(files.items()))})
    write_manifest(folder, saved)
    return saved


def measured(evaluation: Evaluation) -> tuple[Metric, ...]:
    """Return the headline figures of an evaluation as a bundle holds them."""
    info, settings = evaluation.info, evaluation.settings
    made = []
    for group in evaluation.groups:
        if group.by != "all":
            continue
        protocol = (
            f"{info.data}; {_protocol(evaluation)}; {group.counting}; n = {group.reals} real and "
            f"{group.fakes} fake {settings.level}s, 95 % bootstrap over {group.clusters} clusters "
            f"({settings.cluster_by}); {evaluation.coverage.share:.1%} of videos analysed"
        )
        made += [
            Metric(
                name=f"{figure.name} per {settings.level}",
                value=round(figure.value, 4),
                interval=(round(figure.interval.low, 4), round(figure.interval.high, 4)),
                protocol=protocol,
            )
            for figure in map(group.figure, HEADLINES)
            if figure.value is not None and figure.interval is not None
        ]
    return tuple(made)


def _protocol(evaluation: Evaluation) -> str:
    info = evaluation.info
    words = [f"protocol {info.protocol}" if info.protocol else "not split"]
    if info.leaks:
        words.append("LEAKS by design")
    if info.manifest_sha256:
        words.append(f"manifest {info.manifest_sha256[:12]}")
    return ", ".join(words)


def _section(title: str, paragraphs: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"## {title}", *(list(paragraphs) or [NOT_MEASURED])]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(manifest: BundleManifest) -> Iterator[str]:
    if manifest.metrics:
        yield _table(
            ("figure", "value", "95 % interval", "measured on"),
            [
                (
                    m.name,
                    f"{m.value:.3f}",
                    f"{m.interval[0]:.3f} to {m.interval[1]:.3f}",
                    m.protocol,
                )
                for m in manifest.metrics
            ],
        )


def _calibration(manifest: BundleManifest) -> Iterator[str]:
    found = manifest.calibration
    yield f"Method: {found.method}, per {found.level}, at even prior odds, on {found.data}."
    ratio = manifest.likelihood
    if ratio is None:
        yield "Likelihood ratios: not measured."
    else:
        yield (
            f"Likelihood ratios from 1/{10**-ratio.log10_lower:.0f} to "
            f"{10**ratio.log10_upper:.0f} are supported (ELUB). Cllr {ratio.cllr:.3f}, minimum "
            f"{ratio.min_cllr:.3f}, cross-validated on {ratio.data}."
        )


def _points(manifest: BundleManifest) -> Iterator[str]:
    yield _table(
        ("name", "logit", "false positive rate", "true positive rate", "chosen on"),
        [
            (
                p.name,
                f"{p.logit:.3f}",
                f"{p.false_positive_rate:.3f}",
                f"{p.true_positive_rate:.3f}",
                p.data or manifest.calibration.data,
            )
            for p in manifest.operating_points
        ],
    )


def _refusals(manifest: BundleManifest) -> Iterator[str]:
    limits = manifest.judgeable
    yield (
        f"Faces under {limits.min_face_px:g} px or of sharpness under {limits.min_sharpness:g}; "
        f"videos with fewer than {limits.min_key_frames} usable key frames."
    )
    seen = manifest.calibrated_range
    if seen is not None:
        spans = [
            f"{name} {span[0]:.0f} to {span[1]:.0f}"
            for name, span in (("face size (px)", seen.face_px), ("sharpness", seen.sharpness))
            if span is not None
        ]
        kinds = ", ".join(seen.compressions) or "not told"
        yield f"Calibrated on: {'; '.join([*spans, f'compressions: {kinds}'])}."
    if manifest.abstention is not None:
        rule = manifest.abstention
        yield f"{rule.guarantee} {rule.abstained:.0%} were not judged of {rule.data}."
