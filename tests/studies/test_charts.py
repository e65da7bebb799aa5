"""Charts of studies: places follow from the numbers, and all of it lies inside the drawing."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="studies need pyarrow (extra `data`)")

from unmask.studies.charts import curves, dots
from unmask.studies.estimate import Estimate


def estimate(value: float | None, half: float | None = 0.1) -> Estimate:
    ends = (None, None) if half is None or value is None else (value - half, value + half)
    return Estimate(value, *ends, units=10, clusters=10, runs=1)


def test_dots_stand_in_order_and_inside_the_box() -> None:
    drawing = dots(
        "t", "c", x_label="x", rows={"low": estimate(-0.2), "high": estimate(0.3)}, zero=True
    )
    low, high = drawing.chart.marks
    assert drawing.box.LEFT < low.x < high.x < drawing.box.RIGHT
    assert low.y < high.y < drawing.box.BOTTOM
    assert [line.style for line in drawing.chart.lines] == ["chance", "s0", "s0"]


def test_what_was_not_measured_is_not_drawn() -> None:
    drawing = dots("t", "c", x_label="x", rows={"none": estimate(None), "one": estimate(0.5, None)})
    assert len(drawing.chart.marks) == 1
    assert len(drawing.chart.y_ticks) == 2
    assert not drawing.chart.lines


def test_curves_have_a_line_and_a_bar_for_each_interval() -> None:
    series = {"a": [estimate(0.6), estimate(0.7)], "b": [estimate(0.5), estimate(None)]}
    drawing = curves("t", "c.", x_label="x", y_label="y", x_names=["1", "2"], series=series)
    styles = [line.style for line in drawing.chart.lines]
    assert styles == ["s0", "s0 thin", "s0 thin", "s1", "s1 thin"]
    assert [tick.label for tick in drawing.chart.x_ticks] == ["1", "2"]
    assert "Blue, solid: a; red, dashed: b." in drawing.chart.caption


def test_estimates_say_their_sign_and_their_text() -> None:
    assert [estimate(v).sign for v in (0.3, -0.3, 0.05)] == ["above", "below", "open"]
    assert estimate(0.3).text == "0.300 [0.200, 0.400]"
    assert estimate(0.3).signed == "+0.300 [+0.200, +0.400]"
    assert estimate(None).text == "not measured"
    assert estimate(0.3, None).signed == "+0.300 (no interval)"
