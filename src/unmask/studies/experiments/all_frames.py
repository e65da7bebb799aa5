"""The study of every frame against key frames, in what is learned from and judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.studies.cells import Cell, Factor
from unmask.studies.charts import dots
from unmask.studies.conditions import list_results, need, tally
from unmask.studies.crop_set import COLUMNS, Material
from unmask.studies.film_scores import FILMS_ONLY, PAPER
from unmask.studies.films import Film
from unmask.studies.frame_crops import chosen_rows, frames_cell, with_film_facts
from unmask.studies.resampling import ACCURACY, AUC, Estimates, Run
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext
from unmask.studies.trained_scores import Lesson, lesson_cell, scored_videos


def _all_cells(context: StudyContext) -> list[Cell]:
    training, validation, test = context.films.sides
    cutting = context.recipes.cutting
    frames = [frames_cell({"film": f.id}, f, cutting) for f in (*training, *validation, *test)]
    judged = _material(context, test, "all")
    cells = []
    for network in context.scale.networks:
        for choice in ("key", "all"):
            sides = [_material(context, films, choice) for films in (training, validation)]
            for seed in context.seeds:
                recipe = context.recipes.of_network(
                    network, imbalance__strategy="balanced", selection="video_auc", seed=seed
                )
                lesson = Lesson(recipe, sides[0], sides[1], judged)
                factors: dict[str, Factor] = {"network": network, "frames": choice, "seed": seed}
                cells.append(lesson_cell(factors, lesson, device=context.request.device))
    return [*frames, *cells]


def _material(context: StudyContext, films: Sequence[Film], choice: str) -> Material:
    """Return the crops of films: of key frames, or of all with the key frames marked."""
    cutting = context.recipes.cutting
    parts, keys = [], []
    for film in films:
        cell = frames_cell({}, film, cutting)
        table = context.films.frames(film, cutting)
        if table is None or not len(table):
            continue
        scan = cutting.scan
        rows = chosen_rows(
            table, PAPER, context.scale.budget, smoothing_frames=scan.smoothing_frames
        )
        is_key = np.zeros(len(table), dtype=np.bool_)
        is_key[rows] = True
        crops = _crops(with_film_facts(table, film), is_key)
        parts.append(crops.filter(pa.array(is_key)) if choice == "key" else crops)
        keys.append(cell.key)
    if not parts:
        raise ManifestError(
            "no face was found in any film of a side",
            hint="look at the videos with `unmask keyframes`",
        )
    selection = f"{choice} {context.scale.budget} {' '.join(keys)}"
    digest = hashlib.sha256(selection.encode()).hexdigest()
    return Material(
        context.films.films.title, digest, context.films.films.licence, pa.concat_tables(parts)
    )


def _crops(table: pa.Table, is_key: NDArray[np.bool_]) -> pa.Table:
    """Return frames of a film as crops; `condition` tells key frames from others."""
    names = [
        f"{video}#{track}.{frame}"
        for video, track, frame in zip(
            *(table[n].to_pylist() for n in ("video", "track", "frame")), strict=True
        )
    ]
    none = pa.nulls(len(table), pa.string())
    columns = {
        "name": pa.array(names),
        "source": none,
        "person": none,
        "split": none,
        "condition": pa.array(["key" if key else "other" for key in is_key]),
        "persons": pa.nulls(len(table), COLUMNS.field("persons").type),
    }
    columns |= {n: table[n] for n in ("label", "video", "target", "method", "frame", "image")}
    return pa.table([columns[n] for n in COLUMNS.names], schema=COLUMNS)


def _all_answer(context: StudyContext, measurements: Measurements) -> Answer:
    conditions: dict[str, list[Run]] = {}
    for (network, choice), cells in measurements.by("network", "frames").items():
        for shown in ("key", "all"):
            name = f"{network}: learned {choice}, judged {shown}"
            for cell, measured in cells:
                flags = np.array(measured.table["condition"].to_pylist()) == "key"
                keep = flags if shown == "key" else np.ones(len(flags), dtype=np.bool_)
                run = scored_videos(measured.table, str(cell.factors["seed"]), keep=keep)
                conditions.setdefault(name, []).append(run)
    both = [f"learned {choice}, judged {choice}" for choice in ("all", "key")]
    networks = [
        n for n in context.scale.networks if {f"{n}: {word}" for word in both} <= set(conditions)
    ]
    need(networks, context.scale.networks[:1])
    estimates = Estimates(conditions, (AUC, ACCURACY), replicates=context.scale.replicates)
    pairs = [(f"{n}: learned all, judged all", f"{n}: learned key, judged key") for n in networks]
    judged = [(f"{n}: learned key, judged all", f"{n}: learned key, judged key") for n in networks]
    gain = estimates.mean_difference(pairs, AUC)
    only_judged = estimates.mean_difference(judged, AUC)
    rows = {n: estimates.difference(*p, AUC) for n, p in zip(networks, pairs, strict=True)}
    word = {"above": "gain", "below": "lose", "open": "neither clearly gain nor lose"}
    text = (
        (
            f"Every frame against key frames: networks {word[gain.sign]} in AUC over videos, "
            f"{gain.signed} on average over {tally(len(networks))}."
        ),
        (
            f"With the same network (learned on key frames), judging every frame changes AUC by "
            f"{only_judged.signed}."
        ),
        _costs(measurements),
    )
    results = [
        *list_results(estimates, list(conditions), (AUC, ACCURACY)),
        *(Result(f"{n}: all less key", AUC, e, "difference") for n, e in rows.items()),
        Result("mean over networks: all less key", AUC, gain, "difference"),
        Result("mean: judged on all less key", AUC, only_judged, "difference"),
    ]
    chart = dots(
        "Every frame less key frames",
        "AUC over videos, learned and judged on every frame, less the same on key frames.",
        x_label="difference of AUC",
        rows={**rows, "mean over networks": gain},
        zero=True,
    )
    return Answer(text, tuple(results), (chart,))


def _costs(measurements: Measurements) -> str:
    """Say in a sentence what key frames and all frames cost."""
    films = [m.figures for cells in measurements.by("film").values() for _, m in cells]
    totals = {name: sum(f[name] for f in films) for name in films[0]}
    trained = {
        choice: [m.figures for _, m in cells]
        for (choice,), cells in measurements.by("frames").items()
    }
    seconds = {
        choice: float(np.mean([f["training_seconds"] for f in each]))
        for choice, each in trained.items()
    }
    per_crop = float(np.mean([f["scoring_seconds"] / f["scored_crops"] for f in trained["key"]]))
    ratio = totals["frames_all"] / max(1.0, totals["frames_keys"])
    cut = [totals["seconds_read"] + totals[f"seconds_{c}"] for c in ("keys", "all")]
    return (
        f"Cost: {totals['frames_keys']:.0f} key frames and {totals['frames_all']:.0f} frames in "
        f"all ({ratio:.1f} times as many); reading and cutting took {cut[0]:.0f} s and "
        f"{cut[1]:.0f} s, training one network {seconds.get('key', 0):.0f} s and "
        f"{seconds.get('all', 0):.0f} s, scoring {per_crop * 1000:.1f} ms a frame."
    )


ALL_FRAMES = Study(
    name="all-frames",
    origin="E1: all models on all frames, without key frames",
    question="What do the networks lose by looking at key frames only, and what do they save?",
    varies="the frames that a network learns from and is judged by: the paper's key frames or "
    "every sampled frame; the network",
    held="videos, recipe, passes over the crops (so every frame means more steps), class weights",
    measures="AUC and accuracy over videos (mean logit of a video's frames); frames and seconds",
    statistic="difference of all and key frames on the same videos; intervals draw source videos "
    "and seeds",
    cannot_say=(
        "Whether more steps or other frames make a difference: every frame brings both.",
        FILMS_ONLY,
    ),
    needs="films",
    cells=_all_cells,
    answer=_all_answer,
)
