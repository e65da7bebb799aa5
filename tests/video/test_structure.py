"""Parts of a file that are gone are told, though the demuxer passes over them without a word."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import av
import pytest
from PIL import Image

from clips import write_clip
from unmask.core.errors import LimitExceeded, NotMedia
from unmask.core.settings import Limits
from unmask.video import LumaPass, probe
from unmask.video.damage_account import gaps
from unmask.video.ebml import check_tags
from unmask.video.structure import why_broken

LIMITS = Limits()
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


def lines(path: Path) -> tuple[str, ...]:
    """Return what is said of a file that was read whole."""
    run = LumaPass(probe(path, limits=LIMITS), sample_fps=100, long_side_px=64, limits=LIMITS)
    list(run)
    return run.not_analysed


def overwrite(path: Path, place: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content)


def test_a_cluster_whose_mark_is_damaged_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", codec="ffv1", frames=12, gop=4, size=(96, 64))
    assert lines(path) == ()
    overwrite(path, path.read_bytes().index(b"\x1f\x43\xb6\x75") + 2, b"\x96")
    assert any("structure is damaged" in line for line in lines(path))


def test_an_element_of_an_impossible_size_ends_in_no_error_of_the_system(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", codec="ffv1", frames=4, size=(96, 64))
    place = path.read_bytes().index(b"\x1f\x43\xb6\x75")
    overwrite(path, place + 4, b"\x01" + b"\xff" * 6 + b"\x7f")
    check_tags(path, LIMITS)


def test_a_picture_of_a_gif_that_was_overwritten_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.gif", codec="gif", pix_fmt="rgb8", frames=12, size=(96, 64))
    assert lines(path) == ()
    overwrite(path, path.stat().st_size // 2, bytes(300))
    assert why_broken(path, "gif") is not None
    assert lines(path) != ()


@pytest.mark.parametrize("which", ["first", "last"])
def test_a_fragment_whose_table_is_gone_is_told(tmp_path: Path, which: str) -> None:
    path = write_clip(
        tmp_path / "a.mp4", frames=24, gop=8, size=(96, 64), container_options=FRAGMENTS
    )
    assert lines(path) == ()
    data = path.read_bytes()
    place = data.index(b"traf") if which == "first" else data.rindex(b"traf")
    overwrite(path, place + 8, bytes(60))
    assert lines(path) != ()


def test_a_header_that_hides_most_frames_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=24, gop=8, size=(96, 64))
    assert lines(path) == ()
    # another unit of time in the header shortens the edit list to a few frames
    overwrite(path, path.read_bytes().index(b"mvhd") + 16, (12_800).to_bytes(4, "big"))
    assert any("edit list hides" in line for line in lines(path))


def test_a_gap_before_frames_that_went_on_was_not_cut_off() -> None:
    order = [0, 4, 2, 1, 3, 8, 6, 7, 9]  # 5 is missing, 9 follows
    stamps = [40 * each for each in (*order, *range(10, 40))]
    assert [gap.after for gap in gaps(stamps, [0, 9], damaged=False, longest=3000)] == [160]
    cut = [40 * each for each in (*order[:-1], *range(9, 40))]  # 5 may come after 7
    assert gaps(cut, [0, 8], damaged=False, longest=3000) == []


def test_a_png_with_an_impossible_chunk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(path)
    overwrite(path, path.read_bytes().index(b"IDAT") - 4, b"\xff" * 4)
    with pytest.raises(LimitExceeded, match="4294967295 bytes"):
        probe(path, limits=LIMITS)


def test_a_stream_without_headers_is_said_to_be_cut_from_another(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", frames=24, gop=24, size=(96, 64))
    data = path.read_bytes()
    rows = [data[at : at + 188] for at in range(0, len(data), 188)]
    first = next(n for n, row in enumerate(rows) if b"\x00\x00\x01\x67" in row)
    path.write_bytes(b"".join(rows[:first] + rows[first + 1 :]))
    with pytest.raises(NotMedia, match="holds no headers"):
        probe(path, limits=LIMITS)


def test_what_follows_a_whole_file_is_no_damage(tmp_path: Path) -> None:
    pages = [Image.new("L", (64, 48), number * 20) for number in range(10)]
    gif = tmp_path / "a.gif"
    pages[0].save(gif, save_all=True, append_images=pages[1:], duration=100)
    mp4 = write_clip(tmp_path / "a.mp4", frames=10)
    for path, trailer in ((gif, b"\r\nmade with care"), (mp4, b"trailer of a camera" * 4)):
        path.write_bytes(path.read_bytes() + trailer)
        run = LumaPass(
            probe(path, limits=Limits()), sample_fps=30, long_side_px=64, limits=Limits()
        )
        assert len(list(run)) == 10
        assert run.not_analysed == (), path.name


def last_packet(path: Path) -> int:
    """Return the place of the last packet's data in a file."""
    with av.open(str(path)) as container:
        data = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return path.read_bytes().rindex(data[-1][-16:]) + 16 - len(data[-1])


@pytest.mark.parametrize(
    ("name", "codec", "before", "said"),
    [
        # a head of 11 bytes, and 5 of the codec's
        ("a.flv", "flv", 12, "structure is damaged"),
        # the head of a payload: what is zeroed names its stream and its object
        ("a.wmv", "wmv2", 17, "is damaged"),
        ("a.ts", "mpeg2video", 19, "the beginning of 1 pictures is damaged"),
    ],
)
def test_a_picture_whose_head_was_overwritten_is_told(
    tmp_path: Path, name: str, codec: str, before: int, said: str
) -> None:
    path = write_clip(tmp_path / name, codec=codec, frames=24, gop=8, size=(96, 64))
    assert lines(path) == ()
    overwrite(path, last_packet(path) - before, bytes(before))
    assert any(said in line for line in lines(path))


def test_an_object_that_a_wmv_file_lacks_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wmv", codec="wmv2", frames=24, gop=8, size=(96, 64))
    data = path.read_bytes()
    with av.open(str(path)) as container:
        tenth = [bytes(packet) for packet in container.demux(video=0)][10]
    number = data.index(tenth[:16]) - 16  # behind it: offset, lengths and times
    assert data[number] == 11
    overwrite(path, number, bytes([13]))
    assert any("objects of a stream are missing" in line for line in lines(path))


def test_times_out_of_order_behind_an_edit_list_are_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=24, gop=8, size=(96, 64))
    assert lines(path) == ()
    overwrite(path, path.read_bytes().index(b"ctts"), b"cttk")
    assert any("run backwards" in line for line in lines(path))


@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
def test_a_program_stream_that_ends_within_a_packet_is_told(tmp_path: Path, codec: str) -> None:
    path = write_clip(tmp_path / "a.mpg", codec=codec, frames=24, gop=8, size=(96, 64))
    assert lines(path) == ()
    data = path.read_bytes()
    second = data.index(b"\0\0\1\xba", 1)
    path.write_bytes(data[:second])  # whole packets: nothing shows that more followed
    assert why_broken(path, "mpeg") is None
    path.write_bytes(data[: second - 10])
    assert why_broken(path, "mpeg") == "it ends within a packet"
    path.write_bytes(data)
    overwrite(path, second, bytes(4))
    assert why_broken(path, "mpeg") == f"its structure is damaged at byte {second}"


@pytest.mark.parametrize(
    ("box", "place", "data", "said"),
    [
        # the unit of a track's clock: damaged in one bit, and gone
        (b"mdhd", 17, b"\x08", "an edit list shows 0.960 s of a track of 0.023 s"),
        (b"mvhd", 17, b"\x08", "an edit list shows 0.002 s of a track of 0.960 s"),
        (b"mdhd", 16, bytes(4), "it has no unit"),
    ],
)
def test_a_damaged_clock_that_hides_most_of_a_track_is_told(
    tmp_path: Path, box: bytes, place: int, data: bytes, said: str
) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=24, gop=8, size=(96, 64))
    assert lines(path) == ()
    overwrite(path, path.read_bytes().index(box) + place, data)
    assert any(said in line for line in lines(path))


def test_a_frame_that_the_index_of_avi_lacks_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", frames=24, gop=8, size=(96, 64), options={"bf": "0"})
    assert lines(path) == ()
    data = path.read_bytes()
    index = data.index(b"idx1") + 8 + 16 * 9
    overwrite(path, index, b"80dc")
    overwrite(
        path, data.index(b"movi") + int.from_bytes(data[index + 8 : index + 12], "little"), b"80dc"
    )
    assert any("1 of 24 frames that the file lists" in line for line in lines(path))


def test_an_object_of_a_wmv_file_that_is_not_complete_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wmv", codec="wmv2", frames=24, gop=8, size=(96, 64))
    size_before = last_packet(path) - 10
    assert path.read_bytes()[size_before - 1] == 8  # the length of what follows
    overwrite(path, size_before + 1, b"\1")
    assert lines(path) != ()


def test_an_flv_file_that_is_cut_between_two_pictures_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.flv", codec="flv", frames=24, gop=8, size=(96, 64))
    assert lines(path) == ()
    path.write_bytes(path.read_bytes()[: last_packet(path) - 12])
    assert any("bytes of" in line and "missing" in line for line in lines(path))


def test_a_fragment_without_its_number_is_told(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.mp4", frames=24, gop=8, size=(96, 64), container_options=FRAGMENTS
    )
    overwrite(path, path.read_bytes().rindex(b"mfhd"), b"\0" * 4)
    assert any("the table of a fragment is damaged" in line for line in lines(path))


@pytest.mark.parametrize("box", [b"trun", b"traf"])
def test_a_fragment_that_lists_no_frames_is_told(tmp_path: Path, box: bytes) -> None:
    path = write_clip(
        tmp_path / "a.mp4", frames=24, gop=8, size=(96, 64), container_options=FRAGMENTS
    )
    overwrite(path, path.read_bytes().rindex(box) + 3, b"~")
    assert any("no frames are listed" in line for line in lines(path))


def test_padding_of_a_video_cd_is_no_damage_and_a_lost_sector_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mpg", codec="mpeg1video", frames=24, gop=8, size=(96, 64))
    data = path.read_bytes()
    second = data.index(b"\0\0\1\xba", 1)
    path.write_bytes(data[:second] + bytes(20) + data[second:])
    assert why_broken(path, "mpeg") is None
    path.write_bytes(data[:second] + bytes(2048) + data[second:])
    assert why_broken(path, "mpeg") == f"its structure is damaged at byte {second}"


def test_boxes_in_boxes_without_end_cost_little(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=4, size=(96, 64))
    nested = b"".join(struct.pack(">I4s", 8 * (1100 - n), b"moov") for n in range(1100))
    lists = struct.pack(">I4s", 24, b"edts") + struct.pack(">I4s8x", 70_000, b"elst")
    path.write_bytes(path.read_bytes() + nested + lists * 1000)
    began = time.process_time()
    assert why_broken(path, "mp4") is None
    assert time.process_time() - began < 2
