"""Videos in object stores: listed, copied one at a time, named by their address."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from object_stores import s3_bucket
from unmask.cli.inputs import expand
from unmask.core.errors import InputNotFound, LimitExceeded, UnmaskError
from unmask.core.scan import Scan
from unmask.core.settings import ScanSettings
from unmask.results.outcome import Source
from unmask.results.store import ResultStore
from unmask.scanner.batch import Job, scan_all
from unmask.system.engines import Engine
from unmask.system.remote_files import LocalCopies, is_remote, media_at

fsspec = pytest.importorskip("fsspec")
EXAMPLE = Path(__file__).parents[2] / "examples" / "original.mp4"
TRIAGE = Job(settings=ScanSettings().for_triage())


@pytest.fixture
def bucket() -> Iterator[str]:
    """Fill a store in the memory of this process."""
    memory = fsspec.filesystem("memory")
    memory.pipe(
        {
            "/clips/a.mp4": EXAMPLE.read_bytes(),
            "/clips/below/b.mp4": b"no video",
            "/clips/notes.txt": b"",
        }
    )
    yield "memory://clips"
    memory.rm("/clips", recursive=True)


def test_a_folder_gives_its_media_files_and_a_file_itself(bucket: str) -> None:
    both = ["memory://clips/a.mp4", "memory://clips/below/b.mp4"]
    assert media_at(bucket) == both
    assert media_at(both[0]) == both[:1]
    with pytest.raises(InputNotFound, match="nothing lies at 'memory://none'"):
        media_at("memory://none")


def test_the_command_line_takes_addresses_of_stores_and_none_of_the_web(bucket: str) -> None:
    assert expand([bucket]) == [f"{bucket}/a.mp4", f"{bucket}/below/b.mp4"]
    assert expand(["https://example.org/a.mp4"]) == ["https://example.org/a.mp4"]
    assert not is_remote("https://example.org/a.mp4")


def test_a_file_is_known_by_address_size_and_time(bucket: str) -> None:
    source = Source.at(f"{bucket}/a.mp4")
    assert (source.absolute_path, source.size_bytes) == (source.path, EXAMPLE.stat().st_size)
    assert source.mtime_ns is not None
    assert source == Source.at(source.path)


def test_copies_are_scanned_and_named_by_their_address(bucket: str) -> None:
    paths = [f"{bucket}/a.mp4", f"{bucket}/below/b.mp4", f"{bucket}/none.mp4", str(EXAMPLE)]
    outcomes = dict(scan_all(paths, TRIAGE))
    copy, original = outcomes[0], outcomes[3]
    assert isinstance(copy, Scan)
    assert isinstance(original, Scan)
    assert [copy.result.video.path, original.result.video.path] == [paths[0], paths[3]]
    assert copy.result.video.sha256 == original.result.video.sha256
    for place in (1, 2):
        assert isinstance(outcomes[place], UnmaskError)
        assert str(outcomes[place]).startswith(repr(paths[place]))
        assert tempfile.gettempdir() not in str(outcomes[place])


def test_one_copy_is_there_at_a_time_and_too_large_a_file_is_none(
    bucket: str, tmp_path: Path
) -> None:
    copies = LocalCopies([f"{bucket}/a.mp4", f"{bucket}/below/b.mp4"], tmp_path, max_bytes=100)
    assert Path(copies[1]).read_bytes() == b"no video"
    assert not Path(copies[0]).exists()
    assert isinstance(copies.errors[0], LimitExceeded)
    copies.drop(1)
    assert not Path(copies.path(1)).exists()


def test_other_machines_are_not_sent_copies(bucket: str) -> None:
    with pytest.raises(ValueError, match="mount the store on each of them"):
        scan_all([f"{bucket}/a.mp4"], TRIAGE, engine=Engine("ray"))


@pytest.mark.system
def test_a_bucket_is_scanned_into_a_store_and_a_second_time_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_bucket("corpus", monkeypatch) as store:
        store.put(str(EXAMPLE), "corpus/clips/a.mp4")
        words = [sys.executable, "-c", "from unmask.cli import main; main()", "scan"]
        words += ["s3://corpus/clips", "-o", str(tmp_path / "results"), "--triage"]
        said = [
            subprocess.run(words, capture_output=True, text=True, check=False) for _ in range(2)
        ]
    assert "analysed now: 1, known from before: 0" in said[0].stderr
    assert "analysed now: 0, known from before: 1" in said[1].stderr
    (row,) = ResultStore(tmp_path / "results").results()
    assert (row.path, row.absolute_path) == ("s3://corpus/clips/a.mp4",) * 2
