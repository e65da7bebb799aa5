"""A detector for Python users: found by folder, name or Hub id, run on crops, saved, pushed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bundles import MEAN, SIZE, STD, WEIGHTS, manifest, onnx_model, write_bundle
from hub_server import Hub, running
from ports import free_port
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.manifest import write_manifest
from unmask.core.errors import BundleError, DownloadError, InputNotFound, UnmaskError
from unmask.system.files import file_sha256


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub", reason="the Hub needs extra `hub`")
    bundle = write_bundle(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in bundle.folder.iterdir()}
    with running({**files, "setup.py": b"import os"}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_none")
        yield server


def crops(count: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_scores_are_the_networks_logit_and_its_calibrated_probability(tmp_path: Path) -> None:
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    pictures = crops(3)
    scores = detector.scores(pictures)
    scaled = (pictures / 255 - np.array(MEAN)) / np.array(STD)
    logits = scaled.mean(axis=(1, 2)) @ np.array(WEIGHTS)
    np.testing.assert_allclose(scores.logits, logits, rtol=1e-4)
    np.testing.assert_allclose(
        scores.probabilities, 1 / (1 + np.exp(0.5 - 1.5 * logits)), rtol=1e-4
    )


def test_crops_of_another_size_are_resized(tmp_path: Path) -> None:
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    grey = np.full((1, 40, 40, 3), 90, np.uint8)
    assert detector.scores(grey).logits == detector.scores(grey[:, :SIZE, :SIZE]).logits
    assert detector.scores(crops(0, 40)).logits.shape == (0,)


@pytest.mark.parametrize("shape", [(SIZE, SIZE, 3), (1, SIZE, SIZE + 1, 3), (1, SIZE, SIZE, 1)])
def test_what_is_no_batch_of_square_crops_is_refused(tmp_path: Path, shape: tuple[int]) -> None:
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    with pytest.raises(ValueError, match=r"crops must be \(N, S, S, 3\)"):
        detector.scores(np.zeros(shape, np.uint8))


def test_the_shipped_detector_and_the_users_own_are_found_by_name(home: Path) -> None:
    own = write_bundle(home / "detectors" / "mine")
    assert Detector.from_pretrained("mine").bundle.sha256 == own.sha256
    assert "192 px" in repr(Detector.from_pretrained("default"))


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputNotFound, match="neither a folder nor one of default"):
        Detector.from_pretrained("nothing")


def test_only_the_hub_has_revisions() -> None:
    with pytest.raises(ValueError, match="only detectors on the Hub have revisions"):
        Detector.from_pretrained("default", revision="v1")


def test_a_saved_detector_is_the_same(tmp_path: Path) -> None:
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    saved = detector.save(tmp_path / "copy")
    assert Detector.from_pretrained(saved).bundle.sha256 == detector.bundle.sha256
    with pytest.raises(ValueError, match="is not empty"):
        detector.save(saved)


def test_a_bundle_without_gradient_says_so(tmp_path: Path) -> None:
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    with pytest.raises(BundleError, match=r"has no gradient at its input"):
        detector.input_gradients(crops(1))


def test_the_gradient_file_is_run(tmp_path: Path) -> None:
    from unmask.bundle.manifest import BundleManifest, load_bundle, write_manifest

    folder = write_bundle(tmp_path / "tiny").folder
    (folder / "gradient.onnx").write_bytes(onnx_gradient())
    manifest = load_bundle(folder).manifest
    names = ("model.onnx", "gradient.onnx")
    files = {name: file_sha256(folder / name) for name in names}
    write_manifest(folder, BundleManifest.model_validate({**manifest.model_dump(), "files": files}))
    detector = Detector.from_pretrained(folder)
    (result,) = detector.input_gradients(crops(2))
    expected = np.array(WEIGHTS)[None, :, None, None] / SIZE**2
    np.testing.assert_allclose(result, np.broadcast_to(expected, result.shape), rtol=1e-5)
    check_works(detector)


def onnx_gradient() -> bytes:
    """Return `gradient.onnx` of the tiny network: its logit is linear in the picture."""
    from bundles import _FLOAT, _field, _node, _tensor, _value

    picture = ("N", 3, SIZE, SIZE)
    weights = [w / SIZE**2 for w in WEIGHTS]
    graph = b"".join(
        [
            _field(1, _node("Shape", ["image"], ["shape"])),
            _field(1, _node("Expand", ["weights", "shape"], ["input_gradient"])),
            _field(2, b"tiny"),
            _field(5, _tensor("weights", (1, 3, 1, 1), _FLOAT, "3f", weights)),
            _field(11, _value("image", picture)),
            _field(12, _value("input_gradient", picture)),
        ]
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13))


def test_a_network_whose_results_are_no_numbers_is_found(tmp_path: Path) -> None:
    broken = onnx_model().replace(
        np.array([WEIGHTS[0] / 16], "<f4").tobytes(), np.array([np.nan], "<f4").tobytes()
    )
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny", model=broken).folder)
    with pytest.raises(BundleError, match="no numbers"):
        check_works(detector)


def test_a_detector_comes_from_the_hub_with_nothing_but_a_bundles_files(
    hub: Hub, home: Path
) -> None:
    detector = Detector.from_pretrained("someone/detector")
    assert detector.bundle.manifest.name == "tiny"
    assert not list(home.rglob("setup.py"))
    assert not any("setup.py" in each for each in hub.asked)


def test_a_revision_has_its_own_folder_that_cannot_lead_out(hub: Hub, home: Path) -> None:
    for revision in ("v1", ".."):
        folder = Detector.from_pretrained("someone/detector", revision=revision).bundle.folder
        assert folder == home / "hub" / "someone--detector" / f"at-{revision}"


def test_a_changed_file_on_the_hub_is_refused(hub: Hub) -> None:
    hub.files["model.onnx"] += b"\x00"
    with pytest.raises(BundleError, match="was changed"):
        Detector.from_pretrained("someone/detector")


@pytest.mark.parametrize(("name", "revision"), [("someone/detector", "gone"), ("no/body", None)])
def test_what_the_hub_has_not_is_an_error_with_a_hint(
    hub: Hub, name: str, revision: str | None
) -> None:
    with pytest.raises(DownloadError, match="could not fetch the detector"):
        Detector.from_pretrained(name, revision=revision)


def test_pushing_and_fetching_gives_the_same_detector(hub: Hub, tmp_path: Path) -> None:
    hub.files.clear()
    detector = Detector.from_pretrained(write_bundle(tmp_path / "new", name="new").folder)
    (tmp_path / "new" / "notes.txt").write_text("mine")
    address = detector.push_to_hub("someone/detector")
    assert address.startswith(f"{hub.url}/someone/detector/commit/")
    assert set(hub.files) == {"detector.json", "model.onnx"}
    assert hub.created[0]["name"] == "detector"
    assert Detector.from_pretrained("someone/detector").bundle.sha256 == detector.bundle.sha256


def test_the_command_line_pushes_a_detector_with_its_card(hub: Hub, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from unmask.cli.app import app

    hub.files.clear()
    folder = write_bundle(tmp_path / "new").folder
    (folder / "README.md").write_text("# its card")
    files = {name: file_sha256(folder / name) for name in ("model.onnx", "README.md")}
    write_manifest(folder, manifest(files=files))
    words = ["detectors", "push", str(folder), "someone/detector"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.output.startswith(f"{hub.url}/someone/detector/commit/")
    assert hub.files["README.md"] == b"# its card"
    assert "private" in str(hub.created[0])
    refused = CliRunner().invoke(app, [*words[:-1], "detector"])
    assert "named owner/name" in str(refused.exception)


def test_pushing_without_a_connection_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    with pytest.raises(DownloadError, match="could not push the detector to 'someone/detector'"):
        detector.push_to_hub("someone/detector")


def test_a_hub_id_has_an_owner_and_a_name(tmp_path: Path) -> None:
    detector = Detector.from_pretrained(write_bundle(tmp_path / "tiny").folder)
    with pytest.raises(ValueError, match="owner/name, got 'detector'"):
        detector.push_to_hub("detector")


def test_without_the_hubs_package_the_hint_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UnmaskError, match="huggingface_hub") as caught:
        Detector.from_pretrained("someone/detector")
    assert "unmask[hub]" in caught.value.hint
