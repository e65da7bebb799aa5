"""A long run takes no more memory than a short one, all its processes together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from benchmarks.growth import clips, growth, memory

EXAMPLE = Path(__file__).parents[2] / "examples" / "original.mp4"
FILES = 300
ALLOWED_MIB = 70.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of clips of half a second, with a face that is found and judged."""
    path = tmp_path_factory.mktemp("clips")
    with av.open(EXAMPLE) as source, av.open(path / "tiny.mp4", "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"x264-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in zip(range(12), source.decode(video=0), strict=False):
            small = frame.reformat(320, 240, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(small))
        target.mux(stream.encode())
    clips(path / "many", FILES, path / "tiny.mp4")
    return path / "many"


@pytest.mark.system
@pytest.mark.parametrize("keep", [False, True], ids=["as it is", "with all results kept"])
def test_memory_after_300_files_is_that_after_20(folder: Path, tmp_path: Path, keep: bool) -> None:
    samples = memory(folder, tmp_path / "store", ["--triage", "--no-explain"], keep=keep)
    assert len(samples) == FILES
    early, late = growth(samples)
    assert (late - early > ALLOWED_MIB) is keep, f"{early:.0f} MiB, then {late:.0f} MiB"
