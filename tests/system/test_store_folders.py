"""Names in an object store: whoever may write there chooses them, so none leads out of a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec (extra `remote`)")

from unmask.core.errors import ManifestError, UnmaskError
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
        with pytest.raises(ManifestError, match="leads out of it"):
            remote.fetch(begins_with)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_lists_what_it_has_not_is_given_up(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = RemoteFolder(ADDRESS, tmp_path / "copy", Copied())
    with monkeypatch.context() as patch:
        patch.setattr(memory, "find", lambda root: [f"{root}/gone.parquet"])
        with pytest.raises(UnmaskError, match="that are not there"):
            remote.fetch()
