"""Toys of DFDC, with a fake that is one by its voice only, and of its preview."""

from __future__ import annotations

import json
from pathlib import Path

from unmask.datasets.synth.studio import Studio

PARTS = {
    "dfdc_train_part_00": (("aaaaaaaaaa", 0, 1), ("bbbbbbbbbb", 1, 2)),
    "dfdc_train_part_01": (("cccccccccc", 2, 3),),
}
"""Original, its person, and whose face its fake has, by part."""
VOICE_ONLY = ("vvvvvvvvvv", "aaaaaaaaaa")
"""A fake of part 00 whose picture is its original's, and that original."""
LISTED = {"validation": (4, 5), "test": (6, 7)}
"""Person of the real and of the fake in the parts with a table of labels."""


def make(root: Path, seed: int) -> None:
    """Fill a folder with a toy DFDC."""
    studio = Studio(root, seed)
    for part, clips in PARTS.items():
        metadata: dict[str, dict[str, str]] = {}
        for stem, person, source in clips:
            fake = f"f{stem[1:]}"
            studio.real(f"{part}/{stem}.mp4", person)
            studio.fake(f"{part}/{fake}.mp4", person, source)
            metadata[f"{stem}.mp4"] = {"label": "REAL", "split": "train"}
            metadata[f"{fake}.mp4"] = _find_fake(stem)
        if part == "dfdc_train_part_00":
            # written a little smaller, as a file with another voice has other bytes
            studio.real(f"{part}/{VOICE_ONLY[0]}.mp4", clips[0][1], crf=25)
            metadata[f"{VOICE_ONLY[0]}.mp4"] = _find_fake(VOICE_ONLY[1])
        studio.text(f"{part}/metadata.json", json.dumps(metadata))
    for part, persons in LISTED.items():
        _write_list(studio, part, *persons)
    _hashes(studio)


def _find_fake(stem: str) -> dict[str, str]:
    return {"label": "FAKE", "split": "train", "original": f"{stem}.mp4"}


def _write_list(studio: Studio, part: str, person: int, forged: int) -> None:
    studio.real(f"{part}/{part[0]}real.mp4", person)
    studio.fake(f"{part}/{part[0]}fake.mp4", forged, person)
    lines = ("filename,label", f"{part[0]}real.mp4,0", f"{part[0]}fake.mp4,1")
    studio.text(f"{part}/labels.csv", "".join(f"{line}\n" for line in lines))


def _hashes(studio: Studio) -> None:
    """Write the users' table of hashes: one fake has the pixels of its original."""
    rows = [
        (f"f{stem[1:]}.mp4", f"hash-of-f{stem}", f"hash-of-{stem}")
        for clips in PARTS.values()
        for stem, _, _ in clips
    ]
    rows.append((f"{VOICE_ONLY[0]}.mp4", f"hash-of-{VOICE_ONLY[1]}", f"hash-of-{VOICE_ONLY[1]}"))
    lines = [",".join(row) for row in (("filename", "pxl.hash", "pxl.hash.orig"), *rows)]
    studio.text("metadata.csv", "".join(f"{line}\n" for line in lines))


SWAPS = (("method_A", 1, 2, "train"), ("method_B", 2, 1, "train"), ("method_A", 3, 4, "test"))
"""Method, person in the picture, whose face was put in, and set, in the preview."""


def make_preview(root: Path, seed: int) -> None:
    """Fill a folder with a toy DFDC preview."""
    studio = Studio(root, seed)
    listed: dict[str, dict[str, object]] = {}
    for person, where in ((1, "train"), (2, "train"), (3, "test"), (4, "test")):
        path = f"original_videos/{person}/{person}_A_001.mp4"
        studio.real(path, person)
        listed[path] = _entry("real", where, person, None)
    for method, person, source, where in SWAPS:
        path = f"{method}/{person}/{person}_A/{source}_{person}_A_001.mp4"
        studio.fake(path, person, source, way="swap" if method == "method_A" else "sharp")
        listed[path] = _entry("fake", where, person, source)
    studio.text("dataset.json", json.dumps(listed, indent=1))


def _entry(label: str, where: str, person: int, source: int | None) -> dict[str, object]:
    swapped = None if source is None else str(source)
    return {
        "label": label,
        "set": where,
        "target_id": str(person),
        "swapped_id": swapped,
        "augmentations": [],
    }
