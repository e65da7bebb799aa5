"""The sides that rows are divided into, and what a user must know of what they still share.

The protocols keep together what they promise; this counts the rest (persons under a split by
video, say), so that it stands in the manifest's warnings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from unmask.core.errors import ManifestError
from unmask.datasets.groups import Grouping
from unmask.datasets.manifest import Split, VideoRecord

SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")
"""Splits in the order of their ratios."""


def find_side(record: VideoRecord) -> str | None:
    """Return the name of a row's fold, else of its split, if it has one."""
    return record.split if record.fold is None else f"fold {record.fold}"


def check_fold(fold: int, folds: Iterable[int | None], *, name: str) -> None:
    """Refuse a fold that is not there.

    Args:
        fold: asked for.
        folds: of all rows, or crops; None where one tells none.
        name: of what they are in, for the message.

    Raises:
        ManifestError: a row tells no fold, or none tells this one.
    """
    known = set(folds)
    numbers = sorted(number for number in known if number is not None)
    if not numbers or None in known:
        raise ManifestError(
            f"{name} does not give each row a fold",
            hint="split with `unmask data split --protocol k-fold`, and cut crops of that manifest",
        )
    if fold not in known:
        raise ManifestError(
            f"{name} has no fold {fold}", hint=f"its folds are {', '.join(map(str, numbers))}"
        )


def shared_between_sides(records: Sequence[VideoRecord]) -> list[str]:
    """Say how many persons and how much footage are on several sides after all."""
    warnings = []
    for what, keys in (
        ("persons", lambda record: record.identities),
        ("pieces of footage", lambda record: record.footage),
    ):
        sides = _sides_of_keys(records, keys)
        several = sum(len(each) > 1 for each in sides.values())
        if several:
            warnings.append(
                f"{several} of {len(sides)} {what} are on several sides: a result within this data "
                f"set is not disjoint in {what}"
            )
    return warnings


def _sides_of_keys(
    records: Iterable[VideoRecord], keys: Callable[[VideoRecord], Iterable[str]]
) -> dict[str, set[str]]:
    sides: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if (side := find_side(record)) is not None:
            for key in keys(record):
                sides[key].add(side)
    return sides


def nameless_rows(records: Sequence[VideoRecord]) -> list[str]:
    """Say how many rows tell no person, and so are kept apart by footage alone."""
    nameless = sum(not record.identities for record in records)
    if not nameless:
        return []
    text = (
        f"{nameless} of {len(records)} rows tell no person: those are grouped by footage, and the "
        "same person may be on several sides"
    )
    return [text]


def warn_of_large_groups(grouping: Grouping, bearable_share: float) -> list[str]:
    """Warn of a group so large that the ratios cannot be met, or hardly."""
    if grouping.largest_share <= bearable_share:
        return []
    text = (
        f"one group of linked rows holds {grouping.largest} of {len(grouping.of_row)} rows "
        f"({grouping.largest_share:.0%}) and cannot be divided: the ratios are met only around it"
    )
    return [text]


def footageless_fakes(records: Sequence[VideoRecord]) -> list[str]:
    """Say how many fakes cannot be kept with what they were made from."""
    fakes = [record for record in records if record.label == "fake"]
    lost = sum(not record.footage for record in fakes)
    if not lost:
        return []
    text = (
        f"{lost} of {len(fakes)} fakes do not tell what they were made from: they are placed "
        "each by itself, and may be apart from their originals (`unmask data audit` compares "
        "frames)"
    )
    return [text]


def find_one_sided(records: Sequence[VideoRecord]) -> list[str]:
    """Say which sides lack reals or fakes: nothing can be measured there."""
    labels: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if (side := find_side(record)) is not None:
            labels[side].add(record.label)
    everywhere = {record.label for record in records}
    return [
        f"{side} has no {lacking} rows: nothing can be measured on it"
        for side, each in sorted(labels.items())
        for lacking in sorted(everywhere - each)
    ]
