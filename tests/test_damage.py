"""Files with flipped bits: each is read as well as it can be, or refused in one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="data sets need the extra `data`")
pytest.importorskip("yaml", reason="recipes need the extra `train`")

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from bundles import SIZE, write_bundle
from predicted import drawn, info
from store_rows import INFO, crop_row
from toy_crops import picture, write_toy_crops
from toy_set import record
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.bundle.runtime import Network
from unmask.core.errors import BundleError, ManifestError, RecipeError, UnmaskError
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.reading import CropDataset
from unmask.crops.rows import VideoCoverage, VideoCrops
from unmask.crops.stats import compute_stats
from unmask.crops.store import CropStore, open_for_writing
from unmask.datasets.layouts import table
from unmask.datasets.layouts.crop_table import read_crop_table
from unmask.datasets.manifest import (
    Label,
    Manifest,
    ManifestInfo,
    VideoRecord,
    read_manifest,
    write_manifest,
)
from unmask.evaluation.predictions import read_predictions, to_table, write_predictions
from unmask.evaluation.score_import import read_scores
from unmask.system.files import file_sha256
from unmask.training.recipe import load_recipe, to_yaml

FLIPS = 600


def flip_and_read(path: Path, read: Callable[[], object], *, flips: int = FLIPS) -> int:
    """Read a file with one bit flipped, each time another; return how often it was refused."""
    whole = path.read_bytes()
    dice = np.random.default_rng(21)
    refused = 0
    for _ in range(flips):
        damaged = bytearray(whole)
        damaged[dice.integers(len(whole))] ^= 1 << int(dice.integers(8))
        path.write_bytes(damaged)
        try:
            read()
        except UnmaskError as error:
            refused += 1
            if "\n" in error.message or not error.hint:
                pytest.fail(f"more than a sentence: {error.message!r}")
    path.write_bytes(whole)
    read()
    return refused


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    labels: tuple[Label, ...] = ("real", "fake", "real", "fake")
    rows = tuple(
        VideoRecord(f"{n}.mp4", "toy", label, target=f"toy/{n}", identities=("toy/a",), fold=n)
        for n, label in enumerate(labels)
    )
    path = tmp_path / "manifest.parquet"
    write_manifest(
        Manifest(ManifestInfo("toy", "/data", "invented", settings={"a": 1}), rows), path
    )
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with open_for_writing(tmp_path / "store", INFO) as opened:
        for name in ("a", "b"):
            row = record(name, split="train", target=f"{name}/target")
            crops = tuple(crop_row(name, n, picture(n, fake=False, side=8)) for n in range(3))
            opened.add(VideoCrops(VideoCoverage.of(row, "done", crops=3), crops))
    return tmp_path / "store"


def read_all(store: Path) -> None:
    opened = CropStore(store)
    compute_stats(opened)
    crops = CropDataset(store)
    for position in range(len(crops)):
        crops[position]


def test_a_manifest(manifest: Path) -> None:
    assert flip_and_read(manifest, lambda: read_manifest(manifest)) > FLIPS / 10


def test_predictions(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_predictions(info(), to_table(drawn(6, 2)), path)
    assert flip_and_read(path, lambda: read_predictions(path)) > FLIPS / 10


def test_a_table_of_crops(tmp_path: Path) -> None:
    path = write_toy_crops(tmp_path / "crops.parquet", families=2, side=8)
    assert flip_and_read(path, lambda: read_crop_table(path)) > FLIPS / 10


def test_a_table_of_videos(tmp_path: Path) -> None:
    path = tmp_path / "clips.parquet"
    row = {"path": "a.mp4", "label": "real", "made": datetime(2026, 1, 1, tzinfo=UTC)}
    pq.write_table(pa.Table.from_pylist([row, {**row, "path": "b.mp4", "label": "fake"}]), path)
    assert flip_and_read(path, lambda: table.index(path)) > FLIPS / 10


@pytest.mark.parametrize("pattern", ["store.json", "shards/*.parquet"])
def test_a_crop_store(store: Path, pattern: str) -> None:
    (path,) = store.glob(pattern)
    assert flip_and_read(path, lambda: read_all(store), flips=300)


def test_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(load_recipe("paper-xception")), encoding="utf-8")
    assert flip_and_read(path, lambda: load_recipe(path)) > FLIPS / 10


def test_a_bundles_manifest(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "tiny").folder
    assert flip_and_read(folder / MANIFEST, lambda: load_bundle(folder)) > FLIPS / 10


def test_a_bundles_network(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny")
    crops = (np.zeros((2, SIZE, SIZE, 3), np.uint8),)
    path = bundle.folder / "model.onnx"

    def run() -> None:
        files = {"model.onnx": file_sha256(path)}
        changed = bundle.manifest.model_copy(update={"files": files})
        Network(bundle.model_copy(update={"manifest": changed})).run(crops, evidence=True)

    assert flip_and_read(path, run) > FLIPS / 10


@pytest.mark.parametrize("name", ["man_141_ArrowNotImplementedError", "pred_17_ArrowException"])
def test_damage_that_was_met(name: str) -> None:
    folder = os.environ.get("UNMASK_TEST_DATA")
    path = Path(folder or "", "cases", f"{name}.parquet")
    if folder is None or not path.is_file():
        pytest.skip("needs UNMASK_TEST_DATA")
    read = read_manifest if name.startswith("man") else read_predictions
    with pytest.raises(ManifestError, match="is not a Parquet file, or is damaged"):
        read(path)


def test_texts_that_are_no_utf8_are_refused(manifest: Path) -> None:
    content = pq.read_table(manifest)
    broken = pa.array([b"\xff\xfe", b"b", b"c", b"d"]).cast(pa.string(), safe=False)
    at = content.column_names.index("dataset")
    buffers = pa.StringArray.from_buffers(4, *broken.buffers()[1:])
    pq.write_table(content.set_column(at, content.schema.field(at), buffers), manifest)
    with pytest.raises(ManifestError, match="or is damaged"):
        read_manifest(manifest)


def test_a_table_that_claims_more_rows_than_its_bytes_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    nothing = pa.DictionaryArray.from_arrays(np.zeros(3_000_000, np.int8), ["x" * 1000])
    pq.write_table(pa.table({"path": nothing}), path)
    with pytest.raises(ManifestError, match=r"claims 3000000 rows in \d+ bytes"):
        table.index(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000, "is no YAML"),
        ("a: " + "{a: " * 3000, "is no YAML"),
        (
            "a0: &a0 [x, x]\n"
            + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
            "holds more than",
        ),
        ("a: &a [*a]", "holds more than"),
        ("a: " + "[" * 30 + "]" * 30, "holds more than"),
        ("when: 2026-99-99", "is no YAML"),
        ("seed: " + "9" * 5000, "is no YAML"),
        ("# " + "x" * 2**20, "bytes, a recipe"),
        ("a: \x00", "is no YAML"),
        ("1: 2", "holds no fields|no field|Keys should be strings|1"),
    ],
)
def test_yaml_that_unfolds_or_nests_without_end_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=said) as caught:
        load_recipe(path)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"bundle_version": ' + "9" * 10_000 + "}", "\xff"]
)
def test_json_that_nests_without_end_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_bundle(tmp_path / "tiny").folder
    (folder / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(BundleError):
        load_bundle(folder)


@pytest.mark.parametrize("text", [f"v,l,s\na,real,{'1' * 200_000}\n", "\xff"])
def test_a_csv_table_of_scores_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ManifestError):
        read_scores(path, {"video_id": "v", "label": "l", "logit": "s"})


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_no_picture_or_one(data: bytes) -> None:
    with pytest.raises(ManifestError, match="cannot be decoded"):
        decode_picture(data)
    with pytest.raises(ManifestError, match="cannot be decoded"):
        decode_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" + data)
