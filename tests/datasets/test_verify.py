"""Verification: whatever is wrong with a folder is named, and what is right is not."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from alone import in_one_process
from clips import write_clip
from trees import inspect_or_die
from unmask.core.errors import InputNotFound
from unmask.datasets.layouts import layout
from unmask.datasets.layouts.layout import Expected, Layout, make_manifest
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord
from unmask.datasets.verify import Verification, verify

REAL = "original_sequences/youtube/c23/videos/000.mp4"
FAKE = "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"
MASK = "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4"


@pytest.fixture
def here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    for frames, path in enumerate((REAL, FAKE, MASK), start=4):
        (root / path).parent.mkdir(parents=True)
        write_clip(root / path, frames=frames)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "ffpp"))


def manifest_in(root: Path) -> Manifest:
    return make_manifest(layout("ffpp"), root, layout("ffpp").index(root))


def looked_at(root: Path, manifest: Manifest | None = None, **options: bool) -> Verification:
    options = {"counted": False, "hashed": True, "opened": False} | options
    return verify(manifest or manifest_in(root), layout("ffpp"), root=root, workers=1, **options)


def troubles(found: Verification) -> list[tuple[str, str]]:
    return [(problem.id, problem.trouble) for problem in found.problems]


def test_a_whole_folder_matches(root: Path) -> None:
    result = looked_at(root, opened=True)
    assert result.matches
    assert not result.unreadable
    assert (result.problems, result.extra, result.duplicates, result.maskless) == ((), (), (), ())


def test_sizes_and_hashes_are_those_of_the_files(root: Path) -> None:
    for row in looked_at(root).manifest.records:
        data = (root / row.id).read_bytes()
        assert (row.size_bytes, row.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.usefixtures("here")
def test_hashes_are_the_same_whether_files_are_opened_or_not(root: Path) -> None:
    opened, closed = looked_at(root, opened=True), looked_at(root)
    assert opened.manifest == closed.manifest


def test_without_hashing_rows_have_sizes_only(root: Path) -> None:
    result = looked_at(root, hashed=False)
    assert all(row.size_bytes and row.sha256 is None for row in result.manifest.records)


def test_a_missing_file_is_named(root: Path) -> None:
    manifest = manifest_in(root)
    (root / REAL).unlink()
    result = looked_at(root, manifest)
    assert troubles(result) == [(REAL, "missing")]
    assert not result.matches


def test_an_empty_file_is_named_without_being_opened(root: Path) -> None:
    (root / REAL).write_bytes(b"")
    assert troubles(looked_at(root)) == [(REAL, "empty")]


@pytest.mark.usefixtures("here")
def test_a_file_that_is_no_video_is_unreadable_but_is_there(root: Path) -> None:
    (root / REAL).write_bytes(b"not a video")
    result = looked_at(root, opened=True)
    assert troubles(result) == [(REAL, "unreadable")]
    assert result.unreadable
    assert result.matches


def test_a_file_that_is_not_opened_is_not_called_unreadable(root: Path) -> None:
    (root / REAL).write_bytes(b"not a video")
    assert troubles(looked_at(root)) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreadable(root: Path) -> None:
    (root / REAL).chmod(0)
    assert troubles(looked_at(root)) == [(REAL, "unreadable")]


def test_a_file_that_changed_since_it_was_hashed_is_named(root: Path) -> None:
    hashed = looked_at(root).manifest
    write_clip(root / REAL, frames=9)
    result = looked_at(root, hashed)
    assert troubles(result) == [(REAL, "changed")]
    assert not result.matches


def test_a_missing_mask_is_named(root: Path) -> None:
    manifest = manifest_in(root)
    (root / MASK).unlink()
    assert troubles(looked_at(root, manifest)) == [(FAKE, "mask missing")]


def test_an_empty_mask_is_named(root: Path) -> None:
    (root / MASK).write_bytes(b"")
    assert troubles(looked_at(root)) == [(FAKE, "mask empty")]


def test_a_fake_without_a_mask_is_named_where_its_method_has_masks(root: Path) -> None:
    other = FAKE.replace("000_003", "003_000")
    write_clip(root / other, frames=8)
    assert looked_at(root).maskless == (other,)
    (root / MASK).unlink()
    assert looked_at(root).maskless == ()


def test_a_file_that_no_row_names_is_extra(root: Path) -> None:
    manifest = manifest_in(root)
    shutil.copy(root / REAL, root / "copy.MP4")
    (root / "notes.txt").touch()
    result = looked_at(root, manifest)
    assert result.extra == ("copy.MP4",)
    assert not result.matches


def test_folders_that_a_layout_leaves_out_are_not_extra(root: Path) -> None:
    shutil.copytree(root / "original_sequences", root / "source_videos")
    result = verify(manifest_in(root), layout("deeperforensics"), opened=False, workers=1)
    assert result.extra == ()


def test_the_same_file_under_two_names_is_a_duplicate(root: Path) -> None:
    copy = REAL.replace("000", "001")
    shutil.copy(root / REAL, root / copy)
    result = looked_at(root)
    assert result.duplicates == ((REAL, copy),)
    assert not result.matches


def test_two_empty_files_are_empty_and_no_duplicates(root: Path) -> None:
    for name in (REAL, FAKE):
        (root / name).write_bytes(b"")
    assert looked_at(root).duplicates == ()


def test_rows_are_found_below_another_root(root: Path, tmp_path: Path) -> None:
    manifest = manifest_in(root)
    moved = root.rename(tmp_path / "moved")
    result = looked_at(moved, manifest)
    assert result.matches
    assert result.manifest.info.root == str(moved)


def test_an_absent_root_is_refused(root: Path) -> None:
    with pytest.raises(InputNotFound, match="no folder"):
        looked_at(root / "absent", manifest_in(root))


def test_progress_counts_every_row(root: Path) -> None:
    seen: list[tuple[int, int]] = []

    def text(done: int, total: int) -> None:
        seen.append((done, total))

    verify(manifest_in(root), None, opened=False, workers=1, progress=text)
    assert seen == [(1, 2), (2, 2)]


def test_a_decoder_that_dies_costs_its_file_only(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / REAL).write_bytes(b"die")
    monkeypatch.setattr("unmask.datasets.verify.inspect", inspect_or_die)
    result = looked_at(root, opened=True)
    assert troubles(result) == [(REAL, "unreadable")]
    assert "the process that opened it died" in result.problems[0].reason


def toy_layout(*expected: Expected) -> Layout:
    return replace(layout("ffpp"), expected=expected)


def rows(*kinds: tuple[str, str, str | None, str | None]) -> Iterable[VideoRecord]:
    """Yield rows of label, method, compression and split."""
    for number, (label, method, compression, split) in enumerate(kinds):
        yield VideoRecord(
            id=f"{number}.mp4",
            dataset="ffpp",
            label=label,  # type: ignore[arg-type]
            method=method if label == "fake" else None,
            compression=compression,
            split=split,  # type: ignore[arg-type]
        )


def counts_of(
    root: Path, expected: Expected, records: Iterable[VideoRecord], protocol: str | None = None
) -> list[tuple[str | None, int, str]]:
    info = ManifestInfo("ffpp", str(root), "", protocol=protocol)
    result = verify(Manifest(info, tuple(records)), toy_layout(expected), opened=False, workers=1)
    return [(count.compression, count.found, count.state) for count in result.counts]


def test_counts_are_compared_per_compression(tmp_path: Path) -> None:
    kinds = [("fake", "A", "c23", None)] * 2 + [("fake", "A", "c40", None)] + [
        ("fake", "B", "c40", None)
    ] * 5  # fmt: skip
    assert counts_of(tmp_path, Expected(2, method="A"), rows(*kinds)) == [
        ("c23", 2, "complete"),
        ("c40", 1, "short"),
    ]


def test_a_kind_that_is_not_there_at_all_is_absent(tmp_path: Path) -> None:
    kinds = rows(("real", "", None, None))
    assert counts_of(tmp_path, Expected(5, label="fake"), kinds) == [(None, 0, "absent")]


def test_too_many_rows_are_told(tmp_path: Path) -> None:
    kinds = rows(*[("real", "", None, None)] * 3)
    assert counts_of(tmp_path, Expected(2, label="real"), kinds) == [(None, 3, "over")]


@pytest.mark.parametrize(("protocol", "told"), [("official", 1), ("video", 0), (None, 0)])
def test_splits_are_counted_only_while_they_are_the_official_ones(
    protocol: str | None, told: int, tmp_path: Path
) -> None:
    kinds = rows(("real", "", None, "train"))
    expected = Expected(1, label="real", split="train")
    assert len(counts_of(tmp_path, expected, kinds, protocol)) == told


def frames_manifest(root: Path) -> Manifest:
    for number in range(3):
        picture = np.full((8, 8, 3), number, np.uint8)
        (root / "clip").mkdir(exist_ok=True)
        Image.fromarray(picture).save(root / f"clip/{number}.png")
    row = VideoRecord(id="clip", dataset="toy", label="real", kind="frames")
    return Manifest(ManifestInfo("toy", str(root), ""), (row,))


def test_a_folder_of_frames_is_hashed_over_names_and_hashes(tmp_path: Path) -> None:
    result = verify(frames_manifest(tmp_path), None, opened=False, hashed=True, workers=1)
    files = sorted((tmp_path / "clip").iterdir())
    lines = [f"{f.name} {hashlib.sha256(f.read_bytes()).hexdigest()}\n" for f in files]
    (row,) = result.manifest.records
    assert row.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert row.size_bytes == sum(file.stat().st_size for file in files)
    assert result.matches


def test_a_picture_outside_of_the_folders_of_frames_is_extra(tmp_path: Path) -> None:
    manifest = frames_manifest(tmp_path)
    shutil.copy(tmp_path / "clip/0.png", tmp_path / "stray.png")
    assert verify(manifest, None, opened=False, workers=1).extra == ("stray.png",)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("content", "trouble"), [(b"", "empty"), (b"no picture", "unreadable")])
def test_a_damaged_frame_is_named(content: bytes, trouble: str, tmp_path: Path) -> None:
    manifest = frames_manifest(tmp_path)
    (tmp_path / "clip/2.png").write_bytes(content)
    assert troubles(verify(manifest, None, workers=1)) == [("clip", trouble)]


def test_a_folder_without_frames_is_missing(tmp_path: Path) -> None:
    manifest = frames_manifest(tmp_path)
    for file in (tmp_path / "clip").iterdir():
        file.unlink()
    assert troubles(verify(manifest, None, opened=False, workers=1)) == [("clip", "missing")]


def crops_manifest(root: Path, *names: str) -> Manifest:
    table = pa.table({"name": ["a.png", "b.png"], "image": [b"aa", b"bbb"]})
    pq.write_table(table, root / "crops.parquet")
    records = [
        VideoRecord(id=f"crops.parquet/{name}", dataset="crops", label="real", kind="crop")
        for name in names
    ]
    return Manifest(ManifestInfo("crops", str(root), ""), tuple(records))


def test_crops_in_a_parquet_file_have_their_own_sizes_and_hashes(tmp_path: Path) -> None:
    result = verify(
        crops_manifest(tmp_path, "a.png", "b.png"), None, opened=False, hashed=True, workers=1
    )
    assert result.problems == ()
    assert [row.size_bytes for row in result.manifest.records] == [2, 3]
    assert result.manifest.records[0].sha256 == hashlib.sha256(b"aa").hexdigest()


def test_a_crop_that_is_not_in_its_file_is_missing(tmp_path: Path) -> None:
    result = verify(crops_manifest(tmp_path, "c.png"), None, opened=False, workers=1)
    assert troubles(result) == [("crops.parquet/c.png", "missing")]


def test_a_damaged_parquet_file_is_unreadable(tmp_path: Path) -> None:
    manifest = crops_manifest(tmp_path, "a.png")
    (tmp_path / "crops.parquet").write_bytes(b"PAR1 no")
    assert troubles(verify(manifest, None, opened=False, workers=1)) == [
        ("crops.parquet/a.png", "unreadable")
    ]
