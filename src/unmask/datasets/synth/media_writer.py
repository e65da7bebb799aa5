"""Writing invented footage to disk: videos, mask videos, folders of frames. Folders are made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

JPEG_QUALITY = 92
"""Quality of frames that are written as JPEG."""


def write_video(
    path: str | Path,
    frames: NDArray[np.uint8],
    *,
    fps: int = 25,
    codec: str = "libx264",
    crf: int = 23,
) -> None:
    """Encode frames; the container follows from the file's name.

    Args:
        path: file to write.
        frames: `(T, H, W, 3)` uint8 RGB with an even height and width.
        fps: frames per second.
        codec: encoder as PyAV names it.
        crf: constant rate factor for encoders of H.264; smaller is better.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)  # noqa: S101 - a codec of pictures, for mypy
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        stream.options = {"flags": "+bitexact"}
        if codec == "libx264":
            # without mbtree, which makes the bytes depend on what memory held before
            stream.options |= {"crf": str(crf), "preset": "veryfast", "x264-params": "mbtree=0"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def write_mask_video(path: str | Path, masks: NDArray[np.uint8], *, fps: int = 25) -> None:
    """Encode masks, `(T, H, W)` uint8, as a grey video of high quality."""
    write_video(path, np.repeat(masks[..., None], 3, axis=-1), fps=fps, crf=12)


def write_frames(folder: str | Path, frames: NDArray[np.uint8], suffix: str = ".png") -> None:
    """Write frames `(T, H, W, 3)` or masks `(T, H, W)` as pictures `0000`, `0001`, ..."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        write_picture(Path(folder, f"{number:04d}{suffix}"), frame)


def write_picture(path: str | Path, frame: NDArray[np.uint8]) -> None:
    """Write one picture, `(H, W, 3)` or `(H, W)` uint8, in the format of its name."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(path, quality=JPEG_QUALITY)
