"""The memory of a folder run with all its processes does not grow with the files (Linux)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow (extra `data`)")

import av
from av.video.frame import VideoFrame
from benchmarks import growth

FILES = 60
MOST_MIB = 40
"""Growth from the 20th file to the last one; the control grows by 80."""

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.mark.parametrize("keep", [False, True], ids=["as it is", "control"])
def test_memory_after_60_files_is_that_after_20(tmp_path: Path, keep: bool) -> None:
    picture = tmp_path / "one.jpg"
    with av.open(str(growth.CLIP)) as container:
        frame = next(container.decode(video=0))
        assert isinstance(frame, VideoFrame)
        frame.to_image().save(picture)
    growth.clips(tmp_path / "in", FILES, picture)
    samples = growth.memory(tmp_path / "in", tmp_path / "out", ["--no-explain"], keep=keep)
    early, late = growth.growth(samples)
    assert (late - early < MOST_MIB) is not keep, samples
