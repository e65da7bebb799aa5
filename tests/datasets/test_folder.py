"""A plain folder: only `real` and `fake` decide."""

from __future__ import annotations

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import ManifestError


@pytest.mark.parametrize(
    ("path", "label", "method", "split"),
    [
        ("real/a.mp4", "real", None, None),
        ("real/deep/er/a.mp4", "real", None, None),
        ("fake/a.mp4", "fake", None, None),
        ("Fake/swap/x/a.MOV", "fake", "swap", None),
        ("val/fake/swap/a.mp4", "fake", "swap", "validation"),
        ("test/real/a.mp4", "real", None, "test"),
    ],
)
def test_the_folders_tell_label_method_and_split(tmp_path, path, label, method, split):
    record = only(found_in("folder", touch(tmp_path, path)))
    assert (record.id, record.label, record.method, record.split) == (path, label, method, split)


def test_a_folder_of_pictures_is_a_clip(tmp_path):
    touch(tmp_path, "real/c/1.png", "real/c/2.png", "fake/swap/d/1.jpg")
    rows = rows_of(found_in("folder", tmp_path))
    assert set(rows) == {"real/c", "fake/swap/d"}
    assert {row.kind for row in rows.values()} == {"frames"}


@pytest.mark.parametrize(
    "path", ["other/a.mp4", "holiday/real/a.mp4", "real/1.png", "fake/swap/1.png", "real.mp4"]
)
def test_what_the_folders_do_not_tell_is_reported(tmp_path, path):
    result = found_in("folder", touch(tmp_path, "real/good.mp4", path))
    reported = path.rpartition("/")[0] if path.endswith(".png") else path
    assert [each.path for each in result.unknown] == [reported]


def test_reals_of_two_folders_do_not_share_footage(tmp_path):
    targets = {only(found_in("folder", touch(tmp_path / d, "real/a.mp4"))).target for d in "xy"}
    assert targets == {"folder/x/real/a.mp4", "folder/y/real/a.mp4"}


def test_one_sided_folders_are_warned_of(tmp_path):
    assert "nothing is fake" in found_in("folder", touch(tmp_path, "real/a.mp4")).warnings


def test_a_folder_without_real_and_fake_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="1 videos and 0 folders of pictures there"):
        found_in("folder", touch(tmp_path, "a.mp4"))
