"""What lies on disk for one row of a manifest: is it there, how large, which bytes, does it open.

Runs in the worker processes of `verify`, so that a damaged file that ends its decoder is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unmask.datasets.layouts.layout import PICTURE_SUFFIXES, files_below
from unmask.datasets.manifest import Kind
from unmask.errors import UnmaskError
from unmask.settings import Limits
from unmask.video.probe import probe

Trouble = Literal["missing", "empty", "unreadable", "changed", "mask missing", "mask empty"]


@dataclass(frozen=True)
class FileTask:
    """A row's file, and what to find out."""

    path: Path
    """The file, or the folder of frames."""
    kind: Kind
    """What it should be."""
    mask: Path | None
    """Its mask, a file or a folder of frames."""
    sha256: str | None
    """Hash that it had before; None where it is not known."""
    opened: bool
    """Whether to open it; of a folder of frames the first and the last are opened."""
    hashed: bool
    """Whether to hash it."""


@dataclass(frozen=True)
class FileState:
    """What was found."""

    size_bytes: int | None = None
    """Size on disk; None where it is missing."""
    sha256: str | None = None
    """Hash of the file, or over the names and hashes of a folder's files; None: not hashed."""
    troubles: tuple[tuple[Trouble, str], ...] = ()
    """What is wrong with it, with the reason."""


def inspect(limits: Limits, task: FileTask) -> FileState:
    """Look at one row's file. A failure is part of the result."""
    try:
        files = _files(task)
        sizes = [file.stat().st_size for file in files]
    except (OSError, UnmaskError):
        files, sizes = [], []
    if not files:
        return FileState(troubles=(("missing", _absence(task)),))
    troubles: list[tuple[Trouble, str]] = [
        ("empty", f"{file.name} has no bytes")
        for file, size in zip(files, sizes, strict=True)
        if not size
    ][:1]
    sha256 = None
    try:
        ends = dict.fromkeys((files[0], files[-1])) if task.opened and not troubles else {}
        known = {file: probe(file, limits=limits).sha256 for file in ends}
        sha256 = _sha256(task, files, known) if task.hashed else None
    except (OSError, UnmaskError) as error:
        troubles.append(("unreadable", str(error)))
    if sha256 and task.sha256 not in {None, sha256}:
        troubles.append(("changed", f"SHA-256 was {task.sha256}, is {sha256}"))
    return FileState(sum(sizes), sha256, (*troubles, *_mask_trouble(task.mask)))


def _files(task: FileTask) -> list[Path]:
    if task.kind == "frames":
        return files_below(task.path, PICTURE_SUFFIXES)
    return [task.path] if task.path.is_file() else []


def _absence(task: FileTask) -> str:
    return "no pictures in the folder" if task.path.is_dir() else "not there"


def _sha256(task: FileTask, files: list[Path], known: Mapping[Path, str]) -> str:
    """Return the row's hash, taking from `known` what was hashed while it was opened."""
    hashes = {file: known.get(file) or _hash_of(file) for file in files}
    if task.kind != "frames":
        return hashes[files[0]]
    lines = (f"{file.relative_to(task.path).as_posix()} {hashes[file]}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _hash_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _mask_trouble(mask: Path | None) -> list[tuple[Trouble, str]]:
    if mask is None:
        return []
    if not mask.exists():
        return [("mask missing", f"no mask {str(mask)!r}")]
    size = mask.stat().st_size if mask.is_file() else sum(1 for _ in mask.iterdir())
    return [] if size else [("mask empty", f"{str(mask)!r} is empty")]
