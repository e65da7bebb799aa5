"""DeeperForensics-1.0: faces of paid actors on the YouTube originals of FaceForensics++.

The reals are not part of its download: they are FaceForensics++'s originals at c23, linked or
copied into its folder, and have the footage keys that FaceForensics++ gives them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from unmask.core.errors import ManifestError
from unmask.datasets.layouts.ffpp import person, youtube
from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    place_files,
)
from unmask.datasets.layouts.lists import HINT, find_list, read_lines
from unmask.datasets.manifest import Split, VideoRecord

METHOD = "DF-VAE"
VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{count}_distortions" for count in range(2, 5)),
    "reenact_postprocess",
)
"""Folders of fakes: the same 1,000 swaps as they are, distorted, and finished by hand."""
SPLIT_FILES: dict[Split, str] = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
SPLIT_FOLDERS = ("lists/splits", "splits", "")
REALS = "original_sequences/youtube/c23/videos"
"""Where the reals lie below the data set's folder."""
SOURCES = "source_videos"
"""Clips of the actors that faces were taken from; they are no reals."""

_FAKE = re.compile(r"manipulated_videos/(?P<variant>\w+)/(?P<target>\d{3})_(?P<actor>[MW]\d+)\.\w+")
_REAL = re.compile(REALS + r"/(?P<number>\d{3})\.\w+")
_NAME = re.compile(r"(?:.*/)?(\d{3}_[MW]\d+)(?:\.\w+)?")


def index(root: Path) -> FolderContents:
    """Find the fakes of all variants, and the reals where they were linked in."""
    records, unknown = place_files("deeperforensics", root, _place)
    splits, warnings = _read_splits(root)
    records = [replace(record, split=_find_split(record, splits)) for record in records]
    if not any(record.label == "real" for record in records):
        warnings.append(
            f"no reals: link FaceForensics++'s originals at c23 to {REALS} below this folder and "
            "index again"
        )
    if (root / SOURCES).is_dir():
        warnings.append(f"{SOURCES} is left out: the publishers forbid its use as reals")
    return FolderContents(tuple(records), tuple(unknown), tuple(warnings))


def _place(path: str) -> Placed:
    if path.startswith(f"{SOURCES}/"):
        return None
    if real := _REAL.fullmatch(path):
        return VideoRecord(
            id=path,
            dataset="deeperforensics",
            label="real",
            target=youtube(real["number"]),
            identities=(person(real["number"]),),
            part="youtube",
            compression="c23",
        )
    fake = _FAKE.fullmatch(path)
    if not fake or fake["variant"] not in VARIANTS:
        return Unknown(path, "not in its folders, or not named like 000_M101.mp4")
    return VideoRecord(
        id=path,
        dataset="deeperforensics",
        label="fake",
        method=METHOD,
        target=youtube(fake["target"]),
        identities=(person(fake["target"]), f"deeperforensics/{fake['actor']}"),
        part=fake["variant"],
    )


def _read_splits(root: Path) -> tuple[dict[str, Split], list[str]]:
    """Return the split of each target's footage key, and what is missing."""
    splits: dict[str, Split] = {}
    missing = []
    for split, name in SPLIT_FILES.items():
        path = find_list(root, name, SPLIT_FOLDERS)
        if path is None:
            missing.append(name)
            continue
        for number, line in read_lines(path):
            key = youtube(_read_line(line, number, path)[:3])
            if splits.setdefault(key, split) != split:
                raise ManifestError(
                    f"{str(path)!r}, line {number}: {line[:60]!r} has the target of a video in "
                    f"{SPLIT_FILES[splits[key]]}",
                    hint=HINT,
                )
    warning = (
        f"no {', '.join(missing)} in {SPLIT_FOLDERS[0]}: not all rows have an official split; "
        "the lists are part of the download"
    )
    return splits, [warning] if missing else []


def _read_line(line: str, number: int, path: Path) -> str:
    match = _NAME.fullmatch(line)
    if not match:
        raise ManifestError(
            f"{str(path)!r}, line {number}: {line[:60]!r}, expected a name like 000_M101.mp4",
            hint=HINT,
        )
    return match[1]


def _find_split(record: VideoRecord, splits: dict[str, Split]) -> Split | None:
    """Return the split of a row's target: a real goes where its fake goes."""
    return splits.get(record.target or "")


DEEPERFORENSICS = Layout(
    name="deeperforensics",
    title="DeeperForensics-1.0 (Jiang et al., CVPR 2020)",
    tree=f"""\
manipulated_videos/
  end_to_end/000_M101.mp4
  end_to_end_level_{{1,2,3,4,5}}/000_M101.mp4
  end_to_end_random_level/000_M101.mp4
  end_to_end_mix_{{2,3,4}}_distortions/000_M101.mp4
  reenact_postprocess/000_M101.mp4
lists/splits/{{train,val,test}}.txt
{REALS}/000.mp4      (yours, of FaceForensics++; a link will do)""",
    where="https://github.com/EndlessSora/DeeperForensics-1.0 (a form); the reals are those of "
    "https://github.com/ondyari/FaceForensics at c23",
    licence="non-commercial research, on request",
    kind="video",
    expected=(
        Expected(1000, label="real"),
        *(Expected(1000, part=variant) for variant in VARIANTS),
        Expected(703, part="end_to_end", split="train"),
        Expected(96, part="end_to_end", split="validation"),
        Expected(201, part="end_to_end", split="test"),
    ),
    facts=(
        (
            "Its reals are the 1,000 YouTube originals of FaceForensics++ at c23, and have the "
            "same footage keys; they are not in its download."
        ),
        (
            "Its own source_videos are no reals: they are studio clips of the actors whose faces "
            "were put in, and their light alone tells them apart. They are not indexed."
        ),
        "A fake 000_M101 is actor M101's face on the YouTube original 000.",
        "All eleven variants are the same 1,000 swaps, distorted; no split may part them.",
        (
            "Its official split is not that of FaceForensics++: an original that one trains on can "
            "be tested on by the other."
        ),
        "The lists name fakes only; a real goes where the fake of it goes.",
    ),
    index=index,
    left_out=(SOURCES,),
)
