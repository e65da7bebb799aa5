"""DF40: face crops of forty forgery methods, most made from FaceForensics++ and Celeb-DF.

Footage keys are those of `ffpp` and `celebdf-v2`, so that an audit sees when DF40's test rows share
footage with those data sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unmask.datasets.layouts.layout import (
    FolderContents,
    Layout,
    Placed,
    Unknown,
    picture_folders,
    sort_placed,
)
from unmask.datasets.manifest import Label, Split, VideoRecord

SWAPS = (
    "blendface", "deepfacelab", "e4s", "facedancer", "faceswap", "fsgan", "inswap", "mobileswap",
    "simswap", "uniface",
)  # fmt: skip
REENACTMENTS = (
    "MRAA", "danet", "facevid2vid", "fomm", "heygen", "hyperreenact", "lia", "mcnet",
    "one_shot_free", "pirender", "sadtalker", "tpsm", "wav2lip",
)  # fmt: skip
SYNTHESES = (
    "DiT", "MidJourney", "RDDM", "SiT", "StyleGAN2", "StyleGAN3", "StyleGANXL", "VQGAN", "ddim",
    "pixart", "sd2.1", "whichfaceisreal",
)  # fmt: skip
EDITS = ("CollabDiff", "e4e", "stargan", "starganv2", "styleclip")
METHODS = {name.lower(): name for name in (*SWAPS, *REENACTMENTS, *SYNTHESES, *EDITS)}
"""Methods by the name of their folder in small letters."""
_OTHER_NAMES = {"whichisreal": "whichfaceisreal"}
_PAIR = re.compile(r"(\d{3})_(\d{3})")
_CELEBRITIES = re.compile(r"(id\d+)_(id\d+)_(\d+)")
_YOUTUBE = re.compile(r"(?:.*/)?original_sequences/youtube/(raw|c0|c23|c40)/frames/(\d{3})")
_CELEB_REAL = re.compile(r"(?:.*/)?Celeb-real/frames/((id\d+)_\d+)")


def index(root: Path) -> FolderContents:
    """Find the folders of frames, and single pictures where a method has those."""
    folders = picture_folders(root)
    placed = (row for folder, names in folders.items() for row in _place(folder, names))
    records, unknown = sort_placed("df40", root, placed, f"{len(folders)} folders there")
    return FolderContents(tuple(records), tuple(unknown), _warnings(records))


def _warnings(records: list[VideoRecord]) -> tuple[str, ...]:
    if any(record.label == "real" for record in records):
        return ()
    return ("no reals here: DF40's own folders have fakes alone for the 31 known methods",)


def _place(folder: str, names: list[str]) -> Iterator[Placed]:
    """Place a folder of pictures: the originals, or what lies below a method's folder."""
    if original := _original(folder):
        yield original
        return
    parts = folder.split("/")
    lowered = [_OTHER_NAMES.get(part.lower(), part.lower()) for part in parts]
    at = next((i for i, part in enumerate(lowered) if part in METHODS), None)
    if at is None:
        yield Unknown(folder, "not below a folder named like one of DF40's methods")
        return
    training = any("train" in part for part in lowered[:at])
    method, inner = METHODS[lowered[at]], parts[at + 1 :]
    if inner and set(inner) <= {"fake", "real"}:
        for name in names:  # single pictures of different persons
            yield _picture(f"{folder}/{name}", method, "real" if inner[0] == "real" else "fake")
    else:
        yield _sequence(folder, method, inner, training=training)


def _original(folder: str) -> VideoRecord | None:
    """Place a real of FaceForensics++ or Celeb-DF as DF40 hands them out."""
    if youtube := _YOUTUBE.fullmatch(folder):
        target, persons, compression = f"ffpp/youtube/{youtube[2]}", (), youtube[1]
        return VideoRecord(
            folder, "df40", "real", target=target, identities=persons, compression=compression,
            part="FaceForensics++", kind="frames",
        )  # fmt: skip
    if celebrity := _CELEB_REAL.fullmatch(folder):
        return VideoRecord(
            folder, "df40", "real", target=f"celebdf-v2/real/{celebrity[1]}",
            identities=(f"celebdf-v2/{celebrity[2]}",), part="Celeb-DF-v2", kind="frames",
        )  # fmt: skip
    return None


def _picture(path: str, method: str, label: Label) -> VideoRecord:
    return VideoRecord(
        id=path,
        dataset="df40",
        label=label,
        method=method if label == "fake" else None,
        target=f"df40/{method}/{path.rpartition('/')[2].rpartition('.')[0]}"
        if label == "real"
        else None,
        part=method,
        split="test",
        kind="crop",
    )


def _sequence(folder: str, method: str, inner: list[str], *, training: bool) -> Placed:
    """Place a clip's folder: METHOD[/ff|cdf|fake|real][/frames][/...]/CLIP."""
    if not inner:
        return Unknown(folder, "pictures outside of a clip's folder")
    domain, clip = inner[0], inner[-1]
    if domain == "real":
        return VideoRecord(
            id=folder,
            dataset="df40",
            label="real",
            target=f"df40/{method}/{clip}",
            part=method,
            split="test",
            kind="frames",
        )
    target, source, identities = _footage(clip)
    return VideoRecord(
        id=folder,
        dataset="df40",
        label="fake",
        method=method,
        target=target,
        source=source,
        identities=identities,
        part=domain if domain in {"ff", "cdf"} else None,
        split=_split(inner, training=training),
        kind="frames",
    )


def _footage(clip: str) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Return target, source and identities from a clip's name, where it is a pair."""
    if pair := _PAIR.fullmatch(clip):
        return f"ffpp/youtube/{pair[1]}", f"ffpp/youtube/{pair[2]}", ()
    if named := _CELEBRITIES.fullmatch(clip):
        persons = tuple(dict.fromkeys(f"celebdf-v2/{each}" for each in named.groups()[:2]))
        return f"celebdf-v2/real/{named[1]}_{named[3]}", None, persons
    return None, None, ()


def _split(inner: list[str], *, training: bool) -> Split | None:
    """Return the split: the training part has no folder of a domain, the testing part has one."""
    if training or inner[0] == "frames":
        return "train"
    if inner[0] in {"cdf", "fake"} or "frames" in inner:
        return "test"
    return None


DF40 = Layout(
    name="df40",
    title="DF40 (Yan et al., 2024), as face crops",
    tree="""\
[DF40_train/]simswap/frames/001_870/000.png              (training)
[DF40/]simswap/{ff,cdf}/frames/001_870/000.png           (testing)
[DF40/]StyleGAN2/{ff,cdf}/[Fake_from_Celeb-real/]001/000.png
[DF40/]deepfacelab/{fake,real}/frames/CLIP/000.png
[DF40/]MidJourney/{fake,real}/0001.png
FaceForensics++/original_sequences/youtube/c23/frames/000/000.png
Celeb-DF-v2/Celeb-real/frames/id0_0000/000.png""",
    where="https://github.com/YZY-stack/DF40",
    licence="CC BY-NC 4.0; the originals by agreement with their data sets",
    kind="frames",
    expected=(),
    facts=(
        (
            "DF40's own folders hold fakes alone for 31 methods; their reals are frames of "
            "FaceForensics++ and Celeb-DF, which are a download of their own. Nine methods have "
            "reals beside their fakes."
        ),
        (
            "A clip 001_870 is taken as FaceForensics++ names them, target first; DF40 does not "
            "say so. Keys are those of ffpp and celebdf-v2: a detector trained on these must not "
            "be tested on the same footage here."
        ),
        (
            "Entire-face syntheses and edits do not name footage. Their ff folders occur in both "
            "splits, so that those rows have no split unless they lie below DF40_train."
        ),
        "Where a method has single pictures, each is a row of the kind `crop`.",
        "The paper's counts are of frames; complete counts of clips are not published.",
    ),
    index=index,
)
