"""A detector on disk: a folder with `detector.json`, ONNX files and a model card.

The bundle is all that building and examining share. Loading checks the schema version, the names
and the SHA-256 of every file, and never unpickles: a bundle from a stranger is data, not a program.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unmask.bundle.onnx_check import read_network
from unmask.core.errors import BundleError
from unmask.core.text import UNSEEN
from unmask.core.verdicts import Word
from unmask.system.files import file_sha256, write_text

BUNDLE_VERSION = "1"
MANIFEST = "detector.json"
MODEL = "model.onnx"
GRADIENT = "gradient.onnx"
WEIGHTS = "model.safetensors"
CARD = "README.md"
OUTPUTS = ("logit", "features", "gradient")
"""What a network gives: logit, feature map, and the gradient of the one at the other."""
TRANSFORMER_OUTPUTS = (*OUTPUTS, "attention", "rollout")
"""What a transformer gives beside that, as maps: the attention of its last block times the gradient
at it, and attention rolled out through all blocks."""
KINDS_OF_OUTPUTS = (OUTPUTS, TRANSFORMER_OUTPUTS, TRANSFORMER_OUTPUTS[:-1], OUTPUTS[:1])
"""What a network may give; older transformers give no rollout, and the last kind only scores."""
PATTERNS = (MANIFEST, MODEL, "model-*.onnx", GRADIENT, "gradient-*.onnx", WEIGHTS, CARD)
"""Every file that a bundle may have."""
MAX_VIEWS = 8
_WITHIN = 1e-6
"""Rounding that a view may lie beyond the first, in sides of it."""
_MAX_MANIFEST_BYTES = 2**20
_MAX_FILE_BYTES = 2 * 2**30
_MAX_TEXT = 10_000

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Triple = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0)]
OnnxName = Annotated[str, Field(pattern=r"^(model|gradient)(-[a-z0-9][a-z0-9-]{0,31})?\.onnx$")]
ViewName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Strict(BaseModel):
    """A frozen record of a file: unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(Strict):
    """From a face box to the network's input; the same in training, scoring and explaining."""

    size_px: Annotated[int, Field(ge=16, le=1024)]
    """Side of the square input."""
    margin_ratio: Annotated[float, Field(gt=0.5, le=4.0)]
    """Side of the square crop over the longer side of the face box."""
    shift_y_ratio: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    """How far the crop's centre lies below the box's, in sides of the crop."""
    colour_order: Literal["RGB"] = "RGB"
    """Order of the channels."""
    interpolation: Literal["bilinear"] = "bilinear"
    """Interpolation of the resize (antialiased)."""
    mean: Triple
    """Subtracted from pixels in [0, 1]."""
    std: tuple[Positive, Positive, Positive]
    """Divisor after that."""


class View(Strict):
    """One network of a detector: what it sees of a face, and how its logit counts."""

    name: ViewName
    """Such as `face` or `wide`."""
    preprocessing: Preprocessing
    """From a face box to its input."""
    weight: float = 1.0
    """Factor of its logit in the detector's; below zero where a fit says so."""
    model: OnnxName = MODEL
    """File of the network: logit, feature map, and the gradient of the one at the other."""
    gradient: OnnxName | None = None
    """File of the gradient at the input, which may be the same; None: there is none."""
    outputs: tuple[str, ...] = OUTPUTS
    """What the network gives, one of `KINDS_OF_OUTPUTS`."""

    @model_validator(mode="after")
    def _check_weight(self) -> View:
        """Refuse a network that would be run for nothing."""
        if self.weight == 0:
            raise ValueError(f"the view {self.name!r} has the weight 0: leave it out")
        return self

    @model_validator(mode="after")
    def _check_outputs(self) -> View:
        if self.outputs not in KINDS_OF_OUTPUTS:
            raise ValueError(f"the view {self.name!r} gives {self.outputs}; {KINDS_OF_OUTPUTS} may")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Its files, each once."""
        return (self.model,) if self.gradient in {None, self.model} else (self.model, self.gradient)


class Clip(Strict):
    """What a detector over time judges as one: crops of one face track, in order of time."""

    frames: Annotated[int, Field(ge=2, le=64)]
    """Crops in a clip."""
    min_frames: Annotated[int, Field(ge=1)]
    """Fewest usable crops of a track that make a clip; where they are fewer than `frames`, the last
    is repeated."""

    @model_validator(mode="after")
    def _check_order(self) -> Clip:
        if self.min_frames > self.frames:
            raise ValueError(f"min_frames must be at most frames ({self.frames})")
        return self


def square_within(inner: Preprocessing, outer: Preprocessing) -> tuple[float, float, float, float]:
    """Return where one framing of a face lies in another: XYXY in sides of the other's square.

    Both squares go by the longer side of one face box, so the place is the same for every face.
    """
    side = inner.margin_ratio / outer.margin_ratio
    left = (1 - side) / 2
    top = left + inner.shift_y_ratio * side - outer.shift_y_ratio
    return left, top, left + side, top + side


class Calibration(Strict):
    """P(fake) = sigmoid(slope * curve(logit) + intercept), at even prior odds."""

    method: Literal["platt", "temperature", "isotonic"] = "platt"
    """Name of the method."""
    slope: float
    """Factor of the curve's value."""
    intercept: float
    """Offset."""
    knots: tuple[tuple[float, float], ...] = ()
    """The curve: logits, ascending, with the value at each, straight between them and level beyond;
    empty where the curve is the logit itself."""
    covariance: tuple[tuple[float, float], tuple[float, float]]
    """Covariance of slope and intercept, by bootstrap over source videos."""
    level: Literal["crop", "track", "video"] = "crop"
    """What one logit was when it was fitted."""
    aggregation: str | None = None
    """How the logits of a track or video became one; None at the level of crops."""
    data: str
    """What it was fitted on, and how much of it."""

    @model_validator(mode="after")
    def _check_knots(self) -> Calibration:
        """Refuse a curve that falls or goes back."""
        if any(x1 <= x0 or y1 < y0 for (x0, y0), (x1, y1) in pairwise(self.knots)):
            raise ValueError("the knots of a calibration must ascend")
        return self

    def curve(self, logits: Any) -> NDArray[np.float64]:
        """Return the curve's value at logits of any shape."""
        values = np.asarray(logits, dtype=np.float64)
        if not self.knots:
            return values
        at, value = zip(*self.knots, strict=True)
        return np.asarray(np.interp(values, at, value))

    def log_odds(self, logits: Any) -> NDArray[np.float64]:
        """Return calibrated natural log odds of fake for logits of any shape."""
        return np.asarray(self.slope * self.curve(logits) + self.intercept)


class LikelihoodRatio(Strict):
    """How far likelihood ratios may go: the calibrated odds, cut off where the data end."""

    log10_lower: Annotated[float, Field(le=0)]
    """Smallest log10 likelihood ratio of fake to real that the data support (ELUB)."""
    log10_upper: Annotated[float, Field(ge=0)]
    """Largest."""
    cllr: float
    """Log-likelihood-ratio cost, cross-validated; 1 is no information."""
    min_cllr: float
    """What is left of it when calibration is perfect."""
    data: str
    """What it was measured on, and how much of it."""


class Abstention(Strict):
    """Conformal abstention: a class is ruled out only where it rarely scores like this."""

    error_rate: Annotated[float, Field(gt=0, lt=0.5)]
    """Most often that the true class is ruled out, for reals and for fakes alike."""
    fake_excluded_below: float | None
    """Below this logit `fake` is ruled out; None: never, there were too few fakes."""
    real_excluded_above: float | None
    """Above this logit `real` is ruled out; None: never, there were too few reals."""
    abstained: float
    """Share of the calibration data with both classes or neither left: `cannot judge`."""
    guarantee: str
    """What is promised, and under which condition."""
    data: str
    """What it was fitted on, and how much of it."""


class CalibratedRange(Strict):
    """What the calibration data looked like; for poorer faces nothing is promised."""

    face_px: tuple[float, float] | None
    """Smallest and largest face, 1 % and 99 % quantile; None: not measured."""
    sharpness: tuple[float, float] | None
    """Least and greatest sharpness, likewise."""
    compressions: tuple[str, ...]
    """Compression versions."""
    outside: Literal["warn", "cannot judge"] = "warn"
    """What becomes of a verdict on a face below it: a warning beside it, or no verdict."""


class OperatingPoint(Strict):
    """A threshold by name, with the error rates that it had where it was chosen."""

    name: str
    """Its name."""
    logit: float
    """At or above it a face is called fake."""
    false_positive_rate: float | None
    """Share of reals called fake, on the calibration data; None: not measured."""
    true_positive_rate: float | None
    """Share of fakes called fake, on the calibration data; None: not measured."""
    data: str | None = None
    """What it was chosen on; None: on what the calibration was fitted on."""


class MeasuredWordRate(Strict):
    """How often a verdict's word was given to videos of sources that the calibration left out."""

    word: Word
    """The word."""
    of_genuine: Annotated[float, Field(ge=0, le=1)]
    """Share of genuine videos that got it."""
    of_fake: Annotated[float, Field(ge=0, le=1)]
    """Share of forged videos that got it."""


class Words(Strict):
    """Where a verdict's words begin, and how often each was given on sources left out."""

    little_up_to: float
    """Calibrated log odds at or below which a face gets `little evidence`."""
    some_from: float
    """Log odds from which it gets `some evidence`; `inconclusive` lies between."""
    substantial_from: float
    """Log odds from which it gets `substantial evidence`."""
    substantial_key_frames: Annotated[int, Field(ge=1)]
    """Fewest usable key frames behind `substantial evidence`."""
    source_sd: Annotated[float, Field(ge=0)] | None
    """Standard deviation, over sources, of the shift of the log odds that would have made the
    calibration right on a source it left out; None: fewer than two sources."""
    genuine: Annotated[int, Field(ge=0)]
    """Genuine videos behind the rates."""
    fakes: Annotated[int, Field(ge=0)]
    """Forged videos behind the rates."""
    rates: tuple[MeasuredWordRate, ...]
    """How often each word was given; sources weigh alike."""
    data: str
    """The sources, and how the rates were measured."""

    @model_validator(mode="after")
    def _check_order(self) -> Words:
        if not self.little_up_to < self.some_from <= self.substantial_from:
            raise ValueError("the words of a verdict must begin in ascending order")
        return self


class MethodRate(Strict):
    """How often forgeries of one kind were missed."""

    method: str
    """The way of forging, such as `lip-sync`."""
    missed: Annotated[float, Field(ge=0, le=1)] | None
    """Share of its videos that got `little evidence`; None: never tested."""
    videos: Annotated[int, Field(ge=0)]
    """Videos behind it."""
    data: str | None = None
    """What it was measured on, where that is not what the words were fitted on: a rate from before
    the last calibration, when the words began elsewhere."""


class Judgeable(Strict):
    """What a face must be for its score to mean anything."""

    min_face_px: float
    """Smallest shorter side of the face box, pixels of the original frame."""
    min_sharpness: float
    """Smallest variance of the Laplacian of the crop's luma at 128 px."""
    max_turn: Annotated[float, Field(gt=0)] | None = None
    """Largest turn of the head to the side (see `scoring.turn`); None allows any."""
    min_key_frames: Annotated[int, Field(ge=1)]
    """Fewest usable key frames behind a verdict on a video."""


class Metric(Strict):
    """A measured figure with what it was measured on."""

    name: str
    """Such as `AUC per crop`."""
    value: float
    """The figure."""
    interval: tuple[float, float]
    """95 % interval."""
    protocol: str
    """Data, split, unit, n, and how the interval was made."""


class Parity(Strict):
    """How far ONNX Runtime is from PyTorch: largest difference over the largest value."""

    logit: float
    """Of the logit; at most 1e-4."""
    features: float | None = None
    """Of the last feature map; at most 1e-4. None of a network that only scores."""
    gradient: float | None = None
    """Of the logit's gradient with respect to that map; at most 1e-3. None as above."""
    attention: float | None = None
    """Of a transformer's attention map; at most 1e-3. None of others."""
    rollout: float | None = None
    """Of its attention rolled out; likewise."""
    source: str = "PyTorch"
    """What it is compared with."""
    input_gradient: float | None = None
    """Of the logit's gradient with respect to the input, on three quarters of the crops; at most
    1e-3 or three times the rounding below. None without that file."""
    input_gradient_rounding: float | None = None
    """The same of PyTorch's own gradient in single precision against double: where rounding turns a
    ReLU the other way, the gradient jumps. None where it was not measured."""
    crops: str
    """The crops that both ran on."""


class Quantised(Strict):
    """What int8 convolutions cost; gradients at the input stay those of the float32 network."""

    auc_float32: float
    """AUC per crop before."""
    auc_int8: float
    """AUC per crop after; at most 0.005 lower."""
    crops: str
    """The validation crops."""


class BundleManifest(Strict):
    """The content of `detector.json`."""

    bundle_version: Literal["1"]
    """Version of this structure."""
    name: str
    """Name of the detector."""
    backbone: str
    """Name of the network."""
    class_order: tuple[Literal["real"], Literal["fake"]] = ("real", "fake")
    """The logit speaks for the second."""
    preprocessing: Preprocessing
    """From a face box to the crop that is shown: the input of the first view."""
    views: Annotated[tuple[View, ...], Field(max_length=MAX_VIEWS)] = ()
    """Its networks. The first looks at the most of a face: its crop is shown, its sharpness counts,
    and the others lie within it. Empty: one network, in `model.onnx` (and `gradient.onnx`)."""
    clip: Clip | None = None
    """What it judges as one; None: single crops. A detector of clips has one network."""
    logit_offset: float = 0.0
    """The detector's logit is this and the sum of the views' logits, each times its weight."""
    calibration: Calibration
    """From logits to probabilities."""
    operating_points: tuple[OperatingPoint, ...]
    """Thresholds by name; `balanced` and `few-false-alarms` are always there."""
    likelihood: LikelihoodRatio | None = None
    """Bounds of likelihood ratios; None: not measured."""
    abstention: Abstention | None = None
    """When not to judge; None: not measured."""
    calibrated_range: CalibratedRange | None = None
    """What the calibration data looked like; None: not measured."""
    words: Words | None = None
    """Where the words of a verdict begin; None: derived from the operating points, and how often a
    word is given is not known."""
    method_rates: tuple[MethodRate, ...] = ()
    """What it is likely to miss, by method."""
    judgeable: Judgeable
    """What a face must be."""
    training_data: str
    """What it was trained on."""
    licence: str
    """Terms of the weights and of the material they come from."""
    limits: tuple[str, ...]
    """What it cannot do."""
    metrics: tuple[Metric, ...]
    """Measured figures."""
    parity: Parity | None = None
    """How well the exported network agrees with the trained one; None where it was not noted."""
    quantised: Quantised | None = None
    """Set where its one network computes in int8; None for float32."""
    weights_stored_as: Literal["float32", "float16", "mixed"] = "float32"
    """How the ONNX files hold large weights; all are made float32 when the files are loaded. Where
    it is mixed, `limits` say how, and what the figures were measured with."""
    files: dict[str, Sha256]
    """SHA-256 of every other file of the bundle."""

    @model_validator(mode="after")
    def _check_views(self) -> BundleManifest:
        """Refuse views of one name, files without a hash, and views beyond the first."""
        names = [view.name for view in self.views]
        if self.clip is not None and len(names) > 1:
            raise ValueError(f"a detector of clips has one network, got {', '.join(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"views need names of their own, got {', '.join(names)}")
        for view in self.views:
            for file in view.files:
                if file not in self.files:
                    raise ValueError(f"the view {view.name!r} names {file}, which has no SHA-256")
            if not _inside(square_within(view.preprocessing, self.preprocessing)):
                raise ValueError(
                    f"the view {view.name!r} looks at more of a face than {names[0]!r}; the first "
                    "must hold all others"
                )
        if self.views and self.views[0].preprocessing != self.preprocessing:
            raise ValueError(f"preprocessing must be that of the first view, {names[0]!r}")
        return self

    @property
    def networks(self) -> tuple[View, ...]:
        """Its views; for a bundle that lists none, the one that it is."""
        gradient = GRADIENT if GRADIENT in self.files else None
        return self.views or (
            View(name="face", preprocessing=self.preprocessing, gradient=gradient),
        )

    @property
    def networks_sha256(self) -> str:
        """What logits depend on: the hash of its one file, or over all views and how they count.

        It stays when the detector is calibrated again.
        """
        views = self.networks
        if len(views) == 1 and views[0].weight == 1 and self.logit_offset == 0:
            return self.files[views[0].model]
        counted = [[self.files[v.model], v.weight, v.preprocessing.model_dump()] for v in views]
        text = json.dumps([counted, self.logit_offset], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def point(self, name: str) -> OperatingPoint:
        """Return an operating point by name.

        Raises:
            BundleError: there is none of that name.
        """
        for point in self.operating_points:
            if point.name == name:
                return point
        raise BundleError(
            f"the detector has no operating point {name!r}",
            hint=f"it has: {', '.join(point.name for point in self.operating_points)}",
        )


class Bundle(Strict):
    """A checked bundle."""

    folder: Path
    """Where it lies."""
    manifest: BundleManifest
    """Its description."""
    sha256: Sha256
    """SHA-256 of `detector.json`, which fixes all other files by their hashes."""

    @property
    def views(self) -> tuple[View, ...]:
        """Its networks, one or more."""
        return self.manifest.networks

    @property
    def has_input_gradient(self) -> bool:
        """Whether every view gives the gradient at its input, which SmoothGrad needs."""
        return all(view.gradient is not None for view in self.views)

    def gives(self, output: str) -> bool:
        """Tell whether every view's network has an output, such as `features`."""
        return all(output in view.outputs for view in self.views)

    @property
    def file_names(self) -> tuple[str, ...]:
        """Its manifest and every file that this names."""
        return (MANIFEST, *self.manifest.files)


def _inside(square: tuple[float, float, float, float]) -> bool:
    return min(square) >= -_WITHIN and max(square) <= 1 + _WITHIN


def shipped_folder() -> Path:
    """Return the folder of the detector that comes with the package."""
    return Path(__file__).parents[1] / "detectors" / "default"


def load_bundle(folder: str | Path) -> Bundle:
    """Open a detector bundle and check it.

    Args:
        folder: a folder with `detector.json`.

    Raises:
        BundleError: a file is missing, changed, or not as the schema says.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"no detector bundle in {str(folder)!r}: {MANIFEST} is missing",
            hint="give the folder that holds detector.json and model.onnx",
        )
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise BundleError(f"{path} is larger than 1 MiB", hint="this is not a detector bundle")
    text = path.read_bytes()
    try:
        manifest = BundleManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(
            f"{path}: {where}: {first['msg']}",
            hint=f"this program reads bundles of version {BUNDLE_VERSION}; export it again",
        ) from error
    _check_texts(manifest.model_dump(mode="json"), str(path))
    _check_files(folder, manifest)
    for name in ("balanced", "few-false-alarms"):
        manifest.point(name)
    return Bundle(folder=folder, manifest=manifest, sha256=hashlib.sha256(text).hexdigest())


def _check_texts(value: object, name: str) -> None:
    """Refuse texts that a terminal or a page would not show as they are, or that have no end."""
    if isinstance(value, str):
        plain = value.replace("\n", " ").isprintable()  # quick, and true of nearly all
        if len(value) > _MAX_TEXT or (not plain and any(_unseen(char) for char in value)):
            raise BundleError(
                f"{name} has a text with characters that cannot be shown, or of more than "
                f"{_MAX_TEXT}: {value[:60]!r}",
                hint="do not use this bundle",
            )
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            _check_texts(each, name)
    elif isinstance(value, list):
        for each in value:
            _check_texts(each, name)


def _unseen(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in UNSEEN


def _check_files(folder: Path, manifest: BundleManifest) -> None:
    """Compare every file of the bundle with its hash."""
    if not manifest.views and MODEL not in manifest.files:
        raise BundleError("the bundle names no model.onnx", hint="export it again")
    for name, expected in manifest.files.items():
        path = folder / name
        if Path(name).name != name or path.is_symlink():
            raise BundleError(f"{name!r} is no plain file name", hint="do not use this bundle")
        if not path.is_file():
            raise BundleError(f"{path} is missing", hint="copy the whole bundle again")
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise BundleError(f"{path} is larger than 2 GiB", hint="do not use this bundle")
        if path.suffix == ".onnx":
            read_network(path, expected, ours=folder == shipped_folder())
        elif file_sha256(path) != expected:
            raise BundleError(
                f"{path} was changed: its SHA-256 is not the one in {MANIFEST}",
                hint="copy the bundle again from where you had it",
            )


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder that becomes a bundle, by name."""
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def write_manifest(folder: Path, manifest: BundleManifest) -> None:
    """Write `detector.json` of a bundle whose other files are in place."""
    write_text(folder / MANIFEST, json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n")
