"""From validation predictions to all that a bundle says beyond the logit.

    validation rows -> units -> calibrator, likelihood-ratio bounds, abstention, operating points,
    range of the data -> the bundle's manifest

Nothing is fitted on test rows: the rows must be those of the split `validation`, or the caller says
that all of them are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import (
    Bundle,
    BundleManifest,
    CalibratedRange,
    LikelihoodRatio,
    MethodRate,
    OperatingPoint,
)
from unmask.core.errors import BundleError, ManifestError
from unmask.evaluation.aggregation import ClusterBy, Level, Units, make_units
from unmask.evaluation.calibrators import choose, estimate_covariance
from unmask.evaluation.conformal import fit_abstention
from unmask.evaluation.metrics import CostMatrix, cllr, min_cllr
from unmask.evaluation.predictions import Predictions
from unmask.evaluation.verdict_words import fit_words, hold_out_sources, method_rates
from unmask.evaluation.weightings import Sorted, Values

REALS_NEEDED = 100
"""Fewest reals: one of them is the 1 % of `few-false-alarms`."""
FAKES_NEEDED = 20
FEW_FALSE_ALARMS = 0.01
_SEEN = (0.01, 0.99)
_OUTDATED = ("balanced accuracy", "Cllr", "false alarms at")
"""What the names of figures start with that another calibration or `balanced` changes."""


def validation_rows(predictions: Predictions, *, all_rows: bool = False) -> Predictions:
    """Return the rows that may be fitted on.

    Args:
        predictions: rows of any split.
        all_rows: whether the caller vouches that all rows are validation data.

    Raises:
        ManifestError: there are none.
    """
    keep = predictions.words["split"] == "validation"
    if all_rows:
        keep = np.ones(len(predictions), dtype=np.bool_)
    if not keep.any():
        raise ManifestError(
            "no row is of the split validation, and calibration may use no other",
            hint="score validation data; if all rows are that, say so with --all-rows",
        )
    return predictions.where(keep)


def calibrate_bundle(
    bundle: Bundle,
    predictions: Predictions,
    *,
    level: Level = "video",
    aggregation: str = "mean",
    cluster_by: ClusterBy = "source-video",
    costs: Sequence[CostMatrix] = (),
    error_rate: float = 0.05,
    refuse_outside: bool = False,
    seed: int = 0,
) -> BundleManifest:
    """Fit everything and return the bundle's manifest with it.

    Operating points of other names stay, with what they were chosen on; figures of the old
    probabilities and thresholds go.

    Args:
        bundle: the detector that made the predictions.
        predictions: of `validation_rows`.
        level: what is calibrated.
        aggregation: how crops become one score.
        cluster_by: what units share.
        costs: an operating point `cost a:b` is made for each.
        error_rate: of the abstention.
        refuse_outside: whether a scan refuses faces unlike these data, instead of warning.
        seed: of folds and draws.

    Raises:
        BundleError: the predictions are of another detector.
        ManifestError: there are too few rows.
    """
    manifest = bundle.manifest
    check_same_model(manifest, predictions)
    units = make_units(predictions, level=level, aggregation=aggregation, cluster_by=cluster_by)
    units = units.where(units.scored)
    _check_enough(units, level)
    data = describe_data(predictions, units, level)
    chosen = choose(units.logit, units.is_fake, units.cluster, seed=seed)
    covariance = estimate_covariance(
        chosen.method, chosen.fit, units.logit, units.is_fake, units.cluster, seed=seed
    )
    facts = {"level": level, "aggregation": None if level == "crop" else aggregation, "data": data}
    points = operating_points(units.logit, units.is_fake, costs=costs, data=data)
    fitted = manifest.model_copy(
        update={
            "words": None,
            "method_rates": _earlier_rates(manifest),
            "calibration": chosen.fit.calibration(chosen.method, covariance, **facts),
            "likelihood": likelihood_bounds(chosen.held_out, units, data),
            "abstention": fit_abstention(
                units.logit,
                units.is_fake,
                units.cluster,
                level=level,
                data=data,
                error_rate=error_rate,
                seed=seed,
            ),
            "operating_points": (*points, *_other_points(manifest, points)),
            "calibrated_range": seen_range(predictions, refuse=refuse_outside),
            "metrics": tuple(m for m in manifest.metrics if not m.name.startswith(_OUTDATED)),
        }
    )
    return _with_words(fitted, units)


def _with_words(manifest: BundleManifest, units: Units) -> BundleManifest:
    """Add where the words begin and what is missed; both stay open with fewer than two sources."""
    held_out = hold_out_sources(units)
    if held_out is None:
        return manifest
    worded = manifest.model_copy(update={"words": fit_words(held_out, manifest)})
    rates = method_rates(held_out, worded)
    tested = {rate.method for rate in rates}
    others = tuple(rate for rate in manifest.method_rates if rate.method not in tested)
    return worded.model_copy(update={"method_rates": (*rates, *others)})


def _earlier_rates(manifest: BundleManifest) -> tuple[MethodRate, ...]:
    """Return the bundle's rates with what they were measured on: new data may lack a kind."""
    words = manifest.words
    origin = f"calibration on {manifest.calibration.data}" if words is None else words.data
    return tuple(
        rate if rate.missed is None else rate.model_copy(update={"data": rate.data or origin})
        for rate in manifest.method_rates
    )


def _other_points(
    manifest: BundleManifest, points: Sequence[OperatingPoint]
) -> tuple[OperatingPoint, ...]:
    """Return the bundle's thresholds that were not chosen anew; each names its own data."""
    chosen = {point.name for point in points}
    return tuple(
        point.model_copy(update={"data": point.data or manifest.calibration.data})
        for point in manifest.operating_points
        if point.name not in chosen
    )


def check_same_model(manifest: BundleManifest, predictions: Predictions) -> None:
    """Refuse predictions of another network.

    Raises:
        BundleError: they are.
    """
    if predictions.info.model_sha256 != manifest.networks_sha256:
        raise BundleError(
            f"these predictions are of {predictions.info.detector!r}, not of the network of "
            f"{manifest.name!r}",
            hint="run `unmask predict` with this detector",
        )


def _check_enough(units: Units, level: Level) -> None:
    for have, needed, what in (
        (units.reals, REALS_NEEDED, "real"),
        (units.fakes, FAKES_NEEDED, "fake"),
    ):
        if have < needed:
            raise ManifestError(
                f"{have} {what} {level}s were scored, at least {needed} are needed to calibrate",
                hint="score more validation data, or calibrate a lower --level",
            )


def describe_data(predictions: Predictions, units: Units, level: Level) -> str:
    """Say what was fitted on."""
    info = predictions.info
    protocol = f"protocol {info.protocol}" if info.protocol else "not split"
    leak = " (LEAKS by design)" if info.leaks else ""
    manifest = f", manifest {info.manifest_sha256[:12]}" if info.manifest_sha256 else ""
    return (
        f"{len(units)} {level}s of {info.data} ({units.reals} real, {units.clusters} clusters; "
        f"{protocol}{leak}{manifest})"
    )


def likelihood_bounds(held_out: Values, units: Units, data: str) -> LikelihoodRatio:
    """Find how far likelihood ratios may go (ELUB), from log odds of clusters not fitted on.

    Source: Vergeer et al., Science & Justice 56 (2016) 482-491, as `lir` computes it.
    """
    from lir.algorithms.bayeserror import elub

    low, high = elub((held_out / np.log(10)).copy(), units.is_fake.astype(np.int64))
    batch = Sorted.of(held_out, units.is_fake, log_odds=held_out, threshold=0.0).plain()
    return LikelihoodRatio(
        log10_lower=float(low),
        log10_upper=float(high),
        cllr=float(cllr(batch)[0]),
        min_cllr=float(min_cllr(batch)[0]),
        data=data,
    )


def operating_points(
    logit: Values,
    is_fake: NDArray[np.bool_],
    *,
    costs: Sequence[CostMatrix] = (),
    data: str | None = None,
) -> tuple[OperatingPoint, ...]:
    """Choose thresholds by name: equal errors, at most 1 % false alarms, least cost.

    `few-false-alarms` never lies below `balanced`: with an equal error rate under 1 % they are one.

    Args:
        logit: `(N,)` logits.
        is_fake: `(N,)` labels, both there.
        costs: a point `cost a:b` is made for each.
        data: what the logits are of; None: what the calibration was fitted on.
    """
    ordered = Sorted.of(logit, is_fake, log_odds=logit, threshold=0.0)
    roc = ordered.plain().roc
    fpr, tpr = roc.fpr[0, 1:], roc.tpr[0, 1:]
    falling = ordered.logit[ordered.ends]
    equal = int(np.argmin(np.abs(fpr - (1 - tpr))))
    few = int(np.flatnonzero(fpr <= FEW_FALSE_ALARMS).max(initial=0))
    places = {
        "balanced": equal,
        "few-false-alarms": min(equal, few),
        **{
            f"cost {c.false_alarm:g}:{c.miss:g}": int(
                np.argmin(c.miss * c.prior * (1 - tpr) + c.false_alarm * (1 - c.prior) * fpr)
            )
            for c in costs
        },
    }
    return tuple(
        operating_point(name, float(falling[at]), logit, is_fake, data=data)
        for name, at in places.items()
    )


def operating_point(
    name: str,
    threshold: float,
    logit: Values,
    is_fake: NDArray[np.bool_],
    *,
    data: str | None = None,
) -> OperatingPoint:
    """Return a threshold with its error rates on the units that it was chosen on.

    Args:
        name: its name.
        threshold: logit at or above which a unit is called fake.
        logit: `(N,)` logits.
        is_fake: `(N,)` labels, both there.
        data: what the logits are of; None: what the calibration was fitted on.
    """
    called = logit >= threshold
    return OperatingPoint(
        name=name,
        logit=threshold,
        false_positive_rate=float(called[~is_fake].mean()),
        true_positive_rate=float(called[is_fake].mean()),
        data=data,
    )


def seen_range(predictions: Predictions, *, refuse: bool = False) -> CalibratedRange:
    """Return what the rows looked like, and whether other faces are refused."""
    compressions = {word for word in predictions.words["compression"] if word is not None}
    return CalibratedRange(
        face_px=_inner(predictions.face_px),
        sharpness=_inner(predictions.sharpness),
        compressions=tuple(sorted(compressions)),
        outside="cannot judge" if refuse else "warn",
    )


def _inner(values: Values) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, _SEEN)
    return float(low), float(high)
