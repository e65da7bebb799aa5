"""Made forgeries: pairs of a real crop and a fake made from it, of three kinds.

`blend`: the face blended into a changed copy of itself (self-blended images). `mouth`: the lower
face of the same or of another frame of the film, made small and pasted back, as lip-sync tools
leave it. `rendered`: the face as a small network rendered it, or softened where there is no such
picture, as neural rendering, expression transfer and generators leave it. Each fake differs from
its real by the forgery alone; what cameras and uploads do comes afterwards and to both.

Source of the blends: Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR
2022. docs/training.md has the paper's settings beside ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from unmask.training.augment import recolour
from unmask.training.face_shape import similarity
from unmask.training.hulls import Points, Weights, hull_mask, soft_hull

Forgery = Literal["blend", "mouth", "rendered"]
Pixels = NDArray[np.uint8]

_RESAMPLING = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


_RIGID = slice(17, 48)
"""Brows, nose and eyes: what moves with the head."""


@dataclass(frozen=True, eq=False)
class FacePicture:
    """A square crop of a face with its landmarks."""

    image: Image.Image
    """RGB, square."""
    points: Points
    """`(79, 2)` landmarks, pixels of it."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A real crop and the fake made from it."""

    real: Image.Image
    """RGB, square."""
    fake: Image.Image
    """RGB, of the same size."""
    mask: Weights
    """`(S, S)` in [0, 1]: weight of what was put in."""


def blend(face: FacePicture, rng: np.random.Generator, *, keep_target: bool = False) -> Pair:
    """Blend a face into a copy of itself; one of the two is changed in colour and frequency first.

    Args:
        face: a real face.
        rng: source of randomness.
        keep_target: whether only what is blended in may be changed, never what it is blended into.
    """
    changed = restyle(face.image, rng)
    into_this = rng.random() < 0.5 or keep_target
    source, target = (changed, face.image) if into_this else (face.image, changed)
    mask = hull_mask(face.points, face.image.width, rng)
    return Pair(target, _mix(target, _displace(source, rng), mask), mask)


def mouth(
    face: FacePicture,
    rng: np.random.Generator,
    *,
    other: FacePicture | None = None,
    rendered: Image.Image | None = None,
) -> Pair:
    """Put a small, soft lower face in.

    Args:
        face: a real face.
        rng: source of randomness.
        other: another frame of the film: its mouth is taken.
        rendered: the face as a network rendered it; taken at times where there is no `other`.
    """
    side = face.image.width
    donor = face.image
    if other is not None:
        donor = align_face(other, face)
    elif rendered is not None and rng.random() < 0.7:
        donor = _faithful(rendered, face.image, rng)
    else:
        donor = _displace(donor, rng)
    box = _face_box(face.points, rng)
    put_in = _small(donor, box, rng, sides=(80, 140))
    if rng.random() < 0.3:
        put_in = recolour(put_in, rng, 0.06)
    mask = _lower_mask(face.points, box, side, rng)
    return Pair(face.image, _mix(face.image, put_in, mask), mask)


def render(
    face: FacePicture, rng: np.random.Generator, *, rendered: Image.Image | None = None
) -> Pair:
    """Put the rendered face in: by a hull, by the box, or as the whole crop.

    Args:
        face: a real face.
        rng: source of randomness.
        rendered: the face as a network rendered it; None softens it.
    """
    side = face.image.width
    box = _face_box(face.points, rng)
    if rendered is None:
        put_in = _small(face.image, box, rng, sides=(72, 160))
    else:
        put_in = _faithful(rendered, face.image, rng)
        if rng.random() < 0.3:
            put_in = _small(put_in, box, rng, sides=(96, 200))
    if rng.random() < 0.4:
        put_in = recolour(put_in, rng, 0.08)
    kind = rng.random()
    if kind < 0.55:
        mask = hull_mask(face.points, side, rng)
        mask = mask / max(float(mask.max()), 1e-3)  # whole: a rendered face is no mixture
    elif kind < 0.8 or rendered is None:  # a whole picture that is soft is no forgery
        mask = _feather(box, side, rng)
    else:
        mask = np.ones((side, side), dtype=np.float32)
    return Pair(face.image, _mix(face.image, put_in, mask), mask)


def restyle(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change colour, brightness and frequency as the paper does.

    Args:
        image: RGB.
        rng: source of randomness.
    """
    if rng.random() < 0.3:
        shift = rng.uniform(-20, 20, size=3).round().astype(np.float32)
        image = _image(np.asarray(image, dtype=np.float32) + shift)
    if rng.random() < 0.5:
        image = recolour(image, rng, 0.15)
    if rng.random() < 0.3:
        image = _turned_hue(image, rng)
    if rng.random() < 0.5:
        return _shrunk(image, 1 / float(rng.choice((1.5, 2, 2, 3, 4))), rng)
    return _sharpen(image, rng)


def align_face(other: FacePicture, face: FacePicture) -> Image.Image:
    """Lay another picture over a face, by the similarity that fits their landmarks best.

    Args:
        other: what is moved.
        face: where to.
    """
    turn, shift = similarity(face.points[_RIGID], other.points[_RIGID])
    (a, b), (c, d) = turn
    side = face.image.width
    return other.image.transform(
        (side, side), Image.Transform.AFFINE, (a, b, shift[0], c, d, shift[1]),
        Image.Resampling.BICUBIC,
    )  # fmt: skip


def misfit(a: Points, b: Points) -> float:
    """Return how far brows, nose and eyes of two faces are apart once one is laid over the other.

    Args:
        a: `(79, 2)` landmarks.
        b: the same of another frame.

    Returns:
        The root mean square distance over the spread of the points.
    """
    turn, shift = similarity(a[_RIGID], b[_RIGID])
    rest = a[_RIGID] @ turn.T + shift - b[_RIGID]
    spread = b[_RIGID] - b[_RIGID].mean(axis=0)
    return float(np.sqrt((rest**2).sum() / (spread**2).sum()))


def _displace(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Move by up to 3 % and 1.5 % and scale by up to 5 %; mirrored at the edges."""
    side = image.width
    border = side // 8
    scale = rng.uniform(0.95, 1.05)
    offset = np.array((rng.uniform(-0.03, 0.03), rng.uniform(-0.015, 0.015))) * side
    offset += (1 - scale) * side / 2 + border
    wide = np.pad(np.asarray(image), ((border, border), (border, border), (0, 0)), mode="reflect")
    return Image.fromarray(wide).transform(
        image.size, Image.Transform.AFFINE, (scale, 0, offset[0], 0, scale, offset[1]),
        Image.Resampling.BILINEAR,
    )  # fmt: skip


def _face_box(points: Points, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the box of a face detector, XYXY, that is off by a little."""
    low, high = points.min(axis=0), points.max(axis=0)
    jitter = rng.uniform(-0.06, 0.1, size=4) * np.tile(high - low, 2)
    return np.concatenate((low - jitter[:2], high + jitter[2:]))


def _small(
    image: Image.Image,
    box: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    sides: tuple[int, int],
) -> Image.Image:
    """Return the picture at the resolution at which its face box has one of `sides` pixels."""
    side = rng.uniform(*sides)
    factor = min(0.85, side / float(max(box[2] - box[0], box[3] - box[1])))
    soft = _shrunk(image, factor, rng)
    if rng.random() < 0.4:
        soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8) / factor))
    return soft


def _shrunk(image: Image.Image, factor: float, rng: np.random.Generator) -> Image.Image:
    size = (max(8, round(image.width * factor)), max(8, round(image.height * factor)))
    up = _RESAMPLING[rng.choice(4, p=(0.1, 0.4, 0.3, 0.2))]
    return image.resize(size, _RESAMPLING[rng.integers(1, 4)]).resize(image.size, up)


def _sharpen(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    percent = int(rng.uniform(60, 250))
    return image.filter(ImageFilter.UnsharpMask(rng.uniform(0.8, 2.0), percent, 0))


def _turned_hue(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    hsv = np.asarray(image.convert("HSV"), dtype=np.int16) + np.array(
        (rng.integers(-10, 11), rng.integers(-30, 31), 0), dtype=np.int16
    )
    hsv[..., 0] %= 256
    return Image.fromarray(hsv.clip(0, 255).astype(np.uint8), "HSV").convert("RGB")


def _lower_mask(
    points: Points, box: NDArray[np.float64], side: int, rng: np.random.Generator
) -> Weights:
    """Return a mask of the lower face: a box, hard or feathered, or the hull of mouth and chin."""
    kind = rng.random()
    if kind < 0.2:
        return _feather(box, side, rng)  # Wav2Lip pastes the whole face box
    if kind < 0.7:
        half = box.copy()
        half[1] = points[27:36, 1].mean() + rng.uniform(-0.1, 0.1) * (box[3] - box[1])
        return _feather(half, side, rng)
    lower = np.concatenate((points[3:14], points[31:36], points[48:68]))
    inner = lower if kind < 0.85 else points[48:68]
    centre = inner.mean(axis=0)
    grown = centre + (inner - centre) * rng.uniform(1.0, 1.5 if kind >= 0.85 else 1.1)
    return soft_hull(grown, side, rng)


def _faithful(rendered: Image.Image, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a rendered picture in the colours of the original, with some of its detail.

    A small autoencoder is far worse than what forgers use: taken as it is, it would be no exercise.
    """
    soft, sharp = (np.asarray(each, dtype=np.float32) for each in (rendered, image))
    coarse = [
        np.asarray(each.resize((8, 8), Image.Resampling.BOX).resize(each.size), dtype=np.float32)
        for each in (rendered, image)
    ]
    share = np.float32(rng.uniform(0.25, 0.85))
    return _image(sharp + share * (soft - coarse[0] + coarse[1] - sharp))


def _feather(box: NDArray[np.float64], side: int, rng: np.random.Generator) -> Weights:
    """Return a box as a mask, its edge hard half of the time."""
    feather = 1.0 if rng.random() < 0.5 else rng.uniform(0.01, 0.08) * side
    grid = np.arange(side, dtype=np.float32) + 0.5
    inside = [np.minimum(grid - low, high - grid) / feather for low, high in (box[::2], box[1::2])]
    across, down = (np.clip(part + 0.5, 0, 1) for part in inside)
    return (down[:, None] * across[None, :]).astype(np.float32)


def _mix(base: Image.Image, put_in: Image.Image, mask: Weights) -> Image.Image:
    below = np.asarray(base, dtype=np.float32)
    return _image(below + mask[:, :, None] * (np.asarray(put_in, dtype=np.float32) - below))


def _image(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
