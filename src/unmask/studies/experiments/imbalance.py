"""Studies of unequal numbers of real and fake: class weights or none, and other strategies.

All train on the same crops for the same number of crops seen, and are judged on the same crops.
"""

from __future__ import annotations

from unmask.studies.cells import Cell, Factor
from unmask.studies.charts import dots
from unmask.studies.conditions import collect_runs, list_results, need, spell, tally
from unmask.studies.crop_set import Material
from unmask.studies.resampling import AUC, BALANCED, Estimates
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext
from unmask.studies.trained_scores import Lesson, lesson_cell

_FIGURES = (BALANCED, AUC)
SELECTION = "balanced_accuracy"
"""By which the epoch is chosen: fair to both classes at any imbalance."""
ONE_SET = "Other data, other networks, other lengths of training: these figures hold for this set."


def _lesson(
    context: StudyContext, network: str, strategy: str, seed: int, factors: dict[str, Factor]
) -> Cell:
    sides = context.crops.sides
    recipe = context.recipes.of_network(
        network, imbalance__strategy=strategy, selection=SELECTION, seed=seed
    )
    ratio = len(sides.training) / crops_of_epoch(strategy, sides.training)
    epochs = max(1, round(recipe.epochs * ratio))
    lesson = Lesson(
        recipe.model_copy(update={"epochs": epochs}), sides.training, sides.validation, sides.test
    )
    return lesson_cell(factors, lesson, device=context.request.device)


def crops_of_epoch(strategy: str, crops: Material) -> int:
    """Return how many crops a strategy goes through in one epoch."""
    real, fake = crops.reals, len(crops) - crops.reals
    of = {
        "oversample": 2 * max(real, fake),
        "balanced-batches": 2 * max(real, fake),
        "undersample": 2 * min(real, fake),
        "paired": 2 * fake,
    }
    return of.get(strategy, real + fake)


# -- class weights (E2) ---------------------------------------------------------------------------


def _weights_cells(context: StudyContext) -> list[Cell]:
    return [
        _lesson(
            context, network, strategy, seed, {"network": network, "weights": word, "seed": seed}
        )
        for network in context.scale.networks
        for word, strategy in (("without", "none"), ("with", "balanced"))
        for seed in context.seeds
    ]


def _weights_answer(context: StudyContext, measurements: Measurements) -> Answer:
    runs = collect_runs(measurements, "network", "weights")
    networks = [n for n in context.scale.networks if {f"{n}, with", f"{n}, without"} <= set(runs)]
    if not networks:
        need(list(runs), [f"{context.scale.networks[0]}, {word}" for word in ("with", "without")])
    estimates = Estimates(runs, _FIGURES, replicates=context.scale.replicates)
    pairs = [(f"{n}, with", f"{n}, without") for n in networks]
    gains = {
        n: estimates.difference(*pair, BALANCED) for n, pair in zip(networks, pairs, strict=True)
    }
    mean = estimates.mean_difference(pairs, BALANCED)
    ranking = estimates.mean_difference(pairs, AUC)
    word = {"above": "raise", "below": "lower", "open": "do not clearly change"}
    crops = context.crops.sides.training
    text = (
        (
            f"Over {tally(len(networks))}, class weights {word[mean.sign]} balanced accuracy: "
            f"{mean.signed}. The order of scores, AUC, changes by {ranking.signed}."
        ),
        f"The crops to learn from stand {crops.reals} real to {len(crops) - crops.reals} fake.",
        (
            "A change of balanced accuracy without one of AUC means that the weights move the "
            "threshold and teach nothing that a chosen threshold would not."
        ),
    )
    results = [
        *list_results(estimates, list(runs), _FIGURES),
        *(
            Result(f"{n}: with less without", BALANCED, gain, "difference")
            for n, gain in gains.items()
        ),
        Result("mean over networks: with less without", BALANCED, mean, "difference"),
        Result("mean over networks: with less without", AUC, ranking, "difference"),
    ]
    chart = dots(
        "Gain by class weights",
        "Balanced accuracy with weights less without, for each network; bars: 95 % intervals.",
        x_label="difference of balanced accuracy",
        rows={**gains, "mean over networks": mean},
        zero=True,
    )
    return Answer(text, tuple(results), (chart,))


CLASS_WEIGHTS = Study(
    name="class-weights",
    origin="E2: ablation of the class weights",
    question="What do the paper's class weights bring, for each of its networks?",
    varies="class weights n / (k n_c) or none; the network",
    held="crops, recipe, crops seen, the epoch chosen by balanced accuracy on validation crops",
    measures="balanced accuracy at P(fake) = 0.5 and AUC, crop by crop, on the test side",
    statistic="difference with less without on the same crops; intervals draw source videos and "
    "seeds",
    cannot_say=(
        (
            "Whether weights would still matter once a threshold is chosen on validation data: the "
            "figures are at 0.5."
        ),
        ONE_SET,
    ),
    needs="crops",
    cells=_weights_cells,
    answer=_weights_answer,
)


# -- strategies (Q1) ------------------------------------------------------------------------------


def _methods_cells(context: StudyContext) -> list[Cell]:
    network = context.scale.networks[0]
    return [
        _lesson(context, network, strategy, seed, {"strategy": strategy, "seed": seed})
        for strategy in context.scale.strategies
        for seed in context.seeds
    ]


def _methods_answer(context: StudyContext, measurements: Measurements) -> Answer:
    runs = collect_runs(measurements, "strategy")
    need(list(runs), ["balanced"])
    estimates = Estimates(runs, _FIGURES, replicates=context.scale.replicates)
    others = [name for name in runs if name != "balanced"]
    gains = {name: estimates.difference(name, "balanced", BALANCED) for name in others}
    ranked = {name: estimates.difference(name, "balanced", AUC) for name in others}
    # quoted: one of the strategies is called none
    better = [f"'{name}'" for name, gain in gains.items() if gain.sign == "above"]
    worse = [f"'{name}'" for name, gain in gains.items() if gain.sign == "below"]
    best = max(runs, key=lambda name: estimates.of(name, BALANCED).value or 0.0)
    text = (
        (
            f"Clearly better than class weights in balanced accuracy: {spell(better)}. Clearly "
            f"worse: {spell(worse)}. The other {len(others) - len(better) - len(worse)} cannot be "
            "told from them here."
        ),
        (
            f"Highest: {best}, {estimates.of(best, BALANCED).text}; class weights: "
            f"{estimates.of('balanced', BALANCED).text}."
        ),
        (
            "The highest of many is too high by chance; an interval of a difference speaks of one "
            "pair, not of the choice among all."
        ),
    )
    results = [
        *list_results(estimates, list(runs), _FIGURES),
        *(Result(f"{n} less balanced", BALANCED, e, "difference") for n, e in gains.items()),
        *(Result(f"{n} less balanced", AUC, e, "difference") for n, e in ranked.items()),
    ]
    drawings = tuple(
        dots(
            f"{figure}: strategy less class weights",
            "Right of the dashed line is better than the paper's class weights.",
            x_label=f"difference of {figure}",
            rows=rows,
            zero=True,
        )
        for figure, rows in ((BALANCED, gains), (AUC, ranked))
    )
    return Answer(text, tuple(results), drawings)


IMBALANCE_METHODS = Study(
    name="imbalance-methods",
    origin="Q1: how cost-sensitive weights compare with other ways to deal with imbalance",
    question="Do over- and undersampling or other losses beat the paper's class weights?",
    varies="the strategy against imbalance",
    held="network, crops, crops seen (epochs are longer for some and fewer then), the epoch chosen "
    "by balanced accuracy on validation crops",
    measures="balanced accuracy at P(fake) = 0.5 and AUC, crop by crop, on the test side",
    statistic="difference of each strategy and the class weights on the same crops; intervals draw "
    "source videos and seeds",
    cannot_say=(
        (
            "What each strategy could reach with its own numbers (gamma, beta, margins) tuned: all "
            "run at their defaults."
        ),
        ONE_SET,
    ),
    needs="crops",
    cells=_methods_cells,
    answer=_methods_answer,
)
