"""What a result needs to be repeated, whatever made it: the versions of what computes it."""

from __future__ import annotations

import platform
from importlib.metadata import version


def versions() -> dict[str, str]:
    """Return the versions of the program and of what it computes with."""
    named = {name: version(name) for name in ("unmask", "av", "numpy", "onnxruntime", "pillow")}
    return named | {"python": platform.python_version(), "platform": platform.platform()}
