"""The study of how much of a figure is leak: the same crops split by frame, by video, by person."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unmask.core.errors import ManifestError
from unmask.evaluation.weightings import Values
from unmask.report.wording import leak_mark
from unmask.studies.cells import Cell, Factor
from unmask.studies.charts import Drawing, dots
from unmask.studies.conditions import list_results, need
from unmask.studies.crop_set import Material, Positions
from unmask.studies.estimate import Estimate
from unmask.studies.resampling import ACCURACY, AUC, Estimates, Run
from unmask.studies.study import Answer, Measurements, Result, Study
from unmask.studies.study_context import StudyContext
from unmask.studies.trained_scores import Lesson, lesson_cell, scored_crops

_FIGURES = (AUC, ACCURACY)
_FRAME = f"frame{leak_mark(leaks=True)}"
"""Name of the frame split wherever its numbers stand: on pages, in tables and in files."""
_GUESSING = 0.5


def assign_folds(crops: Material, protocol: str, folds: int, seed: int) -> Positions:
    """Return the fold of each crop under a protocol.

    Args:
        crops: to split.
        protocol: `frame` draws each crop by itself, as the paper did; `video` keeps footage
            together; `identity` keeps persons together as well, both of a swap.
        folds: how many.
        seed: of the draw.
    """
    if protocol == "frame":
        return np.random.default_rng(seed).permutation(len(crops)) % folds
    return crops.parted([1.0] * folds, seed, persons=protocol == "identity")


def why_persons_tied(crops: Material, folds: int, seeds: Iterable[int]) -> str | None:
    """Return why crops cannot be split by person into equal folds; None where they can.

    Args:
        crops: to split.
        folds: how many.
        seeds: of the draws.
    """
    if not all(crops.persons):
        return "not every row names one"
    groups = crops.linked(persons=True)
    parts = [assign_folds(crops, "identity", folds, seed) for seed in seeds]
    whole = all(
        0 < crops.is_fake[part == fold].sum() < (part == fold).sum()
        for part in parts
        for fold in range(folds)
    )
    if whole and groups.largest_share <= 1 / folds:
        return None
    return (
        f"persons tied by swaps or by a video (groups: {len(groups)}, the largest with "
        f"{groups.largest_share:.0%} of the crops) cannot be spread over {folds} equal folds with "
        "real and fake crops each"
    )


def _why_tied(context: StudyContext) -> str | None:
    return why_persons_tied(context.crops.persons, context.scale.folds, context.seeds)


def _protocols(tied: str | None) -> tuple[str, ...]:
    return ("frame", "video") if tied else ("frame", "video", "identity")


def _cells(context: StudyContext) -> list[Cell]:
    crops, folds = context.crops.persons, context.scale.folds
    if folds < 3:
        raise ValueError(f"the study of leaks needs 3 folds at least, got {folds}")
    if len(set(crops.names("video"))) == len(crops):
        raise ManifestError(
            "every crop is of another video, so that splitting frames is splitting videos",
            hint="give crops of several frames of each video",
        )
    cells = []
    for protocol in _protocols(_why_tied(context)):
        for seed in context.seeds:
            fold_of = assign_folds(crops, protocol, folds, seed)
            for fold in range(folds):
                chosen_by = (fold + 1) % folds
                recipe = context.recipes.of_network(
                    context.scale.networks[0],
                    *context.scale.leak_changes,
                    imbalance__strategy="balanced",
                    selection="accuracy",
                    seed=seed,
                )
                lesson = Lesson(
                    recipe,
                    crops.take((fold_of != fold) & (fold_of != chosen_by)),
                    crops.take(fold_of == chosen_by),
                    crops.take(fold_of == fold),
                )
                factors: dict[str, Factor] = {"split": protocol, "seed": seed, "fold": fold}
                cells.append(lesson_cell(factors, lesson, device=context.request.device))
    return cells


def _answer(context: StudyContext, measurements: Measurements) -> Answer:
    tied = _why_tied(context)
    strictest = _protocols(tied)[-1]
    by_person = tied is None
    cluster = "person" if by_person else "target"
    conditions: dict[str, list[Run]] = {
        _FRAME if protocol == "frame" else str(protocol): [
            scored_crops(m.table, str(cell.factors["seed"]), cluster=cluster) for cell, m in cells
        ]
        for (protocol,), cells in measurements.by("split").items()
    }
    need(list(conditions), [_FRAME, "video", strictest])
    estimates = Estimates(conditions, _FIGURES, replicates=context.scale.replicates)
    gaps = {
        f"{_FRAME} less {name}": estimates.difference(_FRAME, name, AUC)
        for name in conditions
        if name != _FRAME
    }
    gap, accuracy = (
        gaps[f"{_FRAME} less {strictest}"],
        estimates.difference(_FRAME, strictest, ACCURACY),
    )
    share = leak_share(estimates, strictest)
    word = {"above": "scores higher than", "below": "scores lower than"}.get(
        gap.sign, "is not clearly above"
    )
    between = estimates.of("video", AUC).text
    text = (
        (
            f"The frame split {word} the {strictest} split: AUC {estimates.of(_FRAME, AUC).text}"
            f"{leak_mark(leaks=True)} against {estimates.of(strictest, AUC).text}, a difference of "
            f"{gap.signed}; accuracy differs by {accuracy.signed}."
        ),
        f"{_why(by_person)} Here the split by video gives AUC {between}.",
        _describe_share(share, strictest),
    )
    results = [
        *list_results(estimates, list(conditions), _FIGURES),
        *(Result(n, AUC, e, "difference") for n, e in gaps.items()),
        Result(f"{_FRAME} less {strictest}", ACCURACY, accuracy, "difference"),
        Result(f"lead of the {_FRAME} split that is gone under {strictest}", "share", share),
    ]
    limits = () if by_person else (f"What persons give away: {tied}.",)
    return Answer(text, tuple(results), (_draw(estimates),), limits)


def _draw(estimates: Estimates) -> Drawing:
    return dots(
        "The same crops and networks under each split",
        "AUC of crops that the network did not learn from; guessing is 0.5; bars: 95 % intervals.",
        x_label="AUC",
        rows={f"{name} split": estimates.of(name, AUC) for name in estimates.conditions},
    )


def leak_share(estimates: Estimates, strictest: str) -> Estimate:
    """Return which share of the frame split's lead over guessing the strictest split takes away."""
    keys = [f"{name}\0{AUC}" for name in (_FRAME, strictest)]

    def share(frame: Values, strict: Values) -> Values:
        with np.errstate(invalid="ignore", divide="ignore"):
            lead = frame - _GUESSING
            return np.asarray(np.where(lead > 0, (frame - strict) / lead, np.nan))

    plain = share(*(np.array([estimates.values[key]]) for key in keys))
    draws = share(*(estimates.draws[key] for key in keys)) if estimates.draws else None
    return estimates.estimate(float(plain[0]), draws, _FRAME, strictest)


def _describe_share(share: Estimate, strictest: str) -> str:
    """Say how much of the frame split's lead is leak, or that there is no lead."""
    if share.value is None:
        return "The frame split has no lead over guessing (AUC 0.5) that could be leak."
    under = f"is gone under the {strictest} split"
    gone = f"a share of {share.text} {under}"
    if share.value >= 1:
        gone = f"all {under} (a share of {share.text}: more than 1 is below guessing)"
    return (
        f"Of the frame split's lead over guessing (AUC less 0.5) {gone}: so much of such a number "
        "is leak on these data."
    )


def _why(by_person: bool) -> str:
    persons = (
        " A split by video ends that, but the same persons stand on both sides, and where some "
        "persons are mostly forged and others mostly real, knowing the person is enough. Only the "
        "split by identity asks for the forgery itself."
        if by_person
        else ""
    )
    return (
        "Why: under a frame split, frames of one video lie on both sides, all with one label, so a "
        "network that knows the video again knows the answer." + persons
    )


LEAK = Study(
    name="leak",
    origin="ours: the paper splits frames at random",
    question="How much of a figure under the paper's frame split is leak?",
    varies="how crops are split into folds: frame by frame, by video, by person",
    held="crops, network, recipe; every crop is scored once in each protocol, by a network of the "
    "same share of the crops",
    measures="AUC and accuracy of the crops of each held-out fold, mean over folds and seeds",
    statistic="difference of the frame split and the strictest split; intervals draw persons (or "
    "source videos where persons cannot be kept apart) and seeds",
    cannot_say=(
        (
            "How much of the paper's own figure is leak: that depends on its data and networks; "
            "this is the mechanism and its size on these crops."
        ),
    ),
    needs="persons",
    cells=_cells,
    answer=_answer,
)
