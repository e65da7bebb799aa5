"""FaceForensics++ with the actors' clips of DeepFakeDetection, in the folders of its download.

The footage keys made here, `ffpp/youtube/000`, are also those of DeeperForensics' reals, so that
an audit over both sees the same clip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, cast, get_args

from unmask.core.errors import ManifestError
from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    place_files,
)
from unmask.datasets.layouts.lists import HINT, find_list, read_json
from unmask.datasets.manifest import Split, VideoRecord

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
"""Methods applied to the YouTube originals, 1,000 videos each."""
ACTORS_METHOD = "DeepFakeDetection"
SPLIT_FILES: dict[Split, str] = {
    "train": "train.json",
    "validation": "val.json",
    "test": "test.json",
}
SPLIT_FOLDERS = ("", "splits", "dataset/splits")
SPLITS_FROM = "dataset/splits of https://github.com/ondyari/FaceForensics"

_VIDEO = re.compile(
    r"(?:original_sequences/(?P<originals>youtube|actors)|manipulated_sequences/(?P<method>\w+))"
    r"/(?P<compression>raw|c0|c23|c40|masks)/videos/(?P<stem>[^/]+)\.\w+"
)
_ORIGINAL = {"youtube": re.compile(r"\d{3}"), "actors": re.compile(r"(\d{2})__\w+")}
_PAIR = re.compile(r"(\d{3})_(\d{3})")
_ACTORS_PAIR = re.compile(r"(\d{2})_(\d{2})__(\w+?)__(\w+)")


def youtube(number: str) -> str:
    """Return the footage key of a YouTube original, whatever its compression."""
    return f"ffpp/youtube/{number}"


def person(number: str) -> str:
    """Return the identity of a YouTube original: each video is taken for a person of its own."""
    return f"ffpp/{number}"


def index(root: Path) -> FolderContents:
    """Find originals, fakes and masks, and the official splits where their files lie."""
    masks: dict[tuple[str, str], str] = {}
    records, unknown = place_files("ffpp", root, lambda path: _place(path, masks))
    records = [_with_mask(record, masks) for record in records]
    splits, warnings = _read_splits(root)
    if splits:
        records = [replace(record, split=_find_split(record, splits)) for record in records]
        warnings += _count_unplaced(records)
    used = {record.mask for record in records}
    orphans = [Unknown(path, "a mask whose video is not there") for path in masks.values()]
    unknown += [orphan for orphan in orphans if orphan.path not in used]
    return FolderContents(tuple(records), tuple(unknown), tuple(warnings))


def _place(path: str, masks: dict[tuple[str, str], str]) -> Placed:
    match = _VIDEO.fullmatch(path)
    if not match:
        return Unknown(path, "not in the folders of FaceForensics++")
    method, stem = match["method"], match["stem"]
    if match["compression"] == "masks":
        if method is None:
            return Unknown(path, "originals have no masks")
        masks[method, stem] = path
        return None
    if match["originals"]:
        return _original(path, match["originals"], stem, match["compression"])
    if method == ACTORS_METHOD:
        return _actors_fake(path, stem, match["compression"])
    return _fake(path, method, stem, match["compression"])


def _original(path: str, group: str, stem: str, compression: str) -> Placed:
    named = _ORIGINAL[group].fullmatch(stem)
    if not named:
        shape = "000.mp4" if group == "youtube" else "01__kitchen_pan.mp4"
        return Unknown(path, f"an original of {group} is named like {shape}")
    return VideoRecord(
        id=path,
        dataset="ffpp",
        label="real",
        target=f"ffpp/{group}/{stem}",
        identities=(person(stem) if group == "youtube" else f"ffpp/actor-{named[1]}",),
        part=group,
        compression=compression,
    )


def _fake(path: str, method: str, stem: str, compression: str) -> Placed:
    named = _PAIR.fullmatch(stem)
    if method not in METHODS:
        return Unknown(path, f"{method!r} is not a method of FaceForensics++")
    if not named:
        return Unknown(path, "a fake is named <target>_<source>, like 000_003.mp4")
    return VideoRecord(
        id=path,
        dataset="ffpp",
        label="fake",
        method=method,
        target=youtube(named[1]),
        source=youtube(named[2]),
        identities=(person(named[1]), person(named[2])),
        part="youtube",
        compression=compression,
    )


def _actors_fake(path: str, stem: str, compression: str) -> Placed:
    named = _ACTORS_PAIR.fullmatch(stem)
    if not named:
        return Unknown(path, "named <target>_<source>__<scene>__<id> in DeepFakeDetection")
    return VideoRecord(
        id=path,
        dataset="ffpp",
        label="fake",
        method=ACTORS_METHOD,
        target=f"ffpp/actors/{named[1]}__{named[3]}",
        identities=(f"ffpp/actor-{named[1]}", f"ffpp/actor-{named[2]}"),
        part="actors",
        compression=compression,
    )


def _with_mask(record: VideoRecord, masks: Mapping[tuple[str, str], str]) -> VideoRecord:
    mask = masks.get((record.method or "", PurePosixPath(record.id).stem))
    note = "the mask can be shorter than the video" if mask and record.part == "actors" else None
    return replace(record, mask=mask, note=note)


def _read_splits(root: Path) -> tuple[dict[str, Split], list[str]]:
    """Return the split of each original's number, and what is missing."""
    paths = {split: find_list(root, name, SPLIT_FOLDERS) for split, name in SPLIT_FILES.items()}
    missing = [SPLIT_FILES[split] for split, path in paths.items() if path is None]
    splits: dict[str, Split] = {}
    for split, path in paths.items():
        for number in _numbers(path) if path else ():
            if splits.setdefault(number, split) != split:
                raise ManifestError(
                    f"{str(path)!r} and {SPLIT_FILES[splits[number]]} both name {number!r}",
                    hint=f"copy all three files from {SPLITS_FROM}",
                )
    warning = (
        f"no {', '.join(missing)}: not all rows have an official split; copy the files from "
        f"{SPLITS_FROM} to the folder `splits` of the data set and index again"
    )
    return splits, [warning] if missing else []


def _numbers(path: Path) -> list[str]:
    """Return the numbers in a split file, a list of pairs."""
    pairs: list[Any] = read_json(path, list)
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))):
            raise ManifestError(
                f'{str(path)!r} holds {str(pair)[:60]}, expected pairs like ["071", "054"]',
                hint=HINT,
            )
    return [number for pair in pairs for number in pair]


def _is_number(value: object) -> bool:
    return isinstance(value, str) and _ORIGINAL["youtube"].fullmatch(value) is not None


def _find_split(record: VideoRecord, splits: Mapping[str, Split]) -> Split | None:
    """Return the split that all footage of a row is in; None where it is in several or in none."""
    parts = {splits.get(key.removeprefix("ffpp/youtube/")) for key in record.footage}
    return parts.pop() if len(parts) == 1 else None


def _count_unplaced(records: list[VideoRecord]) -> list[str]:
    """Say how many rows the split files leave out."""
    without = [record for record in records if record.split is None]
    actors = sum(record.part == "actors" for record in without)
    others = len(without) - actors
    warnings = []
    if actors:
        warnings.append(f"{actors} videos of actors (DeepFakeDetection) have no official split")
    if others:
        warnings.append(
            f"{others} videos have no official split: the files that are here do not name their "
            "target and source together"
        )
    return warnings


def _expected() -> tuple[Expected, ...]:
    """Return the counts of the complete data set, over all and per official split."""
    sizes = dict(zip(cast("tuple[Split, ...]", get_args(Split)), (720, 140, 140), strict=True))
    return (
        Expected(1000, label="real", part="youtube"),
        *(Expected(1000, method=method) for method in METHODS),
        Expected(363, label="real", part="actors"),
        Expected(3068, method=ACTORS_METHOD),
        *(Expected(n, label="real", part="youtube", split=s) for s, n in sizes.items()),
        *(Expected(n, method=m, split=s) for m in METHODS for s, n in sizes.items()),
    )


FFPP = Layout(
    name="ffpp",
    title="FaceForensics++ (Rössler et al., ICCV 2019), with FaceShifter and DeepFakeDetection",
    tree="""\
original_sequences/
  youtube/{raw,c0,c23,c40}/videos/000.mp4
  actors/{raw,c0,c23,c40}/videos/01__kitchen_pan.mp4
manipulated_sequences/
  {Deepfakes,Face2Face,FaceSwap,NeuralTextures,FaceShifter}/
    {raw,c0,c23,c40}/videos/000_003.mp4
    masks/videos/000_003.mp4
  DeepFakeDetection/
    {raw,c0,c23,c40}/videos/01_02__kitchen_pan__ABCD1234.mp4
    masks/videos/01_02__kitchen_pan__ABCD1234.mp4
splits/
  train.json val.json test.json      (also found in . and in dataset/splits)""",
    where="https://github.com/ondyari/FaceForensics (a form, then a download script); the split "
    f"files are in {SPLITS_FROM}",
    licence="non-commercial research and education, on request",
    kind="video",
    expected=_expected(),
    facts=(
        (
            "A fake a_b has target a (the video that was changed) and source b (whose face, or "
            "whose expression, was put in)."
        ),
        (
            "The official splits are lists of pairs, 360/70/70 pairs: 720/140/140 originals; both "
            "a_b and b_a are fakes, so that each method has 720/140/140 videos, and four methods "
            "have 2,880/560/560."
        ),
        "The split files are not in the download; they are read from your copy.",
        "Nothing tells who is in a YouTube original; each is taken for a person of its own.",
        (
            "DeepFakeDetection has no official split; its names tell the actor whose face was put "
            "in, but not which clip it came from; its masks can be shorter than the video."
        ),
        "FaceShifter has no masks. Masks hold for every compression of a video.",
        "All compressions of a clip have the same footage key, so that no split parts them.",
    ),
    index=index,
)
