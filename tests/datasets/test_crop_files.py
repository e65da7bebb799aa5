"""Crops in Parquet files: rows point into the file, and keys are those of the originals."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unmask.core.errors import InputNotFound, ManifestError
from unmask.datasets.layouts.crop_files import Pictures, index, picture

REAL = {"name": "aaa", "label": "real", "original": "aaa", "dfdc_part": 7, "image": b"one"}
FAKE = {"name": "bbb", "label": "fake", "original": "aaa", "dfdc_part": 7, "image": b"two"}


def parquet(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


def test_crops_of_dfdc_have_its_keys_and_parts(tmp_path):
    real, fake = index(parquet(tmp_path / "dfdc.parquet", REAL, FAKE)).records
    assert (fake.id, fake.kind) == ("dfdc.parquet/bbb", "crop")
    assert fake.target == real.target == "dfdc/clip/aaa"
    assert fake.part == "dfdc_train_part_07"


@pytest.mark.parametrize(
    ("told", "part"), [("7", "dfdc_train_part_07"), ("unknown", "unknown"), ("", None)]
)
def test_a_part_of_dfdc_may_be_told_as_a_word(told, part, tmp_path):
    (result,) = index(parquet(tmp_path / "x.parquet", {**REAL, "dfdc_part": told})).records
    assert result.part == part


def test_other_crops_have_keys_of_their_file(tmp_path):
    rows = [without(row, "dfdc_part") for row in (REAL, FAKE)]
    parquet(tmp_path / "in" / "x.parquet", *rows)
    real, fake = index(tmp_path).records
    assert fake.target == real.target == "crops/in/x/aaa"
    assert (real.id, real.part) == ("in/x.parquet/aaa", None)


def test_a_fake_whose_original_is_not_told_has_no_target(tmp_path):
    path = parquet(tmp_path / "x.parquet", *(without(row, "original") for row in (REAL, FAKE)))
    real, fake = index(path).records
    assert (real.target, fake.target) == ("dfdc/clip/aaa", None)


def test_a_table_may_tell_more_of_its_crops(tmp_path):
    row = {
        **without(FAKE, "dfdc_part", "original"), "video": "v", "method": "swap", "split": "val",
        "source": "s", "identities": ["p", "q"], "extra": 1,
    }  # fmt: skip
    result = index(parquet(tmp_path / "x.parquet", row, {**row, "name": "ccc"}))
    record, other = result.records
    assert (record.id, record.target, record.source) == ("x.parquet/bbb", "crops/x/v", "crops/x/s")
    assert (record.method, record.split, record.identities) == ("swap", "validation", ("p", "q"))
    assert other.footage == record.footage
    assert result.warnings == ("x.parquet: columns that are not used: extra",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"label": "FAKE"}, "row 1: the label 'FAKE' of the crop 'aaa'; labels are"),
        ({"name": None}, "row 1: no name"),
        ({"split": "dev"}, "row 1: the split 'dev'"),
        ({"frame": 1.5}, "frames are whole numbers"),
    ],
)
def test_a_row_that_is_wrong_is_named(wrong, said, tmp_path):
    with pytest.raises(ManifestError, match=said):
        index(parquet(tmp_path / "x.parquet", REAL | wrong))


def test_rows_of_a_crop_store_keep_what_the_manifest_told(tmp_path):
    row = {
        "crop_id": "v/a.mp4#t1f3", "dataset": "ffpp", "label": "fake", "method": "FaceSwap",
        "target": "ffpp/youtube/000", "source": "ffpp/youtube/003", "identities": ["p"],
        "part": "youtube", "split": "test", "fold": None, "compression": "c23", "image": b"x",
    }  # fmt: skip
    parquet(tmp_path / "shards" / "00000-ab.parquet", row)
    parquet(tmp_path / "pending" / "cd.parquet", row)
    (tmp_path / "store.json").write_text("{}")
    result = index(tmp_path)
    (record,) = result.records
    assert record.id == "shards/00000-ab.parquet/v/a.mp4#t1f3"
    assert (record.dataset, record.method, record.split) == ("ffpp", "FaceSwap", "test")
    assert record.footage == ("ffpp/youtube/000", "ffpp/youtube/003")
    assert "1 videos of the crop store are in no shard yet" in result.warnings[0]
    assert picture(tmp_path, record.id) == b"x"


def test_a_picture_is_read_by_its_id(tmp_path):
    parquet(tmp_path / "x.parquet", REAL, FAKE)
    assert picture(tmp_path, "x.parquet/bbb") == b"two"
    with pytest.raises(InputNotFound, match="no crop 'zzz' with a picture"):
        picture(tmp_path, "x.parquet/zzz")
    with pytest.raises(InputNotFound, match=r"no crop 'y\.parquet/aaa'"):
        picture(tmp_path, "y.parquet/aaa")


def test_the_pictures_of_a_file_are_read_once_until_it_changes(tmp_path, monkeypatch):
    reads = []
    opened = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda *a, **k: reads.append(a) or opened(*a, **k))
    path = parquet(tmp_path / "x.parquet", REAL, FAKE)
    assert [picture(tmp_path, f"x.parquet/{name}") for name in ("aaa", "bbb")] == [b"one", b"two"]
    assert len(reads) == 1
    parquet(path, REAL, {**FAKE, "image": b"new"})
    os.utime(path, ns=(0, 0))
    assert picture(tmp_path, "x.parquet/bbb") == b"new"


def test_two_crops_of_one_name_are_refused(tmp_path):
    parquet(tmp_path / "x.parquet", REAL, REAL)
    with pytest.raises(ManifestError, match="have the same name"):
        picture(tmp_path, "x.parquet/aaa")


def test_pictures_are_read_by_row_groups_and_one_of_them_is_kept(tmp_path):
    count, size = 40, 100_000
    rows = [{**REAL, "name": f"{n:02d}", "image": bytes([n]) * size} for n in range(count)]
    path = tmp_path / "x.parquet"
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, path, row_group_size=4, compression="none")
    before = pa.total_allocated_bytes()
    pictures = Pictures(path)
    for number in (0, 39, 3, 4, 20, 21, 0):
        assert pictures.get(f"{number:02d}") == bytes([number]) * size
    assert pictures.get("none") is None
    assert pa.total_allocated_bytes() - before < count * size / 2


def test_tables_without_crops_and_damaged_files_are_reported(tmp_path):
    parquet(tmp_path / "a.parquet", REAL)
    parquet(tmp_path / "b.parquet", without(REAL, "label"))
    (tmp_path / "c.parquet").write_text("no")
    reasons = {each.path: each.reason for each in index(tmp_path).unknown}
    assert reasons == {
        "b.parquet": "no crops: it has no column label",
        "c.parquet": "not a Parquet file",
    }


@pytest.mark.skipif("UNMASK_TEST_DATA" not in os.environ, reason="UNMASK_TEST_DATA is not set")
def test_the_crops_of_dfdc_index_with_their_counts():
    path = Path(os.environ["UNMASK_TEST_DATA"], "crops", "dfdc-validation.parquet")
    records = index(path).records
    assert sum(record.label == "fake" for record in records) == 1200
    reals = {record.target for record in records if record.label == "real"}
    assert len(reals) == 600
    assert reals == {record.target for record in records if record.label == "fake"}
