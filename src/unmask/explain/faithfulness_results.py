"""What a detector's makers measured of its maps, as its bundle states it.

`unmask explain-check` writes these figures as metrics that a bundle can carry; the report shows
them beside the maps, so that a reader sees how far to trust a picture before being taken in by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unmask.bundle.manifest import BundleManifest, Metric
from unmask.explain.summary import SURVIVES, Figure, MethodSummary, Summary

GAIN = "gain of maps over a baseline: "
"""What the name of such a metric starts with; the method follows. Of the centre and random maps
the baseline is the one that the method gains less over."""
LIKENESS = "likeness of maps under shuffled weights: "
"""Likewise; from `SURVIVES` on the maps do not show what was learnt."""
NOT_STATED = "how faithful these maps are was not measured for this detector"


def to_metrics(summary: Summary, *, data: str) -> tuple[Metric, ...]:
    """Return the figures of a check as metrics that a bundle can carry.

    Args:
        summary: the check.
        data: what it was made on.
    """
    return tuple(
        Metric(name=name, value=figure.mean, interval=figure.interval, protocol=data)
        for line in summary.methods
        for name, figure in _figures(line)
        if figure.interval is not None
    )


def with_metrics(manifest: BundleManifest, metrics: Sequence[Metric]) -> BundleManifest:
    """Return a manifest with new figures of its maps in the place of older ones."""
    kept = tuple(metric for metric in manifest.metrics if not is_map_metric(metric))
    return manifest.model_copy(update={"metrics": (*kept, *metrics)})


def is_map_metric(metric: Metric) -> bool:
    """Tell whether a figure is one of `to_metrics`."""
    return metric.name.startswith((GAIN, LIKENESS))


def _figures(line: MethodSummary) -> Iterator[tuple[str, Figure]]:
    gains = [gain for gain in (line.gain_centre, line.gain_random) if gain is not None]
    if gains:
        yield GAIN + line.method, min(gains, key=lambda gain: gain.mean)
    if line.shuffled:
        yield LIKENESS + line.method, line.shuffled[-1]


def stated_faithfulness(
    manifest: BundleManifest, methods: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return for each method what is known of its maps for this detector, in words."""
    by_name = {metric.name: metric for metric in manifest.metrics}
    return tuple(
        (name, _sentence(by_name.get(GAIN + name), by_name.get(LIKENESS + name)))
        for name in methods
    )


def _sentence(gain: Metric | None, likeness: Metric | None) -> str:
    if likeness is not None and likeness.value >= SURVIVES:
        return (
            "do not rely on these maps: for this detector they look alike when nothing of its "
            f"training is left (rank correlation {likeness.value:.2f})"
        )
    if gain is None:
        return NOT_STATED
    low, high = gain.interval
    better = "better than" if low > 0 else "no better than"
    return (
        f"for this detector the score follows these maps {better} a blob in the middle or a "
        f"random map (gain {gain.value:+.3f}, 95 % {low:+.3f} to {high:+.3f})"
    )
