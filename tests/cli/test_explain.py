"""`unmask explain` and `unmask explain-check` as a user meets them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from bundles import SIZE, write_bundle
from store_rows import INFO, crop_row
from toy_set import record
from unmask.bundle.manifest import load_bundle, shipped_folder, write_manifest
from unmask.cli import explain, explain_check
from unmask.cli.progress import RichBar, progress_bar
from unmask.cli.runs.check_samples import forged_samples, samples_in, spread
from unmask.cli.runs.explain import map_names
from unmask.cli.runs.keyframes import run_keyframes
from unmask.core.errors import InputError, InputNotFound, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.reading import CropDataset
from unmask.crops.rows import VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing
from unmask.evaluation.sources import recut_views

ORIGINAL = Path(__file__).parents[2] / "examples" / "original.mp4"


def run(*words: str):
    app = typer.Typer()
    app.command()(explain.explain)
    app.command("explain-check")(explain_check.explain_check)
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("face") / "face.png"
    with av.open(str(ORIGINAL)) as source:
        next(source.decode(video=0)).to_image().save(path)
    return path


def test_a_picture_is_explained_in_words_and_files(face: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    done = run("explain", str(face), "--methods", "gradcam,gradcam++", "-o", str(out))
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[3] for line in lines] == ["gradcam", "gradcam++"]
    assert sorted(p.name for p in out.iterdir()) == [
        "face-face1-frame0-gradcam++.png",
        "face-face1-frame0-gradcam.png",
        "face-face1-frame0.npz",
    ]


def noise(path: Path) -> Path:
    """Write a picture that is as good a crop as any."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)).save(path)
    return path


def test_a_crop_is_taken_as_it_is(tmp_path: Path) -> None:
    crop = noise(tmp_path / "crop.png")
    done = run("explain", str(crop), "--crop", "-o", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "crop-face1-frame0.npz").is_file()


def test_maps_of_inputs_with_one_name_are_all_kept(tmp_path: Path) -> None:
    crops = [str(noise(tmp_path / name)) for name in ("a/p.png", "b/p.webp")]
    done = run("explain", *crops, "--crop", "-o", str(tmp_path / "maps"))
    assert done.exit_code == 0, done.output
    arrays = {p.name for p in (tmp_path / "maps").glob("*.npz")}
    assert arrays == {"p.png-face1-frame0.npz", "p.webp-face1-frame0.npz"}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/p.jpg", "b/q.jpg"], ["p", "q"]),
        (["clip.mp4", "clip.mov", "x.mp4"], ["clip.mp4", "clip.mov", "x"]),
        (["a/p.jpg", "b/p.jpg", "b/p.png"], ["a-p.jpg", "b-p.jpg", "p.png"]),
        (["x/a/p.jpg", "y/a/P.jpg", "z/a/p.jpg"], ["a-p.jpg", "a-P.jpg-2", "a-p.jpg-3"]),
        (["p.jpg", "p.png", "p.jpg.mp4"], ["p.jpg", "p.png", "p.jpg.mp4"]),
    ],
)
def test_maps_are_named_apart_where_inputs_share_a_name(paths: list[str], names: list[str]) -> None:
    assert list(map_names(paths).values()) == names


@pytest.mark.parametrize("letter", ["x", "ä", "\udce9"])
def test_long_names_of_maps_are_cut_between_characters_and_stay_apart(letter: str) -> None:
    letters = letter * 240
    names = list(map_names([f"{letters}1.png", f"{letters}2.png", f"{letters}3.png"]).values())
    assert len(set(names)) == 3
    assert all(len(os.fsencode(name)) <= 190 for name in names)
    assert letters.startswith(names[0])


def test_maps_that_cannot_be_written_cost_the_other_files_nothing(tmp_path: Path) -> None:
    long = noise(tmp_path / f"{'x' * 240}.png")
    bad, good = noise(tmp_path / "bad.png"), noise(tmp_path / "good.png")
    out = tmp_path / "maps"
    (out / "bad-face1-frame0.npz").mkdir(parents=True)
    done = run("explain", str(long), str(bad), str(good), "--crop", "-o", str(out))
    assert done.exit_code == 3
    assert f"the maps of {str(bad)!r} could not be written: [Errno" in done.stderr
    result = sorted(p.name for p in out.glob("*.npz") if p.is_file())
    assert result == ["good-face1-frame0.npz", f"{'x' * 180}-face1-frame0.npz"]


def test_the_bar_counts_files_and_the_share_of_the_one_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress_bar(3) as bar:
        assert isinstance(bar, RichBar)
        (task,) = bar.rich.tasks
        seen = []
        for share in (0.5, 1.0):
            bar.of_file("faces", share)
            seen.append(task.completed)
            bar.file_done("a.png")
            seen.append(task.completed)
    assert (task.total, seen) == (3, [0.5, 1, 2, 2])


def breaks(*_: object, **__: object) -> None:
    """Fail as no file should make it."""
    raise RuntimeError("out of luck")


def test_a_file_that_fails_unexpectedly_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = [str(noise(tmp_path / name)) for name in ("a.png", "b.png")]
    monkeypatch.setattr("unmask.cli.runs.explain.pixels_as_shown", breaks)
    done = run("explain", *crops, "--crop", "-o", str(tmp_path / "maps"))
    assert done.exit_code == 3
    for crop in crops:
        assert f"{crop!r} could not be analysed: RuntimeError: out of luck" in done.stderr


def test_key_frames_of_a_file_that_fails_unexpectedly_end_with_a_message(
    face: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("unmask.cli.runs.keyframes.first_pass", breaks)
    assert run_keyframes(str(face), None, ScanSettings()) == 3
    assert f"{str(face)!r} could not be analysed: RuntimeError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("face.png", "is an input"),
        ("link.png", "is an input"),
        ("sheet.nope", "end it with one of .png"),
        ("sheet", "end it with one of .png"),
        ("none/sheet.png", "no folder"),
    ],
)
def test_a_sheet_that_cannot_be_written_is_refused_before_anything_is_read(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = noise(tmp_path / "face.png")
    (tmp_path / "link.png").symlink_to(picture)
    before = picture.read_bytes()
    monkeypatch.setattr("unmask.cli.runs.keyframes.first_pass", breaks)
    with pytest.raises(InputError) as refused:
        run_keyframes(str(picture), tmp_path / name, ScanSettings())
    assert message in f"{refused.value} {refused.value.hint}"
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--video", "film.webm"], "is no name of a film"),
        (["--video", "film.txt"], "is no name of a film"),
        (["--video", "film"], "is no name of a film"),
        (["--video", "clip.mp4"], "is an input"),
        (["-o", "clip.mp4"], "is a file"),
    ],
)
def test_a_film_or_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_text("never read")
    done = run("explain", "clip.mp4", *words)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert Path("clip.mp4").read_text() == "never read"


@pytest.mark.parametrize(
    ("named", "message"),
    [("none.jpg", "cannot open 'none.jpg'"), (str(ORIGINAL), "is read as a video (h264)")],
)
def test_what_is_no_crop_is_refused_with_the_reason(
    named: str, message: str, tmp_path: Path
) -> None:
    done = run("explain", named, "--crop", "-o", str(tmp_path))
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_picture_without_a_face_is_said_to_have_none(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 200), "grey").save(blank)
    done = run("explain", str(blank), "-o", str(tmp_path / "maps"))
    assert done.exit_code == 3
    assert "no face was found (see --crop)" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "gradcam"], "nowhere to write"),
        (["--methods", "lime", "-o", "x"], "no method of explaining 'lime'"),
        (["--crop", "--video", "x.mp4"], "--video takes one video"),
        (["--methods", "", "-o", "x"], "no method was named"),
    ],
)
def test_wrong_use_is_refused_before_any_file_is_opened(words: list[str], message: str) -> None:
    done = run("explain", "none.mp4", *words)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


def test_there_is_no_film_of_a_still_picture(face: Path, tmp_path: Path) -> None:
    done = run("explain", str(face), "--video", str(tmp_path / "x.mp4"))
    assert done.exit_code == 2


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops") / "fake"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(3):
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[:32] = 255
    Image.fromarray(mask).save(folder / "0.mask.png")
    return folder.parent


@pytest.fixture(scope="module")
def checked(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Check a copy of the shipped detector, and return what was printed and the folder of both."""
    place = tmp_path_factory.mktemp("checked")
    folder = shutil.copytree(shipped_folder(), place / "d")
    bundle = load_bundle(folder)
    write_manifest(folder, bundle.manifest.model_copy(update={"metrics": ()}))
    words = (str(folder), str(crops), "--masks", "--synthetic", "6", "--methods", "gradcam")
    done = run("explain-check", *words, "--write", "-o", str(place / "check"))
    assert done.exit_code in {0, 1}, done.output
    assert done.stdout
    return done.stdout, place


def test_a_check_writes_tables_and_a_page(checked: tuple[str, Path]) -> None:
    printed, place = checked
    rows = pq.read_table(place / "check" / "maps.parquet").to_pylist()
    assert {row["method"] for row in rows} == {"gradcam", "centre", "random"}
    own = [row for row in rows if row["crop_id"].startswith("fake/")]
    assert sum(row["energy"] is not None for row in own if row["method"] == "centre") == 1
    assert {row["label"] for row in rows} == {"fake"}
    page = (place / "check" / "index.html").read_text()
    assert "Are the maps of" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "9 crops of 9 videos" in printed


def test_a_check_writes_its_figures_into_a_bundle(checked: tuple[str, Path], crops: Path) -> None:
    folder = checked[1] / "d"
    (metric, *_) = load_bundle(folder).manifest.metrics
    assert metric.name.endswith("gradcam")
    assert metric.protocol.startswith(f"unmask explain-check on {crops.name} and synthetic")
    assert metric.protocol in (folder / "README.md").read_text()


def test_crops_of_a_table_keep_label_and_source_video(crops: Path, tmp_path: Path) -> None:
    image = (crops / "fake" / "0.png").read_bytes()
    rows = [
        {"name": name, "label": label, "video": label, "original": "a", "image": image}
        for name, label in (("a", "real"), ("b", "fake"), ("c", "fake"))
    ]
    path = tmp_path / "crops.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    bundle = load_bundle(shipped_folder())
    result = samples_in(path, bundle, masks=False, limit=2)
    assert sorted(str(sample.label) for sample in result) == ["fake", "real"]
    assert {sample.video_id for sample in result} == {"crops/crops/a"}
    side = bundle.manifest.preprocessing.size_px
    assert result[0].pixels.shape == (side, side, 3)
    every = samples_in(path, bundle, masks=False, limit=None)
    assert len({sample.crop_id for sample in every}) == 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of a crop that was trained on and one of the test split."""
    folder = tmp_path_factory.mktemp("store") / "store"
    encoded = noise(folder.parent / "crop.png").read_bytes()
    with open_for_writing(folder, INFO) as opened:
        for split in ("train", "test"):
            row = crop_row(split, 0, encoded, split=split, box=(1.0, 1.0, 7.0, 7.0))
            line = VideoCoverage.of(record(split, split=split), "done", crops=1)
            opened.add(VideoCrops(line, (row,)))
    return folder


def test_a_check_on_crops_that_were_trained_on_is_warned_of(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(shipped_folder())
    assert len(samples_in(store, bundle, masks=False, limit=None)) == 2
    assert "warning: rows of the split train are among these" in capsys.readouterr().err
    (sample,) = samples_in(store, bundle, split="test", masks=False, limit=None)
    assert sample.video_id == "test"
    assert capsys.readouterr().err == ""


def test_a_check_cuts_crops_of_a_store_as_predict_does(store: Path, tmp_path: Path) -> None:
    bundle = load_bundle(shipped_folder())
    (sample,) = samples_in(store, bundle, split="test", masks=False, limit=None)
    crop = CropDataset(store, split="test")[0]
    assert np.array_equal(sample.pixels, recut_views(crop, bundle.views)[0])
    wide = {"size_px": SIZE, "margin_ratio": 3.0, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    greedy = write_bundle(tmp_path / "greedy", preprocessing=wide)
    with pytest.raises(ManifestError, match="looks at 3 times the face"):
        samples_in(store, greedy, masks=False, limit=None)


def test_pictures_have_no_splits(crops: Path) -> None:
    with pytest.raises(ValueError, match="leave --split away"):
        samples_in(crops, load_bundle(shipped_folder()), split="test", masks=False, limit=None)


@pytest.mark.parametrize(
    ("crops", "output", "said"),
    [("maps.parquet", ".", "is an input"), ("maps.parquet", "maps.parquet", "is a file")],
)
def test_a_check_that_cannot_be_written_is_refused_before_anything_is_read(
    crops: str, output: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("maps.parquet").write_bytes(b"kept")
    done = run("explain-check", "default", crops, "-o", output)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert Path("maps.parquet").read_bytes() == b"kept"


def test_a_damaged_picture_of_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "crops.parquet"
    row = {"name": "a", "label": "real", "image": b"nothing"}
    pq.write_table(pa.Table.from_pylist([row]), path)
    with pytest.raises(ManifestError, match="cannot be decoded"):
        samples_in(path, load_bundle(shipped_folder()), masks=False, limit=None)


def test_a_check_of_nothing_is_refused(tmp_path: Path) -> None:
    done = run("explain-check", "default", "-o", str(tmp_path))
    assert isinstance(done.exception, InputNotFound)
    assert "no crops" in str(done.exception)


def test_crops_are_spread_evenly(crops: Path) -> None:
    bundle = load_bundle(shipped_folder())
    assert spread(10, 4) == [0, 3, 6, 9]
    result = samples_in(crops, bundle, masks=False, limit=2)
    assert [sample.crop_id for sample in result] == ["fake/0.png", "fake/2.png"]
    assert all(sample.mask is None for sample in result)


def test_forgeries_come_with_the_mask_of_what_was_replaced() -> None:
    spec = load_bundle(shipped_folder()).manifest.preprocessing
    (sample,) = forged_samples(1, spec)
    assert sample.pixels.shape == (spec.size_px, spec.size_px, 3)
    assert 0.05 < (sample.mask > 127).mean() < 0.95
