"""WildDeepfake: sequences of crops; label and split are those of the four folders."""

from __future__ import annotations

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import InputNotFound, ManifestError


def test_a_sequence_is_one_row_with_label_and_split(tmp_path):
    frames = [f"fake_train/1/fake/131/{number}.png" for number in (942, 1057)]
    record = only(found_in("wilddeepfake", touch(tmp_path, *frames)))
    assert record.id == "fake_train/1/fake/131"
    assert (record.label, record.split, record.kind) == ("fake", "train", "frames")


@pytest.mark.parametrize("top", ["real test", "deepfake_in_the_wild/real_test"])
def test_both_spellings_and_an_outer_folder_are_known(tmp_path, top):
    record = only(found_in("wilddeepfake", touch(tmp_path, f"{top}/0/real/3/1.png")))
    assert (record.label, record.split) == ("real", "test")


def test_sequences_of_an_archive_share_footage_and_no_other_do(tmp_path):
    paths = ["real_train/1/real/0", "real_train/1/real/1", "real_train/2/real/0"]
    paths.append("fake_train/1/fake/0")
    rows = rows_of(found_in("wilddeepfake", touch(tmp_path, *(f"{p}/1.png" for p in paths))))
    assert rows[paths[0]].target == rows[paths[1]].target
    assert len({row.target for row in rows.values()}) == 3


def test_what_lies_elsewhere_is_reported(tmp_path):
    touch(tmp_path, "real_train/1/real/0/1.png", "real_train/2/fake/0/1.png")
    touch(tmp_path, "more/1.png", "real_test/1.png")
    unknown = {each.path for each in found_in("wilddeepfake", tmp_path).unknown}
    assert unknown == {"real_train/2/fake/0", "more", "real_test"}


def test_packed_archives_are_warned_of(tmp_path):
    touch(tmp_path, "real_train/1/real/0/1.png", "real_train/2.tar.gz")
    result = found_in("wilddeepfake", tmp_path)
    assert result.warnings == ("1 archives lie there; what is still packed is not seen",)


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(InputNotFound, match="no folder"):
        found_in("wilddeepfake", tmp_path / "absent")
    with pytest.raises(
        ManifestError, match=r"fits the layout 'wilddeepfake'.*not below real_train"
    ):
        found_in("wilddeepfake", touch(tmp_path, "some/1.png"))
