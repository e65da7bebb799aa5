"""Invented persons: one public-domain portrait, warped and recoloured into as many as wanted.

A person is a number. It fixes the shape of the face, the colours, the side the hair is parted on
and how near the camera stands. `figure` draws the person with the mouth closed to wide open;
`footage` moves the drawing. Only numpy and Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.floating[Any]]

HEAD = (164.0, 112.0)
"""x, y of the middle of the head in the portrait, in pixels."""
EYES_Y, JAW_ENDS_Y, COLLAR_Y = 101.0, 210.0, 192.0
"""Rows of the portrait, in pixels."""
MOUTH = (164.0, 148.0, 18.0)
"""x, y of the lower edge of the teeth, half width."""
MOUTH_LEVELS = 10
"""Drawings of a person, from the mouth closed to wide open."""
WIDEST_MOUTH_PX = 7.0
"""Opening of the last of them, in pixels of the portrait."""
INSIDE_MOUTH = np.array([58, 22, 24, 255], np.float32)


@dataclass(frozen=True)
class Look:
    """What tells a person from the others."""

    mirrored: bool
    """Whether left and right are exchanged."""
    width: float
    """Width of the head relative to the portrait's."""
    height: float
    """Height of the head relative to the portrait's."""
    jaw: float
    """How much wider the lower half of the face is, relative."""
    eyes: float
    """How much farther apart the eyes are, relative."""
    mouth: float
    """How much wider the mouth is, relative."""
    zoom: float
    """Pixels of a 240 pixels high clip for one of the portrait."""
    skin: tuple[float, float, float]
    """Factors of red, green and blue of the whole person."""
    hair: tuple[int, int, int]
    """Colour of the hair where it is lit."""
    suit: tuple[int, int, int]
    """Colour of the suit where it is lit."""


HAIR = ((40, 34, 34), (190, 150, 90), (120, 62, 34), (170, 170, 172), (78, 50, 36), (150, 70, 38))
SUITS = (
    (60, 84, 150), (176, 44, 52), (70, 120, 76), (206, 196, 178), (58, 58, 66), (222, 160, 60),
    (120, 72, 140), (64, 140, 150),
)  # fmt: skip


def spread(person: int, trait: int, low: float, high: float) -> float:
    """Return a value for a trait; consecutive persons get values far apart (golden ratio)."""
    share = ((person + 1) * (0.6180339887 + 0.1547 * trait) + 0.37 * trait) % 1.0
    return low + (high - low) * share


def look(person: int) -> Look:
    """Return how a person looks; `person` is any number from 0."""
    tone = spread(person, 7, 0.7, 1.06)
    return Look(
        mirrored=person % 2 == 1,
        width=spread(person, 0, 0.88, 1.14),
        height=spread(person, 1, 0.92, 1.1),
        jaw=spread(person, 2, -0.1, 0.12),
        eyes=spread(person, 3, -0.08, 0.1),
        mouth=spread(person, 4, -0.14, 0.18),
        zoom=spread(person, 5, 0.8, 1.12),
        skin=(tone, tone * spread(person, 8, 0.93, 1.03), tone * spread(person, 9, 0.86, 1.06)),
        hair=HAIR[person % len(HAIR)],
        suit=SUITS[person % len(SUITS)],
    )


@dataclass(frozen=True)
class Figure:
    """A person drawn, ready to be moved."""

    drawings: tuple[Image.Image, ...]
    """RGBA pictures with the mouth ever wider open; all of one size."""
    scale: float
    """Pixels of a drawing for one of the portrait."""

    @property
    def head(self) -> tuple[float, float]:
        """Return x and y of the middle of the head in a drawing, in pixels."""
        return HEAD[0] * self.scale, HEAD[1] * self.scale


@lru_cache(maxsize=32)
def figure(person: int, scale: float) -> Figure:
    """Draw a person.

    Args:
        person: number of the person.
        scale: pixels of the drawing for one of the portrait.
    """
    looks = look(person)
    portrait = _dress(looks)
    size = (round(portrait.width * scale), round(portrait.height * scale))
    pixels = np.asarray(portrait.resize(size, Image.Resampling.BICUBIC), np.float32)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    x, y = _warp(columns / scale, rows / scale, looks)
    resting = Image.fromarray(_round(sample(pixels, x * scale, y * scale)))
    moves = (np.abs(x - MOUTH[0]) < MOUTH[2]) & (y > EYES_Y) & (y < JAW_ENDS_Y)
    down, across = (np.flatnonzero(moves.any(axis)) for axis in (1, 0))
    region = np.s_[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    drawings = [resting]
    for share in np.linspace(0, 1, MOUTH_LEVELS)[1:]:
        opened = _with_mouth(pixels, x[region], y[region], scale, float(share))
        drawings.append(resting.copy())
        drawings[-1].paste(Image.fromarray(opened), (int(across[0]), int(down[0])))
    return Figure(tuple(drawings), scale)


@lru_cache(maxsize=1)
def _portrait() -> Array:
    """Return the portrait as `(H, W, 4)` RGBA, 0 to 255."""
    folder = resources.files("unmask.datasets.synth")
    with folder.joinpath("portrait.jpg").open("rb") as file:
        colours = np.asarray(Image.open(file).convert("RGB"), np.float32)
    with folder.joinpath("matte.png").open("rb") as file:
        matte = np.asarray(Image.open(file).convert("L"), np.float32)
    return np.dstack([colours, matte])


def _dress(looks: Look) -> Image.Image:
    """Recolour hair, suit and skin."""
    portrait = _portrait()
    rows, columns = np.mgrid[0 : portrait.shape[0], 0 : portrait.shape[1]].astype(np.float32)
    colours = portrait[..., :3]
    light = colours.mean(2, keepdims=True) / 255
    inner = np.hypot((columns - HEAD[0]) / 38, (rows - 132) / 56)
    darker = np.maximum(_step((0.72 - light[..., 0]) / 0.2), _step((86 - rows) / 12))
    hair = _soften(_step((inner - 0.9) / 0.15) * _step((160 - rows) / 20) * darker)
    suit = _step((rows - COLLAR_Y + 30) / 25) * _step((colours[..., 0] - colours[..., 2] - 40) / 50)
    suit *= _step((np.hypot(columns - HEAD[0], rows - 150) - 55) / 10)
    colours = colours * np.array(looks.skin, np.float32)
    # a little less contrast in the hair: detectors take its highlights for another face
    for share, colour, lit in ((hair, looks.hair, 0.3 + 0.35 * light), (suit, looks.suit, light)):
        tinted = np.array(colour, np.float32) * lit * 1.9
        colours = colours + share[..., None] * (tinted - colours)
    whole = np.dstack([colours, portrait[..., 3]])
    return Image.fromarray(_round(whole))


def _soften(share: Array) -> Array:
    """Blur a mask of 0 to 1 a little."""
    mask = Image.fromarray(_round(share * 255)).filter(ImageFilter.GaussianBlur(1.2))
    return np.asarray(mask, np.float32) / 255


def _warp(x: Array, y: Array, looks: Look) -> tuple[Array, Array]:
    """Return which point of the portrait each point of the person shows."""
    across = (x - HEAD[0]) / looks.width
    down = (y - HEAD[1]) / looks.height
    if looks.mirrored:
        across = -across
    y = HEAD[1] + down
    head = _step((220 - y) / 40)  # shoulders keep their shape
    jaw = looks.jaw * np.exp(-(((y - 158) / 30) ** 2))
    eyes = looks.eyes * np.exp(-(((y - EYES_Y) / 16) ** 2))
    mouth = looks.mouth * np.exp(-(((y - MOUTH[1]) / 12) ** 2))
    near = np.exp(-((across / 60) ** 4))
    return HEAD[0] + across / (1 + head * near * (jaw + eyes + mouth)), y


def _with_mouth(pixels: Array, x: Array, y: Array, scale: float, share: float) -> NDArray[np.uint8]:
    """Let the jaw down by a share of the widest opening, and draw."""
    across = (x - MOUTH[0]) / MOUTH[2]
    slit = MOUTH[1] - 6.5 * across**2
    gap = share * WIDEST_MOUTH_PX * np.clip(1 - across**2, 0, None) ** 0.7
    below = y > slit + gap
    jaw_y = np.where(below, y - gap * _step((JAW_ENDS_Y - y) / 34), np.minimum(y, slit))
    drawn = sample(pixels, x * scale, np.where(y > slit, jaw_y, y) * scale)
    inside = np.clip((np.minimum(y - slit, slit + gap - y) + 0.5) * (gap > 0.3), 0, 1)[..., None]
    drawn += inside * (INSIDE_MOUTH - drawn)
    return _round(drawn)


def _round(colours: Array) -> NDArray[np.uint8]:
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def sample(picture: Array, x: Array, y: Array) -> Array:
    """Return the colours of a picture at points, bilinear, the edge repeated."""
    x = x.clip(0, picture.shape[1] - 1.001)
    y = y.clip(0, picture.shape[0] - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right_share, low_share = (x - left)[..., None], (y - top)[..., None]
    upper = picture[top, left] * (1 - right_share) + picture[top, left + 1] * right_share
    lower = picture[top + 1, left] * (1 - right_share) + picture[top + 1, left + 1] * right_share
    mixed: Array = (upper * (1 - low_share) + lower * low_share).astype(np.float32)
    return mixed


def _step(values: Array) -> Array:
    """Rise from 0 to 1 between 0 and 1, without corners."""
    share = np.clip(values, 0, 1)
    risen: Array = share * share * (3 - 2 * share)
    return risen
