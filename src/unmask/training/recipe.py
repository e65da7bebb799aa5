"""Recipes: every setting of a training run with its default, read from YAML and checked.

A recipe names only what differs from the defaults here. It comes from a file, or by name from those
in the package (`recipes/`), and `--set part.field=value` changes single fields. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from unmask.bundle.manifest import Clip, Strict
from unmask.core.errors import InputNotFound, RecipeError
from unmask.core.settings import DEFAULT_SIZE_PX

FOLDER = Path(__file__).parent / "recipes"
_MAX_BYTES, _MAX_VALUES, _MAX_DEPTH = 2**20, 10_000, 20
_REASON_CHARACTERS = 300
"""The recipes of the package."""

StrategyName = Literal[
    "none",
    "balanced",
    "effective-number",
    "oversample",
    "undersample",
    "balanced-batches",
    "focal",
    "class-balanced-focal",
    "logit-adjusted",
    "ldam-drw",
    "paired",
]
Metric = Literal["accuracy", "balanced_accuracy", "auc", "video_auc", "loss"]
Precision = Literal["auto", "32", "bf16", "fp16"]
_PrecisionField = Annotated[Precision, BeforeValidator(str)]
"""YAML reads a bare 32 as a number."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class NetworkPart(Strict):
    """The network and its input."""

    backbone: str = "legacy_xception"
    """timm's name of a convolutional network or of a vision transformer."""
    weights: str | None = "imagenet"
    """Where it starts: `imagenet`, a file of weights, or null for random weights."""
    size_px: Annotated[int, Field(ge=16, le=1024)] = DEFAULT_SIZE_PX
    """Side of the square input."""
    early_size_px: Annotated[int, Field(ge=16, le=1024)] | None = None
    """Side of the training crops in the first part of the run, where smaller ones are cheaper; null
    takes `size_px` from the start."""
    early_ratio: Share = 0.6
    """Share of the run that `early_size_px` holds for."""
    head_width: Count = 128
    """Units of the dense layer."""
    dropout: Share = 0.5
    """Drop rate before the logit."""
    drop_path: Share = 0.0
    """How often a residual block is left out in training, of the last one; earlier ones less often
    (stochastic depth, Huang et al. 2016). timm's networks with such blocks take it."""
    tune: Literal["all", "norm", "head", "lora"] = "all"
    """Which weights learn: all; norms and the head; the head alone; or small matrices beside a
    transformer's attention (LoRA) and the head."""
    lora_rank: Count = 8
    """Rank of those small matrices."""
    seam_weight: NotNegative = 0.0
    """Weight of the loss of a seam head, which learns beside the logit where a forgery was put in
    and is dropped at export; of made forgeries of faces with landmarks. 0 has none."""
    mirrored: bool = False
    """Whether the trained network judges a picture together with its mirror image, for twice the
    time; training goes on as without."""
    clip: Clip | None = None
    """What a detector over time judges as one; null judges single crops. With the backbone
    `small_r2plus1d` a network of convolutions over space and time learns from it, with others a
    small head over the frames."""
    margin_ratio: Annotated[float, Field(gt=0.5, le=4)] | None = None
    """Side of the crops over the face box, as the detector will cut them; it cuts no training crop
    anew. Null takes the crop stores', else the usual 1.3."""
    shift_y_ratio: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    """How far the crops' centre lies below the face box's, in sides of the crop."""


class ImbalancePart(Strict):
    """How unequal numbers of real and fake crops are dealt with."""

    strategy: StrategyName = "balanced"
    """Name of the strategy."""
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    """Of `effective-number`, `class-balanced-focal` and `ldam-drw`."""
    gamma: NotNegative = 2.0
    """Focusing exponent of the focal losses."""
    tau: NotNegative = 1.0
    """Strength of `logit-adjusted`."""
    max_margin: Positive = 0.5
    """Margin of the rarer class under `ldam-drw`."""
    deferred_ratio: Share = 0.8
    """Share of the run after which `ldam-drw` begins to weigh the classes."""


class CostsPart(Strict):
    """What errors cost in use: sets the threshold, changes nothing in training."""

    false_positive: Positive = 1.0
    """Cost of calling a real face fake."""
    false_negative: Positive = 1.0
    """Cost of missing a fake."""
    prior_fake: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of fakes to expect in use."""


class OptimiserPart(Strict):
    """How weights are changed."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Name of the method; sgd has Nesterov's momentum of 0.9."""
    learning_rate: Positive = 1e-3
    """At the start, or after warm-up."""
    weight_decay: NotNegative = 0.0
    """Of weight matrices; biases and norms never decay."""
    gradient_clip: Positive | None = None
    """Largest norm of the gradient; null does not clip."""


class SchedulePart(Strict):
    """How the learning rate changes."""

    name: Literal["plateau", "cosine", "constant"] = "plateau"
    """`plateau` lowers it when validation accuracy stands still, as the paper does."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of `plateau`: what the rate is multiplied with."""
    patience_epochs: Annotated[int, Field(ge=0)] = 5
    """Of `plateau`: epochs without a better accuracy before that."""
    floor: NotNegative = 1e-4
    """Of `plateau`: the rate is never lowered below it."""
    warmup_ratio: Share = 0.0
    """Share of the run in which the rate rises linearly to its value."""


FORGERIES: tuple[Literal["blend", "mouth", "rendered"], ...] = ("blend", "mouth", "rendered")
"""Kinds of forgery that are made from real crops, in the order of `ForgeriesPart.shares`."""


class ForgeriesPart(Strict):
    """How often each kind of forgery is made from a real crop that has landmarks; shares of 1."""

    blend: NotNegative = 1.0
    """Self-blended faces."""
    mouth: NotNegative = 0.0
    """Lower faces made small and pasted back, as lip-sync tools leave them."""
    rendered: NotNegative = 0.0
    """Faces as a small network renders them."""

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares in the order of `FORGERIES`, with a sum of 1."""
        total = self.blend + self.mouth + self.rendered
        return self.blend / total, self.mouth / total, self.rendered / total

    @model_validator(mode="after")
    def _some(self) -> ForgeriesPart:
        if not self.blend + self.mouth + self.rendered:
            raise ValueError("one of blend, mouth and rendered must be above 0")
        return self


class AugmentationPart(Strict):
    """What training crops go through."""

    name: Literal["none", "standard"] = "none"
    """`standard`: window, flip, turn, colour, scale, blur, noise and compression."""
    compression_ratio: Annotated[float, Field(ge=0, le=1)] = 0.65
    """Of `standard`: how often a crop is compressed, by JPEG or by H.264."""
    worn_ratio: Share = 0.0
    """Of `standard`: how often a crop was worn by sharing before: made small and encoded by H.264,
    up to twice, and out of focus at times."""
    smoothed_ratio: Share = 0.0
    """Of `standard`: how often skin is smoothed first, as make-up and beauty filters do, in real
    crops and fakes alike, so that smoothness alone tells nothing."""
    erased_ratio: Share = 0.0
    """Of `standard`: how often a rectangle is erased at the end (Zhong et al. 2020), so that no
    single part of a face decides."""
    matched: bool = False
    """Whether a fake and the original beside it (strategy `paired`) go through the same changes, so
    that only the forgery tells them apart."""
    partial_ratio: Share = 0.0
    """Of `matched`: how often only a part of a fake is kept, blended into its original, where both
    are the same frame."""
    self_blended_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of a batch that is pairs of a real crop and a fake blended from it. Above 0, real crops
    of a file or store without fakes come in such pairs only: drawn as they are, they would teach
    the network to know that source, not real faces. At 1 it learns from real crops alone."""
    forgeries: ForgeriesPart = ForgeriesPart()
    """Of `self_blended_ratio`: which forgeries are made of real crops with landmarks; crops without
    them are blended by outlines of an upright face."""

    @property
    def blends_only(self) -> bool:
        """Whether every batch is real crops and their blends."""
        return self.self_blended_ratio == 1


class Recipe(Strict):
    """Every setting of a training run."""

    name: str = "unnamed"
    """Name of the recipe."""
    description: str = ""
    """What it is for."""
    network: NetworkPart = NetworkPart()
    """The network and its input."""
    imbalance: ImbalancePart = ImbalancePart()
    """How unequal numbers of real and fake crops are dealt with."""
    costs: CostsPart = CostsPart()
    """What errors cost in use."""
    optimiser: OptimiserPart = OptimiserPart()
    """How weights are changed."""
    schedule: SchedulePart = SchedulePart()
    """How the learning rate changes."""
    augmentation: AugmentationPart = AugmentationPart()
    """What training crops go through."""
    epochs: Count = 20
    """Epochs of the run; each ends with a validation."""
    epoch_batches: Count | None = None
    """Batches of an epoch, on each device; null for one pass over the training crops."""
    batch_size: Annotated[int, Field(ge=2)] = 16
    """Crops in a batch, on each device."""
    accumulate: Count = 1
    """Batches whose gradients are summed up before the weights change."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Targets are this and 1 minus this."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the moving average of the weights that is validated and kept; null keeps the weights
    themselves."""
    precision: _PrecisionField = "32"
    """Of the network's arithmetic; `auto` takes bf16 or fp16 where the hardware is faster so."""
    selection: Metric = "accuracy"
    """Validation metric by which the best epoch is chosen."""
    early_stopping_epochs: Count | None = None
    """Epochs without a better one after which the run ends; null never ends it early."""
    validation_ratio: Annotated[float, Field(gt=0, lt=0.9)] = 0.14
    """Share of crops carved for validation, by footage, where none are given."""
    uncertain_fakes: bool = False
    """Whether crops of fakes are taken whose face may not be the forged one, such as that of a
    second person (`forged_face` of a crop store is `uncertain`)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Everything random follows from it and the step."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Processes that read and augment crops on each device; 0 does it in the training process."""
    checkpoint_steps: Count = 100
    """Batches between two checkpoints."""

    @model_validator(mode="after")
    def _pairs_fill_batches(self) -> Recipe:
        if self.imbalance.strategy in {"paired", "balanced-batches"} and self.batch_size % 2:
            raise ValueError(
                f"batch_size must be even for the strategy {self.imbalance.strategy!r}, "
                f"got {self.batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _matched_pairs_are_paired(self) -> Recipe:
        part = self.augmentation
        if part.partial_ratio and not part.matched:
            raise ValueError("augmentation.partial_ratio needs augmentation.matched=true")
        if part.matched and self.imbalance.strategy != "paired":
            raise ValueError(
                "augmentation.matched needs imbalance.strategy=paired, "
                f"got {self.imbalance.strategy!r}"
            )
        return self

    @model_validator(mode="after")
    def _clips_are_drawn_whole(self) -> Recipe:
        part = self.augmentation
        if self.network.clip is None:
            return self
        if part.self_blended_ratio or part.matched or self.imbalance.strategy == "paired":
            raise ValueError(
                "network.clip goes with crops as they are: set augmentation.self_blended_ratio=0, "
                "augmentation.matched=false and another imbalance.strategy than paired"
            )
        return self

    @model_validator(mode="after")
    def _seams_are_of_made_forgeries(self) -> Recipe:
        if self.network.seam_weight and not self.augmentation.self_blended_ratio:
            raise ValueError("network.seam_weight needs augmentation.self_blended_ratio above 0")
        return self

    @model_validator(mode="after")
    def _epochs_end_with_steps(self) -> Recipe:
        if self.epoch_batches is not None and self.epoch_batches % self.accumulate:
            raise ValueError(
                f"epoch_batches must be a multiple of accumulate ({self.accumulate}), "
                f"got {self.epoch_batches}"
            )
        return self


def built_in() -> tuple[str, ...]:
    """Return the names of the package's recipes."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_recipe(name_or_path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe by the name of one in the package or from a file.

    Args:
        name_or_path: such as `paper-xception` or `recipes/mine.yaml`.
        changes: such as `epochs=5` or `network.size_px=96`; values are YAML.

    Raises:
        InputNotFound: there is no such recipe.
        RecipeError: it is no YAML, or a field or value is not allowed.

    >>> load_recipe("paper-xception", ["epochs=5"]).epochs
    5
    """
    path = _find(name_or_path)
    fields = _parse(_text(path), where=str(path))
    if not isinstance(fields, dict):
        raise RecipeError(
            f"{path} holds no fields", hint="write a recipe as lines `field: value`, in YAML"
        )
    fields.setdefault("name", path.stem)
    for change in changes:
        _set(fields, change)
    return _check(fields, where=str(name_or_path))


def to_yaml(recipe: Recipe) -> str:
    """Return the recipe with all its fields, as `load_recipe` reads it."""
    import yaml

    text: str = yaml.safe_dump(
        recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=96
    )
    return text


def _find(name_or_path: str | Path) -> Path:
    path, named = Path(name_or_path), FOLDER / f"{name_or_path}.yaml"
    if path.is_file():
        return path
    if named.parent == FOLDER and named.is_file():
        return named
    near = get_close_matches(path.stem, built_in(), n=1, cutoff=0.5)
    did_you_mean = f"did you mean {near[0]}? " if near else ""
    raise InputNotFound(
        f"no recipe {str(name_or_path)!r}",
        hint=f"{did_you_mean}give a YAML file, or one of: {', '.join(built_in())}",
    )


def _parse(text: str, *, where: str) -> Any:
    import yaml

    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:_REASON_CHARACTERS]
        raise RecipeError(f"{where} is no YAML: {reason}", hint="see docs/training.md") from error
    _refuse_endless(values, where=where)
    return values


def _refuse_endless(values: Any, *, where: str) -> None:
    """Refuse what a few lines of YAML can unfold to: aliases of aliases, or of themselves."""
    waiting, seen = [(values, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > _MAX_VALUES or depth > _MAX_DEPTH:
            raise RecipeError(
                f"{where} holds more than {_MAX_VALUES} values, or more than {_MAX_DEPTH} in one "
                "another",
                hint="a recipe has a hundred values at most; see docs/training.md",
            )
        if isinstance(value, dict):
            waiting += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list | tuple | set):
            waiting += [(each, depth + 1) for each in value]


def _text(path: Path) -> str:
    """Read a recipe's file, if it can be one."""
    hint = "write a recipe as lines `field: value`, in YAML"
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise RecipeError(f"{path} has {size} bytes, a recipe {_MAX_BYTES} at most", hint=hint)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not text in UTF-8", hint=hint) from error


def _set(fields: dict[str, Any], change: str) -> None:
    """Write one `a.b=value` into the fields."""
    key, equals, text = change.partition("=")
    *parts, last = key.strip().split(".")
    if not equals or not last:
        raise RecipeError(
            f"{change!r} sets nothing", hint="write --set FIELD=VALUE, such as --set epochs=5"
        )
    inner = fields
    for part in parts:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(
                f"{change!r}: {part!r} has no fields of its own",
                hint=f"write --set {part}=VALUE",
            )
    inner[last] = _parse(text, where=f"the value of --set {key}")


def _check(fields: dict[str, Any], *, where: str) -> Recipe:
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message, hint = _explain(first)
        raise RecipeError(f"{where}: {message}", hint=hint) from error


def _explain(error: Any) -> tuple[str, str]:
    """Return in words what is wrong with one field, and what is allowed."""
    location = [str(part) for part in error["loc"]]
    name = ".".join(location)
    if error["type"] == "extra_forbidden":
        allowed = _list_fields(location[:-1])
        near = get_close_matches(location[-1], allowed, n=1)
        meant = f"did you mean {'.'.join([*location[:-1], near[0]])}? " if near else ""
        return f"no field {name!r}", f"{meant}there are: {', '.join(allowed)}"
    message = error["msg"].removeprefix("Value error, ")
    if not name:
        return message, "change one of the two"
    message = message[0].lower() + message[1:]
    return f"{name}: {message}, got {error['input']!r}", f"change it with --set {name}=VALUE"


def _list_fields(location: Sequence[str]) -> list[str]:
    """Return the names of the fields of a part."""
    part: Any = Recipe
    for name in location:
        part = part.model_fields[name].annotation
    return list(part.model_fields)
