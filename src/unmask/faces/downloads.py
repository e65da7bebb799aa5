"""Model files that are not part of the package: where they are kept and how they get there.

Only what is listed in `MODELS` can be fetched, and only its exact bytes are accepted: address,
size limit and SHA-256 are pinned here. Nothing downloads by itself; `unmask models get` calls
`get`, and the detectors look into `user_folder`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from unmask.errors import DownloadError, ModelNotFound
from unmask.files import file_sha256

TIMEOUT_SECONDS = 30.0
"""Longest silence of the server."""
CHUNK_BYTES = 64 * 1024
"""Read at a time."""


@dataclass(frozen=True)
class Model:
    """A file that can be downloaded."""

    name: str
    """Name in `MODELS` and on the command line."""
    url: str
    """Where it is published."""
    sha256: str
    """SHA-256 of its bytes, hexadecimal."""
    max_bytes: int
    """More than this is not read."""
    file: str
    """Name of the file in the user's folder."""


MODELS = {
    "yunet": Model(
        name="yunet",
        url=(
            "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
            "face_detection_yunet_2023mar.onnx"
        ),
        sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
        max_bytes=1_000_000,
        file="face_detection_yunet.onnx",
    ),
}
"""Models by name."""


def user_folder() -> Path:
    """Return the folder of downloaded models: `$UNMASK_HOME` or `~/.local/share/unmask`.

    Raises:
        ModelNotFound: the user has no home folder, so that there is none.
    """
    if named := os.environ.get("UNMASK_HOME"):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ModelNotFound(
            "there is no folder of downloaded models: the user has no home folder",
            hint="set UNMASK_HOME to the folder where they are to lie",
        ) from error
    return home / ".local" / "share" / "unmask"


def get(model: Model, *, folder: Path | None = None, url: str | None = None) -> Path:
    """Download a model, check it and put it in its place.

    A file that is already there with the right SHA-256 is kept. Otherwise the file appears whole
    and checked or not at all.

    Args:
        model: an entry of `MODELS`.
        folder: where to put it; `user_folder()` if None.
        url: a mirror of the same file.

    Returns:
        Path of the file.

    Raises:
        ValueError: the address is not http or https.
        DownloadError: it could not be read or written, is too large, or is another file.
        ModelNotFound: there is no folder for it.
    """
    source = url or model.url
    _check_address(source)
    target = (folder or user_folder()) / model.file
    try:
        if target.is_file() and file_sha256(target) == model.sha256:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(model, source, target)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()  # it holds the answer's connection
        raise DownloadError(
            f"could not download {model.name} from {source}: {error}",
            hint=f"check the connection, or download the file elsewhere and save it as {target}",
        ) from error
    return target


def _web_only() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https, and no other scheme after a redirect either."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _check_address(url: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise ValueError(f"the address must be http or https, got {url!r}")


def _fetch(model: Model, source: str, target: Path) -> None:
    """Download beside the target and move into place once the bytes are right."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{model.file}.")
    partial = Path(name)
    try:
        with (
            os.fdopen(handle, "wb") as file,
            _web_only().open(source, timeout=TIMEOUT_SECONDS) as answer,
        ):
            digest = _copy(model, answer, file)
        if digest != model.sha256:
            raise DownloadError(
                f"{source} has SHA-256 {digest}, {model.name} has {model.sha256}",
                hint="this is another version or a damaged file; it was not kept",
            )
        partial.chmod(0o644)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(model: Model, answer: IO[bytes], file: IO[bytes]) -> str:
    """Copy at most `max_bytes` and return their SHA-256."""
    digest = hashlib.sha256()
    size = 0
    while chunk := answer.read(CHUNK_BYTES):
        size += len(chunk)
        if size > model.max_bytes:
            raise DownloadError(
                f"the download of {model.name} is larger than {model.max_bytes} bytes",
                hint="the address does not lead to the model; it was not kept",
            )
        digest.update(chunk)
        file.write(chunk)
    return digest.hexdigest()
