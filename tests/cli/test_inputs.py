"""What a user may name on the command line."""

import io
import os
from pathlib import Path

import pytest

from unmask.cli.inputs import expand, refuse_overwriting
from unmask.core.errors import InputError, InputNotFound
from unmask.datasets.layouts.folder import index
from unmask.datasets.layouts.layout import files_below
from unmask.system.suffixes import MEDIA_SUFFIXES, PICTURE_SUFFIXES, VIDEO_SUFFIXES


def listed(data: bytes) -> io.TextIOWrapper:
    """Stand in for standard input."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")


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
    (folder / "list.txt").write_text(f"# two clips\n \nb.mp4\n{absolute}\nbelow/c.png\n")
    assert expand(["clips/list.txt"]) == ["clips/b.mp4", absolute, "clips/below/c.png"]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_list_made_on_windows_reads_the_same(folder, start, end):
    (folder / "list.txt").write_bytes(start + b"b.mp4" + end + b"a.MOV" + end)
    assert expand(["clips/list.txt"]) == ["clips/b.mp4", "clips/a.MOV"]


def test_a_dash_reads_a_list_from_standard_input(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", listed(b"clips/b.mp4\n# none\n\nclips/a.MOV\n"))
    assert expand(["-"]) == ["clips/b.mp4", "clips/a.MOV"]


def test_a_name_in_another_encoding_spoils_no_list(folder, monkeypatch):
    data = b"clips/lat\xe9.mp4\nclips/b.mp4\n"
    monkeypatch.setattr("sys.stdin", listed(data))
    (folder.parent / "list.txt").write_bytes(data)
    expected = [os.fsdecode(b"clips/lat\xe9.mp4"), "clips/b.mp4"]
    assert expand(["-"]) == expand(["list.txt"]) == expected


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c", "\r"])
def test_in_a_list_only_a_line_feed_ends_a_name(folder, mark):
    (folder / "list.txt").write_text(f"a{mark}#b.mp4\n", encoding="utf-8", newline="")
    assert expand(["clips/list.txt"]) == [f"clips/a{mark}#b.mp4"]


@pytest.mark.parametrize("blank", [" ", "\t", "\u3000", "\u00a0"])
def test_a_name_in_a_list_keeps_its_blanks(folder, blank):
    names = [f"{blank}#b.mp4", f"b.mp4{blank}", "b.mp4"]
    (folder / "list.txt").write_text("\n".join(names), encoding="utf-8")
    assert expand(["clips/list.txt"]) == [f"clips/{name}" for name in names]


def test_comments_of_a_list_are_counted(folder, capsys):
    (folder / "list.txt").write_text("#a.mp4\nb.mp4\n# c\n./#d.mp4\n")
    assert expand(["clips/list.txt"]) == ["clips/b.mp4", "clips/#d.mp4"]
    text = capsys.readouterr().err
    assert "the list 'clips/list.txt' as comments, lines that start with '#': 2 (a file" in text


def test_a_list_that_is_too_long_is_refused(folder, monkeypatch):
    monkeypatch.setattr("unmask.cli.inputs._MAX_LIST_BYTES", 8)
    (folder / "list.txt").write_text("b.mp4\nc.mp4")
    with pytest.raises(InputError, match=r"the list 'clips/list\.txt' is longer than 8 bytes"):
        expand(["clips/list.txt"])


@pytest.mark.parametrize(
    "suffix",
    ["avif", "heic", "jfif", "apng", "h264", "mxf", "vob", "3g2", "ogg", "asf", "f4v"],
)
def test_a_folder_gives_every_format_that_is_read(folder, suffix):
    (folder / f"x.{suffix}").touch()
    assert f"clips/x.{suffix}" in expand(["clips"])


def test_what_of_a_folder_is_left_out_is_counted_and_named(folder, capsys):
    (folder / "link").symlink_to(folder / "below")
    os.mkfifo(folder / "pipe.mp4")
    assert "clips/link/c.png" not in expand(["clips"])
    text = capsys.readouterr().err
    assert "left out of 'clips'" in text
    assert "3 in all: link, notes.doc, pipe.mp4 (name them" in text
    for number in range(9):
        (folder / f"{number}.srt").touch()
    expand(["clips"])
    assert "12 in all: 0.srt, 1.srt, 2.srt, 3.srt, 4.srt, ... (name" in capsys.readouterr().err


def test_of_a_folder_of_media_nothing_is_said(folder, capsys):
    assert expand(["clips/below"]) == ["clips/below/c.png"]
    assert not capsys.readouterr().err


@pytest.mark.parametrize("output", ["clips/b.mp4", "clips/../clips/b.mp4", "link.mp4", "hard.mp4"])
def test_an_output_that_is_an_input_is_refused_however_it_is_spelt(folder, output):
    Path("link.mp4").symlink_to(folder / "b.mp4")
    Path("hard.mp4").hardlink_to(folder / "b.mp4")
    with pytest.raises(InputError, match="is an input: writing there would destroy it"):
        refuse_overwriting([Path(output)], [Path("clips/a.MOV"), Path("clips/b.mp4")])


def test_two_outputs_that_are_one_file_are_refused(folder):
    with pytest.raises(InputError, match="are the same file"):
        refuse_overwriting([Path("new.html"), folder.parent / "new.html"], [])


def test_outputs_of_their_own_and_devices_may_be_written(folder):
    null = Path(os.devnull)
    inputs = [Path("clips/b.mp4"), Path("gone.mp4"), Path("null\0character.mp4"), null]
    refuse_overwriting([Path("a.html"), Path("a.json"), null, null], inputs)


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
    monkeypatch.setattr("sys.stdin", listed(b""))
    for argument in (str(tmp_path), str(tmp_path / "list.txt"), "-"):
        with pytest.raises(InputNotFound, match=f"no video or picture in {argument!r}"):
            expand([argument])


def test_an_empty_folder_beside_others_is_told(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert expand(["empty", "clips/b.mp4"]) == ["clips/b.mp4"]
    assert capsys.readouterr().err == "note: no video or picture in 'empty'\n"


def test_a_text_that_is_no_list_says_so(folder):
    (folder / "notes.txt").write_text("Dear editor,\nplease see the clip.\n")
    with pytest.raises(InputError, match=r"notes\.txt' is no list of files: none of its 2 lines"):
        expand(["clips/notes.txt"])
    (folder / "old.txt").write_text("gone.mp4\n")
    assert expand(["clips/old.txt"]) == ["clips/gone.mp4"]


def test_a_link_that_leads_nowhere_is_kept_for_the_scan_to_report(folder):
    (folder / "broken.mp4").symlink_to(folder / "gone.mp4")
    assert expand(["clips/broken.mp4"]) == ["clips/broken.mp4"]
    assert "clips/broken.mp4" in expand(["clips"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_a_list_is_read_in_the_encodings_that_windows_writes(folder, encoding):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    text = f"{mark}b.mp4\r\n日本 白.mp4\r\n"
    (folder / "list.txt").write_bytes(text.encode(encoding))
    assert expand(["clips/list.txt"]) == ["clips/b.mp4", "clips/日本 白.mp4"]


def test_a_list_that_begins_as_utf_16_and_is_none_is_refused(folder):
    (folder / "list.txt").write_bytes(b"\xff\xfea")
    with pytest.raises(InputError, match="begins as UTF-16 and is none: truncated data"):
        expand(["clips/list.txt"])


def test_what_macos_puts_beside_files_is_skipped_in_folders(folder, capsys):
    (folder / "._b.mp4").write_bytes(b"\0\x05\x16\x07")
    assert "clips/._b.mp4" not in expand(["clips"])
    assert "._b" not in capsys.readouterr().err
    assert expand(["clips/._b.mp4"]) == ["clips/._b.mp4"]


def test_every_suffix_that_a_scan_takes_is_taken_by_a_data_set_too(tmp_path):
    folder = tmp_path / "real" / "clip"
    folder.mkdir(parents=True)
    for suffix in MEDIA_SUFFIXES:
        (folder / f"a{suffix}").touch()
    assert files_below(tmp_path, VIDEO_SUFFIXES | PICTURE_SUFFIXES) == [
        Path(name) for name in expand([str(tmp_path)])
    ]
    indexed = {record.id for record in index(tmp_path).records}
    assert indexed == {f"real/clip/a{suffix}" for suffix in VIDEO_SUFFIXES} | {"real/clip"}
