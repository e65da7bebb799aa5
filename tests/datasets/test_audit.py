"""The audit: every kind of leak is caught, and what could not be checked is never clean."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from clips import number_in, write_clip
from unmask.core.errors import ManifestError
from unmask.core.settings import Limits
from unmask.datasets.audit import KINDS, AuditReport, audit
from unmask.datasets.fingerprints import fingerprints, spread_stamps
from unmask.datasets.layouts import layout
from unmask.datasets.leaks import MAX_EXAMPLES, Finding
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord
from unmask.datasets.splits import split
from unmask.video import LumaPass, probe, read_frames

LIMITS = Limits()


def manifest(records: Iterable[VideoRecord], root: Path | str = "/nowhere") -> Manifest:
    return Manifest(ManifestInfo("table", str(root), "own"), tuple(records))


def row(name: str, **more: object) -> VideoRecord:
    return VideoRecord(**{"id": name, "dataset": "table", "label": "real", "target": name, **more})  # type: ignore[arg-type]


def fake(name: str, target: str, source: str | None = None, **more: object) -> VideoRecord:
    return row(name, **{"label": "fake", "target": target, "source": source, **more})


def compare(
    train: Iterable[VideoRecord], test: Iterable[VideoRecord], **more: object
) -> AuditReport:
    both = {"train": manifest(train), "test": manifest(test)}
    return audit(both, **{"frames_per_row": 0, **more})  # type: ignore[arg-type]


def the(kind: str, report: AuditReport) -> Finding:
    (result,) = [finding for finding in report.findings if finding.kind == kind]
    return result


TRAIN = [row("t1", sha256="s1", identities=("p1",)), row("t2", sha256="s2", identities=("p2",))]
TEST = [row("e1", sha256="s3", identities=("p3",)), row("e2", sha256="s4", identities=("p4",))]

LEAKS: dict[str, tuple[VideoRecord, VideoRecord, str]] = {
    "same-row": (row("x"), row("x"), "table:x"),
    "several-splits": (row("x", split="train"), row("x", split="test"), "train / test"),
    "same-file": (row("x", sha256="s9"), row("y", sha256="s9"), "s9"),
    "shared-video": (row("raw/x", target="x"), row("c23/x", target="x"), "x"),
    "shared-person": (row("x", identities=("p9",)), row("y", identities=("p8", "p9")), "p9"),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_leak_is_caught(kind: str) -> None:
    ours, theirs, detail = LEAKS[kind]
    result = the(kind, compare([*TRAIN, ours], [*TEST, theirs]))
    assert (result.count, result.rows_touched, result.share) == (1, 1, pytest.approx(1 / 3))
    (example,) = result.examples
    assert (example.first, example.second, example.detail) == (ours.id, theirs.id, detail)


@pytest.mark.parametrize("kind", [*LEAKS, "fake-of-footage"])
def test_nothing_is_found_where_nothing_leaks(kind: str) -> None:
    report = compare(TRAIN, [*TEST, fake("f", "e1", "e2", sha256="s5", identities=("p3", "p4"))])
    assert the(kind, report).count == 0
    assert not report.leaks
    assert report.not_checked[0].kind == "near-duplicate"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (fake("f", "a"), row("a")),
        (fake("f", "b", "a"), row("a")),
        (row("a"), fake("f", "b", "a")),
        (fake("f", "b", "a"), fake("g", "a")),
        (fake("f", "a"), fake("g", "b", "a")),
        (fake("f", "b", "a"), fake("g", "c", "a")),
    ],
    ids=["its-target", "its-source", "reversed", "of-a-fake", "to-a-fake", "one-source"],
)
def test_a_fake_of_the_other_sides_footage_is_caught(
    ours: VideoRecord, theirs: VideoRecord
) -> None:
    result = the("fake-of-footage", compare([*TRAIN, ours], [*TEST, theirs]))
    assert (result.count, result.rows_touched) == (1, 1)
    assert (result.examples[0].first, result.examples[0].second) == (ours.id, theirs.id)
    assert result.examples[0].detail == "a"


def test_two_versions_of_a_real_are_a_shared_video_and_no_fake() -> None:
    report = compare([row("raw/x", target="x")], [row("c23/x", target="x")])
    assert the("shared-video", report).count == 1
    assert the("fake-of-footage", report).count == 0


def test_equal_paths_with_different_files_are_not_the_same_row() -> None:
    report = compare([row("real/1.mp4", sha256="a")], [row("real/1.mp4", sha256="b")])
    assert the("same-row", report).count == 0


def test_fakes_in_two_folders_of_ones_own_are_told_apart_by_their_place() -> None:
    records = [fake("fake/1.mp4", target=None)]  # type: ignore[arg-type]
    here, there = manifest(records, "/here"), manifest(records, "/there")
    apart = audit({"train": here, "test": there}, frames_per_row=0)
    assert the("same-row", apart).count == 0
    again = audit({"train": here, "test": here}, frames_per_row=0)
    assert the("same-row", again).count == 1


def test_examples_are_few_and_figures_are_of_all() -> None:
    rows = [row(f"v{i:02}") for i in range(25)]
    result = the("same-row", compare(rows, [*rows, *TEST]))
    assert (result.count, result.rows_touched, len(result.examples)) == (25, 25, MAX_EXAMPLES)
    assert result.share == pytest.approx(25 / 27)


def test_splits_of_a_single_manifest_are_compared_in_order() -> None:
    rows = [
        row("a", split="test"),
        row("b", split="train"),
        row("c", split="validation"),
        fake("f", "a", split="train"),
    ]
    report = audit({"m": manifest(rows)}, frames_per_row=0)
    assert report.sides == (("train", 2), ("validation", 1), ("test", 1))
    leaking = [(f.kind, f.first, f.second) for f in report.findings if f.count]
    assert leaking == [("shared-video", "train", "test"), ("fake-of-footage", "train", "test")]


def test_folds_are_compared_with_each_other() -> None:
    rows = [row(f"v{i}", identities=("p",)) for i in range(6)]
    report = audit({"m": split(manifest(rows), "k-fold", folds=3)}, frames_per_row=0)
    assert [name for name, _ in report.sides] == ["fold 0", "fold 1", "fold 2"]
    assert sum(finding.kind == "shared-person" for finding in report.findings) == 3
    assert all(f.count == 1 for f in report.findings if f.kind == "shared-person")


@pytest.mark.parametrize("protocol", ["video", "identity", "k-fold"])
def test_a_split_by_protocol_passes_what_it_promises(protocol: str) -> None:
    rows = [row(f"v{i:02}", identities=(f"p{i}",)) for i in range(30)]
    rows += [fake(f"f{i:02}", f"v{i:02}", f"v{i - i % 3:02}") for i in range(30)]
    report = audit({"m": split(manifest(rows), protocol)}, frames_per_row=0)
    assert len(report.sides) >= 3
    assert not report.leaks


def test_the_papers_split_leaks_by_design() -> None:
    result = split(manifest(TRAIN), "paper-frame-split")
    report = audit({"paper": result})
    assert report.leaks
    assert the("leaks-by-design", report).share == 1.0
    assert report.notes == (f"paper: {result.info.leak_reason}",)


def test_what_the_rows_do_not_tell_is_not_checked_and_not_clean() -> None:
    report = compare([row("a", target=None)], [row("b", identities=("p",)), row("c")])
    kinds = ("same-file", "shared-video", "fake-of-footage", "shared-person")
    assert {kind: the(kind, report).count for kind in kinds} == dict.fromkeys(kinds)
    missing = {(gap.kind, gap.side): gap.rows for gap in report.not_checked}
    assert missing == {
        ("same-file", "train"): 1,
        ("same-file", "test"): 2,
        ("shared-video", "train"): 1,
        ("shared-person", "train"): 1,
        ("shared-person", "test"): 1,
        ("near-duplicate", "train"): 1,
        ("near-duplicate", "test"): 2,
    }
    assert not report.leaks


def test_fakes_without_a_known_source_are_checked_in_part_only() -> None:
    report = compare([fake("f", "a"), row("b")], [row("c")])
    (gap,) = [gap for gap in report.not_checked if gap.kind == "fake-of-footage"]
    assert (gap.side, gap.rows, gap.rows_of_side, gap.wholly) == ("train", 1, 2, False)


def test_rows_without_a_split_are_on_no_side_and_said_so() -> None:
    rows = [row("a", split="train"), row("b", split="test"), row("c")]
    report = audit({"m": manifest(rows)}, frames_per_row=0)
    (gap,) = [gap for gap in report.not_checked if gap.kind == "all"]
    assert (gap.rows, gap.rows_of_side) == (1, 3)


def test_splits_within_one_of_several_manifests_are_said_not_to_be_compared() -> None:
    ours = [row("a", split="train"), row("b", split="test")]
    report = compare(ours, TEST)
    assert [gap.side for gap in report.not_checked if gap.kind == "all"] == ["train"]


@pytest.mark.parametrize(
    ("manifests", "message"),
    [
        ({"m": manifest(TRAIN)}, "nothing to compare: 0 splits or folds in 1 manifest"),
        ({"m": manifest([row("a", split="train")])}, "nothing to compare: 1 splits"),
        ({"a": manifest(TRAIN), "b": manifest([])}, "'b' has no rows"),
        ({}, "nothing to compare"),
    ],
)
def test_there_must_be_something_to_compare(manifests: dict[str, Manifest], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        audit(manifests)


@pytest.mark.parametrize("arguments", [{"frames_per_row": -1}, {"threshold_bits": 32},
                                       {"threshold_bits": -1}])  # fmt: skip
def test_arguments_that_cannot_be_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="threshold from 0 to 31 bits"):
        audit({"a": manifest(TRAIN), "b": manifest(TEST)}, **arguments)  # type: ignore[arg-type]


def test_every_kind_that_is_found_is_explained() -> None:
    result = split(manifest(TRAIN), "paper-frame-split")
    report = audit({"a": result, "b": manifest(TEST)}, frames_per_row=0)
    assert {finding.kind for finding in report.findings} == set(KINDS)


def blobs(seed: int, number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a soft random pattern that drifts slowly to the right."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    wide = Image.fromarray(coarse).resize((200, 96), Image.Resampling.BICUBIC)
    return np.asarray(wide.crop((number, 0, number + 160, 96)).resize(size))


def clip(folder: Path, name: str, seed: int, **more: object) -> Path:
    return write_clip(folder / name, draw=partial(blobs, seed), **more)  # type: ignore[arg-type]


def test_a_recompressed_copy_without_any_key_is_caught_by_its_frames(tmp_path: Path) -> None:
    clip(tmp_path, "a.mp4", 1, frames=30)
    clip(tmp_path, "b.mp4", 2, frames=30)
    clip(tmp_path, "c.mkv", 2, frames=30, size=(112, 64), options={"crf": "38"})
    clip(tmp_path, "d.mp4", 3, frames=30)
    report = audit(
        {
            "train": manifest([row("a.mp4"), row("b.mp4")], tmp_path),
            "test": manifest([row("c.mkv"), row("d.mp4")], tmp_path),
        }
    )
    result = the("near-duplicate", report)
    assert (result.count, result.rows_touched, result.share) == (3, 1, 0.5)
    (example,) = result.examples
    assert (example.first, example.second) == ("b.mp4", "c.mkv")
    assert report.frames is not None
    assert (report.frames.frames_compared, report.frames.threshold_bits) == (12, 4)
    assert [finding.kind for finding in report.findings if finding.count] == ["near-duplicate"]


def test_pictures_and_folders_of_frames_are_compared_too(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for number in range(5):
        picture = Image.fromarray(blobs(5, number, (128, 96)))
        picture.save(tmp_path / "frames" / f"{number}.png")
    Image.fromarray(blobs(5, 2, (128, 96))).save(tmp_path / "crop.jpg", quality=80)
    report = audit(
        {
            "train": manifest([row("frames", kind="frames")], tmp_path),
            "test": manifest([row("crop.jpg", kind="crop")], tmp_path),
        }
    )
    assert the("near-duplicate", report).rows_touched == 1
    assert report.frames is not None
    assert report.frames.frames_compared == 4


def test_crops_in_parquet_files_are_compared_too(tmp_path: Path) -> None:
    stored = []
    for seed in (5, 6, 7):
        encoded = io.BytesIO()
        Image.fromarray(blobs(seed, 0, (128, 96))).save(encoded, "JPEG")
        stored.append(encoded.getvalue())
    for name, images in (("a", [*stored[:2], b"torn"]), ("b", stored[1:])):
        table = pa.table({"name": [f"c{place}" for place in range(len(images))], "image": images})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    sides = {
        name: manifest([row(f"{name}.parquet/c{n}", kind="crop") for n in range(count)], tmp_path)
        for name, count in (("a", 3), ("b", 3))
    }
    report = audit(sides)
    pairs = [(each.first, each.second) for each in the("near-duplicate", report).examples]
    assert pairs == [("a.parquet/c1", "b.parquet/c0")]
    assert {bad.id for bad in report.unreadable} == {"a.parquet/c2", "b.parquet/c2"}


def test_black_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    both = {
        side: manifest([row(name, kind="crop")], tmp_path)
        for side, name in (("train", "a.png"), ("test", "b.png"))
    }
    report = audit(both)
    assert the("near-duplicate", report).count is None
    assert report.frames is not None
    assert (report.frames.frames_flat, report.frames.frames_compared) == (2, 0)
    reasons = [gap.reason for gap in report.not_checked if gap.kind == "near-duplicate"]
    assert reasons == ["all frames looked at have too little contrast"] * 2


def test_files_that_cannot_be_read_are_listed_with_their_reason(tmp_path: Path) -> None:
    clip(tmp_path, "a.mp4", 1)
    clip(tmp_path, "b.mp4", 2)
    (tmp_path / "torn.mp4").write_bytes(b"not a video")
    (tmp_path / "empty").mkdir()
    rows = [row("b.mp4"), row("torn.mp4"), row("gone.mp4"), row("empty", kind="frames")]
    steps: list[tuple[int, int]] = []
    report = audit(
        {"train": manifest([row("a.mp4")]), "test": manifest(rows)},
        root=tmp_path,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert {bad.id for bad in report.unreadable} == {"torn.mp4", "gone.mp4", "empty"}
    assert the("near-duplicate", report).count == 0
    (gap,) = [gap for gap in report.not_checked if gap.kind == "near-duplicate"]
    assert (gap.side, gap.rows, gap.rows_of_side) == ("test", 3, 4)
    assert steps == [(number, 5) for number in range(1, 6)]


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.webm"])
def test_frames_are_spread_evenly_and_are_those_of_a_full_decode(name: str, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if name == "x.webm" else "libx264"
    info = probe(write_clip(tmp_path / name, frames=30, codec=codec), limits=LIMITS)
    stamps = spread_stamps(info, 3, limits=LIMITS)
    decoded = [f.stamp for f in LumaPass(info, sample_fps=100, long_side_px=32, limits=LIMITS)]
    assert stamps == [decoded[index] for index in (5, 14, 24)]
    assert [number_in(f.image) for f in read_frames(info, stamps, limits=LIMITS)] == [5, 14, 24]


def test_a_container_without_times_of_showing_gives_frames_close_by(tmp_path: Path) -> None:
    """AVI knows only the order of decoding, which two frames between references can shift."""
    info = probe(write_clip(tmp_path / "x.avi", frames=30), limits=LIMITS)
    stamps = spread_stamps(info, 3, limits=LIMITS)
    result = [number_in(f.image) for f in read_frames(info, stamps, limits=LIMITS)]
    assert result == pytest.approx([5, 14, 24], abs=2)


def test_a_clip_shorter_than_asked_gives_each_frame_once(tmp_path: Path) -> None:
    clip(tmp_path, "x.mp4", 1, frames=2)
    result = fingerprints([row("x.mp4")], tmp_path, frames=5, limits=LIMITS)
    assert result.rows.tolist() == [0, 0]


LIMITED: list[Callable[[VideoRecord], VideoRecord]] = [
    lambda record: replace(record, id=f"copy/{record.id}"),
    lambda record: replace(record, id=f"copy/{record.id}", target=None, identities=()),
]


@pytest.mark.parametrize("change", LIMITED)
def test_a_train_row_copied_to_test_is_caught_however_little_it_tells(
    change: Callable[[VideoRecord], VideoRecord],
) -> None:
    assert compare(TRAIN, [*TEST, change(TRAIN[0])]).leaks


@pytest.mark.skipif("UNMASK_TEST_DATA" not in os.environ, reason="UNMASK_TEST_DATA is not set")
def test_real_fakes_look_like_their_originals_and_like_nothing_else() -> None:
    root = Path(os.environ["UNMASK_TEST_DATA"], "videos", "labelled", "ffpp")
    indexed = layout("ffpp").index(root).records
    keyless = [replace(row, target=None, source=None, identities=()) for row in indexed]
    report = audit(
        {
            "real": manifest([row for row in keyless if row.label == "real"], root),
            "fake": manifest([row for row in keyless if row.label == "fake"], root),
        }
    )
    pairs = {
        (Path(example.first).stem, Path(example.second).stem)
        for example in the("near-duplicate", report).examples
    }
    assert pairs == {("004", "004_982"), ("519", "519_515"), ("634", "634_660")}
