"""The data folder: a folder for each scan, named by its id and never by what a caller sends.

Everything lies below `scans/ID/` and `uploads/ID`, readable by the service's user alone. Files of
a scan have fixed names, so no path is ever made of text from outside.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{32}")
_DRAFT = ".new"
"""Suffix of a folder whose scan is not in the database yet."""


def new_id() -> str:
    """Make an id that nobody can guess."""
    return secrets.token_hex(16)


class Storage:
    """The data folder.

    Args:
        folder: where it is; made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for each in (folder, self._scans, self._uploads):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def _scans(self) -> Path:
        return self.folder / "scans"

    @property
    def _uploads(self) -> Path:
        return self.folder / "uploads"

    def scan_folder(self, scan_id: str) -> Path:
        """Return the folder of a scan; it need not exist."""
        return self._scans / _checked(scan_id)

    def media(self, scan_id: str) -> Path:
        """Return the uploaded file of a scan."""
        return self.scan_folder(scan_id) / "media"

    def result(self, scan_id: str, name: str) -> Path:
        """Return a file of a scan's result, such as `result.json`."""
        return self.result_folder(scan_id) / name

    def result_folder(self, scan_id: str) -> Path:
        """Return the folder of a scan's result."""
        return self.scan_folder(scan_id) / "result"

    def upload(self, upload_id: str) -> Path:
        """Return the file of a resumable upload."""
        return self._uploads / _checked(upload_id)

    def draft(self) -> tuple[str, Path]:
        """Make the folder of a scan that is not accepted yet.

        Returns:
            The scan's id, and the file to write the upload to.
        """
        scan_id = new_id()
        folder = self._scans / f"{scan_id}{_DRAFT}"
        folder.mkdir(mode=0o700)
        return scan_id, folder / "media"

    def keep(self, scan_id: str) -> None:
        """Flush a draft to the disk and give it its name, before the database accepts the scan."""
        draft = self._scans / f"{_checked(scan_id)}{_DRAFT}"
        with (draft / "media").open("rb") as file:
            os.fsync(file.fileno())
        draft.rename(self.scan_folder(scan_id))

    def remove(self, scan_id: str) -> None:
        """Remove everything of a scan, a draft too; what is not there is no error."""
        shutil.rmtree(self.scan_folder(scan_id), ignore_errors=True)
        self.drop_draft(scan_id)

    def drop_draft(self, scan_id: str) -> None:
        """Remove a draft, if it was not kept."""
        shutil.rmtree(self._scans / f"{_checked(scan_id)}{_DRAFT}", ignore_errors=True)

    def remove_upload(self, upload_id: str) -> None:
        """Remove the file of a resumable upload, if it is there."""
        self.upload(upload_id).unlink(missing_ok=True)

    def listed(self) -> Iterator[tuple[str, float]]:
        """Yield the ids of all folders of scans, drafts too, and when each last changed."""
        for entry in os.scandir(self._scans):
            scan_id = entry.name.removesuffix(_DRAFT)
            if not _ID.fullmatch(scan_id):
                continue
            # what grows is the file in it, which leaves the folder's own time as it was
            times = []
            for each in (Path(entry.path), Path(entry.path) / "media"):
                with suppress(FileNotFoundError):  # it may be kept or removed meanwhile
                    times.append(each.stat().st_mtime)
            if times:
                yield scan_id, max(times)

    def free_bytes(self) -> int:
        """Return what is free on the disk."""
        return shutil.disk_usage(self.folder).free


def _checked(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"an id has 32 hexadecimal digits, got {text!r}")
    return text
