"""A tiny detector bundle for tests: a real ONNX model whose every output has a closed form.

The model pools the picture, `features = AveragePool(image, 4 x 4)`, and takes the logit as
`sum(features * gradient)` with a gradient that is constant per channel, so it truly is the logit's
derivative. The few hundred bytes are written as protobuf here, by the field numbers of onnx.proto3:
scanning and its tests need no `onnx` package, only training does.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unmask.bundle.manifest import Bundle, BundleManifest, load_bundle, write_manifest
from unmask.system.files import file_sha256

SIZE = 16
POOL = 4
WEIGHTS = (2.0, -1.0, 0.5)
MEAN = (0.5, 0.25, 0.125)
STD = (0.25, 0.5, 2.0)
OUTPUTS = ("logit", "features", "gradient")
_FLOAT, _INT64 = 1, 7


def write_bundle(folder: Path, *, model: bytes | None = None, **changes: Any) -> Bundle:
    """Write a bundle into a new folder and load it.

    Args:
        folder: where to; must not exist.
        model: other bytes for `model.onnx`.
        changes: other values of the manifest's fields.
    """
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(onnx_model() if model is None else model)
    write_manifest(folder, manifest(**_files(folder), **changes))
    return load_bundle(folder)


VIEWS: tuple[dict[str, Any], ...] = (
    {"name": "wide", "size_px": 32, "margin_ratio": 1.3, "shift_y_ratio": 0.0, "weight": 0.75},
    {"name": "tight", "size_px": 16, "margin_ratio": 0.85, "shift_y_ratio": 0.06, "weight": -0.5},
)
"""Two framings of a face; the second lies within the first."""
OFFSET = 0.25


def write_two_views(folder: Path, **changes: Any) -> Bundle:
    """Write a bundle of two networks with different framings and sizes, and load it.

    Args:
        folder: where to; must not exist.
        changes: other values of the manifest's fields.
    """
    folder.mkdir(parents=True)
    for view in VIEWS:
        (folder / f"model-{view['name']}.onnx").write_bytes(onnx_model(size=view["size_px"]))
    fields = {**two_views(folder), **changes}
    write_manifest(folder, manifest(**fields))
    return load_bundle(folder)


def two_views(folder: Path) -> dict[str, Any]:
    """Return what the manifest says of them."""
    views = [
        {
            "name": view["name"],
            "weight": view["weight"],
            "model": f"model-{view['name']}.onnx",
            "preprocessing": {
                "size_px": view["size_px"],
                "margin_ratio": view["margin_ratio"],
                "shift_y_ratio": view["shift_y_ratio"],
                "mean": MEAN,
                "std": STD,
            },
        }
        for view in VIEWS
    ]
    files = {view["model"]: file_sha256(folder / str(view["model"])) for view in views}
    return {
        "views": views,
        "preprocessing": views[0]["preprocessing"],
        "logit_offset": OFFSET,
        "files": files,
    }


def _files(folder: Path) -> dict[str, dict[str, str]]:
    return {"files": {"model.onnx": file_sha256(folder / "model.onnx")}}


def manifest(**changes: Any) -> BundleManifest:
    """Return a valid manifest: logit 0 is `balanced`, logit 2 is `few-false-alarms`."""
    fields: dict[str, Any] = {
        "bundle_version": "1",
        "name": "tiny",
        "backbone": "average pooling",
        "preprocessing": {"size_px": SIZE, "margin_ratio": 1.3, "mean": MEAN, "std": STD},
        "calibration": {
            "slope": 1.5,
            "intercept": -0.5,
            "covariance": [[0.04, 0.01], [0.01, 0.09]],
            "data": "none: made for tests",
        },
        "operating_points": [_point("balanced", 0.0), _point("few-false-alarms", 2.0)],
        "judgeable": {"min_face_px": 40.0, "min_sharpness": 5.0, "min_key_frames": 3},
        "training_data": "none",
        "licence": "Apache-2.0",
        "limits": ["It knows nothing."],
        "metrics": [
            {"name": "AUC per crop", "value": 0.8, "interval": [0.7, 0.9], "protocol": "invented"}
        ],
        "files": {"model.onnx": "0" * 64},
    }
    return BundleManifest.model_validate(fields | changes)


def _point(name: str, logit: float) -> dict[str, Any]:
    rates = {"false_positive_rate": 0.1, "true_positive_rate": 0.9}
    return {"name": name, "logit": logit, **rates}


def onnx_model(
    *,
    size: int = SIZE,
    outputs: Sequence[str] = OUTPUTS,
    takes_image: bool = True,
    more: Sequence[bytes] = (),
) -> bytes:
    """Return the model's bytes.

    Args:
        size: side of the picture.
        outputs: names of logit, feature map and gradient, in this order.
        takes_image: whether the picture is an input; otherwise it is a constant, black.
        more: other fields of the graph.
    """
    logit, features, gradient = outputs
    side = size // POOL
    constants = [
        _tensor("weights", (1, 3, 1, 1), _FLOAT, "3f", [w / side**2 for w in WEIGHTS]),
        _tensor("axes", (3,), _INT64, "3q", [1, 2, 3]),
    ]
    if not takes_image:
        black = [0.0] * (3 * size**2)
        constants.append(_tensor("image", (1, 3, size, size), _FLOAT, f"{len(black)}f", black))
    nodes = [
        _node("AveragePool", ["image"], [features], kernel_shape=[POOL] * 2, strides=[POOL] * 2),
        _node("Shape", [features], ["shape"]),
        _node("Expand", ["weights", "shape"], [gradient]),
        _node("Mul", [features, gradient], ["product"]),
        _node("ReduceSum", ["product", "axes"], [logit], keepdims=0),
    ]
    picture, small = ("N", 3, size, size), ("N", 3, side, side)
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _field(2, b"tiny"),
            *(_field(5, constant) for constant in constants),
            *more,
            *([_field(11, _value("image", picture))] if takes_image else []),
            *(_field(12, _value(name, small)) for name in (features, gradient)),
            _field(12, _value(logit, ("N",))),
        ]
    )
    opset = _field(1, b"") + _field(2, 13)
    return _field(1, 8) + _field(7, graph) + _field(8, opset)


def _node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> bytes:
    return b"".join(
        [
            *(_field(1, name.encode()) for name in inputs),
            *(_field(2, name.encode()) for name in outputs),
            _field(4, op.encode()),
            *(_field(5, _attribute(name, value)) for name, value in attributes.items()),
        ]
    )


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _field(1, name.encode()) + _field(3, value) + _field(20, 2)
    return _field(1, name.encode()) + b"".join(_field(8, v) for v in value) + _field(20, 7)


def _tensor(name: str, shape: Sequence[int], kind: int, layout: str, values: list[Any]) -> bytes:
    dims = b"".join(_field(1, length) for length in shape)
    data = _field(9, struct.pack(f"<{layout}", *values))
    return dims + _field(2, kind) + _field(8, name.encode()) + data


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = [_field(2, d.encode()) if isinstance(d, str) else _field(1, d) for d in shape]
    tensor = _field(1, _FLOAT) + _field(2, b"".join(_field(1, dim) for dim in dims))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
