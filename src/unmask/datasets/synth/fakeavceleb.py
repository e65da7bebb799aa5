"""A tiny FakeAVCeleb: six persons in pairs, all four folders, all methods, and the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unmask.datasets.synth.footage import forge, talk, write_video
from unmask.datasets.synth.talking_head import Frames

PERSONS = {
    "id00076": "00109",
    "id00166": "00010",
    "id00366": "00118",
    "id00478": "00206",
    "id01637": "00005",
    "id01779": "00066",
}
"""Clip of each person; each is swapped with the one beside it."""
_RACE, _GENDER = "African", "men"
_HEADER = "source,target1,target2,method,category,type,race,gender,path,"
_CATEGORIES = {
    "RealVideo-RealAudio": "A",
    "RealVideo-FakeAudio": "B",
    "FakeVideo-RealAudio": "C",
    "FakeVideo-FakeAudio": "D",
}
AS_FILMED_CRF, FAKE_VOICE_CRF = 23, 24
"""A clip whose voice was replaced was encoded again: other bytes, the same picture."""


def make(root: Path, seed: int) -> None:
    """Fill an empty folder."""
    lines = [_HEADER]
    for number, (person, clip) in enumerate(PERSONS.items()):
        other = list(PERSONS)[number ^ 1]
        for folder, tail, first, second, method, picture in _versions(number, seed, person, other):
            inner = f"{folder}/{_RACE}/{_GENDER}/{person}"
            crf = FAKE_VOICE_CRF if folder.endswith("FakeAudio") else AS_FILMED_CRF
            write_video(root / inner / f"{clip}{tail}.mp4", picture, crf=crf)
            lines.append(
                f"{person},{first},{second},{method},{_CATEGORIES[folder]},{folder},{_RACE},"
                f"{_GENDER},{clip}{tail}.mp4,FakeAVCeleb/{inner}"
            )
    (root / "meta_data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _versions(
    number: int, seed: int, person: str, other: str
) -> Iterator[tuple[str, str, str, str, str, Frames]]:
    """Yield the versions of a clip: folder, end of the name, two targets, method, frames."""
    frames = talk(number, take=seed, seconds=0.8)
    yield "RealVideo-RealAudio", "", "-", "-", "real", frames
    yield "RealVideo-FakeAudio", "_fake", "-", "-", "rtvc", frames
    swap, _ = forge(frames, number ^ 1, method="swap")
    face = f"_{other}_AAnyug-_X{number ^ 1:02d}"  # eleven characters, as of a clip on YouTube
    yield "FakeVideo-RealAudio", face, other, "-", "faceswap", swap
    voice = f"{face}_{person}_wavtolip"
    yield "FakeVideo-FakeAudio", voice, other, person, "faceswap-wav2lip", swap
    soft, _ = forge(frames, number + 6, method="soft")
    yield "FakeVideo-RealAudio", "_3", "3", "-", "fsgan", soft
    yield "FakeVideo-FakeAudio", f"_3_{other}_wavtolip", other, "3", "fsgan-wav2lip", soft
    lips, _ = forge(frames, number, method="mouth")
    yield "FakeVideo-RealAudio", f"_{person}_wavtolip", person, "-", "wav2lip", lips
