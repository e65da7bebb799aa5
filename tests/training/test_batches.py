"""Batches: a function of seed and number, with the composition that the strategy asks for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from store_rows import crop_row, write_store
from toy_crops import write_toy_crops
from toy_material import drawn_face, png
from unmask.core.errors import ManifestError, RecipeError
from unmask.crops.columns import Texts
from unmask.crops.rows import CropRow
from unmask.datasets.manifest import Label
from unmask.training.batches import (
    TrainingBatches,
    ValidationBatches,
    _originals,
    drawn_crops,
    find_classes,
)
from unmask.training.crop_table import CropColumns, Crops, read_crops
from unmask.training.recipe import Recipe
from unmask.training.sampling import alternate, pair, shuffle


def recipe(**fields: object) -> Recipe:
    return Recipe.model_validate(
        {"batch_size": 8, "epochs": 3, "network": {"size_px": 32}} | fields
    )


C23_C40 = ("c23", "c40")
AUGMENTED = {"name": "standard", "self_blended_ratio": 0.5}


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    path = tmp_path_factory.mktemp("crops") / "crops.parquet"
    return read_crops([write_toy_crops(path, families=11)])


def test_a_batch_follows_from_seed_and_number_alone(crops: Crops) -> None:
    result = [TrainingBatches(crops, shuffle, recipe(augmentation=AUGMENTED)) for _ in range(2)]
    list(map(result[0].__getitem__, range(5)))  # one has been used before, one is fresh
    for whole, fresh in zip(result[0][7], pickle.loads(pickle.dumps(result[1]))[7], strict=True):  # noqa: S301
        np.testing.assert_array_equal(whole, fresh)
    other = TrainingBatches(crops, shuffle, recipe(augmentation=AUGMENTED, seed=1))
    assert (other[7][0] != result[0][7][0]).any()
    assert (result[0][6][0] != result[0][7][0]).any()


def test_an_epoch_takes_each_crop_at_most_once(crops: Crops) -> None:
    batches = TrainingBatches(crops, shuffle, recipe())
    assert batches.per_epoch == 33 // 8
    seen = [image.tobytes() for n in range(4) for image in batches[n][0]]
    # the two fakes of a family are equal pictures
    assert len(set(seen)) >= 20
    assert max(seen.count(each) for each in seen) <= 2


def test_epochs_have_different_orders(crops: Crops) -> None:
    batches = TrainingBatches(crops, shuffle, recipe())
    assert (batches[0][0] != batches[4][0]).any()


def test_short_epochs_go_on_through_the_crops(crops: Crops) -> None:
    whole = TrainingBatches(crops, shuffle, recipe())
    short = TrainingBatches(crops, shuffle, recipe(epoch_batches=3))
    assert short.per_epoch == 3
    assert len(short) == 3 * recipe().epochs
    np.testing.assert_array_equal(short[3][0], whole[3][0])
    np.testing.assert_array_equal(short[4][0], whole[4][0])


def test_devices_share_an_epoch(crops: Crops) -> None:
    alone = TrainingBatches(crops, shuffle, recipe())
    shared = TrainingBatches(crops, shuffle, recipe(batch_size=4), devices=2)
    assert shared.per_epoch == alone.per_epoch
    both = np.concatenate([shared[2][0], shared[3][0]])
    np.testing.assert_array_equal(both, alone[1][0])


def test_steps_are_whole_under_accumulation(crops: Crops) -> None:
    assert TrainingBatches(crops, shuffle, recipe(batch_size=4, accumulate=3)).per_epoch == 6


@pytest.mark.parametrize("order", [alternate, pair])
def test_even_batches_are_half_fake(crops: Crops, order: object) -> None:
    batches = TrainingBatches(crops, order, recipe())
    assert all(batches[n][1].sum() == 4 for n in range(batches.per_epoch))


def test_blends_are_pairs_of_a_real_and_its_fake(crops: Crops) -> None:
    request = recipe(augmentation={"name": "none", "self_blended_ratio": 0.5})
    batches = TrainingBatches(crops, shuffle, request)
    pixels, labels = batches[0]
    assert labels[4:].tolist() == [0, 1, 0, 1]
    assert (pixels[4] != pixels[5]).any()
    apart, pair = (np.abs(pixels[4].astype(int) - pixels[n]).mean() for n in (6, 5))
    assert pair < apart


def test_blends_alone_take_real_crops_only(crops: Crops) -> None:
    request = recipe(augmentation={"name": "none", "self_blended_ratio": 1})
    batches = TrainingBatches(crops, shuffle, request)
    assert batches.per_epoch == 11 // 4  # a batch of 8 takes 4 of the 11 real crops
    real = crops.take(~crops.is_fake)
    for number in range(3):
        pixels, labels = batches[number]
        assert labels.tolist() == [0, 1] * 4
        changed = [
            np.abs(fake.astype(int) - real).mean()
            for real, fake in zip(pixels[::2], pixels[1::2], strict=True)
        ]
        assert all(0 < change < 40 for change in changed)
    alone = TrainingBatches(real, shuffle, request)
    assert alone[0][1].tolist() == [0, 1] * 4


def test_nearly_all_blends_leave_room_for_a_crop(crops: Crops) -> None:
    request = recipe(augmentation={"name": "none", "self_blended_ratio": 0.99})
    assert TrainingBatches(crops, shuffle, request)[0][1].tolist()[2:] == [0, 1] * 3


def test_smoothing_takes_texture_from_real_crops_fakes_and_blends(crops: Crops) -> None:
    def texture(ratio: float) -> np.ndarray:
        request = recipe(
            augmentation=AUGMENTED | {"smoothed_ratio": ratio}, network={"size_px": 96}
        )
        batches = TrainingBatches(crops, pair, request)
        steps = [np.abs(np.diff(batches[n][0].astype(float), axis=2)) for n in range(24)]
        return np.mean(steps, axis=(0, 2, 3, 4))  # of each place in a batch

    assert (texture(0.99) < texture(0.0)).all()


def test_too_few_crops_for_a_step_are_refused(crops: Crops) -> None:
    with pytest.raises(RecipeError, match="an epoch has 33 crops, a step needs 64"):
        TrainingBatches(crops, shuffle, recipe(batch_size=16), devices=4)


def stored(video: str, frame: int, target: str, compression: str | None = None) -> CropRow:
    label: Label = "fake" if "fake" in video else "real"
    return crop_row(video, frame, label=label, target=target, compression=compression)


def test_a_fakes_original_is_the_nearest_frame_of_its_footage(tmp_path: Path) -> None:
    reals = [stored("1-real", frame, "a") for frame in (0, 30)]
    rows = [*reals, stored("2-fake", 20, "a"), stored("3-fake", 0, "b")]
    crops = read_crops([write_store(tmp_path / "crops", rows)])
    assert find_classes(crops).original.tolist() == [-1, -1, 1, -1]


def test_a_fakes_original_has_its_compression_where_there_is_one(tmp_path: Path) -> None:
    reals = [stored(f"1-real-{name}", frame, "a", name) for name in C23_C40 for frame in (0, 5)]
    versions = ("c23", "c40", "c40", "c23", "raw", None)
    fakes = [stored(f"2-fake-{n}", 4, "a", name) for n, name in enumerate(versions)]
    crops = read_crops([write_store(tmp_path / "crops", [*reals, *fakes])])
    result = find_classes(crops).original[4:].tolist()
    assert result[:4] == [1, 3, 3, 1]
    assert set(result[4:]) <= {1, 3}  # neither has its own: the nearest of any


@given(
    crops=st.lists(
        st.tuples(
            st.booleans(), st.sampled_from("ab"), st.integers(0, 9), st.sampled_from(C23_C40)
        ),
        min_size=1,
        max_size=25,
    )
)
def test_originals_are_those_of_a_plain_search(crops: list[tuple[bool, str, int, str]]) -> None:
    fake, target, frame, version = zip(*crops, strict=True)
    columns = CropColumns(
        **{name: np.zeros(len(crops), np.int16) for name in ("origin", "position", "fold")},
        **{name: Texts.of(["x"] * len(crops)) for name in ("split", "video", "source")},
        is_fake=np.array(fake),
        frame=np.array(frame, np.int64),
        compression=Texts.of(version),
        target=Texts.of(target),
    )
    served = [0] * len(crops)
    expected = [-1] * len(crops)
    for place, (is_fake, footage, number, compression) in enumerate(crops):
        reals = [n for n, each in enumerate(crops) if is_fake and each[:2] == (False, footage)]
        alike = [n for n in reals if crops[n][3] == compression] or reals
        if alike:
            best = min(alike, key=lambda n: (abs(crops[n][2] - number), served[n], n))
            expected[place] = best
            served[best] += 1
    assert _originals(Crops((), columns)).tolist() == expected


@pytest.mark.parametrize("columns", [(), ("frame",)])
def test_paired_sees_every_real_frame_of_a_file(tmp_path: Path, columns: tuple[str, ...]) -> None:
    rows = [
        {"name": f"{label}{n}", "label": label, "original": f"clip{clip}", "frame": n, "image": b""}
        for clip in range(2)
        for label in ("real", "fake")
        for n in range(6)
    ]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table.select(["name", "label", "original", "image", *columns]), tmp_path / "f")
    crops = read_crops([tmp_path / "f"])
    # reals of the first clip are rows 0 to 5, those of the second 12 to 17
    assert find_classes(crops).original[[*range(6, 12), *range(18, 24)]].tolist() == [
        *range(6),
        *range(12, 18),
    ]


@pytest.mark.parametrize("frames", [["a", "b"], [0, None], [0.0, 1.0]])
def test_frames_that_are_no_whole_numbers_are_refused(tmp_path: Path, frames: list[object]) -> None:
    columns = {"name": ["a", "b"], "label": ["real", "fake"], "image": [b"", b""], "frame": frames}
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    with pytest.raises(ManifestError, match="frames are whole numbers"):
        read_crops([tmp_path / "f.parquet"])


def test_validation_crops_come_once_and_in_order(crops: Crops) -> None:
    slices = ValidationBatches(crops, size_px=32, batch_size=10)
    positions = np.concatenate([slices[n][0] for n in range(len(slices))])
    assert positions.tolist() == list(range(33))
    assert slices[3][1].shape == (3, 32, 32, 3)


def test_small_crops_come_first(crops: Crops) -> None:
    network = {"size_px": 32, "early_size_px": 24, "early_ratio": 0.5}
    batches = TrainingBatches(crops, shuffle, recipe(network=network, epochs=2))
    sides = [batches[number][0].shape[1] for number in range(len(batches))]
    assert sides == [24] * batches.per_epoch + [32] * batches.per_epoch


def test_a_source_without_fakes_comes_in_blended_pairs_only(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("sources")
    mixed = write_toy_crops(folder / "mixed.parquet", families=4)
    table = pq.read_table(write_toy_crops(folder / "all.parquet", families=6))
    pq.write_table(table.filter(pc.field("label") == "real"), folder / "real.parquet")
    crops = read_crops([mixed, folder / "real.parquet"])
    plain, blended = recipe(), recipe(augmentation={"name": "none", "self_blended_ratio": 0.5})
    assert drawn_crops(crops, plain).all()
    assert drawn_crops(crops, blended).tolist() == [key.origin == 0 for key in crops.keys]
    assert TrainingBatches(crops, shuffle, blended).per_epoch == len(read_crops([mixed])) // 4


def pairs(path: Path, forge: Callable[[Image.Image], Image.Image]) -> Crops:
    """Return drawn faces, each with the fake that `forge` makes of it."""
    rows = []
    for seed in range(8):
        face = drawn_face(seed)
        of = {"original": f"clip{seed}"}
        rows.append(of | {"name": f"clip{seed}", "label": "real", "image": png(face)})
        rows.append(of | {"name": f"fake{seed}", "label": "fake", "image": png(forge(face))})
    pq.write_table(pa.Table.from_pylist(rows), path)
    return read_crops([path])


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    return pairs(tmp_path_factory.mktemp("twins") / "twins.parquet", lambda face: face)


def in_pairs(**augmentation: object) -> Recipe:
    return recipe(
        augmentation=augmentation, imbalance={"strategy": "paired"}, network={"size_px": 96}
    )


CHANGED = {"name": "standard", "worn_ratio": 0.3, "smoothed_ratio": 0.5, "erased_ratio": 0.5}


def test_a_matched_fake_goes_through_what_its_original_goes_through(twins: Crops) -> None:
    batches = TrainingBatches(twins, pair, in_pairs(matched=True, **CHANGED))
    for number in range(4):
        pixels, labels = batches[number]
        assert labels.tolist() == [1, 0] * 4
        np.testing.assert_array_equal(pixels[::2], pixels[1::2])
    # one face in two epochs does not go through the same
    assert len({image.tobytes() for n in range(4) for image in batches[n][0][::2]}) == 16


def test_unmatched_pairs_go_through_different_changes(twins: Crops) -> None:
    batches = TrainingBatches(twins, pair, in_pairs(**CHANGED))
    pixels, _ = batches[0]
    assert (pixels[::2] != pixels[1::2]).any(axis=(1, 2, 3)).all()


def test_matched_batches_follow_from_seed_and_number_alone(twins: Crops) -> None:
    request = in_pairs(matched=True, partial_ratio=0.5, self_blended_ratio=0.5, **CHANGED)
    used, fresh = (TrainingBatches(twins, pair, request) for _ in range(2))
    list(map(used.__getitem__, range(3)))
    pixels, labels = used[3]
    np.testing.assert_array_equal(pixels, fresh[3][0])
    assert labels.tolist() == [1, 0, 1, 0, 0, 1, 0, 1]


def test_a_part_of_a_fake_lies_between_it_and_its_original(tmp_path: Path) -> None:
    def forge(face: Image.Image) -> Image.Image:
        fake = face.copy()
        ImageDraw.Draw(fake).rectangle((20, 20, 75, 80), fill=(0, 0, 255))
        return fake

    crops = pairs(tmp_path / "crops.parquet", forge)
    whole, partial = (
        TrainingBatches(crops, pair, in_pairs(matched=True, partial_ratio=ratio))[0][0]
        for ratio in (0, 0.999)
    )
    np.testing.assert_array_equal(whole, TrainingBatches(crops, pair, in_pairs())[0][0])
    np.testing.assert_array_equal(partial[1::2], whole[1::2])
    low, high = np.sort([whole[::2], whole[1::2]], axis=0)
    assert ((low <= partial[::2]) & (partial[::2] <= high)).all()
    for each in (whole[::2], whole[1::2]):
        assert (partial[::2] != each).any(axis=(1, 2, 3)).all()


def test_fakes_of_other_frames_stay_whole(tmp_path: Path) -> None:
    crops = pairs(tmp_path / "crops.parquet", lambda face: face.rotate(90))
    whole, partial = (
        TrainingBatches(crops, pair, in_pairs(matched=True, partial_ratio=ratio))[0][0]
        for ratio in (0, 0.999)
    )
    np.testing.assert_array_equal(partial, whole)
