"""Files that are there whole or not at all, whatever stops the writing."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from bundles import write_bundle
from unmask.bundle.manifest import load_bundle, write_manifest
from unmask.core.errors import InputNotFound, NoUserFolder
from unmask.evaluation.card import save
from unmask.system.files import (
    check_parent_folder,
    drop_partials,
    file_sha256,
    user_folder,
    write_text,
    write_whole,
)


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_written_whole_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old, of a naïve size")

    def write(partial: Path) -> None:
        partial.write_text("ne")
        full_disk(0)

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, write)
    assert path.read_text(encoding="utf-8") == "old, of a naïve size"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_a_bundle_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "d"
    before = write_bundle(folder)
    save(folder, before.manifest)
    before = load_bundle(folder)
    changed = before.manifest.model_copy(update={"name": "changed"})
    monkeypatch.setattr(os, "fsync", full_disk)
    for write in (save, write_manifest):
        with pytest.raises(OSError, match="No space left"):
            write(folder, changed)
        assert load_bundle(folder) == before
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "detector.json", "model.onnx",
    }  # fmt: skip


def test_links_permissions_and_pipes_stay(tmp_path: Path) -> None:
    kept, link, pipe = tmp_path / "kept.txt", tmp_path / "link.txt", tmp_path / "pipe"
    kept.touch(mode=0o600)
    link.symlink_to(kept)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(link, "linked")
    write_text(pipe, "piped")
    assert link.is_symlink()
    assert kept.read_text(encoding="utf-8") == "linked"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert os.read(reader, 100) == b"piped"
    os.close(reader)


def test_an_open_pipe_is_written_to_by_the_name_that_a_shell_gives_it() -> None:
    reader, writer = os.pipe()
    write_text(Path(f"/dev/fd/{writer}"), "piped")
    assert os.read(reader, 100) == b"piped"
    os.close(reader)
    os.close(writer)


def test_a_file_that_is_mounted_by_itself_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    path = tmp_path / "out.json"
    path.write_text("a longer one of last week", encoding="utf-8")
    monkeypatch.setattr(Path, "replace", busy)
    write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ж" * 125 + ".json")
    write_text(path, "{}")
    assert path.read_text(encoding="utf-8") == "{}"


def test_only_half_written_files_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in (".a.txt.17.partial", "deep/.b.partial", "kept.partial", ".kept"):
        (tmp_path / name).touch()
    drop_partials(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "deep", "kept.partial"]
    assert not list((tmp_path / "deep").iterdir())


def test_an_output_without_a_folder_is_refused(tmp_path: Path) -> None:
    check_parent_folder(tmp_path / "a.txt")
    with pytest.raises(InputNotFound, match=r"no folder '.*none' to write 'a\.txt' to"):
        check_parent_folder(tmp_path / "none" / "a.txt")


def test_a_file_has_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"content").hexdigest()


def test_the_users_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path))
    assert user_folder() == tmp_path
    monkeypatch.delenv("UNMASK_HOME")
    assert user_folder() == Path.home() / ".local" / "share" / "unmask"


def test_without_a_home_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(NoUserFolder, match="the user has no home folder") as refused:
        user_folder()
    assert "UNMASK_HOME" in refused.value.hint
