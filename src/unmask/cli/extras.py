"""Packages that a plain installation leaves out, and how to get them."""

from __future__ import annotations

from unmask.errors import UnmaskError

_FOR_EVALUATION = "pip install 'unmask[evaluation]'"
_FOR_TRAINING = "pip install 'unmask[train]'"
_HOW = {
    "lir": _FOR_EVALUATION,
    "pyarrow": f"{_FOR_EVALUATION}, or {_FOR_TRAINING} for training and studies too",
    "sklearn": _FOR_EVALUATION,
    **dict.fromkeys(
        (
            "lightning",
            "matplotlib",
            "onnx",
            "onnxscript",
            "safetensors",
            "tensorboard",
            "timm",
            "torch",
            "torchvision",
            "yaml",
        ),
        _FOR_TRAINING,
    ),
}
"""Name that is imported, and what installs it."""


def missing_package(error: ModuleNotFoundError) -> UnmaskError | None:
    """Return what to tell the user; None for a package that every installation has."""
    package = (error.name or "").partition(".")[0]
    if package not in _HOW:
        return None
    return UnmaskError(
        f"this command needs the package {package}, which is not installed", hint=_HOW[package]
    )
