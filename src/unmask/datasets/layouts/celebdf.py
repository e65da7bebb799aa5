"""Celeb-DF v1, v2 and Celeb-DF++: celebrities' interviews, fakes of them, and one list of tests.

Celeb-DF++ has the reals of v2, so both share footage and identity keys (`celebdf-v2/...`). Whether
v1 numbers its persons like v2 is not told, so v1 has keys of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from unmask.core.errors import ManifestError
from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    place_files,
)
from unmask.datasets.layouts.lists import HINT, find_list, read_lines
from unmask.datasets.manifest import Label, Split, VideoRecord

TEST_LIST = "List_of_testing_videos.txt"
SWAPS = (
    "Celeb-DF",
    "BlendFace",
    "GHOST",
    "HifiFace",
    "InSwapper",
    "MobileFaceSwap",
    "SimSwap",
    "UniFace",
)
REENACTMENTS = ("DaGAN", "FSRT", "HyperReenact", "LIA", "LivePortrait", "MCNET", "TPSMM")
TALKING = ("AniTalker", "EchoMimic", "EDTalk", "FLOAT", "IP_LAP", "Real3DPortrait", "SadTalker")
SCENARIOS = {"FaceSwap": SWAPS, "FaceReenact": REENACTMENTS, "TalkingFace": TALKING}
"""Methods of Celeb-DF++ by scenario."""

_ORIGINAL_METHOD = "Celeb-synthesis"
"""Method name of v1 and v2, which have one method without a name: that of the folder."""
_SAME_METHOD = {"celeb-df-v2": "Celeb-DF"}
"""Other names of a method's folder in Celeb-DF++, in small letters."""
_REAL = re.compile(r"(id\d+)_(\d+)")
_SWAP = re.compile(r"(id\d+)_(id\d+)_(\d+)")
_TALK = re.compile(r"(id\d+)_(\d+)_test_\w+")
_LINE = re.compile(r"([01])\s+(\S.*)")


def index(root: Path, *, name: str, family: str) -> FolderContents:
    """Find the videos, and mark those of the test list."""
    place = partial(_place, name=name, family=family)
    records, unknown = place_files(name, root, place)
    path = find_list(root, TEST_LIST)
    if path is None:
        warning = f"no {TEST_LIST}: rows have no official split; it comes with the data set"
        return FolderContents(tuple(records), tuple(unknown), (warning,))
    listed = _read_list(path)
    records = [_with_split(record, listed, path) for record in records]
    absent = sorted(set(listed) - {_key(record.id) for record in records})
    return FolderContents(tuple(records), tuple(unknown), _warnings(records, absent))


def _place(path: str, *, name: str, family: str) -> Placed:
    """Place a file by its folder; `videos` folders, which some copies have, are passed over."""
    *folders, file = (part for part in path.split("/") if part.lower() != "videos")
    stem = file.rpartition(".")[0]
    match [folder.lower() for folder in folders[:1]], folders[1:]:
        case ["celeb-real"], []:
            return _celebrity(path, stem, name, family)
        case ["youtube-real"], [] if stem.isdecimal():
            target = f"{family}/youtube/{stem}"
            return VideoRecord(
                id=path, dataset=name, label="real", target=target, part="YouTube-real"
            )
        case ["celeb-synthesis"], inner:
            return _fake(path, stem, _method(inner, name), name, family)
    return Unknown(path, f"not in the folders of {name}, or not named like its videos")


def _method(inner: list[str], name: str) -> str | None:
    """Return the method that a folder below Celeb-synthesis stands for; None where it is none."""
    if name != "celebdf-pp":
        return None if inner else _ORIGINAL_METHOD
    if len(inner) != 2:
        return None
    method = _SAME_METHOD.get(inner[1].lower(), inner[1])
    return method if method in SCENARIOS.get(inner[0], ()) else None


def _celebrity(path: str, stem: str, name: str, family: str) -> Placed:
    named = _REAL.fullmatch(stem)
    if not named:
        return Unknown(path, "a celebrity's video is named like id0_0001.mp4")
    return VideoRecord(
        id=path,
        dataset=name,
        label="real",
        target=f"{family}/real/{stem}",
        identities=(f"{family}/{named[1]}",),
        part="Celeb-real",
    )


def _fake(path: str, stem: str, method: str | None, name: str, family: str) -> Placed:
    if method is None:
        return Unknown(path, f"not a folder of fakes in {name}")
    persons: tuple[str, ...]
    if swap := _SWAP.fullmatch(stem):
        persons, number = (swap[1], swap[2]), swap[3]
    elif method in TALKING and (talk := _TALK.fullmatch(stem)):
        persons, number = (talk[1],), talk[2]
    else:
        return Unknown(path, "a fake is named like id0_id1_0002.mp4")
    return VideoRecord(
        id=path,
        dataset=name,
        label="fake",
        method=method,
        target=f"{family}/real/{persons[0]}_{number}",
        identities=tuple(f"{family}/{each}" for each in persons),
        part="Celeb-synthesis",
    )


def _key(path: str) -> str:
    """Return a path as lists and folders can be compared: small letters, no suffix, no `videos`."""
    parts = path.rpartition(".")[0].lower().split("/")
    return "/".join(_SAME_METHOD.get(part, part).lower() for part in parts if part != "videos")


def _read_list(path: Path) -> dict[str, Label]:
    """Return the label of each test video. The list has no header, and 1 means real."""
    listed: dict[str, Label] = {}
    for number, line in read_lines(path):
        match = _LINE.fullmatch(line)
        if not match:
            raise ManifestError(
                f"{str(path)!r}, line {number}: {line[:80]!r}, expected a line like "
                "'1 YouTube-real/00170.mp4'",
                hint=HINT,
            )
        listed[_key(match[2])] = "real" if match[1] == "1" else "fake"
    return listed


def _with_split(record: VideoRecord, listed: dict[str, Label], path: Path) -> VideoRecord:
    label = listed.get(_key(record.id))
    if label not in {None, record.label}:
        raise ManifestError(
            f"{str(path)!r} calls {record.id!r} {label}, but its folder is one of {record.label}s",
            hint="in this list 1 means real and 0 means fake; get a fresh copy",
        )
    split: Split = "train" if label is None else "test"
    return replace(record, split=split)


def _warnings(records: list[VideoRecord], absent: list[str]) -> tuple[str, ...]:
    train = _persons(record for record in records if record.split == "train")
    test = _persons(record for record in records if record.split == "test")
    shared = len(train & test)
    warnings = [
        (
            "there is no official validation list: `unmask data split MANIFEST --protocol "
            "official` carves one out of the training rows by person; never use the test list "
            "for it"
        ),
    ]
    if shared:
        warnings.append(
            f"{shared} of {len(test)} identities of the test list are also in the training rows: "
            "a result inside this data set is not identity-disjoint"
        )
    if absent:
        warnings.append(f"{TEST_LIST} names {len(absent)} videos that are not here: {absent[0]}")
    return tuple(warnings)


def _persons(records: Iterable[VideoRecord]) -> set[str]:
    return {person for record in records for person in record.identities}


_TREE = """\
Celeb-real/id0_0000.mp4
YouTube-real/00000.mp4
Celeb-synthesis/id0_id1_0000.mp4
List_of_testing_videos.txt"""
_LICENCE = "non-commercial research, on request"
_FACTS = (
    (
        "A fake idX_idY_NNNN has the video idX_NNNN as its target; idY is the person whose face "
        "was put in, from which clip is not told."
    ),
    "The test list has no header line; a line is `1 YouTube-real/00170.mp4`, and 1 means real.",
    "There is no validation list; whoever uses the test list for it chooses on the test.",
    (
        "The test names cover nearly every identity, so that an identity-disjoint result inside "
        "the data set is almost impossible."
    ),
    "Who is in YouTube-real is not told.",
)


def _index(name: str, family: str) -> Callable[[Path], FolderContents]:
    return partial(index, name=name, family=family)


CELEBDF_V1 = Layout(
    name="celebdf-v1",
    title="Celeb-DF v1 (Li et al., 2019)",
    tree=_TREE,
    where="https://github.com/yuezunli/celeb-deepfakeforensics (a form); the list is in it",
    licence=_LICENCE,
    kind="video",
    expected=(
        Expected(158, part="Celeb-real"),
        Expected(250, part="YouTube-real"),
        Expected(795, part="Celeb-synthesis"),
        Expected(100, split="test"),
    ),
    facts=(*_FACTS, "Clips of v1 may be in v2 under other names; audit them by picture."),
    index=_index("celebdf-v1", "celebdf-v1"),
)

CELEBDF_V2 = Layout(
    name="celebdf-v2",
    title="Celeb-DF v2 (Li et al., CVPR 2020)",
    tree=_TREE,
    where="https://github.com/yuezunli/celeb-deepfakeforensics (a form); the list is in it",
    licence=_LICENCE,
    kind="video",
    expected=(
        Expected(590, part="Celeb-real"),
        Expected(300, part="YouTube-real"),
        Expected(5639, part="Celeb-synthesis"),
        Expected(178, label="real", split="test"),
        Expected(340, label="fake", split="test"),
    ),
    facts=(*_FACTS, "The list has 518 lines: 178 real and 340 fake videos."),
    index=_index("celebdf-v2", "celebdf-v2"),
)

CELEBDF_PP = Layout(
    name="celebdf-pp",
    title="Celeb-DF++ (Li et al., 2025)",
    tree=f"""\
Celeb-real/id0_0000.mp4
YouTube-real/00000.mp4
Celeb-synthesis/
  FaceSwap/{{{",".join(SWAPS)}}}/id0_id1_0000.mp4
  FaceReenact/{{{",".join(REENACTMENTS)}}}/id0_id1_0000.mp4
  TalkingFace/{{{",".join(TALKING)}}}/id0_0000_test_0001.mp4
List_of_testing_videos.txt""",
    where="https://github.com/OUC-VAS/Celeb-DF-PP (a form); the list is in it",
    licence=_LICENCE,
    kind="video",
    expected=(
        Expected(590, part="Celeb-real"),
        Expected(300, part="YouTube-real"),
        Expected(5639, method="Celeb-DF"),
        Expected(178, label="real", split="test"),
        *(Expected(200, method=method, split="test") for method in (*SWAPS, *REENACTMENTS)),
        *(Expected(300, method=method, split="test") for method in TALKING),
    ),
    facts=(
        *_FACTS,
        (
            "Its reals and its method Celeb-DF are those of Celeb-DF v2, and have the same footage "
            "keys."
        ),
        (
            "Reenactments and talking faces are reported to be cut to 256 x 256 pixels; if yours "
            "are, their size alone gives them away."
        ),
    ),
    index=_index("celebdf-pp", "celebdf-v2"),
)
