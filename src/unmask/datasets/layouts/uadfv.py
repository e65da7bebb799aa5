"""UADFV: 49 videos and a fake of each."""

from __future__ import annotations

import re
from pathlib import Path

from unmask.datasets.layouts.layout import (
    Expected,
    FolderContents,
    Layout,
    Placed,
    Unknown,
    place_files,
)
from unmask.datasets.manifest import VideoRecord

METHOD = "FakeApp"
_REAL = re.compile(r"real/(\d{4})\.\w+")
_FAKE = re.compile(r"fake/(\d{4})_fake\.\w+")


def index(root: Path) -> FolderContents:
    """Find the videos."""
    records, unknown = place_files("uadfv", root, _place)
    have = {record.target for record in records if record.label == "real"}
    orphans = sum(r.label == "fake" and r.target not in have for r in records)
    warning = f"{orphans} fakes whose original is not here"
    return FolderContents(tuple(records), tuple(unknown), (warning,) if orphans else ())


def _place(path: str) -> Placed:
    if real := _REAL.fullmatch(path):
        return VideoRecord(id=path, dataset="uadfv", label="real", target=f"uadfv/{real[1]}")
    if fake := _FAKE.fullmatch(path):
        return VideoRecord(
            id=path, dataset="uadfv", label="fake", method=METHOD, target=f"uadfv/{fake[1]}"
        )
    return Unknown(path, "not named like real/0000.mp4 or fake/0000_fake.mp4")


UADFV = Layout(
    name="uadfv",
    title="UADFV (Yang et al., 2019)",
    tree="""\
real/0000.mp4
fake/0000_fake.mp4""",
    where="https://github.com/yuezunli/WIFS2018_In_Ictu_Oculi (request form)",
    licence="research, on request",
    kind="video",
    expected=(Expected(49, label="real"), Expected(49, label="fake")),
    facts=(
        "fake/NNNN_fake is made from real/NNNN; whose face was put in is not told.",
        "There is no official split; 49 pairs are too few for one.",
        "Frames that other programs extracted (real/frames, fake/frames) are no rows.",
    ),
    index=index,
    left_out=("real/frames", "fake/frames"),
)
