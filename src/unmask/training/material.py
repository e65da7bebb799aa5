"""Crop files on disk as training batches and as a validation set.

Batches are a function of (seed, number) alone, so a run that is stopped goes on with the batches
that it would have had. One batch holds DFDC triples (a real crop and two fakes made from it),
real crops with their self-blended fakes, from DFDC and from CelebA.
"""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from unmask.models.imagenet import normalise
from unmask.training.augment import degrade, random_window
from unmask.training.selfblend import self_blend

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

_CELEBA_WINDOW = (29, 60, 149, 180)
"""Square of an aligned 178 x 218 CelebA picture that frames the face as the DFDC crops do, px."""
_WINDOW_JITTER_PX = 8
_BLEND_SCALE = 1.25
"""Blends are made larger than the network sees them, as a forger's are."""


@dataclass(frozen=True)
class BatchPlan:
    """How many crops of each kind make one batch."""

    triples: int = 6
    """DFDC triples: one real and two of its fakes each."""
    dfdc_blends: int = 4
    """DFDC reals, each with its self-blended fake."""
    celeba_blends: int = 3
    """CelebA reals, each with its self-blended fake."""

    @property
    def reals(self) -> int:
        """Real crops in a batch."""
        return self.triples + self.dfdc_blends + self.celeba_blends

    @property
    def fakes(self) -> int:
        """Fake crops in a batch."""
        return 2 * self.triples + self.dfdc_blends + self.celeba_blends


def _decode(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


class TrainingBatches:
    """Map-style data set whose items are whole training batches.

    Args:
        dfdc: Parquet files with columns `name`, `label`, `original`, `image`.
        celeba: Parquet file with column `image`, aligned CelebA pictures.
        plan: composition of a batch.
        size_px: side of the network's input.
        batches: number of batches.
        seed: everything random follows from it and the batch's number.
    """

    def __init__(
        self,
        dfdc: list[Path],
        celeba: Path,
        *,
        plan: BatchPlan,
        size_px: int,
        batches: int,
        seed: int,
    ) -> None:
        table = pa.concat_tables([pq.read_table(path) for path in dfdc])
        self._images = table["image"].combine_chunks()
        self._celeba = pq.read_table(celeba)["image"].combine_chunks()
        reals: dict[str, int] = {}
        fakes: dict[str, list[int]] = defaultdict(list)
        names, labels = table["name"].to_pylist(), table["label"].to_pylist()
        for row, original in enumerate(table["original"].to_pylist()):
            if labels[row] == "real":
                reals[names[row]] = row
            else:
                fakes[original].append(row)
        self._families = [
            (row, np.asarray(fakes[name])) for name, row in reals.items() if fakes.get(name)
        ]
        self._plan, self._size_px, self._batches, self._seed = plan, size_px, batches, seed
        self.counts = {
            "dfdc_real": len(reals),
            "dfdc_fake": len(labels) - len(reals),
            "dfdc_families": len(self._families),
            "celeba_real": len(self._celeba),
        }

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._batches

    def __getitem__(self, number: int) -> Batch:
        """Return images `(N, 3, H, W)` and labels `(N,)`, 1 for fake, of one batch."""
        rng = np.random.default_rng((self._seed, number))
        images: list[Image.Image] = []
        labels: list[float] = []
        families = rng.choice(len(self._families), self._plan.triples + self._plan.dfdc_blends)
        for family in families[: self._plan.triples]:
            real, fakes = self._families[family]
            for row, label in ((real, 0.0), *((int(f), 1.0) for f in rng.choice(fakes, 2))):
                crop = random_window(_decode(self._images[row].as_py()), rng, self._size_px)
                images.append(degrade(crop, rng))
                labels.append(label)
        for family in families[self._plan.triples :]:
            real, _ = self._families[family]
            self._add_blend(_decode(self._images[real].as_py()), rng, images, labels)
        for row in rng.choice(len(self._celeba), self._plan.celeba_blends):
            box = np.asarray(_CELEBA_WINDOW) + np.tile(rng.integers(-_WINDOW_JITTER_PX, 9, 2), 2)
            face = _decode(self._celeba[int(row)].as_py()).crop(tuple(box.tolist()))
            self._add_blend(face, rng, images, labels)
        return normalise(images), np.asarray(labels, dtype=np.float32)

    def _add_blend(
        self,
        face: Image.Image,
        rng: np.random.Generator,
        images: list[Image.Image],
        labels: list[float],
    ) -> None:
        """Append a real crop and its self-blended fake, both degraded in the same way."""
        size = (self._size_px, self._size_px)
        pair = self_blend(random_window(face, rng, round(_BLEND_SCALE * self._size_px)), rng)
        state = rng.bit_generator.state
        for image in pair:
            rng.bit_generator.state = state
            images.append(degrade(image.resize(size, Image.Resampling.BILINEAR), rng))
        labels.extend((0.0, 1.0))


@dataclass(frozen=True)
class ValidationSet:
    """Crops scored as they are: no augmentation."""

    images: NDArray[np.float32]
    """`(N, 3, H, W)`, normalised."""
    labels: NDArray[np.int64]
    """`(N,)`, 1 for fake."""
    originals: list[str]
    """The real video that each crop comes from: the cluster of every interval."""


def read_validation(
    path: Path, *, size_px: int, without: frozenset[str] = frozenset()
) -> ValidationSet:
    """Read a crop file for scoring.

    Args:
        path: Parquet file with columns `name`, `label`, `original`, `image`.
        size_px: side of the network's input.
        without: originals to leave out with all their fakes.
    """
    rows = [r for r in pq.read_table(path).to_pylist() if r["original"] not in without]
    size = (size_px, size_px)
    images = [_decode(r["image"]).resize(size, Image.Resampling.BILINEAR) for r in rows]
    return ValidationSet(
        images=normalise(images),
        labels=np.asarray([int(r["label"] == "fake") for r in rows]),
        originals=[r["original"] for r in rows],
    )
