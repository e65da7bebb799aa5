"""The predictions file: save and load, failures as rows, other programs' scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predicted import drawn, info
from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.record import CropRecord
from unmask.evaluation.predictions import (
    COLUMNS,
    PredictionRow,
    read_predictions,
    to_table,
    write_predictions,
)
from unmask.evaluation.score_import import parse_mapping, read_scores


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = drawn(failures=3)
    written = info(leaks=True, leak_reason="frames", protocol="paper-frame-split")
    write_predictions(written, to_table(rows), tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    assert read.info == written
    ordered = sorted(
        rows, key=lambda r: (r.crop.video_id, r.crop.track or 0, r.crop.frame_index or 0)
    )
    assert [r.crop.video_id for r in ordered] == list(read.video_id)
    np.testing.assert_array_equal(read.is_fake, [r.crop.label == "fake" for r in ordered])
    np.testing.assert_array_equal(
        read.logit, [np.nan if r.logit is None else r.logit for r in ordered]
    )
    assert list(read.words["reason"]) == [r.reason for r in ordered]
    assert list(read.identities) == [r.crop.identities for r in ordered]
    assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]


def test_texts_that_rows_share_are_in_memory_once(tmp_path: Path) -> None:
    write_predictions(info(), to_table(drawn(videos=4, crops=50)), tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    for column in (read.video_id, read.words["dataset"], read.words["method"], read.identities):
        assert len({id(each) for each in column}) == len(set(column))


@pytest.mark.parametrize(
    ("label", "given", "said"),
    [
        ("real", {"logit": None, "status": "done"}, "status done with the logit None"),
        ("real", {"logit": 1.0, "status": "failed"}, "status failed with the logit 1.0"),
        ("real", {"logit": float("inf")}, "must be finite"),
        ("maybe", {"logit": 0.0}, "'real' or 'fake'"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    label: str, given: dict[str, object], said: str
) -> None:
    crop = CropRecord(video_id="a", dataset="d", label=label)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=said):
        PredictionRow(crop, **given)  # type: ignore[arg-type]


def test_files_that_are_no_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(InputNotFound, match="no predictions file"):
        read_predictions(path)
    path.write_text("no")
    with pytest.raises(ManifestError, match="not a Parquet file"):
        read_predictions(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ManifestError, match="no predictions file"):
        read_predictions(path)
    pq.write_table(to_table([]).replace_schema_metadata({"unmask-predictions": "{}"}), path)
    with pytest.raises(ManifestError, match="version: Field required"):
        read_predictions(path)
    write_predictions(info(), to_table([]), path)
    with pytest.raises(ManifestError, match="has no rows"):
        read_predictions(path)


def test_an_output_without_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no folder"):
        write_predictions(info(), to_table([]), tmp_path / "none" / "p.parquet")


def test_the_columns_are_frozen() -> None:
    assert ",".join(COLUMNS.names) == (
        "video_id,dataset,label,method,target,source,identities,split,compression,track,"
        "frame_index,pts_seconds,face_px,sharpness,logit,status,reason"
    )


def scores(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_scores_of_another_program_become_rows(tmp_path: Path) -> None:
    file = scores(tmp_path / "s.csv", "name,y,p,m\na.mp4,1,0.75,swap\nb.mp4,REAL,,\n")
    rows = read_scores(file, parse_mapping("video_id=name,label=y,probability=p,method=m"))
    assert rows[0].logit == pytest.approx(np.log(3))
    assert rows[0].crop.method == "swap"
    assert rows[1] == PredictionRow(
        CropRecord(video_id="b.mp4", dataset="scores", label="real"), status="failed"
    )


def test_certain_probabilities_stay_finite(tmp_path: Path) -> None:
    file = scores(tmp_path / "s.csv", "n,y,p\na,1,1.0\nb,0,0\n")
    rows = read_scores(file, parse_mapping("video_id=n,label=y,probability=p"))
    assert rows[0].logit == pytest.approx(27.63, abs=0.01)
    assert rows[1].logit == pytest.approx(-27.63, abs=0.01)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n,y,p\na,maybe,0.5\n", "line 2: the label must be one of"),
        ("n,y,p\na,1,1.5\n", r"line 2: a probability lies in \[0, 1\], got 1.5"),
        ("n,y,p\na,1,x\n", "line 2: could not convert"),
        ("n,y,p\n,1,0.5\n", "video_id is empty"),
        ("n,y\na,1\n", "has no column 'p'; it has: n, y"),
        ("n,y,p\n", "has no rows"),
        ("n,y,p\na,1,0.5\na,0,0.5\n", "labelled both real and fake"),
    ],
)
def test_wrong_scores_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = scores(tmp_path / "s.csv", text)
    with pytest.raises(ManifestError, match=said):
        read_scores(file, parse_mapping("video_id=n,label=y,probability=p"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("video_id=a,label=b", "either logit= or probability="),
        ("video_id=a,label=b,logit=c,probability=d", "not both"),
        ("label=b,logit=c", "which column is 'video_id'"),
        ("video_id=a,label=b,score=c", "there is no 'score'"),
        ("video_id", "without a column"),
    ],
)
def test_a_wrong_mapping_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_mapping(text)
