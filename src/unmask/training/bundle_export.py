"""From a run, or from weights, to a detector bundle whose every figure was measured here.

The network is exported, compared with PyTorch on validation crops, and scored on them by ONNX
Runtime; calibration, thresholds and figures come from those logits. The bundle is made in a folder
beside its place and appears there whole, or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save

from unmask.bundle.card import card
from unmask.bundle.manifest import (
    CARD,
    GRADIENT,
    MODEL,
    OUTPUTS,
    WEIGHTS,
    Bundle,
    BundleManifest,
    Calibration,
    Judgeable,
    Metric,
    OperatingPoint,
    Parity,
    Preprocessing,
    Quantised,
    View,
    hash_files,
    load_bundle,
    write_manifest,
)
from unmask.bundle.runtime import INPUT, open_session, preprocess
from unmask.core.errors import InputError
from unmask.core.settings import NEW_MIN_FACE_PX, NEW_MIN_SHARPNESS
from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, area_under_roc
from unmask.evaluation.calibration import operating_point, operating_points
from unmask.evaluation.calibrators import estimate_covariance, fit_platt
from unmask.system.files import write_text, write_whole
from unmask.system.remote_files import refuse_address
from unmask.training.batches import network_pixels
from unmask.training.costs import Costs, threshold_for
from unmask.training.crop_table import Crops
from unmask.training.networks.float16 import round_weights, store_as_float16
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.onnx_export import export_gradient, export_scoring
from unmask.training.networks.parity import measure_parity, require_parity
from unmask.training.networks.quantisation import RANGE_CROPS, quantise, require_accuracy
from unmask.training.networks.scoring_network import ScoringNetwork
from unmask.training.networks.shared_weights import share_weights

Logits = NDArray[np.float64]
Say = Callable[[str], None]
Precision = Literal["float32", "float16", "int8"]
"""What a bundle is made of: `float16` stores large weights so and computes in float32; `int8`
computes convolutions so."""

PARITY_CROPS = 16
"""Crops that ONNX Runtime and PyTorch are compared on."""
JUDGEABLE = Judgeable(
    min_face_px=NEW_MIN_FACE_PX, min_sharpness=NEW_MIN_SHARPNESS, min_key_frames=3
)
"""What a face must be, until a study of the detector says otherwise."""
_BATCH = 16
_ALIKE = 1e-6
"""Logits that spread less than this do not differ but by rounding."""
_FEW = (
    "Calibrated on crops of {} source videos: its probabilities, and the intervals beside them, "
    "mean little."
)
"""What a card says where fewer than `CLUSTERS_NEEDED` can tell how far the fit would scatter."""
_NEVER_MEASURED = (
    "It was never calibrated or measured here: its probability is its logit as it came, and what "
    "that is worth is not known. Give crops with labels to `unmask evaluate` and `calibrate`."
)
"""What a card says where there were no validation crops."""
_UNCALIBRATED = Calibration(
    slope=1.0,
    intercept=0.0,
    covariance=((0.0, 0.0), (0.0, 9.0)),  # three log odds: that nothing is known must show
    data="nothing: the logit as it came",
)
_ZERO_POINTS = tuple(
    OperatingPoint(
        name=name, logit=logit, false_positive_rate=None, true_positive_rate=None, data="nothing"
    )
    for name, logit in (("balanced", 0.0), ("few-false-alarms", 3.0))
)
"""Thresholds where nothing was measured: even odds, and odds of twenty. No rates are known."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is exported, and what must be said of it."""

    network: ScoringNetwork
    """The trained network, several as one, or one that was made elsewhere."""
    preprocessing: Preprocessing
    """From a face box to its input."""
    name: str
    """Name of the detector."""
    validation: Crops | None
    """Crops with known labels: for parity, calibration, thresholds and figures; None: there are
    none, and it is neither calibrated nor measured."""
    validation_described: str
    """What they are, in words."""
    training_data: str
    """What it was trained on."""
    licence: str
    """Terms of the weights and of the material."""
    limits: tuple[str, ...]
    """What it cannot do."""
    judgeable: Judgeable = JUDGEABLE
    """What a face must be for its score to mean anything."""
    costs: Costs | None = None
    """What errors cost in use; None chooses no threshold by it."""
    trained_log_odds: float | None = None
    """Log odds of fake over real that the logits carry from training; None where they are no log
    odds, or nothing is known."""


def write_bundle(
    subject: Subject,
    folder: Path,
    *,
    precision: Precision = "float32",
    gradient: bool = True,
    weights: bool = True,
    say: Say,
) -> Bundle:
    """Export, compare, calibrate, measure and write a bundle.

    Args:
        subject: what is exported.
        folder: where to; must not be there, or be empty.
        precision: of the weights in the ONNX files, or of the convolutions of `model.onnx`.
        gradient: whether to write the gradient at the input, for SmoothGrad; into the same file,
            which holds weights once, but of int8, whose gradients have weights of their own.
        weights: whether to write `model.safetensors`, to fine-tune; never of joined networks, which
            are fine-tuned one by one.
        say: told what is being done.

    Raises:
        ValueError: the folder is not empty.
        BundleError: ONNX Runtime and PyTorch differ, or int8 costs accuracy.
        InputError: the validation crops do not suffice for a calibration.
    """
    with new_bundle(folder) as partial:
        if precision == "float16":
            subject = replace(subject, network=round_weights(subject.network))
        if weights and isinstance(subject.network, FaceNetwork):
            _save_weights(subject.network, partial / WEIGHTS)
        _fill(subject, partial, precision=precision, gradient=gradient, say=say)
    return load_bundle(folder)


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """Give a folder beside a bundle's place, which is put there when it was filled, or not at all.

    Raises:
        ValueError: the place is not empty.
    """
    refuse_address(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} is not empty; a bundle is written into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        partial = Path(temporary) / "bundle"
        partial.mkdir()
        yield partial
        if folder.exists():
            folder.rmdir()
        shutil.move(partial, folder)


def _fill(
    subject: Subject, folder: Path, *, precision: Precision, gradient: bool, say: Say
) -> None:
    images = parity_images(subject.validation, subject.preprocessing)
    network = store_as_float16(subject.network) if precision == "float16" else subject.network
    _export(network, folder, size_px=subject.preprocessing.size_px, gradient=gradient, say=say)
    if gradient and precision != "int8":
        share_weights(folder / MODEL, folder / GRADIENT)
    at_input = None if not gradient else GRADIENT if precision == "int8" else MODEL
    say("comparing with PyTorch")
    parity = _compare(subject, folder, images, at_input)
    quantised = None
    if precision == "int8":
        say("making int8 convolutions")
        quantised = _quantise(subject, folder / MODEL)
    say("scoring and calibrating")
    manifest = describe(subject, folder / MODEL, parity, quantised)
    if precision == "float16":
        manifest = manifest.model_copy(update={"weights_stored_as": precision})
    view = View(
        name="face",
        preprocessing=subject.preprocessing,
        gradient=at_input,
        outputs=subject.network.outputs,
    )
    finish_bundle(folder, manifest, view)


def finish_bundle(folder: Path, manifest: BundleManifest, view: View) -> None:
    """Write card and manifest beside the network of a bundle, and check the whole."""
    write_text(folder / CARD, card(manifest))
    files = hash_files(folder)
    write_manifest(folder, manifest.model_copy(update={"files": files, "views": (view,)}))
    load_bundle(folder)


def parity_images(crops: Crops | None, spec: Preprocessing) -> NDArray[np.float32]:
    """Return the crops that networks are compared on, `(N, 3, S, S)`; without crops drawn ones."""
    if crops is not None:
        return _images(crops, spec, range(min(PARITY_CROPS, len(crops))))
    coarse = np.random.default_rng(0).integers(0, 256, (PARITY_CROPS, 12, 12, 3), dtype=np.uint8)
    side = (spec.size_px, spec.size_px)
    smooth = [np.asarray(Image.fromarray(each).resize(side)) for each in coarse]
    return preprocess(np.stack(smooth), spec)


def describe_parity_images(crops: Crops | None, described: str) -> str:
    """Return in words what `parity_images` are."""
    count = PARITY_CROPS if crops is None else min(PARITY_CROPS, len(crops))
    return f"{count} of {described}" if crops is not None else f"{count} drawn pictures"


def _images(crops: Crops, spec: Preprocessing, chosen: Sequence[int]) -> NDArray[np.float32]:
    """Return some crops as a network takes them, `(N, 3, S, S)`; clips `(N, T, 3, S, S)`."""
    return preprocess(np.stack([network_pixels(crops, i, spec.size_px) for i in chosen]), spec)


def _export(
    network: ScoringNetwork, folder: Path, *, size_px: int, gradient: bool, say: Say
) -> None:
    say(f"exporting {MODEL}")
    export_scoring(network, folder / MODEL, size_px=size_px)
    if gradient:
        say("exporting the gradient at the input")
        export_gradient(network, folder / GRADIENT, size_px=size_px)


def _compare(
    subject: Subject, folder: Path, images: NDArray[np.float32], at_input: str | None
) -> Parity:
    words = describe_parity_images(subject.validation, subject.validation_described)
    parity = measure_parity(
        subject.network,
        folder / MODEL,
        None if at_input is None else folder / at_input,
        images,
        crops=words,
    )
    require_parity(parity)
    return parity


def _score(path: Path, crops: Crops, spec: Preprocessing) -> Logits:
    """Score all validation crops, a few at a time: there may be many."""
    session = open_session(path, OUTPUTS[:1])
    count = len(crops)
    parts = [
        session.run(
            OUTPUTS[:1], {INPUT: _images(crops, spec, range(start, min(start + _BATCH, count)))}
        )[0].reshape(-1)
        for start in range(0, count, _BATCH)
    ]
    return np.concatenate(parts).astype(np.float64)


def _quantise(subject: Subject, path: Path) -> Quantised:
    """Replace a float32 file by an int8 one, if that costs no accuracy."""
    crops, spec = _require_crops(subject), subject.preprocessing
    small = path.with_name("int8.onnx")
    spread = range(0, len(crops), max(1, len(crops) // RANGE_CROPS))
    quantise(path, small, _images(crops, spec, spread[:RANGE_CROPS]))
    before, after = (_score(each, crops, spec) for each in (path, small))
    quantised = require_accuracy(before, after, crops.is_fake, subject.validation_described)
    small.replace(path)
    return quantised


def _require_crops(subject: Subject) -> Crops:
    if subject.validation is None:
        raise InputError(
            f"{subject.name!r} has no validation crops, and nothing can be measured without",
            hint="give crops of both classes with --validation",
        )
    return subject.validation


def describe(
    subject: Subject, model: Path, parity: Parity, quantised: Quantised | None = None
) -> BundleManifest:
    """Calibrate and measure a network on the validation crops, where there are any.

    Args:
        subject: whose network it is.
        model: its ONNX file.
        parity: how far that is from what it was made of.
        quantised: what int8 has cost.

    Returns:
        The manifest of its bundle, without files and views.

    Raises:
        InputError: the crops do not suffice.
    """
    crops = subject.validation
    if crops is None:
        return _manifest(subject, Judgement(_UNCALIBRATED, _ZERO_POINTS), parity, quantised)
    logits = _score(model, crops, subject.preprocessing)
    return _manifest(subject, _judge(subject, crops, logits), parity, quantised)


@dataclass(frozen=True)
class Judgement:
    """How logits become a verdict, and how well."""

    calibration: Calibration
    """From logits to probabilities."""
    points: tuple[OperatingPoint, ...]
    """Thresholds."""
    limits: tuple[str, ...] = (_NEVER_MEASURED,)
    """What must be said of it."""
    metrics: tuple[Metric, ...] = ()
    """Measured figures."""


def _judge(subject: Subject, crops: Crops, logits: Logits) -> Judgement:
    """Fit calibration and thresholds to the logits of the validation crops."""
    calibration, figure = _fit(crops, subject.validation_described, logits)
    sources = len(crops.columns.target.distinct())
    few = sources < CLUSTERS_NEEDED
    points = operating_points(logits, crops.is_fake)
    if subject.costs is not None:
        threshold = threshold_for(subject.costs, subject.trained_log_odds, logits, crops.is_fake)
        points = (*points, operating_point("costs", threshold, logits, crops.is_fake))
    return Judgement(
        calibration,
        points,
        (_FEW.format(sources),) if few else (),
        () if few else (figure,),
    )


def _manifest(
    subject: Subject, judgement: Judgement, parity: Parity, quantised: Quantised | None
) -> BundleManifest:
    return BundleManifest(
        bundle_version="1",
        name=subject.name,
        backbone=subject.network.title,
        preprocessing=subject.preprocessing,
        clip=subject.network.clip,
        calibration=judgement.calibration,
        operating_points=judgement.points,
        judgeable=subject.judgeable,
        training_data=subject.training_data,
        licence=subject.licence,
        limits=(*subject.limits, *judgement.limits),
        metrics=judgement.metrics,
        parity=parity,
        quantised=quantised,
        files={},
    )


def _fit(crops: Crops, described: str, logits: Logits) -> tuple[Calibration, Metric]:
    """Fit Platt scaling to the validation crops and return it with their AUC.

    Raises:
        InputError: the crops do not suffice.
    """
    if np.ptp(logits) < _ALIKE:
        raise InputError(
            f"the network scores all {len(logits)} validation crops alike: it has learned nothing",
            hint="train longer, with another learning rate, or from other weights",
        )
    videos, cluster = crops.columns.target.sorted_codes()
    area, interval = area_under_roc(logits, crops.is_fake, cluster)
    if interval is None:
        raise InputError(
            f"no calibration can be fitted on {crops!r} of {len(videos)} source videos: most "
            "draws of source videos hold one class alone",
            hint="give more validation crops of both classes, with --validation",
        )
    fit = fit_platt(logits, crops.is_fake, np.ones(len(logits)))
    covariance = estimate_covariance("platt", fit, logits, crops.is_fake, cluster)
    figure = Metric(
        name="AUC per crop",
        value=round(area, 4),
        interval=(round(interval.low, 4), round(interval.high, 4)),
        protocol=f"{described}; n = {len(logits)} crops, "
        f"95 % bootstrap over {len(videos)} source videos",
    )
    data = f"{described}, {len(logits)} crops"
    return fit.calibration("platt", covariance, data=data), figure


def _save_weights(network: FaceNetwork, path: Path) -> None:
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    data = save(state, metadata={"backbone": network.backbone_name})
    write_whole(path, lambda half: half.write_bytes(data))  # of a full disk save_file says little
