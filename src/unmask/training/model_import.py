"""Detectors that were trained elsewhere as bundles, each compared with what it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from unmask.bundle.hub import fetch
from unmask.bundle.manifest import MODEL, Bundle, Parity, Preprocessing, Triple, View, load_bundle
from unmask.bundle.runtime import INPUT, open_session
from unmask.core.errors import InputError
from unmask.core.settings import DEFAULT_MARGIN_RATIO
from unmask.training.bundle_export import (
    Say,
    Subject,
    describe,
    describe_parity_images,
    finish_bundle,
    new_bundle,
    parity_images,
    write_bundle,
)
from unmask.training.crop_table import read_crops
from unmask.training.export_sources import NOT_STATED, UNKNOWN_TERMS
from unmask.training.networks import deepfakebench, hub_classifier
from unmask.training.networks.classifier import load_timm_classifier
from unmask.training.networks.onnx_import import (
    OnnxFacts,
    read_onnx_classifier,
    score_source,
    write_scoring,
)
from unmask.training.networks.output_layout import Label
from unmask.training.networks.parity import require_parity
from unmask.training.networks.scoring_network import ScoringNetwork

Normalisation = Literal["imagenet", "half", "unit", "bytes"]
NORMALISATIONS: dict[str, tuple[Triple, Triple]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "bytes": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
"""Mean and deviation of pixels in [0, 1], by name; `unit` leaves them, `bytes` gives 0 to 255."""


@dataclass(frozen=True)
class Framing:
    """What a network sees of a face, where its source does not say."""

    margin_ratio: float = DEFAULT_MARGIN_RATIO
    """Side of the crop over the longer side of the face box."""
    shift_y_ratio: float = 0.0
    """How far the crop's centre lies below the box's, in sides of the crop."""
    size_px: int | None = None
    """Side of the square input; None: the network's own."""
    mean: Triple | None = None
    """Subtracted from pixels in [0, 1]; None: the network's own."""
    std: Triple | None = None
    """Divisor after that; None: the network's own."""

    def preprocessing(self, *, size_px: int, mean: Triple, std: Triple) -> Preprocessing:
        """Return the whole, with the network's own size and normalisation where none is set.

        Raises:
            InputError: a value is not allowed.
        """
        try:
            return Preprocessing(
                size_px=self.size_px or size_px,
                margin_ratio=self.margin_ratio,
                shift_y_ratio=self.shift_y_ratio,
                mean=self.mean or mean,
                std=self.std or std,
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0])
            raise InputError(
                f"{name} cannot be {first['input']!r}: {first['msg']}",
                hint="change it with --size, --margin, --shift, --mean or --std",
            ) from error


@dataclass(frozen=True)
class Statement:
    """What whoever imports a detector says of it, and what it is measured on."""

    name: str
    """Name of the detector."""
    trained_on: str = NOT_STATED
    """What it was trained on."""
    licence: str = UNKNOWN_TERMS
    """Terms of the weights."""
    limits: tuple[str, ...] = ()
    """What it cannot do."""
    validation: tuple[Path, ...] = ()
    """Crop stores or Parquet files with labels; empty: it is neither calibrated nor measured."""

    def subject(self, network: Any, spec: Preprocessing, *limits: str) -> Subject:
        """Return what is exported, with more limits."""
        return Subject(
            network=network,
            preprocessing=spec,
            name=self.name,
            validation=read_crops(self.validation) if self.validation else None,
            validation_described=", ".join(path.name for path in self.validation),
            training_data=self.trained_on,
            licence=self.licence,
            limits=(*self.limits, "It was trained elsewhere.", *limits),
        )


def import_timm(
    name: str,
    weights: Path,
    folder: Path,
    *,
    framing: Framing,
    statement: Statement,
    fake: int | None = None,
    single: Label = "fake",
    gradient: bool = True,
    say: Say,
) -> Bundle:
    """Make a bundle of one of timm's networks with its own classifier.

    Args:
        name: timm's name.
        weights: its state dictionary.
        folder: of the new bundle.
        framing: what it sees of a face.
        statement: what is said of it.
        fake: number of the class that is fake; None: the second of two.
        single: what a single output speaks for.
        gradient: whether with the gradient at the input.
        say: told what is being done.

    Raises:
        InputError: the file does not fit the network, or has no classifier.
        BundleError: ONNX Runtime and PyTorch differ.
    """
    network = load_timm_classifier(name, weights, fake=fake, single=single, size_px=framing.size_px)
    config = network.model.pretrained_cfg
    spec = framing.preprocessing(
        size_px=int(config["input_size"][-1]), mean=config["mean"], std=config["std"]
    )
    notes = _resizing_note(config.get("interpolation") == "bicubic")
    return _write(network, spec, folder, statement, notes, gradient=gradient, say=say)


def import_deepfakebench(
    checkpoint: Path,
    model: str,
    folder: Path,
    *,
    framing: Framing,
    statement: Statement,
    gradient: bool = True,
    say: Say,
) -> Bundle:
    """Make a bundle of a checkpoint of DeepfakeBench.

    Args: as of `import_timm`, and `model`, one of `deepfakebench.NETWORKS`.
    """
    network = deepfakebench.load_deepfakebench(checkpoint, model)
    normal = deepfakebench.NORMAL
    spec = framing.preprocessing(size_px=deepfakebench.SIZE_PX, mean=normal, std=normal)
    return _write(network, spec, folder, statement, (), gradient=gradient, say=say)


def import_hub(
    repo_id: str,
    folder: Path,
    *,
    framing: Framing,
    statement: Statement,
    revision: str | None = None,
    fake: str | None = None,
    single: Label = "fake",
    gradient: bool = True,
    say: Say,
) -> Bundle:
    """Make a bundle of an image classifier of the Hugging Face Hub, the one that is fetched.

    Args: as of `import_timm`, and `repo_id`, `owner/name`, `revision`, a branch, tag or commit, and
        `fake`, a label or number; None: the only class whose label says so.

    Raises:
        DownloadError: the Hub did not give it.
        InputError: it is no image classifier that can be read.
        BundleError: ONNX Runtime and PyTorch differ.
    """
    say(f"fetching {repo_id}")
    place = fetch(repo_id, revision=revision, patterns=hub_classifier.FILES)
    classifier = hub_classifier.load_hub_classifier(
        place, fake=fake, single=single, size_px=framing.size_px
    )
    spec = framing.preprocessing(
        size_px=classifier.size_px, mean=classifier.mean, std=classifier.std
    )
    notes = _resizing_note(classifier.bicubic)
    if "features" not in classifier.network.outputs:
        notes = (*notes, _ONLY_SCORES)
    return _write(classifier.network, spec, folder, statement, notes, gradient=gradient, say=say)


_ONLY_SCORES = (
    "It gives no feature map: its maps come from covering parts of the face (occlusion), not from "
    "the network's inside."
)


def import_onnx(
    path: Path,
    folder: Path,
    *,
    facts: OnnxFacts,
    framing: Framing,
    statement: Statement,
    say: Say,
) -> Bundle:
    """Make a bundle of an ONNX classifier, and compare its logits with those of the file.

    Args:
        path: the file; nothing but arithmetic is accepted in it.
        folder: of the new bundle.
        facts: what the file does not say.
        framing: what it sees of a face, with mean and deviation.
        statement: what is said of it.
        say: told what is being done.

    Raises:
        InputError: it is no classifier of pictures, or which class is fake is not known.
        BundleError: it may do more than compute, cannot be run, or the two differ.
    """
    if framing.mean is None or framing.std is None:
        raise ValueError("the normalisation of an ONNX file must be given")
    classifier = read_onnx_classifier(path, facts)
    spec = framing.preprocessing(size_px=classifier.size_px, mean=framing.mean, std=framing.std)
    subject = statement.subject(classifier, spec, _ONLY_SCORES)
    with new_bundle(folder) as partial:
        say(f"writing {MODEL}")
        write_scoring(classifier, partial / MODEL)
        say("comparing with the file as it came")
        images = parity_images(subject.validation, spec)
        expected = classifier.layout.logit_of_array(score_source(classifier, images))
        (got,) = _run_together(partial / MODEL, images)
        scale = np.abs(expected).max()
        parity = Parity(
            logit=float(np.abs(got - expected).max() / (scale or 1.0)),
            source="the file as it came",
            crops=describe_parity_images(subject.validation, subject.validation_described),
        )
        require_parity(parity)
        say("scoring and calibrating")
        manifest = describe(subject, partial / MODEL, parity)
        view = View(name="face", preprocessing=spec, outputs=classifier.outputs)
        finish_bundle(partial, manifest, view)
    return load_bundle(folder)


def _run_together(model: Path, images: np.ndarray) -> list[np.ndarray]:
    """Score several pictures in one pass, which a file for one picture alone refuses."""
    try:
        results: list[np.ndarray] = open_session(model).run(None, {INPUT: images})
    except Exception as error:  # ONNX Runtime has a dozen kinds
        raise InputError(
            f"the network takes one picture at a time: {str(error).splitlines()[0]}",
            hint="export it again with a free batch size (dynamic axes)",
        ) from error
    if results[0].shape != (len(images),):
        raise InputError(
            f"the network gives {results[0].shape} for {len(images)} pictures",
            hint="export it again with a free batch size (dynamic axes)",
        )
    return results


def _resizing_note(bicubic: bool) -> tuple[str, ...]:
    if not bicubic:
        return ()
    return ("Its source resizes pictures bicubically, here they are resized bilinearly.",)


def _write(
    network: ScoringNetwork,
    spec: Preprocessing,
    folder: Path,
    statement: Statement,
    notes: Sequence[str],
    *,
    gradient: bool,
    say: Say,
) -> Bundle:
    subject = statement.subject(network, spec, *notes)
    return write_bundle(subject, folder, gradient=gradient, weights=False, say=say)
