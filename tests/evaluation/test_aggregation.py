"""From crops to tracks and videos: aggregations, clusters, failures."""

from __future__ import annotations

import numpy as np
import pytest

from predicted import drawn, predictions, row
from unmask.core.errors import ManifestError
from unmask.evaluation.aggregation import AGGREGATIONS, make_units

CROPS = [
    row("a", "fake", 1.0, track=1, target="t", identities=("p",)),
    row("a", "fake", 3.0, track=1, target="t", identities=("p",)),
    row("a", "fake", -1.0, track=2, target="t", identities=("p",)),
    row("a", "fake", -6.0, track=2, target="t", identities=("p",)),
    row("b", "real", 0.5, track=1, target="t", identities=("q",)),
    row("c", "real", None, target="u", identities=("q",)),
]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("mean", -0.75),
        ("median", 0.0),
        ("max-track", 2.0),
        ("confident-mean", (1 + 9 - 1 - 36) / 11),
        ("top-3", 1.0),
    ],
)
def test_a_videos_crops_become_one_score(aggregation: str, expected: float) -> None:
    units = make_units(predictions(CROPS), level="video", aggregation=aggregation)
    np.testing.assert_allclose(units.logit, [expected, 0.5, np.nan])


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("track", [None, 1, 9])
def test_a_crop_without_a_score_is_left_out_of_its_video(
    aggregation: str, track: int | None
) -> None:
    lost = row("a", "fake", None, track=track, target="t")
    result = make_units(predictions([*CROPS, lost]), aggregation=aggregation)
    whole = make_units(predictions(CROPS), aggregation=aggregation)
    np.testing.assert_array_equal(result.logit, whole.logit)


def test_tracks_and_crops_are_units_of_their_own() -> None:
    tracks = make_units(predictions(CROPS), level="track")
    np.testing.assert_allclose(tracks.logit, [2.0, -3.5, 0.5, np.nan])
    assert list(tracks.name) == ["a#1", "a#2", "b#1", "c#0"]
    assert len(make_units(predictions(CROPS), level="crop")) == 6


@pytest.mark.parametrize(
    ("cluster_by", "together"),
    [("source-video", [0, 0, 1]), ("identity", [0, 1, 1]), ("video", [0, 1, 2])],
)
def test_units_are_clustered_by_what_they_share(cluster_by: str, together: list[int]) -> None:
    units = make_units(predictions(CROPS), cluster_by=cluster_by)  # type: ignore[arg-type]
    assert units.cluster.tolist() == together


def test_rows_without_footage_are_clusters_of_their_own() -> None:
    rows = [row("a", "real", 0.0), row("b", "real", 0.0), row("c", "fake", 0.0, target="a")]
    assert make_units(predictions(rows)).cluster.tolist() == [0, 1, 0]


def test_persons_that_no_row_names_cannot_be_drawn() -> None:
    with pytest.raises(ManifestError, match="no row names a person"):
        make_units(
            predictions([row("a", "real", 0.0), row("b", "fake", 1.0)]), cluster_by="identity"
        )


@pytest.mark.parametrize("threshold", [-9.0, 0.0, 9.0])
def test_failures_are_wrong_at_every_threshold(threshold: float) -> None:
    rows = [*CROPS, row("d", "fake", None), row("e", "real", -2.0)]
    counted = make_units(predictions(rows)).failures_against(threshold)
    by_name = dict(zip(counted.name, counted.logit, strict=True))
    assert by_name["d"] < threshold <= by_name["c"]
    assert by_name["c"] > max(by_name["a"], by_name["b"], by_name["e"])
    assert by_name["d"] < min(by_name["a"], by_name["b"], by_name["e"])
    assert np.isfinite(counted.logit).all()


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("level", ["track", "video"])
def test_every_aggregation_keeps_within_the_crops_scores(aggregation: str, level: str) -> None:
    value = predictions(drawn())
    units = make_units(value, level=level, aggregation=aggregation)  # type: ignore[arg-type]
    for name, logit in zip(units.name, units.logit, strict=True):
        of_video = value.logit[value.video_id == name.partition("#")[0]]
        assert of_video.min() <= logit <= of_video.max()


@pytest.mark.parametrize("wrong", [{"level": "face"}, {"aggregation": "sum"}, {"cluster_by": "x"}])
def test_unknown_names_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        make_units(predictions(CROPS), **wrong)  # type: ignore[arg-type]
