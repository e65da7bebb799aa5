"""Crop files as batches: labels, composition, and that (seed, step) alone decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toy_material import FAKES_PER_REAL, FAMILIES, drawn_face, write_celeba, write_crops
from unmask.models.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise

pytest.importorskip("pyarrow", reason="crop files are Parquet (extra `data`)")

from unmask.training import material
from unmask.training.material import BatchPlan, TrainingBatches, read_validation

PLAN = BatchPlan(triples=2, dfdc_blends=1, celeba_blends=2)
SIZE = 48


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("material")
    return write_crops(folder / "dfdc.parquet"), write_celeba(folder / "celeba.parquet")


def batches(files: tuple[Path, Path], *, seed: int = 7, count: int = 3) -> TrainingBatches:
    dfdc, celeba = files
    return TrainingBatches([dfdc], celeba, plan=PLAN, size_px=SIZE, batches=count, seed=seed)


def test_normalised_pictures_have_imagenets_mean_and_deviation() -> None:
    black, white = (Image.new("RGB", (4, 5), (v,) * 3) for v in (0, 255))
    got = normalise([black, white])
    assert (got.shape, got.dtype) == ((2, 3, 5, 4), np.float32)
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    np.testing.assert_allclose(got[0, :, 0, 0], -mean / std, rtol=1e-6)
    np.testing.assert_allclose(got[1, :, 0, 0], (1 - mean) / std, rtol=1e-6)


def test_a_batch_holds_what_the_plan_says(files: tuple[Path, Path]) -> None:
    images, labels = batches(files)[0]
    assert images.shape == (PLAN.reals + PLAN.fakes, 3, SIZE, SIZE)
    assert (np.sum(labels == 0), np.sum(labels == 1)) == (PLAN.reals, PLAN.fakes)
    assert labels.tolist() == [0, 1, 1] * PLAN.triples + [0, 1] * 3


def test_a_batch_follows_from_seed_and_step(files: tuple[Path, Path]) -> None:
    first, other = batches(files), batches(files)
    for step in (2, 0, 1):  # whatever was asked for before
        for one, again in zip(first[step], other[step], strict=True):
            np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(first[1][0], batches(files, count=100)[1][0])


def test_other_steps_and_seeds_give_other_batches(files: tuple[Path, Path]) -> None:
    made = [batches(files, seed=seed)[step][0] for seed, step in ((7, 0), (7, 1), (8, 0), (8, 1))]
    assert len({each.tobytes() for each in made}) == 4


def test_the_material_is_counted(files: tuple[Path, Path]) -> None:
    """The fake whose real is missing counts, and makes no family."""
    assert batches(files).counts == {
        "dfdc_real": FAMILIES,
        "dfdc_fake": FAMILIES * FAKES_PER_REAL + 1,
        "dfdc_families": FAMILIES,
        "celeba_real": 3,
    }
    assert len(batches(files)) == 3


def test_a_triple_is_of_one_family(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undegraded and uncut, crops can be told by their pixels."""
    monkeypatch.setattr(material, "degrade", lambda image, _: image)
    monkeypatch.setattr(
        material, "random_window", lambda image, _, size: image.resize((size, size))
    )
    known = {
        normalise([drawn_face(row).resize((SIZE, SIZE))])[0].tobytes(): divmod(
            row, 1 + FAKES_PER_REAL
        )
        for row in range(FAMILIES * (1 + FAKES_PER_REAL))
    }
    for step in range(5):
        images, _ = batches(files, count=5)[step]
        for start in range(0, 3 * PLAN.triples, 3):
            (a, real), (b, fake), (c, other) = (
                known[i.tobytes()] for i in images[start : start + 3]
            )
            assert a == b == c
            assert real == 0 < min(fake, other)


def test_a_real_and_its_blend_take_the_same_degradation(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With blending switched off, the two are one picture."""
    monkeypatch.setattr(material, "self_blend", lambda image, _: (image, image))
    images, labels = batches(files)[0]
    pairs = images[3 * PLAN.triples :]
    assert labels[3 * PLAN.triples :].tolist() == [0, 1] * (len(pairs) // 2)
    np.testing.assert_array_equal(pairs[::2], pairs[1::2])


def test_validation_crops_are_scored_as_they_are(files: tuple[Path, Path]) -> None:
    data = read_validation(files[0], size_px=96)
    assert data.images.shape == (FAMILIES * (1 + FAKES_PER_REAL) + 1, 3, 96, 96)
    np.testing.assert_array_equal(data.images[0], normalise([drawn_face(0)])[0])
    assert data.labels.tolist() == [0, 1, 1, 1] * FAMILIES + [1]
    assert data.originals[:5] == ["real0.mp4"] * 4 + ["real1.mp4"]


def test_originals_can_be_left_out_with_all_their_fakes(files: tuple[Path, Path]) -> None:
    left_out = frozenset({"real0.mp4", "elsewhere.mp4"})
    data = read_validation(files[0], size_px=16, without=left_out)
    assert left_out.isdisjoint(data.originals)
    assert len(data.labels) == (FAMILIES - 1) * (1 + FAKES_PER_REAL)
