"""The page of `explain-check`: verdicts, curves in their box, pictures."""

from __future__ import annotations

from unmask.report.maps_charts import BOTTOM, LEFT, RIGHT, TOP, draw_charts
from unmask.report.maps_page import MapsPage, maps_page


def test_each_method_has_a_chart_beside_a_random_map(maps: MapsPage) -> None:
    charts = draw_charts(maps.summary)
    assert [chart.method for chart in charts] == ["gradcam", "smoothgrad"]
    assert [line.style for line in charts[0].lines] == [
        "plain falls", "plain rises", "own falls", "own rises",
    ]  # fmt: skip


def test_curves_run_over_the_whole_box(maps: MapsPage) -> None:
    falls = draw_charts(maps.summary)[0].lines[2]
    points = [tuple(map(float, pair.split(","))) for pair in falls.points.split()]
    assert points == [(LEFT, TOP), ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2), (RIGHT, BOTTOM)]


def test_the_curves_are_told_in_words_too(maps: MapsPage) -> None:
    page = maps_page(maps)
    assert (
        'aria-label="GradCAM: P(fake) is 1.00 for the whole crop, 0.50 with its strongest half '
        'covered, 0.50 with only that half shown"'
    ) in page


def test_a_page_of_crops_that_are_called_real_has_no_curves(maps_called_real: MapsPage) -> None:
    assert "<svg" not in maps_page(maps_called_real)
