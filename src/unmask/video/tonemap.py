"""HDR pictures (PQ and HLG) to what an SDR screen would show.

Faces were learned on SDR video. The curve is simple: linear light up to half of the screen's white
stays, brighter light is rolled off; colours outside BT.709 are clipped.
Source: ITU-R BT.2100 (both transfer functions), BT.2408 (reference white at 203 cd/m2), BT.2087
(primaries).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

BAND_ROWS = 64
"""Rows converted at a time, to bound the memory for large pictures."""
REFERENCE_WHITE = 203.0
"""Light of diffuse white, cd/m2."""
KNEE = 0.5
"""Light relative to reference white from which it is rolled off."""
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
HLG_LUMA = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)

Floats = NDArray[np.float32]


def to_sdr(pixels: NDArray[np.uint16], transfer: Literal["sdr", "pq", "hlg"]) -> NDArray[np.uint8]:
    """Convert `(H, W, 3)` BT.2020 RGB with an HDR curve to BT.709 RGB, uint8."""
    light = pq_light if transfer == "pq" else hlg_light
    out = np.empty(pixels.shape, dtype=np.uint8)
    for top in range(0, len(pixels), BAND_ROWS):
        signal = pixels[top : top + BAND_ROWS].astype(np.float32) / np.float32(65535)
        linear = rolled_off(light(signal) / np.float32(REFERENCE_WHITE))
        linear = np.clip(linear @ BT2020_TO_BT709.T, 0, 1)
        out[top : top + BAND_ROWS] = np.rint(_srgb(linear) * 255).astype(np.uint8)
    return out


def pq_light(signal: Floats) -> Floats:
    """Return light in cd/m2 for a PQ signal in [0, 1]."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = np.power(np.clip(signal, 0, 1), np.float32(1 / m2))
    ratio = np.maximum(power - np.float32(c1), 0) / (np.float32(c2) - np.float32(c3) * power)
    return np.asarray(10000 * np.power(ratio, np.float32(1 / m1)), dtype=np.float32)


def hlg_light(signal: Floats) -> Floats:
    """Return light in cd/m2 for an HLG signal in [0, 1], on a screen of 1000 cd/m2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ HLG_LUMA, 1e-6)[..., None]
    return np.asarray(1000 * scene * luma**0.2, dtype=np.float32)


def rolled_off(linear: Floats) -> Floats:
    """Bring light relative to reference white into [0, 1), the ratio of the colours kept."""
    peak = np.maximum(linear.max(axis=-1, keepdims=True), 1e-6)
    over = np.maximum(peak - KNEE, 0)
    rolled = KNEE + over * (1 - KNEE) / (over + (1 - KNEE))
    return np.asarray(linear * np.where(peak > KNEE, rolled / peak, 1), dtype=np.float32)


def _srgb(linear: Floats) -> Floats:
    curve = 1.055 * np.power(linear, np.float32(1 / 2.4)) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, curve), dtype=np.float32)
