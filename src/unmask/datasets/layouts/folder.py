"""A plain folder: what lies below `real/` is real, what lies below `fake/` is fake."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.layouts.layout import (
    FolderContents,
    Layout,
    Placed,
    Unknown,
    files_below,
    picture_folders,
    sort_placed,
)
from unmask.datasets.manifest import Kind, Split, VideoRecord
from unmask.system.suffixes import VIDEO_SUFFIXES

SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
"""Folders above `real` and `fake` that are a split."""


def index(root: Path) -> FolderContents:
    """Find videos and folders of frames below `real/` and `fake/`, at any depth."""
    videos = [path.relative_to(root).as_posix() for path in files_below(root, VIDEO_SUFFIXES)]
    folders = picture_folders(root)
    name = root.resolve().name
    placed = [_place(path, "video", name) for path in videos]
    placed += [_place(path, "frames", name) for path in folders]
    seen = f"{len(videos)} videos and {len(folders)} folders of pictures there"
    records, unknown = sort_placed("folder", root, placed, seen)
    return FolderContents(tuple(records), tuple(unknown), _warnings(records))


def _place(path: str, kind: Kind, root_name: str) -> Placed:
    above, side, below = _split_path(path)
    if side is None:
        return Unknown(path, "not below a folder `real` or `fake`")
    if above and (len(above) > 1 or above[0].lower() not in SPLITS):
        return Unknown(path, f"above `{side}` only {', '.join(SPLITS)} may stand")
    # a folder of frames needs one of its own: real/CLIP, fake/METHOD/CLIP
    if kind == "frames" and len(below) < (1 if side == "real" else 2):
        return Unknown(path, "pictures without a folder of their clip (fake/METHOD/CLIP/0001.png)")
    fake = side == "fake"
    return VideoRecord(
        id=path,
        dataset="folder",
        label="fake" if fake else "real",
        method=below[0] if fake and len(below) > 1 else None,
        target=None if fake else f"folder/{root_name}/{path}",
        split=SPLITS[above[0].lower()] if above else None,
        kind=kind,
    )


def _split_path(path: str) -> tuple[list[str], str | None, list[str]]:
    """Part a path at the first folder `real` or `fake`; the last part is never that folder."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if part.lower() in {"real", "fake"}:
            return parts[:number], part.lower(), parts[number + 1 :]
    return parts, None, []


def _warnings(records: list[VideoRecord]) -> tuple[str, ...]:
    warnings = [f"nothing is {label}" for label in ("real", "fake")
                if all(record.label != label for record in records)]  # fmt: skip
    if any(record.label == "fake" for record in records):
        warnings.append(
            "a folder does not tell which real a fake was made from, nor who is in it: splits and "
            "audits see only equal files and similar frames; use the layout `table` to tell more"
        )
    return tuple(warnings)


FOLDER = Layout(
    name="folder",
    title="A plain folder of one's own",
    tree="""\
[train|val|validation|test/]
  real/.../NAME.mp4
  fake/[METHOD/].../NAME.mp4
  real/CLIP/0001.png              (frames of a clip)
  fake/METHOD/CLIP/0001.png""",
    where="your own",
    licence="your own",
    kind="video",
    expected=(),
    facts=(
        "The first folder named `real` or `fake` decides, at any depth below it.",
        "The folder directly below `fake` is the method, if there is one.",
        "A folder train, val, validation or test above `real` and `fake` is taken as the split.",
        "A folder of pictures is one clip's frames; pictures that lie loose are not placed.",
    ),
    index=index,
)
