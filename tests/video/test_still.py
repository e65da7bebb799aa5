"""Still pictures: what is missing of them is told, what they cost has limits."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
import threading
import zlib
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile, features
from PIL.TiffImagePlugin import TiffImageFile

from clips import number_in, picture, write_clip
from unmask.core.errors import DecodeError, LimitExceeded, NotMedia
from unmask.core.settings import Limits
from unmask.video import LumaPass, png, probe
from unmask.video.still import ROTATIONS, decode_still, open_still, pixels_as_shown

LIMITS = Limits()
SIZE = (160, 96)


def png_of(
    rows: bytes, size: tuple[int, int], *, depth: int = 8, colour: int = 2, interlaced: int = 0
) -> bytes:
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    chunks = [(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")]
    return png.SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(pixels: NDArray[np.uint8]) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def reasons(path: Path) -> tuple[str, ...]:
    run = LumaPass(probe(path, limits=LIMITS), sample_fps=30, long_side_px=640, limits=LIMITS)
    list(run)
    return run.not_analysed


@pytest.mark.parametrize("there", [1, 48, 95])
def test_rows_that_a_png_lacks_are_counted(tmp_path: Path, there: int) -> None:
    data = zlib.compress(filtered(picture(5, SIZE)[:there]))
    (tmp_path / "half.png").write_bytes(png_of(data, SIZE))
    assert reasons(tmp_path / "half.png") == (f"{96 - there} of 96 rows missing",)


def test_half_a_picture_is_an_error_though_another_library_lets_pillow_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint leaves it
    Image.fromarray(picture(5, SIZE)).save(tmp_path / "half.jpg")
    data = (tmp_path / "half.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match="cannot be decoded"):
        reasons(tmp_path / "half.jpg")
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_png_whose_data_fails_its_checksum_is_told(tmp_path: Path) -> None:
    data = bytearray(zlib.compress(filtered(picture(5, SIZE)), 0))
    data[len(data) // 2] ^= 1
    text = png.list_missing(io.BytesIO(png_of(bytes(data), SIZE)))
    assert text == ("rows that are damaged or do not fit their checksum",)
    (tmp_path / "flipped.png").write_bytes(png_of(bytes(data), SIZE))
    with pytest.raises(DecodeError, match="broken data stream"):
        reasons(tmp_path / "flipped.png")


@given(
    width=st.integers(1, 20),
    height=st.integers(1, 20),
    mode=st.sampled_from(["1", "L", "P", "RGB", "RGBA", "I;16"]),
    level=st.integers(0, 9),
)
def test_nothing_is_told_of_a_whole_png(width: int, height: int, mode: str, level: int) -> None:
    pixels = Image.new(mode, (width, height), 1 if mode in ("1", "L", "P", "I;16") else "red")
    written = io.BytesIO()
    pixels.save(written, "PNG", compress_level=level)
    written.seek(0)
    assert png.list_missing(written) == ()


@given(width=st.integers(1, 20), height=st.integers(1, 20), bits=st.sampled_from([1, 4, 8]))
def test_the_rows_of_interlaced_pictures_are_those_of_their_passes(
    width: int, height: int, bits: int
) -> None:
    """Adam7 as the standard draws it, an 8 x 8 pattern of the passes' numbers."""
    pattern = np.array(
        [
            [1, 6, 4, 6, 2, 6, 4, 6],
            [7] * 8,
            [5, 6] * 4,
            [7] * 8,
            [3, 6, 4, 6, 3, 6, 4, 6],
            [7] * 8,
            [5, 6] * 4,
            [7] * 8,
        ]
    )
    drawn = np.tile(pattern, (3, 3))[:height, :width]
    size = 0
    for number in range(1, 8):
        columns = [int((row == number).sum()) for row in drawn if (row == number).any()]
        size += sum(1 + (count * bits + 7) // 8 for count in columns)
    for there, text in ((size, 0), (size - 1, 1)):
        rows = zlib.compress(bytes(there))
        data = png_of(rows, (width, height), depth=bits, colour=0, interlaced=1)
        assert len(png.list_missing(io.BytesIO(data))) == text


def animation(path: Path, frames: int) -> bytes:
    pages = [Image.fromarray(picture(number, SIZE)) for number in range(frames)]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=100)
    return path.read_bytes()


def test_frames_and_rows_that_an_animated_png_lacks_are_told(tmp_path: Path) -> None:
    path = tmp_path / "moving.png"
    data = animation(path, 4)
    assert reasons(path) == ()
    path.write_bytes(data[: data.rindex(b"fcTL") - 4] + chunk(b"IEND", b""))
    assert "1 of 4 frames of the animation are missing" in reasons(path)


def test_a_picture_beside_an_animation_is_none_of_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "moving.png"
    pages = [Image.fromarray(picture(number, SIZE)) for number in range(4)]
    pages[0].save(path, save_all=True, append_images=pages[1:], default_image=True)
    assert reasons(path) == ()
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"fcTL") - 4] + chunk(b"IEND", b""))
    assert "1 of 3 frames of the animation are missing" in reasons(path)


def test_of_many_damaged_frames_a_few_are_named() -> None:
    head = struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 0)
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, *SIZE, 0, 0, 1, 10, 0, 0))
    data = zlib.compress(b"\0" * 10)
    frames = (frame + chunk(b"fdAT", bytes(4) + data)) * 50
    file = png.SIGNATURE + chunk(b"IHDR", head) + chunk(b"acTL", bytes((0, 0, 0, 50, 0, 0, 0, 0)))
    text = png.list_missing(io.BytesIO(file + frames + chunk(b"IEND", b"")))
    assert len(text) == 6
    assert text[-1] == "rows of 45 more frames"


def test_what_other_threads_print_is_no_damage_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(picture(5, SIZE)).save(path)
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            os.write(2, b"epoch 3: 12 of 100\n")

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        for _ in range(50):
            assert decode_still(path, limits=LIMITS).damage == ()
    finally:
        stop.set()
        talking.join()


def test_a_tiff_that_fails_its_checksum_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    pixels = Image.fromarray(picture(5, SIZE)).convert("YCbCr")
    pixels.save(path, compression="tiff_adobe_deflate")
    assert reasons(path) == ()
    data = bytearray(path.read_bytes())
    page = Image.open(path)
    assert isinstance(page, TiffImageFile)
    (start, *_), (count, *_) = page.tag_v2[273], page.tag_v2[279]
    page.close()
    data[start + count - 1] ^= 0xFF  # of the checksum at the strip's end
    path.write_bytes(data)
    (reason,) = reasons(path)
    assert reason.startswith("damaged rows: ZIPDecode: ")
    run = LumaPass(probe(path, limits=LIMITS), sample_fps=30, long_side_px=640, limits=LIMITS)
    assert (list(run), run.damaged_ratio) == ([], 1.0)  # nothing is judged of it


def chained_tiff(path: Path, pages: int, *, loop: bool = False) -> Path:
    """Write pages of one grey picture, each pointing to the next."""
    size = 2 + 12 * 9 + 4
    data = 8 + pages * size
    tags = [(256, 3, 16), (257, 3, 16), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, data)]
    tags += [(277, 3, 1), (278, 3, 16), (279, 4, 256)]
    page = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", t, k, 1, v) for t, k, v in tags
    )
    links = [8 + (number + 1) * size for number in range(pages - 1)] + [8 if loop else 0]
    body = b"".join(page + struct.pack("<I", link) for link in links)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + body + bytes(256))
    return path


def test_pages_are_counted_up_to_a_limit(tmp_path: Path) -> None:
    def count(path: Path) -> int | None:
        return probe(path, limits=LIMITS).frames_from_header

    assert count(chained_tiff(tmp_path / "a.tif", 3)) == 3
    assert count(chained_tiff(tmp_path / "b.tif", LIMITS.max_pages)) == LIMITS.max_pages
    assert count(chained_tiff(tmp_path / "c.tif", 100_000)) is None
    assert count(chained_tiff(tmp_path / "d.tif", 2, loop=True)) is None


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1), (8001, 8000)])
def test_a_picture_that_is_too_long_or_too_large_is_refused(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    (tmp_path / "a.png").write_bytes(png_of(zlib.compress(b"\0"), size))
    with pytest.raises(LimitExceeded, match=f"has {size[0]}x{size[1]} pixels; at most"):
        probe(tmp_path / "a.png", limits=LIMITS)


def test_a_png_of_countless_texts_is_refused(tmp_path: Path) -> None:
    whole = png_of(zlib.compress(filtered(picture(5, SIZE))), SIZE)
    texts = b"".join(chunk(b"tEXt", b"k\0v") for _ in range(LIMITS.max_tags))
    (tmp_path / "a.png").write_bytes(whole[:33] + texts + whole[33:])
    with pytest.raises(LimitExceeded, match="texts and tags; at most 10000 allowed"):
        probe(tmp_path / "a.png", limits=LIMITS)


def test_a_large_flat_picture_takes_ten_bytes_a_pixel_at_the_most(tmp_path: Path) -> None:
    """A plain screenshot of 64 million pixels compresses to next to nothing, and is no attack."""
    path = tmp_path / "flat.png"
    Image.new("RGB", (8000, 8000), "white").save(path, compress_level=1)
    program = (
        "import resource, sys\n"
        "from unmask.core.settings import Limits\n"
        "from unmask.video.still import decode_still\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"assert decode_still({str(path)!r}, limits=Limits()).damage == ()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) * 1024 < 10 * 64_000_000


@pytest.mark.parametrize(("kind", "orientation"), [*product(["JPEG", "PNG", "TIFF"], range(1, 9))])
def test_pictures_are_turned_as_exif_says(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "a.img"
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(picture(5, SIZE))
    stored.save(path, kind, exif=exif)
    from PIL import ImageOps

    with Image.open(path) as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert np.array_equal(pixels_as_shown(path, limits=LIMITS), shown)
    assert (ROTATIONS.get(orientation, 0) % 180 == 90) == (shown.shape[:2] == (160, 96))


def save_turned(path: Path, size: tuple[int, int], orientation: int) -> None:
    exif = Image.Exif()  # of its own: some writers take the orientation out of it
    exif[0x0112] = orientation
    Image.fromarray(picture(5, size)).save(path, exif=exif, quality=95)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_avif_pictures_are_turned(tmp_path: Path, orientation: int) -> None:
    path, jpeg = tmp_path / "a.avif", tmp_path / "a.jpg"
    for each in (path, jpeg):
        save_turned(each, SIZE, orientation)
    info, shown = probe(path, limits=LIMITS), pixels_as_shown(path, limits=LIMITS)
    same = pixels_as_shown(jpeg, limits=LIMITS)
    assert (info.height_px, info.width_px) == shown.shape[:2] == same.shape[:2]
    assert np.abs(shown.astype(int) - same).mean() < 8


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_heic_pictures_are_put_together_and_turned(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip(
        "pillow_heif", reason="the extra `heic` is not installed"
    ).register_heif_opener()
    path, jpeg = tmp_path / "a.heic", tmp_path / "a.jpg"
    for each in (path, jpeg):
        save_turned(each, (1200, 800), orientation)
    info, shown = probe(path, limits=LIMITS), pixels_as_shown(path, limits=LIMITS)
    same = pixels_as_shown(jpeg, limits=LIMITS)
    assert info.kind == "image"
    assert (info.height_px, info.width_px) == shown.shape[:2] == same.shape[:2]
    assert np.abs(shown.astype(int) - same).mean() < 8


def test_an_animation_of_huge_frames_is_refused(tmp_path: Path) -> None:
    Image.new("P", (5000, 4000)).save(tmp_path / "a.gif")
    with pytest.raises(LimitExceeded, match="is an animation of 5000x4000 pixels; at most"):
        probe(tmp_path / "a.gif", limits=LIMITS)


def test_an_animation_that_unfolds_endlessly_is_read_up_to_its_budget(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    pages = [Image.new("P", (1000, 1000), number % 2) for number in range(20)]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=100)
    assert reasons(path) == ()
    few = Limits(free_animation_pixels=5_000_000, max_animation_pixels_per_byte=1)
    run = LumaPass(probe(path, limits=few), sample_fps=30, long_side_px=64, limits=few)
    assert len(list(run)) == 4
    assert "unfold to more pixels than" in run.not_analysed[0]


def test_more_streams_than_allowed_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(300)]
        frame = av.VideoFrame(16, 16, "yuv420p")
        for stream in streams:
            stream.width = stream.height = 16
            stream.pix_fmt = "yuv420p"
        for stream in streams:
            container.mux([*stream.encode(frame), *stream.encode(None)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((LimitExceeded, NotMedia), match="streams"):
        probe(path, limits=LIMITS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    ("count", "hidden", "said"),
    [
        (2 * 10**5, False, r"bytes of tags; at most 4194304 allowed"),
        (LIMITS.max_tags, False, r"has 1000\d tags; at most 10000 allowed"),
        # in an element that is passed over, but for the index that points into it
        (LIMITS.max_tags, True, r"has 1000\d tags; at most 10000 allowed"),
        (LIMITS.max_tags - 10, False, None),  # the clip has some of its own
        (LIMITS.max_tags - 10, True, None),
    ],
)
def test_more_tags_than_anyone_writes_are_refused_at_once(
    tmp_path: Path, count: int, hidden: bool, said: str | None
) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a"
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        frame = av.VideoFrame.from_ndarray(picture(5, SIZE), "rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert probe(path, limits=LIMITS).metadata["title"] == "a"

    def element(kind: str, data: bytes) -> bytes:
        return bytes.fromhex(kind) + (1 << 56 | len(data)).to_bytes(8, "big") + data

    tag = element("67C8", element("45A3", b"name") + element("4487", b"value"))
    tags = element("1254C367", element("7373", tag * count))
    data = bytearray(path.read_bytes())
    place, segment = data.index(bytes.fromhex("1F43B675")), data.index(bytes.fromhex("18538067"))
    if hidden:
        pointer = bytes.fromhex("53AB84 1254C367 53AC88")
        void = element("EC", tags)
        index = len(element("114D9B74", element("4DBB", pointer + bytes(8))))
        position = place - segment - 12 + index + len(void) - len(tags)
        at = position.to_bytes(8, "big")
        tags = element("114D9B74", element("4DBB", pointer + at)) + void
    size = int.from_bytes(data[segment + 5 : segment + 12], "big") + len(tags)
    data[place:place] = tags
    data[segment + 5 : segment + 12] = size.to_bytes(7, "big")
    path.write_bytes(data)
    if said is None:
        assert probe(path, limits=LIMITS).metadata["name"] == "value"
        return
    with pytest.raises(LimitExceeded, match=said):
        probe(path, limits=LIMITS)


def test_the_pictures_of_a_damaged_file_are_still_seen(tmp_path: Path) -> None:
    data = zlib.compress(filtered(picture(5, SIZE)[:60]))
    (tmp_path / "half.png").write_bytes(png_of(data, SIZE))
    assert number_in(decode_still(tmp_path / "half.png", limits=LIMITS).pixels) == 5


def test_a_video_is_no_picture_and_loads_none_of_the_other_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_all() -> bool:
        raise AssertionError("Pillow loads its readers of all formats")

    monkeypatch.setattr(Image, "init", load_all)
    path = write_clip(tmp_path / "a.mp4", frames=2)
    assert open_still(path, limits=LIMITS) is None
