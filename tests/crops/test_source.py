"""One door to crops: a store and a table of the same crops say the same of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store_rows import crop_row, write_store
from toy_crops import picture
from unmask.crops.record import CropRecord
from unmask.crops.source import CropSource, open_crops
from unmask.errors import InputNotFound, ManifestError

LABELS = ("real", "fake", "fake")


@pytest.fixture
def images() -> list[bytes]:
    return [picture(number, fake=label == "fake") for number, label in enumerate(LABELS)]


def store(folder: Path, images: list[bytes]) -> CropSource:
    rows = []
    for number, (label, image) in enumerate(zip(LABELS, images, strict=True)):
        facts = {"label": label, "target": "a", "split": None}
        rows.append(replaced(number, image, facts))
    return open_crops(write_store(folder, rows))


def replaced(number: int, image: bytes, facts: dict[str, object]) -> object:
    return facts


def table(path: Path, images: list[bytes | None]) -> CropSource:
    rows = [
        {"name": f"v{n}#t1f0", "label": label, "video": f"v{n}", "original": "a", "frame": 0,
         "image": image}
        for n, (label, image) in enumerate(zip(LABELS, images, strict=True))
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    return open_crops(path)
