"""The preview of the DeepFake Detection Challenge's data set: two methods, one list for all."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from unmask.core.errors import ManifestError
from unmask.datasets.layouts.dfdc import parse_label
from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    place_files,
    require_folder,
)
from unmask.datasets.layouts.lists import HINT, find_list, read_field, read_json
from unmask.datasets.manifest import Label, Split, VideoRecord

_FAKE = re.compile(r"(\d+)_(\d+_\w+)_(\d+)")
_REAL = re.compile(r"(\d+_\w+)_(\d+)")


def index(root: Path) -> FolderContents:
    """Find the videos that `dataset.json` names."""
    require_folder(root)
    path = find_list(root, "dataset.json")
    if path is None:
        raise ManifestError(
            f"no dataset.json in {str(root)!r}",
            hint="name the folder `dfdc_preview_set`, in which the list lies",
        )
    content: dict[str, Any] = read_json(path, dict)
    records, unknown = place_files(
        "dfdc-preview", root, lambda name: _place(name, content.get(name), path)
    )
    absent = len(content) - len(records)
    warnings = [f"dataset.json names {absent} videos that are not here"] if absent else []
    warnings.append(
        "there is no official validation set: carve one by identity, "
        "`unmask data split MANIFEST --protocol identity`"
    )
    return FolderContents(tuple(records), tuple(unknown), tuple(warnings))


def _place(name: str, entry: Any, path: Path) -> Placed:
    if entry is None:
        return Unknown(name, "dataset.json does not name it")
    label = parse_label(read_field(entry, "label", path), path)
    stem = PurePosixPath(name).stem
    named = (_FAKE if label == "fake" else _REAL).fullmatch(stem)
    recording = named[2 if label == "fake" else 1] if named else None
    return VideoRecord(
        id=name,
        dataset="dfdc-preview",
        label=label,
        method=name.partition("/")[0] if label == "fake" else None,
        target=f"dfdc-preview/recording/{recording}" if recording else None,
        identities=_persons(entry, label),
        part=name.partition("/")[0],
        split=_split(read_field(entry, "set", path), path),
        note=_describe_augmentations(entry),
    )


def _persons(entry: dict[str, Any], label: Label) -> tuple[str, ...]:
    """Return who is in the picture, and for a fake whose face was put in."""
    keys = ("target_id", "swapped_id") if label == "fake" else ("target_id",)
    persons = (entry.get(key) for key in keys)
    return tuple(f"dfdc-preview/{each}" for each in persons if isinstance(each, (str, int)))


def _split(word: str, path: Path) -> Split:
    match word:
        case "train" | "test":
            return word
    raise ManifestError(
        f"{str(path)!r} has the set {word[:40]!r}, expected train or test", hint=HINT
    )


def _describe_augmentations(entry: dict[str, Any]) -> str | None:
    augmentations = entry.get("augmentations")
    words = [str(each)[:60] for each in augmentations] if isinstance(augmentations, list) else []
    return f"augmented: {', '.join(words)}" if words else None


DFDC_PREVIEW = Layout(
    name="dfdc-preview",
    title="DeepFake Detection Challenge preview (Dolhansky et al., 2019)",
    tree="""\
dataset.json              {"method_A/7/7_A/5_7_A_001.mp4": {"label": "fake", "set": "train", ...}}
original_videos/7/7_A_001.mp4
method_A/7/7_A/5_7_A_001.mp4
method_B/7/7_A/5_7_A_001.mp4""",
    where="https://ai.meta.com/datasets/dfdc",
    licence="non-commercial research, by agreement",
    kind="video",
    expected=(
        Expected(1131, label="real"),
        Expected(4113, label="fake"),
        Expected(4464, split="train"),
        Expected(780, split="test"),
    ),
    facts=(
        (
            "A name S_T_C_NNN is person S's face in the recording T_C of person T, clip NNN; all "
            "clips of a recording have the same footage key."
        ),
        "Some test videos are augmented (quality, frame rate, size); their rows say so.",
        "There is no validation set.",
    ),
    index=index,
)
