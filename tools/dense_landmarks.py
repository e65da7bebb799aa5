"""Give the crops of a wide table 79 landmarks by MediaPipe's face mesh.

    python tools/dense_landmarks.py wide.parquet dense.parquet

Needs mediapipe 0.10.9 (Apache-2.0), which wants numpy 1 and an older pyarrow: run it in an
environment of its own.
Of the mesh's 468 points those are kept that stand for the usual 68, and eleven along the forehead.
Where the mesh finds no face in the box, the five points of the face detector stay.
"""

from __future__ import annotations

import io
import sys

import mediapipe
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

# jaw, brows, nose, eyes, mouth, forehead
CHOSEN = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
    21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251,
)  # fmt: skip
MARGIN_RATIO = 1.5


def points(mesh, encoded: bytes, box: list[float]) -> list[float] | None:
    """Return x and y in turn of the 79 points, pixels of the crop; None without a fitting face."""
    image = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    side = max(box[2] - box[0], box[3] - box[1]) * MARGIN_RATIO
    centre = np.array((box[0] + box[2], box[1] + box[3])) / 2
    left, top = np.maximum(0, centre - side / 2).astype(int)
    right, bottom = (centre + side / 2).astype(int)
    window = np.ascontiguousarray(image[top:bottom, left:right])
    seen = mesh.process(window).multi_face_landmarks
    if not seen:
        return None
    size = (window.shape[1], window.shape[0])
    all_points = np.array([(p.x, p.y) for p in seen[0].landmark]) * size + (left, top)
    chosen = all_points[list(CHOSEN)]
    off = np.abs(chosen.mean(axis=0) - centre).max() / side
    height = np.ptp(chosen[:, 1]) / (box[3] - box[1])
    fits = off < 1 / 6 and 0.5 < height < 1.5  # else it is another face's
    return chosen.ravel().round(2).tolist() if fits else None


def main(source: str, target: str) -> None:
    """Write the table."""
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, min_detection_confidence=0.3
    )
    rows = pq.read_table(source).to_pylist()
    dense = [points(mesh, row["image"], row["face_box"]) for row in rows]
    for row, fitted in zip(rows, dense, strict=True):
        row["landmarks"] = fitted or row["landmarks"]
    pq.write_table(pa.Table.from_pylist(rows), target, row_group_size=256)
    print(f"{len(rows)} crops written to {target}, {dense.count(None)} with five points")


if __name__ == "__main__":
    main(*sys.argv[1:])
