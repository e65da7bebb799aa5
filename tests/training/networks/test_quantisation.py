"""int8 is kept only where it costs no accuracy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="AUC needs scikit-learn (extra `train`)")

from unmask.core.errors import BundleError
from unmask.training.networks.quantisation import require_accuracy

# of 1000 x 1 pairs each of the single fake's, one pair is an AUC of 0.001
IS_FAKE = np.array([False] * 1000 + [True])
BEFORE = np.append(np.arange(1000.0), 2000.0)


def after(reals_above: int) -> np.ndarray:
    """Put the fake below that many reals."""
    return np.append(np.arange(1000.0), 999.5 - reals_above)


def test_a_fall_at_the_limit_is_kept_and_noted() -> None:
    result = require_accuracy(BEFORE, after(4), IS_FAKE, "drawn")
    assert result.auc_float32 == 1.0
    assert result.auc_int8 == pytest.approx(0.996)


def test_a_larger_fall_is_refused_with_both_figures() -> None:
    with pytest.raises(BundleError, match=r"from 1\.0000 to 0\.9940, by 0\.0060"):
        require_accuracy(BEFORE, after(6), IS_FAKE, "drawn")


def test_a_gain_is_kept() -> None:
    assert require_accuracy(after(50), BEFORE, IS_FAKE, "drawn").auc_int8 == 1.0
