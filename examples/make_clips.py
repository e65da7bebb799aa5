"""Make `original.mp4` and `forged.mp4` from one public-domain portrait: `python make_clips.py`.

The portrait (Eileen Collins, NASA; scikit-image's `astronaut`) is warped into a talking head: sway,
zoom, roll, an opening mouth, blinks, changing light, sensor noise. The forged clip differs in the
face alone: in every frame it is replaced through a soft mask by a mirrored, recoloured, softer copy
that lags a little behind the head, which leaves the traces that face swaps share. Needs
scikit-image, SciPy and PyAV; every run gives the same frames.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from skimage.data import astronaut

Array = NDArray[np.float64]

FPS = 25
SECONDS = 6
WIDTH_PX, HEIGHT_PX = 640, 480
ZOOM = 1.9
"""Pixels of the clip for a pixel of the portrait."""
VIEW = (229.0, 134.0)
"""x, y of the portrait in the middle of the clip."""
HEAD = (224.0, 112.0)
MOUTH = (224.0, 148.0, 18.0)
"""x, y of the lower edge of the teeth, half width."""
EYES = ((202.0, 100.6), (247.0, 102.6))
INSIDE_MOUTH = (58.0, 22.0, 24.0)
BLINKS = (0.9, 2.7, 3.1, 5.0)
"""Seconds at which the eyes are closed."""


def smooth_step(values: Array) -> Array:
    """Rise from 0 to 1 between 0 and 1, without corners."""
    share = np.clip(values, 0, 1)
    return share * share * (3 - 2 * share)


def wave(seconds: float, *terms: tuple[float, float, float]) -> float:
    """Add up sines, each given by amplitude, frequency in hertz and phase."""
    return float(sum(a * np.sin(2 * np.pi * f * seconds + p) for a, f, p in terms))


def mouth_opening(seconds: float) -> float:
    """Return how far the jaw is down, in pixels of the portrait: syllables in two phrases."""
    phrase = float(smooth_step(np.array(1.6 * np.sin(2 * np.pi * seconds / 3.0 - 0.4) + 0.7)))
    syllables = 0.5 + 0.5 * wave(seconds, (0.7, 2.6, 0.3), (0.3, 4.3, 1.0))
    return 6.0 * phrase * max(0.0, syllables)


def eye_closing(seconds: float) -> float:
    """Return how far the lids are down, 0 to 1."""
    return max(float(np.exp(-(((seconds - at) / 0.075) ** 2))) for at in BLINKS)


def head_coordinates(seconds: float, shake: tuple[float, float]) -> tuple[Array, Array]:
    """Return which point of the resting head each pixel of the clip shows, as x and y.

    The motion fades out around the head, so that the wall stands still and the neck bends.
    """
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float64)
    x = VIEW[0] + (columns - WIDTH_PX / 2) / ZOOM + shake[0]
    y = VIEW[1] + (rows - HEIGHT_PX / 2) / ZOOM + shake[1]
    reach = np.hypot((x - HEAD[0]) / 1.0, (y - HEAD[1]) / 1.1)
    follows = 1 - smooth_step((reach - 70) / 85)
    roll = np.deg2rad(wave(seconds, (2.6, 0.31, 0.4), (0.8, 0.83, 2.0)))
    scale = 1 + wave(seconds, (0.02, 0.23, 1.1), (0.006, 0.9, 0.0))
    sway_x = wave(seconds, (6.0, 0.27, 0.0), (1.6, 0.71, 1.3))
    sway_y = wave(seconds, (2.6, 0.37, 0.7), (1.0, 1.1, 0.2))
    pivot_x, pivot_y = HEAD[0], HEAD[1] + 70  # the head rolls about the neck
    dx, dy = x - pivot_x - sway_x, y - pivot_y - sway_y
    head_x = pivot_x + (np.cos(roll) * dx + np.sin(roll) * dy) / scale
    head_y = pivot_y + (-np.sin(roll) * dx + np.cos(roll) * dy) / scale
    return x + follows * (head_x - x), y + follows * (head_y - y)


def open_mouth(x: Array, y: Array, opening: float) -> tuple[Array, Array]:
    """Let the jaw down: return the new y, and how much of each pixel is the inside of the mouth."""
    across = (x - MOUTH[0]) / MOUTH[2]
    slit = MOUTH[1] - 6.5 * across**2
    gap = opening * np.clip(1 - across**2, 0, None) ** 0.7
    fades = 1 - smooth_step((y - 176) / 34)
    below = y > slit + gap
    inside = np.minimum(y - slit, slit + gap - y) + 0.5
    moved = np.where(below, y - gap * fades, np.minimum(y, slit))
    return np.where(y > slit, moved, y), np.clip(inside, 0, 1) * (gap > 0.3)


def close_eyes(x: Array, y: Array, closing: float) -> Array:
    """Stretch the skin under the brow down over the eyes: return the new y."""
    for eye_x, eye_y in EYES:
        across = np.clip(1 - ((x - eye_x) / 11.0) ** 2, 0, 1)
        brow, lashes = eye_y - 7.0, eye_y - 2.0
        lid = lashes + closing * across * 5.2
        stretched = brow + (y - brow) * (lashes - brow) / (lid - brow)
        y = np.where((y > brow) & (y <= lid), stretched, y)
    return y


def other_face(portrait: Array) -> Array:
    """Return the portrait with the face that is put in: mirrored, softer, of another colour."""
    rows, columns = np.mgrid[0 : portrait.shape[0], 0 : portrait.shape[1]].astype(np.float64)
    across, down = columns - 224.5, rows - 122.0
    tilt = np.deg2rad(2.5)  # the eyes of the mirrored face come to lie on those of the head
    source_x = 224.5 - (across * np.cos(tilt) + down * np.sin(tilt)) / 1.03
    source_y = 122.0 + (down * np.cos(tilt) - across * np.sin(tilt)) / 1.03
    face = sample(curve(portrait), source_x, source_y, order=3)
    face = gaussian_filter(face, (0.6, 0.6, 0))
    middle = face[90:170, 190:260].mean((0, 1))
    return (face - middle) * 0.93 + middle * np.array([0.965, 0.95, 1.01])


def face_mask(shape: tuple[int, int]) -> Array:
    """Return the share of the put-in face at each pixel: brows to chin, with a soft edge."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    down = (rows - 129.0) / 41.0
    half_width = 36.0 - 5.0 * np.clip(down, 0, 1)
    reach = (np.abs((columns - 224.0) / half_width) ** 2.6 + np.abs(down) ** 2.6) ** (1 / 2.6)
    return gaussian_filter((reach < 1).astype(np.float64), 2.2)


def curve(picture: Array) -> Array:
    """Return the coefficients that `sample` needs for order 3."""
    return np.stack([spline_filter(picture[..., c], order=3) for c in range(3)], axis=-1)


def sample(picture: Array, x: Array, y: Array, order: int = 1) -> Array:
    """Return the colours of a picture at points."""
    at = np.stack([y, x])
    channels = [
        map_coordinates(picture[..., c], at, order=order, mode="nearest", prefilter=False)
        for c in range(picture.shape[2])
    ]
    return np.stack(channels, axis=-1)


def put_in(portrait: Array, face: Array, mask: Array, seconds: float) -> tuple[Array, Array]:
    """Blend the other face in; it lies a little off, each time differently."""
    rows, columns = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]].astype(np.float64)
    off_x = wave(seconds, (1.3, 0.27, 1.5), (0.35, 6.1, 0.0))
    off_y = 0.6 + wave(seconds, (0.8, 0.37, 2.2), (0.3, 5.3, 1.0))
    share = mask[..., None]
    return portrait * (1 - share) + sample(
        curve(face), columns - off_x, rows - off_y, order=3
    ) * share, mask


def render(number: int, portrait: Array, forgery: tuple[Array, Array] | None) -> NDArray[np.uint8]:
    """Draw one frame, `(HEIGHT_PX, WIDTH_PX, 3)` RGB."""
    seconds = number / FPS
    shake = (wave(seconds, (0.5, 0.43, 0.1)), wave(seconds, (0.4, 0.57, 1.9)))
    texture, mask = portrait, np.zeros(portrait.shape[:2])
    if forgery is not None:
        texture, mask = put_in(portrait, *forgery, seconds)
    x, y = head_coordinates(seconds, shake)
    jaw_y, inside = open_mouth(x, y, mouth_opening(seconds))
    lids_y = close_eyes(x, jaw_y, eye_closing(seconds))
    frame = sample(curve(texture), x, lids_y, order=3)
    inside = gaussian_filter(inside, 0.8)[..., None]
    frame = frame * (1 - inside) + np.array(INSIDE_MOUTH) * inside
    across = np.linspace(-1, 1, WIDTH_PX)[None, :, None]
    light = 1 + wave(seconds, (0.025, 0.19, 0.5)) + wave(seconds, (0.03, 0.13, 0.0)) * across
    covered = sample(mask[..., None], x, lids_y)
    grain = np.random.default_rng(number).normal(0, 1.9, (HEIGHT_PX, WIDTH_PX, 1))
    frame = frame * light + gaussian_filter(grain, (0.5, 0.5, 0)) * 1.5 * (1 - 0.6 * covered)
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)


def write(path: Path, portrait: Array, forgery: tuple[Array, Array] | None) -> None:
    """Encode a clip as H.264."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.thread_count = 1
        stream.options = {"crf": "22", "preset": "medium", "flags": "+bitexact"}
        for number in range(FPS * SECONDS):
            picture = av.VideoFrame.from_ndarray(render(number, portrait, forgery), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def main() -> None:
    """Write both clips beside this script."""
    folder = Path(__file__).parent
    portrait = astronaut().astype(np.float64)
    write(folder / "original.mp4", portrait, None)
    write(folder / "forged.mp4", portrait, (other_face(portrait), face_mask(portrait.shape[:2])))


if __name__ == "__main__":
    main()
