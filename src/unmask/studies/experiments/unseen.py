"""The study of manipulations that were not learned: one method left out, another data set."""

from __future__ import annotations

import numpy as np

from unmask.core.errors import ManifestError
from unmask.studies.cells import Cell, Factor
from unmask.studies.charts import Drawing, dots
from unmask.studies.conditions import list_results, spell
from unmask.studies.crop_set import Material
from unmask.studies.estimate import Estimate
from unmask.studies.pictures import join_materials, with_condition
from unmask.studies.resampling import AUC, Estimates, Run
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext
from unmask.studies.trained_scores import Lesson, lesson_cell, scored_crops
from unmask.training.recipe import Recipe

_EVERY = "all methods"


def list_methods(context: StudyContext) -> list[str]:
    """Return the methods that can be learned from and be judged by; none if there is only one."""
    sides = context.crops.sides
    methods = set(sides.training.names("method")) & set(sides.test.names("method")) - {None}
    return sorted(methods) if len(methods) > 1 else []


def _cells(context: StudyContext) -> list[Cell]:
    cells = [*_left_out(context), *_across(context)]
    if not cells:
        raise ManifestError(
            "the crops name fewer than two methods, and are of one data set",
            hint="give crops with a column `method`, or several data sets with --data",
        )
    return cells


def _left_out(context: StudyContext) -> list[Cell]:
    sides, methods = context.crops.sides, list_methods(context)
    cells = []
    for held_out in (*methods, *([_EVERY] if methods else [])):
        for seed in context.seeds:
            if held_out == _EVERY:
                training = _thin_fakes(sides.training, 1 - 1 / len(methods), seed)
            else:
                training = sides.training.take(sides.training.names("method") != held_out)
            chosen_by = sides.validation
            if held_out != _EVERY:
                chosen_by = chosen_by.take(chosen_by.names("method") != held_out)
            lesson = Lesson(_recipe(context, seed), training, chosen_by, sides.test)
            factors: dict[str, Factor] = {"left out": held_out, "seed": seed}
            cells.append(lesson_cell(factors, lesson, device=context.request.device))
    return cells


def _recipe(context: StudyContext, seed: int) -> Recipe:
    return context.recipes.of_network(
        context.scale.networks[0], imbalance__strategy="balanced", selection="auc", seed=seed
    )


def _thin_fakes(crops: Material, share: float, seed: int) -> Material:
    """Return all reals and a share of the fakes, as many as are left without one method."""
    fakes = np.flatnonzero(crops.is_fake)
    kept = np.random.default_rng(seed).permutation(fakes)[: round(share * len(fakes))]
    return crops.take(np.sort(np.concatenate([np.flatnonzero(~crops.is_fake), kept])))


def _across(context: StudyContext) -> list[Cell]:
    data_sets = context.crops.data_sets
    if len(data_sets) < 2:
        return []
    scale = context.scale
    test = join_materials(
        with_condition(sides.test.at_most(scale.test_crops), name)
        for name, sides in data_sets.items()
    )
    cells = []
    for name, sides in data_sets.items():
        training = sides.training.at_most(scale.train_crops)
        chosen_by = sides.validation.at_most(scale.test_crops)
        for seed in context.seeds:
            lesson = Lesson(_recipe(context, seed), training, chosen_by, test)
            factors: dict[str, Factor] = {"learned from": name, "seed": seed}
            cells.append(lesson_cell(factors, lesson, device=context.request.device))
    return cells


def _answer(context: StudyContext, measurements: Measurements) -> Answer:
    conditions: dict[str, list[Run]] = {}
    for cell, measured in measurements.cells:
        seed = str(cell.factors["seed"])
        if "left out" in cell.factors:
            methods = np.array(measured.table["method"].to_pylist(), dtype=object)
            real = np.array(measured.table["label"].to_pylist()) == "real"
            left = str(cell.factors["left out"])
            for method in list_methods(context) if left == _EVERY else [left]:
                run = scored_crops(measured.table, seed, keep=real | (methods == method))
                word = "seen" if left == _EVERY else "unseen"
                conditions.setdefault(f"{method}, {word}", []).append(run)
        else:
            sets = np.array(measured.table["condition"].to_pylist())
            for name in context.crops.data_sets:
                run = scored_crops(measured.table, seed, keep=sets == name)
                pair = f"learned from {cell.factors['learned from']}, judged on {name}"
                conditions.setdefault(pair, []).append(run)
    if not conditions:
        raise ManifestError("not answered: no cell is done", hint="see the table of cells")
    estimates = Estimates(conditions, (AUC,), replicates=context.scale.replicates)
    pairs = {
        m: (f"{m}, unseen", f"{m}, seen")
        for m in list_methods(context)
        if {f"{m}, unseen", f"{m}, seen"} <= set(conditions)
    }
    gaps = {m: estimates.difference(*pair, AUC) for m, pair in pairs.items()}
    across = _gaps_across(context, estimates)
    text = (*_conclude_on_methods(estimates, pairs, gaps), *_conclude_on_sets(across))
    results = [
        *list_results(estimates, list(conditions), (AUC,)),
        *(Result(f"{m}: unseen less seen", AUC, e, "difference") for m, e in gaps.items()),
        *(Result(n, AUC, e, "difference") for n, e in across.items()),
    ]
    return Answer(text, tuple(results), _charts(gaps, across))


def _conclude_on_methods(
    estimates: Estimates, pairs: dict[str, tuple[str, str]], gaps: dict[str, Estimate]
) -> tuple[str, ...]:
    if not gaps:
        return ()
    mean = estimates.mean_difference(list(pairs.values()), AUC)
    worst = min(gaps, key=lambda m: gaps[m].value or 0.0)
    word = {"above": "better", "below": "less well", "open": "not clearly otherwise"}
    less, more = ([m for m, e in gaps.items() if e.sign == sign] for sign in ("below", "above"))
    return (
        (
            f"A manipulation that was not learned is found {word[mean.sign]}: AUC changes by "
            f"{mean.signed} on average over {len(gaps)} methods; lowest for {worst}: "
            f"{gaps[worst].signed}. Clearly less well: {spell(less)}; better: {spell(more)}."
        ),
    )


def _gaps_across(context: StudyContext, estimates: Estimates) -> dict[str, Estimate]:
    """Return how much worse a data set is judged by a network of another than by one of its own."""
    names = list(context.crops.data_sets)
    gaps = {}
    for judged in names:
        for learned in names:
            pair = (
                f"learned from {learned}, judged on {judged}",
                f"learned from {judged}, judged on {judged}",
            )
            if learned != judged and set(pair) <= set(estimates.conditions):
                gaps[f"{learned} to {judged}"] = estimates.difference(*pair, AUC)
    return gaps


def _conclude_on_sets(across: dict[str, Estimate]) -> tuple[str, ...]:
    if not across:
        return ()
    text = "; ".join(f"{name}: {e.signed}" for name, e in across.items())
    return (f"From one data set to another, against a network of the other's own: {text}.",)


def _charts(gaps: dict[str, Estimate], across: dict[str, Estimate]) -> tuple[Drawing, ...]:
    listed_charts = (
        ("Unseen less seen", "AUC on one method when it was left out, less when it was not.", gaps),
        ("Another data set less its own", "AUC of networks from elsewhere less one's own.", across),
    )
    return tuple(
        dots(title, caption, x_label="difference of AUC", rows=rows, zero=True)
        for title, caption, rows in listed_charts
        if rows
    )


UNSEEN_MANIPULATIONS = Study(
    name="unseen-manipulations",
    origin="Q3: manipulations made by methods not in training",
    question="How well is a manipulation found that the network has not learned?",
    varies="the method that is left out of learning; the data set that is learned from",
    held="network, recipe, real crops, number of fake crops, test crops; the epoch is chosen "
    "without the method that is left out",
    measures="AUC on the real test crops and the fakes of one method, or on one data set",
    statistic="difference of unseen and seen on the same crops; intervals draw source videos and "
    "seeds",
    cannot_say=(
        (
            "How a method that is unlike all of these is found: the methods here share their "
            "footage and much of how they blend."
        ),
    ),
    needs="crops",
    cells=_cells,
    answer=_answer,
)
