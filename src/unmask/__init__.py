"""Find out which faces in a video are deepfakes, why, and how sure that is.

    >>> import unmask
    >>> result = unmask.scan("examples/forged.mp4")  # doctest: +SKIP
    >>> result.verdict.word  # doctest: +SKIP
    'some evidence'

Everything public is listed in `__all__` and loaded when it is first used, so that `import unmask`
takes milliseconds. PyTorch is never imported by anything here.
"""

from __future__ import annotations

from importlib import import_module

from unmask.system.telemetry import stop_telemetry

# the one thing done at import: a library that is loaded before it has sent something already
stop_telemetry()

TYPE_CHECKING = False  # read by type checkers as true; importing `typing` would take 10 ms
if TYPE_CHECKING:
    from unmask.api import ScanResult, scan, write_report
    from unmask.bundle.detector import Detector
    from unmask.core.errors import (
        AnalysisCrashed,
        BundleError,
        DecodeError,
        DownloadError,
        InputError,
        InputNotFound,
        LimitExceeded,
        ManifestError,
        NotMedia,
        NoUserFolder,
        RecipeError,
        TrainingStopped,
        UnmaskError,
    )
    from unmask.core.scan_record import Failure
    from unmask.core.settings import Limits, ScanSettings
    from unmask.scanner.scanner import Scanner

    __version__: str

_HOME = {
    "ScanResult": "unmask.api",
    "scan": "unmask.api",
    "write_report": "unmask.api",
    "Detector": "unmask.bundle.detector",
    "Failure": "unmask.core.scan_record",
    "Limits": "unmask.core.settings",
    "ScanSettings": "unmask.core.settings",
    "Scanner": "unmask.scanner.scanner",
} | dict.fromkeys(
    (
        "AnalysisCrashed",
        "BundleError",
        "DecodeError",
        "DownloadError",
        "InputError",
        "InputNotFound",
        "LimitExceeded",
        "ManifestError",
        "NotMedia",
        "NoUserFolder",
        "RecipeError",
        "TrainingStopped",
        "UnmaskError",
    ),
    "unmask.core.errors",
)
"""The module that each public name is loaded from."""

__all__ = [
    "AnalysisCrashed",
    "BundleError",
    "DecodeError",
    "Detector",
    "DownloadError",
    "Failure",
    "InputError",
    "InputNotFound",
    "LimitExceeded",
    "Limits",
    "ManifestError",
    "NoUserFolder",
    "NotMedia",
    "RecipeError",
    "ScanResult",
    "ScanSettings",
    "Scanner",
    "TrainingStopped",
    "UnmaskError",
    "__version__",
    "scan",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("unmask")
    if name not in _HOME:
        raise AttributeError(f"module 'unmask' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # later uses find it without coming here
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
