"""A long run takes no more memory than a short one, all its processes together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from benchmarks.growth import clips, growth, memory

EXAMPLE = Path(__file__).parents[2] / "examples" / "original.mp4"
FILES, CONTROL = 300, 100
"""Clips of the run, and of the control, in which 80 more results of 2 MiB are enough to fail."""
ALLOWED_MIB = 70.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return folders of clips of half a second, with a face that is found and judged."""
    path = tmp_path_factory.mktemp("clips")
    with av.open(EXAMPLE) as source, av.open(path / "tiny.mp4", "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"x264-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in zip(range(12), source.decode(video=0), strict=False):
            small = frame.reformat(320, 240, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(small))
        target.mux(stream.encode())
    for count in (FILES, CONTROL):
        clips(path / str(count), count, path / "tiny.mp4")
    return path


def grown(folder: Path, store: Path, files: int, *, keep: bool) -> tuple[float, float]:
    """Return MiB around the 20th file and around the last one."""
    samples = memory(folder / str(files), store, ["--triage", "--no-explain"], keep=keep)
    assert len(samples) == files
    return growth(samples)


@pytest.mark.system
def test_memory_after_300_files_is_that_after_20(folder: Path, tmp_path: Path) -> None:
    early, late = grown(folder, tmp_path / "store", FILES, keep=False)
    assert late - early <= ALLOWED_MIB, f"{early:.0f} MiB, then {late:.0f} MiB"


@pytest.mark.system
def test_a_run_that_keeps_its_results_is_over_the_bound(folder: Path, tmp_path: Path) -> None:
    early, late = grown(folder, tmp_path / "store", CONTROL, keep=True)
    assert late - early > ALLOWED_MIB, f"{early:.0f} MiB, then {late:.0f} MiB"
