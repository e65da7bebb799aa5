"""Names in an object store: whoever may write there chooses them, so none leads out of a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec (extra `remote`)")

from unmask.core.errors import InputError, UnmaskError
from unmask.system.remote_files import local_copy
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
