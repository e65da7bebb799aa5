"""The overlay film and the files of maps, on a tiny clip."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from unmask.bundle.manifest import load_bundle, shipped_folder
from unmask.cli.runs.scan import _with_films
from unmask.cli.runs.scan_outputs import Outputs
from unmask.core.face import FaceTrack
from unmask.core.scan import Scan
from unmask.core.settings import ScanSettings
from unmask.report.film import FilmStyle, _Drawn, _label, draw_film, draw_frame
from unmask.report.language.translation import in_language
from unmask.report.overlays import laid_over, write_maps
from unmask.scanner.batch import Job
from unmask.scanner.passes import first_pass
from unmask.scanner.scanner import Scanner

ORIGINAL = Path(__file__).parents[2] / "examples" / "original.mp4"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, list[av.VideoFrame]]:
    scanner = Scanner(settings=ScanSettings(budget=2, sample_fps=5.0), threads=1)
    first = first_pass(ORIGINAL, scanner.settings)
    scan = scanner.scan_first(first)
    target = tmp_path_factory.mktemp("film") / "out.mp4"
    style = FilmStyle("gradcam", scanner.bundle.manifest.preprocessing)
    written = draw_film(first, scan, target, style=style, limits=scanner.settings.limits)
    with av.open(str(target)) as container:
        frames = list(container.decode(video=0))
    assert written.frames == len(frames) == scan.result.coverage.frames_sampled
    return scan, frames


def test_frames_keep_their_times(drawn: tuple[Scan, list[av.VideoFrame]]) -> None:
    scan, frames = drawn
    times = [float(frame.time or 0.0) for frame in frames]
    sampled = scan.result.tracks[0].curve.pts_seconds
    assert times == pytest.approx(list(sampled), abs=0.001)


def test_the_box_is_drawn_on_the_key_frame(drawn: tuple[Scan, list[av.VideoFrame]]) -> None:
    scan, frames = drawn
    key = scan.result.tracks[0].key_frames[0]
    frame = min(frames, key=lambda f: abs(float(f.time or 0.0) - key.pts_seconds))
    picture = frame.to_ndarray(format="rgb24")
    x0, _, _, y1 = (round(v) for v in key.box)
    columns = picture[y1 - 40 : y1 - 10, x0 - 2 : x0 + 3].mean(axis=0)
    # colour is stored at half the resolution, and so mixes with what is beside the line
    assert np.abs(columns - (255, 214, 64)).max(axis=1).min() < 100


def test_a_film_beside_the_report_shows_every_frame(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "report.html", None, overlay_films=True)
    job, _ = _with_films(Job(), None, outputs, ["a.mp4"])
    assert job.draw is not None
    assert not job.settings.quick


def test_files_hold_maps_and_pictures(scan: Scan, tmp_path: Path) -> None:
    picture = next(p for p in scan.pictures if p.maps)
    numbers, *pictures = write_maps(tmp_path / "maps", "a", picture)
    with np.load(numbers) as arrays:
        assert set(arrays) == {"crop", "gradcam", "gradcam_raw", "smoothgrad", "smoothgrad_raw"}
        np.testing.assert_array_equal(arrays["gradcam"], picture.maps[0].values)
    assert [path.name for path in pictures] == ["a-gradcam.png", "a-smoothgrad.png"]
    side = picture.crop.shape[0]
    with Image.open(pictures[0]) as drawn:
        assert drawn.size == (2 * side, side)


def test_where_the_network_did_not_look_the_crop_is_untouched() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    saliency = np.zeros((8, 8), np.float32)
    saliency[:, 4:] = 1
    result = laid_over(crop, saliency)
    np.testing.assert_array_equal(result[:, :4], crop[:, :4])
    assert (result[:, 4:] != crop[:, 4:]).any()


def with_sound(path: Path) -> Path:
    """Write a short film with sound that begins half a second after the clock."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        with av.open(str(ORIGINAL)) as source:
            faces = [f.to_ndarray(format="rgb24") for f in source.decode(video=0)][:20]
        pictures.height, pictures.width = faces[0].shape[:2]
        for number, pixels in enumerate(faces):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number + 5
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        size = sound.codec_context.frame_size or 960
        for number in range(24_000 // size, 120_000 // size):
            tone = np.full((1, size), 0.1, np.float32)
            heard = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 48_000, number * size
            container.mux(sound.encode(heard))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_sound_is_copied_in_step(tmp_path: Path, suffix: str) -> None:
    source = with_sound(tmp_path / f"in{suffix}")
    scanner = Scanner(settings=ScanSettings(budget=2, sample_fps=5.0), threads=1)
    first = first_pass(source, scanner.settings)
    scan = scanner.scan_first(first)
    style = FilmStyle("gradcam", scanner.bundle.manifest.preprocessing)
    target = tmp_path / f"out{suffix}"
    film = draw_film(first, scan, target, style=style, limits=scanner.settings.limits)
    assert film.silent is None
    with av.open(str(target)) as result:
        times = [float(f.time or 0.0) for f in result.decode(audio=0)]
    assert times[0] == pytest.approx(0.0, abs=0.05)
    assert times[-1] == pytest.approx(1.8, abs=0.3)


def drawn_text(text: str) -> np.ndarray:
    canvas = Image.new("RGB", (640, 120))
    _label(canvas, (0, 120), text, (255, 255, 255))
    return np.asarray(canvas)


@pytest.mark.parametrize("letter", "\u00e4\u00df\u00e9\u00e8\u00f9\u00e0\u00f1\u00f3\u2019")
def test_letters_of_every_language_are_drawn(letter: str) -> None:
    assert (drawn_text(letter) != drawn_text("\u4e2d")).any(), "that is drawn as a box"


def test_a_long_label_is_wrapped_and_stays_within_the_picture() -> None:
    picture = drawn_text("Wohin das Modell sah " * 6)
    assert picture[:, -2:].max() == 0
    rows = np.flatnonzero(picture.max(axis=(1, 2)))
    assert rows.max() - rows.min() > 2 * np.ptp(np.flatnonzero(drawn_text("W").max(axis=(1, 2))))


@pytest.mark.parametrize(("code", "said"), [("en", "face 1"), ("de", "Gesicht 1"),
                                            ("fr", "visage 1"), ("es", "rostro 1")])  # fmt: skip
def test_words_of_a_film_are_in_its_language(
    scan: Scan, code: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr("unmask.report.film._label", lambda _c, _p, text, _f: texts.append(text))
    result = scan.result.tracks[0]
    key = result.key_frames[0]
    path = FaceTrack(
        1, np.array([key.frame_index]), np.array([key.pts_seconds]),
        np.array([key.box], np.float32), np.zeros((1, 5, 2), np.float32),
        np.ones(1, np.float32), 1.0,
    )  # fmt: skip
    style = FilmStyle(None, load_bundle(shipped_folder()).manifest.preprocessing)
    with in_language(code):
        draw_frame(
            np.zeros((400, 600, 3), np.uint8), key.frame_index, [_Drawn(path, result, {})], style
        )
    assert texts[0].startswith(said)
    assert len(texts) == 2
