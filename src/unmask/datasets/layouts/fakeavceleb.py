"""FakeAVCeleb v1.2: short clips of celebrities in which the face, the voice or both are fake.

The four folders tell what is fake. `meta_data.csv` names the method; its last column, the folder,
has no name in the header line.
"""

from __future__ import annotations

import re
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
from unmask.datasets.layouts.lists import HINT, find_list, read_cells
from unmask.datasets.manifest import VideoRecord

META = "meta_data.csv"
REAL_PICTURE = ("RealVideo-RealAudio", "RealVideo-FakeAudio")
FAKE_PICTURE = ("FakeVideo-RealAudio", "FakeVideo-FakeAudio")
_COLUMNS = ["source", "target1", "target2", "method", "category", "type", "race", "gender", "path"]
_PERSON = re.compile(r"id\d{5}")
_REAL_STEM = re.compile(r"(\d{5})(?:_fake)?")
_FAKE_STEM = re.compile(
    r"(?P<clip>\d{5})(?:_\d+)?"
    r"(?:_(?P<face>id\d{5})_(?P<tube>[\w-]{11})(?:_faceswap)?)?"
    r"(?:_(?P<voice>id\d{5})_wavtolip)?"
)
"""Clip, number of an fsgan face, person and YouTube clip of a swapped face, person of the voice."""


def index(root: Path) -> FolderContents:
    """Find the clips, and their methods in the table."""
    path = find_list(root, META)
    methods = _methods(path) if path else {}
    records, unknown = place_files("fakeavceleb", root, lambda value: _place(value, methods))
    return FolderContents(tuple(records), tuple(unknown), _warnings(records, methods))


def _methods(path: Path) -> dict[str, str]:
    """Return the method of each clip by its path below the data set's folder."""
    lines = read_cells(path)
    header = lines[0][1] if lines else []
    if header[: len(_COLUMNS)] != _COLUMNS:
        raise ManifestError(
            f"{str(path)!r} begins with the columns {', '.join(header)[:120]!r}, expected "
            f"{', '.join(_COLUMNS)}",
            hint=HINT,
        )
    methods = {}
    for number, cells in lines[1:]:
        if len(cells) <= len(_COLUMNS):
            raise ManifestError(
                f"{str(path)!r}, line {number}: {len(cells)} columns, expected "
                f"{len(_COLUMNS) + 1}, the last one the folder",
                hint=HINT,
            )
        folder = cells[len(_COLUMNS)].strip("/").removeprefix("FakeAVCeleb/")
        methods[f"{folder}/{cells[8]}"] = cells[3]
    return methods


def _place(path: str, methods: dict[str, str]) -> Placed:
    """Place a clip at `CATEGORY/RACE/GENDER/idNNNNN/NAME`."""
    match path.split("/"):
        case [category, _, _, person, name] if _PERSON.fullmatch(person):
            stem = name.rpartition(".")[0]
            if category in REAL_PICTURE and (real := _REAL_STEM.fullmatch(stem)):
                return _real(path, category, person, real[1])
            if category in FAKE_PICTURE and (fake := _FAKE_STEM.fullmatch(stem)):
                return _fake(path, category, person, fake, methods.get(path))
    return Unknown(path, "not in CATEGORY/RACE/GENDER/idNNNNN, or not named like its clips")


def _real(path: str, category: str, person: str, clip: str) -> VideoRecord:
    voice = category == "RealVideo-FakeAudio"
    return VideoRecord(
        id=path,
        dataset="fakeavceleb",
        label="real",
        target=f"fakeavceleb/{person}/{clip}",
        identities=(f"fakeavceleb/{person}",),
        part=category,
        note="fake voice over a real picture" if voice else None,
    )


def _fake(
    path: str, category: str, person: str, named: re.Match[str], method: str | None
) -> VideoRecord:
    face = named["face"]
    persons = (person, face) if face else (person,)
    return VideoRecord(
        id=path,
        dataset="fakeavceleb",
        label="fake",
        method=method,
        target=f"fakeavceleb/{person}/{named['clip']}",
        source=f"fakeavceleb/youtube/{named['tube']}" if face else None,
        identities=tuple(dict.fromkeys(f"fakeavceleb/{each}" for each in persons)),
        part=category,
    )


def _warnings(records: list[VideoRecord], methods: dict[str, str]) -> tuple[str, ...]:
    if not methods:
        return (f"no {META}: the methods of fakes are not known; it comes with the data set",)
    warnings = []
    if absent := len(methods.keys() - {record.id for record in records}):
        warnings.append(f"{META} names {absent} clips that are not here")
    if unnamed := sum(r.label == "fake" and r.method is None for r in records):
        warnings.append(f"{META} does not name {unnamed} fakes that are here: no method")
    return tuple(warnings)


FAKEAVCELEB = Layout(
    name="fakeavceleb",
    title="FakeAVCeleb v1.2 (Khalid et al., 2021)",
    tree="""\
RealVideo-RealAudio/African/men/id00076/00109.mp4
RealVideo-FakeAudio/African/men/id00076/00109_fake.mp4
FakeVideo-RealAudio/African/men/id00076/00109_3.mp4
FakeVideo-FakeAudio/African/men/id00076/00109_10_id00476_wavtolip.mp4
meta_data.csv""",
    where="https://github.com/DASH-Lab/FakeAVCeleb (request form)",
    licence="research, on request",
    kind="video",
    expected=(
        Expected(500, label="real", part="RealVideo-RealAudio"),
        Expected(500, label="real", part="RealVideo-FakeAudio"),
        Expected(9709, label="fake", part="FakeVideo-RealAudio"),
        Expected(10_835, label="fake", part="FakeVideo-FakeAudio"),
    ),
    facts=(
        "RealVideo-FakeAudio is visually real: its rows are real here, with a note.",
        (
            "In a name such as 00254_id06437_3BZvvzBhj8s_id00043_wavtolip the face is of id06437, "
            "from that YouTube clip; id00043 gave the voice alone and is not among the row's "
            "identities. Whose face a number such as 00109_3 (fsgan) stands for is not told."
        ),
        "wav2lip changes the mouth only: no other face is put in.",
        (
            "meta_data.csv has 21,566 lines, the data set 21,544 clips; the last column of the "
            "table, the folder, has no name."
        ),
        "There is no official split; there is one clip of each of the 500 persons.",
    ),
    index=index,
)
