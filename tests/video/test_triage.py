"""A triage shows the frames that it says it shows, in every kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import number_in, remux, spoil_packet, write_clip
from unmask.core.settings import Limits
from unmask.video import TriagePass, probe, read_looks
from unmask.video.look_plan import (
    LOOKS_PER_SHOT,
    MOST_BETWEEN,
    MOST_EXTRA,
    PacketIndex,
    plan_looks,
)

LIMITS = Limits()
FPS = 25
X265 = {"x265-params": "open-gop=1:keyint=24:min-keyint=24:bframes=4:log-level=none"}
KINDS: dict[str, dict[str, Any]] = {
    "long-gop.mp4": {"frames": 120, "gop": 250},
    "short-gops.mkv": {"frames": 120, "gop": 6},
    "three-seconds.mp4": {"frames": 75, "gop": 250, "options": {"bf": "3"}},
    "open-gop.mp4": {"frames": 100, "codec": "libx265", "options": X265},
    "intra-only.mkv": {"frames": 100, "codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "vp9.webm": {"frames": 60, "codec": "libvpx-vp9", "gop": 30, "options": {"cpu-used": "8"}},
    "mpeg.mpg": {"frames": 60, "codec": "mpeg1video", "gop": 15},
    "animation.gif": {"frames": 30, "codec": "gif", "pix_fmt": "rgb8"},
    "no-stamps.avi": {"frames": 60, "codec": "libx264", "options": {"bf": "2"}},
    "one-frame.mp4": {"frames": 1},
}


def looked_through(path: Path) -> tuple[TriagePass, list[Any], list[int]]:
    """Return a finished triage, its stamps and the numbers that its pictures show."""
    triage = TriagePass(probe(path, limits=LIMITS), sample_fps=30, long_side_px=96, limits=LIMITS)
    frames = [(frame.stamp, number_in(frame.luma)) for frame in triage]
    return triage, [stamp for stamp, _ in frames], [number for _, number in frames]


@pytest.mark.parametrize("name", KINDS)
def test_looks_are_frames_of_the_file_at_their_times(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, size=(96, 64), fps=FPS, **KINDS[name])
    triage, stamps, numbers = looked_through(path)
    frames = KINDS[name]["frames"]
    rate = triage.info.fps_from_header or FPS
    # AVI holds the times of decoding only: FFmpeg's guess of the others is off by reordering.
    tolerance = 2 if name == "no-stamps.avi" else 0
    expected = [round(stamp.pts_seconds * rate) for stamp in stamps]
    np.testing.assert_allclose(numbers, expected, atol=tolerance)
    assert numbers == sorted(set(numbers))
    if triage.index is not None:
        assert len(numbers) >= min(LOOKS_PER_SHOT, frames)
        again = read_looks(triage.info, triage.index, stamps[1::2], limits=LIMITS)
        assert [number_in(frame.image) for frame in again] == numbers[1::2]


@pytest.mark.parametrize("name", ["long-gop.mp4", "no-stamps.avi"])
def test_what_was_not_looked_at_is_said(tmp_path: Path, name: str) -> None:
    triage, stamps, _ = looked_through(write_clip(tmp_path / name, **KINDS[name]))
    assert f"all but the {len(stamps)} frames that a triage looked at" in triage.not_analysed
    assert triage.seconds_analysed == pytest.approx(len(stamps) / FPS, rel=0.05)
    assert not triage.is_whole


def test_a_triage_that_sees_every_frame_is_whole(tmp_path: Path) -> None:
    triage, stamps, _ = looked_through(write_clip(tmp_path / "short.mp4", frames=5))
    assert (len(stamps), triage.not_analysed, triage.is_whole) == (5, (), True)


def test_a_file_without_its_end_is_looked_through(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "whole.mkv", **KINDS["short-gops.mkv"])
    cut = tmp_path / "cut.mkv"
    data = path.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 5])
    _, stamps, numbers = looked_through(cut)
    assert numbers == [round(stamp.pts_seconds * FPS) for stamp in stamps]
    assert len(numbers) >= LOOKS_PER_SHOT


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=30),
    progressive=st.booleans(),
)
def test_a_plan_holds_frames_of_the_file_once_each(lengths: list[int], progressive: bool) -> None:
    keys = np.concatenate([[True] + [False] * (length - 1) for length in lengths])
    index = PacketIndex(np.arange(len(keys)) * 3, keys, 1 / 75, 3, progressive)
    plan = plan_looks(index)
    assert set(plan) <= set(index.pts)
    assert (np.diff(plan) > 0).all()
    assert len(plan) <= len(lengths) + MOST_EXTRA
    if progressive:
        assert len(plan) >= min(LOOKS_PER_SHOT, len(keys))
    else:
        assert set(plan) <= set(index.pts[keys])


def packets_behind_keys(index: PacketIndex, plan: Any) -> int:
    """Count the packets from each key frame to the last look into its group."""
    starts = np.flatnonzero(index.keys)
    places = np.flatnonzero(np.isin(index.pts, plan))
    groups = np.searchsorted(starts, places, side="right") - 1
    return sum(int(places[groups == g].max() - starts[g]) for g in set(groups.tolist()))


@pytest.mark.parametrize("lengths", [[150, 250] * 5, [60] * 40 + [90], [250] * 6])
def test_the_cost_of_further_looks_does_not_grow_with_the_film(lengths: list[int]) -> None:
    keys = np.concatenate([[True] + [False] * (length - 1) for length in lengths])
    index = PacketIndex(np.arange(len(keys)), keys, 1 / 25, 1, progressive=True)
    plan = plan_looks(index)
    assert packets_behind_keys(index, plan) <= MOST_BETWEEN + MOST_EXTRA * LOOKS_PER_SHOT


def test_one_group_is_looked_into_to_its_end() -> None:
    index = PacketIndex(np.arange(5000), np.arange(5000) == 0, 1 / 25, 1, progressive=True)
    assert plan_looks(index)[-1] == 4999


@pytest.mark.parametrize(("steps", "looks"), [(0, 8), (150, 16)])
def test_a_group_cut_short_is_a_shot_only_where_the_picture_changes(
    tmp_path: Path, steps: int, looks: int
) -> None:
    def draw(number: int, size: tuple[int, int]) -> Any:
        return np.full((size[1], size[0], 3), 40 + steps * (number // 20 % 2), np.uint8)

    options = {"bf": "0", "x264-params": "scenecut=0:log-level=none"}
    whole = write_clip(tmp_path / "whole.mp4", frames=100, gop=20, options=options, draw=draw)
    path = remux(whole, tmp_path / "short-group.mp4", drop=range(30, 40))
    triage = TriagePass(probe(path, limits=LIMITS), sample_fps=30, long_side_px=96, limits=LIMITS)
    assert len(list(triage)) == looks


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damaged_frames_are_not_looked_at(tmp_path: Path, codec: str) -> None:
    quiet = {"libx265": {"x265-params": "log-level=none"}}
    options = quiet.get(codec, {"x264-params": "scenecut=0:log-level=none"})
    path = write_clip(tmp_path / "a.mp4", frames=60, gop=20, codec=codec, options=options)
    spoil_packet(path, 1, key=True)
    triage, _, numbers = looked_through(path)
    assert not set(numbers) & set(range(20, 38))
    assert {0, 40} <= set(numbers)
    assert any("are damaged" in reason for reason in triage.not_analysed)
