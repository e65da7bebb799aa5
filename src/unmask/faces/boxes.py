"""What the face detectors share: non-maximum suppression, the common box, a network's session."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box
from unmask.system.telemetry import onnxruntime

Array = NDArray[np.float32]


@dataclass(frozen=True)
class BoxMapping:
    """From the boxes of a detector to the common box, which detector bundles count from.

    Detectors draw boxes of different extent around the same face, and a crop's margin and shift are
    relative to its box. So every detector gives the box that MTCNN would draw: bundles stay valid
    whichever detector finds the faces.
    """

    width_ratio: float = 1.0
    """Width of the common box over the detector's."""
    height_ratio: float = 1.0
    """Height of the common box over the detector's."""
    shift_y_ratio: float = 0.0
    """How far the common box's centre lies below the detector's, in heights of the detector's."""

    def common(self, box: Box) -> Box:
        """Return the common box of a detector's box.

        >>> BoxMapping(width_ratio=2.0, shift_y_ratio=0.5).common((10, 10, 20, 30))
        (5.0, 20.0, 25.0, 40.0)
        """
        x0, y0, x1, y1 = box
        x = (x0 + x1) / 2
        y = (y0 + y1) / 2 + self.shift_y_ratio * (y1 - y0)
        half_width = self.width_ratio * (x1 - x0) / 2
        half_height = self.height_ratio * (y1 - y0) / 2
        return x - half_width, y - half_height, x + half_width, y + half_height


def suppress(
    boxes: Array, scores: Array, threshold: float, *, inclusive: bool = False
) -> NDArray[np.int64]:
    """Return the indices that greedy non-maximum suppression keeps, best score first.

    Args:
        boxes: `(N, 4)`.
        scores: `(N,)`.
        threshold: a box goes when it overlaps a better one by more than this.
        inclusive: measure the overlap against the smaller box, with sides that count both end
            pixels (the last step of MTCNN), and not as intersection over union.
    """
    end = 1.0 if inclusive else 0.0
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = boxes.T
    area = (x1 - x0 + end) * (y1 - y0 + end)
    keep = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(best)
        wide = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest]) + end
        high = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest]) + end
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        if inclusive:
            whole = np.minimum(area[best], area[rest])
        else:
            whole = area[best] + area[rest] - shared
        order = rest[shared <= threshold * whole]
    return np.array(keep, dtype=np.int64)


def built_in_session(file: str, *, threads: int) -> Any:
    """Return a session of a network in the package's `weights` folder."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # as quick, and memory is given back
    # Waiting threads would otherwise burn the cores that decode the next frame.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = resources.files("unmask.faces").joinpath("weights", file).read_bytes()
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
