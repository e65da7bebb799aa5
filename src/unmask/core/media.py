"""Pictures in memory, and what a media file says of itself before anything is decoded.

Pictures are HWC RGB uint8 as shown on a screen: rotation and pixel aspect are applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded picture."""

    index: int
    """Position among all decoded frames, from 0."""
    pts_seconds: float
    """Time stamp, seconds from the first frame."""
    image: NDArray[np.uint8]
    """`(H, W, 3)` RGB."""

    def __post_init__(self) -> None:
        """Check shape and type."""
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, got {self.image.shape}")

    def __repr__(self) -> str:
        """Show the shape, not the pixels."""
        height, width = self.image.shape[:2]
        return f"Frame(index={self.index}, pts_seconds={self.pts_seconds:.3f}, {width}x{height})"


@dataclass(frozen=True, eq=False)
class PicturePart:
    """A part of a picture that is cut by the coordinates of the whole: `part[rows, columns]`."""

    pixels: NDArray[np.uint8]
    """`(h, w, 3)` RGB of the part."""
    left: int
    """Column of the whole where it begins."""
    top: int
    """Row of the whole where it begins."""
    shape: tuple[int, int, int]
    """Height, width and channels of the whole."""
    whole: Callable[[], NDArray[np.uint8]]
    """Returns the whole picture, should more than the part be asked for; that may take long."""

    def __getitem__(
        self, place: tuple[slice | NDArray[np.int64], slice | NDArray[np.int64]]
    ) -> NDArray[np.uint8]:
        """Return pixels as `whole()[place]` does; slices have both ends and no step."""
        height, width = self.pixels.shape[:2]
        rows = _within(place[0], self.top, height)
        columns = _within(place[1], self.left, width)
        if rows is None or columns is None:
            return self.whole()[place]
        return self.pixels[rows, columns]

    def __repr__(self) -> str:
        """Show the place, not the pixels."""
        height, width = self.pixels.shape[:2]
        return f"PicturePart({width}x{height} at {self.left}, {self.top} of {self.shape})"


def _within(
    place: slice | NDArray[np.int64], start: int, length: int
) -> slice | NDArray[np.int64] | None:
    """Return places of a whole as those of a part; None where they reach beyond it."""
    if isinstance(place, slice):
        low, high = place.start - start, place.stop - start
        return slice(low, high) if 0 <= low <= high <= length else None
    moved = place - start
    return moved if moved.min() >= 0 and moved.max() < length else None


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a container."""

    index: int
    """Position in the container."""
    kind: str
    """`video`, `audio`, `subtitle`, `data` or `attachment`."""
    codec: str | None
    """Codec name, where it is known."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself, read before anything is decoded."""

    path: str
    """Path as given."""
    sha256: str
    """SHA-256 of the file's bytes, hexadecimal."""
    size_bytes: int
    """Size of the file."""
    kind: Literal["video", "image"]
    """Moving (animations too) or still."""
    container: str
    """Container format name."""
    codec: str
    """Codec name of the picture stream."""
    pixel_format: str
    """FFmpeg's name of the pixel format."""
    bit_depth: int
    """Bits per component."""
    width_px: int
    """Width as shown: after rotation and pixel aspect."""
    height_px: int
    """Height as shown."""
    rotation_degrees: int
    """Clockwise turn that the header asks of a player: 0, 90, 180 or 270."""
    pixel_aspect: float
    """Width of a coded pixel over its height."""
    transfer: Literal["sdr", "pq", "hlg"]
    """Transfer function: standard or one of the two HDR ones."""
    fps_from_header: float | None
    """Average frame rate, as the header has it."""
    duration_seconds: float | None
    """Duration, as the header has it."""
    frames_from_header: int | None
    """Number of frames, as the header has it."""
    streams: tuple[StreamInfo, ...]
    """All streams."""
    metadata: dict[str, str]
    """Container and stream metadata, as written by whoever made the file: untrusted text."""
    mirrored: bool = False
    """Whether the header asks a player to mirror the turned picture left to right."""
