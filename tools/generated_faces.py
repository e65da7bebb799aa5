"""Make genuine and wholly generated faces alike in all but what made them.

    python tools/generated_faces.py genuine.parquet generated.parquet faces.parquet \
        --yunet src/unmask/faces/weights/yunet.onnx

Both inputs are tables with the columns `name` and `image`. Collections differ in framing, size,
greyscale and compression, and a network that is given them as they are learns these. Generated
pictures are cut as tightly as genuine ones drawn at random, as many of them are made grey, and
every face gets a size and a compression drawn from the same range. The output is a table of crops
of 1.5 times the box for `unmask train`: labels `real` and `fake`, with box and YuNet's points. What
stays different are the motifs (light, age, smile): give genuine pictures of several collections.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from unmask.faces.crops import cut_square, square_around

Pixels = NDArray[np.uint8]
MARGIN_RATIO = 1.5
"""Side of a crop over the longer side of the box: `unmask train` moves a smaller window in it."""
FACE_PX = (75.0, 130.0)
"""Longer side of the faces."""
QUALITY = (75, 97)
GREY = 3.0
"""Mean spread of the colours under which a picture counts as grey."""
_RESAMPLING = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


@dataclass(frozen=True, eq=False)
class Face:
    """A picture with its largest face."""

    name: str
    """Of the picture."""
    pixels: Pixels
    """`(H, W, 3)` RGB."""
    box: NDArray[np.float64]
    """`(4,)` XYXY."""
    points: NDArray[np.float64]
    """`(5, 2)` YuNet's landmarks."""

    @property
    def longer(self) -> float:
        """Longer side of the box."""
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def gaps(self) -> NDArray[np.float64]:
        """`(4,)` distance of the box from the picture's edges, in its longer sides."""
        size = np.array(self.pixels.shape[1::-1])
        return np.concatenate((self.box[:2], size - self.box[2:])) / self.longer


def faces(path: Path, detector: cv2.FaceDetectorYN) -> list[Face]:
    """Return the pictures of a table that show a face."""
    found = []
    for row in pq.read_table(path, columns=["name", "image"]).to_pylist():
        with Image.open(io.BytesIO(row["image"])) as image:
            pixels = np.asarray(image.convert("RGB"))
        detector.setInputSize(pixels.shape[1::-1])
        _, rows = detector.detect(np.ascontiguousarray(pixels[:, :, ::-1]))
        if rows is not None:
            x, y, width, height, *points = rows[np.argmax(rows[:, 2] * rows[:, 3])][:14].tolist()
            box = np.array((x, y, x + width, y + height))
            found.append(Face(row["name"], pixels, box, np.array(points).reshape(5, 2)))
    return found


def cut_like(face: Face, gaps: NDArray[np.float64]) -> Face:
    """Cut a picture so that its face lies no farther from the edges than `gaps`."""
    space = np.minimum(gaps, face.gaps) * face.longer
    low = np.maximum(0, np.round(face.box[:2] - space[:2])).astype(int)
    high = np.round(face.box[2:] + space[2:]).astype(int)
    pixels = np.ascontiguousarray(face.pixels[low[1] : high[1], low[0] : high[0]])
    return replace(face, pixels=pixels, box=face.box - np.tile(low, 2), points=face.points - low)


def is_grey(face: Face) -> bool:
    """Tell whether a picture has hardly any colour."""
    return float(np.ptp(face.pixels.astype(np.int16), axis=2).mean()) < GREY


def row(face: Face, label: str, rng: np.random.Generator) -> dict[str, object]:
    """Return a crop of a face at a size and compression drawn at random."""
    square = square_around(tuple(face.box.tolist()), margin_ratio=MARGIN_RATIO)
    side = square[2] - square[0]
    size_px = round(min(rng.uniform(*FACE_PX), face.longer) * MARGIN_RATIO)
    whole = Image.fromarray(cut_square(face.pixels, square, size_px=round(side)))
    small = whole.resize((size_px, size_px), _RESAMPLING[rng.integers(len(_RESAMPLING))])
    buffer = io.BytesIO()
    small.save(
        buffer, "JPEG", quality=int(rng.integers(*QUALITY)), subsampling=int(rng.integers(3))
    )
    corner, scale = np.array(square[:2]), size_px / side
    return {
        "name": face.name, "label": label, "video": face.name, "original": face.name, "frame": 0,
        "image": buffer.getvalue(),
        "face_box": ((face.box - np.tile(corner, 2)) * scale).round(2).tolist(),
        "landmarks": ((face.points - corner) * scale).ravel().round(2).tolist(),
    }  # fmt: skip


def equalised(
    genuine: list[Face], generated: list[Face], rng: np.random.Generator
) -> list[dict[str, object]]:
    """Return the rows of both, made alike."""
    grey_share = float(np.mean([is_grey(face) for face in genuine]))
    rows = [row(face, "real", rng) for face in genuine]
    for face in generated:
        cut = cut_like(face, genuine[rng.integers(len(genuine))].gaps)
        if rng.random() < grey_share:
            grey = np.asarray(Image.fromarray(cut.pixels).convert("L").convert("RGB"))
            cut = replace(cut, pixels=grey)
        rows.append(row(cut, "fake", rng))
    return rows


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("genuine", type=Path)
    parser.add_argument("generated", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--yunet", required=True)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(given.yunet, "", (320, 320), 0.7, 0.3, 50)
    rng = np.random.default_rng(5)
    rows = equalised(faces(given.genuine, detector), faces(given.generated, detector), rng)
    pq.write_table(pa.Table.from_pylist(rows), given.target, row_group_size=256)
    print(f"{len(rows)} crops written to {given.target}")


if __name__ == "__main__":
    main()
