"""A detector for Python users: a loaded bundle, run on face crops. Needs no torch.

>>> import numpy as np
>>> detector = Detector.from_pretrained("default")
>>> size = detector.preprocessing.size_px
>>> scores = detector.scores(np.zeros((2, size, size, 3), dtype=np.uint8))
>>> scores.logits.shape, scores.probabilities.shape
((2,), (2,))
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle import FILES, Bundle, Preprocessing, load_bundle
from unmask.catalogue import find, installed
from unmask.errors import BundleError
from unmask.files import naming
from unmask.hub import fetch, is_hub_id, push
from unmask.runtime import InputGradient, Network, Output, preprocess
from unmask.scoring import calibrate

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a detector says of crops."""

    logits: Float
    """`(N,)` logits of P(fake), as the network gives them."""
    probabilities: NDArray[np.float64]
    """`(N,)` calibrated P(fake) at even prior odds."""


class Detector:
    """A checked bundle and its networks.

    Args:
        bundle: as `load_bundle` returns it.
        threads: threads of each network.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 2) -> None:
        self.bundle = bundle
        self._threads = threads
        self._network = Network(bundle, threads=threads)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, threads: int = 2
    ) -> Detector:
        """Load a detector by folder, name or Hub id, looked up in this order.

        Args:
            name: a bundle's folder; a name that `unmask detectors list` shows; or `owner/name` on
                the Hub, the only one for which the network is used.
            revision: branch, tag or commit on the Hub.
            threads: threads of each network.

        Raises:
            ValueError: a revision is given for what is not on the Hub.
            InputNotFound: there is no such detector.
            DownloadError: the Hub did not give it.
            BundleError: it is damaged.
        """
        here = Path(name).is_dir() or str(name) in installed()
        if not here and is_hub_id(str(name)):
            return cls(load_bundle(fetch(str(name), revision=revision)), threads=threads)
        if revision is not None:
            raise ValueError(f"only detectors on the Hub have revisions, {str(name)!r} is not")
        return cls(load_bundle(find(name)), threads=threads)

    def __repr__(self) -> str:
        """Show what it is."""
        manifest = self.bundle.manifest
        return (
            f"Detector({manifest.name!r}, {manifest.backbone}, {manifest.preprocessing.size_px} px)"
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """From a face box to the network's input."""
        return self.bundle.manifest.preprocessing

    def scores(self, crops: NDArray[np.uint8]) -> Scores:
        """Score square face crops.

        Args:
            crops: `(N, S, S, 3)` RGB; of another size than the network's they are resized.
        """
        logits = self._network.run(self.resize(crops)).logits
        values = np.asarray(logits, dtype=np.float64)
        return Scores(logits, calibrate(values, self.bundle.manifest.calibration))

    def evidence(self, crops: NDArray[np.uint8]) -> Output:
        """Return logits with the last feature map and the gradient at it, for GradCAM.

        Args: as of `scores`.
        """
        return self._network.run(self.resize(crops), evidence=True)

    def input_gradients(self, crops: NDArray[np.uint8]) -> Float:
        """Return d logit / d normalised input, `(N, 3, S, S)`.

        Raises:
            BundleError: the bundle has no `gradient.onnx`.
        """
        return self._gradient.run(preprocess(self.resize(crops), self.preprocessing))

    def resize(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return crops in the network's size, as scanning and training resize them.

        Raises:
            ValueError: they are not `(N, S, S, 3)` uint8.
        """
        if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3:
            raise ValueError(f"crops must be (N, S, S, 3) uint8, got {crops.shape}")
        size = self.preprocessing.size_px
        if crops.shape[1] == size or not len(crops):
            return crops.reshape(len(crops), size, size, 3)
        resample = Image.Resampling.BILINEAR
        return np.stack(
            [np.asarray(Image.fromarray(c).resize((size, size), resample)) for c in crops]
        )

    def save(self, folder: str | Path) -> Path:
        """Copy the bundle into a folder, which must not hold one, and return the folder.

        Raises:
            ValueError: the folder is there and not empty.
        """
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ValueError(f"{str(folder)!r} is not empty; a bundle is saved into a new folder")
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        beside = target.absolute().parent
        with naming(target), tempfile.TemporaryDirectory(dir=beside, prefix=".bundle.") as made:
            partial = Path(made) / "bundle"
            partial.mkdir()
            for name in FILES:
                if (self.bundle.folder / name).is_file():
                    shutil.copyfile(self.bundle.folder / name, partial / name)
            load_bundle(partial)
            target.mkdir(exist_ok=True)
            for each in partial.iterdir():
                each.rename(target / each.name)
        return target

    def push_to_hub(
        self, repo_id: str, *, private: bool = True, revision: str | None = None
    ) -> str:
        """Upload the bundle to `owner/name` on the Hub and return the commit's address.

        Args:
            repo_id: made if it does not exist.
            private: whether a new repository is; read the licence before you say no.
            revision: the branch.

        Raises:
            DownloadError: it could not be uploaded.
        """
        return push(self.bundle, repo_id, private=private, revision=revision)

    @cached_property
    def _gradient(self) -> InputGradient:
        return InputGradient(self.bundle, threads=self._threads)


def check_works(detector: Detector) -> None:
    """Run a detector on drawn noise, evidence and gradient at the input included.

    Raises:
        BundleError: a result has a wrong shape, or is no number.
    """
    size = detector.preprocessing.size_px
    crops = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    found = detector.evidence(crops)
    _require(found.logits, (2,), "logit")
    features, gradients = found.features, found.gradients
    assert features is not None  # noqa: S101 - evidence was asked for
    assert gradients is not None  # noqa: S101 - evidence was asked for
    _require(features, (2, *features.shape[1:]), "features")
    _require(gradients, features.shape, "gradient")
    if detector.bundle.gradient_path is not None:
        _require(detector.input_gradients(crops), (2, 3, size, size), "input gradient")


def _require(values: Float, shape: tuple[int, ...], name: str) -> None:
    if values.shape != shape or not np.isfinite(values).all():
        what = f"shape {values.shape}" if values.shape != shape else "values that are no numbers"
        raise BundleError(
            f"the detector gives a {name} of {what}; {shape} finite numbers are the contract",
            hint="export the detector again",
        )
