"""The study of a planted watermark: do accuracy, maps and localisation reveal it?"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from unmask.evaluation.stored_pictures import drawn_evenly
from unmask.explain.localisation import localise
from unmask.explain.methods import TITLES, explain
from unmask.studies.cells import Cell, Factor, Measured, Place
from unmask.studies.charts import Drawing, dots
from unmask.studies.conditions import list_results, need
from unmask.studies.crop_set import Material
from unmask.studies.estimate import Estimate
from unmask.studies.pictures import join_materials, mark_mask, plant_marks
from unmask.studies.resampling import ACCURACY, AUC, BALANCED, MEAN, Estimates, Run, Valued
from unmask.studies.scorers import Scorer, decode_crop
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext
from unmask.studies.trained_scores import Lesson, lesson_cell, scored_crops

_METHODS = ("gradcam", "gradcam++", "faster-scorecam", "smoothgrad", "occlusion")
_LEARNED = ("clean", "marked fakes")
_JUDGED = ("no marks", "marks on fakes", "marks on reals")
_FIGURES = (AUC, BALANCED, ACCURACY)


def _cells(context: StudyContext) -> list[Cell]:
    cells = []
    for seed in context.seeds:
        lessons = [_lesson(context, learned, seed) for learned in _LEARNED]
        cells += lessons
        for learned, lesson in zip(_LEARNED, lessons, strict=True):
            factors: dict[str, Factor] = {"maps of": learned, "seed": seed}
            cells.append(_maps_cell(factors, context, lesson))
    return cells


def _lesson(context: StudyContext, learned: str, seed: int) -> Cell:
    sides = context.crops.sides
    training, chosen_by = sides.training, sides.validation
    if learned == "marked fakes":
        training, chosen_by = (plant_marks(m, m.is_fake, learned) for m in (training, chosen_by))
    recipe = context.recipes.explained(seed=seed)
    lesson = Lesson(recipe, training, chosen_by, make_test_variants(sides.test))
    factors: dict[str, Factor] = {"learned from": learned, "seed": seed}
    return lesson_cell(factors, lesson, device=context.request.device, keep=True)


def make_test_variants(test: Material) -> Material:
    """Return the test crops three times: without marks, marks on the fakes, marks on the reals."""
    nobody = np.zeros(len(test), dtype=np.bool_)
    masks = (nobody, test.is_fake, ~test.is_fake)
    return join_materials(
        plant_marks(test, who, name) for who, name in zip(masks, _JUDGED, strict=True)
    )


def _maps_cell(factors: dict[str, Factor], context: StudyContext, lesson: Cell) -> Cell:
    """Return the cell that asks how much of each method's maps of marked fakes lies on the mark."""
    test = context.crops.sides.test
    fakes = test.take(test.is_fake)
    fakes = fakes.take(drawn_evenly(fakes.is_fake, max(1, context.scale.explained // 2)))
    crops = plant_marks(fakes, fakes.is_fake, _JUDGED[1])
    content = {
        "what": "maps on a mark",
        "crops": crops.sha256,
        "scorer": lesson.key,
        "methods": list(_METHODS),
    }

    def measure(_: Place) -> Measured:
        context.cache.run(lesson)
        return Measured(pa.Table.from_pylist(_on_mark(crops, context.learned(lesson))))

    return Cell(factors, content, measure)


def _on_mark(crops: Material, scorer: Scorer) -> list[dict[str, object]]:
    mask = mark_mask(scorer.input_px)
    area = float((mask > 0).mean())
    images = crops.table["image"].to_pylist()
    prepared = scorer.prepare(np.stack([decode_crop(image, scorer) for image in images]))
    result = explain(scorer.model, prepared, _METHODS)
    targets = crops.names("target")
    rows: list[dict[str, object]] = []
    for method, maps in result.items():
        for at, saliency in enumerate(maps.scaled):
            place = localise(saliency, mask)
            energy, pointing = (None, None) if place is None else (place.energy, place.pointing)
            rows.append(
                {
                    "method": method,
                    "target": targets[at],
                    "energy": energy,
                    "pointing": pointing,
                    "area": area,
                }
            )
    return rows


def _answer(context: StudyContext, measurements: Measurements) -> Answer:
    scores: dict[str, list[Run]] = {}
    for (learned, seed), cells in measurements.by("learned from", "seed").items():
        for _, measured in cells:
            conditions = np.array(measured.table["condition"].to_pylist())
            for name in _JUDGED:
                run = scored_crops(measured.table, str(seed), keep=conditions == name)
                scores.setdefault(f"learned {learned}: {name}", []).append(run)
    need(list(scores), [f"learned {learned}: {_JUDGED[0]}" for learned in _LEARNED])
    maps: dict[str, list[Run]] = {}
    area = 0.0
    for (learned, seed), cells in measurements.by("maps of", "seed").items():
        for _, measured in cells:
            rows = [r for r in measured.table.to_pylist() if r["energy"] is not None]
            area = rows[0]["area"] if rows else area
            for method in _METHODS:
                of_method = [r for r in rows if r["method"] == method]
                if of_method:
                    values = np.array([r["energy"] for r in of_method])
                    clusters = np.array([r["target"] for r in of_method], dtype=object)
                    of_maps = Valued(str(seed), values, clusters)
                    maps.setdefault(f"{TITLES[method]}, learned {learned}", []).append(of_maps)
    estimates = Estimates(scores, _FIGURES, replicates=context.scale.replicates)
    shown = Estimates(maps, (MEAN,), replicates=context.scale.replicates) if maps else None
    return _conclude(estimates, shown, area)


def _conclude(estimates: Estimates, shown: Estimates | None, area: float) -> Answer:
    trusted = estimates.of("learned marked fakes: marks on fakes", BALANCED)
    bare = estimates.of("learned marked fakes: no marks", BALANCED)
    turned = estimates.of("learned marked fakes: marks on reals", BALANCED)
    honest = estimates.of("learned clean: no marks", BALANCED)
    fall = estimates.difference(
        "learned marked fakes: no marks", "learned marked fakes: marks on fakes", BALANCED
    )
    gains = _on_the_mark(shown)
    telling = [name for name, e in gains.items() if e.sign == "above"]
    silent = [name for name in gains if name not in telling]
    text = (
        (
            "Accuracy on data like those learned from does not reveal the mark: balanced "
            f"accuracy {trusted.text}, against {honest.text} of a network that learned without. "
            f"Taking the mark away changes it by {fall.signed} (to {bare.text}); moved to the "
            f"reals it leaves {turned.text}, where guessing gives 0.5."
        ),
        (
            f"Maps: the mark covers {area:.1%} of a crop. More of the map lies on it than in a "
            f"network that learned without marks: {', '.join(telling) or 'for no method'}. Not "
            f"clearly: {', '.join(silent) or 'none'}."
        ),
        (
            "A map that lies on the mark reveals it only to somebody who looks there; the change "
            "of the score when the mark is taken away needs no eye."
        ),
    )
    results = [*list_results(estimates, list(estimates.conditions), _FIGURES)]
    results.append(
        Result("learned marked fakes: no marks less marks on fakes", BALANCED, fall, "difference")
    )
    if shown is not None:
        results += [
            Result(f"{n}: share of the map on the mark", "share", shown.of(n, MEAN))
            for n in shown.conditions
        ]
        results += [
            Result(f"{n}: learned marked less clean", "share", e, "difference")
            for n, e in gains.items()
        ]
    return Answer(text, tuple(results), tuple(_charts(estimates, shown, area)))


def _on_the_mark(shown: Estimates | None) -> dict[str, Estimate]:
    """Return by method how much more of the maps lies on the mark once it was learned."""
    if shown is None:
        return {}
    pairs = {
        TITLES[m]: (f"{TITLES[m]}, learned marked fakes", f"{TITLES[m]}, learned clean")
        for m in _METHODS
    }
    return {
        title: shown.difference(*pair, MEAN)
        for title, pair in pairs.items()
        if set(pair) <= set(shown.conditions)
    }


def _charts(estimates: Estimates, shown: Estimates | None, area: float) -> list[Drawing]:
    charts = [
        dots(
            "Balanced accuracy",
            "Guessing is 0.5; whoever follows the mark falls below it when marks are on reals.",
            x_label="balanced accuracy",
            rows={
                n.removeprefix("learned ").replace("marked fakes", "marked"): estimates.of(
                    n, BALANCED
                )
                for n in estimates.conditions
            },
        )
    ]
    if shown is not None:
        charts.append(
            dots(
                "Share of the map on the mark",
                f"Marked fakes; a map spread evenly would have {area:.1%} there.",
                x_label="share of the map",
                rows={
                    n.replace("learned ", "").replace("marked fakes", "marked"): shown.of(n, MEAN)
                    for n in shown.conditions
                },
            )
        )
    return charts


SPURIOUS_CUES = Study(
    name="spurious-cues",
    origin="weak point of the document: spurious correlations behind convincing maps",
    question="Would accuracy, maps or localisation reveal that a network follows a watermark?",
    varies="a mark planted in the fakes that are learned from, or none; marks in the test crops",
    held="crops, network, recipe; the mark covers the same corner of each crop",
    measures="balanced accuracy and AUC on the test side; share of each map on the mark",
    statistic="difference with and without the mark on the same crops; intervals draw source "
    "videos and seeds",
    cannot_say=(
        (
            "Whether cues that are spread over the picture (compression, colour) show in maps: "
            "this mark has a place."
        ),
    ),
    needs="crops",
    cells=_cells,
    answer=_answer,
)
