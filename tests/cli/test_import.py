"""`unmask import`: models of four kinds become detectors that scan the example clips."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

for package in ("torch", "timm", "onnx", "onnxscript", "lightning"):
    pytest.importorskip(package, reason=f"needs {package} (extra `train`)")

import timm
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from hub_server import running
from training.networks.test_classifier import hub_vit, save_as_published
from training.networks.test_onnx_import import write_classifier
from training.test_bundle_export import write_crops
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.manifest import load_bundle
from unmask.cli.app import app
from unmask.core.errors import BundleError
from unmask.core.settings import ScanSettings
from unmask.explain.network import available_methods
from unmask.scanner.scanner import Scanner
from unmask.training.networks.timm_models import is_transformer
from unmask.training.recipe import load_recipe

pytestmark = [
    pytest.mark.system,  # minutes
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "bring-your-own-model.md"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def write_models(folder: Path) -> None:
    """Write the files that the page imports: small networks with random weights."""
    torch.manual_seed(0)
    write_classifier(folder / "two-outputs.onnx", side=96)
    write_crops(folder / "crops.parquet", families=40, prefix="clip")
    small = timm.create_model("mobilenetv3_small_050", num_classes=1)
    save_file(small.state_dict(), folder / "faces.safetensors")
    state = timm.create_model("legacy_xception", num_classes=2).state_dict()
    published = {name.replace("fc.", "last_linear."): each for name, each in state.items()}
    save_as_published(published, folder / "xception_best.pth")
    for name in ("original.mp4", "forged.mp4"):
        (folder / name).symlink_to(ROOT / "examples" / name)


@dataclass(frozen=True)
class Followed:
    """The page as a user follows it."""

    folder: Path
    outputs: dict[str, Result]
    asked: list[str]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("page")
    write_models(folder)
    hub_vit(folder / "vit", side=96)
    files = {path.name: path.read_bytes() for path in (folder / "vit").iterdir()}
    blocks = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    with running(files) as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("UNMASK_HOME", str(folder / "user"))
        patch.chdir(folder)
        outputs = {line: run(*shlex.split(line)[1:]) for line in lines}
        return Followed(folder, outputs, list(hub.asked))


def test_every_command_of_the_page_runs_as_it_is_written(followed: Followed) -> None:
    assert len(followed.outputs) == 11  # four imports, seven uses
    for line, done in followed.outputs.items():
        assert done.exit_code in ({0, 1} if " scan " in line else {0}), (line, done.output)


KINDS = ["onnx", "timm", "deepfakebench", "hub"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_from_elsewhere_scans_the_example_clips(kind: str, followed: Followed) -> None:
    results = json.loads((followed.folder / f"from-{kind}.json").read_text())["results"]
    assert len(results) == 2
    for each in results:
        [key_frames] = [track["key_frames"] for track in each["tracks"]]
        assert [key["logit"] is not None for key in key_frames] == [True] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_an_imported_detector_is_whole(kind: str, followed: Followed) -> None:
    check_works(Detector.from_pretrained(followed.folder / "detectors" / f"from-{kind}"))


def test_only_three_files_are_fetched_from_the_hub(followed: Followed) -> None:
    fetched = {each.rpartition("/")[2] for each in followed.asked if "/resolve/" in each}
    assert fetched == {"config.json", "preprocessor_config.json", "model.safetensors"}


def test_cards_say_where_a_detector_comes_from_and_what_was_compared(
    followed: Followed,
) -> None:
    detectors = followed.folder / "detectors"
    onnx, bare = (
        (detectors / each / "README.md").read_text() for each in ("from-onnx", "from-timm")
    )
    assert "output 1 of 2 (logits) is fake" in onnx
    assert "ONNX Runtime to the file as it came" in onnx
    assert "AUC per crop" in onnx
    assert "It gives no feature map" in onnx
    assert "Nothing was measured." in bare
    assert "never calibrated or measured" in bare
    assert "| balanced | 0.000 | not measured | not measured |" in bare


def test_a_file_of_scores_is_explained_by_occlusion_and_says_so(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    scores = followed.folder / "detectors" / "from-onnx"
    assert available_methods(load_bundle(scores)) == ("occlusion",)
    assert "gradcam" in available_methods(load_bundle(followed.folder / "detectors" / "from-hub"))
    settings = ScanSettings(explain=("gradcam++",))
    with pytest.raises(BundleError, match="needs a feature map, which the detector"):
        Scanner(str(scores), settings=settings)
    assert Scanner(str(scores)).settings.explain == ("occlusion",)
    assert "gives no feature map: maps are by occlusion, not GradCAM" in caplog.text


def test_the_recipe_of_the_page_can_be_trained(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "dinov2-lora.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "dinov2-lora.yaml")
    assert (recipe.network.tune, recipe.network.backbone) == ("lora", "vit_small_patch14_dinov2")
    assert is_transformer(recipe.network.backbone)
