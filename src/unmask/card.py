"""A detector's card: what its manifest says, as Markdown. Every figure comes from the manifest."""

from __future__ import annotations

from unmask.bundle import BundleManifest, Metric


def card(manifest: BundleManifest) -> str:
    """Write the model card of a bundle."""
    spec = manifest.preprocessing
    parts = [
        f"# {manifest.name}",
        (
            f"Backbone: {manifest.backbone}. Input: {spec.size_px} px {spec.colour_order}, "
            f"{spec.margin_ratio:g} x the face box, {spec.interpolation}."
        ),
        "## Measured",
        _metrics(manifest.metrics),
        f"Calibrated on {manifest.calibration.data}, at even prior odds.",
        _points(manifest),
        "Rates are those on the calibration crops.",
        *_export(manifest),
        "## Trained on",
        _sentence(manifest.training_data),
        "## Terms",
        _sentence(manifest.licence),
        "## What it cannot do",
        "\n".join(f"- {limit}" for limit in manifest.limits),
    ]
    return "\n\n".join(parts) + "\n"


def _metrics(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "Nothing was measured."
    rows = [
        f"| {m.name} | {m.value:.3f} | {m.interval[0]:.3f} to {m.interval[1]:.3f} | {m.protocol} |"
        for m in metrics
    ]
    return "\n".join(["| figure | value | 95 % interval | protocol |", "|---|---|---|---|", *rows])


def _points(manifest: BundleManifest) -> str:
    rows = [
        f"| {p.name} | {p.logit:.3f} | {p.false_positive_rate:.3f} | {p.true_positive_rate:.3f} |"
        for p in manifest.operating_points
    ]
    head = "| operating point | logit | false positive rate | true positive rate |"
    return "\n".join([head, "|---|---|---|---|", *rows])


def _export(manifest: BundleManifest) -> list[str]:
    """Say how the ONNX files compare with the trained network, where it was measured."""
    lines = []
    if manifest.parity is not None:
        found = manifest.parity.model_dump(exclude={"crops"}, exclude_none=True)
        said = ", ".join(f"{name.replace('_', ' ')} {value:.1e}" for name, value in found.items())
        lines.append(
            f"Largest relative difference of ONNX Runtime to PyTorch on {manifest.parity.crops}: "
            f"{said}."
        )
    if manifest.quantised is not None:
        q = manifest.quantised
        lines.append(
            f"Convolutions compute in int8: AUC {q.auc_int8:.4f}, float32 {q.auc_float32:.4f}, "
            f"on {q.crops}. Gradients at the input are those of the float32 network."
        )
    return lines


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
