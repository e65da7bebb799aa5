"""Reading crops back: the stored bytes, in any order, from any process, by other programs too."""

from __future__ import annotations

import importlib
import io
import itertools
import multiprocessing
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from alone import in_one_process
from toy_set import manifest_of, record, toy_set
from unmask.core.errors import ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos, store_info
from unmask.crops.reading import CropDataset
from unmask.crops.record import Crop
from unmask.crops.rows import COLUMNS
from unmask.crops.store import CropStore, open_for_writing
from unmask.datasets.synth.footage import talk, write_picture
from unmask.system.engines import Engine


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of several shards and row groups, with masks in some rows."""
    root = tmp_path_factory.mktemp("set")
    toy = toy_set(root)
    for number, frame in enumerate(talk(3, seconds=6.0, size=(64, 64))):
        write_picture(root / "many" / f"{number:03d}.png", frame)
    many = [record(f"many/{n:03d}.png", kind="crop", split="validation") for n in range(150)]
    manifest = manifest_of(root, [*toy.records, *many])
    out = tmp_path_factory.mktemp("store")
    settings = CropSettings(scan=ScanSettings(selector="all"), size_px=64)
    crop_videos(manifest, out, settings, engine=Engine(workers=2), shard_bytes=1_000_000)
    assert len(CropStore(out).shards()) > 1
    return out


def table(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = CropStore(folder).rows(COLUMNS.names).to_pylist()
    return rows


def test_every_crop_is_the_bytes_that_pyarrow_reads(folder: Path) -> None:
    data = CropDataset(folder, masks=True)
    rows = table(folder)
    assert len(data) == len(rows) > 160
    for position in np.random.default_rng(0).permutation(len(rows)):
        row, crop = rows[position], data[position]
        assert data.encoded(position) == row["image"]
        known = crop.record
        assert (known.video_id, known.track, known.frame_index, known.crop_id) == tuple(
            row[name] for name in ("video_id", "track", "frame_index", "crop_id")
        )
        if row["mask"] is None:
            assert crop.mask is None
        else:
            assert np.array_equal(crop.mask, Image.open(io.BytesIO(row["mask"])))


def test_a_crop_carries_what_training_needs(folder: Path) -> None:
    data = CropDataset(folder, where=pc.field("video_id") == "fake/a_c.mp4")
    crop = data[0]
    known = crop.record
    assert (known.label, known.method, known.split, crop.mask) == ("fake", "Swap", "train", None)
    assert known.identities == ()
    named = CropDataset(folder, where=pc.field("video_id") == "real/a.mp4")[0]
    assert named.record.identities == ("toy/0",)
    assert crop.pixels.shape == (64, 64, 3)
    assert crop.pixels.flags.writeable
    x0, y0, x1, y1 = crop.in_crop(known.box)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((32, 32), abs=1e-3)
    assert max(x1 - x0, y1 - y0) == pytest.approx(64 / 1.3, rel=1e-4)


def test_rows_are_chosen_by_split_label_and_condition(folder: Path) -> None:
    rows = table(folder)
    for split, label in itertools.product(("train", "validation"), ("real", "fake")):
        expected = [r["video_id"] for r in rows if (r["split"], r["label"]) == (split, label)]
        assert sorted(CropDataset(folder, split=split, label=label).video_ids) == sorted(expected)
    large = CropDataset(folder, where=pc.field("face_px") > 30)
    assert len(large) == sum((r["face_px"] or 0) > 30 for r in rows)


def test_is_fake_follows_the_labels(folder: Path) -> None:
    data = CropDataset(folder)
    assert data.is_fake.tolist() == [data[i].record.label == "fake" for i in range(len(data))]
    assert 0 < data.is_fake.sum() < len(data)


def test_it_is_a_sequence(folder: Path) -> None:
    data = CropDataset(folder, split="train")
    assert len(list(iter(data))) == len(data)  # type: ignore[call-overload]  # by its items
    assert data[-1].record.frame_index == data[len(data) - 1].record.frame_index
    with pytest.raises(IndexError, match=f"there are {len(data)} crops, got position {len(data)}"):
        data[len(data)]


def mean(crop: Crop) -> float:
    return float(crop.pixels.mean())


def test_a_transform_makes_the_item(folder: Path) -> None:
    plain, mapped = CropDataset(folder), CropDataset(folder, transform=mean)
    assert mapped[3] == plain[3].pixels.mean()


def _send(
    data: CropDataset, order: list[int], queue: multiprocessing.SimpleQueue[list[bytes]]
) -> None:
    queue.put([data.encoded(i) for i in order])


def test_forked_processes_read_side_by_side(folder: Path) -> None:
    data = CropDataset(folder)
    order = np.random.default_rng(1).permutation(len(data))[:60].tolist()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    readers = [context.Process(target=_send, args=(data, order, queue)) for _ in range(2)]
    for reader in readers:
        reader.start()
    expected = [data.encoded(i) for i in order]
    assert [queue.get() for _ in readers] == [expected, expected]
    for reader in readers:
        reader.join()


def test_it_is_pickled(folder: Path) -> None:
    data = CropDataset(folder, split="train")
    again = pickle.loads(pickle.dumps(data))  # noqa: S301 - its own
    assert [again.encoded(i) for i in range(len(data))] == [
        data.encoded(i) for i in range(len(data))
    ]


def test_a_shard_rewritten_by_another_program_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "shards").mkdir(parents=True)
    (copy / "store.json").write_bytes((folder / "store.json").read_bytes())
    shard = CropStore(folder).shards()[0]
    pq.write_table(pq.read_table(shard), copy / "shards" / shard.name)
    with pytest.raises(ManifestError, match="not as this program wrote it"):
        CropDataset(copy)


def test_bytes_out_of_place_are_refused(folder: Path) -> None:
    data = CropDataset(folder)
    places, sizes = data._places["image"]
    data._places["image"] = (places + 1, sizes)
    with pytest.raises(ManifestError, match="not as this program wrote it"):
        data[5]


def test_nothing_left_is_refused(folder: Path) -> None:
    with pytest.raises(ManifestError, match=r"no crop of .* is left \(split=None, label=None"):
        CropDataset(folder, where=pc.field("method") == "none")


def test_an_empty_store_is_refused(tmp_path: Path) -> None:
    info = store_info(manifest_of(tmp_path, []), CropSettings())
    with open_for_writing(tmp_path / "s", info):
        pass
    with pytest.raises(ManifestError, match="is left"):
        CropDataset(tmp_path / "s")


def test_duckdb_reads_the_shards(folder: Path) -> None:
    shards = duckdb.read_parquet(f"{folder}/shards/*.parquet")
    query = "label, count(*), avg(octet_length(image)), max(box[3] - box[1])"
    counted = shards.aggregate(query, "label").order("label").fetchall()
    rows = table(folder)
    for label, count, size, width in counted:
        mine = [row for row in rows if row["label"] == label]
        assert count == len(mine)
        assert size == pytest.approx(np.mean([len(row["image"]) for row in mine]))
        assert width == max(row["box"][2] - row["box"][0] for row in mine if row["box"])
    assert [label for label, *_ in counted] == ["fake", "real"]


def test_duckdb_reads_the_coverage(folder: Path) -> None:
    coverage = duckdb.read_parquet(f"{folder}/coverage.parquet").filter("status <> 'done'")
    result = coverage.project("video_id").order("video_id").fetchall()
    assert result == [("real/blank.mp4",), ("real/broken.mp4",)]


def test_hugging_face_datasets_reads_the_shards(folder: Path, tmp_path: Path) -> None:
    # by its submodules: the folder of these tests is a package of that name, too
    load, features = (importlib.import_module(f"datasets.{name}") for name in ("load", "features"))
    loaded = load.load_dataset(
        "parquet",
        data_files=f"{folder}/shards/*.parquet",
        split="train",
        cache_dir=str(tmp_path),
    ).cast_column("image", features.Image())
    assert loaded[0]["image"].size == (64, 64)
