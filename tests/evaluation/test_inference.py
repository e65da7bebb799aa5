"""Scoring crop stores, tables of pictures and videos; going on after a stop."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from alone import in_one_process
from bundles import SIZE, write_bundle
from toy_set import toy_set
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.errors import InputNotFound, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.datasets.layouts.crop_files import CROPS
from unmask.datasets.layouts.layout import make_manifest
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord, write_manifest
from unmask.evaluation.aggregation import make_units
from unmask.evaluation.composer import count_coverage
from unmask.evaluation.inference import predict, source_at
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.sources import PictureSource
from unmask.evaluation.video_scorer import Rows
from unmask.scanner.scanner import Scanner
from unmask.system.workers import run_duty

FAST = ScanSettings(detect_long_side_px=160, budget=3)


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    limits = {"min_face_px": 10.0, "min_sharpness": 0.0, "min_key_frames": 1}
    return write_bundle(tmp_path / "detector", judgeable=limits)


def picture(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (SIZE * 2, SIZE * 2), (grey, 255 - grey, grey // 2)).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(path: Path, count: int = 6, broken: bool = False) -> Path:
    rows: dict[str, list[Any]] = {
        "name": [f"c{n}" for n in range(count)],
        "label": [("real", "fake")[n % 2] for n in range(count)],
        "original": [f"c{n - n % 2}" for n in range(count)],
        "face_px": [100 + n for n in range(count)],
        "image": [picture(40 * n) for n in range(count)],
    }
    if broken:
        rows["image"][-1] = b"no picture"
    pq.write_table(pa.table(rows), path)
    return path


@pytest.mark.parametrize(("layout", "name"), [("table", "clips"), ("ffpp", "ffpp")])
def test_data_of_ones_own_are_called_by_their_folder(
    tmp_path: Path, bundle: Bundle, layout: str, name: str
) -> None:
    record = VideoRecord(id="a.mp4", dataset=layout, label="real")
    info = ManifestInfo(layout, str(tmp_path / "clips"), "mine")
    write_manifest(Manifest(info, (record,)), tmp_path / "m.parquet")
    assert source_at(bundle, tmp_path / "m.parquet").described["data"] == name


def test_a_table_of_pictures_is_scored_as_the_network_scores(
    tmp_path: Path, bundle: Bundle
) -> None:
    source = source_at(bundle, pictures(tmp_path / "p.parquet"))
    result = predict(bundle, source, tmp_path / "out.parquet")
    pixels = np.stack(
        [np.asarray(Image.open(io.BytesIO(picture(40 * n))).resize((SIZE, SIZE))) for n in range(6)]
    )
    np.testing.assert_allclose(result.logit, Network(bundle).run((pixels,)).logits, rtol=1e-5)
    assert list(result.video_id) == [f"p.parquet/c{n}" for n in range(6)]
    assert result.face_px.tolist() == [100 + n for n in range(6)]
    assert result.words["target"][0] == result.words["target"][1] != result.words["target"][2]
    info = result.info
    assert info.detector_sha256 == bundle.sha256
    assert info.model_sha256 == bundle.manifest.files["model.onnx"]
    assert info.calibration == bundle.manifest.calibration
    assert info.manifest_sha256 is not None
    assert not list(tmp_path.glob(".out*"))


def of_videos(path: Path) -> Path:
    """Write 18 crops, one of each of three videos in turn."""
    crops = range(18)
    rows: dict[str, list[Any]] = {
        "name": [f"c{n}" for n in crops],
        "label": [("real", "fake", "fake")[n % 3] for n in crops],
        "video": [f"v{n % 3}" for n in crops],
        "frame": [n // 3 for n in crops],
        "method": [(None, "swap", "blend")[n % 3] for n in crops],
        "identities": [[f"p{n % 3}"] for n in crops],
        "extra": list(crops),
        "image": [picture(10 * n) for n in crops],
    }
    pq.write_table(pa.table(rows), path)
    return path


def test_crops_of_one_video_are_one_video(
    tmp_path: Path,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("unmask.evaluation.sources._PICTURES_AT_A_TIME", 4)
    source = source_at(bundle, of_videos(tmp_path / "p.parquet"))
    result = predict(bundle, source, tmp_path / "out.parquet")
    units = make_units(result)
    assert (len(result), len(units), units.clusters) == (18, 3, 3)
    assert count_coverage(result).expected == 3
    assert units.words["method"].tolist() == [None, "swap", "blend"]
    assert set(result.identities) == {("p0",), ("p1",), ("p2",)}
    rows = [row for part in source.score({"p.parquet/v1"}) for row in part]
    assert [row.crop.video_id for row in rows] == ["p.parquet/v0"] * 6 + ["p.parquet/v2"] * 6
    assert [row.crop.frame_index for row in rows] == [*range(6), *range(6)]
    assert caplog.messages == ["p.parquet: columns that are not used: extra"]


def test_a_video_of_both_labels_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    table = pq.read_table(pictures(tmp_path / "p.parquet"))
    mixed = table.append_column("video", pa.array(["v"] * len(table)))
    pq.write_table(mixed, tmp_path / "p.parquet")
    with pytest.raises(ManifestError, match=r"'p\.parquet/v' has crops of both labels"):
        predict(bundle, source_at(bundle, tmp_path / "p.parquet"), tmp_path / "out.parquet")


def test_a_manifest_of_crops_scores_as_their_table(tmp_path: Path, bundle: Bundle) -> None:
    path = pictures(tmp_path / "p.parquet", broken=True)
    (tmp_path / "c.png").write_bytes(picture(40))
    alone = VideoRecord(id="c.png", dataset="crops", label="fake", kind="crop")
    crops = make_manifest(CROPS, tmp_path, CROPS.index(path))
    write_manifest(crops.with_records([*crops.records, alone]), tmp_path / "m.parquet")
    table = predict(bundle, source_at(bundle, path), tmp_path / "table.parquet")
    result = predict(bundle, source_at(bundle, tmp_path / "m.parquet"), tmp_path / "out.parquet")
    np.testing.assert_allclose(result.logit, [table.logit[1], *table.logit])
    assert "p.parquet/c5' is no picture that can be read" in result.words["reason"][-1]


def test_a_picture_that_cannot_be_decoded_is_a_failure(tmp_path: Path, bundle: Bundle) -> None:
    source = source_at(bundle, pictures(tmp_path / "p.parquet", broken=True))
    result = predict(bundle, source, tmp_path / "out.parquet")
    count = count_coverage(result)
    assert (count.done, count.failed) == (5, 1)
    assert count.reasons == (("the picture cannot be decoded", 1),)


def test_a_stopped_run_goes_on_where_it_was(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = pictures(tmp_path / "p.parquet"), tmp_path / "out.parquet"
    monkeypatch.setattr("unmask.evaluation.sources._PICTURES_AT_A_TIME", 2)
    monkeypatch.setattr("unmask.evaluation.inference._PART_ROWS", 2)

    def stop(finished: int, total: int, rows: list[PredictionRow]) -> None:
        assert total == 6
        if finished == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(bundle, source_at(bundle, path), out, progress=stop)
    assert not out.exists()
    scored: list[str] = []
    score = PictureSource.score

    def watched(self: PictureSource, skip: set[str]) -> Iterator[Rows]:
        for rows in score(self, skip):
            scored.extend(row.crop.video_id for row in rows)
            yield rows

    monkeypatch.setattr(PictureSource, "score", watched)
    result = predict(bundle, source_at(bundle, path), out)
    assert scored == ["p.parquet/c4", "p.parquet/c5"]
    whole = predict(bundle, source_at(bundle, path), tmp_path / "whole.parquet")
    np.testing.assert_array_equal(result.logit, whole.logit)


def test_a_stopped_run_goes_on_in_an_object_store(
    memory: Any, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = pictures(tmp_path / "p.parquet"), Path("memory://bucket/out.parquet")
    memory.put_file(str(path), "/bucket/p.parquet")
    source = source_at(bundle, Path("memory://bucket/p.parquet"))
    monkeypatch.setattr("unmask.evaluation.sources._PICTURES_AT_A_TIME", 2)
    monkeypatch.setattr("unmask.evaluation.inference._PART_ROWS", 2)
    finished: list[int] = []

    def stop(count: int, total: int, rows: list[PredictionRow]) -> None:
        finished.append(count)
        if finished == [2, 4]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(bundle, source, out, progress=stop)
    assert memory.find("/bucket/.out.parquet.parts")
    result = predict(bundle, source, out, progress=stop)
    assert finished == [2, 4, 6]
    assert memory.find("/bucket/.out.parquet.parts") == []
    whole = predict(bundle, source_at(bundle, path), tmp_path / "whole.parquet")
    assert (result.info, result.logit.tolist()) == (whole.info, whole.logit.tolist())


def test_another_run_under_the_same_name_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    out = tmp_path / "out.parquet"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(bundle, source_at(bundle, pictures(tmp_path / "a.parquet")), out, progress=stop)
    with pytest.raises(ManifestError, match="unfinished run of another detector, data or settings"):
        predict(bundle, source_at(bundle, pictures(tmp_path / "b.parquet")), out)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return toy_set(tmp_path_factory.mktemp("toy"))


def test_videos_are_scored_as_a_scan_scores_them(
    tmp_path: Path, bundle: Bundle, toy: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.system.engines.run_duty", run_duty)  # in processes, as a user
    write_manifest(toy, tmp_path / "m.parquet")
    source = source_at(bundle, tmp_path / "m.parquet", settings=FAST)
    result = predict(bundle, source, tmp_path / "out.parquet")
    ended = dict(zip(result.video_id, result.words["status"], strict=True))
    assert ended.keys() == {record.id for record in toy.records}
    assert ended["real/blank.mp4"] == "empty"
    assert ended["real/broken.mp4"] == "failed"
    scan = Scanner(tmp_path / "detector", settings=FAST).scan(Path(toy.info.root, "real/a.mp4"))
    expected = [k.logit for track in scan.result.tracks for k in track.key_frames]
    np.testing.assert_allclose(result.logit[result.video_id == "real/a.mp4"], expected)
    assert (result.info.data, result.info.licence) == ("toy", "invented")


def test_only_the_split_that_was_asked_for_is_scored(
    tmp_path: Path, bundle: Bundle, toy: Manifest
) -> None:
    write_manifest(toy, tmp_path / "m.parquet")
    source = source_at(bundle, tmp_path / "m.parquet", split="validation", settings=FAST)
    result = predict(bundle, source, tmp_path / "out.parquet")
    assert set(result.words["split"]) == {"validation"}
    assert result.info.videos_expected == 2


def test_faces_that_a_scan_could_not_judge_are_failures(tmp_path: Path, toy: Manifest) -> None:
    limits = {"min_face_px": 5000.0, "min_sharpness": 0.0, "min_key_frames": 1}
    strict = write_bundle(tmp_path / "strict", judgeable=limits)
    only = toy.with_records([r for r in toy.records if r.id == "real/a.mp4"])
    write_manifest(only, tmp_path / "m.parquet")
    source = source_at(strict, tmp_path / "m.parquet", settings=FAST)
    result = predict(strict, source, tmp_path / "out.parquet")
    assert list(result.words["status"]) == ["failed"]
    assert "face too small" in result.words["reason"][0]


@pytest.fixture(scope="module")
def store(toy: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store") / "crops"
    settings = CropSettings(scan=FAST, size_px=64, margin_ratio=2.0, image_format="png")
    crop_videos(toy, folder, settings)
    return folder


def test_a_crop_store_is_scored_with_its_failures(
    tmp_path: Path, bundle: Bundle, store: Path
) -> None:
    result = predict(bundle, source_at(bundle, store), tmp_path / "out.parquet")
    ended = dict(zip(result.video_id, result.words["status"], strict=True))
    assert ended["real/blank.mp4"] == "empty"
    assert ended["real/broken.mp4"] == "failed"
    assert ended["fake/a_c.mp4"] == ended["crop.png"] == "done"
    assert count_coverage(result).expected == 7
    assert result.info.settings["margin_ratio"] == 2.0


def test_crops_and_failures_of_a_store_name_footage_and_persons(
    tmp_path: Path, bundle: Bundle, toy: Manifest
) -> None:
    text = {"target": "toy/t", "source": "toy/s", "identities": ("toy/0", "toy/1")}
    some = [r for r in toy.records if r.id in {"crop.png", "real/broken.mp4"}]
    named = toy.with_records([replace(record, **text) for record in some])  # type: ignore[arg-type]
    crop_videos(named, tmp_path / "crops", CropSettings(scan=FAST, size_px=64))
    result = predict(bundle, source_at(bundle, tmp_path / "crops"), tmp_path / "out.parquet")
    assert list(result.words["status"]) == ["done", "failed"]
    assert list(result.words["target"]) == ["toy/t"] * 2
    assert list(result.words["source"]) == ["toy/s"] * 2
    assert list(result.identities) == [("toy/0", "toy/1")] * 2
    assert make_units(result, cluster_by="identity").clusters == 1


def test_crops_of_a_store_score_near_to_their_videos(
    tmp_path: Path, bundle: Bundle, store: Path, toy: Manifest
) -> None:
    write_manifest(toy, tmp_path / "m.parquet")
    from_store = predict(bundle, source_at(bundle, store, split="train"), tmp_path / "s.parquet")
    videos = source_at(bundle, tmp_path / "m.parquet", split="train", settings=FAST)
    from_video = predict(bundle, videos, tmp_path / "v.parquet")
    assert list(from_store.video_id) == list(from_video.video_id)
    spread = np.ptp(from_video.logit)
    assert np.abs(from_store.logit - from_video.logit).max() < max(0.05, 0.2 * spread)


def test_a_store_that_was_cut_too_tightly_is_refused(tmp_path: Path, store: Path) -> None:
    wide = {"size_px": SIZE, "margin_ratio": 3.0, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    greedy = write_bundle(tmp_path / "greedy", preprocessing=wide)
    with pytest.raises(ManifestError, match=r"looks at 3 times the face, .* holds 2\.00 times"):
        predict(greedy, source_at(greedy, store), tmp_path / "out.parquet")


@pytest.fixture(scope="module")
def folded(toy: Manifest) -> Manifest:
    fold_of = {"crop.png": 0, "real/broken.mp4": 0, "frames/a": 2}
    some = [replace(r, split=None, fold=fold_of[r.id]) for r in toy.records if r.id in fold_of]
    return toy.with_records(some)


@pytest.fixture(scope="module")
def places(folded: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("folded")
    write_manifest(folded, folder / "manifest.parquet")
    crop_videos(folded, folder / "store", CropSettings(scan=FAST, size_px=64, margin_ratio=2.0))
    return {"manifest": folder / "manifest.parquet", "store": folder / "store"}


@pytest.mark.parametrize("kind", ["manifest", "store"])
def test_only_the_fold_that_was_asked_for_is_scored(
    tmp_path: Path, bundle: Bundle, places: dict[str, Path], kind: str
) -> None:
    for fold, expected in {0: {"crop.png", "real/broken.mp4"}, 2: {"frames/a"}}.items():
        source = source_at(bundle, places[kind], fold=fold, settings=FAST)
        result = predict(bundle, source, tmp_path / f"{fold}.parquet")
        assert set(result.video_id) == expected
        assert result.info.videos_expected == len(expected)
        assert result.info.settings["fold"] == fold


@pytest.mark.parametrize("kind", ["manifest", "store"])
def test_a_fold_that_is_not_there_is_refused(
    bundle: Bundle, places: dict[str, Path], kind: str
) -> None:
    with pytest.raises(ManifestError, match="has no fold 1") as raised:
        _ = source_at(bundle, places[kind], fold=1).described
    assert raised.value.hint == "its folds are 0, 2"


def test_folds_of_data_without_them_are_refused(
    tmp_path: Path, bundle: Bundle, store: Path
) -> None:
    with pytest.raises(ManifestError, match="does not give each row a fold"):
        _ = source_at(bundle, store, fold=0).described
    with pytest.raises(ValueError, match="is scored whole"):
        source_at(bundle, pictures(tmp_path / "p.parquet"), fold=0)


def test_what_is_no_source_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(InputNotFound, match="no file or folder"):
        source_at(bundle, tmp_path / "none")
    (tmp_path / "x.mp4").write_bytes(b"video")
    with pytest.raises(ManifestError, match="not a Parquet file"):
        source_at(bundle, tmp_path / "x.mp4")
    with pytest.raises(ValueError, match="is scored whole"):
        source_at(bundle, pictures(tmp_path / "p.parquet"), split="test")
