"""A training run on disk: what `unmask train` writes, and the exporter and a resumed run read.

    recipe.yaml         the resolved recipe: every setting, with the defaults
    run.json            what the run is: network, preprocessing, data and its hashes, versions,
                        and, once a best epoch is there, its figures and decision threshold
    validation.parquet  which crops validate it, see `validation_list`
    best.safetensors    weights of the best epoch so far, chosen on validation data
    checkpoint.ckpt     the state to go on from; read with weights_only=True, nothing is unpickled
    log.csv             a row per epoch
    curves.png          the same, drawn
    tensorboard/        the same, for TensorBoard

Every file is written under another name and renamed, so that it is there whole or not at all.
Needs no torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from unmask.bundle.manifest import Preprocessing, Sha256, Strict
from unmask.core.errors import InputError, InputNotFound
from unmask.system.files import write_text
from unmask.training.recipe import Recipe, load_recipe

RUN_VERSION = "1"
RECIPE = "recipe.yaml"
RECORD = "run.json"
VALIDATION = "validation.parquet"
WEIGHTS = "best.safetensors"
CHECKPOINT = "checkpoint.ckpt"
LOG = "log.csv"
CURVES = "curves.png"
TENSORBOARD = "tensorboard"
_MAX_RECORD_BYTES = 2**22


class DataSource(Strict):
    """A file or folder of crops that was given."""

    path: str
    """Absolute path."""
    sha256: Sha256
    """Hash of its content."""
    licence: str | None
    """Terms of the material, where the source tells."""


class CropSummary(Strict):
    """The crops on one side."""

    sources: tuple[DataSource, ...]
    """Where they come from."""
    real: Annotated[int, Field(ge=0)]
    """Real crops."""
    fake: Annotated[int, Field(ge=0)]
    """Fake crops."""
    videos: Annotated[int, Field(ge=1)]
    """Videos they were cut from."""


class RunData(Strict):
    """What a run learned from and was chosen on."""

    training: CropSummary
    """Crops that it learned from."""
    validation: CropSummary
    """Crops that chose the epoch and the threshold."""
    validation_from: Literal["given", "store", "carved"]
    """Whether validation crops were named, marked in the store or file, or carved from the training
    crops, grouped by footage."""
    leaks: tuple[str, ...]
    """Why figures of this run are too good; empty where nothing is known to leak."""
    held_out_fold: Annotated[int, Field(ge=0)] | None = None
    """Fold whose crops were never read; None where none was held out."""
    left_out: Annotated[int, Field(ge=0)] | None = None
    """Crops of fakes that were not read, as the face may not be the forged one; None where the
    recipe's `uncertain_fakes` kept them, as all runs did before there was a choice."""


class Decision(Strict):
    """The operating point that the costs ask for."""

    costs: str
    """False positive : false negative."""
    prior_fake: Annotated[float, Field(gt=0, lt=1)]
    """Share of fakes that it assumes in use."""
    logit: float
    """At or above it a crop is called fake."""
    basis: Literal["bayes", "validation"]
    """From the closed form, or where the expected cost on validation crops is least (for losses
    whose logits are no log odds)."""


class RunRecord(Strict):
    """The content of `run.json`."""

    run_version: Literal["1"] = "1"
    """Version of this structure."""
    name: str
    """Name of the recipe."""
    backbone: str
    """timm's name of the network."""
    head_width: int
    """Units of the dense layer."""
    dropout: float
    """Drop rate before the logit."""
    preprocessing: Preprocessing
    """From a face box to the network's input."""
    data: RunData
    """What it learned from and was chosen on."""
    training_paths: tuple[str, ...]
    """Crop stores and files that were given to learn from."""
    validation_paths: tuple[str, ...]
    """The same for validation; empty where none were."""
    seed: int
    """Seed of whatever is random."""
    selection: str
    """Validation metric by which the best epoch is chosen."""
    versions: dict[str, str]
    """Versions of the program and of what it computes with."""
    command: str
    """The command line."""
    finished: bool = False
    """Whether the run came to its end."""
    epochs_done: int = 0
    """Whole epochs trained."""
    best_epoch: int | None = None
    """Epoch of the weights, from 1; None before the first validation."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Validation figures of that epoch."""
    decision: Decision | None = None
    """Threshold for those weights."""
    weights_sha256: Sha256 | None = None
    """Hash of `best.safetensors`."""
    device: str = ""
    """What it was trained on."""
    devices: Annotated[int, Field(ge=1)] | None = None
    """Devices that share each step; None in runs that did not note it."""
    seconds: float = 0.0
    """Time spent training, over all parts of a run that was stopped."""


@dataclass(frozen=True)
class Run:
    """A run folder, read."""

    folder: Path
    """Where it lies."""
    record: RunRecord
    """What it is."""

    @property
    def backbone(self) -> str:
        """Timm's name of the network."""
        return self.record.backbone

    @property
    def size_px(self) -> int:
        """Side of the square input."""
        return self.record.preprocessing.size_px

    @property
    def preprocessing(self) -> Preprocessing:
        """From a face box to the network's input."""
        return self.record.preprocessing

    @property
    def metrics(self) -> dict[str, float]:
        """Validation figures of the best epoch."""
        return self.record.metrics

    @property
    def data(self) -> RunData:
        """What it learned from and was chosen on."""
        return self.record.data

    @cached_property
    def recipe(self) -> Recipe:
        """Every setting of it.

        Raises:
            InputNotFound: the recipe is gone.
            RecipeError: it is damaged.
        """
        return load_recipe(self.folder / RECIPE)

    @property
    def validation_list(self) -> Path:
        """Which crops validate it; runs of earlier versions have none."""
        return self.folder / VALIDATION

    @property
    def weights(self) -> Path:
        """Weights of the best epoch, `.safetensors`; they may be missing early in a run."""
        return self.folder / WEIGHTS

    @property
    def checkpoint(self) -> Path:
        """The state to go on from."""
        return self.folder / CHECKPOINT


def read_run(folder: str | Path) -> Run:
    """Read a run folder; weights and checkpoint are not opened.

    Raises:
        InputNotFound: there is no run in that folder.
        InputError: `run.json` is damaged or of another version.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        raise InputNotFound(
            f"no training run in {str(folder)!r}: {RECORD} is missing",
            hint="give the folder that `unmask train` wrote, such as runs/NAME",
        )
    if path.stat().st_size > _MAX_RECORD_BYTES:
        raise InputError(f"{path} is larger than 4 MiB", hint="this is not a training run")
    try:
        record = RunRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path}: {where}: {first['msg']}",
            hint=f"this program reads runs of version {RUN_VERSION}; train again",
        ) from error
    return Run(Path(folder), record)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json`."""
    text = json.dumps(record.model_dump(mode="json"), indent=1) + "\n"
    write_text(folder / RECORD, text)
