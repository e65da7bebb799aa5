"""Packages that a plain installation leaves out, what they are for, and how to get them."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from unmask.core.errors import InputError, UnmaskError
from unmask.system.walls import PACKAGES

_TRAINING = ("torch", "lightning", "timm", "yaml", "safetensors", "sklearn", "pyarrow")
"""Packages without which no run gets to its end."""
EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "data": ("many files: result stores; data sets and crops", ("pyarrow",)),
    "heic": ("HEIC pictures in tiles, as phones make them", ("pillow_heif",)),
    "evaluation": ("figures of detectors with intervals", ("lir", "sklearn", "pyarrow")),
    "hub": ("detectors from the Hugging Face Hub", ("huggingface_hub",)),
    "imports": ("image classifiers of transformers from the Hub", ("transformers",)),
    "loggers": ("Weights & Biases and MLflow beside training", ("mlflow", "wandb")),
    "serve": (
        "the web page and the HTTP service",
        (
            "alembic",
            "fastapi",
            "prometheus_client",
            "python_multipart",
            "sqlalchemy",
            "starlette",
            "uvicorn",
        ),
    ),
    "postgres": ("the service on PostgreSQL", ("psycopg",)),
    "ray": ("many machines: scans, crops and predictions on a Ray cluster", ("ray",)),
    "remote": ("files in object stores, such as s3://bucket/folder", ("fsspec", "s3fs")),
    "walls": ("on Linux, hostile files cannot reach other files or the network", PACKAGES),
    "train": (
        "training, export and studies",
        (*_TRAINING, "matplotlib", "onnx", "onnxscript", "tensorboard", "torchvision"),
    ),
}
"""Name of each extra, with what it is for and the packages that it brings, by the name that is
imported."""


@cache
def install_command(extra: str) -> str:
    """Return the command that adds an extra, from where this program was installed."""
    source = _source()
    return f"pip install 'unmask[{extra}]'" if source is None else _from(source, extra)


def how_to_get(package: str) -> str | None:
    """Return what installs a package; None for one that every installation has."""
    bringing = [extra for extra, (_, packages) in EXTRAS.items() if package in packages]
    text = [f"{install_command(extra)} for {EXTRAS[extra][0]}" for extra in bringing]
    return ", or ".join(text) or None


def check_installed() -> None:
    """Refuse if what training needs is not installed, before anything is read.

    Raises:
        InputError: naming all that is missing.
    """
    if missing := [name for name in _TRAINING if find_spec(name) is None]:
        raise InputError(
            f"training needs {', '.join(missing)}: not installed", hint=install_command("train")
        )


def missing_package(error: ModuleNotFoundError) -> UnmaskError | None:
    """Return what to tell the user; None for a package that every installation has."""
    package = (error.name or "").partition(".")[0]
    how = how_to_get(package)
    if how is None:
        return None
    return UnmaskError(
        f"this command needs the package {package}, which is not installed", hint=how
    )


def _source() -> tuple[str, bool] | None:
    """Return the folder or file that was installed, and whether as a link to it; else None."""
    try:
        text = distribution("unmask").read_text("direct_url.json")
        described = json.loads(text) if text else {}
    except (PackageNotFoundError, OSError, ValueError):
        return None
    address = urlsplit(described.get("url", ""))
    if address.scheme != "file":
        return None
    return unquote(address.path), bool(described.get("dir_info", {}).get("editable"))


def _from(source: tuple[str, bool], extra: str) -> str:
    path, linked = source
    return f"pip install {'-e ' if linked else ''}'{path}[{extra}]'"
