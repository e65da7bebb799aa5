"""The study of whether the explanation methods say the same of one prediction (E3, C3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unmask.evaluation.stored_pictures import drawn_evenly
from unmask.explain.agreement import spearman, ssim, top_overlap
from unmask.explain.methods import EXPLAINERS, OF_TRANSFORMERS, TITLES, explain
from unmask.explain.network import available_methods
from unmask.studies.cells import Cell, Factor, Measured, Place
from unmask.studies.charts import Drawing, dots
from unmask.studies.conditions import need
from unmask.studies.crop_set import Material
from unmask.studies.estimate import Estimate
from unmask.studies.resampling import MEAN, Estimates, Run, Valued
from unmask.studies.scorers import BundleScorer, Scorer, decode_crop
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext

_AT_A_TIME = 12
_PAPER = ("gradcam", "gradcam++", "faster-scorecam")
"""The three methods whose agreement the document asks for."""
_MEASURES = ("spearman", "ssim", "overlap")
_AGREE = 0.5
"""From this mean rank correlation on methods are said to agree."""
_SAME, _OTHER = "same crop", "another crop"
_GROUP = "the three, "
"""What the names of parts of the crops begin with."""
_RIGHT = ("right", "wrong")
"""How a crop is called."""


def _cells(context: StudyContext) -> list[Cell]:
    scorer, chosen = context.scorer, explained_crops(context)
    methods = context.scale.methods or _available(scorer)
    if lacking := set(_PAPER).difference(methods):
        raise ValueError(
            f"the study compares the paper's three methods, and {', '.join(sorted(lacking))} "
            "cannot be drawn with this detector or was not asked for"
        )
    order = np.random.default_rng(0).permutation(len(chosen))
    return [
        maps_cell({"part": number}, chosen.take(np.sort(rows)), scorer, methods)
        for number, rows in enumerate(np.array_split(order, max(1, len(chosen) // _AT_A_TIME)))
    ]


def explained_crops(context: StudyContext) -> Material:
    """Return the crops whose maps are compared, as many real as fake, of many films."""
    # not the side as limited: that is whole footage at a time, so that few crops are of few films
    test = context.crops.whole_sides.test
    return test.take(drawn_evenly(test.is_fake, context.scale.explained))


def _available(scorer: Scorer) -> tuple[str, ...]:
    if isinstance(scorer, BundleScorer):
        return available_methods(scorer.bundle)
    return tuple(name for name in EXPLAINERS if name not in OF_TRANSFORMERS)


def maps_cell(
    factors: dict[str, Factor], crops: Material, scorer: Scorer, methods: Sequence[str]
) -> Cell:
    """Return the cell that explains some crops with all methods and compares the maps.

    Maps of one crop are compared with each other, and as a floor each with the other methods' maps
    of the next crop: what any two maps of faces share.
    """
    content = {
        "what": "agreement",
        "crops": crops.sha256,
        "scorer": scorer.identity,
        "methods": list(methods),
    }

    def measure(_: Place) -> Measured:
        images = crops.table["image"].to_pylist()
        pixels = np.stack([decode_crop(image, scorer) for image in images])
        prepared = scorer.prepare(pixels)
        evidence = scorer.model.evidence(prepared)
        result = explain(scorer.model, prepared, methods, evidence=evidence)
        maps = {name: each.scaled for name, each in result.items()}
        called = evidence.logits >= scorer.threshold
        rows = [
            row | _describe_crops(crops, called, at)
            for at in range(len(crops))
            for row in _compare_maps(maps, at, (at + 1) % len(crops))
        ]
        return Measured(pa.Table.from_pylist(rows))

    return Cell(factors, content, measure)


def _describe_crops(crops: Material, called: NDArray[np.bool_], at: int) -> dict[str, Any]:
    row = crops.table.slice(at, 1).select(["name", "target", "label"]).to_pylist()[0]
    right = bool(called[at]) == (row["label"] == "fake")
    return {**row, "right": _RIGHT[0] if right else _RIGHT[1]}


def _compare_maps(
    maps: dict[str, NDArray[np.float32]], at: int, other: int
) -> Iterator[dict[str, Any]]:
    for one, two in combinations(maps, 2):
        for against, position in ((_SAME, at), (_OTHER, other)):
            first, second = maps[one][at], maps[two][position]
            correlation = spearman(first, second) if first.any() and second.any() else None
            if correlation is not None and (against == _SAME or other != at):
                yield {
                    "one": one,
                    "two": two,
                    "against": against,
                    "spearman": correlation,
                    "ssim": ssim(first, second),
                    "overlap": top_overlap(first, second),
                }


def _answer(context: StudyContext, measurements: Measurements) -> Answer:
    rows = [row for _, measured in measurements.cells for row in measured.table.to_pylist()]
    conditions: dict[str, list[dict[str, Any]]] = {}
    for against in (_SAME, _OTHER):
        rows_against = [r for r in rows if r["against"] == against]
        pairs = sorted({(r["one"], r["two"]) for r in rows_against})
        for one, two in pairs:
            of_pair = [r for r in rows_against if (r["one"], r["two"]) == (one, two)]
            _add(conditions, f"{TITLES[one]} and {TITLES[two]}, {against}", of_pair)
        paper = [r for r in rows_against if {r["one"], r["two"]} <= set(_PAPER)]
        _add(conditions, f"the three of the paper, {against}", paper)
        for right in _RIGHT:
            part = [r for r in paper if r["right"] == right]
            _add(conditions, f"{_GROUP}called {right}ly, {against}", part)
        for label in ("real", "fake"):
            for right in _RIGHT:
                part = [r for r in paper if (r["label"], r["right"]) == (label, right)]
                _add(conditions, f"{_GROUP}{label} called {right}ly, {against}", part)
    need(list(conditions), [f"the three of the paper, {_SAME}"])
    runs: dict[str, list[Run]] = {
        f"{name}: {measure}": [_mean_per_crop(of, measure)]
        for name, of in conditions.items()
        for measure in _MEASURES
    }
    estimates = Estimates(runs, (MEAN,), replicates=context.scale.replicates)
    return _conclude(estimates, list(conditions), len({row["name"] for row in rows}))


def _add(
    conditions: dict[str, list[dict[str, Any]]], name: str, rows: list[dict[str, Any]]
) -> None:
    if rows:
        conditions[name] = rows


def _mean_per_crop(rows: list[dict[str, Any]], measure: str) -> Valued:
    """Return the mean over pairs of methods for each crop."""
    by_crop: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        by_crop.setdefault((row["name"], row["target"]), []).append(row[measure])
    values = np.array([np.mean(each) for each in by_crop.values()])
    return Valued("0", values, np.array([target for _, target in by_crop], dtype=object))


def _conclude(estimates: Estimates, names: list[str], crops: int) -> Answer:
    same, floor = (f"the three of the paper, {against}" for against in (_SAME, _OTHER))
    above = estimates.difference(f"{same}: spearman", f"{floor}: spearman", MEAN)
    alike = _of(estimates, same)
    word = (
        "agree"
        if (alike.value or 0.0) >= _AGREE
        else "agree only in part"
        if above.sign == "above"
        else "do not agree"
    )
    pairs = {n: _of(estimates, n) for n in names if " and " in n and n.endswith(_SAME)}
    groups = {n: _of(estimates, n) for n in names if n.startswith(_GROUP) and n.endswith(_SAME)}
    least = min(pairs, key=lambda n: pairs[n].value or 0.0)
    split = _right_less_wrong(estimates, names)
    text = (
        (
            f"On identical predictions GradCAM, GradCAM++ and Faster Score-CAM {word}: mean rank "
            f"correlation {alike.text} over pairs; maps of different crops reach "
            f"{_of(estimates, floor).text}, so {above.signed} is due to the crop itself."
        ),
        f"Least alike of all pairs: {_without_same(least)}, {pairs[least].text}.",
        "; ".join(f"{_without_same(n)}: {e.text} (n = {e.units})" for n, e in groups.items())
        + f". {crops} crops.",
        *(_compare_right(e) for e in split.values()),
    )
    differences = {"the three of the paper: same less another crop": above, **split}
    results = [
        *(Result(n, m, _of(estimates, n, m)) for n in names for m in _MEASURES),
        *(Result(n, "spearman", e, "difference") for n, e in differences.items()),
    ]
    named = {_without_same(n).removeprefix(_GROUP): e for n, e in groups.items()}
    named |= {"all": alike, "another crop": _of(estimates, floor)}
    return Answer(text, tuple(results), _draw(pairs, named))


def _of(estimates: Estimates, name: str, measure: str = "spearman") -> Estimate:
    return estimates.of(f"{name}: {measure}", MEAN)


def _without_same(name: str) -> str:
    return name.removesuffix(f", {_SAME}")


def _right_less_wrong(estimates: Estimates, names: list[str]) -> dict[str, Estimate]:
    """Return by how much the three agree more on crops called rightly; nothing of one kind only."""
    right, wrong = (f"{_GROUP}called {each}ly, {_SAME}" for each in _RIGHT)
    if not {right, wrong} <= set(names):
        return {}
    split = estimates.difference(f"{right}: spearman", f"{wrong}: spearman", MEAN)
    return {"the three: called rightly less wrongly": split}


def _draw(pairs: dict[str, Estimate], groups: dict[str, Estimate]) -> tuple[Drawing, Drawing]:
    return (
        dots(
            "Agreement of each pair",
            "Mean rank correlation of two methods' maps of the same crop; 1 is the same order.",
            x_label="rank correlation",
            rows={_short(n): e for n, e in pairs.items()},
        ),
        dots(
            "The paper's three, by what was said",
            "Same crop, and as a floor the maps of another crop.",
            x_label="rank correlation",
            rows=groups,
        ),
    )


def _compare_right(split: Estimate) -> str:
    """Say whether methods agree more on crops that are called rightly."""
    said = {
        "above": "The three agree more on crops that are called rightly than on others",
        "below": "The three agree less on crops that are called rightly than on others",
        "open": "Whether the three agree more on crops that are called rightly cannot be told",
    }
    return f"{said[split.sign]}: {split.signed}."


def _short(name: str) -> str:
    return _without_same(name).replace("Faster Score-CAM", "Score-CAM").replace(" and ", ", ")


EXPLANATION_CONSISTENCY = Study(
    name="explanation-consistency",
    origin="E3, C3: do the explanation methods agree on identical predictions?",
    question="Do GradCAM, GradCAM++, Faster Score-CAM and the others mark the same places?",
    varies="the method of explaining; real and fake crops, called rightly and wrongly",
    held="the detector, the crop, its prediction",
    measures="rank correlation, structural similarity and overlap of the strongest fifth of two "
    "maps on a grid of 28",
    statistic="mean over crops, less that of maps of two crops; intervals draw source videos",
    cannot_say=(
        (
            "Whether the maps are true: methods that agree may be wrong together. `unmask "
            "explain-check` measures faithfulness."
        ),
        "Other detectors: agreement is a property of the methods and of this network.",
    ),
    needs="crops, detector",
    cells=_cells,
    answer=_answer,
)
