"""Finished detectors as the views of one: fitted weights, files under one roof, new calibration.

    bundles, predictions of each on the same faces -> weights -> joined bundle -> calibrated on them

The logit is linear in the views' logits, and so is its mean over a track or video: the weights are
those of a logistic regression on the units that are calibrated. Nothing is trained again.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.bundle.manifest import (
    Bundle,
    Judgeable,
    Metric,
    Parity,
    View,
    hash_files,
    load_bundle,
    write_manifest,
)
from unmask.bundle.runtime import Network
from unmask.core.errors import BundleError, InputError, ManifestError
from unmask.evaluation.aggregation import Level, Units, make_units
from unmask.evaluation.calibration import calibrate_bundle, check_same_model, validation_rows
from unmask.evaluation.calibrators import assign_folds, balance_weights
from unmask.evaluation.card import save
from unmask.evaluation.predictions import Predictions, read_predictions
from unmask.training.networks.shared_weights import share_weights
from unmask.training.view_figures import view_figures

Values = NDArray[np.float64]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""As `bundle.manifest.ViewName`."""
PARITY_FACES = 4
LARGEST_DIFFERENCE = 1e-4
"""Of the joined logit from the one computed from its members, over the largest logit."""


@dataclass(frozen=True, eq=False)
class Member:
    """A finished detector of one network, to become a view."""

    name: str
    """Name of the view."""
    bundle: Bundle
    """The detector."""
    predictions: Path
    """Its predictions on faces that all members have scored."""


@dataclass(frozen=True, eq=False)
class Joined:
    """What came of it."""

    bundle: Bundle
    """The detector of several views."""
    rows: int
    """Predictions that all members share."""
    parity: float
    """Largest difference from the members' own logits, over the largest logit."""
    figures: tuple[Metric, ...]
    """AUC of all views, by weights fitted without the unit's cluster, and of each view alone."""


def join(
    members: Sequence[Member],
    folder: Path,
    *,
    name: str,
    weights: Sequence[float] | None = None,
    level: Level = "video",
    all_rows: bool = False,
    seed: int = 0,
) -> Joined:
    """Write detectors as the views of one, and calibrate it.

    Args:
        members: two or more; the one that looks at the most of a face becomes the first view.
        folder: where to; must not be there, or be empty.
        name: of the new detector.
        weights: of the members' logits, in their order; None fits them.
        level: what weights and calibration are fitted on.
        all_rows: whether all rows are validation data, split or not.
        seed: of folds and draws.

    Raises:
        InputError: fewer than two members, names that no view can have, or not one finite weight
            each other than 0.
        BundleError: a member has several views already, or predictions are of another detector.
        ManifestError: the predictions share too few rows.
        ValueError: the folder is not empty.
    """
    _check(members, weights)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} is not empty; a bundle is written into a new folder")
    order = sorted(range(len(members)), key=lambda i: -_margin(members[i]))
    members = [members[i] for i in order]
    ordered_weights = (
        None if weights is None else np.array([weights[i] for i in order], dtype=np.float64)
    )
    aligned = _align(members, all_rows=all_rows)
    factors, offset = _fit(aligned, level) if ordered_weights is None else (ordered_weights, 0.0)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        partial = Path(temporary) / "bundle"
        draft = _draft(members, partial, name=name, weights=factors, offset=offset)
        parity = _require_parity(draft, members)
        manifest = calibrate_bundle(draft, _predictions(draft, aligned), level=level, seed=seed)
        figures = _figures(members, aligned, level, seed=seed, weights=ordered_weights)
        save(partial, manifest.model_copy(update={"metrics": (*figures, *manifest.metrics)}))
        load_bundle(partial)
        if folder.exists():
            folder.rmdir()
        shutil.move(partial, folder)
    return Joined(load_bundle(folder), len(aligned[0]), parity, figures)


def fit_weights(logits: Values, is_fake: NDArray[np.bool_]) -> tuple[Values, float]:
    """Fit weights and an offset by logistic regression, both classes counting alike.

    Args:
        logits: `(N, V)` of each unit by each view.
        is_fake: `(N,)` labels, both there.
    """
    from sklearn.linear_model import LogisticRegression

    # a weak pull to 0 in units of each view's spread: views that agree share the weight
    centre, spread = logits.mean(axis=0), logits.std(axis=0) + 1e-9
    model = LogisticRegression(C=100.0, tol=1e-8, max_iter=1000)
    model.fit(
        (logits - centre) / spread,
        is_fake,
        sample_weight=balance_weights(is_fake, np.ones(len(logits))),
    )
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - weights @ centre)


def _check(members: Sequence[Member], weights: Sequence[float] | None) -> None:
    """Refuse what cannot become views, before anything is read or written."""
    shares = [1.0] * len(members) if weights is None else weights
    if (
        len(members) < 2
        or len(shares) != len(members)
        or not all(isfinite(w) and w for w in shares)
    ):
        raise InputError(
            f"{len(members)} detectors cannot be joined by the weights {list(weights or ())}",
            hint="give two or more detectors, and no weight or one for each, finite and not 0",
        )
    names = [member.name for member in members]
    if len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        raise InputError(
            f"views need names of their own, got {', '.join(map(repr, names))}",
            hint="small letters, digits and hyphens, up to 32, such as wide",
        )
    for member in members:
        _check_single(member)


def _check_single(member: Member) -> None:
    manifest = member.bundle.manifest
    if len(member.bundle.views) > 1 or member.bundle.views[0].weight != 1 or manifest.logit_offset:
        raise BundleError(
            f"the detector {manifest.name!r} is a joined one already",
            hint="join the detectors that it was made from",
        )
    if manifest.clip is not None:
        raise BundleError(
            f"the detector {manifest.name!r} judges clips, which have no views",
            hint="join detectors of single crops",
        )


def _margin(member: Member) -> float:
    return member.bundle.manifest.preprocessing.margin_ratio


def _align(members: Sequence[Member], *, all_rows: bool) -> list[Predictions]:
    """Return the validation rows that all members have scored, in one order."""
    tables = [_read_scored(member, all_rows=all_rows) for member in members]
    shared = sorted(set.intersection(*(set(keys) for _, keys in tables)))
    if not shared:
        raise ManifestError(
            "the detectors have scored no face in common",
            hint="predict with each on the same crop store or manifest",
        )
    aligned = []
    for predictions, keys in tables:
        place = {key: position for position, key in enumerate(keys)}
        rows = np.array([place[key] for key in shared])
        aligned.append(predictions.where(rows))  # type: ignore[arg-type]  # positions index as well
    for one, other in pairwise(aligned):
        if not np.array_equal(one.is_fake, other.is_fake):
            raise ManifestError(
                "predictions of one face differ in its label",
                hint="predict with each detector on the same crop store or manifest",
            )
    return aligned


def _read_scored(
    member: Member, *, all_rows: bool
) -> tuple[Predictions, list[tuple[str, int, int]]]:
    """Return a member's scored validation rows with video, track and frame of each."""
    predictions = read_predictions(member.predictions)
    check_same_model(member.bundle.manifest, predictions)
    columns = pq.read_table(member.predictions, columns=["video_id", "track", "frame_index"])
    keys = [
        (str(row["video_id"]), row["track"] or 0, row["frame_index"] or 0)
        for row in columns.to_pylist()
    ]
    validation_rows(predictions, all_rows=all_rows)  # refuses where there are none
    has_score = np.isfinite(predictions.logit)
    if not all_rows:
        has_score &= predictions.words["split"] == "validation"
    scored = [key for key, keep in zip(keys, has_score, strict=True) if keep]
    if len(set(scored)) < len(scored):
        raise ManifestError(
            f"{str(member.predictions)!r}: faces of one video have no frame numbers",
            hint="predict on a crop store or a manifest of videos",
        )
    return predictions.where(has_score), scored


def _logits(units: Sequence[Units]) -> Values:
    """Return the logits of each unit by each view, `(N, V)`."""
    return np.stack([each.logit for each in units], axis=1)


def _fit(aligned: Sequence[Predictions], level: Level) -> tuple[Values, float]:
    units = [make_units(each, level=level) for each in aligned]
    is_fake = units[0].is_fake
    if is_fake.all() or not is_fake.any():
        raise ManifestError(
            "the shared predictions are of one class alone",
            hint="weights are fitted on real and fake faces",
        )
    return fit_weights(_logits(units), is_fake)


def _figures(
    members: Sequence[Member],
    aligned: Sequence[Predictions],
    level: Level,
    *,
    seed: int,
    weights: Values | None,
) -> tuple[Metric, ...]:
    """Return AUC of all views together, on units that were not fitted on, and of each alone."""
    units = [make_units(each, level=level) for each in aligned]
    logits, is_fake = _logits(units), units[0].is_fake
    together = np.empty(len(logits))
    folds = assign_folds(units[0].cluster, seed=seed)
    for fold in np.unique(folds):
        inside = folds == fold
        own, offset = (weights, 0.0)
        if weights is None:
            own, offset = fit_weights(logits[~inside], is_fake[~inside])
        together[inside] = logits[inside] @ own + offset
    how = "fitted without the unit's source video" if weights is None else "given"
    return view_figures(
        replace(units[0], logit=together),
        [(member.name, each) for member, each in zip(members, units, strict=True)],
        level=level,
        protocol=f"{aligned[0].info.data}; weights of the views {how}",
        seed=seed,
    )


def _draft(
    members: Sequence[Member], folder: Path, *, name: str, weights: Values, offset: float
) -> Bundle:
    """Write the joined bundle, with the first member's calibration for now."""
    folder.mkdir()
    views = tuple(_copy_network(m, folder, float(w)) for m, w in zip(members, weights, strict=True))
    manifests = [member.bundle.manifest for member in members]
    first = manifests[0]
    stored = {manifest.weights_stored_as for manifest in manifests}
    files = hash_files(folder)
    changes = {
        "name": name,
        "backbone": "; ".join(f"{m.name}: {m.bundle.manifest.backbone}" for m in members),
        "views": views,
        "logit_offset": offset,
        "likelihood": None,
        "abstention": None,
        "judgeable": _strictest([each.judgeable for each in manifests]),
        "training_data": "; and ".join(dict.fromkeys(each.training_data for each in manifests)),
        "licence": "; ".join(dict.fromkeys(each.licence for each in manifests)),
        "limits": _limits(members),
        "metrics": tuple(_metrics(members)),
        "parity": _worst_parity(members),
        "quantised": None,
        "weights_stored_as": stored.pop() if len(stored) == 1 else "mixed",
        "operating_points": tuple(
            p for p in first.operating_points if p.name in {"balanced", "few-false-alarms"}
        ),
        "files": files,
    }
    write_manifest(folder, first.model_copy(update=changes))
    return load_bundle(folder)


def _copy_network(member: Member, folder: Path, weight: float) -> View:
    """Copy a member's network, in one file where that is possible, and return its view."""
    view, bundle = member.bundle.views[0], member.bundle
    model, gradient = f"model-{member.name}.onnx", view.gradient
    shutil.copyfile(bundle.folder / view.model, folder / model)
    if gradient == view.model:
        gradient = model
    elif gradient is not None:
        own = f"gradient-{member.name}.onnx"
        shutil.copyfile(bundle.folder / gradient, folder / own)
        gradient = own
        if bundle.manifest.quantised is None:
            share_weights(folder / model, folder / own)
            gradient = model
    return View(
        name=member.name,
        preprocessing=view.preprocessing,
        weight=weight,
        model=model,
        gradient=gradient,
        outputs=view.outputs,
    )


def _strictest(rules: Sequence[Judgeable]) -> Judgeable:
    """Return what a face must be for every view; sharpness is that of the first view's crop."""
    turns = [rule.max_turn for rule in rules if rule.max_turn is not None]
    return Judgeable(
        min_face_px=max(rule.min_face_px for rule in rules),
        min_sharpness=rules[0].min_sharpness,
        max_turn=min(turns, default=None),
        min_key_frames=max(rule.min_key_frames for rule in rules),
    )


def _limits(members: Sequence[Member]) -> tuple[str, ...]:
    own = [limit for member in members for limit in member.bundle.manifest.limits]
    whole = [
        f"The view {member.name!r} computes convolutions in int8."
        for member in members
        if member.bundle.manifest.quantised is not None
    ]
    return tuple(dict.fromkeys([*own, *whole]))


def _metrics(members: Sequence[Member]) -> list[Metric]:
    """Return the members' figures, each named as what it is: of one view alone."""
    return [
        metric.model_copy(update={"name": f"view {member.name} alone: {metric.name}"})
        for member in members
        for metric in member.bundle.manifest.metrics
    ]


def _worst_parity(members: Sequence[Member]) -> Parity | None:
    """Return the largest differences among the members; None where one was not compared."""
    known = [m.bundle.manifest.parity for m in members]
    result = [each for each in known if each is not None]
    if len(result) < len(known):
        return None

    def worst(name: str) -> float | None:
        measured = [getattr(each, name) for each in result]
        return max((each for each in measured if each is not None), default=None)

    return Parity(
        logit=max(each.logit for each in result),
        features=worst("features"),
        gradient=worst("gradient"),
        attention=worst("attention"),
        rollout=worst("rollout"),
        input_gradient=worst("input_gradient"),
        input_gradient_rounding=worst("input_gradient_rounding"),
        source=" and ".join(dict.fromkeys(each.source for each in result)),
        crops="the larger of each view's own; "
        + "; ".join(f"{m.name}: {p.crops}" for m, p in zip(members, result, strict=True)),
    )


def _require_parity(joined: Bundle, members: Sequence[Member]) -> float:
    """Compare the joined logit with that of the members' own files, on drawn pictures.

    Raises:
        BundleError: they differ.
    """
    drawn = np.random.default_rng(0)
    faces = []
    for view in joined.views:
        size = view.preprocessing.size_px
        faces.append(drawn.integers(0, 256, (PARITY_FACES, size, size, 3), dtype=np.uint8))
    expected = np.full(PARITY_FACES, joined.manifest.logit_offset)
    for member, view, crops in zip(members, joined.views, faces, strict=True):
        expected += view.weight * Network(member.bundle).run((crops,)).logits.astype(np.float64)
    logits = Network(joined).run(faces).logits
    difference = float(np.abs(logits - expected).max() / max(1e-9, np.abs(expected).max()))
    if not difference <= LARGEST_DIFFERENCE:
        raise BundleError(
            f"the joined detector differs from its members by {difference:.1e}, at most "
            f"{LARGEST_DIFFERENCE:.0e} is allowed",
            hint="no bundle was written; check the members with `unmask detectors verify`",
        )
    return difference


def _predictions(joined: Bundle, aligned: Sequence[Predictions]) -> Predictions:
    """Return the first member's rows as the joined detector scores them."""
    weights = [view.weight for view in joined.views]
    logit = np.full(len(aligned[0]), joined.manifest.logit_offset)
    for weight, each in zip(weights, aligned, strict=True):
        logit += weight * each.logit
    changes = {"model_sha256": joined.manifest.networks_sha256, "detector": joined.manifest.name}
    info = aligned[0].info.model_copy(update=changes)
    return replace(aligned[0], info=info, logit=logit)
