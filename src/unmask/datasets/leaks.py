"""Leaks that can be read off the rows of two sides: the same key on both.

Each kind of leak is a small table entry: the keys of a row, which pairs of rows with the same key
count, and what a row must tell to be checked at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from unmask.datasets.manifest import VideoRecord

MAX_EXAMPLES = 10
"""Examples kept of each finding."""


@dataclass(frozen=True)
class Example:
    """One pair of rows that leaks."""

    first: str
    """Id on the first side."""
    second: str
    """Id on the second side."""
    detail: str
    """What they share."""


@dataclass(frozen=True)
class Finding:
    """What one kind of leak came to between two sides."""

    kind: str
    """A name in `audit.KINDS`."""
    first: str
    """Name of the side nearer to training."""
    second: str
    """Name of the side nearer to testing."""
    count: int | None
    """Shared keys (rows, files, clips, persons), or frames with a near-duplicate; 0 where nothing
    was found in what could be checked, None where nothing could be checked."""
    rows_touched: int | None
    """Rows of the second side that are concerned."""
    share: float | None
    """Of all rows of the second side, in [0, 1]."""
    examples: tuple[Example, ...] = ()
    """A few of them."""


@dataclass(frozen=True)
class NotChecked:
    """Rows that a kind of leak could not be looked for in."""

    kind: str
    """A name in `audit.KINDS`."""
    side: str
    """Name of the side."""
    rows: int
    """Rows concerned."""
    rows_of_side: int
    """All rows of the side."""
    reason: str
    """Why."""
    wholly: bool = True
    """Whether nothing of these rows was checked, or only a part of what should be."""


@dataclass(frozen=True)
class Side:
    """Rows that are compared with those of other sides."""

    name: str
    """Name of a split, a fold or a manifest."""
    records: tuple[VideoRecord, ...]
    """Its rows."""
    root: str
    """Folder that they were indexed in."""

    def __repr__(self) -> str:
        """Show the count."""
        return f"Side({self.name!r}, {len(self.records)} rows)"


@dataclass(frozen=True)
class KeyCheck:
    """How one kind of leak is read off the rows."""

    keys: Callable[[VideoRecord, str], Iterable[str]]
    """Keys of a row that was indexed in a folder."""
    counts: Callable[[VideoRecord, VideoRecord, str], bool]
    """Whether two rows with this same key are a leak of this kind."""
    lacking: Callable[[VideoRecord], bool]
    """Whether a row tells too little to be checked fully."""
    reason: str
    """Why it then cannot be."""


def _always(_one: VideoRecord, _other: VideoRecord, _key: str) -> bool:
    return True


def _footage_of_fake(one: VideoRecord, other: VideoRecord, key: str) -> bool:
    """Tell whether one of the rows is a fake made from the other's footage."""
    if key in {one.source, other.source}:
        return True
    return one.label != other.label


KEY_CHECKS: dict[str, KeyCheck] = {
    "same-row": KeyCheck(
        keys=lambda record, root: [row_key(record, root)],
        counts=lambda one, other, _: not _known_to_differ(one, other),
        lacking=lambda _: False,
        reason="",
    ),
    "same-file": KeyCheck(
        keys=lambda record, _: [record.sha256] if record.sha256 else [],
        counts=lambda one, other, _: (one.dataset, one.id) != (other.dataset, other.id),
        lacking=lambda record: record.sha256 is None,
        reason="no SHA-256 in the manifest (`unmask data verify --hash -o` adds it)",
    ),
    "shared-video": KeyCheck(
        keys=lambda record, _: [record.target] if record.target else [],
        counts=_always,
        lacking=lambda record: record.target is None,
        reason="the manifest does not tell the footage",
    ),
    "fake-of-footage": KeyCheck(
        keys=lambda record, _: record.footage,
        counts=_footage_of_fake,
        lacking=lambda record: record.label == "fake" and None in {record.target, record.source},
        reason="fakes whose target or source footage is not told",
    ),
    "shared-person": KeyCheck(
        keys=lambda record, _: record.identities,
        counts=_always,
        lacking=lambda record: not record.identities,
        reason="the manifest does not tell the persons",
    ),
}
"""Kinds of leak that need no files."""


def row_key(record: VideoRecord, root: str) -> str:
    """Return what a row is known by: its data set and path, else its path on disk.

    Of rows without footage, such as fakes in folders of one's own, only the place on disk tells
    them apart: two folders may both have a fake/1.mp4.
    """
    return f"{record.dataset}:{record.id}" if record.target else f"{root}/{record.id}"


def _known_to_differ(one: VideoRecord, other: VideoRecord) -> bool:
    return any(
        None not in each and len(each) > 1
        for each in ({one.sha256, other.sha256}, {one.target, other.target})
    )


def shared_keys(kind: str, first: Side, second: Side) -> Finding:
    """Look for one kind of leak between two sides."""
    check = KEY_CHECKS[kind]
    if not all(
        any(any(check.keys(row, side.root)) for row in side.records) for side in (first, second)
    ):
        return Finding(kind, first.name, second.name, None, None, None)
    on_first = _by_key(first, check)
    touched: set[str] = set()
    examples: list[Example] = []
    count = 0
    for key, theirs in sorted(_by_key(second, check).items()):
        pairs = list(_pairs(check, on_first.get(key, ()), theirs, key))
        touched.update(other.id for _, other in pairs)
        count += bool(pairs)
        if pairs and len(examples) < MAX_EXAMPLES:
            examples.append(Example(pairs[0][0].id, pairs[0][1].id, key))
    share = len(touched) / len(second.records)
    return Finding(kind, first.name, second.name, count, len(touched), share, tuple(examples))


def _by_key(side: Side, check: KeyCheck) -> dict[str, list[VideoRecord]]:
    by_key: dict[str, list[VideoRecord]] = defaultdict(list)
    for record in side.records:
        for key in check.keys(record, side.root):
            by_key[key].append(record)
    return by_key


def _pairs(
    check: KeyCheck, ours: Sequence[VideoRecord], theirs: Sequence[VideoRecord], key: str
) -> Iterator[tuple[VideoRecord, VideoRecord]]:
    """Yield each row of the second side with the first partner that makes it leak."""
    for other in theirs:
        partner = next((one for one in ours if check.counts(one, other, key)), None)
        if partner is not None:
            yield partner, other


def list_unchecked(kind: str, side: Side) -> list[NotChecked]:
    """Say which rows of a side tell too little for one kind of leak."""
    check = KEY_CHECKS[kind]
    lacking = [record for record in side.records if check.lacking(record)]
    if not lacking:
        return []
    wholly = not any(any(check.keys(record, side.root)) for record in lacking)
    total = len(side.records)
    return [NotChecked(kind, side.name, len(lacking), total, check.reason, wholly)]
