"""Which crops train and which validate: nothing shared, nothing of the test split, leaks said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from store_rows import changed, crop_row, video_of
from toy_crops import picture, write_toy_crops
from unmask.core.errors import InputNotFound, ManifestError, RecipeError
from unmask.crops.rows import CropRow, StoreInfo, VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing
from unmask.training.crop_table import Crops, read_crops
from unmask.training.recipe import Recipe
from unmask.training.runs import Run, RunData, RunRecord
from unmask.training.train_validation_split import Sides, read_sides, reread_sides, sides_for


def sides(*paths: Path, validation: tuple[Path, ...] = ()) -> Sides:
    return read_sides(paths, validation, ratio=0.25, seed=0)


def footage(crops: Crops) -> set[str]:
    return {key for crop in crops.keys for key in crop.footage}


def test_carved_crops_share_no_footage(tmp_path: Path) -> None:
    result = sides(write_toy_crops(tmp_path / "crops.parquet", families=20))
    assert not footage(result.training) & footage(result.validation)
    assert len(result.training) + len(result.validation) == 60
    assert (len(result.validation), int(result.validation.is_fake.sum())) == (15, 10)
    assert (result.data.validation_from, result.data.leaks) == ("carved", ())


def test_carving_follows_from_the_seed(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=20)
    chosen = [read_sides([path], ratio=0.25, seed=seed).validation.videos for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_given_validation_crops_are_taken_whole(tmp_path: Path) -> None:
    result = sides(
        write_toy_crops(tmp_path / "a.parquet"),
        write_toy_crops(tmp_path / "b.parquet", prefix="other"),
        validation=(write_toy_crops(tmp_path / "c.parquet", families=2, prefix="held"),),
    )
    assert (len(result.training), len(result.validation)) == (48, 6)
    assert (result.data.validation_from, result.data.leaks) == ("given", ())
    assert [Path(s.path).name for s in result.data.training.sources] == ["a.parquet", "b.parquet"]


def test_blends_alone_need_real_crops_only(tmp_path: Path) -> None:
    both = write_toy_crops(tmp_path / "both.parquet")
    held_out = write_toy_crops(tmp_path / "held.parquet", families=2, prefix="held")
    for label in ("real", "fake"):
        kept = pq.read_table(both).filter(pc.field("label") == label)
        pq.write_table(kept, tmp_path / f"{label}.parquet")
    result = read_sides(
        [tmp_path / "real.parquet"], [held_out], ratio=0.25, seed=0, blends_only=True
    )
    assert not result.training.is_fake.any()
    with pytest.raises(RecipeError, match="training needs crops of both classes"):
        sides(tmp_path / "real.parquet", validation=(held_out,))
    with pytest.raises(RecipeError, match="blends are made of real crops"):
        read_sides([tmp_path / "fake.parquet"], [held_out], ratio=0.25, seed=0, blends_only=True)
    with pytest.raises(RecipeError, match="validation needs crops of both classes"):
        read_sides([tmp_path / "real.parquet"], ratio=0.25, seed=0, blends_only=True)


def test_footage_on_both_sides_is_a_leak(tmp_path: Path) -> None:
    result = sides(
        write_toy_crops(tmp_path / "a.parquet"),
        validation=(write_toy_crops(tmp_path / "b.parquet", families=3),),
    )
    assert result.data.leaks == ("3 of 3 pieces of footage in validation are in training too",)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", fakes=0)
    with pytest.raises(RecipeError, match="training needs crops of both classes"):
        sides(path)


def row(
    number: int, copy: int, split: str | None, *, leaks: bool, fold: int | None = None
) -> CropRow:
    """Return a crop of clip `number`: the real one, or a fake made from it."""
    label = "fake" if copy else "real"
    name = f"{label}/{number}-{copy}.mp4"
    encoded = picture(number, fake=copy > 0)
    row = crop_row(
        name, 0, encoded, label=label, method="board" if copy else None, target=f"toy/{number}",
        split=split, fold=fold, square=(0.0, 0.0, 40.0, 40.0),
        forged_face="only-face" if copy else None,
    )  # fmt: skip
    protocol = "paper-frame-split" if leaks else "video"
    return replace(row, protocol=protocol, leaks=leaks, track_frames=1, sharpness=1.0)


def write_store(
    folder: Path,
    splits: Sequence[str | None],
    *,
    leaks: bool = False,
    folds: Sequence[int | None] | None = None,
) -> Path:
    """Write a crop store with a real and two fakes for each split named, and its fold."""
    rows = [
        row(number, copy, split, leaks=leaks, fold=folds[number] if folds else None)
        for number, split in enumerate(splits)
        for copy in range(3)
    ]
    return write_rows(folder, rows, leaks=leaks)


def write_rows(
    folder: Path, rows: Sequence[CropRow], *, leaks: bool = False, margin_ratio: float = 1.7
) -> Path:
    """Write a crop store of videos with one crop each."""
    info = StoreInfo(
        dataset="toy",
        licence="free",
        protocol="paper-frame-split" if leaks else "video",
        leaks=leaks,
        leak_reason="frames were drawn at random" if leaks else None,
        manifest_sha256="0" * 64,
        manifest_rows=len(rows),
        settings={"margin_ratio": margin_ratio},
        versions={},
    )
    with open_for_writing(folder, info) as store:
        for crop in rows:
            store.add(VideoCrops(VideoCoverage(video_of(crop), "done", crops=1), (crop,)))
    return folder


def test_a_store_is_used_as_it_is_split_and_its_test_crops_never(tmp_path: Path) -> None:
    store = write_store(tmp_path / "crops", ["train", "train", "validation", "test"])
    result = sides(store)
    assert footage(result.training) == {"toy/0", "toy/1"}
    assert footage(result.validation) == {"toy/2"}
    assert result.data.validation_from == "store"
    assert result.data.training.sources[0].licence == "free"


def test_a_stores_pictures_belong_to_its_rows(tmp_path: Path) -> None:
    store = write_store(tmp_path / "crops", ["train", "validation"])
    result = sides(store)
    for crops in (result.training, result.validation):
        for index, key in enumerate(crops.keys):
            is_real = key.video.startswith("toy/real")
            # a checkerboard is rough, blotches are smooth
            grey = np.asarray(crops.picture(index).convert("L"), dtype=float)
            assert (np.abs(np.diff(grey, axis=1)).mean() < 8) == is_real
            assert key.crop.is_fake != is_real


def test_the_margin_is_what_stores_tell_and_agree_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_toy_crops(tmp_path / "crops.parquet")
    rows = [row(number, copy, None, leaks=False) for number in range(4) for copy in range(3)]
    one, other = (
        write_rows(tmp_path / f"{margin}", rows, margin_ratio=margin) for margin in (1.0, 1.3)
    )
    assert sides(file).margin_ratio(None) is None
    assert sides(file, one).margin_ratio(None) == sides(one).margin_ratio(1.0) == 1.0
    assert not caplog.text
    for result in (sides(one, file, other), sides(file, one, validation=(other,))):
        with pytest.raises(
            RecipeError, match=r"different margins: .*1\.0 with 1, .*1\.3 with 1\.3$"
        ):
            result.margin_ratio(None)
    # a recipe that says what it wants goes on, with a word
    assert sides(file, one, other).margin_ratio(1.3) == 1.3
    assert caplog.messages == [
        f"{one} was cut with --margin-ratio 1, the detector will use 1.3 (network.margin_ratio)"
    ]


def test_a_store_tells_the_compression_of_its_crops(tmp_path: Path) -> None:
    rows = [changed(row(0, copy, None, leaks=False), compression=f"c{copy}") for copy in range(3)]
    keys = read_crops([write_rows(tmp_path / "crops", rows)]).keys
    assert {(key.video, key.crop.compression) for key in keys} == {
        (f"toy/{each.record.video_id}", each.record.compression) for each in rows
    }


def test_uncertain_fakes_are_left_out_unless_the_recipe_keeps_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row(number, copy, None, leaks=False) for number in range(8) for copy in range(3)]
    rows[1::3] = [changed(each, forged_face="uncertain") for each in rows[1::3]]
    store = write_rows(tmp_path / "crops", rows)
    result = sides(store)
    videos = {*result.training.videos, *result.validation.videos}
    certain = {each.record.video_id for each in rows if each.record.forged_face != "uncertain"}
    assert videos == {f"toy/{name}" for name in certain}
    assert result.data.left_out == 8
    assert f"{store}: 8 crops of fakes are left out" in caplog.text
    for keeping, count in ((Recipe(uncertain_fakes=True), 24), (Recipe(), 16)):
        begun = sides_for(keeping, [store], [], fold=None)
        assert len(begun.training) + len(begun.validation) == count
        record = RunRecord.model_construct(
            data=begun.data, training_paths=(str(store),), validation_paths=()
        )
        # the recipe of a run from before there was a choice does not say that it kept them
        assert reread_sides(Run(tmp_path, record), Recipe()).data == begun.data


def test_a_store_without_splits_is_carved(tmp_path: Path) -> None:
    result = sides(write_store(tmp_path / "crops", [None] * 8))
    assert not footage(result.training) & footage(result.validation)
    assert result.data.validation_from == "carved"


def folded(folder: Path, folds: Sequence[int | None]) -> Path:
    return write_store(folder, [None] * len(folds), folds=folds)


def held_out(*paths: Path, fold: int, validation: tuple[Path, ...] = ()) -> Sides:
    return read_sides(paths, validation, ratio=0.25, seed=0, fold=fold)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_crops_of_a_fold_that_is_held_out_are_on_neither_side(fold: int, tmp_path: Path) -> None:
    store = folded(tmp_path / "crops", [0, 1, 2] * 4)
    result = held_out(store, fold=fold)
    learned, chosen_by = footage(result.training), footage(result.validation)
    assert learned | chosen_by == {f"toy/{number}" for number in range(12) if number % 3 != fold}
    assert not learned & chosen_by
    assert (result.data.validation_from, result.data.held_out_fold) == ("carved", fold)
    assert not result.data.leaks


def test_all_folds_are_used_where_none_is_held_out(tmp_path: Path) -> None:
    result = sides(folded(tmp_path / "crops", [0, 1] * 4))
    assert len(result.training) + len(result.validation) == 24
    assert result.data.held_out_fold is None


def test_footage_of_the_held_out_fold_in_other_folds_is_a_leak(tmp_path: Path) -> None:
    one = folded(tmp_path / "one", [0, 0, 0, 0, 1])
    other = folded(tmp_path / "other", [1, 0, 0, 0, 1])
    reason = "1 of 2 pieces of footage in fold 1 are in other folds too"
    assert held_out(one, other, fold=1).data.leaks == (reason,)


def test_a_fold_that_is_not_there_is_refused(tmp_path: Path) -> None:
    store = folded(tmp_path / "crops", [0, 2, 3])
    with pytest.raises(ManifestError, match=r"crops has no fold 1$") as raised:
        held_out(store, fold=1)
    assert raised.value.hint == "its folds are 0, 2, 3"
    plain = write_toy_crops(tmp_path / "plain.parquet")
    for paths in ([folded(tmp_path / "some", [0, None])], [store, plain]):
        with pytest.raises(ManifestError, match="does not give each row a fold") as raised:
            held_out(*paths, fold=0)
        assert "--protocol k-fold" in raised.value.hint
    with pytest.raises(ValueError, match="give no --validation"):
        held_out(store, fold=0, validation=(plain,))


def test_a_leaky_protocol_is_carried_into_the_run(tmp_path: Path) -> None:
    result = sides(write_store(tmp_path / "crops", ["train", "train", "validation"], leaks=True))
    assert result.data.leaks == ("paper-frame-split: frames were drawn at random",)


def test_test_crops_are_refused_for_validation(tmp_path: Path) -> None:
    training = write_toy_crops(tmp_path / "crops.parquet")
    store = write_store(tmp_path / "store", ["test", "test"])
    with pytest.raises(RecipeError, match=r"no crop of .*store is marked as validation"):
        sides(training, validation=(store,))


def rewritten(path: Path, **columns: list[object] | None) -> Path:
    table = pq.read_table(path).to_pydict()
    for name, values in columns.items():
        if values is None:
            del table[name]
        else:
            table[name] = values
    pq.write_table(pa.table(table), path)
    return path


def test_a_file_without_originals_takes_each_name_as_footage(tmp_path: Path) -> None:
    path = rewritten(write_toy_crops(tmp_path / "crops.parquet"), original=None)
    assert len(footage(read_crops([path]))) == 24


def test_a_column_of_videos_keeps_crops_together(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=2)
    videos = ["a", "b", "b", "c", "d", "d"]
    crops = read_crops([rewritten(path, video=videos, original=None)])
    assert crops.videos == [key.target for key in crops.keys] == videos


def test_a_file_may_mark_its_splits(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=4, fakes=1)
    marks = [side for side in ("train", "val", "test", None) for _ in range(2)]
    sides = read_sides([rewritten(path, split=marks)], ratio=0.5, seed=0)
    assert [key.video for key in sides.training.keys] == ["clip0", "clip0-fake1"]
    assert [key.video for key in sides.validation.keys] == ["clip1", "clip1-fake1"]


@pytest.mark.parametrize("column", ["name", "label", "image"])
def test_a_file_without_a_needed_column_is_refused(column: str, tmp_path: Path) -> None:
    path = rewritten(write_toy_crops(tmp_path / "crops.parquet"), **{column: None})
    with pytest.raises(ManifestError, match=f"has no column '{column}'"):
        read_crops([path])


def test_strange_labels_and_files_are_refused(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=1)
    with pytest.raises(ManifestError, match="labels are 'real' or 'fake'"):
        read_crops([rewritten(path, label=["real", "forged", "fake"])])
    (tmp_path / "words.parquet").write_text("words")
    with pytest.raises(ManifestError, match="is not a Parquet file"):
        read_crops([tmp_path / "words.parquet"])
    with pytest.raises(InputNotFound, match="no crops"):
        read_crops([tmp_path / "absent.parquet"])


def test_a_picture_that_is_none_or_not_square_is_named(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=1)
    crops = read_crops([rewritten(path, image=[b"none", *[picture(0, fake=True)] * 2])])
    with pytest.raises(ManifestError, match=r"the crop of 'clip0' in .* is no picture"):
        crops.picture(0)
    wide = tmp_path / "wide.png"
    crops.picture(1).resize((40, 30)).save(wide)
    path = rewritten(path, image=[wide.read_bytes()] * 3)
    with pytest.raises(ManifestError, match="is 40 x 30; crops are square"):
        read_crops([path]).picture(0)


def test_what_is_known_of_the_data_can_be_written(tmp_path: Path) -> None:
    data = sides(write_toy_crops(tmp_path / "crops.parquet")).data
    assert json.loads(data.model_dump_json())["training"]["real"] == data.training.real


def test_a_run_from_before_folds_is_read(tmp_path: Path) -> None:
    data = sides(write_toy_crops(tmp_path / "crops.parquet")).data
    assert RunData.model_validate_json(data.model_dump_json(exclude={"held_out_fold"})) == data
