"""What holds for every layout: one suite over all of them, on the toy data set of each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path, PurePosixPath

import pytest

from alone import in_one_process
from trees import found_in, touch
from unmask.cli.app import app
from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.store import CropStore
from unmask.datasets.layouts import LAYOUTS, layout
from unmask.datasets.layouts.layout import Expected, files_below, make_manifest
from unmask.datasets.manifest import Manifest, VideoRecord, read_manifest, write_manifest
from unmask.datasets.synth import SYNTH
from unmask.datasets.verify import verify
from unmask.system.suffixes import PICTURE_SUFFIXES

every_layout = pytest.mark.parametrize("name", list(LAYOUTS))
NAMED_BY_A_TABLE = ("table", "crops")
"""Layouts whose rows come from a table's lines and not from files on disk."""
CUT = ("--size-px", "64", "--selector", "uniform", "--budget", "2", "--limit", "3")
LEAK_BY_VIDEO = frozenset(["celebdf-v2", "celebdf-pp", "dfdc-preview", "fakeavceleb", "df40"])
"""Toy data sets in which persons are in several videos, so that a split by video shares them."""


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


def manifest_in(name: str, root: Path) -> Manifest:
    return make_manifest(layout(name), root, found_in(name, root))


def test_every_layout_has_a_toy_data_set() -> None:
    assert set(SYNTH) == set(LAYOUTS)


@every_layout
def test_a_layout_describes_itself(name: str) -> None:
    described = layout(name)
    assert described.name == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    for text in (described.title, described.tree, described.where, described.licence):
        assert text.strip() == text != ""
    assert described.facts
    assert all(fact.endswith((".", "`")) for fact in described.facts)
    assert all(each.count > 0 for each in described.expected)
    assert len(set(described.expected)) == len(described.expected)


@every_layout
def test_the_toy_data_set_is_placed_to_the_last_file(name: str, toy: Callable[[str], Path]) -> None:
    result = found_in(name, toy(name))
    assert result.unknown == ()
    assert {row.label for row in result.records} == {"real", "fake"}
    assert {row.dataset for row in result.records} == {name}


@every_layout
def test_ids_are_unique_paths_to_what_the_row_says_it_is(
    name: str, toy: Callable[[str], Path]
) -> None:
    root = toy(name)
    manifest = manifest_in(name, root)
    assert len({row.id for row in manifest.records}) == len(manifest) > 0
    for row in manifest.records:
        path = manifest.path_of(row)
        match row.kind:
            case "frames":
                assert any(p.suffix in PICTURE_SUFFIXES for p in path.iterdir()), row.id
            case "crop" if ".parquet/" in row.id:
                assert Path(str(path).partition(".parquet/")[0] + ".parquet").is_file()
            case _:
                assert path.is_file(), row.id


@every_layout
def test_a_real_is_its_own_target_and_has_neither_source_nor_method(
    name: str, toy: Callable[[str], Path]
) -> None:
    reals = [row for row in found_in(name, toy(name)).records if row.label == "real"]
    for row in reals:
        assert (row.source, row.method) == (None, None), row.id
        assert row.target is not None, row.id


@every_layout
def test_footage_and_persons_are_named_below_a_data_set(
    name: str, toy: Callable[[str], Path]
) -> None:
    for row in found_in(name, toy(name)).records:
        for key in (*row.footage, *row.identities):
            assert re.fullmatch(r"[^/\s][^\n]*/[^\n]*[^/\s]|[^/\s]+", key), key
        assert len(set(row.identities)) == len(row.identities)


@every_layout
def test_masks_that_rows_name_are_there(name: str, toy: Callable[[str], Path]) -> None:
    root = toy(name)
    masks = [row.mask for row in found_in(name, root).records if row.mask]
    assert all((root / mask).exists() for mask in masks)


@every_layout
def test_the_versions_of_a_clip_do_not_lie_in_two_official_splits(
    name: str, toy: Callable[[str], Path]
) -> None:
    placed: dict[str, set[str]] = {}
    for row in found_in(name, toy(name)).records:
        for key in row.footage if row.split else ():
            placed.setdefault(key, set()).add(row.split or "")
    mixed = [key for key, splits in placed.items() if len(splits) > 1]
    assert mixed == []


@every_layout
def test_indexing_again_gives_the_same_manifest(
    name: str, toy: Callable[[str], Path], tmp_path: Path
) -> None:
    manifest = manifest_in(name, toy(name))
    assert manifest_in(name, toy(name)) == manifest
    write_manifest(manifest, tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet") == manifest


@every_layout
def test_the_toy_data_set_verifies(name: str, toy: Callable[[str], Path]) -> None:
    manifest = manifest_in(name, toy(name))
    result = verify(manifest, layout(name), opened=False, hashed=True, counted=False)
    assert result.problems == ()
    assert result.extra == ()
    assert all(row.size_bytes and row.sha256 for row in result.manifest.records)


@every_layout
def test_a_stray_video_is_reported_or_left_alone_but_never_a_row(
    name: str, toy: Callable[[str], Path], tmp_path: Path
) -> None:
    before = found_in(name, toy(name))
    root = Path(shutil.copytree(toy(name), tmp_path / toy(name).name))
    touch(root, "my holiday/beach.mp4", "my holiday/0001.png", ".cache/000.mp4", "._real.mp4")
    after = found_in(name, root)
    assert {row.id for row in after.records} == {row.id for row in before.records}
    strays = {each.path.partition("/")[0] for each in after.unknown}
    assert strays == (set() if name in NAMED_BY_A_TABLE else {"my holiday"})


@every_layout
def test_an_absent_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no "):
        found_in(name, tmp_path / "absent")


@every_layout
def test_a_folder_with_nothing_that_fits_is_refused_with_a_hint(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "holiday/beach.txt", "holiday/sea.mp4")
    with pytest.raises(ManifestError, match=re.escape(str(tmp_path))) as caught:
        found_in(name, tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("name", [name for name in LAYOUTS if layout(name).expected])
def test_the_counts_of_the_complete_data_set_are_of_rows_that_there_are(
    name: str, toy: Callable[[str], Path]
) -> None:
    expected = layout(name).expected
    counted = [
        row for row in found_in(name, toy(name)).records if any(e.matches(row) for e in expected)
    ]
    assert {row.label for row in counted} == {"real", "fake"}


def test_an_unknown_layout_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown layout 'nope'; known: ffpp, celebdf-v1"):
        layout("nope")


def test_expected_counts_match_by_every_field_that_they_name() -> None:
    row = VideoRecord(id="a", dataset="x", label="fake", method="m", part="p", split="test")
    assert Expected(1).matches(row)
    for name in ("label", "method", "part", "split"):
        assert name in {field.name for field in fields(Expected)}
        assert Expected(1, **{name: getattr(row, name)}).matches(row)
        assert not Expected(1, **{name: "other"}).matches(row)


def test_linked_folders_are_entered_once_and_circles_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.mp4", "a/deep/y.MP4", "a/z.txt")
    (tmp_path / "a/circle").symlink_to(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a/deep")
    outside = touch(tmp_path.parent / f"{tmp_path.name}-elsewhere", "w.mp4")
    (tmp_path / "linked").symlink_to(outside)
    result = [PurePosixPath(path.relative_to(tmp_path)) for path in files_below(tmp_path, {".mp4"})]
    assert [str(path) for path in result] == ["a/deep/y.MP4", "a/x.mp4", "linked/w.mp4"]


def data(*words: str | Path) -> int:
    return app(["data", *map(str, words)], standalone_mode=False) or 0


@every_layout
def test_a_data_set_goes_from_its_folder_to_crops_and_their_counts(
    name: str, toy: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, hashed, halves, crops = (
        tmp_path / each for each in ("rows.parquet", "hashed.parquet", "halves.parquet", "crops")
    )
    assert data("index", name, toy(name), "-o", rows) == 0
    assert data("verify", rows, "--no-counts", "--hash", "-o", hashed) == 0
    assert data("split", hashed, "--protocol", "video", "-o", halves) == 0
    placed = read_manifest(halves)
    assert len(placed) == len(read_manifest(rows))
    assert {row.split for row in placed.records} <= {"train", "validation", "test"}
    capsys.readouterr()
    assert data("audit", halves, "--no-frames") == int(name in LEAK_BY_VIDEO)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    leaks = {line[0] for line in lines if line[-1:] == ["LEAKS"]}
    assert leaks == ({"shared-person"} if name in LEAK_BY_VIDEO else set())
    assert data("crops", halves, "-o", crops, *CUT) == 0
    assert {row.status for row in CropStore(crops).coverage().values()} == {"done"}
    capsys.readouterr()
    assert data("stats", crops) == 0
    assert "real" in capsys.readouterr().out
