"""Forgeries from tables of wide crops, as batches and as a contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from toy_crops import write_toy_crops
from unmask.cli.app import app
from unmask.core.errors import ManifestError, RecipeError
from unmask.datasets.layouts.crop_files import make_record
from unmask.datasets.layouts.crop_table import read_crop_table
from unmask.training.batches import TrainingBatches, even_shares, forgery_maker
from unmask.training.crop_table import read_crops
from unmask.training.preview import write_preview
from unmask.training.recipe import FORGERIES, Recipe, load_recipe
from unmask.training.sampling import shuffle
from wide_crops import write_wide_crops


def recipe(**forgeries: float) -> Recipe:
    return Recipe.model_validate({
        "batch_size": 8,
        "network": {"size_px": 64, "margin_ratio": 1.3},
        "augmentation": {
            "name": "standard", "self_blended_ratio": 1, "forgeries": forgeries or {"blend": 1}
        },
    })  # fmt: skip


@pytest.mark.parametrize("five", [False, True])
@pytest.mark.parametrize("rendered", [False, True])
def test_batches_of_wide_crops_are_pairs_of_real_and_fake(
    tmp_path: Path, *, five: bool, rendered: bool
) -> None:
    crops = read_crops([write_wide_crops(tmp_path / "w.parquet", five=five, rendered=rendered)])
    settings = recipe(blend=1, mouth=1, rendered=1)
    pixels, labels = TrainingBatches(crops, shuffle, settings)[0]

    assert pixels.shape == (8, 64, 64, 3)
    assert labels.tolist() == [0, 1] * 4
    assert all((pixels[n] != pixels[n + 1]).any() for n in range(0, 8, 2))


def test_batches_of_wide_crops_follow_from_seed_and_number(tmp_path: Path) -> None:
    crops = read_crops([write_wide_crops(tmp_path / "w.parquet", rendered=True)])
    one, two = (TrainingBatches(crops, shuffle, recipe(mouth=1, rendered=1)) for _ in range(2))

    np.testing.assert_array_equal(one[3][0], two[3][0])


@pytest.mark.parametrize("kind", FORGERIES)
def test_each_kind_can_be_made_of_a_crop(tmp_path: Path, kind: str) -> None:
    crops = read_crops([write_wide_crops(tmp_path / "w.parquet")])
    pair = forgery_maker(crops, recipe()).forged(
        1,
        np.random.default_rng(0),
        64,
        kind=kind,  # type: ignore[arg-type]
    )

    assert pair.real.size == pair.fake.size == (80, 80)  # 1.25 of the network's input
    assert (np.asarray(pair.real) != np.asarray(pair.fake)).any()


def test_files_of_faces_with_landmarks_are_drawn_equally_often(tmp_path: Path) -> None:
    few = write_wide_crops(tmp_path / "few.parquet", films=1, frames=2)
    many = write_wide_crops(tmp_path / "many.parquet", films=4, frames=5)
    shares = even_shares(read_crops([few, many]), np.arange(22))

    assert shares[:2].sum() == pytest.approx(0.5)
    assert shares.sum() == pytest.approx(1)


def test_crops_without_landmarks_are_all_drawn_equally_often(tmp_path: Path) -> None:
    wide = write_wide_crops(tmp_path / "w.parquet", films=1, frames=2)
    crops = read_crops([wide, write_toy_crops(tmp_path / "t.parquet", families=4)])
    reals = np.flatnonzero(~crops.is_fake)

    assert set(even_shares(crops, reals)) == {1 / len(reals)}


def test_shares_of_forgeries_need_not_sum_to_1() -> None:
    assert recipe(blend=3, mouth=1).augmentation.forgeries.shares == (0.75, 0.25, 0)
    with pytest.raises(ValueError, match="must be above 0"):
        recipe(blend=0)


def test_the_recipes_of_the_wide_view_are_read() -> None:
    for name in ("wide-first", "wide"):
        settings = load_recipe(name)
        assert settings.network.margin_ratio == 1.3
        assert settings.augmentation.blends_only


def test_a_preview_shows_each_kind_that_the_recipe_makes(tmp_path: Path) -> None:
    crops = read_crops([write_wide_crops(tmp_path / "w.parquet")])
    count = write_preview(crops, recipe(blend=1, mouth=1), tmp_path / "sheet.png")

    assert count == 18
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (9 * 160, 6 * 160)


def test_a_preview_needs_landmarks(tmp_path: Path) -> None:
    crops = read_crops([write_toy_crops(tmp_path / "t.parquet", families=4)])
    with pytest.raises(RecipeError, match="landmarks"):
        write_preview(crops, recipe(), tmp_path / "sheet.png")


def test_the_command_writes_a_preview_and_trains_nothing(tmp_path: Path) -> None:
    table = write_wide_crops(tmp_path / "w.parquet")
    sheet = tmp_path / "sheet.png"
    done = CliRunner().invoke(app, ["train", "wide", "--data", str(table), "--preview", str(sheet)])

    assert done.exit_code == 0, done.output
    assert sheet.is_file()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [("landmarks", [1.0] * 12), ("face_box", [1.0, 2.0, float("nan"), 4.0])],
)
def test_boxes_and_landmarks_of_another_form_are_refused(
    tmp_path: Path, column: str, value: list[float]
) -> None:
    path = write_wide_crops(tmp_path / "w.parquet")
    rows = pq.read_table(path).to_pylist()
    rows[0][column] = value
    pq.write_table(pa.Table.from_pylist(rows), path)

    with pytest.raises(ManifestError, match=column):
        read_crops([path])


def test_a_crop_keeps_the_name_of_its_data_set(tmp_path: Path) -> None:
    path = write_wide_crops(tmp_path / "w.parquet")
    rows = [row | {"dataset": "GRID"} for row in pq.read_table(path).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows), path)

    assert {make_record("w.parquet", row).dataset for row in read_crop_table(path).rows} == {"GRID"}
