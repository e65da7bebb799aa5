"""The layouts against the trees, names and counts that the data sets' publishers describe.

Each fact stands beside the page that it was read from, at a commit where there is one; nothing here
is taken from our own layouts. Folders are as published, with a file or two in each.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trees import found_in, touch
from unmask.datasets.layouts import layout
from unmask.datasets.layouts.df40 import METHODS
from unmask.datasets.layouts.layout import Expected

CELEB_V1 = "yuezunli/celeb-deepfakeforensics, Celeb-DF-v1/README.md at 2451265"
CELEB_V2 = "yuezunli/celeb-deepfakeforensics, Celeb-DF-v2/README.md at 6be2807"
CELEB_PP = "OUC-VAS/Celeb-DF-PP, README.md at 0b384fa"
DEEPER = "EndlessSora/DeeperForensics-1.0, dataset/README.md at 21c309c"
DF40 = "YZY-stack/DF40, README.md at 001f3d8"
WILD = "OpenTAI/wild-deepfake, README.md: 'File Structure'"
BENCH = "SCLBD/DeepfakeBench, README.md at 041ec60 and preprocessing/rearrange.py at cf3bc12"
FAKEAV = "Khalid et al. 2021, arXiv:2108.05080, section 3"

FF_METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
PP_METHODS = {
    "FaceSwap": "Celeb-DF BlendFace GHOST HifiFace InSwapper MobileFaceSwap SimSwap UniFace",
    "FaceReenact": "DaGAN FSRT HyperReenact LIA LivePortrait MCNET TPSMM",
    "TalkingFace": "AniTalker EchoMimic EDTalk FLOAT IP_LAP Real3DPortrait SadTalker",
}
DEEPER_VARIANTS = (
    "end_to_end",
    "reenact_postprocess",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{count}_distortions" for count in range(2, 5)),
)
DF40_UNKNOWN = (
    "deepfacelab heygen whichisreal MidJourney stargan starganv2 styleclip e4e CollabDiff"
)
"""The nine methods whose reals lie beside their fakes, as its command lines spell them."""

TREES: dict[str, tuple[str, dict[str, str]]] = {
    "ffpp": (
        BENCH,
        {
            "original_sequences/youtube/c23/videos/000.mp4": "real",
            "original_sequences/actors/c40/videos/01__kitchen_pan.mp4": "real",
            **{
                f"manipulated_sequences/{method}/c23/videos/000_003.mp4": "fake"
                for method in FF_METHODS
            },
            "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walk__AB12.mp4": "fake",
        },
    ),
    "celebdf-v1": (
        CELEB_V1,
        {
            "Celeb-real/id0_0000.mp4": "real",
            "YouTube-real/00000.mp4": "real",
            "Celeb-synthesis/id0_id1_0000.mp4": "fake",
        },
    ),
    "celebdf-v2": (
        CELEB_V2,
        {
            "Celeb-real/id0_0000.mp4": "real",
            "YouTube-real/00000.mp4": "real",
            "Celeb-synthesis/id0_id1_0000.mp4": "fake",
        },
    ),
    "celebdf-pp": (
        CELEB_PP,
        {
            "Celeb-real/id0_0000.mp4": "real",
            "YouTube-real/00000.mp4": "real",
            **{
                f"Celeb-synthesis/{scenario}/{method}/id0_id1_0000.mp4": "fake"
                for scenario, methods in PP_METHODS.items()
                if scenario != "TalkingFace"
                for method in methods.split()
            },
        },
    ),
    "deeperforensics": (
        DEEPER,
        {f"manipulated_videos/{variant}/000_M101.mp4": "fake" for variant in DEEPER_VARIANTS},
    ),
    "wilddeepfake": (
        WILD,
        {
            f"deepfake_in_the_wild/{label} {side}/0/{label}/12": label
            for label in ("real", "fake")
            for side in ("train", "test")
        },
    ),
    "uadfv": (BENCH, {"real/0000.mp4": "real", "fake/0000_fake.mp4": "fake"}),
}
"""Where a tree is described, and the label of each file (of WildDeepfake, each folder) in it."""


def make_files(root: Path, name: str, paths: dict[str, str]) -> Path:
    inner = "/942.png" if name == "wilddeepfake" else ""
    return touch(root, *(path + inner for path in paths))


@pytest.mark.parametrize("name", TREES)
def test_a_tree_as_published_is_read_whole_and_with_its_labels(name: str, tmp_path: Path) -> None:
    source, paths = TREES[name]
    found = found_in(name, make_files(tmp_path, name, paths))
    assert found.unknown == (), source
    assert {record.id: record.label for record in found.records} == paths, source


def test_clips_of_the_actors_are_no_reals_of_deeperforensics(tmp_path: Path) -> None:
    """As `DEEPER` says under 'Target videos'; DeepfakeBench takes them for reals all the same."""
    clip = "source_videos/M004/light_uniform/neutral/M004_light_uniform_neutral_camera_front.mp4"
    found = found_in("deeperforensics", touch(tmp_path, clip, *TREES["deeperforensics"][1]))
    assert clip not in {record.id for record in found.records}
    assert {record.label for record in found.records} == {"fake"}


@pytest.mark.parametrize(
    ("where", "split"), [("train/dfdc_train_part_3", "train"), ("dfdc_train_part_3", "train")]
)
def test_parts_of_dfdc_lie_as_its_users_keep_them(where: str, split: str, tmp_path: Path) -> None:
    """A `metadata.json` in each part, and `labels.csv` in `test`, see `BENCH`."""
    touch(tmp_path, f"{where}/a.mp4", f"{where}/b.mp4", "test/c.mp4")
    told = {"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"}}
    told["b.mp4"] = {"label": "REAL", "split": "train"}
    (tmp_path / where / "metadata.json").write_text(json.dumps(told))
    (tmp_path / "test" / "labels.csv").write_text("filename,label\nc.mp4,1\n")
    rows = {row.id: (row.label, row.split) for row in found_in("dfdc", tmp_path).records}
    assert rows == {
        f"{where}/a.mp4": ("fake", split),
        f"{where}/b.mp4": ("real", split),
        "test/c.mp4": ("fake", "test"),
    }


def test_the_preview_of_dfdc_has_its_methods_as_folders(tmp_path: Path) -> None:
    """The first folder of a key of `dataset.json` is `original_videos` or the method: `BENCH`."""
    told = {
        "original_videos/7/7_A_001.mp4": {"label": "real", "set": "train", "target_id": 7},
        "method_A/7/7_A/5_7_A_001.mp4": {"label": "fake", "set": "test", "target_id": 7},
        "method_B/7/7_A/5_7_A_001.mp4": {"label": "fake", "set": "train", "target_id": 7},
    }
    (touch(tmp_path, *told) / "dataset.json").write_text(json.dumps(told))
    rows = {row.id: (row.method, row.split) for row in found_in("dfdc-preview", tmp_path).records}
    assert rows == dict(
        zip(told, [(None, "train"), ("method_A", "test"), ("method_B", "train")], strict=True)
    )


@pytest.mark.parametrize("method", DF40_UNKNOWN.split())
def test_methods_of_df40_are_known_as_its_commands_spell_them(method: str, tmp_path: Path) -> None:
    paths = [f"{method}/{label}/frames/clip/000.png" for label in ("fake", "real")]
    found = found_in("df40", touch(tmp_path, *paths))
    assert found.unknown == (), DF40
    assert [record.label for record in found.records] == ["fake", "real"], DF40


def test_df40_has_ten_swaps_thirteen_reenactments_twelve_syntheses_and_five_edits() -> None:
    assert len(METHODS) == 10 + 13 + 12 + 5, DF40


COUNTS: list[tuple[str, str, int, dict[str, str]]] = [
    (CELEB_V1, "celebdf-v1", 795, {"part": "Celeb-synthesis"}),
    (CELEB_V2, "celebdf-v2", 590, {"part": "Celeb-real"}),
    (CELEB_V2, "celebdf-v2", 300, {"part": "YouTube-real"}),
    (CELEB_V2, "celebdf-v2", 5639, {"part": "Celeb-synthesis"}),
    (CELEB_PP, "celebdf-pp", 178, {"label": "real", "split": "test"}),
    (CELEB_PP, "celebdf-pp", 200, {"method": "InSwapper", "split": "test"}),
    (CELEB_PP, "celebdf-pp", 200, {"method": "LIA", "split": "test"}),
    (CELEB_PP, "celebdf-pp", 300, {"method": "FLOAT", "split": "test"}),
    *((DEEPER, "deeperforensics", 1000, {"part": variant}) for variant in DEEPER_VARIANTS),
    (DEEPER, "deeperforensics", 703, {"part": "end_to_end", "split": "train"}),
    (DEEPER, "deeperforensics", 96, {"part": "end_to_end", "split": "validation"}),
    *((BENCH, "ffpp", 1000, {"method": method}) for method in FF_METHODS),
    (BENCH, "ffpp", 363, {"label": "real", "part": "actors"}),
    (BENCH, "uadfv", 49, {"label": "real"}),
    (BENCH, "uadfv", 49, {"label": "fake"}),
    (BENCH, "dfdc-preview", 1131, {"label": "real"}),
    (FAKEAV, "fakeavceleb", 500, {"label": "real", "part": "RealVideo-RealAudio"}),
]


@pytest.mark.parametrize(("source", "name", "count", "of"), COUNTS)
def test_counts_are_those_that_are_published(
    source: str, name: str, count: int, of: dict[str, str]
) -> None:
    assert count in [each.count for each in layout(name).expected if told_of(each) == of], source


def told_of(expected: Expected) -> dict[str, str]:
    """Return which rows a count is of."""
    facts = {name: getattr(expected, name) for name in ("label", "method", "part", "split")}
    return {name: value for name, value in facts.items() if value is not None}


@pytest.mark.parametrize(
    ("source", "name", "total", "facts"),
    [
        (CELEB_V1, "celebdf-v1", 408 + 795, ("part",)),
        (CELEB_V2, "celebdf-v2", 518, ("label", "split")),
        (BENCH, "dfdc", 128_154, ("split",)),
        (WILD, "wilddeepfake", 7314, ("label",)),
        (WILD, "wilddeepfake", 7314, ("split",)),
        (DEEPER, "deeperforensics", 1000, ("part", "split")),
    ],
)
def test_counts_sum_up_to_what_is_published(
    source: str, name: str, total: int, facts: tuple[str, ...]
) -> None:
    """Of DeeperForensics the page says 703 : 96 : 21 for 1,000 videos: the last is cut short."""
    counts = [each.count for each in layout(name).expected if tuple(told_of(each)) == facts]
    assert sum(counts) == total, source
