"""The study of what is lost in time: key frames against pooling over more frames (C1)."""

from __future__ import annotations

from collections.abc import Mapping

from unmask.studies.cells import Cell
from unmask.studies.charts import dots
from unmask.studies.conditions import list_results, spell
from unmask.studies.estimate import Estimate
from unmask.studies.experiments.attention import Choice, attention_cell
from unmask.studies.film_scores import (
    FILMS_ONLY,
    PAPER,
    POOLINGS,
    View,
    collect_views,
    scored_films,
)
from unmask.studies.films import Film
from unmask.studies.resampling import ACCURACY, AUC, Estimates, Run
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext

_CHOICES = {"key frames": PAPER, "uniform frames": "uniform", "all frames": "all"}
_BASE = "key frames, mean"
_ATTENTION = "attention"


def _cells(context: StudyContext) -> list[Cell]:
    judged = context.films.films.judged()
    learned = _films_to_learn_from(context)
    cells = scored_films(context, [*learned, *judged])
    if not learned:
        return cells
    done = {
        str(cell.factors["film"]): (cell, context.cache.run(cell).table)
        for cell in cells
        if cell.factors["step"] == "score" and context.maker.try_to_make(cell)
    }
    training = [(View(f, done[f.id][1]), done[f.id][0].key) for f in learned if f.id in done]
    viewed = [(View(f, done[f.id][1]), done[f.id][0].key) for f in judged if f.id in done]
    usable = [(view, key) for view, key in training if len(view.table)]
    choices = [(view, key, _choice(context, view)) for view, key in viewed if len(view.table)]
    return [
        *cells,
        *(
            attention_cell({"pooling": _ATTENTION, "seed": seed}, usable, choices, seed=seed)
            for seed in context.seeds
        ),
    ]


def _films_to_learn_from(context: StudyContext) -> list[Film]:
    """Return films to learn pooling from: none where the data mark no training side."""
    films = context.films.films.side("train", "validation")
    return list(films) if {film.label for film in films} == {"real", "fake"} else []


def _choice(context: StudyContext, view: View) -> Choice:
    smoothing = context.scorer.cutting.scan.smoothing_frames
    return {
        name: view.rows(selector, context.scale.budget, smoothing_frames=smoothing)
        for name, selector in _CHOICES.items()
    }


def _answer(context: StudyContext, measurements: Measurements) -> Answer:
    seen = collect_views(context, measurements)
    budget = context.scale.budget
    conditions: dict[str, list[Run]] = {
        f"{name}, {pooling}": [seen.scored(selector, budget, pooling=pooling)]
        for name, selector in _CHOICES.items()
        for pooling in POOLINGS
    }
    for cell, measured in measurements.where(pooling=_ATTENTION):
        logits = {(r["video"], r["frames"]): r["logit"] for r in measured.table.to_pylist()}
        for name in _CHOICES:
            of_films = [logits[view.film.id, name] for view in seen.views]
            run = seen.of(of_films, seed=int(cell.factors["seed"]))
            conditions.setdefault(f"{name}, {_ATTENTION}", []).append(run)
    estimates = Estimates(conditions, (AUC, ACCURACY), replicates=context.scale.replicates)
    gains = {name: estimates.difference(name, _BASE, AUC) for name in conditions if name != _BASE}
    lost = gains["all frames, mean"]
    word = {"above": "lose", "below": "gain", "open": "neither clearly lose nor gain"}
    text = (
        (
            f"Key frames {word[lost.sign]} against the mean over all frames: all less key frames "
            f"is {lost.signed} in AUC over videos."
        ),
        (
            f"Clearly better than the mean over key frames: {_above(gains, 'above')}; clearly "
            f"worse: {_above(gains, 'below')}."
        ),
        seen.told,
    )
    results = [
        *list_results(estimates, list(conditions), (AUC, ACCURACY)),
        *(Result(f"{n} less {_BASE}", AUC, e, "difference") for n, e in gains.items()),
    ]
    chart = dots(
        "Less the mean over key frames",
        f"At {budget} key or uniform frames of each face. Right of the dashed line is better.",
        x_label="difference of AUC over videos",
        rows=gains,
        zero=True,
    )
    limits = seen.limits
    if not measurements.where(pooling=_ATTENTION):
        limits = (*limits, "What pooling by attention does: no films are marked for learning it.")
    return Answer(text, tuple(results), (chart,), limits)


def _above(gains: Mapping[str, Estimate], sign: str) -> str:
    names = [name for name, e in gains.items() if e.sign == sign]
    return spell(names)


TEMPORAL_INFORMATION = Study(
    name="temporal-information",
    origin="C1: key frames against aggregating frames",
    question="How much does a detector lose by looking at key frames instead of the whole film?",
    varies="the frames (key, uniform, all); how their scores become one (mean, max, top 3, "
    "attention learned on other films)",
    held="videos, faces, the detector",
    measures="AUC and accuracy over videos",
    statistic="difference of each and the mean over key frames on the same videos; intervals draw "
    "source videos (and seeds of the attention)",
    cannot_say=(
        (
            "What a network that sees motion would find: every frame is scored alone, only scores "
            "and embeddings are pooled."
        ),
        FILMS_ONLY,
    ),
    needs="films, detector",
    cells=_cells,
    answer=_answer,
)
