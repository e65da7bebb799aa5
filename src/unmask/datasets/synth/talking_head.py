"""Footage of an invented person talking: sway, zoom, roll, speech, changing light, sensor noise.

The person is drawn once (`persons`) and moved by a mesh in every frame; the wall stands still. A
take is another recording of the same person: other motion, another wall, another place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from unmask.datasets.synth.persons import HEAD, MOUTH_LEVELS, Figure, figure, look

Frames = NDArray[np.uint8]

MESH = (13, 10)
"""Quadrilaterals of the mesh across and down."""
HEAD_REACH_PX = (70.0, 85.0)
"""How far around the head's middle the picture moves with it, and over how much more that fades
out; in pixels of the portrait."""
NOISE = 2.4
"""Standard deviation of the sensor noise, of 255."""


@dataclass(frozen=True)
class Pose:
    """Where the head is in one frame; lengths in pixels of the portrait."""

    x: float
    """Shift to the right."""
    y: float
    """Shift down."""
    roll: float
    """Turn clockwise, radians."""
    scale: float
    """Size relative to the drawing."""
    mouth: float
    """How far the mouth is open, 0 to 1."""
    light: float
    """Brightness, 1 at rest."""


def talk(
    person: int,
    *,
    take: int = 0,
    seconds: float = 2.0,
    fps: int = 25,
    size: tuple[int, int] = (320, 240),
) -> Frames:
    """Return footage of a person talking; the same arguments give the same frames.

    Args:
        person: number of the person, from 0; any two look different.
        take: number of the recording, from 0: other motion and another background.
        seconds: duration.
        fps: frames per second.
        size: width and height in pixels.

    Returns:
        `(T, H, W, 3)` uint8 RGB.

    Raises:
        ValueError: a negative person or take, no duration, or a size below 64 pixels.
    """
    count = round(seconds * fps)
    if min(person, take) < 0 or count < 1 or min(size) < 64:
        raise ValueError(
            "footage needs a person and a take from 0, a frame at least and 64 pixels a side, got "
            f"person {person}, take {take}, {count} frames, {size[0]} x {size[1]}"
        )
    rng = np.random.default_rng([person, take])
    drawn = figure(person, round(look(person).zoom * size[1] / 240 * rng.uniform(0.9, 1.1), 3))
    wall = _wall(rng, size)
    place = (size[0] * rng.uniform(0.36, 0.64), size[1] * rng.uniform(0.4, 0.47))
    noise = rng.normal(0, NOISE, (size[1] + 32, size[0] + 32, 1)).astype(np.float32)
    frames = np.empty((count, size[1], size[0], 3), np.uint8)
    for number, pose in enumerate(_poses(rng, count, fps)):
        picture = _draw_frame(drawn, pose, place, wall)
        down, right = rng.integers(0, 32, 2)
        grain = noise[down : down + size[1], right : right + size[0]]
        frames[number] = np.clip(picture * np.float32(pose.light) + grain, 0, 255)
    return frames


def _poses(rng: np.random.Generator, count: int, fps: int) -> list[Pose]:
    """Return the motion: slow sines of random phase, and speech in syllables."""
    seconds = np.arange(count) / fps
    columns = [
        _wave(rng, seconds, 6.0, 0.35) + _wave(rng, seconds, 1.6, 0.8),
        _wave(rng, seconds, 3.0, 0.45) + _wave(rng, seconds, 1.2, 1.2),
        _wave(rng, seconds, 0.05, 0.4),
        1 + _wave(rng, seconds, 0.03, 0.3),
        np.clip(0.45 + _wave(rng, seconds, 0.45, 2.6) + _wave(rng, seconds, 0.25, 4.3), 0, 1),
        1 + _wave(rng, seconds, 0.05, 0.25),
    ]
    return [Pose(*map(float, row)) for row in zip(*columns, strict=True)]


def _wave(
    rng: np.random.Generator, seconds: NDArray[np.float64], amplitude: float, hertz: float
) -> NDArray[np.float64]:
    frequency = hertz * rng.uniform(0.8, 1.25)
    return amplitude * np.sin(2 * np.pi * (frequency * seconds + rng.uniform()))


def _draw_frame(
    drawn: Figure, pose: Pose, place: tuple[float, float], wall: Image.Image
) -> NDArray[np.float32]:
    """Draw one frame without noise, `(H, W, 3)`."""
    width, height = wall.size
    nodes_x = np.linspace(0, width, MESH[0] + 1).round()
    nodes_y = np.linspace(0, height, MESH[1] + 1).round()
    x, y = _find_source_pixels(*np.meshgrid(nodes_x, nodes_y), drawn, pose, place)
    mesh = [
        (
            (int(nodes_x[i]), int(nodes_y[j]), int(nodes_x[i + 1]), int(nodes_y[j + 1])),
            tuple(
                float(axis[row, column])
                for row, column in ((j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1))
                for axis in (x, y)
            ),
        )
        for j in range(MESH[1])
        for i in range(MESH[0])
    ]
    drawing = drawn.drawings[round(pose.mouth * (MOUTH_LEVELS - 1))]
    person = drawing.transform(
        wall.size, Image.Transform.MESH, mesh, resample=Image.Resampling.BILINEAR
    )
    frame = wall.copy()
    frame.paste(person, (0, 0), person)
    return np.asarray(frame, np.float32)


def _find_source_pixels(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    drawn: Figure,
    pose: Pose,
    place: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which pixel of the drawing each point of the frame shows."""
    x = (x - place[0]) / drawn.scale
    y = (y - place[1]) / drawn.scale  # now in pixels of the portrait from the head's middle
    reach = (np.hypot(x, y / 1.1) - HEAD_REACH_PX[0]) / HEAD_REACH_PX[1]
    follows = 1 - np.clip(reach, 0, 1) ** 2 * (3 - 2 * np.clip(reach, 0, 1))
    pivot = 70.0  # the head rolls about the neck
    dx, dy = x - pose.x, y - pivot - pose.y
    head_x = (np.cos(pose.roll) * dx + np.sin(pose.roll) * dy) / pose.scale
    head_y = pivot + (np.cos(pose.roll) * dy - np.sin(pose.roll) * dx) / pose.scale
    x, y = x + follows * (head_x - x), y + follows * (head_y - y)
    return (x + HEAD[0]) * drawn.scale, (y + HEAD[1]) * drawn.scale


def _wall(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Draw a background: two colours running into each other, and things out of focus."""
    width, height = size
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    share = np.clip(0.5 + 0.5 * (np.cos(angle) * columns + np.sin(angle) * rows), 0, 1)[..., None]
    shade = np.array(_paint(rng)) * (1 - share) + np.array(_paint(rng)) * share
    wall = Image.fromarray(np.rint(shade).astype(np.uint8))
    draw = ImageDraw.Draw(wall)
    for _ in range(6):
        x, y = rng.uniform(-0.1, 0.95) * width, rng.uniform(-0.1, 0.7) * height
        box = (x, y, x + rng.uniform(0.1, 0.4) * width, y + rng.uniform(0.2, 0.8) * height)
        draw.rectangle(box, fill=_paint(rng))
    return wall.filter(ImageFilter.GaussianBlur(height / 90))


def _paint(rng: np.random.Generator) -> tuple[int, int, int]:
    """Return a muted colour of any brightness."""
    red, green, blue = (rng.uniform(25, 230) + rng.uniform(-30, 30, 3)).clip(0, 255).astype(int)
    return int(red), int(green), int(blue)
