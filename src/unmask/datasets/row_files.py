"""What lies on disk for one row of a manifest: is it there, how large, which bytes, does it open.

Runs in the worker processes of `verify`, so that a damaged file that ends its decoder is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unmask.core.errors import UnmaskError
from unmask.core.settings import Limits
from unmask.datasets.layouts.crop_files import pictures_in
from unmask.datasets.layouts.layout import files_below
from unmask.datasets.manifest import Kind
from unmask.system.files import file_sha256
from unmask.system.suffixes import PICTURE_SUFFIXES
from unmask.video.probe import probe

Trouble = Literal["missing", "empty", "unreadable", "changed", "mask missing", "mask empty"]


@dataclass(frozen=True)
class FileTask:
    """A row's file, and what to find out."""

    path: Path
    """The file, the folder of frames, or the Parquet file with the crop."""
    inner: str | None
    """Name of the crop in the Parquet file; None for others."""
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
        state = _inner(task, task.inner) if task.inner else _outer(limits, task)
    except (OSError, UnmaskError) as error:
        state = FileState(troubles=(("unreadable", str(error)),))
    changed: list[tuple[Trouble, str]] = []
    if state.sha256 and task.sha256 not in {None, state.sha256}:
        changed.append(("changed", f"SHA-256 was {task.sha256}, is {state.sha256}"))
    return replace(state, troubles=(*state.troubles, *changed, *_mask_trouble(task.mask)))


def _outer(limits: Limits, task: FileTask) -> FileState:
    """Look at a file or a folder of frames."""
    files = _files(task)
    if not files:
        reason = "no pictures in the folder" if task.path.is_dir() else "not there"
        return FileState(troubles=(("missing", reason),))
    sizes = [file.stat().st_size for file in files]
    if empty := [file.name for file, size in zip(files, sizes, strict=True) if not size]:
        return FileState(sum(sizes), troubles=(("empty", f"{empty[0]} has no bytes"),))
    try:
        ends = dict.fromkeys((files[0], files[-1])) if task.opened else {}
        known = {file: probe(file, limits=limits).sha256 for file in ends}
        return FileState(sum(sizes), _sha256(task, files, known) if task.hashed else None)
    except (OSError, UnmaskError) as error:
        return FileState(sum(sizes), troubles=(("unreadable", str(error)),))


def _inner(task: FileTask, name: str) -> FileState:
    """Look at a crop in a Parquet file."""
    if not task.path.is_file():
        return FileState(troubles=(("missing", f"no file {task.path.name}"),))
    crop = pictures_in(task.path).get(name)
    if crop is None:
        return FileState(troubles=(("missing", f"not in {task.path.name}"),))
    return FileState(len(crop), hashlib.sha256(crop).hexdigest() if task.hashed else None)


def _files(task: FileTask) -> list[Path]:
    if task.kind == "frames":
        return files_below(task.path, PICTURE_SUFFIXES)
    return [task.path] if task.path.is_file() else []


def _sha256(task: FileTask, files: list[Path], known: Mapping[Path, str]) -> str:
    """Return the row's hash, taking from `known` what was hashed while it was opened."""
    hashes = {file: known.get(file) or file_sha256(file) for file in files}
    if task.kind != "frames":
        return hashes[files[0]]
    lines = (f"{file.relative_to(task.path).as_posix()} {hashes[file]}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _mask_trouble(mask: Path | None) -> list[tuple[Trouble, str]]:
    if mask is None:
        return []
    if not mask.exists():
        return [("mask missing", f"no mask {str(mask)!r}")]
    size = mask.stat().st_size if mask.is_file() else sum(1 for _ in mask.iterdir())
    return [] if size else [("mask empty", f"{str(mask)!r} is empty")]
