"""Skin tone from the cheeks of wide crops."""

from __future__ import annotations

import csv
import io
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("torch", reason="landmarks are read by training's modules (extra `train`)")

TOOL = Path(__file__).parents[2] / "tools" / "skin_tone.py"
FIVE_POINTS = [70.0, 80.0, 130.0, 80.0, 100.0, 110.0, 78.0, 140.0, 122.0, 140.0]
"""Eyes, nose and mouth of an upright face of 200 px."""


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(TOOL))


def encoded(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (200, 200), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("colour", "angle"),
    # L* and b* by the formulas of CIE 1976: (80.9, 18.0), (50.9, 24.7) and (26.2, 14.8)
    [((236, 192, 168), 59.8), ((160, 110, 80), 2.2), ((85, 55, 40), -58.1)],
)
def test_the_angle_is_that_of_the_colour(
    tool: dict[str, Any], colour: tuple[int, int, int], angle: float
) -> None:
    skin = np.full((50, 3), colour, np.uint8)
    assert tool["typology_angle"](skin) == pytest.approx(angle, abs=0.5)


def test_a_video_has_the_tone_of_its_real_crops(tool: dict[str, Any], tmp_path: Path) -> None:
    rows = [
        {"video": video, "label": label, "image": encoded(colour), "landmarks": FIVE_POINTS}
        for video, label, colour in (
            ("pale", "real", (236, 192, 168)),
            ("pale", "fake", (85, 55, 40)),
            ("deep", "real", (85, 55, 40)),
        )
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "crops.parquet")
    tool["main"](tmp_path / "tones.csv", tmp_path / "crops.parquet")
    with (tmp_path / "tones.csv").open() as file:
        tones = {row["video"]: row["tone"] for row in csv.DictReader(file)}
    assert tones == {"pale": "light", "deep": "brown or dark"}


def test_cheeks_lie_between_jaw_and_nose(tool: dict[str, Any]) -> None:
    points = tool["read_landmarks"](tuple(FIVE_POINTS))
    picture = np.zeros((200, 200, 3), np.uint8)
    x, y = (0.4 * points[2] + 0.6 * points[31]).round().astype(int)
    picture[y - 12 : y + 13, x - 12 : x + 13] = 255
    skin = tool["cheeks"](picture, points)
    assert skin.mean() == pytest.approx(255 / 2, abs=1)  # one cheek of two is painted
