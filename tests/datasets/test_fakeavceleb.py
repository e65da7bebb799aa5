"""FakeAVCeleb: the folder tells what is fake, the name who is in it, the table the method."""

from __future__ import annotations

import pytest

from trees import found_in, only, rows_of, touch
from unmask.core.errors import ManifestError

HEADER = "source,target1,target2,method,category,type,race,gender,path,\n"
VOICE = "RealVideo-FakeAudio/African/men/id00076/00109_fake.mp4"
SWAP = "FakeVideo-FakeAudio/Asian (South)/women/id07686/00254_id06437_3BZvvzBhj8s_id00043_wavtolip"
OLD_SWAP = "FakeVideo-FakeAudio/a/men/id00366/00118_id00076_Isiq7cA-DNE_faceswap_id01779_wavtolip"
SILENT_SWAP = "FakeVideo-RealAudio/a/men/id00076/00109_id04727_AAnyugIAXao"


def test_a_fake_voice_over_a_real_picture_is_real_with_a_note(tmp_path):
    record = only(found_in("fakeavceleb", touch(tmp_path, VOICE)))
    assert record.label == "real"
    assert record.method is None
    assert record.note == "fake voice over a real picture"
    assert record.target == "fakeavceleb/id00076/00109"


@pytest.mark.parametrize(
    ("name", "persons", "source"),
    [
        (SWAP, ("id07686", "id06437"), "3BZvvzBhj8s"),
        (OLD_SWAP, ("id00366", "id00076"), "Isiq7cA-DNE"),
        (SILENT_SWAP, ("id00076", "id04727"), "AAnyugIAXao"),
        ("FakeVideo-RealAudio/a/men/id00076/00109_3", ("id00076",), None),
        ("FakeVideo-RealAudio/a/men/id04540/00078_id05235_wavtolip", ("id04540",), None),
        ("FakeVideo-FakeAudio/a/men/id01048/00160_0_id00696_wavtolip", ("id01048",), None),
    ],
)
def test_the_name_tells_the_face_and_the_voice_is_no_identity(tmp_path, name, persons, source):
    record = only(found_in("fakeavceleb", touch(tmp_path, f"{name}.mp4")))
    assert record.label == "fake"
    assert record.identities == tuple(f"fakeavceleb/{person}" for person in persons)
    assert record.source == (source and f"fakeavceleb/youtube/{source}")
    clip = name.rpartition("/")[2][:5]
    assert record.target == f"fakeavceleb/{persons[0]}/{clip}"


def test_the_table_gives_methods_though_its_last_column_has_no_name(tmp_path):
    where = "FakeVideo-RealAudio/African/men/id00076"
    touch(tmp_path, f"{where}/00109_3.mp4", f"{where}/00109_4.mp4", VOICE)
    rows = [
        f"id00076,3,-,fsgan,C,FakeVideo-RealAudio,African,men,00109_3.mp4,FakeAVCeleb/{where}",
        f"id00076,5,-,fsgan,C,FakeVideo-RealAudio,African,men,00109_5.mp4,FakeAVCeleb/{where}",
    ]
    (tmp_path / "meta_data.csv").write_text(HEADER + "\n".join(rows))
    result = found_in("fakeavceleb", tmp_path)
    assert rows_of(result)[f"{where}/00109_3.mp4"].method == "fsgan"
    assert rows_of(result)[f"{where}/00109_4.mp4"].method is None
    assert result.warnings == (
        "meta_data.csv names 1 clips that are not here",
        "meta_data.csv does not name 1 fakes that are here: no method",
    )


def test_without_the_table_methods_are_not_guessed(tmp_path):
    result = found_in("fakeavceleb", touch(tmp_path, f"{SWAP}.mp4"))
    assert only(result).method is None
    assert "no meta_data.csv" in result.warnings[0]


def test_other_names_are_reported(tmp_path):
    strange = "RealVideo-RealAudio/African/men/id00076/holiday.mp4"
    result = found_in("fakeavceleb", touch(tmp_path, VOICE, strange, "clip.mp4"))
    assert {each.path for each in result.unknown} == {strange, "clip.mp4"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,label\na,b\n", "begins with the columns 'file, label'"),
        (HEADER + "id00076,-,-,real\n", "line 2: 4 columns, expected 10"),
        ("", "begins with the columns ''"),
    ],
)
def test_a_damaged_table_is_an_error_with_its_line(tmp_path, table, message):
    touch(tmp_path, VOICE)
    (tmp_path / "meta_data.csv").write_text(table)
    with pytest.raises(ManifestError, match=message):
        found_in("fakeavceleb", tmp_path)
