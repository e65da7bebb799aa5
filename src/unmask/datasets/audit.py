"""The leak audit: what two splits, folds or manifests share that they must not.

Rows are compared by what the manifests tell (`leaks`) and, unless that is switched off, frames by
what they show (`fingerprints`). What could not be checked is listed and never counted as clean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from pathlib import Path

import numpy as np

from unmask.core.errors import ManifestError
from unmask.core.settings import FRAMES_PER_ROW, Limits
from unmask.datasets.fingerprints import Fingerprints, Unreadable, fingerprints
from unmask.datasets.leaks import (
    KEY_CHECKS,
    MAX_EXAMPLES,
    Example,
    Finding,
    NotChecked,
    Side,
    list_unchecked,
    row_key,
    shared_keys,
)
from unmask.datasets.manifest import Manifest, VideoRecord
from unmask.datasets.phash import BITS, DEFAULT_THRESHOLD_BITS, nearest
from unmask.datasets.split_checks import SPLITS, find_side

KINDS: dict[str, str] = {
    "leaks-by-design": "the protocol itself lets the same footage or persons onto several sides",
    "several-splits": "a row is in one split here and in another there",
    "same-row": "the same row of the same data set",
    "same-file": "the same file (SHA-256) under two names",
    "shared-video": "the same clip as it was before any change",
    "fake-of-footage": "a fake on one side, its target or source footage on the other",
    "shared-person": "the same person",
    "near-duplicate": "frames that look the same (perceptual hash)",
}
"""What is looked for, by name."""

NEAR_DUPLICATE = "near-duplicate"


@dataclass(frozen=True)
class FrameAccount:
    """How near-duplicate frames were looked for."""

    threshold_bits: int
    """Hashes of 64 bits that differ in at most so many are of near-duplicates."""
    frames_per_row: int
    """Most frames looked at of each row."""
    frames_compared: int
    """Frames hashed."""
    frames_flat: int
    """Frames left out: too little contrast to be compared."""


@dataclass(frozen=True)
class AuditReport:
    """What was compared, what leaks, and what could not be checked."""

    sides: tuple[tuple[str, int], ...]
    """Name and rows of each side, the one nearest to training first."""
    findings: tuple[Finding, ...]
    """One for every kind and pair of sides, those that found nothing included."""
    not_checked: tuple[NotChecked, ...]
    """Rows that some kind of leak could not be looked for in."""
    unreadable: tuple[Unreadable, ...]
    """Rows whose frames were asked for and could not be read."""
    frames: FrameAccount | None
    """How frames were compared; None when that was not asked for."""
    notes: tuple[str, ...] = ()
    """Leaks by design, in words."""

    @property
    def leaks(self) -> bool:
        """Whether anything leaks."""
        return any(finding.count for finding in self.findings)


def audit(
    manifests: Mapping[str, Manifest],
    *,
    frames_per_row: int = FRAMES_PER_ROW,
    threshold_bits: int = DEFAULT_THRESHOLD_BITS,
    root: str | Path | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Look for leaks between manifests, or between the splits or folds of a single one.

    Args:
        manifests: by a name for the report, the one nearest to training first.
        frames_per_row: frames looked at of each row; 0 looks at no file.
        threshold_bits: hashes that differ in at most so many bits are of near-duplicates.
        root: folder of the data set; by default the one that was indexed.
        limits: what is refused of files.
        progress: called with rows done and rows in all while files are read.

    Raises:
        ValueError: arguments that cannot be.
        ManifestError: there is nothing to compare.
    """
    if frames_per_row < 0 or not 0 <= threshold_bits < BITS // 2:
        raise ValueError(
            f"frames per row must be at least 0, got {frames_per_row}, and the threshold from 0 to "
            f"{BITS // 2 - 1} bits (unlike pictures differ in about {BITS // 2}), got "
            f"{threshold_bits}"
        )
    sides = _sides(manifests)
    prints = []
    if frames_per_row and len(sides) > 1:
        prints = _all_fingerprints(sides, frames_per_row, root, limits or Limits(), progress)
    findings = [_by_design(name, each) for name, each in manifests.items() if each.info.leaks]
    findings += _several_splits(manifests)
    for one, other in combinations(range(len(sides)), 2):
        first, second = sides[one], sides[other]
        findings += [shared_keys(kind, first, second) for kind in KEY_CHECKS]
        if prints:
            findings.append(
                _near_duplicates(first, second, prints[one], prints[other], threshold_bits)
            )
        else:
            findings.append(Finding(NEAR_DUPLICATE, first.name, second.name, None, None, None))
    return AuditReport(
        sides=tuple((each.name, len(each.records)) for each in sides),
        findings=tuple(findings),
        not_checked=(*_gaps(sides, prints), *_without_side(manifests)),
        unreadable=tuple(row for each in prints for row in each.unreadable),
        frames=_account(prints, frames_per_row, threshold_bits) if prints else None,
        notes=tuple(
            f"{name}: {m.info.leak_reason}" for name, m in manifests.items() if m.info.leaks
        ),
    )


def _sides(manifests: Mapping[str, Manifest]) -> list[Side]:
    """Return one side for each of several manifests, or for each split or fold of a single one."""
    if len(manifests) > 1:
        sides = [Side(name, each.records, each.info.root) for name, each in manifests.items()]
    else:
        sides = [each for item in manifests.values() for each in _sides_of_one(item)]
    empty = [each.name for each in sides if not each.records]
    if empty:
        raise ManifestError(f"{empty[0]!r} has no rows", hint="compare manifests that have rows")
    by_design = any(each.info.leaks for each in manifests.values())
    if len(sides) < 2 and not by_design:
        raise ManifestError(
            f"there is nothing to compare: {len(sides)} splits or folds in {len(manifests)} "
            "manifest",
            hint="give two manifests, or one that `unmask data split` made",
        )
    return sides


def _sides_of_one(manifest: Manifest) -> list[Side]:
    rows: dict[str, list[VideoRecord]] = defaultdict(list)
    for record in manifest.records:
        if (side := find_side(record)) is not None:
            rows[side].append(record)
    names = [*(name for name in SPLITS if name in rows), *sorted(rows.keys() - set(SPLITS))]
    return [Side(name, tuple(rows[name]), manifest.info.root) for name in names]


def _by_design(name: str, manifest: Manifest) -> Finding:
    rows = len(manifest)
    return Finding("leaks-by-design", name, name, rows, rows, 1.0)


def _several_splits(manifests: Mapping[str, Manifest]) -> Iterator[Finding]:
    """Yield, for each two manifests, the rows that are in one split here and another there."""
    named = [
        (name, {row_key(row, each.info.root): row for row in each.records})
        for name, each in manifests.items()
    ]
    for (first, ours), (second, theirs) in combinations(named, 2):
        examples = [
            Example(
                ours[key].id, theirs[key].id, f"{find_side(ours[key])} / {find_side(theirs[key])}"
            )
            for key in sorted(ours.keys() & theirs.keys())
            if None not in (sides := {find_side(ours[key]), find_side(theirs[key])})
            and len(sides) > 1
        ]
        share = len(examples) / max(1, len(theirs))
        kept = tuple(examples[:MAX_EXAMPLES])
        yield Finding("several-splits", first, second, len(examples), len(examples), share, kept)


def _all_fingerprints(
    sides: Sequence[Side],
    frames_per_row: int,
    root: str | Path | None,
    limits: Limits,
    progress: Callable[[int, int], None] | None,
) -> list[Fingerprints]:
    """Read the frames of all sides."""
    total = sum(len(each.records) for each in sides)
    number = count(1)

    def done() -> None:
        if progress is not None:
            progress(next(number), total)

    return [
        fingerprints(
            each.records,
            Path(root or each.root),
            frames=frames_per_row,
            limits=limits,
            done=done,
        )
        for each in sides
    ]


def _near_duplicates(
    first: Side, second: Side, ours: Fingerprints, theirs: Fingerprints, threshold_bits: int
) -> Finding:
    """Find the frames of the second side that look like one of the first."""
    if not len(ours.hashes) or not len(theirs.hashes):
        return Finding(NEAR_DUPLICATE, first.name, second.name, None, None, None)
    pairs = nearest(theirs.hashes, ours.hashes)
    alike = np.flatnonzero(pairs.distances <= threshold_bits)
    alike = alike[np.argsort(pairs.distances[alike], kind="stable")]
    best = {int(theirs.rows[frame]): int(frame) for frame in alike[::-1]}
    nearest_first = sorted(best.values(), key=lambda frame: (pairs.distances[frame], frame))
    examples = tuple(
        Example(
            first.records[ours.rows[pairs.indices[frame]]].id,
            second.records[theirs.rows[frame]].id,
            f"{pairs.distances[frame]} of {BITS} bits differ",
        )
        for frame in nearest_first[:MAX_EXAMPLES]
    )
    share = len(best) / len(second.records)
    return Finding(NEAR_DUPLICATE, first.name, second.name, len(alike), len(best), share, examples)


def _gaps(sides: Sequence[Side], prints: Sequence[Fingerprints]) -> Iterator[NotChecked]:
    """Yield what could not be checked on each side."""
    for place, side in enumerate(sides):
        total = len(side.records)
        for kind in KEY_CHECKS:
            yield from list_unchecked(kind, side)
        if not prints:
            yield NotChecked(NEAR_DUPLICATE, side.name, total, total, "frames were not asked for")
            continue
        result = prints[place]
        for rows, reason in (
            (len(result.unreadable), "their files could not be read"),
            (result.flat_rows, "all frames looked at have too little contrast"),
        ):
            if rows:
                yield NotChecked(NEAR_DUPLICATE, side.name, rows, total, reason)


def _without_side(manifests: Mapping[str, Manifest]) -> Iterator[NotChecked]:
    """Yield rows that no side holds, and sides within a manifest that were not compared."""
    for name, manifest in manifests.items():
        sides = {find_side(record) for record in manifest.records}
        if len(manifests) == 1:
            rows = sum(find_side(record) is None for record in manifest.records)
            reason = "rows without a split or fold are on no side"
        else:
            rows = len(manifest) if len(sides - {None}) > 1 else 0
            reason = "its splits were not compared with each other: give the manifest alone"
        if rows:
            yield NotChecked("all", name, rows, len(manifest), reason)


def _account(
    prints: Sequence[Fingerprints], frames_per_row: int, threshold_bits: int
) -> FrameAccount:
    return FrameAccount(
        threshold_bits=threshold_bits,
        frames_per_row=frames_per_row,
        frames_compared=sum(len(each.hashes) for each in prints),
        frames_flat=sum(each.flat_frames for each in prints),
    )
