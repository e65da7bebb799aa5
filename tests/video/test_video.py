"""The video room on clips of every awkward kind, against ffprobe and plain decoding."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tracemalloc
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from clips import number_in, picture, write_clip
from heic import write_tiled_heic
from unmask.core.errors import DecodeError, InputNotFound, LimitExceeded, NotMedia, UnmaskError
from unmask.core.settings import Limits
from unmask.video import FrameStamp, LumaFrame, LumaPass, probe, read_frames
from unmask.video.codecs import AUDIO_DECODERS, VIDEO_DECODERS
from unmask.video.still import pixels_as_shown
from unmask.video.tonemap import to_sdr

LIMITS = Limits()
NUMBERED = picture(5, (160, 96))


def scan(path: Path, *, fps: float = 1000, side: int = 640) -> tuple[LumaPass, list[LumaFrame]]:
    run = LumaPass(probe(path, limits=LIMITS), sample_fps=fps, long_side_px=side, limits=LIMITS)
    return run, list(run)


def numbers_in_both_passes(path: Path) -> tuple[list[int], list[int]]:
    run, frames = scan(path)
    full = list(read_frames(run.info, [f.stamp for f in frames], limits=LIMITS))
    assert [f.index for f in full] == [f.index for f in frames]
    assert {f.image.shape[:2] for f in full} == {(run.info.height_px, run.info.width_px)}
    return [number_in(f.luma) for f in frames], [number_in(f.image) for f in full]


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "hevc-10-bit.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le"},
    "odd-size.mkv": {"size": (161, 97), "pix_fmt": "yuv444p"},
    "mpeg1.mpg": {"codec": "mpeg1video"},
    "mpeg2-interlaced.mpg": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}},
    "portrait.mp4": {"size": (96, 160)},
    "stream.ts": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "b-frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "one-frame.mp4": {"frames": 1},
    "animation.gif": {"codec": "gif", "pix_fmt": "rgb8"},
}


@pytest.mark.parametrize("name", KINDS)
def test_both_passes_give_the_same_frames_in_order(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, **KINDS[name])
    luma, full = numbers_in_both_passes(path)
    assert luma == full == list(range(KINDS[name].get("frames", 12)))


@pytest.mark.parametrize("name", ["h264.mp4", "stream.ts", "vp9.webm", "hevc-10-bit.mp4"])
def test_stamps_equal_ffprobe(tmp_path: Path, name: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe")
    path = write_clip(tmp_path / name, **KINDS[name])
    command = ["ffprobe", "-v", "error", "-select_streams", "v"]
    command += ["-show_entries", "frame=pts", "-of", "csv=p=0"]
    out = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout
    expected = [int(line.strip(",")) for line in out.split()]
    assert [f.pts for f in scan(path)[1]] == expected


def test_variable_rate_keeps_its_stamps_and_never_repeats_a_frame(tmp_path: Path) -> None:
    stamps = [0, 10, 20, 500, 510, 1000, 3000]
    path = write_clip(tmp_path / "vfr.mkv", frames=7, stamps=stamps)
    _, frames = scan(path)
    assert [round(f.pts_seconds * 1000) for f in frames] == stamps
    assert [number_in(f.luma) for f in scan(path, fps=10)[1]] == [0, 3, 5, 6]


def test_time_starts_at_the_first_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "late.mkv", frames=3, stamps=[5000, 5040, 5080])
    frames = scan(path)[1]
    assert [f.pts for f in frames] == [5000, 5040, 5080]
    assert [f.pts_seconds for f in frames] == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize(("fps", "expected"), [(30, 60), (60, 60), (15, 30), (10, 20)])
def test_sampling_of_a_30_fps_clip(tmp_path: Path, fps: float, expected: int) -> None:
    path = write_clip(tmp_path / "a.mkv", frames=60, fps=30, size=(64, 48))
    run, frames = scan(path, fps=fps)
    assert (run.frames_decoded, run.frames_sampled, len(frames)) == (60, expected, expected)
    assert run.seconds_analysed == pytest.approx(2, abs=0.01)
    assert run.not_analysed == ()


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_rotation_is_applied_to_luma_and_colour(tmp_path: Path, clockwise: int) -> None:
    path = write_clip(tmp_path / "turned.mp4", frames=2, rotation_ccw=-clockwise)
    run, frames = scan(path)
    assert run.info.rotation_degrees == clockwise
    back = clockwise // 90
    image = next(read_frames(run.info, [frames[1].stamp], limits=LIMITS)).image
    assert image.shape[:2] == (run.info.height_px, run.info.width_px)
    assert number_in(np.rot90(image, back)) == number_in(np.rot90(frames[1].luma, back)) == 1


def both_pictures(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the luma and the colour of a clip's first frame."""
    run, frames = scan(path)
    (full,) = read_frames(run.info, [frames[0].stamp], limits=LIMITS)
    return frames[0].luma, full.image


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (-1, -1), (1, -1)])
@pytest.mark.parametrize("swapped", [False, True])
def test_all_eight_display_matrices_are_followed(
    tmp_path: Path, swapped: bool, signs: tuple[int, int]
) -> None:
    step = np.fliplr(np.diag(signs)) if swapped else np.diag(signs)
    matrix = np.zeros((3, 3), dtype=int)
    matrix[:2, :2], matrix[2, 2] = step * 2**16, 2**30
    write_clip(tmp_path / "turned.mp4", frames=1, size=(48, 32), matrix=matrix.ravel())
    write_clip(tmp_path / "upright.mp4", frames=1, size=(48, 32))
    places = np.stack([*np.mgrid[0:48, 0:32]], axis=-1).reshape(-1, 2)
    x, y = (places @ step - (places @ step).min(axis=0)).T
    upright = both_pictures(tmp_path / "upright.mp4")
    for shown, value in zip(both_pictures(tmp_path / "turned.mp4"), upright, strict=True):
        expected = np.zeros_like(shown)
        expected[y, x] = value[places[:, 1], places[:, 0]]
        np.testing.assert_array_equal(shown, expected)


def test_pixel_aspect_widens_the_picture(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "wide.mp4", frames=2, pixel_aspect=Fraction(2, 1))
    run, frames = scan(path)
    assert (run.info.width_px, run.info.height_px) == (320, 96)
    assert frames[0].luma.shape == (96, 320)


def test_reduced_pictures_have_one_geometry_and_a_scale(tmp_path: Path) -> None:
    info = probe(write_clip(tmp_path / "a.mp4"), limits=LIMITS)
    for frame in LumaPass(info, sample_fps=30, long_side_px=80, limits=LIMITS):
        assert frame.luma.shape == (48, 80)
        assert frame.rgb().shape == (48, 80, 3)
        assert frame.scale == 0.5
    with pytest.raises(ValueError, match="after the next was taken"):
        frame.rgb()


@pytest.mark.parametrize("name", ["h264.mp4", "hevc-10-bit.mp4", "stream.ts", "b-frames.avi"])
def test_chosen_frames_equal_a_plain_decode(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, **{**KINDS[name], "frames": 60})
    run, frames = scan(path)
    everything = list(read_frames(run.info, [f.stamp for f in frames], limits=LIMITS))
    for expected in ([7], [3, 30, 31, 59], [50]):
        stamps = [frames[i].stamp for i in expected]
        some = list(read_frames(run.info, stamps, limits=LIMITS))
        assert [f.index for f in some] == expected
        assert all(np.array_equal(f.image, everything[f.index].image) for f in some)


@pytest.mark.parametrize("tags", [{"colorspace": 1}, {"colorspace": 5}, {"color_range": 2}])
def test_colour_follows_the_tags_as_ffmpeg_does(tmp_path: Path, tags: dict[str, int]) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg")
    path = write_clip(tmp_path / "tagged.mp4", frames=1, tags=tags)
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    info = probe(path, limits=LIMITS)
    image = next(read_frames(info, [FrameStamp(0, 0, 0.0)], limits=LIMITS)).image
    expected = np.frombuffer(raw, np.uint8).reshape(96, 160, 3)
    assert np.abs(image.astype(int) - expected).max() <= 2


def combs(number: int, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    image[1::2] = 255
    return image


def test_interlaced_frames_are_shown_from_one_field(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1", "qp": "1"}
    path = write_clip(tmp_path / "tv.mp4", frames=3, options=options, draw=combs)
    run, frames = scan(path)
    image = next(read_frames(run.info, [frames[0].stamp], limits=LIMITS)).image
    assert image.shape == (96, 160, 3)
    assert np.ptp(image.astype(int)) < 20
    assert np.ptp(frames[0].luma.astype(int)) < 20


def test_an_animation_read_as_a_still_says_so(tmp_path: Path) -> None:
    pictures = [Image.fromarray(picture(n, (160, 96))) for n in range(3)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:])
    run, frames = scan(tmp_path / "a.webp")
    assert len(frames) == 1
    assert run.not_analysed == ("all but the first of 3 pictures in the file",)


def test_of_a_picture_of_several_pages_the_others_are_reported(tmp_path: Path) -> None:
    pages = [Image.fromarray(picture(n, (160, 96))) for n in range(2)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    run, frames = scan(tmp_path / "scan.tiff")
    assert [number_in(f.luma) for f in frames] == [0]
    assert run.not_analysed == ("all but the first of 2 pictures in the file",)


def test_a_page_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    pages = [Image.fromarray(picture(n, (160, 96))) for n in range(2)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    data = (tmp_path / "scan.tiff").read_bytes()
    uncompressed, unknown = (struct.pack("<HHIHH", 259, 3, 1, way, 0) for way in (1, 11))
    first, second = data.split(uncompressed)[:-1], data.split(uncompressed)[-1]
    (tmp_path / "scan.tiff").write_bytes(uncompressed.join(first) + unknown + second)
    run, frames = scan(tmp_path / "scan.tiff")
    assert [number_in(f.luma) for f in frames] == [0]
    (reason,) = run.not_analysed
    assert reason.startswith("what follows the first picture in the file: it is damaged")


def test_a_video_header_that_claims_too_many_pixels_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "big.mp4", frames=1, size=(1600, 960))
    with pytest.raises(LimitExceeded, match="pixel"):
        probe(path, limits=Limits(max_pixels=1600 * 960 - 1))


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_tone_mapping_rises_from_black_to_white(transfer: Literal["pq", "hlg"]) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    shown = to_sdr(np.repeat(ramp[None, :, None], 3, axis=2), transfer)[0, :, 1]
    assert shown[0] == 0
    assert shown[-1] > 230
    assert (np.diff(shown.astype(int)) >= 0).all()


def test_pq_video_is_recognised(tmp_path: Path) -> None:
    kind = {**KINDS["hevc-10-bit.mp4"], "tags": {"color_trc": 16, "colorspace": 9}}
    path = write_clip(tmp_path / "hdr.mp4", **kind)
    info = probe(path, limits=LIMITS)
    assert (info.transfer, info.bit_depth) == ("pq", 10)
    assert numbers_in_both_passes(path)[1] == list(range(12))


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.webp"])
def test_a_still_is_one_frame_at_zero_seconds(tmp_path: Path, name: str) -> None:
    Image.fromarray(NUMBERED).save(tmp_path / name)
    run, frames = scan(tmp_path / name)
    assert run.info.kind == "image"
    assert [(f.index, f.pts_seconds) for f in frames] == [(0, 0.0)]
    assert numbers_in_both_passes(tmp_path / name) == ([5], [5])


def test_exif_orientation_turns_a_photograph(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(NUMBERED, 1)))
    turned.save(tmp_path / "phone.jpg", exif=exif)
    info = probe(tmp_path / "phone.jpg", limits=LIMITS)
    assert (info.width_px, info.height_px, info.rotation_degrees) == (160, 96, 90)
    assert numbers_in_both_passes(tmp_path / "phone.jpg") == ([5], [5])


@pytest.mark.parametrize("name", ["phone.png", "scan.tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(
    tmp_path: Path, orientation: int, name: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(NUMBERED).save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as there:
        expected = np.asarray(ImageOps.exif_transpose(there))
    np.testing.assert_array_equal(pixels_as_shown(tmp_path / name, limits=LIMITS), expected)
    info = probe(tmp_path / name, limits=LIMITS)
    assert (info.height_px, info.width_px) == expected.shape[:2]
    turned = np.rot90(NUMBERED, -info.rotation_degrees // 90)
    np.testing.assert_array_equal(np.fliplr(turned) if info.mirrored else turned, expected)


def test_an_exif_tag_of_a_wrong_type_hides_no_picture(tmp_path: Path) -> None:
    width_as_text = struct.pack("<HHI4s", 0x0100, 2, 4, b"abc")
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    tags = b"II*\0" + struct.pack("<IH", 8, 2) + width_as_text + turned + bytes(4)
    upright = Image.fromarray(np.ascontiguousarray(np.rot90(NUMBERED, 1)))
    upright.save(tmp_path / "odd.jpg", exif=b"Exif\0\0" + tags)
    assert numbers_in_both_passes(tmp_path / "odd.jpg") == ([5], [5])


@pytest.mark.parametrize("name", ["half.ts", "half.mp4"])
def test_half_a_file_is_read_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"} if name.endswith("mp4") else {}
    path = write_clip(tmp_path / name, frames=100, container_options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    run, frames = scan(path)
    assert 20 < run.frames_decoded < 80
    assert [number_in(f.luma) for f in frames[:20]] == list(range(20))


def test_a_video_shorter_than_its_header_says_is_reported(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "cut.mp4", frames=100, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    run, _ = scan(path)
    assert 0 < run.seconds_analysed < 3.5
    assert any("that the header promises" in reason for reason in run.not_analysed)


def test_what_lies_behind_the_limit_is_reported(tmp_path: Path) -> None:
    limits = Limits(max_seconds=1.0)
    info = probe(write_clip(tmp_path / "long.mp4", frames=50), limits=limits)
    run = LumaPass(info, sample_fps=30, long_side_px=64, limits=limits)
    assert max(f.pts_seconds for f in run) <= 1.0
    assert run.not_analysed == ("what lies behind the limit of 1 s",)


def test_frames_of_another_shape_keep_it(tmp_path: Path) -> None:
    whole = tmp_path / "whole.h264"
    first = write_clip(tmp_path / "first.h264", frames=2)
    later = write_clip(tmp_path / "later.h264", frames=3, size=(96, 160))
    whole.write_bytes(first.read_bytes() + later.read_bytes())
    run, frames = scan(whole)
    full = list(read_frames(run.info, [f.stamp for f in frames], limits=LIMITS))
    between_bars = slice(51, 109)  # 96 x 160 within 160 x 96
    for shown in [f.luma for f in frames[2:]] + [f.image for f in full[2:]]:
        assert shown[:, :50].max() < 20
        assert shown[:, 110:].max() < 20
    assert [number_in(f.luma[:, between_bars]) for f in frames[2:]] == [0, 1, 2]
    assert [number_in(f.image[:, between_bars]) for f in full[2:]] == [0, 1, 2]
    assert run.not_analysed == ()


def test_other_video_streams_are_reported(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=1)
    with av.open(str(clip)) as source, av.open(str(tmp_path / "three.mkv"), "w") as target:
        (packet,) = (p for p in source.demux(video=0) if p.size)
        streams = [target.add_stream_from_template(source.streams.video[0]) for _ in range(3)]
        for packet.stream in streams:
            target.mux(packet)
    run, frames = scan(tmp_path / "three.mkv")
    assert [number_in(f.luma) for f in frames] == [0]
    assert (run.not_analysed, run.is_whole) == (("2 other video streams",), True)


def test_damage_in_the_middle_does_not_end_the_reading(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "hurt.ts", frames=100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 12] = bytes(188 * 12)
    path.write_bytes(bytes(data))
    run, frames = scan(path)
    assert number_in(frames[-1].luma) == 99
    assert any("damaged" in reason for reason in run.not_analysed)
    picked = [f.stamp for f in frames[::9]]
    assert len(list(read_frames(run.info, picked, limits=LIMITS))) == len(picked)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
REFUSED: dict[str, tuple[str, type[UnmaskError], str]] = {
    "text.mp4": ("ffconcat version 1.0\nfile a.mp4\n", NotMedia, "not a readable video"),
    "words.mp4": ("just words " * 100, NotMedia, "not a readable video"),
    "playlist.mp4": (PLAYLIST, NotMedia, "not a readable video"),
    "empty.mp4": ("", NotMedia, "is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_media_is_refused_on_one_line(tmp_path: Path, name: str) -> None:
    text, kind, words = REFUSED[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(kind, match=words) as caught:
        probe(tmp_path / name, limits=LIMITS)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_audio_alone_is_refused(tmp_path: Path) -> None:
    audio_only(tmp_path / "song.m4a")
    with pytest.raises(NotMedia, match="no picture stream"):
        probe(tmp_path / "song.m4a", limits=LIMITS)


@pytest.mark.parametrize(("tiles", "thumbnail"), [(2, False), (2, True), (100, False)])
def test_a_picture_in_tiles_is_refused_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiles: int, thumbnail: bool
) -> None:
    monkeypatch.setattr("unmask.video.still.find_spec", lambda _name: None)
    path = write_tiled_heic(tmp_path / "phone.heic", tiles=tiles, thumbnail=thumbnail)
    with pytest.raises(NotMedia, match=rf"a picture in ({tiles}|more than 64) tiles") as caught:
        probe(path, limits=LIMITS)
    assert "unmask[heic]" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["missing.mp4", "http://127.0.0.1:9/a.mp4", "concat:a|b", "pipe:0"]
)
def test_what_is_not_on_this_disk_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputNotFound, match="cannot open"):
        probe(name, limits=LIMITS)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="not a regular file"):
        probe(tmp_path, limits=LIMITS)


@pytest.mark.parametrize("name", ["huge.png", "huge.gif"])
def test_a_header_that_claims_too_many_pixels_costs_no_memory(tmp_path: Path, name: str) -> None:
    gif = b"GIF89a" + struct.pack("<HHBBB", 20000, 20000, 0xF0, 0, 0) + bytes(6)
    gif += b"," + struct.pack("<HHHHB", 0, 0, 20000, 20000, 0) + b"\x02\x02\x44\x01\x00;"
    (tmp_path / name).write_bytes(png_header(20000, 20000) if name.endswith("png") else gif)
    with pytest.raises(LimitExceeded, match="pixels"):
        probe(tmp_path / name, limits=LIMITS)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_pixels=1000), "pixels"),
        (Limits(max_bytes=100), "bytes"),
    ],
)
def test_limits_hold_for_video(tmp_path: Path, limits: Limits, words: str) -> None:
    path = write_clip(tmp_path / "a.mp4")
    with pytest.raises(LimitExceeded, match=words):
        probe(path, limits=limits)


def test_chosen_frames_must_ascend(tmp_path: Path) -> None:
    info = probe(write_clip(tmp_path / "a.mp4"), limits=LIMITS)
    with pytest.raises(ValueError, match="ascend"):
        read_frames(info, [FrameStamp(1, 1, 0.1), FrameStamp(0, 0, 0.0)], limits=LIMITS)


def test_a_frame_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    info = probe(write_clip(tmp_path / "a.mp4"), limits=LIMITS)
    with pytest.raises(DecodeError, match="not found again"):
        list(read_frames(info, [FrameStamp(99, 10**9, 9.0)], limits=LIMITS))


def test_a_damaged_still_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    Image.fromarray(NUMBERED).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnmaskError, match="cannot be decoded"):
        scan(tmp_path / "a.png")


def test_a_reader_that_fails_in_its_own_way_is_a_damaged_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(NUMBERED).save(tmp_path / "a.png")

    def fail(*_: object) -> None:
        raise RuntimeError("Failed to decode frame 0")

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(DecodeError, match="cannot be decoded: Failed to decode frame 0"):
        pixels_as_shown(tmp_path / "a.png", limits=LIMITS)


@pytest.mark.parametrize("told", ["nan:0:0", "inf:0:0", "-9:0:0", "0:x:1"])
def test_a_duration_that_is_none_is_not_believed(tmp_path: Path, told: str) -> None:
    path = write_clip(tmp_path / "a.mkv")
    data = path.read_bytes()
    (stamp,) = set(re.findall(rb"00:00:00\.\d{9}", data))
    path.write_bytes(data.replace(stamp, told.encode().ljust(len(stamp), b"\0")))
    seconds = probe(path, limits=LIMITS).duration_seconds
    assert seconds is not None
    assert 0 < seconds < 9


def test_a_duration_below_zero_in_the_header_is_not_believed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv")
    data = path.read_bytes()
    (stamp,) = set(re.findall(rb"00:00:00\.\d{9}", data))
    text = b"\x44\x89\x88"  # the element Duration, eight bytes long
    at = data.index(text) + len(text)
    data = data[:at] + struct.pack(">d", -9000.0) + data[at + 8 :]
    path.write_bytes(data.replace(stamp, bytes(len(stamp))))
    assert probe(path, limits=LIMITS).duration_seconds is None


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        path = write_clip(tmp_path / f"{frames}.mp4", frames=frames)
        info = probe(path, limits=LIMITS)
        tracemalloc.start()
        for _ in LumaPass(info, sample_fps=1000, long_side_px=640, limits=LIMITS):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)
    assert peak(200) < peak(20) + 200_000


def test_metadata_is_cut(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv")
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        target.metadata["title"] = "x" * 5000
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert probe(tmp_path / "b.mkv", limits=LIMITS).metadata["title"] == "x" * 1000


def test_a_codec_that_nobody_films_in_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.avi", codec="asv1", options={})
    with pytest.raises(NotMedia, match="holds pictures in asv1, which is not read"):
        probe(clip, limits=Limits())


def test_the_decoders_of_the_list_are_those_of_ffmpeg() -> None:
    known = {name for name in av.codecs_available if _decodes(name)}
    assert known >= VIDEO_DECODERS | AUDIO_DECODERS


def _decodes(name: str) -> bool:
    try:
        return bool(av.Codec(name, "r"))
    except ValueError:
        return False
