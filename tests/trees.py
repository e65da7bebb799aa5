"""Folders of empty files in a data set's structure, and toy data sets, made once per test run."""

from __future__ import annotations

import os
from pathlib import Path

from unmask.core.settings import Limits
from unmask.datasets.layouts import layout
from unmask.datasets.layouts.layout import FolderContents
from unmask.datasets.manifest import VideoRecord
from unmask.datasets.row_files import FileState, FileTask, inspect


def touch(root: Path, *paths: str) -> Path:
    """Make empty files, with the folders above them, and return the root."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def found_in(name: str, root: Path) -> FolderContents:
    """Index a folder with a layout."""
    return layout(name).index(root)


def rows_of(found: FolderContents) -> dict[str, VideoRecord]:
    """Return the rows by id."""
    return {record.id: record for record in found.records}


def only(found: FolderContents) -> VideoRecord:
    """Return the only row."""
    (record,) = found.records
    return record


def inspect_or_die(limits: Limits, task: FileTask) -> FileState:
    """Look at a file; the word `die` in it kills the process, as a damaged file can a decoder."""
    if task.path.read_bytes()[:3] == b"die":
        os._exit(9)
    return inspect(limits, task)
