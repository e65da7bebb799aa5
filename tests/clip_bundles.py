"""A tiny detector over time for tests, of which every figure has a closed form.

The logit is the sum of all pixels of the normalised clip, each frame times a weight of its own and
over the number of its pixels; so frames may not be mixed up, and covering one takes away its part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bundles
from bundles import _FLOAT, _INT64, SIZE, _field, _node, _tensor, _value
from unmask.bundle.manifest import Bundle, load_bundle, write_manifest
from unmask.system.files import file_sha256

FRAME_WEIGHTS = (1.0, -0.5, 2.0, 0.25)
FRAMES = len(FRAME_WEIGHTS)


def write_clip_bundle(folder: Path, *, min_frames: int = 2, **changes: Any) -> Bundle:
    """Write a bundle that judges clips of four frames, and load it."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(clip_model())
    fields: dict[str, Any] = {
        "clip": {"frames": FRAMES, "min_frames": min_frames},
        "files": {"model.onnx": file_sha256(folder / "model.onnx")},
        "views": [
            {
                "name": "face",
                "outputs": ["logit"],
                "preprocessing": bundles.manifest().preprocessing.model_dump(),
            }
        ],
    }
    write_manifest(folder, bundles.manifest(**fields | changes))
    return load_bundle(folder)


def clip_model() -> bytes:
    """Return the model's bytes."""
    scaled = [weight / (3 * SIZE**2) for weight in FRAME_WEIGHTS]
    constants = [
        _tensor("weights", (1, FRAMES, 1, 1, 1), _FLOAT, f"{FRAMES}f", scaled),
        _tensor("axes", (4,), _INT64, "4q", [1, 2, 3, 4]),
    ]
    nodes = [
        _node("Mul", ["image", "weights"], ["weighted"]),
        _node("ReduceSum", ["weighted", "axes"], ["logit"], keepdims=0),
    ]
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _field(2, b"tiny"),
            *(_field(5, constant) for constant in constants),
            _field(11, _value("image", ("N", FRAMES, 3, SIZE, SIZE))),
            _field(12, _value("logit", ("N",))),
        ]
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13))
