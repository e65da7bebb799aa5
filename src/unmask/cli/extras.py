"""Packages that a plain installation leaves out, and how to get them."""

from __future__ import annotations

from importlib.util import find_spec

from unmask.errors import InputError, UnmaskError

_FOR_EVALUATION = "pip install 'unmask[evaluation]'"
_FOR_TRAINING = "pip install 'unmask[train]'"
_TRAINING = ("torch", "lightning", "timm", "yaml", "safetensors", "sklearn", "pyarrow")
"""Packages without which no run gets to its end."""
_REST = ("matplotlib", "onnx", "onnxscript", "tensorboard", "torchvision")
"""What else the same extra brings, for export and plots."""
_SERVICE = (
    "alembic",
    "fastapi",
    "prometheus_client",
    "psycopg",
    "python_multipart",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)
"""Packages of the web page and the HTTP service."""
OPTIONAL = dict.fromkeys(_TRAINING + _REST, _FOR_TRAINING) | {
    **dict.fromkeys(_SERVICE, "pip install 'unmask[serve]'"),
    "huggingface_hub": "pip install 'unmask[hub]'",
    "pillow_heif": "pip install 'unmask[heic]', for HEIC pictures in tiles, as phones make them",
    "lir": _FOR_EVALUATION,
    "pyarrow": f"pip install 'unmask[data]', or {_FOR_TRAINING} for training and studies too",
    "sklearn": _FOR_EVALUATION,
}
"""Name that is imported, and what installs it."""


def check_installed() -> None:
    """Refuse if what training needs is not installed, before anything is read.

    Raises:
        InputError: naming all that is missing.
    """
    if missing := [name for name in _TRAINING if find_spec(name) is None]:
        raise InputError(f"training needs {', '.join(missing)}: not installed", hint=_FOR_TRAINING)


def missing_package(error: ModuleNotFoundError) -> UnmaskError | None:
    """Return what to tell the user; None for a package that every installation has."""
    package = (error.name or "").partition(".")[0]
    if package not in OPTIONAL:
        return None
    return UnmaskError(
        f"this command needs the package {package}, which is not installed", hint=OPTIONAL[package]
    )
