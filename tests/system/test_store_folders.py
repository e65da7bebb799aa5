"""Names in an object store: whoever may write there chooses them, so none leads out of a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec (extra `remote`)")

from unmask.core.errors import DownloadError, InputError, ManifestError, UnmaskError
from unmask.system.remote_files import local_copy, send_file
from unmask.system.store_folders import Copied, RemoteFolder

ADDRESS = "memory://bucket/store"


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "..", "a\\..\\b"])
@pytest.mark.parametrize("begins_with", [None, "store.json"])
def test_a_name_that_leads_out_of_the_store_is_refused(
    memory: Any, tmp_path: Path, name: str, begins_with: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = RemoteFolder(ADDRESS, tmp_path / "inside" / "copy", Copied())
    # the store of the tests sets its names straight; those of others do not
    with monkeypatch.context() as patch:
        patch.setattr(memory, "find", lambda root: [f"{root}/{name}"])
        with pytest.raises(InputError, match="leads out of it"):
            remote.fetch(begins_with)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "a\\..\\b"])
def test_nor_does_a_copy_of_a_folder_take_one(
    memory: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(memory, "find", lambda root: [f"{root}/{name}"])
        patch.setattr(memory, "get_file", lambda *_: pytest.fail("it was copied"))
        with pytest.raises(InputError, match="leads out of it"):
            local_copy(f"memory://bucket/{tmp_path.name}")


def test_a_store_that_lists_what_it_has_not_is_given_up(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = RemoteFolder(ADDRESS, tmp_path / "copy", Copied())
    with monkeypatch.context() as patch:
        patch.setattr(memory, "find", lambda root: [f"{root}/gone.parquet"])
        with pytest.raises(UnmaskError, match="that are not there"):
            remote.fetch()


def test_what_stands_for_an_empty_folder_is_no_file(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe_file("/bucket/store/store.json", b"{}")
    marks = ["/bucket/store/", "/bucket/store/shards/", "/bucket/store/store.json"]
    remote = RemoteFolder(ADDRESS, tmp_path / "copy", Copied())
    with monkeypatch.context() as patch:
        patch.setattr(memory, "find", lambda root: marks)
        remote.fetch()
        copied = local_copy(ADDRESS)
    for place in (remote.path, copied):
        assert [path.name for path in place.rglob("*")] == ["store.json"]


def test_what_was_sent_is_read_afresh(memory: Any, tmp_path: Path) -> None:
    file, address = tmp_path / "a.txt", f"memory://bucket/{tmp_path.name}.txt"
    for text in ("one", "two"):
        file.write_text(text)
        send_file(file, address)
        assert local_copy(address).read_text() == text


def test_a_file_is_no_store(memory: Any, tmp_path: Path) -> None:
    memory.pipe_file("/bucket/store", b"x")
    with pytest.raises(InputError, match="is a file"):
        RemoteFolder(ADDRESS, tmp_path / "copy", Copied()).fetch()


def test_nothing_is_written_where_half_a_file_may_stay(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    with pytest.raises(DownloadError, match="half a file"):
        send_file(file, "hdfs://host/a.txt")


def test_a_store_that_lost_its_first_file_is_not_begun_again(memory: Any, tmp_path: Path) -> None:
    memory.pipe_file("/bucket/store/shards/00000/files.parquet", b"x")
    with pytest.raises(ManifestError, match=r"shards/00000/files.parquet' and no 'store.json'"):
        RemoteFolder(ADDRESS, tmp_path / "copy", Copied()).fetch("store.json")


def test_a_file_that_went_while_others_were_copied_is_not_kept(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        memory.pipe_file(f"/bucket/store/{name}", b"x")
    copy = memory.get_file

    def get(path: str, target: str) -> None:
        if path.endswith("b"):  # by now both are part of another one
            memory.store.pop("/bucket/store/a", None)
            memory.store.pop("/bucket/store/b", None)
        copy(path, target)

    remote = RemoteFolder(ADDRESS, tmp_path / "copy", Copied())
    with monkeypatch.context() as patch:
        patch.setattr(memory, "get_file", get)
        remote.fetch()
    assert [path.name for path in remote.path.iterdir()] == ["c"]
