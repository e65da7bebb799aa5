"""Result stores in object stores: the same rows, whole after every end of a run, one at a time."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec (extra `remote`)")
pytest.importorskip("pyarrow", reason="needs pyarrow (extra `data`)")

import pyarrow.parquet as pq

from object_stores import lost_after, s3_bucket
from scan_records import scan_record, stored_row
from unmask.core.errors import DownloadError, ManifestError
from unmask.results.rows import FileRow
from unmask.results.shards import TABLES, copied
from unmask.results.store import ResultStore
from unmask.results.writer import writing
from unmask.system.store_folders import read_folder

EXAMPLE = Path(__file__).parents[2] / "examples" / "original.mp4"
ADDRESS = "memory://bucket/results"
NAMES = tuple(f"{letter}.mp4" for letter in "abcdefg")


def fill(folder: str | Path, names: tuple[str, ...] = NAMES) -> None:
    with writing(folder, shard_results=3) as store:
        for number, name in enumerate(names):
            record = scan_record(name, number / 20 + 0.45)
            store.add(record, stored_row(record), f"<p>{name}</p>")


def rows(folder: str | Path) -> list[FileRow]:
    with read_folder(folder, copied(())) as place:
        return list(ResultStore(place).results())


def timeless(row: FileRow) -> FileRow:
    return replace(row, analysed_at="")


def test_an_address_holds_what_a_folder_does(memory: Any, tmp_path: Path) -> None:
    fill(ADDRESS)
    fill(tmp_path / "here")
    with read_folder(ADDRESS, copied(TABLES)) as place:
        there, here = ResultStore(place), ResultStore(tmp_path / "here")
        assert list(map(timeless, there.rows())) == list(map(timeless, here.rows()))
        assert list(there.documents()) == list(here.documents())
        assert list(there.pages()) == list(here.pages())
    assert not place.exists()
    names = {path.relative_to(tmp_path / "here").as_posix()
             for path in (tmp_path / "here").rglob("*.*") if path.is_file()}  # fmt: skip
    left = {name.removeprefix("/bucket/results/") for name in memory.find("/bucket/results")}
    assert left == names - {".lock", ".readers"}


def test_tables_that_are_not_asked_for_are_not_copied(memory: Any) -> None:
    fill(ADDRESS)
    with read_folder(ADDRESS, copied(["documents"])) as place:
        assert len(list(ResultStore(place).documents())) == len(NAMES)
        assert not list(place.rglob("pages.parquet"))
        assert not list(place.rglob("tracks.parquet"))


def test_a_run_goes_on_where_another_ended_and_doubles_nothing(memory: Any) -> None:
    fill(ADDRESS, NAMES[:4])
    with writing(ADDRESS) as store:
        assert store.known.result(stored_row(scan_record(NAMES[0])).result_id) is not None
    fill(ADDRESS)
    assert sorted(row.path for row in rows(ADDRESS)) == list(NAMES)


@pytest.mark.parametrize("changes", range(0, 40, 3))
def test_wherever_a_run_is_cut_off_the_store_is_whole_and_the_next_one_ends_it(
    memory: Any, changes: int
) -> None:
    with lost_after(memory, changes), suppress(DownloadError):
        fill(ADDRESS)
    if memory.exists("/bucket/results/store.json"):
        kept = [row.path for row in rows(ADDRESS)]
        assert sorted(kept) == sorted(set(kept))
        assert set(kept) <= set(NAMES)
    fill(ADDRESS)
    assert sorted(row.path for row in rows(ADDRESS)) == list(NAMES)
    for table in ("files", "documents", "pages"):  # as other programs read it
        found = memory.glob(f"/bucket/results/shards/*/{table}.parquet")
        ids = [each for path in found for each in read_column(memory, path, "result_id")]
        assert len(ids) == len(set(ids)) == len(NAMES)


def read_column(system: Any, path: str, name: str) -> list[str]:
    with system.open(path) as file:
        ids: list[str] = pq.read_table(file)[name].to_pylist()
    return ids


def test_an_upload_that_fails_is_a_sentence_and_loses_nothing(memory: Any) -> None:
    fill(ADDRESS, NAMES[:2])
    message = "'memory://bucket/results/.*' cannot be written: the store is out of reach"
    with lost_after(memory, 0), pytest.raises(DownloadError, match=message):
        fill(ADDRESS)
    assert [row.path for row in rows(ADDRESS)] == list(NAMES[:2])


def test_two_runs_at_once_are_refused_on_one_machine_and_on_two(
    memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with writing(ADDRESS):
        with pytest.raises(ManifestError, match="by another process of this machine"):
            fill(ADDRESS)
        monkeypatch.setenv("UNMASK_HOME", str(tmp_path / "other"))
        with pytest.raises(ManifestError, match="results' is being written to by process"):
            fill(ADDRESS)
        monkeypatch.setenv("UNMASK_HOME", str(tmp_path / "home"))
    assert not memory.exists("/bucket/results/.lock")


def test_the_lock_of_a_killed_run_is_taken_over_on_its_own_machine_only(
    memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with lost_after(memory, 2), suppress(DownloadError):
        fill(ADDRESS)
    assert memory.exists("/bucket/results/.lock")
    with monkeypatch.context() as patch:
        patch.setenv("UNMASK_HOME", str(tmp_path / "other"))
        with pytest.raises(ManifestError, match="is being written to by") as error:
            fill(ADDRESS)
        assert error.value.hint.endswith("remove memory://bucket/results/.lock")
    fill(ADDRESS)
    assert not memory.exists("/bucket/results/.lock")


def test_what_is_no_store_is_refused_by_its_address(memory: Any) -> None:
    memory.pipe("/bucket/results/thesis.doc", b"mine")
    with pytest.raises(ManifestError, match="'memory://bucket/results' is no result store, but"):
        fill(ADDRESS)
    with pytest.raises(ManifestError, match="'memory://bucket/none' is no result store"):
        rows("memory://bucket/none")
    assert memory.cat_file("/bucket/results/thesis.doc") == b"mine"


def test_half_a_shard_does_not_count(memory: Any) -> None:
    fill(ADDRESS, NAMES[:3])
    memory.rm_file("/bucket/results/shards/00000/files.parquet")
    assert rows(ADDRESS) == []


@pytest.mark.system
def test_a_folder_is_scanned_into_a_bucket_and_its_results_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path / "home"))
    with s3_bucket("films", monkeypatch):
        scan = ("scan", EXAMPLE, "-o", "s3://films/results", "--triage")
        first, second = run(*scan), run(*scan)
        table = run("results", "s3://films/results", "--csv", "-")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        lost = run(*scan)
    assert first.stderr.endswith(
        "analysed now: 1, known from before: 0; see `unmask results s3://films/results`\n"
    )
    assert "analysed now: 0, known from before: 1" in second.stderr
    assert str(EXAMPLE) in table.stdout
    assert lost.returncode == 2
    assert "error: 's3://films/results" in lost.stderr.replace("\u2018", "'")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from unmask.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
