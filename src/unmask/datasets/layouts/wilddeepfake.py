"""WildDeepfake: sequences of face crops from the internet, as folders of numbered pictures."""

from __future__ import annotations

import re
from pathlib import Path

from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    picture_folders,
    sort_placed,
)
from unmask.datasets.manifest import Label, Split, VideoRecord

_SIDE = re.compile(r"(real|fake)[ _](train|test)")
_LABELS: dict[str, Label] = {"real": "real", "fake": "fake"}
_SPLITS: dict[str, Split] = {"train": "train", "test": "test"}


def index(root: Path) -> FolderContents:
    """Find the sequences: every folder of pictures below one of the four sides."""
    folders = picture_folders(root)
    placed = (_place(folder) for folder in folders)
    records, unknown = sort_placed("wilddeepfake", root, placed, f"{len(folders)} folders there")
    packed = sum(1 for _ in root.rglob("*.tar.gz"))
    warnings = (f"{packed} archives lie there; what is still packed is not seen",) if packed else ()
    return FolderContents(tuple(records), tuple(unknown), warnings)


def _place(folder: str) -> Placed:
    parts = folder.split("/")
    at = next((i for i, part in enumerate(parts) if _SIDE.fullmatch(part)), None)
    if at is None:
        return Unknown(folder, "not below real_train, real_test, fake_train or fake_test")
    side = _SIDE.fullmatch(parts[at])
    inner = parts[at + 1 :]
    if side is None or not inner:
        return Unknown(folder, "pictures outside of a sequence's folder")
    if {"real", "fake"} & set(inner) - {side[1]}:
        return Unknown(folder, f"a folder of another label below {parts[at]}")
    return VideoRecord(
        id=folder,
        dataset="wilddeepfake",
        label=_LABELS[side[1]],
        target=f"wilddeepfake/{side[1]}_{side[2]}/{inner[0]}",
        split=_SPLITS[side[2]],
        kind="frames",
    )


WILDDEEPFAKE = Layout(
    name="wilddeepfake",
    title="WildDeepfake (Zi et al., 2020)",
    tree="""\
[deepfake_in_the_wild/]
  real_train/1/real/131/942.png
  real_test/...
  fake_train/1/fake/131/942.png
  fake_test/...""",
    where="https://github.com/OpenTAI/wild-deepfake (agreement); unpack each N.tar.gz where it is",
    licence="non-commercial research, by agreement",
    kind="frames",
    expected=(
        Expected(3805, label="real"),
        Expected(3509, label="fake"),
        Expected(6508, split="train"),
        Expected(806, split="test"),
    ),
    facts=(
        "A row is a sequence of face crops; a picture's name is its frame number in the video.",
        "Frame numbers have no leading zeros: 1057.png comes after 942.png.",
        (
            "Archive N of a side becomes folder N; its sequences share a footage key, since they "
            "may come from one video. Whether N on another side is the same video is not told."
        ),
        (
            "Methods, persons and videos are not told, so that train and test cannot be checked "
            "for shared footage by name; compare frames instead. There is no validation list."
        ),
    ),
    index=index,
)
