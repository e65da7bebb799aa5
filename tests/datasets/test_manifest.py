"""The manifest: what a row may be, and that a file gives back what was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.core.errors import InputNotFound, ManifestError
from unmask.datasets.manifest import (
    COLUMNS,
    Manifest,
    ManifestInfo,
    VideoRecord,
    read_manifest,
    write_manifest,
)

INFO = ManifestInfo(dataset="ffpp", root="/data/ffpp", licence="research")
ROW = VideoRecord(id="a/b.mp4", dataset="ffpp", label="real")

text = st.text(min_size=1, max_size=20).filter(lambda each: "\x00" not in each)
optional = st.none() | text
records = st.builds(
    VideoRecord,
    id=st.text("abc/_.é ", min_size=1, max_size=12).filter(
        lambda each: not each.startswith("/") and ".." not in each.split("/")
    ),
    dataset=text,
    label=st.sampled_from(["real", "fake"]),
    method=optional,
    target=optional,
    source=optional,
    identities=st.lists(text, max_size=3).map(tuple),
    part=optional,
    split=st.sampled_from([None, "train", "validation", "test"]),
    fold=st.none() | st.integers(0, 9),
    compression=optional,
    mask=optional,
    kind=st.sampled_from(["video", "frames", "crop"]),
    size_bytes=st.none() | st.integers(0, 2**60),
    sha256=optional,
    note=optional,
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(records, max_size=5, unique_by=lambda each: each.id))
def test_a_file_gives_back_what_was_written(
    rows: list[VideoRecord], tmp_path_factory: pytest.TempPathFactory
) -> None:
    info = replace(INFO, protocol="video", leaks=True, seed=3, warnings=("w",), settings={"a": 1})
    manifest = Manifest(info, ()).with_records(rows)
    path = tmp_path_factory.mktemp("m") / "m.parquet"
    write_manifest(manifest, path)
    assert read_manifest(path) == manifest


@pytest.mark.parametrize("bad", ["", "/a.mp4", "../a.mp4", "a/../../b.mp4"])
def test_an_id_stays_below_the_data_sets_folder(bad: str) -> None:
    with pytest.raises(ValueError, match="an id is a path below the data set's folder"):
        replace(ROW, id=bad)


def test_a_label_is_real_or_fake() -> None:
    with pytest.raises(ValueError, match="label must be 'real' or 'fake', got 'FAKE'"):
        replace(ROW, label="FAKE")


def test_footage_is_the_target_and_the_source_each_once() -> None:
    assert replace(ROW, target="a", source="b").footage == ("a", "b")
    assert replace(ROW, target="a", source="a").footage == ("a",)
    assert ROW.footage == ()


def test_two_rows_of_one_id_are_refused() -> None:
    with pytest.raises(ManifestError, match=r"two rows have the id 'a/b\.mp4'"):
        Manifest(INFO, (ROW, ROW))


def test_rows_are_put_in_order_of_id() -> None:
    rows = [replace(ROW, id=name) for name in ("c", "a", "b")]
    assert [row.id for row in Manifest(INFO, ()).with_records(rows).records] == ["a", "b", "c"]


def test_a_row_is_found_below_another_root() -> None:
    manifest = Manifest(INFO, (ROW,))
    assert manifest.path_of(ROW) == Path("/data/ffpp/a/b.mp4")
    assert manifest.path_of(ROW, root="/mnt") == Path("/mnt/a/b.mp4")


def test_no_partial_file_stays_behind(tmp_path: Path) -> None:
    write_manifest(Manifest(INFO, (ROW,)), tmp_path / "m.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


def test_a_manifest_is_not_written_to_a_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no folder"):
        write_manifest(Manifest(INFO, (ROW,)), tmp_path / "no" / "m.parquet")


def test_other_programs_read_it(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(Manifest(INFO, (replace(ROW, identities=("p",)),)), path)
    query = "select id, label, identities from read_parquet($1)"
    assert duckdb.execute(query, [str(path)]).fetchall() == [("a/b.mp4", "real", ["p"])]


def test_a_manifest_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no manifest"):
        read_manifest(tmp_path / "m.parquet")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_text("id,label")
    with pytest.raises(ManifestError, match="is not a Parquet file"):
        read_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize("columns", [["id"], COLUMNS.names])
def test_a_table_that_is_no_manifest_is_refused(columns: list[str], tmp_path: Path) -> None:
    pq.write_table(pa.table({name: ["x"] for name in columns}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match="is a table, but not a manifest"):
        read_manifest(tmp_path / "m.parquet")


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(Manifest(INFO, (ROW,)), path)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"unmask": b'{"version": 99}'}), path)
    with pytest.raises(ManifestError, match="version 99, this program reads 1"):
        read_manifest(path)


@pytest.mark.parametrize(
    "metadata",
    [b"{", b"3", b'{"version": 1}', b'{"version": 1, "surprise": 2}', b"[" * 100_000],
)
def test_damaged_metadata_is_refused(metadata: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(Manifest(INFO, (ROW,)), path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"unmask": metadata}), path)
    with pytest.raises(ManifestError, match="is a damaged manifest"):
        read_manifest(path)


def test_a_row_that_may_not_be_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(Manifest(INFO, (ROW,)), path)
    table = pq.read_table(path)
    place = table.column_names.index("id")
    pq.write_table(table.set_column(place, "id", pa.array(["../../etc/passwd"])), path)
    with pytest.raises(ManifestError, match="is a damaged manifest: an id is a path below"):
        read_manifest(path)
