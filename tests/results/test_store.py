"""The result store: no interruption tears it, and other programs read it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow (extra `data`)")

import pyarrow.parquet as pq

from scan_records import JUDGED, scan_record, stored_row
from unmask.core.errors import ManifestError, NotMedia
from unmask.core.scan_record import Examination
from unmask.report.document import from_json
from unmask.results.index import Choice
from unmask.results.lines import ndjson_line
from unmask.results.rows import Source, failed_row
from unmask.results.store import ResultStore
from unmask.results.views import write_csv, write_json, write_ndjson, write_parquet
from unmask.results.writer import SMALL_SHARDS, writing

KILLABLE = Path(__file__).parent.parent / "killable_results.py"
NAMES = ("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4")


def fill(folder: Path, names: tuple[str, ...] = NAMES, shard_results: int = 2) -> None:
    with writing(folder, shard_results=shard_results) as store:
        for number, name in enumerate(names):
            record = scan_record(name, number / 10 + 0.45)
            store.add(record, stored_row(record), f"<p>{name}</p>")


def fail(folder: Path, name: str, sha256: str | None = None) -> None:
    with writing(folder) as store:
        error = NotMedia(f"{name!r} is no video", hint="give one")
        source = Source(name, f"/corpus/{name}", 5, 1)
        store.add_failure(failed_row(error, source, JUDGED, sha256=sha256, version="1"))


def test_what_is_stored_is_read_back_and_by_other_programs(tmp_path: Path) -> None:
    fill(tmp_path)
    store = ResultStore(tmp_path)
    records = [scan_record(name, n / 10 + 0.45) for n, name in enumerate(NAMES)]
    expected = {stored_row(each).result_id: each for each in records}
    result = {result_id: from_json(text).results[0] for result_id, text in store.documents()}
    assert result == expected
    assert [row.path for row in store.results()] == list(NAMES)
    assert len(store.shards()) == 3
    tables = {
        name: [
            row
            for each in sorted(tmp_path.glob(f"shards/*/{name}.parquet"))
            for row in pq.read_table(each).to_pylist()
        ]
        for name in ("files", "tracks", "key_frames")
    }
    assert [len(rows) for rows in tables.values()] == [5, 5, 10]
    assert tables["files"][0]["word"] == "little evidence"
    assert tables["files"][0]["likelihood_log10"] is None
    assert tables["key_frames"][0]["x1"] == 3.5
    assert {
        row["absolute_path"] for row in pq.read_table(tmp_path / "paths.parquet").to_pylist()
    } == {f"/corpus/{name}" for name in NAMES}


def test_kill_9_at_any_step_costs_no_row_and_doubles_none(tmp_path: Path) -> None:
    check_killed(tmp_path / "s", files=12, kills=46, died=15)


@pytest.mark.system
def test_kill_9_at_hundreds_of_steps_costs_no_row_and_doubles_none(tmp_path: Path) -> None:
    check_killed(tmp_path / "s", files=60, kills=400, died=133)


def test_kill_9_while_small_shards_are_joined_costs_no_row_and_doubles_none(tmp_path: Path) -> None:
    check_killed(tmp_path / "s", "--runs", files=SMALL_SHARDS, kills=24, died=10)
    (shard,) = (tmp_path / "s" / "shards").iterdir()
    assert (shard / "replaces.json").exists()


def check_killed(folder: Path, *words: str, files: int, kills: int, died: int) -> None:
    command = [sys.executable, KILLABLE, folder, str(files), str(kills), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= died  # later ones find little left to do
    tables = {
        name: Counter(
            row["path"]
            for each in folder.glob(f"shards/*/{name}.parquet")
            for row in pq.read_table(each).to_pylist()
        )
        for name in ("files", "tracks", "documents", "pages", "key_frames")
    }
    names = [f"{number}.mp4" for number in range(files)]
    once = Counter(names)
    assert [tables[name] for name in ("files", "tracks", "documents", "pages")] == [once] * 4
    assert tables["key_frames"] == Counter(names * 2)
    assert list((folder / "pending").iterdir()) == []
    assert list(folder.rglob(".*.partial")) == []


def test_results_that_are_in_no_shard_yet_are_read_too(tmp_path: Path) -> None:
    with writing(tmp_path, shard_results=2) as store:
        for name in NAMES[:3]:
            record = scan_record(name)
            store.add(record, stored_row(record), None)
        reader = ResultStore(tmp_path)
        assert [row.path for row in reader.results()] == list(NAMES[:3])
        assert len(reader.pending()) == 1


def test_what_is_sealed_while_it_is_read_is_read_once(tmp_path: Path) -> None:
    with writing(tmp_path, shard_results=100) as store:
        for name in NAMES:
            record = scan_record(name)
            store.add(record, stored_row(record), None)
        rows = ResultStore(tmp_path).results()
        first = next(rows)
        store.seal()
        assert sorted([first.path, *(row.path for row in rows)]) == list(NAMES)


def test_a_seal_that_was_interrupted_doubles_nothing(tmp_path: Path) -> None:
    with writing(tmp_path, shard_results=100) as store:
        for name in NAMES[:4]:
            record = scan_record(name)
            store.add(record, stored_row(record), None)
        left: list[Path] = []
        with pytest.MonkeyPatch.context() as patch:

            def stop(path: Path, missing_ok: bool = False) -> None:
                if path.parent.name == "pending" and not left:
                    left.append(path)
                    raise KeyboardInterrupt
                os.unlink(path)  # noqa: PTH108 - the method of paths is this one

            patch.setattr(Path, "unlink", stop)
            with pytest.raises(KeyboardInterrupt):
                store.seal()
    assert len(left) == 1
    assert sorted(row.path for row in ResultStore(tmp_path).results()) == list(NAMES[:4])


def run_often(folder: Path, runs: int) -> list[str]:
    """Store a result in each of some runs; return the names."""
    names = [f"{number}.mp4" for number in range(runs)]
    for name in names:
        fill(folder, (name,), shard_results=100)
    return names


def test_many_small_shards_become_one_in_the_same_order(tmp_path: Path) -> None:
    names = run_often(tmp_path, SMALL_SHARDS + 2)
    store = ResultStore(tmp_path)
    assert len(store.shards()) == 3
    assert [row.path for row in store.results()] == names
    assert [page for _, page in store.pages()] == [f"<p>{name}</p>" for name in names]
    keys = [pq.read_table(each) for each in sorted(tmp_path.glob("shards/*/key_frames.parquet"))]
    assert sum(len(table) for table in keys) == 2 * len(names)


def test_shards_stay_while_they_are_read(tmp_path: Path) -> None:
    names = run_often(tmp_path, SMALL_SHARDS - 1)
    rows = ResultStore(tmp_path).results()
    first = next(rows)
    fill(tmp_path, ("last.mp4",), shard_results=100)
    assert len(ResultStore(tmp_path).shards()) == SMALL_SHARDS
    assert [first.path, *(row.path for row in rows)] == [*names, "last.mp4"][: len(names)]
    fill(tmp_path, ("more.mp4",), shard_results=100)
    assert len(ResultStore(tmp_path).shards()) == 1


def test_a_shard_that_another_stands_for_is_not_read_and_is_dropped(tmp_path: Path) -> None:
    run_often(tmp_path, SMALL_SHARDS - 1)
    shutil.copytree(tmp_path / "shards" / "00003", tmp_path / "kept")
    names = run_often(tmp_path, SMALL_SHARDS)
    (tmp_path / "kept").rename(tmp_path / "shards" / "00003")  # as a kill leaves it behind
    assert [row.path for row in ResultStore(tmp_path).results()] == names
    fill(tmp_path, ("last.mp4",))
    assert not (tmp_path / "shards" / "00003").exists()
    assert [row.path for row in ResultStore(tmp_path).results()] == [*names, "last.mp4"]


def test_a_result_is_stored_once(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path)
    assert [row.path for row in ResultStore(tmp_path).results()] == list(NAMES)


def test_a_failure_is_a_row_until_there_is_a_result(tmp_path: Path) -> None:
    record = scan_record("a.mp4")
    fail(tmp_path, "a.mp4", record.video.sha256)
    fail(tmp_path, "a.mp4", record.video.sha256)
    fail(tmp_path, "gone.mp4")
    (first, second) = pq.read_table(tmp_path / "failures.parquet").to_pylist()
    assert {first["error_kind"], second["error_kind"]} == {"NotMedia"}
    fill(tmp_path, ("a.mp4", "gone.mp4"))
    assert pq.read_table(tmp_path / "failures.parquet").num_rows == 0
    assert [row.status for row in ResultStore(tmp_path).rows()] == ["analysed"] * 2


def test_a_second_run_is_told_who_writes(tmp_path: Path) -> None:
    with writing(tmp_path), pytest.raises(ManifestError, match=f"process {os.getpid()} on "):
        fill(tmp_path)
    fill(tmp_path)


def test_a_full_disk_costs_nothing_that_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fill(tmp_path, NAMES[:3])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}"):
            fill(tmp_path)
    assert [row.path for row in ResultStore(tmp_path).results()] == list(NAMES[:3])
    fill(tmp_path)
    assert sorted(row.path for row in ResultStore(tmp_path).results()) == list(NAMES)


@pytest.mark.parametrize("content", ["", "{", '{"result_store": 9}', "[1]"])
def test_what_is_no_store_of_this_version_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(ManifestError, match="result store"):
        ResultStore(tmp_path)
    with pytest.raises(ManifestError, match="result store"):
        fill(tmp_path)


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(ManifestError, match=r"holds 'holiday\.jpg'"):
        fill(tmp_path)
    with pytest.raises(ManifestError, match="is a file"):
        fill(tmp_path / "holiday.jpg")


def test_a_damaged_piece_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "pending" / f"{'0' * 64}.json.gz").write_bytes(b"torn")
    with pytest.raises(ManifestError, match=r"0000\.json\.gz' is damaged"):
        list(ResultStore(tmp_path).results())


def test_the_newest_result_of_a_content_counts(tmp_path: Path) -> None:
    record = scan_record("a.mp4", 0.2)
    later = scan_record("a.mp4", 0.9)
    row = replace(stored_row(record), analysed_at="2026-01-02")
    newer = replace(stored_row(later), result_id="1" * 64, analysed_at="2026-01-03")
    with writing(tmp_path) as store:
        store.add(later, newer, None)
        store.add(record, row, None)
    with closing(ResultStore(tmp_path).ranking()) as ranking:
        assert [each.probability for each in ranking.analysed(Choice())] == [0.9]
        assert ranking.counts() == {"substantial evidence": 1}


def test_views_hold_what_was_chosen_the_most_suspicious_first(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    fail(tmp_path / "s", "=bad.mp4")
    store = ResultStore(tmp_path / "s")
    with closing(store.ranking()) as ranking:
        everything, some = Choice(), Choice(above=0.6)
        write_csv(tmp_path / "all.csv", ranking, everything)
        write_parquet(tmp_path / "some.parquet", ranking, some)
        write_json(tmp_path / "all.json", store, ranking, everything)
        write_json(tmp_path / "some.json", store, ranking, some)
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(tmp_path / "all.csv")
    assert list(table["path"]) == [*reversed(NAMES), "'=bad.mp4"]
    assert list(pq.read_table(tmp_path / "some.parquet")["path"].to_pylist()) == [
        "e.mp4",
        "d.mp4",
        "c.mp4",
    ]
    document = from_json((tmp_path / "all.json").read_text())
    assert [each.video.path for each in document.results] == list(NAMES)
    assert [each.path for each in document.failures] == ["=bad.mp4"]
    document = from_json((tmp_path / "some.json").read_text())
    assert (len(document.results), document.failures) == (3, ())


def test_lines_of_a_store_are_those_of_a_scan_with_kinds_of_failure_and_the_case(
    tmp_path: Path,
) -> None:
    said = Examination("case 7", "A. Nalyst", None)
    record = scan_record("a.mp4")
    with writing(tmp_path / "s") as store:
        store.add(record, stored_row(record), None, said)
    fail(tmp_path / "s", "bad.mp4")
    reader = ResultStore(tmp_path / "s")
    with closing(reader.ranking()) as ranking:
        write_ndjson(tmp_path / "lines", reader, ranking, Choice())
        write_json(tmp_path / "json", reader, ranking, Choice())
    first, second = (tmp_path / "lines").read_text().splitlines(keepends=True)
    assert first == ndjson_line(record, said)
    assert from_json(second).failures[0].kind == "NotMedia"
    assert from_json((tmp_path / "json").read_text()).examination == said


@pytest.mark.parametrize("above", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(above: float) -> None:
    with pytest.raises(ValueError, match="--above is a probability"):
        Choice(above=above)


def test_an_id_depends_on_content_detector_and_settings() -> None:
    ids = {
        replace(JUDGED, **changed).result_id(content)
        for changed in ({}, {"detector_sha256": "e" * 64}, {"settings_sha256": "6" * 64})
        for content in ("a", "b")
    }
    assert len(ids) == 6


def test_duckdb_reads_a_store_without_our_code(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    fill(tmp_path)
    query = f"""
        SELECT f.path, count(*) FROM '{tmp_path}/shards/*/files.parquet' f
        JOIN '{tmp_path}/shards/*/key_frames.parquet' k USING (result_id)
        WHERE f.probability > 0.6 GROUP BY 1 ORDER BY 1
    """  # noqa: S608
    assert duckdb.sql(query).fetchall() == [("c.mp4", 2), ("d.mp4", 2), ("e.mp4", 2)]


def test_hugging_face_datasets_reads_a_store_without_our_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets", reason="datasets is not installed")
    fill(tmp_path / "s")
    code = (
        "import sys, datasets\n"
        "faces = datasets.load_dataset('parquet', data_files=sys.argv[1], cache_dir=sys.argv[2])\n"
        "print(sorted(set(faces['train']['result_id'])), len(faces['train']))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "s/shards/*/tracks.parquet")]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    run = subprocess.run([*words, str(tmp_path / "c")], capture_output=True, text=True, check=True)
    rows = list(ResultStore(tmp_path / "s").results())
    count = sum(row.tracks_found or 0 for row in rows)
    assert run.stdout.strip() == f"{sorted(row.result_id for row in rows)} {count}"


def test_documents_are_plain_json(tmp_path: Path) -> None:
    fill(tmp_path, ("a.mp4",))
    ((_, text),) = ResultStore(tmp_path).documents()
    assert json.loads(text)["results"][0]["video"]["path"] == "a.mp4"
