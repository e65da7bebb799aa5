"""Settings that make no sense are refused before any file is opened."""

import math

import pytest

from unmask.core.settings import Limits, ScanSettings


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
@pytest.mark.parametrize("name", ["sample_fps", "detect_every_seconds", "detect_closely_seconds"])
def test_a_rate_is_finite_and_above_zero(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and above zero, got {value}"):
        ScanSettings(**{name: value})  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["passing_seconds", "passing_share"])
def test_what_may_be_nothing_is_finite(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and not negative, got {value}"):
        ScanSettings(**{name: value})  # type: ignore[arg-type]  # what is refused


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        ScanSettings(seed=-1)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_a_limit_of_length_is_finite_and_above_zero(value: float) -> None:
    with pytest.raises(ValueError, match="must be finite and above zero, got"):
        Limits(max_seconds=value)
