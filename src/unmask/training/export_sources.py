"""What an export starts from: a run folder, or weights with the few facts that a run would know."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from unmask.bundle.manifest import Preprocessing
from unmask.core.errors import InputError, InputNotFound
from unmask.core.settings import DEFAULT_MARGIN_RATIO, DEFAULT_SIZE_PX
from unmask.training.bundle_export import Subject
from unmask.training.costs import Costs, bayes_logit
from unmask.training.crop_table import read_crops
from unmask.training.networks.ensemble import JoinedNetwork, adapt
from unmask.training.networks.network import FaceNetwork, read_preprocessing, require_head
from unmask.training.recipe import Recipe
from unmask.training.runs import CropSummary, Run, RunData, read_run
from unmask.training.trained_network import load_network
from unmask.training.validation_list import read_validation

_CHOSEN_ON = "its figures are from the validation crops that chose epoch and thresholds: too good"
NOT_STATED = "not stated"
UNKNOWN_TERMS = "not stated: ask whoever made the data and the weights before any use"


@dataclass(frozen=True)
class Facts:
    """What is known of weights that come without a run."""

    backbone: str | None = None
    """Timm's name of the network."""
    size_px: int = DEFAULT_SIZE_PX
    """Side of the square input."""
    margin_ratio: float = DEFAULT_MARGIN_RATIO
    """Side of the crop over the face box."""
    shift_y_ratio: float = 0.0
    """How far the crop's centre lies below the box's, in sides of the crop."""
    mirrored: bool = False
    """Whether it judges a picture and its mirror image."""


@dataclass(frozen=True)
class Words:
    """What whoever exports says of the detector, for its card."""

    trained_on: str | None = None
    """What it was trained on."""
    limits: tuple[str, ...] = ()
    """What it cannot do."""

    def of(self, subject: Subject) -> Subject:
        """Return the subject with these words before its own."""
        data, limits = subject.training_data, (*self.limits, *subject.limits)
        if self.trained_on is not None:
            data = self.trained_on if data == NOT_STATED else f"{self.trained_on} ({data})"
        return replace(subject, training_data=data, limits=limits)


@dataclass(frozen=True)
class CostChanges:
    """Costs of errors in use that replace a run's own; None keeps its."""

    false_positive: float | None = None
    """Cost of calling a real face fake."""
    false_negative: float | None = None
    """Cost of missing a fake."""
    prior_fake: float | None = None
    """Share of fakes to expect in use."""

    def of(self, recipe: Recipe | None) -> Costs | None:
        """Return the costs for a run by a recipe, or for weights without one.

        Raises:
            ValueError: they decide nothing.
        """
        changed = {name: value for name, value in asdict(self).items() if value is not None}
        if recipe is None:
            return Costs(**changed) if changed else None
        return Costs(**recipe.costs.model_dump() | changed)


@dataclass(frozen=True)
class Refusals:
    """What a face must be to be judged, where not as by default; None keeps the default."""

    max_turn: float | None = None
    """Largest turn of the head to the side, see `scoring.turn`."""
    min_sharpness: float | None = None
    """Smallest sharpness, see `scoring.sharpness`."""
    min_face_px: float | None = None
    """Smallest shorter side of the face box, px."""

    def of(self, subject: Subject) -> Subject:
        """Return the subject with these limits in place of its own."""
        changed = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(subject, judgeable=subject.judgeable.model_copy(update=changed))


def read_subject(
    source: Path,
    *,
    validation: Sequence[Path] = (),
    name: str | None = None,
    licence: str | None = None,
    facts: Facts | None = None,
    costs: CostChanges | None = None,
) -> Subject:
    """Read a run folder, or a file of weights.

    Args:
        source: a folder that `unmask train` wrote, or a weights file.
        validation: crop stores or Parquet files; the run's own validation crops if empty.
        name: name of the detector; of the run or file if None.
        licence: terms; those that the run's data state if None.
        facts: of a weights file.
        costs: what errors cost, where not as the run's recipe says.

    Raises:
        InputNotFound: there is no such thing.
        InputError: something needed is not known.
        ValueError: the costs decide nothing.
    """
    changes = costs or CostChanges()
    if source.is_file():
        subject = _read_file_subject(
            source, validation, name=name, licence=licence, facts=facts or Facts()
        )
        return replace(subject, costs=changes.of(None))
    if not source.is_dir():
        raise InputNotFound(
            f"no run folder and no weights file {str(source)!r}",
            hint="give a folder that `unmask train` wrote, or a .safetensors file",
        )
    return _read_run_subject(source, validation, name=name, licence=licence, changes=changes)


def read_together(
    source: Path,
    *,
    join: Sequence[Path] = (),
    shares: Sequence[float] = (),
    average: Sequence[Path] = (),
    validation: Sequence[Path] = (),
    name: str | None = None,
    licence: str | None = None,
    facts: Facts | None = None,
    costs: CostChanges | None = None,
) -> Subject:
    """Read a run or a file of weights, and others that become one detector with it.

    Args:
        source: a run folder or a weights file.
        join: others, the mean of whose logits scores.
        shares: weight of each logit, `source` first; all alike if empty.
        average: others of the same network, whose weights are averaged.
        validation: as of `read_subject`, for all.
        name: as of `read_subject`.
        licence: as of `read_subject`.
        facts: of all weights files.
        costs: as of `read_subject`.

    Raises:
        InputError: they do not go together, or as of `read_subject`.
        ValueError: the costs decide nothing.
    """
    if join and average:
        raise InputError("runs are joined or averaged, not both", hint="give --join or --average")
    if shares and not join:
        raise InputError(
            "shares are those of joined runs", hint="give --join, or leave --share out"
        )
    sources = (source, *join, *average)
    if facts not in {None, Facts()} and all(each.is_dir() for each in sources):
        raise InputError(
            "a run tells its network and input itself",
            hint="--backbone, --size, --margin, --shift and --mirrored are for weights files",
        )
    subjects = [
        read_subject(
            each, validation=validation, name=name, licence=licence, facts=facts, costs=costs
        )
        for each in sources
    ]
    if average:
        return average_subjects(subjects)
    return join_subjects(subjects, shares or [1.0] * len(subjects)) if join else subjects[0]


def join_subjects(subjects: Sequence[Subject], shares: Sequence[float]) -> Subject:
    """Return several subjects as one that scores by the weighted mean of their logits.

    Args:
        subjects: what is joined; name, validation crops, costs, and size and normalisation of the
            input are those of the first.
        shares: weight of each logit.

    Raises:
        InputError: they cannot be joined, cut other pictures, or bring their own validation crops.
    """
    shared = subjects[0].preprocessing
    _check_alike(
        [replace(each, preprocessing=_share_preprocessing(shared, each)) for each in subjects]
    )
    joined = _together(subjects)
    members = [adapt(each.network, each.preprocessing, shared) for each in subjects]
    return replace(joined, network=JoinedNetwork(members, shares))


def _share_preprocessing(shared: Preprocessing, subject: Subject) -> Preprocessing:
    """Return a subject's preprocessing with what may differ in networks that are joined."""
    may_differ = {name: getattr(shared, name) for name in ("size_px", "mean", "std")}
    return subject.preprocessing.model_copy(update=may_differ)


def average_subjects(subjects: Sequence[Subject]) -> Subject:
    """Return several runs of one network as one whose weights are the mean of theirs.

    Runs that went on from one another lie in one basin of the loss: between the weights before a
    fine-tuning and after it a network keeps what it knew and has much of what it learned.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

    Args:
        subjects: what is averaged; name, network and validation crops are those of the first.

    Raises:
        InputError: they are not of one network, take other pictures, or bring their own crops.
    """
    _check_alike(subjects)
    states = [each.network.state_dict() for each in subjects]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(each != shapes[0] for each in shapes):
        raise InputError(
            "the weights of different networks cannot be averaged",
            hint="give runs of one backbone, or join them with --join",
        )
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }
    network = deepcopy(subjects[0].network)
    network.load_state_dict(mean)
    joined = _together(subjects)
    data = f"mean of the weights of {len(subjects)} runs: {joined.training_data}"
    return replace(joined, network=network, training_data=data)


def _together(subjects: Sequence[Subject]) -> Subject:
    """Return the first subject with what must be said of all."""
    return replace(
        subjects[0],
        training_data="; and ".join(dict.fromkeys(each.training_data for each in subjects)),
        licence="; ".join(dict.fromkeys(each.licence for each in subjects)),
        limits=tuple(dict.fromkeys(limit for each in subjects for limit in each.limits)),
        trained_log_odds=None,
    )


def _check_alike(subjects: Sequence[Subject]) -> None:
    """Refuse runs that take other pictures, or whose figures would be of crops one has seen."""
    first = subjects[0]
    for each in subjects:
        if each.preprocessing != first.preprocessing:
            raise InputError(
                f"{each.name!r} takes other pictures than {first.name!r}: "
                f"{each.preprocessing} against {first.preprocessing}",
                hint="put runs of one size, margin, shift and normalisation together",
            )
        if _CHOSEN_ON in each.limits:
            raise InputError(
                "one run's validation crops may be what another was trained on",
                hint="give crops that none of the runs has seen, with --validation",
            )


def _read_run_subject(
    folder: Path,
    validation: Sequence[Path],
    *,
    name: str | None,
    licence: str | None,
    changes: CostChanges,
) -> Subject:
    run = read_run(folder)
    record, data = run.record, run.data
    if not run.weights.is_file():
        raise InputNotFound(
            f"the run {str(run.folder)!r} has no weights yet",
            hint="an epoch must be validated first; go on with `unmask train --resume`",
        )
    costs = changes.of(run.recipe)
    crops = read_validation(run, validation)
    names = ", ".join(path.name for path in validation)
    return Subject(
        network=load_network(run),
        preprocessing=run.preprocessing,
        name=name or record.name,
        validation=crops,
        validation_described=names or f"the run's validation crops ({data.validation_from})",
        training_data=f"{_trained_on(data)}; recipe {record.name}, seed {record.seed}",
        licence=licence or _licences(data.training),
        limits=(*(() if validation else (_CHOSEN_ON,)), *data.leaks, *_warn_if_unfinished(run)),
        costs=costs,
        trained_log_odds=_trained_log_odds(run),
    )


def _trained_log_odds(run: Run) -> float | None:
    """Return what the run's own threshold says of its logits; None where they are no log odds."""
    decision = run.record.decision
    if decision is None or decision.basis != "bayes":
        return None
    own = Costs(**run.recipe.costs.model_dump())
    return decision.logit - bayes_logit(own, trained_log_odds=0.0)


def _read_file_subject(
    path: Path,
    validation: Sequence[Path],
    *,
    name: str | None,
    licence: str | None,
    facts: Facts,
) -> Subject:
    if facts.backbone is None or not validation:
        raise InputError(
            f"{path.name} holds weights only; an export must know their network and needs crops",
            hint="give --backbone and --validation, or a run folder",
        )
    require_head(path)
    network = FaceNetwork(
        facts.backbone, weights=path, mirrored=facts.mirrored, size_px=facts.size_px
    )
    return Subject(
        network=network,
        preprocessing=read_preprocessing(
            network,
            facts.size_px,
            margin_ratio=facts.margin_ratio,
            shift_y_ratio=facts.shift_y_ratio,
        ),
        name=name or path.stem,
        validation=read_crops(validation),
        validation_described=", ".join(each.name for each in validation),
        training_data=NOT_STATED,
        licence=licence or UNKNOWN_TERMS,
        limits=("Its training is not documented.",),
    )


def _counts(side: CropSummary) -> str:
    sources = ", ".join(f"{Path(s.path).name} ({s.sha256[:12]})" for s in side.sources)
    return f"{side.real} real and {side.fake} fake crops of {side.videos} videos: {sources}"


def _trained_on(data: RunData) -> str:
    fold = "" if data.held_out_fold is None else f", without fold {data.held_out_fold}"
    return _counts(data.training) + fold


def _licences(side: CropSummary) -> str:
    stated = dict.fromkeys(source.licence for source in side.sources)
    return "; ".join(terms or UNKNOWN_TERMS for terms in stated)


def _warn_if_unfinished(run: Run) -> tuple[str, ...]:
    if run.record.finished:
        return ()
    return (f"Its training was not finished: {run.record.epochs_done} epochs were done.",)
