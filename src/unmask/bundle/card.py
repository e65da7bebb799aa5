"""A detector's card: what its manifest says, as Markdown. Every figure comes from the manifest."""

from __future__ import annotations

from math import sqrt

from unmask.bundle.manifest import BundleManifest, Metric

_NORMAL_975 = 1.959964
"""Quantile of the normal distribution that leaves 2.5 % above it."""


def card(manifest: BundleManifest) -> str:
    """Write the model card of a bundle."""
    parts = [
        f"# {manifest.name}",
        *_networks(manifest),
        "## Measured",
        _metrics(manifest.metrics),
        "## Calibration and decisions",
        *_calibration(manifest),
        _points(manifest),
        _chosen_on(manifest),
        *_missed(manifest),
        "## When it does not judge",
        *_refusals(manifest),
        *_export(manifest),
        "## Trained on",
        _sentence(manifest.training_data),
        "## Terms",
        _sentence(manifest.licence),
        "## What it cannot do",
        "\n".join(f"- {limit}" for limit in manifest.limits),
    ]
    return "\n\n".join(parts) + "\n"


def _networks(manifest: BundleManifest) -> list[str]:
    """Say what the networks are, and what each sees of a face."""
    spec, views = manifest.preprocessing, manifest.networks
    if len(views) == 1:
        seen = (
            f"Backbone: {manifest.backbone}. Input: {spec.size_px} px {spec.colour_order}, "
            f"{spec.margin_ratio:g} x the face box, {spec.interpolation}."
        )
        return [seen, *_over_time(manifest)]
    rows = [
        f"| {v.name} | {v.preprocessing.size_px} px | {v.preprocessing.margin_ratio:g} x the face "
        f"box | {v.preprocessing.shift_y_ratio:g} | {v.weight:.4f} |"
        for v in views
    ]
    head = ["| view | input | crop | shift | weight |", "|---|---|---|---|---|"]
    seen = (
        f"Networks: {manifest.backbone}. Each sees a crop of its own; the logit is "
        f"{manifest.logit_offset:.4f} and the sum of theirs, each times its weight."
    )
    return [seen, "\n".join([*head, *rows])]


def _over_time(manifest: BundleManifest) -> list[str]:
    """Say what a detector of clips judges."""
    if (clip := manifest.clip) is None:
        return []
    words = (
        f"It judges clips of {clip.frames} key frames of a face, in order of time; a face with "
        f"fewer than {clip.min_frames} usable ones is not judged, and up to {clip.frames} the last "
        "is repeated."
    )
    return [words]


def _metrics(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "Nothing was measured."
    rows = [
        f"| {m.name} | {m.value:.3f} | {m.interval[0]:.3f} to {m.interval[1]:.3f} | {m.protocol} |"
        for m in metrics
    ]
    return "\n".join(["| figure | value | 95 % interval | protocol |", "|---|---|---|---|", *rows])


def _calibration(manifest: BundleManifest) -> list[str]:
    """Say what probabilities and likelihood ratios rest on."""
    fit, ratio = manifest.calibration, manifest.likelihood
    lines = [f"Calibrated ({fit.method}, per {fit.level}) at even prior odds on {fit.data}."]
    if ratio is None:
        return [*lines, "Likelihood ratios: not measured."]
    return [
        *lines,
        (
            f"Likelihood ratios from 1/{10**-ratio.log10_lower:.0f} to {10**ratio.log10_upper:.0f} "
            f"are supported (ELUB). Cllr {ratio.cllr:.3f}, minimum {ratio.min_cllr:.3f}, "
            f"cross-validated on {ratio.data}."
        ),
    ]


def _points(manifest: BundleManifest) -> str:
    rows = [
        f"| {p.name} | {p.logit:.3f} | {rate_text(p.false_positive_rate)} | "
        f"{rate_text(p.true_positive_rate)} |"
        for p in manifest.operating_points
    ]
    head = "| operating point | logit | false positive rate | true positive rate |"
    return "\n".join([head, "|---|---|---|---|", *rows])


def rate_text(value: float | None) -> str:
    """Return a share as it is printed; None was not measured."""
    return "not measured" if value is None else f"{value:.3f}"


def _chosen_on(manifest: BundleManifest) -> str:
    """Say what the operating points were chosen on, each where they differ."""
    fitted = manifest.calibration.data
    others = [p for p in manifest.operating_points if p.data not in {None, fitted}]
    if not others:
        return "Rates are those on the data of the calibration, which chose the points."
    origins = "; ".join(f"{p.name}: {p.data}" for p in others)
    return f"Rates are those on the data that chose the points: {origins}."


def _missed(manifest: BundleManifest) -> list[str]:
    """Say how often each kind of forgery got `little evidence`; None is a kind never tested."""
    if not manifest.method_rates:
        return []
    rows = [
        f"| {r.method} | never tested | | |"
        if r.missed is None
        else f"| {r.method} | {r.videos} | {r.missed:.3f} | {_interval(r.missed, r.videos)} |"
        for r in manifest.method_rates
    ]
    earlier = [
        f"{r.method}: measured before the last calibration, on {r.data}."
        for r in manifest.method_rates
        if r.data is not None
    ]
    head = "| kind of forgery | videos or pictures | got 'little evidence' | 95 % interval |"
    return [
        "## Missed, by kind of forgery",
        "\n".join([head, "|---|---|---|---|", *rows]),
        *earlier,
    ]


def _interval(share: float, count: int) -> str:
    """Return the 95 % interval of a share of `count` videos (Wilson 1927)."""
    squared = _NORMAL_975**2
    centre = share + squared / (2 * count)
    half = _NORMAL_975 * sqrt(share * (1 - share) / count + squared / (4 * count**2))
    low, high = ((centre + sign * half) / (1 + squared / count) for sign in (-1, 1))
    return f"{max(0.0, low):.3f} to {min(1.0, high):.3f}"


def _refusals(manifest: BundleManifest) -> list[str]:
    """Say what is not judged, and what the calibration saw."""
    limits, seen, rule = manifest.judgeable, manifest.calibrated_range, manifest.abstention
    turned = "" if limits.max_turn is None else f", or turned away by over {limits.max_turn:g}"
    lines = [
        (
            f"Faces under {limits.min_face_px:g} px, or of sharpness under "
            f"{limits.min_sharpness:g}{turned}; videos with fewer than {limits.min_key_frames} "
            "usable key frames."
        )
    ]
    if seen is not None:
        spans = [
            f"{name} {span[0]:.0f} to {span[1]:.0f}"
            for name, span in (("face size (px)", seen.face_px), ("sharpness", seen.sharpness))
            if span is not None
        ]
        kinds = ", ".join(seen.compressions) or "not told"
        fate = "is refused" if seen.outside == "cannot judge" else "brings a warning"
        ranges = "; ".join([*spans, f"compressions: {kinds}"])
        lines.append(f"Calibrated on: {ranges}. In a scan, a smaller or more blurred face {fate}.")
    if rule is not None:
        lines.append(f"{rule.guarantee} {rule.abstained:.0%} were not judged of {rule.data}.")
    return lines


def _export(manifest: BundleManifest) -> list[str]:
    """Say how the ONNX files compare with the trained network, where it was measured."""
    lines = []
    if manifest.parity is not None:
        errors = manifest.parity.model_dump(exclude={"crops", "source"}, exclude_none=True)
        text = ", ".join(f"{name.replace('_', ' ')} {value:.1e}" for name, value in errors.items())
        whole = manifest.parity.input_gradient is None
        note = "" if whole else " (the gradient at the input on three quarters of these crops)"
        lines.append(
            f"Largest relative difference of ONNX Runtime to {manifest.parity.source}, in float32, "
            f"on {manifest.parity.crops}: {text}{note}."
        )
    if manifest.quantised is not None:
        q = manifest.quantised
        lines.append(
            f"Convolutions compute in int8: AUC {q.auc_int8:.4f}, float32 {q.auc_float32:.4f}, "
            f"on {q.crops}. Gradients at the input are those of the float32 network."
        )
    if manifest.weights_stored_as == "float16":
        lines.append(
            "Large weights are stored in float16 and cast to float32 when the files are loaded; "
            "every figure here is of the network with weights rounded so."
        )
    if manifest.weights_stored_as == "mixed":
        lines.append(
            "The views store large weights differently, some in 16 bits; all are made float32 "
            "when the files are loaded."
        )
    return lines


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
