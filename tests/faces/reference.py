"""facenet-pytorch as the independent reference of the MTCNN tests.

facenet-pytorch imports torchvision for one function of the cascade, non-maximum suppression. The
torchvision wheels do not load beside a CPU build of torch; where torchvision is missing, a plain
suppression by its definition stands in, and everything else is still facenet-pytorch's own code.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.core.face import Box, Face


def _batched_nms(boxes: Any, scores: Any, groups: Any, threshold: float) -> Any:
    """Keep the best box, drop what overlaps it by more than the threshold, repeat.

    One picture makes one group, so the groups play no part.
    """
    left = scores.argsort(descending=True, stable=True)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    kept = [left[:0]]
    while len(left):
        best, left = left[:1], left[1:]
        kept.append(best)
        low, high = boxes[left, :2].max(boxes[best, :2]), boxes[left, 2:].min(boxes[best, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        left = left[shared / (areas[best] + areas[left] - shared) <= threshold]
    return importlib.import_module("torch").cat(kept)


def _stand_in() -> dict[str, types.ModuleType]:
    names = ("torchvision", "torchvision.ops", "torchvision.ops.boxes", "torchvision.transforms")
    modules = {name: types.ModuleType(name) for name in names}
    vars(modules["torchvision.ops.boxes"])["batched_nms"] = _batched_nms
    functional = types.ModuleType("torchvision.transforms.functional")
    vars(modules["torchvision.transforms"])["functional"] = functional
    return modules


def load(min_face_px: int) -> Any:
    """Return facenet-pytorch's MTCNN, or skip the test."""
    pytest.importorskip("torch")
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        sys.modules.update(_stand_in())
    facenet = pytest.importorskip("facenet_pytorch")
    return facenet.MTCNN(keep_all=True, min_face_size=min_face_px, device="cpu")


def detect(network: Any, image: NDArray[np.uint8]) -> list[Face]:
    """Return the reference's faces as ours."""
    boxes, scores, points = network.detect(image, landmarks=True)
    if boxes is None:
        return []
    return [
        Face(tuple(map(float, b)), tuple((float(x), float(y)) for x, y in p), float(s))  # type: ignore[arg-type]  # lengths are facenet's
        for b, s, p in zip(boxes, scores, points, strict=True)
    ]


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes."""
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return wide * high / (areas - wide * high)


def landmark_error(a: Face, b: Face) -> float:
    """Return the largest distance of two faces' points, over the longer side of `a`'s box."""
    gaps = np.linalg.norm(np.array(a.landmarks) - np.array(b.landmarks), axis=1)
    return float(gaps.max()) / max(a.box[2] - a.box[0], a.box[3] - a.box[1])


def frames(folder: Path, per_video: int, long_side_px: int) -> list[NDArray[np.uint8]]:
    """Return reduced frames of every video below a folder, half a second apart."""
    av = pytest.importorskip("av")
    taken: list[NDArray[np.uint8]] = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".mp4", ".mpg"}):
        with av.open(str(path)) as container:
            step = max(1, round(float(container.streams.video[0].average_rate or 25) / 2))
            for index, frame in enumerate(container.decode(video=0)):
                if index == per_video * step:
                    break
                if index % step == 0:
                    ratio = min(1.0, long_side_px / max(frame.width, frame.height))
                    size = round(frame.width * ratio), round(frame.height * ratio)
                    taken.append(frame.reformat(*size, format="rgb24").to_ndarray())
    return taken
