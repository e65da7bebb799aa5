"""The study of what is lost in time: key frames against pooling over more frames (C1)."""

from __future__ import annotations

from collections.abc import Mapping

from unmask.studies.attention import Choice, attention_cell
from unmask.studies.cells import Cell
from unmask.studies.drawing import dots
from unmask.studies.estimate import Estimate
from unmask.studies.films import Film
from unmask.studies.reading import listed, values_of
from unmask.studies.resampling import ACCURACY, AUC, Estimates, Run
from unmask.studies.study import Answer, Found, Result, Study
from unmask.studies.watching import FILMS_ONLY, PAPER, POOLINGS, View, scored_films, watched
from unmask.studies.world import World

_CHOICES = {"key frames": PAPER, "uniform frames": "uniform", "all frames": "all"}
_BASE = "key frames, mean"
_ATTENTION = "attention"


def _cells(world: World) -> list[Cell]:
    judged = world.films.judged()
    learned = _learned(world)
    cells = scored_films(world, [*learned, *judged])
    if not learned:
        return cells
    done = {
        str(cell.factors["film"]): (cell, world.cache.run(cell).table)
        for cell in cells
        if cell.factors["step"] == "score" and world.done(cell)
    }
    training = [(View(f, done[f.id][1]), done[f.id][0].key) for f in learned if f.id in done]
    viewed = [(View(f, done[f.id][1]), done[f.id][0].key) for f in judged if f.id in done]
    usable = [(view, key) for view, key in training if len(view.table)]
    choices = [(view, key, _choice(world, view)) for view, key in viewed if len(view.table)]
    return [
        *cells,
        *(
            attention_cell({"pooling": _ATTENTION, "seed": seed}, usable, choices, seed=seed)
            for seed in world.seeds
        ),
    ]


def _learned(world: World) -> list[Film]:
    """Return films to learn pooling from: none where the data mark no training side."""
    found = world.films.side("train", "validation")
    return list(found) if {film.label for film in found} == {"real", "fake"} else []


def _choice(world: World, view: View) -> Choice:
    smoothing = world.scorer.cutting.scan.smoothing_frames
    return {
        name: view.rows(selector, world.scale.budget, smoothing_frames=smoothing)
        for name, selector in _CHOICES.items()
    }


def _answer(world: World, found: Found) -> Answer:
    seen = watched(world, found)
    budget = world.scale.budget
    conditions: dict[str, list[Run]] = {
        f"{name}, {pooling}": [seen.scored(selector, budget, pooling=pooling)]
        for name, selector in _CHOICES.items()
        for pooling in POOLINGS
    }
    for cell, measured in found.where(pooling=_ATTENTION):
        logits = {(r["video"], r["frames"]): r["logit"] for r in measured.table.to_pylist()}
        for name in _CHOICES:
            of_films = [logits[view.film.id, name] for view in seen.views]
            run = seen.of(of_films, seed=int(cell.factors["seed"]))
            conditions.setdefault(f"{name}, {_ATTENTION}", []).append(run)
    estimates = Estimates(conditions, (AUC, ACCURACY), replicates=world.scale.replicates)
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
        *values_of(estimates, list(conditions), (AUC, ACCURACY)),
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
    if not found.where(pooling=_ATTENTION):
        limits = (*limits, "What pooling by attention does: no films are marked for learning it.")
    return Answer(text, tuple(results), (chart,), limits)


def _above(gains: Mapping[str, Estimate], sign: str) -> str:
    names = [name for name, e in gains.items() if e.sign == sign]
    return listed(names)


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
