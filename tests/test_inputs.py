"""What a user may name on the command line."""

import io

import pytest

from unmask.cli.inputs import expand
from unmask.errors import InputNotFound


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two videos, a picture below and a note, and the place where the user stands."""
    (tmp_path / "clips" / "below").mkdir(parents=True)
    for name in ("b.mp4", "a.MOV", "below/c.png", "notes.doc"):
        (tmp_path / "clips" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "clips"


def test_a_file_is_taken_as_named(folder):
    assert expand(["clips/b.mp4"]) == ["clips/b.mp4"]


def test_a_named_file_is_taken_whatever_its_suffix(folder):
    assert expand(["clips/notes.doc"]) == ["clips/notes.doc"]


def test_a_folder_gives_the_media_files_below_it_sorted(folder):
    assert expand(["clips"]) == ["clips/a.MOV", "clips/b.mp4", "clips/below/c.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("clips/*.mp4", ["clips/b.mp4"]),
        ("clips/**/*.png", ["clips/below/c.png"]),
        ("clips/*", ["clips/a.MOV", "clips/b.mp4", "clips/notes.doc"]),
    ],
)
def test_a_glob_gives_the_files_that_match(folder, pattern, expected):
    assert expand([pattern]) == expected


def test_a_file_whose_name_looks_like_a_glob_is_that_file(folder):
    (folder / "[b].mp4").touch()
    assert expand(["clips/[b].mp4"]) == ["clips/[b].mp4"]


def test_a_list_is_read_relative_to_its_folder(folder):
    absolute = str(folder / "a.MOV")
    (folder / "list.txt").write_text(f"# two clips\n\n  b.mp4  \n{absolute}\nbelow/c.png\n")
    assert expand(["clips/list.txt"]) == ["clips/b.mp4", absolute, "clips/below/c.png"]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_list_made_on_windows_reads_the_same(folder, start, end):
    (folder / "list.txt").write_bytes(start + b"b.mp4" + end + b"a.MOV" + end)
    assert expand(["clips/list.txt"]) == ["clips/b.mp4", "clips/a.MOV"]


def test_a_dash_reads_a_list_from_standard_input(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("clips/b.mp4\n# none\n\nclips/a.MOV\n"))
    assert expand(["-"]) == ["clips/b.mp4", "clips/a.MOV"]


@pytest.mark.parametrize("name", ["gone.mp4", "gone.txt", "gone/*.mp4"])
def test_what_does_not_exist_is_kept_for_the_scan_to_report(folder, name):
    assert expand([name, "clips/b.mp4"]) == [name, "clips/b.mp4"]


def test_a_file_named_twice_is_taken_once_where_it_came_first(folder):
    assert expand(["clips/b.mp4", "clips", "clips/b.mp4"])[0] == "clips/b.mp4"
    assert len(expand(["clips/b.mp4", "clips", "clips/b.mp4"])) == 3


def test_nothing_named_is_refused():
    with pytest.raises(InputNotFound, match="no video or picture was named"):
        expand([])


def test_an_empty_folder_list_or_input_is_refused(tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_text("# nothing yet\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for argument in (str(tmp_path), str(tmp_path / "list.txt"), "-"):
        with pytest.raises(InputNotFound, match="no video or picture was named"):
            expand([argument])


def test_a_link_that_leads_nowhere_is_kept_for_the_scan_to_report(folder):
    (folder / "broken.mp4").symlink_to(folder / "gone.mp4")
    assert expand(["clips/broken.mp4"]) == ["clips/broken.mp4"]
    assert "clips/broken.mp4" in expand(["clips"])
