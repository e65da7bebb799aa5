"""MTCNN: a face detector of three small networks in a cascade, built in; slower than YuNet.

P-Net proposes boxes on a pyramid of the picture, R-Net drops most of them, O-Net judges what is
left and places five landmarks. This is facenet-pytorch's cascade with its conventions (rounding,
box regression, non-maximum suppression) in numpy and ONNX Runtime, so that a scan needs no torch;
the tests hold it against facenet-pytorch on real frames. Given the boxes of an earlier frame, it
skips P-Net, the costly part, and lets R-Net and O-Net look around those boxes.

Source: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", 2016. Weights: see `weights/LICENSE-mtcnn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box, Face, Landmarks
from unmask.faces.area import AreaTable, Windows
from unmask.faces.boxes import Array, BoxMapping, built_in_session, suppress
from unmask.system.stages import stage

THRESHOLDS = (0.6, 0.7, 0.7)
"""Least face probability in P-Net, R-Net and O-Net."""
PYRAMID_FACTOR = 0.709
"""Ratio of one pyramid level to the one before."""
CELL_PX = 12
"""Side of P-Net's receptive field."""
STRIDE_PX = 2
"""Step between P-Net's cells."""
BATCH = 512
"""Most candidates in one call of R-Net or O-Net."""
FACE_IN_WINDOW = 2 / 3
"""Side of the least face that is found over that of P-Net's smallest window, as measured."""
NEAR_SCALES = (0.8, 1.0, 1.25)
"""Sizes of the windows tried around a box of an earlier frame, relative to its longer side."""
NEAR_SHIFTS = (-0.25, 0.0, 0.25)
"""Shifts of those windows in x and y, relative to their size."""


class MtcnnDetector:
    """MTCNN on the CPU.

    Args:
        threads: threads of ONNX Runtime.
        min_face_px: side of the smallest window that is searched, in pixels; at least 12.
    """

    name = "mtcnn"
    sure_confidence = 0.96
    box_mapping = BoxMapping()

    def __init__(self, *, threads: int = 2, min_face_px: int = 24) -> None:
        if min_face_px < CELL_PX:
            raise ValueError(f"min_face_px must be at least {CELL_PX}, got {min_face_px}")
        self.min_face_px = min_face_px
        self.least_face_px = min_face_px * FACE_IN_WINDOW
        self._pnet = built_in_session("pnet.onnx", threads=threads)
        self._rnet = built_in_session("rnet.onnx", threads=threads)
        self._onet = built_in_session("onet.onnx", threads=threads)

    @stage("face search")
    def detect(
        self,
        image: NDArray[np.uint8],
        near: Sequence[Box] | None = None,
        *,
        smallest_px: int | None = None,
    ) -> list[Face]:
        """Return the faces of a picture, the largest first. See `FaceDetector.detect`."""
        height, width = image.shape[:2]
        if min(height, width) < CELL_PX:
            return []
        if not near:
            table = AreaTable(image)
            proposed = self._propose(table, max(self.min_face_px, smallest_px or 0))
            return self._judge(table, proposed, origin=(0, 0))
        boxes = around(np.asarray(near, dtype=np.float32).reshape(-1, 4))
        windows, seen = _windows(boxes, width, height)
        if not seen.any():
            return []
        x0, y0 = windows[:, :2].min(axis=0)
        x1, y1 = windows[:, 2:].max(axis=0)
        # The refined boxes may grow beyond the windows; an eighth of the region is room enough.
        margin = max(x1 - x0, y1 - y0) // 8
        x0, y0 = max(0, x0 - margin), max(0, y0 - margin)
        region = image[y0 : y1 + margin, x0 : x1 + margin]
        shift = np.array([x0, y0, x0, y0], dtype=np.float32)
        return self._judge(AreaTable(region), boxes[seen] - shift, origin=(int(x0), int(y0)))

    def _propose(self, table: AreaTable, smallest_px: int) -> Array:
        """Run P-Net over the pyramid and return `(N, 4)` square candidates."""
        proposals = [np.zeros((0, 9), dtype=np.float32)]
        for scale in pyramid(table.height, table.width, smallest_px):
            level = table.resize(int(table.height * scale + 1), int(table.width * scale + 1))
            probability, regression = self._pnet.run(None, {"image": _normalise(level)[None]})
            cells = _cells(probability[0, 1], regression[0], scale)
            proposals.append(cells[suppress(cells[:, :4], cells[:, 4], 0.5)])
        cells = np.concatenate(proposals)
        cells = cells[suppress(cells[:, :4], cells[:, 4], 0.7)]
        sides = np.tile(cells[:, 2:4] - cells[:, :2], 2)
        return _square(cells[:, :4] + cells[:, 5:9] * sides)

    def _judge(self, table: AreaTable, boxes: Array, *, origin: tuple[int, int]) -> list[Face]:
        """Run R-Net and O-Net over square candidates and return the faces."""
        boxes, score, regression = self._refine(table, boxes)
        keep = suppress(boxes, score, 0.7)
        boxes = _square(_regress(boxes[keep], regression[keep]))
        boxes, score, regression, points = self._finish(table, boxes)
        boxes = _regress(boxes, regression)
        keep = suppress(boxes, score, 0.7, inclusive=True)
        boxes, score, points = boxes[keep], score[keep], points[keep]
        shift = np.array(origin, dtype=np.float32)
        boxes, points = boxes + np.tile(shift, 2), points + shift
        largest_first = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        return [_face(boxes[i], points[i], score[i]) for i in largest_first]

    def _refine(self, table: AreaTable, boxes: Array) -> tuple[Array, Array, Array]:
        """Run R-Net; return the boxes that pass, their scores and regressions."""
        windows, seen = _windows(boxes, table.width, table.height)
        probability, regression = _in_batches(self._rnet, table, windows, 24, (2, 4))
        score = probability[:, 1]
        passed = score > THRESHOLDS[1]
        return boxes[seen][passed], score[passed], regression[passed]

    def _finish(self, table: AreaTable, boxes: Array) -> tuple[Array, Array, Array, Array]:
        """Run O-Net; return the boxes that pass, scores, regressions and `(N, 5, 2)` points."""
        windows, seen = _windows(boxes, table.width, table.height)
        widths = (2, 4, 10)
        probability, regression, relative = _in_batches(self._onet, table, windows, 48, widths)
        score = probability[:, 1]
        passed = score > THRESHOLDS[2]
        boxes, relative = boxes[seen][passed], relative[passed]
        points = relative.reshape(-1, 2, 5).transpose(0, 2, 1)
        points = points * _sides(boxes)[:, None, :] + boxes[:, None, :2] - 1
        return boxes, score[passed], regression[passed], points


def pyramid(height: int, width: int, min_face_px: int) -> list[float]:
    """Return the scales at which P-Net looks at a picture, the finest first."""
    scales = []
    scale = CELL_PX / min_face_px
    shorter = min(height, width) * scale
    while shorter >= CELL_PX:
        scales.append(scale)
        scale *= PYRAMID_FACTOR
        shorter *= PYRAMID_FACTOR
    return scales


def around(boxes: Array) -> Array:
    """Return square windows around each box, `(N, 4)` to `(N * 27, 4)`.

    A face moves and grows between two frames; R-Net forgives about a quarter of its size.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    scales, dx, dy = (
        a.ravel() for a in np.meshgrid(NEAR_SCALES, NEAR_SHIFTS, NEAR_SHIFTS, indexing="ij")
    )
    side = longer[:, None] * scales
    centres = centre[:, None, :] + np.stack([dx, dy], axis=1) * side[:, :, None]
    half = side[:, :, None] / 2
    windows = np.concatenate([centres - half, centres + half], axis=2)
    return windows.reshape(-1, 4).astype(np.float32)


def _normalise(pixels: Array) -> Array:
    """Map [0, 255] to about [-1, 1], in place."""
    pixels -= 127.5
    pixels *= 0.0078125
    return pixels


def _in_batches(
    session: Any,
    table: AreaTable,
    windows: Windows,
    size: int,
    widths: tuple[int, ...],
) -> list[Array]:
    """Run a network over windows; return one `(N, width)` array for each of its outputs."""
    parts: list[list[Array]] = [[np.zeros((0, w), dtype=np.float32) for w in widths]]
    for start in range(0, len(windows), BATCH):
        pixels = table.crops(windows[start : start + BATCH], size)
        parts.append(session.run(None, {"image": _normalise(pixels)}))
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _cells(probability: Array, regression: Array, scale: float) -> Array:
    """Return P-Net's cells above the threshold, `(N, 9)`: box, score, regression."""
    rows, columns = np.nonzero(probability >= THRESHOLDS[0])
    corner = STRIDE_PX * np.stack([columns, rows], axis=1).astype(np.float32)
    first = np.floor((corner + 1) / np.float32(scale))
    last = np.floor((corner + CELL_PX) / np.float32(scale))
    score = probability[rows, columns][:, None]
    return np.concatenate([first, last, score, regression[:, rows, columns].T], axis=1)


def _windows(boxes: Array, width: int, height: int) -> tuple[Windows, NDArray[np.bool_]]:
    """Return the boxes as windows inside the picture, and which boxes have one.

    The cascade counts pixels from 1 and cuts a box off at the edges (facenet's `pad`).
    """
    whole = np.trunc(boxes).astype(np.int64)
    first = np.maximum(whole[:, :2], 1) - 1
    last = np.minimum(whole[:, 2:], [width, height])
    seen = np.asarray((last > first).all(axis=1), dtype=np.bool_)
    return np.concatenate([first, last], axis=1)[seen], seen


def _sides(boxes: Array) -> Array:
    """Return `(N, 2)` width and height, counting both end pixels."""
    return boxes[:, 2:] - boxes[:, :2] + 1


def _regress(boxes: Array, regression: Array) -> Array:
    """Move each corner by its regression, in sides of the box (facenet's `bbreg`)."""
    return boxes + regression * np.tile(_sides(boxes), 2)


def _square(boxes: Array) -> Array:
    """Widen each box to a square about its centre (facenet's `rerec`)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    first = boxes[:, :2] + sides * 0.5 - longer * 0.5
    return np.concatenate([first, first + longer], axis=1)


def _face(box: Array, points: Array, score: np.float32) -> Face:
    x0, y0, x1, y1 = (float(v) for v in box)
    marks: Landmarks = tuple((float(x), float(y)) for x, y in points)  # type: ignore[assignment]  # five by construction
    return Face(box=(x0, y0, x1, y1), landmarks=marks, confidence=float(score))
