"""Toys of Celeb-DF v1, v2 and Celeb-DF++: four celebrities, strangers, and the list of tests."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.studio import Studio

STRANGER = 20
"""Person in the first video of YouTube-real; the next video has the next."""
TEST_LIST = "List_of_testing_videos.txt"


def make_v1(root: Path, seed: int) -> None:
    """Fill a folder with a toy Celeb-DF v1."""
    studio = Studio(root, seed)
    _reals(studio, celebrities=3, strangers=2)
    for person, source in ((0, 1), (1, 0), (2, 0)):
        _fake(studio, "Celeb-synthesis", person, source)
    _test(studio, ["Celeb-real/id2_0000"], ["Celeb-synthesis/id2_id0_0000"])


def make_v2(root: Path, seed: int) -> None:
    """Fill a folder with a toy Celeb-DF v2: two separate pairs of celebrities."""
    studio = Studio(root, seed)
    _reals(studio, celebrities=4, strangers=2)
    studio.real("Celeb-real/id0_0001.mp4", 0, take=1)
    for person, source in ((0, 1), (1, 0), (2, 3), (3, 2)):
        _fake(studio, "Celeb-synthesis", person, source)
    _test(studio, ["Celeb-real/id2_0000", "YouTube-real/00001"], ["Celeb-synthesis/id2_id3_0000"])


def make_pp(root: Path, seed: int) -> None:
    """Fill a folder with a toy Celeb-DF++: each scenario, four of the methods."""
    studio = Studio(root, seed)
    _reals(studio, celebrities=3, strangers=1)
    swaps, reenacted = "Celeb-synthesis/FaceSwap", "Celeb-synthesis/FaceReenact/LIA"
    _fake(studio, f"{swaps}/Celeb-DF", 0, 1)
    _fake(studio, f"{swaps}/SimSwap", 1, 0, way="sharp")
    _fake(studio, f"{swaps}/SimSwap", 2, 0, way="sharp")
    _fake(studio, reenacted, 0, 1, way="mouth")
    _fake(studio, reenacted, 2, 1, way="mouth")
    talking = "Celeb-synthesis/TalkingFace/SadTalker/id1_0000_test_0001"
    studio.fake(f"{talking}.mp4", 1, 2, way="mouth")
    _test(
        studio,
        ["Celeb-real/id2_0000"],
        [f"{swaps}/SimSwap/id2_id0_0000", f"{reenacted}/id2_id1_0000"],
    )


def _reals(studio: Studio, *, celebrities: int, strangers: int) -> None:
    for person in range(celebrities):
        studio.real(f"Celeb-real/id{person}_0000.mp4", person)
    for number in range(strangers):
        studio.real(f"YouTube-real/{number:05d}.mp4", STRANGER + number)


def _fake(studio: Studio, folder: str, person: int, source: int, way: str = "swap") -> None:
    studio.fake(f"{folder}/id{person}_id{source}_0000.mp4", person, source, way=way)


def _test(studio: Studio, reals: list[str], fakes: list[str]) -> None:
    lines = [f"1 {name}.mp4" for name in reals] + [f"0 {name}.mp4" for name in fakes]
    studio.text(TEST_LIST, "".join(f"{line}\n" for line in lines))
