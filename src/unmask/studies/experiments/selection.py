"""The study of how frames are chosen, and how many."""

from __future__ import annotations

from collections.abc import Mapping

from unmask.studies.cells import Cell
from unmask.studies.charts import Drawing, curves, dots
from unmask.studies.conditions import list_results, spell
from unmask.studies.estimate import Estimate
from unmask.studies.film_scores import FILMS_ONLY, PAPER, collect_views, scored_films
from unmask.studies.resampling import ACCURACY, AUC, Estimates, Run
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext


def _selection_cells(context: StudyContext) -> list[Cell]:
    return scored_films(context, context.films.films.judged())


def _selection_answer(context: StudyContext, measurements: Measurements) -> Answer:
    seen = collect_views(context, measurements)
    scale = context.scale
    conditions: dict[str, list[Run]] = {}
    for selector in scale.selectors:
        for budget in scale.budgets if selector != "all" else (max(scale.budgets),):
            seeds = context.seeds if selector == "random" else range(1)
            name = selector if selector == "all" else f"{selector}, {budget}"
            conditions[name] = [seen.scored(selector, budget, seed=s) for s in seeds]
    estimates = Estimates(conditions, (AUC, ACCURACY), replicates=scale.replicates)
    others = [s for s in scale.selectors if s not in {PAPER, "all"}]
    held = scale.budget if scale.budget in scale.budgets else max(scale.budgets)
    gains = {s: estimates.difference(f"{s}, {held}", f"{PAPER}, {held}", AUC) for s in others}
    if "all" in conditions:
        gains["all frames"] = estimates.difference("all", f"{PAPER}, {held}", AUC)
    paired = {
        s: estimates.mean_difference([(f"{s}, {b}", f"{PAPER}, {b}") for b in scale.budgets], AUC)
        for s in others
    }
    better = [s for s, e in paired.items() if e.sign == "above"]
    worse = [s for s, e in paired.items() if e.sign == "below"]
    text = (
        (
            f"Over the budgets {', '.join(map(str, scale.budgets))} together, clearly better than "
            f"the paper's local maxima: {spell(better)}; clearly worse: {spell(worse)}."
        ),
        (
            f"At {held} frames a face local maxima reach AUC "
            f"{estimates.of(f'{PAPER}, {held}', AUC).text} over videos; a single one "
            f"{estimates.of(f'{PAPER}, {min(scale.budgets)}', AUC).text}."
        ),
        seen.told,
    )
    results = [
        *list_results(estimates, list(conditions), (AUC,)),
        *(
            Result(f"{s} less {PAPER}, over all budgets", AUC, e, "difference")
            for s, e in paired.items()
        ),
        *(Result(f"{s} less {PAPER}, at {held}", AUC, e, "difference") for s, e in gains.items()),
    ]
    return Answer(
        text, tuple(results), _selection_charts(context, estimates, gains, held), seen.limits
    )


def _selection_charts(
    context: StudyContext, estimates: Estimates, gains: Mapping[str, Estimate], held: int
) -> tuple[Drawing, ...]:
    scale = context.scale
    shown = [s for s in (PAPER, "uniform", "top-difference", "random") if s in scale.selectors]
    by_budget = curves(
        "AUC by number of frames",
        "Four of the ways to choose; bars: 95 % intervals.",
        x_label="frames of each face",
        y_label="AUC over videos",
        x_names=[str(b) for b in scale.budgets],
        series={s: [estimates.of(f"{s}, {b}", AUC) for b in scale.budgets] for s in shown},
    )
    against = dots(
        f"At {held} frames: less local maxima",
        "Right of the dashed line is better than the paper's key frames.",
        x_label="difference of AUC",
        rows=gains,
        zero=True,
    )
    return by_budget, against


FRAME_SELECTION = Study(
    name="frame-selection",
    origin="Q2: other ways to pick frames than inter-frame differences",
    question="Does it matter how frames are chosen, and how many?",
    varies="the selector; the number of frames of each face",
    held="videos, faces, the detector, pooling (mean logit of a face, the highest face of a video)",
    measures="AUC over videos",
    statistic="difference of each selector and local maxima on the same videos; intervals draw "
    "source videos",
    cannot_say=(
        "What a network that had learned from frames chosen so would do: the detector is held.",
        FILMS_ONLY,
    ),
    needs="films, detector",
    cells=_selection_cells,
    answer=_selection_answer,
)
