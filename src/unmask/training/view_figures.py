"""How well the views of a joined detector separate: each alone, all together, by source and kind.

The figures go into the bundle that `detector_ensemble` writes, with what they were measured on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Metric
from unmask.evaluation.aggregation import Level, Units
from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, area_under_roc
from unmask.evaluation.verdict_words import LEAST_OF_A_LABEL

_Part = tuple[str, NDArray[np.bool_]]


def view_figures(
    together: Units, views: Sequence[tuple[str, Units]], *, level: Level, protocol: str, seed: int
) -> tuple[Metric, ...]:
    """Return AUC of all views together, by data set and way of forging, then of each view alone.

    A part with too few of a label or from too few source videos has no figure.

    Args:
        together: the units by the joined logit.
        views: name of each view, and the same units by its own logit.
        level: what a unit is.
        protocol: what the units are and how the views were weighed.
        seed: of the draws.
    """
    whole = np.ones(len(together), dtype=np.bool_)
    parts = [("all views", together, (f"AUC per {level}", whole))]
    parts += [("all views", together, part) for part in _parts(together, level)]
    parts += [
        (f"the view {name} alone", units, (f"AUC per {level}, view {name} alone", whole))
        for name, units in views
    ]
    figures = (
        _figure(name, units.where(inside), level=level, protocol=f"{protocol}; {who}", seed=seed)
        for who, units, (name, inside) in parts
    )
    return tuple(figure for figure in figures if figure is not None)


def _parts(units: Units, level: Level) -> Iterator[_Part]:
    """Yield each data set, then the reals with each way of forging, where there are several."""
    datasets, methods = units.words["dataset"], units.words["method"]
    named = sorted({str(name) for name in datasets if name is not None})
    if len(named) > 1:
        for name in named:
            yield f"AUC per {level}, {name}", datasets == name
    for name in sorted({str(method) for method in methods[units.is_fake] if method is not None}):
        yield f"AUC per {level}, {name}", ~units.is_fake | (methods == name)


def _figure(name: str, units: Units, *, level: Level, protocol: str, seed: int) -> Metric | None:
    if min(units.fakes, units.reals) < LEAST_OF_A_LABEL or units.clusters < CLUSTERS_NEEDED:
        return None
    area, interval = area_under_roc(units.logit, units.is_fake, units.cluster, seed=seed)
    if interval is None:
        return None
    return Metric(
        name=name,
        value=round(area, 4),
        interval=(round(interval.low, 4), round(interval.high, 4)),
        protocol=f"{protocol}; n = {units.reals} real and {units.fakes} fake {level}s, "
        f"95 % bootstrap over {units.clusters} clusters (source-video)",
    )
