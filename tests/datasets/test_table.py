"""A table of one's own: read as written, or refused with the row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trees import found_in, only, rows_of
from unmask.core.errors import InputNotFound, ManifestError
from unmask.datasets.layouts.table import index


def table(folder, text, name="clips.csv"):
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("word", "label"), [("real", "real"), ("FAKE", "fake"), ("0", "real"), ("1", "fake")]
)
def test_one_means_fake(tmp_path, word, label):
    assert only(index(table(tmp_path, f"path,label\na.mp4,{word}\n"))).label == label


def test_all_columns_are_read(tmp_path):
    header = "path,label,method,target,source,identities,split,compression,mask,part"
    row = "v/b.mp4,fake,swap,v/a.mp4,mine/7,p1; p2,val,c23,m/b.mp4,p"
    rows = rows_of(index(table(tmp_path, f"{header}\nv/a.mp4,real,,,,p1,train,,,\n{row}\n")))
    real, fake = rows["v/a.mp4"], rows["v/b.mp4"]
    assert fake.target == real.target == f"table/{tmp_path.name}/v/a.mp4"
    assert (fake.source, fake.identities, fake.split) == ("mine/7", ("p1", "p2"), "validation")
    assert (fake.method, fake.compression, fake.mask, fake.part) == ("swap", "c23", "m/b.mp4", "p")
    assert real.split == "train"


@pytest.mark.parametrize(
    ("path", "kind"), [("a.MP4", "video"), ("a.png", "crop"), ("clips/a", "frames")]
)
def test_the_suffix_tells_the_kind(tmp_path, path, kind):
    assert only(index(table(tmp_path, f"path,label\n{path},real\n"))).kind == kind


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.mp4,maybe,,", r"row 2 \(line 3\): the label 'maybe'; .* 1 means fake"),
        ("b.mp4,,,", "row 2.*the label None"),
        ("b.mp4,true,,", "the label 'true'"),
        (",real,,", "row 2.*no path"),
        ("a.mp4,fake,,", "the path 'a.mp4' again; it is that of .*row 1"),
        ("../b.mp4,real,,", "the path '../b.mp4'; it must lie below"),
        ("/etc/b.mp4,real,,", "the path '/etc/b.mp4'; it must lie below"),
        ("b.txt,real,,", "the path 'b.txt'; it must be a video, a picture or a folder"),
        ("b.mp4,real,swap,", "the method 'swap' of a real"),
        ("b.mp4,real,,dev", "the split 'dev'; splits are train, val, validation, test"),
        ("b.mp4,real,,test,more", "more cells than the header has columns"),
    ],
)
def test_a_wrong_row_is_an_error_with_its_number(tmp_path, row, message):
    text = f"path,label,method,split\na.mp4,real,,\n{row}\n"
    with pytest.raises(ManifestError, match=message):
        index(table(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4,real\nb.mp4,fake\n", "no column 'path', its columns are 'a.mp4, real'"),
        ("path;label\na.mp4;real\n", "no column 'path'.*separated by commas"),
        ("path,label\n", "has no rows"),
        ("", "no column 'path'"),
    ],
)
def test_a_table_without_its_columns_is_refused_and_no_line_is_lost(tmp_path, text, message):
    with pytest.raises(ManifestError, match=message):
        index(table(tmp_path, text))


def test_an_absolute_path_below_the_table_is_taken(tmp_path):
    record = only(index(table(tmp_path, f"path,label\n{tmp_path.resolve()}/v/a.mp4,0\n")))
    assert record.id == "v/a.mp4"


def test_parquet_reads_like_csv(tmp_path):
    rows = [
        {"path": "a.mp4", "label": 0, "identities": ["p1"], "target": None},
        {"path": "b.mp4", "label": 1, "identities": ["p1", None, "p2"], "target": "a.mp4"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "clips.parquet")
    result = rows_of(found_in("table", tmp_path))
    assert result["b.mp4"].identities == ("p1", "p2")
    assert result["b.mp4"].target == result["a.mp4"].target is not None


def test_what_is_not_used_or_missing_is_warned_of(tmp_path):
    result = index(table(tmp_path, "path,label,colour\na.mp4,fake,red\n"))
    assert result.warnings == (
        "columns that are not used: colour",
        "1 fakes without a target: splits cannot keep them with their original",
        "nothing is real",
    )


def test_a_quoted_cell_may_hold_commas_and_a_short_line_leaves_cells_empty(tmp_path):
    path = table(tmp_path, 'path,label,part\n"a,b.mp4",real\n')
    assert only(index(path)).id == "a,b.mp4"


def test_no_table_or_several_are_refused(tmp_path):
    with pytest.raises(InputNotFound, match="no file"):
        index(tmp_path / "absent.csv")
    with pytest.raises(ManifestError, match="has 0 tables"):
        index(tmp_path)
    table(tmp_path, "x", "a.csv"), table(tmp_path, "x", "b.csv")
    with pytest.raises(ManifestError, match="has 2 tables"):
        index(tmp_path)
    with pytest.raises(ManifestError, match=r"is no table: not .csv or .parquet"):
        index(table(tmp_path, "x", "a.txt"))
    with pytest.raises(ManifestError, match="is not a Parquet file"):
        index(table(tmp_path, "x", "a.parquet"))
