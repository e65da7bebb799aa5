"""The study of how unequal real and fake may be before class weights no longer help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unmask.core.errors import ManifestError
from unmask.evaluation.weightings import Values
from unmask.studies.cells import Cell, Factor
from unmask.studies.charts import Drawing, curves
from unmask.studies.conditions import list_results, need, spell
from unmask.studies.crop_set import Material
from unmask.studies.estimate import Estimate
from unmask.studies.experiments.imbalance import ONE_SET, SELECTION
from unmask.studies.resampling import AUC, BALANCED, Estimates
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext
from unmask.studies.trained_scores import Lesson, lesson_cell, scored_crops

_FIGURES = (BALANCED, AUC)
_DROP = 0.05
"""Class weights have broken where balanced accuracy has fallen this far below that at 1:1."""
_LEAST_OF_A_CLASS = 2
_FAKES, _REALS = "too many fakes", "too many reals"


def _severity_cells(context: StudyContext) -> list[Cell]:
    sides, scale = context.crops.whole_sides, context.scale
    size = severity_size(sides.training, scale.ratios, scale.severity_crops)
    test = context.crops.sides.test
    cells = []
    for ratio in scale.ratios:
        for strategy in ("none", "balanced"):
            for seed in context.seeds:
                recipe = context.recipes.of_network(
                    scale.networks[0], imbalance__strategy=strategy, selection=SELECTION, seed=seed
                )
                drawn = draw_ratio(sides.training, ratio, size, seed=seed)
                lesson = Lesson(recipe, drawn, context.crops.sides.validation, test)
                factors: dict[str, Factor] = {"ratio": ratio, "strategy": strategy, "seed": seed}
                cells.append(lesson_cell(factors, lesson, device=context.request.device))
    return cells


def severity_size(crops: Material, ratios: Sequence[float], number: int) -> int:
    """Return how many crops can be had at every ratio alike.

    Raises:
        ManifestError: too few for two of the rarer class at the most extreme ratio.
    """
    real, fake = crops.reals, len(crops) - crops.reals
    size = min([number] + [int(min(real * (1 + r), fake * (1 + r) / r)) for r in ratios])
    extreme = max(*ratios, 1 / min(ratios))
    if size < _LEAST_OF_A_CLASS * (1 + extreme):
        raise ManifestError(
            f"{size} crops can be had at every ratio; 1:{extreme:g} needs "
            f"{_LEAST_OF_A_CLASS * (1 + extreme):.0f}",
            hint="give more crops of both classes",
        )
    return size


def draw_ratio(crops: Material, ratio: float, size: int, *, seed: int) -> Material:
    """Return `size` crops drawn at random with so many fakes per real."""
    rng = np.random.default_rng(seed)
    fakes = min(size - _LEAST_OF_A_CLASS, max(_LEAST_OF_A_CLASS, round(size * ratio / (1 + ratio))))
    chosen = [
        rng.permutation(np.flatnonzero(crops.is_fake == label))[:count]
        for label, count in ((False, size - fakes), (True, fakes))
    ]
    return crops.take(np.sort(np.concatenate(chosen)))


def ratio_name(ratio: float) -> str:
    """Return real : fake in words.

    >>> ratio_name(100), ratio_name(0.1)
    ('1:100', '10:1')
    """
    return f"1:{ratio:g}" if ratio >= 1 else f"{1 / ratio:g}:1"


def break_point(places: Values, values: Values, drop: float) -> Values:
    """Return where curves have fallen by `drop` below their first value, on straight lines.

    Args:
        places: `(K,)` ascending places.
        values: `(R, K)` curves.
        drop: how far.

    Returns:
        `(R,)`; infinity where a curve never falls so far.

    >>> break_point(np.array([0.0, 1.0, 2.0]), np.array([[0.9, 0.88, 0.78]]), 0.05).tolist()
    [1.3]
    """
    fallen = values[:, :1] - values >= drop - 1e-12
    first = np.argmax(fallen, axis=1)
    rows = np.arange(len(values))
    before = np.maximum(first - 1, 0)
    lost = [values[:, 0] - values[rows, at] for at in (before, first)]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (drop - lost[0]) / (lost[1] - lost[0])
        at = places[before] + share * (places[first] - places[before])
    return np.where(fallen.any(axis=1), np.round(at, 9), np.inf)


def _severity_answer(context: StudyContext, measurements: Measurements) -> Answer:
    runs = {
        f"{ratio_name(float(ratio))}, {strategy}": [
            scored_crops(measured.table, str(cell.factors["seed"])) for cell, measured in cells
        ]
        for (ratio, strategy), cells in measurements.by("ratio", "strategy").items()
    }
    ratios = [r for r in context.scale.ratios if f"{ratio_name(r)}, balanced" in runs]
    need(list(runs), ["1:1, balanced", "1:1, none"])
    estimates = Estimates(runs, _FIGURES, replicates=context.scale.replicates)
    gains = {
        ratio_name(r): estimates.difference(
            f"{ratio_name(r)}, balanced", f"{ratio_name(r)}, none", BALANCED
        )
        for r in ratios
        if f"{ratio_name(r)}, none" in runs
    }
    sides = {
        _FAKES: sorted(r for r in ratios if r >= 1),
        _REALS: sorted((r for r in ratios if r <= 1), reverse=True),
    }
    breaks = {name: _break(estimates, each) for name, each in sides.items() if len(each) > 1}
    helps = [name for name, gain in gains.items() if gain.sign == "above"]
    text = (
        *(
            f"With {name}, class weights break at {_describe_break(e, name)}."
            for name, e in breaks.items()
        ),
        f"They clearly help at: {spell(helps)}; elsewhere their gain cannot be told from none.",
        (
            f"Broken means: balanced accuracy has fallen {_DROP:g} below its value at 1:1, with "
            "straight lines between the ratios measured, on a logarithmic scale."
        ),
    )
    results = [
        *list_results(estimates, list(runs), _FIGURES),
        *(Result(f"{n}: with less without", BALANCED, e, "difference") for n, e in gains.items()),
        *(Result(f"break point, {n} (rarer class 1 to)", "ratio", e) for n, e in breaks.items()),
    ]
    return Answer(text, tuple(results), _severity_charts(estimates, ratios))


def _severity_charts(estimates: Estimates, ratios: Sequence[float]) -> tuple[Drawing, ...]:
    names = [ratio_name(r) for r in ratios]
    return tuple(
        curves(
            f"{figure} by imbalance",
            "Test crops are the same for all; bars: 95 % intervals.",
            x_label="real : fake among the crops to learn from",
            y_label=figure,
            x_names=names,
            series={
                "with class weights": [estimates.of(f"{n}, balanced", figure) for n in names],
                "without": [estimates.of(f"{n}, none", figure) for n in names],
            },
        )
        for figure in _FIGURES
    )


def _break(estimates: Estimates, ratios: Sequence[float]) -> Estimate:
    """Return the ratio at which class weights break, from 1:1 outwards."""
    names = [f"{ratio_name(r)}, balanced" for r in ratios]
    keys = [f"{name}\0{BALANCED}" for name in names]
    places = np.array([abs(np.log10(r)) for r in ratios])
    plain = np.array([[estimates.values[key] for key in keys]])
    at = float(break_point(places, plain, _DROP)[0])
    rests = estimates.estimate(at, None, *names)
    low = high = None
    if estimates.draws:
        drawn = np.stack([estimates.draws[key] for key in keys], axis=1)
        places_drawn = np.sort(break_point(places, drawn, _DROP))
        ends = (
            places_drawn[round(0.025 * (len(places_drawn) - 1))],
            places_drawn[round(0.975 * (len(places_drawn) - 1))],
        )
        low, high = (float(10**end) if np.isfinite(end) else None for end in ends)
    value = float(10**at) if np.isfinite(at) else None
    return Estimate(value, low, high, rests.units, rests.clusters, rests.runs)


def _describe_break(e: Estimate, side: str) -> str:
    """Return a break point as real : fake; an open end lies beyond the ratios measured."""
    value, low, high = (
        None if part is None else f"{part:.0f}:1" if side == _REALS else f"1:{part:.0f}"
        for part in (e.value, e.low, e.high)
    )
    beyond = "beyond those measured"
    return (
        f"{value or 'no ratio that was measured'} "
        f"(95 % interval: {low or beyond} to {high or beyond})"
    )


IMBALANCE_SEVERITY = Study(
    name="imbalance-severity",
    origin="C2: the imbalance at which class weights become insufficient",
    question="How unequal may real and fake be before class weights no longer help?",
    varies="real : fake among the crops to learn from, both ways; with weights and without",
    held="number of crops to learn from, network, recipe, test crops",
    measures="balanced accuracy at P(fake) = 0.5 and AUC, crop by crop, on the test side",
    statistic="the ratio at which balanced accuracy with weights has fallen 0.05 below that at "
    "1:1; the interval draws source videos and seeds (each seed learns from other crops)",
    cannot_say=(
        (
            "Whether the ratio or the mere count of the rarer class breaks it: at a fixed number "
            "of crops both change together."
        ),
        ONE_SET,
    ),
    needs="crops",
    cells=_severity_cells,
    answer=_severity_answer,
)
