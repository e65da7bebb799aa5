"""Detector bundles on the Hugging Face Hub: fetched into the user's folder, and pushed.

Only the files of a bundle travel, none of them is a program, and they are checked by
`load_bundle` like any other. Nothing here runs unless it is asked for by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from unmask.bundle.manifest import PATTERNS, Bundle
from unmask.core.errors import DownloadError, UnmaskError
from unmask.system.files import user_folder

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_id(name: str) -> bool:
    """Tell whether a name has the form `owner/name`."""
    return _ID.fullmatch(name) is not None


def fetch(repo_id: str, *, revision: str | None = None, patterns: Sequence[str] = PATTERNS) -> Path:
    """Fetch a bundle, or what is new of it, and return its folder.

    Args:
        repo_id: `owner/name`.
        revision: a branch, tag or commit; the default branch if None.
        patterns: names of the files; those of a bundle, or of another kind of model.

    Raises:
        ValueError: the id has not that form.
        DownloadError: it could not be fetched and is not here either.
        UnmaskError: `huggingface_hub` is not installed.
    """
    _check_id(repo_id)
    hub = _client()
    folder = _folder(repo_id, revision)
    try:
        hub.snapshot_download(
            repo_id, revision=revision, local_dir=folder, allow_patterns=list(patterns)
        )
    except _failures() as error:
        raise DownloadError(
            f"could not fetch the detector {repo_id!r}: {_first_line(error)}",
            hint="check name, revision and connection; for a private one, `hf auth login`",
        ) from error
    return folder


def push(bundle: Bundle, repo_id: str, *, private: bool = True, revision: str | None = None) -> str:
    """Upload a bundle as one commit and return the commit's address.

    Args:
        bundle: a checked bundle.
        repo_id: `owner/name`; made if it does not exist.
        private: whether a new repository is.
        revision: the branch; the default branch if None.

    Raises:
        ValueError: the id has not that form.
        DownloadError: it could not be uploaded.
        UnmaskError: `huggingface_hub` is not installed.
    """
    _check_id(repo_id)
    hub = _client()
    message = f"Detector {bundle.manifest.name}, {bundle.sha256[:12]}"
    try:
        hub.create_repo(repo_id, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id,
            folder_path=bundle.folder,
            allow_patterns=list(bundle.file_names),
            revision=revision,
            commit_message=message,
        )
    except _failures() as error:
        raise DownloadError(
            f"could not push the detector to {repo_id!r}: {_first_line(error)}",
            hint="log in with `hf auth login`, and check the name and the connection",
        ) from error
    return str(commit.commit_url)


def _client() -> Any:
    """Return a client of the Hub, or of the mirror that `HF_ENDPOINT` names."""
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        raise UnmaskError(
            "the Hub needs the package huggingface_hub, which is not installed",
            hint="pip install 'unmask[hub]', or give a folder instead",
        ) from error
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"))


def _failures() -> tuple[Any, ...]:
    """Return what the client raises, a lost connection among it.

    That is of the HTTP library's own kind, whichever library the client is built on; the client's
    error is derived from it.
    """
    from huggingface_hub.errors import HfHubHTTPError

    return OSError, ValueError, *HfHubHTTPError.__bases__


def _folder(repo_id: str, revision: str | None) -> Path:
    """Return where a revision lies; the parts of its path cannot lead elsewhere."""
    name = repo_id.replace("/", "--")
    at = "default" if revision is None else f"at-{quote(revision, safe='')}"
    return user_folder() / "hub" / name / at


def _check_id(repo_id: str) -> None:
    if not is_hub_id(repo_id):
        raise ValueError(f"a detector on the Hub is named owner/name, got {repo_id!r}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
