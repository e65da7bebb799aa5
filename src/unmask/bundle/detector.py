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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.calibration import calibrate
from unmask.bundle.catalogue import find
from unmask.bundle.devices import Device
from unmask.bundle.framing import Batch, batch, split_views
from unmask.bundle.hub import push
from unmask.bundle.manifest import Bundle, Preprocessing, load_bundle
from unmask.bundle.runtime import Network, Output, preprocess
from unmask.core.errors import BundleError
from unmask.system.files import name_full_disk

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
        device: what they run on, `auto`, `cpu` or `cuda`.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 2, device: Device = "cpu") -> None:
        self.bundle = bundle
        """The checked bundle."""
        self.network = Network(bundle, threads=threads, device=device)
        """Its networks, as one."""

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        threads: int = 2,
        device: Device = "cpu",
    ) -> Detector:
        """Load a detector by folder, name or Hub id, looked up in this order.

        Args:
            name: a bundle's folder; a name that `unmask detectors list` shows; or `owner/name` on
                the Hub, the only one for which the network is used.
            revision: branch, tag or commit on the Hub.
            threads: threads of each network.
            device: what they run on, `auto`, `cpu` or `cuda`.

        Raises:
            ValueError: a revision is given for what is not on the Hub.
            InputNotFound: there is no such detector.
            DownloadError: the Hub did not give it.
            BundleError: it is damaged.
        """
        return cls(load_bundle(find(name, revision=revision)), threads=threads, device=device)

    def __repr__(self) -> str:
        """Show what it is."""
        manifest = self.bundle.manifest
        sizes = " and ".join(f"{v.preprocessing.size_px} px" for v in self.bundle.views)
        return f"Detector({manifest.name!r}, {manifest.backbone}, {sizes})"

    @property
    def preprocessing(self) -> Preprocessing:
        """From a face box to the crops that it takes: the framing of its first view."""
        return self.bundle.manifest.preprocessing

    def scores(self, crops: NDArray[np.uint8]) -> Scores:
        """Score square face crops.

        Args:
            crops: `(N, S, S, 3)` RGB, framed as `preprocessing` says; of another size than the
                network's they are resized. What other views see is cut out of them: crops larger
                than `preprocessing.size_px` keep more of it. A detector of clips takes
                `(N, T, S, S, 3)`.
        """
        logits = self.network.run(self.split(crops)).logits
        values = np.asarray(logits, dtype=np.float64)
        return Scores(logits, calibrate(values, self.bundle.manifest.calibration))

    def evidence(self, crops: NDArray[np.uint8]) -> Output:
        """Return logits with each view's last feature map and the gradient at it, for GradCAM.

        Args: as of `scores`.
        """
        return self.network.run(self.split(crops), evidence=True)

    def input_gradients(self, crops: NDArray[np.uint8]) -> tuple[Float, ...]:
        """Return for each view d logit / d normalised input, `(N, 3, S, S)`.

        Raises:
            BundleError: a view has no gradient at its input.
        """
        return tuple(
            network.input_gradients(preprocess(own, network.view.preprocessing))
            for network, own in zip(self.network.views, self.split(crops), strict=True)
        )

    def split(self, crops: NDArray[np.uint8]) -> Batch:
        """Return crops as each view takes them, `(N, S, S, 3)`; clips likewise, `(N, T, S, S, 3)`.

        Raises:
            ValueError: they are not `(N, S, S, 3)` uint8.
        """
        if crops.ndim == 5:
            frames = self.split(crops.reshape(-1, *crops.shape[2:]))
            return tuple(each.reshape(*crops.shape[:2], *each.shape[1:]) for each in frames)
        if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3:
            raise ValueError(f"crops must be (N, S, S, 3) uint8, got {crops.shape}")
        views = self.bundle.views
        if not len(crops):
            sizes = [view.preprocessing.size_px for view in views]
            return tuple(np.empty((0, size, size, 3), np.uint8) for size in sizes)
        return batch([split_views(Image.fromarray(crop), views) for crop in crops])

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
        with (
            name_full_disk(target),
            tempfile.TemporaryDirectory(dir=beside, prefix=".bundle.") as temporary,
        ):
            partial = Path(temporary) / "bundle"
            partial.mkdir()
            for name in self.bundle.file_names:
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


def check_works(detector: Detector) -> None:
    """Run a detector on drawn noise, evidence and gradient at the input included.

    Raises:
        BundleError: a result has a wrong shape, or is no number.
    """
    size, clip = detector.preprocessing.size_px, detector.bundle.manifest.clip
    many = (2,) if clip is None else (2, clip.frames)
    crops = np.random.default_rng(0).integers(0, 256, (*many, size, size, 3), dtype=np.uint8)
    output = detector.evidence(crops)
    _require(output.logits, (2,), "logit")
    for each in output.views:
        if each.features is not None and each.gradients is not None:
            _require(each.features, (*many, *each.features.shape[len(many) :]), "features")
            _require(each.gradients, each.features.shape, "gradient")
            places = (*many, *each.features.shape[-2:])
            for values in (each.attention, each.rollout):
                if values is not None:
                    _require(values, places, "map of attention")
    if detector.bundle.has_input_gradient:
        for view, at_input in zip(
            detector.bundle.views, detector.input_gradients(crops), strict=True
        ):
            side = view.preprocessing.size_px
            _require(at_input, (*many, 3, side, side), "input gradient")


def _require(values: Float, shape: tuple[int, ...], name: str) -> None:
    if values.shape != shape or not np.isfinite(values).all():
        what = f"shape {values.shape}" if values.shape != shape else "values that are no numbers"
        raise BundleError(
            f"the detector gives a {name} of {what}; {shape} finite numbers are the contract",
            hint="export the detector again",
        )
