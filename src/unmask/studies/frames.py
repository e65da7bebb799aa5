"""Studies of which frames are looked at: every frame or key frames (E1), and other ways (Q2)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from unmask.errors import ManifestError
from unmask.studies.cells import Cell
from unmask.studies.drawing import curves, dots
from unmask.studies.estimate import Estimate
from unmask.studies.films import Film, chosen_rows, frames_cell, named
from unmask.studies.learned import Lesson, lesson_cell, scored_videos
from unmask.studies.material import COLUMNS, Material
from unmask.studies.reading import listed, need, values_of
from unmask.studies.resampling import ACCURACY, AUC, Estimates, Run
from unmask.studies.study import Answer, Found, Result, Study
from unmask.studies.watching import scored_films, watched
from unmask.studies.world import World

PAPER = "local-maxima"
"""The paper's way to choose frames."""
FILMS_ONLY = "Other videos: these are the figures of this set, and few videos give wide intervals."


# -- every frame (E1) -----------------------------------------------------------------------------


def _all_cells(world: World) -> list[Cell]:
    training, validation, test = world.film_sides
    cutting = world.learned_cutting
    frames = [frames_cell({"film": f.id}, f, cutting) for f in (*training, *validation, *test)]
    judged = _material(world, test, "all")
    cells = []
    for network in world.scale.networks:
        for choice in ("key", "all"):
            sides = [_material(world, films, choice) for films in (training, validation)]
            for seed in world.seeds:
                recipe = world.recipe(
                    network, imbalance__strategy="balanced", selection="video_auc", seed=seed
                )
                lesson = Lesson(recipe, sides[0], sides[1], judged)
                factors = {"network": network, "frames": choice, "seed": seed}
                cells.append(lesson_cell(factors, lesson, device=world.asked.device))
    return [*frames, *cells]


def _material(world: World, films: Sequence[Film], choice: str) -> Material:
    """Return the crops of films: of key frames, or of all with the key frames marked."""
    cutting = world.learned_cutting
    parts, keys = [], []
    for film in films:
        cell = frames_cell({}, film, cutting)
        table = world.frames(film, cutting)
        if table is None or not len(table):
            continue
        scan = cutting.scan
        rows = chosen_rows(table, PAPER, world.scale.budget, smoothing_frames=scan.smoothing_frames)
        is_key = np.zeros(len(table), dtype=np.bool_)
        is_key[rows] = True
        crops = _crops(named(table, film), is_key)
        parts.append(crops.filter(pa.array(is_key)) if choice == "key" else crops)
        keys.append(cell.key)
    if not parts:
        raise ManifestError(
            "no face was found in any film of a side",
            hint="look at the videos with `unmask keyframes`",
        )
    told = f"{choice} {world.scale.budget} {' '.join(keys)}"
    digest = hashlib.sha256(told.encode()).hexdigest()
    return Material(world.films.title, digest, world.films.licence, pa.concat_tables(parts))


def _crops(table: pa.Table, is_key: np.ndarray) -> pa.Table:  # type: ignore[type-arg]
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
    }
    columns |= {n: table[n] for n in ("label", "video", "target", "method", "frame", "image")}
    return pa.table([columns[n] for n in COLUMNS.names], schema=COLUMNS)


def _all_answer(world: World, found: Found) -> Answer:
    conditions: dict[str, list[Run]] = {}
    for (network, choice), cells in found.by("network", "frames").items():
        for judged in ("key", "all"):
            name = f"{network}: learned {choice}, judged {judged}"
            for cell, measured in cells:
                flags = np.array(measured.table["condition"].to_pylist()) == "key"
                keep = flags if judged == "key" else np.ones(len(flags), dtype=np.bool_)
                run = scored_videos(measured.table, str(cell.factors["seed"]), keep=keep)
                conditions.setdefault(name, []).append(run)
    networks = [n for n in world.scale.networks if f"{n}: learned all, judged all" in conditions]
    need(networks, world.scale.networks[:1])
    estimates = Estimates(conditions, (AUC, ACCURACY), replicates=world.scale.replicates)
    pairs = [(f"{n}: learned all, judged all", f"{n}: learned key, judged key") for n in networks]
    judged = [(f"{n}: learned key, judged all", f"{n}: learned key, judged key") for n in networks]
    gain = estimates.mean_difference(pairs, AUC)
    only_judged = estimates.mean_difference(judged, AUC)
    rows = {n: estimates.difference(*p, AUC) for n, p in zip(networks, pairs, strict=True)}
    word = {"above": "gain", "below": "lose", "open": "neither clearly gain nor lose"}
    text = (
        (
            f"Every frame against key frames: networks {word[gain.sign]} in AUC over videos, "
            f"{gain.signed} on average over {len(networks)} networks."
        ),
        (
            f"With the same network (learned on key frames), judging every frame changes AUC by "
            f"{only_judged.signed}."
        ),
        _costs(found),
    )
    results = [
        *values_of(estimates, list(conditions), (AUC, ACCURACY)),
        *(Result(f"{n}: all less key", AUC, e, "difference") for n, e in rows.items()),
        Result("mean over networks: all less key", AUC, gain, "difference"),
        Result("mean: judged on all less key", AUC, only_judged, "difference"),
    ]
    chart = dots(
        "Every frame less key frames",
        "AUC over videos, learned and judged on every frame, less learned and judged on key frames.",
        x_label="difference of AUC",
        rows={**rows, "mean over networks": gain},
        zero=True,
    )
    return Answer(text, tuple(results), (chart,))


def _costs(found: Found) -> str:
    """Say in a sentence what key frames and all frames cost."""
    films = [m.figures for _, m in found.by("film").get((), [])] or [
        m.figures for cells in found.by("film").values() for _, m in cells
    ]
    totals = {name: sum(f[name] for f in films) for name in films[0]}
    trained = {
        choice: [m.figures for _, m in cells] for (choice,), cells in found.by("frames").items()
    }
    seconds = {
        choice: float(np.mean([f["training_seconds"] for f in each]))
        for choice, each in trained.items()
    }
    per_crop = float(np.mean([f["scoring_seconds"] / f["scored_crops"] for f in trained["key"]]))
    ratio = totals["frames_all"] / max(1.0, totals["frames_keys"])
    cut = [totals["seconds_read"] + totals[f"seconds_{c}"] for c in ("keys", "all")]
    return (
        f"Cost: {totals['frames_keys']:.0f} key frames and {totals['frames_all']:.0f} frames in all "
        f"({ratio:.1f} times as many); reading and cutting took {cut[0]:.0f} s and {cut[1]:.0f} s, "
        f"training one network {seconds.get('key', 0):.0f} s and {seconds.get('all', 0):.0f} s, "
        f"scoring {per_crop * 1000:.1f} ms a frame."
    )


ALL_FRAMES = Study(
    name="all-frames",
    origin="E1: all models on all frames, without key frames",
    question="What do the networks lose by looking at key frames only, and what do they save?",
    varies="the frames that a network learns from and is judged by: the paper's key frames or every "
    "sampled frame; the network",
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


# -- selectors (Q2) -------------------------------------------------------------------------------


def _selection_cells(world: World) -> list[Cell]:
    return scored_films(world, world.films.judged())


def _selection_answer(world: World, found: Found) -> Answer:
    seen = watched(world, found)
    scale = world.scale
    conditions: dict[str, list[Run]] = {}
    for selector in scale.selectors:
        for budget in scale.budgets if selector != "all" else (max(scale.budgets),):
            seeds = world.seeds if selector == "random" else range(1)
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
            f"Over the budgets {', '.join(map(str, scale.budgets))} together, clearly better than the "
            f"paper's local maxima: {listed(better)}; clearly worse: {listed(worse)}."
        ),
        (
            f"At {held} frames a face local maxima reach AUC "
            f"{estimates.of(f'{PAPER}, {held}', AUC).text} over videos; a single one "
            f"{estimates.of(f'{PAPER}, {min(scale.budgets)}', AUC).text}."
        ),
        seen.told,
    )
    results = [
        *values_of(estimates, list(conditions), (AUC,)),
        *(
            Result(f"{s} less {PAPER}, over all budgets", AUC, e, "difference")
            for s, e in paired.items()
        ),
        *(Result(f"{s} less {PAPER}, at {held}", AUC, e, "difference") for s, e in gains.items()),
    ]
    return Answer(
        text, tuple(results), _selection_charts(world, estimates, gains, held), seen.limits
    )


def _selection_charts(
    world: World, estimates: Estimates, gains: Mapping[str, Estimate], held: int
) -> tuple:  # type: ignore[type-arg]
    scale = world.scale
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
        "What a network would do that had learned from frames chosen that way: the detector is held.",
        FILMS_ONLY,
    ),
    needs="films, detector",
    cells=_selection_cells,
    answer=_selection_answer,
)
