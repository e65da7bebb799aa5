"""The list of a run's validation crops: the same crops again, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from store_rows import changed
from toy_crops import write_toy_crops
from training.test_train_validation_split import row, write_rows, write_store
from unmask.bundle.manifest import Clip
from unmask.core.errors import InputError, ManifestError
from unmask.training.crop_table import ClipCrops, Crops
from unmask.training.recipe import Recipe, to_yaml
from unmask.training.runs import VALIDATION, Run, RunRecord
from unmask.training.train_validation_split import sides_for
from unmask.training.validation_list import read_validation, write_list


def begin(
    folder: Path, training: list[Path], *validation: Path, recipe: Recipe | None = None
) -> tuple[Run, Crops]:
    """Write what a run writes of its crops, and return the run and what validates it."""
    settings = recipe or Recipe(validation_ratio=0.3)
    sides = sides_for(settings, training, validation, fold=None)
    folder.mkdir()
    (folder / "recipe.yaml").write_text(to_yaml(settings))
    write_list(folder, sides.validation)
    return Run(folder, RunRecord.model_construct(data=sides.data)), sides.validation


def pictures(crops: Crops) -> list[bytes]:
    def as_it_is(frames: list[Image.Image]) -> list[Image.Image]:
        return frames

    return [crops.pixels(index, as_it_is).tobytes() for index in range(len(crops))]


def assert_same(again: Crops, before: Crops) -> None:
    assert again.summary() == before.summary()
    assert again.videos == before.videos
    assert again.targets == before.targets
    np.testing.assert_array_equal(again.is_fake, before.is_fake)
    assert pictures(again) == pictures(before)


def test_carved_crops_of_several_files_are_read_again(tmp_path: Path) -> None:
    files = [
        write_toy_crops(tmp_path / f"{name}.parquet", families=6, prefix=name) for name in "abc"
    ]
    run, before = begin(tmp_path / "run", files)
    assert len(before) < 18
    assert_same(read_validation(run), before)


def test_validation_crops_that_were_given_or_marked_are_read_again(tmp_path: Path) -> None:
    marked = write_store(tmp_path / "marked", ["train", "validation"] * 6)
    held = write_toy_crops(tmp_path / "held.parquet", families=4, prefix="held")
    for name, given in (("store", []), ("given", [held]), ("both", [held, marked])):
        run, before = begin(tmp_path / name, [marked], *given)
        assert_same(read_validation(run), before)


def test_the_training_crops_need_not_be_there(tmp_path: Path) -> None:
    learned = write_toy_crops(tmp_path / "learned.parquet", families=4)
    held = write_toy_crops(tmp_path / "held.parquet", families=4, prefix="held")
    run, before = begin(tmp_path / "run", [learned], held)
    learned.unlink()
    assert_same(read_validation(run), before)


@pytest.mark.parametrize("keep", [False, True])
def test_uncertain_fakes_are_left_out_again_or_kept(keep: bool, tmp_path: Path) -> None:
    rows = [row(number, copy, None, leaks=False) for number in range(12) for copy in range(3)]
    rows[1::3] = [changed(each, forged_face="uncertain") for each in rows[1::3]]
    store = write_rows(tmp_path / "crops", rows)
    recipe = Recipe(validation_ratio=0.5, uncertain_fakes=keep)
    run, before = begin(tmp_path / "run", [store], recipe=recipe)
    assert_same(read_validation(run), before)


def test_clips_are_made_of_the_crops_again(tmp_path: Path) -> None:
    toys = [write_toy_crops(tmp_path / "a.parquet", families=12)]
    plain = Recipe(validation_ratio=0.5)
    clip = Clip(frames=2, min_frames=1)
    network = plain.network.model_copy(update={"clip": clip})
    run, before = begin(
        tmp_path / "run", toys, recipe=plain.model_copy(update={"network": network})
    )
    again = read_validation(run)
    assert isinstance(before, ClipCrops)
    assert isinstance(again, ClipCrops)
    assert len(again.single) == len(before.single)
    assert_same(again, before)


def test_changed_crops_and_a_run_without_a_list_are_refused(tmp_path: Path) -> None:
    toys = write_toy_crops(tmp_path / "toys.parquet", families=12)
    run, _ = begin(tmp_path / "run", [toys])
    write_toy_crops(toys, families=13)
    with pytest.raises(InputError, match="are not those that it was trained on"):
        read_validation(run)
    run.validation_list.unlink()
    with pytest.raises(InputError, match="has no list of its validation crops") as caught:
        read_validation(run)
    assert caught.value.hint.startswith(f"`unmask train --resume {run.folder}` writes it")


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"crop": pa.array([0, 1], pa.int64())}),
        pa.table({"crop": pa.array([-1, 2**62], pa.int64())}),
        pa.table({"crop": pa.array([], pa.int64())}),
        pa.table({"crop": pa.array([0, None], pa.int64())}),
        pa.table({"crop": pa.array(["0"])}),
        pa.table({"crop": pa.array([0], pa.int64()), "more": [1]}),
    ],
)
def test_a_list_of_other_things_is_refused(table: pa.Table, tmp_path: Path) -> None:
    toys = write_toy_crops(tmp_path / "toys.parquet", families=12)
    run, _ = begin(tmp_path / "run", [toys])
    pq.write_table(table, run.validation_list)
    with pytest.raises(ManifestError, match=r"other crops than validated|no list of crops"):
        read_validation(run)


def test_damaged_lists_are_refused_or_the_same(tmp_path: Path) -> None:
    toys = write_toy_crops(tmp_path / "toys.parquet", families=12)
    run, before = begin(tmp_path / "run", [toys])
    whole, rng = (run.folder / VALIDATION).read_bytes(), np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        run.validation_list.write_bytes(damaged)
        try:
            assert read_validation(run).summary() == before.summary()
        except ManifestError:
            refused += 1
    assert refused > 20
