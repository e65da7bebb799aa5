"""YuNet: the default face detector, one small network (230 kB), built in.

For each cell of three grids the network gives a class score, an objectness, a box and five points.
They are decoded as OpenCV's `FaceDetectorYN` does it, in numpy and ONNX Runtime, so that a scan
needs no OpenCV; the tests hold both against each other on real frames.

The network was trained on faces of up to about 300 px and misses those that fill a large picture
(of faces 600 px wide 73 % were found, their boxes a quarter too small; of 800 px none). So a
picture is also searched at half its size, at a quarter, and so on; where small faces need not be
found, the finer sizes are left out, which saves most of the time.

Source: Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023. Weights: see
`weights/LICENSE-yunet`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.face import Box, Face, Landmarks
from unmask.faces.boxes import Array, BoxMapping, built_in_session, suppress
from unmask.system.stages import stage

STRIDES_PX = (8, 16, 32)
"""Sides of the cells of the three grids; the network takes whole cells of the coarsest."""
SCORE_THRESHOLD = 0.6
"""Least score of a face. At 0.7 (OpenCV's usual value: 0.9) faces below 18 px are missed; at 0.5
nothing more is found from 16 px on."""
NMS_THRESHOLD = 0.3
"""Faces that overlap a better one by more than this are dropped."""
MIN_SIDE_PX = 12
"""A picture with a shorter side is not searched."""
LEAST_FACE_PX = 16.0
"""Width from which 96 % of frontal faces are found; 88 % at 14 px, all at 18 px."""
EXACT_FACE_PX = 64.0
"""Width from which a box is no more exact in a finer picture; a known face is looked for so."""
LARGEST_FACE_PX = 320.0
"""Longer side up to which boxes are right; larger ones are taken from a coarser picture."""
COARSEST_PX = 320
"""A picture whose longer side is at most this is not halved: no face in it is too large."""


class YunetDetector:
    """YuNet on the CPU.

    Args:
        threads: threads of ONNX Runtime.
    """

    name = "yunet"
    sure_confidence = 0.85
    least_face_px = LEAST_FACE_PX
    box_mapping = BoxMapping(width_ratio=1.0, height_ratio=0.987, shift_y_ratio=-0.006)

    def __init__(self, *, threads: int = 2) -> None:
        self._network = built_in_session("yunet.onnx", threads=threads)

    @stage("face search")
    def detect(
        self,
        image: NDArray[np.uint8],
        near: Sequence[Box] | None = None,
        *,
        smallest_px: int | None = None,
    ) -> list[Face]:
        """Return the faces of a picture, the largest first. See `FaceDetector.detect`."""
        if min(image.shape[:2]) < MIN_SIDE_PX:
            return []
        finest = 1.0
        if near:
            finest = min(min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in near) / EXACT_FACE_PX
        elif smallest_px:
            finest = smallest_px / LEAST_FACE_PX
        parts = [self._search(image, each) for each in reductions(max(image.shape), finest)]
        boxes, points, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        keep = suppress(boxes, scores, NMS_THRESHOLD)
        sides = boxes[keep, 2:] - boxes[keep, :2]
        largest_first = keep[np.argsort(-sides.prod(axis=1), kind="stable")]
        return [self._face(boxes[i], points[i], scores[i]) for i in largest_first]

    def candidates(
        self, image: NDArray[np.uint8], *, threshold: float = SCORE_THRESHOLD
    ) -> tuple[Array, Array, Array]:
        """Run the network once, and return all that scores enough, before suppression.

        Returns:
            Boxes `(N, 4)` as the network draws them, points `(N, 5, 2)`, scores `(N,)`.
        """
        outputs = self._network.run(_OUTPUTS, {"input": _pad(image)})
        columns = _whole_cells(image.shape[1])
        parts = [
            _decode(
                outputs[4 * grid : 4 * grid + 4],
                stride=stride,
                cells_a_row=columns // stride,
                least_score=threshold,
            )
            for grid, stride in enumerate(STRIDES_PX)
        ]
        boxes, points, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return boxes, points, scores

    def _search(self, image: NDArray[np.uint8], reduction: int) -> tuple[Array, Array, Array]:
        """Return the candidates of a reduced picture, in pixels of the whole one."""
        small = image if reduction == 1 else np.asarray(Image.fromarray(image).reduce(reduction))
        boxes, points, scores = self.candidates(small)
        if max(small.shape) > COARSEST_PX:
            exact = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) <= LARGEST_FACE_PX
            boxes, points, scores = boxes[exact], points[exact], scores[exact]
        return boxes * np.float32(reduction), points * np.float32(reduction), scores

    def _face(self, box: Array, points: Array, score: np.float32) -> Face:
        x0, y0, x1, y1 = (float(v) for v in box)
        # YuNet names the points from the person's side, right eye first: left in the picture.
        marks: Landmarks = tuple((float(x), float(y)) for x, y in points)  # type: ignore[assignment]  # five by construction
        common = self.box_mapping.common((x0, y0, x1, y1))
        return Face(box=common, landmarks=marks, confidence=float(score))


_OUTPUTS = [f"{kind}_{stride}" for stride in STRIDES_PX for kind in ("cls", "obj", "bbox", "kps")]
"""The network's outputs, grid by grid."""


def reductions(longer_side_px: int, finest: float) -> list[int]:
    """Return how many times smaller than a picture the ones are that are searched.

    Args:
        longer_side_px: of the picture.
        finest: the least reduction that is good enough for what is looked for.

    >>> reductions(640, 1.0), reductions(1920, 2.9), reductions(300, 5.0)
    ([1, 2], [2, 4, 8], [1])
    """
    powers = [1]
    while longer_side_px > COARSEST_PX * powers[-1]:
        powers.append(2 * powers[-1])
    return [power for power in powers if power * 2 > finest] or powers[-1:]


def _whole_cells(side_px: int) -> int:
    """Return a side, rounded up to whole cells of the coarsest grid."""
    return -(-side_px // STRIDES_PX[-1]) * STRIDES_PX[-1]


def _pad(image: NDArray[np.uint8]) -> Array:
    """Return `(1, 3, H, W)` BGR in [0, 255], filled up with black to whole cells of each grid."""
    height, width = image.shape[:2]
    planes = np.zeros((1, 3, _whole_cells(height), _whole_cells(width)), dtype=np.float32)
    planes[0, :, :height, :width] = image[:, :, ::-1].transpose(2, 0, 1)
    return planes


def _decode(
    outputs: Sequence[Array], *, stride: int, cells_a_row: int, least_score: float
) -> tuple[Array, Array, Array]:
    """Decode one grid: boxes `(N, 4)` XYXY, points `(N, 5, 2)`, scores `(N,)`; pixels.

    A box is the offset of its centre from its cell and the logarithm of its sides, in cells; a
    point is its offset.
    """
    classes, objectness, boxes, points = outputs
    score = np.sqrt(np.clip(classes[0, :, 0], 0, 1) * np.clip(objectness[0, :, 0], 0, 1))
    cells = np.flatnonzero(score >= least_score)
    corner = np.stack([cells % cells_a_row, cells // cells_a_row], axis=1).astype(np.float32)
    centre = (corner + boxes[0, cells, :2]) * stride
    half = np.exp(boxes[0, cells, 2:]) * stride / 2
    marks = (points[0, cells].reshape(-1, 5, 2) + corner[:, None]) * stride
    return np.concatenate([centre - half, centre + half], axis=1), marks, score[cells]
