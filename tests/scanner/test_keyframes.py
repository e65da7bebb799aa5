"""The difference signal and what every selector of key frames promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from unmask.scanner.keyframes import SELECTORS, Signal, peaks, select, selector, smooth

NAMES = sorted(SELECTORS)
LEVELS = st.lists(st.integers(0, 6), min_size=1, max_size=60)
"""Few levels, so that plateaus and equal peaks are common."""
GREYS = st.integers(0, 255 * 64).map(lambda n: n / 64)


@st.composite
def differences(draw):
    """Draw a track's differences, short or long: the first and some others are not measured."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, levels = draw(st.integers(1, 120)), draw(st.sampled_from([1, 2, 5, 255 * 64]))
    values = rng.integers(0, levels, count, endpoint=True) / 64
    values[rng.random(count) < draw(st.sampled_from([0.0, 0.2, 1.0]))] = np.nan
    values[0] = np.nan
    return values


@st.composite
def signals(draw):
    values = draw(differences())
    keys = np.random.default_rng(draw(st.integers(0, 9))).random(len(values)) < 0.1
    return Signal(values, smooth(values, draw(st.integers(1, 50))), keys)


def constant(count, value=0.0):
    return Signal(np.full(count, value), np.full(count, value), np.zeros(count, bool))


def plain_smooth(values, window_frames):
    """Smooth with loops: fill, mirror without repeating the end, weigh."""
    count = len(values)
    known = [i for i in range(count) if not np.isnan(values[i])]
    if not known:
        return np.zeros(count)
    filled = np.interp(range(count), known, [values[i] for i in known])
    length = min(window_frames, count // 8)
    if length < 2:
        return filled
    weights = [0.5 - 0.5 * np.cos(2 * np.pi * (j + 1) / (length + 1)) for j in range(length)]
    result = np.zeros(count)
    for i in range(count):
        for j in range(length):
            k = abs(i + j - length // 2)
            result[i] += weights[j] * filled[min(k, 2 * (count - 1) - k)]
    return result / sum(weights)


@given(LEVELS)
def test_peaks_and_prominences_equal_scipys(levels):
    values = np.array(levels, dtype=np.float64)
    expected, properties = find_peaks(values, prominence=0)
    positions, prominences = peaks(values)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_array_equal(prominences, properties["prominences"])


@given(st.lists(GREYS, max_size=60))
def test_peaks_of_finer_values_equal_scipys(greys):
    values = np.array(greys, dtype=np.float64)
    expected, properties = find_peaks(values, prominence=0)
    np.testing.assert_array_equal(peaks(values)[0], expected)
    np.testing.assert_array_equal(peaks(values)[1], properties["prominences"])


@given(differences(), st.integers(1, 50))
def test_smoothing_equals_a_plain_recomputation(values, window):
    np.testing.assert_allclose(smooth(values, window), plain_smooth(values, window), atol=1e-9)


@given(differences(), st.integers(1, 50))
def test_smoothing_keeps_length_and_range_and_leaves_no_nan(values, window):
    before = values.copy()
    smoothed = smooth(values, window)
    assert smoothed.shape == values.shape
    measured = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    assert (smoothed >= measured.min() - 1e-9).all()
    assert (smoothed <= measured.max() + 1e-9).all()
    np.testing.assert_array_equal(values, before)


def test_a_window_of_no_frames_is_refused():
    with pytest.raises(ValueError, match="window_frames must be at least 1, got 0"):
        smooth(np.ones(5), 0)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)  # of each of the selectors
@given(signal=signals(), budget=st.integers(1, 40))
def test_a_choice_is_ascending_in_bounds_and_within_budget(name, signal, budget):
    chosen = select(name, signal, budget=budget)
    assert len(chosen) >= 1
    assert np.issubdtype(chosen.dtype, np.integer)
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0
    assert chosen[-1] < len(signal.smoothed)
    assert len(chosen) <= budget or name == "all"


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)  # of each of the selectors
@given(signal=signals(), budget=st.integers(1, 40), seed=st.integers(0, 5))
def test_a_choice_repeats(name, signal, budget, seed):
    first = select(name, signal, budget=budget, seed=seed)
    np.testing.assert_array_equal(first, select(name, signal, budget=budget, seed=seed))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)  # of each of the selectors
@given(signal=signals(), budget=st.integers(1, 40), power=st.integers(-8, 8))
def test_a_choice_does_not_depend_on_the_contrast(name, signal, budget, power):
    scale = 2.0**power
    scaled = Signal(signal.differences * scale, signal.smoothed * scale, signal.codec_keys)
    np.testing.assert_array_equal(
        select(name, signal, budget=budget), select(name, scaled, budget=budget)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_a_flat_track_has_key_frames_too(name, value, count):
    chosen = select(name, constant(count, value), budget=4)
    assert 1 <= len(chosen) <= (count if name == "all" else min(4, count))
    assert 0 <= chosen[0] <= chosen[-1] < count


@pytest.mark.parametrize("name", ["local-maxima", "threshold", "codec-keyframes"])
def test_where_nothing_stands_out_the_middle_is_taken(name):
    assert select(name, constant(9), budget=4).tolist() == [4]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)  # of each of the selectors
@given(signal=signals(), budget=st.integers(1, 40), least=st.integers(1, 6))
def test_a_choice_is_filled_up_to_the_least(name, signal, budget, least):
    plain = select(name, signal, budget=budget)
    filled = select(name, signal, budget=budget, least=least)
    assert len(filled) == max(len(plain), min(least, budget, len(signal.smoothed)))
    assert set(plain.tolist()) <= set(filled.tolist())
    assert (np.diff(filled) > 0).all()


def test_what_fills_up_is_spread_over_the_track():
    assert select("local-maxima", constant(101), budget=8, least=3).tolist() == [24, 50, 75]


@pytest.mark.parametrize("name", NAMES)
def test_a_track_of_one_unmeasured_frame_gives_that_frame(name):
    signal = Signal(np.array([np.nan]), smooth(np.array([np.nan]), 50), np.array([False]))
    assert select(name, signal, budget=1).tolist() == [0]


def test_local_maxima_takes_the_most_prominent():
    values = np.array([0.0, 0.25, 0, 5, 4, 4.5, 4, 9, 0])
    signal = Signal(values, values, np.zeros(9, bool))
    assert select("local-maxima", signal, budget=2).tolist() == [3, 7]
    assert select("local-maxima", signal, budget=9).tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize("name", ["top-difference", "local-maxima"])
def test_among_equals_the_earlier_are_taken(name):
    values = np.tile([0.0, 1.0], 60)
    signal = Signal(values, values, np.zeros(120, bool))
    assert select(name, signal, budget=3).tolist() == [1, 3, 5]


def test_other_seeds_draw_other_frames():
    drawn = {tuple(select("random", constant(200), budget=5, seed=seed)) for seed in range(5)}
    assert len(drawn) > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="budget must be at least 1, got 0"):
        select(name, constant(5), budget=0)


def test_an_unknown_selector_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown selector 'best'; known: local-maxima"):
        selector("best")
    with pytest.raises(ValueError, match="unknown selector 'best'"):
        select("best", constant(5), budget=1)


@pytest.mark.parametrize("lengths", [(0, 0, 0), (2, 3, 2), (2, 2, 3)])
def test_a_signal_needs_a_frame_and_arrays_of_one_length(lengths):
    a, b, c = lengths
    with pytest.raises(ValueError, match="at least one frame and arrays of one length"):
        Signal(np.zeros(a), np.zeros(b), np.zeros(c, bool))
