"""The program's own files, damaged at random: each is read as before or refused with a sentence.

Pictures, videos and networks have tests of their own (`fuzz.py`, `bundle/test_onnx_file.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bundles import write_bundle
from predicted import drawn, info
from scan_records import JUDGED, scan_record, stored_row
from store_rows import crop_row, write_store
from unmask.bundle.manifest import load_bundle
from unmask.core.errors import NotMedia, UnmaskError
from unmask.crops.rows import COLUMNS as CROP_COLUMNS
from unmask.crops.store import CropStore
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord, read_manifest
from unmask.datasets.manifest import write_manifest as write_rows
from unmask.evaluation.predictions import read_predictions, to_table, write_predictions
from unmask.results.rows import Source, failed_row
from unmask.results.store import ResultStore
from unmask.results.writer import writing

RECIPES = Path(__file__).parents[1] / "recipes"


def manifest(folder: Path) -> None:
    rows = [VideoRecord(id=f"{n}.mp4", dataset="toy", label="real") for n in range(9)]
    described = ManifestInfo(dataset="toy", root="/toy", licence="invented")
    write_rows(Manifest(described, tuple(rows)), folder / "m.parquet")


def predictions(folder: Path) -> None:
    write_predictions(info(), to_table(drawn(6)), folder / "p.parquet")


def crops(folder: Path) -> None:
    write_store(folder / "crops", [crop_row("a.mp4", number) for number in range(4)])


def results(folder: Path) -> None:
    with writing(folder, shard_results=2) as store:
        for name in ("a.mp4", "b.mp4"):
            record = scan_record(name, 0.5)
            store.add(record, stored_row(record), "<p>page</p>")
        source = Source("c.mp4", "/c.mp4", 5, 1)
        error = NotMedia("'c.mp4' is no video", hint="give one")
        store.add_failure(failed_row(error, source, JUDGED, sha256=None, version="1"))


def read_results(folder: Path) -> None:
    store = ResultStore(folder)
    for rows in (store.documents(), store.pages()):
        assert all(isinstance(text, str) for _, text in rows)
    with closing(store.ranking()) as ranking:
        assert ranking is not None


def bundle(folder: Path) -> None:
    write_bundle(folder / "bundle")


def recipe(folder: Path) -> None:
    shutil.copy(RECIPES / "default.yaml", folder / "r.yaml")


def read_recipe(folder: Path) -> None:
    from unmask.training.recipe import load_recipe

    load_recipe(folder / "r.yaml")


KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "manifest": (manifest, lambda folder: read_manifest(folder / "m.parquet")),
    "predictions": (predictions, lambda folder: read_predictions(folder / "p.parquet")),
    "crops": (crops, lambda folder: CropStore(folder / "crops").rows(CROP_COLUMNS.names)),
    "results": (results, read_results),
    "bundle": (bundle, lambda folder: load_bundle(folder / "bundle")),
    "recipe": (recipe, read_recipe),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Callable[[Path], Any]]:
    """Return undamaged files of a kind, a folder to damage them in, and what reads them."""
    write, read = KINDS[request.param]
    if request.param == "recipe":
        pytest.importorskip("yaml", reason="needs the extra `train`")
    whole = tmp_path_factory.mktemp("whole")
    write(whole)
    read(whole)
    return whole, tmp_path_factory.mktemp("damaged"), read


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    file=st.integers(0, 99),
    place=st.floats(0, 1, exclude_max=True),
    how=st.sampled_from(["one bit", "zeros", "cut off", "text", "twice", "empty"]),
    number=st.integers(0, 255),
)
@example(file=0, place=0.0, how="empty", number=0)
def test_damaged_files_are_refused_with_a_sentence_or_read(
    kind: Any, file: int, place: float, how: str, number: int
) -> None:
    whole, folder, read = kind
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[file % len(files)]
    path.write_bytes(damaged(path.read_bytes(), place, how, number))
    said = ("as before", "nothing to do")
    try:
        read(folder)
    except UnmaskError as error:
        said = (error.message, error.hint)
    assert all(text and "\n" not in text for text in said)


def damaged(data: bytes, place: float, how: str, number: int) -> bytes:
    at = int(place * len(data))
    if how == "one bit":
        changed = bytes([data[at] ^ 1 << number % 8]) if data else b""
        return data[:at] + changed + data[at + 1 :]
    return {
        "zeros": data[:at] + bytes(number) + data[at + number :],
        "cut off": data[:at],
        "text": data[:at]
        + [b"null", b"-1", b"1e999", b'"\\ud800"', b"[[[[", b"\xff"][number % 6]
        + data[at + number % 9 :],
        "twice": data[:at] + data,
        "empty": b"",
    }[how]
