"""Splits: nothing linked is ever on two sides, everything is placed, ratios and balance hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from unmask.core.errors import ManifestError
from unmask.datasets.groups import connect, group_rows
from unmask.datasets.manifest import Manifest, ManifestInfo, Split, VideoRecord
from unmask.datasets.split_checks import find_side
from unmask.datasets.splits import PROTOCOLS, frame_split, split

FFPP_METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
GROUPED = ("video", "identity", "k-fold")


def manifest(records: Iterable[VideoRecord], dataset: str = "table") -> Manifest:
    return Manifest(ManifestInfo(dataset, "/data", "own"), tuple(records))


def real(name: str, **more: object) -> VideoRecord:
    return VideoRecord(**{"id": name, "dataset": "table", "label": "real", "target": name, **more})  # type: ignore[arg-type]


def fake(name: str, target: str, source: str | None = None, **more: object) -> VideoRecord:
    values: dict[str, object] = {"method": "swap", **more}
    return VideoRecord(name, "table", "fake", target=target, source=source, **values)  # type: ignore[arg-type]


def ffpp() -> Manifest:
    """All rows of FaceForensics++ with its official splits of 360, 70 and 70 pairs."""
    rows: list[VideoRecord] = []
    sizes: dict[Split, int] = {"train": 360, "validation": 70, "test": 70}
    official = [split for split, count in sizes.items() for _ in range(count)]
    for pair, name in enumerate(official):
        a, b = f"{2 * pair:03}", f"{2 * pair + 1:03}"
        rows += [real(key, split=name) for key in (a, b)]
        rows += [
            fake(f"{method}/{x}_{y}", x, y, method=method, split=name)
            for method in FFPP_METHODS
            for x, y in ((a, b), (b, a))
        ]
    return manifest(rows)


def celebdf(persons: int = 59, *, validation: bool = False) -> Manifest:
    """Persons swapped with ten others each, in two circles; a tenth of the rows tests."""
    rng = np.random.default_rng(1)
    rows = []
    for person in range(persons):
        for take in range(10):
            key = f"id{person}_{take}"
            rows.append(real(f"real/{key}", target=key, identities=(f"id{person}",)))
            for step in rng.choice(np.arange(1, 12), 5, replace=False):
                other = (person + 2 * step) % persons
                name, both = f"fake/{key}_{other}", (f"id{person}", f"id{other}")
                rows.append(fake(name, key, identities=both))
    names: list[Split] = ["test", *(["validation"] if validation else []), *["train"] * 8]  # type: ignore[list-item]
    return manifest(replace(row, split=names[i % len(names)]) for i, row in enumerate(rows))


@st.composite
def rows(draw: st.DrawFn) -> list[VideoRecord]:
    """Reals and fakes with random links between footage, persons and files."""
    footage = draw(st.integers(1, 12))
    keys = st.integers(0, footage - 1).map(lambda number: f"f{number}")
    persons = st.lists(st.integers(0, 5).map(lambda number: f"p{number}"), max_size=2).map(tuple)
    video_records = []
    for number in range(draw(st.integers(1, 40))):
        more = {"identities": draw(persons), "sha256": draw(st.sampled_from([None, "s1", "s2"]))}
        if draw(st.booleans()):
            video_records.append(real(f"v{number:03}", **more | {"target": draw(keys)}))
        else:
            method = draw(st.sampled_from(["swap", "mimic"]))
            source = draw(st.none() | keys)
            video_records.append(fake(f"v{number:03}", draw(keys), source, method=method, **more))
    return video_records


def sides_by(
    keys: Callable[[VideoRecord], Iterable[str]], made: Manifest
) -> dict[str, set[str | None]]:
    sides: dict[str, set[str | None]] = defaultdict(set)
    for record in made.records:
        for key in keys(record):
            sides[key].add(find_side(record))
    return sides


FOLDS = 2


@settings(deadline=None)
@given(records=rows(), protocol=st.sampled_from(GROUPED), seed=st.integers(0, 99))
def test_linked_rows_are_on_one_side_and_every_row_is_placed(
    records: list[VideoRecord], protocol: str, seed: int
) -> None:
    assume(protocol != "k-fold" or len(group_rows(records)) >= FOLDS)
    result = split(manifest(records), protocol, seed=seed, folds=FOLDS)
    assert [record.id for record in result.records] == [record.id for record in records]
    assert all(find_side(record) is not None for record in result.records)
    assert all(len(s) == 1 for s in sides_by(lambda r: r.footage, result).values())
    assert all(len(s) == 1 for s in sides_by(lambda r: [r.sha256 or r.id], result).values())
    if protocol == "identity":
        assert all(len(s) == 1 for s in sides_by(lambda r: r.identities, result).values())


@settings(deadline=None)
@given(
    records=rows(),
    protocol=st.sampled_from(sorted(set(PROTOCOLS) - {"official", "part"})),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_order_of_rows_does_not_matter(
    records: list[VideoRecord], protocol: str, seed: int, data: st.DataObject
) -> None:
    assume(protocol != "k-fold" or len(group_rows(records)) >= FOLDS)
    shuffled = data.draw(st.permutations(records))
    one, other = (split(manifest(r), protocol, seed=seed, folds=FOLDS) for r in (records, shuffled))
    assert one == other


@settings(deadline=None)
@given(
    records=rows(),
    ratios=st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)),
    protocol=st.sampled_from(["video", "identity"]),
)
def test_ratios_are_met_within_the_largest_group(
    records: list[VideoRecord], ratios: tuple[int, int, int], protocol: str
) -> None:
    result = split(manifest(records), protocol, ratios=ratios)
    largest = group_rows(records, protocol).largest  # type: ignore[arg-type]
    count = Counter(record.split for record in result.records)
    names: tuple[Split, ...] = ("train", "validation", "test")
    for name, ratio in zip(names, ratios, strict=True):
        expected = len(records) * ratio / sum(ratios)
        assert abs(count[name] - expected) <= largest + 1e-9
        assert ratio > 0 or count[name] == 0


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=4), max_size=30))
def test_groups_are_the_connected_components(links: list[list[int]]) -> None:
    shared = [[not set(one).isdisjoint(other) for other in links] for one in links]
    linked = np.array(shared, dtype=bool).reshape(len(links), len(links))
    count, expected = connected_components(linked, directed=False)
    result = connect(links)
    assert len(result) == count
    assert len(set(zip(result.of_row.tolist(), expected.tolist(), strict=True))) == count


def test_ffpp_has_its_official_counts() -> None:
    result = split(ffpp(), "official")
    count = Counter((record.split, record.label) for record in result.records)
    assert {(s, label): n for (s, label), n in count.items() if label == "real"} == {
        ("train", "real"): 720,
        ("validation", "real"): 140,
        ("test", "real"): 140,
    }
    assert [count[s, "fake"] for s in ("train", "validation", "test")] == [2880, 560, 560]
    assert result.info.protocol == "official"
    assert result.info.warnings == ()


def test_ffpp_by_video_gives_the_same_counts_in_groups_of_a_pair() -> None:
    result = split(ffpp(), "video")
    count = Counter((record.split, record.method) for record in result.records)
    assert [count[s, None] for s in ("train", "validation", "test")] == [720, 140, 140]
    assert [count["test", method] for method in FFPP_METHODS] == [140] * 4
    assert group_rows(result.records).largest == 10


def test_another_seed_gives_another_split_of_the_same_sizes() -> None:
    one, other = split(ffpp(), "video", seed=1), split(ffpp(), "video", seed=2)
    assert one.records != other.records
    assert Counter(r.split for r in one.records) == Counter(r.split for r in other.records)
    assert one.records == split(ffpp(), "video", seed=1).records


def test_folds_are_balanced_as_well_as_scikit_learns() -> None:
    """Spread of each stratum over five folds, for groups of very different sizes."""
    rng = np.random.default_rng(5)
    records = []
    for group in range(300):
        records.append(real(f"r{group:03}"))
        for take in range(int(1 + rng.pareto(1.2))):
            method = str(rng.choice(["swap", "swap", "mimic", "rare"] if group % 9 else ["swap"]))
            records.append(fake(f"r{group:03}_{take}", f"r{group:03}", method=method))
    strata = np.array([record.method or "real" for record in records])
    groups = group_rows(records).of_row
    reference = np.zeros(len(records), dtype=int)
    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(strata, strata, groups)
    for fold, (_, held_out) in enumerate(theirs):
        reference[held_out] = fold
    result = {record.id: record.fold for record in split(manifest(records), "k-fold").records}
    ours = np.array([result[record.id] for record in records])

    def imbalance(folds: np.ndarray) -> float:
        shares = [np.bincount(folds[strata == s], minlength=5) / (strata == s).sum()
                  for s in sorted(set(strata))]  # fmt: skip
        return float(np.abs(np.array(shares) - 0.2).mean())

    assert imbalance(ours) <= imbalance(reference)


def test_fakes_that_chain_all_videos_together_are_warned_of() -> None:
    chain = [fake(f"x{i}", f"f{i}", f"f{i + 1}") for i in range(30)]
    result = split(manifest([*chain, *(real(f"y{i}") for i in range(30))]), "video")
    assert any("holds 30 of 60 rows (50%)" in warning for warning in result.info.warnings)


def test_a_share_that_no_group_is_left_for_is_warned_of() -> None:
    result = split(manifest([real("a"), fake("b", "a")]), "video")
    assert {record.split for record in result.records} == {"train"}
    assert any("no group was left for test" in warning for warning in result.info.warnings)


def test_a_split_by_video_says_how_many_persons_are_on_several_sides() -> None:
    records = [real(f"v{i}", identities=(f"p{i % 5}",)) for i in range(40)]
    result = split(manifest(records), "video")
    several = sum(len(sides) > 1 for sides in sides_by(lambda r: r.identities, result).values())
    assert several > 0
    assert any(f"{several} of 5 persons are on several sides" in w for w in result.info.warnings)
    assert not any("several sides" in w for w in split(manifest(records), "identity").info.warnings)


def test_fakes_that_do_not_tell_what_they_were_made_from_are_warned_of() -> None:
    records = [real("a"), fake("f", "a"), *(fake(f"g{i}", "") for i in range(3))]
    result = split(manifest(records), "video")
    assert any("3 of 4 fakes do not tell what they were made" in w for w in result.info.warnings)


def test_a_side_without_fakes_is_warned_of() -> None:
    records = [*(fake(f"f{i}", "a") for i in range(20)), *(real(f"r{i}") for i in range(20))]
    result = split(manifest(records), "video")
    assert "test has no fake rows: nothing can be measured on it" in result.info.warnings


def test_rows_that_tell_no_person_are_warned_of() -> None:
    records = [real("a", identities=("p",)), real("b"), real("c")]
    result = split(manifest(records), "identity")
    assert any("2 of 3 rows tell no person" in warning for warning in result.info.warnings)


def test_a_missing_validation_list_is_carved_out_of_train_by_person() -> None:
    indexed = celebdf()
    result = split(indexed, "official")
    before = {record.id: record for record in indexed.records}
    sides = sides_by(lambda r: r.identities if r.split != "test" else (), result)
    persons = {key: each - {None} for key, each in sides.items()}
    assert all(len(each) <= 1 for each in persons.values())
    assert Counter(next(iter(f)) for f in persons.values() if f) == {"train": 49, "validation": 10}
    assert [r for r in result.records if before[r.id].split == "test"] == [
        r for r in indexed.with_records(indexed.records).records if r.split == "test"
    ]
    assert all(r.split for r in result.records if r.label == "real")


def test_a_carved_validation_list_is_warned_of_with_what_was_left_out() -> None:
    result = split(celebdf(), "official")
    left_out = sum(record.split is None for record in result.records)
    assert left_out > 0
    assert any(f"{left_out} fakes between a person in train" in w for w in result.info.warnings)
    assert any("59 of 59 persons are on several sides" in w for w in result.info.warnings)


def test_an_official_validation_list_is_kept() -> None:
    indexed = celebdf(validation=True)
    assert split(indexed, "official").records == indexed.with_records(indexed.records).records


def test_carving_takes_rows_without_persons_by_footage() -> None:
    records = [real(f"v{i:03}", split="train" if i % 10 else "test") for i in range(100)]
    records += [fake(f"w{i:03}", f"v{i:03}", split="train") for i in range(100) if i % 10]
    result = split(manifest(records), "official")
    trained = [record for record in result.records if record.split != "test"]
    assert Counter(record.split for record in trained) == {"train": 150, "validation": 30}
    assert all(len(s) == 1 for s in sides_by(lambda r: r.footage, result).values())


def test_official_without_lists_says_where_they_come_from() -> None:
    with pytest.raises(ManifestError, match="'table' have no official split"):
        split(manifest([real("a")]), "official")


def test_official_after_another_split_is_refused() -> None:
    result = split(ffpp(), "video")
    with pytest.raises(ManifestError, match="was split already, by 'video'"):
        split(result, "official")


def test_a_second_split_does_not_keep_the_warnings_of_the_first() -> None:
    indexed = Manifest(replace(ffpp().info, warnings=("12 files are missing",)), ffpp().records)
    again = split(split(indexed, "paper-frame-split"), "video")
    assert again == split(indexed, "video")
    assert again.info.warnings == ("12 files are missing",)
    assert not again.info.leaks


def test_parts_stay_whole_and_footage_with_them() -> None:
    records = [real(f"p{part}/{i}", part=f"p{part}") for part in range(20) for i in range(7)]
    records.append(fake("p0/x", "p1/0", part="p0"))
    result = split(manifest(records), "part")
    assert all(len(s) == 1 for s in sides_by(lambda r: [str(r.part), *r.footage], result).values())
    assert {record.split for record in result.records} == {"train", "validation", "test"}


def test_parts_can_be_listed_by_patterns() -> None:
    records = [real(f"p{part:02}/{i}", part=f"p{part:02}") for part in range(20) for i in range(2)]
    result = split(manifest(records), "part", validation_parts=["p1[0-4]"], test_parts=["p19"])
    assert Counter(r.split for r in result.records) == {"train": 28, "validation": 10, "test": 2}


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"test_parts": ["p9"]}, "'p9' matches no part"),
        ({"test_parts": ["p*"], "validation_parts": ["p1"]}, r"'p\*' is in two lists \(p1\)"),
    ],
)
def test_part_lists_that_cannot_be_are_refused(lists: dict[str, list[str]], message: str) -> None:
    records = [real(f"p{part}/v", part=f"p{part}") for part in range(3)]
    with pytest.raises(ManifestError, match=message):
        split(manifest(records), "part", **lists)  # type: ignore[arg-type]


def test_rows_without_parts_cannot_be_split_by_part() -> None:
    with pytest.raises(ManifestError, match="lie in no parts"):
        split(manifest([real("a")]), "part")


def test_folds_by_person_keep_persons_together() -> None:
    records = [real(f"v{i:02}", identities=(f"p{i % 10}",)) for i in range(60)]
    result = split(manifest(records), "k-fold", group_by="identity")
    assert Counter(record.fold for record in result.records) == dict.fromkeys(range(5), 12)
    assert all(len(s) == 1 for s in sides_by(lambda r: r.identities, result).values())
    assert {record.split for record in result.records} == {None}


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(ManifestError, match="5 folds need at least as many groups; there are 1"):
        split(manifest([real("a"), fake("b", "a")]), "k-fold")


def test_the_papers_split_is_marked_as_leaking_and_can_be_repeated_from_the_manifest() -> None:
    result = split(ffpp(), "paper-frame-split", ratios=(80, 10, 10), seed=7)
    assert result.info.leaks
    assert "frames of one video" in str(result.info.leak_reason)
    assert (result.info.seed, result.info.settings["ratios"]) == (7, [80.0, 10.0, 10.0])
    assert {(record.split, record.fold) for record in result.records} == {(None, None)}


def test_frames_are_drawn_by_the_ratios_each_by_itself() -> None:
    drawn = [frame_split(f"v{v}", i, seed=3) for v in range(100) for i in range(100)]
    share = Counter(drawn)
    assert share["train"] / 10_000 == pytest.approx(0.72, abs=0.015)  # three standard deviations
    assert share["test"] / 10_000 == pytest.approx(0.14, abs=0.011)
    assert frame_split("v1", 5, seed=3) == drawn[105]
    assert drawn != [frame_split(f"v{v}", i, seed=4) for v in range(100) for i in range(100)]


def test_frames_of_a_split_with_ratio_0_are_never_drawn() -> None:
    drawn = {frame_split("v", i, ratios=(0.5, 0, 0.5)) for i in range(200)}
    assert drawn == {"train", "test"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "random"}, "unknown protocol 'random'; known: official, video"),
        ({"ratios": (1, 1)}, "ratios are three numbers"),
        ({"ratios": (0, 1, 1)}, "ratios are three numbers"),
        ({"ratios": (1, -1, 1)}, "ratios are three numbers"),
        ({"ratios": (1, float("nan"), 1)}, "ratios are three numbers"),
        ({"test_parts": ["p1"]}, "lists of parts go with the protocol 'part' only, got 'video'"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"group_by": "name"}, "group_by must be one of video, identity, got 'name'"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(ffpp(), **{"protocol": "video", **arguments})  # type: ignore[arg-type]


def test_an_empty_manifest_is_refused() -> None:
    with pytest.raises(ManifestError, match="has no rows"):
        split(manifest([]), "video")
