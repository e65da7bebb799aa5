"""From logits to calibrated probabilities: what a bundle says of its network's output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Calibration

Values = NDArray[np.float64]


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def calibrate(logits: Values, calibration: Calibration) -> Values:
    """Return calibrated P(fake) at even prior odds."""
    return sigmoid(calibration.log_odds(logits))
