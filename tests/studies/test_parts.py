"""What studies are put together from: choices of crops, splits, schedules, marks, break points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="studies need pyarrow (extra `data`)")

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from store_rows import INFO, crop_row, video_of
from studies.tiny import TINY
from toy_crops import write_toy_crops
from unmask.cli.runs.study import describe_outcome
from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.rows import VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord, write_manifest
from unmask.studies.cells import Cache, Cell, Measured
from unmask.studies.charts import dots
from unmask.studies.crop_set import SIDES, Material, choose_sides, read_material
from unmask.studies.engine import read_outcomes, run_study
from unmask.studies.estimate import Estimate
from unmask.studies.experiments.leak import LEAK, assign_folds, why_persons_tied
from unmask.studies.experiments.severity import break_point, draw_ratio, ratio_name, severity_size
from unmask.studies.experiments.unseen import _thin_fakes
from unmask.studies.films import Film, part_films, read_films
from unmask.studies.frame_crops import ROWS, chosen_rows, schedule
from unmask.studies.page import to_markdown
from unmask.studies.pictures import (
    MARK_SHARE,
    decode_pixels,
    join_materials,
    mark_mask,
    plant_marks,
)
from unmask.studies.request import StudyRequest
from unmask.studies.study import Answer, CellState, Outcome, Result
from unmask.studies.study_context import StudyContext
from unmask.training.crop_table import read_crops


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Material:
    path = tmp_path_factory.mktemp("crops") / "crops.parquet"
    return read_material([write_toy_crops(path, families=20, fakes=3)])


def test_crops_of_a_file_keep_labels_and_originals(crops: Material) -> None:
    assert (len(crops), crops.reals) == (80, 20)
    assert set(crops.names("target")) == {f"clip{n}" for n in range(20)}
    assert decode_pixels(crops, 32, [0, 5]).shape == (2, 32, 32, 3)
    assert "20 real and 60 fake crops" in crops.described


def test_a_limit_takes_whole_footage_with_its_pictures(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=12)
    whole, some = read_material([path]), read_material([path], limit=15)
    assert 9 <= len(some) <= 18
    assert 3 * some.reals == len(some)
    by_name = dict(zip(whole.names("name"), whole.table["image"].to_pylist(), strict=True))
    assert all(
        by_name[name] == image
        for name, image in zip(some.names("name"), some.table["image"].to_pylist(), strict=True)
    )


def test_sides_share_no_footage_and_both_have_both_classes(crops: Material) -> None:
    sides = choose_sides(crops)
    parts = [set(side.names("target")) for side in (sides.training, sides.validation, sides.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20
    given_test = choose_sides(crops, test=crops)
    assert given_test.test is crops
    assert len(given_test.training) + len(given_test.validation) == len(crops)


def test_training_reads_the_frames_of_crops(tmp_path: Path) -> None:
    columns = {"name": ["a", "b"], "label": ["real", "fake"], "image": [b"", b""], "frame": [4, 7]}
    pq.write_table(pa.table(columns), tmp_path / "crops.parquet")
    read_material([tmp_path / "crops.parquet"]).write(tmp_path / "side.parquet")
    assert [key.frame for key in read_crops([tmp_path / "side.parquet"]).keys] == [4, 7]


def test_a_table_means_the_same_to_studies_as_to_training(tmp_path: Path) -> None:
    columns = {
        "name": ["a", "b", "c"], "label": ["real", "real", "fake"], "image": [b""] * 3,
        "video": ["v", "v", None], "source": [None, None, "w"], "method": ["none", None, "swap"],
        "person": ["p", "p", None], "split": ["train", "val", None],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "crops.parquet")
    result = read_material([tmp_path / "crops.parquet"])
    keys = read_crops([tmp_path / "crops.parquet"]).keys
    for column in ("video", "target"):
        assert result.names(column).tolist() == [getattr(key, column) for key in keys]
    for column in ("source", "split"):
        assert result.names(column).tolist() == [getattr(key.crop, column) for key in keys]
    assert result.names("target").tolist() == ["v", "v", "c"]
    assert result.names("method").tolist() == [None, None, "swap"]
    assert result.persons == [["p"], ["p"], []]


def test_what_is_no_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no crops"):
        read_material([tmp_path / "absent.parquet"])
    pq.write_table(pa.table({"name": ["a"], "label": ["real"]}), tmp_path / "bare.parquet")
    with pytest.raises(ManifestError, match="no column 'image'"):
        read_material([tmp_path / "bare.parquet"])


def test_another_choice_has_another_identity(crops: Material) -> None:
    first, same, other = (
        crops.take(np.arange(4)),
        crops.take(np.arange(4)),
        crops.take(np.arange(5)),
    )
    assert first.sha256 == same.sha256 != other.sha256
    assert join_materials([first, other]).sha256 != join_materials([other, first]).sha256


@pytest.mark.parametrize("protocol", ["video", "identity"])
@given(seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_folds_share_no_footage_and_no_person(protocol: str, seed: int) -> None:
    rows = [
        {
            "name": f"{n}", "label": "fake" if n % 3 else "real", "video": f"v{n // 2}",
            "target": f"v{n // 2}", "person": f"p{n // 6}", "persons": [f"p{n // 6}"],
            "frame": n, "image": b"",
        }
        for n in range(60)
    ]  # fmt: skip
    from unmask.studies.crop_set import COLUMNS

    crops = Material("made up", "0", "none", pa.Table.from_pylist(rows, schema=COLUMNS))
    fold_of = assign_folds(crops, protocol, 3, seed)
    assert set(fold_of) == {0, 1, 2}
    key = crops.names("person" if protocol == "identity" else "target")
    for name in set(key):
        assert len(set(fold_of[key == name])) == 1


def marked_store(folder: Path, *, leaks: bool, uncertain: bool = False) -> Path:
    """Write a crop store with a real and a fake on each side of its split."""
    info = replace(
        INFO, protocol="frame", leaks=leaks, leak_reason="frames are drawn" if leaks else None
    )
    with open_for_writing(folder, info) as store:
        for split in SIDES:
            for label in ("real", "fake"):
                name = f"{split}-{label}.mp4"
                forged = "uncertain" if uncertain and split == "train" else None
                row = crop_row(name, 0, label=label, split=split, forged_face=forged)
                store.add(VideoCrops(VideoCoverage(video_of(row), "done", crops=1), (row,)))
    return folder


def test_fakes_whose_face_may_not_be_the_forged_one_are_left_out(tmp_path: Path) -> None:
    result = read_material([marked_store(tmp_path / "crops", leaks=False, uncertain=True)])
    assert (result.reals, len(result)) == (3, 5)
    assert set(result.names("split")[result.is_fake]) == {"validation", "test"}


def test_sides_of_a_split_that_leaks_say_why(tmp_path: Path) -> None:
    leaking = read_material([marked_store(tmp_path / "leaking", leaks=True)])
    assert choose_sides(leaking).leak == "frame: frames are drawn"
    assert (
        join_materials([leaking, leaking]).leak == leaking.take(np.arange(2)).leak == leaking.leak
    )
    clean = read_material([marked_store(tmp_path / "clean", leaks=False)])
    assert choose_sides(clean).leak is None
    assert choose_sides(clean, test=leaking).leak == "frame: frames are drawn"


def test_footage_carved_from_a_store_that_leaks_does_not(crops: Material) -> None:
    assert choose_sides(replace(crops, leak="frame: frames are drawn")).leak is None


def asked_of(world: StudyContext, folder: Path, *, seeds: int = 1) -> Outcome:
    """Run a study of crops that only opens its sides, with a cell for each seed."""

    def cells(world: StudyContext) -> list[Cell]:
        assert world.crops.sides
        return [
            Cell({"seed": n}, {"toy": n}, lambda _: Measured(pa.table({}))) for n in range(seeds)
        ]

    number = Result("all", "AUC", Estimate(0.7, 0.6, 0.8, 9, 9, seeds))
    chart = dots("AUC", "Dots.", x_label="AUC", rows={"all": number.estimate})
    answer = Answer(("So it is.",), (number,), (chart,))
    study = replace(LEAK, name="toy", needs="crops", cells=cells, answer=lambda *_: answer)
    return run_study(study, world, folder, Silent())


class Silent:
    """A watcher that shows nothing."""

    def study(self, name: str, cells: int, missing: int) -> None:
        pass

    def cell(self, name: str, number: int, state: CellState, *, new: bool) -> None:
        pass


@pytest.mark.parametrize("leaks", [True, False])
def test_a_page_on_a_split_that_leaks_is_marked(tmp_path: Path, leaks: bool) -> None:
    store = marked_store(tmp_path / "store", leaks=leaks)
    context = StudyContext(TINY, StudyRequest(data=(store,)), Cache(tmp_path / "cells"))
    outcome = asked_of(context, tmp_path / "study")
    assert outcome.leak == ("frame: frames are drawn" if leaks else None)
    assert read_outcomes(tmp_path / "study") == [outcome]
    page = (tmp_path / "study" / "page.html").read_text()
    assert ("This split leaks by design" in page) == leaks
    assert ('class="leaks" title="frame: frames are drawn">leaks' in page) == leaks
    caption = next(line for line in page.splitlines() if "<figcaption>" in line)
    assert ('class="leaks"' in caption) == leaks
    text = to_markdown([outcome])
    assert ("| AUC | 0.700 [0.600, 0.800] LEAKS |" in text) == leaks
    assert ("The split LEAKS by design. frame: frames are drawn." in text) == leaks
    assert describe_outcome(outcome).startswith("toy LEAKS: " if leaks else "toy: ")
    assert outcome.settings["networks trained"] == "none"
    assert "networks" not in outcome.settings


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, "hold nothing of the noise"), (2, "only in part"), (3, None)]
)
def test_few_seeds_are_told(tmp_path: Path, seeds: int, said: str | None) -> None:
    store = marked_store(tmp_path / "store", leaks=False)
    context = StudyContext(TINY, StudyRequest(data=(store,)), Cache(tmp_path / "cells"))
    text = asked_of(context, tmp_path / "study", seeds=seeds).cannot_say[len(LEAK.cannot_say) :]
    assert len(text) == (0 if said is None else 1)
    assert said is None or said in text[0]
    assert seeds != 2 or "70% of cases" in text[0]


def swapped(pairs: list[tuple[str, str]], path: Path) -> Material:
    """Read a file in which each person has a real video and each pair a fake with both persons."""
    persons = sorted({person for pair in pairs for person in pair})
    rows = [{"name": p, "label": "real", "image": b"", "identities": [p]} for p in persons] + [
        {"name": f"{a}-{b}", "label": "fake", "image": b"", "identities": [a, b]} for a, b in pairs
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return read_material([path])


def test_the_identity_split_keeps_both_persons_of_a_swap_together(tmp_path: Path) -> None:
    pairs = [(f"p{n}", f"p{n + 6}") for n in range(6)]
    crops = swapped(pairs, tmp_path / "crops.parquet")
    fold_of = assign_folds(crops, "identity", 3, 0)
    assert np.bincount(fold_of).tolist() == [6, 6, 6]
    sides: dict[str, set[int]] = {}
    for persons, fold in zip(crops.persons, fold_of, strict=True):
        for person in persons:
            sides.setdefault(person, set()).add(int(fold))
    assert len(sides) == 12
    assert all(len(side) == 1 for side in sides.values())
    assert why_persons_tied(crops, 3, range(2)) is None


def test_persons_that_swaps_tie_together_are_not_split(tmp_path: Path) -> None:
    pairs = [(f"p{n}", f"p{(n + 1) % 6}") for n in range(6)]
    text = why_persons_tied(swapped(pairs, tmp_path / "ring.parquet"), 3, range(2))
    assert text is not None
    assert "groups: 1, the largest with 100% of the crops" in text
    unnamed = read_material([write_toy_crops(tmp_path / "toys.parquet")])
    assert why_persons_tied(unnamed, 3, range(2)) == "not every row names one"


def test_the_frame_split_tears_videos_apart(crops: Material) -> None:
    fold_of = assign_folds(crops, "frame", 4, 0)
    assert np.bincount(fold_of).tolist() == [20, 20, 20, 20]
    assert max(len(set(fold_of[crops.names("target") == f"clip{n}"])) for n in range(20)) > 1


def test_schedules_have_the_share_that_they_promise() -> None:
    assert schedule("whole", 40).mean() == 1
    assert schedule("fade", 40).mean() == pytest.approx(0.5)
    assert (np.diff(schedule("fade", 40)) > 0).all()
    inserted = schedule("insertion", 40)
    assert np.flatnonzero(inserted).tolist() == [15, 16, 17, 18, 19]
    with pytest.raises(ValueError, match="unknown schedule 'slow'"):
        schedule("slow", 4)


def test_rows_are_chosen_in_each_track_as_a_scan_chooses() -> None:
    """Of five bumps in each track the four highest, where they were put by hand."""
    places = ((5, 17, 28, 40, 52), (4, 11, 19, 27, 35))
    heights = (7.0, 3.0, 9.0, 5.0, 8.0)
    differences = [np.zeros(60), np.zeros(40)]
    for values, at in zip(differences, places, strict=True):
        for place, height in zip(at, heights, strict=True):
            values[place - 1 : place + 2] = height / 2, height, height / 2
    rows = [
        {"track": track, "position": n, "frame": n, "difference": float(value), "codec_key": n == 0}
        for track, values in enumerate(differences, start=1)
        for n, value in enumerate(values)
    ]
    table = pa.Table.from_pylist(rows, schema=ROWS)
    chosen = chosen_rows(table, "local-maxima", 4, smoothing_frames=3)
    assert chosen.tolist() == [5, 28, 40, 52, 60 + 4, 60 + 19, 60 + 27, 60 + 35]


def test_parted_films_keep_footage_together() -> None:
    films = [
        Film(f"{n}{kind}", Path("x"), label, None, f"clip{n}", None)
        for n in range(10)
        for kind, label in (("", "real"), ("f", "fake"))
    ]
    first, second = part_films(films, share=0.3)
    assert len(second) == 6
    assert not {f.target for f in first} & {f.target for f in second}


def test_a_fake_film_is_paired_with_the_real_one_of_its_compression(tmp_path: Path) -> None:
    records = tuple(
        VideoRecord(f"{label}-{name}", "table", label, target="clip", compression=name)
        for label, names in (("real", ("c23", "c40")), ("fake", ("c23", "c40", None)))
        for name in names
    )
    for record in records:
        (tmp_path / record.id).touch()
    info = ManifestInfo("table", str(tmp_path), "mine")
    write_manifest(Manifest(info, records), tmp_path / "films.parquet")
    pairs = [(real.id, fake.id) for real, fake in read_films(tmp_path / "films.parquet").pairs()]
    assert pairs == [
        ("real-c23", "fake-c23"), ("real-c40", "fake-c40"), ("real-c40", "fake-None"),
    ]  # fmt: skip


def test_videos_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    records = tuple(
        VideoRecord(id=name, dataset="table", label=label)
        for name, label in (("a.mp4", "real"), ("b.mp4", "fake"))
    )
    info = ManifestInfo("table", str(tmp_path), "mine")
    write_manifest(Manifest(info, records), tmp_path / "films.parquet")
    with pytest.raises(InputNotFound, match=r"2 of 2 videos are not there, the first: .*a\.mp4"):
        read_films(tmp_path / "films.parquet", root=tmp_path / "elsewhere")
    with pytest.raises(InputNotFound, match="1 of 2 videos") as text:
        read_films(tmp_path / "films.parquet", root=tmp_path)
    assert "--root" in (text.value.hint or "")


def test_a_mark_is_planted_where_the_mask_says_and_nowhere_else(crops: Material) -> None:
    some = crops.take(np.arange(4))
    changed = plant_marks(some, some.is_fake, "marks on fakes")
    before, after = decode_pixels(some, 40, range(4)), decode_pixels(changed, 40, range(4))
    inside = mark_mask(40) > 0
    assert inside.mean() == pytest.approx(MARK_SHARE**2, abs=0.01)
    difference = np.abs(after.astype(int) - before).mean(axis=-1)
    assert difference[0].max() == 0  # the real one
    assert difference[1][inside].mean() > 5 * difference[1][~inside].mean()
    assert set(changed.names("condition")) == {"marks on fakes"}
    assert changed.sha256 != some.sha256


def test_crops_at_a_ratio_have_it(crops: Material) -> None:
    size = severity_size(crops, (0.5, 1, 3), 1000)
    assert size == 30  # 20 reals are two thirds of the crops at 2:1
    for ratio in (0.5, 1, 3):
        drawn = draw_ratio(crops, ratio, size, seed=1)
        assert len(drawn) == size
        assert (size - drawn.reals) / drawn.reals == pytest.approx(ratio, rel=0.2)
    with pytest.raises(ManifestError, match="1:100 needs"):
        severity_size(crops, (1, 100), 1000)


def test_ratios_are_named_real_to_fake() -> None:
    assert [ratio_name(r) for r in (0.01, 1 / 3, 1, 30)] == ["100:1", "3:1", "1:1", "1:30"]


@given(
    slope=st.floats(0.01, 1.0), drop=st.floats(0.01, 0.2), places=st.integers(2, 8)
)  # fmt: skip
def test_a_straight_line_breaks_where_arithmetic_says(
    slope: float, drop: float, places: int
) -> None:
    x = np.linspace(0, 2, places)
    result = break_point(x, (0.9 - slope * x)[None], drop)[0]
    exact = drop / slope
    assert result == pytest.approx(exact, abs=1e-6) if exact <= 2 else np.isinf(result)


def test_a_curve_that_never_falls_has_no_break_point() -> None:
    assert np.isinf(break_point(np.arange(3.0), np.array([[0.8, 0.9, 0.79]]), 0.05)[0])


def test_thinned_crops_keep_all_reals(crops: Material) -> None:
    thinned = _thin_fakes(crops, 0.5, seed=3)
    assert (thinned.reals, len(thinned)) == (20, 50)
