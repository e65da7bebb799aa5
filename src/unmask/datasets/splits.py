"""Split protocols: which rows train, validate and test, and what a user must know of the choice.

Comes after indexing and before crops. Every protocol but the paper's keeps linked rows together
(see `groups`): a fake goes with the video that was changed and the one whose face was put in.
What a protocol cannot keep apart, such as persons under a split by video, is counted and said in
the manifest's warnings. The same rows in any order give the same splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.metadata import version

import numpy as np

from unmask.core.errors import ManifestError
from unmask.core.settings import FOLDS
from unmask.datasets import layouts
from unmask.datasets.groups import (
    GROUP_BY,
    GroupBy,
    Grouping,
    connect,
    draw_index,
    group_rows,
    link_keys,
    place_rows,
)
from unmask.datasets.manifest import Manifest, Split, VideoRecord
from unmask.datasets.split_checks import (
    SPLITS,
    find_one_sided,
    footageless_fakes,
    nameless_rows,
    shared_between_sides,
    warn_of_large_groups,
)
from unmask.datasets.validation_split import with_validation

DEFAULT_RATIOS = (0.72, 0.14, 0.14)
"""Those of FaceForensics++: 720, 140 and 140 originals."""
SWALLOWED_SHARE = 0.25
"""A group with a larger share of the rows than this is warned of."""

_INDEX_WARNINGS = "index_warnings"
"""Setting with the warnings from before the split, so that a second split starts from them. Its
presence tells a manifest that was split from one that was only indexed."""


@dataclass(frozen=True)
class SplitSettings:
    """How rows are split."""

    ratios: tuple[float, ...] = DEFAULT_RATIOS
    """Shares of train, validation and test, in any unit."""
    seed: int = 0
    """Shuffles groups of equal size, and frames."""
    folds: int = FOLDS
    """Folds of `k-fold`."""
    group_by: GroupBy = "video"
    """What `k-fold` keeps together: footage, or persons as well."""
    validation_parts: tuple[str, ...] = ()
    """Parts (shell patterns) that `part` validates on; with `test_parts` the rest trains."""
    test_parts: tuple[str, ...] = ()
    """Parts (shell patterns) that `part` tests on."""

    def __post_init__(self) -> None:
        """Refuse what cannot be split by."""
        usable = len(self.ratios) == 3 and min(self.ratios) >= 0 and self.ratios[0] > 0
        if not usable or not np.isfinite(sum(self.ratios)):
            raise ValueError(
                "ratios are three numbers of at least 0 for train, validation and test, the first "
                f"above 0; got {self.ratios}"
            )
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}")
        if self.group_by not in GROUP_BY:
            raise ValueError(
                f"group_by must be one of {', '.join(GROUP_BY)}, got {self.group_by!r}"
            )


@dataclass(frozen=True)
class Splitting:
    """What a protocol made of the rows."""

    records: tuple[VideoRecord, ...]
    """Rows with their splits or folds."""
    warnings: tuple[str, ...] = ()
    """What a user should know."""
    leak_reason: str | None = None
    """Why the protocol leaks by design; None where it does not."""
    grouping: Grouping | None = None
    """Groups that were kept whole; None where the protocol makes none."""


def split(
    manifest: Manifest,
    protocol: str,
    *,
    ratios: Sequence[float] = DEFAULT_RATIOS,
    seed: int = 0,
    folds: int = FOLDS,
    group_by: GroupBy = "video",
    validation_parts: Sequence[str] = (),
    test_parts: Sequence[str] = (),
) -> Manifest:
    """Split a manifest's rows.

    Args:
        manifest: rows as indexed.
        protocol: a name in `PROTOCOLS`.
        ratios: shares of train, validation and test.
        seed: shuffles groups of equal size, and frames.
        folds: number of folds of `k-fold`.
        group_by: what `k-fold` keeps together: `video` or `identity`.
        validation_parts: parts that `part` validates on, as shell patterns.
        test_parts: parts that `part` tests on, as shell patterns.

    Raises:
        ValueError: no such protocol, or settings that cannot be.
        ManifestError: the rows lack what the protocol needs.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    settings = SplitSettings(
        ratios=tuple(float(ratio) for ratio in ratios),
        seed=seed,
        folds=folds,
        group_by=group_by,
        validation_parts=tuple(validation_parts),
        test_parts=tuple(test_parts),
    )
    if protocol != "part" and (validation_parts or test_parts):
        raise ValueError(f"lists of parts go with the protocol 'part' only, got {protocol!r}")
    if not manifest.records:
        raise ManifestError("the manifest has no rows", hint="index the data set again")
    splitting = PROTOCOLS[protocol](manifest.with_records(manifest.records), settings)
    found_at_index = tuple(manifest.info.settings.get(_INDEX_WARNINGS, manifest.info.warnings))
    return manifest.with_records(
        splitting.records,
        protocol=protocol,
        leaks=splitting.leak_reason is not None,
        leak_reason=splitting.leak_reason,
        seed=seed,
        warnings=tuple(
            dict.fromkeys(
                (*found_at_index, *splitting.warnings, *find_one_sided(splitting.records))
            )
        ),
        settings=manifest.info.settings
        | _describe_settings(settings, splitting.grouping)
        | {_INDEX_WARNINGS: list(found_at_index)},
    )


def _describe_settings(settings: SplitSettings, grouping: Grouping | None) -> dict[str, object]:
    """Return the settings as they stand in a manifest, and what groups there were."""
    return {
        "ratios": list(settings.ratios),
        "folds": settings.folds,
        "group_by": settings.group_by,
        "validation_parts": list(settings.validation_parts),
        "test_parts": list(settings.test_parts),
        "groups": None if grouping is None else len(grouping),
        "largest_group": None if grouping is None else grouping.largest,
        "split_by_version": version("unmask"),
    }


def frame_split(
    video_id: str, frame_index: int, *, ratios: Sequence[float] = DEFAULT_RATIOS, seed: int = 0
) -> Split:
    """Draw the split of one frame under `paper-frame-split`, by a seeded stable hash.

    Source: the paper splits frames at random, so that frames of one video are on every side.
    """
    return SPLITS[draw_index(f"{seed}\0{video_id}\0{frame_index}", ratios)]


def _official(manifest: Manifest, settings: SplitSettings) -> Splitting:
    records = manifest.records
    if _INDEX_WARNINGS in manifest.info.settings:
        raise ManifestError(
            f"this manifest was split already, by {manifest.info.protocol!r}: its official lists "
            "are gone",
            hint="split the manifest that `unmask data index` wrote",
        )
    counts = Counter(record.split for record in records)
    if set(counts) == {None}:
        raise ManifestError(
            f"the rows of {manifest.info.dataset!r} have no official split",
            hint=_where_lists_are(manifest.info.dataset),
        )
    warnings: list[str] = []
    if "validation" not in counts:
        share = settings.ratios[1] / (settings.ratios[0] + settings.ratios[1])
        records, warnings = with_validation(records, share=share, seed=settings.seed)
    if counts[None]:
        warnings.append(f"{counts[None]} rows are in no official list and stay without a split")
    absent = [name for name in SPLITS if name != "validation" and not counts[name]]
    warnings += [f"the official lists have no {name} rows" for name in absent]
    return Splitting(records, (*warnings, *shared_between_sides(records)))


def _where_lists_are(dataset: str) -> str:
    known = layouts.LAYOUTS.get(dataset)
    elsewhere = "or split with --protocol video"
    if known is None or not known.expected:  # a layout for material of one's own
        return f"give each row a split in your table and index again, {elsewhere}"
    return f"put the official lists in the folder and index again, {elsewhere}. {known.where}"


def _video(manifest: Manifest, settings: SplitSettings) -> Splitting:
    return _split_groups(manifest.records, group_rows(manifest.records), settings)


def _identity(manifest: Manifest, settings: SplitSettings) -> Splitting:
    records = manifest.records
    splitting = _split_groups(records, group_rows(records, "identity"), settings)
    return replace(splitting, warnings=(*splitting.warnings, *nameless_rows(records)))


def _part(manifest: Manifest, settings: SplitSettings) -> Splitting:
    records = manifest.records
    if not any(record.part for record in records):
        raise ManifestError(
            f"the rows of {manifest.info.dataset!r} lie in no parts",
            hint="split with --protocol video instead",
        )
    if settings.validation_parts or settings.test_parts:
        return _listed_parts(records, settings)
    keys = [
        (*link_keys(record, "video"), *([("part", record.part)] if record.part else ()))
        for record in records
    ]
    return _split_groups(records, connect(keys), settings)


def _listed_parts(records: Sequence[VideoRecord], settings: SplitSettings) -> Splitting:
    split_of = _split_of_parts({record.part for record in records if record.part}, settings)
    nowhere = sum(record.part is None for record in records)
    result = tuple(
        replace(r, split=split_of[r.part] if r.part else None, fold=None) for r in records
    )  # fmt: skip
    warnings = [f"{nowhere} rows lie in no part and get no split"] if nowhere else []
    return Splitting(result, (*warnings, *shared_between_sides(result)))


def _split_of_parts(parts: set[str], settings: SplitSettings) -> dict[str, Split]:
    split_of: dict[str, Split] = dict.fromkeys(sorted(parts), "train")
    lists: tuple[tuple[Split, tuple[str, ...]], ...] = (
        ("validation", settings.validation_parts),
        ("test", settings.test_parts),
    )
    for name, patterns in lists:
        for pattern in patterns:
            matching = [part for part in split_of if fnmatchcase(part, pattern)]
            taken = [part for part in matching if split_of[part] not in {"train", name}]
            if not matching or taken:
                problem = f"is in two lists ({taken[0]})" if taken else "matches no part"
                raise ManifestError(
                    f"{pattern!r} {problem}", hint=f"the parts are: {', '.join(split_of)}"
                )
            split_of |= dict.fromkeys(matching, name)
    return split_of


def _k_fold(manifest: Manifest, settings: SplitSettings) -> Splitting:
    records, folds = manifest.records, settings.folds
    grouping = group_rows(records, settings.group_by)
    if len(grouping) < folds:
        raise ManifestError(
            f"{folds} folds need at least as many groups; there are {len(grouping)}",
            hint=f"take fewer folds, or another grouping than {settings.group_by!r}",
        )
    fold_of = place_rows(records, grouping, [1.0] * folds, settings.seed)
    result = tuple(
        replace(record, split=None, fold=int(fold))
        for record, fold in zip(records, fold_of, strict=True)
    )
    nameless = nameless_rows(records) if settings.group_by == "identity" else []
    huge = warn_of_large_groups(grouping, max(SWALLOWED_SHARE, 1 / folds))
    warnings = (*huge, *nameless, *footageless_fakes(result), *shared_between_sides(result))
    return Splitting(result, warnings, grouping=grouping)


def _frames(manifest: Manifest, settings: SplitSettings) -> Splitting:
    records = tuple(replace(record, split=None, fold=None) for record in manifest.records)
    reason = (
        "frames are split at random, as the paper did: frames of one video, and so of one person, "
        "train, validate and test; a result says nothing of unseen videos"
    )
    return Splitting(records, (f"{reason}; frames drawn with seed {settings.seed}",), reason)


def _split_groups(
    records: Sequence[VideoRecord], grouping: Grouping, settings: SplitSettings
) -> Splitting:
    """Hand groups out to splits by the ratios."""
    placed = place_rows(records, grouping, settings.ratios, settings.seed)
    result = tuple(
        replace(record, split=SPLITS[part], fold=None)
        for record, part in zip(records, placed, strict=True)
    )
    empty = [
        f"no group was left for {name}: give it a larger ratio, or more groups"
        for part, (name, ratio) in enumerate(zip(SPLITS, settings.ratios, strict=True))
        if ratio > 0 and not (placed == part).any()
    ]
    huge = warn_of_large_groups(grouping, SWALLOWED_SHARE)
    warnings = (*huge, *empty, *footageless_fakes(result), *shared_between_sides(result))
    return Splitting(result, warnings, grouping=grouping)


PROTOCOLS: dict[str, Callable[[Manifest, SplitSettings], Splitting]] = {
    "official": _official,
    "video": _video,
    "identity": _identity,
    "part": _part,
    "k-fold": _k_fold,
    "paper-frame-split": _frames,
}
"""How rows are split, by name."""
