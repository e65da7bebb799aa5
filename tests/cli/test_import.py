"""`unmask import`: models of four kinds become detectors that scan the example clips."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import json
from pathlib import Path

import pytest

for package in ("torch", "timm", "onnx", "onnxscript", "lightning"):
    pytest.importorskip(package, reason=f"needs {package} (extra `train`)")

import timm
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from hub_server import running
from models.test_classifier import hub_vit, save_as_published
from models.test_onnx_import import write_classifier
from training.test_bundle_export import write_crops
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.manifest import load_bundle
from unmask.cli.app import app
from unmask.explain.network import available_methods

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imports")


@pytest.fixture(scope="module")
def from_onnx(folder: Path) -> Path:
    source, crops = write_classifier(folder / "two.onnx", side=96), folder / "crops.parquet"
    write_crops(crops, families=40, prefix="clip")
    done = run("import", "onnx", source, "-o", folder / "onnx", "--preprocess", "imagenet",
               "--validation", crops, "--licence", "mine")  # fmt: skip
    assert "against the file as it came on 16 of crops.parquet, in float32: logit" in done.output
    assert "maps by occlusion alone" in done.output
    return folder / "onnx"


@pytest.fixture(scope="module")
def from_timm(folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(
        timm.create_model("test_resnet", num_classes=1).state_dict(), folder / "t.safetensors"
    )
    done = run("import", "timm", "test_resnet", "--weights", folder / "t.safetensors",
               "--size", 96, "-o", folder / "timm", "--no-gradient")  # fmt: skip
    assert "ONNX Runtime against PyTorch on 16 drawn pictures" in done.output
    assert "operating point balanced: logit 0.000, not measured" in done.output
    return folder / "timm"


@pytest.fixture(scope="module")
def from_deepfakebench(folder: Path) -> Path:
    torch.manual_seed(0)
    state = timm.create_model("legacy_xception", num_classes=2).state_dict()
    published = {name.replace("fc.", "last_linear."): each for name, each in state.items()}
    save_as_published(published, folder / "xception_best.pth")
    done = run("import", "deepfakebench", folder / "xception_best.pth", "--model", "xception",
               "--size", 96, "-o", folder / "dfb", "--no-gradient")  # fmt: skip
    assert done.exit_code == 0
    return folder / "dfb"


@pytest.fixture(scope="module")
def from_hub(folder: Path) -> Path:
    hub_vit(folder / "vit", side=96)
    files = {path.name: path.read_bytes() for path in (folder / "vit").iterdir()}
    with running(files) as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("UNMASK_HOME", str(folder / "user"))
        done = run("import", "hf", "someone/detector", "-o", folder / "hf")
        assert all(".py" not in each and ".bin" not in each for each in hub.asked)
    assert "attention" in done.output or "logit" in done.output
    return folder / "hf"


KINDS = ["from_onnx", "from_timm", "from_deepfakebench", "from_hub"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_from_elsewhere_scans_the_example_clips(
    kind: str, request: pytest.FixtureRequest, folder: Path
) -> None:
    bundle = request.getfixturevalue(kind)
    check_works(Detector.from_pretrained(bundle))
    result = folder / f"{kind}.json"
    clips = [EXAMPLES / "original.mp4", EXAMPLES / "forged.mp4"]
    done = run("scan", *clips, "--detector", bundle, "--budget", 4, "--json", result)
    assert done.exit_code in {0, 1}, done.output
    videos = json.loads(result.read_text())["results"]
    assert [len(each["tracks"]) > 0 for each in videos] == [True, True]
    keys = [key for each in videos for track in each["tracks"] for key in track["key_frames"]]
    assert any(key["logit"] is not None for key in keys)


def test_cards_say_where_a_detector_comes_from_and_what_was_compared(
    from_onnx: Path, from_timm: Path
) -> None:
    onnx, bare = ((each / "README.md").read_text() for each in (from_onnx, from_timm))
    assert "output 1 of 2 (logits) is fake" in onnx
    assert "ONNX Runtime to the file as it came" in onnx
    assert "AUC per crop" in onnx
    assert "It gives no feature map" in onnx
    assert "Nothing was measured." in bare
    assert "never calibrated or measured" in bare
    assert "| balanced | 0.000 | not measured | not measured |" in bare


def test_a_file_of_scores_is_explained_by_occlusion_and_says_so(
    from_onnx: Path, from_hub: Path, caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    assert available_methods(load_bundle(from_onnx)) == ("occlusion",)
    assert "gradcam" in available_methods(load_bundle(from_hub))
    frame = folder / "face.png"
    from PIL import Image

    Image.effect_noise((64, 64), 50).convert("RGB").save(frame)
    words = ["explain", frame, "--crop", "--detector", from_onnx, "-o", folder / "maps"]
    assert run(*words, "--all").exit_code == 0
    refused = CliRunner().invoke(app, [str(w) for w in [*words, "--methods", "gradcam"]])
    assert "gradcam needs a feature map" in str(refused.exception)
    run("scan", EXAMPLES / "original.mp4", "--detector", from_onnx, "--budget", 1)
    assert "gives no feature map: maps are by occlusion, not GradCAM" in caplog.text
