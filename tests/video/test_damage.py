"""What is missing or damaged is told; what only looks like it is not."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clips import number_in, picture, remux, spoil_packet, write_clip
from unmask.core.settings import Limits
from unmask.video import LumaFrame, LumaPass, probe, read_frames
from unmask.video.damage_account import Packets, gaps
from unmask.video.ffmpeg_messages import Message
from unmask.video.nal import is_overwritten

LIMITS = Limits()
LONG_GOP = {"gop": 250, "options": {"x264-params": "scenecut=0:log-level=none"}}
STREAM_COPY = {"avoid_negative_ts": "disabled"}


def scan(path: Path, *, limits: Limits = LIMITS) -> tuple[LumaPass, list[LumaFrame]]:
    run = LumaPass(probe(path, limits=limits), sample_fps=1000, long_side_px=640, limits=limits)
    return run, list(run)


# turned and mirrored


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize(("turn_ccw", "degrees"), [(90, 270), (180, 180), (-90, 90)])
def test_a_turn_survives_an_edit_list_that_hides_many_packets(
    tmp_path: Path, container: str, turn_ccw: int, degrees: int
) -> None:
    clip = write_clip(tmp_path / f"all.{container}", frames=130, **LONG_GOP)
    path = remux(
        clip,
        tmp_path / f"trimmed.{container}",
        shift_seconds=-110 / 25,
        rotation_ccw=turn_ccw,
        container_options=STREAM_COPY,
    )
    run, frames = scan(path)
    assert run.info.rotation_degrees == degrees
    upright = [np.rot90(f.luma, degrees // 90) for f in frames]
    assert [number_in(f) for f in upright] == list(range(110, 130))
    assert run.not_analysed == ()


def jpeg(number: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = io.BytesIO()
    Image.fromarray(picture(number, (160, 96))).save(held, "JPEG", exif=exif, quality=95)
    return held.getvalue()


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (6, 90), (3, 180), (8, 270)])
def test_exif_in_the_pictures_of_a_video_is_obeyed(
    tmp_path: Path, orientation: int, turn: int
) -> None:
    path = tmp_path / "photos.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p"
        for number in range(4):
            packet = av.Packet(jpeg(number, orientation))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    run, frames = scan(path)
    assert run.info.rotation_degrees == turn
    assert [number_in(np.rot90(f.luma, turn // 90)) for f in frames] == [0, 1, 2, 3]
    assert run.not_analysed == ()


def test_exif_in_an_animated_png_is_obeyed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    first, second = (Image.fromarray(picture(number, (160, 96))) for number in (1, 2))
    first.save(tmp_path / "a.png", save_all=True, append_images=[second], duration=40, exif=exif)
    run, frames = scan(tmp_path / "a.png")
    assert (run.info.rotation_degrees, run.info.width_px) == (90, 96)
    assert [number_in(np.rot90(f.luma)) for f in frames] == [1, 2]


# complete


def test_a_late_start_is_no_missing_end(tmp_path: Path) -> None:
    stamps = [5000 + 40 * number for number in range(12)]
    run, _ = scan(write_clip(tmp_path / "late.mkv", stamps=stamps))
    assert run.not_analysed == ()
    assert run.seconds_analysed == pytest.approx(0.48, abs=0.01)


@pytest.mark.parametrize("name", ["a.flv", "a.mkv", "a.mp4", "a.ts"])
def test_a_longer_audio_track_is_no_missing_end(tmp_path: Path, name: str) -> None:
    run, _ = scan(write_clip(tmp_path / name, audio_seconds=3.0))
    assert run.not_analysed == ()


CLEAN: dict[str, dict[str, Any]] = {
    f"{codec}.{suffix}": {"codec": codec, "pix_fmt": pix_fmt, "frames": 40}
    for codec, pix_fmt, suffixes in (
        ("libx264", "yuv420p", "mp4 mov mkv flv ts avi nut 3gp"),
        ("libx265", "yuv420p", "mp4 mkv ts"),
        ("libvpx", "yuv420p", "webm mkv"),
        ("libvpx-vp9", "yuv420p", "webm mp4"),
        ("libsvtav1", "yuv420p", "mp4 webm"),
        ("mpeg4", "yuv420p", "mp4 avi mkv"),
        ("mpeg2video", "yuv420p", "mpg ts vob mkv"),
        ("mpeg1video", "yuv420p", "mpg"),
        ("mjpeg", "yuvj420p", "avi mov mkv"),
        ("flv", "yuv420p", "flv"),
        ("wmv2", "yuv420p", "wmv"),
        ("msmpeg4v2", "yuv420p", "avi"),
        ("ffv1", "yuv420p", "mkv avi"),
        ("prores", "yuv422p10le", "mov"),
        ("huffyuv", "rgb24", "avi"),
        ("gif", "rgb8", "gif"),
    )
    for suffix in suffixes.split()
}
QUIET = {
    "libx265": {"x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "libvpx": {"cpu-used": "8", "deadline": "realtime"},
    "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
    "mpeg4": {"bf": "2"},
    "mpeg2video": {"bf": "2"},
}
JITTER = [40 * n + (7 * n * n) % 23 for n in range(40)]
SCREEN = [0, 40, 80, 400, 440, 1900, 1940, 1980, 5000, 5040, 5080, 9000]
SLIDES = [0, 4000, 9000, 9500, 15000, 21000]
for kind, stamps in (("jitter", JITTER), ("screen", SCREEN), ("slides", SLIDES)):
    for suffix in ("mp4", "mkv", "ts"):
        CLEAN[f"{kind}.{suffix}"] = {"stamps": stamps, "frames": len(stamps)}
for frames in (1, 2, 3, 4):
    CLEAN[f"{frames}-frames.mp4"] = {"frames": frames}
    CLEAN[f"{frames}-frames.mkv"] = {"frames": frames}
for turn in (90, 180, -90):
    CLEAN[f"turned-{turn}.mp4"] = {"rotation_ccw": turn}
for suffix in ("mp4", "mkv", "ts"):
    CLEAN[f"open-gop.{suffix}"] = {
        "frames": 60,
        "options": {"x264-params": "open-gop=1:keyint=15:bframes=3:log-level=none"},
    }
    CLEAN[f"interlaced.{suffix}"] = {
        "frames": 40,
        "options": {"x264-params": "tff=1:log-level=none"},
        "size": (160, 128),
    }
    CLEAN[f"refresh.{suffix}"] = {
        "frames": 40,
        "options": {"x264-params": "intra-refresh=1:bframes=0:log-level=none"},
    }
CLEAN["fragmented.mp4"] = {
    "frames": 40,
    "container_options": {"movflags": "frag_keyframe+empty_moov"},
}


@pytest.mark.parametrize("name", CLEAN)
def test_of_a_clean_file_nothing_is_said(tmp_path: Path, name: str) -> None:
    options = QUIET.get(CLEAN[name].get("codec", ""), {})
    path = write_clip(tmp_path / name, **{"options": options, **CLEAN[name]})
    run, frames = scan(path)
    assert run.not_analysed == ()
    assert (run.missing_ratio, run.damaged_ratio) == (0.0, 0.0)
    assert len(frames) == CLEAN[name].get("frames", 12)


@pytest.mark.parametrize(
    ("suffix", "first"),
    # no player shows a transport stream that begins at a key frame without the codec's headers
    [(s, f) for s in ("mp4", "mkv", "ts", "flv", "mov") for f in (0, 1) if (s, f) != ("ts", 1)],
)
def test_a_copy_that_ends_or_begins_between_its_pictures_is_clean(
    tmp_path: Path, suffix: str, first: int
) -> None:
    # B-frames are decoded after the frame that follows them: cut off, they leave a gap
    params = "bframes=3:b-adapt=0:keyint=15:scenecut=0:open-gop=1:log-level=none"
    whole = write_clip(tmp_path / "a.mp4", frames=60, options={"x264-params": params})
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    first = keys[1] if first else 0
    gone = [*range(first), *range(48, 60)]
    path = remux(whole, tmp_path / f"cut.{suffix}", drop=gone, shift_seconds=-first / 25)
    run, _ = scan(path)
    assert run.not_analysed == ()


def test_a_join_of_two_recordings_is_no_damage(tmp_path: Path) -> None:
    parts = [write_clip(tmp_path / f"{n}.ts", frames=30).read_bytes() for n in (1, 2)]
    (tmp_path / "whole.ts").write_bytes(b"".join(parts))
    run, frames = scan(tmp_path / "whole.ts")
    assert run.not_analysed == ()
    assert len(frames) >= 57  # the last ones before the join may be left out
    assert run.seconds_analysed == pytest.approx(60 / 25, abs=0.05)


# missing and damaged


def test_a_stream_cut_at_its_beginning_says_so(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.ts", frames=60, gop=20)
    path = remux(whole, tmp_path / "b.ts", drop=range(5))
    run, _ = scan(path)
    (reason,) = run.not_analysed
    assert re.match(r"the first 0\.[67] s: the stream begins without a key frame", reason)
    assert run.missing_ratio == pytest.approx(15 / 55, abs=0.02)


def test_a_clock_that_jumps_costs_no_time_and_ends_what_is_followed(tmp_path: Path) -> None:
    parts = []
    for hour in (0, 1):
        stamps = [3_600_000 * hour + 40 * number for number in range(30)]
        parts.append(write_clip(tmp_path / f"{hour}.ts", frames=30, stamps=stamps).read_bytes())
    (tmp_path / "whole.ts").write_bytes(b"".join(parts))
    run, frames = scan(tmp_path / "whole.ts", limits=Limits(max_seconds=60))
    assert run.frames_decoded == 60
    assert run.seconds_analysed == pytest.approx(60 / 25, abs=0.05)
    assert [f.index for f in frames if f.starts_part] == [30]
    assert any(re.search(r"clock jumps by 3598\.[789] s after 1\.2 s", r) for r in run.not_analysed)


def test_a_hole_in_a_broadcast_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", frames=100, gop=50)
    data = path.read_bytes()
    first, count = len(data) // 188 * 2 // 5, len(data) // 188 // 5
    path.write_bytes(data[: first * 188] + data[(first + count) * 188 :])
    run, frames = scan(path)
    assert any("missing in an otherwise regular clock" in reason for reason in run.not_analysed)
    assert run.missing_ratio > 0.05
    assert run.damaged_ratio > 0
    assert len(frames) < run.frames_decoded


def test_one_lost_packet_of_a_regular_clock_is_told(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mkv", frames=60, gop=20, options={"bf": "0"})
    run, _ = scan(remux(whole, tmp_path / "b.mkv", drop=[30]))
    assert run.not_analysed
    assert run.missing_ratio > 0


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_frames_that_refer_to_damage_are_not_looked_at(tmp_path: Path, codec: str) -> None:
    path = write_clip(
        tmp_path / "a.mp4",
        frames=60,
        gop=20,
        codec=codec,
        options=QUIET.get(codec, {"x264-params": "scenecut=0:log-level=none"}),
    )
    spoil_packet(path, 1, key=True)
    run, frames = scan(path)
    assert any("damaged" in reason for reason in run.not_analysed)
    assert run.damaged_ratio >= 0.2
    sampled = {number_in(f.luma) for f in frames}
    assert not sampled & set(range(21, 38))
    assert set(range(18)) <= sampled


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv", "a.flv", "a.gif"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, name: str, share: float) -> None:
    codec, pix_fmt = ("gif", "rgb8") if name == "a.gif" else ("libx264", "yuv420p")
    if name == "a.avi":
        codec, pix_fmt = "mjpeg", "yuvj420p"
    path = write_clip(
        tmp_path / name,
        frames=40,
        codec=codec,
        pix_fmt=pix_fmt,
        container_options={"movflags": "faststart"} if name == "a.mp4" else None,
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    run, _ = scan(path)
    assert run.frames_decoded < 40
    assert run.not_analysed


# pixel aspect


def test_a_pixel_aspect_that_changes_is_followed(tmp_path: Path) -> None:
    parts = []
    for number, aspect in enumerate((1, 2)):
        stamps = [800 * number + 40 * n for n in range(20)]
        clip = write_clip(
            tmp_path / f"{aspect}.ts", frames=20, stamps=stamps, pixel_aspect=Fraction(aspect)
        )
        parts.append(clip.read_bytes())
    (tmp_path / "whole.ts").write_bytes(b"".join(parts))
    run, frames = scan(tmp_path / "whole.ts")
    assert (run.info.width_px, run.info.height_px) == (160, 96)
    full = list(read_frames(run.info, [f.stamp for f in frames], limits=LIMITS))
    assert {frame.index for frame in frames} >= {0, 19, 20, 39}
    for at_full, frame in zip(full, frames, strict=True):
        rows = slice(24, 72) if frame.index >= 20 else slice(None)  # between bars
        assert (number_in(frame.luma) == 0) or frame.index < 20
        assert {number_in(each[rows]) for each in (frame.luma, at_full.image)} == {frame.index % 20}


# times of AVI


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_avi_that_are_shown_in_another_order_have_their_time(
    tmp_path: Path, codec: str
) -> None:
    path = write_clip(tmp_path / "a.avi", frames=30, codec=codec, options={"bf": "2"})
    run, frames = scan(path)
    assert [round(f.pts_seconds * 25) for f in frames] == [number_in(f.luma) for f in frames]
    assert len(frames) == 30
    full = list(read_frames(run.info, [f.stamp for f in frames[::7]], limits=LIMITS))
    assert [number_in(f.image) for f in full] == list(range(0, 30, 7))


def test_after_a_lost_packet_of_avi_the_others_have_their_time(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", frames=100, codec="mpeg4", options={"bf": "2"})
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    lost = data.index(packets[40])
    path.write_bytes(data[:lost] + bytes(len(packets[40])) + data[lost + len(packets[40]) :])
    _, frames = scan(path)
    late = [f for f in frames if f.pts_seconds > 3.2]
    assert [round(f.pts_seconds * 25) for f in late] == [number_in(f.luma) for f in late]
    assert len(late) >= 18


# the account itself


def test_a_damaged_packet_spoils_what_follows_until_a_clean_key_packet() -> None:
    packets = Packets("h264")
    sent = []
    for number in range(9):
        note = packets.send(number, 0, key=number in (0, 6), marked=number == 2, discarded=False)
        sent.append(note)
    assert [note.damaged for note in sent] == [False] * 2 + [True] * 4 + [False] * 3


def test_pictures_before_a_key_frame_share_the_damage_before_it() -> None:
    packets = Packets("h264")
    packets.send(0, 0, key=True, marked=False, discarded=False)
    packets.spoil()
    packets.send(8, 0, key=True, marked=False, discarded=False)
    leading = packets.send(6, 0, key=False, marked=False, discarded=False)
    after = packets.send(9, 0, key=False, marked=False, discarded=False)
    assert (leading.damaged, after.damaged) == (True, False)


@given(st.integers(2, 5000), st.integers(10, 80), st.integers(1, 20), st.data())
def test_frames_that_a_regular_clock_lacks_are_counted(
    step: int, count: int, lost: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(1, count - 1))
    stamps = [step * (n + (lost if n >= place else 0)) for n in range(count)]
    holes = gaps(stamps, [0], damaged=False, longest=float("inf"))
    assert [(hole.after, hole.frames) for hole in holes] == [(step * (place - 1), lost)]


@pytest.mark.parametrize("stamps", [JITTER, SCREEN, SLIDES, [0, 40] * 3])
def test_a_clock_of_uneven_steps_has_no_holes(stamps: list[int]) -> None:
    assert gaps(stamps, [0], damaged=False, longest=1e9) == []


@pytest.mark.parametrize(
    ("level", "text", "damage"),
    [
        (16, "cabac decode of qscale diff failed at 3 2", True),
        (16, "unable to decode APP fields: Invalid data", False),
        (24, "deprecated pixel format used", False),
        (32, "concealing 20 DC, 20 AC, 20 MV errors in P frame", True),
    ],
)
def test_only_messages_about_pictures_count(level: int, text: str, damage: bool) -> None:
    assert Message(level, "h264", text).is_damage == damage


EXTENSION = b"\0\0\1\xb5\x8f\xff"


@pytest.mark.parametrize(
    ("codec", "data", "overwritten"),
    [
        ("mpeg1video", b"\0\0\1\0abc\0\0\1\1slice", False),
        ("mpeg1video", b"\0\0\1\0abc\0\0\0\0\1\1slice", False),
        ("mpeg1video", b"\0\0\1\0abc\0\0\0\0slice", True),
        ("mpeg1video", b"\0\0\1\0abc\0\0\1\1slice\0\0\1\0abc", True),
        ("mpeg2video", b"\0\0\1\0ab" + EXTENSION + b"\xf3s", False),
        ("mpeg2video", (b"\0\0\1\0ab" + EXTENSION + b"\xf1s") * 2, False),
        ("mpeg2video", (b"\0\0\1\0ab" + EXTENSION + b"\xf3s") * 2, True),
    ],
)
def test_data_that_mpeg_video_never_holds_is_overwritten(
    codec: str, data: bytes, overwritten: bool
) -> None:
    assert is_overwritten(codec, None, data) is overwritten
