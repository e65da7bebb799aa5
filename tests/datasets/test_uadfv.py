"""UADFV: 49 pairs, told apart by folder and name."""

from __future__ import annotations

import pytest

from trees import found_in, rows_of, touch
from unmask.core.errors import ManifestError


def test_a_fake_has_its_original_as_target(tmp_path):
    rows = rows_of(found_in("uadfv", touch(tmp_path, "real/0007.mp4", "fake/0007_fake.mp4")))
    fake, real = rows["fake/0007_fake.mp4"], rows["real/0007.mp4"]
    assert fake.target == real.target == "uadfv/0007"
    assert (fake.label, fake.method, real.label, real.method) == ("fake", "FakeApp", "real", None)


def test_other_names_are_reported_and_frames_are_no_rows(tmp_path):
    touch(tmp_path, "real/0007.mp4", "real/0007_fake.mp4", "fake/0007.mp4")
    touch(tmp_path, "real/frames/0007/0.png")
    result = found_in("uadfv", tmp_path)
    assert {each.path for each in result.unknown} == {"real/0007_fake.mp4", "fake/0007.mp4"}
    assert len(result.records) == 1


def test_a_fake_without_its_original_is_warned_of(tmp_path):
    result = found_in("uadfv", touch(tmp_path, "fake/0001_fake.mp4", "real/0002.mp4"))
    assert result.warnings == ("1 fakes whose original is not here",)


def test_another_data_set_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"fits the layout 'uadfv' \(1 videos there\); a.mp4"):
        found_in("uadfv", touch(tmp_path, "a.mp4"))
