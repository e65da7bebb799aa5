"""The study of forgeries that come slowly or for a moment: what key frames miss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unmask.core.errors import ManifestError
from unmask.studies.cells import Cell
from unmask.studies.charts import Drawing, dots
from unmask.studies.conditions import list_results
from unmask.studies.estimate import Estimate
from unmask.studies.film_scores import FILMS_ONLY, PAPER, View, Views, scored_films
from unmask.studies.films import Film
from unmask.studies.frame_crops import mixed_cell
from unmask.studies.resampling import AUC, MEAN, Estimates, Run, Valued
from unmask.studies.scorers import scored_cell
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext

_SCHEDULES = ("whole", "fade", "insertion")
_CHOICES = {"key frames": PAPER, "uniform frames": "uniform", "all frames": "all"}
_POOLINGS = ("mean", "top 3")
_FORGED = 0.5
"""A frame shows the forgery from this share of it on."""


def _cells(context: StudyContext) -> list[Cell]:
    pairs = context.films.films.pairs()
    if not pairs:
        raise ManifestError(
            "no fake has the real video that it was made from in the manifest",
            hint="give a data set with originals, such as FaceForensics++",
        )
    reals = list(dict.fromkeys(real for real, _ in pairs))
    cells = scored_films(context, reals, schedule="none")
    for real, fake in pairs:
        for name in _SCHEDULES:
            factors = {"film": fake.id, "schedule": name}
            cutting = context.scorer.cutting
            frames = mixed_cell({**factors, "step": "cut"}, real, fake, name, cutting)
            scored = scored_cell(
                {**factors, "step": "score"}, frames, context.scorer, context.cache
            )
            cells += [frames, scored]
    return cells


def _views(context: StudyContext, measurements: Measurements, schedule: str) -> tuple[View, ...]:
    films: dict[str, Film] = {film.id: film for film in context.films.films.films}
    return tuple(
        View(films[str(cell.factors["film"])], measured.table)
        for cell, measured in measurements.where(step="score", schedule=schedule)
        if len(measured.table)
    )


def _answer(context: StudyContext, measurements: Measurements) -> Answer:
    reals = _views(context, measurements, "none")
    conditions: dict[str, list[Run]] = {}
    hits: dict[str, list[Run]] = {}
    for schedule in _SCHEDULES:
        fakes = _views(context, measurements, schedule)
        if not reals or not fakes:
            raise ManifestError("not answered: no scored films", hint="see the table of cells")
        smoothing = context.scorer.cutting.scan.smoothing_frames
        seen = Views((*reals, *fakes), 0, 0, smoothing, context.scorer.threshold)
        for name, selector in _CHOICES.items():
            for pooling in _POOLINGS:
                run = seen.scored(selector, context.scale.budget, pooling=pooling)
                conditions[f"{schedule}: {name}, {pooling}"] = [run]
            hits[f"{schedule}: {name}"] = [_hits(fakes, selector, context.scale.budget, smoothing)]
    estimates = Estimates(conditions, (AUC,), replicates=context.scale.replicates)
    shown = Estimates(hits, (MEAN,), replicates=context.scale.replicates)
    return _conclude(context, estimates, shown, len(reals))


def _hits(films: Sequence[View], selector: str, budget: int, smoothing: int) -> Valued:
    """Return for each film whether a chosen frame shows the forgery."""
    hits = []
    for view in films:
        shares = np.asarray(view.table["share"], dtype=np.float64)
        rows = view.rows(selector, budget, smoothing_frames=smoothing)
        hits.append(float((shares[rows] >= _FORGED).any()))
    clusters = np.array([view.film.target for view in films], dtype=object)
    return Valued("0", np.array(hits), clusters)


def _conclude(context: StudyContext, estimates: Estimates, shown: Estimates, reals: int) -> Answer:
    missed = {
        f"{s}, {p}": estimates.difference(f"{s}: all frames, {p}", f"{s}: key frames, {p}", AUC)
        for s in _SCHEDULES
        for p in _POOLINGS
    }
    insertion = shown.of("insertion: key frames", MEAN)
    uniform = shown.of("insertion: uniform frames", MEAN)
    short = estimates.difference("insertion: key frames, mean", "whole: key frames, mean", AUC)
    budget = context.scale.budget
    text = (
        (
            f"Of forgeries that last an eighth of the film, at most {budget} key frames of a face "
            f"show a forged frame in {_percent(insertion.value)} of films, as many uniform frames "
            f"in {_percent(uniform.value)}. Looking at all frames instead of key frames changes "
            f"AUC by {missed['fade, mean'].signed} for forgeries that fade in and by "
            f"{missed['insertion, mean'].signed} for short ones."
        ),
        (
            f"On key frames short forgeries change AUC by {short.signed} against forgeries of the "
            "whole film; a mean over frames thins them out, whichever frames it takes. The mean of "
            "the three highest instead: "
            f"{estimates.of('insertion: key frames, top 3', AUC).text} on key frames, "
            f"{estimates.of('insertion: all frames, top 3', AUC).text} on all."
        ),
        (
            f"Judged by {reals} real films and each film's forgery mixed into it by a schedule: "
            "whole, fading in evenly from none to all, or inserted for an eighth."
        ),
    )
    results = [
        *list_results(estimates, list(estimates.conditions), (AUC,)),
        *(
            Result(f"{name}: films with a forged frame", "share", shown.of(name, MEAN))
            for name in shown.conditions
        ),
        *(Result(f"{n}: all less key frames", AUC, e, "difference") for n, e in missed.items()),
    ]
    return Answer(text, tuple(results), _drawings(missed, shown))


def _drawings(missed: Mapping[str, Estimate], shown: Estimates) -> tuple[Drawing, ...]:
    return (
        dots(
            "What key frames miss",
            "AUC over films on all frames less that on key frames; right: key frames miss some.",
            x_label="difference of AUC",
            rows=missed,
            zero=True,
        ),
        dots(
            "Is a forged frame among those chosen?",
            "Share of films in which a chosen frame shows at least half of the forgery.",
            x_label="share of films",
            rows={n: shown.of(n, MEAN) for n in shown.conditions if "all" not in n},
        ),
    )


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.0%}"


GRADUAL_CHANGES = Study(
    name="gradual-changes",
    origin="weak point of the document: gradual changes without sharp differences",
    question="Do key frames miss forgeries that fade in slowly or last only a moment?",
    varies="when the forgery is in the film: throughout, fading in, an eighth of it; the frames "
    "that are looked at",
    held="films, forgeries, faces, the detector, the number of key and of uniform frames",
    measures="AUC over films against the real ones; whether a chosen frame shows the forgery",
    statistic="difference of all frames and key frames on the same films; intervals draw source "
    "videos",
    cannot_say=(
        (
            "How a forger's own fade looks: here a forgery is mixed into its original picture by "
            "picture and encoded once more, the real films are not."
        ),
        FILMS_ONLY,
    ),
    needs="films, detector",
    cells=_cells,
    answer=_answer,
)
