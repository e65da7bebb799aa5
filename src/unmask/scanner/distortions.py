"""What happens to a face on its way: compression, scaling, blur, filters, noise, light, framing.

Each distortion is a function of pixels and a level; all keep the picture's size, so that a detector
sees the same framing but for `crop shift` and `horizontal flip`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels, float, np.random.Generator], Pixels]

_CLIP_FRAMES = 3
"""Pictures in the still clip that a crop is compressed as; the last one is taken."""
_CLIP_FPS = 25


def h264(pixels: Pixels, crf: float) -> Pixels:
    """Compress a picture as a short still clip by x264 and return its last frame.

    Args:
        pixels: `(H, W, 3)` RGB.
        crf: constant rate factor: 18 is hardly visible, 40 is strong.
    """
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    clip = io.BytesIO()
    with av.open(clip, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=_CLIP_FPS)
        stream.height, stream.width = even.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": f"{crf:g}", "threads": "1"}
        for _ in range(_CLIP_FRAMES):
            container.mux(stream.encode(VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())
    clip.seek(0)
    with av.open(clip, "r") as written:
        written.streams.video[0].codec_context.thread_count = 1
        last = list(written.decode(video=0))[-1]
    return np.asarray(last.to_ndarray(format="rgb24")[:height, :width], dtype=np.uint8)


def jpeg(pixels: Pixels, quality: float) -> Pixels:
    """Compress a picture as JPEG with colour at half the resolution."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(quality), subsampling="4:2:0")
    return np.asarray(Image.open(buffer).convert("RGB"))


def scale(pixels: Pixels, factor: float) -> Pixels:
    """Scale a picture down and up again to its size."""
    height, width = pixels.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = Image.fromarray(pixels).resize(small, Image.Resampling.BILINEAR)
    return np.asarray(shrunk.resize((width, height), Image.Resampling.BILINEAR))


def blur(pixels: Pixels, percent: float) -> Pixels:
    """Blur a picture; the standard deviation is given in percent of its height."""
    sigma = percent / 100 * pixels.shape[0]
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def smooth_skin(pixels: Pixels, percent: float) -> Pixels:
    """Smooth texture and keep edges, as beauty filters do: a median over percent of the height."""
    window = 2 * round(percent / 100 * pixels.shape[0] / 2) + 1
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(max(3, window))))


def noisy(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Add normal noise of a standard deviation in grey levels to each value."""
    return _clip(pixels + rng.normal(0, sigma, pixels.shape))


def brighter(pixels: Pixels, factor: float) -> Pixels:
    """Multiply all values."""
    return _clip(pixels * factor)


def shift(pixels: Pixels, percent: float, rng: np.random.Generator) -> Pixels:
    """Move the face in a drawn direction, by percent of the height; the edge is repeated."""
    angle = rng.uniform(0, 2 * np.pi)
    down, right = np.round(
        pixels.shape[0] * percent / 100 * np.array([np.sin(angle), np.cos(angle)])
    )
    rows = np.clip(np.arange(pixels.shape[0]) - int(down), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(pixels.shape[1]) - int(right), 0, pixels.shape[1] - 1)
    return pixels[rows[:, None], columns[None, :]]


def flip(pixels: Pixels, times: float) -> Pixels:
    """Mirror a picture from left to right."""
    return pixels[:, ::-1] if times % 2 else pixels


def share_online(pixels: Pixels, times: float) -> Pixels:
    """Share as social media do: H.264 crf 23, then scaled to 60 % and crf 30; repeatedly."""
    for _ in range(int(times)):
        height, width = pixels.shape[:2]
        sent = Image.fromarray(h264(pixels, 23))
        small = sent.resize((round(width * 0.6), round(height * 0.6)), Image.Resampling.BILINEAR)
        kept = Image.fromarray(h264(np.asarray(small), 30))
        pixels = np.asarray(kept.resize((width, height), Image.Resampling.BILINEAR))
    return pixels


def _clip(values: NDArray[np.floating[Any]]) -> Pixels:
    return np.round(values).clip(0, 255).astype(np.uint8)


def _without_draws(change: Callable[[Pixels, float], Pixels]) -> Change:
    """Return a change that draws nothing."""

    def changed(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
        del rng
        return change(pixels, level)

    return changed


@dataclass(frozen=True)
class Distortion:
    """A kind of distortion with the levels that are tried."""

    change: Change
    """From pixels, level and a generator to pixels of the same shape."""
    unit: str
    """What a level is."""
    levels: tuple[float | None, ...]
    """In the order of a curve; None is where the picture as it is stands."""

    @property
    def tried(self) -> tuple[float, ...]:
        """The levels without the picture as it is."""
        return tuple(level for level in self.levels if level is not None)


DISTORTIONS: dict[str, Distortion] = {
    "H.264": Distortion(_without_draws(h264), "crf", (None, 23, 28, 40)),
    "JPEG": Distortion(_without_draws(jpeg), "quality", (None, 90, 70, 50, 30)),
    "down-scaling": Distortion(_without_draws(scale), "factor", (None, 0.75, 0.5, 0.25)),
    "blur": Distortion(_without_draws(blur), "% of height", (None, 0.5, 1, 2)),
    "skin smoothing": Distortion(_without_draws(smooth_skin), "% of height", (None, 1, 3)),
    "noise": Distortion(noisy, "grey levels", (None, 4, 8, 16)),
    "brightness": Distortion(_without_draws(brighter), "factor", (0.5, 0.75, None, 1.25, 1.5)),
    "crop shift": Distortion(shift, "% of height", (None, 3, 6, 12)),
    "horizontal flip": Distortion(_without_draws(flip), "flip", (None, 1)),
    "social media": Distortion(_without_draws(share_online), "x shared", (None, 1, 2)),
}
"""Every distortion, by name."""


AS_THEY_ARE = "none"
"""Name of the condition without a distortion."""


@dataclass(frozen=True)
class Condition:
    """A distortion at a level."""

    distortion: str
    """Name in `DISTORTIONS`, or `none`."""
    level: float | None
    """In its unit; None for `none`."""

    @property
    def text(self) -> str:
        """The level with its unit."""
        if self.level is None:
            return "as they are"
        return f"{self.level:g} {DISTORTIONS[self.distortion].unit}"

    def of(self, pixels: Pixels, *, seed: tuple[int, ...] | int = 0) -> Pixels:
        """Return a picture under this condition."""
        if self.level is None:
            return pixels
        return distort(pixels, self.distortion, self.level, seed=seed)


def list_conditions(names: Iterable[str]) -> tuple[Condition, ...]:
    """Return every level of some distortions."""
    return tuple(Condition(name, level) for name in names for level in DISTORTIONS[name].tried)


def distort(pixels: Pixels, name: str, level: float, *, seed: tuple[int, ...] | int = 0) -> Pixels:
    """Distort a picture.

    Args:
        pixels: `(H, W, 3)` RGB uint8, not changed.
        name: in `DISTORTIONS`.
        level: in the unit of that distortion.
        seed: of what is drawn.

    Returns:
        `(H, W, 3)` RGB uint8.
    """
    changed = DISTORTIONS[name].change(pixels, level, np.random.default_rng(seed))
    return np.ascontiguousarray(changed, dtype=np.uint8)
