"""int8 convolutions as an option, kept only where they cost no accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Quantised
from unmask.bundle.runtime import INPUT
from unmask.core.errors import BundleError
from unmask.system.telemetry import onnxruntime

Float = NDArray[np.float32]

LARGEST_FALL = 0.005
"""AUC on the validation crops may fall by this much."""
RANGE_CROPS = 64
"""Crops that suffice for the ranges of the activations."""


def quantise(source: Path, target: Path, images: Float) -> None:
    """Write a network whose convolutions compute in int8, one scale per channel; the head stays.

    Args:
        source: `model.onnx` in float32.
        target: the file to write.
        images: `(N, 3, S, S)`, normalised, that the ranges of the activations are taken from;
            `RANGE_CROPS` suffice.
    """
    onnxruntime()  # first of all, as the next line loads it
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        """Hands out one picture at a time."""

        def __init__(self) -> None:
            self.rest = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.rest, None)
            return None if image is None else {INPUT: image[None]}

    quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
    )


def require_accuracy(
    before: NDArray[np.float64], after: NDArray[np.float64], is_fake: NDArray[np.bool_], crops: str
) -> Quantised:
    """Compare AUC of the two networks' logits `(N,)`.

    Raises:
        BundleError: it fell by more than `LARGEST_FALL`.
    """
    from sklearn.metrics import roc_auc_score

    costs = Quantised(
        auc_float32=float(roc_auc_score(is_fake, before)),
        auc_int8=float(roc_auc_score(is_fake, after)),
        crops=crops,
    )
    fall = costs.auc_float32 - costs.auc_int8
    if fall > LARGEST_FALL:
        raise BundleError(
            f"int8 lowers AUC from {costs.auc_float32:.4f} to {costs.auc_int8:.4f}, by {fall:.4f}; "
            f"at most {LARGEST_FALL} is allowed",
            hint="export without --int8",
        )
    return costs
