"""Runs on toy crops: learning, what is kept, several devices, and how runs end early."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import csv
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

for package in ("torch", "lightning", "timm", "yaml", "tensorboard"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from toy_crops import write_toy_crops
from unmask.cli.app import app
from unmask.core.errors import (
    DownloadError,
    InputError,
    InputNotFound,
    ManifestError,
    RecipeError,
    TrainingStopped,
)
from unmask.system.files import file_sha256
from unmask.training import checkpoints, hardware
from unmask.training.checkpoints import read_checkpoint
from unmask.training.engine import resume, train
from unmask.training.hardware import Hardware, resolve_precision
from unmask.training.lightning_module import Edge
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.timm_models import PAPER_BACKBONES
from unmask.training.recipe import Recipe, load_recipe
from unmask.training.runs import Run, RunRecord, read_run

TINY = [
    "network.backbone=test_resnet",
    "network.weights=null",
    "network.size_px=32",
    "batch_size=8",
    "epochs=2",
    "workers=0",
]


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.rows: list[dict[str, float]] = []

    def begins(self, record: RunRecord) -> None:
        self.record = record

    def batch(self, done: int, total: int, *, loss: float) -> None:
        self.batches.append(done)

    def epoch(self, row: dict[str, float], *, best: bool) -> None:
        self.rows.append(row)


def tiny(*changes: str, name: str = "paper-xception") -> Recipe:
    return load_recipe(name, [*TINY, *changes])


def run(recipe: Recipe, crops: Path, folder: Path, *, validation: Path | None = None) -> Run:
    return train(
        recipe,
        [crops],
        [] if validation is None else [validation],
        folder,
        hardware=Hardware("cpu"),
        watcher=Notes(),
        command="unmask train",
    )


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a few batches would spend most of their time on their curves; `finished` has them."""
    monkeypatch.setattr(checkpoints, "draw_curves", lambda *_, **__: None)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_crops(tmp_path_factory.mktemp("crops") / "crops.parquet", families=12)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    crops = write_toy_crops(folder / "crops.parquet", families=40)
    recipe = tiny("epochs=6", "selection=video_auc", "optimiser.learning_rate=0.003")
    return run(recipe, crops, folder / "one")


def test_a_run_learns_what_tells_fakes_apart(finished: Run) -> None:
    assert finished.metrics["video_auc"] > 0.95


def test_a_finished_run_says_what_it_is(finished: Run) -> None:
    record = finished.record
    assert (record.finished, record.epochs_done, record.backbone) == (True, 6, "test_resnet")
    assert (finished.size_px, finished.preprocessing.mean) == (32, (0.5, 0.5, 0.5))
    assert record.data.training.real + record.data.validation.real == 40
    assert {"torch", "timm", "lightning", "unmask"} <= set(record.versions)
    assert record.weights_sha256 == file_sha256(finished.weights)
    assert finished.recipe.epochs == 6


def test_the_log_and_the_curves_hold_every_epoch(finished: Run) -> None:
    with (finished.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    best = max(rows, key=lambda row: float(row["video_auc"]))  # the first of equals
    assert int(best["epoch"]) == finished.record.best_epoch
    assert float(best["loss"]) == finished.metrics["loss"]
    assert rows[0]["peak_device_mib"] == ""
    with Image.open(finished.folder / "curves.png") as curves:
        assert curves.size[0] > 500
    assert len(list((finished.folder / "tensorboard").iterdir())) == 6


def test_the_kept_weights_give_the_figures_of_the_run(finished: Run) -> None:
    """Scored anew from the folder alone, as an exporter would."""
    from unmask.training.train_validation_split import read_sides

    record = finished.record
    network = FaceNetwork(record.backbone, weights=finished.weights).eval()
    held_out = read_sides(record.training_paths, ratio=0.14, seed=0).validation
    images = [held_out.picture(n).resize((32, 32), Image.Resampling.BILINEAR) for n in range(18)]
    scaled = np.stack([(np.asarray(image) / 255 - 0.5) / 0.5 for image in images])
    with torch.no_grad():
        logits = network(torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)).numpy()
    assert len(held_out) == 18
    losses = np.logaddexp(0, np.where(held_out.is_fake, -logits, logits))
    assert losses.mean() == pytest.approx(finished.metrics["loss"], rel=1e-4)


def test_the_edge_normalises_as_the_preprocessing_says(finished: Run) -> None:
    pixels = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    expected = (pixels.numpy() / 255 - 0.5) / 0.5
    result = Edge(finished.preprocessing)(pixels)
    np.testing.assert_allclose(result.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_a_second_run_into_the_same_folder_is_refused(finished: Run, crops: Path) -> None:
    with pytest.raises(InputError, match="already holds a run") as raised:
        run(tiny(), crops, finished.folder)
    assert f"--resume {finished.folder}" in raised.value.hint


def test_a_finished_run_is_not_trained_again(finished: Run) -> None:
    before = file_sha256(finished.checkpoint)
    assert resume(finished.folder, hardware=Hardware("cpu"), watcher=Notes()) == finished
    assert file_sha256(finished.checkpoint) == before


def test_a_finished_run_without_a_list_of_its_validation_crops_gets_one(
    finished: Run, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished.folder, copy)
    (copy / "validation.parquet").unlink()
    assert CliRunner().invoke(app, ["train", "--resume", str(copy)]).exit_code == 0
    again = (copy / "validation.parquet").read_bytes()
    assert again == finished.validation_list.read_bytes()
    assert file_sha256(copy / "checkpoint.ckpt") == file_sha256(finished.checkpoint)


@pytest.mark.parametrize(
    "strategy",
    ["oversample", "balanced-batches", "focal", "class-balanced-focal", "ldam-drw", "paired"],
)
def test_strategies_train(strategy: str, crops: Path, tmp_path: Path) -> None:
    result = run(tiny(f"imbalance.strategy={strategy}", "epochs=1"), crops, tmp_path / "run")
    assert result.record.finished
    distorted = strategy in {"focal", "class-balanced-focal", "ldam-drw"}
    assert result.record.decision.basis == ("validation" if distorted else "bayes")


def test_smoothed_labels_leave_no_closed_form_of_the_threshold(crops: Path, tmp_path: Path) -> None:
    result = run(tiny("label_smoothing=0.05", "epochs=1"), crops, tmp_path / "run")
    assert result.record.decision.basis == "validation"


def test_a_plateau_counts_no_epoch_of_the_warm_up(crops: Path, tmp_path: Path) -> None:
    recipe = tiny("epochs=3", "schedule.warmup_ratio=0.5", "early_stopping_epochs=null")
    result = run(recipe, crops, tmp_path / "run")
    assert read_checkpoint(result.checkpoint)["learning"]["plateau"]["last_epoch"] == 2


def test_the_modern_recipe_trains(crops: Path, tmp_path: Path) -> None:
    recipe = tiny("workers=1", "precision=bf16", "accumulate=2", name="modern-xception")
    result = run(recipe, crops, tmp_path / "run")
    assert result.record.selection == "video_auc"
    state = read_checkpoint(result.checkpoint)["learning"]
    average, network = state["average"], state["network"]
    assert any((average[name] != network[name]).any() for name in network)
    from safetensors.torch import load_file

    kept = load_file(result.weights)
    if result.record.best_epoch == 2:
        assert all(torch.equal(kept[name], average[name]) for name in kept)


def test_costs_move_the_threshold(crops: Path, tmp_path: Path) -> None:
    recipe = tiny("epochs=1", "costs.false_positive=5", "imbalance.strategy=none")
    decision = run(recipe, crops, tmp_path / "run").record.decision
    # 'none' leaves the odds of two fakes to a real in the logits
    assert decision.logit == pytest.approx(np.log(5) + np.log(2))
    assert decision.costs == "5:1"


@pytest.mark.skipif(
    "UNMASK_SLOW_TESTS" not in os.environ, reason="takes minutes; set UNMASK_SLOW_TESTS=1"
)
def test_two_devices_share_the_steps(crops: Path, tmp_path: Path) -> None:
    # as a command: the processes of the devices cannot import a module of tests
    words = ["train", "paper-xception", "--data", str(crops), "-o", str(tmp_path / "two")]
    words += ["--device", "cpu", "--devices", "2", "--set", *TINY, "batch_size=4"]
    text = subprocess.run(
        [sys.executable, "-c", "from unmask.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Lightning" not in text.stderr
    assert "UserWarning" not in text.stderr
    result = read_run(tmp_path / "two")
    assert result.record.finished
    assert read_checkpoint(result.checkpoint)["learning"]["batches_done"] == 2 * (30 // 8)
    held_out = {name: result.metrics[name] for name in ("accuracy", "auc")}
    assert all(0 <= value <= 1 for value in held_out.values())


def test_early_stopping_ends_a_run_that_gets_no_better(crops: Path, tmp_path: Path) -> None:
    still = ["optimiser.learning_rate=1e-30", "optimiser.name=sgd", "schedule.floor=0"]
    recipe = tiny(*still, "epochs=9", "early_stopping_epochs=2", "selection=accuracy")
    result = run(recipe, crops, tmp_path / "run")
    assert result.record.finished
    assert result.record.epochs_done == result.record.best_epoch + 2 < 9


def test_a_loss_that_is_no_number_stops_the_run_and_says_so(crops: Path, tmp_path: Path) -> None:
    recipe = tiny("optimiser.learning_rate=1e30", "optimiser.name=sgd")
    with pytest.raises(TrainingStopped, match=r"the loss became (nan|inf) at batch \d of 6") as got:
        run(recipe, crops, tmp_path / "run")
    assert "optimiser.gradient_clip=1" in got.value.hint
    assert not read_run(tmp_path / "run").record.finished


def test_changed_crops_do_not_resume(tmp_path: Path) -> None:
    crops = write_toy_crops(tmp_path / "crops.parquet", families=40)
    result = run(tiny("epochs=1"), crops, tmp_path / "run")
    record = json.loads((result.folder / "run.json").read_text()) | {"finished": False}
    (result.folder / "run.json").write_text(json.dumps(record))
    write_toy_crops(crops, families=13)
    with pytest.raises(RecipeError, match="are not those that it began with"):
        resume(result.folder, hardware=Hardware("cpu"), watcher=Notes())


def test_a_run_goes_on_with_as_many_devices_as_it_began_with(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text((finished.folder / "recipe.yaml").read_text())
    record = json.loads((finished.folder / "run.json").read_text())
    assert record["devices"] == 1
    record |= {"finished": False, "devices": 2, "training_paths": ["absent"]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    on = {"hardware": Hardware("cpu"), "watcher": Notes()}
    with pytest.raises(InputError, match="began with --devices 2, got 1") as text:
        resume(tmp_path, **on)
    assert text.value.hint.endswith(f"--resume {tmp_path} --device cpu --devices 2")
    # runs from before did not note it
    del record["devices"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputNotFound, match="no crops 'absent'"):
        resume(tmp_path, **on)


def test_resuming_and_exporting_hold_the_fold_out_again(tmp_path: Path) -> None:
    from training.test_train_validation_split import write_store
    from unmask.training.export_sources import read_subject

    store = write_store(tmp_path / "crops", [None] * 12, folds=[0, 1, 2] * 4)
    on = {"hardware": Hardware("cpu"), "watcher": Notes()}
    result = train(tiny("epochs=1"), [store], [], tmp_path / "run", fold=1, **on)
    record = json.loads((result.folder / "run.json").read_text()) | {"finished": False}
    (result.folder / "run.json").write_text(json.dumps(record))
    result.checkpoint.unlink()
    half = result.folder / ".checkpoint.ckpt.7.partial"  # of a process that was killed
    half.touch()
    again = resume(result.folder, **on)
    assert not half.exists()
    assert again.record.finished
    assert again.data == result.data
    assert again.data.held_out_fold == 1
    exported = read_subject(result.folder)
    assert ", without fold 1; recipe" in exported.training_data
    assert len(exported.validation) == result.data.validation.real + result.data.validation.fake


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path, trace = tmp_path / "checkpoint.ckpt", tmp_path / "trace"
    torch.save({"learning": Harmful(trace), "progress": {}}, path)
    with pytest.raises(InputError, match="no checkpoint that can be read safely"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Harmful(trace), protocol=2))
    with pytest.raises(InputError, match="no checkpoint that can be read safely"):
        read_checkpoint(path)
    assert not trace.exists()


def test_a_folder_that_is_no_run_or_a_damaged_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match=r"run.json is missing"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"run_version": "9"}')
    with pytest.raises(InputError, match=r"run_version: Input should be '1'"):
        read_run(tmp_path)


def test_imagenet_weights_that_cannot_be_had_are_named(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises((DownloadError, InputError), match="legacy_xception"):
        run(load_recipe("paper-xception"), crops, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_blocks_of_a_network_that_has_none_cannot_be_left_out(crops: Path, tmp_path: Path) -> None:
    plain = tiny("network.backbone=squeezenet1_1", "network.drop_path=0.1")
    with pytest.raises(InputError, match="squeezenet1_1 has no blocks that can be left out"):
        run(plain, crops, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_cannot_take_its_input_is_refused_before_anything_is_written(
    crops: Path, tmp_path: Path
) -> None:
    small = tiny("network.backbone=inception_resnet_v2", "network.size_px=48")
    with pytest.raises(RecipeError, match="inception_resnet_v2 cannot take crops of 48 px"):
        run(small, crops, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_crop_stops_the_run_with_its_name(workers: int, tmp_path: Path) -> None:
    table = pq.read_table(write_toy_crops(tmp_path / "whole.parquet")).to_pylist()
    for row in table:
        row["image"] = b"no picture" if row["name"] == "clip3" else row["image"]
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "damaged.parquet")
    held_out = write_toy_crops(tmp_path / "held.parquet", families=2, prefix="held")
    with pytest.raises(ManifestError, match=r"the crop of 'clip3' in .* is no picture") as text:
        run(
            tiny(f"workers={workers}"),
            tmp_path / "damaged.parquet",
            tmp_path / "run",
            validation=held_out,
        )
    assert text.value.hint == "write the file again"


def test_auto_takes_the_faster_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    for fp32, bf16, expected in ((2.0, 1.0, "bf16"), (1.0, 2.0, "32")):
        seconds = {"32": fp32, "bf16": bf16}
        monkeypatch.setattr(hardware, "step_seconds", lambda *_, of=seconds: of)
        network = torch.nn.Identity()
        got = resolve_precision("auto", network, size_px=32, hardware=Hardware("cpu"))
        assert got == expected


def test_timing_leaves_the_network_as_it_was() -> None:
    network = FaceNetwork("test_resnet")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert min(hardware.step_seconds(network, 32).values()) > 0
    assert all(torch.equal(before[n], tensor) for n, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


# pages that come from the system for a block of 16 MiB, as feature maps are: without and with
_FAULTS = """
import resource
import numpy as np
from unmask.training.hardware import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(1 << 21)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50

plain, taken = faults(), keep_freed_memory()
print(taken, plain, faults())
"""


def test_memory_that_was_freed_is_used_again() -> None:
    text = subprocess.run(
        [sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True
    )
    taken, plain, kept = text.stdout.split()
    if taken == "False":
        pytest.skip("this C library has no mallopt")
    assert float(kept) < float(plain) / 10


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(RecipeError, match="fp16 needs a GPU"):
        resolve_precision("fp16", torch.nn.Identity(), size_px=32, hardware=Hardware("cpu"))
    with pytest.raises(ValueError, match="device must be auto, cpu or cuda"):
        Hardware("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="1 GPUs were asked for, 0 are there"):
            Hardware("cuda")


def test_auto_never_falls_back_to_the_cpu_for_want_of_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert Hardware("auto").kind == "cuda"
    assert Hardware("cpu", 2).kind == "cpu"
    with pytest.raises(InputError, match="2 GPUs were asked for, 1 are there"):
        Hardware("auto", 2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert Hardware("auto", 2).kind == "cpu"


@pytest.mark.parametrize("backbone", PAPER_BACKBONES)
def test_the_papers_networks_train(backbone: str, tmp_path: Path) -> None:
    crops = write_toy_crops(tmp_path / "crops.parquet", families=3, side=80)
    held_out = write_toy_crops(tmp_path / "held.parquet", families=1, prefix="held", side=80)
    changes = [f"network.backbone={backbone}", "network.size_px=80", "batch_size=4", "epochs=1"]
    recipe = tiny(*changes, "optimiser.name=sgd", "precision=bf16")
    result = run(recipe, crops, tmp_path / "run", validation=held_out)
    assert result.record.finished
    assert read_checkpoint(result.checkpoint)["learning"]["batches_done"] == 2
    result.checkpoint.unlink()  # hundreds of megabytes
    result.weights.unlink()


def test_a_run_killed_before_its_first_checkpoint_is_begun_again(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr("unmask.training.engine._fit", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(tiny("seed=1"), crops, tmp_path / "run")
    assert not read_run(tmp_path / "run").checkpoint.exists()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    resumed = resume(tmp_path / "copy", hardware=Hardware("cpu"), watcher=Notes())
    assert (resumed.record.finished, resumed.record.seed) == (True, 1)
    done = run(tiny("seed=2"), crops, tmp_path / "run")
    assert (done.record.finished, done.record.seed) == (True, 2)
