"""Several views of a face, one logit: against a direct computation, and refused where hostile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from alone import in_one_process
from bundles import MEAN, OFFSET, STD, VIEWS, WEIGHTS, write_two_views
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.framing import batch, cut_views, split_views
from unmask.bundle.manifest import MANIFEST, Bundle, load_bundle
from unmask.bundle.runtime import Network, preprocess
from unmask.cli.app import app
from unmask.core.errors import BundleError, InputNotFound
from unmask.core.scan import Scan
from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument
from unmask.core.settings import ScanSettings
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord
from unmask.evaluation.inference import predict
from unmask.evaluation.sources import VideoSource
from unmask.explain import BundleNetwork
from unmask.explain.check import Checker, Sample
from unmask.report.document import from_json, to_json
from unmask.report.html import to_html
from unmask.scanner.scanner import Scanner
from unmask.scanner.survival import stress_verdict
from unmask.system.telemetry import onnxruntime

FORGED = Path(__file__).parents[2] / "examples" / "forged.mp4"
LIMITS = {"min_face_px": 10.0, "min_sharpness": 0.0, "min_key_frames": 1}
SETTINGS = ScanSettings(detect_long_side_px=160, budget=3, explain=("gradcam", "occlusion"))
BOX = (110.0, 80.0, 170.0, 160.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_two_views(tmp_path_factory.mktemp("views") / "two", judgeable=LIMITS)


@pytest.fixture(scope="module")
def scan(bundle: Bundle) -> Scan:
    return Scanner(bundle.folder, settings=SETTINGS, threads=1).scan(FORGED)


@pytest.fixture
def frame() -> np.ndarray:
    small = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC))


def direct_logits(frame: np.ndarray, box: tuple[float, ...]) -> list[float]:
    """Cut and score each view by Pillow and the network's closed form alone."""
    logits = []
    for view in VIEWS:
        side = max(box[2] - box[0], box[3] - box[1]) * view["margin_ratio"]
        left = (box[0] + box[2] - side) / 2
        top = (box[1] + box[3] - side) / 2 + view["shift_y_ratio"] * side
        square = (left, top, left + side, top + side)
        crop = Image.fromarray(frame).resize(
            (view["size_px"],) * 2, Image.Resampling.BILINEAR, box=square
        )
        channels = (np.asarray(crop) / 255 - np.array(MEAN)) / np.array(STD)
        logits.append(float(channels.mean(axis=(0, 1)) @ np.array(WEIGHTS)))
    return logits


def test_the_logit_is_the_weighted_sum_of_each_views_own_crop(
    bundle: Bundle, frame: np.ndarray
) -> None:
    output = Network(bundle, threads=1).run(batch([cut_views(frame, BOX, bundle.views)]))
    expected = direct_logits(frame, BOX)
    for view, each in zip(output.views, expected, strict=True):
        assert view.logits[0] == pytest.approx(each, abs=0.02)  # Pillow rounds to whole levels
    together = OFFSET + sum(v["weight"] * e for v, e in zip(VIEWS, expected, strict=True))
    assert output.logits[0] == pytest.approx(together, abs=0.02)
    assert output.contributions[:, 0].sum() + OFFSET == pytest.approx(output.logits[0], abs=1e-5)


def test_each_views_logit_is_that_of_its_file_in_onnx_runtime(
    bundle: Bundle, frame: np.ndarray
) -> None:
    crops = cut_views(frame, BOX, bundle.views)
    output = Network(bundle, threads=1).run(batch([crops]))
    for view, crop, result in zip(bundle.views, crops, output.views, strict=True):
        image = ((crop / 255 - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)[None]
        session = onnxruntime().InferenceSession(str(bundle.folder / view.model))
        (logit,) = session.run(["logit"], {"image": image.astype(np.float32)})
        assert result.logits[0] == pytest.approx(logit[0], abs=1e-5)


def test_views_of_one_framing_share_a_crop(bundle: Bundle, frame: np.ndarray) -> None:
    wide, tight = bundle.views
    again = wide.model_copy(update={"name": "again"})
    crops = cut_views(frame, BOX, [wide, again, tight])
    assert crops[0] is crops[1]
    assert [len(crop) for crop in crops] == [32, 32, 16]


def test_a_picture_framed_as_the_first_view_holds_the_others(
    bundle: Bundle, frame: np.ndarray
) -> None:
    wide = bundle.views[0].model_copy(
        update={"preprocessing": bundle.views[0].preprocessing.model_copy(update={"size_px": 104})}
    )
    (large,) = cut_views(frame, BOX, [wide])  # at the frame's own scale: nothing is lost
    split = split_views(Image.fromarray(large), bundle.views)
    for own, direct in zip(split, cut_views(frame, BOX, bundle.views), strict=True):
        # at the crop's edge the frame itself goes on, the picture does not
        np.testing.assert_allclose(own.astype(int), direct.astype(int), atol=12)
        assert np.abs(own.astype(int) - direct).mean() < 3


def test_a_scan_says_what_each_view_says_and_which_is_shown(scan: Scan) -> None:
    keys = [key for track in scan.result.tracks for key in track.key_frames]
    assert keys
    for key in keys:
        assert [each.view for each in key.views] == ["wide", "tight"]
        total = OFFSET + sum(each.contribution for each in key.views)
        assert key.logit == pytest.approx(total, abs=1e-5)
        top = max(key.views, key=lambda each: each.contribution)
        assert key.explained_view == top.view
    assert {picture.view for picture in scan.pictures} <= {"wide", "tight"}
    for picture in scan.pictures:
        assert [len(crop) for crop in picture.crops] == [32, 16]
        assert all(each.values.shape == (32, 32) for each in picture.maps)


def test_the_result_is_read_back_as_it_was_written_and_the_report_names_the_view(
    scan: Scan,
) -> None:
    document = ScanDocument(SCHEMA_VERSION, (scan.result,), ())
    assert from_json(to_json(document)) == document
    shown = {p.view for p in scan.pictures for m in p.maps if m.empty is None}
    page = to_html(scan)
    assert all(f"{view} view: " in page for view in shown)


def test_scan_and_predict_give_one_logit(bundle: Bundle, scan: Scan, tmp_path: Path) -> None:
    record = VideoRecord(id=FORGED.name, dataset="table", label="fake")
    manifest = Manifest(ManifestInfo("table", str(FORGED.parent), "mine"), (record,))
    with in_one_process():
        source = VideoSource(bundle, manifest, settings=SETTINGS)
        result = predict(bundle, source, tmp_path / "out.parquet")
    keys = [key for track in scan.result.tracks for key in track.key_frames]
    expected = sorted(key.logit for key in keys if key.unusable is None and key.logit is not None)
    np.testing.assert_allclose(np.sort(result.logit), expected, atol=1e-6)
    assert result.info.model_sha256 == bundle.manifest.networks_sha256


def test_a_stressed_face_is_distorted_in_every_view(bundle: Bundle, scan: Scan) -> None:
    network = Network(bundle, threads=1)
    text = stress_verdict(scan, bundle, network, still=False, only=("JPEG",)).result.stress
    assert text is not None
    assert all(each.verdict.logit is not None for each in text)


def test_a_detector_of_two_views_works_and_is_copied_whole(bundle: Bundle, tmp_path: Path) -> None:
    detector = Detector(bundle, threads=1)
    check_works(detector)
    assert "32 px and 16 px" in repr(detector)
    copy = Detector.from_pretrained(detector.save(tmp_path / "copy"), threads=1)
    crops = np.random.default_rng(0).integers(0, 256, (2, 50, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(copy.scores(crops).logits, detector.scores(crops).logits)


@pytest.mark.parametrize("command", ["show", "verify"])
def test_the_command_line_shows_and_verifies_it(bundle: Bundle, command: str) -> None:
    done = CliRunner().invoke(app, ["detectors", command, str(bundle.folder)])
    assert done.exit_code == 0
    assert "model-tight.onnx" in done.output


def test_maps_are_checked_against_the_whole_detectors_logit(bundle: Bundle) -> None:
    spec = bundle.manifest.preprocessing
    pixels = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    samples = [Sample(f"c{n}", f"v{n}", "fake", each, None) for n, each in enumerate(pixels)]
    checker = Checker(
        BundleNetwork(bundle, threads=1), lambda c: preprocess(c, spec), ("gradcam", "occlusion")
    )
    rows = checker.check(samples).rows
    assert {row.method for row in rows} == {"gradcam", "occlusion", "centre", "random"}
    expected = Detector(bundle, threads=1).scores(pixels).logits
    result = [row.logit for row in rows if row.method == "gradcam"]
    np.testing.assert_allclose(result, expected, atol=0.02)  # Pillow rounds to whole levels


def test_the_shipped_detector_is_found_by_its_name_everywhere() -> None:
    by_name = Scanner("default", settings=ScanSettings(explain=()))
    assert by_name.bundle.sha256 == Detector.from_pretrained("default").bundle.sha256
    with pytest.raises(InputNotFound, match="no detector 'nothing'"):
        Scanner("nothing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_two_views(tmp_path / "two").folder


def rewrite(folder: Path, view: int, **changes: object) -> None:
    """Change a view of the manifest as JSON, without the checks of its writer."""
    result = json.loads((folder / MANIFEST).read_text())
    result["views"][view] |= changes
    (folder / MANIFEST).write_text(json.dumps(result))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight": float("nan")}, "finite number"),
        ({"weight": float("inf")}, "finite number"),
        ({"weight": 0.0}, "the weight 0: leave it out"),
        ({"name": "wide"}, "names of their own"),
        ({"name": "../wide"}, "should match pattern"),
        ({"model": "../model.onnx"}, "should match pattern"),
        ({"model": "/etc/hostname"}, "should match pattern"),
        ({"model": "model-tight.onnx\n"}, "should match pattern"),
        ({"model": "model-other.onnx"}, "has no SHA-256"),
        ({"gradient": "gradient-tight.onnx"}, "has no SHA-256"),
        ({"pickle": "weights.pt"}, "Extra inputs"),
    ],
)
def test_a_hostile_view_is_refused(folder: Path, changes: dict[str, object], said: str) -> None:
    rewrite(folder, 1, **changes)
    with pytest.raises(BundleError, match=said):
        load_bundle(folder)


@pytest.mark.parametrize("margin", [1.31, 3.9])
def test_a_view_beyond_the_first_is_refused(folder: Path, margin: float) -> None:
    spec = json.loads((folder / MANIFEST).read_text())["views"][1]["preprocessing"]
    rewrite(folder, 1, preprocessing=spec | {"margin_ratio": margin})
    with pytest.raises(BundleError, match="looks at more of a face than 'wide'"):
        load_bundle(folder)


def test_the_crop_that_is_shown_must_be_the_first_views(folder: Path) -> None:
    spec = json.loads((folder / MANIFEST).read_text())["views"][0]["preprocessing"]
    rewrite(folder, 0, preprocessing=spec | {"size_px": 48})
    with pytest.raises(BundleError, match="must be that of the first view"):
        load_bundle(folder)


def test_more_views_than_anyone_needs_are_refused(folder: Path) -> None:
    result = json.loads((folder / MANIFEST).read_text())
    result["views"] = [result["views"][0] | {"name": f"v{number}"} for number in range(9)]
    (folder / MANIFEST).write_text(json.dumps(result))
    with pytest.raises(BundleError, match="at most 8 items"):
        load_bundle(folder)


@pytest.mark.parametrize("damage", ["missing", "changed", "linked"])
def test_a_views_file_is_checked_like_any_other(folder: Path, damage: str) -> None:
    path = folder / "model-tight.onnx"
    if damage == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    else:
        elsewhere = path.rename(folder.parent / "elsewhere.onnx")
        if damage == "linked":
            path.symlink_to(elsewhere)
    with pytest.raises(BundleError, match=r"is missing|was changed|no plain file name"):
        load_bundle(folder)


def test_other_weights_are_another_detector_for_predictions(bundle: Bundle, tmp_path: Path) -> None:
    same = write_two_views(tmp_path / "same", name="calibrated again")
    other = write_two_views(tmp_path / "other", logit_offset=0.5)
    assert same.manifest.networks_sha256 == bundle.manifest.networks_sha256
    assert other.manifest.networks_sha256 != bundle.manifest.networks_sha256
