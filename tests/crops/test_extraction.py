"""From a row to its crops: squares, masks, the forged face, and what goes wrong."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from toy_set import record, toy_set
from unmask.core.face import Box
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import Cropper, CropSettings
from unmask.crops.rows import CropRow, VideoCrops
from unmask.datasets.footage import pictures_in
from unmask.datasets.manifest import Manifest, VideoRecord
from unmask.datasets.synth.footage import talk, write_mask_video, write_picture, write_video
from unmask.scanner.scanner import Scanner
from unmask.video.still import pixels_as_shown

SETTINGS = CropSettings(scan=ScanSettings(selector="uniform", budget=3), size_px=96)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return toy_set(tmp_path_factory.mktemp("toy"))


def crop(toy: Manifest, row: VideoRecord, settings: CropSettings = SETTINGS) -> VideoCrops:
    return Cropper(settings, toy.info, toy.info.root).crop(row)


def named(toy: Manifest, id_: str) -> VideoRecord:
    return next(each for each in toy.records if each.id == id_)


def pixels(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def test_a_video_gives_the_faces_and_key_frames_that_a_scan_finds(toy: Manifest) -> None:
    result = crop(toy, named(toy, "real/a.mp4"))
    # the scan keeps its key frames on the way, the crop store decodes them again
    scan = Scanner(settings=SETTINGS.scan).scan(Path(toy.info.root, "real/a.mp4"))
    (track,) = scan.result.tracks
    assert [(r.record.track, r.record.frame_index, r.record.pts_seconds) for r in result.rows] == [
        (1, k.frame_index, k.pts_seconds) for k in track.key_frames
    ]
    for row, key in zip(result.rows, track.key_frames, strict=True):
        assert row.record.box == pytest.approx(key.box)
    assert (result.coverage.status, result.coverage.crops) == ("done", 3)


def test_a_row_carries_its_manifests_columns(toy: Manifest) -> None:
    known = crop(toy, named(toy, "fake/a_c.mp4")).rows[0].record
    assert (known.label, known.method, known.target, known.source) == (
        "fake", "Swap", "toy/a", "toy/c",
    )  # fmt: skip
    assert (known.split, known.crop_id) == ("train", f"fake/a_c.mp4#t1f{known.frame_index}")


def test_a_crop_is_jpeg_without_chroma_subsampling_or_png(toy: Manifest) -> None:
    video = named(toy, "real/a.mp4")
    settings = replace(SETTINGS, image_format="jpeg")
    jpeg = Image.open(io.BytesIO(crop(toy, video, settings).rows[0].image))
    assert isinstance(jpeg, JpegImageFile)
    assert (jpeg.format, jpeg.size, {each[1:3] for each in jpeg.layer}) == (
        "JPEG",
        (96, 96),
        {(1, 1)},
    )
    png = crop(toy, video, replace(SETTINGS, image_format="png")).rows[0].image
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_the_square_is_what_was_cut(toy: Manifest) -> None:
    row = crop(toy, named(toy, "frames/a"), replace(SETTINGS, image_format="png")).rows[0]
    path = Path(toy.info.root, "frames/a", f"{row.record.frame_index:04d}.png")
    picture = pixels_as_shown(path, limits=SETTINGS.scan.limits)
    np.testing.assert_allclose(pixels(row.image), reduced(picture, row.record.square, 96), atol=1)
    box, square = row.record.box, row.record.square
    assert square[2] - square[0] == pytest.approx(1.3 * max(box[2] - box[0], box[3] - box[1]))
    assert np.add(square[:2], square[2:]) == pytest.approx(np.add(box[:2], box[2:]))


def reduced(picture: NDArray[np.uint8], square: Box, size_px: int) -> NDArray[np.float64]:
    """Return a square by the definition of bilinear, antialiased reduction; edges are mirrored."""
    margin = 64
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    step = (square[2] - square[0]) / size_px

    def weights(start: float, length: int) -> NDArray[np.float64]:
        centres = start + margin + (np.arange(size_px)[:, None] + 0.5) * step
        distance = np.abs(np.arange(length) + 0.5 - centres) / max(step, 1)
        tent = np.maximum(0, 1 - distance)
        return np.asarray(tent / tent.sum(axis=1, keepdims=True))

    across, down = weights(square[0], wide.shape[1]), weights(square[1], wide.shape[0])
    return np.einsum("yh,hwc,xw->yxc", down, wide, across, optimize=True)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_mask_is_cut_with_the_square_of_its_crop_at_the_same_frame(
    toy: Manifest, scale: int
) -> None:
    masks = np.zeros((10, 120 // scale, 160 // scale), np.uint8)
    for frame in range(10):  # white up to a column that tells the frame
        masks[frame, :, : (60 + 4 * frame) // scale] = 255
    write_mask_video(Path(toy.info.root, "masks/telling.mp4"), masks)
    rows = crop(toy, replace(named(toy, "fake/a_c.mp4"), mask="masks/telling.mp4")).rows
    for row in rows:
        left, _, right, _ = row.record.square
        edge = (60 + 4 * row.record.frame_index - left) / (right - left) * 96
        assert (pixels(row.mask) > 127).mean(axis=0).sum() == pytest.approx(edge, abs=2)
    assert len({row.record.frame_index for row in rows}) == 3


def test_a_mask_that_ends_early_leaves_later_crops_without_one(toy: Manifest) -> None:
    write_mask_video(Path(toy.info.root, "masks/short.mp4"), np.full((5, 120, 160), 255, np.uint8))
    result = crop(toy, replace(named(toy, "fake/a_c.mp4"), mask="masks/short.mp4"))
    assert [row.mask is None for row in result.rows] == [
        row.record.frame_index >= 5 for row in result.rows
    ]
    assert "no mask for 2 of 3 crops" in result.coverage.notes
    assert {row.record.forged_face for row in result.rows} == {"mask"}


def test_a_missing_mask_is_noted_and_costs_no_crop(toy: Manifest) -> None:
    result = crop(toy, replace(named(toy, "fake/a_c.mp4"), mask="masks/none.mp4"))
    assert (result.coverage.status, len(result.rows)) == ("done", 3)
    assert "no mask for 3 of 3 crops" in result.coverage.notes
    assert {row.record.forged_face for row in result.rows} == {"only-face"}


def test_of_two_faces_the_one_under_the_mask_is_forged_and_the_other_left_out(
    toy: Manifest,
) -> None:
    result = crop(toy, named(toy, "fake/pair.mp4"))
    assert {row.record.forged_face for row in result.rows} == {"mask"}
    assert all(row.record.box[2] < 160 for row in result.rows)  # the left one
    assert (result.coverage.tracks_found, result.coverage.tracks_kept) == (2, 1)
    assert result.coverage.notes == "1 faces outside the mask"


def test_of_two_faces_without_a_mask_the_smaller_is_uncertain(toy: Manifest) -> None:
    rows = crop(toy, replace(named(toy, "fake/pair.mp4"), mask=None)).rows
    flags = {row.record.track: row.record.forged_face for row in rows}
    sizes = {row.record.track: row.record.face_px for row in rows}
    assert sorted(flags.values()) == ["largest", "uncertain"]
    assert flags[max(sizes, key=sizes.get)] == "largest"


def test_a_mask_on_no_face_leaves_all_uncertain(toy: Manifest) -> None:
    write_mask_video(Path(toy.info.root, "masks/black.mp4"), np.zeros((10, 120, 320), np.uint8))
    rows = crop(toy, replace(named(toy, "fake/pair.mp4"), mask="masks/black.mp4")).rows
    flags = {row.record.track: row.record.forged_face for row in rows}
    assert flags == {1: "uncertain", 2: "uncertain"}


def test_a_real_has_no_forged_face(toy: Manifest) -> None:
    assert {row.record.forged_face for row in crop(toy, named(toy, "real/a.mp4")).rows} == {None}


def test_frames_in_a_folder_are_read_in_order_of_name_and_have_no_time(toy: Manifest) -> None:
    result = crop(toy, named(toy, "frames/a"))
    assert [row.record.frame_index for row in result.rows] == [0, 2, 3]
    assert {(row.record.pts_seconds, row.track_frames) for row in result.rows} == {(None, 4)}
    assert result.coverage.seconds_analysed is None


def test_a_folder_of_pictures_of_several_sizes_fails(toy: Manifest) -> None:
    folder = Path(toy.info.root, "frames/mixed")
    for number, size in enumerate([(160, 120), (120, 160)]):
        write_picture(folder / f"{number}.png", talk(0, seconds=0.04, size=size)[0])
    coverage = crop(toy, record("frames/mixed", kind="frames")).coverage
    assert coverage.status == "failed"
    assert "'1.png' differs in size" in coverage.reason


def test_a_cropped_picture_is_taken_whole(toy: Manifest) -> None:
    settings = replace(SETTINGS, size_px=160, image_format="png")
    (row,) = crop(toy, named(toy, "crop.png"), settings).rows
    whole = pixels_as_shown(Path(toy.info.root, "crop.png"), limits=SETTINGS.scan.limits)
    assert np.array_equal(pixels(row.image)[20:140], whole)
    assert (row.record.box, row.record.landmarks, row.record.face_px, row.record.square) == (
        None,
        None,
        None,
        (0, -20, 160, 140),
    )
    assert row.record.forged_face == "only-face"


def test_a_crop_in_a_parquet_file_is_read_by_its_name(toy: Manifest) -> None:
    whole = Path(toy.info.root, "crop.png").read_bytes()
    table = pa.table({"name": ["a", "b"], "label": ["real"] * 2, "image": [b"none", whole]})
    pq.write_table(table, Path(toy.info.root, "own.parquet"))
    good = crop(toy, record("own.parquet/b", kind="crop"))
    assert good.rows[0].image == crop(toy, named(toy, "crop.png")).rows[0].image
    assert crop(toy, record("own.parquet/a", kind="crop")).coverage.status == "failed"


def test_a_video_without_a_face_is_empty(toy: Manifest) -> None:
    coverage = crop(toy, named(toy, "real/blank.mp4")).coverage
    assert (coverage.status, coverage.reason) == ("empty", "no face was found in 5 frames")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (record("real/broken.mp4"), "is not a readable video"),
        (record("real/gone.mp4"), "No such file"),
        (record("masks", kind="frames"), "there is no picture in the folder"),
        (record("real/broken.mp4", kind="crop"), "is no picture"),
    ],
)
def test_what_cannot_be_read_fails_with_its_reason(
    toy: Manifest, row: VideoRecord, reason: str
) -> None:
    coverage = crop(toy, row).coverage
    assert coverage.status == "failed"
    assert reason in coverage.reason


def test_under_the_papers_protocol_each_crop_has_its_own_split(toy: Manifest) -> None:
    info = replace(
        toy.info, protocol="paper-frame-split", leaks=True, seed=3, settings={"ratios": [1, 1, 1]}
    )
    row = named(toy, "real/a.mp4")
    settings = replace(SETTINGS, scan=ScanSettings(selector="all"))
    rows = Cropper(settings, info, info.root).crop(row).rows
    assert len({each.record.split for each in rows}) > 1
    again = Cropper(settings, info, info.root).crop(row).rows
    assert [each.record.split for each in again] == [each.record.split for each in rows]
    assert all(each.leaks and each.protocol == "paper-frame-split" for each in rows)


def test_faces_over_the_limit_are_noted(toy: Manifest, tmp_path: Path) -> None:
    scan = replace(SETTINGS.scan, limits=replace(SETTINGS.scan.limits, max_tracks=1))
    row = replace(named(toy, "fake/pair.mp4"), label="real", mask=None)
    coverage = crop(toy, row, replace(SETTINGS, scan=scan)).coverage
    assert coverage.notes == "1 faces over the limit of 1 per video"


def test_a_face_at_the_edge_is_mirrored_not_lost(toy: Manifest) -> None:
    frames = talk(0, seconds=0.4, size=(160, 120))[:, :, 45:105]
    write_video(Path(toy.info.root, "real/edge.mp4"), frames)
    rows: tuple[CropRow, ...] = crop(toy, record("real/edge.mp4")).rows
    assert any(row.record.square[0] < 0 for row in rows)
    assert all(pixels(row.image).std() > 10 for row in rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_px": 8}, "size_px must be from 16 to 2048, got 8"),
        ({"margin_ratio": 9.0}, "margin_ratio must be from 0.5 to 4.0, got 9.0"),
        ({"jpeg_quality": 0}, "jpeg_quality must be from 1 to 100, got 0"),
        ({"image_format": "gif"}, "image_format must be jpeg or png, got 'gif'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CropSettings(**change)


def test_frames_without_leading_zeros_come_in_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 2, 100):
        write_picture(tmp_path / f"{number}.png", np.zeros((8, 8, 3), np.uint8))
    assert [path.stem for path in pictures_in(tmp_path)] == ["2", "9", "10", "100"]
