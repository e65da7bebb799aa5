"""The DeepFake Detection Challenge's data set (DFDC).

DFDC calls a video fake when the picture *or* the voice was changed. Its own metadata does not tell
which; a table of hashes that its users made does for the training parts, and is read where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from unmask.core.errors import ManifestError
from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    place_files,
)
from unmask.datasets.layouts.lists import HINT, find_list, read_csv, read_field, read_json
from unmask.datasets.manifest import Label, Split, VideoRecord

METADATA = "metadata.json"
LABELS = "labels.csv"
HASH_TABLES = ("metadata.csv", "metadata")
"""Names of the table of hashes, in the data set's folder."""
_HASH_COLUMNS = ("filename", "pxl.hash", "pxl.hash.orig")
_SPLITS: tuple[tuple[re.Pattern[str], Split], ...] = (
    (re.compile(r"dfdc_train_part_\d+|train_sample_videos"), "train"),
    (re.compile(r"validation|test_videos"), "validation"),
    (re.compile(r"test"), "test"),
)


@dataclass(frozen=True)
class Entry:
    """What the lists tell of one video of DFDC."""

    label: Label
    """Label of the data set: fake also where only the voice is."""
    original: str | None
    """File name of the clip that was changed; None for reals and in the test list."""


@dataclass(frozen=True)
class Lists:
    """All lists of a DFDC folder."""

    entries: Mapping[str, Mapping[str, Entry]]
    """Entries by file name in small letters, by the folder below the root that the list lies in."""
    unchanged: frozenset[str] = field(default_factory=frozenset)
    """File names, in small letters, of fakes whose picture is known to be their original's."""


def index(root: Path) -> FolderContents:
    """Find the videos of all parts by the lists that lie beside them."""
    table = next((path for name in HASH_TABLES if (path := find_list(root, name))), None)
    lists = Lists(_read_lists(root), _find_unchanged(table) if table else frozenset())
    name = root.resolve().name
    records, unknown = place_files("dfdc", root, lambda path: _place(path, lists, name))
    return FolderContents(tuple(records), tuple(unknown), _warnings(records, lists, table))


def _read_lists(root: Path) -> dict[str, dict[str, Entry]]:
    lists: dict[str, dict[str, Entry]] = {}
    for pattern in ("", "*/", "*/*/"):
        for name, read in ((METADATA, _read_metadata), (LABELS, _read_labels)):
            for path in sorted(root.glob(f"{pattern}{name}")):
                # where both lie in a folder, as in the test set, the table has the labels
                lists[path.parent.relative_to(root).as_posix()] = read(path)
    return lists


def _read_metadata(path: Path) -> dict[str, Entry]:
    """Read a part's metadata; entries without a label, as the test set's are, are left out."""
    content: dict[str, Any] = read_json(path, dict)
    return {
        name.lower(): Entry(
            parse_label(read_field(entry, "label", path), path), _original(entry, path)
        )
        for name, entry in content.items()
        if not (isinstance(entry, dict) and "label" not in entry)
    }


def _original(entry: object, path: Path) -> str | None:
    value = entry.get("original") if isinstance(entry, dict) else None
    return None if value in (None, "NAN", "") else read_field(entry, "original", path)


def _read_labels(path: Path) -> dict[str, Entry]:
    rows = read_csv(path, ("filename", "label"))
    return {row["filename"].lower(): Entry(parse_label(row["label"], path), None) for row in rows}


def parse_label(word: str, path: Path) -> Label:
    """Return what a label of DFDC's lists, in whichever spelling, means."""
    match word.strip().upper():
        case "REAL" | "0":
            return "real"
        case "FAKE" | "1":
            return "fake"
    raise ManifestError(
        f"{str(path)!r} has the label {word[:40]!r}, expected REAL, FAKE, 0 or 1", hint=HINT
    )


def _find_unchanged(table: Path) -> frozenset[str]:
    rows = read_csv(table, _HASH_COLUMNS)
    return frozenset(
        row["filename"].lower()
        for row in rows
        if row["pxl.hash"] and row["pxl.hash"] == row["pxl.hash.orig"]
    )


def _place(path: str, lists: Lists, root_name: str) -> Placed:
    """Place a video by the nearest folder above it that has a list; that folder is its part."""
    pure = PurePosixPath(path)
    folder = next((f for f in pure.parents if f.as_posix() in lists.entries), None)
    if folder is None:
        return Unknown(path, f"no {METADATA} or {LABELS} beside it")
    entry = lists.entries[folder.as_posix()].get(pure.name.lower())
    if entry is None:
        return Unknown(path, "the list of its folder does not name it")
    voice_only = entry.label == "fake" and pure.name.lower() in lists.unchanged
    own = None if entry.label == "fake" else pure.name
    target = entry.original or own
    return VideoRecord(
        id=path,
        dataset="dfdc",
        label="real" if voice_only else entry.label,
        target=f"dfdc/clip/{PurePosixPath(target).stem}" if target else None,
        part=folder.name or root_name,
        split=_split(folder.name or root_name),
        note="fake voice over an unchanged picture; DFDC calls it fake" if voice_only else None,
    )


def _split(folder: str) -> Split | None:
    return next((split for pattern, split in _SPLITS if pattern.fullmatch(folder)), None)


def _warnings(records: list[VideoRecord], lists: Lists, table: Path | None) -> tuple[str, ...]:
    warnings = []
    absent = sum(map(len, lists.entries.values())) - len(records)
    if absent > 0:
        warnings.append(f"the lists name {absent} videos that are not here")
    fakes = [record for record in records if record.label == "fake"]
    if fakes and table is None:
        warnings.append(
            f"which of the {len(fakes)} fakes have only a fake voice is not known: DFDC does not "
            "tell, and a row's label here is DFDC's"
        )
    if any(record.target is None for record in fakes):
        warnings.append("the test lists do not name the originals of fakes")
    return tuple(warnings)


DFDC = Layout(
    name="dfdc",
    title="DeepFake Detection Challenge data set (Dolhansky et al., 2020)",
    tree="""\
[train/]dfdc_train_part_00/
  metadata.json           {"aaa.mp4": {"label": "FAKE", "split": "train", "original": "bbb.mp4"}}
  aaa.mp4 bbb.mp4
validation/
  labels.csv              filename,label
  ccc.mp4
test/
  labels.csv              filename,label      (1 means fake)
  ddd.mp4
metadata.csv              (optional: filename, pxl.hash, pxl.hash.orig)""",
    where="https://ai.meta.com/datasets/dfdc or https://www.kaggle.com/c/deepfake-detection-"
    "challenge; the table of hashes is the data set `train-set-metadata-for-dfdc` on Kaggle",
    licence="non-commercial research, by agreement",
    kind="video",
    expected=(
        Expected(119_154, split="train"),
        Expected(4000, split="validation"),
        Expected(5000, split="test"),
    ),
    facts=(
        (
            "A fake names its `original`, which is its target; whose face was put in is not told, "
            "nor are identities: group by original, split by part."
        ),
        (
            "DFDC calls a video fake when its picture or its voice was changed, and does not say "
            "which. A fake voice over a real picture is real here where the table of hashes shows "
            "that the picture is its original's; without that table rows keep DFDC's label. The "
            "hash is over some of the pixels."
        ),
        "The method is not told.",
        "In labels.csv 1 means fake, the other way round than in Celeb-DF's list.",
        "The published test set has 5,000 of the challenge's 10,000 videos, without originals.",
    ),
    index=index,
)
