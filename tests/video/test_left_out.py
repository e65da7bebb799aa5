"""A quick reading leaves out frames that no other depends on; the others are what they were."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from clips import remux, spoil_packet
from unmask.core.settings import Limits
from unmask.video import probe
from unmask.video.decode import Decoding, FrameStamp
from unmask.video.nal import is_disposable
from unmask.video.shortfall import Lack, compute_shortfall

EXAMPLE = Path(__file__).parents[2] / "examples" / "original.mp4"
LIMITS = Limits()


def read(
    path: Path, *, quick: bool, limits: Limits = LIMITS
) -> tuple[dict[FrameStamp, bytes], Lack, Decoding]:
    """Return the frames of a film, what it lacks, and the account of the reading."""
    decoding = Decoding(probe(path, limits=limits), limits, quick=quick)
    frames = {stamp: frame.to_ndarray().tobytes() for stamp, frame in decoding}
    return frames, compute_shortfall(decoding), decoding


def encoded(path: Path, encoder: str, options: dict[str, str]) -> Path:
    """Write the beginning of the example as an encoder makes it."""
    with av.open(str(EXAMPLE)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream(encoder, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video=0), 60)):
            small = frame.reformat(width=320, height=240)
            small.pts, small.time_base, small.pict_type = number, Fraction(1, 25), 0
            target.mux(stream.encode(small))
        target.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("libx264", {}),
        ("libx264", {"x264-params": "bframes=3:b-pyramid=none:keyint=12:open-gop=1"}),
        ("libx264", {"x264-params": "bframes=8:b-adapt=0:b-pyramid=strict"}),
        ("libx265", {"x265-params": "log-level=none:keyint=20"}),
        ("libx265", {"x265-params": "log-level=none:temporal-layers=3"}),
    ],
)
def test_frames_that_are_decoded_are_the_same_to_the_pixel(
    tmp_path: Path, encoder: str, options: dict[str, str]
) -> None:
    path = encoded(tmp_path / "film.mp4", encoder, options)
    everything, lack, whole = read(path, quick=False)
    some, same_lack, quick = read(path, quick=True)
    assert len(some) + quick.left_out == len(everything) == 60
    assert quick.left_out >= 10
    assert some.items() <= everything.items()
    assert same_lack == lack
    assert (quick.seconds, quick.clock.count) == (whole.seconds, whole.clock.count)


def test_a_long_row_of_such_frames_is_not_left_out_as_a_whole(tmp_path: Path) -> None:
    options = {"x264-params": "bframes=12:b-adapt=0:b-pyramid=none"}
    path = encoded(tmp_path / "film.mp4", "libx264", options)
    indices = [stamp.index for stamp in read(path, quick=True)[0]]
    assert max(np.diff(indices)) <= 4


@pytest.mark.parametrize(
    ("encoder", "name"), [("mpeg4", "film.mp4"), ("libx264", "film.avi"), ("libx264", "film.ts")]
)
def test_all_is_decoded_where_it_is_not_known_what_can_go(
    tmp_path: Path, encoder: str, name: str
) -> None:
    path = encoded(tmp_path / name, encoder, {"bf": "2"})
    frames, _, quick = read(path, quick=True)
    assert (len(frames), quick.left_out) == (60, 0)


def test_a_file_without_such_frames_is_read_as_a_whole(tmp_path: Path) -> None:
    path = encoded(tmp_path / "film.mp4", "libx264", {"x264-params": "bframes=0"})
    assert read(path, quick=True)[2].left_out == 0


@pytest.mark.parametrize("number", [5, 6, 7, 8, 40])
def test_what_is_damaged_is_not_taken_for_sound(tmp_path: Path, number: int) -> None:
    path = remux(EXAMPLE, tmp_path / "film.mp4")
    spoil_packet(path, number)
    everything, _, _ = read(path, quick=False)
    some, lack, _ = read(path, quick=True)
    sound = {stamp for stamp in some if not stamp.damaged}
    assert sound <= {stamp for stamp in everything if not stamp.damaged}
    assert lack.damaged_ratio > 0


def test_the_limit_of_time_holds_for_frames_that_are_left_out() -> None:
    limits = Limits(max_seconds=2.0)
    whole, quick = (read(EXAMPLE, quick=each, limits=limits)[2] for each in (False, True))
    assert quick.behind_limit
    assert quick.seconds == pytest.approx(whole.seconds, abs=0.2)


def test_nothing_is_known_of_other_codecs_and_of_damaged_configurations() -> None:
    slice_of_no_reference = b"\0\0\0\2\x01\x9a"
    assert is_disposable("h264", b"\1\x64\0\x1f\xff", slice_of_no_reference)
    assert not is_disposable("h264", b"\1\x64\0\x1f\xff", b"\0\0\0\2\x41\x9a")
    assert not is_disposable("h264", b"\1\x64", slice_of_no_reference)
    assert not is_disposable("h264", None, slice_of_no_reference)
    assert not is_disposable("vp9", b"\1\x64\0\x1f\xff", slice_of_no_reference)
    assert not is_disposable("h264", b"\1\x64\0\x1f\xff", b"\0\0\0\xff\x01")
