"""Measure the skin tone of faces in tables of wide crops: figures of a detector by group need it.

    python tools/skin_tone.py tones.csv films.parquet stills.parquet

The colour of both cheeks of a real crop with landmarks gives the individual typology angle (ITA),
arctan((L* - 50) / b*) in degrees, which is large for light skin. A video has the median of its
crops. Light and make-up change the angle, so a group is one of pictures rather than of people.

Source: Chardon, Cretois and Hourseau 1991; limits of the bands by Del Bino and Bernerd 2013.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.crops.encoded_pictures import decode_picture
from unmask.training.face_windows import read_landmarks

BANDS = (("light", 41.0), ("intermediate or tan", 10.0), ("brown or dark", -np.inf))
"""Names, and the angle above which each begins; six bands of the source made three."""
_CHEEKS = ((2, 31), (14, 35))
"""Landmarks on either side of each cheek: of the jaw and of the nose."""
_EYES = ((36, 42), (42, 48))
_CHEEK_SIDE = 0.24
"""Of a measured square, over the distance between the eyes."""


def cheeks(pixels: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the pixels `(N, 3)` of a square in each cheek.

    Args:
        pixels: `(H, W, 3)` RGB.
        points: `(79, 2)` landmarks.
    """
    left, right = (points[a:b].mean(0) for a, b in _EYES)
    half = float(np.linalg.norm(right - left)) * _CHEEK_SIDE / 2
    parts = []
    for jaw, nose in _CHEEKS:
        x, y = 0.4 * points[jaw] + 0.6 * points[nose]
        rows = slice(max(0, round(y - half)), round(y + half) + 1)
        parts.append(pixels[rows, max(0, round(x - half)) : round(x + half) + 1].reshape(-1, 3))
    return np.concatenate(parts)


def typology_angle(skin: NDArray[np.uint8]) -> float:
    """Return the individual typology angle of skin pixels `(N, 3)` RGB, degrees."""
    lab = cv2.cvtColor(skin[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellowness = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellowness)))


def band(angle: float) -> str:
    """Return the name of an angle's band."""
    return next(name for name, limit in BANDS if angle > limit)


def angles(path: Path) -> Iterator[tuple[str, float]]:
    """Yield the video and the angle of each real crop of a table that shows its cheeks."""
    table = pq.read_table(path, columns=["video", "label", "image", "landmarks"])
    for row in table.to_pylist():
        if row["label"] != "real" or not row["landmarks"]:
            continue
        pixels = np.asarray(decode_picture(row["image"]))
        skin = cheeks(pixels, read_landmarks(tuple(row["landmarks"])))
        if len(skin):
            yield row["video"], typology_angle(skin)


def main(target: Path, *sources: Path) -> None:
    """Write the video, its angle and its band."""
    by_video: dict[str, list[float]] = defaultdict(list)
    for source in sources:
        for video, angle in angles(source):
            by_video[video].append(angle)
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "ita_degrees", "tone"])
        for video, values in by_video.items():
            angle = float(np.median(values))
            writer.writerow([video, f"{angle:.1f}", band(angle)])
    print(f"{len(by_video)} videos written to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
