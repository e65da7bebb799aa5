"""What a detector's makers measured of its maps, as its bundle states it.

`unmask explain-check` prints these figures as metrics of a bundle; the report shows them beside the
maps, so that a reader sees how far to trust a picture before being taken in by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from unmask.bundle import BundleManifest, Metric

PREFIX = "gain of maps over the centre: "
"""What the name of such a metric starts with; the method follows."""
NOT_STATED = "how faithful these maps are was not measured for this detector"


def stated_faithfulness(
    manifest: BundleManifest, methods: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return for each method what is known of its maps for this detector, in words."""
    by_name = {metric.name: metric for metric in manifest.metrics}
    return tuple((name, _sentence(by_name.get(PREFIX + name))) for name in methods)


def _sentence(metric: Metric | None) -> str:
    if metric is None:
        return NOT_STATED
    low, high = metric.interval
    if low > 0:
        reading = "for this detector they follow the score better than a blob in the middle"
    elif high < 0:
        reading = "for this detector they follow the score worse than a blob in the middle"
    else:
        reading = "for this detector they are no better than a blob in the middle"
    return f"{reading} (gain {metric.value:+.3f}, 95 % {low:+.3f} to {high:+.3f})"
