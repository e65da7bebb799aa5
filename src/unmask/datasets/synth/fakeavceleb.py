"""A tiny FakeAVCeleb: three persons, all four folders, all methods, and the table."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.footage import forge, talk, write_video

PERSONS = {"id00076": "00109", "id00166": "00010", "id01637": "00005"}
"""Clip of each person."""
_RACE, _GENDER = "African", "men"
_HEADER = "source,target1,target2,method,category,type,race,gender,path,"
_CATEGORIES = {
    "RealVideo-RealAudio": "A",
    "RealVideo-FakeAudio": "B",
    "FakeVideo-RealAudio": "C",
    "FakeVideo-FakeAudio": "D",
}
_TUBE = "AAnyug-_Xao"
"""Eleven characters as of a clip on YouTube."""


def make(root: Path, seed: int) -> None:
    """Fill an empty folder."""
    lines = [_HEADER]
    for number, (person, clip) in enumerate(PERSONS.items()):
        other = list(PERSONS)[(number + 1) % len(PERSONS)]
        frames = talk(number, take=seed, seconds=1.2)
        swap, _ = forge(frames, number + 1, method="swap")
        lips, _ = forge(frames, number, method="mouth")
        soft, _ = forge(frames, number + 5, method="soft")
        for folder, name, first, second, method, picture in (
            ("RealVideo-RealAudio", clip, "-", "-", "real", frames),
            ("RealVideo-FakeAudio", f"{clip}_fake", "-", "-", "rtvc", frames),
            ("FakeVideo-RealAudio", f"{clip}_{other}_{_TUBE}", other, "-", "faceswap", swap),
            ("FakeVideo-RealAudio", f"{clip}_3", "3", "-", "fsgan", soft),
            ("FakeVideo-RealAudio", f"{clip}_{person}_wavtolip", person, "-", "wav2lip", lips),
            (
                "FakeVideo-FakeAudio",
                f"{clip}_{other}_{_TUBE}_{person}_wavtolip",
                other,
                person,
                "faceswap-wav2lip",
                swap,
            ),
            (
                "FakeVideo-FakeAudio",
                f"{clip}_3_{other}_wavtolip",
                other,
                "3",
                "fsgan-wav2lip",
                soft,
            ),
        ):
            inner = f"{folder}/{_RACE}/{_GENDER}/{person}"
            write_video(root / inner / f"{name}.mp4", picture)
            lines.append(
                f"{person},{first},{second},{method},{_CATEGORIES[folder]},{folder},{_RACE},"
                f"{_GENDER},{name}.mp4,FakeAVCeleb/{inner}"
            )
    (root / "meta_data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
