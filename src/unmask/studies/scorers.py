"""Who scores the frames of films: a detector bundle, or a network that another cell has trained.

A scorer gives the logit of each crop and its embedding, the pooled last feature map, which pooling
by attention learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.framing import batch, finest_size, split_views
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network, preprocess
from unmask.crops import encoded_pictures
from unmask.explain import BundleNetwork
from unmask.explain.differentiable import Differentiable
from unmask.studies.cells import Cache, Cell, Factor, Measured, Place
from unmask.studies.frame_crops import Cutting
from unmask.studies.trained_scores import load_network

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]

_BATCH = 64


class Scorer(Protocol):
    """Scores crops; loaded when it is first used."""

    @property
    def title(self) -> str:
        """What it is."""

    @property
    def identity(self) -> str:
        """Hash of what its scores depend on."""

    @property
    def cutting(self) -> Cutting:
        """How it wants faces cut."""

    @property
    def input_px(self) -> int:
        """Side of the picture that `prepare` takes."""

    @property
    def threshold(self) -> float:
        """Logit from which it calls a crop fake."""

    @property
    def model(self) -> Differentiable:
        """The network, to be explained."""

    def scores(self, pictures: Sequence[Image.Image]) -> tuple[Float, Float]:
        """Return logits `(N,)` and embeddings `(N, C)` of crops that were cut as `cutting` says."""

    def prepare(self, crops: Pixels) -> Float:
        """Return the network's input `(N, 3, S, S)` for crops `(N, S, S, 3)`."""


@dataclass(frozen=True, eq=False)
class BundleScorer:
    """A detector bundle."""

    bundle: Bundle
    """Checked."""
    threads: int = 2
    """Of its networks."""

    @property
    def title(self) -> str:
        """The detector's name and hash."""
        return f"detector {self.bundle.manifest.name} ({self.bundle.sha256[:12]})"

    @property
    def identity(self) -> str:
        """The detector's hash."""
        return self.bundle.sha256

    @property
    def cutting(self) -> Cutting:
        """In the framing of its first view, with the pixels that each view looks at in a scan."""
        spec = self.bundle.manifest.preprocessing
        return Cutting(finest_size(self.bundle.views), spec.margin_ratio, spec.shift_y_ratio)

    @property
    def input_px(self) -> int:
        """That of the first view, whose crop maps lie on."""
        return self.bundle.manifest.preprocessing.size_px

    @property
    def threshold(self) -> float:
        """The balanced operating point."""
        return self.bundle.manifest.point("balanced").logit

    @cached_property
    def model(self) -> Differentiable:
        """Its networks."""
        return BundleNetwork(self.bundle, network=self._network)

    @cached_property
    def _network(self) -> Network:
        return Network(self.bundle, threads=self.threads)

    def scores(self, pictures: Sequence[Image.Image]) -> tuple[Float, Float]:
        """Score each view on what it sees of a picture, as a scan does."""
        crops = batch([split_views(picture, self.bundle.views) for picture in pictures])
        output = self._network.run(crops, features=True)
        maps = [view.features for view in output.views if view.features is not None]
        pooled = [each.mean(axis=(2, 3)) for each in maps]
        return output.logits, np.concatenate([np.empty((len(pictures), 0)), *pooled], axis=1)

    def prepare(self, crops: Pixels) -> Float:
        """Normalise as the bundle says."""
        return preprocess(crops, self.bundle.manifest.preprocessing)


@dataclass(frozen=True, eq=False)
class LearnedScorer:
    """A network that a lesson of this study has trained."""

    folder: Path
    """What the lesson's cell keeps."""
    key: str
    """The lesson's key."""
    size_px: int
    """Side of its input."""
    margin_ratio: float
    """Side of its crops over the face box."""

    @property
    def title(self) -> str:
        """The lesson that trained it."""
        return f"network trained in cell {self.key[:12]}"

    @property
    def identity(self) -> str:
        """The lesson's key."""
        return self.key

    @property
    def cutting(self) -> Cutting:
        """As its training crops were cut."""
        return Cutting(self.size_px, self.margin_ratio)

    @property
    def input_px(self) -> int:
        """That of its crops."""
        return self.size_px

    @property
    def threshold(self) -> float:
        """Even odds."""
        return 0.0

    @cached_property
    def model(self) -> Differentiable:
        """The network with its best weights."""
        from unmask.training.networks.differentiable import TorchNetwork

        return TorchNetwork(load_network(self.folder), batch=_BATCH)

    def scores(self, pictures: Sequence[Image.Image]) -> tuple[Float, Float]:
        """Score pictures whole."""
        pixels = np.stack([_resize(picture, self.size_px) for picture in pictures])
        evidence = self.model.evidence(self.prepare(pixels))
        return evidence.logits, evidence.layer[0].mean(axis=(2, 3))

    def prepare(self, crops: Pixels) -> Float:
        """Normalise as its training did."""
        from unmask.training.runs import read_run

        return preprocess(crops, read_run(self.folder).preprocessing)


def scored_cell(factors: dict[str, Factor], frames: Cell, scorer: Scorer, cache: Cache) -> Cell:
    """Return the cell of the scores of one film's frames.

    Args:
        factors: where it stands in its study.
        frames: the cell of the film's frames; it must be done first.
        scorer: who scores.
        cache: where the film's frames are.
    """
    content = {"what": "scored frames", "frames": frames.key, "scorer": scorer.identity}

    def measure(_: Place) -> Measured:
        table = cache.run(frames).table
        logits, embeddings = _scores(table["image"].to_pylist(), scorer)
        facts = table.drop_columns(["image"])
        facts = facts.append_column("logit", pa.array(logits, pa.float64()))
        return Measured(facts.append_column("embedding", embeddings))

    return Cell(factors, content, measure)


def _scores(images: Sequence[bytes], scorer: Scorer) -> tuple[NDArray[np.float64], pa.Array]:
    logits: list[float] = []
    embeddings: list[list[float]] = []
    for first in range(0, len(images), _BATCH):
        pictures = [
            encoded_pictures.decode_picture(image) for image in images[first : first + _BATCH]
        ]
        of_batch, embedded = scorer.scores(pictures)
        logits += of_batch.astype(float).tolist()
        embeddings += embedded.tolist()
    return np.array(logits), pa.array(embeddings, pa.list_(pa.float32()))


def decode_crop(image: bytes, scorer: Scorer) -> Pixels:
    """Return an encoded crop as the scorer's network takes it."""
    return _resize(encoded_pictures.decode_picture(image), scorer.input_px)


def _resize(picture: Image.Image, size_px: int) -> Pixels:
    if picture.size != (size_px, size_px):
        picture = picture.resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8)
