"""Charts: places are right, and thinning keeps what stands out."""

from __future__ import annotations

from dataclasses import replace

from unmask.core.scan import Scan
from unmask.core.scan_record import Curve
from unmask.report.charts import MAX_POINTS, PLOT_HEIGHT, PLOT_TOP, curve_chart, thin, timeline


def test_dots_lie_at_their_time_and_score(scan: Scan) -> None:
    track = scan.result.tracks[1]
    dot = timeline(track, 122.0).dots[0]
    key = track.key_frames[0]
    assert key.probability is not None
    assert dot.x == 100 * key.pts_seconds / 122.0
    assert dot.y == PLOT_TOP + PLOT_HEIGHT * (1 - key.probability)


def test_frames_without_score_lie_below_the_axis(scan: Scan) -> None:
    dots = timeline(scan.result.tracks[2], 62.0).dots
    assert all(d.y > PLOT_TOP + PLOT_HEIGHT and not d.scored for d in dots)


def test_a_still_picture_has_its_dot_in_the_middle(scan: Scan) -> None:
    key = replace(scan.result.tracks[0].key_frames[0], pts_seconds=0.0)
    still = replace(scan.result.tracks[0], start_seconds=0.0, end_seconds=0.0, key_frames=(key,))
    assert timeline(still, None).dots[0].x == 50.0


def test_thinning_keeps_the_extremes_within_the_limit() -> None:
    points = [(float(n), float(n * 7919 % 1009)) for n in range(20_000)]
    points[12_345] = (12_345.0, 5000.0)
    thinned = thin(points)
    assert len(thinned) <= MAX_POINTS
    assert (12_345.0, 5000.0) in thinned
    assert thinned == sorted(thinned)


def test_the_curve_breaks_where_it_was_not_measured() -> None:
    chart = curve_chart(Curve((0.0, 1.0, 2.0, 3.0), (None, 1.0, None, 2.0), (1.0,) * 4), [])
    assert chart is not None
    assert len(chart.raw) == 2
    assert len(chart.smoothed) == 1


def test_one_frame_has_no_curve() -> None:
    assert curve_chart(Curve((0.0,), (None,), (0.0,)), []) is None
