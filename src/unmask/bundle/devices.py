"""What networks run on: ONNX Runtime's providers in order, and what is said of one that is missing.

`auto` takes a GPU where ONNX Runtime has one and the processor everywhere else, as in a plain
installation: nothing is said. A GPU that is there and fails is told. `cuda` is an order: without
a GPU nothing is scored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from unmask.core.errors import UnmaskError
from unmask.system.telemetry import onnxruntime

Device = Literal["auto", "cpu", "cuda"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_HINT = "pip install onnxruntime-gpu in place of onnxruntime, or leave --device out"
_LOG = logging.getLogger(__name__)


def choose_providers(device: Device, available: Sequence[str] | None = None) -> list[str]:
    """Return the providers to try, in order.

    Args:
        device: where networks are to run.
        available: providers of this ONNX Runtime; None asks it.

    Raises:
        UnmaskError: `cuda` was asked for and this ONNX Runtime has none.
    """
    if device == "cpu":
        return [CPU]
    known = onnxruntime().get_available_providers() if available is None else available
    if CUDA in known:
        return [CUDA, CPU]
    if device == "auto":
        return [CPU]
    raise UnmaskError(
        f"cuda was asked for, and ONNX Runtime here has {', '.join(known) or 'no provider'}",
        hint=_HINT,
    )


def check_providers(device: Device, wanted: Sequence[str], used: Sequence[str]) -> None:
    """Say or refuse that a session fell back from a GPU to the processor.

    Args:
        device: where networks were to run.
        wanted: as `choose_providers` returned them.
        used: what the session runs on.

    Raises:
        UnmaskError: `cuda` was asked for, and the GPU could not be used.
    """
    if CUDA not in wanted or CUDA in used:
        return
    if device == "cuda":
        raise UnmaskError(
            "cuda was asked for, and ONNX Runtime could not use the GPU",
            hint="check driver, CUDA and cuDNN against ONNX Runtime's requirements, or leave "
            "--device out",
        )
    _LOG.warning("ONNX Runtime could not use the GPU: networks run on the processor")
